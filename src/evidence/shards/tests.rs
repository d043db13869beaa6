use super::super::sample::{Sample, gate, id};
use super::super::{Reason, RunView, junit, summary, verdict};
use super::*;
use crate::journal::Records;
use crate::model::event::{FileDigest, Partition, Provenance};
use crate::model::{Event, ServiceKind};
use std::time::Duration;

/// As [`Shard::of`] shares them out among three; `kafka-topics` needs `kafka-init`.
const OWNERS: [(&str, u32); 4] =
    [("redis-ping", 1), ("kafka-init", 1), ("kafka-topics", 2), ("kafka-lag", 3)];

/// A shard of three: its own gates and its set-up have this verdict where it is named, and pass elsewhere.
fn shard_with(index: u32, red: &[(&str, Verdict)]) -> Sample {
    let mut sample = Sample::new(OWNERS.map(|(name, _)| gate(name, "command")).to_vec());
    let set_up = |name: &str| index == 2 && name == "kafka-init";
    let left_out = |(name, owner): &&(&str, u32)| *owner != index && !set_up(name);
    let started = &mut sample.started;
    started.not_selected = OWNERS.iter().filter(left_out).map(|(name, _)| id(name)).collect();
    let setup = OWNERS.iter().filter(|(name, _)| set_up(name)).map(|(name, _)| id(name));
    started.partition = Some(Partition { index, total: 3, setup: setup.collect() });
    started.run = RunId::from_text(&format!("20261122T19410{index}Z-gates-run-shard{index}"));
    (started.partial, started.host) = (true, format!("host-{index}"));
    started.started = started.started.plus(Duration::from_secs(u64::from(index)));
    sample.service("redis", ServiceKind::Redis, None);
    sample.ready("redis", ServiceKind::Redis, "redis 7.2.4", None);
    for (name, owner) in OWNERS {
        let verdict = red.iter().find(|(of, _)| *of == name).map_or(Verdict::Passed, |(_, verdict)| *verdict);
        if owner != index && !set_up(name) {
            sample.end(name, Verdict::Skipped, "not selected: it belongs to another shard");
        } else {
            sample.begin(name).end(name, verdict, if verdict == Verdict::Passed { "" } else { "it is red" });
        }
    }
    let of_shard = red
        .iter()
        .filter(|(name, _)| OWNERS.iter().any(|owner| owner.0 == *name && owner.1 == index) || set_up(name));
    let verdict = of_shard.map(|(_, verdict)| *verdict).max().unwrap_or(Verdict::Passed);
    let counts = Counts { passed: 1, ..Counts::default() };
    sample.event(Event::RunEnded { verdict, counts, duration_ms: 700.0 });
    sample
}

fn shard(index: u32) -> Sample {
    shard_with(index, &[])
}

/// What is made of shards: the outcome, what stands against it, and the files.
struct Made {
    outcome: Outcome,
    reasons: Vec<String>,
    run: RunId,
    junit: String,
    summary: serde_json::Value,
}

fn merge(samples: &[Sample]) -> Result<Made, Vec<Misfit>> {
    let records: Vec<Records> = samples.iter().map(Sample::records).collect();
    let views: Vec<RunView<'_>> = records.iter().map(|records| RunView::of(records).unwrap()).collect();
    let merged = Merged::of(&views.iter().collect::<Vec<_>>())?;
    let view = merged.view();
    let judged = verdict(&view);
    Ok(Made {
        outcome: judged.verdict,
        reasons: judged.reasons.iter().map(Reason::to_string).collect(),
        run: view.started.run.clone(),
        junit: String::from_utf8(junit(&view)).unwrap(),
        summary: serde_json::from_slice(&summary(&view).unwrap()).unwrap(),
    })
}

fn refused(samples: &[Sample]) -> Vec<String> {
    match merge(samples) {
        Ok(made) => panic!("they were merged as {}", made.run),
        Err(misfits) => misfits.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_gates_are_those_that_these_tests_take_them_for() {
    OWNERS.iter().for_each(|(name, owner)| assert_eq!(Shard::of(&id(name), 3).index(), *owner, "{name}"));
}

#[test]
fn a_shard_reports_its_own_gates_only_and_is_partial() {
    let records = shard(2).records();
    let view = RunView::of(&records).unwrap();
    assert_eq!(verdict(&view).verdict, Outcome::Partial);
    assert_eq!(view.selected().map(|gate| gate.gate.id.as_str()).collect::<Vec<_>>(), ["kafka-topics"]);
    assert_eq!(view.set_up().map(|gate| gate.gate.id.as_str()).collect::<Vec<_>>(), ["kafka-init"]);
    let report = String::from_utf8(junit(&view)).unwrap();
    assert!(report.contains("name=\"kafka-topics\"") && report.matches("<testcase").count() == 1, "{report}");
    let summary: serde_json::Value = serde_json::from_slice(&summary(&view).unwrap()).unwrap();
    assert_eq!(summary["counts"]["total"], 1);
    assert_eq!(summary["partition"]["setup"][0], "kafka-init");
    assert_eq!(
        (&summary["gates"][1]["set_up"], &summary["gates"][1]["selected"]),
        (&true.into(), &false.into())
    );
}

#[test]
fn set_up_that_failed_stands_against_its_shard_and_what_is_merged_of_it() {
    let second = shard_with(2, &[("kafka-init", Verdict::Failed)]);
    let records = second.records();
    let view = RunView::of(&records).unwrap();
    let judged = verdict(&view);
    assert_eq!(judged.verdict, Outcome::Failed);
    let why = "set-up infra::kafka-init failed: it is red (gates/single-host.toml:42)";
    assert_eq!(judged.reasons[0].to_string(), why);
    let report = String::from_utf8(junit(&view)).unwrap();
    assert!(report.contains("RunNotGood") && report.contains(why), "{report}");
    let made = merge(&[shard(1), second, shard(3)]).unwrap();
    assert_eq!((made.outcome, made.reasons), (Outcome::Failed, vec![why.to_owned()]));
    assert!(made.junit.contains("RunNotGood"), "{}", made.junit);
}

#[test]
fn a_shard_without_a_gate_is_partial_and_says_so() {
    let mut empty = Sample::new(vec![gate("redis-ping", "command")]);
    empty.started.partition = Some(Partition { index: 2, total: 3, setup: Default::default() });
    empty.started.partial = true;
    empty.started.not_selected = [id("redis-ping")].into();
    empty.end("redis-ping", Verdict::Skipped, "not selected: it belongs to shard 1/3");
    empty.event(Event::RunEnded { verdict: Verdict::Passed, counts: Counts::default(), duration_ms: 1.0 });
    let records = empty.records();
    let view = RunView::of(&records).unwrap();
    assert_eq!(verdict(&view).verdict, Outcome::Partial);
    let report = String::from_utf8(junit(&view)).unwrap();
    assert!(
        report.contains("name=\"shard-2-of-3\"") && report.contains("no gate of the plan falls to shard 2/3")
    );
    assert_eq!(report.matches("<testcase").count(), 1, "{report}");
}

#[test]
fn all_shards_together_are_whole() {
    let made = merge(&[shard(1), shard(2), shard(3)]).unwrap();
    assert_eq!((made.outcome, made.reasons.len()), (Outcome::Passed, 0));
    assert_eq!(made.junit.matches("<testcase").count(), 4, "{}", made.junit);
    assert!(!made.junit.contains("partial") && !made.junit.contains("skipped>"), "{}", made.junit);
    let summary = &made.summary;
    assert_eq!(summary["verdict"], "passed");
    assert_eq!(summary["partial"], false);
    assert_eq!((&summary["counts"]["passed"], &summary["counts"]["not_selected"]), (&4.into(), &0.into()));
    assert_eq!(summary["host"], "host-1, host-2, host-3");
    assert_eq!(summary["journal"], serde_json::Value::Null);
    assert_eq!(summary["shards"][1]["folder"], "shards/20261122T194102Z-gates-run-shard2");
    assert_eq!(summary["started"], "2026-11-22T19:41:04.120Z", "the first start");
    assert!(made.run.as_str().starts_with("20261122T194104Z-merge-"), "{}", made.run);
}

#[test]
fn a_red_gate_is_red_in_what_is_merged() {
    let made = merge(&[shard(1), shard(2), shard_with(3, &[("kafka-lag", Verdict::Error)])]).unwrap();
    assert_eq!(made.outcome, Outcome::Failed);
    assert_eq!(made.reasons, ["infra::kafka-lag error: it is red (gates/single-host.toml:42)"]);
}

#[test]
fn a_shard_that_ended_as_failed_is_not_made_green() {
    let mut second = shard(2);
    let Some(Event::RunEnded { verdict, .. }) = second.events.last_mut() else { panic!("no end") };
    *verdict = Verdict::Failed;
    let made = merge(&[shard(1), second, shard(3)]).unwrap();
    assert_eq!(made.outcome, Outcome::Failed, "{:?}", made.reasons);
}

#[test]
fn an_interrupted_shard_interrupts_the_whole() {
    let mut second = shard(2);
    let before_end = second.events.len() - 1;
    second.events.insert(before_end, Event::Interrupted { by: "SIGTERM".to_owned() });
    assert_eq!(merge(&[shard(1), second, shard(3)]).unwrap().outcome, Outcome::Interrupted);
}

#[test]
fn the_order_of_shards_changes_nothing() {
    let expected = merge(&[shard(1), shard(2), shard(3)]).unwrap();
    for order in [[1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
        let made = merge(&order.map(shard)).unwrap();
        assert_eq!(
            (&made.run, &made.junit, &made.summary),
            (&expected.run, &expected.junit, &expected.summary)
        );
    }
}

#[test]
fn a_missing_shard_is_named_and_one_that_is_there_twice_too() {
    assert_eq!(refused(&[shard(1), shard(3)]), ["shard 2/3 is missing: expected its run's folder"]);
    assert_eq!(refused(&[shard(2)]).len(), 2);
    let mut again = shard(3);
    again.started.run = RunId::from_text("20261122T200000Z-gates-run-again");
    let told = refused(&[shard(1), shard(2), shard(3), again]);
    assert_eq!(
        told,
        [
            "shard 3/3 is there twice: 20261122T194103Z-gates-run-shard3 and 20261122T200000Z-gates-run-again; expected one \
          of them"
        ]
    );
    assert_eq!(refused(&[]).len(), 1);
}

#[test]
fn shards_that_are_not_made_of_the_same_are_refused() {
    type Change = fn(&mut Sample);
    let changes: [(&str, Change); 10] = [
        ("environment", |shard| shard.started.environment = "other".to_owned()),
        ("profile", |shard| {
            shard.started.profile =
                Some(FileDigest { path: "gates/single-host.toml".to_owned(), sha256: "cd".repeat(32) });
        }),
        ("selection", |shard| shard.started.selection = Some("--skip kafka-lag".to_owned())),
        ("provisioner", |shard| shard.started.provisioner = "attach".to_owned()),
        ("dry run", |shard| shard.started.dry_run = true),
        ("verb", |shard| shard.started.verb = "gates-run".to_owned()),
        ("cutproof", |shard| shard.started.tool = "0.0.9".to_owned()),
        ("plan", |shard| shard.started.gates[0].expect = "anything".to_owned()),
        ("plan", |shard| drop(shard.started.gates.pop())),
        ("service", |shard| {
            for event in &mut shard.events {
                if let Event::ServiceReady(ready) = event {
                    ready.product.as_mut().unwrap().version = "7.4.0".to_owned();
                }
            }
        }),
    ];
    for (what, change) in changes {
        let mut third = shard(3);
        if what == "plan" {
            third.events.retain(
                |event| !matches!(event, Event::GateEnded(ended) if ended.gate.as_str() == "kafka-lag"),
            );
            third.events.retain(
                |event| !matches!(event, Event::GateStarted { gate } if gate.as_str() == "kafka-lag"),
            );
        }
        change(&mut third);
        let told = refused(&[shard(1), shard(2), third]);
        assert_eq!(told.len(), 1, "{told:?}");
        let start = format!("20261122T194103Z-gates-run-shard3: expected {what} ");
        assert!(told[0].starts_with(&start), "{told:?}");
    }
}

fn of_commit(index: u32, commit: Option<&str>) -> Sample {
    let mut sample = shard(index);
    let source =
        commit.map(|commit| Source { commit: commit.to_owned(), dirty: index == 2, changed: vec![] });
    sample.events.insert(0, Event::Provenance(Box::new(Provenance { source, ..Provenance::default() })));
    sample
}

#[test]
fn flaky_gates_of_all_shards_count_where_one_asks_for_that() {
    let mut shards = [1, 2, 3].map(shard);
    shards[2].events.insert(2, attempt("kafka-lag"));
    assert_eq!(merge(&shards).unwrap().outcome, Outcome::Passed);
    shards[0].started.fail_on_flaky = true;
    let made = merge(&shards).unwrap();
    assert_eq!(made.outcome, Outcome::Failed);
    assert!(made.reasons[0].contains("kafka-lag passed only at attempt 2"), "{:?}", made.reasons);
}

fn attempt(gate: &str) -> Event {
    let (verdict, reason) = (Verdict::Failed, "not yet".to_owned());
    Event::AttemptEnded { gate: id(gate), attempt: 1, verdict, reason, duration_ms: 1.0 }
}

#[test]
fn shards_of_different_commits_are_refused() {
    let told = refused(&[of_commit(1, Some("aa")), of_commit(2, Some("aa")), of_commit(3, Some("bb"))]);
    let expected = "20261122T194103Z-gates-run-shard3: expected commit aa, as of 20261122T194101Z-gates-run-shard1, and saw bb";
    assert_eq!(told, [expected]);
    let told = refused(&[of_commit(1, Some("aa")), of_commit(2, None), of_commit(3, Some("aa"))]);
    assert!(told[0].contains("saw an unknown one"), "{told:?}");
    let shards = [of_commit(1, Some("aa")), of_commit(2, Some("aa")), of_commit(3, Some("aa"))];
    let records: Vec<Records> = shards.iter().map(Sample::records).collect();
    let views: Vec<RunView<'_>> = records.iter().map(|records| RunView::of(records).unwrap()).collect();
    let merged = Merged::of(&views.iter().collect::<Vec<_>>()).unwrap();
    let source = merged.view().provenance.unwrap().source.clone().unwrap();
    assert!(source.dirty && source.commit == "aa", "one that is not clean makes the whole not clean");
}

#[test]
fn shards_of_other_totals_runs_that_are_none_and_runs_without_an_end_are_refused() {
    let mut of_four = shard(3);
    of_four.started.partition.as_mut().unwrap().total = 4;
    assert!(refused(&[shard(1), shard(2), of_four])[0].contains("expected number of shards 3"));
    let mut whole = shard(3);
    whole.started.partition = None;
    assert!(refused(&[shard(1), shard(2), whole])[0].contains("made with --partition, and it is none"));
    let mut wrong = shard(3);
    wrong.started.partition.as_mut().unwrap().index = 7;
    assert!(refused(&[shard(1), shard(2), wrong])[0].contains("made with --partition, and it is none"));
    let mut killed = shard(3);
    killed.events.pop();
    assert!(refused(&[shard(1), shard(2), killed])[0].contains("has no end"));
    let mut elsewhere = shard(3);
    elsewhere.started.run = RunId::from_text("../../etc");
    assert!(refused(&[shard(1), shard(2), elsewhere])[0].contains("a run's id of its own"));
}

#[test]
fn a_gate_that_not_exactly_its_own_shard_reports_is_refused() {
    let mut greedy = shard(2);
    greedy.started.partition.as_mut().unwrap().setup.clear();
    assert_eq!(
        refused(&[shard(1), greedy, shard(3)]),
        [
            "20261122T194102Z-gates-run-shard2: gate `kafka-init` belongs to shard 1/3, and is reported by shard 2/3 too: \
          expected it once"
        ]
    );
    let mut lazy = shard(3);
    lazy.started.not_selected.insert(id("kafka-lag"));
    assert_eq!(
        refused(&[shard(1), shard(2), lazy]),
        [
            "20261122T194103Z-gates-run-shard3: gate `kafka-lag` belongs to shard 3/3, which does not report it"
        ]
    );
}

#[test]
fn shards_of_a_selection_are_partial_together() {
    let of_selection = |index| {
        let mut sample = shard(index);
        sample.started.selection = Some("--skip kafka-lag".to_owned());
        if index == 3 {
            sample.started.not_selected.insert(id("kafka-lag"));
        }
        sample
    };
    let made = merge(&[1, 2, 3].map(of_selection)).unwrap();
    assert_eq!(made.outcome, Outcome::Partial);
    assert_eq!(
        (&made.summary["counts"]["total"], &made.summary["counts"]["not_selected"]),
        (&3.into(), &1.into())
    );
}
