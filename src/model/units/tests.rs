//! What is read as a quantity, how it converts, and how it reads back.

use super::*;
use proptest::prelude::*;

fn read(text: &str) -> (f64, Unit) {
    let quantity = Quantity::parse(text).unwrap();
    (quantity.value, quantity.unit)
}

#[test]
fn numbers_with_units_are_read_with_and_without_a_space() {
    assert_eq!(read("200ms"), (200.0, Millisecond));
    assert_eq!(read(" 5 s "), (5.0, Second));
    assert_eq!(read("10MiB"), (10.0, Mebibyte));
    assert_eq!(read("1.5h"), (1.5, Hour));
    assert_eq!(read("30m"), (30.0, Minute));
    assert_eq!(read("30min"), (30.0, Minute));
    assert_eq!(read("99.5%"), (99.5, Percent));
    assert_eq!(read("7\u{b5}s"), (7.0, Microsecond));
    assert_eq!(read("7\u{3bc}s"), (7.0, Microsecond));
    assert_eq!(read("-0.5"), (-0.5, Unit::None));
}

#[test]
fn what_is_no_plain_decimal_is_refused() {
    for text in [
        "", " ", "-", "ms", ".5", "5.", "5. ms", "1e3", "1_000", "1,000", "+5", "NaN", "inf", "0x10",
        "1m30s", "5 5", "--5", "٣ms",
    ] {
        assert!(Quantity::parse(text).is_err(), "{text:?} was read as a quantity");
    }
    assert!(Quantity::parse(&"9".repeat(400)).is_err(), "an infinite number was read");
}

#[test]
fn an_error_names_the_text_its_position_and_the_nearest_unit() {
    let told = |text: &str| Quantity::parse(text).unwrap_err().to_string();
    assert!(
        told("5MS").ends_with("found \"MS\"; did you mean ms? (character 2 of \"5MS\")"),
        "{}",
        told("5MS")
    );
    for (text, nearest) in [
        ("5sec", "s"),
        ("5 seconds", "s"),
        ("5mins", "min"),
        ("3hours", "h"),
        ("3millis", "ms"),
        ("10mib", "MiB"),
        ("10MIB", "MiB"),
        ("10Mi", "MiB"),
        ("1gb", "GB"),
        ("7bytes", "B"),
        ("7percent", "%"),
    ] {
        assert_eq!(Quantity::parse(text).unwrap_err().nearest, Some(nearest), "{text}");
    }
    assert_eq!(Quantity::parse("5parsecs").unwrap_err().nearest, None);
    assert_eq!(Quantity::parse("5 ms5").unwrap_err().span, 2..5);
    assert_eq!(
        Quantity::parse("").unwrap_err().to_string(),
        "expected a number such as 5, 0.5 or 200ms, found nothing"
    );
}

#[test]
fn units_convert_within_their_dimension_only() {
    let convert = |value, from, to| Quantity::new(value, from).convert(to).map(|q| q.value);
    assert_eq!(convert(5.0, Millisecond, Second), Ok(0.005));
    assert_eq!(convert(0.005, Second, Millisecond), Ok(5.0));
    assert_eq!(convert(1.5, Hour, Minute), Ok(90.0));
    assert_eq!(convert(99.5, Percent, Ratio), Ok(0.995));
    assert_eq!(convert(1.0, Mebibyte, Kibibyte), Ok(1024.0));
    assert_eq!(convert(1.024, Kilobyte, Kibibyte), Ok(1.0));
    let fault = convert(5.0, Millisecond, Byte).unwrap_err();
    assert_eq!(fault.to_string(), "ms (a time) does not convert to B (a size in bytes)");
    assert!(convert(5.0, Count, Unit::None).is_err());
}

#[test]
fn a_duration_needs_a_unit_and_is_above_zero_and_bounded() {
    assert_eq!(parse_duration("200ms"), Ok(Duration::from_millis(200)));
    assert_eq!(parse_duration("1.1s"), Ok(Duration::from_millis(1100)));
    assert_eq!(parse_duration("1.5h"), Ok(Duration::from_secs(5400)));
    assert_eq!(parse_duration("366d"), Ok(LONGEST_DURATION));
    for (text, told) in [
        ("5", "with its unit"),
        ("5MiB", "expected a time, such as"),
        ("0s", "above zero"),
        ("-5s", "above zero"),
        ("0.1ns", "above zero"),
        ("367d", "at most"),
        ("99999999999999999999999999d", "at most"),
    ] {
        let fault = parse_duration(text).unwrap_err().to_string();
        assert!(fault.contains(told), "{text}: {fault}");
    }
}

#[test]
fn a_metric_name_states_its_unit_by_its_ending() {
    for (name, unit) in [
        ("order_latency_p99_ms", Some(Millisecond)),
        ("reconnect_p99_s", Some(Second)),
        ("process_cpu_seconds_total", Some(Second)),
        ("heap_bytes", Some(Byte)),
        ("quant_hft_ctp_reject_classified_ratio", Some(Ratio)),
        ("cpu_pct", Some(Percent)),
        ("breaker_state", None),
        ("sent_bytes_per_s", None),
        ("query_rate_violation", None),
        ("ms", None),
        ("_ms", None),
        ("orders_total", None),
    ] {
        assert_eq!(unit_of_metric_name(name), unit, "{name}");
    }
}

#[test]
fn a_unit_is_its_name_in_json() {
    for unit in Unit::ALL {
        let json = serde_json::to_string(&unit).unwrap();
        assert_eq!(json, format!("\"{}\"", unit.name()));
        assert_eq!(serde_json::from_str::<Unit>(&json).unwrap(), unit);
    }
    assert!(serde_json::from_str::<Unit>("\"msec\"").unwrap_err().to_string().contains("did you mean ms?"));
}

#[test]
fn a_measured_value_that_is_not_finite_survives_json() {
    let json = serde_json::to_string(&Quantity::new(f64::NAN, Ratio)).unwrap();
    assert_eq!(json, r#"{"value":"NaN","unit":"ratio"}"#);
    assert!(serde_json::from_str::<Quantity>(&json).unwrap().value.is_nan());
    let infinite = Quantity::new(f64::NEG_INFINITY, Second);
    assert_eq!(
        serde_json::from_str::<Quantity>(&serde_json::to_string(&infinite).unwrap()).unwrap(),
        infinite
    );
    assert!(serde_json::from_str::<Quantity>(r#"{"value":null,"unit":"ms"}"#).is_err());
    assert_eq!(serde_json::to_string(&Quantity::new(6.0, Count)).unwrap(), r#"{"value":6,"unit":"count"}"#);
}

fn any_unit() -> impl Strategy<Value = Unit> {
    proptest::sample::select(Unit::ALL.to_vec())
}

proptest! {
    #[test]
    fn reading_any_text_never_panics(text in any::<String>()) {
        let _ = Quantity::parse(&text).map_err(|fault| fault.to_string());
        let _ = parse_duration(&text).map_err(|fault| fault.to_string());
        let _ = unit_of_metric_name(&text);
    }

    #[test]
    fn reading_almost_a_quantity_never_panics(text in "[ -]{0,2}[0-9.]{0,5}[ µmsMiB%e_é0-9]{0,4}") {
        let _ = Quantity::parse(&text).map_err(|fault| fault.to_string());
        let _ = parse_duration(&text).map_err(|fault| fault.to_string());
    }

    #[test]
    fn what_is_displayed_reads_back_as_the_same(value in proptest::num::f64::NORMAL | proptest::num::f64::ZERO,
                                               unit in any_unit()) {
        let written = Quantity::new(value, unit);
        let read = Quantity::parse(&written.to_string()).unwrap();
        prop_assert_eq!(read.value, value);
        prop_assert_eq!(read.unit, if unit.is_written() { unit } else { Unit::None });
    }

    #[test]
    fn json_keeps_every_number_exactly(value in any::<f64>(), unit in any_unit()) {
        let written = Quantity::new(value, unit);
        let read: Quantity = serde_json::from_str(&serde_json::to_string(&written).unwrap()).unwrap();
        prop_assert_eq!(read.unit, unit);
        prop_assert!(read.value == value || (read.value.is_nan() && value.is_nan()));
    }

    #[test]
    fn converting_there_and_back_changes_nothing_that_matters(value in -1e9..1e9, from in any_unit(), to in any_unit()) {
        let quantity = Quantity::new(value, from);
        if let Ok(there) = quantity.convert(to) {
            let back = there.convert(from).unwrap().value;
            prop_assert!((back - value).abs() <= value.abs() * 1e-15 * 4.0);
        }
    }
}
