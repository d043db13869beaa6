//! Shards: a plan's gates shared out among runs on several machines. Which gate belongs to which shard follows from
//! its id alone, so that shards agree without speaking to each other, and a gate more moves no other.

use super::GateId;
use super::event::Partition;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The most shards that a plan is shared out among.
pub const MOST: u32 = 1_000;

/// One of several shards, written `2/3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    index: u32,
    total: u32,
}

/// A text or a pair of numbers that is no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a shard I/N, with I from 1 to N and N at most {MOST}, such as 2/3, and saw `{0}`")]
pub struct BadShard(String);

impl Shard {
    /// Checks the numbers: `index` counts from 1.
    ///
    /// # Errors
    /// [`BadShard`] for an index that is not among the shards, no shards, and more than [`MOST`].
    pub fn new(index: u32, total: u32) -> Result<Shard, BadShard> {
        match (1..=total).contains(&index) && total <= MOST {
            true => Ok(Shard { index, total }),
            false => Err(BadShard(format!("{index}/{total}"))),
        }
    }

    /// From 1.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    pub fn total(self) -> u32 {
        self.total
    }

    /// Whether a gate belongs to this one.
    pub fn holds(self, gate: &GateId) -> bool {
        Shard::of(gate, self.total) == self
    }

    /// The shard, of so many, that a gate belongs to: 1 + (the first 8 bytes of the SHA-256 of its id, as a big-endian
    /// number) mod `total`. Of no shards it is the first, as of one.
    pub fn of(gate: &GateId, total: u32) -> Shard {
        let total = total.max(1);
        let digest = Sha256::digest(gate.as_str().as_bytes());
        let first = digest.iter().take(8).fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
        // Below `total`, which is a u32.
        let place = u32::try_from(first % u64::from(total)).unwrap_or(0);
        Shard { index: place + 1, total }
    }
}

impl FromStr for Shard {
    type Err = BadShard;
    fn from_str(text: &str) -> Result<Shard, BadShard> {
        let bad = || BadShard(text.chars().take(40).collect());
        // `parse` would take a sign.
        let number =
            |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        let (index, total) = text.split_once('/').ok_or_else(bad)?;
        let (index, total) = number(index).zip(number(total)).ok_or_else(bad)?;
        Shard::new(index, total).map_err(|_| bad())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.index, self.total))
    }
}

impl Partition {
    /// The shard that it says it is.
    ///
    /// # Errors
    /// Where there is no such shard: the record was not made by cutproof.
    pub fn shard(&self) -> Result<Shard, BadShard> {
        Shard::new(self.index, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> GateId {
        GateId::new(text).unwrap()
    }

    #[test]
    fn a_shard_is_read_and_written() {
        for text in ["1/1", "1/2", "2/2", "1000/1000"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_shard_is_refused_with_what_was_expected() {
        let bad = [
            "",
            "/",
            "1",
            "1/",
            "/2",
            "0/0",
            "1/0",
            "0/3",
            "3/2",
            "1/1001",
            "a/b",
            "1/2/3",
            "+1/2",
            "-1/2",
            " 1/2",
            "1/2 ",
            "1.0/2",
            "99999999999999999999/2",
            "1/18446744073709551616",
            "١/٢",
        ];
        for text in bad {
            let told = text.parse::<Shard>().unwrap_err().to_string();
            assert!(
                told.starts_with("expected a shard I/N") && told.ends_with(&format!("saw `{text}`")),
                "{told}"
            );
        }
    }

    /// As `printf %s redis-ping | sha256sum` gives them; they hold for good, since shards of different versions must not
    /// share gates out differently.
    #[test]
    fn a_gate_stays_in_its_shard_for_good() {
        let places = |gate| [2, 3, 8].map(|total| Shard::of(&id(gate), total).index());
        assert_eq!(places("redis-ping"), [2, 1, 8]);
        assert_eq!(places("kafka-init"), [2, 1, 4]);
        assert_eq!(places("kafka-topics"), [1, 2, 5]);
    }

    proptest! {
        #[test]
        fn every_gate_belongs_to_exactly_one_shard(gate in "[a-z][a-z0-9._-]{0,99}", total in 1..=MOST) {
            let gate = id(&gate);
            let holders = (1..=total).filter(|index| Shard::new(*index, total).unwrap().holds(&gate));
            prop_assert_eq!(holders.collect::<Vec<_>>(), [Shard::of(&gate, total).index()]);
        }
    }

    #[test]
    fn shards_are_about_equally_large() {
        for total in [2u32, 3, 4, 8] {
            let mut sizes = vec![0u32; total as usize];
            (0..8_000)
                .for_each(|n| sizes[Shard::of(&id(&format!("gate-{n}")), total).index() as usize - 1] += 1);
            let fair = 8_000 / total;
            assert!(sizes.iter().all(|size| size.abs_diff(fair) < fair / 5), "{sizes:?}");
        }
    }
}
