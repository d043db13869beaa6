//! The labels by which what a run made is found again, and whether whoever made it is still there.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;

/// The run that made it.
pub(super) const RUN: &str = "cutproof.run";
/// The service that it is in the profile; absent from networks.
pub(super) const SERVICE: &str = "cutproof.service";
/// The process that made it; absent from what is kept for later runs.
pub(super) const OWNER: &str = "cutproof.owner";
/// The digest of the requests that it answers to, where it is kept for later runs.
pub(super) const REUSE: &str = "cutproof.reuse";

/// Docker's filter for what has this label, or this label with this value.
pub(super) fn filter(label: &str, value: Option<&str>) -> HashMap<String, Vec<String>> {
    let wanted = value.map_or_else(|| label.to_owned(), |value| format!("{label}={value}"));
    HashMap::from([("label".to_owned(), vec![wanted])])
}

/// A process beyond doubt: a pid alone is used again, on another machine, in another container and after a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pid: u32,
    /// Clock ticks from boot until it began (field 22 of proc_pid_stat(5)).
    began: u64,
    /// The namespace that its pid is one of (pid_namespaces(7)).
    space: u64,
    /// The kernel's id of this boot.
    boot: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.pid, self.began, self.space, self.boot)
    }
}

impl Owner {
    /// This process.
    pub fn this() -> io::Result<Owner> {
        let pid = std::process::id();
        let began = began(pid)?.ok_or_else(|| io::Error::other("/proc does not show this process"))?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        Ok(Owner { pid, began, space: space()?, boot })
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Owner> {
        let mut parts = text.splitn(4, ':');
        let mut next = || parts.next();
        let (pid, began, space, boot) = (next()?, next()?, next()?, next()?);
        let plain = |c: char| c.is_ascii_hexdigit() || c == '-';
        if boot.is_empty() || !boot.chars().all(plain) {
            return None;
        }
        Some(Owner { pid: number(pid)?, began: number(began)?, space: number(space)?, boot: boot.to_owned() })
    }

    /// Whether it is beyond doubt that this process has ended, as `here`, a process of now, can see.
    pub fn is_gone(&self, here: &Owner) -> bool {
        let visible = self.boot == here.boot && self.space == here.space;
        // What can't be read may well be there.
        visible && began(self.pid).is_ok_and(|began| began != Some(self.began))
    }
}

/// A plain decimal: no sign, no empty text.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// When a process began; none where there is none, or only its remains that nobody has asked for.
fn began(pid: u32) -> io::Result<Option<u64>> {
    let line = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(line) => line,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // ESRCH: it ended while it was read.
        Err(error) if error.raw_os_error() == Some(3) => return Ok(None),
        Err(error) => return Err(error),
    };
    // The name stands in parentheses and may itself hold any byte; after it comes field 3.
    let rest = line.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next();
    let began = fields.nth(18).and_then(number);
    let began = began.ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat has no field 22")))?;
    Ok((!matches!(state, Some("Z" | "X"))).then_some(began))
}

fn space() -> io::Result<u64> {
    let link = fs::read_link("/proc/self/ns/pid")?;
    let text = link.to_string_lossy();
    let inode = text.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']')).and_then(number);
    inode.ok_or_else(|| io::Error::other(format!("/proc/self/ns/pid is {text}, expected pid:[NUMBER]")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn this_process_is_not_gone_and_a_pid_that_was_used_again_is() {
        let here = Owner::this().unwrap();
        assert!(!here.is_gone(&here));
        let earlier = Owner { began: here.began.wrapping_sub(1), ..here.clone() };
        assert!(earlier.is_gone(&here));
    }

    #[test]
    fn a_process_that_ended_is_gone() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let here = Owner::this().unwrap();
        let owner = Owner { pid: child.id(), began: began(child.id()).unwrap().unwrap(), ..here.clone() };
        assert!(!owner.is_gone(&here));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(owner.is_gone(&here));
    }

    #[test]
    fn a_process_that_cannot_be_seen_from_here_is_never_said_to_be_gone() {
        let here = Owner::this().unwrap();
        let other = Owner { began: 1, ..here.clone() };
        assert!(!Owner { space: 1, ..other.clone() }.is_gone(&here), "another container");
        assert!(!Owner { boot: "0-0".to_owned(), ..other }.is_gone(&here), "another machine or boot");
    }

    proptest! {
        #[test]
        fn an_owner_is_read_as_it_was_written(pid: u32, began: u64, space: u64, boot in "[0-9a-f-]{1,40}") {
            let owner = Owner { pid, began, space, boot };
            prop_assert_eq!(Owner::parse(&owner.to_string()), Some(owner));
        }

        #[test]
        fn any_label_is_read_without_a_panic_and_only_as_it_would_be_written(text in "\\PC{0,60}") {
            if let Some(owner) = Owner::parse(&text) {
                prop_assert_eq!(Owner::parse(&owner.to_string()), Some(owner));
            }
        }

        #[test]
        fn a_label_that_lacks_a_part_is_nobodys(pid: u32, began: u64, space: u64) {
            prop_assert_eq!(Owner::parse(&format!("{pid}:{began}:{space}")), None);
            prop_assert_eq!(Owner::parse(&format!("{pid}:{began}:{space}:")), None);
            prop_assert_eq!(Owner::parse(&format!("+{pid}:{began}:{space}:ab")), None);
        }
    }
}
