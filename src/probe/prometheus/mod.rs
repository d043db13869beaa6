//! Values of a metrics page in Prometheus' text format: gauges as they are, counters and histograms over a window
//! between two scrapes. No Prometheus server is needed.

mod history;
pub mod quantile;
pub mod selector;
pub mod series;
pub mod text;

use super::http::{self, SPEAK_HTTP};
use super::{BadArgs, Context, Measurement, Probe, ProbeError, Sampler, declared};
use crate::model::field::{Field, FieldKind};
use crate::model::units::{Quantity, Unit, unit_of_metric_name};
use crate::model::{Args, Metric, Observation, Reading, ServiceKind};
use selector::Selector;
use series::{Picked, Taken, TakenValue};
use std::time::{Duration, Instant};
use text::{Line, lines};

/// The probe `prometheus`.
pub struct Prometheus;

/// The longest page that is read.
const LONGEST: u64 = 16 << 20;

const SERIES: &[Field] = &[
    Field::required(
        "name",
        FieldKind::Text,
        "the name that conditions use; the unit it ends with is that of the value",
    ),
    Field::required(
        "select",
        FieldKind::Text,
        "which series, as PromQL writes it: `orders_total{env=\"prod\",path!~\"/internal.*\"}`; for a quantile the histogram without `_bucket`",
    ),
    Field::required(
        "take",
        FieldKind::Choice(&["gauge", "gauge_min", "counter", "delta", "rate", "ratio", "quantile"]),
        "`gauge`: the value now, of several series the largest (`gauge_min`: the smallest); `counter`: the sum of the values now; `delta`: by how much that rose in the window; `rate`: that per second; `ratio`: what part that sum now is of the one of `of`; `quantile`: of a histogram's events in the window",
    ),
    Field::optional(
        "of",
        FieldKind::Text,
        "for `ratio` the series of the whole: `select = \"rejects_total{classified=\\\"true\\\"}\"`, `of = \"rejects_total\"`",
    ),
    Field::optional(
        "idle",
        FieldKind::Number,
        "what a `ratio` is while the whole counts 0, such as 1 for the part of disconnects that were recovered from; where absent, it is not known then",
    ),
    Field::optional("q", FieldKind::Number, "the quantile: 0.99; above 0, at most 1"),
    Field::optional(
        "unit",
        FieldKind::Text,
        "the unit of the series; where absent, what its name ends with (`_seconds`, `_bytes`)",
    ),
    Field::with_default(
        "beyond",
        FieldKind::Choice(&["missing", "bound"]),
        "\"missing\"",
        "what a quantile above the highest bucket is: not known, or that bucket's bound as in Prometheus, which is too low",
    ),
];

const FIELDS: &[Field] = &[
    http::URL,
    Field::optional("path", FieldKind::Text, "the page on the service in `uses`; `/metrics` where absent"),
    http::HEADERS_ENV,
    Field::with_default(
        "window",
        FieldKind::Duration,
        "\"5s\"",
        "between the two scrapes that `delta`, `rate` and `quantile` compare",
    ),
    Field::required("series", FieldKind::Tables(SERIES), "what to observe"),
];

impl Probe for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn about(&self) -> &'static str {
        "gauges, counters and histogram quantiles of a metrics page in Prometheus' text format"
    }

    fn one_of(&self, args: &Args) -> &'static [ServiceKind] {
        if args.text("url").is_some() { &[] } else { SPEAK_HTTP }
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn metrics(&self, args: &Args) -> Vec<Metric> {
        let mut metrics = vec![Metric::number("scraped", Unit::Count, "values on the page")];
        let named = |item: Args| {
            let about = "what was taken of the selected series";
            Some(Metric::named(item.text("name")?, units(&item).ok()?.observed, about))
        };
        metrics.extend(args.tables("series").into_iter().filter_map(named));
        metrics
    }

    fn expect(&self, args: &Args) -> String {
        let names = args.tables("series");
        let names = names.iter().filter_map(|item| item.text("name"));
        let present = names.map(|name| format!(" and present({name})"));
        format!("scraped > 0{}", present.collect::<String>())
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        http::check_place(args)?;
        http::check_headers(args)?;
        declared::check_names(args, "series", &mut vec!["scraped".to_owned()])?;
        let items = args.tables("series");
        let wrong = |message| BadArgs { field: "series", message };
        if items.is_empty() {
            return Err(wrong("expected at least one series, and there is none".to_owned()));
        }
        items.iter().try_for_each(|item| check_series(item).map_err(wrong))
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let wanted = args.tables("series");
        let wanted = wanted.iter().map(Wanted::new).collect::<Result<Vec<_>, _>>().map_err(ProbeError)?;
        let endpoint = http::service(args, context)?;
        let url = http::url(args, endpoint, "/metrics");
        let mut kept = http::Kept::default();
        let mut scrape = || scrape(args, context, endpoint, &url, &wanted, &mut kept);
        let window = args.duration("window").unwrap_or(Duration::from_secs(5));
        let (before, after) = if wanted.iter().any(Wanted::compares) {
            let before = scrape()?;
            wait(window, before.at, context)?;
            (Some(before), scrape()?)
        } else {
            (None, scrape()?)
        };
        let found = Found::of(&wanted, before.as_ref(), &after, window, context, &url);
        Ok(Measurement { observations: found.observations, facts: found.facts, ..Measurement::default() })
    }

    fn sampler(&self, args: &Args) -> Option<Box<dyn Sampler>> {
        Some(Box::new(history::History::new(args)))
    }

    fn compares(&self, args: &Args, name: &str) -> bool {
        let series = args.tables("series");
        let named = series.iter().find(|item| item.text("name") == Some(name));
        named.and_then(|item| item.text("take")).is_some_and(compares)
    }
}

/// What was made of one scrape, or of two.
struct Found {
    observations: Vec<Observation>,
    facts: Args,
    /// Quantiles above the highest bucket, of which the setting does not say that its bound is enough.
    above: Vec<String>,
}

impl Found {
    fn of(
        wanted: &[Wanted],
        before: Option<&Scrape>,
        after: &Scrape,
        window: Duration,
        context: &Context<'_>,
        url: &str,
    ) -> Found {
        let at = context.redactor.text(url).into_owned();
        let count = Reading::number(after.count as f64, Unit::Count);
        let mut found = Found {
            observations: vec![context.observed("scraped", count, &at)],
            facts: Args::default(),
            above: Vec::new(),
        };
        for (number, wanted) in wanted.iter().enumerate() {
            let taken = wanted.take(number, before, after);
            let (reading, notes) = wanted.reading(&taken);
            if !notes.is_empty() {
                found.facts.set(&wanted.name, notes.join("; "));
            }
            if matches!(taken.value, TakenValue::Above(_)) && !wanted.bound_is_enough {
                found.above.push(wanted.name.clone());
            }
            let source = format!("{} at {at}", wanted.told(window));
            let observed = context.observed(&wanted.name, reading, &source);
            let samples = taken.samples.max(0.0).round() as u64;
            found.observations.push(Observation { samples, ..observed });
        }
        found
    }
}

/// Whether a way to take series compares two scrapes.
fn compares(take: &str) -> bool {
    matches!(take, "delta" | "rate" | "quantile")
}

fn check_series(item: &Args) -> Result<(), String> {
    Wanted::new(item)?;
    let q = item.number("q");
    match (item.text("take"), q) {
        (Some("quantile"), None) => Err("take = \"quantile\" needs q, such as 0.99".to_owned()),
        (Some("quantile"), Some(q)) if !(q > 0.0 && q <= 1.0) => {
            Err(format!("q = {q}: expected a number above 0 and at most 1, such as 0.99"))
        }
        (Some(take), Some(_)) if take != "quantile" => {
            Err(format!("q is for take = \"quantile\", not {take}"))
        }
        _ => check_ratio(item),
    }
}

fn check_ratio(item: &Args) -> Result<(), String> {
    let take = item.text("take").unwrap_or_default();
    match (take, item.text("of"), item.number("idle")) {
        ("ratio", None, _) => Err("take = \"ratio\" needs of, the series of the whole".to_owned()),
        ("ratio", _, Some(idle)) if !(0.0..=1.0).contains(&idle) => {
            Err(format!("idle = {idle}: expected a ratio from 0 to 1"))
        }
        ("ratio", ..) if item.text("unit").is_some() => {
            Err("unit: a ratio has none of its own, whatever its series are measured in".to_owned())
        }
        ("ratio", ..) | (_, None, None) => Ok(()),
        _ => Err(format!("of and idle are for take = \"ratio\", not {take}")),
    }
}

/// The unit of a series, and the one in which its value is observed: that of the name in conditions.
struct Units {
    series: Unit,
    observed: Unit,
}

fn units(item: &Args) -> Result<Units, String> {
    let (name, select) = (item.text("name").unwrap_or_default(), item.text("select").unwrap_or_default());
    let take = item.text("take").unwrap_or_default();
    let metric = select.split('{').next().unwrap_or_default().trim();
    let series = match item.text("unit") {
        Some(unit) => unit.parse().map_err(|error| format!("unit: {error}"))?,
        None if take == "rate" => Unit::None,
        None if take == "ratio" => Unit::Ratio,
        None => unit_of_metric_name(metric).unwrap_or(match take {
            "counter" | "delta" => Unit::Count,
            _ => Unit::None,
        }),
    };
    let own = unit_of_metric_name(name);
    match own {
        None => Ok(Units { series, observed: series }),
        // Nobody says what the series is in: then the name does.
        Some(own) if series == Unit::None => Ok(Units { series: own, observed: own }),
        Some(own) if own.dimension() == series.dimension() => Ok(Units { series, observed: own }),
        Some(own) => Err(format!(
            "{name} says {own}, but {metric} is measured in {series} ({}): give it another name, or say the series' `unit`",
            series.dimension()
        )),
    }
}

/// One entry of `series`.
struct Wanted {
    name: String,
    select: String,
    take: String,
    selector: Selector,
    /// Of a ratio: the series of the whole, as it was written and as it is understood.
    whole: Option<(String, Selector)>,
    units: Units,
    q: f64,
    idle: Option<f64>,
    /// Whether a quantile above the highest bucket is given as that bucket's bound.
    gives_bound: bool,
    /// Whether that is all that is asked for.
    bound_is_enough: bool,
}

impl Wanted {
    fn new(item: &Args) -> Result<Wanted, String> {
        let select = item.text("select").unwrap_or_default();
        let selector = Selector::parse(select).map_err(|error| format!("select = {error}"))?;
        let whole = item.text("of").map(|of| {
            let selector = Selector::parse(of).map_err(|error| format!("of = {error}"))?;
            Ok::<_, String>((of.to_owned(), selector))
        });
        let take = item.text("take").unwrap_or_default();
        if take == "quantile" && selector.names("le") {
            return Err(format!(
                "select = `{select}`: a quantile needs all buckets: expected no matcher of `le`"
            ));
        }
        let bound_is_enough = item.text("beyond") == Some("bound");
        Ok(Wanted {
            name: item.text("name").unwrap_or_default().to_owned(),
            select: select.to_owned(),
            take: take.to_owned(),
            selector,
            whole: whole.transpose()?,
            units: units(item)?,
            q: item.number("q").unwrap_or(f64::NAN),
            idle: item.number("idle"),
            gives_bound: bound_is_enough,
            bound_is_enough,
        })
    }

    /// As it is watched: a trigger must see also what is above the highest bucket.
    fn watched(item: &Args) -> Result<Wanted, String> {
        Ok(Wanted { gives_bound: true, ..Wanted::new(item)? })
    }

    /// Whether it takes two scrapes.
    fn compares(&self) -> bool {
        compares(&self.take)
    }

    /// What is taken of which series, over which window: the source of what is observed.
    fn told(&self, window: Duration) -> String {
        let Wanted { take, select, q, .. } = self;
        match (take.as_str(), &self.whole) {
            ("quantile", _) => format!("quantile {q} of {select} over {} s", window.as_secs_f64()),
            ("ratio", Some((of, _))) => format!("ratio of {select} to {of}"),
            _ if self.compares() => format!("{take} of {select} over {} s", window.as_secs_f64()),
            _ => format!("{take} {select}"),
        }
    }

    fn take(&self, number: usize, before: Option<&Scrape>, after: &Scrape) -> Taken {
        let now = &after.picked[number];
        let nothing = Picked::default();
        let then = before.map_or(&nothing, |before| &before.picked[number]);
        match self.take.as_str() {
            "gauge" => now.gauge(false),
            "gauge_min" => now.gauge(true),
            "counter" => now.counter(),
            "quantile" => now.quantile(then, self.q),
            "ratio" => now.ratio(&after.wholes[number]),
            "rate" => {
                let seconds = before.map_or(f64::NAN, |before| (after.at - before.at).as_secs_f64());
                let mut taken = now.delta(then);
                if let TakenValue::Number(rise) = taken.value {
                    taken.value = TakenValue::Number(rise / seconds);
                }
                taken
            }
            _ => now.delta(then),
        }
    }

    /// What is observed, and what is worth knowing of it.
    fn reading(&self, taken: &Taken) -> (Reading, Vec<String>) {
        let mut notes = taken.notes.clone();
        let number = |value: f64| {
            let Units { series, observed } = self.units;
            Quantity::new(value, series)
                .convert(observed)
                .map_or(Reading::Missing, |seen| Reading::number(seen.value, observed))
        };
        let reading = match taken.value {
            TakenValue::Number(value) => {
                if !value.is_finite() {
                    notes.push(format!("{value} is no value to judge"));
                }
                number(value)
            }
            TakenValue::Above(bound) => {
                let highest = Quantity::new(bound, self.units.series);
                notes.push(format!(
                    "the {} quantile is above {highest}, the highest bucket of {}: how far is not known; add buckets",
                    self.q, self.selector.name
                ));
                if self.gives_bound { number(bound) } else { Reading::Missing }
            }
            TakenValue::NoEvents => match self.idle {
                Some(idle) => {
                    notes.push(format!("`idle` says {idle} while nothing has happened"));
                    number(idle)
                }
                None => Reading::NoEvents,
            },
            TakenValue::Missing => {
                if notes.is_empty() {
                    notes.push(format!("no series matches {}", self.select));
                }
                Reading::Missing
            }
        };
        (reading, notes)
    }
}

/// What was wanted of one page.
struct Scrape {
    /// When it was asked for.
    at: Instant,
    /// How many values it had.
    count: usize,
    /// By the order of `series`.
    picked: Vec<Picked>,
    /// The same of the wholes of ratios.
    wholes: Vec<Picked>,
}

fn scrape(
    args: &Args,
    context: &Context<'_>,
    endpoint: Option<&crate::model::Endpoint>,
    url: &str,
    wanted: &[Wanted],
    kept: &mut http::Kept,
) -> Result<Scrape, ProbeError> {
    let at = Instant::now();
    let answer = kept.ask(args, context, endpoint, url, LONGEST)?;
    let shown = context.redactor.text(url).into_owned();
    let told = |what: String| ProbeError(format!("{shown}: {what}"));
    if let Some(refused) = http::refusal(&answer, endpoint, &shown) {
        return Err(refused);
    }
    let page = std::str::from_utf8(&answer.body).map_err(|error| {
        told(format!("expected a metrics page in text, seen bytes that are none: {error}"))
    })?;
    if answer.status != 200 {
        let head = declared::head(&context.redactor.text(page));
        return Err(told(format!(
            "expected status 200 and a metrics page, seen {} and `{head}`",
            answer.status
        )));
    }
    if !answer.delimited && !page.ends_with('\n') {
        // The server closed the connection in the middle of a line: its last number may be half of one.
        return Err(told(
            "expected a page that ends with a line feed, seen one that may be cut off".to_owned(),
        ));
    }
    let openmetrics =
        answer.content_type.is_some_and(|kind| kind.starts_with("application/openmetrics-text"));
    read(page, wanted, openmetrics, at).map_err(|what| told(context.redactor.text(&what).into_owned()))
}

/// Picks what is wanted out of a page.
fn read(page: &str, wanted: &[Wanted], openmetrics: bool, at: Instant) -> Result<Scrape, String> {
    let nothing = || vec![Picked::default(); wanted.len()];
    let mut read = Scrape { at, count: 0, picked: nothing(), wholes: nothing() };
    let mut ended = false;
    for line in lines(page) {
        match line.map_err(|error| format!("not a metrics page: {error}"))? {
            Line::Sample(sample) => {
                read.count += 1;
                let slots = read.picked.iter_mut().zip(&mut read.wholes);
                for (wanted, (picked, whole)) in wanted.iter().zip(slots) {
                    let buckets = wanted.take == "quantile";
                    picked.add(&wanted.selector, buckets, &sample).map_err(|error| error.to_string())?;
                    if let Some((_, selector)) = &wanted.whole {
                        whole.add(selector, false, &sample).map_err(|error| error.to_string())?;
                    }
                }
            }
            Line::Kind { family, kind } => check_kind(&family, kind, wanted)?,
            Line::End => ended = true,
        }
    }
    if openmetrics && !ended {
        return Err(
            "expected # EOF at the end of an OpenMetrics page, seen one that may be cut off".to_owned()
        );
    }
    Ok(read)
}

/// A gauge that falls is not a counter that was reset: its rise would be any number.
fn check_kind(family: &str, kind: &str, wanted: &[Wanted]) -> Result<(), String> {
    let as_counter = |wanted: &&Wanted| matches!(wanted.take.as_str(), "counter" | "delta" | "rate");
    let named = |wanted: &&Wanted| wanted.selector.name == family;
    match wanted.iter().filter(named).find(as_counter) {
        Some(wanted) if kind == "gauge" => Err(format!(
            "{family} is a gauge, and {} takes it as a {}: expected a counter; take it as a gauge",
            wanted.name, wanted.take
        )),
        _ => Ok(()),
    }
}

/// Waits until the window is over.
fn wait(window: Duration, since: Instant, context: &Context<'_>) -> Result<(), ProbeError> {
    let left = window.saturating_sub(since.elapsed());
    if left >= context.remaining() {
        return Err(ProbeError(format!(
            "a window of {window:?} does not fit into the {:?} that are left: expected a longer `timeout` or a shorter `window`",
            context.remaining()
        )));
    }
    if context.cancel.pause(left) {
        let why = context.cancel.why().unwrap_or("asked to");
        return Err(ProbeError(format!("not measured, as the run is being ended ({why})")));
    }
    Ok(())
}
