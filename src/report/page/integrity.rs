//! What the evidence is made of, by digest, and the command that judges it all again.

use super::banner::Fact;
use super::said::{PATH, REASON, VALUE, many, moment};
use super::{Said, Sources, said};
use crate::model::event::FileDigest;
use crate::policy::Policy;
use crate::verify::decision::Judgement;

/// Digests, heads and signatures.
#[derive(Debug)]
pub(in crate::report) struct Integrity {
    pub facts: Vec<Fact>,
    pub journals: Vec<Head>,
    pub signatures: Vec<Signature>,
    /// The command that judges the same runs by the same policy for the same moment.
    pub command: Said,
}

/// A journal's last entry.
#[derive(Debug)]
pub(in crate::report) struct Head {
    pub path: Said,
    pub entries: usize,
    pub head: Said,
    /// Where it can't be told, why.
    pub fault: Said,
}

/// A signature that counts.
#[derive(Debug)]
pub(in crate::report) struct Signature {
    pub name: Said,
    pub role: Said,
    pub key: Said,
    pub signed: Said,
}

pub(super) fn gather(sources: &Sources<'_>) -> Integrity {
    let judgement = sources.judgement;
    let signature = |signer: &crate::verify::decision::Signer| Signature {
        name: said(&signer.name, VALUE),
        role: said(&signer.role, VALUE),
        key: said(&signer.key, VALUE),
        signed: said(&signer.signed, PATH),
    };
    Integrity {
        facts: facts(sources),
        journals: journals(sources),
        signatures: judgement.signers.iter().map(signature).collect(),
        command: command(judgement),
    }
}

fn facts(sources: &Sources<'_>) -> Vec<Fact> {
    let judgement = sources.judgement;
    let mut facts = vec![match sources.run.and_then(|run| run.manifest_sha256.as_deref()) {
        Some(digest) => Fact::new("Manifest", said(digest, VALUE), "SHA-256"),
        None => Fact::none("Manifest", "none"),
    }];
    let digest = |name, of: &FileDigest| Fact {
        name,
        said: vec![said(&of.path, PATH), said(&of.sha256, VALUE)],
        remark: String::new(),
    };
    facts.push(digest("Policy", &judgement.policy));
    facts.extend(judgement.profile.as_ref().map(|profile| digest("Profile", profile)));
    let Some(manifest) = sources.bundle.and_then(|bundle| bundle.manifest.as_ref()) else { return facts };
    facts.extend(manifest.templates.iter().take(8).map(|template| digest("Template", template)));
    let tool = &manifest.tool;
    let mut by = vec![said(format!("cutproof {}", tool.version), VALUE)];
    by.extend(tool.sha256.as_ref().map(|digest| said(digest, VALUE)));
    facts.push(Fact { name: "Written by", said: by, remark: String::new() });
    let on = format!("{} ({})", manifest.host, manifest.provisioner);
    let ended = manifest.completed.map_or("no end".to_owned(), |at| format!("ended {}", moment(at)));
    facts.push(Fact::new("Ran on", said(on, VALUE), format!("began {}, {ended}", moment(manifest.started))));
    let bytes: u64 = manifest.files.iter().fold(0, |sum, file| sum.saturating_add(file.size));
    facts.push(Fact::none("Files", format!("{}, {bytes} bytes", many(manifest.files.len(), "file"))));
    if let Some(source) = manifest.source.as_ref().filter(|source| source.dirty) {
        let changed = source.changed.iter().take(8).map(|path| said(path, PATH)).collect();
        facts.push(Fact { name: "Changed since the commit", said: changed, remark: String::new() });
    }
    facts
}

fn journals(sources: &Sources<'_>) -> Vec<Head> {
    let manifest = sources.bundle.and_then(|bundle| bundle.manifest.as_ref());
    let journals = sources.bundle.map_or(&[][..], |bundle| &bundle.journals);
    let head = |(journal, view): (&crate::verify::bundle::Journal, &super::JournalView<'_>)| Head {
        path: said(&journal.path, PATH),
        entries: journal.records.entries.len(),
        head: said(journal.records.head.to_string(), VALUE),
        fault: said(view.run.as_ref().err().map_or("", String::as_str), REASON),
    };
    let mut heads: Vec<_> = journals.iter().zip(&sources.journals).map(head).collect();
    let unread = manifest.map_or(&[][..], |manifest| &manifest.journals).iter();
    let unread = unread.filter(|listed| !journals.iter().any(|journal| journal.path == listed.path));
    heads.extend(unread.map(|listed| Head {
        path: said(&listed.path, PATH),
        entries: listed.entries,
        head: said(&listed.head, VALUE),
        fault: said("could not be read, or its chain does not hold", VALUE),
    }));
    heads
}

/// The command line, quoted for a shell.
fn command(judgement: &Judgement) -> Said {
    let mut words = vec!["cutproof".to_owned(), "report".to_owned()];
    words.extend(judgement.runs.iter().map(|run| quoted(&run.folder)));
    if judgement.policy.path != Policy::built_in().path {
        words.extend(["--policy".to_owned(), quoted(&judgement.policy.path)]);
    }
    words.extend(["--at".to_owned(), judgement.at.to_string()]);
    said(words.join(" "), 4 * PATH)
}

/// A word of a shell's command line that stands for itself, whatever it holds.
fn quoted(word: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':' | '+' | ',' | '=');
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    let path = if word.starts_with('-') { format!("./{word}") } else { word.to_owned() };
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stands_for_itself_in_a_shell() {
        assert_eq!(
            quoted("evidence/20261122T194103Z-rehearse-4f7k2q"),
            "evidence/20261122T194103Z-rehearse-4f7k2q"
        );
        assert_eq!(quoted("a b'; rm -rf $HOME"), r"'a b'\''; rm -rf $HOME'");
        assert_eq!(quoted("-x"), "'./-x'");
        assert_eq!(quoted(""), "''");
    }
}
