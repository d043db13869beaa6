//! What a manifest says besides the files: all of it from the journals, so that whoever has these can say it again.

use super::{Binding, BundledJournal, BundledShard, File, Manifest, Tool, VERSION};
use crate::evidence::{Merged, RunView, SHARDS, ServiceState, ShardView};
use crate::journal;
use crate::model::event::{FileDigest, ServiceReady};
use crate::model::{RunId, Stamp};
use std::collections::{BTreeMap, BTreeSet};

/// The manifest of a bundle of these files and of the journals among them, given with their paths: the run's own
/// first. A journal without a single entry is none of them. Without any journal it says nothing of a run. Journals of
/// shards, where the bundle has none of its own, are joined; where they don't fit, that says nothing of a run either.
pub fn describe(journals: &[(String, &RunView<'_>)], files: Vec<File>) -> Manifest {
    let shards = shards_among(journals.iter().map(|(path, view)| (path.as_str(), *view)));
    let merged = (!shards.is_empty()).then(|| Merged::of(&shards));
    match merged {
        None => of_run(journals.first().map(|(_, view)| *view), journals, files),
        Some(Err(_)) => of_run(None, journals, files),
        Some(Ok(merged)) => {
            let mut manifest = of_run(Some(&merged.view()), journals, files);
            manifest.shards = merged.view().shards.iter().map(shard).collect();
            manifest.services = services_of_shards(merged.shards());
            manifest.journals.sort_by(|a, b| a.head.cmp(&b.head));
            manifest
        }
    }
}

/// The shards' own runs among the journals of a bundle, where it has none of its own.
pub fn shards_among<'v>(
    journals: impl IntoIterator<Item = (&'v str, &'v RunView<'v>)> + Clone,
) -> Vec<&'v RunView<'v>> {
    if journals.clone().into_iter().any(|(path, _)| path == journal::FILE) {
        return Vec::new();
    }
    let of_shard = |path: &str| {
        let folder = path.strip_suffix(journal::FILE).and_then(|path| path.strip_suffix('/'));
        let id = folder.and_then(|folder| folder.strip_prefix(SHARDS)?.strip_prefix('/'));
        id.is_some_and(|id| !id.contains('/'))
    };
    journals.into_iter().filter(|(path, _)| of_shard(path)).map(|(_, view)| view).collect()
}

/// The manifest of this run and of all journals.
fn of_run(own: Option<&RunView<'_>>, journals: &[(String, &RunView<'_>)], files: Vec<File>) -> Manifest {
    let views = || journals.iter().map(|(_, view)| *view);
    let started = own.map(|view| view.started);
    let provenance = own.and_then(|view| view.provenance);
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    Manifest {
        projection: super::PROJECTION.to_owned(),
        version: VERSION,
        run: started.map_or_else(|| RunId::from_text(""), |started| started.run.clone()),
        verb: text(started.map(|started| &started.verb)),
        environment: text(started.map(|started| &started.environment)),
        host: text(started.map(|started| &started.host)),
        started: started.map_or(Stamp::from_millis(0), |started| started.started),
        completed: own.and_then(|view| view.ended).map(|end| end.at),
        tool: Tool {
            version: text(started.map(|started| &started.tool)),
            sha256: provenance.and_then(|provenance| provenance.tool_sha256.clone()),
        },
        source: provenance.and_then(|provenance| provenance.source.clone()),
        provisioner: text(started.map(|started| &started.provisioner)),
        dry_run: started.is_some_and(|started| started.dry_run),
        partial: own.is_some_and(RunView::partial),
        partition: started.and_then(|started| started.partition.clone()),
        profile: started.and_then(|started| started.profile.clone()),
        templates: templates(views()),
        services: services(views()),
        shards: Vec::new(),
        journals: journals.iter().map(|(path, view)| journal(path, view)).collect(),
        files,
    }
}

fn shard(view: &ShardView<'_>) -> BundledShard {
    BundledShard {
        index: view.shard.index(),
        run: view.started.run.clone(),
        path: view.folder(),
        host: view.started.host.clone(),
        started: view.started.started,
        completed: Some(view.completed),
    }
}

fn journal(path: &str, view: &RunView<'_>) -> BundledJournal {
    BundledJournal {
        path: path.to_owned(),
        run: view.started.run.clone(),
        entries: view.entries,
        head: view.head.to_string(),
    }
}

/// Each template once, in the order in which runs name them.
fn templates<'v>(views: impl Iterator<Item = &'v RunView<'v>>) -> Vec<FileDigest> {
    let mut templates: Vec<FileDigest> = Vec::new();
    for plan in views.filter_map(|view| view.started.switch.as_deref()) {
        let cutover = plan.cutover.iter().map(|cutover| &cutover.template);
        for template in cutover.chain([&plan.rollback.template]) {
            if !templates.contains(template) {
                templates.push(template.clone());
            }
        }
    }
    templates
}

/// The services of the run and of those within it. What was said more than once, counts as it was said last: a
/// cluster's offsets when the last run within had found it, not those of an empty one that was just started.
fn services<'v>(views: impl Iterator<Item = &'v RunView<'v>>) -> BTreeMap<String, Binding> {
    let mut services: BTreeMap<String, Binding> = BTreeMap::new();
    for (name, service) in views.flat_map(|view| &view.services) {
        let binding = services.entry((*name).to_owned()).or_insert_with(unknown);
        if let Some(planned) = service.planned {
            binding.kind.get_or_insert(planned.kind);
            binding.stands_for = binding.stands_for.take().or_else(|| planned.stands_for.clone());
        }
        if let ServiceState::Ready(ready) = service.state {
            bind(binding, ready);
        }
    }
    services
}

/// The services of shards. Each shard may have had clusters of its own: then every one's identity is told.
fn services_of_shards<'v>(shards: impl Iterator<Item = &'v RunView<'v>>) -> BTreeMap<String, Binding> {
    let mut services: BTreeMap<String, Binding> = BTreeMap::new();
    let mut identities: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for shard in shards {
        for (name, mut binding) in self::services(std::iter::once(shard)) {
            for (key, value) in std::mem::take(&mut binding.identity) {
                identities.entry((name.clone(), key)).or_default().insert(value);
            }
            match services.get_mut(&name) {
                // A shard that did not reach it knows less of it.
                Some(known) if known.product.is_some() || binding.product.is_none() => {}
                _ => drop(services.insert(name, binding)),
            }
        }
    }
    for ((name, key), values) in identities {
        let values = values.into_iter().collect::<Vec<_>>().join(", ");
        services
            .get_mut(&name)
            .into_iter()
            .for_each(|binding| drop(binding.identity.insert(key.clone(), values.clone())));
    }
    services
}

fn bind(binding: &mut Binding, ready: &ServiceReady) {
    binding.kind.get_or_insert(ready.kind);
    if ready.product.is_some() {
        binding.product.clone_from(&ready.product);
        binding.differs.clone_from(&ready.differs);
    }
    if let Some(image) = &ready.image {
        binding.image = Some(image.digest.clone());
    }
    binding.identity.extend(ready.identity.clone());
}

fn unknown() -> Binding {
    Binding {
        kind: None,
        product: None,
        stands_for: None,
        differs: None,
        image: None,
        identity: BTreeMap::new(),
    }
}
