//! What a report says, gathered once: the HTML page and its Markdown twin are two ways of writing this down, so that
//! they can't differ. Whatever comes of evidence is [`Said`]: nothing hides in it, it has an end, and it is still not
//! escaped, which is the work of whoever writes it.

pub(super) mod banner;
pub(super) mod charts;
pub(super) mod failures;
pub(super) mod findings;
pub(super) mod gates;
pub(super) mod integrity;
pub(super) mod next;
pub(super) mod runs;
pub(super) mod said;
pub(super) mod series;
pub(super) mod services;
pub(super) mod timeline;

use crate::evidence::RunView;
use crate::verify::Severity;
use crate::verify::bundle::Bundle;
use crate::verify::decision::{JudgedRun, Judgement};
pub(super) use said::{Said, said};

/// Everything that a report says, in the order in which it says it.
#[derive(Debug)]
pub(super) struct Page {
    pub banner: banner::Banner,
    pub next: Vec<next::Advice>,
    pub gates: gates::Gates,
    pub waivers: Vec<gates::Waiver>,
    pub switches: Vec<timeline::Switch>,
    pub watches: Vec<charts::Watch>,
    pub failures: failures::Failures,
    pub services: Vec<services::Service>,
    pub findings: findings::Findings,
    pub integrity: integrity::Integrity,
    pub runs: Vec<runs::Run>,
}

/// What a report is made from.
pub(super) struct Sources<'a> {
    pub judgement: &'a Judgement,
    /// The run that is told of: the one that counts, or the newest where none does.
    pub run: Option<&'a JudgedRun>,
    /// Its bundle, where it was handed in.
    pub bundle: Option<&'a Bundle>,
    /// The journals of that bundle: its own first.
    pub journals: Vec<JournalView<'a>>,
}

/// A journal of the run that is told of, at its place in the bundle's list.
pub(super) struct JournalView<'a> {
    /// What it tells; or where it contradicts itself, in words.
    pub run: Result<RunView<'a>, String>,
}

impl<'a> Sources<'a> {
    pub fn of(judgement: &'a Judgement, bundles: &[&'a Bundle]) -> Sources<'a> {
        let run = judgement.runs.iter().find(|run| run.counts).or(judgement.runs.first());
        let bundle = run.and_then(|run| bundles.iter().copied().find(|bundle| is_of(bundle, run)));
        let journals = bundle.map_or(&[][..], |bundle| &bundle.journals);
        let view = |journal: &'a crate::verify::bundle::Journal| JournalView {
            run: RunView::of(&journal.records).map_err(|contradiction| contradiction.to_string()),
        };
        Sources { judgement, run, bundle, journals: journals.iter().map(view).collect() }
    }

    /// The journals that can be told.
    pub fn views(&self) -> impl Iterator<Item = &RunView<'a>> {
        self.journals.iter().filter_map(|journal| journal.run.as_ref().ok())
    }

    /// The run that counts; none where none does.
    pub fn counting(&self) -> Option<&'a JudgedRun> {
        self.run.filter(|run| run.counts)
    }

    /// Whether the bundle is refused: what it says is then only a claim.
    pub fn is_refused(&self) -> bool {
        self.bundle.is_some_and(|bundle| {
            bundle.findings.iter().any(|finding| finding.severity == Severity::Error)
                || bundle.more.iter().any(|more| more.severity == Severity::Error)
        })
    }
}

fn is_of(bundle: &Bundle, run: &JudgedRun) -> bool {
    bundle.folder.to_string_lossy() == run.folder && bundle.manifest_sha256 == run.manifest_sha256
}

impl Page {
    /// Gathers what is said of a judgement. `bundles` are those that it was made of, in any order.
    pub fn of(judgement: &Judgement, bundles: &[&Bundle]) -> Page {
        let sources = Sources::of(judgement, bundles);
        let failures = failures::gather(&sources);
        Page {
            banner: banner::gather(&sources),
            next: next::gather(&sources),
            gates: gates::gather(&sources),
            waivers: gates::waivers(judgement),
            switches: timeline::gather(&sources),
            watches: charts::gather(&sources),
            failures,
            services: services::gather(&sources),
            findings: findings::gather(judgement),
            integrity: integrity::gather(&sources),
            runs: runs::gather(judgement),
        }
    }
}
