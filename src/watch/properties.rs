//! What must hold of any series of samples.

use super::tests::{lost, metric, ms, plan, sample};
use super::*;
use proptest::prelude::*;

const NAMES: [(&str, &str); 3] = [("p99_ms", "engine"), ("lag_ms", "kafka"), ("ticks", "engine")];

fn plans() -> impl Strategy<Value = WatchPlan> {
    let trigger = prop::sample::select(vec![
        "",
        "p99_ms > 100",
        "p99_ms > 100 for 2s or lag_ms > 400",
        "missing(p99_ms) and lag_ms > 50",
        "not present(lag_ms) for 3s",
    ]);
    let limits = (0u32..4, 0u32..4, 0u32..6, 0u32..4);
    let no_data = prop::sample::select(vec![OnNoData::Hold, OnNoData::Fail, OnNoData::Rollback]);
    let expect = prop::sample::select(vec![None, Some(""), Some(" or no_events()")]);
    (trigger, prop::collection::vec((limits, no_data, expect), 3)).prop_map(|(trigger, settings)| {
        let metrics = NAMES.iter().zip(settings).map(|((name, source), (limits, on_no_data, expect))| {
            let expect =
                expect.map(|rest: &str| format!("{name} < 200{}", rest.replace("()", &format!("({name})"))));
            let mut metric = metric(name, source, expect.as_deref());
            (metric.failure_limit, metric.inconclusive_limit) = (limits.0, limits.1);
            metric.consecutive_error_limit = limits.2;
            metric.warmup_ms = f64::from(limits.3) * 1000.0;
            (metric.on_no_data, metric.activity) = (on_no_data, *name == "ticks");
            metric
        });
        plan(trigger, metrics.collect())
    })
}

fn readings() -> impl Strategy<Value = Reading> {
    prop_oneof![
        6 => (0.0f64..500.0).prop_map(ms),
        1 => Just(Reading::NoEvents),
        1 => Just(Reading::Missing),
        1 => Just(Reading::text("x")),
    ]
}

/// One sample of every source for every tick, in the order of time.
fn series() -> impl Strategy<Value = Vec<WatchSample>> {
    let tick = (readings(), readings(), readings(), 0.0f64..1.0, any::<[bool; 2]>());
    prop::collection::vec(tick, 10).prop_map(|ticks| {
        let mut samples = Vec::new();
        for (tick, (p99, lag, ticks, late, lose)) in (0..).zip(ticks) {
            let engine = sample(tick, "engine", &[("p99_ms", p99), ("ticks", ticks)]);
            let mut kafka = sample(tick, "kafka", &[("lag_ms", lag)]);
            kafka.at_ms += late * 900.0;
            samples.push(if lose[0] && late < 0.3 { lost(tick, "engine") } else { engine });
            samples.push(if lose[1] && late < 0.3 { lost(tick, "kafka") } else { kafka });
        }
        samples.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        samples
    })
}

fn judged(plan: &WatchPlan, samples: &[WatchSample]) -> WatchVerdict {
    let mut judge = Judge::new(plan).unwrap();
    for sample in samples {
        judge.take(sample);
    }
    judge.verdict(plan.duration_ms)
}

proptest! {
    #[test]
    fn the_same_samples_give_the_same_verdict(plan in plans(), samples in series()) {
        let verdict = judged(&plan, &samples);
        prop_assert_eq!(&judged(&plan, &samples), &verdict);
        let text = serde_json::to_string(&(&plan, &samples)).unwrap();
        let (plan, samples): (WatchPlan, Vec<WatchSample>) = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&judged(&plan, &samples), &verdict, "read back from a file");
    }

    #[test]
    fn any_samples_in_any_order_are_judged(
        plan in plans(),
        samples in series().prop_shuffle(),
        ticks in prop::collection::vec((any::<u64>(), any::<f64>()), 20),
    ) {
        let mut samples = samples;
        for (sample, (tick, at)) in samples.iter_mut().zip(ticks) {
            (sample.tick, sample.at_ms) = (tick, at);
        }
        judged(&plan, &samples);
    }

    #[test]
    fn every_sample_is_counted_once(plan in plans(), samples in series()) {
        for (metric, counts) in plan.metrics.iter().zip(judged(&plan, &samples).metrics) {
            let counted = counts.successful + counts.failed + counts.inconclusive + counts.errors;
            prop_assert_eq!(counted, 10 - (metric.warmup_ms / 1000.0) as u64);
        }
    }

    #[test]
    fn a_metric_that_is_missing_in_all_samples_is_never_passed(
        plan in plans(),
        mut samples in series(),
        which in 0usize..3,
        absent in any::<bool>(),
    ) {
        let name = NAMES[which].0;
        for sample in &mut samples {
            if absent {
                sample.readings.remove(name);
            } else if let Some(reading) = sample.readings.get_mut(name) {
                *reading = Reading::Missing;
            }
        }
        prop_assert!(judged(&plan, &samples).verdict > Verdict::Skipped);
    }

    #[test]
    fn samples_that_were_removed_make_nothing_green_of_which_too_few_are_left(
        plan in plans(),
        samples in series(),
        which in 0usize..2,
        kept in 0usize..3,
    ) {
        let source = ["engine", "kafka"][which];
        let mut seen = 0;
        let thinned: Vec<_> = samples
            .into_iter()
            .filter(|sample| {
                seen += usize::from(sample.source == source);
                sample.source != source || seen <= kept
            })
            .collect();
        prop_assert!(judged(&plan, &thinned).verdict > Verdict::Skipped);
    }

    #[test]
    fn a_rollback_is_a_failure_and_is_told_exactly_once(plan in plans(), samples in series()) {
        let mut judge = Judge::new(&plan).unwrap();
        let told: Vec<_> = samples.iter().filter_map(|sample| judge.take(sample)).collect();
        let verdict = judge.verdict(plan.duration_ms);
        prop_assert!(told.len() <= 1);
        prop_assert_eq!(told.first(), verdict.rollback.as_ref());
        prop_assert!(told.is_empty() || verdict.verdict == Verdict::Failed);
        prop_assert_eq!(verdict.verdict == Verdict::Passed, verdict.reason.is_empty());
    }
}
