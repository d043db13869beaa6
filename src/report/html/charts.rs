//! The watched metrics as drawings: the line, where it is broken for want of data, the limits, what failed, and where
//! it had to be rolled back. Everything that a drawing says stands in words beneath it.

use super::parts::{of_verdict, section};
use super::writer::Html;
use crate::report::page::charts::{Chart, ChartState, Limit, Watch, measure};
use crate::report::page::said::{lasting_ms, many};
use crate::report::page::series::Point;

/// The drawing's own units: as wide as a phone, so that its text is as large as the page's there.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 6.0;
const RIGHT: f64 = 354.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 130.0;

pub(super) fn write(html: &mut Html, watches: &[Watch]) {
    for (number, watch) in (1..).zip(watches) {
        section(html, &format!("watch-{number}"), "The minutes after the switch", |html| {
            html.leaf("p", &[("class", "aside")], &watch.run);
            told(html, watch);
            html.element("div", &[("class", "charts")], |html| {
                watch.charts.iter().for_each(|chart| figure(html, chart));
            });
            if watch.left_out > 0 {
                html.leaf("p", &[], format_args!("{} more: see watch.csv.", many(watch.left_out, "metric")));
            }
        });
    }
}

fn told(html: &mut Html, watch: &Watch) {
    let (mark, class) = watch.verdict.map_or(("!", "bad"), of_verdict);
    html.element("p", &[("class", class)], |html| {
        html.leaf("span", &[("class", "mark"), ("aria-hidden", "true")], mark);
        html.text(&watch.told);
    });
    for (name, said) in [("Because: ", &watch.reason), ("Trigger: ", &watch.trigger)] {
        if !said.is_empty() {
            html.element("p", &[], |html| {
                html.text(name);
                html.leaf("b", &[], said);
            });
        }
    }
}

fn figure(html: &mut Html, chart: &Chart) {
    let (mark, class) = match chart.state {
        ChartState::Good => ("✓", "good"),
        ChartState::Recorded => ("–", "doubt"),
        ChartState::NoData => ("?", "bad"),
        ChartState::NotJudged => ("!", "bad"),
        ChartState::Failed | ChartState::Breached => ("✗", "bad"),
    };
    html.newline();
    html.element("figure", &[("class", class)], |html| {
        html.element("h3", &[], |html| {
            html.leaf("span", &[("class", "mark"), ("aria-hidden", "true")], mark);
            html.text(&chart.name);
            html.leaf("span", &[("class", "word")], chart.state.as_str());
        });
        match Scale::of(chart) {
            Some(scale) => drawing(html, chart, &scale),
            None => html.leaf("p", &[("class", "nothing")], "no numbers to draw"),
        }
        html.element("figcaption", &[], |html| caption(html, chart));
    });
}

fn caption(html: &mut Html, chart: &Chart) {
    html.text(&chart.told);
    html.text(".");
    if !chart.last.is_empty() {
        html.text(" Last ");
        html.leaf("b", &[], &chart.last);
        html.text(".");
    }
    if !chart.expect.is_empty() {
        html.text(" Expected: ");
        html.leaf("b", &[], &chart.expect);
        html.text(".");
    }
    for text in &chart.texts {
        html.text(" Said: ");
        html.leaf("b", &[], text);
        html.text(".");
    }
}

/// Where times and values are drawn.
struct Scale {
    spans_ms: f64,
    low: f64,
    high: f64,
}

impl Scale {
    /// None where there is nothing to draw, or nothing that can be.
    fn of(chart: &Chart) -> Option<Scale> {
        chart.series.points().next()?;
        let limits = chart.limits.iter().map(|limit| limit.value);
        let values = || chart.series.points().map(|point| point.value).chain(limits.clone());
        let (low, high) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
        let room = 0.12 * (high - low);
        let high = if room == 0.0 { low + 1.0 } else { high + room };
        (high - low).is_finite().then_some(Scale { spans_ms: chart.spans_ms, low, high })
    }

    fn x(&self, at_ms: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (at_ms / self.spans_ms).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

fn drawing(html: &mut Html, chart: &Chart, scale: &Scale) {
    let view = format!("0 0 {WIDTH} {HEIGHT}");
    let label = format!("{}: {}", chart.name, chart.told);
    let of_svg = [("viewBox", &*view), ("role", "img"), ("aria-label", &*label), ("class", "chart")];
    html.element("svg", &of_svg, |html| {
        gaps(html, chart, scale);
        axes(html, chart, scale);
        for limit in &chart.limits {
            let y = scale.y(limit.value);
            straight(html, (LEFT, y), (RIGHT, y), "limit");
        }
        for segment in &chart.series.segments {
            line(html, scale, segment);
        }
        chart.series.points().filter(|point| point.failed).for_each(|point| cross(html, scale, point));
        if let Some(at) = chart.breach_ms {
            breach(html, chart, scale, at);
        }
        // Last, so that nothing is drawn over them.
        chart.limits.iter().for_each(|limit| limit_name(html, chart, scale, limit));
    });
}

/// Where there was no data: hatched, and said where there is room.
fn gaps(html: &mut Html, chart: &Chart, scale: &Scale) {
    for (from, to) in &chart.series.gaps {
        let (from, to) = (scale.x(*from), scale.x(*to));
        let (x, y) = (number(from), number(TOP));
        let (width, height) = (number((to - from).max(1.0)), number(BOTTOM - TOP));
        let place = [("x", &*x), ("y", &*y), ("width", &*width), ("height", &*height), ("class", "gap")];
        html.element("rect", &place, |_| {});
        if to - from > 44.0 {
            text(html, f64::midpoint(from, to), f64::midpoint(TOP, BOTTOM), "middle", "no data");
        }
    }
}

fn axes(html: &mut Html, chart: &Chart, scale: &Scale) {
    let zero = scale.y(scale.low.max(0.0).min(scale.high));
    straight(html, (LEFT, zero), (RIGHT, zero), "axis");
    text(html, LEFT, HEIGHT - 6.0, "start", "0 s");
    text(html, RIGHT, HEIGHT - 6.0, "end", &lasting_ms(scale.spans_ms));
    text(html, RIGHT, TOP - 5.0, "end", &format!("up to {}", measure(scale.high, chart.unit)));
}

fn limit_name(html: &mut Html, chart: &Chart, scale: &Scale, limit: &Limit) {
    let y = scale.y(limit.value);
    let above = if y - 4.0 < TOP { y + 11.0 } else { y - 4.0 };
    text(html, LEFT, above, "start", &format!("{} {}", limit.of, measure(limit.value, chart.unit)));
}

fn line(html: &mut Html, scale: &Scale, segment: &[Point]) {
    let place = |point: &Point| format!("{} {}", number(scale.x(point.at_ms)), number(scale.y(point.value)));
    let places: Vec<_> = segment.iter().map(place).collect();
    // A point alone is drawn as a dot, by the round ends of a line without length.
    let path = match places.as_slice() {
        [alone] => format!("M{alone}h.01"),
        places => format!("M{}", places.join("L")),
    };
    html.element("path", &[("d", &path), ("class", "line")], |_| {});
}

fn cross(html: &mut Html, scale: &Scale, point: &Point) {
    let (x, y) = (scale.x(point.at_ms), scale.y(point.value));
    let path = format!("M{} {}l7 7m0 -7l-7 7", number(x - 3.5), number(y - 3.5));
    html.element("path", &[("d", &path), ("class", "cross")], |_| {});
}

fn breach(html: &mut Html, chart: &Chart, scale: &Scale, at: f64) {
    let (x, breached) = (scale.x(at), chart.state == ChartState::Breached);
    straight(html, (x, TOP - 2.0), (x, BOTTOM), if breached { "breach" } else { "breach other" });
    let (anchor, beside) = if x > f64::midpoint(LEFT, RIGHT) { ("end", x - 3.0) } else { ("start", x + 3.0) };
    let what = if breached { "breach" } else { "rolled back" };
    text(html, beside, BOTTOM + 14.0, anchor, &format!("{what} at {}", lasting_ms(at)));
}

fn straight(html: &mut Html, from: (f64, f64), to: (f64, f64), class: &str) {
    let path = format!("M{} {}L{} {}", number(from.0), number(from.1), number(to.0), number(to.1));
    html.element("path", &[("d", &path), ("class", class)], |_| {});
}

fn text(html: &mut Html, x: f64, y: f64, anchor: &str, text: &str) {
    html.leaf("text", &[("x", &number(x)), ("y", &number(y)), ("text-anchor", anchor)], text);
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}
