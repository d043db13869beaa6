//! What is made of the series that a selector picks out of one scrape or two: a gauge's value, a counter's increase,
//! a histogram's quantile. Pure.
//!
//! Counters are compared as Prometheus' `increase` does, series by series: one that is lower than before was reset
//! and has counted from 0 since (promql/functions.go, `extrapolatedRate`). Two things differ, since here the two
//! scrapes are the window's ends: nothing is extrapolated, and a series that was not there before has counted from 0
//! (Prometheus, which can't know whether it was scraped then, takes no notice of its first value: an error counter
//! that appears with its first error would stay unseen).

use super::quantile::{Bucket, Quantile, bucket_quantile, events};
use super::selector::Selector;
use super::text::Sample;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The most series that one selector may pick.
const MOST: usize = 10_000;

/// The values of the series that a selector picks out of one scrape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Picked {
    /// By labels; for a histogram's buckets without `le`, by which they are told apart in turn.
    series: BTreeMap<String, BTreeMap<Bound, f64>>,
    /// How many values there are.
    count: usize,
}

/// A bucket's bound, ordered and comparable; that of what is no bucket is 0.
#[derive(Debug, Clone, Copy)]
struct Bound(f64);

impl PartialEq for Bound {
    fn eq(&self, other: &Bound) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bound {}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Bound) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Bound) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Why series can't be told apart or are too many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    /// One series, twice in one scrape.
    #[error("series {0} is there twice")]
    Twice(String),
    /// Too many.
    #[error("more than {MOST} series of {0} are selected: expected fewer; select by labels")]
    TooMany(String),
}

/// A number made of series, and what stands behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The number, or that there is none.
    pub value: TakenValue,
    /// Events behind it, or series for a gauge.
    pub samples: f64,
    /// Worth knowing beside it.
    pub notes: Vec<String>,
}

/// See [`Taken`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TakenValue {
    /// A number; it may be none that is finite.
    Number(f64),
    /// A quantile above this, the highest finite bound.
    Above(f64),
    /// The series is there, and nothing happened.
    NoEvents,
    /// There is no such series, or no number can be made of it.
    Missing,
}

impl Picked {
    /// Adds a sample if the selector means it. `buckets`: the selector means a histogram, so its buckets are picked.
    ///
    /// # Errors
    /// It is there already, or there are too many.
    pub fn add(&mut self, selector: &Selector, buckets: bool, sample: &Sample<'_>) -> Result<(), PickError> {
        let name = sample.name.as_ref();
        let named = match buckets {
            true => name == selector.name || name.strip_suffix("_bucket") == Some(selector.name.as_str()),
            false => name == selector.name,
        };
        if !named || !selector.matches_labels(sample) {
            return Ok(());
        }
        let bound = match buckets {
            true => match super::text::number(sample.label("le")).filter(|bound| !bound.is_nan()) {
                Some(bound) => bound,
                // As in Prometheus, what has no bound is no bucket.
                None => return Ok(()),
            },
            false => 0.0,
        };
        if self.count == MOST {
            return Err(PickError::TooMany(selector.name.clone()));
        }
        self.count += 1;
        let key = key(sample, buckets);
        let values = self.series.entry(key.clone()).or_default();
        match values.insert(Bound(bound), sample.value) {
            None => Ok(()),
            Some(_) => Err(PickError::Twice(format!("{name}{key}"))),
        }
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.series.values().flat_map(|values| values.values().copied())
    }

    /// The largest value, or the smallest.
    pub fn gauge(&self, smallest: bool) -> Taken {
        let mut notes = Vec::new();
        if self.count > 1 {
            let which = if smallest { "smallest" } else { "largest" };
            notes.push(format!("the {which} of {} series", self.count));
        }
        // NaN is a value that is not known, and so is the largest of it and others.
        let pick = |a: f64, b: f64| match () {
            () if a.is_nan() || b.is_nan() => f64::NAN,
            () if smallest => a.min(b),
            () => a.max(b),
        };
        let value = self.values().reduce(pick).map_or(TakenValue::Missing, TakenValue::Number);
        Taken { value, samples: self.count as f64, notes }
    }

    /// The sum of the values.
    pub fn counter(&self) -> Taken {
        let sum: f64 = self.values().sum();
        let value = if self.count == 0 { TakenValue::Missing } else { TakenValue::Number(sum) };
        Taken { value, samples: sum, notes: self.several() }
    }

    /// What part these counters are of the others, as both are now.
    pub fn ratio(&self, whole: &Picked) -> Taken {
        let mut notes = self.several();
        let all: f64 = whole.values().sum();
        let part: f64 = self.values().sum();
        let value = match () {
            () if self.count == 0 || whole.count == 0 => TakenValue::Missing,
            () if all == 0.0 && part == 0.0 => TakenValue::NoEvents,
            () => TakenValue::Number(part / all),
        };
        match value {
            TakenValue::Missing if self.count > 0 => notes.push("no series of the whole".to_owned()),
            TakenValue::Missing => notes.clear(),
            _ => notes.push(format!("{part} of {all}")),
        }
        Taken { value, samples: all, notes }
    }

    fn several(&self) -> Vec<String> {
        let series = self.series.len();
        if series > 1 { vec![format!("the sum of {series} series")] } else { Vec::new() }
    }

    /// By how much the counters rose since `before`, and what is worth knowing of that.
    fn increases(&self, before: &Picked) -> (Vec<(&str, Bucket)>, Vec<String>) {
        let (mut resets, mut new) = (BTreeSet::new(), BTreeSet::new());
        let mut rises = Vec::with_capacity(self.count);
        for (key, values) in &self.series {
            for (bound, now) in values {
                let then = before.series.get(key).and_then(|values| values.get(bound)).copied();
                let rise = match then {
                    Some(then) if *now < then => {
                        resets.insert(key);
                        *now
                    }
                    Some(then) => now - then,
                    None => {
                        new.insert(key);
                        *now
                    }
                };
                rises.push((key.as_str(), Bucket { bound: bound.0, count: rise }));
            }
        }
        let gone = before.series.keys().filter(|key| !self.series.contains_key(*key)).count();
        let mut notes = self.several();
        let told = [
            (resets.len(), "reset in the window and counted from 0 since"),
            (new.len(), "new in the window and counted from 0"),
            (gone, "gone since the window began and not counted"),
        ];
        notes.extend(told.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} series {what}")));
        (rises, notes)
    }

    /// By how much the counters rose together since `before`.
    pub fn delta(&self, before: &Picked) -> Taken {
        let (rises, notes) = self.increases(before);
        let sum: f64 = rises.iter().map(|(_, rise)| rise.count).sum();
        let value = if rises.is_empty() { TakenValue::Missing } else { TakenValue::Number(sum) };
        Taken { value, samples: sum, notes }
    }

    /// The quantile of what the histograms counted since `before`, all series together.
    pub fn quantile(&self, before: &Picked, q: f64) -> Taken {
        let (rises, mut notes) = self.increases(before);
        let mut layouts = self.series.values().map(|values| values.keys().collect::<Vec<_>>());
        let first = layouts.next();
        if layouts.any(|layout| Some(&layout) != first.as_ref()) {
            // Their sums by bound would be no histogram, and a quantile of them any number.
            notes.push(
                "the series have different buckets and can't be added up: select one layout".to_owned(),
            );
            return Taken { value: TakenValue::Missing, samples: 0.0, notes };
        }
        let buckets: Vec<_> = rises.into_iter().map(|(_, bucket)| bucket).collect();
        let value = match bucket_quantile(q, &buckets) {
            Quantile::Value(value) => TakenValue::Number(value),
            Quantile::Above(bound) => TakenValue::Above(bound),
            Quantile::NoEvents => TakenValue::NoEvents,
            Quantile::Undefined => TakenValue::Missing,
        };
        if value == TakenValue::Missing && !buckets.is_empty() {
            notes.push(
                "no histogram: expected a +Inf bucket, another beside it, and finite counts".to_owned(),
            );
        }
        Taken { value, samples: events(&buckets), notes }
    }
}

/// Counters that never fall: what they held before each reset is added to what they hold since.
#[derive(Debug, Clone, Default)]
pub struct Unbroken {
    /// What each held last, and what it held before its resets. A series that is gone may come back.
    known: BTreeMap<String, BTreeMap<Bound, Held>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    last: f64,
    before: f64,
}

impl Unbroken {
    /// Takes the next scrape, and adds to it what was held before resets.
    pub fn take(&mut self, now: &mut Picked) {
        if self.known.len() > MOST {
            self.known.retain(|key, _| now.series.contains_key(key));
        }
        for (key, values) in &mut now.series {
            if !self.known.contains_key(key) {
                self.known.insert(key.clone(), BTreeMap::new());
            }
            let Some(known) = self.known.get_mut(key) else { continue };
            for (bound, value) in values {
                let held = known.entry(*bound).or_insert(Held { last: *value, before: 0.0 });
                if *value < held.last {
                    held.before += held.last;
                }
                held.last = *value;
                *value += held.before;
            }
        }
    }
}

/// What tells a series from others of its name; the same whatever the order of its labels.
fn key(sample: &Sample<'_>, buckets: bool) -> String {
    let labels = sample.labels.iter().filter(|(name, _)| !(buckets && name == "le"));
    let labels: BTreeMap<_, _> = labels.map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    let mut key = String::from("{");
    for (name, value) in labels {
        // Writing to a String cannot fail.
        let _ = write!(key, "{}{name}={value:?}", if key.len() > 1 { "," } else { "" });
    }
    key + "}"
}

#[cfg(test)]
mod tests {
    use super::super::text::{Line, lines};
    use super::*;

    fn picked(selector: &str, buckets: bool, text: &str) -> Result<Picked, PickError> {
        let selector = Selector::parse(selector).unwrap();
        let mut picked = Picked::default();
        for line in lines(text) {
            if let Line::Sample(sample) = line.unwrap() {
                picked.add(&selector, buckets, &sample)?;
            }
        }
        Ok(picked)
    }

    fn one(text: &str) -> Picked {
        picked("x", false, text).unwrap()
    }

    #[test]
    fn of_several_gauges_the_largest_or_the_smallest_is_taken() {
        let several = one("x{a=\"1\"} 1\nx{a=\"2\"} 0\ny 7\n");
        assert_eq!(several.gauge(false).value, TakenValue::Number(1.0));
        assert_eq!(several.gauge(true).value, TakenValue::Number(0.0));
        assert_eq!(several.gauge(true).notes, ["the smallest of 2 series"]);
        assert_eq!(one("y 7\n").gauge(false).value, TakenValue::Missing);
    }

    #[test]
    fn a_gauge_that_is_not_a_number_is_not_hidden_by_another() {
        for text in ["x{a=\"1\"} NaN\nx{a=\"2\"} 0\n", "x{a=\"1\"} 0\nx{a=\"2\"} NaN\n"] {
            let TakenValue::Number(value) = one(text).gauge(false).value else { panic!() };
            assert!(value.is_nan());
        }
    }

    #[test]
    fn counters_rise_series_by_series_through_resets_and_beginnings() {
        let before = one("x{a=\"1\"} 100\nx{a=\"2\"} 50\nx{a=\"gone\"} 9\n");
        let after = one("x{a=\"2\"} 7\nx{a=\"1\"} 103\nx{a=\"new\"} 2\n");
        let delta = after.delta(&before);
        assert_eq!((delta.value, delta.samples), (TakenValue::Number(12.0), 12.0));
        assert_eq!(
            delta.notes,
            [
                "the sum of 3 series",
                "1 series reset in the window and counted from 0 since",
                "1 series new in the window and counted from 0",
                "1 series gone since the window began and not counted",
            ]
        );
        assert_eq!(one("y 1\n").delta(&before).value, TakenValue::Missing);
        assert_eq!(one("x 1\n").delta(&one("x 1\n")).value, TakenValue::Number(0.0));
    }

    #[test]
    fn a_ratio_is_of_the_counters_as_they_are_now() {
        let page = "x{ok=\"1\"} 19\nx{ok=\"0\"} 1\ny 0\nz NaN\n";
        let of = |selector: &str| picked(selector, false, page).unwrap();
        let taken = of("x{ok=\"1\"}").ratio(&of("x"));
        assert_eq!((taken.value, taken.samples), (TakenValue::Number(0.95), 20.0));
        assert_eq!(taken.notes, ["19 of 20"]);
        assert_eq!(of("y").ratio(&of("y")).value, TakenValue::NoEvents);
        assert_eq!(of("x{ok=\"2\"}").ratio(&of("x")).value, TakenValue::Missing);
        let no_whole = of("x").ratio(&of("w"));
        assert_eq!((no_whole.value, no_whole.notes.len()), (TakenValue::Missing, 2));
        for none in [of("x").ratio(&of("y")), of("z").ratio(&of("x")), of("y").ratio(&of("z"))] {
            let TakenValue::Number(value) = none.value else { panic!("{none:?}") };
            assert!(!value.is_finite(), "{value}");
        }
    }

    #[test]
    fn a_counter_that_was_reset_and_rose_above_its_old_value_has_counted_on() {
        let mut counter = Unbroken::default();
        let mut next = |text: &str| {
            let mut picked = one(text);
            counter.take(&mut picked);
            picked
        };
        let first = next("x{a=\"1\"} 100\nx{a=\"2\"} 5\n");
        next("x{a=\"1\"} 7\n");
        next("x{a=\"1\"} 3\n");
        let last = next("x{a=\"1\"} 120\nx{a=\"2\"} 4\n");
        let delta = last.delta(&first);
        assert_eq!(delta.value, TakenValue::Number((7.0 + 120.0) + 4.0));
        assert_eq!(delta.notes, ["the sum of 2 series"]);
        assert_eq!(next("x{a=\"1\"} 121\nx{a=\"2\"} 4\n").delta(&last).value, TakenValue::Number(1.0));
    }

    #[test]
    fn the_order_of_labels_makes_no_other_series() {
        let delta = one("x{a=\"1\",b=\"2\"} 5\n").delta(&one("x{b=\"2\",a=\"1\",c=\"\"} 3\n"));
        assert_eq!(delta.value, TakenValue::Number(2.0));
        let twice = picked("x", false, "x{a=\"1\",b=\"2\"} 5\nx{b=\"2\",a=\"1\"} 3\n");
        assert_eq!(twice, Err(PickError::Twice("x{a=\"1\",b=\"2\"}".to_owned())));
    }

    const BEFORE: &str =
        "h_bucket{le=\"0.1\"} 10\nh_bucket{le=\"1\"} 10\nh_bucket{le=\"+Inf\"} 10\nh_count 10\n";

    fn histogram(text: &str) -> Picked {
        picked("h", true, text).unwrap()
    }

    #[test]
    fn a_quantile_is_of_the_window_alone() {
        let after = "h_bucket{le=\"0.1\"} 10\nh_bucket{le=\"1.0\"} 30\nh_bucket{le=\"+Inf\"} 30\n";
        let taken = histogram(after).quantile(&histogram(BEFORE), 0.5);
        assert_eq!((taken.value, taken.samples), (TakenValue::Number(0.55), 20.0));
        let taken = histogram(BEFORE).quantile(&histogram(BEFORE), 0.5);
        assert_eq!((taken.value, taken.samples), (TakenValue::NoEvents, 0.0));
        assert_eq!(histogram("").quantile(&histogram(BEFORE), 0.5).value, TakenValue::Missing);
    }

    #[test]
    fn histograms_of_different_layouts_are_not_added_up() {
        let text = "h_bucket{a=\"1\",le=\"0.1\"} 5\nh_bucket{a=\"1\",le=\"+Inf\"} 5\n\
            h_bucket{a=\"2\",le=\"9\"} 5\nh_bucket{a=\"2\",le=\"+Inf\"} 5\n";
        let taken = histogram(text).quantile(&Picked::default(), 0.5);
        assert_eq!(taken.value, TakenValue::Missing);
        assert!(taken.notes.iter().any(|note| note.contains("different buckets")), "{:?}", taken.notes);
    }

    #[test]
    fn buckets_without_a_bound_are_none() {
        let text = "h_bucket{le=\"x\"} 5\nh_bucket 5\nh_bucket{le=\"1\"} 5\n";
        let taken = histogram(text).quantile(&Picked::default(), 0.5);
        assert_eq!(taken.value, TakenValue::Missing);
        assert!(taken.notes.iter().any(|note| note.contains("expected a +Inf bucket")), "{:?}", taken.notes);
    }

    #[test]
    fn more_series_than_can_be_held_are_refused() {
        let text: String = (0..=MOST).map(|n| format!("x{{a=\"{n}\"}} 1\n")).collect();
        assert_eq!(picked("x", false, &text), Err(PickError::TooMany("x".to_owned())));
    }
}
