//! Cutovers with a profile, run in this process: gates before and after, background steps, the switch gate, the watch.

use super::plan::{Prepared, Request, prepare};
use super::templates::Templates;
use super::{Ended, Settings, run};
use crate::condition::Condition;
use crate::model::event::Sink;
use crate::model::redact::Redactor;
use crate::model::switch::{Sequence, Stage};
use crate::model::watch::OnNoData;
use crate::model::{Args, CUTOVER_STEP_KEYS, Event, Position, ROLLBACK_STEP_KEYS, Stamp, Verdict};
use crate::process::{Cancel, Worker};
use crate::profile::Profile;
use crate::profile::switch::{Mark, MarkSource, Measure, Metric, Ready, StepSettings, SwitchGate, Watch};
use crate::rehearsal::provision::Provision;
use crate::service::embedded::{self, Progress};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Templates in a folder, whose commands write their names to `order`, and a profile.
struct Desk {
    folder: tempfile::TempDir,
    values: BTreeMap<&'static str, String>,
    profile: Option<Profile>,
    keep_daemons: bool,
    dry_run: bool,
}

/// What was told while a cutover went on, and what came of it.
struct Made {
    events: Vec<Event>,
    ended: Ended,
}

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Sink for Heard {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Progress for Heard {
    fn at(&self, _: embedded::Phase, _: u64, _: u64) {}
    fn done(&self, _: embedded::Phase, _: Duration) {}
    fn note(&self, _: &str) {}
}

fn here() -> Position {
    Position { file: "desk.toml".to_owned(), line: 1, column: 1 }
}

/// Measures by a shell line.
fn measure(shell: &str) -> Measure {
    let mut with = Args::default();
    with.set("shell", shell);
    let probe = crate::probe::find("command").unwrap();
    Measure { probe, with, uses: Vec::new(), timeout: Duration::from_secs(10), at: here() }
}

/// As [`measure`], of a line that prints `NAME=VALUE`.
fn measure_values(shell: &str, names: &[&str]) -> Measure {
    let mut measure = measure(shell);
    let captures: Vec<_> = names
        .iter()
        .map(|name| serde_json::json!({ "name": name, "regex": format!("{name}=(?<value>[0-9.]+)"), "as": "s" }))
        .collect();
    measure.with.set("match", captures);
    measure
}

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let mut values = BTreeMap::from([
            ("CUTOVER_ENV_NAME", "desk".to_owned()),
            ("CUTOVER_WINDOW_LOCAL", "2020-01-01T00:00:00Z/2100-01-01T00:00:00Z".to_owned()),
            ("CTP_CONFIG_PATH", "ctp.yaml".to_owned()),
            ("POST_SWITCH_MONITOR_MINUTES", "30".to_owned()),
            ("MONITOR_KEYS", "order_latency_p99_ms".to_owned()),
            ("CUTOVER_EVIDENCE_OUTPUT", path("results/c.env")),
            ("ROLLBACK_ENV_NAME", "desk".to_owned()),
            ("ROLLBACK_TRIGGER_CONDITION", "order_latency_p99_ms_gt_5ms".to_owned()),
            ("MAX_ROLLBACK_SECONDS", "180".to_owned()),
            ("ROLLBACK_EVIDENCE_OUTPUT", path("results/r.env")),
        ]);
        let order = path("order");
        for key in CUTOVER_STEP_KEYS.iter().chain(&ROLLBACK_STEP_KEYS) {
            values.insert(key, format!("echo {key} >> {order}"));
        }
        Desk { folder, values, profile: None, keep_daemons: false, dry_run: false }
    }

    /// A profile with an infra gate and a readiness gate that run these lines, and a watch that has no data.
    fn with_profile(mut self, infra: &str, readiness: &str) -> Desk {
        let gate = |id: &str, phase: &str, shell: &str| {
            format!(
                "[[gate]]\nid = \"{id}\"\nphase = \"{phase}\"\nprobe = \"command\"\nwith.shell = \"{shell}\"\n"
            )
        };
        let text = format!(
            "environment = \"desk\"\n{}{}{}",
            gate("writes-nothing", "infra", infra),
            gate("is-ready", "readiness", readiness),
            gate("of-the-evidence", "evidence", "false")
        );
        let mut profile = Profile::parse("desk.toml", &text, crate::probe::registry()).unwrap();
        profile.watch = Some(watch(measure_values("true", &["nothing"]), "nothing"));
        self.profile = Some(profile);
        self
    }

    fn profile(&mut self) -> &mut Profile {
        self.profile.as_mut().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets a command do something more; DESK stands for the folder.
    fn and(&mut self, key: &'static str, more: &str) {
        let more = more.replace("DESK", &self.folder.path().to_string_lossy());
        let value = format!("{}; {more}", self.values[key]);
        self.values.insert(key, value);
    }

    fn background(&mut self, name: &str, ready: &str, within: Duration) {
        let ready = ready.replace("DESK", &self.folder.path().to_string_lossy());
        let ready =
            Ready { condition: Condition::parse("exit_code == 0").unwrap(), measure: measure(&ready) };
        let step = StepSettings {
            name: name.to_owned(),
            timeout: Some(within),
            background: true,
            ready: Some(ready),
            at: here(),
        };
        self.profile().steps.push(step);
    }

    fn prepared(&self, redactor: &Redactor) -> Prepared {
        let of_rollback = |key: &str| ROLLBACK_STEP_KEYS.contains(&key) || key.contains("ROLLBACK");
        for (file, is_its) in [("cutover.env", false), ("rollback.env", true)] {
            let lines = self.values.iter().filter(|(key, _)| of_rollback(key) == is_its);
            let text: String = lines.map(|(key, value)| format!("{key}={value}\n")).collect();
            fs::write(self.path(file), text).unwrap();
        }
        let templates = Templates::read(Some(&self.path("cutover.env")), &self.path("rollback.env")).unwrap();
        prepare(&Request {
            templates: &templates,
            profile: self.profile.as_ref(),
            step_timeout: None,
            force_rollback: false,
            rollback_on_interrupt: true,
            cutover_output: None,
            rollback_output: None,
            watch: Some(Duration::from_millis(300)),
            now: Stamp::now(),
            redactor,
        })
        .unwrap()
    }

    fn make(&self) -> Made {
        let redactor = Arc::new(Redactor::new());
        let heard = Arc::new(Heard::default());
        let ended = run(&Settings {
            verb: "cutover",
            prepared: &self.prepared(&redactor),
            profile: self.profile.as_ref(),
            endpoints: BTreeMap::new(),
            // An environment of its own: no test waits for another's lock.
            started_by: Some(Provision::Embedded),
            evidence_dir: self.path("evidence"),
            parent: None,
            dry_run: self.dry_run,
            keep_daemons: self.keep_daemons,
            results: None,
            abandon: None,
            fault: None,
            redactor,
            worker: Worker::unheld().unwrap(),
            cancel: Cancel::new().unwrap(),
            watcher: heard.clone(),
        });
        let events = std::mem::take(&mut *heard.0.lock().unwrap());
        Made { events, ended: ended.unwrap() }
    }

    /// How many steps of each sequence were run.
    fn run_steps(&self) -> (usize, usize) {
        let order = fs::read_to_string(self.path("order")).unwrap_or_default();
        let of = |keys: &[&str]| order.lines().filter(|line| keys.contains(line)).count();
        (of(&CUTOVER_STEP_KEYS), of(&ROLLBACK_STEP_KEYS))
    }
}

/// A watch of one metric, that is an observation of this measurement.
fn watch(measure: Measure, value: &str) -> Watch {
    let metric = Metric {
        name: "order_latency_p99_ms".to_owned(),
        source: "engine".to_owned(),
        value: value.to_owned(),
        expect: None,
        failure_limit: 0,
        inconclusive_limit: 0,
        consecutive_error_limit: 0,
        warmup: Duration::ZERO,
        on_no_data: OnNoData::Hold,
        activity: false,
        at: here(),
    };
    let sources = vec![("engine".to_owned(), measure)];
    let (interval, max_age) = (Duration::from_millis(100), Duration::from_secs(1));
    Watch { interval, max_age, sources, metrics: vec![metric], at: here() }
}

impl Made {
    fn stage(&self, wanted: Stage) -> (Verdict, String) {
        let ended = self.events.iter().rev().find_map(|event| match event {
            Event::StageEnded { stage, verdict, reason, .. } if *stage == wanted => {
                Some((*verdict, reason.clone()))
            }
            _ => None,
        });
        ended.unwrap_or_else(|| panic!("{wanted} has no end in {:#?}", self.events))
    }

    fn step(&self, name: &str) -> &crate::model::switch::CommandEnded {
        let ended = self.events.iter().find_map(|event| match event {
            Event::CommandEnded(ended) if ended.name == name => Some(&**ended),
            _ => None,
        });
        ended.unwrap_or_else(|| panic!("{name} has no end in {:#?}", self.events))
    }

    fn folder(&self) -> PathBuf {
        self.ended.finished.as_ref().map(|finished| finished.folder.clone()).unwrap()
    }

    /// The verbs and gates of the runs within the run.
    fn children(&self) -> Vec<(String, Vec<String>)> {
        let of = |event: &Event| match event {
            Event::ChildRun(child) => {
                Some((child.verb.clone(), child.gates.iter().map(|gate| gate.case.clone()).collect()))
            }
            _ => None,
        };
        self.events.iter().filter_map(of).collect()
    }
}

/// Whether a process lives that wrote its id to this file; waits for the file.
fn pid(path: &Path) -> i32 {
    let begun = std::time::Instant::now();
    loop {
        if let Some(pid) = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()) {
            return pid;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{} was not written", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next())
        .is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

#[test]
fn a_red_preflight_touches_nothing_and_rolls_nothing_back() {
    let desk = Desk::new().with_profile("exit 1", "true");
    let made = desk.make();
    assert_eq!(desk.run_steps(), (0, 0));
    let (verdict, reason) = made.stage(Stage::Preflight);
    assert!(verdict == Verdict::Failed && reason.contains("infra::writes-nothing"), "{reason}");
    assert!(made.ended.told.starts_with("nothing was touched: the preflight is red"), "{}", made.ended.told);
    assert_eq!((made.ended.code, made.stage(Stage::Rollback).0), (2, Verdict::Skipped));
    assert_eq!(made.stage(Stage::Cutover).0, Verdict::Skipped);
}

#[test]
fn gates_are_run_before_the_steps_and_on_the_new_core_as_runs_within_the_run() {
    let desk = Desk::new().with_profile("true", "true");
    let made = desk.make();
    let of =
        |verb: &str, gates: &[&str]| (verb.to_owned(), gates.iter().map(|gate| (*gate).to_owned()).collect());
    assert_eq!(
        made.children(),
        [
            of("preflight", &["infra::writes-nothing", "readiness::is-ready"]),
            of("readiness", &["readiness::is-ready"])
        ]
    );
    assert_eq!(
        (made.stage(Stage::Preflight).0, made.stage(Stage::Readiness).0),
        (Verdict::Passed, Verdict::Passed)
    );
    assert_eq!(fs::read_dir(made.folder().join("runs")).unwrap().count(), 2);
}

#[test]
fn a_core_that_is_not_ready_is_rolled_back_and_readiness_measured_once_more() {
    let desk = Desk::new();
    let ready = format!("test ! -e {0}/broken", desk.folder.path().display());
    let mut desk = desk.with_profile("true", &ready);
    desk.and("WARMUP_QUERY_CMD", "touch DESK/broken");
    desk.and("RESTORE_PREVIOUS_BINARIES_CMD", "rm DESK/broken");
    let made = desk.make();
    assert_eq!(desk.run_steps(), (10, 7));
    let (verdict, reason) = made.stage(Stage::Readiness);
    assert!(verdict == Verdict::Failed && reason.contains("readiness::is-ready"), "{reason}");
    assert_eq!(
        (made.stage(Stage::Rollback).0, made.stage(Stage::Watch).0),
        (Verdict::Passed, Verdict::Skipped)
    );
    assert_eq!((made.stage(Stage::RollbackReadiness).0, made.ended.code), (Verdict::Passed, 2));
}

#[test]
fn a_restored_core_that_is_not_ready_is_no_good_rollback() {
    let desk = Desk::new();
    let ready = format!("test ! -e {0}/broken", desk.folder.path().display());
    let mut desk = desk.with_profile("true", &ready);
    desk.and("WARMUP_QUERY_CMD", "touch DESK/broken");
    let made = desk.make();
    assert_eq!(made.stage(Stage::RollbackReadiness).0, Verdict::Failed);
    assert!(
        made.ended.told.contains("ROLLBACK FAILED: what was restored is not ready"),
        "{}",
        made.ended.told
    );
}

#[test]
fn a_watch_without_data_fails_the_cutover_and_leaves_the_way_back_to_a_person() {
    let desk = Desk::new().with_profile("true", "true");
    let made = desk.make();
    assert_eq!(desk.run_steps(), (10, 0));
    assert_eq!(made.stage(Stage::Watch).0, Verdict::Inconclusive);
    assert_eq!((made.stage(Stage::Rollback).0, made.ended.code), (Verdict::Skipped, 2));
    let told = made.events.iter().any(
        |event| matches!(event, Event::Warning { text } if text.contains("cutproof rollback --rollback-template")),
    );
    assert!(told, "the operator is told the command");
}

#[test]
fn a_trigger_that_holds_rolls_back_at_once_with_the_sample_that_did_it() {
    let mut desk = Desk::new().with_profile("true", "true");
    desk.profile().watch = Some(watch(measure("sleep 0.05"), "duration_ms"));
    let made = desk.make();
    assert_eq!(desk.run_steps(), (10, 7));
    let (verdict, reason) = made.stage(Stage::Watch);
    assert!(verdict == Verdict::Failed && reason.contains("order_latency_p99_ms"), "{reason}");
    let place = |wanted: &dyn Fn(&Event) -> bool| made.events.iter().position(wanted).unwrap();
    let watched = place(&|event| matches!(event, Event::WatchEnded(_)));
    // Nothing that takes time stands between the watch's end and the first command of the way back.
    let next: Vec<_> = made.events[watched + 1..].iter().take(3).collect();
    assert!(
        matches!(
            next[..],
            [
                Event::StageEnded { stage: Stage::Watch, .. },
                Event::StageStarted { stage: Stage::Rollback, .. },
                Event::CommandStarted(_)
            ]
        ),
        "{next:#?}"
    );
    let records = crate::journal::read(&made.folder().join(crate::journal::FILE)).unwrap().entries;
    let at =
        |wanted: &dyn Fn(&Event) -> bool| records.iter().rfind(|record| wanted(&record.event)).unwrap().at;
    let breach = at(&|event| matches!(event, Event::WatchSampled(_)));
    let first =
        at(&|event| matches!(event, Event::CommandStarted(step) if step.name == "stop_new_core_engine"));
    println!("from the sample that did it to the first command: {} ms", first.millis() - breach.millis());
}

#[test]
fn a_background_step_is_left_running_when_it_is_ready() {
    let mut desk = Desk::new().with_profile("true", "true");
    desk.keep_daemons = true;
    desk.and(
        "NEW_CORE_ENGINE_START_CMD",
        "echo up; echo $$ > DESK/pid; sleep 0.2; touch DESK/ready; exec sleep 300",
    );
    desk.background("start_new_core_engine", "test -e DESK/ready", Duration::from_secs(30));
    let made = desk.make();
    let step = made.step("start_new_core_engine");
    assert!(
        step.exit_code == 0 && step.detail.contains("ready after") && step.duration_ms >= 200.0,
        "{step:?}"
    );
    assert!(step.detail.contains("left running") && step.excerpt == "up\n", "{step:?}");
    let pid = pid(&desk.path("pid"));
    assert!(lives(pid));
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
}

#[test]
fn in_a_rehearsal_a_background_step_runs_until_the_end_and_can_be_stopped_by_a_step() {
    let mut desk = Desk::new().with_profile("true", "true");
    desk.and("NEW_CORE_ENGINE_START_CMD", "echo $$ > DESK/core; exec sleep 300");
    desk.and("NEW_STRATEGY_RUNNER_START_CMD", "echo $$ > DESK/runner; exec sleep 300");
    desk.background("start_new_core_engine", "test -s DESK/core", Duration::from_secs(30));
    desk.background("start_new_strategy_runner", "test -s DESK/runner", Duration::from_secs(30));
    // A zombie would keep this waiting.
    desk.and(
        "WARMUP_QUERY_CMD",
        "kill $(cat DESK/core); while kill -0 $(cat DESK/core) 2>&-; do sleep 0.02; done; \
        kill -0 $(cat DESK/runner)",
    );
    let made = desk.make();
    assert_eq!(made.step("warmup_query").exit_code, 0, "{:?}", made.step("warmup_query"));
    assert!(!lives(pid(&desk.path("core"))) && !lives(pid(&desk.path("runner"))));
}

#[test]
fn a_background_step_that_ends_or_is_never_ready_has_failed_and_is_gone() {
    for (more, code, why) in [
        ("exit 4", 4, "exit code 4 before it was ready"),
        ("exit 0", 1, "exit code 0 before it was ready"),
        ("kill -KILL $$", 137, "signal 9 (SIGKILL)"),
        ("echo $$ > DESK/pid; exec sleep 300", 124, "not ready within 0.6 s"),
    ] {
        let mut desk = Desk::new().with_profile("true", "true");
        desk.and("NEW_CORE_ENGINE_START_CMD", more);
        desk.background("start_new_core_engine", "test -e DESK/never", Duration::from_millis(600));
        let made = desk.make();
        let step = made.step("start_new_core_engine");
        assert!(step.exit_code == code && step.detail.contains(why), "{step:?}");
        assert_eq!(desk.run_steps(), (8, 7), "{more}");
        if code == 124 {
            assert!(!lives(pid(&desk.path("pid"))));
        }
    }
}

#[test]
fn a_core_that_is_ready_only_because_another_answers_is_seen_to_have_ended() {
    let mut desk = Desk::new().with_profile("true", "true");
    desk.and("NEW_CORE_ENGINE_START_CMD", "exit 98");
    // The old core's answer.
    desk.background("start_new_core_engine", "sleep 0.2", Duration::from_secs(30));
    let made = desk.make();
    assert_eq!(made.step("start_new_core_engine").exit_code, 98);
}

fn marks(from: impl Fn(&str) -> MarkSource) -> Vec<Mark> {
    let mark = |name: &&str| Mark {
        name: (*name).to_owned(),
        from: from(name),
        within: Duration::from_secs(5),
        at: here(),
    };
    crate::model::switch::MARKS.iter().map(mark).collect()
}

#[test]
fn the_switch_gate_reads_the_output_of_the_warm_up() {
    let pattern = |name: &str| MarkSource::Output(format!("{name} at (?<at>\\S+)"));
    for (more, verdict) in [
        ("for m in login settlement instruments; do echo $m at $(date +%s.%N); done", Verdict::Passed),
        // The old core's, and then the new one's.
        (
            "for m in login settlement instruments; do echo $m at 1000; echo $m at $(date -u +%FT%T.%NZ); done",
            Verdict::Passed,
        ),
        ("for m in login settlement instruments; do echo $m at 1000; done", Verdict::Failed),
        (
            "for m in login instruments settlement; do echo $m at $(date +%s.%N); sleep 0.02; done",
            Verdict::Failed,
        ),
        ("echo login at $(date +%s.%N)", Verdict::Failed),
    ] {
        let mut desk = Desk::new().with_profile("true", "true");
        desk.profile().switch_gate = Some(SwitchGate { measure: None, marks: marks(pattern), at: here() });
        desk.and("WARMUP_QUERY_CMD", more);
        let made = desk.make();
        let (seen, reason) = made.stage(Stage::SwitchGate);
        assert_eq!(seen, verdict, "{more}: {reason}");
        assert_eq!(desk.run_steps().1, if verdict == Verdict::Passed { 0 } else { 7 }, "{more}");
    }
}

#[test]
fn the_switch_gate_waits_for_marks_that_are_measured() {
    let value = |name: &str| MarkSource::Value(name.to_owned());
    // The core says 0 until it has logged in.
    let script = "cat DESK/marks || echo login=0 settlement=0 instruments=0";
    for (more, verdict) in [
        (
            "(sleep 0.5; t=$(date +%s.%N); echo login=$t settlement=$t instruments=$t > DESK/new; mv DESK/new DESK/marks) &",
            Verdict::Passed,
        ),
        ("echo login=1000 settlement=1000 instruments=1000 > DESK/marks", Verdict::Failed),
    ] {
        let mut desk = Desk::new().with_profile("true", "true");
        desk.keep_daemons = true;
        let script = script.replace("DESK", &desk.folder.path().to_string_lossy());
        let measure = measure_values(&format!("{script} 2>&-"), &crate::model::switch::MARKS);
        let mut marks = marks(value);
        marks.iter_mut().for_each(|mark| mark.within = Duration::from_secs(2));
        desk.profile().switch_gate = Some(SwitchGate { measure: Some(measure), marks, at: here() });
        desk.and("WARMUP_QUERY_CMD", more);
        let made = desk.make();
        let (seen, reason) = made.stage(Stage::SwitchGate);
        assert_eq!(seen, verdict, "{more}: {reason}");
    }
}

#[test]
fn a_dry_run_with_a_profile_measures_nothing() {
    let mut desk = Desk::new().with_profile("touch DESK/measured", "true");
    desk.dry_run = true;
    let made = desk.make();
    assert_eq!((desk.run_steps(), made.ended.code), ((0, 0), 0));
    assert!(made.children().is_empty() && !desk.path("DESK").exists());
}

#[test]
fn times_of_steps_come_from_the_profile_before_the_flag_and_the_limit_is_the_rollbacks() {
    let mut desk = Desk::new().with_profile("true", "true");
    desk.background("start_new_core_engine", "true", Duration::from_secs(7));
    let prepared = desk.prepared(&Redactor::new());
    let timeout = |sequence, name: &str| {
        let step = prepared.steps(sequence).iter().find(|work| work.step.name == name);
        step.map(|work| work.step.timeout_ms).unwrap()
    };
    assert_eq!(timeout(Sequence::Cutover, "start_new_core_engine"), 7e3);
    assert_eq!(timeout(Sequence::Cutover, "precheck"), 600e3);
    assert_eq!(timeout(Sequence::Rollback, "restore_previous_binaries"), 180e3);
}
