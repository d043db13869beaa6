//! Every file that a journal gives against that journal, by meaning; and copies of such files elsewhere in the folder,
//! which steps make for each other.

use super::files::{Present, Seen};
use super::journals::View;
use super::{Checks, LARGEST_EVIDENCE, kind_of, run_folder};
use crate::bundle::{Role, role_and_type};
use crate::evidence::{self, Document, ENV_VERSION};
use crate::journal::{Digest, End};
use crate::verify::code::Code;
use crate::verify::finding::{Evidence, Place};
use crate::verify::meaning::{Difference, Form, Origin, differences, origin};
use std::collections::{BTreeMap, BTreeSet};

/// The version of this cutproof, as journals have it.
const TOOL: &str = env!("CARGO_PKG_VERSION");

/// The largest file that is looked at for what it says it is, in bytes. Copies of evidence are far smaller.
const LARGEST_COPY: u64 = 4 << 20;

/// A file that a journal gives.
struct Given {
    path: String,
    /// The run and its tool.
    run: String,
    tool: String,
    /// Whether the run has an end.
    ended: bool,
    sha256: String,
    origin: Origin,
    document: Document,
}

pub(super) fn compare(checks: &mut Checks<'_>, seen: &Seen, views: &[View<'_>]) {
    let mut given = Vec::new();
    for view in views {
        match evidence::documents(&view.run) {
            Ok(documents) => given.extend(documents.into_iter().map(|document| self::given(view, document))),
            Err(error) => {
                let at = checks.at(Evidence::Journal, view.path, "what it gives");
                checks.refuse(Code::JournalContradiction, at, "evidence", error.to_string());
            }
        }
    }
    for file in &given {
        own(checks, seen, file);
    }
    copies(checks, seen, &given);
}

fn given(view: &View<'_>, document: Document) -> Given {
    let text = std::str::from_utf8(&document.bytes).unwrap_or_default();
    let form = Form::of(&document.name);
    Given {
        path: format!("{}{}", run_folder(view.path), document.name),
        run: view.run.started.run.as_str().to_owned(),
        tool: view.run.started.tool.clone(),
        ended: view.run.end == End::Finished,
        sha256: Digest::of(&document.bytes).to_string(),
        origin: form.map(|form| origin(form, text)).unwrap_or_default(),
        document,
    }
}

/// The file in the run's own folder.
fn own(checks: &mut Checks<'_>, seen: &Seen, given: &Given) {
    match seen.get(&given.path) {
        Some(there) if there.sound.as_ref() == Some(&given.sha256) => {}
        Some(_) => by_meaning(checks, &given.path, given),
        // Whoever wrote its files was ended too.
        None if !given.ended => {}
        None if checks.is_told(&given.path) => {}
        None => {
            let at = checks.at(kind_of(&given.path), &given.path, "the file");
            checks.refuse(Code::EvidenceMissing, at, "there, as its journal gives it", "nothing");
        }
    }
}

fn by_meaning(checks: &mut Checks<'_>, path: &str, given: &Given) {
    let kind = kind_of(path);
    if !given.ended {
        // That it has no end is told where it matters; what it wrote last may be older than its journal.
        let at = checks.at(kind, path, "the file of a run without an end");
        checks.found.warn(
            Code::NotCompared,
            at,
            "as its journal says",
            "not known: it may be older than that",
        );
        return;
    }
    let Some(seen) = text(checks, path, LARGEST_EVIDENCE) else { return };
    let (Some(form), Ok(expected)) = (Form::of(path), std::str::from_utf8(&given.document.bytes)) else {
        return;
    };
    let is = origin(form, &seen);
    if is.projection == given.origin.projection && is.version != given.origin.version && is.version.is_some()
    {
        let at = checks.at(kind, path, "the projection's version");
        let advice = "use the cutproof that wrote it";
        let (must, is) = (given.origin.version.clone(), is.version);
        let (must, is) = (must.unwrap_or_else(|| ENV_VERSION.to_string()), is.unwrap_or_default());
        checks.found.refuse_and_advise(Code::UnknownProjection, at, must, is, advice);
        return;
    }
    for difference in differences(form, expected, &seen) {
        tell(checks, checks.at(kind, path, difference.subject.clone()), difference, form, given);
    }
}

/// Another version of cutproof may say more or less than this one, and tell CI in other words; what both say must be
/// the same.
fn tell(checks: &mut Checks<'_>, at: Place, difference: Difference, form: Form, given: &Given) {
    let at = difference.line.map_or(at.clone(), |line| at.line(line));
    let other_tool = given.tool != TOOL && (difference.only_form || form == Form::Xml);
    let expected = format!("{}, as the journal of {} says", difference.expected, given.run);
    if other_tool {
        let advice = format!("cutproof {} wrote it, and this is {TOOL}: use that one", given.tool);
        checks.found.refuse_and_advise(Code::OtherTool, at, expected, difference.seen, advice);
    } else {
        checks.refuse(Code::EvidenceDiffers, at, expected, difference.seen);
    }
}

/// Other files of known forms. A copy says what the journal of its run says; what says that it is evidence of a run and
/// stands where evidence stands must be given by a journal of this bundle.
fn copies(checks: &mut Checks<'_>, seen: &Seen, given: &[Given]) {
    let by_digest: BTreeSet<&str> = given.iter().map(|given| given.sha256.as_str()).collect();
    let by_path: BTreeMap<&str, &Given> = given.iter().map(|given| (given.path.as_str(), given)).collect();
    for (path, there) in seen.files() {
        let known = there.sound.as_deref().is_some_and(|sha256| by_digest.contains(sha256));
        if known || by_path.contains_key(path) {
            continue;
        }
        let role = role_and_type(path).0;
        if matches!(role, Role::Journal | Role::Manifest) {
            continue;
        }
        let is_evidence = role == Role::Projection;
        let Some(origin) = said(checks, path, there, is_evidence) else { continue };
        let same = |given: &&Given| {
            Some(&given.run) == origin.run.as_ref() && given.origin.projection == origin.projection
        };
        match given.iter().find(same) {
            Some(given) => by_meaning(checks, path, given),
            None if is_evidence => {
                let at = checks.at(kind_of(path), path, "the file");
                let seen = origin.run.map_or("one of no run".to_owned(), |run| format!("one of {run}"));
                checks.refuse(Code::EvidenceWithoutJournal, at, "given by a journal of this bundle", seen);
            }
            None => {
                let at = checks.at(kind_of(path), path, "the file");
                let seen = origin.run.unwrap_or_default();
                checks.found.warn(
                    Code::EvidenceOfOtherRun,
                    at,
                    "of a run of this bundle",
                    format!("of {seen}"),
                );
            }
        }
    }
}

/// What a file says it is; none where it says nothing of the kind and need not.
fn said(checks: &mut Checks<'_>, path: &str, there: &Present, is_evidence: bool) -> Option<Origin> {
    let form = Form::of(path)?;
    if !is_evidence && (there.size > LARGEST_COPY || matches!(form, Form::Csv | Form::Xml)) {
        return None;
    }
    let bytes = checks.bytes(path, LARGEST_COPY).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let origin = origin(form, &text);
    let says = origin.projection.is_some() && origin.run.is_some();
    (is_evidence || says).then_some(origin)
}

/// A file's text; where it has none, that is told, unless the file is not even what the manifest says.
fn text(checks: &mut Checks<'_>, path: &str, most: u64) -> Option<String> {
    let why = match checks.bytes(path, most) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Some(text),
            Err(_) => "it is not UTF-8".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    let at = checks.at(kind_of(path), path, "the file");
    checks.refuse(Code::EvidenceDiffers, at, "a text as its journal gives it", why);
    None
}
