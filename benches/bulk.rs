//! What it costs to verify an archive: many bundles of twelve files, by one thread and by all, and how much memory that
//! takes.
//!
//! ```text
//! cargo bench --bench bulk -- 10000       # bundles; 1,000 where absent
//! ```
//!
//! Each measurement is a process of its own, so that its largest memory is its own. One thread is one processor
//! (`taskset`), as the verb takes as many threads as there are.

use cutproof::bundle::seal;
use cutproof::journal::Journal;
use cutproof::model::event::RunStarted;
use cutproof::model::{Clock, Counts, Event, RunId, Verdict};
use serde_json::json;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| !text.starts_with("--")).collect();
    let bundles: usize = arguments.iter().find_map(|text| text.parse().ok()).unwrap_or(1000);
    let archive = tempfile::tempdir()?;
    let began = Instant::now();
    for number in 0..bundles {
        bundle(archive.path(), number)?;
    }
    println!("made {bundles} bundles of 12 files in {:.1} s", began.elapsed().as_secs_f64());
    let all = std::thread::available_parallelism()?.get();
    // The first reads from the disk.
    verify(archive.path(), None)?;
    for processors in [Some("0"), None] {
        let (seconds, memory) = verify(archive.path(), processors)?;
        let threads = if processors.is_some() { 1 } else { all };
        println!(
            "{threads} thread(s): {seconds:.2} s, {:.0} us a bundle, {} MiB at most",
            seconds * 1e6 / bundles as f64,
            memory / 1024
        );
    }
    Ok(())
}

/// Runs the verb; gives its time in seconds and its largest memory in KiB.
fn verify(archive: &Path, processors: Option<&str>) -> Fallible<(f64, u64)> {
    let cutproof = env!("CARGO_BIN_EXE_cutproof");
    let mut command = match processors {
        Some(list) => {
            let mut command = Command::new("taskset");
            command.args(["-c", list, "/usr/bin/time", "-f", "%M", cutproof]);
            command
        }
        None => {
            let mut command = Command::new("/usr/bin/time");
            command.args(["-f", "%M", cutproof]);
            command
        }
    };
    let began = Instant::now();
    let done = command.args(["verify", "--recursive"]).arg(archive).output()?;
    let seconds = began.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if !done.status.success() {
        let lines = String::from_utf8_lossy(&done.stdout).into_owned();
        return Err(format!("{}: {said}{}", done.status, lines.chars().take(2000).collect::<String>()).into());
    }
    let memory = said.lines().last().and_then(|line| line.trim().parse().ok());
    Ok((seconds, memory.ok_or("no memory was told")?))
}

/// A run of eight gates, sealed: a journal, two reports, a manifest and eight files of its steps.
fn bundle(archive: &Path, number: usize) -> Fallible<()> {
    let clock = Clock::start();
    let run = RunId::new(clock.started(), &format!("bench{number}"));
    let folder = archive.join(format!("{:03}", number / 100)).join(run.as_str());
    std::fs::create_dir_all(&folder)?;
    let journal = Journal::create(&folder, clock)?;
    let gates: Vec<_> = (0..8)
        .map(|gate| {
            json!({
                "id": format!("gate-{gate}"), "about": "", "phase": "infra", "probe": "redis_ping", "with": {},
                "expect": "pong == true", "uses": [], "needs": [], "required": true, "timeout": 5000,
                "retry": null, "tags": [], "writes": false,
                "at": {"file": "gates/bench.toml", "line": 10 + gate, "column": 1},
            })
        })
        .collect();
    let started: RunStarted = serde_json::from_value(json!({
        "run": run, "verb": "bench", "tool": env!("CARGO_PKG_VERSION"), "environment": "bench", "profile": null,
        "provisioner": "embedded", "dry_run": false, "partial": false, "host": "bench",
        "started": clock.started(), "services": {}, "gates": gates,
    }))?;
    let ids: Vec<_> = started.gates.iter().map(|gate| gate.id.clone()).collect();
    journal.append(&Event::RunStarted(Box::new(started)))?;
    let mut counts = Counts::default();
    for gate in ids {
        journal.append(&Event::GateStarted { gate: gate.clone() })?;
        journal.append(&Event::GateEnded(Box::new(serde_json::from_value(json!({
            "gate": gate, "verdict": "passed", "reason": "", "attempts": 1, "duration_ms": 1.5,
        }))?)))?;
        counts.add(Verdict::Passed);
    }
    journal.append(&Event::RunEnded { verdict: Verdict::Passed, counts, duration_ms: 20.0 })?;
    let records = cutproof::journal::read(&folder.join("journal.jsonl"))?;
    let view = cutproof::evidence::RunView::of(&records)?;
    for document in cutproof::evidence::documents(&view)? {
        std::fs::write(folder.join(&document.name), &document.bytes)?;
    }
    for file in 0..8 {
        std::fs::write(
            folder.join(format!("step-{file}.txt")),
            format!("output of step {file}\n").repeat(50),
        )?;
    }
    seal(&folder)?;
    Ok(())
}
