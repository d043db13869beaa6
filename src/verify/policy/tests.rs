use super::sample::*;
use super::*;
use crate::evidence::sample::{Sample, id, number};
use crate::evidence::sample_switch;
use crate::model::event::Partition;
use crate::model::readiness::{ReadinessPlan, SliPlan, SliSource};
use crate::model::watch::WatchSource;
use crate::model::{Event, ServiceKind, Verdict};
use crate::sign::{Algorithm, PrivateKey};
use crate::verify::decision::{GateStatus, WaiverState};
use Verdict::{Error, Failed, Inconclusive, Passed, Skipped};
use std::time::Duration;

fn statuses(judgement: &Judgement) -> Vec<(&str, GateStatus)> {
    judgement.gates.iter().map(|row| (row.gate.as_str(), row.status)).collect()
}

#[test]
fn a_run_of_which_all_gates_passed_is_a_go() {
    let judgement = judged(bundle(&run(&[("a", Passed), ("b", Passed)])), &Policy::built_in());
    assert_eq!(judgement.decision, Decision::Go, "{:?}", judgement.findings);
    assert_eq!(statuses(&judgement), [("a", GateStatus::Passed), ("b", GateStatus::Passed)]);
    assert_eq!((errors(&judgement), warnings(&judgement)), (vec![], vec![]));
    assert_eq!(judgement.valid_until, None, "nothing ends it");
    assert_eq!(judgement.commit.as_deref(), Some(COMMIT));
    assert!(judgement.runs[0].counts);
    let row = &judgement.gates[0];
    assert_eq!((row.required, row.attempts, row.at.as_str()), (true, 1, "gates/single-host.toml:42"));
    assert_eq!(row.verdict, Some(Passed));
}

#[test]
fn a_required_gate_that_is_red_refuses_whatever_the_policy_says() {
    for (verdict, status) in
        [(Failed, GateStatus::Failed), (Error, GateStatus::Error), (Inconclusive, GateStatus::Inconclusive)]
    {
        for text in ["", "[[require]]\ngate = \"b\"\n"] {
            let judgement = judged(bundle(&run(&[("a", verdict), ("b", Passed)])), &policy(text));
            assert_eq!(judgement.decision, Decision::NoGo);
            assert_eq!(errors(&judgement), ["gate-not-passed"]);
            assert_eq!(statuses(&judgement)[0], ("a", status));
        }
    }
}

#[test]
fn a_policy_asks_for_gates_that_the_profile_does_not_require() {
    let sample = || {
        let plan = vec![planned("a", true, &[], &[]), planned("b", false, &[], &["flow"])];
        run_of(plan, &[("a", Passed), ("b", Failed)])
    };
    let without = judged(bundle(&sample()), &Policy::built_in());
    assert_eq!((without.decision, warnings(&without)), (Decision::Go, vec!["gate-unexpected"]));
    assert_eq!(without.gates[1].status, GateStatus::Unexpected);
    for rule in ["gate = \"b\"", "tag = \"flow\"", "phase = \"infra\""] {
        let asked = judged(bundle(&sample()), &policy(&format!("[[require]]\n{rule}\n")));
        assert_eq!((asked.decision, errors(&asked)), (Decision::NoGo, vec!["gate-not-passed"]), "{rule}");
        assert!(asked.gates[1].required && asked.gates[1].asked_by.len() == 1);
    }
}

#[test]
fn the_age_of_a_measurement_is_counted_to_the_moment_of_the_window() {
    let rules = policy(
        "[[require]]\nrequired = true\nmax_age = \"2h\"\n[[require]]\ngate = \"a\"\nmax_age = \"1h\"\n",
    );
    let sample = run(&[("a", Passed), ("b", Passed)]);
    let at = |at: Stamp| judge_at(&[bundle(&sample)], &rules, at);
    let early = at(minutes(30));
    let measured = early.gates[0].measured.unwrap();
    assert_eq!(early.gates[0].max_age, Some(Duration::from_secs(3600)), "the shortest counts");
    let (until, why) = early.valid_until.clone().unwrap();
    assert_eq!((until, why.as_str()), (measured.plus(Duration::from_secs(3600)), "the gate a is too old"));
    assert_eq!(at(until).decision, Decision::Go, "it holds until then");
    let late = at(until.plus(Duration::from_millis(1)));
    assert_eq!((late.decision, errors(&late)), (Decision::Incomplete, vec!["gate-stale"]));
    assert_eq!((late.gates[0].status, late.valid_until), (GateStatus::Stale, None));
    assert!(
        late.findings[0].seen.starts_with("stale: measured at 2026-11-22T19:41:"),
        "{}",
        late.findings[0].seen
    );
}

#[test]
fn evidence_from_the_future_refuses() {
    let judgement = judge_at(&[bundle(&run(&[("a", Passed)]))], &Policy::built_in(), minutes(-1));
    assert_eq!(errors(&judgement), ["from-the-future", "gate-from-the-future"]);
    assert_eq!(judgement.decision, Decision::NoGo);
}

#[test]
fn an_expired_policy_signs_nothing_off_until_it_is_renewed() {
    let rules = policy("expires = \"2026-11-22T20:00:00Z\"\n");
    let sample = run(&[("a", Passed)]);
    let before = judge_at(&[bundle(&sample)], &rules, minutes(10));
    assert_eq!(before.valid_until.unwrap().1, "the policy expires");
    let after = judge_at(&[bundle(&sample)], &rules, rules.expires.unwrap());
    assert_eq!((after.decision, errors(&after)), (Decision::Incomplete, vec!["policy-expired"]));
}

fn waiver(gate: &str, expires: &str, bound: &str) -> String {
    format!(
        "[[waiver]]\ngate = \"{gate}\"\nreason = \"INC-1\"\napprover = \"Li Wei\"\nexpires = \"{expires}\"\n{bound}\n"
    )
}

const LATER: &str = "2026-11-23T00:00:00Z";

#[test]
fn a_waiver_lets_its_gate_through_and_no_other() {
    let bound = format!("commit = \"{COMMIT}\"");
    let sample = run(&[("a", Failed), ("b", Passed)]);
    let judgement = judged(bundle(&sample), &policy(&waiver("a", LATER, &bound)));
    assert_eq!((judgement.decision, warnings(&judgement)), (Decision::GoWithWaivers, vec!["gate-waived"]));
    let (row, waived) = (&judgement.gates[0], &judgement.waivers[0]);
    assert_eq!((row.status, row.verdict), (GateStatus::Waived, Some(Failed)), "its result still shows");
    assert!(row.reason.contains("expected 1, seen 2; waived by Li Wei until"), "{}", row.reason);
    assert_eq!((waived.state, waived.result.as_str()), (WaiverState::Used, "failed: expected 1, seen 2"));
    assert_eq!(judgement.valid_until.unwrap().1, "the waiver of a expires");
    let other = judged(bundle(&run(&[("a", Passed), ("b", Failed)])), &policy(&waiver("a", LATER, &bound)));
    assert_eq!((other.decision, errors(&other)), (Decision::NoGo, vec!["gate-not-passed"]));
    assert_eq!((warnings(&other), other.waivers[0].state), (vec!["waiver-unused"], WaiverState::Unused));
    let both = judged(bundle(&run(&[("a", Failed), ("b", Failed)])), &policy(&waiver("a", LATER, &bound)));
    assert_eq!(both.decision, Decision::NoGo);
}

#[test]
fn a_waiver_is_for_one_commit_or_one_run_and_for_its_time() {
    let sample = || run(&[("a", Failed)]);
    let sha256 = bundle(&sample()).manifest_sha256.unwrap();
    let of_run = judged(bundle(&sample()), &policy(&waiver("a", LATER, &format!("evidence = \"{sha256}\""))));
    assert_eq!(of_run.decision, Decision::GoWithWaivers);
    let table = [
        ("2026-11-22T20:00:00Z", format!("commit = \"{COMMIT}\""), "waiver-expired", WaiverState::Expired),
        (LATER, format!("commit = \"{}\"", "ab".repeat(20)), "waiver-of-other", WaiverState::OtherBound),
        (LATER, format!("evidence = \"{}\"", "ab".repeat(32)), "waiver-of-other", WaiverState::OtherBound),
    ];
    for (expires, bound, code, state) in table {
        let judgement = judged(bundle(&sample()), &policy(&waiver("a", expires, &bound)));
        assert_eq!((judgement.decision, warnings(&judgement)), (Decision::NoGo, vec![code]));
        assert_eq!((judgement.waivers[0].state, judgement.gates[0].status), (state, GateStatus::Failed));
    }
    let mut dirty = sample();
    dirty.events[0] = source(true);
    let judgement = judged(bundle(&dirty), &policy(&waiver("a", LATER, &format!("commit = \"{COMMIT}\""))));
    assert_eq!(judgement.waivers[0].state, WaiverState::OtherBound, "a work tree with changes is no commit");
}

#[test]
fn what_a_waived_gate_blocks_needs_a_waiver_of_its_own() {
    let plan = || vec![planned("a", true, &[], &[]), planned("b", true, &["a"], &[])];
    let sample = || run_of(plan(), &[("a", Failed), ("b", Skipped)]);
    let bound = format!("commit = \"{COMMIT}\"");
    let one = judged(bundle(&sample()), &policy(&waiver("a", LATER, &bound)));
    assert_eq!((one.decision, errors(&one)), (Decision::NoGo, vec!["gate-blocked"]));
    let both = format!("{}{}", waiver("a", LATER, &bound), waiver("b", LATER, &bound));
    assert_eq!(judged(bundle(&sample()), &policy(&both)).decision, Decision::GoWithWaivers);
}

#[test]
fn what_did_not_run_or_is_too_old_cannot_be_waived() {
    let bound = format!("commit = \"{COMMIT}\"");
    let mut partial = run(&[("a", Passed)]);
    partial.started.gates.push(planned("b", true, &[], &[]));
    partial.started.not_selected.insert(id("b"));
    let judgement = judged(bundle(&partial), &policy(&waiver("b", LATER, &bound)));
    assert!(!judgement.decision.is_go());
    assert_eq!(judgement.gates[1].status, GateStatus::NotRun);
    assert!(errors(&judgement).contains(&"gate-not-run"));
    let old = format!("{}[[require]]\ngate = \"a\"\nmax_age = \"10m\"\n", waiver("a", LATER, &bound));
    let judgement = judged(bundle(&run(&[("a", Failed)])), &policy(&old));
    assert_eq!((judgement.decision, judgement.gates[0].status), (Decision::Incomplete, GateStatus::Stale));
}

#[test]
fn a_bundle_that_does_not_hold_is_excused_by_nothing() {
    let rules = policy(&waiver("a", LATER, &format!("commit = \"{COMMIT}\"")));
    let mut tampered = bundle(&run(&[("a", Failed)]));
    let mut found = Findings::new([]);
    found.refuse(Code::FileChanged, Place::nowhere(Evidence::Bundle, "junit.xml"), "as it was", "other");
    tampered.findings = found.finish().0;
    let judgement = judged(tampered, &rules);
    assert_eq!((judgement.decision, errors(&judgement)), (Decision::NoGo, vec!["file-changed"]));
    let mut without = bundle(&run(&[("a", Passed)]));
    without.manifest = None;
    assert_eq!(errors(&judged(without, &rules)), ["file-missing"]);
    let mut lacking = bundle(&run(&[("a", Passed)]));
    lacking.journals.clear();
    assert!(!judged(lacking, &rules).decision.is_go());
    let mut shortened = bundle(&run(&[("a", Passed)]));
    shortened.journals[0].records.entries.remove(1);
    assert_eq!(errors(&judged(shortened, &rules)), ["file-missing"]);
}

#[test]
fn a_name_that_no_run_has_is_a_fault_of_the_policy() {
    let plan = || vec![planned("redis-ping", true, &[], &["ping"])];
    let sample = || {
        let mut sample = run_of(plan(), &[("redis-ping", Passed)]);
        sample.service("redis", ServiceKind::Redis, None);
        sample
    };
    let text = format!(
        "[[require]]\ngate = \"redis-pign\"\n[[require]]\ntag = \"pin\"\n[[require]]\nphase = \
         \"watch\"\n[[product]]\nservice = \"rediss\"\nversions = [\"7\"]\n{}",
        waiver("nothing-like-it", LATER, &format!("commit = \"{COMMIT}\""))
    );
    let bad = super::judge(&[bundle(&sample())], 0, &policy(&text), minutes(60)).unwrap_err();
    insta::assert_snapshot!(bad, @r"
    p.toml:2:1: unknown gate `redis-pign` in a rule: no run's plan has it; nearest: `redis-ping`
    p.toml:4:1: unknown tag `pin` in a rule: no gate of any run has it; nearest: `ping`
    p.toml:6:1: no gate of any run is of the phase watch, which a rule requires
    p.toml:11:1: unknown gate `nothing-like-it` in a waiver: no run's plan has it; expected `redis-ping`
    p.toml:8:1: unknown service `rediss` in a product: no run has it; nearest: `redis`
    ");
}

#[test]
fn a_gate_that_only_another_run_has_is_missing_in_the_one_that_counts() {
    let other = bundle_of(
        "evidence/other",
        &[("", &run_of(vec![planned("b", true, &[], &["flow"])], &[("b", Passed)]))],
    );
    let bundles = [bundle(&run(&[("a", Passed)])), other];
    for rule in ["gate = \"b\"", "tag = \"flow\""] {
        let judgement = judge_at(&bundles, &policy(&format!("[[require]]\n{rule}\n")), minutes(60));
        assert_eq!((judgement.decision, errors(&judgement)), (Decision::Incomplete, vec!["gate-missing"]));
    }
    let judgement = judge_at(&bundles, &policy("[[require]]\ngate = \"b\"\nmax_age = \"1h\"\n"), minutes(60));
    let row = &judgement.gates[1];
    assert_eq!((row.gate.as_str(), row.status, row.phase), ("b", GateStatus::Missing, None));
}

#[test]
fn what_the_run_was_made_of_is_what_the_policy_asks() {
    let other = "cd".repeat(20);
    let table = [
        ("environment = \"prod\"", vec!["other-environment"]),
        ("environment = \"single-host-ubuntu\"", vec![]),
        (&*format!("commit = \"{other}\""), vec!["other-commit"]),
        (&*format!("commit = \"{COMMIT}\"\nclean_tree = true"), vec![]),
        (&*format!("profile_sha256 = \"{}\"", "ab".repeat(32)), vec![]),
        (&*format!("profile_sha256 = \"{}\"", "cd".repeat(32)), vec!["other-profile"]),
        ("provisioners = [\"attach\"]", vec!["provisioner-not-allowed"]),
        ("provisioners = [\"attach\", \"embedded\"]", vec![]),
        ("measured_only = true", vec!["no-levels"]),
        ("min_watch = \"1s\"", vec!["watch-missing"]),
        ("rollback_drill = { max_age = \"1d\" }", vec!["drill-missing"]),
    ];
    for (text, expected) in table {
        let judgement = judged(bundle(&run(&[("a", Passed)])), &policy(&format!("[runs]\n{text}\n")));
        assert_eq!(errors(&judgement), expected, "{text}");
        assert_eq!(judgement.decision.is_go(), expected.is_empty());
    }
    let clean = policy("[runs]\nclean_tree = true\n");
    let mut dirty = run(&[("a", Passed)]);
    dirty.events[0] = source(true);
    assert_eq!(errors(&judged(bundle(&dirty), &clean)), ["dirty-tree"]);
    let mut unknown = run(&[("a", Passed)]);
    unknown.events.remove(0);
    let judgement = judged(bundle(&unknown), &clean);
    assert_eq!((judgement.decision, errors(&judgement)), (Decision::Incomplete, vec!["source-unknown"]));
}

#[test]
fn products_and_versions_are_those_that_the_policy_allows() {
    let with = |product: &str| {
        let mut sample = Sample::new(vec![planned("a", true, &[], &[])]);
        sample.service("redis", ServiceKind::Redis, None).event(source(false));
        if !product.is_empty() {
            sample.ready("redis", ServiceKind::Redis, product, None);
        }
        sample.begin("a").end("a", Passed, "").done();
        bundle(&sample)
    };
    let rules = policy("[[product]]\nservice = \"redis\"\nname = \"Redis\"\nversions = [\"7.2\", \"8\"]\n");
    for product in ["Redis 7.2", "Redis 7.2.4", "Redis 8.0.1"] {
        assert_eq!(judged(with(product), &rules).decision, Decision::Go, "{product}");
    }
    for product in ["Redis 7.20", "Redis 7", "Redis 80.1", "Valkey 7.2.4", "Redis 6.2.11"] {
        assert_eq!(errors(&judged(with(product), &rules)), ["product-not-allowed"], "{product}");
    }
    assert_eq!(errors(&judged(with(""), &rules)), ["product-unknown"]);
}

#[test]
fn a_level_that_somebody_declared_is_not_measured() {
    let with = |from: SliSource| {
        let mut sample = run(&[("a", Passed)]);
        let sli = SliPlan {
            name: "quant_hft_storage_redis_health".to_owned(),
            unit: "bool".to_owned(),
            target: 1.0,
            at_most: false,
            from,
        };
        sample.started.readiness = Some(Box::new(ReadinessPlan {
            scope: "precheck".to_owned(),
            environment: "x".to_owned(),
            service: "core_engine".to_owned(),
            measuring: false,
            require_measured: false,
            slis: vec![sli],
        }));
        bundle(&sample)
    };
    let at = crate::model::Position { file: "gates/x.toml".to_owned(), line: 1, column: 1 };
    let measured = SliSource::Measured { gate: id("a"), value: None, at };
    let declared = SliSource::Declared { value: 1.0, flag: "--redis-health true".to_owned() };
    let rules = policy("[runs]\nmeasured_only = true\n");
    assert_eq!(judged(with(measured), &rules).decision, Decision::Go);
    let judgement = judged(with(declared.clone()), &rules);
    assert_eq!((judgement.decision, errors(&judgement)), (Decision::NoGo, vec!["level-not-measured"]));
    assert_eq!(judged(with(declared), &Policy::built_in()).decision, Decision::Go);
}

#[test]
fn runs_that_prove_nothing_sign_nothing_off() {
    let sample = || run(&[("a", Passed)]);
    let built_in = Policy::built_in();
    let refused = |sample: &Sample| {
        let judgement = judged(bundle(sample), &built_in);
        assert!(!judgement.decision.is_go());
        errors(&judgement)
    };
    let mut partial = sample();
    partial.started.partial = true;
    assert_eq!(refused(&partial), ["partial-run"]);
    let mut dry = sample();
    dry.started.dry_run = true;
    assert!(refused(&dry).contains(&"dry-run"));
    let mut fault = sample();
    fault.started.fault = Some("kill-redis".to_owned());
    assert_eq!(refused(&fault), ["fault-on-purpose"]);
    let mut within = sample();
    within.started.parent = Some(RunId::from_text("20261122T194103Z-rehearse-aaaaaa"));
    assert_eq!(refused(&within), ["run-within"]);
    let mut killed = sample();
    killed.events.pop();
    assert_eq!(refused(&killed), ["run-unfinished"]);
    let mut interrupted = sample();
    interrupted.events.insert(1, Event::Interrupted { by: "SIGINT".to_owned() });
    assert_eq!(refused(&interrupted), ["run-interrupted"]);
    let mut rehearsal = sample();
    rehearsal.started.rehearses = true;
    assert_eq!(refused(&rehearsal), ["run-not-passed"], "the cutover that it was to rehearse is not there");
}

#[test]
fn a_gate_that_passed_at_the_second_attempt_is_told_apart() {
    let mut sample = Sample::new(vec![planned("a", true, &[], &[])]);
    sample.begin("a").again("a", 1).end_with("a", Passed, "", |ended| {
        ended.attempts = 2;
        ended.observations = vec![number("latency_ms", 1.5, "ms")];
    });
    sample.done();
    let judgement = judged(bundle(&sample), &Policy::built_in());
    assert_eq!((judgement.decision, judgement.gates[0].status), (Decision::Go, GateStatus::PassedOnRetry));
    assert_eq!(judgement.gates[0].seen, "latency_ms 1.5 ms");
    let judgement = judged(bundle(&sample), &policy("[runs]\nno_flaky = true\n"));
    assert_eq!((judgement.decision, errors(&judgement)), (Decision::NoGo, vec!["gate-flaky"]));
}

#[test]
fn a_run_for_which_flaky_gates_count_is_not_signed_off_by_any_policy() {
    let mut sample = Sample::new(vec![planned("a", true, &[], &[])]);
    sample.started.fail_on_flaky = true;
    sample.flaky("a", 2).done();
    for policy in [Policy::built_in(), policy("[runs]\nno_flaky = true\n")] {
        let judgement = judged(bundle(&sample), &policy);
        assert_eq!((judgement.decision, errors(&judgement)), (Decision::NoGo, vec!["gate-flaky"]));
    }
}

#[test]
fn the_worst_of_a_gates_results_in_the_runs_within_counts() {
    let own = run(&[("a", Passed)]);
    let mut within = run(&[("a", Failed), ("b", Passed)]);
    within.started.parent = Some(own.started.run.clone());
    let judgement =
        judged(bundle_of("evidence/run", &[("", &own), ("runs/x/", &within)]), &Policy::built_in());
    assert_eq!((judgement.decision, errors(&judgement)), (Decision::NoGo, vec!["gate-not-passed"]));
    assert_eq!(statuses(&judgement), [("a", GateStatus::Failed), ("b", GateStatus::Passed)]);
}

/// Two shards of the gates `a` and `b`; `b` needs `a`.
fn shards() -> [Sample; 2] {
    [(1, "b", "a"), (2, "a", "b")].map(|(index, left_out, own)| {
        let plan = vec![planned("a", true, &[], &[]), planned("b", true, &["a"], &[])];
        let results = if index == 1 { vec![("a", Passed)] } else { vec![("a", Passed), ("b", Passed)] };
        let mut sample = run_of(plan, &results);
        sample.started.run = RunId::from_text(&format!("20261122T194103Z-gates-run-shard{index}"));
        sample.started.partial = true;
        if index == 1 {
            sample.started.not_selected.insert(id(left_out));
        }
        let setup = if index == 1 { None } else { Some(id(left_out)) };
        sample.started.partition = Some(Partition { index, total: 2, setup: setup.into_iter().collect() });
        assert!(!own.is_empty());
        sample
    })
}

#[test]
fn shards_that_are_all_there_are_one_whole_run() {
    let [one, two] = shards();
    let merged =
        |one: &Sample, two: &Sample| bundle_of("evidence/merged", &[("shards/1/", one), ("shards/2/", two)]);
    let judgement = judged(merged(&one, &two), &Policy::built_in());
    assert_eq!(judgement.decision, Decision::Go, "{:?}", judgement.findings);
    assert_eq!(statuses(&judgement), [("a", GateStatus::Passed), ("b", GateStatus::Passed)]);
    assert_eq!(errors(&judged(bundle(&one), &Policy::built_in())), ["partial-run", "gate-not-run"]);
    let mut third = shards();
    third[1].started.partition.as_mut().unwrap().total = 3;
    assert_eq!(errors(&judged(merged(&one, &third[1]), &Policy::built_in())), ["partial-run"]);
    let mut twice = shards();
    twice[1].started.partition.as_mut().unwrap().setup.clear();
    assert_eq!(errors(&judged(merged(&one, &twice[1]), &Policy::built_in())), ["partial-run"]);
    // What only had to run for another gate is no result, and a red one is told all the same.
    let mut red = shards();
    red[1] = run_of(red[1].started.gates.clone(), &[("a", Failed), ("b", Passed)]);
    red[1].started.partition = two.started.partition.clone();
    red[1].started.partial = true;
    let judgement = judged(merged(&one, &red[1]), &Policy::built_in());
    assert_eq!(errors(&judgement), ["run-not-passed"]);
    assert_eq!(statuses(&judgement)[0], ("a", GateStatus::Passed));
}

/// A bundle of a drill, so many minutes after the others.
fn drill(sample: Sample, after: i64) -> Bundle {
    let mut sample = sample;
    sample.events.insert(0, source(false));
    let pauses = std::mem::take(&mut sample.pauses);
    sample.pauses = pauses.into_iter().map(|(place, pause)| (place + 1, pause)).collect();
    *sample.pauses.entry(0).or_default() += after * 60_000;
    bundle_of(&format!("evidence/drill-{after}"), &[("", &sample)])
}

#[test]
fn the_latest_rollback_drill_counts_within_its_age_and_limit() {
    let wanted = |more: &str| policy(&format!("[runs]\nrollback_drill = {{ max_age = \"1h\"{more} }}\n"));
    let judged = |drills: Vec<Bundle>, more: &str| {
        let mut bundles = vec![bundle(&run(&[("a", Passed)]))];
        bundles.extend(drills);
        judge_at(&bundles, &wanted(more), minutes(100))
    };
    let good = |after| drill(sample_switch::drill(), after);
    let judgement = judged(vec![good(50)], "");
    assert_eq!(judgement.decision, Decision::Go, "{:?}", judgement.findings);
    let (until, why) = judgement.valid_until.unwrap();
    assert_eq!(why, "the rollback drill is too old");
    assert!(until > minutes(110) && until < minutes(111), "{until}");
    assert_eq!(errors(&judged(vec![good(10)], "")), ["drill-stale"]);
    assert_eq!(errors(&judged(vec![good(120)], "")), ["from-the-future"]);
    assert_eq!(errors(&judged(vec![good(50)], ", max_duration = \"100ms\"")), ["drill-too-slow"]);
    assert_eq!(errors(&judged(vec![drill(sample_switch::good(), 50)], "")), ["drill-missing"], "no rollback");
    assert_eq!(
        errors(&judged(vec![drill(sample_switch::triggered(0), 50)], "")),
        ["drill-missing"],
        "no drill"
    );
    let mut failed = sample_switch::failed_step();
    failed.plan().force_rollback = true;
    let after_it = judged(vec![good(50), drill(failed, 60)], "");
    assert_eq!((after_it.decision, errors(&after_it)), (Decision::NoGo, vec!["drill-failed"]));
    let mut dry = sample_switch::dry(true);
    dry.plan().force_rollback = true;
    assert_eq!(errors(&judged(vec![drill(dry, 50)], "")), ["drill-missing"]);
    let mut elsewhere = sample_switch::drill();
    elsewhere.started.environment = "staging".to_owned();
    assert_eq!(errors(&judged(vec![drill(elsewhere, 50)], "")), ["drill-missing"]);
    let mut broken = good(60);
    broken.journals.clear();
    assert_eq!(errors(&judged(vec![good(50), broken], "")), ["drill-unknown"]);
}

#[test]
fn a_watch_is_as_long_as_the_policy_asks_and_what_its_samples_give() {
    let judged = |sample: Sample, least: &str| {
        let rules = policy(&format!("[runs]\nmin_watch = \"{least}\"\n"));
        let judgement = judged(drill(sample, 0), &rules);
        errors(&judgement).into_iter().filter(|code| code.starts_with("watch")).collect::<Vec<_>>()
    };
    // What the sample's watch says of itself is not what its two samples give.
    assert_eq!(judged(sample_switch::good(), "1s"), ["watch-missing"]);
    let honest = || {
        let mut sample = sample_switch::good();
        let plan = sample.started.watch.as_mut().unwrap();
        (plan.trigger, plan.monitor_keys) = ("order_latency_p99_ms > 5ms".to_owned(), Vec::new());
        plan.sources = vec![WatchSource {
            name: "engine".to_owned(),
            probe: "prometheus".to_owned(),
            with: Default::default(),
            uses: Vec::new(),
            timeout_ms: 1_000.0,
            at: plan.metrics[0].at.clone(),
        }];
        let records = sample.records();
        let given = crate::evidence::RunView::of(&records).unwrap().watch.unwrap().judged.unwrap();
        let recorded = sample.events.iter_mut().find_map(|event| match event {
            Event::WatchEnded(verdict) => Some(verdict),
            _ => None,
        });
        **recorded.unwrap() = given;
        sample
    };
    let records = honest().records();
    let watched = crate::evidence::RunView::of(&records).unwrap().watch.unwrap().verdict.unwrap().watched_ms;
    assert!(watched >= 1_000.0, "{watched}");
    assert_eq!(judged(honest(), &format!("{}ms", watched.floor())), Vec::<&str>::new());
    assert_eq!(judged(honest(), &format!("{}ms", watched.floor() + 1.0)), ["watch-too-short"]);
}

fn key(name: &str, key: &PrivateKey, roles: &str) -> String {
    let pem = crate::policy::tests::pem_of(key);
    format!("[[key]]\nname = \"{name}\"\nroles = [{roles}]\npem = \"\"\"\n{pem}\"\"\"\n")
}

#[test]
fn distinct_keys_of_a_role_are_counted_over_the_manifest() {
    let [ann, ben, eve] = [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::Ed25519]
        .map(|algorithm| PrivateKey::generate(algorithm).unwrap());
    let keys = format!("{}{}", key("ann", &ann, "\"runner\""), key("ben", &ben, "\"runner\", \"approver\""));
    let rules = policy(&format!("{keys}[[threshold]]\nrole = \"runner\"\ncount = 2\n"));
    let signed = |signers: &[(&str, &PrivateKey)]| {
        let mut bundle = bundle(&run(&[("a", Passed)]));
        signers.iter().for_each(|(role, key)| sign(&mut bundle, role, key));
        bundle
    };
    let both = judged(signed(&[("runner", &ann), ("runner", &ben)]), &rules);
    assert_eq!((both.decision, both.signers.len()), (Decision::Go, 2), "{:?}", both.findings);
    assert_eq!((both.signers[0].name.as_str(), both.signers[0].role.as_str()), ("ann", "runner"));
    for signers in [
        &[][..],
        &[("runner", &ann)],
        &[("runner", &ann), ("runner", &ann)],
        &[("runner", &ann), ("approver", &ann)],
        &[("runner", &ann), ("approver", &ben)],
        &[("runner", &ann), ("runner", &eve)],
    ] {
        let judgement = judged(signed(signers), &rules);
        assert_eq!((judgement.decision, errors(&judgement)), (Decision::Incomplete, vec!["threshold-unmet"]));
    }
    // An envelope of another run, and what is none.
    let mut other = bundle(&run(&[("a", Passed)]));
    other.envelopes = {
        let mut another = bundle_of("evidence/other", &[("", &run(&[("a", Failed)]))]);
        sign(&mut another, "runner", &ann);
        sign(&mut another, "runner", &ben);
        another.envelopes
    };
    other.envelopes.push(("signatures/none.json".to_owned(), b"{".to_vec()));
    let judgement = judged(other, &rules);
    assert_eq!(errors(&judgement), ["threshold-unmet"]);
    assert_eq!(judgement.findings.iter().filter(|finding| finding.code == Code::SignatureIgnored).count(), 3);
    // Approvers sign what is made of the judgement.
    let approvers = policy(&format!("{keys}[[threshold]]\nrole = \"approver\"\ncount = 1\n"));
    assert_eq!(judged(signed(&[]), &approvers).decision, Decision::Go);
}
