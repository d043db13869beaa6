//! Telling apart whose a process is.
//!
//! A descendant whose parents live is found below its command's first process. One whose parent has ended
//! is inherited by this process (a subreaper); it is told apart by the mark that commands get in their
//! environment and by its process group. One that has shed both (`env -i setsid`) belongs to the command
//! that ran alone since it appeared; while several run, it waits for the last of them to end.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};

use super::COMMAND_VARIABLE;
use super::roster::{Family, Kind, Roster};
use super::table::{self, Entry, Tree};

/// Starting a process takes a millisecond; one that hangs must not hold up those who end things.
const PAUSE_LIMIT: Duration = Duration::from_millis(500);
/// The guard comes again soon.
const SHORT_PAUSE: Duration = Duration::from_millis(5);

/// Whose an orphan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Family(u64),
    /// Released, or there before.
    Spared,
    /// Marked by a command that is no longer there.
    Finished,
    /// Nothing tells.
    Unknown,
}

/// One who belongs to a family.
pub(super) struct Member {
    pub entry: Entry,
    /// False if another command that ran at the same time may have started it.
    pub certain: bool,
}

impl Roster {
    /// Whether there may be orphans: children of ours that nobody here started. Costs one read.
    fn may_have_orphans(&self) -> io::Result<bool> {
        let children = table::children_of_first_thread()?;
        if children.is_empty() {
            return Ok(false);
        }
        let state = self.state();
        Ok(children.iter().any(|pid| !state.leaders.contains_key(pid)))
    }

    /// The living orphans. Costs one read if there are none.
    pub fn orphans(&self) -> io::Result<Vec<Entry>> {
        if !self.may_have_orphans()? {
            return Ok(Vec::new());
        }
        let paused = self.starting.pause(PAUSE_LIMIT);
        self.orphans_among(&children_of_first_thread()?, paused.complete)
    }

    /// Whether `family`, whose first process has ended, left anyone behind. Costs one read if there are
    /// no orphans.
    pub fn left_any(&self, family: &Family) -> io::Result<bool> {
        Ok(self.orphans()?.iter().any(|orphan| self.claim(orphan, family).is_some()))
    }

    /// Everyone alive who belongs to `family`: below its first process, and orphans that it must have
    /// left, with all below them.
    pub fn members(&self, family: &Family) -> io::Result<Vec<Member>> {
        let paused = self.starting.pause(PAUSE_LIMIT);
        let table = table::snapshot()?;
        let tree = Tree::of(&table);
        let children: Vec<Entry> = tree.children(table::me()).iter().copied().cloned().collect();
        let orphans = self.orphans_among(&children, paused.complete)?;
        drop(paused);
        let claimed = orphans.into_iter().filter_map(|orphan| {
            let certain = self.claim(&orphan, family)?;
            Some((orphan, certain))
        });
        let leader = children.iter().find(|child| Some(child.ident.pid) == family.leader);
        let mut members = Vec::new();
        for (root, certain) in claimed.chain(leader.map(|leader| (leader.clone(), true))) {
            let below = tree.below(root.ident.pid, |_| false).into_iter().cloned();
            let all = below.chain([root]).filter(|entry| !entry.zombie);
            members.extend(all.map(|entry| Member { entry, certain }));
        }
        Ok(members)
    }

    /// Reaps orphans that have ended, as init would: scripts that wait for a pid to disappear rely on it.
    /// Costs one system call if no child has ended.
    pub fn reap(&self) -> io::Result<()> {
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if matches!(waitid(WaitId::All, peek), Ok(Some(_))) && self.may_have_orphans()? {
            let paused = self.starting.pause(SHORT_PAUSE);
            self.orphans_among(&children_of_first_thread()?, paused.complete)?;
        }
        Ok(())
    }

    /// The living orphans among our children. Those that have ended are reaped. While not all whom we
    /// started `are_entered`, those that nothing tells about are left out and left alone: one of them may
    /// be a newborn of ours.
    fn orphans_among(&self, children: &[Entry], are_entered: bool) -> io::Result<Vec<Entry>> {
        let ours = rustix::process::getpgrp().as_raw_nonzero().get();
        let state = self.state();
        let mut orphans = Vec::new();
        for child in children {
            // Commands and servers lead groups of their own. A child in our group was started around this
            // module (by a test, or a library): it is not ours to end, and its status not ours to take.
            if child.group == ours || state.leaders.contains_key(&child.ident.pid) {
                continue;
            }
            let is_known = state.groups.contains_key(&child.group) || (are_entered && self.knows_all());
            if !child.zombie {
                if is_known || self.number_of(child).is_some() {
                    orphans.push(child.clone());
                }
            } else if let Some(pid) = Pid::from_raw(child.ident.pid).filter(|_| is_known) {
                match waitpid(Some(pid), WaitOptions::NOHANG) {
                    Ok(_) | Err(Errno::CHILD) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(orphans)
    }

    /// Whether `family` has to look after this orphan, and if so whether it is certain that it is its own.
    fn claim(&self, orphan: &Entry, family: &Family) -> Option<bool> {
        let owner = self.owner(orphan);
        let state = self.state();
        let claims = match (owner, family.kind) {
            (Owner::Spared, _) => false,
            (Owner::Family(number), _) => number == family.number,
            (Owner::Finished | Owner::Unknown, Kind::Server) => false,
            (Owner::Finished, _) => true,
            (Owner::Unknown, Kind::Command) => state.flying == 0,
            // Better to spare another's than to end the new core.
            (Owner::Unknown, Kind::Step) => true,
        };
        claims.then_some(owner == Owner::Family(family.number) || !state.crowded)
    }

    fn owner(&self, orphan: &Entry) -> Owner {
        let number = self.number_of(orphan);
        let state = self.state();
        let number = number.or_else(|| state.groups.get(&orphan.group).copied());
        if state.released.holds(orphan) {
            return Owner::Spared;
        }
        match number {
            Some(number) if state.families.contains(&number) => Owner::Family(number),
            _ if state.older.contains(&orphan.ident) => Owner::Spared,
            Some(_) => Owner::Finished,
            None => Owner::Unknown,
        }
    }

    /// The family whose mark it carries.
    fn number_of(&self, orphan: &Entry) -> Option<u64> {
        table::variable(orphan.ident.pid, COMMAND_VARIABLE)?.strip_prefix(&self.prefix)?.parse().ok()
    }
}

/// The entries of the first thread's children: all orphans are among them.
fn children_of_first_thread() -> io::Result<Vec<Entry>> {
    let pids = table::children_of_first_thread()?;
    pids.into_iter().filter_map(|pid| table::entry(pid).transpose()).collect()
}
