//! Expectations of gates, steps and the watch: thresholds are put in by name, the condition is parsed and checked
//! against what can be observed. Every fault has its place in the text as it was written.

use super::draft::Threshold;
use crate::condition::{Condition, KEYWORDS, MetricType, Problem};
use crate::model::{Metric, MetricKind};
use crate::settings::fault::Report;
use crate::settings::names::{hint, quoted};
use crate::settings::source::Span;
use std::collections::{BTreeMap, HashSet};

/// Named limits. A condition writes `$NAME` where it would write the limit itself.
#[derive(Debug, Default)]
pub(super) struct Thresholds {
    named: BTreeMap<String, (Span, Option<String>)>,
}

impl Thresholds {
    /// Checks names.
    pub(super) fn new(thresholds: Vec<Threshold>, report: &mut Report<'_>) -> Thresholds {
        let mut named = BTreeMap::new();
        for Threshold { name, written } in thresholds {
            if references(&format!("${}", name.value)) != [(0..name.value.len() + 1, name.value.as_str())] {
                let expected = "expected a name of letters, digits and `_`, no digit first";
                report.fault(&name.span, format!("threshold {}: {expected}", quoted(&name.value)));
            }
            named.insert(name.value, (name.span, written));
        }
        Thresholds { named }
    }

    /// Reports thresholds that no condition uses: whoever changes one expects that it counts.
    pub(super) fn refuse_unused(&self, used: &HashSet<String>, report: &mut Report<'_>) {
        for (name, (span, _)) in self.named.iter().filter(|(name, _)| !used.contains(*name)) {
            let told =
                format!("no condition uses threshold {}: write ${name} in one, or remove it", quoted(name));
            report.fault(span, told);
        }
    }
}

/// The names of the thresholds that a condition uses.
pub(super) fn thresholds_used(text: &str) -> impl Iterator<Item = &str> {
    references(text).into_iter().map(|(_, name)| name)
}

/// A fault and its place in the condition's text.
pub(super) type TextFault = (Span, String);

/// Over which time a condition is judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Judged {
    /// At one moment; waiting is the gate's `retry`.
    Gate,
    /// At one moment, again and again until it holds.
    Ready,
    /// On samples over time.
    Watch,
}

/// What is known by name.
pub(super) type Known = Vec<(String, MetricType)>;

/// The names that a probe observes.
pub(super) fn known(metrics: &[Metric]) -> Known {
    metrics.iter().map(|metric| (metric.name.to_string(), type_of(metric))).collect()
}

/// What a metric is to a condition.
pub(super) fn type_of(metric: &Metric) -> MetricType {
    match metric.kind {
        MetricKind::Number(unit) => MetricType::Number(unit),
        MetricKind::Text => MetricType::Text,
        MetricKind::Bool => MetricType::Bool,
    }
}

/// Whether a condition can name a metric so.
pub(super) fn is_metric_name(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain && name.len() <= 100 && !KEYWORDS.contains(&name)
}

/// Parses a gate's condition and checks it against what can be observed, where that is known.
///
/// # Errors
/// As [`check`].
pub(super) fn check_expect(
    text: &str,
    thresholds: &Thresholds,
    metrics: Option<&[Metric]>,
) -> Result<Condition, Vec<TextFault>> {
    check(text, thresholds, metrics.map(known).as_deref(), Judged::Gate)
}

/// Parses a condition and checks it against what is known, where that is known.
///
/// # Errors
/// All faults: unknown thresholds, else a fault of syntax, else names and units that do not fit the metrics.
pub(super) fn check(
    text: &str,
    thresholds: &Thresholds,
    known: Option<&[(String, MetricType)]>,
    judged: Judged,
) -> Result<Condition, Vec<TextFault>> {
    let filled = Filled::new(text, thresholds)?;
    let condition = Condition::parse(&filled.text)
        .map_err(|fault| vec![(filled.place(&fault.span), fault.problem.to_string())])?;
    let moment = match judged {
        Judged::Gate => Some("a gate is judged at one moment; use `retry` to wait"),
        Judged::Ready => Some("a step is ready at one moment"),
        Judged::Watch => None,
    };
    if let Some(moment) = moment.filter(|_| condition.needs_history()) {
        return Err(vec![(0..text.len(), format!("`for` needs samples over time, and {moment}"))]);
    }
    let Some(known) = known else { return Ok(condition) };
    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let kind = |name: &str| known.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind);
    let told = |problem: &Problem| match problem {
        Problem::UnknownName { name, .. } => {
            format!("unknown metric {}{}", quoted(name), hint(name, names.iter().copied()))
        }
        other => other.to_string(),
    };
    let faults = condition.check(&kind, &names);
    if faults.is_empty() {
        return Ok(condition);
    }
    Err(faults.iter().map(|fault| (filled.place(&fault.span), told(&fault.problem))).collect())
}

/// A text with its thresholds put in, which remembers where everything stood.
struct Filled {
    text: String,
    /// For each threshold: where it stands now, and where it was written.
    places: Vec<(Span, Span)>,
}

impl Filled {
    fn new(text: &str, thresholds: &Thresholds) -> Result<Filled, Vec<TextFault>> {
        let mut filled = Filled { text: String::new(), places: Vec::new() };
        let mut faults = Vec::new();
        let mut copied = 0;
        for (span, name) in references(text) {
            filled.text.push_str(&text[copied..span.start]);
            copied = span.end;
            let start = filled.text.len();
            match thresholds.named.get(name) {
                // The spaces keep what stands around it from becoming a part of the number.
                Some((_, Some(written))) => filled.text.push_str(&format!(" {written} ")),
                // It was reported where it stands; any number keeps the rest of the condition checkable.
                Some((_, None)) => return Err(Vec::new()),
                None => {
                    let hint = hint(name, thresholds.named.keys().map(String::as_str));
                    faults.push((span.clone(), format!("unknown threshold {}{hint}", quoted(name))));
                }
            }
            filled.places.push((start..filled.text.len(), span));
        }
        filled.text.push_str(&text[copied..]);
        if faults.is_empty() { Ok(filled) } else { Err(faults) }
    }

    /// Where a part of the filled text was written.
    fn place(&self, part: &Span) -> Span {
        let written = |at: usize, end: bool| {
            let mut moved = at;
            for (now, then) in self.places.iter().rev() {
                if at >= now.end {
                    moved = then.end + (at - now.end);
                    break;
                }
                if at > now.start || (at == now.start && !end) {
                    moved = if end { then.end } else { then.start };
                    break;
                }
            }
            moved
        };
        let start = written(part.start, false);
        start..written(part.end, true).max(start)
    }
}

/// Where a condition names thresholds, outside of its texts in quotes; `$` with nothing behind it is the empty name.
fn references(text: &str) -> Vec<(Span, &str)> {
    let mut found = Vec::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match (quote, c) {
            (Some('"'), '\\') => drop(characters.next()),
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '$') => {
                let rest = &text[at + 1..];
                let begins = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
                let length =
                    rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                let name = if begins { &rest[..length] } else { "" };
                found.push((at..at + 1 + name.len(), name));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::Unit;
    use crate::profile::draft::Placed;
    use crate::settings::source::Source;
    use proptest::prelude::*;

    fn thresholds() -> Thresholds {
        let source = Source::command_line();
        let named = |name: &str, written: &str| Threshold {
            name: Placed::nowhere(name.to_owned()),
            written: Some(written.to_owned()),
        };
        Thresholds::new(vec![named("slow", "500 ms"), named("share", "0.95")], &mut Report::new(&source))
    }

    fn metrics() -> Vec<Metric> {
        vec![
            Metric::number("lag_ms", Unit::Millisecond, ""),
            Metric::number("hit_ratio", Unit::Ratio, ""),
            Metric::text("state", ""),
        ]
    }

    fn checked(text: &str) -> Result<String, Vec<(String, String)>> {
        check_expect(text, &thresholds(), Some(&metrics())).map(|condition| condition.to_string()).map_err(
            |faults| {
                faults
                    .into_iter()
                    .map(|(span, told)| (text.get(span).unwrap_or("?").to_owned(), told))
                    .collect()
            },
        )
    }

    #[test]
    fn thresholds_are_put_in_by_name() {
        let canonical = |text| Condition::parse(text).unwrap().to_string();
        assert_eq!(checked("lag_ms < $slow"), Ok(canonical("lag_ms < 500 ms")));
        assert_eq!(
            checked("hit_ratio>=$share and lag_ms<$slow"),
            Ok(canonical("hit_ratio >= 0.95 and lag_ms < 500 ms"))
        );
        assert_eq!(checked("state == '$slow'"), Ok(canonical("state == '$slow'")));
        assert_eq!(checked(r#"state == "\"$slow""#), Ok(canonical(r#"state == "\"$slow""#)));
    }

    #[test]
    fn a_threshold_does_not_grow_together_with_what_stands_beside_it() {
        assert!(checked("lag_ms < 5$slow").is_err());
        assert!(checked("lag_ms < -$slow").is_err());
        assert!(checked("lag_ms < $slow.5").is_err());
    }

    #[test]
    fn every_fault_has_its_place_in_the_text_as_written() {
        let first = |text: &str| checked(text).unwrap_err().remove(0);
        let (part, told) = first("lag_ms < $slwo");
        assert_eq!((part.as_str(), told.as_str()), ("$slwo", "unknown threshold `slwo`; nearest: `slow`"));
        let (part, told) = first("lag_ms < $");
        assert_eq!(
            (part.as_str(), told.as_str()),
            ("$", "unknown threshold ``; expected one of `share`, `slow`")
        );
        let (part, told) = first("lag_ms < $slow and stat == 'x'");
        assert_eq!((part.as_str(), told.as_str()), ("stat", "unknown metric `stat`; nearest: `state`"));
        let (part, _) = first("lag_ms < $slow and hit_ratio < $slow");
        assert_eq!(part, "$slow");
        let (part, told) = first("lag_ms < $slow for 5s");
        assert!(told.contains("use `retry`") && part.starts_with("lag_ms"), "{told}");
    }

    proptest! {
        #[test]
        fn any_text_is_checked_without_panic_and_faults_lie_within(text in "[ a-z_$<>=0-9'\"\\\\é.-]{0,40}") {
            if let Err(faults) = check_expect(&text, &thresholds(), Some(&metrics())) {
                for (span, _) in faults {
                    prop_assert!(text.get(span.clone()).is_some(), "{span:?}");
                }
            }
        }

        #[test]
        fn almost_a_condition_is_checked_without_panic(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "lag_ms", "hit_ratio", "state", "stat", "<", "==", "$slow", "$share", "$x", "5", "ms", "and", "or",
                "not", "(", ")", "'a'", "\"", "é", " ", " ", " "]), 0..16)
        ) {
            let text = parts.concat();
            if let Err(faults) = check_expect(&text, &thresholds(), Some(&metrics())) {
                for (span, _) in faults {
                    prop_assert!(text.get(span.clone()).is_some(), "{span:?} of {text}");
                }
            }
        }
    }
}
