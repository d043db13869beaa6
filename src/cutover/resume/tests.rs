//! Runs that were killed at every place.

use super::*;
use crate::evidence::sample::Sample;
use crate::model::Verdict;
use crate::model::event::{FileDigest, RunStarted, StepStatus};
use crate::model::switch::{
    CommandEnded, CommandStarted, CutoverPlan, RollbackPlan, Sequence, Stage, SwitchPlan, SwitchStep,
};
use crate::model::watch::WatchVerdict;
use crate::model::{Position, RunId, Stamp};
use std::fs::{self, File};
use std::io::Write as _;

const CUTOVER: [&str; 10] = [
    "stop_old_core_engine",
    "stop_old_strategy_runner",
    "precheck",
    "bootstrap_infra",
    "init_kafka_topic",
    "init_clickhouse_schema",
    "init_debezium_connector",
    "start_new_core_engine",
    "start_new_strategy_runner",
    "warmup_query",
];

const ROLLBACK: [&str; 7] = [
    "stop_new_core_engine",
    "stop_new_strategy_runner",
    "restore_previous_binaries",
    "restore_redis_bridge_compat",
    "start_previous_core_engine",
    "start_previous_strategy_runner",
    "post_rollback_validate",
];

fn steps(names: &[&str]) -> Vec<SwitchStep> {
    let step = |(number, name): (u32, &&str)| SwitchStep {
        number,
        name: (*name).to_owned(),
        command: format!("ops/{name}.sh"),
        timeout_ms: 600_000.0,
        background: false,
        ready: None,
        at: Position { file: "cutover.env".to_owned(), line: number as usize, column: 1 },
    };
    (1..).zip(names).map(step).collect()
}

fn plan() -> SwitchPlan {
    let template = |path: &str| FileDigest { path: path.to_owned(), sha256: "ab".repeat(32) };
    SwitchPlan {
        cutover: Some(CutoverPlan {
            template: template("cutover.env"),
            environment: "desk".to_owned(),
            window: "2026-11-22 19:30".to_owned(),
            window_start: Stamp::from_millis(1_795_376_463_000),
            window_end: None,
            window_met: true,
            config_path: "configs/ctp.yaml".to_owned(),
            monitor_minutes: "30".to_owned(),
            monitor_keys: "kafka_lag_ms".to_owned(),
            steps: steps(&CUTOVER),
            output: "docs/results/ctp_cutover_result.env".to_owned(),
        }),
        rollback: RollbackPlan {
            template: template("rollback.env"),
            environment: "desk".to_owned(),
            trigger: "kafka_lag_ms > 1000".to_owned(),
            max_seconds: "180".to_owned(),
            limit_ms: 180_000.0,
            steps: steps(&ROLLBACK),
            output: "docs/results/ctp_rollback_result.env".to_owned(),
        },
        profile: true,
        force_rollback: false,
        rollback_on_interrupt: true,
        signoff: None,
    }
}

/// A cutover, event by event.
pub(crate) struct Cutover(Sample);

impl Cutover {
    pub(crate) fn new() -> Cutover {
        let mut sample = Sample::new(Vec::new());
        sample.started.run = RunId::from_text("20261122T194103Z-cutover-4f7k2q");
        sample.started.verb = "cutover".to_owned();
        sample.started.environment = "desk".to_owned();
        sample.started.switch = Some(Box::new(plan()));
        Cutover(sample)
    }

    fn with(change: impl FnOnce(&mut RunStarted)) -> Cutover {
        let mut cutover = Cutover::new();
        change(cutover.started());
        cutover
    }

    pub(crate) fn event(&mut self, event: Event) -> &mut Self {
        self.0.event(event);
        self
    }

    pub(crate) fn begin(&mut self, sequence: Sequence, number: u32) -> &mut Self {
        let name = name(sequence, number);
        self.event(Event::CommandStarted(CommandStarted { sequence, number, name }))
    }

    pub(crate) fn end(&mut self, sequence: Sequence, number: u32, exit_code: i32) -> &mut Self {
        let status = if exit_code == 0 { StepStatus::Ok } else { StepStatus::Failed };
        self.event(Event::CommandEnded(Box::new(CommandEnded {
            sequence,
            number,
            name: name(sequence, number),
            status,
            exit_code,
            duration_ms: 80.0,
            detail: String::new(),
            excerpt: String::new(),
            log: String::new(),
        })))
    }

    /// These steps, from the first on, and all of them good.
    pub(crate) fn done(&mut self, sequence: Sequence, many: u32) -> &mut Self {
        for number in 1..=many {
            self.begin(sequence, number).end(sequence, number, 0);
        }
        self
    }

    pub(crate) fn stage(&mut self, stage: Stage) -> &mut Self {
        self.event(Event::StageStarted { stage, reason: String::new() })
    }

    pub(crate) fn stage_ended(&mut self, stage: Stage, verdict: Verdict, reason: &str) -> &mut Self {
        self.event(Event::StageEnded { stage, verdict, reason: reason.to_owned(), duration_ms: 900.0 })
    }

    pub(crate) fn records(&self) -> Records {
        self.0.records()
    }

    pub(crate) fn started(&mut self) -> &mut RunStarted {
        &mut self.0.started
    }

    /// Ends it in order.
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.0.done();
        self
    }

    fn standing(&self) -> Standing {
        Standing::of(&self.records()).unwrap()
    }

    fn ways(&self) -> (Result<StartAt, String>, Result<StartAt, String>) {
        let standing = self.standing();
        let way = |choice| standing.start_at(choice).map_err(|no: NoWay| no.0);
        (way(Choice::Rollback), way(Choice::Continue))
    }

    fn text(&self) -> String {
        text(&self.standing(), "20261122T194103Z-cutover-4f7k2q")
    }

    /// Writes it as a real journal, in the folder of a run.
    pub(crate) fn write(&self, folder: &Path) {
        let journal = Journal::create(folder, Clock::start()).unwrap();
        self.records().entries.iter().for_each(|record| journal.append(&record.event).unwrap());
    }
}

fn name(sequence: Sequence, number: u32) -> String {
    let names: &[&str] = if sequence == Sequence::Cutover { &CUTOVER } else { &ROLLBACK };
    names[number as usize - 1].to_owned()
}

use Sequence::{Cutover as There, Rollback as Back};

#[test]
fn a_run_that_was_killed_in_a_step_shows_what_is_done_and_that_the_step_is_not_known() {
    let mut run = Cutover::new();
    run.stage(Stage::Preflight).stage_ended(Stage::Preflight, Verdict::Passed, "");
    run.stage(Stage::Cutover).done(There, 2).begin(There, 3);
    assert_eq!(run.ways(), (Ok(StartAt::Rollback(0)), Ok(StartAt::Cutover(2))));
    insta::assert_snapshot!(run.text(), @"
    cutover of `desk`, run 20261122T194103Z-cutover-4f7k2q on host
    KILLED, or it could not write any more: it has no end
    last entry 2026-11-22T19:41:03Z, in the stage cutover

    cutover:
       1 stop_old_core_engine           done
       2 stop_old_strategy_runner       done
       3 precheck                       UNKNOWN: began 2026-11-22T19:41:03Z and has no end;
                                        it may have done its work, a part of it, or nothing
       4 bootstrap_infra                not begun
       5 init_kafka_topic               not begun
       6 init_clickhouse_schema         not begun
       7 init_debezium_connector        not begun
       8 start_new_core_engine          not begun
       9 start_new_strategy_runner      not begun
      10 warmup_query                   not begun

    rollback: none of its 7 steps was begun

    What the steps that are done left running still runs, unless something else
    ended it or this machine was restarted.
    What precheck had started was ended with the run.

    Nothing is run until you choose:
      cutproof cutover --resume 20261122T194103Z-cutover-4f7k2q --rollback
          back to the old core, from stop_new_core_engine on (7 steps)
      cutproof cutover --resume 20261122T194103Z-cutover-4f7k2q --continue
          on to the new core, from precheck on (8 steps)
          it is run AGAIN, and may have done its work already: ops/precheck.sh
    When you have put the environment in order by hand, a new cutover takes it with
      --abandon 20261122T194103Z-cutover-4f7k2q
    ");
    let standing = run.standing();
    insta::assert_snapshot!(going_on(&standing, StartAt::Cutover(2)), @"
    20261122T194103Z-cutover-4f7k2q goes on
      on to the new core, from precheck on (8 steps)
          it is run AGAIN, and may have done its work already: ops/precheck.sh
    ");
    insta::assert_snapshot!(going_on(&standing, StartAt::Rollback(0)), @"
    20261122T194103Z-cutover-4f7k2q goes on
      back to the old core, from stop_new_core_engine on (7 steps)
    ");
    let (at, resumed) = standing.resumed(Choice::Continue, 17, "host").unwrap();
    assert_eq!(at, StartAt::Cutover(2));
    assert_eq!((resumed.next.as_str(), resumed.unknown.as_deref()), ("precheck", Some("precheck")));
    assert_eq!((resumed.choice.as_str(), resumed.cut_off), ("continue", 17));
}

#[test]
fn a_run_that_was_killed_in_its_rollback_goes_back_from_there_and_never_on() {
    let mut run = Cutover::new();
    run.stage(Stage::Cutover).done(There, 7).begin(There, 8).end(There, 8, 3);
    run.stage_ended(Stage::Cutover, Verdict::Failed, "start_new_core_engine failed");
    run.stage(Stage::Rollback).done(Back, 2).begin(Back, 3);
    let (back, on) = run.ways();
    assert_eq!(back, Ok(StartAt::Rollback(2)));
    assert!(on.unwrap_err().contains("its step start_new_core_engine failed with exit code 3"));
    insta::assert_snapshot!(run.text(), @"
    cutover of `desk`, run 20261122T194103Z-cutover-4f7k2q on host
    KILLED, or it could not write any more: it has no end
    last entry 2026-11-22T19:41:05Z, in the stage rollback

    cutover:
       1 stop_old_core_engine           done
       2 stop_old_strategy_runner       done
       3 precheck                       done
       4 bootstrap_infra                done
       5 init_kafka_topic               done
       6 init_clickhouse_schema         done
       7 init_debezium_connector        done
       8 start_new_core_engine          FAILED with exit code 3
       9 start_new_strategy_runner      not begun
      10 warmup_query                   not begun

    rollback:
       1 stop_new_core_engine           done
       2 stop_new_strategy_runner       done
       3 restore_previous_binaries      UNKNOWN: began 2026-11-22T19:41:05Z and has no end;
                                        it may have done its work, a part of it, or nothing
       4 restore_redis_bridge_compat    not begun
       5 start_previous_core_engine     not begun
       6 start_previous_strategy_runner not begun
       7 post_rollback_validate         not begun

    What the steps that are done left running still runs, unless something else
    ended it or this machine was restarted.
    What restore_previous_binaries had started was ended with the run.

    Nothing is run until you choose:
      cutproof cutover --resume 20261122T194103Z-cutover-4f7k2q --rollback
          back to the old core, from restore_previous_binaries on (5 steps)
          it is run AGAIN, and may have done its work already: ops/restore_previous_binaries.sh
      (no --continue: its step start_new_core_engine failed with exit code 3)
    When you have put the environment in order by hand, a new cutover takes it with
      --abandon 20261122T194103Z-cutover-4f7k2q
    ");
    let standing = run.standing();
    assert!(standing.rollback_began.is_some() && standing.core_started.is_some());
    insta::assert_snapshot!(going_on(&standing, StartAt::Rollback(2)), @"
    20261122T194103Z-cutover-4f7k2q goes on
      back to the old core, from restore_previous_binaries on (5 steps)
          it is run AGAIN, and may have done its work already: ops/restore_previous_binaries.sh
    ");
}

#[test]
fn a_run_that_was_killed_between_two_steps_goes_on_with_the_next() {
    let mut run = Cutover::new();
    run.stage(Stage::Cutover).done(There, 9);
    assert_eq!(run.ways().1, Ok(StartAt::Cutover(9)));
    assert_eq!(run.standing().unknown(), None);
    run.begin(There, 10).end(There, 10, 0).stage_ended(Stage::Cutover, Verdict::Passed, "");
    run.stage(Stage::Watch);
    assert_eq!(run.ways(), (Ok(StartAt::Rollback(0)), Ok(StartAt::Cutover(10))));
    insta::assert_snapshot!(run.text(), @"
    cutover of `desk`, run 20261122T194103Z-cutover-4f7k2q on host
    KILLED, or it could not write any more: it has no end
    last entry 2026-11-22T19:41:05Z, in the stage watch

    cutover:
       1 stop_old_core_engine           done
       2 stop_old_strategy_runner       done
       3 precheck                       done
       4 bootstrap_infra                done
       5 init_kafka_topic               done
       6 init_clickhouse_schema         done
       7 init_debezium_connector        done
       8 start_new_core_engine          done
       9 start_new_strategy_runner      done
      10 warmup_query                   done

    rollback: none of its 7 steps was begun

    What the steps that are done left running still runs, unless something else
    ended it or this machine was restarted.

    Nothing is run until you choose:
      cutproof cutover --resume 20261122T194103Z-cutover-4f7k2q --rollback
          back to the old core, from stop_new_core_engine on (7 steps)
      cutproof cutover --resume 20261122T194103Z-cutover-4f7k2q --continue
          all steps are done; measures the new core anew: switch gate, readiness, watch
    When you have put the environment in order by hand, a new cutover takes it with
      --abandon 20261122T194103Z-cutover-4f7k2q
    ");
    let resumed = run.standing().resumed(Choice::Continue, 0, "host").unwrap().1;
    assert_eq!((resumed.next.as_str(), resumed.unknown), ("switch_gate", None));
}

#[test]
fn a_rollback_whose_step_failed_takes_it_again_and_one_that_is_done_is_only_ended() {
    let mut run = Cutover::new();
    run.done(There, 1).stage(Stage::Rollback).begin(Back, 1).end(Back, 1, 124);
    assert_eq!(run.ways().0, Ok(StartAt::Rollback(0)));
    assert!(
        run.text()
            .contains("from stop_new_core_engine on (7 steps)\n      it failed, and is run again: ops/stop")
    );
    run.done(Back, 7);
    assert_eq!(run.ways().0, Ok(StartAt::Rollback(7)));
    assert!(run.text().contains("all steps back are done; measures the restored core"));
    assert_eq!(run.standing().resumed(Choice::Rollback, 0, "host").unwrap().1.next, "rollback_readiness");
}

#[test]
fn there_is_no_way_on_once_anything_has_spoken_against_it() {
    let told = |change: &dyn Fn(&mut Cutover)| {
        let mut run = Cutover::new();
        run.done(There, 10);
        change(&mut run);
        let (back, on) = run.ways();
        assert_eq!(back, Ok(StartAt::Rollback(0)));
        on.unwrap_err()
    };
    let why = told(&|run| _ = run.stage(Stage::Rollback));
    assert!(why.contains("its rollback has begun; choose --rollback"), "{why}");
    let why = told(&|run| _ = run.stage_ended(Stage::SwitchGate, Verdict::Failed, "no login"));
    assert!(why.contains("its stage switch_gate ended as failed: no login"), "{why}");
    let why = told(&|run| _ = run.stage_ended(Stage::Watch, Verdict::Inconclusive, ""));
    assert!(why.contains("its stage watch ended as inconclusive"), "{why}");
    let why = told(&|run| _ = run.event(Event::Interrupted { by: "SIGTERM".to_owned() }));
    assert!(why.contains("it was interrupted by SIGTERM"), "{why}");
    let verdict = WatchVerdict {
        verdict: Verdict::Failed,
        reason: String::new(),
        rollback: Some("kafka_lag_ms was 1200 ms".to_owned()),
        watched_ms: 4_000.0,
        metrics: Vec::new(),
    };
    let why = told(&|run| _ = run.event(Event::WatchEnded(Box::new(verdict.clone()))));
    assert!(why.contains("the watch calls for a rollback: kafka_lag_ms was 1200 ms"), "{why}");
}

#[test]
fn a_stage_that_was_not_run_does_not_stand_in_the_way() {
    let mut run = Cutover::new();
    run.stage_ended(Stage::Preflight, Verdict::Skipped, "no profile").done(There, 10);
    run.stage_ended(Stage::SwitchGate, Verdict::Skipped, "no profile");
    assert_eq!(run.ways().1, Ok(StartAt::Cutover(10)));
}

#[test]
fn a_run_that_was_killed_again_stands_where_it_was_killed_last() {
    let mut run = Cutover::new();
    run.done(There, 2).begin(There, 3);
    let resumed = run.standing().resumed(Choice::Continue, 0, "host").unwrap().1;
    run.event(Event::Resumed(resumed)).begin(There, 3).end(There, 3, 0).begin(There, 4);
    assert_eq!(run.ways().1, Ok(StartAt::Cutover(3)));
    assert_eq!(run.standing().unknown().map(|(_, step)| step.name.as_str()), Some("bootstrap_infra"));
}

#[test]
fn what_touched_nothing_or_has_ended_or_is_no_cutover_is_not_resumed() {
    let mut early = Cutover::new();
    early.stage(Stage::Preflight);
    assert!(early.ways().0.unwrap_err().contains("nothing was touched"));
    assert!(early.text().contains("there is nothing to resume; begin anew"));
    let refused = |run: &Cutover| Standing::of(&run.records()).unwrap_err().0;
    let begun = |change: fn(&mut RunStarted)| {
        let mut run = Cutover::with(change);
        run.done(There, 2);
        run
    };
    assert!(refused(&begun(|started| started.dry_run = true)).contains("it is a dry run"));
    assert!(refused(&begun(|started| started.verb = "rehearse".to_owned())).contains("a run of `rehearse`"));
    let of_rehearsal = begun(|started| started.parent = Some(RunId::from_text("parent")));
    assert!(refused(&of_rehearsal).contains("it is a part of parent"));
    let mut ended = begun(|_| {});
    ended.finish();
    assert!(refused(&ended).contains("it has ended"));
    assert!(refused(&begun(|started| started.switch = None)).contains("expected a cutover or a rollback"));
}

#[test]
fn a_rollback_on_its_own_goes_back_from_the_step_that_is_not_known() {
    let mut run = Cutover::with(|started| {
        started.verb = "rollback".to_owned();
        started.switch.as_mut().unwrap().cutover = None;
    });
    run.stage(Stage::Rollback).done(Back, 3).begin(Back, 4);
    let (back, on) = run.ways();
    assert_eq!(back, Ok(StartAt::Rollback(3)));
    assert!(on.unwrap_err().contains("it is a rollback"));
}

#[test]
fn a_run_goes_on_in_its_own_journal_with_what_was_chosen_on_the_disk() {
    let root = tempfile::tempdir().unwrap();
    let (locks, folder) = (root.path().join("locks"), root.path().join("run"));
    let mut run = Cutover::new();
    run.done(There, 2).begin(There, 3);
    run.write(&folder);
    let before = fs::read(folder.join(journal::FILE)).unwrap();
    File::options().append(true).open(folder.join(journal::FILE)).unwrap().write_all(b"{\"v\":1,").unwrap();

    let standing = look(&folder).unwrap();
    let lock = EnvironmentLock::again_in(&locks, &standing, &folder).unwrap();
    let resumption = begin_with(lock, &folder, Choice::Rollback).unwrap();
    assert_eq!((resumption.at, resumption.resumed.cut_off), (StartAt::Rollback(0), 7));
    assert!(matches!(look(&folder).unwrap_err(), ResumeError::Running(_)));
    let lock = EnvironmentLock::again_in(&locks, &standing, &folder);
    assert!(matches!(lock.unwrap_err(), LockError::Held(_)), "nobody goes on with it a second time");

    let now = journal::read(&folder.join(journal::FILE)).unwrap();
    assert_eq!(now.entries.last().unwrap().event, Event::Resumed(resumption.resumed.clone()));
    assert!(fs::read(folder.join(journal::FILE)).unwrap().starts_with(&before));
    assert!(now.entries.is_sorted_by_key(|record| record.at));
    // Killed once more, before the first step back: the choice is made anew.
    drop(resumption);
    assert_eq!(look(&folder).unwrap().start_at(Choice::Continue), Ok(StartAt::Cutover(2)));
}

/// The bytes of a journal with all of a cutover's steps and all steps back but the last.
fn whole_night() -> Vec<u8> {
    let root = tempfile::tempdir().unwrap();
    let mut run = Cutover::new();
    run.stage(Stage::Cutover).done(There, 9).begin(There, 10).end(There, 10, 1);
    run.stage(Stage::Rollback).done(Back, 6).begin(Back, 7);
    run.write(root.path());
    fs::read(root.path().join(journal::FILE)).unwrap()
}

#[test]
fn wherever_a_run_is_killed_every_step_that_had_ended_is_known_and_none_is_left_out() {
    let bytes = whole_night();
    let ends: Vec<_> = (1..=bytes.len()).filter(|end| bytes[end - 1] == b'\n').collect();
    let first = ends[0];
    // At the end of each entry, just before, just behind, and in the middle of the next.
    let cuts = ends.iter().flat_map(|end| [end - 1, *end, end + 1, end + 60]);
    for cut in cuts.filter(|cut| (first..=bytes.len()).contains(cut)) {
        let records = journal::read_from(&bytes[..cut]).unwrap();
        let count = |sequence, good: bool| {
            let ended = records.entries.iter().filter(|record| match &record.event {
                Event::CommandEnded(step) => {
                    step.sequence == sequence && (step.status == StepStatus::Ok) == good
                }
                _ => false,
            });
            ended.count()
        };
        let standing = Standing::of(&records).unwrap();
        let any = begun(&records).is_some();
        let back = standing.start_at(Choice::Rollback).ok();
        assert_eq!(back, any.then(|| StartAt::Rollback(count(Back, true))), "byte {cut}");
        let on = standing.start_at(Choice::Continue).ok();
        let clean = any && count(There, false) == 0;
        assert_eq!(on, clean.then(|| StartAt::Cutover(count(There, true))), "byte {cut}");
        let unknown = standing.unknown().map(|(_, step)| step.name.as_str());
        let last = records.entries.iter().rev().find_map(|record| match &record.event {
            Event::CommandStarted(step) => Some(Some(step.name.as_str())),
            Event::CommandEnded(_) => Some(None),
            _ => None,
        });
        assert_eq!(unknown, last.flatten(), "byte {cut}");
    }
}
