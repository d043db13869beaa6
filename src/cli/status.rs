//! `cutproof status`: where a run stands. It reads the run's journal, and writes nothing.

use super::{Refusal, runs};
use crate::exit;
use crate::journal::{self, Follower, Record};
use crate::model::Stamp;
use crate::report::status::{self, Life, Status};
use clap::ValueEnum;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a journal is looked at.
const POLL: Duration = Duration::from_millis(200);

/// After so long without a line, one says what the run is doing.
const PULSE: Duration = Duration::from_secs(10);

/// A run that has just begun has no entry for an instant.
const BEGINNING: Duration = Duration::from_secs(2);

/// A run of which nobody can tell whether it lives is not followed for longer than this without a new entry.
const QUIET: Duration = Duration::from_secs(15 * 60);

/// The flags of `status`. Exit code: 0 while the run goes on and where it ended well, 1 where it did not or was
/// killed, 2 where that can't be told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A run: its id, the beginning of one, or its folder [default: the newest]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Where runs are looked for
    #[arg(long, value_name = "DIR", default_value = "evidence", env = "CUTPROOF_EVIDENCE_DIR")]
    evidence_dir: PathBuf,
    /// Go on until the run ends or its process is gone
    #[arg(long)]
    follow: bool,
    /// For people, or one JSON object a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Shows a run.
pub fn run(arguments: Arguments) -> super::Result {
    let folder = runs::find(&arguments.evidence_dir, arguments.run.as_deref())?;
    let mut look = Look::of(&folder)?;
    look.wait_for_the_first_entry()?;
    if arguments.follow {
        return look.follow(arguments.format);
    }
    look.show(arguments.format)
}

/// A run that is looked at.
struct Look {
    folder: PathBuf,
    follower: Follower,
    life: Life,
}

impl Look {
    fn of(folder: &Path) -> super::Result<Look> {
        let path = folder.join(journal::FILE);
        let follower = Follower::open(&path).map_err(Refusal::of)?;
        Ok(Look { folder: folder.to_owned(), follower, life: Life::Gone })
    }

    /// Whether the run lives, and then what it has written: in this order, since a run that has ended in between has
    /// then written its end.
    fn poll(&mut self) -> super::Result<&[Record]> {
        self.life = match journal::is_being_written(&self.folder.join(journal::FILE)) {
            Ok(true) => Life::Lives,
            Ok(false) => Life::Gone,
            Err(error) => Life::Unknown(error.to_string()),
        };
        self.follower.poll().map_err(Refusal::of)
    }

    fn wait_for_the_first_entry(&mut self) -> super::Result<()> {
        let start = Instant::now();
        loop {
            self.poll()?;
            if !self.follower.records().entries.is_empty() {
                return Ok(());
            }
            if start.elapsed() > BEGINNING {
                let path = self.folder.join(journal::FILE);
                return Err(Refusal(format!(
                    "{}: expected a run's start, and there is no whole entry: {}",
                    path.display(),
                    match &self.life {
                        Life::Lives => "the run has just begun; look again",
                        Life::Gone => "the run was killed before it began, and nothing was done",
                        Life::Unknown(why) => why,
                    }
                )));
            }
            std::thread::sleep(POLL);
        }
    }

    fn status(&self) -> super::Result<Status> {
        let records = self.follower.records();
        let elsewhere = self.elsewhere();
        let life = elsewhere.as_ref().unwrap_or(&self.life);
        Status::of(records, life, Stamp::now()).map_err(Refusal::of)
    }

    /// A lock that is not seen here may be held on the machine where the run is.
    fn elsewhere(&self) -> Option<Life> {
        let host = self.follower.records().entries.iter().rev().find_map(|record| match &record.event {
            crate::model::Event::Resumed(resumed) => Some(&resumed.host),
            crate::model::Event::RunStarted(started) => Some(&started.host),
            _ => None,
        })?;
        let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let unseen = self.life == Life::Gone && *host != here;
        unseen.then(|| Life::Unknown(format!("it ran on {host}, and this is {here}: look there")))
    }

    fn show(&self, format: Format) -> super::Result {
        let status = self.status()?;
        match format {
            Format::Json => super::print(&json(&status)?)?,
            Format::Text => super::print(&status::text(&status, &self.name(), colour()))?,
        }
        Ok(code(&status))
    }

    /// What the person can call the run.
    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    /// Prints what happened and what happens, until the run is over.
    fn follow(&mut self, format: Format) -> super::Result {
        let mut shown = 0;
        let mut told = Instant::now();
        let mut grew = Instant::now();
        loop {
            let entries = &self.follower.records().entries;
            let lines = entries.get(shown..).unwrap_or_default().iter().filter_map(status::line);
            let lines: String = lines.map(|line| line + "\n").collect();
            let news = entries.len() > shown;
            shown = entries.len();
            if news {
                grew = Instant::now();
            }
            let quiet = told.elapsed() >= PULSE;
            let unclear = matches!(self.life, Life::Unknown(_)) || self.elsewhere().is_some();
            let over = self.life == Life::Gone && self.elsewhere().is_none()
                || self.follower.records().end == journal::End::Finished
                || (unclear && grew.elapsed() >= QUIET);
            match format {
                Format::Text if !lines.is_empty() => super::print(&lines)?,
                Format::Text if quiet && !over => {
                    let now = status::now_line(&self.status()?);
                    super::print(&format!("{}  {now}\n", &Stamp::now().to_seconds()[11..]))?;
                }
                Format::Json if (news || quiet) && !over => super::print(&json(&self.status()?)?)?,
                Format::Text | Format::Json => {}
            }
            if over {
                if format == Format::Text {
                    super::print("\n")?;
                }
                return self.show(format);
            }
            if !lines.is_empty() || quiet {
                told = Instant::now();
            }
            std::thread::sleep(POLL);
            self.poll()?;
        }
    }
}

/// A status in one line.
fn json(status: &Status) -> super::Result<String> {
    serde_json::to_string(status).map(|line| line + "\n").map_err(Refusal::of)
}

fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn code(status: &Status) -> u8 {
    if status.is_fine() { exit::OK } else { exit::NOT_PASSED }
}
