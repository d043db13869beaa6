//! A command: its exit code, how long it took, and what it printed. Its process, and all it starts, is the process
//! module's; what its output means is said by the gate's settings.

pub(crate) mod excerpt;

use super::{BadArgs, Context, Measurement, Probe, ProbeError, declared};
use crate::model::field::{Field, FieldKind};
use crate::model::redact::{Redactor, names_a_secret};
use crate::model::service;
use crate::model::time::millis;
use crate::model::units::Unit;
use crate::model::{Args, Metric, Observation, Reading};
use crate::process::{self, Excerpt, Exit, Fate, Outcome};
use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The probe `command`.
pub struct Command;

const NUL: &str = "a NUL character cannot be passed to a program";

const FIELDS: &[Field] = &[
    Field::optional(
        "argv",
        FieldKind::Texts,
        "the program, found on PATH, and its arguments; no shell is between",
    ),
    Field::optional("shell", FieldKind::Text, "a line for `sh -c`; either this or `argv`"),
    Field::optional("cwd", FieldKind::Text, "the folder to run in; relative to the working directory"),
    Field::optional(
        "env",
        FieldKind::Map,
        "variables added to the environment, which is inherited whole: secrets come with it and are not written here; \
         CUTPROOF_ENDPOINT_NAME (and _USER_, _PASSWORD_) say where each service of `uses` is",
    ),
    Field::optional("match", FieldKind::Tables(declared::CAPTURES), "values of the standard output"),
    Field::optional("match_stderr", FieldKind::Tables(declared::CAPTURES), "values of the standard error"),
];

impl Probe for Command {
    fn name(&self) -> &'static str {
        "command"
    }

    fn about(&self) -> &'static str {
        "a command's exit code, duration and output; processes that it leaves behind are ended"
    }

    fn any_services(&self) -> bool {
        true
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn ends_by_itself(&self) -> bool {
        // The process module waits for nothing without a deadline.
        true
    }

    fn metrics(&self, args: &Args) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::number("exit_code", Unit::Count, "its exit code; 128 + n where signal n ended it"),
            Metric::number("duration_ms", Unit::Millisecond, "from its start to its end"),
            Metric::text("stdout", "its standard output without line ends at its end; missing above 32 KiB"),
            Metric::text("stderr", "its standard error, likewise"),
        ];
        metrics.extend(declared::metrics(args, "match", "a value of the standard output"));
        metrics.extend(declared::metrics(args, "match_stderr", "a value of the standard error"));
        metrics
    }

    fn expect(&self, _args: &Args) -> String {
        "exit_code == 0".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        check_line(args)?;
        check_env(args)?;
        let mut taken = ["exit_code", "duration_ms", "stdout", "stderr"].map(str::to_owned).to_vec();
        declared::check_captures(args, "match", &mut taken)?;
        declared::check_captures(args, "match_stderr", &mut taken)
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let command = command(args, context);
        let timeout = command.timeout;
        let outcome = command.run(&context.worker, context.cancel);
        let mut facts = Args::default();
        tell_left_behind(&outcome, &mut facts);
        let code = exit_code(&outcome, timeout, args, context, &mut facts)?;
        let source = context.redactor.text(line(args).as_ref()).into_owned();
        let observed = |name: &str, reading| Observation {
            source: source.clone(),
            ..context.observed(name, reading, "")
        };
        let mut observations = Vec::with_capacity(4);
        observations.push(observed("exit_code", Reading::number(f64::from(code), Unit::Count)));
        observations
            .push(observed("duration_ms", Reading::number(millis(outcome.duration), Unit::Millisecond)));
        for (name, stream) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
            if stream.dropped > 0 {
                let bytes = stream.total();
                facts.set(
                    name,
                    format!("{bytes} bytes, too many to judge as a whole: its middle was not kept"),
                );
            }
            observations.push(observed(name, text(stream, context.redactor)));
        }
        for (field, stream) in [("match", &outcome.stdout), ("match_stderr", &outcome.stderr)] {
            if args.get(field).is_some() {
                let parts = excerpt::whole_lines(stream);
                let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
                let whole = stream.dropped == 0;
                observations.extend(declared::captures(args, field, context, &parts, whole, &source)?);
            }
        }
        let excerpt = excerpt::of_both(&outcome.stdout, &outcome.stderr, context.redactor);
        Ok(Measurement { observations, facts, excerpt })
    }
}

fn check_line(args: &Args) -> Result<(), BadArgs> {
    let argv = args.texts("argv");
    let (field, message) = match (args.get("argv"), args.text("shell")) {
        (Some(_), Some(_)) => ("shell", "expected either `argv` or `shell`, and there are both"),
        (None, None) => {
            ("argv", "expected `argv` (a list) or `shell` (a line for sh -c), and there is neither")
        }
        (Some(_), None) if argv.first().is_none_or(|program| program.is_empty()) => {
            ("argv", "expected a program, and it is empty")
        }
        (Some(_), None) if argv.iter().any(|part| part.contains('\0')) => ("argv", NUL),
        (None, Some(line)) if line.trim().is_empty() => ("shell", "expected a command, and it is empty"),
        (None, Some(line)) if line.contains('\0') => ("shell", NUL),
        _ => return Ok(()),
    };
    Err(BadArgs { field, message: message.to_owned() })
}

fn check_env(args: &Args) -> Result<(), BadArgs> {
    for (name, value) in args.map("env") {
        let message = if names_a_secret(name) {
            format!(
                "{name} names a secret, which is not written in a profile: set it in the environment, which commands inherit"
            )
        } else if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            format!("`{name}` cannot be a variable: expected a name without `=`, and no NUL character")
        } else {
            continue;
        };
        return Err(BadArgs { field: "env", message });
    }
    Ok(())
}

fn command(args: &Args, context: &Context<'_>) -> process::Command {
    let timeout = context.remaining();
    let command = match args.text("shell") {
        Some(line) => process::Command::shell(line, timeout),
        None => process::Command::argv(args.texts("argv"), timeout),
    };
    process::Command {
        // The runner gives up on a gate 4 s after its deadline: by then it must be known what became of it.
        grace: Duration::from_secs(1),
        folder: args.text("cwd").map(PathBuf::from),
        environment: environment(args, context),
        ..command
    }
}

/// Where the services are that the gate uses, as a person at a desk has it from `engines up`; and what the gate sets.
fn environment(args: &Args, context: &Context<'_>) -> Vec<(OsString, OsString)> {
    let mut told = Vec::new();
    for (name, endpoint) in context.endpoints {
        let known = service::variables(name, endpoint);
        told.extend(known.map(|(name, value)| (name.into(), value.into())));
    }
    told.extend(args.map("env").into_iter().map(|(name, value)| (name.into(), value.into())));
    told
}

/// The command as people should read it.
fn line(args: &Args) -> Cow<'_, str> {
    match args.text("shell") {
        Some(line) => Cow::Borrowed(line),
        None => match args.texts("argv").as_slice() {
            [program] => Cow::Owned((*program).to_owned()),
            argv => Cow::Owned(argv.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(" ")),
        },
    }
}

/// A word as a shell would need it.
fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

/// The code it ended with.
fn exit_code(
    outcome: &Outcome,
    timeout: Duration,
    args: &Args,
    context: &Context<'_>,
    facts: &mut Args,
) -> Result<i32, ProbeError> {
    let what = match &outcome.exit {
        Exit::Exited(code) => return Ok(*code),
        Exit::Signalled(signal) => {
            facts.set("signal", *signal);
            return Ok(128 + signal);
        }
        Exit::TimedOut => {
            let seconds = timeout.as_secs_f64();
            format!(
                "did not end within the {seconds:.1} s that it had, and was ended: give it a longer `timeout`, or see why it waits"
            )
        }
        Exit::Cancelled => {
            format!("was ended, as the run is being ended ({})", context.cancel.why().unwrap_or("asked to"))
        }
        Exit::NotStarted(error) => format!("could not be started: {error}"),
        Exit::Unknown(error) => format!("ran, and it could not be found out how it ended: {error}"),
    };
    let line = context.redactor.text(line(args).as_ref()).into_owned();
    let printed = excerpt::last_lines(&outcome.stdout, &outcome.stderr, context.redactor);
    Err(ProbeError(format!("`{}` {what}{printed}", declared::head(&line))))
}

fn tell_left_behind(outcome: &Outcome, facts: &mut Args) {
    if outcome.left_behind.is_empty() {
        return;
    }
    let one = |left: &process::LeftBehind| {
        let fate = match left.fate {
            Fate::Ended => "ended",
            Fate::Released => "lives on",
            Fate::Survived => "could not be ended",
        };
        let perhaps = if left.certain { "" } else { ", perhaps of another command" };
        format!("{} (pid {}): {fate}{perhaps}", left.name, left.pid)
    };
    let mut told: Vec<String> = outcome.left_behind.iter().take(20).map(one).collect();
    if outcome.left_behind.len() > told.len() {
        told.push(format!("and {} more", outcome.left_behind.len() - told.len()));
    }
    facts.set("left_behind", told);
}

/// A stream as a text to judge. Only the whole is one: a condition that some words are not in it must not hold
/// because they were in the part that was not kept.
fn text(stream: &Excerpt, redactor: &Redactor) -> Reading {
    match stream.whole() {
        Some([]) => Reading::text(""),
        Some(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            Reading::text(redactor.text(text.trim_end_matches(['\n', '\r'])))
        }
        None => Reading::Missing,
    }
}
