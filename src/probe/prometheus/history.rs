//! A metrics page that is scraped again and again: `delta`, `rate` and `quantile` are over the last `window` of what
//! was scraped, and no sample waits for a second scrape.
//!
//! The window's begin is the scrape nearest to it; until there is one so old, it is the first. A counter that was
//! reset has counted on, as in Prometheus' `increase`, also where it has risen above its old value since. After an
//! outage of three windows the page begins anew.

use super::series::Unbroken;
use super::{Found, Scrape, Wanted, scrape};
use crate::model::{Args, Reading};
use crate::probe::http::{self, Kept};
use crate::probe::{Context, ProbeError, Sampled, Sampler};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Into how many parts a window is cut at most: scrapes that lie closer together are not all kept.
const PARTS: u32 = 64;

/// How many windows old the last scrape before an outage may be.
const OUTAGE: u32 = 3;

/// The sampler of a metrics page.
pub(super) struct History {
    args: Args,
    window: Duration,
    wanted: Option<Vec<Wanted>>,
    kept: Kept,
    scrapes: VecDeque<Scrape>,
    /// By the order of `series`.
    counters: Vec<Unbroken>,
    lost: bool,
}

impl History {
    pub fn new(args: &Args) -> History {
        History {
            window: args.duration("window").unwrap_or(Duration::from_secs(5)),
            args: args.clone(),
            wanted: None,
            kept: Kept::default(),
            scrapes: VecDeque::new(),
            counters: Vec::new(),
            lost: false,
        }
    }

    /// Scrapes, with counters that only rise.
    fn scrape(&mut self, wanted: &[Wanted], context: &Context<'_>) -> Result<(Scrape, String), ProbeError> {
        let endpoint = http::service(&self.args, context)?;
        let url = http::url(&self.args, endpoint, "/metrics");
        let mut now = scrape(&self.args, context, endpoint, &url, wanted, &mut self.kept)?;
        self.counters.resize_with(wanted.len(), Unbroken::default);
        for ((wanted, picked), counter) in wanted.iter().zip(&mut now.picked).zip(&mut self.counters) {
            if wanted.compares() {
                counter.take(picked);
            }
        }
        Ok((now, url))
    }

    /// The scrape that is nearest to the window's begin; what is older is let go.
    fn begin(&mut self, now: Instant) -> Option<&Scrape> {
        let age = |scrape: &Scrape| now.saturating_duration_since(scrape.at);
        if std::mem::take(&mut self.lost) {
            let oldest = self.window.saturating_mul(OUTAGE);
            self.scrapes.retain(|scrape| age(scrape) <= oldest);
        }
        let off = |scrape: &Scrape| age(scrape).abs_diff(self.window);
        let nearest = self.scrapes.iter().enumerate().min_by_key(|(_, scrape)| off(scrape));
        let nearest = nearest.map(|(place, _)| place)?;
        self.scrapes.drain(..nearest);
        self.scrapes.front()
    }

    fn keep(&mut self, now: Scrape) {
        let before_last = self.scrapes.len().checked_sub(2).and_then(|place| self.scrapes.get(place));
        let close = |scrape: &Scrape| now.at.saturating_duration_since(scrape.at) < self.window / PARTS;
        if before_last.is_some_and(close) {
            self.scrapes.pop_back();
        }
        self.scrapes.push_back(now);
    }

    fn take(&mut self, wanted: &[Wanted], context: &Context<'_>) -> Result<Sampled, ProbeError> {
        let (now, url) = self.scrape(wanted, context)?;
        let window = self.window;
        let before = self.begin(now.at);
        let first = before.is_none();
        let mut found = Found::of(wanted, before, &now, window, context, &url);
        if first {
            found.begin(wanted);
        }
        self.keep(now);
        Ok(Sampled { observations: found.observations, at_least: found.above })
    }
}

impl Sampler for History {
    fn sample(&mut self, context: &Context<'_>) -> Result<Sampled, ProbeError> {
        let wanted = match self.wanted.take() {
            Some(wanted) => wanted,
            None => {
                let series = self.args.tables("series");
                series.iter().map(Wanted::watched).collect::<Result<Vec<_>, _>>().map_err(ProbeError)?
            }
        };
        let sampled = self.take(&wanted, context);
        self.wanted = Some(wanted);
        self.lost |= sampled.is_err();
        sampled
    }
}

impl Found {
    /// One scrape says nothing of what compares two.
    fn begin(&mut self, wanted: &[Wanted]) {
        // Behind what every page has.
        for (observation, _) in
            self.observations.iter_mut().skip(1).zip(wanted).filter(|(_, wanted)| wanted.compares())
        {
            (observation.reading, observation.samples) = (Reading::Missing, 0);
        }
        self.above.clear();
    }
}
