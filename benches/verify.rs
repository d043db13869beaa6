//! What verifying the two files of a cutover costs: in bulk from memory and from files, each on one core, beside
//! opening and reading alone; and as a process.
//!
//! ```text
//! cargo bench --bench verify              # the pair of tests/verify/success
//! cargo bench --bench verify -- FOLDER    # the two files of a folder
//! ```
//!
//! A round is many verifications; the best of many rounds counts, since whatever else runs on the machine only adds.

use cutproof::template::read_text;
use cutproof::verify::{Level, Mode, Rules, Source, files, verify};
use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

type Fallible<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 30;
const NAMES: [&str; 2] = ["ctp_cutover_result.env", "ctp_rollback_result.env"];

fn main() -> Fallible<()> {
    let folder = std::env::args().skip(1).find(|text| !text.starts_with("--"));
    let folder = PathBuf::from(folder.unwrap_or_else(|| "tests/verify/success".to_owned()));
    let paths = NAMES.map(|name| folder.join(name));
    let sources = [source(&paths[0]), source(&paths[1])];
    let found = verify(&sources[0], &sources[1], &rules()?);
    let bytes: usize = sources.iter().filter_map(|source| source.text.as_ref().ok()).map(String::len).sum();
    println!("{}: {bytes} bytes, {} findings", folder.display(), found.findings.len());
    in_bulk(&sources, &paths)?;
    as_a_process(&paths)?;
    one_by_one()
}

fn rules() -> Fallible<Rules> {
    let max_rollback = "180".parse()?;
    let mode = Mode::Cutover;
    let (level, since) = (Level::Strict, None);
    let (allow_dry_run, allow_partial, fail_on_flaky) = (false, false, false);
    Ok(Rules { level, mode, allow_dry_run, allow_partial, fail_on_flaky, max_rollback, since })
}

fn source(path: &Path) -> Source {
    Source { path: path.display().to_string(), text: read_text(path) }
}

fn in_bulk(sources: &[Source; 2], paths: &[PathBuf; 2]) -> Fallible<()> {
    let rules = rules()?;
    let memory = best(2_000, || {
        black_box(verify(black_box(&sources[0]), black_box(&sources[1]), &rules));
    });
    let read = best(500, || {
        for path in paths {
            let _ = black_box(std::fs::read(black_box(path)));
        }
    });
    let files = best(500, || {
        let [cutover, rollback] = [source(black_box(&paths[0])), source(black_box(&paths[1]))];
        black_box(verify(&cutover, &rollback, &rules));
    });
    println!("{:24} {:8.2} µs a pair, at most 5", "from memory", micros(memory));
    println!("{:24} {:8.2} µs a pair", "opening and reading", micros(read));
    let ratio = files.as_secs_f64() / read.as_secs_f64();
    println!("{:24} {:8.2} µs a pair, at most 30; {ratio:.2} times that", "from files", micros(files));
    Ok(())
}

/// The program itself, beside a program that does nothing.
fn as_a_process(paths: &[PathBuf; 2]) -> Fallible<()> {
    let program = Path::new(env!("CARGO_BIN_EXE_cutproof"));
    let flags = ["--cutover-evidence-file", "--rollback-evidence-file"];
    let pair =
        flags.iter().zip(paths).flat_map(|(flag, path)| [(*flag).into(), path.clone().into_os_string()]);
    let mut verify = Command::new(program);
    verify.arg("verify").args(pair).stdout(Stdio::null()).stderr(Stdio::null());
    let mut nothing = Command::new("true");
    for (name, command) in [("as a process", &mut verify), ("a process of nothing", &mut nothing)] {
        let mut code = None;
        let took = best(20, || code = command.status().ok().and_then(|status| status.code()));
        println!("{name:24} {:8.2} ms, exit code {code:?}", took.as_secs_f64() * 1e3);
    }
    Ok(())
}

/// The other kinds of evidence, from files.
fn one_by_one() -> Fallible<()> {
    let dir = tempfile::tempdir()?;
    for (name, text) in [("junit.xml", junit(10_000)), ("kafka.env", kafka(1_000))] {
        let path = dir.path().join(name);
        std::fs::write(&path, &text)?;
        let took = best(2, || {
            black_box(files::judge(&path, None));
        });
        println!("{name:24} {:8.2} ms for {} KiB", took.as_secs_f64() * 1e3, text.len() >> 10);
    }
    Ok(())
}

fn junit(cases: usize) -> String {
    let case =
        |n: usize| format!("<testcase name=\"gate-{n}\" time=\"0.1\" classname=\"cutproof.desk.infra\"/>");
    let all: String = (0..cases).map(case).collect();
    format!("<testsuites><testsuite name=\"desk infra\" tests=\"{cases}\">{all}</testsuite></testsuites>\n")
}

fn kafka(topics: usize) -> String {
    let names: Vec<_> = (0..topics).map(|n| format!("t{n}")).collect();
    let mut text = format!("KAFKA_TOPIC_INIT_TOPICS={}\n", names.join(","));
    let steps = names.iter().flat_map(|name| [format!("create_{name}"), format!("verify_{name}")]);
    for (n, step) in (1..).zip(steps) {
        text += &format!("STEP_{n}_NAME={step}\nSTEP_{n}_STATUS=ok\nSTEP_{n}_DURATION_MS=1\n");
    }
    text
}

/// The best round's time for one of `count`.
fn best(count: u32, mut one: impl FnMut()) -> Duration {
    let mut round = || {
        let began = Instant::now();
        (0..count).for_each(|_| one());
        began.elapsed() / count
    };
    (0..ROUNDS).map(|_| round()).min().unwrap_or_default()
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
