//! What the orchestrator costs a cutover: `cargo bench --bench cutover`.
//!
//! Runs cutovers with drills (17 steps of `true`, journal synced) and measures for each step what passed beyond its
//! command's own time; alternately what one fdatasync of as much costs in the same folder. The p99 is told as a
//! multiple of fdatasync's own, as that is the disk's. Also how long it is from the end of a red stage to the first
//! command of the rollback. An argument sets the number of cutovers (default 30).

mod common;

use cutproof::cutover::plan::{Request, prepare};
use cutproof::cutover::templates::Templates;
use cutproof::cutover::{Settings, run};
use cutproof::model::event::Sink;
use cutproof::model::redact::Redactor;
use cutproof::model::switch::{Sequence, Stage};
use cutproof::model::{CUTOVER_STEP_KEYS, Event, ROLLBACK_STEP_KEYS, Stamp};
use cutproof::process::{Cancel, Worker};
use cutproof::service::embedded::{Phase, Progress};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

type Checked<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    common::held(bench)
}

/// When each step began and ended, and how long its command took.
#[derive(Default)]
struct Times(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    /// When the stage began, or the step before ended.
    last: Option<Instant>,
    own: Vec<Duration>,
    red: Option<Instant>,
    turned: Vec<Duration>,
}

impl Sink for Times {
    fn event(&self, event: Event) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match event {
            Event::StageStarted { .. } => taken.last = Some(now),
            Event::CommandEnded(ended) => {
                let own = taken.last.map(|last| now - last);
                taken.own.extend(
                    own.map(|own| own.saturating_sub(Duration::from_secs_f64(ended.duration_ms / 1e3))),
                );
                taken.last = Some(now);
            }
            Event::StageEnded { stage: Stage::Cutover, .. } => taken.red = Some(now),
            Event::CommandStarted(step) if step.sequence == Sequence::Rollback && step.number == 1 => {
                let turned = taken.red.map(|red| now - red);
                taken.turned.extend(turned);
            }
            _ => {}
        }
    }
}

impl Progress for Times {
    fn at(&self, _: Phase, _: u64, _: u64) {}
    fn done(&self, _: Phase, _: Duration) {}
    fn note(&self, _: &str) {}
}

fn bench(worker: Worker) -> Checked<()> {
    let count = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(30);
    let folder = tempfile::Builder::new().prefix("cutover-bench-").tempdir_in(".")?;
    let (templates, times) = (templates(folder.path())?, Arc::new(Times::default()));
    let redactor = Arc::new(Redactor::new());
    let mut disk = Vec::new();
    for _ in 0..count {
        let prepared = prepare(&Request {
            templates: &templates,
            profile: None,
            step_timeout: None,
            force_rollback: true,
            rollback_on_interrupt: true,
            cutover_output: None,
            rollback_output: None,
            watch: None,
            now: Stamp::now(),
            redactor: &redactor,
        })?;
        let ended = run(&Settings {
            verb: "cutover",
            prepared: &prepared,
            profile: None,
            endpoints: BTreeMap::new(),
            started_by: None,
            evidence_dir: folder.path().join("evidence"),
            parent: None,
            dry_run: false,
            keep_daemons: true,
            results: None,
            abandon: None,
            fault: None,
            redactor: Arc::clone(&redactor),
            worker,
            cancel: Cancel::new()?,
            watcher: times.clone(),
        })?;
        if ended.code != 0 {
            return Err(ended.told.into());
        }
        disk.extend(synced(folder.path())?);
    }
    let taken = std::mem::take(&mut *times.0.lock().unwrap_or_else(PoisonError::into_inner));
    tell(taken, disk);
    Ok(())
}

fn tell(taken: Taken, disk: Vec<Duration>) {
    let (own, disk, turned) = (Spread::of(taken.own), Spread::of(disk), Spread::of(taken.turned));
    println!("own cost of a step, journal synced twice: {own}");
    println!("one write and fdatasync in the same folder: {disk}");
    println!("p99 of a step: {:.1} times the p99 of an fdatasync", own.p99 / disk.p99);
    println!("from the end of the steps to the first command of the rollback on record: {turned}");
}

/// In milliseconds.
struct Spread {
    count: usize,
    median: f64,
    p99: f64,
    most: f64,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Spread {
        times.sort();
        let at = |share: f64| {
            let place = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
            times.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        Spread { count: times.len(), median: at(0.5), p99: at(0.99), most: at(1.0) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Spread { count, median, p99, most } = self;
        write!(f, "median {median:.2} ms, p99 {p99:.2} ms, at most {most:.2} ms ({count})")
    }
}

/// As much as a step's entries, written and synced.
fn synced(folder: &Path) -> Checked<Vec<Duration>> {
    let path = folder.join("synced");
    let mut file: File = OpenOptions::new().append(true).create(true).open(&path)?;
    let mut times = Vec::new();
    for _ in 0..34 {
        let begun = Instant::now();
        file.write_all(&[b'#'; 300])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// Seventeen steps of `true`.
fn templates(folder: &Path) -> Checked<Templates> {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut cutover = format!(
        "CUTOVER_ENV_NAME=desk\nCUTOVER_WINDOW_LOCAL=2020-01-01T00:00:00Z\nCTP_CONFIG_PATH=ctp.yaml\n\
         POST_SWITCH_MONITOR_MINUTES=30\nMONITOR_KEYS=a_ms\nCUTOVER_EVIDENCE_OUTPUT={}\n",
        path("cutover_result.env")
    );
    let mut rollback = format!(
        "ROLLBACK_ENV_NAME=desk\nROLLBACK_TRIGGER_CONDITION=a_ms_gt_5ms\nMAX_ROLLBACK_SECONDS=180\n\
         ROLLBACK_EVIDENCE_OUTPUT={}\n",
        path("rollback_result.env")
    );
    cutover.extend(CUTOVER_STEP_KEYS.iter().map(|key| format!("{key}=true\n")));
    rollback.extend(ROLLBACK_STEP_KEYS.iter().map(|key| format!("{key}=true\n")));
    std::fs::write(folder.join("cutover.env"), cutover)?;
    std::fs::write(folder.join("rollback.env"), rollback)?;
    Ok(Templates::read(Some(&folder.join("cutover.env")), &folder.join("rollback.env"))?)
}
