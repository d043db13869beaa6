//! The tables of a cutover → their drafts. What stands in one table and does not go together is told here.

use super::{Defaults, Probes, placed, placed_list, probe, with};
use crate::model::Args;
use crate::model::watch::OnNoData;
use crate::profile::check;
use crate::profile::draft::Placed;
use crate::profile::draft::switch::{
    CutoverDraft, MarkDraft, MeasureDraft, MetricDraft, ReadinessDraft, Said, SliDraft, SourceDraft,
    StepDraft, SwitchDraft, WatchDraft,
};
use crate::profile::fields::{self, Apart};
use crate::profile::switch::{CutoverSettings, MarkSource};
use crate::settings::decode::{self, Shape};
use crate::settings::fault::Report;
use crate::settings::names::quoted;
use crate::settings::source::Span;
use crate::settings::tables::{key_span, tables};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is needed to read a measurement.
struct Given<'a> {
    probes: Probes<'a>,
    /// How long one measurement may take that does not say.
    timeout: Duration,
}

pub(super) fn cutover(
    profile: &Args,
    top: &DeTable<'_>,
    probes: Probes<'_>,
    defaults: &Defaults,
    report: &mut Report<'_>,
) -> CutoverDraft {
    let given = Given { probes, timeout: defaults.timeout };
    let steps = tables("step", "step", top, report).unwrap_or_default();
    CutoverDraft {
        settings: settings(profile, top, report),
        steps: steps.into_iter().map(|(table, span)| step(table, &span, &given, report)).collect(),
        switch: one("switch", top, report).map(|(table, span)| switch(table, span, &given, report)),
        watch: one("watch", top, report).map(|(table, span)| watch(table, span, &given, report)),
        readiness: one("readiness", top, report).map(|(table, span)| readiness(table, span, report)),
    }
}

/// A table at the top of the file, with the place of its name.
fn one<'a>(key: &str, top: &'a DeTable<'_>, report: &mut Report<'_>) -> Option<(&'a DeTable<'a>, Span)> {
    let found = top.get(key)?;
    match found.get_ref() {
        DeValue::Table(table) => Some((table, key_span(top, key))),
        DeValue::Array(_) => {
            report.fault(&found.span(), format!("`{key}` is one table: write [{key}], not [[{key}]]"));
            None
        }
        other => {
            let seen = decode::seen(other);
            report.fault(&found.span(), format!("`{key}`: expected a table; got {seen}"));
            None
        }
    }
}

fn settings(profile: &Args, top: &DeTable<'_>, report: &mut Report<'_>) -> Option<CutoverSettings> {
    let table = top.get("cutover")?.get_ref().as_table()?;
    let args = profile.table("cutover").unwrap_or_default();
    let what = "`[cutover]`";
    let mut time = |key: &str| {
        let said =
            Placed::new(args.duration(key).unwrap_or_default(), table.get(key).map_or(0..0, Spanned::span));
        if table.contains_key(key) && args.duration(key).is_some() {
            check::time(&said, key, what, report);
        }
        said.value
    };
    let (step_timeout, rehearsal_watch) = (time("step_timeout"), time("rehearsal_watch"));
    for key in ["cutover_template", "rollback_template"] {
        if let Some(path) = placed(table, key).filter(|path| path.value.trim().is_empty()) {
            report.fault(&path.span, format!("`{key}` in {what}: expected the path of a template"));
        }
    }
    Some(CutoverSettings {
        cutover_template: args.text("cutover_template").map(str::to_owned),
        rollback_template: args.text("rollback_template").map(str::to_owned),
        enforce_window: args.flag("enforce_window"),
        step_timeout,
        rehearsal_watch,
        at: report.source.position(key_span(top, "cutover").start),
    })
}

/// Reads a table whose keys are `fields`, and `apart` which the caller reads.
fn read(
    what: &str,
    fields: &[crate::model::field::Field],
    apart: &[&Apart],
    (table, span): (&DeTable<'_>, &Span),
    report: &mut Report<'_>,
) -> Args {
    let apart: Vec<&str> = apart.iter().map(|key| key.name).collect();
    decode::table(&Shape { what, fields, apart: &apart, refused: &[] }, table, span, report)
}

/// How a table is called that has its name in `name`.
fn called(kind: &str, table: &DeTable<'_>) -> String {
    match placed(table, "name") {
        Some(name) => format!("{kind} {}", quoted(&name.value)),
        None => format!("a {kind} without name"),
    }
}

/// The name, where it was read without a fault.
fn name(args: &Args, table: &DeTable<'_>) -> Option<Placed<String>> {
    args.text("name").and(placed(table, "name"))
}

/// What a key says, where it was read without a fault.
fn said(key: &str, args: &Args, table: &DeTable<'_>) -> Said {
    match (table.contains_key(key), args.text(key).and(placed(table, key))) {
        (_, Some(text)) => Said::Yes(text),
        (true, None) => Said::Wrong,
        (false, None) => Said::No,
    }
}

fn time(key: &str, args: &Args, table: &DeTable<'_>) -> Option<Placed<Duration>> {
    Some(Placed::new(args.duration(key)?, table.get(key)?.span()))
}

/// The measurement that a table names a probe for. Without one, what it would take has no place.
fn measure(
    what: &str,
    (table, span): (&DeTable<'_>, &Span),
    given: &Given<'_>,
    report: &mut Report<'_>,
) -> Option<MeasureDraft> {
    if !table.contains_key("probe") {
        for key in ["uses", fields::WITH.name].into_iter().filter(|key| table.contains_key(*key)) {
            report.fault(
                &key_span(table, key),
                format!("`{key}` in {what}: no `probe` is named that would take it"),
            );
        }
        return None;
    }
    let probe = probe(table, what, given.probes, report);
    let with = probe.as_ref().and_then(|probe| with(probe, table, span, what, report));
    let place = |key: &str| table.get(key).map_or(span.clone(), Spanned::span);
    Some(MeasureDraft {
        probe,
        with,
        uses: Placed::new(placed_list(table, "uses"), place("uses")),
        timeout: Placed::new(given.timeout, span.clone()),
    })
}

fn step(table: &DeTable<'_>, span: &Span, given: &Given<'_>, report: &mut Report<'_>) -> StepDraft {
    let what = called("step", table);
    let args = read(&what, fields::STEP, &[&fields::WITH], (table, span), report);
    let (has, background) = (|key: &str| table.contains_key(key), args.flag("background"));
    if background && !has("ready") {
        let told = "`background` needs `ready`, the condition by which its server is ready";
        report.fault(&key_span(table, "background"), format!("{what}: {told}"));
    }
    // Where `background` is at fault nobody knows what was meant.
    if has("ready") && !background && (!has("background") || args.get("background").is_some()) {
        let told = "`ready` is for a step with background = true; any other is done when its command ends";
        report.fault(&key_span(table, "ready"), format!("{what}: {told}"));
    }
    if has("ready") && !has("probe") {
        report.fault(&key_span(table, "ready"), format!("{what}: `ready` needs `probe`, which measures it"));
    }
    if has("probe") && !has("ready") {
        report.fault(&key_span(table, "probe"), format!("{what}: `probe` is for `ready`, and there is none"));
    }
    let timeout = time("timeout", &args, table);
    let mut measure = measure(&what, (table, span), given, report);
    if let (Some(measure), Some(timeout)) = (&mut measure, &timeout) {
        measure.timeout.value = measure.timeout.value.min(timeout.value);
    }
    StepDraft { name: name(&args, table), timeout, background, ready: said("ready", &args, table), measure }
}

fn switch(table: &DeTable<'_>, span: Span, given: &Given<'_>, report: &mut Report<'_>) -> SwitchDraft {
    let what = "`[switch]`";
    read(what, fields::SWITCH, &[&fields::WITH, &fields::SWITCH_MARK], (table, &span), report);
    let marks = tables("mark", "switch.mark", table, report);
    SwitchDraft {
        measure: measure(what, (table, &span), given, report),
        marks: marks.map(|marks| marks.into_iter().map(|(table, span)| mark(table, span, report)).collect()),
        span,
    }
}

fn mark(table: &DeTable<'_>, span: Span, report: &mut Report<'_>) -> MarkDraft {
    let what = called("mark", table);
    let args = read(&what, fields::MARK, &[], (table, &span), report);
    let name = name(&args, table);
    let place = name.as_ref().map_or(span.clone(), |name| name.span.clone());
    match (table.contains_key("value"), table.contains_key("match")) {
        (true, true) => {
            let told = "either `value` or `match` says when it happened, and there are both";
            report.fault(&key_span(table, "match"), format!("{what}: {told}"));
        }
        (false, false) => {
            let told = "expected `value`, an observation of the probe, or `match`, a regular expression on the output \
                        of WARMUP_QUERY_CMD";
            report.fault(&place, format!("{what}: {told}"));
        }
        _ => {}
    }
    let from = match (said("value", &args, table), said("match", &args, table)) {
        (Said::Yes(value), Said::No) => Some(Placed::new(MarkSource::Value(value.value), value.span)),
        (Said::No, Said::Yes(pattern)) => output(pattern, &what, report),
        _ => None,
    };
    MarkDraft { name, from, within: args.duration("within") }
}

/// A regular expression that can say when something happened.
fn output(pattern: Placed<String>, what: &str, report: &mut Report<'_>) -> Option<Placed<MarkSource>> {
    // It was compiled where it was read.
    let regex = regex::Regex::new(&pattern.value).ok()?;
    if !regex.capture_names().flatten().any(|group| group == "at") {
        let told = "expected the group `at`, such as `login ok at=(?<at>\\S+)`: it is when it happened";
        report.fault(&pattern.span, format!("`match` in {what}: {told}"));
        return None;
    }
    Some(Placed::new(MarkSource::Output(pattern.value), pattern.span))
}

fn watch(table: &DeTable<'_>, span: Span, given: &Given<'_>, report: &mut Report<'_>) -> WatchDraft {
    let apart = [&fields::SOURCE_LIST, &fields::METRIC_LIST];
    let args = read("`[watch]`", fields::WATCH, &apart, (table, &span), report);
    let interval = args.duration("interval").unwrap_or(Duration::from_secs(1));
    let given = Given { timeout: interval, ..*given };
    let sources = tables("source", "watch.source", table, report);
    let metrics = tables("metric", "watch.metric", table, report);
    WatchDraft {
        interval: Placed::new(interval, table.get("interval").map_or(span.clone(), Spanned::span)),
        max_age: time("max_age", &args, table),
        sources: sources
            .map(|all| all.into_iter().map(|(table, span)| source(table, &span, &given, report)).collect()),
        metrics: metrics
            .map(|all| all.into_iter().map(|(table, span)| metric(table, &span, report)).collect()),
        span,
    }
}

fn source(table: &DeTable<'_>, span: &Span, given: &Given<'_>, report: &mut Report<'_>) -> SourceDraft {
    let what = called("watch source", table);
    let args = read(&what, fields::SOURCE, &[&fields::WITH], (table, span), report);
    let nothing = || MeasureDraft {
        probe: None,
        with: None,
        uses: Placed::new(placed_list(table, "uses"), span.clone()),
        timeout: Placed::new(given.timeout, span.clone()),
    };
    let mut measure = match table.contains_key("probe") {
        true => measure(&what, (table, span), given, report).unwrap_or_else(nothing),
        // That it lacks was told where the table was read.
        false => nothing(),
    };
    if let Some(timeout) = time("timeout", &args, table) {
        measure.timeout = timeout;
    }
    SourceDraft { name: name(&args, table), measure }
}

fn metric(table: &DeTable<'_>, span: &Span, report: &mut Report<'_>) -> MetricDraft {
    let what = called("watch metric", table);
    let args = read(&what, fields::METRIC, &[], (table, span), report);
    let limit = |key: &str| args.integer(key).and_then(|limit| u32::try_from(limit).ok()).unwrap_or(0);
    MetricDraft {
        name: name(&args, table),
        source: placed(table, "source"),
        value: said("value", &args, table),
        expect: said("expect", &args, table),
        failure_limit: limit("failure_limit"),
        inconclusive_limit: limit("inconclusive_limit"),
        consecutive_error_limit: limit("consecutive_error_limit"),
        warmup: args.duration("warmup").unwrap_or_default(),
        on_no_data: match args.text("on_no_data") {
            Some("rollback") => OnNoData::Rollback,
            Some("fail") => OnNoData::Fail,
            _ => OnNoData::Hold,
        },
        activity: args.flag("activity"),
    }
}

fn readiness(table: &DeTable<'_>, span: Span, report: &mut Report<'_>) -> ReadinessDraft {
    let args = read("`[readiness]`", fields::READINESS, &[&fields::SLI_LIST], (table, &span), report);
    if let Some(service) = placed(table, "service").filter(|service| service.value.trim().is_empty()) {
        report.fault(&service.span, "`service` in `[readiness]`: expected a name");
    }
    let slis = tables("sli", "readiness.sli", table, report);
    ReadinessDraft {
        service: args.text("service").unwrap_or_default().to_owned(),
        slis: slis.map(|all| all.into_iter().map(|(table, span)| sli(table, &span, report)).collect()),
        span,
    }
}

fn sli(table: &DeTable<'_>, span: &Span, report: &mut Report<'_>) -> SliDraft {
    let what = called("sli", table);
    let args = read(&what, fields::SLI, &[], (table, span), report);
    let target = args.number("target").zip(table.get("target"));
    SliDraft {
        name: name(&args, table),
        gate: placed(table, "gate"),
        value: said("value", &args, table),
        target: target.map(|(target, found)| Placed::new(target, found.span())),
    }
}
