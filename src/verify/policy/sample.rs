//! Bundles for the tests of policies, in memory: the journals of samples, and the manifest that describes them.

use crate::bundle::describe;
use crate::evidence::RunView;
use crate::evidence::sample::{Sample, gate, id};
use crate::journal::Digest;
use crate::model::event::{Provenance, Source};
use crate::model::{Event, Gate, Stamp, Verdict};
use crate::policy::{self, Policy};
use crate::sign::{Envelope, PrivateKey, Statement};
use crate::verify::bundle::{Bundle, Journal};
use crate::verify::code::Code;
use crate::verify::decision::Judgement;
use crate::verify::finding::Severity;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// When the samples began.
pub const BEGAN: i64 = 1_795_376_463_120;

/// So many minutes after the samples began.
pub fn minutes(minutes: i64) -> Stamp {
    Stamp::from_millis(BEGAN + 60_000 * minutes)
}

pub fn policy(text: &str) -> Policy {
    policy::parse("p.toml", &format!("name = \"x\"\n{text}")).unwrap_or_else(|faults| panic!("{faults}"))
}

pub fn source(dirty: bool) -> Event {
    let source = Source { commit: COMMIT.to_owned(), dirty, changed: Vec::new() };
    Event::Provenance(Box::new(Provenance { source: Some(source), ..Provenance::default() }))
}

/// A gate of a plan.
pub fn planned(name: &str, required: bool, needs: &[&str], tags: &[&str]) -> Gate {
    Gate {
        required,
        needs: needs.iter().map(|need| id(need)).collect(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..gate(name, "redis_ping")
    }
}

/// A run of gates that all are required, from a clean commit.
pub fn run(gates: &[(&str, Verdict)]) -> Sample {
    let plan = gates.iter().map(|(name, _)| planned(name, true, &[], &[])).collect();
    run_of(plan, gates)
}

pub fn run_of(plan: Vec<Gate>, gates: &[(&str, Verdict)]) -> Sample {
    let mut sample = Sample::new(plan);
    sample.started.verb = "gates-run".to_owned();
    sample.event(source(false));
    for (name, verdict) in gates {
        if *verdict != Verdict::Skipped {
            sample.begin(name);
        }
        sample.end(name, *verdict, if *verdict == Verdict::Passed { "" } else { "expected 1, seen 2" });
    }
    sample.done();
    sample
}

/// The bundle of a run and of those within it, by the paths of their folders.
pub fn bundle_of(folder: &str, samples: &[(&str, &Sample)]) -> Bundle {
    let journal = |(within, sample): &(&str, &Sample)| {
        let path = format!("{within}{}", crate::journal::FILE);
        let mut records = sample.records();
        records.head = Digest::of(format!("{folder} {path} {}", records.entries.len()).as_bytes());
        Journal { path, records }
    };
    let journals: Vec<Journal> = samples.iter().map(journal).collect();
    let views: Vec<_> = journals.iter().map(|journal| RunView::of(&journal.records).unwrap()).collect();
    let named: Vec<_> = journals.iter().map(|journal| journal.path.clone()).zip(&views).collect();
    let manifest = describe(&named, Vec::new());
    let sha256 = policy::digest(&String::from_utf8(manifest.to_bytes().unwrap()).unwrap());
    Bundle {
        folder: folder.into(),
        manifest: Some(manifest),
        manifest_sha256: Some(sha256),
        journals,
        envelopes: Vec::new(),
        findings: Vec::new(),
        more: Vec::new(),
    }
}

pub fn bundle(sample: &Sample) -> Bundle {
    bundle_of("evidence/run", &[("", sample)])
}

/// Signs a bundle as somebody who stands for it.
pub fn sign(bundle: &mut Bundle, role: &str, key: &PrivateKey) {
    let statement = Statement::approval("manifest.json", bundle.manifest_sha256.as_ref().unwrap(), role);
    let envelope = Envelope::sign(&statement, &[key]).unwrap();
    let name = format!("signatures/{}.dsse.json", bundle.envelopes.len());
    bundle.envelopes.push((name, envelope.to_json()));
}

/// The bundle judged an hour after it began.
pub fn judged(bundle: Bundle, policy: &Policy) -> Judgement {
    judge_at(&[bundle], policy, minutes(60))
}

pub fn judge_at(bundles: &[Bundle], policy: &Policy, at: Stamp) -> Judgement {
    super::judge(bundles, 0, policy, at).unwrap_or_else(|bad| panic!("{bad}"))
}

/// The codes of what refuses, each once, in the order of the codes.
pub fn errors(judgement: &Judgement) -> Vec<&'static str> {
    codes(judgement, Severity::Error)
}

pub fn warnings(judgement: &Judgement) -> Vec<&'static str> {
    codes(judgement, Severity::Warning)
}

fn codes(judgement: &Judgement, severity: Severity) -> Vec<&'static str> {
    let told = judgement.findings.iter().filter(|finding| finding.severity == severity);
    let codes: std::collections::BTreeSet<Code> = told.map(|finding| finding.code).collect();
    codes.into_iter().map(Code::as_str).collect()
}
