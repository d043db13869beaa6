//! Whether every service that the gate uses answers, each in its own protocol, all asked side by side.

use super::client::clickhouse::Session as Clickhouse;
use super::client::redis::Session as Redis;
use super::client::{http, init, kafka, postgres};
use super::{Context, Measurement, Probe, ProbeError};
use crate::model::field::Field;
use crate::model::time::millis;
use crate::model::units::Unit;
use crate::model::{Args, Endpoint, Metric, Reading, ServiceKind};
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};
use ureq::{Body, http::Response};

/// The probe `health`.
pub struct Health;

/// The longest answer of an HTTP service that is taken.
const LIMIT: u64 = 16 << 20;

/// The longest page of a refusal that is read.
const PAGE: u64 = 64 << 10;

impl Probe for Health {
    fn name(&self) -> &'static str {
        "health"
    }

    fn about(&self) -> &'static str {
        "every service that the gate uses answers in its own protocol, whatever its kind"
    }

    fn any_services(&self) -> bool {
        true
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[init::CONNECT_TIMEOUT];
        FIELDS
    }

    fn metrics(&self, _args: &Args) -> Vec<Metric> {
        vec![
            Metric::number("services", Unit::Count, "services that were asked"),
            Metric::number("healthy", Unit::Count, "services that answered as they should"),
            Metric::text("unhealthy", "names of the others, with commas; empty where there are none"),
        ]
    }

    fn expect(&self, _args: &Args) -> String {
        "services > 0 and unhealthy == \"\"".to_owned()
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        if context.endpoints.is_empty() {
            return Err(ProbeError("expected services in the gate's `uses`, and there is none".to_owned()));
        }
        let limit =
            args.duration("connect_timeout").unwrap_or(Duration::from_secs(5)).min(context.remaining());
        let answers = ask_all(context.endpoints, limit);
        let mut facts = Args::default();
        let mut unhealthy = Vec::new();
        for ((name, _), answer) in context.endpoints.iter().zip(&answers) {
            match answer {
                Ok(took) => facts.set(name, format!("answered in {} ms", millis(*took))),
                Err(why) => {
                    unhealthy.push(name.as_str());
                    facts.set(name, context.redactor.text(&why.0).into_owned());
                }
            }
        }
        let at = context.endpoints.iter().map(|(_, endpoint)| endpoint.address.as_str());
        let at = at.collect::<Vec<_>>().join(", ");
        let count =
            |name, value: usize| context.observed(name, Reading::number(value as f64, Unit::Count), &at);
        let observations = vec![
            count("services", answers.len()),
            count("healthy", answers.len() - unhealthy.len()),
            context.observed("unhealthy", Reading::text(unhealthy.join(", ")), &at),
        ];
        Ok(Measurement { observations, facts, ..Measurement::default() })
    }
}

/// How long each service took to answer, or why it did not.
fn ask_all(endpoints: &[(String, Endpoint)], limit: Duration) -> Vec<Result<Duration, ProbeError>> {
    thread::scope(|scope| {
        let start = |(_, endpoint): &'_ (String, Endpoint)| {
            let endpoint = endpoint.clone();
            thread::Builder::new().name("health".into()).spawn_scoped(scope, move || {
                let began = Instant::now();
                ask(&endpoint, limit).map(|()| began.elapsed())
            })
        };
        let started: Vec<_> = endpoints.iter().map(start).collect();
        let end =
            |started: std::io::Result<thread::ScopedJoinHandle<'_, _>>| match started.map(|it| it.join()) {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(ProbeError::new("the check broke off, which is a fault in cutproof")),
                Err(error) => Err(ProbeError(format!("no thread to ask it with: {error}"))),
            };
        started.into_iter().map(end).collect()
    })
}

/// Asks one service for a sign of life.
fn ask(endpoint: &Endpoint, limit: Duration) -> Result<(), ProbeError> {
    match endpoint.kind {
        ServiceKind::Redis => redis(endpoint, limit),
        ServiceKind::Kafka => kafka::cluster(endpoint, limit).map(drop).map_err(|refused| refused.error),
        ServiceKind::Connect => connect(endpoint, limit),
        ServiceKind::Clickhouse => {
            let answer = Clickhouse::new(endpoint, None)?.run("SELECT 1", &[], limit)?;
            expect("ClickHouse", endpoint, "1", answer.trim())
        }
        ServiceKind::Postgres => {
            let mut session = postgres::Session::open(endpoint, Instant::now() + limit)?;
            session.run(|client| client.query_one("SELECT 1", &[])).map(|_| ())
        }
        ServiceKind::Prometheus => prometheus(endpoint, limit),
        ServiceKind::Http => http_service(endpoint, limit),
    }
}

fn prometheus(endpoint: &Endpoint, limit: Duration) -> Result<(), ProbeError> {
    let (status, body) = get(endpoint, "/-/ready", "Prometheus", limit)?;
    if status == 200 {
        return Ok(());
    }
    Err(odd("Prometheus", endpoint, "status 200", &status.to_string(), &body))
}

/// Whatever it serves: its body may have no end, and is not read but where it tells why we are refused.
fn http_service(endpoint: &Endpoint, limit: Duration) -> Result<(), ProbeError> {
    let at = format!("the HTTP service at {}", endpoint.address);
    let mut response = call(endpoint, "", &at, limit)?;
    let status = response.status();
    // A proxy tells in the body of this one that it wants TLS, or a certificate of ours; without it nobody refused us.
    let body =
        if status == 400 { http::text(&mut response, PAGE, &at).unwrap_or_default() } else { String::new() };
    let asked = status == 400 || (status == 401 && endpoint.user.is_some());
    if let Some(refused) = http::refusal(status.as_u16(), &body, endpoint, &at).filter(|_| asked) {
        return Err(refused.error);
    }
    if status.is_server_error() {
        return Err(odd("the HTTP service", endpoint, "a status below 500", status.as_str(), ""));
    }
    Ok(())
}

fn redis(endpoint: &Endpoint, limit: Duration) -> Result<(), ProbeError> {
    let mut session = Redis::open(endpoint, Instant::now() + limit)?;
    let answer: String = session.ask(&redis::cmd("PING"))?;
    expect("Redis", endpoint, "PONG", &answer)
}

/// Kafka Connect answers, and neither a connector nor a task has failed.
fn connect(endpoint: &Endpoint, limit: Duration) -> Result<(), ProbeError> {
    let at = "Kafka Connect";
    let (status, body) = get(endpoint, "/connectors?expand=status", at, limit)?;
    let answer = serde_json::from_str(&body).ok().filter(|_| status == 200);
    let Some(Value::Object(connectors)) = answer else {
        return Err(odd(at, endpoint, "status 200 and its connectors", &status.to_string(), &body));
    };
    let failed: Vec<_> = connectors.iter().flat_map(|(name, connector)| failed(name, connector)).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(ProbeError(format!("{at} at {}: {}: see their traces", endpoint.address, failed.join(", "))))
}

/// What of a connector has failed, in words.
fn failed(name: &str, connector: &Value) -> Vec<String> {
    let state = |value: &Value| value["state"].as_str().unwrap_or("unknown").to_owned();
    let status = &connector["status"];
    let mut found = Vec::new();
    if matches!(state(&status["connector"]).as_str(), "FAILED" | "unknown") {
        found.push(format!("{name} is {}", state(&status["connector"])));
    }
    for task in status["tasks"].as_array().into_iter().flatten().filter(|task| state(task) == "FAILED") {
        found.push(format!("task {} of {name} is FAILED", task["id"]));
    }
    found
}

fn get(endpoint: &Endpoint, path: &str, name: &str, limit: Duration) -> Result<(u16, String), ProbeError> {
    let at = format!("{name} at {}{path}", endpoint.address);
    let mut response = call(endpoint, path, &at, limit)?;
    let status = response.status().as_u16();
    let body = http::text(&mut response, LIMIT, &at)?;
    match http::refusal(status, &body, endpoint, &at) {
        Some(refused) => Err(refused.error),
        None => Ok((status, body)),
    }
}

fn call(endpoint: &Endpoint, path: &str, at: &str, limit: Duration) -> Result<Response<Body>, ProbeError> {
    http::get(endpoint, path, limit)?.map_err(|error| http::failure(&error, at))
}

fn expect(name: &str, endpoint: &Endpoint, expected: &str, seen: &str) -> Result<(), ProbeError> {
    if seen == expected { Ok(()) } else { Err(odd(name, endpoint, expected, seen, "")) }
}

fn odd(name: &str, endpoint: &Endpoint, expected: &str, seen: &str, body: &str) -> ProbeError {
    let seen: String = seen.chars().take(100).collect();
    let body: String = body.lines().next().unwrap_or_default().chars().take(200).collect();
    let body = if body.is_empty() { body } else { format!(": {body}") };
    ProbeError(format!("{name} at {}: expected {expected}, seen {seen}{body}", endpoint.address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_running_connector_with_a_failed_task_has_failed() {
        let status = |connector: &str, task: &str| json!({"status": {"connector": {"state": connector}, "tasks": [{"id": 0, "state": task}]}});
        assert_eq!(failed("c", &status("RUNNING", "FAILED")), ["task 0 of c is FAILED"]);
        assert_eq!(failed("c", &status("FAILED", "RUNNING")), ["c is FAILED"]);
        assert_eq!(failed("c", &status("RUNNING", "RUNNING")), Vec::<String>::new());
        assert_eq!(failed("c", &json!({})), ["c is unknown"]);
    }
}
