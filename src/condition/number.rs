//! How a measured number and a threshold meet: in which unit, and which one is larger.

use std::cmp::Ordering;

use crate::model::units::{Dimension, IncompatibleUnits, Quantity, Unit, unit_of_metric_name};

/// Values that were converted are equal when they agree to this part of the larger: 5.1 ms and
/// 0.0051 s are the same quantity, though not the same float after a division.
const SAME: f64 = 1e-12;

/// The units in which a metric and a threshold are stated.
///
/// A metric that states none has the unit of its name's ending. A plain threshold is in the metric's own
/// unit, and the name says which that is: `lag_ms < 500` means 500 ms though a probe reports seconds.
pub(super) fn units(name: &str, seen: Unit, threshold: Unit) -> Result<(Unit, Unit), IncompatibleUnits> {
    let named = unit_of_metric_name(name);
    let seen = if seen == Unit::None { named.unwrap_or_default() } else { seen };
    let own = named.filter(|unit| unit.dimension() == seen.dimension()).unwrap_or(seen);
    let threshold = if threshold == Unit::None { own } else { threshold };
    if seen.dimension() != threshold.dimension() {
        return Err(IncompatibleUnits { from: threshold, to: seen });
    }
    Ok((seen, threshold))
}

/// How a measured value stands to a threshold; `None` if that cannot be said. Both are of one dimension.
///
/// NaN stands to nothing. An infinite time, size, count or plain number is larger than any; every other
/// infinity (a ratio, or a negative one) is a division by nothing.
pub(super) fn compare(seen: Quantity, threshold: Quantity) -> Option<Ordering> {
    if seen.value.is_infinite() {
        let beyond = seen.value > 0.0 && seen.unit.dimension() != Dimension::Ratio;
        return beyond.then_some(Ordering::Greater);
    }
    if seen.unit == threshold.unit {
        return seen.value.partial_cmp(&threshold.value);
    }
    // Towards the larger unit nothing overflows.
    let unit = if seen.unit.factor() > threshold.unit.factor() { seen.unit } else { threshold.unit };
    let a = seen.convert(unit).ok()?.value;
    let b = threshold.convert(unit).ok()?.value;
    if (a - b).abs() <= SAME * a.abs().max(b.abs()) { Some(Ordering::Equal) } else { a.partial_cmp(&b) }
}

/// The measured value as people should read it beside the threshold: in the threshold's unit, and
/// rounded to six digits unless that would hide how the two stand.
pub(super) fn readable(seen: Quantity, threshold: Quantity) -> String {
    let shown = seen.convert(threshold.unit).unwrap_or(seen);
    let rounded = Quantity::new(round(shown.value), shown.unit);
    let faithful = compare(rounded, threshold) == compare(seen, threshold);
    text(if faithful { rounded } else { shown })
}

/// A quantity in text, with an exponent where a plain decimal would run on.
pub(super) fn text(quantity: Quantity) -> String {
    let size = quantity.value.abs();
    if quantity.value.is_finite() && size != 0.0 && !(1e-6..1e15).contains(&size) {
        let unit = quantity.unit;
        let space = if unit == Unit::Percent { "" } else { " " };
        return format!(
            "{:e}{}",
            quantity.value,
            if unit.is_written() { format!("{space}{unit}") } else { String::new() }
        );
    }
    quantity.to_string()
}

fn round(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn q(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    #[test]
    fn equal_quantities_in_different_units_are_equal() {
        for (a, b) in [
            ("5.1ms", "0.0051s"),
            ("1.1s", "1100ms"),
            ("0.3min", "18s"),
            ("1024B", "1KiB"),
            ("7us", "0.007ms"),
        ] {
            assert_eq!(compare(q(a), q(b)), Some(Ordering::Equal), "{a} {b}");
            assert_eq!(compare(q(b), q(a)), Some(Ordering::Equal), "{b} {a}");
        }
        assert_eq!(compare(q("5.100001ms"), q("0.0051s")), Some(Ordering::Greater));
        assert_eq!(compare(q("99.5%"), Quantity::new(0.995, Unit::Ratio)), Some(Ordering::Equal));
    }

    #[test]
    fn nothing_overflows_on_the_way_to_another_unit() {
        let large = Quantity::new(1e300, Unit::Day);
        assert_eq!(compare(large, Quantity::new(1e300, Unit::Nanosecond)), Some(Ordering::Greater));
        assert_eq!(compare(Quantity::new(1e300, Unit::Nanosecond), large), Some(Ordering::Less));
    }

    #[test]
    fn what_is_no_number_stands_to_nothing() {
        let at = |value, unit| compare(Quantity::new(value, unit), Quantity::new(1.0, unit));
        assert_eq!(at(f64::NAN, Unit::Second), None);
        assert_eq!(at(f64::INFINITY, Unit::Second), Some(Ordering::Greater));
        assert_eq!(at(f64::NEG_INFINITY, Unit::Second), None);
        assert_eq!(at(f64::INFINITY, Unit::Ratio), None);
        assert_eq!(at(f64::INFINITY, Unit::Percent), None);
    }

    #[test]
    fn a_plain_threshold_is_in_the_unit_that_the_name_says() {
        assert_eq!(units("lag_ms", Unit::Second, Unit::None), Ok((Unit::Second, Unit::Millisecond)));
        assert_eq!(units("lag_ms", Unit::None, Unit::None), Ok((Unit::Millisecond, Unit::Millisecond)));
        assert_eq!(units("lag", Unit::Second, Unit::None), Ok((Unit::Second, Unit::Second)));
        assert_eq!(units("retries_s", Unit::Count, Unit::None), Ok((Unit::Count, Unit::Count)));
        assert_eq!(units("lag", Unit::None, Unit::None), Ok((Unit::None, Unit::None)));
        assert!(units("lag", Unit::None, Unit::Millisecond).is_err());
        assert!(units("lag_ms", Unit::None, Unit::Mebibyte).is_err());
    }

    #[test]
    fn rounding_never_hides_how_two_values_stand() {
        assert_eq!(readable(q("0.812345678s"), q("500ms")), "812.346 ms");
        assert_eq!(readable(q("500.0000001ms"), q("500ms")), "500.0000001 ms");
        assert_eq!(readable(q("0.1s"), q("30ms")), "100 ms");
        assert_eq!(text(Quantity::new(f64::NAN, Unit::Second)), "NaN s");
        assert_eq!(text(Quantity::new(2.5e30, Unit::Second)), "2.5e30 s");
        assert_eq!(text(Quantity::new(2.5e30, Unit::None)), "2.5e30");
    }

    proptest! {
        #[test]
        fn comparing_backwards_is_the_reverse(a in -1e6..1e6, b in -1e6..1e6,
                                              from in proptest::sample::select(Unit::ALL.to_vec()),
                                              to in proptest::sample::select(Unit::ALL.to_vec())) {
            let (a, b) = (Quantity::new(a, from), Quantity::new(b, to));
            prop_assert_eq!(compare(a, b), compare(b, a).map(Ordering::reverse));
        }
    }
}
