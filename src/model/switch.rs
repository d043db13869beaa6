//! A cutover as it was resolved from templates, profile and flags, and what happens in one. These are the journal's
//! words: whoever reads them later needs neither the templates nor the profile.

use super::event::{FileDigest, StepStatus};
use super::gate::Position;
use super::id::RunId;
use super::time::Stamp;
use super::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The way there, and the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sequence {
    /// The ten steps to the new core.
    Cutover,
    /// The seven steps back to the old one.
    Rollback,
}

impl Sequence {
    /// The word for it in every file.
    pub fn as_str(self) -> &'static str {
        match self {
            Sequence::Cutover => "cutover",
            Sequence::Rollback => "rollback",
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A part of a cutover that is judged, in the order in which they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The profile's infra and readiness gates, before anything is touched.
    Preflight,
    /// The ten steps.
    Cutover,
    /// Login, settlement, instruments of the new core.
    SwitchGate,
    /// The readiness gates again, on the new core.
    Readiness,
    /// The minutes after.
    Watch,
    /// The seven steps back.
    Rollback,
    /// The readiness gates once more, on the restored core.
    RollbackReadiness,
}

impl Stage {
    /// All stages, in their order.
    pub const ALL: [Stage; 7] = [
        Stage::Preflight,
        Stage::Cutover,
        Stage::SwitchGate,
        Stage::Readiness,
        Stage::Watch,
        Stage::Rollback,
        Stage::RollbackReadiness,
    ];

    /// The word for it in every file.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Preflight => "preflight",
            Stage::Cutover => "cutover",
            Stage::SwitchGate => "switch_gate",
            Stage::Readiness => "readiness",
            Stage::Watch => "watch",
            Stage::Rollback => "rollback",
            Stage::RollbackReadiness => "rollback_readiness",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a cutover, or a rollback on its own, set out to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwitchPlan {
    /// The cutover's part; none where only the rollback is asked for (`cutproof rollback`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutover: Option<CutoverPlan>,
    /// The way back.
    pub rollback: RollbackPlan,
    /// Whether a profile says how to measure. Without one, stages that need it are not run, and say so.
    pub profile: bool,
    /// The way back is taken also after a good cutover: a drill (`--force-rollback`).
    pub force_rollback: bool,
    /// SIGINT and SIGTERM roll back.
    pub rollback_on_interrupt: bool,
    /// The sign-off that it relies on, where it was told to ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signoff: Option<Box<ReliedOn>>,
}

/// A sign-off that was checked and accepted before anything was touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReliedOn {
    /// The file.
    pub file: FileDigest,
    /// Its decision, in its own words.
    pub decision: String,
    /// Until when it holds, where something ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Stamp>,
    /// The policy that it was checked against.
    pub policy: FileDigest,
    /// Whose signatures over it counted: `NAME (ROLE)`.
    pub signers: Vec<String>,
}

/// The cutover's part of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CutoverPlan {
    /// The template and what it held.
    pub template: FileDigest,
    /// CUTOVER_ENV_NAME.
    pub environment: String,
    /// CUTOVER_WINDOW_LOCAL as it was written.
    pub window: String,
    /// When the window opens.
    pub window_start: Stamp,
    /// When it closes, where the template says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_end: Option<Stamp>,
    /// Whether the run began in its window. A window without an end is met from its start on, for a day.
    pub window_met: bool,
    /// CTP_CONFIG_PATH.
    pub config_path: String,
    /// POST_SWITCH_MONITOR_MINUTES as it was written.
    pub monitor_minutes: String,
    /// MONITOR_KEYS as it was written.
    pub monitor_keys: String,
    /// The ten steps.
    pub steps: Vec<SwitchStep>,
    /// Where the evidence file is exported to.
    pub output: String,
}

/// The rollback's part of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RollbackPlan {
    /// The template and what it held.
    pub template: FileDigest,
    /// ROLLBACK_ENV_NAME.
    pub environment: String,
    /// ROLLBACK_TRIGGER_CONDITION as it was written.
    pub trigger: String,
    /// MAX_ROLLBACK_SECONDS as it was written.
    pub max_seconds: String,
    /// The same, in milliseconds.
    pub limit_ms: f64,
    /// The seven steps.
    pub steps: Vec<SwitchStep>,
    /// Where the evidence file is exported to.
    pub output: String,
}

/// A step as it will be run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwitchStep {
    /// From 1, in its sequence.
    pub number: u32,
    /// `stop_old_core_engine`, …
    pub name: String,
    /// The command line, with secrets masked.
    pub command: String,
    /// How long it may take, in milliseconds; a background step: until it is ready.
    pub timeout_ms: f64,
    /// A server in the foreground, which is left running.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// The condition by which a background step is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// Where its command stands in the template.
    pub at: Position,
}

/// A step begins. It is on the disk before its command is started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandStarted {
    /// Of which sequence.
    pub sequence: Sequence,
    /// From 1.
    pub number: u32,
    /// Its name.
    pub name: String,
}

/// A step ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandEnded {
    /// Of which sequence.
    pub sequence: Sequence,
    /// From 1.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// What came of it.
    pub status: StepStatus,
    /// The exit code: the command's own; 128 + n where signal n ended it, 124 where its time was up, 127 where it
    /// could not be started, 130 where it was ended with the run, 125 where that could not be found out. Never 0 for a failed step.
    pub exit_code: i32,
    /// How long it took.
    pub duration_ms: f64,
    /// Why it failed, or what is worth knowing: processes left running, how it became ready. One line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Redacted head and tail of its output.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
    /// The log file that holds all of it, relative to the run's folder; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
}

/// A run within the run: a stage's gates, or a step that called cutproof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildRun {
    /// The stage whose gates it ran; none where a step's command started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The step that started it, as `cutover/5`; empty for a stage's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// Its name.
    pub run: RunId,
    /// Its verb.
    pub verb: String,
    /// Its folder, relative to this run's.
    pub folder: String,
    /// The digest of its journal's last entry, in hex.
    pub head: String,
    /// Its outcome: `passed`, `failed`, `unfinished`, …
    pub outcome: String,
    /// What stands against it, in one text; empty where nothing does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Its gates, for reports; in the order of its plan, without those that were not selected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<ChildGate>,
}

/// A gate of a run within the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildGate {
    /// Its case: `infra::redis-ping`.
    pub case: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Whether it counts.
    pub required: bool,
    /// Why; empty for a plain pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How long it took.
    pub duration_ms: f64,
    /// Where it stands in the profile.
    pub at: Position,
}

/// What the switch gate saw of the new core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwitchMark {
    /// `login`, `settlement` or `instruments`.
    pub name: String,
    /// When it happened, as the core says; none where it was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Stamp>,
    /// Where that was read.
    pub source: String,
    /// How long after the new core's start it had to happen.
    pub within_ms: f64,
}

/// The names of the marks, in the order in which they must happen.
pub const MARKS: [&str; 3] = ["login", "settlement", "instruments"];

/// Judges what a switch gate saw: login, settlement and instruments, each after the new core's start and within its
/// time, none before the one it follows. So the stamps of the old core, or of an engine that was already up, don't
/// pass. A stamp in whole seconds may be up to a second later than it says, and is after a start within that second.
///
/// # Errors
/// What stands against it, in one line: expected and seen.
pub fn judge_marks(core_started: Stamp, marks: &[SwitchMark]) -> Result<(), String> {
    let names: Vec<_> = marks.iter().map(|mark| mark.name.as_str()).collect();
    if names != MARKS {
        return Err(format!("expected the marks {}, and saw {}", MARKS.join(", "), names.join(", ")));
    }
    let mut before: Option<(&SwitchMark, Stamp)> = None;
    for mark in marks {
        let at = judge_mark(core_started, mark)?;
        if let Some((earlier, was)) = before.filter(|(_, was)| at < *was) {
            let (name, first) = (&mark.name, &earlier.name);
            return Err(format!(
                "expected {first} before {name}, and saw {first} at {was} and {name} at {at}"
            ));
        }
        before = Some((mark, at));
    }
    Ok(())
}

/// Judges one mark by itself: when it happened, where it is as it must be.
///
/// # Errors
/// As [`judge_marks`].
pub fn judge_mark(core_started: Stamp, mark: &SwitchMark) -> Result<Stamp, String> {
    let (name, source, within) = (&mark.name, &mark.source, mark.within_ms / 1e3);
    let Some(at) = mark.at else {
        return Err(format!(
            "expected {name} within {within} s of the new core's start, and saw none in {source}"
        ));
    };
    let latest = if at.millis() % 1000 == 0 { at.millis().saturating_add(999) } else { at.millis() };
    if latest <= core_started.millis() {
        return Err(format!(
            "expected {name} after the new core's start at {core_started}, and saw it at {at}: that is not the new \
             core's ({source})"
        ));
    }
    let took = at.millis().saturating_sub(core_started.millis()) as f64;
    if took > mark.within_ms {
        let took = took / 1e3;
        return Err(format!(
            "expected {name} within {within} s of the new core's start, and saw it after {took} s ({source})"
        ));
    }
    Ok(at)
}

/// A run that was killed goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// `rollback` or `continue`: what a person chose.
    pub choice: String,
    /// Where it goes on: the first step that is run now.
    pub next: String,
    /// A step that had begun and has no end; it may have done its work or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// How many bytes of a half-written entry were cut off.
    pub cut_off: u64,
    /// The machine it goes on on.
    pub host: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks at so many milliseconds after a core's start; each has 5 s.
    fn judge(at: [Option<i64>; 3]) -> Result<(), String> {
        let started = 1_795_376_463_120;
        let marks = MARKS.iter().zip(at).map(|(name, at)| SwitchMark {
            name: (*name).to_owned(),
            at: at.map(|at| Stamp::from_millis(started + at)),
            source: "the log".to_owned(),
            within_ms: 5_000.0,
        });
        judge_marks(Stamp::from_millis(started), &marks.collect::<Vec<_>>())
    }

    #[test]
    fn login_settlement_and_instruments_come_in_this_order_or_together() {
        assert_eq!(judge([Some(1), Some(2), Some(5_000)]), Ok(()));
        assert_eq!(judge([Some(7), Some(7), Some(7)]), Ok(()));
        let told = judge([Some(300), Some(200), Some(400)]).unwrap_err();
        assert!(told.starts_with("expected login before settlement"), "{told}");
    }

    #[test]
    fn stamps_of_the_old_core_do_not_pass() {
        for at in
            [[Some(-1), Some(2), Some(3)], [Some(1), Some(2), Some(-60_000)], [Some(0), Some(1), Some(2)]]
        {
            let told = judge(at).unwrap_err();
            assert!(told.contains("after the new core's start") && told.contains("the log"), "{told}");
        }
    }

    #[test]
    fn what_is_late_or_was_not_seen_does_not_pass() {
        assert!(judge([Some(1), Some(2), Some(5_001)]).unwrap_err().contains("after 5.001 s"));
        assert!(judge([Some(1), None, Some(3)]).unwrap_err().contains("expected settlement within 5 s"));
        assert!(judge_marks(Stamp::from_millis(0), &[]).is_err());
    }

    #[test]
    fn a_core_that_stamps_whole_seconds_may_log_in_within_the_second_of_its_start() {
        // It was started at ….120 s: the whole second before that is the same one.
        assert_eq!(judge([Some(-120), Some(880), Some(1_880)]), Ok(()));
        assert!(judge([Some(-1_120), Some(880), Some(1_880)]).is_err());
    }
}
