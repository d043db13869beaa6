//! One line for each thing that happened, for whoever follows a run.

use super::text::{span, time};
use crate::evidence::text::visible;
use crate::journal::Record;
use crate::model::event::StepStatus;
use crate::model::{Event, Verdict};

/// What an entry says, as a line; none where it is not worth one: single samples of a watch, and beginnings that are
/// followed by their end at once.
pub fn line(record: &Record) -> Option<String> {
    let text = match &record.event {
        Event::RunStarted(run) => {
            let dry = if run.dry_run { " (dry run)" } else { "" };
            format!("run {} of {} on {}{dry} begins", run.run, run.environment, run.host)
        }
        Event::ServiceReady(ready) => format!("{} answers at {}", ready.service, ready.address),
        Event::ServiceFailed { service, reason, .. } => format!("{service} is DOWN: {reason}"),
        Event::StepEnded(step) => {
            let status = if step.status == StepStatus::Failed { "FAILED" } else { step.status.as_str() };
            with(&format!("{} {} {status}  {}", step.gate, step.name, span(step.duration_ms)), &step.detail)
        }
        Event::AttemptEnded { gate, attempt, reason, .. } => {
            with(&format!("{gate} is tried again after attempt {attempt}"), reason)
        }
        Event::GateEnded(gate) => {
            let judged = judged(gate.verdict);
            let at = if gate.attempts > 1 { format!(" at attempt {}", gate.attempts) } else { String::new() };
            with(&format!("{} {judged}{at}  {}", gate.gate, span(gate.duration_ms)), &gate.reason)
        }
        Event::StageStarted { stage, reason } => with(&format!("{stage} begins"), reason),
        Event::StageEnded { stage, verdict: Verdict::Skipped, reason, .. } => {
            with(&format!("{stage} not run"), reason)
        }
        Event::StageEnded { stage, verdict, reason, duration_ms } => {
            with(&format!("{stage} {}  {}", judged(*verdict), span(*duration_ms)), reason)
        }
        Event::CommandStarted(step) => format!("{} {} {} begins", step.sequence, step.number, step.name),
        Event::CommandEnded(step) => {
            let what = match step.status {
                StepStatus::Failed => format!("FAILED with exit code {}", step.exit_code),
                status => status.as_str().to_owned(),
            };
            let took = span(step.duration_ms);
            with(&format!("{} {} {} {what}  {took}", step.sequence, step.number, step.name), &step.detail)
        }
        Event::ChildRun(child) => {
            with(&format!("run {} within it: {}", child.run, child.outcome), &child.reason)
        }
        Event::SwitchMarks { marks, .. } => {
            let mark = |mark: &crate::model::switch::SwitchMark| match mark.at {
                Some(at) => format!("{} at {}", mark.name, time(at)),
                None => format!("{} NOT SEEN", mark.name),
            };
            format!("new core: {}", marks.iter().map(mark).collect::<Vec<_>>().join(", "))
        }
        Event::WatchEnded(watch) => {
            with(&format!("the watch: {}  {}", judged(watch.verdict), span(watch.watched_ms)), &watch.reason)
        }
        Event::Warning { text } => format!("warning: {text}"),
        Event::Alarm { text } => format!("ALARM: {text}"),
        Event::Resumed(resumed) => {
            format!(
                "goes on after it was killed: --{} from {} on {}",
                resumed.choice, resumed.next, resumed.host
            )
        }
        Event::Interrupted { by } => format!("interrupted by {by}"),
        Event::RunEnded { .. } => "run ends".to_owned(),
        Event::Provenance(_) | Event::GateStarted { .. } | Event::StepStarted(_) | Event::WatchSampled(_) => {
            return None;
        }
    };
    Some(format!("{}  {}", time(record.at), visible(&text)))
}

fn with(what: &str, why: &str) -> String {
    if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") }
}

fn judged(verdict: Verdict) -> String {
    if verdict <= Verdict::Skipped { verdict.to_string() } else { verdict.as_str().to_uppercase() }
}
