//! Judges evidence, trusts nothing, starts nothing: texts in, findings out. Evidence is a claim; a claim that
//! contradicts itself is refused whatever it claims. It knows no terminal and nothing of how a run is made; only `files`
//! and `bundle` read the disk.

pub mod bundle;
mod claim;
mod code;
pub mod decision;
pub mod files;
mod finding;
mod form;
mod lines;
mod meaning;
mod outcome;
mod pair;
mod plan;
pub mod policy;
pub mod runs;
pub mod shards;
pub mod signatures;
pub mod signoff;
mod steps;
mod times;
mod value;

#[cfg(test)]
pub(crate) mod tests;

use crate::evidence::Env;
use crate::model::{RunId, Stamp};
use crate::template::FileFault;
use claim::Claim;
pub use code::{Class, Code, Group};
pub use finding::{Evidence, Finding, MOST_OF_A_CODE, More, Severity, Which};
use finding::{Findings, Place};
pub use value::Seconds;

/// How much is asked of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Whatever contradicts itself is refused.
    Strict,
    /// What the runbook's own verifier promised: required keys, values that have their form, and the rules of
    /// success, trigger and limit. For evidence that older tools wrote.
    Contract,
}

impl Level {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Strict => "strict",
            Level::Contract => "contract",
        }
    }
}

/// Which outcome is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The cutover succeeded, and no rollback was triggered.
    Cutover,
    /// That; or the cutover failed, and the rollback that it triggered succeeded within the limit.
    CutoverOrRollback,
    /// The cutover succeeded, and a rollback was made all the same, which succeeded within the limit.
    RollbackDrill,
}

impl Mode {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Cutover => "cutover",
            Mode::CutoverOrRollback => "cutover-or-rollback",
            Mode::RollbackDrill => "rollback-drill",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How much.
    pub level: Level,
    /// Which outcome.
    pub mode: Mode,
    /// Whether a dry run's files are accepted.
    pub allow_dry_run: bool,
    /// Whether a run of a selection is accepted.
    pub allow_partial: bool,
    /// Whether a required gate that passed only after another attempt is refused, however the run was made.
    pub fail_on_flaky: bool,
    /// The longest rollback.
    pub max_rollback: Seconds,
    /// Evidence that was completed before this may be left over from another run.
    pub since: Option<Stamp>,
}

/// A file: its path as it was given, and its text or why there is none.
#[derive(Debug)]
pub struct Source {
    /// For findings.
    pub path: String,
    /// What stands in it.
    pub text: Result<String, FileFault>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// What was asked for.
    pub rules: Rules,
    /// The paths of the cutover's and the rollback's file.
    pub paths: [String; 2],
    /// What was found: what refuses the evidence first, then by subject, file and line. At most
    /// [`MOST_OF_A_CODE`] of a code.
    pub findings: Vec<Finding>,
    /// How many more there are of a code.
    pub more: Vec<More>,
}

impl Verification {
    /// Whether nothing refuses the evidence.
    pub fn passed(&self) -> bool {
        self.errors().next().is_none()
    }

    /// What refuses it.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }

    /// What is only told.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Warning)
    }
}

/// Something that was judged on its own: a run's folder, a file, the pair of a cutover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What it is, in words: `run`, `cutover and rollback`, `readiness`, …
    pub kind: &'static str,
    /// Its path as it was given.
    pub path: String,
    /// The run that it says it is of.
    pub run: Option<RunId>,
    /// What was found: what refuses it first.
    pub findings: Vec<Finding>,
    /// What was only counted.
    pub more: Vec<More>,
}

impl Judged {
    /// What refuses it, in the words of exit codes; none where it holds.
    pub fn class(&self) -> Option<Class> {
        let told = self.findings.iter().map(|finding| (finding.severity, finding.code));
        let counted = self.more.iter().map(|more| (more.severity, more.code));
        let refusing = told.chain(counted).filter(|(severity, _)| *severity == Severity::Error);
        refusing.map(|(_, code)| code.class()).max()
    }
}

/// Verifies the evidence of a cutover and its rollback.
pub fn verify(cutover: &Source, rollback: &Source, rules: &Rules) -> Verification {
    let paths = [(Evidence::Cutover, cutover.path.clone()), (Evidence::Rollback, rollback.path.clone())];
    let mut found = Findings::new(paths);
    let envs = [(Which::Cutover, cutover), (Which::Rollback, rollback)]
        .map(|(which, source)| read(which, source, rules, &mut found));
    let claims = [(Which::Cutover, &envs[0]), (Which::Rollback, &envs[1])]
        .map(|(which, env)| Some(Claim::read(which, env.as_ref()?, rules.level)));
    let ended: Vec<bool> = claims.iter().flatten().map(|claim| one(claim, rules, &mut found)).collect();
    if let [Some(cutover), Some(rollback)] = &claims {
        both(cutover, rollback, ended.iter().all(|ended| *ended), rules, &mut found);
    }
    let (findings, more) = found.finish();
    Verification {
        rules: rules.clone(),
        paths: [cutover.path.clone(), rollback.path.clone()],
        findings,
        more,
    }
}

/// A file's lines, if it can be read.
fn read<'s>(which: Which, source: &'s Source, rules: &Rules, found: &mut Findings) -> Option<Env<'s>> {
    match &source.text {
        Ok(text) => {
            let env = Env::parse(text);
            check_lines(which, text, &env, rules.level, found);
            Some(env)
        }
        Err(FileFault::NotFound) => {
            let at = Place::nowhere(which, format!("the {} evidence file", which.as_str()));
            found.refuse(Code::EvidenceNotFound, at, "there", "nothing: evidence file not found");
            None
        }
        Err(fault) => {
            let at = Place::nowhere(which, format!("the {} evidence file", which.as_str()));
            let seen = format!("it {fault}");
            found.refuse(Code::EvidenceUnreadable, at, "a text file of at most 1 MiB", seen);
            None
        }
    }
}

/// A file's lines as lines.
fn check_lines(which: Which, text: &str, env: &Env<'_>, level: Level, found: &mut Findings) {
    lines::no_hidden_line_breaks(which, text, found);
    lines::no_empty_keys(which, env, found);
    lines::tell_stray_lines(which, env, found);
    lines::tell_no_final_newline(which, text, found);
    if level == Level::Strict {
        lines::no_duplicates(which, env, found);
        lines::no_look_alikes(which, env, found);
    }
}

/// What a file says of itself. Gives whether its run came to its own end: of one that did not, only the form of what
/// it has is judged, since it lacks the rest for that reason.
fn one(claim: &Claim<'_>, rules: &Rules, found: &mut Findings) -> bool {
    form::check(claim, rules.level, found);
    form::known_projection(claim, found);
    outcome::dry_run(claim, rules, found);
    pair::tell_no_run_id(claim, found);
    if let Some(since) = rules.since {
        pair::tell_older(claim, since, found);
    }
    if outcome::unfinished(claim, found) {
        return false;
    }
    steps::check(claim, rules.level, found);
    outcome::claims(claim, rules.level, found);
    if rules.level == Level::Strict {
        times::check(claim, found);
    }
    if claim.which == Which::Rollback {
        times::rollback(claim, rules.level, found);
    }
    !outcome::interrupted(claim, found)
}

/// What the two say of each other.
fn both(cutover: &Claim<'_>, rollback: &Claim<'_>, ended: bool, rules: &Rules, found: &mut Findings) {
    if rules.level == Level::Strict {
        pair::environment_differs(cutover, rollback, found);
        pair::dry_run_differs(cutover, rollback, found);
        pair::other_run(cutover, rollback, found);
    }
    // That an unfinished run did not succeed, or does not know yet of its rollback, is no news.
    if !ended {
        return;
    }
    pair::triggered_differs(cutover, rollback, found);
    if rules.level == Level::Strict {
        pair::rollback_before_cutover_end(cutover, rollback, found);
    }
    outcome::expected(cutover, rollback, rules, found);
}
