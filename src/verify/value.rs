//! The forms of values. Strict takes what the contract of the evidence names and nothing else; contract takes what
//! the runbook's own verifier took as well, but nothing that is not finite.

use super::Level;
use jiff::civil::{Date, DateTime, Time};
use std::time::Duration;

/// A step's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was run, and went well.
    Ok,
    /// It was not run: a dry run.
    Simulated,
    /// It was run, and failed.
    Failed,
}

impl Status {
    pub const FORM: &str = "ok, simulated_ok or failed";

    pub fn parse(text: &str) -> Option<Status> {
        match text {
            "ok" => Some(Status::Ok),
            "simulated_ok" => Some(Status::Simulated),
            "failed" => Some(Status::Failed),
            _ => None,
        }
    }
}

/// A limit in seconds, as it was written: a plain decimal above zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seconds {
    /// As it was written, e.g. `180`.
    pub text: String,
    /// The same as a duration.
    pub duration: Duration,
}

impl std::str::FromStr for Seconds {
    type Err = String;
    fn from_str(text: &str) -> Result<Seconds, String> {
        match plain_decimal(text).filter(|duration| !duration.is_zero()) {
            Some(duration) => Ok(Seconds { text: text.to_owned(), duration }),
            None => Err("expected a plain number of seconds above 0, such as 180".to_owned()),
        }
    }
}

/// true or false.
pub(super) fn boolean(text: &str, level: Level) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ if level == Level::Contract => loose_boolean(text),
        _ => None,
    }
}

/// 1 or 0.
pub(super) fn flag(text: &str, level: Level) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if level == Level::Contract => loose_boolean(text),
        _ => None,
    }
}

fn loose_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// Seconds.
pub(super) fn seconds(text: &str, level: Level) -> Option<Duration> {
    let loose = || Duration::try_from_secs_f64(text.parse().ok()?).ok();
    plain_decimal(text).or_else(|| if level == Level::Contract { loose() } else { None })
}

/// Milliseconds.
pub(super) fn millis(text: &str, level: Level) -> Option<Duration> {
    seconds(text, level).map(|thousandfold| thousandfold / 1000)
}

/// A text that is a number, and not a finite one.
pub(super) fn is_not_finite(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|number| !number.is_finite())
}

/// A whole number, not negative. A zero before it is none at strict level: some readers take it for octal.
pub(super) fn whole(text: &str, level: Level) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let usual = level == Level::Contract || text.len() == 1 || !text.starts_with('0');
    if digits && usual { text.parse().ok() } else { None }
}

/// An exit code. The runbook's tools wrote a negative one where a signal had ended the command.
pub(super) fn exit_code(text: &str, level: Level) -> Option<i64> {
    match level {
        Level::Strict => whole(text, level).and_then(|code| code.try_into().ok()),
        Level::Contract => text.parse().ok(),
    }
}

/// Seconds since 1970 of `2026-02-12T04:00:00Z`, in exactly this form. A leap second is none: no tool writes one.
pub(super) fn moment(text: &str) -> Option<i64> {
    const FORM: &[u8; 20] = b"0000-00-00T00:00:00Z";
    let text: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    if !text.iter().zip(FORM).all(fits) {
        return None;
    }
    let number = |at: usize, digits: usize| {
        text[at..at + digits].iter().fold(0i16, |number, digit| number * 10 + i16::from(digit - b'0'))
    };
    let small = |at: usize| i8::try_from(number(at, 2)).ok();
    let date = Date::new(number(0, 4), small(5)?, small(8)?).ok()?;
    let time = Time::new(small(11)?, small(14)?, small(17)?, 0).ok()?;
    let since = date.to_datetime(time).duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Some(since.as_secs())
}

/// A plain decimal as if of seconds: digits, and where there is a point digits behind it. What is finer than a
/// nanosecond counts as one, so that nothing above a limit becomes equal to it.
fn plain_decimal(text: &str) -> Option<Duration> {
    let (whole_part, fraction) = match text.bytes().position(|byte| byte == b'.') {
        Some(point) if point + 1 < text.len() => (&text[..point], &text[point + 1..]),
        Some(_) => return None,
        None => (text, ""),
    };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (nanos, finer) = fraction.split_at(fraction.len().min(9));
    let digits = nanos.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = digits.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    let finer = u64::from(finer.bytes().any(|digit| digit != b'0'));
    Duration::new(whole(whole_part, Level::Strict)?, nanos).checked_add(Duration::from_nanos(finer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stamp;
    use proptest::prelude::*;

    #[test]
    fn strict_numbers_are_plain_decimals() {
        let read = |text| seconds(text, Level::Strict);
        assert_eq!(read("2.000"), Some(Duration::from_secs(2)));
        assert_eq!(read("0"), Some(Duration::ZERO));
        assert_eq!(read("1.0005"), Some(Duration::from_micros(1_000_500)));
        assert_eq!(read("1.0000000001"), Some(Duration::new(1, 1)));
        assert_eq!(millis("57", Level::Strict), Some(Duration::from_millis(57)));
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "NaN",
            "nan",
            "inf",
            "-inf",
            "Infinity",
            "1_0",
            "1,5",
            "0x1",
            "٣",
            "1.5.5",
            "99999999999999999999",
            "1 2",
            "00",
            "007",
            "01.5",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn contract_numbers_are_finite_and_not_negative() {
        let read = |text| seconds(text, Level::Contract);
        assert_eq!(read("1e3"), Some(Duration::from_secs(1000)));
        assert_eq!(read("+2"), Some(Duration::from_secs(2)));
        for text in ["", "NaN", "inf", "-inf", "-0.001", "1e400", "1e99", "x"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_limit_is_above_zero() {
        assert_eq!("180".parse::<Seconds>().map(|limit| limit.duration), Ok(Duration::from_secs(180)));
        for text in ["0", "0.000", "-1", "nan", "inf", "1e2", "", " 180"] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_utc_to_the_second_with_z() {
        assert_eq!(moment("1970-01-01T00:01:00Z"), Some(60));
        assert_eq!(moment("1969-12-31T23:59:59Z"), Some(-1));
        assert_eq!(moment("9999-12-31T23:59:59Z"), Some(253_402_300_799));
        for text in [
            "",
            "2026-02-12T04:00:00",
            "2026-02-12T04:00:00+00:00",
            "2026-02-12T04:00:00.5Z",
            "2026-02-12T04:00:60Z",
            "2026-02-30T04:00:00Z",
            "2026-02-12 04:00:00Z",
            "2026-02-12T04:00:00z",
            "20260212T040000Z",
            "2016-12-31T23:59:60Z",
            "12026-02-12T04:00:00Z",
            "2026-02-12T24:00:00Z",
            "2026-00-12T04:00:00Z",
            "2026-02-12T04:00:0٣Z",
            "+026-02-12T04:00:00Z",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn booleans_are_two_words_and_more_of_them_at_contract_level() {
        assert_eq!(
            (boolean("true", Level::Strict), boolean("false", Level::Strict)),
            (Some(true), Some(false))
        );
        assert_eq!((flag("1", Level::Strict), flag("0", Level::Strict)), (Some(true), Some(false)));
        for text in ["True", "1", "yes", ""] {
            assert_eq!(boolean(text, Level::Strict), None, "{text}");
        }
        assert_eq!(flag("true", Level::Strict), None);
        assert_eq!((boolean("Yes", Level::Contract), boolean("2", Level::Contract)), (Some(true), None));
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in any::<String>()) {
            for level in [Level::Strict, Level::Contract] {
                let _ = (boolean(&text, level), flag(&text, level), exit_code(&text, level));
                prop_assert!(millis(&text, level) <= seconds(&text, level));
            }
            let _ = (moment(&text), whole(&text, Level::Strict), text.parse::<Seconds>());
        }

        #[test]
        fn every_time_that_is_written_is_read(second in -62_167_219_200i64..253_402_300_800) {
            prop_assert_eq!(moment(&Stamp::from_millis(second * 1000).to_seconds()), Some(second));
        }

        #[test]
        fn every_decimal_that_is_written_is_read(whole in 0u64..1_000_000_000, thousandths in 0u32..1000) {
            let text = format!("{whole}.{thousandths:03}");
            let read = Duration::new(whole, thousandths * 1_000_000);
            prop_assert_eq!(seconds(&text, Level::Strict), Some(read));
        }
    }
}
