//! The command line: one file a verb; raw arguments → checked settings → a call into the library. Only this
//! folder knows the argument parser.

mod bootstrap;
mod core;
mod cutover;
mod display;
mod engines;
mod flags;
mod gates;
mod init;
mod keygen;
mod merge;
mod partition;
mod plan;
mod readiness;
mod rehearse;
mod report;
mod resume;
mod rollback;
pub(crate) mod run;
mod runs;
mod schema;
mod sign;
mod signoff;
mod status;
mod sweep;
mod verify;
mod watch;
mod watching;

use crate::exit;
use crate::process::Worker;
use crate::rehearsal::provision;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

pub use display::Display;
pub use watching::Watching;

/// Why a verb could not do its work: one text that says what was expected, what was seen, where and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

impl Refusal {
    /// From anything that says what is wrong.
    pub fn of(error: impl std::fmt::Display) -> Refusal {
        Refusal(error.to_string())
    }
}

/// What a verb gives: its exit code, or why it could not do its work.
type Result<T = u8> = std::result::Result<T, Refusal>;

/// Test harness and evidence verifier for one-shot cutovers: every readiness, infra and evidence gate is a test
/// case, measured against real services.
#[derive(Debug, Parser)]
#[command(name = "cutproof", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the real engines, set them up, run every gate, rehearse the cutover, write JUnit and evidence.
    Rehearse(rehearse::Arguments),
    /// Write the runbook's checklist from the two templates.
    Plan(plan::Arguments),
    /// Switch to the new core by the two templates, and roll back where anything is red. A dry run unless --execute is
    /// given.
    Cutover(cutover::Arguments),
    /// Take the way back by the rollback template: seven steps on their own. A dry run unless --execute is given.
    Rollback(rollback::Arguments),
    /// Watch the minutes after a switch on an environment that runs, read only; or judge a recorded watch again.
    Watch(watch::Arguments),
    /// Show where a run stands: going on, ended, or killed; reads only.
    Status(status::Arguments),
    /// Judge the ten service levels, measured by a profile's gates or declared by flags.
    Readiness(Box<readiness::Arguments>),
    /// Judge evidence: runs' folders, files, or the two files of a cutover and its rollback; reads files and nothing
    /// else.
    Verify(verify::Arguments),
    /// Make a pair of keys to sign with.
    Keygen(keygen::Arguments),
    /// Sign runs, sign-offs and policies; what was tampered with is not signed.
    Sign(sign::Arguments),
    /// Judge the runs of a window by a policy, and write and sign whether it may be used; reads files and nothing else.
    Signoff(signoff::Arguments),
    /// Write what a policy makes of runs as a page to read, print and sign: HTML, and Markdown. Exits as `signoff` does.
    Report(report::Arguments),
    /// Make one bundle of the bundles of a plan's shards; reads and writes files and nothing else.
    Merge(merge::Arguments),
    /// List the gates of a profile, or run them on an environment that is already up.
    #[command(subcommand)]
    Gates(gates::Verb),
    /// Install, start and end engines that stay up, as containers or as local processes.
    #[command(subcommand)]
    Engines(engines::Verb),
    /// Create topics, schemas and connectors; safe to repeat. A dry run unless --execute is given.
    #[command(subcommand)]
    Init(init::Verb),
    /// Bring an environment up and set it up: services, schemas, topics, connectors, health.
    Bootstrap(bootstrap::Arguments),
    /// Print the JSON Schema of profiles, for editors.
    Schema,
    /// Remove the containers of runs whose processes are gone.
    #[command(hide = true, name = provision::SWEEP)]
    ContainersSweep(sweep::Arguments),
    /// The HTTP front of the embedded ClickHouse.
    #[command(hide = true)]
    ClickhouseFront(ClickhouseFront),
    /// The reference engine: the old and the new core of rehearsals.
    #[command(hide = true, subcommand)]
    Core(core::Verb),
}

#[derive(Debug, clap::Args)]
struct ClickhouseFront {
    /// libchdb.so
    #[arg(long)]
    library: PathBuf,
    /// The data folder
    #[arg(long)]
    data: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long)]
    listen: std::net::SocketAddr,
    /// An engine configuration file
    #[arg(long)]
    config_file: Option<PathBuf>,
}

/// Reads the arguments, does what they say, and gives the exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and the version go to stdout with exit 0, errors to stderr with exit 2; a closed stream changes
            // nothing about that.
            error.print().ok();
            return ExitCode::from(if error.use_stderr() { exit::ERROR } else { exit::OK });
        }
    };
    match arguments.verb {
        Verb::Rehearse(arguments) => held(|worker| rehearse::run(arguments, worker)),
        Verb::Gates(gates::Verb::Run(arguments)) => held(|worker| gates::run(arguments, worker)),
        Verb::Gates(gates::Verb::List(arguments)) => report(gates::list(arguments)).into(),
        Verb::Engines(verb) => engines::main(verb),
        Verb::Init(verb) => held(|worker| init::run(verb, worker)),
        Verb::Bootstrap(arguments) => held(|worker| bootstrap::run(arguments, worker)),
        Verb::Merge(arguments) => report(merge::run(arguments)).into(),
        Verb::Verify(arguments) => report(verify::run(arguments)).into(),
        Verb::Signoff(arguments) => report(signoff::run(arguments)).into(),
        Verb::Report(arguments) => report(report::run(arguments)).into(),
        Verb::Keygen(arguments) => report(keygen::run(&arguments)).into(),
        Verb::Sign(arguments) => report(sign::run(&arguments)).into(),
        Verb::Readiness(arguments) => held(|worker| readiness::run(*arguments, worker)),
        Verb::Watch(arguments) => match arguments.replay() {
            Some(recorded) => report(watch::replay::run(recorded)).into(),
            None => held(|worker| watch::run(arguments, worker)),
        },
        Verb::Cutover(arguments) => held(|worker| cutover::run(arguments, worker)),
        Verb::Rollback(arguments) => held(|worker| rollback::run(arguments, worker)),
        Verb::Status(arguments) => report(status::run(arguments)).into(),
        Verb::Plan(arguments) => report(plan::run(&arguments)).into(),
        Verb::Schema => report(schema::run()).into(),
        Verb::ContainersSweep(arguments) => report(sweep::run(&arguments)).into(),
        Verb::ClickhouseFront(arguments) => report(clickhouse_front(arguments)).into(),
        Verb::Core(verb) => report(core::run(verb)).into(),
    }
}

/// Does the work of a verb that starts processes, under the holder's guard.
fn held(work: impl FnOnce(Worker) -> Result) -> ExitCode {
    match crate::process::hold(|worker| report(work(*worker))) {
        Ok(code) => code,
        Err(error) => report(Err(Refusal::of(error))).into(),
    }
}

/// The exit code of a verb; what went wrong is told once, on stderr, in a line that begins with `error:`.
fn report(result: Result) -> u8 {
    result.unwrap_or_else(|refusal| {
        writeln!(std::io::stderr().lock(), "error: {refusal}").ok();
        exit::ERROR
    })
}

/// Tells people something beside a result; a stderr that is closed changes nothing.
fn tell(text: &str) {
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
}

/// Prints a result. A stdout that is closed is an error only where nothing else holds the result.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| Refusal(format!("expected to write to stdout, and the system said: {error}")))
}

/// The verbs by which engines' helpers are started from this very executable; none where the arguments ask for no
/// such verb. For programs other than cutproof's own that start engines: test targets.
pub fn helper() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let (first, second) = (words.next()?, words.next());
    // One word may be the filter of a test target.
    let core = first == "core" && second.is_some_and(|word| !word.as_encoded_bytes().starts_with(b"-"));
    (first == "clickhouse-front" || first == provision::SWEEP || core).then(main)
}

fn clickhouse_front(arguments: ClickhouseFront) -> Result {
    let options = clickhouse_front::Options {
        library: arguments.library,
        data: arguments.data,
        listen: arguments.listen,
        config_file: arguments.config_file,
        ready_file: None,
        user: clickhouse_front::User::default(),
        database: None,
    };
    clickhouse_front::run(options).map_err(Refusal::of)?;
    Ok(exit::OK)
}
