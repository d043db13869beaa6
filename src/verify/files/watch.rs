//! A watch: its samples, judged again by its plan, give the verdict that stands beside them.

use super::super::code::Code;
use super::super::finding::{Evidence, Findings, Place, quoted};
use super::json::{self, Node};
use super::kind::Kind;
use super::levels::{is_known, refuse_doubled};
use super::{Asked, Trust, read, run_id, tell_older, tell_unreadable};
use crate::evidence::watch::{PLAN, Recorded, ReplayError, SERIES, VERSION};
use crate::model::watch::WatchVerdict;
use crate::model::{RunId, Stamp, Verdict};
use std::path::Path;

const OF: Evidence = Evidence::Watch;

/// Samples times bytes of the plan, above which judging again would take long: a watch of a day with a hundred metrics
/// is far below.
const MOST_WORK: usize = 10_000_000_000;

pub(super) fn judge(
    path: &Path,
    text: &str,
    kind: Kind,
    trust: Trust,
    asked: &Asked,
    found: &mut Findings,
) -> Option<RunId> {
    let extension = if kind == Kind::Series { "json" } else { "csv" };
    let beside = path.with_extension(extension);
    let other = match read(&beside, trust) {
        Ok(other) => other,
        Err(fault) => {
            let shown = beside.display().to_string();
            tell_unreadable(Place::in_file(OF, shown, "the watch's other file"), &fault, found);
            return None;
        }
    };
    let [this, beside] = [path, &beside].map(|path| path.display().to_string());
    let watch = match kind {
        Kind::Series => Watch { series: text, plan: &other, series_path: this, plan_path: beside },
        _ => Watch { series: &other, plan: text, series_path: beside, plan_path: this },
    };
    watch.judge(asked, found)
}

/// Both files of a watch.
struct Watch<'a> {
    series: &'a str,
    plan: &'a str,
    series_path: String,
    plan_path: String,
}

impl Watch<'_> {
    fn at_plan(&self, subject: &str, node: Option<&Node<'_>>) -> Place {
        let at = Place::in_file(OF, &self.plan_path, subject);
        match node {
            Some(node) => at.line(node.line),
            None => at,
        }
    }

    fn judge(&self, asked: &Asked, found: &mut Findings) -> Option<RunId> {
        let file = match json::parse(self.plan) {
            Ok(file) => file,
            Err(fault) => {
                let at = self.at_plan("the file", None).line(fault.line);
                found.refuse(Code::Malformed, at, "JSON", fault.what);
                return None;
            }
        };
        refuse_doubled(OF, &file, found);
        let run = run_id(file.get("run").and_then(Node::text).unwrap_or_default());
        if !is_known(OF, &file, ("watch", VERSION), found) {
            return run;
        }
        self.compression(&file, found);
        let samples = self.series.bytes().filter(|byte| *byte == b'\n').count();
        if samples.saturating_mul(self.plan.len()) > MOST_WORK {
            let seen = format!("{samples} lines and a plan of {} bytes", self.plan.len());
            let expected = "small enough to be judged again";
            found.refuse(Code::WatchNotJudgeable, self.at_plan("the watch", None), expected, seen);
            return run;
        }
        match Recorded::of_files(self.series, self.plan) {
            Ok(recorded) => self.again(&recorded, &file, found),
            Err(error) => self.tell_unread(&error, found),
        }
        if let Some(last) = self.last_sample() {
            tell_older(Place::in_file(OF, &self.series_path, "the last sample"), last, asked, found);
        }
        run
    }

    /// How much shorter the watch was than the template asks for is what the plan says.
    fn compression(&self, file: &Node<'_>, found: &mut Findings) {
        let of_plan = |key: &str| file.get("plan")?.get(key)?.number();
        let (Some(planned), Some(duration)) = (of_plan("planned_ms"), of_plan("duration_ms")) else { return };
        let said = file.get("compressed");
        let expected = (planned / duration).max(1.0);
        if said.and_then(Node::number) != Some(expected) {
            let at = self.at_plan("compressed", said);
            let expected = format!("{expected}, as the plan's durations say");
            let seen = said.map_or("nothing".to_owned(), Node::shown);
            found.refuse(Code::CompressionAgainstPlan, at, expected, quoted(&seen));
        }
    }

    fn tell_unread(&self, error: &ReplayError, found: &mut Findings) {
        let of_series = || Place::in_file(OF, &self.series_path, "the series");
        match error {
            ReplayError::Series(fault) => {
                let expected = format!("a series as {SERIES} has it");
                found.refuse(Code::Malformed, of_series().line(fault.line), expected, quoted(&fault.what));
            }
            ReplayError::Samples { expected, seen } => {
                let expected = format!("{expected} samples, as {PLAN} says");
                found.refuse(Code::SeriesCount, of_series(), expected, seen.to_string());
            }
            other => {
                let at = self.at_plan("the file", None);
                found.refuse(
                    Code::Malformed,
                    at,
                    "the plan and verdict of a watch",
                    quoted(&other.to_string()),
                );
            }
        }
    }

    /// Judges the samples again, and holds the recorded verdict against that.
    fn again(&self, recorded: &Recorded, file: &Node<'_>, found: &mut Findings) {
        let at = || self.at_plan("verdict", file.get("verdict"));
        let judged = match recorded.judge() {
            Ok(judged) => judged,
            Err(bad) => {
                let expected = "a plan by which samples can be judged";
                found.refuse(
                    Code::WatchNotJudgeable,
                    self.at_plan("plan", file.get("plan")),
                    expected,
                    bad.0,
                );
                return;
            }
        };
        if let Some(contradiction) = recorded.contradiction(&judged) {
            let expected = format!("{}, which the samples give", in_words(&judged));
            found.refuse(Code::VerdictAgainstSeries, at(), quoted(&expected), quoted(&contradiction));
        }
        match &recorded.verdict {
            None => found.refuse(Code::RunUnfinished, at(), "there", "null: the watch was cut off"),
            Some(verdict) if verdict.verdict != Verdict::Passed => {
                found.refuse(Code::WatchNotPassed, at(), "passed", quoted(&in_words(verdict)));
            }
            Some(_) => {}
        }
    }

    /// When the last sample was told.
    fn last_sample(&self) -> Option<Stamp> {
        let last = self.series.lines().rfind(|line| line.contains("Z,"))?;
        let at = last.split(',').nth(1)?;
        let at: jiff::Timestamp = at.parse().ok()?;
        Some(Stamp::from_millis(at.as_millisecond()))
    }
}

fn in_words(verdict: &WatchVerdict) -> String {
    match verdict.reason.as_str() {
        "" => verdict.verdict.to_string(),
        reason => format!("{} ({reason})", verdict.verdict),
    }
}
