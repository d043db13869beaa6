//! Kafka Connect's REST interface: connectors, their configuration and the state of their tasks.

use super::http;
use crate::model::Endpoint;
use crate::probe::{Context, ProbeError};
use serde_json::{Map, Value};
use std::time::{Duration, Instant};
use ureq::http::Request;

/// The longest answer that is taken: a trace a task, and connectors have few of them.
const LIMIT: u64 = 4 << 20;

/// How much of a failed task's trace is kept.
const TRACE: usize = 2 << 10;

/// Pause before a worker that is rebalancing is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// A connector's configuration: names and values.
pub type Config = Map<String, Value>;

/// A Connect worker.
pub struct Connect<'a> {
    context: &'a Context<'a>,
    endpoint: Endpoint,
    at: String,
    until: Instant,
}

/// The state of a connector and of its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `RUNNING`, `FAILED`, `PAUSED`, `STOPPED`, `UNASSIGNED`, `RESTARTING`.
    pub state: String,
    /// The connector's own trace, where it failed itself.
    pub trace: String,
    /// Its tasks.
    pub tasks: Vec<Task>,
}

/// The state of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its number.
    pub id: i64,
    /// As a connector's state.
    pub state: String,
    /// Why it failed.
    pub trace: String,
}

impl Status {
    /// Tasks in this state.
    pub fn tasks_in(&self, state: &str) -> usize {
        self.tasks.iter().filter(|task| task.state == state).count()
    }

    /// Whether the connector and each of its tasks runs, and there is one at least.
    pub fn runs(&self) -> bool {
        self.state == "RUNNING" && !self.tasks.is_empty() && self.tasks_in("RUNNING") == self.tasks.len()
    }

    /// Whether anything of it failed; it will not recover by itself.
    pub fn failed(&self) -> bool {
        self.state == "FAILED" || self.tasks_in("FAILED") > 0
    }

    /// Traces of what failed, each with whose it is: `connector`, `task_0`.
    pub fn traces(&self) -> impl Iterator<Item = (String, &str)> {
        let own = (self.state == "FAILED").then(|| ("connector".to_owned(), self.trace.as_str()));
        let failed = self.tasks.iter().filter(|task| task.state == "FAILED");
        own.into_iter().chain(failed.map(|task| (format!("task_{}", task.id), task.trace.as_str())))
    }

    /// In words: `connector RUNNING, task 0 FAILED`.
    pub fn describe(&self) -> String {
        let tasks = self.tasks.iter().map(|task| format!(", task {} {}", task.id, task.state));
        let none = if self.tasks.is_empty() { ", no task" } else { "" };
        format!("connector {}{none}{}", self.state, tasks.collect::<String>())
    }
}

/// The first lines of a trace, redacted, at most 2 KiB and a little.
pub fn excerpt(trace: &str, context: &Context<'_>) -> String {
    let text = trace.trim_end();
    if text.len() <= TRACE {
        return context.redactor.text(text).into_owned();
    }
    let cut = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= TRACE).last().unwrap_or(0);
    let head = context.redactor.head(&text[..cut]);
    format!("{}\n…", head.rsplit_once('\n').map_or(head.as_str(), |(lines, _)| lines))
}

/// The root of a trace in one line: its last `Caused by:`, else its first line.
pub fn cause(trace: &str) -> &str {
    let causes = trace.lines().rev().find_map(|line| line.trim().strip_prefix("Caused by: "));
    causes.or_else(|| trace.lines().next()).unwrap_or_default()
}

/// Reads an answer of `/connectors/NAME/status`.
///
/// # Errors
/// What was expected and is not there.
pub fn parse_status(body: &Value) -> Result<Status, String> {
    let text = |from: &Value, key: &str| from.get(key).and_then(Value::as_str).map(str::to_owned);
    let connector = body.get("connector").ok_or("expected `connector`, and there is none")?;
    let state = text(connector, "state").ok_or("expected `connector.state`, and there is none")?;
    let trace = text(connector, "trace").unwrap_or_default();
    let tasks = body.get("tasks").and_then(Value::as_array).ok_or("expected `tasks`, and there are none")?;
    let task = |task: &Value| {
        let id = task.get("id").and_then(Value::as_i64).ok_or("expected a task's `id`, and there is none")?;
        let state = text(task, "state").ok_or("expected a task's `state`, and there is none")?;
        Ok(Task { id, state, trace: text(task, "trace").unwrap_or_default() })
    };
    let tasks = tasks.iter().map(task).collect::<Result<_, &str>>()?;
    Ok(Status { state, trace, tasks })
}

/// One answer of the worker.
struct Answer {
    status: u16,
    body: Value,
}

impl<'a> Connect<'a> {
    /// A worker at this endpoint, whose answers are waited for until `until` at most.
    pub fn new(context: &'a Context<'a>, endpoint: &Endpoint, until: Instant) -> Connect<'a> {
        let address = endpoint.address.trim_end_matches('/').to_owned();
        let at = format!("Kafka Connect at {address}");
        Connect { context, endpoint: Endpoint { address, ..endpoint.clone() }, at, until }
    }

    /// The same worker with another deadline.
    pub fn until(&self, until: Instant) -> Connect<'a> {
        Connect { context: self.context, endpoint: self.endpoint.clone(), at: self.at.clone(), until }
    }

    /// `Kafka Connect at http://host:8083`.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// The worker's version, as a proof that it answers.
    ///
    /// # Errors
    /// No answer, or not Kafka Connect's.
    pub fn version(&self) -> Result<String, ProbeError> {
        let answer = self.expect("GET", "/", None, &[200])?;
        match answer.body.get("version").and_then(Value::as_str) {
            Some(version) => Ok(version.to_owned()),
            None => Err(ProbeError(format!("{}: expected `version` in its answer to GET /", self.at))),
        }
    }

    /// The state of a connector; none where there is no such connector.
    ///
    /// # Errors
    /// No answer, or not Kafka Connect's.
    pub fn status(&self, name: &str) -> Result<Option<Status>, ProbeError> {
        let answer = self.expect("GET", &path(name, "/status"), None, &[200, 404])?;
        if answer.status == 404 {
            return Ok(None);
        }
        let status = parse_status(&answer.body);
        status.map(Some).map_err(|why| ProbeError(format!("{}: the status of {name}: {why}", self.at)))
    }

    /// The configuration of a connector; none where there is no such connector.
    ///
    /// # Errors
    /// No answer, or not Kafka Connect's.
    pub fn config(&self, name: &str) -> Result<Option<Config>, ProbeError> {
        let answer = self.expect("GET", &path(name, "/config"), None, &[200, 404])?;
        match answer.body {
            _ if answer.status == 404 => Ok(None),
            Value::Object(config) => Ok(Some(config)),
            _ => Err(ProbeError(format!("{}: expected the configuration of {name} as an object", self.at))),
        }
    }

    /// Sets a connector's configuration, and so makes the connector where there is none.
    ///
    /// # Errors
    /// No answer, or the worker refuses the configuration: with what it says.
    pub fn configure(&self, name: &str, config: &Config) -> Result<(), ProbeError> {
        self.expect("PUT", &path(name, "/config"), Some(config), &[200, 201]).map(drop)
    }

    /// Asks a connector to `stop`, or to `resume`.
    ///
    /// # Errors
    /// No answer, or the worker can't (stopping came with Kafka 3.5).
    pub fn ask(&self, name: &str, what: &str) -> Result<(), ProbeError> {
        self.expect("PUT", &path(name, &format!("/{what}")), None, &[202, 204]).map(drop)
    }

    /// Sends a request and takes its answer if it has one of these statuses. A worker that is rebalancing or still
    /// starting is asked again until the deadline.
    fn expect(
        &self,
        method: &str,
        path: &str,
        body: Option<&Config>,
        statuses: &[u16],
    ) -> Result<Answer, ProbeError> {
        loop {
            let answer = self.send(method, path, body)?;
            if statuses.contains(&answer.status) {
                return Ok(answer);
            }
            let left = self.until.saturating_duration_since(Instant::now());
            let again = matches!(answer.status, 409 | 503) && left > AGAIN;
            if !again || self.context.cancel.pause(AGAIN) {
                let said = answer.body.get("message").and_then(Value::as_str).unwrap_or("without a reason");
                // Its hint to the REST interface is of no help to whoever reads this.
                let lines = said.lines().filter(|line| !line.starts_with("You can also find"));
                let said = lines.collect::<Vec<_>>().join(" ");
                let said: String = self.context.redactor.text(&said).chars().take(600).collect();
                let (at, status) = (&self.at, answer.status);
                let hint = if status == 409 { "; it was rebalancing all the time" } else { "" };
                return Err(ProbeError(format!(
                    "{at} answered {method} {path} with status {status}: {said}{hint}"
                )));
            }
        }
    }

    fn send(&self, method: &str, path: &str, body: Option<&Config>) -> Result<Answer, ProbeError> {
        let agent = http::agent_of(&self.endpoint, self.until.saturating_duration_since(Instant::now()))?;
        let url = format!("{}{path}", self.endpoint.address);
        let login = http::login(&self.endpoint);
        if let Some(login) = &login {
            self.context.redactor.add(login.trim_start_matches("Basic "));
        }
        let request = Request::builder().method(method).uri(&url).header("Accept", "application/json");
        let request = match login {
            Some(login) => request.header("Authorization", login),
            None => request,
        };
        let wrong = |error| ProbeError(format!("{}: no request can be made for it: {error}", self.at));
        let sent = match body {
            Some(config) => {
                let json = Value::Object(config.clone()).to_string();
                agent.run(request.header("Content-Type", "application/json").body(json).map_err(wrong)?)
            }
            None if method == "GET" => agent.run(request.body(()).map_err(wrong)?),
            None => agent.run(request.body(String::new()).map_err(wrong)?),
        };
        let mut response = sent.map_err(|error| http::failure(&error, &self.at))?;
        let status = response.status().as_u16();
        let text = http::text(&mut response, LIMIT, &self.at)?;
        if let Some(refused) = http::refusal(status, &text, &self.endpoint, &self.at) {
            return Err(refused.error);
        }
        if text.is_empty() && matches!(status, 202 | 204) {
            return Ok(Answer { status, body: Value::Null });
        }
        match serde_json::from_str::<Value>(&text) {
            Ok(body) if body.is_object() => Ok(Answer { status, body }),
            _ => {
                let head: String = self.context.redactor.text(&text).trim().chars().take(120).collect();
                Err(ProbeError(format!(
                    "{} answered {method} {path} with status {status} and no JSON object (`{head}`): is this \
                     Kafka Connect's REST port?",
                    self.at
                )))
            }
        }
    }
}

/// The path of a connector; whatever its name, it is one segment of it.
fn path(name: &str, rest: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    format!("/connectors/{}{rest}", name.bytes().map(encode).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn status(state: &str, tasks: &[&str]) -> Status {
        let tasks: Vec<_> = (0..).zip(tasks).map(|(id, state)| json!({"id": id, "state": state})).collect();
        parse_status(&json!({"name": "n", "connector": {"state": state, "worker_id": "w"}, "tasks": tasks}))
            .unwrap()
    }

    #[test]
    fn a_connector_runs_only_with_all_of_its_tasks() {
        assert!(status("RUNNING", &["RUNNING"]).runs());
        assert!(!status("RUNNING", &["RUNNING", "FAILED"]).runs());
        assert!(!status("RUNNING", &["UNASSIGNED"]).runs());
        assert!(!status("PAUSED", &["RUNNING"]).runs());
    }

    #[test]
    fn a_connector_without_tasks_does_not_run() {
        let none = status("RUNNING", &[]);
        assert!(!none.runs() && !none.failed());
        assert_eq!(none.describe(), "connector RUNNING, no task");
    }

    #[test]
    fn an_answer_that_is_no_status_says_what_is_missing() {
        for (body, missing) in [
            (json!({}), "`connector`"),
            (json!({"connector": {}}), "`connector.state`"),
            (json!({"connector": {"state": "RUNNING"}}), "`tasks`"),
            (json!({"connector": {"state": "RUNNING"}, "tasks": [{"id": 0}]}), "a task's `state`"),
            (json!({"connector": {"state": "RUNNING"}, "tasks": [{"state": "x"}]}), "a task's `id`"),
        ] {
            assert!(parse_status(&body).unwrap_err().contains(missing), "{body}");
        }
    }

    #[test]
    fn the_root_of_a_trace_is_its_last_cause() {
        let trace =
            "org.a.ConnectException: it\n\tat x\nCaused by: b.C: mid\n\tat y\nCaused by: d.E: root\n\tat z\n";
        assert_eq!(cause(trace), "d.E: root");
        assert_eq!(cause("one: line\n\tat x"), "one: line");
        assert_eq!(cause(""), "");
    }

    #[test]
    fn a_name_is_one_segment_of_the_path() {
        assert_eq!(path("a/../b c", "/status"), "/connectors/a%2F..%2Fb%20c/status");
    }

    proptest! {
        #[test]
        fn a_status_runs_exactly_if_all_of_it_runs(
            state in "RUNNING|FAILED|PAUSED",
            tasks in proptest::collection::vec("RUNNING|FAILED|UNASSIGNED", 0..5),
        ) {
            let tasks: Vec<_> = tasks.iter().map(String::as_str).collect();
            let status = status(&state, &tasks);
            let all = state == "RUNNING" && !tasks.is_empty() && tasks.iter().all(|task| *task == "RUNNING");
            prop_assert_eq!(status.runs(), all);
            prop_assert!(!(status.runs() && status.failed()));
            prop_assert_eq!(status.traces().count() > 0, status.failed());
        }
    }
}
