//! Ends processes for good: TERM, a grace, KILL, and again until none is left or the time is up.
//! Who is to end, and what to do while waiting, the caller says.

use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::cancel::Cancel;
use super::table::{self, Entry};

/// How long ending may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience<'a> {
    /// Between TERM and KILL.
    pub grace: Duration,
    /// Cuts the grace short when it is asked to hurry.
    pub hurry: Option<&'a Cancel>,
    /// From the first KILL until those that are still there are given up (a process that waits for a
    /// broken disk or network share can't be ended by anyone).
    pub kill: Duration,
}

/// The grace that is left to anyone when the user asks a second time.
const HURRIED_GRACE: Duration = Duration::from_millis(300);

impl Patience<'_> {
    fn grace(&self) -> Duration {
        let hurried = self.hurry.is_some_and(Cancel::is_hurried);
        if hurried { self.grace.min(HURRIED_GRACE) } else { self.grace }
    }
}

/// Between two looks at the table: short at first, as most processes end at once.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

/// Ends whom `find` finds, asking again until it finds no one: they may have started others meanwhile.
/// Returns those that are still there.
///
/// # Errors
/// `find` failed until the time was up.
pub(super) fn end(
    patience: Patience<'_>,
    mut find: impl FnMut() -> io::Result<Vec<Entry>>,
    mut pause: impl FnMut(Duration),
) -> io::Result<Vec<Entry>> {
    let begun = Instant::now();
    let (mut terminated, mut killed) = (false, false);
    let mut wait = FIRST_PAUSE;
    loop {
        let late = begun.elapsed() >= patience.grace() + patience.kill;
        match find() {
            Ok(alive) if alive.is_empty() => return Ok(alive),
            Ok(alive) if late && killed => return Ok(alive),
            Ok(alive) if begun.elapsed() >= patience.grace() => {
                alive.iter().for_each(kill);
                killed = true;
            }
            // Only once: who is started later helps others to end in order.
            Ok(alive) if !terminated => {
                alive.iter().for_each(|entry| tell(entry, Signal::TERM));
                terminated = true;
            }
            Ok(_) => {}
            Err(error) if late => return Err(error),
            Err(_) => {} // out of descriptors, say: asked again until the time is up
        }
        pause(wait);
        wait = (wait * 2).min(LONGEST_PAUSE);
    }
}

/// One that can't be signalled (another user's) ends up as a survivor.
fn tell(entry: &Entry, signal: Signal) {
    let _ = table::signal(entry.ident, signal);
}

/// KILL, to the process and, if it has a group apart from ours, at the same instant to all in it: that
/// also catches those who fork faster than the table is read.
fn kill(entry: &Entry) {
    let ours = rustix::process::getpgrp();
    if let Some(group) = Pid::from_raw(entry.group)
        && group != ours
        && table::entry(entry.ident.pid).is_ok_and(|now| now.is_some_and(|now| now.ident == entry.ident))
    {
        // The group may be empty by now; whoever was asked for gets a signal of its own below.
        let _ = kill_process_group(group, Signal::KILL);
    }
    tell(entry, Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    const SHORT: Patience =
        Patience { grace: Duration::from_millis(50), hurry: None, kill: Duration::from_secs(20) };

    fn alive(child: &Child) -> io::Result<Vec<Entry>> {
        Ok(table::entry(child.id() as i32)?.filter(|entry| !entry.zombie).into_iter().collect())
    }

    #[test]
    fn one_who_ignores_term_is_killed() {
        let mut child = Command::new("sh")
            .args(["-c", "trap '' TERM; while :; do sleep 0.1; done"])
            .process_group(0)
            .spawn()
            .unwrap();
        let survivors = end(SHORT, || alive(&child), std::thread::sleep).unwrap();
        assert!(survivors.is_empty());
        child.wait().unwrap();
    }

    #[test]
    fn one_who_cannot_be_found_out_about_is_an_error_and_no_hang() {
        let patience = Patience { grace: Duration::ZERO, hurry: None, kill: Duration::from_millis(20) };
        let error = end(patience, || Err(io::Error::other("no table")), std::thread::sleep).unwrap_err();
        assert_eq!(error.to_string(), "no table");
    }
}
