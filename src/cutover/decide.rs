//! What follows from what: which way a cutover goes on. Pure, so that every case can be looked at.

use crate::model::Verdict;
use crate::model::switch::SwitchPlan;
use crate::model::watch::WatchVerdict;

/// How the way there ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// All that was run is green.
    Good,
    /// Nothing was touched, and why.
    NotBegun(String),
    /// Something is red: a step, the switch gate, readiness, the trigger.
    Red(String),
    /// The watch is not green, and the trigger did not hold: a person decides.
    Unsettled(String),
    /// The run was told to end, by this signal.
    Interrupted(String),
    /// The journal can't be written any more.
    Unrecorded(String),
    /// The way back was asked for by itself.
    Back(String),
}

/// Why the way back is taken; none where it is not.
pub fn way_back(way: &Way, plan: &SwitchPlan) -> Option<String> {
    match way {
        Way::NotBegun(_) => None,
        Way::Red(why) | Way::Unrecorded(why) | Way::Back(why) => Some(why.clone()),
        Way::Interrupted(by) => plan.rollback_on_interrupt.then(|| format!("interrupted by {by}")),
        Way::Good | Way::Unsettled(_) => {
            plan.force_rollback.then(|| "asked for with --force-rollback".to_owned())
        }
    }
}

/// What stands against the way there, in one line; empty where nothing does.
pub fn why(way: &Way) -> String {
    match way {
        Way::Good | Way::Back(_) => String::new(),
        Way::Interrupted(by) => format!("interrupted by {by}"),
        Way::NotBegun(why) | Way::Red(why) | Way::Unsettled(why) | Way::Unrecorded(why) => why.clone(),
    }
}

/// What a watch says about the way there.
pub fn of_watch(verdict: &WatchVerdict) -> Way {
    match (&verdict.rollback, verdict.verdict) {
        (Some(why), _) => Way::Red(why.clone()),
        (None, Verdict::Passed) => Way::Good,
        (None, other) => Way::Unsettled(format!("the watch {}: {}", in_words(other), verdict.reason)),
    }
}

fn in_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Skipped => "was not run",
        Verdict::Inconclusive => "has no data to judge by",
        Verdict::Error => "could not be made",
        Verdict::Failed => "failed",
    }
}

/// How the way back ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Back {
    /// All is restored, in time, and nothing stands against it.
    Good,
    /// Not so, and why.
    Bad(String),
}

/// Whether the run did what it was to do: the cutover is good, and so is the way back where it was taken.
pub fn is_good(way: &Way, back: Option<&Back>) -> bool {
    matches!(way, Way::Good | Way::Back(_)) && back.is_none_or(|back| *back == Back::Good)
}

/// What came of it, in one line for a person.
pub fn told(way: &Way, back: Option<&Back>) -> String {
    let there = match way {
        Way::Good => "the cutover is good".to_owned(),
        Way::NotBegun(why) => format!("nothing was touched: {why}"),
        Way::Red(why) | Way::Unsettled(why) => format!("the cutover failed: {why}"),
        Way::Interrupted(by) => format!("the cutover was interrupted by {by}"),
        Way::Unrecorded(why) => format!("the cutover was broken off: {why}"),
        Way::Back(_) => String::new(),
    };
    let back = match back {
        None => String::new(),
        Some(Back::Good) => "rolled back".to_owned(),
        Some(Back::Bad(why)) => format!("THE ROLLBACK FAILED: {why}"),
    };
    [there, back].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::event::FileDigest;
    use crate::model::switch::RollbackPlan;

    pub fn plan(force_rollback: bool, rollback_on_interrupt: bool) -> SwitchPlan {
        let template = FileDigest { path: "rollback.env".to_owned(), sha256: String::new() };
        let rollback = RollbackPlan {
            template,
            environment: "desk".to_owned(),
            trigger: "a_gt_1".to_owned(),
            max_seconds: "180".to_owned(),
            limit_ms: 180e3,
            steps: Vec::new(),
            output: "out.env".to_owned(),
        };
        SwitchPlan {
            cutover: None,
            rollback,
            profile: false,
            force_rollback,
            rollback_on_interrupt,
            signoff: None,
        }
    }

    fn verdict(verdict: Verdict, rollback: Option<&str>) -> WatchVerdict {
        let (reason, rollback) = ("because".to_owned(), rollback.map(str::to_owned));
        WatchVerdict { verdict, reason, rollback, watched_ms: 1.0, metrics: Vec::new() }
    }

    #[test]
    fn only_the_trigger_of_a_watch_rolls_back() {
        assert_eq!(
            of_watch(&verdict(Verdict::Failed, Some("p99 = 7 ms"))),
            Way::Red("p99 = 7 ms".to_owned())
        );
        assert_eq!(of_watch(&verdict(Verdict::Passed, None)), Way::Good);
        for other in [Verdict::Failed, Verdict::Inconclusive, Verdict::Error, Verdict::Skipped] {
            let way = of_watch(&verdict(other, None));
            assert!(matches!(way, Way::Unsettled(_)), "{way:?}");
            assert_eq!(way_back(&way, &plan(false, true)), None);
            assert!(!is_good(&way, None));
        }
    }

    #[test]
    fn what_is_red_goes_back_and_what_was_not_begun_never() {
        let why = || "why".to_owned();
        for way in [Way::Red(why()), Way::Unrecorded(why()), Way::Back(why())] {
            assert_eq!(way_back(&way, &plan(false, false)), Some(why()), "{way:?}");
        }
        assert_eq!(way_back(&Way::NotBegun(why()), &plan(true, true)), None);
        assert_eq!(way_back(&Way::Good, &plan(false, true)), None);
        assert!(way_back(&Way::Good, &plan(true, true)).is_some());
        assert!(way_back(&Way::Unsettled(why()), &plan(true, true)).is_some());
    }

    #[test]
    fn an_interruption_goes_back_unless_it_shall_not() {
        let way = Way::Interrupted("SIGINT".to_owned());
        assert_eq!(way_back(&way, &plan(false, true)), Some("interrupted by SIGINT".to_owned()));
        assert_eq!(way_back(&way, &plan(true, false)), None);
    }

    #[test]
    fn a_run_is_good_only_with_a_good_way_there_and_a_good_way_back_where_it_was_taken() {
        let bad = Back::Bad("late".to_owned());
        assert!(is_good(&Way::Good, None) && is_good(&Way::Good, Some(&Back::Good)));
        assert!(!is_good(&Way::Good, Some(&bad)));
        assert!(!is_good(&Way::Red("x".to_owned()), Some(&Back::Good)));
        assert!(!is_good(&Way::Interrupted("SIGINT".to_owned()), Some(&Back::Good)));
        assert!(is_good(&Way::Back("asked".to_owned()), Some(&Back::Good)));
        assert!(told(&Way::Red("step precheck".to_owned()), Some(&bad)).contains("ROLLBACK FAILED: late"));
    }
}
