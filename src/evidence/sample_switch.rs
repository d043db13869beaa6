//! Cutovers and rollbacks for the tests of evidence and reports.

use super::sample::Sample;
use crate::model::event::{FileDigest, StepStatus};
use crate::model::steps::{CUTOVER_STEP_KEYS, CUTOVER_STEPS, ROLLBACK_STEP_KEYS, ROLLBACK_STEPS};
use crate::model::switch::{
    ChildGate, ChildRun, CommandEnded, CommandStarted, CutoverPlan, Resumed, RollbackPlan, Sequence, Stage,
    SwitchMark, SwitchPlan, SwitchStep,
};
use crate::model::watch::{MetricCounts, OnNoData, WatchMetric, WatchPlan, WatchSample, WatchVerdict};
use crate::model::{Counts, Event, Position, RunId, Stamp, Verdict};
use std::ops::RangeInclusive;

const CUTOVER: &str = "configs/ops/ctp_cutover.template.env";
const ROLLBACK: &str = "configs/ops/ctp_rollback_drill.template.env";
const TRIGGER: &str = "order_latency_p99_ms_gt_5ms_or_reconnect_p99_s_gt_10s";
const KEYS: &str = "order_latency_p99_ms,breaker_state,query_rate_violation,reconnect_p99_s,kafka_lag_ms,clickhouse_ingest_delay_ms";

fn file(path: &str) -> FileDigest {
    FileDigest { path: path.to_owned(), sha256: "cd".repeat(32) }
}

fn steps(names: &[&str], keys: &[&str], path: &str) -> Vec<SwitchStep> {
    let step = |(number, (name, key)): (u32, (&&str, &&str))| SwitchStep {
        number,
        name: (*name).to_owned(),
        command: format!("run {}", key.to_ascii_lowercase()),
        timeout_ms: 600_000.0,
        background: name.starts_with("start_"),
        ready: None,
        at: Position { file: path.to_owned(), line: 3 + number as usize, column: 1 },
    };
    (1..).zip(names.iter().zip(keys)).map(step).collect()
}

pub(crate) fn plan() -> SwitchPlan {
    SwitchPlan {
        cutover: Some(CutoverPlan {
            template: file(CUTOVER),
            environment: "single-host-ubuntu".to_owned(),
            window: "2026-11-22T19:30:00Z".to_owned(),
            window_start: Stamp::from_millis(1_795_375_800_000),
            window_end: None,
            window_met: true,
            config_path: "configs/prod/ctp.yaml".to_owned(),
            monitor_minutes: "30".to_owned(),
            monitor_keys: KEYS.to_owned(),
            steps: steps(&CUTOVER_STEPS, &CUTOVER_STEP_KEYS, CUTOVER),
            output: "docs/results/ctp_cutover_result.env".to_owned(),
        }),
        rollback: RollbackPlan {
            template: file(ROLLBACK),
            environment: "single-host-ubuntu".to_owned(),
            trigger: TRIGGER.to_owned(),
            max_seconds: "180".to_owned(),
            limit_ms: 180_000.0,
            steps: steps(&ROLLBACK_STEPS, &ROLLBACK_STEP_KEYS, ROLLBACK),
            output: "docs/results/ctp_rollback_result.env".to_owned(),
        },
        profile: true,
        force_rollback: false,
        rollback_on_interrupt: true,
        signoff: None,
    }
}

fn watch_plan() -> WatchPlan {
    let metric = |name: &str| WatchMetric {
        name: name.to_owned(),
        source: "engine".to_owned(),
        value: name.to_owned(),
        expect: (name == "order_latency_p99_ms").then(|| "order_latency_p99_ms <= 5ms".to_owned()),
        failure_limit: 2,
        inconclusive_limit: 1,
        consecutive_error_limit: 3,
        warmup_ms: 0.0,
        on_no_data: OnNoData::Hold,
        activity: false,
        at: Position { file: "gates/single-host.toml".to_owned(), line: 90, column: 1 },
    };
    WatchPlan {
        duration_ms: 10_000.0,
        planned_ms: 1_800_000.0,
        interval_ms: 1_000.0,
        max_age_ms: 5_000.0,
        trigger: TRIGGER.to_owned(),
        monitor_keys: KEYS.split(',').map(str::to_owned).collect(),
        sources: Vec::new(),
        metrics: ["order_latency_p99_ms", "kafka_lag_ms"].map(metric).to_vec(),
    }
}

/// A cutover of which nothing has happened yet.
pub(crate) fn cutover() -> Sample {
    let mut sample = Sample::new(Vec::new());
    sample.started.run = RunId::from_text("20261122T194103Z-cutover-4f7k2q");
    sample.started.verb = "cutover".to_owned();
    sample.started.provisioner = "attach".to_owned();
    sample.started.switch = Some(Box::new(plan()));
    sample.started.watch = Some(Box::new(watch_plan()));
    sample
}

impl Sample {
    pub fn plan(&mut self) -> &mut SwitchPlan {
        self.started.switch.as_mut().unwrap()
    }

    pub fn stage(&mut self, stage: Stage, reason: &str) -> &mut Self {
        self.event(Event::StageStarted { stage, reason: reason.to_owned() })
    }

    pub fn stage_end(&mut self, stage: Stage, verdict: Verdict, reason: &str) -> &mut Self {
        let duration_ms = if verdict == Verdict::Skipped { 0.0 } else { 200.0 };
        self.event(Event::StageEnded { stage, verdict, reason: reason.to_owned(), duration_ms })
    }

    pub fn skip(&mut self, stage: Stage, reason: &str) -> &mut Self {
        self.stage_end(stage, Verdict::Skipped, reason)
    }

    /// A stage that is a run of gates.
    pub fn gates_stage(&mut self, stage: Stage, verdict: Verdict) -> &mut Self {
        let reason = if verdict == Verdict::Passed { "" } else { "expected role == master, seen replica" };
        let gate = |case: &str, verdict, reason: &str| ChildGate {
            case: case.to_owned(),
            verdict,
            required: true,
            reason: reason.to_owned(),
            duration_ms: 12.5,
            at: Position { file: "gates/single-host.toml".to_owned(), line: 12, column: 1 },
        };
        let run = format!("20261122T194103Z-{}-aaaaaa", stage.as_str().replace('_', "-"));
        let outcome = if verdict == Verdict::Passed { "passed" } else { "failed" };
        let child = ChildRun {
            stage: Some(stage),
            step: String::new(),
            run: RunId::from_text(&run),
            verb: stage.as_str().to_owned(),
            folder: format!("runs/{run}"),
            head: "ef".repeat(32),
            outcome: outcome.to_owned(),
            reason: reason.to_owned(),
            gates: vec![
                gate("infra::kafka-topics", Verdict::Passed, ""),
                gate("readiness::redis", verdict, reason),
            ],
        };
        let reason = if reason.is_empty() { String::new() } else { format!("readiness::redis: {reason}") };
        self.stage(stage, "").event(Event::ChildRun(Box::new(child))).stage_end(stage, verdict, &reason)
    }

    pub fn command(&mut self, sequence: Sequence, number: u32) -> &mut Self {
        let name = self.name_of(sequence, number);
        self.event(Event::CommandStarted(CommandStarted { sequence, number, name }))
    }

    pub fn command_end(
        &mut self,
        sequence: Sequence,
        number: u32,
        exit_code: i32,
        detail: &str,
    ) -> &mut Self {
        let status = match (exit_code, self.started.dry_run) {
            (0, false) => StepStatus::Ok,
            (0, true) => StepStatus::SimulatedOk,
            _ => StepStatus::Failed,
        };
        let simulated = status == StepStatus::SimulatedOk;
        let name = self.name_of(sequence, number);
        self.event(Event::CommandEnded(Box::new(CommandEnded {
            sequence,
            number,
            log: if simulated { String::new() } else { format!("steps/{sequence}-{number:02}-{name}.log") },
            name,
            status,
            exit_code,
            duration_ms: if simulated { 0.0 } else { 90.25 },
            detail: detail.to_owned(),
            excerpt: if exit_code == 0 {
                String::new()
            } else {
                "starting\n… (cut) …\ncannot bind\nexiting\n".to_owned()
            },
        })))
    }

    fn name_of(&self, sequence: Sequence, number: u32) -> String {
        let plan = self.started.switch.as_ref().unwrap();
        let steps = match sequence {
            Sequence::Cutover => &plan.cutover.as_ref().unwrap().steps,
            Sequence::Rollback => &plan.rollback.steps,
        };
        steps[number as usize - 1].name.clone()
    }

    /// Steps that go well.
    pub fn commands(&mut self, sequence: Sequence, numbers: RangeInclusive<u32>) -> &mut Self {
        for number in numbers {
            self.command(sequence, number).command_end(sequence, number, 0, "");
        }
        self
    }

    /// Preflight and the ten steps, all well.
    pub fn switched(&mut self) -> &mut Self {
        self.gates_stage(Stage::Preflight, Verdict::Passed).stage(Stage::Cutover, "");
        self.commands(Sequence::Cutover, 1..=10).stage_end(Stage::Cutover, Verdict::Passed, "")
    }

    pub fn marks(&mut self, seen: usize) -> &mut Self {
        let started = Stamp::from_millis(1_795_376_465_000);
        let mark = |(place, name): (usize, &str)| SwitchMark {
            name: name.to_owned(),
            at: (place < seen).then(|| Stamp::from_millis(started.millis() + 400 * (place as i64 + 1))),
            source: "http://localhost:9108/metrics".to_owned(),
            within_ms: 30_000.0,
        };
        let marks = ["login", "settlement", "instruments"].into_iter().enumerate().map(mark).collect();
        self.stage(Stage::SwitchGate, "").event(Event::SwitchMarks { core_started: started, marks });
        match seen {
            3 => self.stage_end(Stage::SwitchGate, Verdict::Passed, ""),
            _ => self.stage_end(Stage::SwitchGate, Verdict::Failed, "instruments: not seen within 30 s"),
        }
    }

    pub fn samples(&mut self, ticks: u64) -> &mut Self {
        for tick in 0..ticks {
            self.event(Event::WatchSampled(Box::new(WatchSample {
                tick,
                source: "engine".to_owned(),
                at_ms: 1000.0 * tick as f64,
                took_ms: 3.0,
                readings: Default::default(),
                error: None,
                at_least: Default::default(),
            })));
        }
        self
    }

    pub fn watch(&mut self, verdict: Verdict, reason: &str, rollback: Option<&str>) -> &mut Self {
        let bad = u64::from(rollback.is_some()) * 3;
        let metric = |name: &str, failed: u64, last: &str| MetricCounts {
            name: name.to_owned(),
            successful: 10 - failed,
            failed,
            inconclusive: 0,
            errors: 0,
            last: last.to_owned(),
        };
        let ended = WatchVerdict {
            verdict,
            reason: reason.to_owned(),
            rollback: rollback.map(str::to_owned),
            watched_ms: 10_000.0,
            metrics: vec![metric("order_latency_p99_ms", bad, "7.2 ms"), metric("kafka_lag_ms", 0, "12 ms")],
        };
        self.stage(Stage::Watch, "").samples(2).event(Event::WatchEnded(Box::new(ended)));
        self.stage_end(Stage::Watch, verdict, reason)
    }

    /// The way back, all well, and the restored core fit.
    pub fn rolled_back(&mut self, why: &str) -> &mut Self {
        self.stage(Stage::Rollback, why).commands(Sequence::Rollback, 1..=7);
        self.stage_end(Stage::Rollback, Verdict::Passed, "");
        self.gates_stage(Stage::RollbackReadiness, Verdict::Passed)
    }

    pub fn ended(&mut self, verdict: Verdict) -> &mut Self {
        self.event(Event::RunEnded { verdict, counts: Counts::default(), duration_ms: 6_412.0 })
    }
}

pub(crate) fn good() -> Sample {
    let mut sample = cutover();
    sample.switched().marks(3).gates_stage(Stage::Readiness, Verdict::Passed).watch(
        Verdict::Passed,
        "",
        None,
    );
    sample.skip(Stage::Rollback, "not needed").skip(Stage::RollbackReadiness, "there was no rollback");
    sample.ended(Verdict::Passed);
    sample
}

pub(crate) fn drill() -> Sample {
    let mut sample = cutover();
    sample.plan().force_rollback = true;
    sample.switched().marks(3).gates_stage(Stage::Readiness, Verdict::Passed).watch(
        Verdict::Passed,
        "",
        None,
    );
    sample.rolled_back("--force-rollback").ended(Verdict::Passed);
    sample
}

pub(crate) fn dry(force: bool) -> Sample {
    let mut sample = cutover();
    sample.started.dry_run = true;
    sample.plan().force_rollback = force;
    sample.skip(Stage::Preflight, "dry run").stage(Stage::Cutover, "").commands(Sequence::Cutover, 1..=10);
    sample.stage_end(Stage::Cutover, Verdict::Passed, "");
    for stage in [Stage::SwitchGate, Stage::Readiness, Stage::Watch] {
        sample.skip(stage, "dry run");
    }
    if force {
        sample.stage(Stage::Rollback, "--force-rollback").commands(Sequence::Rollback, 1..=7);
        sample.stage_end(Stage::Rollback, Verdict::Passed, "");
    } else {
        sample.skip(Stage::Rollback, "not needed");
    }
    sample.skip(Stage::RollbackReadiness, "dry run").ended(Verdict::Skipped);
    sample
}

/// A failed step, and the way back that it leads to.
pub(crate) fn failed_step() -> Sample {
    let mut sample = cutover();
    sample.gates_stage(Stage::Preflight, Verdict::Passed).stage(Stage::Cutover, "");
    sample.commands(Sequence::Cutover, 1..=3).command(Sequence::Cutover, 4);
    sample.command_end(Sequence::Cutover, 4, 3, "expected exit code 0");
    sample.stage_end(Stage::Cutover, Verdict::Failed, "bootstrap_infra: exit code 3");
    for stage in [Stage::SwitchGate, Stage::Readiness, Stage::Watch] {
        sample.skip(stage, "the cutover failed");
    }
    sample.rolled_back("the step bootstrap_infra failed").ended(Verdict::Failed);
    sample
}

pub(crate) const BREACH: &str =
    "order_latency_p99_ms = 7.2 ms at 2026-11-22T19:41:07.100Z: order_latency_p99_ms > 5 ms";

/// The trigger holds, and the rollback takes so many milliseconds longer than its steps.
pub(crate) fn triggered(longer: i64) -> Sample {
    let mut sample = cutover();
    sample.switched().marks(3).gates_stage(Stage::Readiness, Verdict::Passed);
    sample.watch(Verdict::Failed, "the trigger held", Some(BREACH));
    sample.stage(Stage::Rollback, BREACH).commands(Sequence::Rollback, 1..=4).pause(longer);
    if longer > 180_000 {
        let text = "the rollback has not ended within 180 s, and goes on".to_owned();
        sample.event(Event::Alarm { text });
    }
    sample.commands(Sequence::Rollback, 5..=7);
    match longer > 180_000 {
        true => sample.stage_end(Stage::Rollback, Verdict::Failed, "it took longer than 180 s"),
        false => sample.stage_end(Stage::Rollback, Verdict::Passed, ""),
    };
    sample.gates_stage(Stage::RollbackReadiness, Verdict::Passed).ended(Verdict::Failed);
    sample
}

pub(crate) fn interrupted_in_step() -> Sample {
    let mut sample = cutover();
    sample.gates_stage(Stage::Preflight, Verdict::Passed).stage(Stage::Cutover, "");
    sample.commands(Sequence::Cutover, 1..=7).command(Sequence::Cutover, 8);
    sample.event(Event::Interrupted { by: "SIGTERM".to_owned() });
    sample.command_end(Sequence::Cutover, 8, 130, "ended with the run: SIGTERM");
    sample.stage_end(Stage::Cutover, Verdict::Failed, "interrupted by SIGTERM");
    sample.rolled_back("interrupted by SIGTERM").ended(Verdict::Failed);
    sample
}

pub(crate) fn interrupted_in_watch() -> Sample {
    let mut sample = cutover();
    sample.switched().marks(3).gates_stage(Stage::Readiness, Verdict::Passed);
    sample.watch(Verdict::Inconclusive, "it was ended after 3 s of 10", None);
    sample.event(Event::Interrupted { by: "SIGINT".to_owned() });
    sample.rolled_back("interrupted by SIGINT").ended(Verdict::Failed);
    sample
}

pub(crate) fn resume(choice: &str, next: &str, unknown: Option<&str>) -> Event {
    Event::Resumed(Resumed {
        choice: choice.to_owned(),
        next: next.to_owned(),
        unknown: unknown.map(str::to_owned),
        cut_off: 0,
        host: "host".to_owned(),
    })
}

/// Killed in the fifth step, and rolled back by a person an hour later.
pub(crate) fn resumed_to_roll_back() -> Sample {
    let mut sample = cutover();
    sample.gates_stage(Stage::Preflight, Verdict::Passed).stage(Stage::Cutover, "");
    sample.commands(Sequence::Cutover, 1..=4).command(Sequence::Cutover, 5).pause(3_600_000);
    sample.event(resume("rollback", "rollback/1", Some("cutover/5")));
    sample.rolled_back("resumed with --rollback").ended(Verdict::Failed);
    sample
}

/// Killed in the fifth step, which a person had run again.
pub(crate) fn resumed_to_continue() -> Sample {
    let mut sample = cutover();
    sample.gates_stage(Stage::Preflight, Verdict::Passed).stage(Stage::Cutover, "");
    sample.commands(Sequence::Cutover, 1..=4).command(Sequence::Cutover, 5).pause(-5_000);
    sample.event(resume("continue", "cutover/5", Some("cutover/5")));
    sample.stage(Stage::Cutover, "").commands(Sequence::Cutover, 5..=10);
    sample.stage_end(Stage::Cutover, Verdict::Passed, "").marks(3);
    sample.gates_stage(Stage::Readiness, Verdict::Passed).watch(Verdict::Passed, "", None);
    sample.skip(Stage::Rollback, "not needed").skip(Stage::RollbackReadiness, "there was no rollback");
    sample.ended(Verdict::Passed);
    sample
}

pub(crate) fn without_profile() -> Sample {
    let mut sample = cutover();
    (sample.started.profile, sample.started.watch, sample.plan().profile) = (None, None, false);
    sample.event(Event::Warning { text: "no profile: MONITOR_KEYS are not measured".to_owned() });
    sample.skip(Stage::Preflight, "no profile says how to measure").stage(Stage::Cutover, "");
    sample.commands(Sequence::Cutover, 1..=10).stage_end(Stage::Cutover, Verdict::Passed, "");
    for stage in [Stage::SwitchGate, Stage::Readiness, Stage::Watch] {
        sample.skip(stage, "no profile says how to measure");
    }
    sample.skip(Stage::Rollback, "not needed").skip(Stage::RollbackReadiness, "there was no rollback");
    sample.ended(Verdict::Skipped);
    sample
}

pub(crate) fn preflight_red() -> Sample {
    let mut sample = cutover();
    sample.gates_stage(Stage::Preflight, Verdict::Failed);
    for stage in &Stage::ALL[1..] {
        sample.skip(*stage, "preflight is red: nothing was touched");
    }
    sample.ended(Verdict::Failed);
    sample
}

/// `cutproof rollback`, hours later.
pub(crate) fn rollback_alone() -> Sample {
    let mut sample = cutover();
    sample.started.verb = "rollback".to_owned();
    (sample.plan().cutover, sample.started.watch) = (None, None);
    sample.gates_stage(Stage::Preflight, Verdict::Passed).rolled_back("asked for").ended(Verdict::Passed);
    sample
}

/// All of them, by name.
pub(crate) fn every() -> Vec<(&'static str, Sample)> {
    vec![
        ("good", good()),
        ("drill", drill()),
        ("dry", dry(false)),
        ("dry drill", dry(true)),
        ("failed step", failed_step()),
        ("triggered", triggered(0)),
        ("late", triggered(180_001)),
        ("interrupted in step", interrupted_in_step()),
        ("interrupted in watch", interrupted_in_watch()),
        ("resumed to roll back", resumed_to_roll_back()),
        ("resumed to continue", resumed_to_continue()),
        ("without profile", without_profile()),
        ("preflight red", preflight_red()),
        ("rollback alone", rollback_alone()),
    ]
}
