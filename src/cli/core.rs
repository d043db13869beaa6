//! `cutproof core`: the reference engine, which plays the old and the new core in rehearsals.

use super::{Refusal, print};
use crate::exit;
use clap::builder::RangedU64ValueParser;
use reference_engine::{
    Address, Bridge, Fault, Options, Postgres, Stop, StrategyOptions, StrategyStop, Version, Warmup, ask,
    bridge_mode, run_strategy, serve, stop, stop_strategy, switch_bridge, utc, warm_up,
};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// How long a core has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The name of the strategy that a runner runs.
const STRATEGY: &str = "reference";

/// The verbs below `core`.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Run a core in the foreground, until SIGTERM, SIGINT or `core stop`
    Serve(Serve),
    /// End a core, and wait until its process is gone
    Stop(StopArguments),
    /// Make a fault
    Fault(FaultArguments),
    /// Undo all faults
    Clear(Target),
    /// Show how a core is
    Status(Target),
    /// Wait for login, settlement and instruments, and make some queries; exit 1 where one is missing
    Warmup(WarmupArguments),
    /// Run a strategy in the foreground, until SIGTERM or SIGINT
    Strategy(Strategy),
    /// End a strategy runner, and wait until its process is gone
    StrategyStop(StrategyStopArguments),
    /// Switch the Redis bridge to compatibility mode and back
    RedisCompat(RedisCompat),
}

/// Which core.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// Where it listens
    #[arg(long, value_name = "URL", env = "CUTPROOF_ENDPOINT_CORE")]
    core: Address,
}

/// The flags of `core serve`.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Which core: old or new
    #[arg(long)]
    version: Version,
    /// Where to listen: a loopback address; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", env = "CUTPROOF_ENDPOINT_CORE")]
    listen: Address,
    /// Where ticks go
    #[arg(long, value_name = "HOST:PORT", env = "CUTPROOF_ENDPOINT_KAFKA")]
    kafka: Option<Address>,
    /// Where orders and trades go; the password is taken from CUTPROOF_PASSWORD_POSTGRES
    #[arg(long, value_name = "HOST:PORT", env = "CUTPROOF_ENDPOINT_POSTGRES")]
    postgres: Option<Address>,
    /// PostgreSQL's user
    #[arg(long, value_name = "NAME", env = "CUTPROOF_USER_POSTGRES", default_value = "quant_hft")]
    postgres_user: String,
    /// PostgreSQL's database
    #[arg(long, value_name = "NAME", default_value = "quant_hft")]
    postgres_database: String,
    /// Where the bridge is
    #[arg(long, value_name = "HOST:PORT", env = "CUTPROOF_ENDPOINT_REDIS")]
    redis: Option<Address>,
    /// Serve the bridge in compatibility mode
    #[arg(long)]
    redis_compat: bool,
    /// The file that must say that this version is installed
    #[arg(long, value_name = "FILE")]
    release: Option<PathBuf>,
    /// Where to say which process this is
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// A fault from the start: NAME or NAME=VALUE
    #[arg(long = "fault", value_name = "FAULT", value_parser = Fault::parse_setting)]
    faults: Vec<(Fault, f64)>,
    /// How long login, settlement and instruments take, each, in milliseconds
    #[arg(long, value_name = "MS", default_value = "50", value_parser = RangedU64ValueParser::<u64>::new().range(1..=60_000))]
    pace: u64,
    /// Ticks a second over all instruments
    #[arg(long, value_name = "N", default_value = "20", value_parser = rate)]
    ticks_per_second: f64,
    /// Orders a second; enough for the p99 of a few seconds not to be the slowest order
    #[arg(long, value_name = "N", default_value = "20", value_parser = rate)]
    orders_per_second: f64,
    /// Queries a second before flow control
    #[arg(long, value_name = "N", default_value = "10", value_parser = RangedU64ValueParser::<u32>::new().range(1..=1000))]
    queries_per_second: u32,
}

/// The flags of `core stop`.
#[derive(Debug, clap::Args)]
pub struct StopArguments {
    /// Where it listens
    #[arg(long, value_name = "URL", env = "CUTPROOF_ENDPOINT_CORE", required_unless_present = "state")]
    core: Option<Address>,
    /// The state file of its `core serve`: finds it also where it hangs
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// How long it has to end by itself, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    within: Duration,
}

/// The flags of `core fault`.
#[derive(Debug, clap::Args)]
pub struct FaultArguments {
    /// Its name; an unknown one is refused with the list
    name: String,
    /// Its value, for those that have one
    value: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// The flags of `core warmup`.
#[derive(Debug, clap::Args)]
pub struct WarmupArguments {
    #[command(flatten)]
    target: Target,
    /// How long all of it may take
    #[arg(long, value_name = "N", default_value = "10", value_parser = seconds)]
    seconds: Duration,
}

/// The flags of `core strategy`.
#[derive(Debug, clap::Args)]
pub struct Strategy {
    /// Which core's runner: old or new
    #[arg(long)]
    version: Version,
    /// Where the bridge is
    #[arg(long, value_name = "HOST:PORT", env = "CUTPROOF_ENDPOINT_REDIS")]
    redis: Address,
    /// The name that its intents go by
    #[arg(long, value_name = "NAME", default_value = STRATEGY)]
    strategy: String,
    /// What it trades
    #[arg(long, value_name = "NAME", default_value = "rb2701")]
    instrument: String,
    /// Where to say which process this is
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// The flags of `core strategy-stop`.
#[derive(Debug, clap::Args)]
pub struct StrategyStopArguments {
    /// The state file of its `core strategy`
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// How long it has to end, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    within: Duration,
    /// Where its intents are, which must not come any more
    #[arg(long, value_name = "HOST:PORT", env = "CUTPROOF_ENDPOINT_REDIS")]
    redis: Option<Address>,
    /// The name that its intents go by
    #[arg(long, value_name = "NAME", default_value = STRATEGY)]
    strategy: String,
}

/// The flags of `core redis-compat`.
#[derive(Debug, clap::Args)]
pub struct RedisCompat {
    /// What to do
    #[arg(value_enum)]
    to: Switch,
    /// Where the bridge is
    #[arg(long, value_name = "HOST:PORT", env = "CUTPROOF_ENDPOINT_REDIS")]
    redis: Address,
}

/// Where a switch is put.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Switch {
    /// Compatibility mode: the old core reads it
    On,
    /// Direct mode
    Off,
    /// Show it
    Status,
}

/// Does what the verb says.
pub fn run(verb: Verb) -> super::Result {
    match verb {
        Verb::Serve(arguments) => serve(options(arguments)).map_err(Refusal::of)?,
        Verb::Stop(arguments) => end_core(arguments)?,
        Verb::Fault(arguments) => make_fault(&arguments)?,
        Verb::Clear(target) => post(&target.core, "/clear")?,
        Verb::Status(target) => show(&target.core)?,
        Verb::Warmup(arguments) => return warm(&arguments),
        Verb::Strategy(arguments) => run_strategy(&strategy(arguments)).map_err(Refusal::of)?,
        Verb::StrategyStop(arguments) => end_strategy(arguments)?,
        Verb::RedisCompat(arguments) => switch(&arguments)?,
    }
    Ok(exit::OK)
}

/// A rate that is neither silence nor a flood.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.01..=1000.0).contains(rate));
    rate.ok_or_else(|| "expected a number from 0.01 to 1000".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected seconds from 0 to 3600".to_owned())
}

fn options(arguments: Serve) -> Options {
    let postgres = arguments.postgres.map(|address| Postgres {
        address,
        user: arguments.postgres_user,
        password: std::env::var("CUTPROOF_PASSWORD_POSTGRES").ok(),
        database: arguments.postgres_database,
    });
    Options {
        version: arguments.version,
        listen: arguments.listen,
        kafka: arguments.kafka,
        postgres,
        redis: arguments.redis,
        redis_compat: arguments.redis_compat,
        release: arguments.release,
        state: arguments.state,
        faults: arguments.faults,
        pace: Duration::from_millis(arguments.pace),
        ticks_per_second: arguments.ticks_per_second,
        orders_per_second: arguments.orders_per_second,
        queries_per_second: arguments.queries_per_second,
    }
}

fn strategy(arguments: Strategy) -> StrategyOptions {
    StrategyOptions {
        version: arguments.version,
        redis: arguments.redis,
        strategy: arguments.strategy,
        instrument: arguments.instrument,
        state: arguments.state,
    }
}

fn end_core(arguments: StopArguments) -> super::Result<()> {
    let options = Stop { core: arguments.core, state: arguments.state, within: arguments.within };
    let stopped = stop(&options).map_err(Refusal::of)?;
    stopped.iter().try_for_each(|stopped| print(&format!("core: {stopped}\n")))
}

fn end_strategy(arguments: StrategyStopArguments) -> super::Result<()> {
    let stopped = stop_strategy(&StrategyStop {
        state: arguments.state,
        within: arguments.within,
        redis: arguments.redis,
        strategy: arguments.strategy,
    });
    print(&format!("strategy: {}\n", stopped.map_err(Refusal::of)?))
}

fn make_fault(arguments: &FaultArguments) -> super::Result<()> {
    // Refused here where it can be: what is not a fault's name can't go into a URL either.
    Fault::parse(&arguments.name, arguments.value.as_deref()).map_err(Refusal::of)?;
    let value = arguments.value.as_deref().map(|value| format!("&value={value}")).unwrap_or_default();
    post(&arguments.target.core, &format!("/fault?name={}{value}", arguments.name))
}

fn post(core: &Address, target: &str) -> super::Result<()> {
    let answer = ask(core, "POST", target, ANSWER).and_then(|answer| answer.accepted(core));
    print(&answer.map_err(Refusal::of)?)
}

fn warm(arguments: &WarmupArguments) -> super::Result {
    let options = Warmup { core: arguments.target.core.clone(), within: arguments.seconds };
    // Whoever reads them reads the exit code too.
    let mut tell = |line: &str| print(&format!("{line}\n")).unwrap_or_default();
    match warm_up(&options, &mut tell) {
        Ok(()) => Ok(exit::OK),
        Err(error) => {
            writeln!(std::io::stderr().lock(), "error: {error}").ok();
            Ok(exit::NOT_PASSED)
        }
    }
}

fn switch(arguments: &RedisCompat) -> super::Result<()> {
    match arguments.to {
        Switch::On => switch_bridge(&arguments.redis, Bridge::Compat).map_err(Refusal::of)?,
        Switch::Off => switch_bridge(&arguments.redis, Bridge::Direct).map_err(Refusal::of)?,
        Switch::Status => {}
    }
    let mode = bridge_mode(&arguments.redis).map_err(Refusal::of)?;
    print(&format!("bridge mode={}\n", mode.as_str()))
}

fn show(core: &Address) -> super::Result<()> {
    let answer = ask(core, "GET", "/status", ANSWER).and_then(|answer| answer.accepted(core));
    let body = answer.map_err(Refusal::of)?;
    let status: Value = serde_json::from_str(&body).map_err(|error| {
        Refusal(format!("what answers at {core} is no core: its status is no JSON: {error}"))
    })?;
    print(&describe(&status))
}

/// A status in a few lines.
fn describe(status: &Value) -> String {
    let word = |name: &str| status[name].as_str().unwrap_or("unknown").to_owned();
    let trading = if status["trading"] == true { "yes" } else { "no" };
    let (version, phase, mode) = (word("version"), word("phase"), word("mode"));
    let mut text =
        format!("core {version} pid={} phase={phase} trading={trading} mode={mode}\n", status["pid"]);
    for name in ["login", "settlement_confirmed", "instruments_loaded"] {
        let at = status[format!("{name}_timestamp_seconds")].as_f64();
        writeln!(text, "{name} at={}", at.map_or("never".to_owned(), utc)).ok();
    }
    for (name, service) in status["services"].as_object().into_iter().flatten() {
        match service["connected"] == true {
            true => writeln!(text, "{name} connected").ok(),
            false => {
                writeln!(text, "{name} not connected: {}", service["reason"].as_str().unwrap_or_default())
                    .ok()
            }
        };
    }
    let faults = status["faults"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let faults = faults.collect::<Vec<_>>().join(", ");
    writeln!(text, "faults: {}", if faults.is_empty() { "none" } else { &faults }).ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_told_in_a_few_lines() {
        let text = describe(&json!({
            "version": "new", "pid": 7, "phase": "logged_in", "trading": false, "mode": "direct",
            "login_timestamp_seconds": 1_795_376_463.12, "settlement_confirmed_timestamp_seconds": null,
            "services": {"kafka": {"connected": true, "reason": ""}, "redis": {"connected": false, "reason": "gone"}},
            "faults": {"silence": 0.0, "latency": 50.0},
        }));
        let expected = "core new pid=7 phase=logged_in trading=no mode=direct\nlogin at=2026-11-22T19:41:03.120Z\n\
                        settlement_confirmed at=never\ninstruments_loaded at=never\nkafka connected\n\
                        redis not connected: gone\nfaults: silence, latency\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn rates_and_times_that_are_none_are_refused() {
        for text in ["0", "-1", "NaN", "inf", "1e9", ""] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert!(["-1", "NaN", "inf", "3601", ""].iter().all(|text| seconds(text).is_err()));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
    }
}
