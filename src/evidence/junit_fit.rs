//! What of a report there is room for. Every case keeps its verdict as long as it can, the worst first: texts are given
//! up before cases, those of what passed before those of what did not. It knows sizes and verdicts, and nothing of what
//! is written.

use crate::model::Verdict;

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

/// How much of a case is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Whole,
    /// Without its texts.
    Bare,
    Nothing,
}

/// A case by its size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sized {
    /// As what it counts.
    pub verdict: Verdict,
    /// Bytes of all of it, and without its texts.
    pub whole: usize,
    pub bare: usize,
}

/// What there is room for.
#[derive(Debug)]
pub(super) struct Fit {
    /// Of each case.
    pub keep: Vec<Keep>,
    /// How many of each verdict are not listed, the worst first.
    pub left_out: Vec<(Verdict, usize)>,
    /// How many are listed without their texts.
    pub without_texts: usize,
    /// Bytes of all that is kept.
    pub bytes: usize,
}

impl Fit {
    pub fn of(cases: &[Sized], limits: Limits) -> Fit {
        let all: usize = cases.iter().map(|case| case.whole).sum();
        let mut room = limits.bytes.saturating_sub(FRAME);
        if all <= room && cases.len() <= limits.cases {
            let keep = vec![Keep::Whole; cases.len()];
            return Fit { keep, left_out: Vec::new(), without_texts: 0, bytes: all };
        }
        let mut fit =
            Fit { keep: vec![Keep::Nothing; cases.len()], left_out: Vec::new(), without_texts: 0, bytes: 0 };
        let before = room;
        let mut places = limits.cases;
        for verdict in Verdict::ALL.into_iter().rev() {
            let mut left_out = 0;
            for (keep, case) in of_verdict(&mut fit.keep, cases, verdict) {
                match room.checked_sub(case.bare) {
                    Some(rest) if places > 0 => (*keep, room, places) = (Keep::Bare, rest, places - 1),
                    _ => left_out += 1,
                }
            }
            if left_out > 0 {
                fit.left_out.push((verdict, left_out));
            }
        }
        for verdict in Verdict::ALL.into_iter().rev() {
            for (keep, case) in
                of_verdict(&mut fit.keep, cases, verdict).filter(|(keep, _)| **keep == Keep::Bare)
            {
                match room.checked_sub(case.whole.saturating_sub(case.bare)) {
                    Some(rest) => (*keep, room) = (Keep::Whole, rest),
                    None => fit.without_texts += 1,
                }
            }
        }
        fit.bytes = before - room;
        fit
    }
}

fn of_verdict<'f>(
    keep: &'f mut [Keep],
    cases: &'f [Sized],
    verdict: Verdict,
) -> impl Iterator<Item = (&'f mut Keep, &'f Sized)> {
    keep.iter_mut().zip(cases).filter(move |(_, case)| case.verdict == verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn case(verdict: Verdict, whole: usize, bare: usize) -> Sized {
        Sized { verdict, whole, bare }
    }

    fn limits(bytes: usize, cases: usize) -> Limits {
        Limits { bytes: bytes + FRAME, cases }
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let cases = [case(Verdict::Passed, 60, 10), case(Verdict::Failed, 40, 10)];
        let fit = Fit::of(&cases, limits(100, 2));
        assert_eq!((fit.keep, fit.bytes), (vec![Keep::Whole; 2], 100));
        assert!(fit.left_out.is_empty() && fit.without_texts == 0);
    }

    #[test]
    fn what_failed_keeps_its_texts_before_what_passed() {
        let cases = [case(Verdict::Passed, 60, 10), case(Verdict::Failed, 60, 10)];
        let fit = Fit::of(&cases, limits(100, 2));
        assert_eq!(fit.keep, [Keep::Bare, Keep::Whole]);
        assert_eq!((fit.without_texts, fit.bytes), (1, 70));
    }

    #[test]
    fn what_failed_keeps_its_place_before_what_passed() {
        let verdicts = [Verdict::Passed, Verdict::Skipped, Verdict::Failed, Verdict::Error];
        let cases = verdicts.map(|verdict| case(verdict, 10, 10));
        for fit in [Fit::of(&cases, limits(25, 4)), Fit::of(&cases, limits(100, 2))] {
            assert_eq!(fit.keep, [Keep::Nothing, Keep::Nothing, Keep::Whole, Keep::Whole]);
            assert_eq!(fit.left_out, [(Verdict::Skipped, 1), (Verdict::Passed, 1)]);
        }
    }

    proptest! {
        #[test]
        fn no_limit_is_passed_and_all_is_accounted_for(
            cases in prop::collection::vec((0usize..5, 1usize..50, 0usize..200), 0..60),
            bytes in 0usize..4000,
            most in 0usize..80,
        ) {
            let cases: Vec<_> =
                cases.into_iter().map(|(verdict, bare, texts)| case(Verdict::ALL[verdict], bare + texts, bare)).collect();
            let fit = Fit::of(&cases, limits(bytes, most));
            let size = |(keep, case): (&Keep, &Sized)| match keep {
                Keep::Whole => case.whole,
                Keep::Bare => case.bare,
                Keep::Nothing => 0,
            };
            let written: usize = fit.keep.iter().zip(&cases).map(size).sum();
            prop_assert!(written == fit.bytes && written <= bytes);
            let count = |which: Keep| fit.keep.iter().filter(|keep| **keep == which).count();
            prop_assert!(cases.len() - count(Keep::Nothing) <= most);
            prop_assert_eq!(count(Keep::Nothing), fit.left_out.iter().map(|(_, count)| count).sum::<usize>());
            prop_assert_eq!(count(Keep::Bare), fit.without_texts);
        }
    }
}
