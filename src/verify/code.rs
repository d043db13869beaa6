//! The stable names of what verification can find. Scripts match on them: a code is never renamed and never changes
//! its meaning. docs/evidence.md has a row for each.

use std::fmt;

/// What a finding is about; the order is that in which findings are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// The files as files and as lines.
    File,
    /// Whether the run came to its own end.
    Run,
    /// How it ended, against what was asked for.
    Outcome,
    /// Keys and the form of their values.
    Values,
    /// Which steps there are.
    Steps,
    /// What is said of success against what is said of the steps.
    Claim,
    /// Times and durations against each other.
    Times,
    /// What only a rollback says of itself.
    Rollback,
    /// The two files against each other.
    Pair,
    /// Service levels of readiness evidence.
    Levels,
    /// A watch's series against its verdict.
    Watch,
    /// A run's folder against its manifest.
    Bundle,
    /// Journals, and other evidence against them.
    Journal,
    /// Envelopes, signatures and keys.
    Signature,
    /// What a policy asks of the runs.
    Policy,
    /// What a policy asks of the gates, and its waivers.
    Gates,
    /// Several runs against each other.
    Runs,
}

/// What a finding that refuses evidence means for whoever acts on it; the order is that of exit codes where there are
/// several: the last one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It can't be judged by this cutproof; no sign of tampering.
    Inconclusive,
    /// Something that is asked for is not there, or too old.
    Missing,
    /// The evidence says that it is not as it must be.
    Refused,
    /// It is not as it was written.
    Tampered,
}

impl Group {
    /// All of them, in order.
    pub const ALL: [Group; 17] = [
        Group::File,
        Group::Run,
        Group::Outcome,
        Group::Values,
        Group::Steps,
        Group::Claim,
        Group::Times,
        Group::Rollback,
        Group::Pair,
        Group::Levels,
        Group::Watch,
        Group::Bundle,
        Group::Journal,
        Group::Signature,
        Group::Policy,
        Group::Gates,
        Group::Runs,
    ];

    /// The group's name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Group::File => "file",
            Group::Run => "run",
            Group::Outcome => "outcome",
            Group::Values => "values",
            Group::Steps => "steps",
            Group::Claim => "claim",
            Group::Times => "times",
            Group::Rollback => "rollback",
            Group::Pair => "pair",
            Group::Levels => "levels",
            Group::Watch => "watch",
            Group::Bundle => "bundle",
            Group::Journal => "journal",
            Group::Signature => "signature",
            Group::Policy => "policy",
            Group::Gates => "gates",
            Group::Runs => "runs",
        }
    }
}

macro_rules! codes {
    ($($group:ident { $($(#[$about:meta])* $code:ident = $name:literal,)+ })+) => {
        /// What was found.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($($(#[$about])* $code,)+)+ }

        impl Code {
            /// All of them.
            pub const ALL: &[Code] = &[$($(Code::$code,)+)+];

            /// The code as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $($(Code::$code => $name,)+)+ }
            }

            /// What it is about.
            pub fn group(self) -> Group {
                match self { $($(Code::$code)|+ => Group::$group,)+ }
            }
        }
    };
}

codes! {
    File {
        /// No such file.
        EvidenceNotFound = "evidence-not-found",
        /// A folder, a FIFO, too large, not UTF-8.
        EvidenceUnreadable = "evidence-unreadable",
        /// A control character or line separator: readers would not agree on the lines.
        HiddenLineBreak = "hidden-line-break",
        /// A line that begins with `=`.
        EmptyKey = "empty-key",
        /// A key that is there more than once.
        DuplicateKey = "duplicate-key",
        /// A key that reads as another one.
        LookAlikeKey = "look-alike-key",
        /// A line without `=` (warning).
        LineWithoutKey = "line-without-key",
        /// The last line has no end: the file may be cut off (warning).
        NoFinalNewline = "no-final-newline",
        /// A file of which nothing says what it is.
        UnknownEvidence = "unknown-evidence",
        /// Not well-formed JSON, XML or CSV.
        Malformed = "malformed",
    }
    Run {
        /// Success false and no time of completion.
        RunUnfinished = "run-unfinished",
        /// FAILED_STEP is interrupted.
        RunInterrupted = "run-interrupted",
        /// A dry run; at contract level a warning.
        DryRun = "dry-run",
        /// No CUTPROOF_RUN_ID (warning).
        NoRunId = "no-run-id",
        /// Completed before --since (warning).
        OlderThanSince = "older-than-since",
        /// Only a selection of the gates ran; a warning of a file on its own.
        PartialRun = "partial-run",
    }
    Outcome {
        /// The cutover did not succeed.
        CutoverFailed = "cutover-failed",
        /// A rollback, and none was expected.
        RollbackTriggered = "rollback-triggered",
        /// No rollback, and one was expected.
        RollbackNotTriggered = "rollback-not-triggered",
        /// The rollback did not succeed.
        RollbackFailed = "rollback-failed",
        /// The rollback took longer than --max-rollback-seconds.
        RollbackOverLimit = "rollback-over-limit",
        /// Something stands against the run: a gate, a step, a service level, its watch.
        RunNotPassed = "run-not-passed",
        /// An init or a bootstrap did not succeed.
        NotSuccessful = "not-successful",
        /// A readiness that is not healthy.
        Unhealthy = "unhealthy",
        /// A case of a JUnit report that did not pass; a warning where its gate is not required.
        CaseNotPassed = "case-not-passed",
    }
    Values {
        /// A required key that is not there.
        MissingKey = "missing-key",
        /// A required value that is empty.
        EmptyValue = "empty-value",
        /// Not finite, negative or not a plain decimal.
        BadNumber = "bad-number",
        /// Neither true nor false, or DRY_RUN neither 1 nor 0.
        BadBoolean = "bad-boolean",
        /// Not UTC to the second with Z.
        BadTime = "bad-time",
        /// A step's status that there is none of.
        BadStatus = "bad-status",
        /// A value that is none of those that it may be, or of another type.
        BadValue = "bad-value",
        /// A version of the projection that this cutproof does not know.
        UnknownProjection = "unknown-projection",
    }
    Steps {
        /// A number that is written in no usual way, or 0.
        BadStepNumber = "bad-step-number",
        /// A gap in the numbers.
        StepGap = "step-gap",
        /// More or fewer steps than TOTAL_STEPS.
        StepCount = "step-count",
        /// No step where there must have been one.
        NoSteps = "no-steps",
        /// A step that the plan does not have.
        UnknownStep = "unknown-step",
        /// Another order than the plan's, or a step twice.
        StepOrder = "step-order",
        /// Steps of the plan that are not listed; a warning where cutproof did not write the file.
        StepsLeftOut = "steps-left-out",
        /// A step after a failed one.
        StepAfterFailed = "step-after-failed",
        /// A step's exit code against its status.
        ExitCode = "exit-code",
        /// A simulated step in a real run.
        SimulatedStep = "simulated-step",
        /// A step that was run in a dry run.
        ExecutedStep = "executed-step",
    }
    Claim {
        /// Success, and a step failed.
        SuccessWithFailedStep = "success-with-failed-step",
        /// Success, and FAILED_STEP names something.
        SuccessNamesFailedStep = "success-names-failed-step",
        /// No success, and FAILED_STEP names nothing.
        FailureWithoutStep = "failure-without-step",
        /// FAILED_STEP names neither a step of the file nor one of the words for it.
        FailedStepUnknown = "failed-step-unknown",
        /// FAILED_STEP names a step that did not fail.
        FailedStepNotFailed = "failed-step-not-failed",
        /// A step failed, and FAILED_STEP names something else.
        FailedStepNotNamed = "failed-step-not-named",
        /// FAILED_STEP is preflight, and there are steps.
        PreflightWithSteps = "preflight-with-steps",
        /// TOPIC_COUNT against TOPICS, or a topic twice.
        CountAgainstList = "count-against-list",
        /// What a JUnit report counts against its cases.
        CountAgainstCases = "count-against-cases",
        /// A JUnit report without a case.
        NoCases = "no-cases",
        /// Two cases of one name.
        CaseTwice = "case-twice",
        /// A case with more than one result.
        CaseContradicts = "case-contradicts",
        /// What readers of JUnit reports drop or refuse (warning).
        JunitDialect = "junit-dialect",
    }
    Times {
        /// Completed before it started.
        CompletedBeforeStart = "completed-before-start",
        /// A duration more than a second off what the times say.
        DurationAgainstTimes = "duration-against-times",
        /// Steps that add up to more than the whole.
        StepsLongerThanTotal = "steps-longer-than-total",
    }
    Rollback {
        /// SLO_MET against duration and limit.
        SloAgainstDuration = "slo-against-duration",
        /// Success in spite of SLO_MET=false.
        SuccessOverLimit = "success-over-limit",
        /// FAILED_STEP says that the limit was exceeded, and it was not.
        LimitNotExceeded = "limit-not-exceeded",
        /// Not triggered, and there are traces of one.
        NotTriggeredWithTraces = "not-triggered-with-traces",
    }
    Pair {
        /// The files differ in whether a rollback was triggered.
        TriggeredDiffers = "triggered-differs",
        /// The files differ in their environment.
        EnvironmentDiffers = "environment-differs",
        /// One file is of a dry run, the other of a real one.
        DryRunDiffers = "dry-run-differs",
        /// The rollback began before the cutover had ended.
        RollbackBeforeCutoverEnd = "rollback-before-cutover-end",
        /// The files have different run ids.
        OtherRun = "other-run",
    }
    Bundle {
        /// A run's folder that can't be listed.
        BundleUnreadable = "bundle-unreadable",
        /// A run's folder without its manifest, though the run has ended.
        ManifestMissing = "manifest-missing",
        /// A manifest that is none.
        ManifestUnreadable = "manifest-unreadable",
        /// A manifest that says something else than journals and files.
        ManifestDiffers = "manifest-differs",
        /// A path that leaves the folder, is written in no plain way, or is another one's on some machine.
        UnsafePath = "unsafe-path",
        /// A file of the manifest that is not there.
        FileMissing = "file-missing",
        /// A file that the manifest does not have.
        FileAdded = "file-added",
        /// A file that has other contents.
        FileChanged = "file-changed",
        /// A file that is shorter.
        FileTruncated = "file-truncated",
        /// A file that is there under another name.
        FileRenamed = "file-renamed",
        /// A link, a folder, a FIFO or a device where a file was.
        FileReplaced = "file-replaced",
        /// A file that can't be read.
        FileUnreadable = "file-unreadable",
        /// An envelope that can't be read; it signs nothing (warning).
        EnvelopeUnread = "envelope-unread",
    }
    Journal {
        /// A journal that can't be read, or is larger than any.
        JournalUnreadable = "journal-unreadable",
        /// A journal whose chain does not hold.
        JournalBroken = "journal-broken",
        /// A journal whose entries can't all be true.
        JournalContradiction = "journal-contradiction",
        /// A journal with another head than its manifest or the run above it says.
        JournalHead = "journal-head",
        /// A journal in a folder of another name than its run's.
        RunFolder = "run-folder",
        /// A run within the run that is not there.
        RunMissing = "run-missing",
        /// A run within the run that is not as the run above it says.
        RunDiffers = "run-differs",
        /// A run within the run that no other tells of (warning).
        RunUntold = "run-untold",
        /// A file that its journal gives and that is not there.
        EvidenceMissing = "evidence-missing",
        /// A file that says something else than its journal.
        EvidenceDiffers = "evidence-differs",
        /// A file that no journal of the bundle gives.
        EvidenceWithoutJournal = "evidence-without-journal",
        /// A file of a run that is not in the bundle (warning).
        EvidenceOfOtherRun = "evidence-of-other-run",
        /// A file of another cutproof, which says more or less than this one's would.
        OtherTool = "other-tool",
        /// A file of a run within that has no end was not held against its journal (warning).
        NotCompared = "not-compared",
    }
    Runs {
        /// No run of a shard.
        ShardMissing = "shard-missing",
        /// Two runs of one shard.
        ShardTwice = "shard-twice",
        /// A run that is no shard.
        NoShard = "no-shard",
        /// Shards of different commits, profiles, environments, plans, …
        ShardsDiffer = "shards-differ",
        /// A gate that is reported by a shard that it does not belong to.
        GateOfOtherShard = "gate-of-other-shard",
        /// A gate that its shard does not report.
        GateNotReported = "gate-not-reported",
        /// A run's id that can't be a folder's name, or is another's too.
        RunIdUnusable = "run-id-unusable",
        /// None of the runs may count.
        NoRunCounts = "no-run-counts",
        /// The same run in two folders; a warning where they are the same.
        RunTwice = "run-twice",
        /// Runs of two environments.
        MixedEnvironments = "mixed-environments",
        /// Runs of two commits, or of one and of none that is known.
        MixedCommits = "mixed-commits",
        /// Runs of two profiles, or of one and of none.
        MixedProfiles = "mixed-profiles",
        /// One run had a work tree with changes, the other none (warning).
        TreesDiffer = "trees-differ",
        /// The latest run of another verb, which stands beside the one that counts, did not pass.
        RunBesideRed = "run-beside-red",
        /// A later run that can't count has something red.
        LaterRunRed = "later-run-red",
        /// An earlier run failed, and a later one counts (warning).
        EarlierRunFailed = "earlier-run-failed",
        /// A sign-off that can't be read, or not in one way only.
        SignoffUnreadable = "signoff-unreadable",
        /// A sign-off that says NO-GO or INCOMPLETE.
        SignoffNotGo = "signoff-not-go",
        /// A sign-off that says GO and lists what refuses it, or has no run.
        SignoffContradictsItself = "signoff-contradicts-itself",
        /// A sign-off by another policy, or the policy was changed since.
        SignoffOtherPolicy = "signoff-other-policy",
        /// A sign-off, or its policy, whose time is over.
        SignoffExpired = "signoff-expired",
        /// A sign-off for another environment than the cutover's.
        SignoffOtherEnvironment = "signoff-other-environment",
        /// A sign-off of another commit than the work tree's, or one of the two is not known.
        SignoffOtherCommit = "signoff-other-commit",
        /// A sign-off of another profile than the cutover's.
        SignoffOtherProfile = "signoff-other-profile",
        /// The cutover's work tree has changes; a warning where the policy does not ask for a clean one.
        SignoffDirtyTree = "signoff-dirty-tree",
        /// Fewer signatures over a sign-off than must be there.
        SignoffUnsigned = "signoff-unsigned",
        /// A signature beside a sign-off that does not count (warning).
        SignoffSignatureIgnored = "signoff-signature-ignored",
    }
    Signature {
        /// No signature of a given key over the run as it is.
        SignatureMissing = "signature-missing",
        /// A signature that does not verify with the key that it names; a warning where another one counts.
        SignatureBroken = "signature-broken",
        /// A signature of a given key over another manifest; a warning where another one counts.
        SignatureOtherSubject = "signature-other-subject",
        /// A signed result that is not the one that the journal gives; a warning where another one counts.
        StatementDiffers = "statement-differs",
        /// A signed statement that is none, or not of a run (warning).
        StatementUnusable = "statement-unusable",
        /// A file that is no envelope, or one that is not used (warning).
        EnvelopeUnusable = "envelope-unusable",
        /// A signature of none of the given keys (warning).
        SignatureForeign = "signature-foreign",
        /// A second signature of a key (warning).
        SignatureAgain = "signature-again",
    }
    Levels {
        /// One of the ten service levels is not there.
        LevelMissing = "level-missing",
        /// A service level that is there more than once.
        LevelTwice = "level-twice",
        /// A service level that is none of the ten.
        LevelUnknown = "level-unknown",
        /// Another unit than the level's.
        LevelUnit = "level-unit",
        /// A value or a target that there can't be in its unit.
        LevelOutOfRange = "level-out-of-range",
        /// A target that is easier to meet than the contract's (warning).
        LooserTarget = "looser-target",
        /// Healthy against value and target.
        HealthAgainstValue = "health-against-value",
        /// A value that nobody measured, where only measured ones count.
        NotMeasured = "not-measured",
        /// A level that does not say where its value comes from (warning).
        NoOrigin = "no-origin",
        /// overall_healthy against the service levels.
        OverallAgainstLevels = "overall-against-levels",
    }
    Watch {
        /// watch.csv has other samples than watch.json says.
        SeriesCount = "series-count",
        /// The verdict is not the one that the samples give.
        VerdictAgainstSeries = "verdict-against-series",
        /// A plan by which nothing can be judged.
        WatchNotJudgeable = "watch-not-judgeable",
        /// How much shorter the watch was than planned, against the plan.
        CompressionAgainstPlan = "compression-against-plan",
        /// The watch did not pass.
        WatchNotPassed = "watch-not-passed",
    }
    Policy {
        /// A policy whose time is over.
        PolicyExpired = "policy-expired",
        /// A part of another run, handed in without that.
        RunWithin = "run-within",
        /// A run in which something was made to fail.
        FaultOnPurpose = "fault-on-purpose",
        /// Evidence that is later than the moment for which it is judged.
        FromTheFuture = "from-the-future",
        /// A run of another environment than the policy's.
        OtherEnvironment = "other-environment",
        /// A run of another commit than the policy's.
        OtherCommit = "other-commit",
        /// A run of which the commit is not on record, and the policy asks for it or for a clean work tree.
        SourceUnknown = "source-unknown",
        /// A run of a work tree that had changes.
        DirtyTree = "dirty-tree",
        /// A run of another profile than the policy's.
        OtherProfile = "other-profile",
        /// Services that were given by somebody else than the policy allows.
        ProvisionerNotAllowed = "provisioner-not-allowed",
        /// A service that was another product or version than the policy allows.
        ProductNotAllowed = "product-not-allowed",
        /// A service of which no product is on record.
        ProductUnknown = "product-unknown",
        /// A service level that was declared or defaulted.
        LevelNotMeasured = "level-not-measured",
        /// No service level was judged.
        NoLevels = "no-levels",
        /// No watch behind a switch that ended in order.
        WatchMissing = "watch-missing",
        /// A watch that was shorter than the policy asks.
        WatchTooShort = "watch-too-short",
        /// No rollback drill of the same environment, commit and profile.
        DrillMissing = "drill-missing",
        /// The latest rollback drill is too old.
        DrillStale = "drill-stale",
        /// The latest rollback drill did not go well.
        DrillFailed = "drill-failed",
        /// The latest rollback drill took longer than the policy allows.
        DrillTooSlow = "drill-too-slow",
        /// A bundle that may hold a later drill is not all there.
        DrillUnknown = "drill-unknown",
        /// Too few distinct keys of a role signed.
        ThresholdUnmet = "threshold-unmet",
        /// A signature that does not count (warning).
        SignatureIgnored = "signature-ignored",
    }
    Gates {
        /// A gate that is asked for failed, could not be measured, or had no data.
        GateNotPassed = "gate-not-passed",
        /// A gate that is asked for did not run, since one that it needs did not pass.
        GateBlocked = "gate-blocked",
        /// A gate that is asked for did not run.
        GateNotRun = "gate-not-run",
        /// A gate that is asked for, and that the run's plan does not have.
        GateMissing = "gate-missing",
        /// A gate that is asked for, and was measured too long ago.
        GateStale = "gate-stale",
        /// A gate that was measured later than the moment for which it is judged.
        GateFromTheFuture = "gate-from-the-future",
        /// A gate that passed only when it was tried again, where the run, the policy or whoever verifies does not take
        /// that.
        GateFlaky = "gate-flaky",
        /// A gate that nobody asks for is not as it must be (warning).
        GateUnexpected = "gate-unexpected",
        /// A red gate that a waiver lets through (warning).
        GateWaived = "gate-waived",
        /// A waiver of a gate that is not red (warning).
        WaiverUnused = "waiver-unused",
        /// A waiver whose time is over (warning).
        WaiverExpired = "waiver-expired",
        /// A waiver for another commit or another run (warning).
        WaiverOfOther = "waiver-of-other",
    }
}

impl Code {
    /// What it means where it refuses the evidence: which exit code follows.
    pub fn class(self) -> Class {
        match self {
            Code::UnknownProjection | Code::OtherTool => Class::Inconclusive,
            Code::EvidenceNotFound | Code::RunUnfinished | Code::OlderThanSince => Class::Missing,
            Code::ShardMissing => Class::Missing,
            Code::NoRunCounts | Code::SignoffExpired | Code::SignoffUnsigned => Class::Missing,
            Code::ManifestMissing | Code::EvidenceMissing => Class::Missing,
            Code::BundleUnreadable | Code::FileUnreadable | Code::JournalUnreadable => Class::Refused,
            Code::RunFolder => Class::Refused,
            code if matches!(code.group(), Group::Bundle | Group::Journal) => Class::Tampered,
            Code::SignatureMissing => Class::Missing,
            Code::SignatureBroken | Code::SignatureOtherSubject | Code::StatementDiffers => Class::Tampered,
            Code::PolicyExpired | Code::RunWithin | Code::SourceUnknown | Code::ProductUnknown => {
                Class::Missing
            }
            Code::NoLevels | Code::WatchMissing | Code::ThresholdUnmet => Class::Missing,
            Code::DrillMissing | Code::DrillStale | Code::DrillUnknown => Class::Missing,
            Code::GateNotRun | Code::GateMissing | Code::GateStale => Class::Missing,
            _ => Class::Refused,
        }
    }

    /// What it means for whoever reads it, where what must be and what is does not say that.
    pub fn meaning(self) -> Option<&'static str> {
        match self {
            Code::RunUnfinished => Some("the run did not finish: it was killed or still runs"),
            Code::RunInterrupted => Some("the run was interrupted: somebody ended it before it was done"),
            Code::DryRun => Some("a dry run proves nothing about a real one"),
            Code::OtherRun => Some("this is another run's file"),
            Code::NoRunId | Code::OlderThanSince => Some("the file may be left over from another run"),
            Code::NoFinalNewline => Some("the file may be cut off"),
            Code::UnknownProjection | Code::OtherTool => {
                Some("another cutproof wrote it; this is no sign of tampering")
            }
            Code::PartialRun => Some("a run of a selection signs nothing off"),
            Code::RunFolder => Some("a run's folder has the run's name"),
            Code::RunUntold => Some("nothing of it counts"),
            Code::EvidenceOfOtherRun => Some("nothing in the bundle stands behind it"),
            Code::SignatureOtherSubject => Some("what was signed is not what is here"),
            _ => None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_a_name_of_its_own_and_a_row_in_the_docs() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        let docs = include_str!("../../docs/evidence.md");
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
            assert!(docs.contains(&format!("\n| `{name}` |")), "docs/evidence.md has no row for {name}");
        }
    }
}
