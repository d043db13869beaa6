//! A command that is running: waited for, ended where it must be, and its remains dealt with.

use std::fs::File;
use std::io;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::cancel::Cancel;
use super::capture::{Capture, Excerpt};
use super::command::{Command, Daemons, Exit, Fate, LeftBehind, Outcome, no_status};
use super::ending::{self, Patience};
use super::roster::{Family, ROSTER};
use super::streams::{Over, Streams};
use super::table::Entry;
use super::worker;

/// From the kill until the rest is given up.
const KILL_LIMIT: Duration = Duration::from_secs(2);
/// Helpers that read to the end of a pipe (`> >(tee log)`) end a moment after their shell.
const SETTLE: Duration = Duration::from_millis(50);
const SETTLE_LOOK: Duration = Duration::from_millis(5);

pub(super) struct Run {
    pub family: Family,
    pub child: Child,
    pub streams: Streams,
    /// The file that the output goes to instead of the streams, and how much of it is wanted.
    pub log: Option<(File, Capture)>,
}

impl Run {
    pub fn into_outcome(mut self, command: &Command, cancel: &Cancel) -> Outcome {
        let finished = self.finish(command, cancel);
        let (mut exit, left_behind) = finished.unwrap_or_else(|error| {
            self.abandon();
            (Exit::Unknown(error), Vec::new())
        });
        let mut log = None;
        if let Some((file, keep)) = &self.log {
            match Excerpt::of_file(file, *keep) {
                Ok(excerpt) => log = Some(excerpt),
                Err(error) => exit = Exit::Unknown(error),
            }
        }
        if ROSTER.is_closed() {
            exit = Exit::Cancelled; // what it says is our doing
        }
        let duration = self.streams.duration();
        let (stdout, stderr) = self.streams.finish();
        Outcome { exit, duration, stdout: log.unwrap_or(stdout), stderr, left_behind }
    }

    fn finish(&mut self, command: &Command, cancel: &Cancel) -> io::Result<(Exit, Vec<LeftBehind>)> {
        let over = self.streams.wait(command.timeout, cancel)?;
        ROSTER.land(&mut self.family);
        match over {
            Over::Ended => {
                self.streams.drain()?;
                let left = match command.daemons {
                    _ if !ROSTER.left_any(&self.family)? => Vec::new(),
                    Daemons::End => self.end_left_behind(command, cancel)?,
                    Daemons::Release => self.release_left_behind()?,
                };
                Ok((self.child.try_wait()?.map_or_else(no_status, Exit::from), left))
            }
            Over::TimeUp => Ok((Exit::TimedOut, self.end_all(command, cancel)?)),
            Over::Cancelled => Ok((Exit::Cancelled, self.end_all(command, cancel)?)),
        }
    }

    /// Ends everyone; returns those who could not be ended.
    fn end_all(&mut self, command: &Command, cancel: &Cancel) -> io::Result<Vec<LeftBehind>> {
        let survivors = self.end(command, cancel)?;
        self.streams.drain()?;
        self.child.try_wait()?;
        Ok(survivors.iter().map(|entry| left_behind(entry, Fate::Survived, true)).collect())
    }

    /// The output is still read meanwhile: who ends in order may have much to say.
    fn end(&mut self, command: &Command, cancel: &Cancel) -> io::Result<Vec<Entry>> {
        let Run { family, streams, .. } = self;
        let patience = Patience { grace: command.grace, hurry: Some(cancel), kill: KILL_LIMIT };
        let members = || Ok(ROSTER.members(family)?.into_iter().map(|member| member.entry).collect());
        ending::end(patience, members, |pause| streams.pump_for(pause))
    }

    fn end_left_behind(&mut self, command: &Command, cancel: &Cancel) -> io::Result<Vec<LeftBehind>> {
        let settling = Instant::now();
        let mut members = ROSTER.members(&self.family)?;
        while !members.is_empty() && settling.elapsed() < SETTLE {
            self.streams.pump_for(SETTLE_LOOK);
            members = ROSTER.members(&self.family)?;
        }
        let mut left: Vec<LeftBehind> =
            members.iter().map(|member| left_behind(&member.entry, Fate::Ended, member.certain)).collect();
        if !members.is_empty() {
            for survivor in self.end(command, cancel)? {
                match left.iter_mut().find(|known| known.pid == survivor.ident.pid.unsigned_abs()) {
                    Some(known) => known.fate = Fate::Survived,
                    None => left.push(left_behind(&survivor, Fate::Survived, false)),
                }
            }
        }
        self.streams.drain()?;
        Ok(left)
    }

    fn release_left_behind(&mut self) -> io::Result<Vec<LeftBehind>> {
        let members = ROSTER.members(&self.family)?;
        let left = members.iter().map(|member| left_behind(&member.entry, Fate::Released, member.certain));
        let left = left.collect();
        let entries: Vec<Entry> = members.into_iter().map(|member| member.entry).collect();
        ROSTER.release(&self.family, &entries);
        // What the holder can't take just now, the guard tells it at a later tick.
        worker::tell_holder()?;
        Ok(left)
    }

    /// Something of ours failed: what runs must not go on unseen.
    fn abandon(&mut self) {
        if !self.streams.has_ended() {
            // Not reaped yet, so the pid, and the group's number with it, is still its own.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            self.streams.pump_for(KILL_LIMIT);
        }
        let _ = self.child.try_wait();
    }
}

pub(super) fn left_behind(entry: &Entry, fate: Fate, certain: bool) -> LeftBehind {
    LeftBehind { pid: entry.ident.pid.unsigned_abs(), name: entry.name.clone(), fate, certain }
}
