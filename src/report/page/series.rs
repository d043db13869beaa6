//! The series of one watched metric: what is drawn of it, and what is said where nothing can be drawn.

use crate::model::Reading;
use crate::model::units::{Quantity, Unit};
use crate::model::watch::{WatchMetric, WatchPlan, WatchSample};
use crate::watch::State;

/// So many columns a chart has: of more samples, each keeps its lowest, its highest and one that failed.
const COLUMNS: usize = 300;

/// A value at a time, in milliseconds from the watch's start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::report) struct Point {
    pub at_ms: f64,
    pub value: f64,
    /// Counted as a failure.
    pub failed: bool,
}

/// A metric's samples, sorted out.
#[derive(Debug, Default)]
pub(in crate::report) struct Series {
    /// Values without a gap between them.
    pub segments: Vec<Vec<Point>>,
    /// When there was no data: from, to.
    pub gaps: Vec<(f64, f64)>,
    pub unit: Unit,
    /// Values that are texts, each once, in the order in which they came.
    pub texts: Vec<String>,
    /// How many samples said that nothing happened.
    pub no_events: usize,
    /// Values that are only a bound, which the true value is above.
    pub bounds: usize,
}

/// A sample, and what the judge made of it for one metric.
pub(super) type Looked<'a> = (&'a WatchSample, Option<State>);

impl Series {
    /// Of the samples of a metric's source, in their order. `until`: how long it was watched.
    pub(super) fn of(plan: &WatchPlan, metric: &WatchMetric, samples: &[Looked<'_>], until: f64) -> Series {
        let mut series = Series::default();
        let mut points: Vec<Point> = Vec::new();
        // When anything was heard, be it that nothing happened.
        let mut heard: Vec<f64> = Vec::new();
        for (sample, state) in samples {
            let at_ms = sample.at_ms.clamp(0.0, until);
            let reading = sample.readings.get(&metric.name).filter(|_| sample.error.is_none());
            let value = match reading {
                None | Some(Reading::Missing) => continue,
                Some(Reading::Number { value, unit }) => {
                    series.unit = *unit;
                    Some(*value)
                }
                Some(Reading::Bool { value }) => Some(f64::from(u8::from(*value))),
                Some(Reading::Text { value }) => {
                    series.take_text(value);
                    None
                }
                Some(Reading::NoEvents) => {
                    series.no_events += 1;
                    None
                }
            };
            heard.push(at_ms);
            series.bounds += usize::from(sample.at_least.contains(&metric.name));
            let failed = *state == Some(State::Failed);
            points.extend(value.filter(|value| value.is_finite()).map(|value| Point {
                at_ms,
                value,
                failed,
            }));
        }
        series.gaps = gaps(&heard, plan.interval_ms, until);
        series.segments = segments(&points, &series.gaps, until);
        series
    }

    fn take_text(&mut self, value: &str) {
        const MOST: usize = 8;
        if self.texts.len() < MOST && !self.texts.iter().any(|text| text == value) {
            self.texts.push(value.to_owned());
        }
    }

    pub fn points(&self) -> impl Iterator<Item = &Point> {
        self.segments.iter().flatten()
    }

    /// A limit in the unit of the series; none where the two measure different things.
    pub(super) fn in_unit(&self, limit: Quantity) -> Option<f64> {
        match (limit.unit, self.unit) {
            (limited, unit) if limited == unit => Some(limit.value),
            (Unit::None, _) | (_, Unit::None) => Some(limit.value),
            (_, unit) => limit.convert(unit).ok().map(|limit| limit.value),
        }
        .filter(|value| value.is_finite())
    }
}

/// When there was no data: wherever nothing is heard for clearly longer than an interval.
fn gaps(heard: &[f64], interval_ms: f64, until: f64) -> Vec<(f64, f64)> {
    let most = 1.75 * interval_ms.max(1.0);
    let from = std::iter::once(0.0).chain(heard.iter().copied());
    let to = heard.iter().copied().chain(std::iter::once(until));
    from.zip(to).filter(|(from, to)| to - from > most).collect()
}

/// Runs of points between which there is no gap, thinned out.
fn segments(points: &[Point], gaps: &[(f64, f64)], until: f64) -> Vec<Vec<Point>> {
    let mut gaps = gaps.iter().peekable();
    let mut segments: Vec<Vec<Point>> = Vec::new();
    let mut open = false;
    for point in points {
        while gaps.next_if(|(_, to)| *to <= point.at_ms).is_some() {
            open = false;
        }
        match segments.last_mut() {
            Some(segment) if open => segment.push(*point),
            _ => segments.push(vec![*point]),
        }
        open = true;
    }
    if points.len() > COLUMNS {
        segments.iter_mut().for_each(|segment| *segment = thinned(segment, until));
    }
    segments
}

/// Of each column its lowest and highest point and one that failed, in the order of time.
fn thinned(points: &[Point], until: f64) -> Vec<Point> {
    let column = |point: &Point| (point.at_ms / until.max(1.0) * COLUMNS as f64) as usize;
    let mut kept = Vec::new();
    for chunk in points.chunk_by(|one, other| column(one) == column(other)) {
        let place = |found: Option<(usize, &Point)>| found.map(|(place, _)| place);
        let by_value = |one: &(usize, &Point), other: &(usize, &Point)| one.1.value.total_cmp(&other.1.value);
        let lowest = place(chunk.iter().enumerate().min_by(by_value));
        let highest = place(chunk.iter().enumerate().max_by(by_value));
        let failed = chunk.iter().position(|point| point.failed);
        let mut places: Vec<_> = [lowest, highest, failed].into_iter().flatten().collect();
        places.sort_unstable();
        places.dedup();
        kept.extend(places.into_iter().filter_map(|place| chunk.get(place)));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at_ms: f64, value: f64) -> Point {
        Point { at_ms, value, failed: value > 100.0 }
    }

    #[test]
    fn where_nothing_is_heard_for_longer_than_an_interval_there_is_a_gap() {
        assert_eq!(
            gaps(&[10.0, 1010.0, 4010.0, 5010.0], 1000.0, 9000.0),
            [(1010.0, 4010.0), (5010.0, 9000.0)]
        );
        assert_eq!(gaps(&[], 1000.0, 9000.0), [(0.0, 9000.0)]);
        assert_eq!(gaps(&[5.0], 1000.0, 1000.0), []);
    }

    #[test]
    fn a_line_is_broken_at_a_gap() {
        let points = [point(10.0, 1.0), point(1010.0, 2.0), point(4010.0, 3.0), point(5010.0, 4.0)];
        let segments = segments(&points, &[(1010.0, 4010.0)], 6000.0);
        assert_eq!(segments, [points[..2].to_vec(), points[2..].to_vec()]);
    }

    #[test]
    fn a_peak_among_a_hundred_thousand_samples_is_still_drawn() {
        let mut points: Vec<_> = (0..100_000).map(|at| point(f64::from(at), 1.0)).collect();
        points[77_777] = point(77_777.0, 900.0);
        points[77_778] = point(77_778.0, -900.0);
        let kept = &segments(&points, &[], 100_000.0)[0];
        assert!(kept.len() <= 3 * COLUMNS + 3, "{}", kept.len());
        assert!(kept.contains(&points[77_777]) && kept.contains(&points[77_778]));
        assert!(kept.is_sorted_by(|one, other| one.at_ms <= other.at_ms));
    }
}
