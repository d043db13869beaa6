//! A profile before its parts are checked against each other: from a file, or put together by a verb from its flags.

pub(super) mod switch;

use super::complete::complete;
use super::{Engine, Service};
use crate::model::service::{Sasl, Tls};
use crate::model::{Args, Phase, Retry, ServiceKind};
use crate::probe::Probe;
use crate::settings::names::quoted;
use crate::settings::source::Span;
use std::time::Duration;

/// The deadline of an attempt where nobody says.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Placed<T> {
    pub(super) fn new(value: T, span: Span) -> Placed<T> {
        Placed { value, span }
    }

    /// A value that stands nowhere: it came from a flag.
    pub(super) fn nowhere(value: T) -> Placed<T> {
        Placed { value, span: 0..0 }
    }
}

/// All that a profile says.
#[derive(Default)]
pub(super) struct Draft {
    /// Nothing where it is at fault.
    pub environment: Option<Placed<String>>,
    pub about: String,
    pub services: Vec<ServiceDraft>,
    pub thresholds: Vec<Threshold>,
    /// Nothing where the list itself is at fault.
    pub gates: Option<Vec<GateDraft>>,
    pub cutover: switch::CutoverDraft,
}

/// A named limit.
pub(super) struct Threshold {
    pub name: Placed<String>,
    /// As a condition writes it; nothing where it is at fault.
    pub written: Option<String>,
}

/// A service before its name, endpoint and needs are checked.
pub(super) struct ServiceDraft {
    pub name: Placed<String>,
    /// Nothing where it is at fault.
    pub kind: Option<ServiceKind>,
    pub endpoint: Option<Placed<String>>,
    pub user: Option<String>,
    pub password_env: Option<Placed<String>>,
    pub password_file: Option<Placed<String>>,
    pub tls: Option<Placed<Tls>>,
    pub sasl: Option<Placed<Sasl>>,
    pub database: Option<String>,
    pub image: Option<String>,
    pub stands_for: Option<String>,
    pub from: Engine,
    pub needs: Vec<Placed<String>>,
}

impl From<Service> for ServiceDraft {
    fn from(service: Service) -> ServiceDraft {
        ServiceDraft {
            name: Placed::nowhere(service.name),
            kind: Some(service.kind),
            endpoint: service.endpoint.map(Placed::nowhere),
            user: service.user,
            password_env: service.password_env.map(Placed::nowhere),
            password_file: service.password_file.map(Placed::nowhere),
            tls: service.tls.map(Placed::nowhere),
            sasl: service.sasl.map(Placed::nowhere),
            database: service.database,
            image: service.image,
            stands_for: service.stands_for,
            from: service.from,
            needs: service.needs.into_iter().map(Placed::nowhere).collect(),
        }
    }
}

/// A gate before it is checked against the rest of its profile. Verbs that take their settings from flags make
/// theirs with [`GateDraft::new`] and hand them to [`super::Profile::assemble`].
pub struct GateDraft {
    /// Nothing where it is at fault.
    pub(super) id: Option<Placed<String>>,
    pub(super) about: String,
    /// Nothing where it is at fault.
    pub(super) phase: Option<Phase>,
    /// Nothing where there is no such probe.
    pub(super) probe: Option<Placed<&'static dyn Probe>>,
    /// Nothing where they are at fault.
    pub(super) with: Option<Args>,
    pub(super) expect: Option<Placed<String>>,
    pub(super) uses: Placed<Vec<Placed<String>>>,
    pub(super) needs: Vec<Placed<String>>,
    pub(super) after: Vec<Placed<String>>,
    pub(super) required: bool,
    pub(super) timeout: Placed<Duration>,
    pub(super) retry: Option<Placed<Retry>>,
    pub(super) tags: Vec<Placed<String>>,
    pub(super) writes: Placed<bool>,
}

impl GateDraft {
    /// A required gate without needs that is tried once, with the default deadline. Durations in `with` are
    /// milliseconds and sizes bytes; what is absent or null is filled in with the probe's defaults. It may write
    /// where its probe does: whoever typed the verb asked for that by name.
    ///
    /// # Errors
    /// Settings that do not fit the probe's fields or contradict each other, in words.
    pub fn new(id: &str, phase: Phase, probe: &'static dyn Probe, with: &Args) -> Result<GateDraft, String> {
        let told = |why: String| format!("probe {}: {why}", quoted(probe.name()));
        let with = complete(probe.fields(), with).map_err(told)?;
        probe.check(&with).map_err(|fault| told(format!("{}: {fault}", quoted(fault.field))))?;
        Ok(GateDraft {
            id: Some(Placed::nowhere(id.to_owned())),
            about: String::new(),
            phase: Some(phase),
            probe: Some(Placed::nowhere(probe)),
            with: Some(with),
            expect: None,
            uses: Placed::nowhere(Vec::new()),
            needs: Vec::new(),
            after: Vec::new(),
            required: true,
            timeout: Placed::nowhere(TIMEOUT),
            retry: None,
            tags: Vec::new(),
            writes: Placed::nowhere(probe.writes()),
        })
    }

    /// Says why it is there.
    #[must_use]
    pub fn about(mut self, about: &str) -> GateDraft {
        about.clone_into(&mut self.about);
        self
    }

    /// Sets a condition in place of the probe's own.
    #[must_use]
    pub fn expect(mut self, condition: &str) -> GateDraft {
        self.expect = Some(Placed::nowhere(condition.to_owned()));
        self
    }

    /// Names the services that it measures.
    #[must_use]
    pub fn uses<N: Into<String>>(mut self, services: impl IntoIterator<Item = N>) -> GateDraft {
        self.uses = Placed::nowhere(placed(services));
        self
    }

    /// Names the gates that must have passed before.
    #[must_use]
    pub fn needs<N: Into<String>>(mut self, gates: impl IntoIterator<Item = N>) -> GateDraft {
        self.needs = placed(gates);
        self
    }

    /// Lets the run pass where it does not.
    #[must_use]
    pub fn optional(mut self) -> GateDraft {
        self.required = false;
        self
    }

    /// Sets the deadline of one attempt.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> GateDraft {
        self.timeout = Placed::nowhere(timeout);
        self
    }

    /// Says when it is tried again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> GateDraft {
        self.retry = Some(Placed::nowhere(retry));
        self
    }
}

fn placed<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Vec<Placed<String>> {
    names.into_iter().map(|name| Placed::nowhere(name.into())).collect()
}
