//! What the two files and the verdict say of cutovers that went well, and of those that did not, were killed, or went
//! on later.

use super::sample::Sample;
use super::sample_switch::*;
use super::*;
use crate::journal::{End, Records};
use crate::model::steps::{CUTOVER_FAILURES, CUTOVER_STEPS, ROLLBACK_FAILURES, ROLLBACK_STEPS};
use crate::model::switch::{Sequence, Stage};
use crate::model::{Event, Stamp, Verdict};

/// The cutover's file, where there is one, and the rollback's.
pub(super) fn files(records: &Records) -> (Option<Env<'static>>, Env<'static>) {
    let view = RunView::of(records).unwrap();
    let mut files = [None, None];
    for document in switch_documents(&view) {
        let place = usize::from(document.name == ROLLBACK_FILE);
        files[place] = Some(Env::parse(&String::from_utf8(document.bytes).unwrap()).into_owned());
    }
    let [cutover, rollback] = files;
    (cutover, rollback.unwrap())
}

pub(super) fn get<'a>(env: &'a Env, key: &str) -> &'a str {
    env.get(key).unwrap_or_else(|| panic!("no {key} in\n{env}"))
}

/// Success, the failed step, and how many steps of each status.
fn story(env: &Env, prefix: &str) -> String {
    let of = |key: &str| get(env, &format!("{prefix}_{key}"));
    let steps: usize = of("TOTAL_STEPS").parse().unwrap();
    let mut statuses: Vec<(&str, usize)> = Vec::new();
    for n in 1..=steps {
        let status = get(env, &format!("STEP_{n}_STATUS"));
        match statuses.last_mut().filter(|(last, _)| *last == status) {
            Some((_, count)) => *count += 1,
            None => statuses.push((status, 1)),
        }
    }
    let statuses: Vec<_> = statuses.iter().map(|(status, count)| format!("{count} {status}")).collect();
    format!("{} [{}] {}", of("SUCCESS"), of("FAILED_STEP"), statuses.join(", ")).trim_end().to_owned()
}

pub(super) fn outcome(records: &Records) -> (Outcome, Vec<String>) {
    let view = RunView::of(records).unwrap();
    let judged = verdict(&view);
    (judged.verdict, judged.reasons.iter().map(ToString::to_string).collect())
}

/// A journal that was cut off behind so many entries.
pub(super) fn prefix(records: &Records, entries: usize) -> Records {
    let entries = records.entries[..entries].to_vec();
    let ended = matches!(entries.last().map(|record| &record.event), Some(Event::RunEnded { .. }));
    Records { entries, head: records.head, end: if ended { End::Finished } else { End::Unfinished } }
}

/// What in the two files contradicts itself or the other, by the rules of the contract. It knows nothing of how the
/// files are made.
pub(super) fn contradictions(cutover: Option<&Env>, rollback: &Env) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(cutover) = cutover {
        of_file(cutover, "CUTOVER", &CUTOVER_STEPS, &CUTOVER_FAILURES, &mut found);
        let mut check = |good: bool, what: &str| {
            if !good {
                found.push(what.to_owned());
            }
        };
        check(
            get(cutover, "CUTOVER_TRIGGERED_ROLLBACK") == get(rollback, "ROLLBACK_TRIGGERED"),
            "the files differ in whether it was rolled back",
        );
        check(get(cutover, "CUTOVER_DRY_RUN") == get(rollback, "ROLLBACK_DRY_RUN"), "one file is dry");
        check(get(cutover, "CUTPROOF_RUN_ID") == get(rollback, "CUTPROOF_RUN_ID"), "two runs");
        let (ended, began) = (get(cutover, "CUTOVER_COMPLETED_UTC"), get(rollback, "ROLLBACK_STARTED_UTC"));
        check(ended.is_empty() || began.is_empty() || ended <= began, "the rollback began too early");
        check(
            get(cutover, "CUTOVER_FAILED_STEP") != "preflight" || get(cutover, "CUTOVER_TOTAL_STEPS") == "0",
            "preflight with steps",
        );
        check(!get(cutover, "CUTOVER_STARTED_UTC").is_empty(), "a cutover without a start");
    }
    of_file(rollback, "ROLLBACK", &ROLLBACK_STEPS, &ROLLBACK_FAILURES, &mut found);
    let of = |key: &str| get(rollback, &format!("ROLLBACK_{key}"));
    let mut check = |good: bool, what: &str| {
        if !good {
            found.push(what.to_owned());
        }
    };
    let (took, limit): (f64, f64) =
        (of("DURATION_SECONDS").parse().unwrap(), of("MAX_SECONDS").parse().unwrap());
    let (over, met, success) = (took > limit, of("SLO_MET") == "true", of("SUCCESS") == "true");
    let finished = !get(rollback, "CUTPROOF_COMPLETED_UTC").is_empty();
    check(met == (finished && !over), "SLO_MET against duration and limit");
    check(!(success && over), "success over the limit");
    check(of("FAILED_STEP") != "rollback_duration_exceeded" || over, "the limit was not exceeded");
    if of("TRIGGERED") == "false" {
        let empty = of("STARTED_UTC").is_empty() && of("COMPLETED_UTC").is_empty();
        check(
            empty && of("TOTAL_STEPS") == "0" && took == 0.0,
            "traces of a rollback that was not triggered",
        );
        check(success == finished, "not triggered is a success, once the run has ended");
    } else {
        check(!of("STARTED_UTC").is_empty(), "a rollback without a start");
    }
    found
}

fn of_file(env: &Env, prefix: &str, plan: &[&str], words: &[&str], found: &mut Vec<String>) {
    let of = |key: &str| get(env, &format!("{prefix}_{key}"));
    let mut check = |good: bool, what: &str| {
        if !good {
            found.push(format!("{prefix}: {what}\n{env}"));
        }
    };
    check(env.doubled().is_empty() && env.stray().is_empty(), "a key twice, or a line without one");
    let (success, failed, dry) = (of("SUCCESS") == "true", of("FAILED_STEP"), of("DRY_RUN") == "1");
    check(["true", "false"].contains(&of("SUCCESS")) && ["0", "1"].contains(&of("DRY_RUN")), "a boolean");
    check(success == failed.is_empty(), "success against FAILED_STEP");
    let total: usize = of("TOTAL_STEPS").parse().unwrap();
    let step = |n: usize, key: &str| env.get(&format!("STEP_{n}_{key}"));
    check(step(total + 1, "NAME").is_none() && total <= plan.len(), "more steps than TOTAL_STEPS");
    let mut sum = 0;
    for n in 1..=total {
        check(step(n, "NAME") == Some(plan[n - 1]), "a step out of order");
        let status = step(n, "STATUS").unwrap();
        check((step(n, "EXIT_CODE") == Some("0")) == (status != "failed"), "exit code against status");
        check(status == "failed" || (status == "simulated_ok") == dry, "status against DRY_RUN");
        check(status != "failed" || (n == total && failed == plan[n - 1]), "a failed step that is not named");
        check(!step(n, "COMMAND").unwrap().is_empty(), "a step without a command");
        sum += step(n, "DURATION_MS").unwrap().parse::<u64>().unwrap();
    }
    let named = plan.iter().position(|name| *name == failed);
    let good_name = match named {
        Some(place) => place + 1 == total && step(total, "STATUS") == Some("failed"),
        None => failed.is_empty() || words.contains(&failed),
    };
    check(good_name, "FAILED_STEP names no failed step");
    let triggered = prefix == "CUTOVER" || of("TRIGGERED") == "true";
    check(!success || !triggered || total == plan.len(), "success without all steps");
    let seconds = of("DURATION_SECONDS");
    let three = seconds.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 3);
    check(three && seconds.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit()), "seconds");
    let millis: u64 = seconds.replace('.', "").parse().unwrap();
    check(sum <= millis, "steps longer than the whole");
    let finished = !get(env, "CUTPROOF_COMPLETED_UTC").is_empty();
    check(
        finished || (!success && of("COMPLETED_UTC").is_empty()),
        "an unfinished run that claims something",
    );
    check(!finished || !triggered || !of("COMPLETED_UTC").is_empty(), "a finished run without a time");
    if let (Some(from), Some(to)) = (second(of("STARTED_UTC")), second(of("COMPLETED_UTC"))) {
        let off = (to - from) as f64 - millis as f64 / 1e3;
        check(to >= from && off.abs() <= 1.0, "times against the duration");
    }
}

fn second(text: &str) -> Option<i64> {
    let stamp: Option<Stamp> = serde_json::from_value(text.into()).ok();
    stamp.map(|stamp| stamp.millis() / 1000)
}

#[test]
fn a_good_cutover_has_the_keys_of_the_contract_in_their_order() {
    let (cutover, rollback) = files(&good().records());
    insta::assert_snapshot!("good_cutover", cutover.unwrap());
    insta::assert_snapshot!("good_rollback", rollback);
}

#[test]
fn a_trigger_names_the_sample_that_did_it_and_a_late_rollback_its_limit() {
    let (cutover, rollback) = files(&triggered(180_001).records());
    insta::assert_snapshot!("late_cutover", cutover.unwrap());
    insta::assert_snapshot!("late_rollback", rollback);
}

#[test]
fn every_story_is_told_by_both_files() {
    let tell = |(name, sample): (&str, Sample)| {
        let (cutover, rollback) = files(&sample.records());
        let cutover = cutover.map(|env| story(&env, "CUTOVER"));
        format!("{name}: {} | {}", cutover.as_deref().unwrap_or("none"), story(&rollback, "ROLLBACK"))
    };
    insta::assert_snapshot!(every().into_iter().map(tell).collect::<Vec<_>>().join("\n"), @r"
    good: true [] 10 ok | true []
    drill: true [] 10 ok | true [] 7 ok
    dry: true [] 10 simulated_ok | true []
    dry drill: true [] 10 simulated_ok | true [] 7 simulated_ok
    failed step: false [bootstrap_infra] 3 ok, 1 failed | true [] 7 ok
    triggered: false [post_switch_watch] 10 ok | true [] 7 ok
    late: false [post_switch_watch] 10 ok | false [rollback_duration_exceeded] 7 ok
    interrupted in step: false [start_new_core_engine] 7 ok, 1 failed | true [] 7 ok
    interrupted in watch: false [interrupted] 10 ok | true [] 7 ok
    resumed to roll back: false [init_kafka_topic] 4 ok, 1 failed | true [] 7 ok
    resumed to continue: true [] 10 ok | true []
    without profile: true [] 10 ok | true []
    preflight red: false [preflight] | true []
    rollback alone: none | true [] 7 ok
    ");
}

#[test]
fn every_story_has_the_verdict_that_it_deserves() {
    let tell = |(name, sample): (&str, Sample)| {
        let (outcome, reasons) = outcome(&sample.records());
        let reasons: String = reasons.iter().map(|reason| format!("\n    {reason}")).collect();
        format!("{name}: {outcome}{reasons}")
    };
    insta::assert_snapshot!(every().into_iter().map(tell).collect::<Vec<_>>().join("\n"), @r"
    good: passed
    drill: passed
    dry: simulated
    dry drill: simulated
    failed step: failed
        cutover step 4 bootstrap_infra: exit code 3: expected exit code 0 (configs/ops/ctp_cutover.template.env:7)
        it was rolled back: the step bootstrap_infra failed
    triggered: failed
        watch failed: the trigger held
        it was rolled back: order_latency_p99_ms = 7.2 ms at 2026-11-22T19:41:07.100Z: order_latency_p99_ms > 5 ms
    late: failed
        watch failed: the trigger held
        it was rolled back: order_latency_p99_ms = 7.2 ms at 2026-11-22T19:41:07.100Z: order_latency_p99_ms > 5 ms
        the rollback took 181.601 s, expected at most 180.000 s
    interrupted in step: interrupted
        interrupted by SIGTERM
        cutover step 8 start_new_core_engine: exit code 130: ended with the run: SIGTERM (configs/ops/ctp_cutover.template.env:11)
        it was rolled back: interrupted by SIGTERM
    interrupted in watch: interrupted
        interrupted by SIGINT
        watch inconclusive: it was ended after 3 s of 10
        it was rolled back: interrupted by SIGINT
    resumed to roll back: failed
        cutover step 5 init_kafka_topic: it began and has no end: it still runs, or was cut off and may have done its work or not (configs/ops/ctp_cutover.template.env:8)
        it was rolled back: resumed with --rollback
    resumed to continue: passed
    without profile: passed
    preflight red: failed
        preflight failed: readiness::redis: expected role == master, seen replica
    rollback alone: passed
    ");
}

#[test]
fn no_story_contradicts_itself_and_no_part_of_one_claims_anything() {
    for (name, sample) in every() {
        let whole = sample.records();
        for entries in 1..=whole.entries.len() {
            let records = prefix(&whole, entries);
            let (cutover, rollback) = files(&records);
            let found = contradictions(cutover.as_ref(), &rollback);
            assert!(found.is_empty(), "{name} after {entries} entries: {}", found.join("\n"));
            if entries < whole.entries.len() {
                assert_eq!(outcome(&records).0, Outcome::Unfinished, "{name} after {entries} entries");
            }
        }
    }
}

#[test]
fn a_step_that_runs_when_the_run_is_killed_reads_as_failed_and_has_no_end() {
    let mut sample = cutover();
    sample.gates_stage(Stage::Preflight, Verdict::Passed).stage(Stage::Cutover, "");
    sample.commands(Sequence::Cutover, 1..=2).command(Sequence::Cutover, 3);
    let (cutover, rollback) = files(&sample.records());
    let cutover = cutover.unwrap();
    assert_eq!(story(&cutover, "CUTOVER"), "false [precheck] 2 ok, 1 failed");
    assert_eq!((get(&cutover, "STEP_3_EXIT_CODE"), get(&cutover, "CUTOVER_COMPLETED_UTC")), ("130", ""));
    assert!(get(&cutover, "STEP_3_DETAIL").contains("has no end"));
    assert_eq!(story(&rollback, "ROLLBACK"), "false [interrupted]");
    assert_eq!(get(&rollback, "ROLLBACK_SLO_MET"), "false");
}

#[test]
fn a_step_that_was_run_again_after_the_run_was_resumed_says_so() {
    let (cutover, _) = files(&resumed_to_continue().records());
    let cutover = cutover.unwrap();
    assert_eq!(get(&cutover, "STEP_5_DETAIL"), "(begun 2 times)");
    assert_eq!(get(&cutover, "CUTOVER_RESUMED"), "true");
    assert_eq!(get(&cutover, "CUTOVER_RESUMED_1"), "continue from cutover/5 on host; not known: cutover/5");
}

#[test]
fn a_step_that_a_person_passed_over_makes_no_success() {
    let mut sample = cutover();
    sample.gates_stage(Stage::Preflight, Verdict::Passed).stage(Stage::Cutover, "");
    sample.commands(Sequence::Cutover, 1..=4).command(Sequence::Cutover, 5);
    sample.event(resume("continue", "cutover/6", Some("cutover/5")));
    sample.commands(Sequence::Cutover, 6..=10).stage_end(Stage::Cutover, Verdict::Passed, "").marks(3);
    sample.gates_stage(Stage::Readiness, Verdict::Passed).watch(Verdict::Passed, "", None);
    sample.skip(Stage::Rollback, "not needed").ended(Verdict::Passed);
    let (cutover, rollback) = files(&sample.records());
    assert_eq!(story(cutover.as_ref().unwrap(), "CUTOVER"), "false [init_kafka_topic] 4 ok, 1 failed");
    assert_eq!(contradictions(cutover.as_ref(), &rollback), Vec::<String>::new());
    assert_eq!(outcome(&sample.records()).0, Outcome::Failed);
}

#[test]
fn a_red_stage_before_the_watch_names_the_switch_gate() {
    let mut marks = cutover();
    marks
        .switched()
        .marks(2)
        .skip(Stage::Readiness, "the switch gate is red")
        .skip(Stage::Watch, "as before");
    marks.rolled_back("the switch gate is red").ended(Verdict::Failed);
    let mut readiness = cutover();
    readiness.switched().marks(3).gates_stage(Stage::Readiness, Verdict::Failed).skip(Stage::Watch, "red");
    readiness.rolled_back("readiness is red").ended(Verdict::Failed);
    for sample in [marks, readiness] {
        let (cutover, rollback) = files(&sample.records());
        assert_eq!(story(cutover.as_ref().unwrap(), "CUTOVER"), "false [switch_gate] 10 ok");
        assert_eq!(contradictions(cutover.as_ref(), &rollback), Vec::<String>::new());
    }
}

#[test]
fn a_rollback_whose_step_failed_too_late_names_the_step() {
    let mut sample = cutover();
    sample.switched().marks(3).gates_stage(Stage::Readiness, Verdict::Passed);
    sample.watch(Verdict::Failed, "the trigger held", Some(BREACH)).stage(Stage::Rollback, BREACH);
    sample.commands(Sequence::Rollback, 1..=2).command(Sequence::Rollback, 3).pause(200_000);
    sample.command_end(Sequence::Rollback, 3, 124, "its 180 s were up");
    sample.stage_end(Stage::Rollback, Verdict::Failed, "restore_previous_binaries: exit code 124");
    sample.skip(Stage::RollbackReadiness, "the rollback failed").ended(Verdict::Failed);
    let (cutover, rollback) = files(&sample.records());
    assert_eq!(story(&rollback, "ROLLBACK"), "false [restore_previous_binaries] 2 ok, 1 failed");
    assert_eq!(get(&rollback, "ROLLBACK_SLO_MET"), "false");
    assert!(get(&rollback, "CUTPROOF_REASON").contains("the rollback took 200."), "{rollback}");
    assert_eq!(contradictions(cutover.as_ref(), &rollback), Vec::<String>::new());
}

#[test]
fn a_restored_core_that_is_not_fit_makes_the_run_red_and_leaves_the_seven_steps_what_they_are() {
    let mut sample = cutover();
    sample.plan().force_rollback = true;
    sample.switched().marks(3).gates_stage(Stage::Readiness, Verdict::Passed).watch(
        Verdict::Passed,
        "",
        None,
    );
    sample.stage(Stage::Rollback, "--force-rollback").commands(Sequence::Rollback, 1..=7);
    sample.stage_end(Stage::Rollback, Verdict::Passed, "");
    sample.gates_stage(Stage::RollbackReadiness, Verdict::Failed).ended(Verdict::Failed);
    let (_, rollback) = files(&sample.records());
    assert_eq!(story(&rollback, "ROLLBACK"), "true [] 7 ok");
    assert_eq!(get(&rollback, "ROLLBACK_READINESS_VERDICT"), "failed");
    assert_eq!(outcome(&sample.records()).0, Outcome::Failed);
}

/// A good cutover with one thing changed, and what comes of it.
fn changed(change: impl Fn(&mut Event)) -> (String, Outcome) {
    let mut sample = good();
    sample.events.iter_mut().for_each(change);
    let records = sample.records();
    let (cutover, rollback) = files(&records);
    assert_eq!(contradictions(cutover.as_ref(), &rollback), Vec::<String>::new());
    (get(&cutover.unwrap(), "CUTOVER_FAILED_STEP").to_owned(), outcome(&records).0)
}

#[test]
fn a_stage_that_is_said_to_have_passed_without_proof_has_not() {
    let no_marks = changed(|event| {
        if let Event::SwitchMarks { marks, .. } = event {
            marks.clear();
        }
    });
    assert_eq!(no_marks, ("switch_gate".to_owned(), Outcome::Failed));
    let of_the_old_core = changed(|event| {
        if let Event::SwitchMarks { core_started, .. } = event {
            *core_started = core_started.plus(std::time::Duration::from_secs(60));
        }
    });
    assert_eq!(of_the_old_core, ("switch_gate".to_owned(), Outcome::Failed));
    let red_gate = changed(|event| {
        if let Event::ChildRun(child) = event
            && child.stage == Some(Stage::Readiness)
        {
            child.gates[1].verdict = Verdict::Skipped;
        }
    });
    assert_eq!(red_gate, ("switch_gate".to_owned(), Outcome::Failed));
    let red_run = changed(|event| {
        if let Event::ChildRun(child) = event
            && child.stage == Some(Stage::Preflight)
        {
            "unfinished".clone_into(&mut child.outcome);
        }
    });
    assert_eq!(red_run, ("interrupted".to_owned(), Outcome::Failed));
    let held = changed(|event| {
        if let Event::WatchEnded(watch) = event {
            watch.rollback = Some(BREACH.to_owned());
        }
    });
    assert_eq!(held, ("post_switch_watch".to_owned(), Outcome::Failed));
    let worse = changed(|event| {
        if let Event::RunEnded { verdict, .. } = event {
            *verdict = Verdict::Error;
        }
    });
    assert_eq!(worse, ("interrupted".to_owned(), Outcome::Failed));
}

#[test]
fn a_planned_stage_that_was_not_run_makes_no_success() {
    let without = |gone: Stage| {
        let mut sample = good();
        sample.events.retain(|event| match event {
            Event::StageStarted { stage, .. } | Event::StageEnded { stage, .. } => *stage != gone,
            _ => true,
        });
        let (cutover, rollback) = files(&sample.records());
        assert_eq!(contradictions(cutover.as_ref(), &rollback), Vec::<String>::new());
        get(&cutover.unwrap(), "CUTOVER_FAILED_STEP").to_owned()
    };
    assert_eq!(without(Stage::Watch), "post_switch_watch");
    assert_eq!(without(Stage::Readiness), "switch_gate");
    assert_eq!(without(Stage::Preflight), "interrupted");
    let mut skipped = cutover();
    skipped.switched().marks(3).gates_stage(Stage::Readiness, Verdict::Passed);
    skipped.skip(Stage::Watch, "no time").skip(Stage::Rollback, "not needed").ended(Verdict::Skipped);
    let (cutover, _) = files(&skipped.records());
    assert_eq!(get(&cutover.unwrap(), "CUTOVER_FAILED_STEP"), "post_switch_watch");
}

#[test]
fn an_interruption_before_everything_was_done_is_no_success() {
    let mut sample = cutover();
    sample.plan().rollback_on_interrupt = false;
    sample.started.watch = None;
    sample.switched().event(Event::Interrupted { by: "SIGINT".to_owned() });
    for stage in [Stage::SwitchGate, Stage::Readiness, Stage::Watch, Stage::Rollback] {
        sample.skip(stage, "interrupted");
    }
    sample.ended(Verdict::Skipped);
    let (cutover, rollback) = files(&sample.records());
    assert_eq!(story(cutover.as_ref().unwrap(), "CUTOVER"), "false [interrupted] 10 ok");
    assert_eq!(contradictions(cutover.as_ref(), &rollback), Vec::<String>::new());
    assert_eq!(outcome(&sample.records()).0, Outcome::Interrupted);
}

#[test]
fn gates_that_were_ended_with_the_run_say_nothing_of_the_preflight() {
    let mut sample = preflight_red();
    sample.events.insert(0, Event::Interrupted { by: "SIGINT".to_owned() });
    let (cutover, _) = files(&sample.records());
    assert_eq!(story(&cutover.unwrap(), "CUTOVER"), "false [preflight]");
    for event in &mut sample.events {
        if let Event::ChildRun(child) = event {
            "interrupted".clone_into(&mut child.outcome);
        }
    }
    let (cutover, _) = files(&sample.records());
    assert_eq!(story(&cutover.unwrap(), "CUTOVER"), "false [interrupted]");
}

#[test]
fn a_watch_that_began_once_more_is_counted_once() {
    let mut sample = cutover();
    sample
        .switched()
        .marks(3)
        .gates_stage(Stage::Readiness, Verdict::Passed)
        .stage(Stage::Watch, "")
        .samples(5);
    sample.event(resume("continue", "watch", None)).watch(Verdict::Passed, "", None);
    sample.skip(Stage::Rollback, "not needed").ended(Verdict::Passed);
    let (cutover, _) = files(&sample.records());
    let cutover = cutover.unwrap();
    assert_eq!(story(&cutover, "CUTOVER"), "true [] 10 ok");
    assert_eq!(get(&cutover, "CUTOVER_WATCH_SAMPLES"), "2");
}

#[test]
fn a_drill_that_was_asked_for_and_not_made_is_not_green() {
    let mut sample = good();
    sample.plan().force_rollback = true;
    let (judged, reasons) = outcome(&sample.records());
    assert_eq!((judged, reasons.len()), (Outcome::Failed, 1));
}

#[test]
fn a_journal_that_contradicts_itself_has_no_view() {
    let told = |make: &dyn Fn(&mut Sample)| {
        let mut sample = cutover();
        make(&mut sample);
        match RunView::of(&sample.records()) {
            Ok(_) => "it has a view".to_owned(),
            Err(contradiction) => contradiction.to_string(),
        }
    };
    let stage = Stage::Cutover;
    let steps = Sequence::Cutover;
    let cases: [&dyn Fn(&mut Sample); 16] = [
        &|it| {
            it.command(steps, 1);
        },
        &|it| {
            it.stage(stage, "").command_end(steps, 1, 0, "");
        },
        &|it| {
            it.stage(stage, "").command(steps, 2);
        },
        &|it| {
            it.stage(stage, "").command(steps, 1).command(steps, 2);
        },
        &|it| {
            it.stage(stage, "").commands(steps, 1..=2).command(steps, 2);
        },
        &|it| {
            it.stage(stage, "").commands(steps, 1..=1).command_end(steps, 1, 0, "");
        },
        &|it| {
            it.stage(stage, "").command(steps, 1).command_end(steps, 1, 3, "").command(steps, 2);
        },
        &|it| {
            it.stage(stage, "").command(steps, 1).command_end(steps, 1, 3, "");
            if let Some(Event::CommandEnded(ended)) = it.events.last_mut() {
                ended.exit_code = 0;
            }
        },
        &|it| {
            it.stage(stage, "").command(steps, 1).stage_end(stage, Verdict::Passed, "");
        },
        &|it| {
            it.stage(stage, "").stage(Stage::SwitchGate, "");
        },
        &|it| {
            it.stage_end(stage, Verdict::Passed, "");
        },
        &|it| {
            it.skip(stage, "no").skip(stage, "no");
        },
        &|it| {
            it.stage(stage, "").stage_end(stage, Verdict::Failed, "").stage(stage, "");
        },
        &|it| {
            it.stage(Stage::Watch, "").stage_end(Stage::Watch, Verdict::Failed, "").stage(stage, "");
        },
        &|it| {
            it.stage(Stage::Rollback, "").command(Sequence::Rollback, 1);
            it.event(resume("continue", "cutover/1", None)).stage(stage, "");
        },
        &|it| {
            it.stage(stage, "").command(steps, 1);
            it.started.switch = None;
        },
    ];
    insta::assert_snapshot!(cases.map(told).join("\n"), @r"
    the journal contradicts itself in line 2: the cutover's step stop_old_core_engine begins outside of its stage
    the journal contradicts itself in line 3: the cutover's step stop_old_core_engine ends, and had not begun
    the journal contradicts itself in line 3: the cutover's step stop_old_strategy_runner begins, expected stop_old_core_engine
    the journal contradicts itself in line 4: the cutover's step stop_old_strategy_runner begins, and stop_old_core_engine before it has no end
    the journal contradicts itself in line 7: the cutover's step stop_old_strategy_runner begins, expected precheck
    the journal contradicts itself in line 5: the cutover's step stop_old_core_engine ends, and had not begun
    the journal contradicts itself in line 5: the cutover's step stop_old_strategy_runner begins, and stop_old_core_engine before it failed
    the journal contradicts itself in line 4: the cutover's step stop_old_core_engine failed, with the exit code 0
    the journal contradicts itself in line 4: the stage cutover ends, and its step stop_old_core_engine has not
    the journal contradicts itself in line 3: the stage switch_gate begins, and cutover has not ended
    the journal contradicts itself in line 2: the stage cutover ends, and had not begun
    the journal contradicts itself in line 3: the stage cutover ends a second time
    the journal contradicts itself in line 4: the stage cutover begins behind cutover
    the journal contradicts itself in line 4: the stage cutover begins behind watch
    the journal contradicts itself in line 5: the stage cutover begins behind watch
    the journal contradicts itself in line 2: the run is no cutover, and the stage cutover is told of
    ");
}
