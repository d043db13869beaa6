//! Judges a condition over time, so that `for` has a meaning.

use std::time::Duration;

use super::Condition;
use super::judge::{Explanation, Holds, Truth, judge};
use super::syntax::Held;
use super::value::Sample;

/// Judges one condition again and again as samples come in.
///
/// What it says depends on the times and samples that it was given and on nothing else: the same series,
/// replayed, gives the same truths.
///
/// `… for D` is true once the condition inside was true at every look for at least D, without a pause in
/// what is known of more than `max_gap`; it is false if that was false at any look within the last D; and
/// otherwise, as in the first D of a watch, it is unknown.
#[derive(Debug, Clone)]
pub struct Tracker {
    condition: Condition,
    max_gap: Duration,
    holds: Vec<Hold>,
    last: Option<Duration>,
}

/// What one `for` remembers.
#[derive(Debug, Clone, Copy, Default)]
struct Hold {
    true_since: Option<Duration>,
    last_true: Option<Duration>,
    last_false: Option<Duration>,
}

/// A sample was older than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sample at {at:?} came after one at {last:?}: samples are judged in the order of time")]
pub struct TimeWentBack {
    pub at: Duration,
    pub last: Duration,
}

impl Tracker {
    /// `max_gap`: the longest time without a known truth that a `for` bridges. Between two looks nobody
    /// knows anything anyway; a few sampling intervals keep a lost scrape from starting a `for` anew,
    /// while a pause that could hide a recovery does.
    pub fn new(condition: Condition, max_gap: Duration) -> Self {
        let holds = vec![Hold::default(); condition.root.holds().count()];
        Self { condition, max_gap, holds, last: None }
    }

    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Judges the samples of the time `at`, in monotonic time since any fixed start.
    pub fn observe(
        &mut self,
        at: Duration,
        samples: &dyn Fn(&str) -> Sample,
    ) -> Result<Explanation, TimeWentBack> {
        if let Some(last) = self.last.filter(|last| *last > at) {
            return Err(TimeWentBack { at, last });
        }
        self.last = Some(at);
        let mut look = Look { at, max_gap: self.max_gap, holds: self.holds.iter_mut() };
        Ok(judge(&self.condition.root, samples, &mut look))
    }
}

/// One look at all the holds of a condition. Every look meets them in the same order, because judging
/// skips no part of a condition.
struct Look<'a> {
    at: Duration,
    max_gap: Duration,
    holds: std::slice::IterMut<'a, Hold>,
}

impl Holds for Look<'_> {
    fn hold(&mut self, held: &Held, now: Truth) -> (Truth, String) {
        let Some(hold) = self.holds.next() else { return (Truth::Unknown, String::new()) };
        hold.look(self.at, self.max_gap, now);
        let ago = |then: Duration| self.at.saturating_sub(then);
        let lasted = hold.true_since.filter(|_| now == Truth::True).map(ago);
        let false_ago = hold.last_false.map(ago).filter(|ago| *ago <= held.duration);
        let truth = match (lasted, false_ago) {
            (Some(lasted), _) if lasted >= held.duration => Truth::True,
            (_, Some(_)) => Truth::False,
            _ => Truth::Unknown,
        };
        let time = match (now, lasted, false_ago) {
            (_, Some(lasted), _) if truth == Truth::True => format!(", for {}", seconds(lasted)),
            (_, Some(lasted), _) => format!(", for {} of {}", seconds(lasted), held.hold),
            (Truth::Unknown, _, Some(ago)) => format!(", and {} ago it was not so", seconds(ago)),
            _ => String::new(),
        };
        (truth, time)
    }
}

impl Hold {
    fn look(&mut self, at: Duration, max_gap: Duration, now: Truth) {
        match now {
            Truth::True => {
                let unbroken = self.last_true.is_some_and(|last| at.saturating_sub(last) <= max_gap);
                if !unbroken {
                    self.true_since = None;
                }
                self.true_since.get_or_insert(at);
                self.last_true = Some(at);
            }
            Truth::False => {
                self.true_since = None;
                self.last_false = Some(at);
            }
            Truth::Unknown => {}
        }
    }
}

/// Seconds to a tenth, cut and not rounded: 29.96 s are not yet 30.
fn seconds(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    match tenths % 10 {
        0 => format!("{} s", tenths / 10),
        tenth => format!("{}.{tenth} s", tenths / 10),
    }
}
