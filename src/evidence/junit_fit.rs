//! What of a report there is room for. Every case keeps its verdict as long as it can, the worst first: texts are given
//! up before cases, those of what passed before those of what did not. It knows sizes and verdicts, and nothing of what
//! is written.

use crate::model::Verdict;
use std::ops::Range;

/// How large a report may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// In bytes.
    pub bytes: usize,
    pub cases: usize,
}

/// GitLab takes 30 MB a file and 500,000 cases a pipeline.
pub(super) const LIMITS: Limits = Limits { bytes: 29_000_000, cases: 499_000 };

/// What of [`Limits::bytes`] is kept for what is not cases: suites, and what is said of the run.
const FRAME: usize = 20_000;
/// After so many cases in a row whose texts found no room, none is looked for any more.
const MISSES: usize = 100;

/// A case by its size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sized {
    /// As what it counts.
    pub verdict: Verdict,
    /// Bytes of it without its texts.
    pub bare: usize,
    /// Whether it has any.
    pub has_texts: bool,
}

/// How much of a case is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keep {
    /// All of it, as it stands in [`Fit::written`].
    Whole(Range<usize>),
    /// What it is without its texts.
    Bare,
    Nothing,
}

/// What there is room for.
#[derive(Debug, Default)]
pub(super) struct Fit {
    /// Of each case.
    pub keep: Vec<Keep>,
    /// The cases that are kept whole.
    pub written: String,
    /// Bytes of all that is kept.
    pub bytes: usize,
    /// How many of each verdict are not listed, the worst first.
    pub left_out: Vec<(Verdict, usize)>,
    /// How many are listed without their texts.
    pub without_texts: usize,
}

impl Fit {
    /// Fits cases; `write` writes all of one.
    pub fn of(cases: &[Sized], limits: Limits, mut write: impl FnMut(usize, &mut String)) -> Fit {
        let mut fit = Fit { keep: vec![Keep::Nothing; cases.len()], ..Fit::default() };
        let room = limits.bytes.saturating_sub(FRAME);
        let rest = fit.place(cases, room, limits.cases);
        fit.bytes = room - fit.fill(cases, rest, &mut write);
        fit
    }

    /// Gives each case its place, the worst first. Gives the room that is left.
    fn place(&mut self, cases: &[Sized], mut room: usize, mut places: usize) -> usize {
        for verdict in Verdict::ALL.into_iter().rev() {
            let mut count = 0;
            for (keep, case) in self.keep.iter_mut().zip(cases).filter(|(_, case)| case.verdict == verdict) {
                match room.checked_sub(case.bare) {
                    Some(rest) if places > 0 => (*keep, room, places) = (Keep::Bare, rest, places - 1),
                    _ => count += 1,
                }
            }
            if count > 0 {
                self.left_out.push((verdict, count));
            }
        }
        room
    }

    /// Gives those that have a place their texts, the worst first. Gives the room that is left.
    fn fill(
        &mut self,
        cases: &[Sized],
        mut room: usize,
        write: &mut impl FnMut(usize, &mut String),
    ) -> usize {
        let mut misses = 0;
        for verdict in Verdict::ALL.into_iter().rev() {
            let of_it =
                cases.iter().enumerate().filter(|(_, case)| case.verdict == verdict && case.has_texts);
            for (place, case) in of_it {
                if self.keep[place] != Keep::Bare {
                    continue;
                }
                let from = self.written.len();
                if misses < MISSES {
                    write(place, &mut self.written);
                }
                let size = self.written.len() - from;
                match room.checked_sub(size.saturating_sub(case.bare)) {
                    Some(rest) if misses < MISSES => {
                        (self.keep[place], room, misses) = (Keep::Whole(from..from + size), rest, 0);
                    }
                    _ => {
                        self.written.truncate(from);
                        self.without_texts += 1;
                        misses += 1;
                    }
                }
            }
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cases by verdict, size without texts, and size of texts.
    fn fit(cases: &[(Verdict, usize, usize)], bytes: usize, most: usize) -> Fit {
        let sized = |(verdict, bare, texts): &(Verdict, usize, usize)| Sized {
            verdict: *verdict,
            bare: *bare,
            has_texts: *texts > 0,
        };
        let sizes: Vec<_> = cases.iter().map(sized).collect();
        Fit::of(&sizes, Limits { bytes: bytes + FRAME, cases: most }, |place, to| {
            to.push_str(&"x".repeat(cases[place].1 + cases[place].2));
        })
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let fit = fit(&[(Verdict::Passed, 10, 50), (Verdict::Failed, 10, 30)], 100, 2);
        assert_eq!((fit.keep, fit.bytes), (vec![Keep::Whole(40..100), Keep::Whole(0..40)], 100));
        assert!(fit.left_out.is_empty() && fit.without_texts == 0);
    }

    #[test]
    fn what_failed_keeps_its_texts_before_what_passed() {
        let fit = fit(&[(Verdict::Passed, 10, 50), (Verdict::Failed, 10, 50)], 100, 2);
        assert_eq!(fit.keep, [Keep::Bare, Keep::Whole(0..60)]);
        assert_eq!((fit.without_texts, fit.bytes, fit.written.len()), (1, 70, 60));
    }

    #[test]
    fn what_failed_keeps_its_place_before_what_passed() {
        let verdicts = [Verdict::Passed, Verdict::Skipped, Verdict::Failed, Verdict::Error];
        let cases = verdicts.map(|verdict| (verdict, 10, 0));
        for fit in [fit(&cases, 25, 4), fit(&cases, 100, 2)] {
            assert_eq!(fit.keep, [Keep::Nothing, Keep::Nothing, Keep::Bare, Keep::Bare]);
            assert_eq!(fit.left_out, [(Verdict::Skipped, 1), (Verdict::Passed, 1)]);
        }
    }

    #[test]
    fn room_is_not_looked_for_without_end() {
        let cases = vec![(Verdict::Failed, 1, 1_000); 10_000];
        let mut tried = 0;
        let sizes: Vec<_> = cases
            .iter()
            .map(|(verdict, bare, _)| Sized { verdict: *verdict, bare: *bare, has_texts: true })
            .collect();
        let fit = Fit::of(&sizes, Limits { bytes: 20_000 + FRAME, cases: 10_000 }, |_, to| {
            tried += 1;
            to.push_str(&"x".repeat(1_001));
        });
        assert_eq!((tried, fit.without_texts), (10 + MISSES, 9_990));
    }

    proptest! {
        #[test]
        fn no_limit_is_passed_and_all_is_accounted_for(
            cases in prop::collection::vec((0usize..5, 1usize..50, 0usize..200), 0..60),
            bytes in 0usize..4000,
            most in 0usize..80,
        ) {
            let case = |(verdict, bare, texts): (usize, usize, usize)| (Verdict::ALL[verdict], bare, texts);
            let cases: Vec<_> = cases.into_iter().map(case).collect();
            let fit = fit(&cases, bytes, most);
            let size = |(keep, (_, bare, texts)): (&Keep, &(Verdict, usize, usize))| match keep {
                Keep::Whole(range) => {
                    assert_eq!(range.len(), bare + texts);
                    range.len()
                }
                Keep::Bare => *bare,
                Keep::Nothing => 0,
            };
            let written: usize = fit.keep.iter().zip(&cases).map(size).sum();
            prop_assert!(written == fit.bytes && written <= bytes);
            let of_nothing = fit.keep.iter().filter(|keep| **keep == Keep::Nothing).count();
            prop_assert!(cases.len() - of_nothing <= most);
            prop_assert_eq!(of_nothing, fit.left_out.iter().map(|(_, count)| count).sum::<usize>());
            let cut = fit.keep.iter().zip(&cases).filter(|(keep, case)| **keep == Keep::Bare && case.2 > 0);
            prop_assert_eq!(cut.count(), fit.without_texts);
        }
    }
}
