use crate::evidence::RunView;
use crate::evidence::sample::Sample;
use crate::evidence::sample_switch::{cutover, every, failed_step, good, triggered};
use crate::model::Verdict;
use crate::model::switch::{Sequence, Stage};
use crate::report::layout::{WIDTH, columns};
use proptest::prelude::*;
use std::path::Path;

fn told(sample: &Sample) -> String {
    let records = sample.records();
    let folder = Path::new("evidence/20261122T194103Z-cutover-4f7k2q");
    let text = crate::report::summary(&RunView::of(&records).unwrap(), folder, false);
    assert!(text.lines().count() <= 23, "{} lines:\n{text}", text.lines().count());
    for line in text.lines() {
        let path = line.starts_with("    log  ") || line.starts_with("evidence  ");
        assert!(path || columns(line) <= WIDTH, "too wide: {line}");
        assert!(!line.contains(char::is_control));
    }
    text
}

#[test]
fn a_good_cutover_has_a_line_for_each_stage() {
    insta::assert_snapshot!(told(&good()), @r"
    cutover  single-host-ubuntu (attach)  20261122T194103Z-cutover-4f7k2q
    ✓ preflight           2 of 2 gates passed                                 0.20 s
    ✓ cutover             10 of 10 steps                                      0.20 s
    ✓ switch_gate         login +0.4, settlement +0.8, instruments +1.2 s     0.20 s
    ✓ readiness           2 of 2 gates passed                                 0.20 s
    ✓ watch               10.0 s watched, 2 samples; compressed 180 times     0.20 s
    - rollback            not run: not needed
    - rollback_readiness  not run: there was no rollback
    evidence  evidence/20261122T194103Z-cutover-4f7k2q  (junit.xml, summary.json)
    CUTOVER PASSED 10 of 10 steps in 6.4 s
    ");
}

#[test]
fn a_failed_step_is_told_with_its_output_and_what_happened_next() {
    insta::assert_snapshot!(told(&failed_step()), @r"
    cutover  single-host-ubuntu (attach)  20261122T194103Z-cutover-4f7k2q
    ✓ preflight           2 of 2 gates passed                                 0.20 s
    ✗ cutover             step 4 of 10 failed: bootstrap_infra                0.20 s
    - switch_gate         not run: the cutover failed
    - readiness           not run: the cutover failed
    - watch               not run: the cutover failed
    ✓ rollback            7 of 7 steps, in 1.5 s of 180 s                     0.20 s
    ✓ rollback_readiness  2 of 2 gates passed                                 0.20 s
    ✗ cutover step 4 bootstrap_infra  exit code 3 after 0.09 s
        $ run bootstrap_infra_cmd
        expected exit code 0
        | starting
        | … (cut) …
        | cannot bind
        | exiting
        log  evidence/20261122T194103Z-cutover-4f7k2q/steps/cutover-04-bootstrap_infra.log
    rolled back because: the step bootstrap_infra failed
    evidence  evidence/20261122T194103Z-cutover-4f7k2q  (junit.xml, summary.json)
    CUTOVER FAILED at bootstrap_infra after 6.4 s: rolled back in 1.5 s of 180 s
    ");
}

#[test]
fn a_rollback_that_failed_tells_both_failures_and_what_to_do() {
    let mut sample = cutover();
    sample.gates_stage(Stage::Preflight, Verdict::Passed).stage(Stage::Cutover, "");
    sample.commands(Sequence::Cutover, 1..=7).command(Sequence::Cutover, 8);
    sample.command_end(Sequence::Cutover, 8, 124, "not ready within 600 s: set `background = true` for it");
    sample.stage_end(Stage::Cutover, Verdict::Failed, "start_new_core_engine: exit code 124");
    sample
        .stage(Stage::Rollback, "the step start_new_core_engine failed")
        .commands(Sequence::Rollback, 1..=2);
    sample.command(Sequence::Rollback, 3).command_end(Sequence::Rollback, 3, 23, "");
    sample.stage_end(Stage::Rollback, Verdict::Failed, "restore_previous_binaries: exit code 23");
    sample.ended(Verdict::Failed);
    insta::assert_snapshot!(told(&sample), @r"
    cutover  single-host-ubuntu (attach)  20261122T194103Z-cutover-4f7k2q
    ✓ preflight           2 of 2 gates passed                                 0.20 s
    ✗ cutover             step 8 of 10 failed: start_new_core_engine          0.20 s
    - switch_gate         not run, and nothing says why
    - readiness           not run, and nothing says why
    - watch               not run, and nothing says why
    ✗ rollback            step 3 of 7 failed: restore_previous_binaries, in…  0.20 s
    - rollback_readiness  not run, and nothing says why
    ✗ cutover step 8 start_new_core_engine  exit code 124 after 0.09 s
        $ run new_core_engine_start_cmd
        not ready within 600 s: set `background = true` for it
        | exiting
        log  evidence/20261122T194103Z-cutover-4f7k2q/steps/cutover-08-start_new_core_engine.log
    ✗ rollback step 3 restore_previous_binaries  exit code 23 after 0.09 s
        $ run restore_previous_binaries_cmd
        | cannot bind
        | exiting
        log  evidence/20261122T194103Z-cutover-4f7k2q/steps/rollback-03-restore_previous_binaries.log
    rolled back because: the step start_new_core_engine failed
    evidence  evidence/20261122T194103Z-cutover-4f7k2q  (junit.xml, summary.json)
    CUTOVER FAILED at start_new_core_engine after 6.4 s: NOT ROLLED BACK: 2 of 7
    steps in 0.70 s of 180 s
    next  look at the log, then `cutproof rollback --execute`
    ");
}

#[test]
fn the_last_lines_say_what_the_run_is_worth() {
    let last = |(name, sample): (&str, Sample)| {
        let text = told(&sample);
        let at = text.find("evidence  ").unwrap();
        let rest = text[at..].split_once('\n').unwrap().1.trim_end().replace('\n', "\n    ");
        format!("{name}: {rest}")
    };
    insta::assert_snapshot!(every().into_iter().map(last).collect::<Vec<_>>().join("\n"), @r"
    good: CUTOVER PASSED 10 of 10 steps in 6.4 s
    drill: CUTOVER PASSED 10 of 10 steps, and the drill too: rolled back in 1.5 s of 180 s
    dry: DRY RUN 10 of 10 steps simulated: nothing was touched or measured
    dry drill: DRY RUN 10 of 10 steps simulated: nothing was touched or measured
    failed step: CUTOVER FAILED at bootstrap_infra after 6.4 s: rolled back in 1.5 s of 180 s
    triggered: CUTOVER FAILED at post_switch_watch after 6.4 s: rolled back in 1.5 s of 180 s
    late: CUTOVER FAILED at post_switch_watch after 6.4 s: rolled back TOO LATE, in 181.6
        s of 180 s
    interrupted in step: CUTOVER INTERRUPTED by SIGTERM after 6.4 s: rolled back in 1.5 s of 180 s
    interrupted in watch: CUTOVER INTERRUPTED by SIGINT after 6.4 s: rolled back in 1.5 s of 180 s
    resumed to roll back: CUTOVER FAILED at init_kafka_topic after 6.4 s: rolled back in 1.5 s of 180 s
    resumed to continue: CUTOVER PASSED 10 of 10 steps in 6.4 s
    without profile: CUTOVER PASSED 10 of 10 steps in 6.4 s
    preflight red: CUTOVER FAILED at preflight after 6.4 s: nothing was touched
    rollback alone: ROLLBACK PASSED 7 of 7 steps in 6.4 s
    ");
}

#[test]
fn a_part_of_a_story_is_told_as_well() {
    for (_, sample) in every() {
        for events in 0..sample.events.len() {
            let mut part = cutover();
            part.started = sample.started.clone();
            part.events = sample.events[..events].to_vec();
            let text = told(&part);
            assert!(text.contains("UNFINISHED"), "{text}");
        }
    }
}

#[test]
fn an_alarm_and_the_trigger_are_told() {
    let text = told(&triggered(180_001));
    assert!(text.contains("! the rollback has not ended within 180 s"), "{text}");
    assert!(text.contains("rolled back because: order_latency_p99_ms = 7.2 ms"), "{text}");
    assert!(text.contains("rolled back TOO LATE"), "{text}");
}

proptest! {
    #[test]
    fn any_text_fits_and_escapes_nothing_to_the_terminal(texts in prop::array::uniform6(any::<String>()), code in 1..200i32) {
        let [command, detail, excerpt, reason, warning, log] = texts;
        let mut sample = cutover();
        sample.plan().cutover.as_mut().unwrap().steps[0].command = command;
        sample.gates_stage(Stage::Preflight, Verdict::Passed).stage(Stage::Cutover, &reason);
        for _ in 0..4 {
            sample.event(crate::model::Event::Warning { text: warning.clone() });
        }
        sample.command(Sequence::Cutover, 1).command_end(Sequence::Cutover, 1, code, &detail);
        if let Some(crate::model::Event::CommandEnded(ended)) = sample.events.last_mut() {
            (ended.excerpt, ended.log) = (excerpt, log);
        }
        sample.stage_end(Stage::Cutover, Verdict::Failed, &reason).rolled_back(&reason).ended(Verdict::Failed);
        told(&sample);
    }
}
