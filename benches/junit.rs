//! What junit.xml costs: 100,000 cases that passed, that failed with a reason of 100 characters, and with one of 2,000,
//! of which there is no room for all.
//!
//! ```text
//! cargo bench --bench junit -- 100000     # cases
//! ```
//!
//! Each measurement is a process of its own, so that its largest memory is its own. What is counted is what the report
//! needs beside the run that it is made of, which is in memory before; both are told.

use cutproof::evidence::{RunView, junit};
use cutproof::journal::{Digest, End, Record, Records};
use cutproof::model::event::{GateEnded, RunStarted};
use cutproof::model::{Args, Counts, Event, Gate, GateId, Phase, Position, Stamp, Verdict};
use serde_json::json;
use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| !text.starts_with("--")).collect();
    if let [word, cases, failed, reason] = &arguments[..]
        && word == "measure"
    {
        return measure(cases.parse()?, failed == "failed", reason.parse()?);
    }
    let cases = arguments.first().map_or("100000", String::as_str);
    println!("limits for 100,000 cases: 0.5 s, 100 MiB");
    for (what, reason) in [("passed", "0"), ("failed", "100"), ("failed", "2000")] {
        let mut command = Command::new(std::env::current_exe()?);
        let done = command.args(["measure", cases, what, reason]).output()?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
        }
        print!("{cases} cases {what}, reasons of {reason}: {}", String::from_utf8_lossy(&done.stdout));
    }
    Ok(())
}

fn measure(cases: usize, failed: bool, reason: usize) -> Fallible<()> {
    let records = records(cases, failed, reason)?;
    let view = RunView::of(&records)?;
    let before = memory("VmRSS")?;
    // From here on the largest is that of the report.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let worked = processor()?;
    let began = Instant::now();
    let report = junit(&view);
    let seconds = began.elapsed().as_secs_f64();
    let worked = processor()? - worked;
    let most = memory("VmHWM")?;
    println!(
        "{seconds:.2} s ({worked:.2} s of a processor), {} MiB beside the run's {} MiB, {:.1} MB written",
        most.saturating_sub(before) / 1024,
        before / 1024,
        report.len() as f64 / 1e6
    );
    Ok(())
}

/// How long this thread has had a processor, in seconds.
fn processor() -> Fallible<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("no such figure")?.parse::<f64>()? / 1e9)
}

/// A figure of this process's memory, in KiB.
fn memory(which: &str) -> Fallible<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
    let figure = line.and_then(|line| line.split_whitespace().next()).ok_or("no such figure")?;
    Ok(figure.parse()?)
}

/// A run in memory, without anything beside it that was needed to make it.
fn records(cases: usize, failed: bool, reason: usize) -> Fallible<Records> {
    let now = Stamp::now();
    let mut started: RunStarted = serde_json::from_value(json!({
        "run": "20261122T194103Z-rehearse-4f7k2q", "verb": "rehearse", "tool": "0.1.0",
        "environment": "single-host-ubuntu", "profile": null, "provisioner": "embedded", "dry_run": false,
        "partial": false, "host": "bench", "started": now, "services": {}, "gates": [],
    }))?;
    for case in 0..cases {
        started.gates.push(gate(case)?);
    }
    let verdict = if failed { Verdict::Failed } else { Verdict::Passed };
    let reason = "expected <5 s, ".repeat(reason / 15);
    let ends: Vec<_> = started.gates.iter().map(|gate| ended(gate, verdict, &reason)).collect();
    let start = std::iter::once(Event::RunStarted(Box::new(started)));
    let end = Event::RunEnded { verdict, counts: Counts::default(), duration_ms: 20.0 };
    let events = start.chain(ends).chain(std::iter::once(end));
    let entries = (1..).zip(events).map(|(seq, event)| Record { seq, at: now, event }).collect();
    Ok(Records { entries, end: End::Finished, head: Digest::of(b"bench") })
}

fn gate(case: usize) -> Fallible<Gate> {
    Ok(Gate {
        id: GateId::new(&format!("gate-{case:06}"))?,
        about: String::new(),
        phase: Phase::Infra,
        probe: "redis_ping".to_owned(),
        with: Args::default(),
        expect: "lag_ms < 5 s".to_owned(),
        uses: Vec::new(),
        needs: Vec::new(),
        after: Vec::new(),
        required: true,
        timeout: Duration::from_secs(5),
        retry: None,
        tags: Vec::new(),
        writes: false,
        at: Position { file: "gates/single-host.toml".to_owned(), line: 10 + case, column: 1 },
    })
}

fn ended(gate: &Gate, verdict: Verdict, reason: &str) -> Event {
    Event::GateEnded(Box::new(GateEnded {
        gate: gate.id.clone(),
        verdict,
        reason: reason.to_owned(),
        attempts: 1,
        duration_ms: 81.25,
        attempt_ms: None,
        observations: Vec::new(),
        facts: Args::default(),
        excerpt: String::new(),
    }))
}
