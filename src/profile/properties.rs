//! Whatever the text, loading does not panic, and every fault stands somewhere in it.

use super::samples::{PROBES, SHOP, night, parse};
use super::{Fault, Profile};
use proptest::prelude::*;

/// Checks what came of a text.
fn hold(text: &str) -> Result<(), TestCaseError> {
    let faults = match parse(text) {
        Ok(profile) => {
            prop_assert!(!profile.gates.is_empty());
            profile.warnings
        }
        Err(faults) => {
            prop_assert!(!faults.0.is_empty(), "refused without a reason");
            faults.0
        }
    };
    for fault in &faults {
        within(fault, text)?;
    }
    let places: Vec<_> = faults.iter().map(|fault| (fault.at.line, fault.at.column)).collect();
    prop_assert!(places.is_sorted());
    Ok(())
}

fn within(fault: &Fault, text: &str) -> Result<(), TestCaseError> {
    let line = text.split('\n').nth(fault.at.line - 1);
    let Some(line) = line else { return Err(TestCaseError::fail(format!("no such line: {fault}"))) };
    prop_assert!(fault.at.column <= line.chars().count() + 1, "no such column: {fault}");
    prop_assert!(!fault.message.contains('\n'), "more than one line: {fault}");
    if let Some(excerpt) = &fault.excerpt {
        prop_assert!(excerpt.before + excerpt.width <= excerpt.line.chars().count() + 1, "{fault}");
    }
    Ok(())
}

/// Pieces from which most of what can be wrong is made.
fn piece() -> impl Strategy<Value = String> {
    let night = night();
    let pieces: Vec<String> = night
        .split_inclusive([' ', '\n', '=', '[', ']', '"', ',', '.'])
        .chain([
            "'''",
            "\"\"\"",
            "\\",
            "{",
            "}",
            "é",
            "\u{0}",
            "\r\n",
            "\t",
            "#",
            "1979-05-27",
            "nan",
            "9e999",
            "password",
        ])
        .map(str::to_owned)
        .collect();
    proptest::sample::select(pieces)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        hold(&text)?;
    }

    #[test]
    fn pieces_of_a_profile_in_any_order(pieces in proptest::collection::vec(piece(), 0..60)) {
        hold(&pieces.concat())?;
    }

    #[test]
    fn a_profile_with_a_few_edits(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..30, piece()), 1..6)
    ) {
        let mut text = night();
        for (at, length, piece) in edits {
            let bound = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let start = bound(at.index(text.len() + 1));
            let end = bound(start + length).max(start);
            text.replace_range(start..end, &piece);
        }
        hold(&text)?;
    }

    #[test]
    fn a_profile_with_a_few_values_in_place_of_others(
        swaps in proptest::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 1..4)
    ) {
        let night = night();
        let mut lines: Vec<String> = night.lines().map(str::to_owned).collect();
        let valued: Vec<usize> = (0..lines.len()).filter(|line| lines[*line].contains(" = ")).collect();
        for (to, from) in swaps {
            let (to, from) = (valued[to.index(valued.len())], valued[from.index(valued.len())]);
            let key = lines[to].split(" = ").next().unwrap_or_default().to_owned();
            let value = lines[from].split_once(" = ").map_or("", |(_, value)| value).to_owned();
            lines[to] = format!("{key} = {value}");
        }
        hold(&lines.join("\n"))?;
    }

    #[test]
    fn a_cutover_with_its_lines_in_any_order(
        lines in Just(night().lines().map(str::to_owned).collect::<Vec<_>>()).prop_shuffle(), keep in 1usize..160
    ) {
        hold(&lines.into_iter().take(keep).collect::<Vec<_>>().join("\n"))?;
    }

    #[test]
    fn a_profile_with_its_lines_in_any_order(
        lines in Just(SHOP.lines().map(str::to_owned).collect::<Vec<_>>()).prop_shuffle(), keep in 1usize..60
    ) {
        hold(&lines.into_iter().take(keep).collect::<Vec<_>>().join("\n"))?;
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
    for text in [
        format!("environment = {}", "[".repeat(100_000)),
        format!("environment = {}", "{ a = ".repeat(100_000)),
        format!("{} = 1", vec!["a"; 100_000].join(".")),
        format!("[[gate]]\nid = \"a\"\nexpect = \"{}alive == true\"", "(".repeat(100_000)),
        format!("[[gate]]\nid = \"a\"\nprobe = \"every_kind\"\nwith.pattern = \"{}\"", "(".repeat(100_000)),
    ] {
        assert!(Profile::parse("x", &text, PROBES).is_err());
    }
}
