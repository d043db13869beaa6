//! The sections behind the gates and the timeline: failures, services, runs, findings and integrity.

use super::parts::{cell, fold, row, section, status, table};
use super::writer::Html;
use crate::report::page::failures::{Failure, Failures};
use crate::report::page::findings::Findings;
use crate::report::page::integrity::{Head, Integrity, Signature};
use crate::report::page::runs::Run;
use crate::report::page::said::many;
use crate::report::page::services::Service;
use crate::verify::Severity;

pub(super) fn failures(html: &mut Html, failures: &Failures) {
    if failures.is_empty() {
        return;
    }
    section(html, "failures", "What failed", |html| {
        for (name, about, list) in failures.groups() {
            html.element("h3", &[], |html| {
                html.text(name);
                html.leaf("span", &[("class", "word")], list.len());
            });
            html.leaf("p", &[("class", "aside")], about);
            if list.is_empty() {
                html.leaf("p", &[], "Nothing.");
            } else {
                fold(html, &many(list.len(), "failure"), list.len(), |html| {
                    html.element("ul", &[], |html| list.iter().for_each(|one| failure(html, one)));
                });
            }
        }
    });
}

fn failure(html: &mut Html, failure: &Failure) {
    html.newline();
    html.element("li", &[], |html| {
        html.leaf("b", &[], &failure.what);
        html.text(" ");
        html.leaf("span", &[("class", "word")], failure.status);
        html.leaf("div", &[("class", "why")], &failure.why);
        if !failure.at.is_empty() {
            html.leaf("div", &[("class", "aside")], &failure.at);
        }
        if !failure.output.is_empty() {
            html.element("pre", &[], |html| {
                for line in &failure.output {
                    html.text(line);
                    html.text("\n");
                }
            });
        }
    });
}

pub(super) fn services(html: &mut Html, services: &[Service]) {
    if services.is_empty() {
        return;
    }
    section(html, "services", "Services", |html| {
        let heads = ["State", "Service", "Runs", "Real host", "Differs", "Image and identity"];
        table(html, "cards", "What was measured, and what the real host runs", &heads, |html| {
            for service in services {
                service_row(html, service);
            }
        });
    });
}

fn service_row(html: &mut Html, service: &Service) {
    let (mark, class, word) = match (service.there, service.differs.is_empty()) {
        (false, _) => ("✗", "bad", "not there"),
        (true, false) => ("≠", "doubt", "differs"),
        (true, true) => ("✓", "good", "there"),
    };
    row(html, class, |html| {
        status(html, mark, word);
        html.leaf("th", &[("scope", "row")], &service.name);
        cell(html, "Runs", &service.runs);
        cell(html, "Real host", &service.real);
        cell(html, "Differs", &service.differs);
        html.element("td", &[("data-label", "Identity"), ("class", "digest")], |html| {
            for said in
                std::iter::once(&service.image).chain(&service.identity).filter(|said| !said.is_empty())
            {
                html.leaf("div", &[], said);
            }
        });
    });
}

pub(super) fn runs(html: &mut Html, runs: &[Run]) {
    section(html, "runs", "Runs", |html| {
        fold(html, &many(runs.len(), "run"), runs.len(), |html| {
            table(
                html,
                "cards",
                "The runs that were handed in",
                &["", "Run", "Began", "Outcome", "Why"],
                |html| {
                    for run in runs {
                        let (mark, class, word) = match run.counts {
                            true => ("✓", "good", "counts"),
                            false => ("–", "doubt", "discarded"),
                        };
                        row(html, class, |html| {
                            status(html, mark, word);
                            html.element("th", &[("scope", "row")], |html| {
                                html.text(&run.run);
                                html.leaf("div", &[("class", "aside")], &run.folder);
                            });
                            cell(html, "Began", &run.started);
                            cell(html, "Outcome", &run.outcome);
                            cell(html, "Why", &run.why);
                        });
                    }
                },
            );
        });
    });
}

pub(super) fn findings(html: &mut Html, findings: &Findings) {
    if findings.told.is_empty() && findings.counted.is_empty() {
        return;
    }
    section(html, "findings", "Findings", |html| {
        let caption = many(findings.told.len(), "finding");
        fold(html, &caption, findings.told.len(), |html| {
            table(
                html,
                "cards",
                "Everything that verification found",
                &["", "Code", "Where", "What"],
                |html| {
                    for found in &findings.told {
                        let (mark, class) = of_severity(found.severity);
                        row(html, class, |html| {
                            status(html, mark, found.severity.as_str());
                            html.element("th", &[("scope", "row")], |html| {
                                html.text(found.code);
                                html.leaf("div", &[("class", "aside")], found.evidence);
                            });
                            cell(html, "Where", &found.place);
                            cell(html, "What", &found.sentence);
                        });
                    }
                },
            );
        });
        for (code, severity, count) in &findings.counted {
            html.leaf("p", &[], format_args!("{count} more of {code} ({}).", severity.as_str()));
        }
    });
}

fn of_severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Error => ("✗", "bad"),
        Severity::Warning => ("!", "doubt"),
    }
}

pub(super) fn integrity(html: &mut Html, integrity: &Integrity) {
    section(html, "integrity", "Integrity", |html| {
        html.leaf("p", &[], "This judges it all again, from the files:");
        html.leaf("pre", &[("class", "command")], &integrity.command);
        html.element("div", &[("class", "digests")], |html| super::facts(html, &integrity.facts));
        if !integrity.signatures.is_empty() {
            table(html, "cards", "Signatures that count", &["Name", "Role", "Key", "Signed"], |html| {
                integrity.signatures.iter().for_each(|one| signature(html, one));
            });
        }
        if !integrity.journals.is_empty() {
            fold(html, &many(integrity.journals.len(), "journal"), integrity.journals.len(), |html| {
                let heads = ["Journal", "Entries", "Digest of the last entry"];
                table(html, "cards", "Journals and their heads", &heads, |html| {
                    integrity.journals.iter().for_each(|one| head(html, one));
                });
            });
        }
    });
}

fn signature(html: &mut Html, signature: &Signature) {
    row(html, "", |html| {
        html.leaf("th", &[("scope", "row")], &signature.name);
        cell(html, "Role", &signature.role);
        html.leaf("td", &[("data-label", "Key"), ("class", "digest")], &signature.key);
        cell(html, "Signed", &signature.signed);
    });
}

fn head(html: &mut Html, head: &Head) {
    row(html, if head.fault.is_empty() { "" } else { "bad" }, |html| {
        html.element("th", &[("scope", "row")], |html| {
            html.text(&head.path);
            if !head.fault.is_empty() {
                html.leaf("div", &[("class", "why")], &head.fault);
            }
        });
        cell(html, "Entries", head.entries);
        html.leaf("td", &[("data-label", "Head"), ("class", "digest")], &head.head);
    });
}
