//! TOML text → draft: tables are read by their fields; what belongs together across tables is checked later.

mod switch;

use super::check;
use super::draft::{Draft, GateDraft, Placed, ServiceDraft, TIMEOUT, Threshold};
use super::{Engine, fields};
use crate::model::field::FieldKind;
use crate::model::service::{Sasl, Tls};
use crate::model::units::Quantity;
use crate::model::{Args, Phase, Retry, ServiceKind};
use crate::probe::Probe;
use crate::settings::decode::{self, Shape, in_order, seen};
use crate::settings::fault::Report;
use crate::settings::names::quoted;
use crate::settings::source::Span;
use crate::settings::tables::{key_span, tables, toml};
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The probes that a profile may name.
pub(super) type Probes<'p> = &'p [&'static dyn Probe];

/// Reads a text. The draft is empty where it is not TOML; every other fault leaves one that can be checked on.
pub(super) fn parse(text: &str, probes: Probes<'_>, report: &mut Report<'_>) -> Draft {
    let Some(top) = toml(text, report) else { return Draft::default() };
    let top = top.get_ref();
    let apart = fields::PROFILE_APART.map(|key| key.name);
    let shape = Shape { what: "the profile", fields: fields::PROFILE, apart: &apart, refused: &[] };
    let args = decode::table(&shape, top, &(0..0), report);
    let defaults = defaults(&args, top, report);
    Draft {
        environment: placed(top, "environment"),
        about: args.text("about").unwrap_or_default().to_owned(),
        services: services(top, report),
        thresholds: thresholds(top, report),
        gates: gates(top, probes, &defaults, report),
        cutover: switch::cutover(&args, top, probes, &defaults, report),
    }
}

/// A text with its place, where it is there and a text.
fn placed(table: &DeTable<'_>, key: &str) -> Option<Placed<String>> {
    let found = table.get(key)?;
    Some(Placed::new(found.get_ref().as_str()?.to_owned(), found.span()))
}

/// The texts of a list with their places.
fn placed_list(table: &DeTable<'_>, key: &str) -> Vec<Placed<String>> {
    let items = table.get(key).and_then(|found| found.get_ref().as_array());
    let items = items.map_or(&[][..], |items| items);
    let text =
        |item: &Spanned<DeValue<'_>>| Some(Placed::new(item.get_ref().as_str()?.to_owned(), item.span()));
    items.iter().filter_map(text).collect()
}

/// What holds for gates that do not say otherwise.
struct Defaults {
    timeout: Duration,
    retry: Option<Placed<Retry>>,
}

fn defaults(profile: &Args, top: &DeTable<'_>, report: &mut Report<'_>) -> Defaults {
    let args = profile.table("defaults").unwrap_or_default();
    let table = top.get("defaults").and_then(|found| found.get_ref().as_table());
    let retry = table.and_then(|table| retry(&args, table));
    // Checked here, so that a fault is told once and not for each gate.
    let retry = retry.filter(|retry| check::retry(retry, "`[defaults]`", report));
    let said =
        table.and_then(|table| Some(Placed::new(args.duration("timeout")?, table.get("timeout")?.span())));
    let timeout = said.filter(|timeout| check::timeout(timeout, "`[defaults]`", report));
    Defaults { timeout: timeout.map_or(TIMEOUT, |timeout| timeout.value), retry }
}

fn retry(args: &Args, table: &DeTable<'_>) -> Option<Placed<Retry>> {
    let (retry, found) = (args.table("retry")?, table.get("retry")?);
    Some(Placed::new(Retry { every: retry.duration("every")?, within: retry.duration("for")? }, found.span()))
}

fn services(top: &DeTable<'_>, report: &mut Report<'_>) -> Vec<ServiceDraft> {
    tables_by_name("services", "a table of services: [services.NAME]", top, report)
        .into_iter()
        .map(|(name, table, span)| service(name, table, &span, report))
        .collect()
}

/// The tables in a table, by their names, in the order of the file.
fn tables_by_name<'a>(
    key: &str,
    expected: &str,
    top: &'a DeTable<'_>,
    report: &mut Report<'_>,
) -> Vec<(Placed<String>, &'a DeTable<'a>, Span)> {
    let Some(found) = top.get(key) else { return Vec::new() };
    let wrong = |span: &Span, value: &DeValue<'_>, report: &mut Report<'_>| {
        report.fault(span, format!("{}: expected {expected}; got {}", quoted(key), seen(value)));
    };
    let DeValue::Table(entries) = found.get_ref() else {
        wrong(&found.span(), found.get_ref(), report);
        return Vec::new();
    };
    let mut tables = Vec::new();
    for (name, value) in in_order(entries) {
        match value.get_ref() {
            DeValue::Table(table) => {
                tables.push((Placed::new(name.get_ref().to_string(), name.span()), table, value.span()));
            }
            other => wrong(&value.span(), other, report),
        }
    }
    tables
}

fn service(name: Placed<String>, table: &DeTable<'_>, span: &Span, report: &mut Report<'_>) -> ServiceDraft {
    let what = format!("service {}", quoted(&name.value));
    let (fields, apart) = (fields::SERVICE, &[fields::TLS.name]);
    let shape = Shape { what: &what, fields, apart, refused: &fields::SERVICE_REFUSED };
    let args = decode::table(&shape, table, span, report);
    let text = |key: &str| args.text(key).map(str::to_owned);
    ServiceDraft {
        name,
        kind: args.text("kind").and_then(ServiceKind::parse),
        endpoint: placed(table, "endpoint"),
        user: text("user"),
        password_env: placed(table, "password_env"),
        password_file: placed(table, "password_file"),
        tls: tls(table, &what, report),
        sasl: args.text("sasl").and_then(Sasl::parse).map(|sasl| Placed::new(sasl, key_span(table, "sasl"))),
        database: text("database"),
        image: text("image"),
        stands_for: text("stands_for"),
        from: engine(&args, table, &what, report),
        needs: placed_list(table, "needs"),
    }
}

/// How a service is protected: a truth, or a table of files.
fn tls(table: &DeTable<'_>, what: &str, report: &mut Report<'_>) -> Option<Placed<Tls>> {
    let found = table.get(fields::TLS.name)?;
    let files = match found.get_ref() {
        DeValue::Boolean(false) => return None,
        DeValue::Boolean(true) => Args::default(),
        DeValue::Table(inner) => {
            let what = format!("`tls` of {what}");
            let shape = Shape { what: &what, fields: fields::TLS_FILES, apart: &[], refused: &[] };
            decode::table(&shape, inner, &found.span(), report)
        }
        other => {
            let expected = decode::expected(&FieldKind::Table(fields::TLS_FILES));
            let told = format!("`tls` in {what}: expected true, or {expected}; got {}", seen(other));
            report.fault(&found.span(), told);
            return None;
        }
    };
    let file = |key: &str| files.text(key).map(PathBuf::from);
    let tls = Tls { ca: file("ca"), certificate: file("certificate"), key: file("key") };
    Some(Placed::new(tls, key_span(table, fields::TLS.name)))
}

/// What a rehearsal starts.
fn engine(args: &Args, table: &DeTable<'_>, what: &str, report: &mut Report<'_>) -> Engine {
    let Some(command) = placed(table, "start") else {
        return match args.text("from") {
            None | Some("pinned") => Engine::Pinned,
            Some(program) => Engine::Program(program.to_owned()),
        };
    };
    if table.contains_key("from") {
        let told =
            "a rehearsal starts either a server program (`from`) or a command (`start`), and there are both";
        report.fault(&key_span(table, "from"), format!("{what}: {told}"));
    }
    if command.value.trim().is_empty() {
        report.fault(&command.span, format!("`start` in {what}: expected a command line"));
    }
    match args.text("kind").and_then(ServiceKind::parse) {
        None | Some(ServiceKind::Prometheus | ServiceKind::Http) => {}
        Some(kind) => {
            let told = "is for kinds prometheus and http; cutproof has an engine of its own for";
            report.fault(&key_span(table, "start"), format!("`start` in {what} {told} {kind}"));
        }
    }
    Engine::Command(command.value)
}

fn thresholds(top: &DeTable<'_>, report: &mut Report<'_>) -> Vec<Threshold> {
    const EXPECTED: &str = "a number or a quantity, such as 0.95 or \"500ms\"";
    let Some(found) = top.get("thresholds") else { return Vec::new() };
    let DeValue::Table(entries) = found.get_ref() else {
        let seen = seen(found.get_ref());
        report.fault(&found.span(), format!("`thresholds`: expected a table; got {seen}"));
        return Vec::new();
    };
    let mut thresholds = Vec::new();
    for (name, value) in in_order(entries) {
        let written = match value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) => {
                decode::plain_number(value.get_ref()).ok_or_else(|| seen(value.get_ref()))
            }
            DeValue::String(text) => {
                Quantity::parse(text).map(|quantity| quantity.to_string()).map_err(|fault| {
                    let unit = fault.nearest.map(|unit| format!("; nearest unit: {}", quoted(unit)));
                    format!("{}{}", quoted(text), unit.unwrap_or_default())
                })
            }
            other => Err(seen(other)),
        };
        let written = written.map_err(|seen| {
            let told = format!("threshold {}: expected {EXPECTED}; got {seen}", quoted(name.get_ref()));
            report.fault(&value.span(), told);
        });
        let name = Placed::new(name.get_ref().to_string(), name.span());
        thresholds.push(Threshold { name, written: written.ok() });
    }
    thresholds
}

/// The gates; nothing where the list itself is at fault.
fn gates(
    top: &DeTable<'_>,
    probes: Probes<'_>,
    defaults: &Defaults,
    report: &mut Report<'_>,
) -> Option<Vec<GateDraft>> {
    let tables = tables("gate", "gate", top, report)?.into_iter().enumerate();
    Some(
        tables
            .map(|(number, (table, span))| gate(number + 1, table, &span, probes, defaults, report))
            .collect(),
    )
}

fn gate(
    number: usize,
    table: &DeTable<'_>,
    span: &Span,
    probes: Probes<'_>,
    defaults: &Defaults,
    report: &mut Report<'_>,
) -> GateDraft {
    let id = placed(table, "id");
    let what = match &id {
        Some(id) => format!("gate {}", quoted(&id.value)),
        None => format!("gate number {number}"),
    };
    let shape = Shape { what: &what, fields: fields::GATE, apart: &[fields::WITH.name], refused: &[] };
    let args = decode::table(&shape, table, span, report);
    let probe = probe(table, &what, probes, report);
    let with = probe.as_ref().and_then(|probe| with(probe, table, span, &what, report));
    let own_retry = table.get("retry").is_some();
    let place = |key: &str| table.get(key).map_or(span.clone(), Spanned::span);
    GateDraft {
        id,
        about: args.text("about").unwrap_or_default().to_owned(),
        phase: args.text("phase").and_then(Phase::parse),
        probe,
        with,
        expect: placed(table, "expect"),
        uses: Placed::new(placed_list(table, "uses"), place("uses")),
        needs: placed_list(table, "needs"),
        after: placed_list(table, "after"),
        required: args.flag("required"),
        timeout: Placed::new(args.duration("timeout").unwrap_or(defaults.timeout), place("timeout")),
        retry: if own_retry { retry(&args, table) } else { defaults.retry.clone() },
        tags: placed_list(table, "tags"),
        writes: Placed::new(args.flag("writes"), place("writes")),
    }
}

/// The gate's probe, where it names one that there is.
fn probe(
    table: &DeTable<'_>,
    what: &str,
    probes: Probes<'_>,
    report: &mut Report<'_>,
) -> Option<Placed<&'static dyn Probe>> {
    let named = placed(table, "probe")?;
    let found = probes.iter().copied().find(|probe| probe.name() == named.value);
    if found.is_none() {
        let message = format!("unknown probe {} in {what}", quoted(&named.value));
        report.unknown(&named.span, message, &named.value, probes.iter().map(|probe| probe.name()));
    }
    Some(Placed::new(found?, named.span))
}

/// The probe's settings, where all of them are sound.
fn with(
    probe: &Placed<&'static dyn Probe>,
    gate: &DeTable<'_>,
    gate_span: &Span,
    what: &str,
    report: &mut Report<'_>,
) -> Option<Args> {
    let empty = DeTable::new();
    let (table, span) = match gate.get(fields::WITH.name).map(|found| (found.get_ref(), found.span())) {
        None => (&empty, gate_span.clone()),
        Some((DeValue::Table(table), span)) => (table, span),
        Some((other, span)) => {
            report.fault(&span, format!("`with` in {what}: expected a table; got {}", seen(other)));
            return None;
        }
    };
    let before = report.count();
    let what = format!("`with` of {what} (probe {})", quoted(probe.value.name()));
    let shape = Shape { what: &what, fields: probe.value.fields(), apart: &[], refused: &[] };
    let args = decode::table(&shape, table, &span, report);
    if report.count() > before {
        return None;
    }
    if let Err(fault) = probe.value.check(&args) {
        let at = table.get(fault.field).map_or(span, Spanned::span);
        report.fault(&at, format!("{} in {what}: {fault}", quoted(fault.field)));
        return None;
    }
    Some(args)
}
