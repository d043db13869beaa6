use super::*;
use crate::evidence::sample::{Sample, gate};
use crate::journal::FILE;
use crate::model::event::{Partition, Provenance, Source};
use crate::model::{Event, Verdict};
use crate::verify::bundle::Journal;

/// A run of one gate.
struct Made {
    sample: Sample,
    verdict: Option<Verdict>,
    commit: Option<(&'static str, bool)>,
}

/// A run that began so many minutes after the first.
fn run(name: &str, minutes: i64) -> Made {
    let mut sample = Sample::new(vec![gate("answers", "redis_ping")]);
    sample.started.run = RunId::from_text(name);
    sample.started.started = Stamp::from_millis(1_795_376_463_120 + minutes * 60_000);
    Made { sample, verdict: Some(Verdict::Passed), commit: Some(("c0ffee", false)) }
}

impl Made {
    fn with(mut self, change: impl FnOnce(&mut Made)) -> Made {
        change(&mut self);
        self
    }

    fn failed(self) -> Made {
        self.with(|made| made.verdict = Some(Verdict::Failed))
    }

    fn verb(self, verb: &str) -> Made {
        self.with(|made| made.sample.started.verb = verb.to_owned())
    }

    fn bundle(mut self) -> Bundle {
        let source = self.commit.map(|(commit, dirty)| Source {
            commit: commit.to_owned(),
            dirty,
            changed: Vec::new(),
        });
        let provenance = Provenance { source, ..Provenance::default() };
        self.sample.event(Event::Provenance(Box::new(provenance)));
        if let Some(verdict) = self.verdict {
            self.sample.begin("answers").end("answers", verdict, "");
            self.sample.done();
        }
        let run = self.sample.started.run.as_str();
        Bundle {
            folder: format!("evidence/{run}").into(),
            manifest: None,
            manifest_sha256: Some(format!("digest of {run}")),
            journals: vec![Journal { path: FILE.to_owned(), records: self.sample.records() }],
            envelopes: Vec::new(),
            findings: Vec::new(),
            more: Vec::new(),
        }
    }
}

fn of(runs: Vec<Made>) -> Selection {
    let bundles: Vec<_> = runs.into_iter().map(Made::bundle).collect();
    select(&bundles)
}

/// `RUN outcome: why`, with `*` before the one that counts.
fn told(selection: &Selection) -> Vec<String> {
    let line = |run: &JudgedRun| {
        let mark = if run.counts { "* " } else { "" };
        format!("{mark}{} {}: {}", run.run, run.outcome, run.why)
    };
    selection.runs.iter().map(line).collect()
}

fn codes(selection: &Selection) -> Vec<(Code, Severity)> {
    selection.findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

#[test]
fn a_run_that_passed_counts_and_the_failed_one_before_it_stays_visible() {
    let selection = of(vec![run("first", 0).failed(), run("second", 9)]);
    assert_eq!(selection.counting, Some(1));
    assert_eq!(
        told(&selection),
        ["* second passed: the latest of 2, 1 of which failed before", "first failed: superseded by second"]
    );
    assert_eq!(codes(&selection), [(Code::EarlierRunFailed, Severity::Warning)]);
}

#[test]
fn a_later_run_that_failed_counts_whatever_passed_before() {
    let selection = of(vec![run("second", 9).failed(), run("first", 0)]);
    assert_eq!(told(&selection), ["* second failed: the latest of 2", "first passed: superseded by second"]);
    assert_eq!(codes(&selection), []);
}

#[test]
fn what_proves_nothing_does_not_count_however_new_it_is() {
    let dry = |made: &mut Made| {
        made.sample.started.dry_run = true;
        made.verdict = Some(Verdict::Skipped);
    };
    let shard = |made: &mut Made| {
        made.sample.started.partition = Some(Partition { index: 1, total: 2, setup: Default::default() });
    };
    let selection = of(vec![
        run("whole", 0),
        run("dry", 1).with(dry),
        run("part", 2).with(|made| made.sample.started.partial = true),
        run("fault", 3).failed().with(|made| made.sample.started.fault = Some("lag".to_owned())),
        run("shard", 4).with(shard),
        run("killed", 5).with(|made| made.verdict = None),
    ]);
    assert_eq!(
        told(&selection),
        [
            "killed unfinished: it has no end: it was killed or still runs",
            "shard partial: shard 1 of 2: it is worth nothing until they are merged",
            "fault failed: the fault lag was made in it on purpose",
            "part partial: PARTIAL: only a selection of its gates ran",
            "dry simulated: a dry run: nothing was measured",
            "* whole passed: the only one that may",
        ]
    );
    assert_eq!(codes(&selection), []);
}

#[test]
fn where_no_run_may_count_that_is_missing_and_not_red() {
    let selection = of(vec![run("part", 2).with(|made| made.sample.started.partial = true)]);
    assert_eq!(selection.counting, None);
    assert_eq!(codes(&selection), [(Code::NoRunCounts, Severity::Error)]);
    assert!(selection.findings[0].seen.contains("PARTIAL"), "{}", selection.findings[0].seen);
    assert_eq!(codes(&of(Vec::new())), [(Code::NoRunCounts, Severity::Error)]);
}

#[test]
fn a_run_that_is_not_intact_does_not_count_and_does_not_hide() {
    let mut bundles = vec![run("first", 0).bundle(), run("second", 9).failed().bundle()];
    let finding = of(Vec::new()).findings.remove(0);
    bundles[1].findings.push(Finding { code: Code::EvidenceUnreadable, ..finding });
    let selection = select(&bundles);
    assert_eq!(
        told(&selection),
        ["second not intact: not intact: evidence-unreadable", "* first passed: the only one that may"]
    );
}

#[test]
fn runs_of_two_environments_commits_or_profiles_are_refused_by_name() {
    let elsewhere = |made: &mut Made| made.sample.started.environment = "elsewhere".to_owned();
    let selection = of(vec![run("here", 9), run("there", 0).with(elsewhere)]);
    assert_eq!(codes(&selection), [(Code::MixedEnvironments, Severity::Error)]);
    let finding = &selection.findings[0];
    assert_eq!(finding.expected, "single-host-ubuntu, as the run that counts has it (here)");
    assert_eq!((&*finding.seen, &*finding.file), ("elsewhere (there)", "evidence/there"));
    let selection = of(vec![run("new", 9), run("old", 0).with(|made| made.commit = None)]);
    assert_eq!(codes(&selection), [(Code::MixedCommits, Severity::Error)]);
    assert_eq!(selection.findings[0].seen, "no known commit (old)");
    assert_eq!(told(&selection)[1], "old passed: of another commit than the run that counts");
    let no_profile = |made: &mut Made| made.sample.started.profile = None;
    // A run that can't count is of this window or is not: it is refused as well.
    let dry = |made: &mut Made| made.sample.started.dry_run = true;
    let selection = of(vec![run("new", 9), run("old", 0).with(no_profile).with(dry)]);
    assert_eq!(codes(&selection), [(Code::MixedProfiles, Severity::Error)]);
}

#[test]
fn two_unknown_commits_are_the_same_and_changes_beside_a_commit_are_told() {
    let unknown = |made: &mut Made| made.commit = None;
    assert_eq!(codes(&of(vec![run("a", 0).with(unknown), run("b", 1).with(unknown)])), []);
    let dirty = |made: &mut Made| made.commit = Some(("c0ffee", true));
    let selection = of(vec![run("a", 0).with(dirty), run("b", 1)]);
    assert_eq!(codes(&selection), [(Code::TreesDiffer, Severity::Warning)]);
}

#[test]
fn the_same_run_twice_is_one_and_in_two_states_none() {
    let selection = of(vec![run("a", 0), run("a", 0)]);
    assert_eq!(codes(&selection), [(Code::RunTwice, Severity::Warning)]);
    assert_eq!(selection.runs.iter().filter(|run| run.counts).count(), 1);
    let mut bundles = vec![run("a", 0).bundle(), run("a", 0).bundle()];
    bundles[1].manifest_sha256 = Some("another".to_owned());
    assert_eq!(codes(&select(&bundles)), [(Code::RunTwice, Severity::Error)]);
}

#[test]
fn the_latest_run_of_another_verb_stands_beside_and_must_have_passed() {
    let runs = || vec![run("gates", 0), run("drill-1", 1).verb("cutover").failed()];
    let selection = of(runs());
    assert_eq!(selection.counting, Some(0));
    assert_eq!(codes(&selection), [(Code::RunBesideRed, Severity::Error)]);
    let mut again = runs();
    again.push(run("drill-2", 2).verb("cutover"));
    let selection = of(again);
    assert_eq!(codes(&selection), [(Code::EarlierRunFailed, Severity::Warning)]);
    assert_eq!(
        told(&selection),
        [
            "drill-2 passed: stands beside the run that counts: the latest cutover",
            "drill-1 failed: superseded by drill-2",
            "* gates passed: the only one that may",
        ]
    );
    // Where nothing ran the gates, a run without gates counts.
    assert_eq!(of(vec![run("drill", 1).verb("cutover")]).counting, Some(0));
}

/// A failed rehearsal is not healed by a run of its gates alone.
#[test]
fn a_run_supersedes_only_runs_of_its_own_verb() {
    let selection = of(vec![run("rehearsal", 0).failed(), run("gates", 9).verb("gates-run")]);
    assert_eq!(codes(&selection), [(Code::RunBesideRed, Severity::Error)]);
}

#[test]
fn red_in_a_later_run_that_can_not_count_is_no_secret() {
    let part = |made: &mut Made| made.sample.started.partial = true;
    let selection = of(vec![run("whole", 0), run("part", 2).failed().with(part)]);
    assert_eq!(codes(&selection), [(Code::LaterRunRed, Severity::Error)]);
    let killed = |made: &mut Made| {
        made.sample.begin("answers").end("answers", Verdict::Failed, "");
        made.verdict = None;
    };
    let selection = of(vec![run("whole", 0), run("killed", 2).with(killed)]);
    assert_eq!(codes(&selection), [(Code::LaterRunRed, Severity::Error)]);
    let selection = of(vec![run("killed", 0).with(killed), run("whole", 2)]);
    assert_eq!(codes(&selection), []);
}
