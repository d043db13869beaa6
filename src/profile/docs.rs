//! The reference pages under docs/, rendered from the same lists of fields that the decoder reads, and the test that
//! holds the pages to them.

use super::complete::complete;
use super::fields;
use super::schema::schema;
use crate::model::field::{Field, FieldKind, Presence};
use crate::model::{Args, Metric, MetricKind, ServiceKind};
use crate::probe::{self, Probe};
use crate::settings::docs::{cell, field_table, filled, hold, read, sentence};
use serde_json::{Map, Value, json};
use std::fmt::Write;

const RENEW: &str = "UPDATE_DOCS=1 cargo test --lib profile::docs";

/// docs/probes.md
fn probes_page(probes: &[&dyn Probe]) -> String {
    let mut page = String::from(
        "# Probes\n\nWhat a gate can measure. Each gate of a [profile](profile.md) names one of these in `probe`, \
         gives it its settings in `with`, and judges what it observes in `expect` (see \
         [conditions](conditions.md)). This page is made from the probes themselves.\n",
    );
    for probe in probes {
        page.push_str(&probe_section(*probe));
    }
    page
}

fn probe_section(probe: &dyn Probe) -> String {
    let (least, most) = (example(probe.fields(), false), example(probe.fields(), true));
    let uses = uses(probe, &least);
    let writes = if probe.writes() { " It writes: the gate must say `writes = true`." } else { "" };
    let mut section =
        format!("\n## {}\n\n{}\n\nUses: {uses}.{writes}\n", probe.name(), sentence(probe.about()));
    if !probe.fields().is_empty() {
        section.push('\n');
        section.push_str(&field_table(probe.fields(), &[]));
    }
    section.push_str("\n| observes | as | what |\n| --- | --- | --- |\n");
    let (metrics, others) = (probe.metrics(&least), probe.metrics(&most));
    let in_all = |metric: &Metric| metrics.contains(metric) && others.contains(metric);
    for metric in metrics.iter().chain(others.iter().filter(|metric| !metrics.contains(metric))) {
        let some = if in_all(metric) { "" } else { " Depends on the settings." };
        let about = cell(&sentence(&metric.about));
        let _ = writeln!(section, "| `{}` | {} | {about}{some} |", metric.name, unit(metric));
    }
    let _ = writeln!(section, "\nExpects, where the gate does not say: `{}`", probe.expect(&least));
    section
}

/// The services that a gate with the probe names.
fn uses(probe: &dyn Probe, args: &Args) -> String {
    if probe.any_services() {
        return "any services".to_owned();
    }
    let all = |kinds: &[ServiceKind], between: &str| {
        kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(between)
    };
    let needed = [all(probe.services(), ", "), all(probe.one_of(args), " or ")];
    let needed: Vec<String> = needed.into_iter().filter(|kinds| !kinds.is_empty()).collect();
    let needed = if needed.is_empty() { "no service".to_owned() } else { needed.join(", ") };
    match probe.may_use() {
        [] => needed,
        more => format!("{needed}; may use {}", all(more, ", ")),
    }
}

fn unit(metric: &Metric) -> String {
    match metric.kind {
        MetricKind::Number(unit) if unit.is_written() => format!("a number in {}", unit.name()),
        MetricKind::Number(unit) => format!("a {}", unit.name().replace("none", "number")),
        MetricKind::Text => "a text".to_owned(),
        MetricKind::Bool => "true or false".to_owned(),
    }
}

/// Settings that are sound by their kinds, for what depends on settings: all of them, or only those that must be there.
fn example(fields: &[Field], all: bool) -> Args {
    let given = fields.iter().filter(|field| {
        field.presence == Presence::Required || (all && field.presence == Presence::Optional)
    });
    let given: Map<String, Value> =
        given.map(|field| (field.name.to_owned(), example_value(&field.kind, all))).collect();
    complete(fields, &Args::new(given)).unwrap()
}

fn example_value(kind: &FieldKind, all: bool) -> Value {
    let table = |fields: &[Field]| serde_json::to_value(example(fields, all)).unwrap();
    match kind {
        FieldKind::Text => json!("NAME"),
        FieldKind::Choice(choices) => json!(choices[0]),
        FieldKind::Bool => json!(true),
        FieldKind::Integer { min, max } => json!(1.clamp(*min, *max)),
        FieldKind::Number => json!(1),
        FieldKind::Duration => json!(1000),
        FieldKind::Bytes => json!(1024),
        FieldKind::Texts => json!(["NAME"]),
        FieldKind::Map => json!({"NAME": "VALUE"}),
        FieldKind::Regex => json!("."),
        FieldKind::Table(fields) => table(fields),
        FieldKind::Tables(fields) => json!([table(fields)]),
    }
}

/// docs/profile.md: its prose is written by hand, what stands between its marks is made.
fn profile_page(page: &str) -> String {
    let tables = [
        ("profile", field_table(fields::PROFILE, &fields::PROFILE_APART)),
        ("service", field_table(fields::SERVICE, &[fields::TLS])),
        ("service.tls", field_table(fields::TLS_FILES, &[])),
        ("gate", field_table(fields::GATE, &[fields::WITH])),
        ("cutover", field_table(fields::CUTOVER, &[])),
        ("step", field_table(fields::STEP, &[fields::WITH])),
        ("switch", field_table(fields::SWITCH, &[fields::WITH, fields::SWITCH_MARK])),
        ("switch.mark", field_table(fields::MARK, &[])),
        ("watch", field_table(fields::WATCH, &[fields::SOURCE_LIST, fields::METRIC_LIST])),
        ("watch.source", field_table(fields::SOURCE, &[fields::WITH])),
        ("watch.metric", field_table(fields::METRIC, &[])),
        ("readiness", field_table(fields::READINESS, &[fields::SLI_LIST])),
        ("readiness.sli", field_table(fields::SLI, &[])),
    ];
    filled(page, tables)
}

#[test]
fn the_pages_of_docs_are_those_of_the_code() {
    hold("probes.md", &probes_page(probe::registry()), RENEW);
    hold("profile.md", &profile_page(&read("profile.md")), RENEW);
    hold("profile.schema.json", &format!("{:#}\n", schema()), RENEW);
}

#[test]
fn the_profile_that_the_page_shows_is_sound() {
    let page = read("profile.md");
    let shown = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    if let Err(faults) = super::samples::parse(shown) {
        panic!("{faults}");
    }
}

#[test]
fn the_cutover_that_the_page_shows_is_sound() {
    let page = read("profile.md");
    let cutover = page.split("```toml\n").nth(2).and_then(|rest| rest.split("```").next()).unwrap();
    let gate = "with.series = [{ name = \"query_latency_p99_ms\", select = \"x_seconds\", take = \"quantile\", q = 0.99 }]";
    let text = format!(
        "environment = \"x\"\n[services.core]\nkind = \"http\"\n[[gate]]\nid = \"core-metrics\"\nphase = \"readiness\"\n\
         probe = \"prometheus\"\nuses = [\"core\"]\n{gate}\n{cutover}"
    );
    match super::Profile::parse("docs/profile.md", &text, probe::registry()) {
        Ok(profile) => assert_eq!(profile.warnings, []),
        Err(faults) => panic!("{faults}"),
    }
}

#[test]
fn every_probe_declares_defaults_that_are_sound_and_expects_what_it_observes() {
    for probe in
        probe::registry().iter().chain(super::samples::PROBES).filter(|probe| probe.name() != "misspelt")
    {
        let example = example(probe.fields(), false);
        if probe.check(&example).is_err() {
            continue;
        }
        let metrics = probe.metrics(&example);
        let expect = probe.expect(&example);
        let checked = super::conditions::check_expect(&expect, &Default::default(), Some(&metrics));
        assert!(checked.is_ok(), "{}: `{expect}`: {:?}", probe.name(), checked.err());
        for metric in metrics {
            let condition = format!("{} == 1", metric.name);
            assert!(
                crate::condition::Condition::parse(&condition).is_ok(),
                "{}: {}",
                probe.name(),
                metric.name
            );
        }
    }
}

#[test]
fn a_page_of_probes_shows_settings_metrics_and_expectation() {
    let probe = super::samples::PROBES.iter().find(|probe| probe.name() == "kafka_init").unwrap();
    insta::assert_snapshot!(probe_section(*probe), @r#"

    ## kafka_init

    Declares itself, for tests.

    Uses: `kafka`; may use `connect`. It writes: the gate must say `writes = true`.

    | key | takes | where absent | what |
    | --- | --- | --- | --- |
    | `topics` | a list of texts, such as ["a", "b"] | an error | The topics. |

    | observes | as | what |
    | --- | --- | --- |
    | `alive` | true or false | Whether it answered. |
    | `latency_ms` | a number in ms | How long the answer took. |
    | `absent` | a count | How many are not there. |
    | `state` | a text | What it says of itself. |

    Expects, where the gate does not say: `absent == 0`
    "#);
}
