//! What sharing gates out over two machines saves where gates wait: `cargo bench --bench shards`.
//!
//! Gates of the command probe that sleep, as gates wait for a topic or a row, are run one after another (`--jobs 1`) on
//! an environment that is up: once whole, and as two shards side by side, alternately, so that a busy machine disturbs
//! both alike. The gates' names are such that their hash gives each shard half of them. Prints the ratio of the two
//! shards' time to the whole run's, which must be at most 0.6; what is above 0.5 is what a run costs besides its gates.
//! An argument sets the number of gates (default 24).

use cutproof::model::{GateId, Shard};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// How long a gate waits.
const WAIT: Duration = Duration::from_millis(250);
/// How often both sides are measured.
const ROUNDS: usize = 3;
/// What two shards may take of one.
const MOST: f64 = 0.6;

fn main() -> ExitCode {
    let count = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(24);
    match bench(count) {
        Ok(ratio) if ratio <= MOST => ExitCode::SUCCESS,
        Ok(ratio) => {
            eprintln!("error: expected at most {MOST} of one run, and saw {ratio:.3}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(count: usize) -> Result<f64, String> {
    let desk = tempfile::tempdir().map_err(|error| error.to_string())?;
    let profile = desk.path().join("waiting.toml");
    fs::write(&profile, gates(count)).map_err(|error| error.to_string())?;
    let (mut whole, mut shared) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        whole.push(time(|| Ok(vec![start(&profile, desk.path(), &format!("whole-{round}"), None)?]))?);
        let half = |index: usize| {
            start(&profile, desk.path(), &format!("{index}-{round}"), Some(&format!("{index}/2")))
        };
        shared.push(time(|| Ok(vec![half(1)?, half(2)?]))?);
    }
    let (whole, shared) = (best(whole), best(shared));
    let ratio = shared.as_secs_f64() / whole.as_secs_f64();
    println!(
        "{count} gates that wait {} ms each, --jobs 1: two shards side by side take {ratio:.3} of one run ({:.2} s of \
         {:.2} s; at most {MOST})",
        WAIT.as_millis(),
        shared.as_secs_f64(),
        whole.as_secs_f64()
    );
    Ok(ratio)
}

/// Gates whose names fall to both shards alike: the first that do of each.
fn gates(count: usize) -> String {
    let mut text = "environment = \"waiting\"\n".to_owned();
    let mut left = [count.div_ceil(2), count / 2];
    for name in (0..).map(|number| format!("wait-{number}")) {
        if left == [0, 0] {
            break;
        }
        let Ok(id) = GateId::new(&name) else { continue };
        let shard = usize::from(Shard::of(&id, 2).index() == 2);
        if left[shard] > 0 {
            left[shard] -= 1;
            // Writing to a String can't fail.
            let _ = write!(
                text,
                "[[gate]]\nid = \"{name}\"\nphase = \"readiness\"\nprobe = \"command\"\n\
                 with = {{ argv = [\"sleep\", \"{}\"] }}\n",
                WAIT.as_secs_f64()
            );
        }
    }
    text
}

fn start(profile: &Path, desk: &Path, name: &str, partition: Option<&str>) -> Result<Child, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cutproof"));
    command.args(["gates", "run", "--jobs", "1", "--profile"]).arg(profile);
    command.arg("--evidence-dir").arg(desk.join(name)).current_dir(desk);
    if let Some(partition) = partition {
        command.args(["--partition", partition]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|error| error.to_string())
}

/// Until all have ended, which they must with success.
fn time(runs: impl FnOnce() -> Result<Vec<Child>, String>) -> Result<Duration, String> {
    let began = Instant::now();
    for mut run in runs()? {
        let status = run.wait().map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(format!("expected a run that passes, and it ended with {status}"));
        }
    }
    Ok(began.elapsed())
}

fn best(times: Vec<Duration>) -> Duration {
    times.into_iter().min().unwrap_or_default()
}
