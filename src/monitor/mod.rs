//! Watches: asks every source of a watch once an interval, each on a thread of its own, and hands what they say to the
//! journal and the judge as it comes in. It measures and knows no step.
//!
//! Tick n is due at the watch's start plus n intervals, by the monotonic clock: nothing that a sample takes moves the
//! next one. Of every source there is one sample for every tick, and it is an error where the source was not asked or
//! did not answer in time. A source that hangs costs no other source anything, and is left behind at the end.

mod plan;
mod source;
mod ticks;

use crate::model::event::Sink;
use crate::model::redact::Redactor;
use crate::model::time::millis;
use crate::model::watch::{WatchPlan, WatchSample, WatchVerdict};
use crate::model::{Clock, Endpoint, Event, RunId};
use crate::process::{Cancel, Worker};
use crate::profile::switch::Measure;
use crate::watch::{BadPlan, Judge};
use source::{Answer, Source};
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use ticks::Ticks;

pub use plan::{plan, warnings};

/// How often a wait looks whether the watch was cancelled.
const LOOK_UP: Duration = Duration::from_millis(50);

/// How much later than its timeout an answer may come and still be heard: most probes say themselves that their time
/// was up, and why.
const GRACE: Duration = Duration::from_millis(100);

/// What a watch is given.
pub struct Settings<'a> {
    /// What is watched.
    pub plan: &'a WatchPlan,
    /// What measures, by the sources' names.
    pub sources: &'a [(String, Measure)],
    /// Where services are.
    pub endpoints: &'a BTreeMap<String, Endpoint>,
    /// Where samples and the verdict are told.
    pub sink: &'a dyn Sink,
    /// Ends it early.
    pub cancel: &'a Cancel,
    /// The run's clock.
    pub clock: Clock,
    /// The run.
    pub run: &'a RunId,
    /// Knows the run's secrets; shared with sources that are left behind.
    pub redactor: &'a Arc<Redactor>,
    /// For probes that start processes.
    pub worker: Worker,
}

/// Watches until its time is over, the trigger holds, or it is cancelled. Every sample is told as
/// [`Event::WatchSampled`], and at last [`Event::WatchEnded`]. It returns at once when the trigger holds: a source that
/// hangs is left behind.
///
/// # Errors
/// A plan that can't be judged or measured; nothing was measured then.
pub fn watch(settings: &Settings<'_>) -> Result<WatchVerdict, BadPlan> {
    let judge = Judge::new(settings.plan)?;
    let stop = Cancel::new().map_err(|error| BadPlan(format!("the watch cannot begin: {error}")))?;
    let mut going = Going::begin(settings, judge, &stop)?;
    going.listen();
    stop.cancel("the watch is over");
    let watched = going.start.elapsed();
    let verdict = going.judge.verdict(millis(watched));
    settings.sink.event(Event::WatchEnded(Box::new(verdict.clone())));
    Ok(verdict)
}

/// A watch that goes on.
struct Going<'a> {
    settings: &'a Settings<'a>,
    judge: Judge,
    start: Instant,
    end: Instant,
    answers: mpsc::Receiver<Answer>,
    /// Kept, so that waiting for answers is waiting also when all sources have said their last.
    _tell: mpsc::Sender<Answer>,
    /// What is to be told of each source, in the plan's order.
    ticks: Vec<Ticks>,
    last_at: f64,
}

impl<'a> Going<'a> {
    /// Starts a thread for each source.
    fn begin(settings: &'a Settings<'a>, judge: Judge, stop: &Cancel) -> Result<Going<'a>, BadPlan> {
        let plan = settings.plan;
        let measures: Vec<_> = plan
            .sources
            .iter()
            .map(|source| {
                let measure = settings.sources.iter().find(|(name, _)| *name == source.name);
                measure.map(|(_, measure)| measure).ok_or_else(|| {
                    BadPlan(format!("nothing is known that measures source `{}`", source.name))
                })
            })
            .collect::<Result<_, _>>()?;
        let (tell, answers) = mpsc::channel();
        let start = Instant::now();
        let (interval, duration) = (plan::time(plan.interval_ms), plan::time(plan.duration_ms));
        let end = start + duration;
        for (place, (source, measure)) in plan.sources.iter().zip(measures).enumerate() {
            let source = Source::new(place, source, measure, settings, stop, tell.clone());
            source.begin(start, interval, end)?;
        }
        let ticks = |source: &crate::model::watch::WatchSource| {
            Ticks::new(start, interval, duration, plan::time(source.timeout_ms))
        };
        let ticks = plan.sources.iter().map(ticks).collect();
        Ok(Going { settings, judge, start, end, answers, _tell: tell, ticks, last_at: 0.0 })
    }

    /// Tells answers as they come in, until the watch is over.
    fn listen(&mut self) {
        while !self.settings.cancel.is_cancelled() {
            let now = Instant::now();
            if self.hear_all() || self.give_up(now) || now >= self.end {
                return;
            }
            let next = self.ticks.iter().filter_map(Ticks::deadline).min().unwrap_or(self.end).min(self.end);
            let left = next.saturating_duration_since(now).min(LOOK_UP);
            // Without an answer, what is late is found in the next round.
            if let Ok(answer) = self.answers.recv_timeout(left)
                && self.hear(answer)
            {
                return;
            }
        }
    }

    /// Takes all answers that are there: none of them is late.
    fn hear_all(&mut self) -> bool {
        while let Ok(answer) = self.answers.try_recv() {
            if self.hear(answer) {
                return true;
            }
        }
        false
    }

    /// Takes an answer; gives true where the core must be rolled back.
    fn hear(&mut self, answer: Answer) -> bool {
        let Some(ticks) = self.ticks.get_mut(answer.place) else { return false };
        // One that comes after its tick was given up is no longer heard.
        if !ticks.takes(answer.tick) {
            return false;
        }
        let at = answer.ended.saturating_duration_since(self.start);
        let (readings, at_least, error) = match answer.found {
            Ok(found) => (found.readings, found.at_least, None),
            Err(error) => (BTreeMap::new(), Default::default(), Some(error)),
        };
        let source = self.settings.plan.sources[answer.place].name.clone();
        let (tick, took_ms) = (answer.tick, millis(answer.took));
        self.tell(WatchSample { tick, source, at_ms: millis(at), took_ms, readings, at_least, error })
    }

    /// Tells the ticks whose time is up as errors; gives true where the core must be rolled back by that.
    fn give_up(&mut self, now: Instant) -> bool {
        for place in 0..self.ticks.len() {
            while let Some(late) = self.ticks[place].late(now, self.end) {
                let source = self.settings.plan.sources[place].name.clone();
                let sample = WatchSample {
                    tick: late.tick,
                    source,
                    at_ms: millis(now.saturating_duration_since(self.start)),
                    took_ms: millis(now.saturating_duration_since(late.due)),
                    readings: BTreeMap::new(),
                    at_least: Default::default(),
                    error: Some(late.why),
                };
                if self.tell(sample) {
                    return true;
                }
            }
        }
        false
    }

    /// Hands a sample to the journal and the judge.
    fn tell(&mut self, mut sample: WatchSample) -> bool {
        // Answers of different sources may overtake each other by microseconds on their way here.
        sample.at_ms = sample.at_ms.max(self.last_at);
        self.last_at = sample.at_ms;
        let rollback = self.judge.take(&sample);
        self.settings.sink.event(Event::WatchSampled(Box::new(sample)));
        rollback.is_some()
    }
}
