//! Which processes live on after the run: the daemons that a finished step left behind. The worker keeps
//! this list, the holder a copy of it; the lifeline carries it as lines. Ends nothing itself.

use std::collections::HashSet;

use super::COMMAND_VARIABLE;
use super::table::{self, Entry, Ident, Tree};

/// One fact about who is released; a line on the lifeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    /// This process and all below it.
    Process(Ident),
    /// Everyone in this process group: a daemon's helpers stay in it when their parent is gone.
    Group(i32),
    /// Everyone who carries this command's mark in the environment.
    Command(String),
}

impl Mark {
    /// The line, with its line feed.
    pub fn to_line(&self) -> String {
        match self {
            Mark::Process(ident) => format!("process {} {}\n", ident.pid, ident.start),
            Mark::Group(group) => format!("group {group}\n"),
            Mark::Command(mark) => format!("command {mark}\n"),
        }
    }

    pub fn from_line(line: &str) -> Option<Mark> {
        let (kind, rest) = line.split_once(' ')?;
        match kind {
            "process" => {
                let (pid, start) = rest.split_once(' ')?;
                Some(Mark::Process(Ident { pid: pid.parse().ok()?, start: start.parse().ok()? }))
            }
            "group" => Some(Mark::Group(rest.parse().ok()?)),
            "command" => Some(Mark::Command(rest.to_string())),
            _ => None,
        }
    }
}

/// The released processes.
#[derive(Debug, Default)]
pub(super) struct Released(HashSet<Mark>);

impl Released {
    /// False if it was there already.
    pub fn add(&mut self, mark: Mark) -> bool {
        self.0.insert(mark)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this process is released by itself (it may also be through a process above it).
    pub fn holds(&self, entry: &Entry) -> bool {
        if self.0.is_empty() {
            return false;
        }
        self.0.contains(&Mark::Process(entry.ident))
            || self.0.contains(&Mark::Group(entry.group))
            || table::variable(entry.ident.pid, COMMAND_VARIABLE)
                .is_some_and(|mark| self.0.contains(&Mark::Command(mark)))
    }

    /// All living descendants of `root` that are not released, parents first.
    pub fn not_released_below(&self, root: i32, table: &[Entry]) -> Vec<Entry> {
        let found = Tree::of(table).below(root, |entry| self.holds(entry));
        found.into_iter().filter(|entry| !entry.zombie).cloned().collect()
    }

    /// Marks for everyone below a released process: if that one ends, they are still known.
    pub fn newcomers(&self, root: i32, table: &[Entry]) -> Vec<Mark> {
        let tree = Tree::of(table);
        let mut heads = Vec::new();
        tree.below(root, |entry| {
            let holds = self.holds(entry);
            if holds {
                heads.push(entry.clone());
            }
            holds
        });
        let mut marks = Vec::new();
        for head in heads {
            marks.extend(marks_of(&head));
            tree.below(head.ident.pid, |_| false).into_iter().for_each(|entry| marks.extend(marks_of(entry)));
        }
        marks.retain(|mark| !self.0.contains(mark));
        marks
    }
}

/// What releases this process and its group.
pub(super) fn marks_of(entry: &Entry) -> [Mark; 2] {
    [Mark::Process(entry.ident), Mark::Group(entry.group)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: i32, parent: i32, group: i32) -> Entry {
        // A start time that no real process of that pid has, so that no real environment matters.
        Entry { ident: Ident { pid, start: u64::MAX }, parent, group, zombie: false, name: String::new() }
    }

    fn pids(entries: Vec<Entry>) -> Vec<i32> {
        let mut pids: Vec<i32> = entries.iter().map(|entry| entry.ident.pid).collect();
        pids.sort();
        pids
    }

    #[test]
    fn a_mark_survives_the_lifeline() {
        let marks = [
            Mark::Process(Ident { pid: 12, start: 345 }),
            Mark::Group(77),
            Mark::Command("12.345-6".to_string()),
        ];
        for mark in marks {
            assert_eq!(Mark::from_line(mark.to_line().trim_end()), Some(mark));
        }
        assert_eq!(Mark::from_line("process 12"), None);
        assert_eq!(Mark::from_line("hello there"), None);
    }

    #[test]
    fn a_released_daemon_its_children_and_its_group_are_spared_and_no_others() {
        let table =
            [entry(-2, -1, -2), entry(-3, -2, -2), entry(-4, -2, -4), entry(-5, -1, -2), entry(-6, -1, -6)];
        let mut released = Released::default();
        assert_eq!(pids(released.not_released_below(-1, &table)), [-6, -5, -4, -3, -2]);
        marks_of(&table[0]).into_iter().for_each(|mark| {
            released.add(mark);
        });
        assert_eq!(pids(released.not_released_below(-1, &table)), [-6]);
    }

    #[test]
    fn what_a_released_daemon_starts_later_is_a_newcomer() {
        let table = [entry(-2, -1, -2), entry(-3, -2, -3), entry(-4, -1, -4)];
        let mut released = Released::default();
        marks_of(&table[0]).into_iter().for_each(|mark| {
            released.add(mark);
        });
        let newcomers = released.newcomers(-1, &table);
        assert_eq!(newcomers, [Mark::Process(table[1].ident), Mark::Group(-3)]);
    }

    #[test]
    fn a_pid_used_again_is_not_released() {
        let mut released = Released::default();
        released.add(Mark::Process(Ident { pid: -2, start: 1 }));
        assert_eq!(pids(released.not_released_below(-1, &[entry(-2, -1, -9)])), [-2]);
    }
}
