//! Who of our descendants belongs to whom: running commands, servers, released daemons, or nobody. One
//! roster a process, as orphans are the process's and not any one caller's. Knows how to tell them
//! apart, not what becomes of them.
//!
//! A descendant whose parents live is found below its command's first process. One whose parent ended
//! is inherited by this process (a subreaper); it is told apart by the mark that commands get in their
//! environment and by its process group. One that has shed both (`env -i setsid`) belongs to the command
//! that ran alone since it appeared; while several run, it waits for the last of them to end.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, TryLockError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};

use super::COMMAND_VARIABLE;
use super::released::{Mark, Released, marks_of};
use super::table::{self, Entry, Ident, Tree};

/// The one roster of this process.
pub(super) static ROSTER: LazyLock<Roster> = LazyLock::new(Roster::new);

pub(super) struct Roster {
    /// Held for reading while a process is started and entered here; held for writing, all our own
    /// children are entered. Taken for writing for good when the run ends: nothing starts any more.
    /// Always taken before `state`.
    starting: RwLock<()>,
    state: Mutex<State>,
    /// The run is being ended from outside: what commands now report is our doing, not theirs.
    closed: AtomicBool,
    /// Begins every mark; names this process, so that a run inside a run has marks of its own.
    prefix: String,
    next: AtomicU64,
}

#[derive(Default)]
struct State {
    /// First process → family, for all that were started and not yet reaped.
    leaders: HashMap<i32, u64>,
    /// The group that the first process led → family. It can outlive that process.
    groups: HashMap<i32, u64>,
    /// Families whose processes are not to be touched by others.
    families: HashSet<u64>,
    /// Commands in flight, and whether there were ever two since there was none.
    commands: usize,
    crowded: bool,
    /// Orphans that were there before the commands now in flight: none of theirs.
    older: HashSet<Ident>,
    released: Released,
    /// Released, and not yet told to the holder.
    untold: Vec<u8>,
}

/// A command or server on the roster, with everything that it starts. Leaves the roster when dropped.
#[derive(Debug)]
pub(super) struct Family {
    number: u64,
    kind: Kind,
    /// Until it is reaped: then its pid may be another's.
    leader: Option<i32>,
    group: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ends what it leaves behind.
    Command,
    /// Releases what it leaves behind.
    Step,
    /// Runs along with commands; has no claim to orphans that nothing tells about.
    Server,
}

/// Whose an orphan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Family(u64),
    /// Marked by a command that is no longer there.
    Finished,
    /// Spared: released, or there before.
    Spared,
    /// Nothing tells.
    Unknown,
}

impl Roster {
    fn new() -> Roster {
        let me = table::me();
        let start = table::entry(me).ok().flatten().map_or(0, |entry| entry.ident.start);
        Roster {
            starting: RwLock::new(()),
            state: Mutex::default(),
            closed: AtomicBool::new(false),
            prefix: format!("{me}.{start}-"),
            next: AtomicU64::new(1),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single call on a collection: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a family, before its first process is started.
    pub fn enter(&self, kind: Kind) -> io::Result<Family> {
        let family =
            Family { number: self.next.fetch_add(1, Ordering::Relaxed), kind, leader: None, group: None };
        let is_first_command = {
            let mut state = self.state();
            state.families.insert(family.number);
            if kind != Kind::Server {
                state.commands += 1;
                state.crowded = state.commands > 1;
            }
            kind != Kind::Server && !state.crowded
        };
        if is_first_command {
            self.note_older()?;
        }
        Ok(family)
    }

    /// Runs `start`, which starts a process of this family and returns its pid. Blocks for good once the
    /// roster is closed.
    pub fn start<T, E>(
        &self,
        family: &mut Family,
        start: impl FnOnce() -> Result<(T, i32), E>,
    ) -> Result<T, E> {
        let _starting: RwLockReadGuard<'_, ()> = self.starting.read().unwrap_or_else(PoisonError::into_inner);
        let (started, pid) = start()?;
        (family.leader, family.group) = (Some(pid), Some(pid));
        let mut state = self.state();
        state.leaders.insert(pid, family.number);
        state.groups.insert(pid, family.number);
        Ok(started)
    }

    /// To be called when the family's first process has been reaped: its pid may be used again.
    pub fn reaped(&self, family: &mut Family) {
        if let Some(pid) = family.leader.take() {
            forget(&mut self.state().leaders, pid, family.number);
        }
    }

    /// The mark of a family, for its environment.
    pub fn mark(&self, family: &Family) -> String {
        format!("{}{}", self.prefix, family.number)
    }

    /// Whether there may be orphans: children of ours that nobody here started. Costs one read.
    fn may_have_orphans(&self) -> io::Result<bool> {
        let children = table::children_of_first_thread()?;
        if children.is_empty() {
            return Ok(false);
        }
        let state = self.state();
        Ok(children.iter().any(|pid| !state.leaders.contains_key(pid)))
    }

    /// Whether `family`, whose first process has ended, left anyone behind. Costs one read if there are
    /// no orphans at all.
    pub fn left_any(&self, family: &Family) -> io::Result<bool> {
        Ok(self.may_have_orphans()? && self.orphans()?.iter().any(|orphan| self.belongs(orphan, family)))
    }

    /// Reaps orphans that have ended, as init would: scripts that wait for a pid to disappear rely on it.
    /// Costs one system call if no child has ended; never waits.
    pub fn reap(&self) -> io::Result<()> {
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if matches!(waitid(WaitId::All, peek), Ok(Some(_)))
            && self.may_have_orphans()?
            && let Ok(_all_entered) = self.starting.try_write()
        {
            self.orphans_among(&children_of_first_thread()?)?;
        }
        Ok(())
    }

    fn orphans(&self) -> io::Result<Vec<Entry>> {
        let _all_entered = self.starting.write().unwrap_or_else(PoisonError::into_inner);
        self.orphans_among(&children_of_first_thread()?)
    }

    /// The living orphans among our children. Those that have ended are reaped. All that we started must
    /// be entered at this moment (`starting` held for writing).
    fn orphans_among(&self, children: &[Entry]) -> io::Result<Vec<Entry>> {
        let ours = rustix::process::getpgrp().as_raw_nonzero().get();
        let state = self.state();
        let mut orphans = Vec::new();
        for child in children {
            // Commands and servers lead groups of their own. A child in our group was started around this
            // module (by a test, or a library): it is not ours to end, and its status not ours to take.
            if child.group == ours || state.leaders.contains_key(&child.ident.pid) {
                continue;
            }
            if !child.zombie {
                orphans.push(child.clone());
            } else if let Some(pid) = Pid::from_raw(child.ident.pid) {
                match waitpid(Some(pid), WaitOptions::NOHANG) {
                    Ok(_) | Err(Errno::CHILD) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(orphans)
    }

    /// Notes the orphans of before: no command now beginning has anything to do with them.
    fn note_older(&self) -> io::Result<()> {
        let older = if self.may_have_orphans()? { self.orphans()? } else { Vec::new() };
        self.state().older = older.iter().map(|orphan| orphan.ident).collect();
        Ok(())
    }

    /// Everyone alive who belongs to `family`, parents first: below its first process, and orphans that
    /// it must have left, with all below them.
    pub fn members(&self, family: &Family) -> io::Result<Vec<Entry>> {
        let _all_entered = self.starting.write().unwrap_or_else(PoisonError::into_inner);
        let table = table::snapshot()?;
        let tree = Tree::of(&table);
        let children: Vec<Entry> = tree.children(table::me()).iter().copied().cloned().collect();
        let mut roots = self.orphans_among(&children)?;
        roots.retain(|orphan| self.belongs(orphan, family));
        roots.extend(children.iter().find(|child| Some(child.ident.pid) == family.leader).cloned());
        let mut members = Vec::new();
        for root in roots {
            members.extend(tree.below(root.ident.pid, |_| false).into_iter().cloned());
            members.push(root);
        }
        members.retain(|member| !member.zombie);
        Ok(members)
    }

    /// Whether `family` has to look after this orphan.
    fn belongs(&self, orphan: &Entry, family: &Family) -> bool {
        match self.owner(orphan) {
            Owner::Family(number) => number == family.number,
            // Left over from one that ended before: nobody else will come for it.
            Owner::Finished => family.kind != Kind::Server,
            Owner::Unknown => match family.kind {
                Kind::Command => self.state().commands <= 1,
                // Better to spare another's than to end the new core.
                Kind::Step => true,
                Kind::Server => false,
            },
            Owner::Spared => false,
        }
    }

    /// Whether `member` is surely this family's: false for one that another command may have started.
    pub fn is_certain(&self, family: &Family, member: &Entry) -> bool {
        let crowded = self.state().crowded;
        !crowded || self.owner(member) == Owner::Family(family.number)
    }

    fn owner(&self, orphan: &Entry) -> Owner {
        let mark = table::variable(orphan.ident.pid, COMMAND_VARIABLE);
        let number = mark.and_then(|mark| mark.strip_prefix(&self.prefix)?.parse::<u64>().ok());
        let state = self.state();
        if state.released.holds(orphan) {
            return Owner::Spared;
        }
        match number.or_else(|| state.groups.get(&orphan.group).copied()) {
            Some(number) if state.families.contains(&number) => Owner::Family(number),
            Some(_) => Owner::Finished,
            None if state.older.contains(&orphan.ident) => Owner::Spared,
            None => Owner::Unknown,
        }
    }

    /// Lets everyone whom `family`, whose first process has ended, left behind live on, now and after the run, and returns them.
    pub fn release(&self, family: &Family) -> io::Result<Vec<Entry>> {
        let members = self.members(family)?;
        if !members.is_empty() {
            let command = Mark::Command(self.mark(family));
            self.add_released(members.iter().flat_map(marks_of).chain([command]));
        }
        Ok(members)
    }

    /// Releases also what released daemons have started since.
    pub fn follow_released(&self) -> io::Result<()> {
        if !self.state().released.is_empty() {
            let table = table::snapshot()?;
            let newcomers = self.state().released.newcomers(table::me(), &table);
            self.add_released(newcomers);
        }
        Ok(())
    }

    fn add_released(&self, marks: impl IntoIterator<Item = Mark>) {
        let mut state = self.state();
        for mark in marks {
            let line = mark.to_line();
            if state.released.add(mark) {
                state.untold.extend_from_slice(line.as_bytes());
            }
        }
    }

    /// Hands what the holder does not yet know to `tell`, which returns how many bytes it took. Returns
    /// whether it took all.
    pub fn tell_holder(&self, tell: impl FnOnce(&[u8]) -> io::Result<usize>) -> io::Result<bool> {
        let mut state = self.state();
        if !state.untold.is_empty() {
            let taken = tell(&state.untold)?;
            state.untold.drain(..taken);
        }
        Ok(state.untold.is_empty())
    }

    /// All living descendants of this process, except the released.
    pub fn everyone(&self) -> io::Result<Vec<Entry>> {
        let table = table::snapshot()?;
        Ok(self.state().released.not_released_below(table::me(), &table))
    }

    /// From now on nothing starts, for good. Waits for those that are being started, but no longer than
    /// `limit`: starting may hang on a broken disk, and ending must not.
    pub fn close(&self, limit: Duration) {
        self.closed.store(true, Ordering::Release);
        let begun = Instant::now();
        loop {
            match self.starting.try_write() {
                Ok(guard) => return std::mem::forget(guard),
                Err(TryLockError::Poisoned(poisoned)) => return std::mem::forget(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if begun.elapsed() >= limit => return,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// Forgets a number that may already be another family's.
fn forget(numbers: &mut HashMap<i32, u64>, pid: i32, family: u64) {
    if numbers.get(&pid) == Some(&family) {
        numbers.remove(&pid);
    }
}

/// The entries of the first thread's children: all orphans are among them.
fn children_of_first_thread() -> io::Result<Vec<Entry>> {
    let pids = table::children_of_first_thread()?;
    pids.into_iter().filter_map(|pid| table::entry(pid).transpose()).collect()
}

impl Drop for Family {
    fn drop(&mut self) {
        ROSTER.reaped(self);
        let mut state = ROSTER.state();
        if let Some(group) = self.group {
            forget(&mut state.groups, group, self.number);
        }
        state.families.remove(&self.number);
        if self.kind != Kind::Server {
            state.commands -= 1;
        }
    }
}
