//! What the run that counts was made of: environment, commit, profile, services, service levels, watch.

use super::runs::{Run, View};
use super::{rule, stands};
use crate::evidence::{ServiceState, slis};
use crate::model::{Origin, Product, Stamp};
use crate::policy::{Policy, ProductRule, Requirements};
use crate::verify::code::Code;
use crate::verify::finding::Findings;
use std::time::Duration;

pub(super) fn check(run: &Run<'_>, policy: &Policy, at: Stamp, found: &mut Findings) {
    let requires = &policy.requires;
    for top in run.tops() {
        told_after(run, top, at, found);
        environment(run, top, requires, found);
        profile(run, top, requires, found);
        provisioner(run, top, requires, found);
    }
    source(run, requires, found);
    for product in &requires.products {
        services(run, product, found);
    }
    if requires.measured_only {
        levels(run, found);
    }
    if let Some(least) = requires.min_watch {
        watch(run, least, found);
    }
}

/// Evidence is older than the moment for which it is judged.
fn told_after(run: &Run<'_>, top: &View<'_>, at: Stamp, found: &mut Findings) {
    if top.run.last > at {
        let advice = "judge it for a later moment; or a clock was wrong";
        let (expected, seen) = (format!("not later than {at}"), top.run.last.to_string());
        found.refuse_and_advise(
            Code::FromTheFuture,
            run.at(top, "the run's last entry"),
            expected,
            seen,
            advice,
        );
    }
}

fn environment(run: &Run<'_>, top: &View<'_>, requires: &Requirements, found: &mut Findings) {
    let seen = &top.run.started.environment;
    if let Some(expected) = requires.environment.as_ref().filter(|expected| *expected != seen) {
        found.refuse(Code::OtherEnvironment, run.at(top, "the environment").line(1), expected, seen);
    }
}

fn profile(run: &Run<'_>, top: &View<'_>, requires: &Requirements, found: &mut Findings) {
    let Some(expected) = &requires.profile_sha256 else { return };
    let profile = top.run.started.profile.as_ref();
    if profile.is_none_or(|profile| profile.sha256 != *expected) {
        let seen = profile
            .map_or_else(|| "none".to_owned(), |profile| format!("{} ({})", profile.sha256, profile.path));
        found.refuse(Code::OtherProfile, run.at(top, "the profile's SHA-256").line(1), expected, seen);
    }
}

fn provisioner(run: &Run<'_>, top: &View<'_>, requires: &Requirements, found: &mut Findings) {
    let (allowed, seen) = (&requires.provisioners, &top.run.started.provisioner);
    if !allowed.is_empty() && !allowed.contains(seen) {
        let expected = format!("services that {} gives", allowed.join(" or "));
        found.refuse(Code::ProvisionerNotAllowed, run.at(top, "the provisioner").line(1), expected, seen);
    }
}

fn source(run: &Run<'_>, requires: &Requirements, found: &mut Findings) {
    if requires.commit.is_none() && !requires.clean_tree {
        return;
    }
    let Some(source) = run.source() else {
        let unknown = run.tops().filter_map(|top| top.run.provenance).flat_map(|made| &made.unknown);
        let why = unknown.cloned().collect::<Vec<_>>().join("; ");
        let seen = if why.is_empty() { "not on record".to_owned() } else { format!("not known: {why}") };
        found.refuse(Code::SourceUnknown, run.here("the commit"), "on record", seen);
        return;
    };
    if let Some(expected) =
        requires.commit.as_ref().filter(|expected| !source.commit.eq_ignore_ascii_case(expected))
    {
        found.refuse(Code::OtherCommit, run.here("the commit"), expected, &source.commit);
    }
    if requires.clean_tree && source.dirty {
        let changed = match &source.changed[..] {
            [] => "changed".to_owned(),
            paths => format!("changed: {}", paths.join(", ")),
        };
        found.refuse(Code::DirtyTree, run.here("the work tree"), "as the commit has it", changed);
    }
}

/// What was told of a service, wherever: one product that is not allowed is one too many.
fn services(run: &Run<'_>, wanted: &ProductRule, found: &mut Findings) {
    let mut known: Vec<&Product> = Vec::new();
    for view in &run.views {
        let service = view.run.services.get(wanted.service.as_str());
        let Some(ServiceState::Ready(ready)) = service.map(|service| &service.state) else { continue };
        let Some(product) = &ready.product else { continue };
        if known.contains(&product) {
            continue;
        }
        known.push(product);
        if !allows(wanted, product) {
            let subject = format!("the product of {}", wanted.service);
            let expected = format!("{} ({})", shown(wanted), stands(&wanted.at));
            let seen = format!("{} {}", product.name, product.version);
            found.refuse(Code::ProductNotAllowed, run.at(view, subject), expected, seen);
        }
    }
    if known.is_empty() {
        let (subject, expected) = (format!("the product of {}", wanted.service), shown(wanted));
        found.refuse(Code::ProductUnknown, rule(&wanted.at, subject), expected, "not told by the run");
    }
}

fn allows(wanted: &ProductRule, product: &Product) -> bool {
    let begins = |version: &String| {
        let mut parts = product.version.split('.');
        version.split('.').all(|part| parts.next() == Some(part))
    };
    wanted.name.as_ref().is_none_or(|name| *name == product.name)
        && (wanted.versions.is_empty() || wanted.versions.iter().any(begins))
}

fn shown(wanted: &ProductRule) -> String {
    let name = wanted.name.as_deref().unwrap_or("any product");
    match wanted.versions.is_empty() {
        true => name.to_owned(),
        false => format!("{name} {}", wanted.versions.join(" or ")),
    }
}

fn levels(run: &Run<'_>, found: &mut Findings) {
    let mut any = false;
    for view in &run.views {
        for level in slis(&view.run) {
            any = true;
            if level.origin != Origin::Measured {
                found.refuse(
                    Code::LevelNotMeasured,
                    run.at(view, &level.plan.name),
                    "measured",
                    level.told(),
                );
            }
        }
    }
    if !any {
        found.refuse(Code::NoLevels, run.here("service levels"), "measured", "none was judged");
    }
}

/// The longest watch behind a switch that came to its end and is what its samples give.
fn watch(run: &Run<'_>, least: Duration, found: &mut Findings) {
    let watched = run.views.iter().filter_map(|view| {
        view.run.switch.as_ref()?.plan.cutover.as_ref()?;
        let watch = view.run.watch.as_ref()?;
        let ended = watch.verdict.filter(|_| watch.contradiction().is_none() && !view.run.started.dry_run)?;
        Some((view, ended.watched_ms))
    });
    let longest = watched.max_by(|(_, one), (_, other)| one.total_cmp(other));
    let expected = format!("at least {} s", least.as_secs_f64());
    match longest {
        None => {
            found.refuse(Code::WatchMissing, run.here("the watch"), expected, "no watch that ended in order")
        }
        // What is no number is not long enough.
        Some((_, ms)) if ms >= least.as_secs_f64() * 1e3 => {}
        Some((view, ms)) => {
            let seen = format!("{} s", ms.round() / 1e3);
            found.refuse(Code::WatchTooShort, run.at(view, "the watch"), expected, seen);
        }
    }
}
