//! What an HTTP server answers to one request: status, latency, body. Redirects are not followed, so that headers
//! with tokens go nowhere else.

use super::client::http;
use super::{BadArgs, Context, Measurement, Probe, ProbeError, Sampled, Sampler, declared};
use crate::model::field::{Field, FieldKind};
use crate::model::redact::names_a_secret;
use crate::model::time::millis;
use crate::model::units::Unit;
use crate::model::{Args, Endpoint, Metric, Observation, Reading, ServiceKind};
use regex::Regex;
use std::time::Instant;
use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue, Method, Request, Uri};

/// The probe `http`.
pub struct Http;

/// Services that speak HTTP.
pub(super) const SPEAK_HTTP: &[ServiceKind] =
    &[ServiceKind::Http, ServiceKind::Connect, ServiceKind::Clickhouse, ServiceKind::Prometheus];
/// The longest body that is read.
const LONGEST: u64 = 1 << 20;
/// The longest body that is observed as a text.
const SMALL: usize = 4 << 10;

pub(super) const URL: Field =
    Field::optional("url", FieldKind::Text, "where to ask; where absent, the one service in `uses`");
pub(super) const HEADERS_ENV: Field = Field::optional(
    "headers_env",
    FieldKind::Map,
    "headers whose values are in environment variables: `{ Authorization = \"VARIABLE\" }`; they are secrets",
);

const FIELDS: &[Field] = &[
    URL,
    Field::optional(
        "path",
        FieldKind::Text,
        "what to ask the service in `uses` for, with its query; `/` where absent",
    ),
    Field::with_default("method", FieldKind::Choice(&["GET", "HEAD"]), "\"GET\"", "the request's method"),
    Field::optional("headers", FieldKind::Map, "headers of the request that are no secrets"),
    HEADERS_ENV,
    Field::optional("matches", FieldKind::Regex, "observed as `matches`: whether it is found in the body"),
    declared::JSON,
];

impl Probe for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn about(&self) -> &'static str {
        "what a server answers to one HTTP request; redirects are answers and are not followed"
    }

    fn one_of(&self, args: &Args) -> &'static [ServiceKind] {
        if args.text("url").is_some() { &[] } else { SPEAK_HTTP }
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn metrics(&self, args: &Args) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::number("status", Unit::Count, "the status code"),
            Metric::number(
                "latency_ms",
                Unit::Millisecond,
                "from connecting, where there is no connection yet, to the last byte of the body",
            ),
            Metric::number("body_bytes", Unit::Byte, "length of the body"),
            Metric::text("body", "the body without line ends at its end; missing above 4 KiB"),
        ];
        if args.text("matches").is_some() {
            metrics.push(Metric::bool("matches", "whether the regular expression is found in the body"));
        }
        metrics.extend(declared::metrics(args, "json", "a value of the JSON body"));
        metrics
    }

    fn expect(&self, _args: &Args) -> String {
        "status == 200".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        check_place(args)?;
        check_headers(args)?;
        let taken = ["status", "latency_ms", "body_bytes", "body", "matches"];
        declared::check_json(args, &mut taken.map(str::to_owned).to_vec())?;
        if args.text("method") == Some("HEAD")
            && let Some(field) = ["json", "matches"].into_iter().find(|field| args.get(field).is_some())
        {
            let message =
                format!("an answer to HEAD has no body to read `{field}` from: expected method = \"GET\"");
            return Err(BadArgs { field: "method", message });
        }
        Ok(())
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

fn measure(args: &Args, context: &Context<'_>, kept: &mut Kept) -> Result<Measurement, ProbeError> {
    let endpoint = service(args, context)?;
    let url = url(args, endpoint, "/");
    let answer = kept.ask(args, context, endpoint, &url, LONGEST)?;
    let at = format!("{} {url}", args.text("method").unwrap_or("GET"));
    let observed = |name: &str, reading| context.observed(name, reading, &at);
    let body = String::from_utf8_lossy(&answer.body);
    let shown = if answer.body.len() > SMALL {
        Reading::Missing
    } else {
        Reading::text(context.redactor.text(body.trim_end_matches(['\n', '\r'])))
    };
    let mut observations = vec![
        observed("status", Reading::number(f64::from(answer.status), Unit::Count)),
        observed("latency_ms", Reading::number(answer.latency_ms, Unit::Millisecond)),
        observed("body_bytes", Reading::number(answer.body.len() as f64, Unit::Byte)),
        observed("body", shown),
    ];
    if let Some(pattern) = args.text("matches") {
        let regex = Regex::new(pattern).map_err(|error| ProbeError(format!("matches: {error}")))?;
        observations.push(observed("matches", Reading::bool(regex.is_match(&body))));
    }
    observations.extend(json(args, context, &answer, &at)?);
    Ok(Measurement { observations, facts: facts(&answer, context), ..Measurement::default() })
}

fn json(
    args: &Args,
    context: &Context<'_>,
    answer: &Answer,
    at: &str,
) -> Result<Vec<Observation>, ProbeError> {
    let told = |error: ProbeError| ProbeError(format!("{} (status {})", error.0, answer.status));
    declared::json(args, context, &answer.body, at).map_err(told)
}

fn facts(answer: &Answer, context: &Context<'_>) -> Args {
    let mut facts = Args::default();
    for (name, value) in [("content_type", &answer.content_type), ("location", &answer.location)] {
        if let Some(value) = value {
            facts.set(name, declared::head(&context.redactor.text(value)));
        }
    }
    facts
}

/// Checks the keys `url` and `path`.
pub(super) fn check_place(args: &Args) -> Result<(), BadArgs> {
    if let Some(url) = args.text("url") {
        let uri: Option<Uri> = url.parse().ok();
        let good =
            uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
        let message = match good {
            None => format!("`{url}`: expected a URL such as http://host:port/path"),
            Some(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
                "a URL in a profile holds no user and password: give an Authorization header with `headers_env`".to_owned()
            }
            Some(_) if args.text("path").is_some() => {
                "expected either `url` or `path` (on the service in `uses`), and there are both".to_owned()
            }
            Some(_) => return Ok(()),
        };
        return Err(BadArgs { field: "url", message });
    }
    match args.text("path") {
        Some(path) if !path.starts_with('/') || path.parse::<Uri>().is_err() => {
            let message = format!("`{path}`: expected a path such as /health?deep=1");
            Err(BadArgs { field: "path", message })
        }
        _ => Ok(()),
    }
}

/// Checks the keys `headers` and `headers_env`.
pub(super) fn check_headers(args: &Args) -> Result<(), BadArgs> {
    for (name, value) in args.map("headers") {
        let secret =
            ["authorization", "proxy-authorization", "cookie"].contains(&name.to_ascii_lowercase().as_str());
        let message = if secret || names_a_secret(name) {
            format!(
                "{name} holds a secret, which is not written in a profile: give the name of a variable in `headers_env`"
            )
        } else if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
            format!(
                "{name} = \"{value}\" is no header: expected a name of letters, digits and `-`, and a value on one line"
            )
        } else {
            continue;
        };
        return Err(BadArgs { field: "headers", message });
    }
    for (name, variable) in args.map("headers_env") {
        if HeaderName::try_from(name).is_err() || variable.is_empty() || variable.contains(['=', '\0', ' ']) {
            let message =
                format!("{name} = \"{variable}\": expected a header's name and the name of a variable");
            return Err(BadArgs { field: "headers_env", message });
        }
    }
    Ok(())
}

/// The service that is asked, unless the settings name a URL.
pub(super) fn service<'c>(args: &Args, context: &'c Context<'_>) -> Result<Option<&'c Endpoint>, ProbeError> {
    if args.text("url").is_some() { Ok(None) } else { context.one_endpoint(SPEAK_HTTP).map(Some) }
}

/// Where to ask.
pub(super) fn url(args: &Args, endpoint: Option<&Endpoint>, otherwise: &str) -> String {
    let path = args.text("path").unwrap_or(otherwise);
    match (args.text("url"), endpoint) {
        (Some(url), _) => url.to_owned(),
        (None, Some(endpoint)) => format!("{}{path}", endpoint.address),
        (None, None) => path.to_owned(),
    }
}

/// What a server answered.
pub(super) struct Answer {
    pub status: u16,
    pub latency_ms: f64,
    pub body: Vec<u8>,
    pub content_type: Option<String>,
    pub location: Option<String>,
    /// Whether the server said how long the body is, so that a cut one would have been noticed.
    pub delimited: bool,
}

/// A connection that is kept from one request to the next.
#[derive(Default)]
pub(super) struct Kept(Option<Agent>);

impl Kept {
    /// Sends one request and reads its answer, of which the body is at most `longest` bytes.
    pub fn ask(
        &mut self,
        args: &Args,
        context: &Context<'_>,
        endpoint: Option<&Endpoint>,
        url: &str,
        longest: u64,
    ) -> Result<Answer, ProbeError> {
        if let Some(agent) = self.0.take()
            && let Ok(answer) = ask(&agent, args, context, endpoint, url, longest)
        {
            self.0 = Some(agent);
            return Ok(answer);
        }
        // A server may close a connection between two requests, and that is no fault of its: so once more, with a
        // connection of its own.
        let tls = endpoint.and_then(|endpoint| endpoint.tls.as_ref());
        let agent = http::agent(url, tls, context.remaining())?;
        let answer = ask(&agent, args, context, endpoint, url, longest)?;
        self.0 = Some(agent);
        Ok(answer)
    }
}

fn ask(
    agent: &Agent,
    args: &Args,
    context: &Context<'_>,
    endpoint: Option<&Endpoint>,
    url: &str,
    longest: u64,
) -> Result<Answer, ProbeError> {
    let request = request(args, context, endpoint, url)?;
    let shown = context.redactor.text(url).into_owned();
    let began = Instant::now();
    let left = context.remaining().max(http::SHORTEST);
    let request = agent.configure_request(request).timeout_global(Some(left)).build();
    let mut response = agent.run(request).map_err(|error| http::failure(&error, &shown))?;
    let body = response.body_mut().with_config().limit(longest).read_to_vec();
    let latency_ms = millis(began.elapsed());
    let body = body.map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(_) => ProbeError(format!(
            "{shown} answered {} with more than {} MiB; expected less: ask for less, or with HEAD where only the status matters",
            response.status().as_u16(),
            longest >> 20
        )),
        error => http::failure(&error, &shown),
    })?;
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Ok(Answer {
        status: response.status().as_u16(),
        latency_ms,
        body,
        content_type: header("content-type"),
        location: header("location"),
        delimited: header("content-length").is_some() || header("transfer-encoding").is_some(),
    })
}

fn request(
    args: &Args,
    context: &Context<'_>,
    endpoint: Option<&Endpoint>,
    url: &str,
) -> Result<Request<()>, ProbeError> {
    let method = if args.text("method") == Some("HEAD") { Method::HEAD } else { Method::GET };
    let mut request = Request::builder().method(method).uri(url);
    match endpoint {
        Some(endpoint) if endpoint.kind == ServiceKind::Clickhouse => {
            if let Some(user) = &endpoint.user {
                request = request.header("X-ClickHouse-User", user);
            }
            if let Some(password) = &endpoint.password {
                request = request.header("X-ClickHouse-Key", password.reveal());
            }
        }
        Some(endpoint) if !says_who(args) => {
            if let Some(login) = http::login(endpoint) {
                context.redactor.add(login.trim_start_matches("Basic "));
                request = request.header("Authorization", login);
            }
        }
        _ => {}
    }
    for (name, value) in args.map("headers") {
        request = request.header(name, value);
    }
    for (name, variable) in args.map("headers_env") {
        let value = secret(name, variable, context)?;
        request = request.header(name, value);
    }
    request.body(()).map_err(|error| {
        ProbeError(format!("{}: no request can be made of the settings: {error}", context.redactor.text(url)))
    })
}

/// Whether the settings have an `Authorization` of their own, which goes before the service's user.
fn says_who(args: &Args) -> bool {
    let mut names = args.map("headers_env").into_iter();
    names.any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
}

/// What a status says of our user or our certificate, for those to whom only 200 is an answer.
pub(super) fn refusal(answer: &Answer, endpoint: Option<&Endpoint>, at: &str) -> Option<ProbeError> {
    let body = String::from_utf8_lossy(&answer.body);
    http::refusal(answer.status, &body, endpoint?, at).map(|refused| refused.error)
}

/// The value of a header from a variable, known to the redactor from now on: the whole, and what stands behind a
/// scheme such as `Bearer`.
fn secret(name: &str, variable: &str, context: &Context<'_>) -> Result<HeaderValue, ProbeError> {
    let value = std::env::var(variable).map_err(|_| {
        ProbeError(format!(
            "header {name}: expected its value in the environment variable {variable}, and it is not set"
        ))
    })?;
    context.redactor.add(&value);
    if let Some((_, token)) = value.split_once(' ') {
        context.redactor.add(token.trim());
    }
    let mut header = HeaderValue::try_from(value.as_str()).map_err(|_| {
        ProbeError(format!(
            "header {name}: the value of {variable} can't be one: expected a single line of text"
        ))
    })?;
    header.set_sensitive(true);
    Ok(header)
}
