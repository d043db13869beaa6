//! What a command printed, in bounded memory: its first bytes and its last. Bytes stay bytes; knows
//! nothing of text, secrets or where they came from.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much of each stream is kept, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    pub head: usize,
    pub tail: usize,
}

impl Default for Capture {
    /// 16 KiB from the beginning and 16 KiB from the end.
    fn default() -> Capture {
        Capture { head: 16 * 1024, tail: 16 * 1024 }
    }
}

/// The kept bytes of one stream. If nothing was dropped, `head` is the whole and `tail` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    pub head: Vec<u8>,
    /// The last bytes, where some before them were dropped.
    pub tail: Vec<u8>,
    /// How many bytes between `head` and `tail` were not kept.
    pub dropped: u64,
}

impl Excerpt {
    /// All that was printed, if it is all here.
    pub fn whole(&self) -> Option<&[u8]> {
        (self.dropped == 0).then_some(self.head.as_slice())
    }

    /// How many bytes were printed, kept or not.
    pub fn total(&self) -> u64 {
        self.head.len() as u64 + self.dropped + self.tail.len() as u64
    }

    /// The excerpt of a log file as it is now.
    pub(super) fn of_file(file: &File, keep: Capture) -> io::Result<Excerpt> {
        let length = file.metadata()?.len();
        let (head, tail) = (keep.head as u64, keep.tail as u64);
        if length <= head.saturating_add(tail) {
            return Ok(Excerpt { head: read_range(file, 0, length)?, ..Excerpt::default() });
        }
        let (head, tail) = (read_range(file, 0, head)?, read_range(file, length - tail, tail)?);
        let dropped = length - (head.len() + tail.len()) as u64;
        Ok(Excerpt { head, tail, dropped })
    }
}

fn read_range(file: &File, from: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], from + read as u64) {
            Ok(0) => break, // cut short since its length was read
            Ok(n) => read += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

/// Builds an excerpt from chunks, holding at most `head + 2 × tail` bytes plus one chunk.
#[derive(Debug)]
pub(super) struct Keeper {
    keep: Capture,
    head: Vec<u8>,
    recent: Vec<u8>,
    total: u64,
}

impl Keeper {
    pub fn new(keep: Capture) -> Keeper {
        Keeper { keep, head: Vec::new(), recent: Vec::new(), total: 0 }
    }

    pub fn push(&mut self, mut chunk: &[u8]) {
        self.total += chunk.len() as u64;
        let room = self.keep.head - self.head.len();
        if room > 0 {
            let (first, rest) = chunk.split_at(room.min(chunk.len()));
            self.head.extend_from_slice(first);
            chunk = rest;
        }
        if chunk.len() >= self.keep.tail {
            self.recent.clear();
            self.recent.extend_from_slice(&chunk[chunk.len() - self.keep.tail..]);
            return;
        }
        self.recent.extend_from_slice(chunk);
        // Trimmed only when twice too long, so that small chunks don't each move the whole tail.
        if self.recent.len() > self.keep.tail.saturating_mul(2) {
            self.trim();
        }
    }

    fn trim(&mut self) {
        let surplus = self.recent.len().saturating_sub(self.keep.tail);
        self.recent.drain(..surplus);
    }

    pub fn finish(mut self) -> Excerpt {
        self.trim();
        let kept = (self.head.len() + self.recent.len()) as u64;
        let dropped = self.total - kept;
        if dropped == 0 {
            self.head.append(&mut self.recent);
        }
        Excerpt { head: self.head, tail: self.recent, dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    /// What an excerpt must be, computed from the whole text.
    fn expected(all: &[u8], keep: Capture) -> Excerpt {
        if all.len() <= keep.head + keep.tail {
            return Excerpt { head: all.to_vec(), ..Excerpt::default() };
        }
        Excerpt {
            head: all[..keep.head].to_vec(),
            tail: all[all.len() - keep.tail..].to_vec(),
            dropped: (all.len() - keep.head - keep.tail) as u64,
        }
    }

    proptest! {
        #[test]
        fn any_chunks_give_the_head_and_the_tail_of_the_whole(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
            head in 0usize..50,
            tail in 0usize..50,
        ) {
            let keep = Capture { head, tail };
            let all = chunks.concat();
            let mut keeper = Keeper::new(keep);
            chunks.iter().for_each(|chunk| keeper.push(chunk));
            let excerpt = keeper.finish();
            prop_assert_eq!(excerpt.total(), all.len() as u64);
            prop_assert_eq!(&excerpt, &expected(&all, keep));

            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&all).unwrap();
            prop_assert_eq!(Excerpt::of_file(&file, keep).unwrap(), excerpt);
        }
    }

    #[test]
    fn whole_is_there_only_if_nothing_was_dropped() {
        let mut keeper = Keeper::new(Capture { head: 2, tail: 2 });
        keeper.push(b"abcd");
        assert_eq!(keeper.finish().whole(), Some(&b"abcd"[..]));
        let mut keeper = Keeper::new(Capture { head: 2, tail: 2 });
        keeper.push(b"abcde");
        assert_eq!(keeper.finish().whole(), None);
    }
}
