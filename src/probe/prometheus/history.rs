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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn history(window: Duration) -> History {
        History { window, ..History::new(&Args::default()) }
    }

    fn scrape_at(at: Instant) -> Scrape {
        Scrape { at, count: 0, picked: Vec::new(), wholes: Vec::new() }
    }

    /// How old the window's begin is at the last of these scrapes, in milliseconds.
    fn begins(history: &mut History, start: Instant, ats: &[u64]) -> Option<u128> {
        let mut age = None;
        for at in ats {
            let now = start + Duration::from_millis(*at);
            age = history.begin(now).map(|scrape| (now - scrape.at).as_millis());
            history.keep(scrape_at(now));
        }
        age
    }

    #[test]
    fn a_window_begins_at_the_scrape_that_is_nearest_to_it() {
        let start = Instant::now();
        let of = |ats: &[u64]| begins(&mut history(5 * SECOND), start, ats);
        assert_eq!(of(&[0]), None);
        assert_eq!(of(&[0, 1000]), Some(1000), "over what there is");
        assert_eq!(of(&[0, 1000, 2000, 3000, 4000, 5000, 6000]), Some(5000));
        assert_eq!(of(&[0, 1010, 1990, 3000, 4000, 5000, 6012]), Some(5002), "ticks are never exact");
        assert_eq!(of(&[0, 10_000, 20_000]), Some(10_000), "less often than a window");
    }

    #[test]
    fn no_more_scrapes_are_kept_than_a_window_needs() {
        let start = Instant::now();
        let mut long = history(300 * SECOND);
        let ats: Vec<u64> = (0..2000).map(|n| n * 1000).collect();
        let age = begins(&mut long, start, &ats).unwrap();
        assert!((295_000..=305_000).contains(&age), "{age}");
        assert!(long.scrapes.len() <= 2 * PARTS as usize, "{}", long.scrapes.len());
    }

    #[test]
    fn after_an_outage_of_three_windows_the_page_begins_anew() {
        let start = Instant::now();
        for (back, begin) in [(14_900, Some(14_900)), (15_100, None)] {
            let mut history = history(5 * SECOND);
            begins(&mut history, start, &[0]);
            history.lost = true;
            assert_eq!(begins(&mut history, start, &[back]), begin, "back after {back} ms");
        }
    }
}
