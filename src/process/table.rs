//! The kernel's table of processes, read from /proc: who is whose child, and signals that cannot hit
//! a stranger. Knows nothing of commands, holders or why anyone should end.
//!
//! Sources: proc_pid_stat(5), proc_tid_children(5), pidfd_open(2).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

/// A process beyond doubt. A pid alone can be used again; with the start time (clock ticks since boot,
/// field 22 of /proc/PID/stat, kept across exec) it names one process only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ident {
    pub pid: i32,
    pub start: u64,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub ident: Ident,
    pub parent: i32,
    pub group: i32,
    /// Ended, and only waiting to be reaped.
    pub zombie: bool,
    /// The kernel's short name, at most 15 bytes: never arguments, which may hold secrets.
    pub name: String,
}

impl Entry {
    /// Parses a /proc/PID/stat line. The name stands in parentheses and may itself hold any byte.
    fn parse(pid: i32, line: &[u8]) -> Option<Entry> {
        let open = line.iter().position(|&b| b == b'(')?;
        let close = line.iter().rposition(|&b| b == b')')?;
        let name = String::from_utf8_lossy(line.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
        // proc_pid_stat(5) counts from 1; the state, first here, is its field 3.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let threads: u64 = field(20)?.parse().ok()?;
        Some(Entry {
            ident: Ident { pid, start: field(22)?.parse().ok()? },
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            // A first thread that ended before the others shows Z too: that process is alive.
            zombie: matches!(field(3)?, "Z" | "X") && threads <= 1,
            name,
        })
    }
}

/// The entry of one process, or None if there is none of that pid.
pub(super) fn entry(pid: i32) -> io::Result<Option<Entry>> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(line) => Entry::parse(pid, &line).map(Some).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("/proc/{pid}/stat does not read as proc(5) says"),
            )
        }),
        Err(error) if gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The whole table: about 10 µs a process. Those that end meanwhile are left out.
pub(super) fn snapshot() -> io::Result<Vec<Entry>> {
    let mut all = Vec::new();
    for file in fs::read_dir("/proc")? {
        let name = file?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok())
            && let Some(entry) = entry(pid)?
        {
            all.push(entry);
        }
    }
    Ok(all)
}

/// The whole table, or nothing if this process has no child, and so no descendant: one system call then.
pub(super) fn snapshot_if_parent() -> io::Result<Vec<Entry>> {
    let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::All, peek) {
        Err(Errno::CHILD) => Ok(Vec::new()),
        _ => snapshot(),
    }
}

/// The table as a tree, so that descendants are found whatever session or group they moved to.
pub(super) struct Tree<'a> {
    children: HashMap<i32, Vec<&'a Entry>>,
}

impl<'a> Tree<'a> {
    pub fn of(table: &'a [Entry]) -> Tree<'a> {
        let mut children: HashMap<i32, Vec<&Entry>> = HashMap::new();
        for entry in table {
            children.entry(entry.parent).or_default().push(entry);
        }
        Tree { children }
    }

    pub fn children(&self, pid: i32) -> &[&'a Entry] {
        self.children.get(&pid).map_or(&[], Vec::as_slice)
    }

    /// All descendants of `pid`, parents before children, without the subtrees whose root `prune` picks.
    pub fn below(&self, pid: i32, mut prune: impl FnMut(&Entry) -> bool) -> Vec<&'a Entry> {
        let mut found: Vec<&Entry> = Vec::new();
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            for child in self.children(parent) {
                if !prune(child) {
                    found.push(child);
                    parents.push(child.ident.pid);
                }
            }
        }
        found
    }
}

/// The children of this process's first thread: where the kernel puts orphans that a subreaper inherits.
/// One read of a file that is held open (1 to 2 µs); the whole table where the kernel lacks that file
/// (CONFIG_PROC_CHILDREN).
pub(super) fn children_of_first_thread() -> io::Result<Vec<i32>> {
    static LIST: OnceLock<Option<File>> = OnceLock::new();
    let me = me();
    match LIST.get_or_init(|| File::open(format!("/proc/{me}/task/{me}/children")).ok()) {
        Some(list) => read_pids(list),
        None => Ok(snapshot()?.iter().filter(|e| e.parent == me).map(|e| e.ident.pid).collect()),
    }
}

fn read_pids(list: &File) -> io::Result<Vec<i32>> {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match list.read_at(&mut chunk, text.len() as u64)? {
            0 => break,
            n => text.extend_from_slice(&chunk[..n]),
        }
    }
    Ok(text
        .split(|b| b.is_ascii_whitespace())
        .filter_map(|pid| std::str::from_utf8(pid).ok()?.parse().ok())
        .collect())
}

/// This process's pid.
pub(super) fn me() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// The value that variable `name` had when `pid` was last exec'd; None if it is unset, or not to be seen
/// (another user's process, a zombie, or one that has written its title over it).
pub(super) fn variable(pid: i32, name: &str) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environ.split(|&b| b == 0).find_map(|pair| {
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    })
}

/// Sends a signal to exactly this process; false if it is gone. The descriptor is opened first and the
/// start time compared after: what it then refers to cannot be a later user of the pid.
pub(super) fn signal(ident: Ident, signal: Signal) -> io::Result<bool> {
    let Some(pid) = Pid::from_raw(ident.pid) else { return Ok(false) };
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(Errno::SRCH) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if entry(ident.pid)?.is_none_or(|now| now.ident != ident) {
        return Ok(false);
    }
    match pidfd_send_signal(handle, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A /proc file of a process that ended: the name is gone, or reading it says "no such process".
fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = b"42 (a) Z (b c) S 7 9 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 12345 0 0";
        let entry = Entry::parse(42, line).unwrap();
        assert_eq!((entry.parent, entry.group, entry.ident.start), (7, 9, 12345));
        assert_eq!(entry.name, "a) Z (b c");
        assert!(!entry.zombie);
    }

    #[test]
    fn a_process_whose_first_thread_ended_is_not_a_zombie() {
        let line = |threads| format!("5 (x) Z 1 5 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 99 0 0");
        assert!(Entry::parse(5, line(1).as_bytes()).unwrap().zombie);
        assert!(!Entry::parse(5, line(3).as_bytes()).unwrap().zombie);
    }

    #[test]
    fn a_line_cut_short_is_no_entry() {
        assert!(Entry::parse(5, b"5 (x) S 1").is_none());
        assert!(Entry::parse(5, b"").is_none());
    }

    #[test]
    fn our_own_entry_is_in_the_table() {
        let mine = entry(me()).unwrap().unwrap();
        assert!(snapshot().unwrap().iter().any(|e| e.ident == mine.ident));
    }

    #[test]
    fn descendants_are_found_and_a_pruned_subtree_is_not() {
        let entry = |pid, parent| Entry {
            ident: Ident { pid, start: 0 },
            parent,
            group: pid,
            zombie: false,
            name: String::new(),
        };
        let table = [entry(2, 1), entry(3, 2), entry(4, 2), entry(5, 4), entry(6, 9)];
        let pids = |found: Vec<&Entry>| {
            let mut pids: Vec<i32> = found.iter().map(|e| e.ident.pid).collect();
            pids.sort();
            pids
        };
        let tree = Tree::of(&table);
        assert_eq!(pids(tree.below(1, |_| false)), [2, 3, 4, 5]);
        assert_eq!(pids(tree.below(1, |e| e.ident.pid == 4)), [2, 3]);
    }

    #[test]
    fn a_later_user_of_a_pid_is_not_signalled() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let now = entry(child.id() as i32).unwrap().unwrap();
        let earlier = Ident { start: now.ident.start - 1, ..now.ident };
        assert!(!signal(earlier, Signal::KILL).unwrap());
        assert!(child.try_wait().unwrap().is_none(), "it was ended for the deeds of another");
        assert!(signal(now.ident, Signal::KILL).unwrap());
        child.wait().unwrap();
        assert!(!signal(now.ident, Signal::KILL).unwrap());
    }

    #[test]
    fn a_variable_is_read_from_another_process() {
        let mut child = Command::new("sleep").arg("60").env("TABLE_TEST", "a=b").spawn().unwrap();
        let pid = child.id() as i32;
        // The kernel shows the new environment a moment after it tells that the program was started.
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while variable(pid, "TABLE_TEST").is_none() && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        assert_eq!(variable(pid, "TABLE_TEST").as_deref(), Some("a=b"));
        assert_eq!(variable(pid, "TABLE_TES"), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
