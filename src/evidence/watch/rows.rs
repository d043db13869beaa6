//! `watch.csv`: one row for each metric and sample, in the order in which samples were told.

use super::WatchView;
use super::csv::{self, guarded, unguarded};
use crate::model::Reading;
use crate::model::watch::{WatchMetric, WatchSample};
use crate::watch::{Judge, MetricLook};
use std::collections::BTreeSet;

const HEADER: [&str; 10] =
    ["tick", "at_utc", "elapsed_ms", "source", "metric", "value", "unit", "state", "took_ms", "detail"];

/// A series that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct SeriesFault {
    /// Which line, from 1.
    pub line: usize,
    /// Expected and seen.
    pub what: String,
}

/// The whole file. A plan that can't be judged has states that say so.
pub(super) fn write(watch: &WatchView<'_>) -> String {
    let mut out = String::new();
    csv::line(&mut out, &HEADER);
    let mut judge = Judge::new(watch.plan).ok();
    for (at, sample) in &watch.samples {
        let looks = judge.as_mut().map(|judge| judge.look(sample).metrics).unwrap_or_default();
        let mine = watch.plan.metrics.iter().enumerate();
        for (place, metric) in mine.filter(|(_, metric)| metric.source == sample.source) {
            let look = looks.iter().find(|look| look.place == place);
            row(&mut out, &at.to_string(), sample, metric, look);
        }
    }
    out
}

fn row(out: &mut String, at: &str, sample: &WatchSample, metric: &WatchMetric, look: Option<&MetricLook>) {
    let (value, unit) = written(sample, metric);
    let detail = match (&sample.error, look) {
        (Some(error), _) => error.as_str(),
        (None, Some(look)) => &look.detail,
        (None, None) => "the plan cannot be judged",
    };
    csv::line(
        out,
        &[
            &sample.tick.to_string(),
            at,
            &sample.at_ms.to_string(),
            &guarded(&sample.source),
            &guarded(&metric.name),
            &value,
            unit,
            look.map_or("unjudged", |look| look.state.as_str()),
            &sample.took_ms.to_string(),
            &guarded(detail),
        ],
    );
}

/// A value, and its unit or what else it is. A value that is only a bound begins with `>`.
fn written(sample: &WatchSample, metric: &WatchMetric) -> (String, &'static str) {
    if sample.error.is_some() {
        return (String::new(), "error");
    }
    let bound = if sample.at_least.contains(&metric.name) { ">" } else { "" };
    match sample.readings.get(&metric.name).unwrap_or(&Reading::Missing) {
        Reading::Number { value, unit } => (format!("{bound}{value}"), unit.name()),
        Reading::Text { value } => (guarded(value), "text"),
        Reading::Bool { value } => (value.to_string(), "bool"),
        Reading::NoEvents => (String::new(), "no_events"),
        Reading::Missing => (String::new(), "missing"),
    }
}

/// The samples of a file.
pub(super) fn read(text: &str) -> Result<Vec<WatchSample>, SeriesFault> {
    let lines =
        csv::lines(text).map_err(|fault| SeriesFault { line: fault.line, what: fault.what.to_owned() })?;
    let mut lines = lines.into_iter();
    if lines.next().is_none_or(|(_, cells)| cells != HEADER) {
        let what = format!("expected the header {}", HEADER.join(","));
        return Err(SeriesFault { line: 1, what });
    }
    let mut samples: Vec<WatchSample> = Vec::new();
    for (line, cells) in lines {
        let row = Row::read(&cells).map_err(|what| SeriesFault { line, what })?;
        match samples.last_mut() {
            Some(sample) if row.belongs_to(sample) => row.add_to(sample),
            _ => {
                let mut sample = row.begin();
                row.add_to(&mut sample);
                samples.push(sample);
            }
        }
    }
    Ok(samples)
}

struct Row<'c> {
    tick: u64,
    at_ms: f64,
    source: &'c str,
    metric: &'c str,
    reading: Result<Reading, &'c str>,
    bound: bool,
    took_ms: f64,
}

impl Row<'_> {
    fn read(cells: &[String]) -> Result<Row<'_>, String> {
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        let [tick, _, at_ms, source, metric, value, unit, _, took_ms, detail] = cells[..] else {
            return Err(format!("expected {} cells, seen {}", HEADER.len(), cells.len()));
        };
        let (value, bound) =
            value.strip_prefix('>').filter(|_| unit != "text").map_or((value, false), |v| (v, true));
        let reading = match unit {
            "error" => Err(unguarded(detail)),
            "no_events" => Ok(Reading::NoEvents),
            "missing" => Ok(Reading::Missing),
            "text" => Ok(Reading::text(unguarded(value))),
            "bool" => Ok(Reading::bool(
                value.parse().map_err(|_| format!("value: expected true or false, seen {value:?}"))?,
            )),
            unit => {
                let unit = unit.parse().map_err(|error| format!("unit: {error}"))?;
                Ok(Reading::Number { value: number("value", value)?, unit })
            }
        };
        Ok(Row {
            tick: tick.parse().map_err(|_| format!("tick: expected a whole number, seen {tick:?}"))?,
            at_ms: number("elapsed_ms", at_ms)?,
            source: unguarded(source),
            metric: unguarded(metric),
            reading,
            bound,
            took_ms: number("took_ms", took_ms)?,
        })
    }

    fn belongs_to(&self, sample: &WatchSample) -> bool {
        let same = sample.tick == self.tick && sample.source == self.source && sample.at_ms == self.at_ms;
        let fits = match self.reading {
            Ok(_) => sample.error.is_none() && !sample.readings.contains_key(self.metric),
            Err(error) => sample.error.as_deref() == Some(error),
        };
        same && fits
    }

    fn begin(&self) -> WatchSample {
        WatchSample {
            tick: self.tick,
            source: self.source.to_owned(),
            at_ms: self.at_ms,
            took_ms: self.took_ms,
            readings: Default::default(),
            at_least: BTreeSet::new(),
            error: self.reading.as_ref().err().map(|error| (*error).to_owned()),
        }
    }

    fn add_to(self, sample: &mut WatchSample) {
        if let Ok(reading) = self.reading {
            sample.readings.insert(self.metric.to_owned(), reading);
            if self.bound {
                sample.at_least.insert(self.metric.to_owned());
            }
        }
    }
}

fn number(what: &str, text: &str) -> Result<f64, String> {
    let finite = text.parse().ok().filter(|number: &f64| number.is_finite());
    finite.ok_or_else(|| format!("{what}: expected a number, seen {text:?}"))
}
