//! What sealing costs against what anyone would do by hand: `cargo bench --bench bundle`.
//!
//! Digests a bundle of several files and one big one, and `openssl dgst -sha256` digests the same files, alternately
//! within one run. An argument sets the bundle's size in MiB (default 1024), another the rounds (default 5).

use cutproof::bundle::{Kind, digest_file, digest_files, walk};
use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MIB: usize = 1 << 20;
/// The files beside the big one, and what part of the bundle they are.
const SMALL: usize = 24;
const PART: usize = 4;
const BIG: &str = "journal.jsonl";
/// What is asked for: no more than this many times what `openssl` takes.
const MOST: f64 = 1.2;

fn main() -> ExitCode {
    match bench() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<ExitCode> {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse().ok());
    let (size, rounds) = (numbers.next().unwrap_or(1024) * MIB, numbers.next().unwrap_or(5));
    let root = tempfile::tempdir()?;
    let files = fill(root.path(), size)?;
    println!("{} files, {} MiB, {rounds} rounds", files.len(), size / MIB);
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    let asked: Vec<_> = files.iter().map(|(path, size)| (path.as_str(), *size)).collect();
    let one = compare(
        "the big file, one thread",
        rounds,
        || openssl(root.path(), &[BIG]),
        || Ok(vec![digest_file(root.path(), BIG)?.1]),
    )?;
    let all = compare(
        "the whole bundle",
        rounds,
        || openssl(root.path(), &paths),
        || {
            let digests = digest_files(root.path(), black_box(&asked));
            digests.into_iter().map(|digest| Ok(digest?.1)).collect()
        },
    )?;
    let begun = Instant::now();
    let found = walk(root.path())?.len();
    println!("finding its {found} files: {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    Ok(if one.max(all) <= MOST { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Random data that no file system can store in less: one big file, and several small ones.
fn fill(root: &Path, size: usize) -> Result<Vec<(String, u64)>> {
    let mut random = fastrand::Rng::with_seed(4);
    let mut block = vec![0; MIB];
    let mut write = |name: String, mut left: usize| -> Result<()> {
        let mut file = File::create(root.join(name))?;
        while left > 0 {
            let part = left.min(MIB);
            random.fill(&mut block[..part]);
            file.write_all(&block[..part])?;
            left -= part;
        }
        Ok(())
    };
    let small = size / PART / SMALL;
    write(BIG.to_owned(), size - small * SMALL)?;
    for number in 0..SMALL {
        write(format!("part-{number:02}"), small)?;
    }
    let found = walk(root)?.into_iter().filter_map(|found| match found.kind {
        Kind::Regular { size } => Some((found.path, size)),
        _ => None,
    });
    Ok(found.collect())
}

/// Alternates, so that both sides see the same machine, and takes each side's best round: what others took from the
/// machine is in the rest. Gives ours against theirs.
fn compare(
    what: &str,
    rounds: usize,
    theirs: impl Fn() -> Result<Vec<String>>,
    ours: impl Fn() -> Result<Vec<String>>,
) -> Result<f64> {
    let (mut their_best, mut our_best) = (Duration::MAX, Duration::MAX);
    for _ in 0..rounds {
        let begun = Instant::now();
        let expected = theirs()?;
        their_best = their_best.min(begun.elapsed());
        let begun = Instant::now();
        let seen = ours()?;
        our_best = our_best.min(begun.elapsed());
        if expected != seen {
            return Err(format!("{what}: openssl gives other digests").into());
        }
    }
    let ratio = our_best.as_secs_f64() / their_best.as_secs_f64();
    println!(
        "{what}: {ratio:.3} times openssl ({:.0} ms against {:.0} ms), at most {MOST}",
        our_best.as_secs_f64() * 1e3,
        their_best.as_secs_f64() * 1e3
    );
    Ok(ratio)
}

/// The digests as `openssl dgst` prints them: `SHA2-256(path)= hex`.
fn openssl(root: &Path, paths: &[&str]) -> Result<Vec<String>> {
    let output = Command::new("openssl").args(["dgst", "-sha256"]).args(paths).current_dir(root).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().filter_map(|line| Some(line.rsplit_once("= ")?.1.to_owned())).collect())
}
