//! What a person reads before choosing how a run goes on, and when it does. Pure.

use super::standing::{Choice, Standing, StartAt, StepStanding, StepState};
use crate::evidence::text::visible;
use crate::model::switch::Sequence;
use std::fmt::Write as _;

/// Where a run stands and what may come next. `name` is what the person calls the run: an id or a folder.
pub fn text(standing: &Standing, name: &str) -> String {
    let mut out = header(standing);
    for (sequence, steps) in
        [(Sequence::Cutover, &standing.cutover), (Sequence::Rollback, &standing.rollback)]
    {
        if !steps.is_empty() {
            out.push('\n');
            out.push_str(&listed(sequence, steps));
        }
    }
    out.push('\n');
    out.push_str(&left_running(standing));
    out.push_str(&choices(standing, name));
    out
}

/// What is said when a run goes on, before its first step: a step whose effect is not known is run again only where
/// its name was shown.
pub fn going_on(standing: &Standing, at: StartAt) -> String {
    format!("{} goes on\n  {}\n", visible(standing.run.as_str()), way(standing, at))
}

fn header(standing: &Standing) -> String {
    let Standing { verb, environment, run, host, last, stage, .. } = standing;
    let stage = stage.map(|stage| format!(", in the stage {stage}")).unwrap_or_default();
    format!(
        "{} of `{}`, run {} on {}\n\
         KILLED, or it could not write any more: it has no end\n\
         last entry {}{stage}\n",
        visible(verb),
        visible(environment),
        visible(run.as_str()),
        visible(host),
        last.to_seconds(),
    )
}

fn listed(sequence: Sequence, steps: &[StepStanding]) -> String {
    if steps.iter().all(|step| step.state == StepState::NotBegun) {
        return format!("{sequence}: none of its {} steps was begun\n", steps.len());
    }
    let mut out = format!("{sequence}:\n");
    for (number, step) in (1..).zip(steps) {
        let _ = writeln!(out, "  {number:>2} {:<30} {}", visible(&step.name), state(&step.state));
    }
    out
}

fn state(state: &StepState) -> String {
    match state {
        StepState::NotBegun => "not begun".to_owned(),
        StepState::Done => "done".to_owned(),
        StepState::Failed(code) => format!("FAILED with exit code {code}"),
        StepState::Unknown(since) => format!(
            "UNKNOWN: began {} and has no end;\n{:36}it may have done its work, a part of it, or nothing",
            since.to_seconds(),
            ""
        ),
    }
}

fn left_running(standing: &Standing) -> String {
    let cut_off = match standing.unknown() {
        Some((_, step)) => format!("\nWhat {} had started was ended with the run.", visible(&step.name)),
        None => String::new(),
    };
    format!(
        "What the steps that are done left running still runs, unless something else\n\
         ended it or this machine was restarted.{cut_off}\n\n"
    )
}

fn choices(standing: &Standing, name: &str) -> String {
    let name = visible(name);
    let (back, on) = (standing.start_at(Choice::Rollback), standing.start_at(Choice::Continue));
    let mut out = String::new();
    if let Err(nothing) = &back {
        let _ = writeln!(out, "{}", visible(&nothing.0));
        return out;
    }
    out.push_str("Nothing is run until you choose:\n");
    for (choice, at) in [(Choice::Rollback, back), (Choice::Continue, on)] {
        let _ = match at {
            Ok(at) => {
                writeln!(out, "  cutproof cutover --resume {name} --{choice}\n      {}", way(standing, at))
            }
            Err(_) => {
                let why = standing.no_way_on.as_deref().unwrap_or_default();
                writeln!(out, "  (no --{choice}: {})", visible(why))
            }
        };
    }
    let run = visible(standing.run.as_str());
    let _ = writeln!(
        out,
        "When you have put the environment in order by hand, a new cutover takes it with\n  --abandon {run}"
    );
    out
}

/// What is done on a way, from its first step on.
fn way(standing: &Standing, at: StartAt) -> String {
    let (steps, from, to) = match at {
        StartAt::Start => return "from its beginning".to_owned(),
        StartAt::Cutover(from) => (&standing.cutover, from, "on to the new core"),
        StartAt::Rollback(from) => (&standing.rollback, from, "back to the old core"),
    };
    let Some(step) = standing.next(at) else {
        return match at {
            StartAt::Rollback(_) => "all steps back are done; measures the restored core and ends the run",
            _ => "all steps are done; measures the new core anew: switch gate, readiness, watch",
        }
        .to_owned();
    };
    let (name, command) = (visible(&step.name), visible(&step.command));
    let many = match steps.len() - from {
        1 => "the last step".to_owned(),
        many => format!("{many} steps"),
    };
    let again = match &step.state {
        StepState::Unknown(_) => "it is run AGAIN, and may have done its work already",
        StepState::Failed(_) => "it failed, and is run again",
        StepState::NotBegun | StepState::Done => return format!("{to}, from {name} on ({many})"),
    };
    format!("{to}, from {name} on ({many})\n      {again}: {command}")
}
