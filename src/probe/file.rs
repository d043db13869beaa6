//! A file: whether it is there, how large, how old, and what it holds. It is never written, and what is no regular
//! file is never opened: a FIFO would block, and a device may act on being opened.

use super::{BadArgs, Context, Measurement, Probe, ProbeError, declared};
use crate::model::field::{Field, FieldKind};
use crate::model::units::Unit;
use crate::model::{Args, Metric, Observation, Reading, Stamp};
use regex::Regex;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Instant, UNIX_EPOCH};

/// The probe `file`.
pub struct File;

/// The longest file that is read for its JSON values or a regular expression.
const LONGEST: u64 = 16 << 20;
/// A time stamp so little ahead of our clock, in seconds, is the granularity of the file system's.
const AHEAD: f64 = 2.0;

const FIELDS: &[Field] = &[
    Field::required(
        "path",
        FieldKind::Text,
        "the file; relative to the working directory. Links are followed",
    ),
    Field::with_default(
        "digest",
        FieldKind::Bool,
        "false",
        "whether `sha256` is observed: reads the whole file",
    ),
    Field::optional("matches", FieldKind::Regex, "observed as `matches`: whether it is found in the file"),
    declared::JSON,
];

impl Probe for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn about(&self) -> &'static str {
        "a file is there: its size, age, digest, and values of it where it is JSON"
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn metrics(&self, args: &Args) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::bool("exists", "whether anything is there"),
            Metric::bool("regular", "whether it is a regular file, not a folder, FIFO or device"),
            Metric::number("bytes", Unit::Byte, "its size"),
            Metric::number(
                "age_s",
                Unit::Second,
                "time since it was last modified; missing where that is to come",
            ),
        ];
        if args.flag("digest") {
            metrics.push(Metric::text("sha256", "the digest of the whole file, 64 hexadecimal digits"));
        }
        if args.text("matches").is_some() {
            metrics.push(Metric::bool("matches", "whether the regular expression is found in it"));
        }
        metrics.extend(declared::metrics(args, "json", "a value of the JSON document"));
        metrics
    }

    fn expect(&self, _args: &Args) -> String {
        "exists == true and regular == true".to_owned()
    }

    fn check(&self, args: &Args) -> Result<(), BadArgs> {
        if args.text("path").is_some_and(str::is_empty) {
            return Err(BadArgs { field: "path", message: "expected a path, and it is empty".to_owned() });
        }
        let taken = ["exists", "regular", "bytes", "age_s", "sha256", "matches"];
        declared::check_json(args, &mut taken.map(str::to_owned).to_vec())
    }

    fn measure(&self, args: &Args, context: &Context<'_>) -> Result<Measurement, ProbeError> {
        let path = args.text("path").unwrap_or_default();
        let seen = look_in_time(path, wanted(args), context)?;
        let observed = |name: &str, reading| context.observed(name, reading, path);
        let mut observations = vec![
            observed("exists", Reading::bool(seen.metadata.is_some())),
            observed(
                "regular",
                seen.metadata.as_ref().map_or(Reading::Missing, |m| Reading::bool(m.is_file())),
            ),
        ];
        let mut facts = Args::default();
        let regular = seen.metadata.as_ref().filter(|metadata| metadata.is_file());
        let bytes = regular.map_or(Reading::Missing, |m| Reading::number(m.len() as f64, Unit::Byte));
        let age = regular.map_or(Ok(Reading::Missing), |metadata| age(metadata, context, &mut facts));
        let age = age.map_err(|error| ProbeError(format!("{path}: no time of modification: {error}")))?;
        observations.extend([observed("bytes", bytes), observed("age_s", age)]);
        if args.flag("digest") {
            observations.push(observed("sha256", seen.digest.map_or(Reading::Missing, Reading::text)));
        }
        observations.extend(of_the_content(args, context, seen.content.as_deref(), path)?);
        Ok(Measurement { observations, facts, ..Measurement::default() })
    }
}

/// What the file holds, where there is a file.
fn of_the_content(
    args: &Args,
    context: &Context<'_>,
    content: Option<&[u8]>,
    path: &str,
) -> Result<Vec<Observation>, ProbeError> {
    let mut observations = Vec::new();
    if let Some(pattern) = args.text("matches") {
        let regex = Regex::new(pattern).map_err(|error| ProbeError(format!("matches: {error}")))?;
        let found = content.map(|content| regex.is_match(&String::from_utf8_lossy(content)));
        observations.push(context.observed("matches", found.map_or(Reading::Missing, Reading::bool), path));
    }
    match content {
        Some(content) => observations.extend(declared::json(args, context, content, path)?),
        None => observations.extend(
            args.tables("json")
                .iter()
                .map(|item| context.observed(item.text("name").unwrap_or_default(), Reading::Missing, path)),
        ),
    }
    Ok(observations)
}

/// How long ago the file was modified, by the run's clock.
fn age(metadata: &Metadata, context: &Context<'_>, facts: &mut Args) -> io::Result<Reading> {
    let modified = metadata.modified()?;
    let since = match modified.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    };
    let age = context.clock.now().millis() as f64 / 1e3 - since;
    if age < -AHEAD {
        // A file of next year is younger than any limit; nothing is known of its age.
        let stamp = Stamp::from_millis((since * 1e3) as i64);
        facts.set(
            "modified",
            format!("{stamp}, which is yet to come: check this machine's clock and the file's"),
        );
        return Ok(Reading::Missing);
    }
    Ok(Reading::number((age.max(0.0) * 1e3).round() / 1e3, Unit::Second))
}

/// What is to be found out beyond what the folder says.
#[derive(Clone, Copy)]
struct Wanted {
    digest: bool,
    content: bool,
}

fn wanted(args: &Args) -> Wanted {
    let content = args.text("matches").is_some() || !args.tables("json").is_empty();
    Wanted { digest: args.flag("digest"), content }
}

/// What was found. No metadata: nothing is there.
#[derive(Default)]
struct Seen {
    metadata: Option<Metadata>,
    digest: Option<String>,
    content: Option<Vec<u8>>,
}

/// Looks in a thread of its own, since a network share that is gone lets its callers wait without an end.
fn look_in_time(path: &str, wanted: Wanted, context: &Context<'_>) -> Result<Seen, ProbeError> {
    let (tell, told) = mpsc::channel();
    let (file, deadline) = (PathBuf::from(path), context.deadline);
    let started = thread::Builder::new().name("file".into()).spawn(move || {
        // Nobody listens any more once the deadline has passed.
        let _ = tell.send(look(&file, wanted, deadline));
    });
    started.map_err(|error| ProbeError(format!("{path}: no thread to read it with: {error}")))?;
    let late = || {
        ProbeError(format!(
            "{path}: not read within the time that was left: is it on a share that does not answer, or very large?"
        ))
    };
    match told.recv_timeout(context.remaining()) {
        Ok(Err(Unread::Late)) | Err(_) => Err(late()),
        Ok(Err(Unread::Said(what))) => Err(ProbeError(format!("{path}: {what}"))),
        Ok(Ok(seen)) => Ok(seen),
    }
}

/// Why a file was not read.
enum Unread {
    Late,
    Said(String),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Unread {
        Unread::Said(format!("expected a file that can be read, seen: {error}"))
    }
}

fn look(path: &Path, wanted: Wanted, deadline: Instant) -> Result<Seen, Unread> {
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Seen::default());
        }
        Err(error) => return Err(error.into()),
    };
    if !wanted.digest && !wanted.content {
        return Ok(Seen { metadata: Some(metadata), ..Seen::default() });
    }
    require_regular(&metadata)?;
    // Another kind of file may have come into its place since: opening that must not block either.
    let nonblocking = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let mut file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    let metadata = file.metadata()?;
    require_regular(&metadata)?;
    if wanted.content && metadata.len() > LONGEST {
        let seen = metadata.len();
        return Err(Unread::Said(format!("expected at most 16 MiB to read values from, seen {seen} bytes")));
    }
    let mut seen = Seen { metadata: Some(metadata), ..Seen::default() };
    let (digest, content) = read(&mut file, wanted, deadline)?;
    seen.digest = wanted.digest.then_some(digest);
    seen.content = wanted.content.then_some(content);
    Ok(seen)
}

fn require_regular(metadata: &Metadata) -> Result<(), Unread> {
    let kind = metadata.file_type();
    let is = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(Unread::Said(format!("expected a regular file to read, seen {is}, which is not opened")))
}

/// One pass over the file for both, so that digest and values are of the same content.
fn read(file: &mut impl Read, wanted: Wanted, deadline: Instant) -> Result<(String, Vec<u8>), Unread> {
    let mut hasher = Sha256::new();
    let mut content = Vec::new();
    let mut chunk = vec![0; 256 << 10];
    loop {
        if Instant::now() >= deadline {
            return Err(Unread::Late);
        }
        let length = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        if wanted.digest {
            hasher.update(&chunk[..length]);
        }
        if wanted.content {
            content.extend_from_slice(&chunk[..length]);
            if content.len() as u64 > LONGEST {
                return Err(Unread::Said("grew beyond 16 MiB while it was read".to_owned()));
            }
        }
    }
    let digest = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((digest, content))
}
