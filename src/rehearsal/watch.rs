//! A watch as a run of its own: the services that its sources use, the watch itself, and its evidence.

use super::{Options, Rehearsal, RehearsalError, Watcher, provision};
use crate::model::watch::{WatchPlan, WatchVerdict};
use crate::model::{Endpoint, Event};
use crate::monitor;
use crate::plan::Plan;
use crate::process::{Cancel, Worker};
use crate::profile::Profile;
use crate::profile::switch::Measure;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Rehearsal {
    /// Begins a run that has no gates and watches `options.watch`, on the profile's services that its sources use.
    ///
    /// # Errors
    /// As [`Rehearsal::open`].
    pub fn open_watch(
        profile: &Profile,
        options: &Options,
        worker: Worker,
        cancel: &Cancel,
        watcher: Arc<dyn Watcher + Sync>,
    ) -> Result<Rehearsal, RehearsalError> {
        let sources = options.watch.iter().flat_map(|watch| &watch.sources);
        let used: BTreeSet<&String> = sources.flat_map(|source| &source.uses).collect();
        let services = profile.services.iter().filter(|service| used.contains(&service.name));
        let services: Vec<_> = services.cloned().collect();
        let mut options = options.clone();
        if options.attached.is_none() && options.compose.is_none() {
            let known = provision::endpoints(&services, &options.endpoints).map_err(RehearsalError)?;
            options.attached = Some(known);
        }
        let plan = Plan {
            environment: profile.environment.clone(),
            file: profile.file.clone(),
            services,
            gates: Vec::new(),
            selection: None,
            partition: None,
        };
        Rehearsal::open(&plan, &options, worker, cancel, watcher)
    }

    /// Watches what the options said. A service that does not answer yet is asked all the same: it may come up, and
    /// until then its sources' samples are errors.
    ///
    /// # Errors
    /// The options said nothing, or it can't be judged.
    pub fn watch(&mut self, sources: &[(String, Measure)]) -> Result<WatchVerdict, RehearsalError> {
        let plan =
            self.watch.clone().ok_or_else(|| RehearsalError("there is nothing to watch".to_owned()))?;
        for text in monitor::warnings(&plan) {
            self.record.event(Event::Warning { text });
        }
        let endpoints = self.endpoints(&plan);
        let verdict = monitor::watch(&monitor::Settings {
            plan: &plan,
            sources,
            endpoints: &endpoints,
            sink: &*self.record.sink(),
            cancel: &self.cancel,
            clock: self.record.clock,
            run: &self.record.run,
            redactor: &self.redactor,
            worker: self.worker,
        })
        .map_err(RehearsalError::of)?;
        self.watched = Some(verdict.verdict);
        Ok(verdict)
    }

    /// Where the services are that the sources use, asked side by side.
    fn endpoints(&self, plan: &WatchPlan) -> BTreeMap<String, Endpoint> {
        let names: BTreeSet<&String> = plan.sources.iter().flat_map(|source| &source.uses).collect();
        let known = |name: &String| {
            let endpoint = self.attached.get(name)?;
            if let Some(password) = &endpoint.password {
                self.redactor.add(password.reveal());
            }
            Some(endpoint.clone())
        };
        std::thread::scope(|scope| {
            let ask = |name: &'_ String| {
                let (runner, name) = (self.runner.clone(), name.clone());
                scope.spawn(move || runner.service(&name).ok())
            };
            let asked: Vec<_> = names.into_iter().map(|name| (name, ask(name))).collect();
            let found = asked.into_iter().filter_map(|(name, asked)| {
                // A thread that broke off has found nothing.
                let endpoint = asked.join().ok().flatten().or_else(|| known(name))?;
                Some((name.clone(), endpoint))
            });
            found.collect()
        })
    }
}
