//! What running a command costs beyond starting a process and waiting for it: `cargo bench --bench commands`.
//!
//! Prints ratios, measured alternately within one run so that a busy machine disturbs both sides alike.
//! An argument sets the number of commands (default 1000).

mod common;

use std::error::Error;
use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cutproof::process::{Cancel, Command, Exit, Worker};

const TIMEOUT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    common::held(bench)
}

fn bench(worker: Worker) -> Result<(), Box<dyn Error>> {
    let count = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(1000);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cancel = Cancel::new()?;
    let ours = || {
        let outcome = Command::argv(["true"], TIMEOUT).run(&worker, &cancel);
        assert!(matches!(outcome.exit, Exit::Exited(0)), "{outcome:?}");
        black_box(outcome);
    };
    compare("argv true, one after another", count, 1, bare, ours);
    compare("argv true, side by side", count, cores, bare, ours);
    let shell = || {
        let outcome = Command::shell("echo a; echo b >&2", TIMEOUT).run(&worker, &cancel);
        assert!(outcome.stdout.whole() == Some(b"a\n"), "{outcome:?}");
    };
    compare("sh -c with output, one after another", count, 1, bare_shell, shell);
    throughput(&worker, &cancel);
    Ok(())
}

/// The loop to compare with. In threads other than the first, whose children the worker takes for orphans.
fn bare() {
    let status =
        std::process::Command::new("true").process_group(0).spawn().and_then(|mut child| child.wait());
    assert!(status.is_ok_and(|status| status.success()));
}

fn bare_shell() {
    let output =
        std::process::Command::new("sh").args(["-c", "echo a; echo b >&2"]).process_group(0).output();
    assert!(output.is_ok_and(|output| output.stdout == b"a\n"));
}

/// Alternates call by call, in each thread, so that both sides see the same machine. The slowest tenth of
/// each side is left out: those were interrupted by others.
fn compare(what: &str, count: usize, threads: usize, bare: fn(), ours: impl Fn() + Sync) {
    let measure = || -> Vec<(Duration, Duration)> {
        (0..count / threads)
            .map(|round| {
                if round % 2 == 0 {
                    let bare = time(bare);
                    (bare, time(&ours))
                } else {
                    let ours = time(&ours);
                    (time(bare), ours)
                }
            })
            .collect()
    };
    let pairs: Vec<(Duration, Duration)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(measure)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    let (bare, ours): (Vec<Duration>, Vec<Duration>) = pairs.into_iter().unzip();
    let (bare, ours) = (typical(bare), typical(ours));
    println!(
        "{what}: {:.3} times the bare loop by mean ({:.0} µs against {:.0} µs), {:.3} times by median",
        ours.mean / bare.mean,
        ours.mean,
        bare.mean,
        ours.median / bare.median
    );
}

fn time(call: impl Fn()) -> Duration {
    let begun = Instant::now();
    call();
    begun.elapsed()
}

/// In microseconds.
struct Typical {
    mean: f64,
    median: f64,
}

fn typical(mut times: Vec<Duration>) -> Typical {
    times.sort();
    times.truncate(times.len() * 9 / 10);
    let micros = |time: &Duration| time.as_secs_f64() * 1e6;
    let mean = times.iter().map(micros).sum::<f64>() / times.len().max(1) as f64;
    Typical { mean, median: times.get(times.len() / 2).map_or(0.0, micros) }
}

fn throughput(worker: &Worker, cancel: &Cancel) {
    let begun = Instant::now();
    let command = Command::shell("head -c 1073741824 /dev/zero", TIMEOUT);
    let total = command.run(worker, cancel).stdout.total();
    println!("1 GiB of output: {:.2} s ({total} bytes)", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let status = std::process::Command::new("sh")
        .args(["-c", "head -c 1073741824 /dev/zero | cat >/dev/null"])
        .status();
    println!(
        "the same through cat: {:.2} s ({})",
        begun.elapsed().as_secs_f64(),
        status.is_ok_and(|s| s.success())
    );
}
