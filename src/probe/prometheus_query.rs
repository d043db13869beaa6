//! One value from a Prometheus server: an instant query in PromQL (`/api/v1/query`), which only reads.
//!
//! Prometheus answers with the last sample of a series for as long as five minutes after it ended. A query that is to
//! tell a dead target from a quiet one says so itself: `… and on() (up{job="core"} == 1)`.

use super::http::{self, Kept};
use super::{BadArgs, Context, Measurement, Probe, ProbeError, Sampled, Sampler, declared};
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Metric, Reading, ServiceKind};
use serde::Deserialize;
use serde_json::Value;

/// The probe `prometheus_query`.
pub struct PrometheusQuery;

/// The longest answer that is read.
const LONGEST: u64 = 1 << 20;

const FIELDS: &[Field] = &[
    Field::required(
        "query",
        FieldKind::Text,
        "PromQL that gives one value: a scalar, or a vector of one series; of none, the value is missing",
    ),
    Field::optional(
        "unit",
        FieldKind::Text,
        "the unit of the value: `s`, `ratio`, …; a plain number where absent",
    ),
    Field::with_default(
        "nan",
        FieldKind::Choice(&["missing", "no_events"]),
        "\"missing\"",
        "what NaN means: not known, or, as of a quantile of no observations, that there were no events",
    ),
    http::HEADERS_ENV,
];

impl Probe for PrometheusQuery {
    fn name(&self) -> &'static str {
        "prometheus_query"
    }

    fn about(&self) -> &'static str {
        "one value from a Prometheus server: an instant query in PromQL"
    }

    fn services(&self) -> &'static [ServiceKind] {
        &[ServiceKind::Prometheus]
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn metrics(&self, args: &Args) -> Vec<Metric> {
        vec![
            Metric::number("value", unit(args).unwrap_or_default(), "the value"),
            Metric::number("series", Unit::Count, "series in the answer: 1, or 0 where the value is missing"),
        ]
    }

    fn expect(&self, _args: &Args) -> String {
        "present(value)".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        http::check_headers(args)?;
        if args.text("query").is_none_or(|query| query.trim().is_empty()) {
            return Err(BadArgs { field: "query", message: "expected a query in PromQL".to_owned() });
        }
        unit(args).map_err(|message| BadArgs { field: "unit", message }).map(drop)
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        measure(args, context, &mut Kept::default())
    }

    fn sampler(&self, args: &Args) -> Option<Box<dyn Sampler>> {
        Some(Box::new(Again { args: args.clone(), kept: Kept::default() }))
    }
}

/// Asks again and again over one connection.
struct Again {
    args: Args,
    kept: Kept,
}

impl Sampler for Again {
    fn sample(&mut self, context: &Context<'_>) -> Result<Sampled, ProbeError> {
        measure(&self.args, context, &mut self.kept).map(Sampled::from)
    }
}

fn unit(args: &Args) -> Result<Unit, String> {
    args.text("unit").map_or(Ok(Unit::None), |unit| unit.parse().map_err(|error| format!("{error}")))
}

fn measure(args: &Args, context: &Context<'_>, kept: &mut Kept) -> Result<Measurement, ProbeError> {
    let endpoint = context.endpoint(ServiceKind::Prometheus)?;
    let query = args.text("query").unwrap_or_default();
    let at = format!("Prometheus at {}", endpoint.address);
    let told = |what: String| ProbeError(context.redactor.text(&format!("{at}: {what}")).into_owned());
    // The server gives up when nobody listens any more.
    let timeout = context.remaining().as_secs_f64();
    let url = format!("{}/api/v1/query?query={}&timeout={timeout:.3}", endpoint.address, encoded(query));
    let answer = kept.ask(args, context, Some(endpoint), &url, LONGEST)?;
    if let Some(refused) = http::refusal(&answer, Some(endpoint), &at) {
        return Err(refused);
    }
    let body: Answer = serde_json::from_slice(&answer.body).map_err(|error| {
        let head = declared::head(&String::from_utf8_lossy(&answer.body));
        told(format!(
            "expected an answer of the query API, seen status {} and `{head}` ({error}); is this its address?",
            answer.status
        ))
    })?;
    let result = body.result(answer.status).map_err(told)?;
    let found = value(&result).map_err(told)?;
    let mut facts = Args::default();
    for (name, texts) in [("warnings", body.warnings), ("infos", body.infos)] {
        if !texts.is_empty() {
            facts.set(
                name,
                texts.iter().map(|text| context.redactor.text(text).into_owned()).collect::<Vec<_>>(),
            );
        }
    }
    let reading = match found {
        Some(value) if value.is_nan() && args.text("nan") == Some("no_events") => Reading::NoEvents,
        Some(value) => {
            if !value.is_finite() {
                facts.set("value", format!("{value} is no value to judge"));
            }
            Reading::number(value, unit(args).map_err(told)?)
        }
        None => Reading::Missing,
    };
    let source = format!("{query} at {}", endpoint.address);
    let series = Reading::number(f64::from(u8::from(found.is_some())), Unit::Count);
    let observations =
        vec![context.observed("value", reading, &source), context.observed("series", series, &source)];
    Ok(Measurement { observations, facts, ..Measurement::default() })
}

/// An answer of the query API.
#[derive(Deserialize)]
struct Answer {
    status: String,
    data: Option<Data>,
    #[serde(default)]
    error: String,
    #[serde(default, rename = "errorType")]
    kind: String,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Deserialize, Clone)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

impl Answer {
    fn result(&self, status: u16) -> Result<Data, String> {
        match &self.data {
            Some(data) if self.status == "success" && status == 200 => Ok(data.clone()),
            _ => {
                let why = if self.error.is_empty() { "no reason given" } else { &self.error };
                Err(format!("it refused the query ({}, status {status}): {why}", self.kind))
            }
        }
    }
}

/// The one value of a result; none where a vector is empty.
fn value(data: &Data) -> Result<Option<f64>, String> {
    let pair = match (data.kind.as_str(), data.result.as_array().map(Vec::as_slice)) {
        ("scalar", Some(pair)) => pair,
        ("vector", Some([])) => return Ok(None),
        ("vector", Some([one])) => {
            one.get("value").and_then(Value::as_array).map(Vec::as_slice).ok_or_else(|| {
                "expected a number, and the query gives a native histogram: take a quantile or a sum of it"
                    .to_owned()
            })?
        }
        ("vector", Some(several)) => {
            return Err(format!(
                "expected one series, and the query gives {}: aggregate them, as in max(…) or sum(…)",
                several.len()
            ));
        }
        (kind, _) => {
            return Err(format!("expected a scalar or a vector, and the query gives a {kind}"));
        }
    };
    let number = pair.get(1).and_then(Value::as_str).and_then(number);
    number.map(Some).ok_or_else(|| format!("expected a time and a number as text, seen {}", data.result))
}

/// A number as Prometheus writes it in JSON: `0.5`, `NaN`, `+Inf`.
fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// A text as a part of a URL's query.
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(kind: &str, result: Value) -> Result<Option<f64>, String> {
        value(&Data { kind: kind.to_owned(), result })
    }

    #[test]
    fn a_scalar_or_one_series_is_a_value_and_no_series_is_missing() {
        assert_eq!(read("scalar", json!([1.5, "2.25"])), Ok(Some(2.25)));
        assert_eq!(read("vector", json!([{ "metric": {}, "value": [1.5, "1e3"] }])), Ok(Some(1000.0)));
        assert_eq!(read("vector", json!([])), Ok(None));
        assert_eq!(read("scalar", json!([1, "+Inf"])), Ok(Some(f64::INFINITY)));
        assert!(read("scalar", json!([1, "NaN"])).unwrap().unwrap().is_nan());
    }

    #[test]
    fn several_series_or_another_kind_of_result_is_no_value() {
        let two = json!([{ "value": [1, "1"] }, { "value": [1, "2"] }]);
        assert!(read("vector", two).unwrap_err().contains("gives 2: aggregate them"));
        assert!(read("matrix", json!([])).unwrap_err().contains("gives a matrix"));
        assert!(read("vector", json!([{ "histogram": [] }])).unwrap_err().contains("native histogram"));
        assert!(read("scalar", json!([1])).is_err());
        assert!(read("scalar", json!({})).is_err());
    }

    #[test]
    fn a_query_is_encoded_for_a_url() {
        assert_eq!(
            encoded("rate(x{a=\"ä\"}[5m]) > 1"),
            "rate%28x%7Ba%3D%22%C3%A4%22%7D%5B5m%5D%29%20%3E%201"
        );
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(text in r#"[\[\]{}",:0-9a-zA-Z+.]{0,60}"#, kind in "scalar|vector|x") {
            if let Ok(result) = serde_json::from_str(&text) {
                let _ = read(&kind, result);
            }
        }
    }
}
