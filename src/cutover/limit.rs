//! The rollback's limit: how much time is left, and an alarm at once when it is over. Nothing is ended by it: a restore
//! that is killed half way is worse than a late one.

use crate::model::event::Sink;
use crate::model::{Event, RunId};
use crate::process::Cancel;
use crate::rehearsal::record::LOST_JOURNAL;
use std::time::{Duration, Instant};

/// How often is looked whether somebody asks for an end.
const LOOK: Duration = Duration::from_millis(100);

/// A limit that runs.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    began: Instant,
    /// Spent before, in a run that was killed and goes on.
    spent: Duration,
    limit: Duration,
}

impl Limit {
    /// A limit that runs from now on, of which some is spent already.
    pub fn begin(limit_ms: f64, spent: Duration) -> Limit {
        let limit = Duration::try_from_secs_f64(limit_ms / 1e3).unwrap_or(Duration::MAX);
        Limit { began: Instant::now(), spent, limit }
    }

    /// How long it has run.
    pub fn elapsed(&self) -> Duration {
        self.spent + self.began.elapsed()
    }

    /// How much is left.
    pub fn left(&self) -> Duration {
        self.limit.saturating_sub(self.elapsed())
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.elapsed() > self.limit
    }

    /// What is left of it, in words.
    pub fn told(&self) -> String {
        let (elapsed, limit) = (self.elapsed().as_secs_f64(), self.limit.as_secs_f64());
        match self.is_over() {
            false => format!("{:.1} s of {limit} s left", limit - elapsed),
            true => format!("{:.1} s over the limit of {limit} s", elapsed - limit),
        }
    }

    /// Tells when the limit is over, and whoever asks for an end that there is none: until it is done.
    pub fn guard(&self, done: &Cancel, asked: &Cancel, sink: &dyn Sink, run: &RunId) {
        let was_asked = asked.is_cancelled();
        let (mut alarmed, mut answered) = (false, false);
        loop {
            let pause = if alarmed { LOOK } else { self.left().min(LOOK).max(Duration::from_millis(1)) };
            if done.pause(pause) {
                return;
            }
            if !alarmed && self.is_over() {
                alarmed = true;
                let limit = self.limit.as_secs_f64();
                sink.event(Event::Alarm {
                    text: format!("the rollback has taken longer than its limit of {limit} s, and goes on"),
                });
            }
            let asks = asked.is_hurried() || (!was_asked && asked.is_cancelled());
            if !answered && asks {
                answered = true;
                sink.event(Event::Warning { text: answer(asked, run) });
            }
        }
    }
}

/// What whoever wants the rollback to end is told.
fn answer(asked: &Cancel, run: &RunId) -> String {
    match asked.why() {
        Some(LOST_JOURNAL) => {
            "the journal can't be written any more; the rollback goes on, and is not on record".to_owned()
        }
        _ => format!(
            "the rollback goes on: what is half restored must not be left so. `kill -KILL {}` ends it all the same, \
             and `cutproof status {run}` shows then how far it came",
            std::process::id()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Heard(Mutex<Vec<Event>>);

    impl Sink for Heard {
        fn event(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }

    #[test]
    fn the_alarm_goes_out_once_and_the_time_over_is_told() {
        let limit = Limit::begin(20.0, Duration::from_millis(5));
        let (done, asked, heard) = (Cancel::new().unwrap(), Cancel::new().unwrap(), Heard::default());
        std::thread::scope(|scope| {
            scope.spawn(|| limit.guard(&done, &asked, &heard, &RunId::from_text("run")));
            std::thread::sleep(Duration::from_millis(400));
            done.cancel("done");
        });
        let heard = heard.0.into_inner().unwrap();
        assert!(matches!(&heard[..], [Event::Alarm { .. }]), "{heard:?}");
        assert!(
            limit.is_over() && limit.left().is_zero() && limit.told().contains("over the limit of 0.02 s")
        );
    }

    #[test]
    fn who_asks_for_an_end_is_told_once_that_it_goes_on() {
        let limit = Limit::begin(180e3, Duration::ZERO);
        let (done, asked, heard) = (Cancel::new().unwrap(), Cancel::new().unwrap(), Heard::default());
        asked.cancel("SIGINT");
        std::thread::scope(|scope| {
            scope.spawn(|| limit.guard(&done, &asked, &heard, &RunId::from_text("run")));
            // By the first signal the way back was begun; only a second one asks for an end of that.
            std::thread::sleep(Duration::from_millis(250));
            assert!(heard.0.lock().unwrap().is_empty());
            asked.hurry();
            std::thread::sleep(Duration::from_millis(400));
            done.cancel("done");
        });
        let heard = heard.0.into_inner().unwrap();
        assert!(matches!(&heard[..], [Event::Warning { text }] if text.contains("goes on")), "{heard:?}");
        assert!(limit.told().ends_with("s of 180 s left"));
    }
}
