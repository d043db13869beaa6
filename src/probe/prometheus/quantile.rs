//! Quantiles of histograms with buckets, as Prometheus' `histogram_quantile` computes them: `bucketQuantile` with
//! `coalesceBuckets`, `correctPrecisionErrors` and `ensureMonotonic` of promql/quantile.go in prometheus/prometheus
//! (v2.54). Pure.

/// How many events had a value of at most `bound`. The bounds of a histogram are cumulative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The upper bound, `le`.
    pub bound: f64,
    /// Events at or below it.
    pub count: f64,
}

/// What a histogram says of a quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantile {
    /// The value, by linear interpolation in its bucket.
    Value(f64),
    /// It lies above this, the highest finite bound, and nobody knows how far. Prometheus gives the bound itself.
    Above(f64),
    /// There were no events.
    NoEvents,
    /// There is no such histogram: no `+Inf` bucket, no other beside it, or counts that are no numbers. Prometheus
    /// gives NaN.
    Undefined,
}

/// Float differences up to this part of a count are no differences.
const PRECISION: f64 = 1e-12;

/// The quantile `q` (above 0, at most 1) of events in these buckets, in any order. Buckets with the same bound are
/// added up.
///
/// It is assumed that no value is below 0 if the lowest bound is above 0; otherwise the lowest bound stands for all
/// below it. Counts that decrease with rising bounds are raised to the one before.
pub fn bucket_quantile(q: f64, buckets: &[Bucket]) -> Quantile {
    let mut buckets = buckets.to_vec();
    let sound = buckets.iter().all(|bucket| !bucket.bound.is_nan() && bucket.count.is_finite());
    buckets.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    if !(sound && q > 0.0 && q <= 1.0) || buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return Quantile::Undefined;
    }
    coalesce(&mut buckets);
    correct_precision(&mut buckets);
    ensure_monotonic(&mut buckets);
    let [finite @ .., infinite] = buckets.as_slice() else { return Quantile::Undefined };
    let Some(highest) = finite.last() else { return Quantile::Undefined };
    let events = infinite.count;
    if events == 0.0 {
        return Quantile::NoEvents;
    }
    let rank = q * events;
    let at = finite.partition_point(|bucket| bucket.count < rank);
    let Some(bucket) = finite.get(at) else { return Quantile::Above(highest.bound) };
    let below = at.checked_sub(1).map(|at| finite[at]);
    Quantile::Value(match below {
        None if bucket.bound <= 0.0 => bucket.bound,
        None => bucket.bound * (rank / bucket.count),
        Some(below) => {
            let share = (rank - below.count) / (bucket.count - below.count);
            below.bound + (bucket.bound - below.bound) * share
        }
    })
}

/// Events in these buckets.
pub fn events(buckets: &[Bucket]) -> f64 {
    buckets.iter().filter(|bucket| bucket.bound == f64::INFINITY).map(|bucket| bucket.count).sum()
}

fn coalesce(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        kept.count += if same { next.count } else { 0.0 };
        same
    });
}

fn correct_precision(buckets: &mut [Bucket]) {
    let Some(first) = buckets.first() else { return };
    let mut before = first.count;
    for bucket in &mut buckets[1..] {
        let difference = (bucket.count - before).abs();
        if difference > 0.0 && difference / bucket.count <= PRECISION {
            bucket.count = before;
        }
        before = bucket.count;
    }
}

fn ensure_monotonic(buckets: &mut [Bucket]) {
    let mut most = f64::NEG_INFINITY;
    for bucket in buckets {
        most = most.max(bucket.count);
        bucket.count = most;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantile(q: f64, buckets: &[(f64, f64)]) -> Quantile {
        let buckets: Vec<_> = buckets.iter().map(|&(bound, count)| Bucket { bound, count }).collect();
        bucket_quantile(q, &buckets)
    }

    const INF: f64 = f64::INFINITY;

    #[test]
    fn values_are_interpolated_within_their_bucket() {
        let buckets = [(0.1, 50.0), (0.2, 90.0), (0.4, 100.0), (INF, 100.0)];
        assert_eq!(quantile(0.5, &buckets), Quantile::Value(0.1));
        assert_eq!(quantile(0.25, &buckets), Quantile::Value(0.05));
        assert_eq!(quantile(0.7, &buckets), Quantile::Value(0.1 + 0.1 * 0.5));
        assert_eq!(quantile(0.95, &buckets), Quantile::Value(0.30000000000000004));
        assert_eq!(quantile(1.0, &buckets), Quantile::Value(0.4));
    }

    #[test]
    fn a_lowest_bound_that_is_not_above_zero_stands_for_all_below_it() {
        assert_eq!(quantile(0.1, &[(-1.0, 5.0), (1.0, 10.0), (INF, 10.0)]), Quantile::Value(-1.0));
        assert_eq!(quantile(0.1, &[(0.0, 5.0), (1.0, 10.0), (INF, 10.0)]), Quantile::Value(0.0));
        assert_eq!(quantile(0.75, &[(-1.0, 5.0), (1.0, 10.0), (INF, 10.0)]), Quantile::Value(0.0));
    }

    #[test]
    fn what_lies_above_all_bounds_is_above_the_highest() {
        assert_eq!(quantile(0.99, &[(1.0, 10.0), (INF, 100.0)]), Quantile::Above(1.0));
    }

    #[test]
    fn no_events_are_neither_a_value_nor_an_error() {
        assert_eq!(quantile(0.99, &[(1.0, 0.0), (INF, 0.0)]), Quantile::NoEvents);
    }

    #[test]
    fn without_the_infinite_bucket_or_any_other_there_is_no_histogram() {
        for buckets in
            [&[][..], &[(1.0, 5.0)], &[(INF, 5.0)], &[(1.0, 5.0), (2.0, 5.0)], &[(f64::NAN, 1.0), (INF, 5.0)]]
        {
            assert_eq!(quantile(0.5, buckets), Quantile::Undefined, "{buckets:?}");
        }
        for q in [0.0, -1.0, 1.1, f64::NAN] {
            assert_eq!(quantile(q, &[(1.0, 5.0), (INF, 5.0)]), Quantile::Undefined, "{q}");
        }
        assert_eq!(quantile(0.5, &[(1.0, f64::NAN), (INF, 5.0)]), Quantile::Undefined);
    }

    #[test]
    fn buckets_of_several_series_are_added_up_and_decreases_are_levelled() {
        let several = [(INF, 6.0), (0.1, 2.0), (INF, 4.0), (0.1, 3.0), (0.2, 5.0), (0.2, 5.0)];
        assert_eq!(quantile(0.5, &several), Quantile::Value(0.1));
        assert_eq!(
            quantile(0.9, &[(0.1, 8.0), (0.2, 6.0), (0.4, 10.0), (INF, 10.0)]),
            Quantile::Value(0.30000000000000004)
        );
        assert_eq!(events(&[Bucket { bound: 1.0, count: 2.0 }, Bucket { bound: INF, count: 3.0 }]), 3.0);
    }

    fn histograms() -> impl Strategy<Value = Vec<(f64, f64)>> {
        let bounds = prop::collection::btree_set(-50i32..500, 1..8);
        (bounds, prop::collection::vec(0u32..50, 9)).prop_map(|(bounds, counts)| {
            let mut total = 0.0;
            let bounds = bounds.into_iter().map(|bound| f64::from(bound) / 10.0).chain([INF]);
            let cumulated = bounds.zip(counts).map(|(bound, count)| {
                total += f64::from(count);
                (bound, total)
            });
            cumulated.collect()
        })
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_the_bounds_of_its_bucket(buckets in histograms(), q in 0.001f64..=1.0) {
            let total = buckets.last().unwrap().1;
            let rank = q * total;
            match quantile(q, &buckets) {
                Quantile::NoEvents => prop_assert_eq!(total, 0.0),
                Quantile::Above(bound) => {
                    prop_assert_eq!(bound, buckets[buckets.len() - 2].0);
                    prop_assert!(buckets[buckets.len() - 2].1 < rank);
                }
                Quantile::Value(value) => {
                    let at = buckets.iter().position(|(_, count)| *count >= rank).unwrap();
                    let lower = if at > 0 { buckets[at - 1].0 } else { buckets[0].0.min(0.0) };
                    prop_assert!(lower <= value && value <= buckets[at].0 + 1e-9, "{} {} {}", lower, value, buckets[at].0);
                }
                Quantile::Undefined => prop_assert!(false),
            }
        }

        #[test]
        fn a_higher_quantile_is_never_lower(buckets in histograms(), a in 0.001f64..=1.0, b in 0.001f64..=1.0) {
            let value = |q| match quantile(q, &buckets) {
                Quantile::Value(value) | Quantile::Above(value) => value,
                _ => 0.0,
            };
            prop_assert!(value(a.min(b)) <= value(a.max(b)) + 1e-9);
        }

        #[test]
        fn any_buckets_give_an_answer(
            buckets in prop::collection::vec((prop::num::f64::ANY, prop::num::f64::ANY), 0..8),
            q in prop::num::f64::ANY,
        ) {
            let _ = quantile(q, &buckets);
        }
    }
}
