//! Who is running: commands and servers, each with all that it starts a *family*, and the released. One
//! roster a process, as its orphans are the process's and not any one caller's. How orphans are told
//! apart is in `orphans`; what becomes of anyone is not decided here.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::released::{Mark, Released, marks_of};
use super::starting::Starting;
use super::table::{self, Entry, Ident};

/// The one roster of this process.
pub(super) static ROSTER: LazyLock<Roster> = LazyLock::new(Roster::new);

pub(super) struct Roster {
    /// Paused, all our own children are entered. Always before `state`.
    pub(super) starting: Starting,
    state: Mutex<State>,
    /// Every process of this one comes through here, so an orphan that nothing tells about is a command's.
    /// Not so in a test's process, where others start processes too.
    knows_all: AtomicBool,
    /// Begins every mark; names this process, so that a run inside a run has marks of its own.
    pub(super) prefix: String,
    next: AtomicU64,
}

#[derive(Default)]
pub(super) struct State {
    /// First process → family, for all that were started and not yet reaped.
    pub leaders: HashMap<i32, u64>,
    /// The group that the first process led → family. It can outlive that process.
    pub groups: HashMap<i32, u64>,
    /// Families whose processes are not to be touched by others.
    pub families: HashSet<u64>,
    /// Commands that are running.
    pub flying: usize,
    /// Commands that are over, and whose remains are being dealt with.
    pub landing: usize,
    /// There were two commands at once since there was none.
    pub crowded: bool,
    /// Orphans that were there when there was no command: none of theirs.
    pub older: HashSet<Ident>,
    pub released: Released,
    /// Who was released and what is owed, and not yet told to the holder: lines.
    untold: Vec<u8>,
}

/// A command or server on the roster, with everything that it starts. Leaves the roster when dropped.
#[derive(Debug)]
pub(super) struct Family {
    pub number: u64,
    pub kind: Kind,
    /// Until it is reaped: then its pid may be another's.
    pub leader: Option<i32>,
    group: Option<i32>,
    landed: bool,
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

impl Roster {
    fn new() -> Roster {
        let me = table::me();
        let start = table::entry(me).ok().flatten().map_or(0, |entry| entry.ident.start);
        Roster {
            starting: Starting::default(),
            state: Mutex::default(),
            knows_all: AtomicBool::new(false),
            prefix: format!("{me}.{start}-"),
            next: AtomicU64::new(1),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single call on a collection: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every process is started through this roster.
    pub fn know_all(&self) {
        self.knows_all.store(true, Ordering::Release);
    }

    pub(super) fn knows_all(&self) -> bool {
        self.knows_all.load(Ordering::Acquire)
    }

    /// Enters a family, before its first process is started.
    pub fn enter(&self, kind: Kind) -> io::Result<Family> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        state.families.insert(number);
        let mut is_first = false;
        if kind != Kind::Server {
            is_first = state.flying + state.landing == 0;
            state.crowded = !is_first;
            state.flying += 1;
        }
        drop(state);
        let family = Family { number, kind, leader: None, group: None, landed: false };
        if is_first {
            let older = self.orphans()?;
            self.state().older = older.iter().map(|orphan| orphan.ident).collect();
        }
        Ok(family)
    }

    /// Runs `start`, which starts the first process of this family and returns its pid. None if the run is
    /// being ended: then nothing is started.
    pub fn start<T, E>(
        &self,
        family: &mut Family,
        start: impl FnOnce() -> Result<(T, i32), E>,
    ) -> Option<Result<T, E>> {
        let _in_progress = self.starting.begin()?;
        let (started, pid) = match start() {
            Ok(started) => started,
            Err(error) => return Some(Err(error)),
        };
        (family.leader, family.group) = (Some(pid), Some(pid));
        let mut state = self.state();
        state.leaders.insert(pid, family.number);
        state.groups.insert(pid, family.number);
        Some(Ok(started))
    }

    /// To be called when a command is over, before its remains are dealt with: the last to land takes the
    /// orphans that nothing tells about.
    pub fn land(&self, family: &mut Family) {
        if family.kind != Kind::Server && !family.landed {
            family.landed = true;
            let mut state = self.state();
            state.flying -= 1;
            state.landing += 1;
        }
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

    /// Lets the `members` that `family` left behind live on, now and after the run.
    pub fn release(&self, family: &Family, members: &[Entry]) {
        if !members.is_empty() {
            let command = Mark::Command(self.mark(family));
            self.add_released(members.iter().flat_map(marks_of).chain([command]));
        }
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

    /// Puts a line to what the holder is to be told.
    pub fn tell(&self, line: &str) {
        self.state().untold.extend_from_slice(line.as_bytes());
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
        let table = table::snapshot_if_parent()?;
        Ok(self.state().released.not_released_below(table::me(), &table))
    }

    /// From now on nothing starts, for good. Waits up to `limit` for those that are being started.
    pub fn close(&self, limit: Duration) {
        self.starting.close(limit);
    }

    /// The run is being ended: what commands now report is our doing, not theirs.
    pub fn is_closed(&self) -> bool {
        self.starting.is_closed()
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        ROSTER.land(self);
        ROSTER.reaped(self);
        let mut state = ROSTER.state();
        if let Some(group) = self.group {
            forget(&mut state.groups, group, self.number);
        }
        state.families.remove(&self.number);
        if self.kind != Kind::Server {
            state.landing -= 1;
        }
    }
}

/// Forgets a number that may already be another family's.
fn forget(numbers: &mut HashMap<i32, u64>, pid: i32, family: u64) {
    if numbers.get(&pid) == Some(&family) {
        numbers.remove(&pid);
    }
}
