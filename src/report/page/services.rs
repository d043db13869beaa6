//! The services that were measured: what ran there, and where that is not what the real host runs.

use super::said::{REASON, VALUE};
use super::{Said, Sources, said};
use crate::bundle::Binding;
use crate::evidence::{ServiceState, ServiceView};
use std::collections::BTreeMap;

/// A service.
#[derive(Debug)]
pub(in crate::report) struct Service {
    pub name: Said,
    /// Its product and version, or why there is none.
    pub runs: Said,
    /// Whether it answered.
    pub there: bool,
    /// The image's digest, where it ran in a container.
    pub image: Said,
    /// What the real host runs.
    pub real: Said,
    /// Where it differs from that; empty where nothing says so.
    pub differs: Said,
    /// What binds the run to this very cluster: `cluster_id abc`.
    pub identity: Vec<Said>,
}

pub(super) fn gather(sources: &Sources<'_>) -> Vec<Service> {
    let mut services: BTreeMap<&str, &ServiceView<'_>> = BTreeMap::new();
    for (name, service) in sources.views().flat_map(|run| &run.services) {
        let known = services.entry(name).or_insert(service);
        if matches!(known.state, ServiceState::Unknown) {
            *known = service;
        }
    }
    let bindings = sources.bundle.and_then(|bundle| Some(&bundle.manifest.as_ref()?.services));
    let binding = |name: &str| bindings.and_then(|bindings| bindings.get(name));
    services.into_iter().map(|(name, view)| service(name, view, binding(name))).collect()
}

fn service(name: &str, view: &ServiceView<'_>, binding: Option<&Binding>) -> Service {
    let real = view.planned.and_then(|planned| planned.stands_for.as_deref());
    let mut service = Service {
        name: said(name, VALUE),
        runs: said("nothing is known of it", VALUE),
        there: false,
        image: said(binding.and_then(|binding| binding.image.as_deref()).unwrap_or(""), VALUE),
        real: said(real.unwrap_or(""), VALUE),
        differs: Said::default(),
        identity: Vec::new(),
    };
    match &view.state {
        ServiceState::Unknown => {}
        ServiceState::Failed { reason, .. } => service.runs = said(reason, REASON),
        ServiceState::Ready(ready) => {
            service.there = true;
            service.runs = match &ready.product {
                Some(product) => said(product.to_string(), VALUE),
                None => said(format!("{} at {}", ready.kind, ready.address), VALUE),
            };
            service.differs = said(ready.differs.as_deref().unwrap_or(""), REASON);
            let identity = ready.identity.iter().take(12);
            service.identity = identity.map(|(name, value)| said(format!("{name} {value}"), VALUE)).collect();
        }
    }
    service
}
