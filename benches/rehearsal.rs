//! What a rehearsal costs: `cargo bench --bench rehearsal`. Needs the engines installed, or installs them.
//!
//! Prints ratios of one run: all five engines against the chain that can't be shortened (Kafka, then Connect), a warm
//! rehearsal, six topics, the ClickHouse schema, 1,000 command gates, `cutproof --version`, and cutproof's own memory.

mod common;

use cutproof::process::Worker;
use cutproof::service::embedded::{
    EngineKind, EngineRequest, EngineSource, Installed, Lines, StartOptions, install, start, user_cache,
};
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CUTPROOF: &str = env!("CARGO_BIN_EXE_cutproof");
const ROUNDS: usize = 5;
const COMMANDS: usize = 1000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    common::held(bench)
}

fn bench(worker: Worker) -> Result<()> {
    let installed = install(&user_cache()?, worker, &Lines::new(std::io::stderr()))?;
    engines(&installed, worker)?;
    rehearsals()?;
    gates()?;
    version()
}

/// All engines side by side, and Kafka with Connect alone, by turns.
fn engines(installed: &Arc<Installed>, worker: Worker) -> Result<()> {
    let (mut all, mut chain) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        chain.push(ready(installed, worker, &requests()[..2])?);
        all.push(ready(installed, worker, &requests())?);
    }
    let (all, chain) = (median(all), median(chain));
    println!("five engines ready             {:>8.0} ms", all.as_secs_f64() * 1e3);
    println!(
        "  against Kafka, then Connect  {:>8.2} times ({:.0} ms)",
        ratio(all, chain),
        chain.as_secs_f64() * 1e3
    );
    Ok(())
}

fn requests() -> [EngineRequest; 5] {
    let request = |name: &str, kind| EngineRequest { name: name.to_owned(), kind };
    let (user, database) = ("quant_hft".to_owned(), "quant_hft".to_owned());
    [
        request("kafka", EngineKind::Kafka),
        request("connect", EngineKind::Connect { kafka: "kafka".to_owned() }),
        request("redis", EngineKind::Redis(EngineSource::Pinned)),
        request("clickhouse", EngineKind::Clickhouse),
        request("postgres", EngineKind::Postgres { from: EngineSource::Pinned, user, database }),
    ]
}

fn ready(installed: &Arc<Installed>, worker: Worker, requests: &[EngineRequest]) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    let options = StartOptions::with_exe(CUTPROOF, worker);
    let begun = Instant::now();
    let running = start(installed, requests, folder.path(), &options)?;
    for request in requests {
        running.wait(&request.name, begun + Duration::from_secs(120))?;
    }
    let took = begun.elapsed();
    running.stop();
    Ok(took)
}

/// Warm rehearsals of the single host; what its parts took stands in the evidence.
fn rehearsals() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut whole, mut topics, mut schema, mut memory) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        let evidence = folder.path().join(round.to_string());
        let begun = Instant::now();
        let mut child = Command::new(CUTPROOF)
            .args([
                "rehearse",
                "--provision",
                "embedded",
                "--profile",
                "gates/single-host.toml",
                "--evidence-dir",
            ])
            .arg(&evidence)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        while child.try_wait()?.is_none() {
            memory = memory.max(own_memory(child.id()));
            std::thread::sleep(Duration::from_millis(20));
        }
        whole.push(begun.elapsed());
        if !child.wait()?.success() {
            return Err("the rehearsal did not pass".into());
        }
        topics.push(gate_ms(&evidence, "kafka-topic-init")?);
        schema.push(gate_ms(&evidence, "clickhouse-schema-init")?);
    }
    println!("a warm rehearsal               {:>8.2} s", median(whole).as_secs_f64());
    println!("  six topics, connect included {:>8.0} ms", median(topics).as_secs_f64() * 1e3);
    println!("  the ClickHouse schema        {:>8.0} ms", median(schema).as_secs_f64() * 1e3);
    println!("  cutproof's own memory        {:>8.1} MiB (holder and worker)", memory as f64 / 1024.0);
    Ok(())
}

/// 1,000 gates of argv `true`, from the run's first event to its last, against a bare loop of the same, by turns: one
/// at a time, and side by side on all cores.
fn gates() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let profile = folder.path().join("many.toml");
    let gate = |number| {
        format!(
            "[[gate]]\nid = \"g{number}\"\nphase = \"infra\"\nprobe = \"command\"\nwith = {{ argv = [\"true\"] }}\n"
        )
    };
    std::fs::write(
        &profile,
        format!("environment = \"bench\"\n{}", (0..COMMANDS).map(gate).collect::<String>()),
    )?;
    let cores = std::thread::available_parallelism()?.get();
    for jobs in [1, cores] {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            bare.push(bare_loop(jobs));
            let evidence = folder.path().join(format!("{jobs}-{round}"));
            let mut command = Command::new(CUTPROOF);
            command.args(["gates", "run", "--jobs", &jobs.to_string(), "--profile"]).arg(&profile);
            command.arg("--evidence-dir").arg(&evidence).stdout(Stdio::null()).stderr(Stdio::null());
            if !command.status()?.success() {
                return Err("the gates did not pass".into());
            }
            let ms = summary(&evidence)?["duration_ms"].as_f64().ok_or("no duration")?;
            ours.push(Duration::from_secs_f64(ms / 1e3));
        }
        let (ours, bare) = (median(ours), median(bare));
        println!("1,000 command gates, {jobs} at once  {:>6.0} ms", ours.as_secs_f64() * 1e3);
        println!(
            "  against a bare loop          {:>8.2} times ({:.0} ms)",
            ratio(ours, bare),
            bare.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

/// Starts `true` and waits for it, as often in all, on as many threads.
fn bare_loop(threads: usize) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..COMMANDS / threads {
                    let ended =
                        Command::new("true").process_group(0).spawn().and_then(|mut child| child.wait());
                    assert!(ended.is_ok_and(|status| status.success()));
                }
            });
        }
    });
    begun.elapsed()
}

/// The summary of the only run in an evidence folder.
fn summary(evidence: &Path) -> Result<serde_json::Value> {
    let run = std::fs::read_dir(evidence)?.next().ok_or("no run")??.path();
    Ok(serde_json::from_slice(&std::fs::read(run.join("summary.json"))?)?)
}

/// How long a gate took, as summary.json has it.
fn gate_ms(evidence: &Path, gate: &str) -> Result<Duration> {
    let summary = summary(evidence)?;
    let gates = summary["gates"].as_array().ok_or("no gates")?;
    let found = gates.iter().find(|found| found["id"] == gate).ok_or("no such gate")?;
    let ms = found["duration_ms"].as_f64().ok_or("no duration")?;
    Ok(Duration::from_secs_f64(ms / 1e3))
}

/// The largest memory so far, in KiB, of a process and of those of its children that are cutproof themselves: the
/// worker, and not the engines.
fn own_memory(holder: u32) -> u64 {
    let peak = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0)
    };
    let children =
        std::fs::read_to_string(format!("/proc/{holder}/task/{holder}/children")).unwrap_or_default();
    peak(holder) + children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(peak).sum::<u64>()
}

/// `cutproof --version` against starting `true`.
fn version() -> Result<()> {
    let time = |program: &str, arguments: &[&str]| -> Result<Duration> {
        let begun = Instant::now();
        Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
        Ok(begun.elapsed())
    };
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        ours.push(time(CUTPROOF, &["--version"])?);
        bare.push(time("true", &[])?);
    }
    let (ours, bare) = (median(ours), median(bare));
    println!("cutproof --version             {:>8.2} ms", ours.as_secs_f64() * 1e3);
    println!(
        "  against `true`               {:>8.2} times ({:.2} ms)",
        ratio(ours, bare),
        bare.as_secs_f64() * 1e3
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}
