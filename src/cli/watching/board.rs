//! What is told of a watch while it goes on: a line for each metric, and a line for each change. Pure: it prints
//! nothing and reads no clock.

use crate::evidence::text::visible;
use crate::model::watch::{WatchPlan, WatchSample};
use crate::watch::{BadPlan, Judge, State};

const MINUTE: f64 = 60_000.0;

/// A watch as it stands.
pub struct Board {
    plan: WatchPlan,
    judge: Judge,
    rows: Vec<Row>,
    /// The last whole minute of which a line was told.
    minute: u64,
    width: usize,
}

#[derive(Clone, Default)]
struct Row {
    state: Option<State>,
    detail: String,
}

impl Board {
    /// Nothing is known yet.
    ///
    /// # Errors
    /// A plan that can't be judged.
    pub fn new(plan: &WatchPlan) -> Result<Board, BadPlan> {
        let rows = vec![Row::default(); plan.metrics.len()];
        let width = plan.metrics.iter().map(|metric| metric.name.chars().count()).max().unwrap_or(0);
        Ok(Board { judge: Judge::new(plan)?, plan: plan.clone(), rows, minute: 0, width: width.min(40) })
    }

    /// The line with which it begins.
    pub fn begin(&self) -> String {
        let plan = &self.plan;
        let trigger = match plan.trigger.as_str() {
            "" => "nothing rolls back".to_owned(),
            trigger => format!("rolls back at {}", visible(trigger)),
        };
        let (metrics, lasts) = (plan.metrics.len(), clock(plan.duration_ms));
        format!("watching {metrics} metrics for {lasts} (every {} s): {trigger}", plan.interval_ms / 1e3)
    }

    /// Takes a sample; gives a line for each metric whose state it changed, and one for a minute that is over.
    pub fn take(&mut self, sample: &WatchSample) -> Vec<String> {
        let look = self.judge.look(sample);
        let at = clock(sample.at_ms);
        let mut lines = Vec::new();
        for metric in look.metrics {
            let Some(row) = self.rows.get_mut(metric.place) else { continue };
            let changed = row.state.replace(metric.state) != Some(metric.state);
            row.detail = metric.detail;
            if changed {
                lines.push(format!("  {at}  {}", self.row(metric.place)));
            }
        }
        let minute = (sample.at_ms / MINUTE) as u64;
        if minute > self.minute {
            self.minute = minute;
            lines.push(format!("  {at}  {}", self.so_far()));
        }
        lines
    }

    /// A line for each metric.
    pub fn rows(&self) -> Vec<String> {
        (0..self.rows.len()).map(|place| self.row(place)).collect()
    }

    /// How much time is left at this moment.
    pub fn left(&self, at_ms: f64) -> String {
        let left = clock((self.plan.duration_ms - at_ms).max(0.0));
        format!("{left} left of {}", clock(self.plan.duration_ms))
    }

    fn row(&self, place: usize) -> String {
        let (metric, row) = (&self.plan.metrics[place], &self.rows[place]);
        let counted = self.judge.counted();
        let last = counted.get(place).map_or("", |counts| counts.last.as_str());
        let told = match (row.detail.as_str(), row.state) {
            ("", Some(State::Successful)) => {
                let expect = metric.expect.as_deref();
                let expect = expect.map(|expect| format!("  ({expect})")).unwrap_or_default();
                format!("{last}{expect}")
            }
            (detail, _) => detail.to_owned(),
        };
        format!(
            "{:<8} {:<width$}  {}",
            word(row.state),
            visible(&metric.name),
            visible(&told),
            width = self.width
        )
    }

    fn so_far(&self) -> String {
        let good = |row: &&Row| matches!(row.state, Some(State::Successful | State::Warmup));
        let good = self.rows.iter().filter(good).count();
        let samples: u64 = self.judge.counted().iter().map(|counts| counts.successful).sum();
        format!("{good} of {} metrics as expected, {samples} good samples", self.rows.len())
    }
}

/// The word at the head of a metric's line. What is not green is in capitals, so that it is seen without colour.
fn word(state: Option<State>) -> &'static str {
    match state {
        None => "-",
        Some(State::Warmup) => "warm-up",
        Some(State::Successful) => "ok",
        Some(State::Failed) => "FAILED",
        Some(State::Inconclusive) => "NO DATA",
        Some(State::Error) => "ERROR",
    }
}

/// Milliseconds as minutes and seconds: `07:30`.
fn clock(ms: f64) -> String {
    // A cast saturates, and takes what is no number for 0.
    let seconds = (ms / 1e3) as u64;
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::Unit;
    use crate::model::watch::{OnNoData, WatchMetric, WatchSource};
    use crate::model::{Position, Reading};

    fn board() -> Board {
        let at = Position { file: "gates/desk.toml".to_owned(), line: 1, column: 1 };
        let source = WatchSource {
            name: "engine".to_owned(),
            probe: "prometheus".to_owned(),
            with: Default::default(),
            uses: Vec::new(),
            timeout_ms: 1000.0,
            at: at.clone(),
        };
        let metric = WatchMetric {
            name: "p99_ms".to_owned(),
            source: "engine".to_owned(),
            value: "p99_ms".to_owned(),
            expect: Some("p99_ms < 5".to_owned()),
            failure_limit: 0,
            inconclusive_limit: 0,
            consecutive_error_limit: 4,
            warmup_ms: 1000.0,
            on_no_data: OnNoData::Hold,
            activity: false,
            at,
        };
        Board::new(&WatchPlan {
            duration_ms: 1_800_000.0,
            planned_ms: 1_800_000.0,
            interval_ms: 1000.0,
            max_age_ms: 3000.0,
            trigger: "p99_ms > 50".to_owned(),
            monitor_keys: Vec::new(),
            sources: vec![source],
            metrics: vec![metric],
        })
        .unwrap()
    }

    fn sample(tick: u64, value: Option<f64>) -> WatchSample {
        let reading = value.map(|value| ("p99_ms".to_owned(), Reading::number(value, Unit::Millisecond)));
        WatchSample {
            tick,
            source: "engine".to_owned(),
            at_ms: tick as f64 * 1000.0 + 10.0,
            took_ms: 1.0,
            readings: reading.into_iter().collect(),
            at_least: Default::default(),
            error: value.is_none().then(|| "no answer".to_owned()),
        }
    }

    #[test]
    fn a_line_is_told_when_a_metric_changes_its_state_and_once_a_minute() {
        let mut board = board();
        assert_eq!(board.begin(), "watching 1 metrics for 30:00 (every 1 s): rolls back at p99_ms > 50");
        let values = [Some(3.0), Some(3.0), Some(3.5), Some(7.0), None, None, Some(3.0)];
        let lines: Vec<_> =
            (0..).zip(values).flat_map(|(tick, value)| board.take(&sample(tick, value))).collect();
        let expected = [
            "  00:00  warm-up  p99_ms  ",
            "  00:01  ok       p99_ms  3 ms  (p99_ms < 5)",
            "  00:03  FAILED   p99_ms  p99_ms = 7 ms, expected < 5 ms",
            "  00:04  ERROR    p99_ms  no answer",
            "  00:06  ok       p99_ms  3 ms  (p99_ms < 5)",
        ];
        assert_eq!(lines, expected);
        let told = board.take(&sample(61, Some(3.0)));
        assert_eq!(told, ["  01:01  1 of 1 metrics as expected, 4 good samples"]);
        assert_eq!(board.take(&sample(62, Some(3.0))), Vec::<String>::new());
        assert_eq!(board.rows(), ["ok       p99_ms  3 ms  (p99_ms < 5)"]);
        assert_eq!(board.left(62_000.0), "28:58 left of 30:00");
    }
}
