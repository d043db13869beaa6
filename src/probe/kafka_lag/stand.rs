//! Lag as arithmetic: from offsets and ages to records, milliseconds and words. It asks nobody.

/// Where a partition stands. Offsets count records from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand {
    /// The first record that is still there.
    pub start: i64,
    /// Where the next record will go.
    pub end: i64,
    /// Where the group goes on; none where it has committed nothing.
    pub committed: Option<i64>,
}

/// What a partition's stand means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lag {
    /// All is consumed.
    None,
    /// So many records are not consumed, the oldest that is still there at `from`; `lost` of them expired unread.
    /// Nothing is left to read where `from` is none.
    Behind { records: i64, from: Option<i64>, lost: i64 },
    /// The group goes on where the log has not come yet: the topic was made anew.
    Ahead { by: i64 },
}

impl Stand {
    /// What this stand means.
    pub fn lag(self) -> Lag {
        let committed = self.committed.unwrap_or(self.start);
        if committed > self.end {
            return Lag::Ahead { by: committed - self.end };
        }
        if committed == self.end {
            return Lag::None;
        }
        let from = committed.max(self.start);
        Lag::Behind {
            records: self.end - committed,
            from: (from < self.end).then_some(from),
            lost: (self.start - committed).max(0),
        }
    }
}

/// One partition's part of the lag.
pub(super) struct Part {
    pub topic: String,
    pub id: i32,
    pub stand: Stand,
    /// Of the oldest record that is not consumed.
    pub oldest: Oldest,
}

/// The oldest record that is not consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oldest {
    /// There is none.
    None,
    /// Its offset and its age in milliseconds; below 0 where its clock is ahead of ours.
    Aged { offset: i64, ms: i64 },
    /// It can't be known: it expired, or it has no time stamp.
    Unknown(&'static str),
}

/// The group's lag over all partitions; none is unknown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Total {
    pub records: Option<i64>,
    pub ms: Option<i64>,
    pub out_of_range: Option<usize>,
}

impl Total {
    /// Of these partitions; nothing is known where something does not exist (`gaps`).
    pub fn of(parts: &[Part], gaps: &[String]) -> Total {
        let records = |part: &Part| match part.stand.lag() {
            Lag::None => Some(0),
            Lag::Behind { records, .. } => Some(records),
            Lag::Ahead { .. } => None,
        };
        let ms = |part: &Part| match (part.stand.lag(), part.oldest) {
            (Lag::Ahead { .. }, _) | (_, Oldest::Unknown(_)) => None,
            (_, Oldest::None) => Some(0),
            (_, Oldest::Aged { ms, .. }) => Some(ms.max(0)),
        };
        if parts.is_empty() || !gaps.is_empty() {
            return Total { records: None, ms: None, out_of_range: None };
        }
        let outside = |part: &&Part| match part.stand.lag() {
            Lag::Ahead { .. } => true,
            Lag::Behind { lost, .. } => lost > 0,
            Lag::None => false,
        };
        Total {
            records: parts.iter().map(records).try_fold(0i64, |sum, more| Some(sum.saturating_add(more?))),
            ms: parts.iter().map(ms).try_fold(0, |most, ms| Some(ms?.max(most))),
            out_of_range: Some(parts.iter().filter(outside).count()),
        }
    }
}

impl Part {
    /// What a person should know of this partition; nothing where all is consumed.
    pub fn notes(&self) -> Vec<String> {
        let Part { topic, id, stand, oldest } = self;
        let name = format!("{topic}/{id}");
        let mut notes = Vec::new();
        match stand.lag() {
            Lag::None => {}
            Lag::Ahead { by } => notes.push(format!(
                "{name}: the committed offset is {by} behind the end of the log: was the topic made anew?"
            )),
            Lag::Behind { records, from, lost } => {
                let age = match oldest {
                    Oldest::Aged { ms, .. } => format!(", the oldest of {ms} ms ago"),
                    Oldest::Unknown(why) => format!(", the oldest {why}"),
                    Oldest::None => ", of which none is left but markers of transactions".to_owned(),
                };
                notes.push(format!("{name}: {records} records not consumed{age}"));
                if stand.committed.is_none() {
                    notes.push(format!("{name}: the group has committed nothing here: all records count"));
                } else if lost > 0 {
                    notes.push(format!("{name}: {lost} records expired before they were consumed"));
                }
                notes.extend(self.shifted(from));
            }
        }
        notes
    }

    /// Where the record that was read is not the one at the committed offset, or is from the future.
    fn shifted(&self, from: Option<i64>) -> Option<String> {
        let Oldest::Aged { offset, ms } = self.oldest else { return None };
        let name = format!("{}/{}", self.topic, self.id);
        match from {
            _ if ms < 0 => {
                Some(format!("{name}: its time stamp is ahead of this machine's clock: lag given as 0"))
            }
            Some(from) if offset > from => Some(format!(
                "{name}: the record at offset {from} is gone (compacted): the age is that of offset {offset}"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(start: i64, end: i64, committed: Option<i64>, oldest: Oldest) -> Part {
        Part { topic: "t".to_owned(), id: 0, stand: Stand { start, end, committed }, oldest }
    }

    fn lag(start: i64, end: i64, committed: Option<i64>) -> Lag {
        Stand { start, end, committed }.lag()
    }

    #[test]
    fn a_group_at_the_end_has_no_lag() {
        assert_eq!(lag(0, 7, Some(7)), Lag::None);
        assert_eq!(lag(3, 3, None), Lag::None);
    }

    #[test]
    fn a_group_that_has_committed_nothing_has_all_before_it() {
        assert_eq!(lag(3, 7, None), Lag::Behind { records: 4, from: Some(3), lost: 0 });
    }

    #[test]
    fn records_that_expired_unread_count_and_are_told() {
        assert_eq!(lag(5, 7, Some(2)), Lag::Behind { records: 5, from: Some(5), lost: 3 });
        assert_eq!(lag(7, 7, Some(2)), Lag::Behind { records: 5, from: None, lost: 5 });
        let total = Total::of(&[part(7, 7, Some(2), Oldest::Unknown("expired unread"))], &[]);
        assert_eq!(total, Total { records: Some(5), ms: None, out_of_range: Some(1) });
    }

    #[test]
    fn an_offset_behind_the_end_is_no_lag_that_is_known() {
        assert_eq!(lag(0, 2, Some(9)), Lag::Ahead { by: 7 });
        let total = Total::of(&[part(0, 2, Some(9), Oldest::None)], &[]);
        assert_eq!(total, Total { records: None, ms: None, out_of_range: Some(1) });
    }

    #[test]
    fn what_does_not_exist_has_no_lag_rather_than_none() {
        let unknown = Total { records: None, ms: None, out_of_range: None };
        assert_eq!(Total::of(&[], &[]), unknown);
        assert_eq!(
            Total::of(&[part(0, 0, None, Oldest::None)], &["topic x does not exist".to_owned()]),
            unknown
        );
    }

    #[test]
    fn a_time_stamp_from_the_future_is_no_lag_and_is_told() {
        let part = part(0, 1, Some(0), Oldest::Aged { offset: 0, ms: -12 });
        assert!(part.notes().iter().any(|note| note.contains("ahead of this machine's clock")));
        assert_eq!(Total::of(&[part], &[]).ms, Some(0));
    }

    #[test]
    fn a_compacted_record_is_told_with_the_one_that_stands_for_it() {
        let part = part(0, 9, Some(3), Oldest::Aged { offset: 5, ms: 40 });
        assert!(
            part.notes().iter().any(|note| note.contains("offset 3 is gone") && note.contains("offset 5"))
        );
    }

    #[test]
    fn the_time_of_all_partitions_is_that_of_the_one_furthest_behind() {
        let parts = [
            part(0, 9, Some(9), Oldest::None),
            part(0, 9, Some(3), Oldest::Aged { offset: 3, ms: 40 }),
            part(0, 9, Some(8), Oldest::Aged { offset: 8, ms: 900 }),
        ];
        assert_eq!(Total::of(&parts, &[]), Total { records: Some(7), ms: Some(900), out_of_range: Some(0) });
    }

    proptest! {
        #[test]
        fn lag_is_what_lies_between_the_committed_offset_and_the_end(
            start in 0..1000i64, length in 0..1000i64, committed in proptest::option::of(0..3000i64),
        ) {
            let end = start + length;
            match lag(start, end, committed) {
                Lag::None => prop_assert!(committed == Some(end) || (committed.is_none() && length == 0)),
                Lag::Ahead { by } => prop_assert_eq!(committed, Some(end + by)),
                Lag::Behind { records, from, lost } => {
                    prop_assert!(records > 0 && lost >= 0 && lost <= records);
                    prop_assert_eq!(committed.unwrap_or(start), end - records);
                    prop_assert!(from.is_none_or(|from| start <= from && from < end));
                    prop_assert_eq!(from.is_none(), length == 0);
                }
            }
        }

        #[test]
        fn one_unknown_partition_makes_the_time_unknown(known in 0..5usize, at in 0..5usize) {
            let mut parts: Vec<_> =
                (0..known).map(|_| part(0, 2, Some(1), Oldest::Aged { offset: 1, ms: 5 })).collect();
            parts.insert(at.min(known), part(0, 2, Some(1), Oldest::Unknown("has no time stamp")));
            prop_assert_eq!(Total::of(&parts, &[]).ms, None);
        }
    }
}
