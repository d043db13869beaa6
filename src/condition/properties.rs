//! What holds of every condition: generated ones are written, read, judged and tracked.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;

use super::syntax::{Held, Leaf, Node, Op, Pattern, State, Test};
use super::*;
use crate::model::units::{Quantity, Unit};

const NAMES: [&str; 5] = ["a", "lag_ms", "reconnect_p99_s", "and_or", "x.y:z-1"];

fn number() -> impl Strategy<Value = Value> {
    let units = [Unit::None, Unit::Millisecond, Unit::Second, Unit::Percent, Unit::Mebibyte];
    (prop_oneof![-9.0..9.0, proptest::num::f64::NORMAL, Just(0.0), Just(5.0)], select(units.to_vec()))
        .prop_map(|(value, unit)| Quantity::new(value, unit).into())
}

fn test() -> impl Strategy<Value = Test> {
    prop_oneof![6 => value_test(), 1 => select(State::ALL.to_vec()).prop_map(Test::Is)]
}

/// Tests of a value, none of which asks whether there is one.
fn value_test() -> impl Strategy<Value = Test> {
    let text = prop_oneof![any::<String>(), Just("RUNNING".to_owned())];
    prop_oneof![
        (select(Op::ALL.to_vec()), number()).prop_map(|(op, value)| Test::Compare(op, value)),
        (select(vec![Op::Equal, Op::NotEqual]), text).prop_map(|(op, text)| Test::Compare(op, text.into())),
        (select(vec![Op::Equal, Op::NotEqual]), any::<bool>())
            .prop_map(|(op, b)| Test::Compare(op, b.into())),
        select(vec!["^R", r"\d+\.", "a\"b", ""])
            .prop_map(|pattern| Test::Matches(Pattern(Regex::new(pattern).unwrap()))),
    ]
}

fn node(tests: impl Strategy<Value = Test> + 'static, holds: bool) -> impl Strategy<Value = Node> {
    let leaf = (select(NAMES.to_vec()), tests).prop_map(|(name, test)| {
        Node::Leaf(Leaf { name: name.to_owned(), name_span: 0..0, test, test_span: 0..0 })
    });
    leaf.prop_recursive(5, 24, 4, move |inner| {
        let held = (inner.clone(), 1..90u8).prop_map(move |(node, seconds)| {
            let hold = Quantity::new(f64::from(seconds), Unit::Second);
            let duration = Duration::from_secs(u64::from(seconds));
            if holds { Node::Held(Box::new(Held { node, hold, duration })) } else { node }
        });
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Node::any),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Node::all),
            inner.clone().prop_map(|node| Node::Not(Box::new(node))),
            held,
        ]
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    prop_oneof![
        number().prop_map(Sample::Value),
        any::<bool>().prop_map(|b| Sample::Value(b.into())),
        select(vec!["RUNNING", "FAILED", "12.5"]).prop_map(|text| Sample::Value(text.into())),
        Just(Sample::NoEvents),
        Just(Sample::Missing),
    ]
}

fn samples() -> impl Strategy<Value = BTreeMap<&'static str, Sample>> {
    proptest::collection::vec(sample(), NAMES.len())
        .prop_map(|samples| NAMES.into_iter().zip(samples).collect())
}

fn condition(root: Node) -> Condition {
    Condition { text: root.to_string(), root }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_as_the_same(root in node(test(), true)) {
        let written = root.to_string();
        prop_assume!(written.len() <= MAX_LENGTH);
        let read = Condition::parse(&written);
        prop_assert_eq!(read.as_ref().map(|read| &read.root), Ok(&root), "{}", written);
        prop_assert_eq!(read.unwrap().to_string(), written);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = Condition::parse(&text).map_err(|fault| fault.to_string());
    }

    #[test]
    fn no_row_of_words_makes_the_reader_panic_or_print_what_it_cannot_read(words in proptest::collection::vec(select(vec![
        "a", "lag_ms", "<", ">=", "==", "!=", "=", "(", ")", "and", "or", "not", "for", "5", "30s", "-1.5 ms", "1e3", "'x'",
        "\"\\n\"", "\"", "'", "true", "matches", "missing", "present", "_gt_", "5_or_", "é", "\u{0}", " ", "%",
    ]), 0..14), spaced in any::<bool>()) {
        let text = words.join(if spaced { " " } else { "" });
        if let Ok(condition) = Condition::parse(&text) {
            prop_assert_eq!(Condition::parse(&condition.to_string()), Ok(condition));
        }
    }

    #[test]
    fn every_span_is_the_name_that_it_is_said_to_be(root in node(test(), true)) {
        let text = format!("  {root} ");
        prop_assume!(text.len() <= MAX_LENGTH);
        let condition = Condition::parse(&text).unwrap();
        for used in condition.names() {
            prop_assert_eq!(&condition.text()[used.span], used.name);
        }
        for fault in condition.check(&|_| None, &[]) {
            prop_assert!(NAMES.contains(&&condition.text()[fault.span]));
        }
    }

    #[test]
    fn labels_never_make_the_reader_panic(text in "([a-z]{1,3}|_gt_|_eq_|_or_|_and_|_|[0-9]|p|-|%|µ|\\.){1,12}") {
        if let Ok(condition) = Condition::parse(&text) {
            prop_assert_eq!(Condition::parse(&condition.to_string()), Ok(condition));
        }
    }

    #[test]
    fn a_label_means_what_its_expression_means(
        clauses in proptest::collection::vec((select(NAMES.to_vec()), select(Op::ALL.to_vec()), 0..99u8, any::<bool>()), 1..6)
    ) {
        let (mut label, mut expression) = (String::new(), String::new());
        for (i, (name, op, value, or)) in clauses.into_iter().enumerate() {
            let word = if or { "or" } else { "and" };
            if i > 0 {
                label += &format!("_{word}_");
                expression += &format!(" {word} ");
            }
            label += &format!("{name}{}{value}p5ms", op.label());
            expression += &format!("{name} {} {value}.5ms", op.symbol());
        }
        prop_assert_eq!(Condition::parse(&label), Condition::parse(&expression));
    }

    /// What is known must not depend on what is not: a truth found with some metrics missing stays the
    /// truth whatever those turn out to be.
    #[test]
    fn a_known_truth_holds_whatever_the_missing_turn_out_to_be(
        root in node(value_test(), false),
        before in samples(), after in samples(),
    ) {
        let condition = condition(root);
        let known = |name: &str| before[name].clone();
        let later = |name: &str| match &before[name] {
            Sample::Missing | Sample::NoEvents => after[name].clone(),
            value => value.clone(),
        };
        let truth = condition.eval(&known).unwrap();
        if truth != Truth::Unknown {
            prop_assert_eq!(condition.eval(&later).unwrap(), truth, "{}", condition);
        }
    }

    #[test]
    fn not_turns_the_truth_and_keeps_the_unknown(root in node(test(), false), seen in samples()) {
        let look = |name: &str| seen[name].clone();
        let truth = condition(root.clone()).eval(&look).unwrap();
        prop_assert_eq!(condition(Node::Not(Box::new(root))).eval(&look).unwrap(), !truth);
    }

    #[test]
    fn every_truth_is_explained_on_one_line(root in node(test(), false), seen in samples()) {
        let explanation = condition(root).explain(&|name| seen[name].clone()).unwrap();
        prop_assert!(!explanation.reasons.is_empty());
        prop_assert!(!explanation.to_string().contains(char::is_control));
    }

    #[test]
    fn the_same_series_gives_the_same_truths(
        root in node(test(), true), series in proptest::collection::vec((0..40_000u64, samples()), 1..8),
    ) {
        let run = || {
            let mut tracker = Tracker::new(condition(root.clone()), Duration::from_secs(30));
            let mut at = Duration::ZERO;
            series.iter().map(|(pause, seen)| {
                at += Duration::from_millis(*pause);
                tracker.observe(at, &|name| seen[name].clone()).unwrap()
            }).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }

    /// The tracker keeps three times; the definition looks at the whole series.
    #[test]
    fn the_tracker_agrees_with_the_definition(
        series in proptest::collection::vec((1..20u64, 0..4u8), 1..40), hold in 1..60u64, gap in 1..40u64,
    ) {
        let condition = Condition::parse(&format!("a == true for {hold}s")).unwrap();
        let mut tracker = Tracker::new(condition, Duration::from_secs(gap));
        let mut past: Vec<(u64, Truth)> = Vec::new();
        let mut at = 0;
        for (pause, kind) in series {
            at += pause;
            let (sample, truth) = match kind {
                0 => (Sample::Missing, Truth::Unknown),
                1 => (Sample::Value(false.into()), Truth::False),
                _ => (Sample::Value(true.into()), Truth::True),
            };
            past.push((at, truth));
            let judged = tracker.observe(Duration::from_secs(at), &|_| sample.clone()).unwrap();
            prop_assert_eq!(judged.truth, defined(&past, hold, gap), "{:?}", past);
        }
    }
}

/// `… for hold` at the end of a series, straight from what the documentation says.
fn defined(past: &[(u64, Truth)], hold: u64, gap: u64) -> Truth {
    let (now, last) = past[past.len() - 1];
    let known: Vec<(u64, Truth)> =
        past.iter().copied().filter(|(_, truth)| *truth != Truth::Unknown).collect();
    let start = (0..known.len()).rev().find(|i| {
        *i == 0
            || known[i - 1].1 == Truth::False
            || known[*i].0 - known[i - 1].0 > gap
            || known[*i].1 == Truth::False
    });
    let run = start.map(|i| known[i]).filter(|(_, truth)| *truth == Truth::True);
    if last == Truth::True && run.is_some_and(|(since, _)| now - since >= hold) {
        return Truth::True;
    }
    let recently_false = past.iter().any(|(at, truth)| *truth == Truth::False && now - at <= hold);
    if recently_false { Truth::False } else { Truth::Unknown }
}

#[test]
fn nesting_ends_in_an_error_and_not_in_a_crash() {
    let problem = |text: &str| Condition::parse(text).unwrap_err().problem;
    assert_eq!(problem(&"(".repeat(10_000)), Problem::TooLong(10_000));
    assert_eq!(problem(&"(".repeat(MAX_LENGTH)), Problem::TooDeep);
    assert_eq!(problem(&"not ".repeat(1_000)), Problem::TooDeep);
    assert_eq!(problem(&format!("{}a == 1", "not (".repeat(33))), Problem::TooDeep);
    let deep = format!("{}a == 1{}", "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
    assert_eq!(Condition::parse(&deep), Condition::parse("a == 1"));
    assert!(Condition::parse(&format!("{}a == 1", "not ".repeat(MAX_DEPTH))).is_ok());
    assert_eq!(problem(&format!("{}a == 1", "not ".repeat(MAX_DEPTH + 1))), Problem::TooDeep);
    assert!(
        Condition::parse(&vec!["(not a == 1)"; 2 * MAX_DEPTH].join(" or ")).is_ok(),
        "side by side is not deep"
    );
}

#[test]
fn every_operator_is_true_on_its_side_and_is_explained_on_the_other() {
    for (operator, below, equal, above, opposite) in [
        ("<", true, false, false, ">= 5"),
        ("<=", true, true, false, "> 5"),
        (">", false, false, true, "<= 5"),
        (">=", false, true, true, "< 5"),
        ("==", false, true, false, "!= 5"),
        ("!=", true, false, true, "5"),
    ] {
        let condition = Condition::parse(&format!("a {operator} 5")).unwrap();
        let negated = Condition::parse(&format!("not a {operator} 5")).unwrap();
        for (value, expected) in [(4.0, below), (5.0, equal), (6.0, above)] {
            let seen = |_: &str| Sample::Value(Quantity::new(value, Unit::None).into());
            assert_eq!(condition.eval(&seen), Ok(expected.into()), "{value} {operator} 5");
            if expected {
                let told = negated.explain(&seen).unwrap().to_string();
                assert_eq!(told, format!("a = {value}, expected {opposite}"));
            }
        }
    }
}

#[test]
fn missing_present_and_no_events_tell_the_three_samples_apart() {
    let value = Sample::Value(true.into());
    for (state, of_value, of_no_events, of_missing) in
        [("missing", false, false, true), ("present", true, true, false), ("no_events", false, true, false)]
    {
        let condition = Condition::parse(&format!("{state}(a)")).unwrap();
        for (sample, expected) in
            [(&value, of_value), (&Sample::NoEvents, of_no_events), (&Sample::Missing, of_missing)]
        {
            assert_eq!(condition.eval(&|_| sample.clone()), Ok(expected.into()), "{state} of {sample:?}");
        }
    }
}

#[test]
fn a_control_character_in_a_text_must_be_an_escape() {
    for text in ["a == 'x\ny'", "a == \"x\u{1b}y\""] {
        assert_eq!(Condition::parse(text).unwrap_err().problem, Problem::ControlCharacter, "{text:?}");
    }
    let condition = Condition::parse(r#"a == "\u{1b}\n\\" "#).unwrap();
    assert_eq!(condition.eval(&|_| Sample::Value("\u{1b}\n\\".into())), Ok(Truth::True));
    for text in [r#"a == "\d""#, r#"a == "\u{}""#, r#"a == "\u{d800}""#, r#"a == "\u{+1b}""#, r#"a == "\"#] {
        assert!(matches!(Condition::parse(text).unwrap_err().problem, Problem::Escape(_)), "{text}");
    }
}

#[test]
fn a_long_row_is_read_and_printed_whole() {
    let row = vec!["a<1"; 500].join(" or ");
    let condition = Condition::parse(&row).unwrap();
    assert_eq!(condition.names().len(), 500);
    assert_eq!(condition.to_string().matches(" or ").count(), 499);
}

#[test]
fn a_slip_in_a_label_is_an_error_and_never_another_condition() {
    for label in [
        "a_gt_5mss_or_b_gt_3",
        "a_gt__or_b_gt_3",
        "a_gt_5_or_b_gt_",
        "a_gt_five_or_b_gt_3",
        "_gt_5",
        "a_gt_5_or__gt_3",
        "a_gt_5_b_gt_3",
        "a_gt_5_or_",
        "a_gt_5_or_b",
        "a%_gt_5",
        "5_gt_5",
        "and_gt_5",
        "a_gt_inf",
        "a_gt_NaN",
        "a_gt_true",
        "bucket_le_5_gt_3",
    ] {
        assert!(Condition::parse(label).is_err(), "{label} was read as {}", Condition::parse(label).unwrap());
    }
    assert_eq!(Condition::parse("a_eq_eq_or_or_b_gt_1").unwrap_err().problem, Problem::AmbiguousLabel);
}

#[test]
fn a_condition_is_its_text_in_json() {
    let text = "\"lag_ms_gt_5ms\"";
    let condition: Condition = serde_json::from_str(text).unwrap();
    assert_eq!(condition.to_string(), "lag_ms > 5 ms");
    assert_eq!(serde_json::to_string(&condition).unwrap(), text);
    assert!(
        serde_json::from_str::<Condition>("\"lag_ms >\"").unwrap_err().to_string().contains("character 9")
    );
}

#[test]
fn one_moment_cannot_judge_a_condition_over_time() {
    let condition = Condition::parse("a > 5 for 30s or (b > 1 for 1min and c > 1)").unwrap();
    assert_eq!(condition.eval(&|_| Sample::Missing), Err(NeedsHistory));
    assert_eq!(condition.longest_hold(), Some(Duration::from_secs(60)));
    assert_eq!(Condition::parse("a > 5").unwrap().longest_hold(), None);
}

#[test]
fn a_tracker_refuses_a_time_that_goes_back() {
    let mut tracker = Tracker::new(Condition::parse("a > 5 for 30s").unwrap(), Duration::from_secs(5));
    let (early, late) = (Duration::from_secs(1), Duration::from_secs(2));
    assert!(tracker.observe(late, &|_| Sample::Missing).is_ok());
    assert!(tracker.observe(late, &|_| Sample::Missing).is_ok());
    assert_eq!(tracker.observe(early, &|_| Sample::Missing), Err(TimeWentBack { at: early, last: late }));
}

#[test]
fn both_parts_of_a_nested_for_keep_their_own_time() {
    let condition = Condition::parse("((a > 5 for 2s) and b > 5) for 3s").unwrap();
    let mut tracker = Tracker::new(condition, Duration::from_secs(2));
    let seen = Sample::Value(Quantity::new(6.0, Unit::None).into());
    let truths: Vec<Truth> = (0..7)
        .map(|second| tracker.observe(Duration::from_secs(second), &|_| seen.clone()).unwrap().truth)
        .collect();
    let known = truths.iter().position(|truth| *truth == Truth::True);
    assert_eq!(known, Some(5), "two seconds for the inner, three more for the outer: {truths:?}");
}

#[test]
fn a_huge_text_is_cut_in_an_explanation() {
    let condition = Condition::parse("out == 'ok'").unwrap();
    let seen = Sample::Value("é\n".repeat(1 << 20).into());
    let told = condition.explain(&|_| seen.clone()).unwrap().to_string();
    assert!(told.len() < 300 && told.contains('…'), "{}", told.len());
}

#[test]
fn a_metric_of_any_type_passes_the_check_and_is_judged_when_seen() {
    let condition = Condition::parse("stdout == 'ok' and stdout != true").unwrap();
    assert_eq!(condition.check(&|_| Some(MetricType::Any), &[]), []);
    assert_eq!(condition.eval(&|_| Sample::Value("ok".into())), Ok(Truth::Unknown));
}
