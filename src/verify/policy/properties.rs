//! What must hold of any bundle and any policy: leaving something out never makes a refusal an acceptance, asking for
//! more never makes a decision better, and a waiver never helps another gate.

use super::sample::*;
use crate::bundle::{self, MANIFEST_FILE};
use crate::evidence::sample::Sample;
use crate::evidence::{RunView, documents, sample_switch};
use crate::journal::{self, read_from, written};
use crate::model::Verdict;
use crate::policy::{Policy, tests::pem_of};
use crate::sign::{Algorithm, Envelope, PrivateKey, Statement};
use crate::verify::bundle::{Bundle, open};
use crate::verify::decision::{Decision, GateStatus};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Two keys that the policies trust as runners.
static KEYS: LazyLock<[PrivateKey; 2]> = LazyLock::new(|| {
    [Algorithm::Ed25519, Algorithm::EcdsaP256].map(|kind| PrivateKey::generate(kind).unwrap())
});

/// A gate of a run: its verdict, whether it is required, whether it has the tag, and how often it was tried.
type Made = (Verdict, bool, bool, u32);

fn made() -> impl Strategy<Value = Made> {
    let verdict = prop_oneof![6 => Just(Verdict::Passed), 1 => Just(Verdict::Failed), 1 => Just(Verdict::Error), 1 => Just(Verdict::Skipped)];
    (verdict, any::<bool>(), any::<bool>(), prop_oneof![4 => Just(1u32), 1 => Just(2)])
}

/// Gates of which most are green, so that a single one decides.
fn green() -> impl Strategy<Value = Vec<Made>> {
    let verdict = prop_oneof![12 => Just(Verdict::Passed), 1 => Just(Verdict::Failed)];
    prop::collection::vec((verdict, any::<bool>(), any::<bool>(), Just(1u32)), 2..=3)
}

fn gates() -> impl Strategy<Value = Vec<Made>> {
    prop::collection::vec(made(), 2..=4)
}

fn sample(gates: &[Made]) -> Sample {
    let plan = NAMES.iter().zip(gates).map(|(name, (_, required, tag, _))| {
        planned(name, *required, &[], if *tag { &["flow"] } else { &[] })
    });
    let mut sample = Sample::new(plan.collect());
    sample.started.verb = "gates-run".to_owned();
    sample.event(source(false));
    for (name, (verdict, _, _, attempts)) in NAMES.iter().zip(gates) {
        if *verdict != Verdict::Skipped {
            sample.begin(name);
            (1..*attempts).for_each(|attempt| {
                sample.again(name, attempt);
            });
        }
        let reason = if *verdict == Verdict::Passed { "" } else { "expected 1, seen 2" };
        sample.end_with(name, *verdict, reason, |ended| {
            if *verdict != Verdict::Skipped {
                ended.attempts = *attempts;
            }
        });
    }
    sample.done();
    sample
}

/// Rules of a policy, each a text of its own, for runs with the first two gates at least.
fn rules() -> impl Strategy<Value = Vec<String>> {
    let waiver = |gate: &str, expires: &str| {
        let bound = format!("commit = \"{COMMIT}\"");
        format!(
            "[[waiver]]\ngate = \"{gate}\"\nreason = \"x\"\napprover = \"y\"\nexpires = \"{expires}\"\n{bound}\n"
        )
    };
    let all = vec![
        "[[require]]\ngate = \"a\"\nmax_age = \"30m\"\n".to_owned(),
        "[[require]]\ngate = \"b\"\n".to_owned(),
        "[[require]]\nphase = \"infra\"\nmax_age = \"2h\"\n".to_owned(),
        "[[require]]\nrequired = true\nmax_age = \"50m\"\n".to_owned(),
        "[[threshold]]\nrole = \"runner\"\ncount = 1\n".to_owned(),
        waiver("a", "2026-11-22T20:30:00Z"),
        waiver("b", "2026-11-23T20:30:00Z"),
    ];
    let count = all.len();
    prop::sample::subsequence(all, 0..=count)
}

/// What is asked of the run itself, a line each.
fn asked() -> impl Strategy<Value = Vec<&'static str>> {
    let all = vec![
        "no_flaky = true",
        "clean_tree = true",
        "environment = \"single-host-ubuntu\"",
        "provisioners = [\"attach\"]",
        "measured_only = true",
        "rollback_drill = { max_age = \"2h\" }",
        "min_watch = \"1s\"",
    ];
    prop::sample::subsequence(all, 0..=3)
}

fn policy_of(rules: &[String], asked: &[&str]) -> Policy {
    let keys = KEYS.iter().enumerate().map(|(number, key)| {
        let pem = pem_of(key);
        format!("[[key]]\nname = \"key {number}\"\nroles = [\"runner\"]\npem = \"\"\"\n{pem}\"\"\"\n")
    });
    let keys: String = keys.collect();
    policy(&format!("[runs]\n{}\n{keys}{}", asked.join("\n"), rules.concat()))
}

/// Writes a run's folder as runs do, sealed, with as many signatures.
fn write(folder: &Path, sample: &Sample, signatures: usize) {
    fs::create_dir_all(folder.join(bundle::SIGNATURES)).unwrap();
    let text = written(sample.records().entries.into_iter().map(|record| (record.at, record.event)));
    fs::write(folder.join(journal::FILE), &text).unwrap();
    let records = read_from(&*text).unwrap();
    for document in documents(&RunView::of(&records).unwrap()).unwrap() {
        fs::write(folder.join(&document.name), &document.bytes).unwrap();
    }
    bundle::seal(folder).unwrap();
    let manifest = fs::read_to_string(folder.join(MANIFEST_FILE)).unwrap();
    let statement = Statement::approval(MANIFEST_FILE, &crate::policy::digest(&manifest), "runner");
    for (number, key) in KEYS.iter().take(signatures).enumerate() {
        let path = folder.join(bundle::SIGNATURES).join(format!("{number}.dsse.json"));
        fs::write(path, Envelope::sign(&statement, &[key]).unwrap().to_json()).unwrap();
    }
}

/// Every file of a folder, by path; its manifest and its signatures too.
fn all_files(folder: &Path) -> Vec<String> {
    let mut files: Vec<String> = bundle::walk(folder).unwrap().into_iter().map(|found| found.path).collect();
    files.push(MANIFEST_FILE.to_owned());
    let signatures = fs::read_dir(folder.join(bundle::SIGNATURES)).unwrap();
    let name =
        |entry: fs::DirEntry| format!("{}/{}", bundle::SIGNATURES, entry.file_name().to_string_lossy());
    files.extend(signatures.map(|entry| name(entry.unwrap())));
    files.sort();
    files
}

/// None where the policy is not for this run.
fn decide(bundles: &[Bundle], policy: &Policy) -> Option<Decision> {
    super::judge(bundles, 0, policy, minutes(40)).ok().map(|judgement| judgement.decision)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn dropping_files_or_signatures_never_turns_a_refusal_into_an_acceptance(
        gates in gates(), rules in rules(), asked in asked(), signatures in 0usize..=2,
        drops in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let root = tempfile::tempdir().unwrap();
        let sample = sample(&gates);
        let folder = root.path().join(sample.started.run.as_str());
        write(&folder, &sample, signatures);
        let policy = policy_of(&rules, &asked);
        let before = decide(&[open(&folder)], &policy).unwrap();
        let files = all_files(&folder);
        let mut listed = false;
        for drop in drops {
            let file = &files[drop.index(files.len())];
            listed |= !file.starts_with(bundle::SIGNATURES);
            let _ = fs::remove_file(folder.join(file));
            let after = decide(&[open(&folder)], &policy);
            prop_assert!(before.is_go() || !after.is_some_and(Decision::is_go), "without {}: {:?}", file, after);
            prop_assert!(!listed || !after.is_some_and(Decision::is_go), "without {}: {:?}", file, after);
        }
    }
}

/// A bundle of a drill that went well, or of one that failed later.
fn drilled(number: usize, good: bool) -> Bundle {
    let mut sample = if good { sample_switch::drill() } else { sample_switch::failed_step() };
    sample.plan().force_rollback = true;
    sample.events.insert(0, source(false));
    sample.pauses.insert(1, 60_000 * (number as i64 + 1));
    bundle_of(&format!("evidence/drill-{number}"), &[("", &sample)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn dropping_journals_and_signatures_of_several_runs_never_helps(
        gates in green(), within in green(), rules in rules(), asked in prop::sample::subsequence(vec!["clean_tree = true", "rollback_drill = { max_age = \"2h\" }"], 0..=2), drills in prop::collection::vec(any::<bool>(), 0..4),
        signatures in 0usize..=2, drop in any::<prop::sample::Index>(), journal in any::<prop::sample::Index>(), envelope: bool,
    ) {
        let make = || {
            let (own, mut child) = (sample(&gates), sample(&within));
            child.started.parent = Some(own.started.run.clone());
            let mut counting = bundle_of("evidence/run", &[("", &own), ("runs/x/", &child)]);
            KEYS.iter().take(signatures).for_each(|key| sign(&mut counting, "runner", key));
            let others = drills.iter().enumerate().map(|(number, good)| drilled(number, *good));
            std::iter::once(counting).chain(others).collect::<Vec<_>>()
        };
        let policy = policy_of(&rules, &asked);
        let before = decide(&make(), &policy).unwrap();
        let mut bundles = make();
        let place = drop.index(bundles.len());
        let bundle = &mut bundles[place];
        if envelope && !bundle.envelopes.is_empty() {
            bundle.envelopes.remove(journal.index(bundle.envelopes.len()));
        } else {
            bundle.journals.remove(journal.index(bundle.journals.len()));
        }
        let after = decide(&bundles, &policy);
        prop_assert!(before.is_go() || !after.is_some_and(Decision::is_go), "{:?} {:?}", before, after);
    }

    #[test]
    fn asking_for_more_never_makes_a_decision_better(
        gates in gates(), rules in rules(), more in rules(), asked in asked(), also in asked(), signatures in 0usize..=2,
        drills in prop::collection::vec(any::<bool>(), 0..3),
    ) {
        let mut counting = super::sample::bundle(&sample(&gates));
        KEYS.iter().take(signatures).for_each(|key| sign(&mut counting, "runner", key));
        let mut bundles = vec![counting];
        bundles.extend(drills.iter().enumerate().map(|(number, good)| drilled(number, *good)));
        let is_waiver = |rule: &&String| rule.starts_with("[[waiver]]");
        // Rules are added and waivers taken away.
        let added = more.iter().filter(|rule| !is_waiver(rule) && !rules.contains(rule));
        let kept = rules.iter().filter(|rule| !is_waiver(rule) || more.contains(rule));
        let tighter: Vec<String> = kept.chain(added).cloned().collect();
        let all: Vec<&str> = asked.iter().chain(also.iter().filter(|line| !asked.contains(line))).copied().collect();
        let loose = decide(&bundles, &policy_of(&rules, &asked)).unwrap();
        let tight = decide(&bundles, &policy_of(&tighter, &all)).unwrap();
        prop_assert!(tight >= loose, "{loose:?} became {tight:?}");
    }

    #[test]
    fn a_waiver_changes_nothing_of_other_gates(gates in gates(), rules in rules()) {
        let judged = |rules: &[String]| {
            let bundles = [super::sample::bundle(&sample(&gates))];
            super::judge(&bundles, 0, &policy_of(rules, &[]), minutes(40)).unwrap()
        };
        let without: Vec<String> = rules.iter().filter(|rule| !rule.starts_with("[[waiver]]")).cloned().collect();
        let (with, without) = (judged(&rules), judged(&without));
        for (row, plain) in with.gates.iter().zip(&without.gates) {
            prop_assert_eq!(&row.gate, &plain.gate);
            let named = with.waivers.iter().any(|waiver| waiver.gate == row.gate);
            prop_assert!(named || row == plain, "{row:?} {plain:?}");
            prop_assert_eq!(row.verdict, plain.verdict);
            prop_assert!(row.status != GateStatus::Waived || plain.required);
        }
        prop_assert!(with.decision != Decision::Go || without.decision == Decision::Go);
    }

    #[test]
    fn what_is_a_go_stays_one_until_it_says(gates in gates(), rules in rules()) {
        let bundles = [super::sample::bundle(&sample(&gates))];
        let policy = policy_of(&rules, &[]);
        let judged = |at| super::judge(&bundles, 0, &policy, at).unwrap();
        let now = judged(minutes(20));
        let Some((until, _)) = now.valid_until else { return Ok(()) };
        prop_assert!(judged(until.max(minutes(20)).plus(std::time::Duration::from_millis(1))).decision > now.decision);
        let before = crate::model::Stamp::from_millis(until.millis() - 1);
        prop_assert!(before < minutes(20) || judged(before).decision == now.decision);
    }
}
