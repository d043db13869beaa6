//! Quantities with units in text (`200ms`, `10 MiB`, `99.5%`), and conversion within a dimension.
//!
//! One spelling table serves the profile's timeouts, the thresholds of conditions and the units of
//! observations. It knows nothing of metrics beyond the suffixes of their names, and no condition.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use Unit::{
    Byte, Count, Day, Gibibyte, Gigabyte, Hour, Kibibyte, Kilobyte, Mebibyte, Megabyte, Microsecond,
    Millisecond, Minute, Nanosecond, Percent, Ratio, Second, Tebibyte, Terabyte,
};

/// The longest time that [`parse_duration`] accepts. Waits are added to clocks; without a bound that
/// addition could overflow, and a wait of years is a typing error.
pub const LONGEST_DURATION: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What a unit measures. Units convert within a dimension and never across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    Time,
    Bytes,
    Ratio,
    Count,
    /// A plain number of which nobody said what it measures.
    None,
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "a time",
            Self::Bytes => "a size in bytes",
            Self::Ratio => "a ratio",
            Self::Count => "a count",
            Self::None => "a number without a unit",
        })
    }
}

/// A unit of measurement. In text and in JSON it is its name, e.g. `"ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Unit {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Byte,
    Kilobyte,
    Megabyte,
    Gigabyte,
    Terabyte,
    Kibibyte,
    Mebibyte,
    Gibibyte,
    Tebibyte,
    /// A ratio in hundredths: 99.5% is the ratio 0.995.
    Percent,
    /// A ratio as a plain number, 1 being the whole.
    Ratio,
    Count,
    #[default]
    None,
}

impl Unit {
    /// Every unit, in the order of the table.
    pub const ALL: [Unit; 20] = [
        Nanosecond,
        Microsecond,
        Millisecond,
        Second,
        Minute,
        Hour,
        Day,
        Byte,
        Kilobyte,
        Megabyte,
        Gigabyte,
        Terabyte,
        Kibibyte,
        Mebibyte,
        Gibibyte,
        Tebibyte,
        Percent,
        Ratio,
        Count,
        Unit::None,
    ];

    /// Dimension, size in the dimension's smallest unit (so that every factor is a whole number), and
    /// spellings, the canonical one first.
    const fn row(self) -> (Dimension, f64, &'static [&'static str]) {
        use Dimension as D;
        match self {
            Nanosecond => (D::Time, 1.0, &["ns"]),
            Microsecond => (D::Time, 1e3, &["us", "\u{b5}s", "\u{3bc}s"]),
            Millisecond => (D::Time, 1e6, &["ms"]),
            Second => (D::Time, 1e9, &["s"]),
            Minute => (D::Time, 60e9, &["min", "m"]),
            Hour => (D::Time, 3_600e9, &["h"]),
            Day => (D::Time, 86_400e9, &["d"]),
            Byte => (D::Bytes, 1.0, &["B"]),
            Kilobyte => (D::Bytes, 1e3, &["KB", "kB"]),
            Megabyte => (D::Bytes, 1e6, &["MB"]),
            Gigabyte => (D::Bytes, 1e9, &["GB"]),
            Terabyte => (D::Bytes, 1e12, &["TB"]),
            Kibibyte => (D::Bytes, 1_024.0, &["KiB"]),
            Mebibyte => (D::Bytes, 1_048_576.0, &["MiB"]),
            Gibibyte => (D::Bytes, 1_073_741_824.0, &["GiB"]),
            Tebibyte => (D::Bytes, 1_099_511_627_776.0, &["TiB"]),
            Percent => (D::Ratio, 1.0, &["%", "pct"]),
            Ratio => (D::Ratio, 100.0, &["ratio"]),
            Count => (D::Count, 1.0, &["count"]),
            Unit::None => (D::None, 1.0, &["none"]),
        }
    }

    pub const fn dimension(self) -> Dimension {
        self.row().0
    }

    /// How many of the dimension's smallest unit (ns, B, %) one of this unit is: always a whole number.
    pub const fn factor(self) -> f64 {
        self.row().1
    }

    /// The canonical name: `ms`, `MiB`, `%`, `ratio`, `count`, `none`.
    pub const fn name(self) -> &'static str {
        self.row().2[0]
    }

    /// Whether the unit is written behind a number. Ratios, counts and plain numbers are written bare.
    pub const fn is_written(self) -> bool {
        matches!(self.dimension(), Dimension::Time | Dimension::Bytes) || matches!(self, Percent)
    }

    fn spelled(text: &str) -> Option<Unit> {
        Self::ALL.into_iter().find(|unit| unit.row().2.contains(&text))
    }

    /// The unit that someone who wrote `text` most likely meant.
    fn nearest(text: &str) -> Option<&'static str> {
        const WORDS: [(&str, &str); 10] = [
            ("nanoseconds", "ns"),
            ("microseconds", "us"),
            ("milliseconds", "ms"),
            ("msec", "ms"),
            ("seconds", "s"),
            ("minutes", "min"),
            ("hours", "h"),
            ("days", "d"),
            ("percent", "%"),
            ("bytes", "B"),
        ];
        let spellings = || {
            let written = Self::ALL.into_iter().filter(|unit| unit.is_written());
            written.flat_map(|unit| unit.row().2.iter().map(move |spelling| (*spelling, unit.name())))
        };
        if text.len() > 20 {
            return None;
        }
        let lower = text.to_lowercase();
        let stem = lower.trim_end_matches('s');
        let begins = |whole: &str, part: &str, least: usize| part.len() >= least && whole.starts_with(part);
        let other_case = spellings().find(|(spelling, _)| spelling.to_lowercase() == lower);
        other_case
            .or_else(|| spellings().find(|(spelling, _)| begins(spelling, text, 2)))
            .or_else(|| WORDS.into_iter().find(|(word, _)| begins(word, stem, 3)))
            .or_else(|| spellings().find(|(s, _)| s.len() > 1 && strsim::damerau_levenshtein(s, text) == 1))
            .map(|(_, name)| name)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Unit {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        Self::spelled(text).ok_or_else(|| UnitError::unknown_unit(text, 0..text.len()))
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A number with its unit. In text `200 ms` or `200ms`; ratios, counts and plain numbers are bare.
///
/// In JSON `{"value": 200, "unit": "ms"}`; a measured value that is not finite is `"NaN"`, `"inf"` or
/// `"-inf"` there, because JSON has no such numbers and `null` would hide them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    #[serde(with = "figure")]
    pub value: f64,
    pub unit: Unit,
}

impl Quantity {
    pub const fn new(value: f64, unit: Unit) -> Self {
        Self { value, unit }
    }

    /// Reads a plain decimal, negative or not, with or without a unit: `5`, `-0.5 s`, `10MiB`, `99.5%`.
    /// A bare number has [`Unit::None`].
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let start = text.len() - text.trim_start().len();
        let end = start + text.trim().len();
        let digits = |from: usize| from + text[from..end].bytes().take_while(u8::is_ascii_digit).count();
        let first = start + usize::from(text[start..end].starts_with('-'));
        let mut number_end = digits(first);
        if number_end == first {
            return Err(UnitError::new(text, start..end, expected::NUMBER));
        }
        if text[number_end..end].starts_with('.') {
            let fraction = number_end + 1;
            number_end = digits(fraction);
            if number_end == fraction {
                return Err(UnitError::new(text, fraction..end, expected::DIGIT));
            }
        }
        let value: f64 = text[start..number_end]
            .parse()
            .map_err(|_| UnitError::new(text, start..number_end, expected::NUMBER))?;
        if !value.is_finite() {
            return Err(UnitError::new(text, start..number_end, expected::FINITE));
        }
        let unit_text = text[number_end..end].trim_start();
        if unit_text.is_empty() {
            return Ok(Self::new(value, Unit::None));
        }
        let at = end - unit_text.len()..end;
        match Unit::spelled(unit_text).filter(|unit| unit.is_written()) {
            Some(unit) => Ok(Self::new(value, unit)),
            None if unit_text.bytes().any(|b| b.is_ascii_digit()) => {
                Err(UnitError::new(text, at, expected::ONE_NUMBER))
            }
            None => Err(UnitError::unknown_unit(text, at)),
        }
    }

    /// The same quantity in another unit of its dimension.
    pub fn convert(self, to: Unit) -> Result<Self, IncompatibleUnits> {
        if self.unit.dimension() != to.dimension() {
            return Err(IncompatibleUnits { from: self.unit, to });
        }
        let (from, into) = (self.unit.factor(), to.factor());
        // Dividing by a whole number is correctly rounded: 5 ms becomes the very 0.005 that "0.005" is.
        let value = if from >= into { self.value * (from / into) } else { self.value / (into / from) };
        Ok(Self::new(value, to))
    }

    /// The quantity as a time to wait: above zero, and at most [`LONGEST_DURATION`]. Zero is refused
    /// because it means "at once" in one place and "for ever" in the next.
    pub fn to_duration(self) -> Result<Duration, NoDuration> {
        if self.unit.dimension() != Dimension::Time {
            return Err(if self.unit == Unit::None { NoDuration::NoUnit } else { NoDuration::NotATime });
        }
        let nanos = (self.value * self.unit.factor()).round();
        if nanos.is_nan() || nanos < 1.0 {
            return Err(NoDuration::NotAboveZero);
        }
        if nanos > LONGEST_DURATION.as_nanos() as f64 {
            return Err(NoDuration::TooLong);
        }
        Ok(Duration::from_nanos(nanos as u64))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Percent => write!(f, "{}%", self.value),
            unit if unit.is_written() => write!(f, "{} {}", self.value, unit.name()),
            _ => write!(f, "{}", self.value),
        }
    }
}

impl FromStr for Quantity {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        Self::parse(text)
    }
}

/// Why a quantity is no time to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {}", self.expected())]
pub enum NoDuration {
    NoUnit,
    NotATime,
    NotAboveZero,
    TooLong,
}

impl NoDuration {
    pub const fn expected(self) -> &'static str {
        match self {
            Self::NoUnit => "a time with its unit, such as 200ms or 5s",
            Self::NotATime => "a time, such as 200ms or 5s",
            Self::NotAboveZero => "a time above zero (at least 1ns)",
            Self::TooLong => "a time of at most 366d",
        }
    }
}

/// Reads a time to wait, such as `200ms`, `5s` or `1.5h`. The unit must be there; see
/// [`Quantity::to_duration`] for the bounds. Rounded to the nanosecond.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    Quantity::parse(text)?
        .to_duration()
        .map_err(|fault| UnitError::new(text, 0..text.len(), fault.expected()))
}

/// The unit that a metric's name states by its ending, as Prometheus names metrics:
/// `order_latency_p99_ms` is in milliseconds. A rate (`…_bytes_per_s`) states none that we know.
pub fn unit_of_metric_name(name: &str) -> Option<Unit> {
    const ENDINGS: [(&str, Unit); 10] = [
        ("ns", Nanosecond),
        ("us", Microsecond),
        ("ms", Millisecond),
        ("s", Second),
        ("seconds", Second),
        ("milliseconds", Millisecond),
        ("bytes", Byte),
        ("ratio", Ratio),
        ("pct", Percent),
        ("percent", Percent),
    ];
    let (rest, ending) = name.strip_suffix("_total").unwrap_or(name).rsplit_once('_')?;
    if rest.is_empty() || rest == "per" || rest.ends_with("_per") {
        return None;
    }
    ENDINGS.iter().find(|(text, _)| *text == ending).map(|(_, unit)| *unit)
}

/// Two units that measure different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{from} ({}) does not convert to {to} ({})", from.dimension(), to.dimension())]
pub struct IncompatibleUnits {
    pub from: Unit,
    pub to: Unit,
}

mod expected {
    pub const NUMBER: &str = "a number such as 5, 0.5 or 200ms";
    pub const DIGIT: &str = "a digit after the decimal point";
    pub const FINITE: &str = "a number that is not infinite";
    pub const UNIT: &str = "a unit: ns, us, ms, s, min, h, d, B, KB, MB, GB, TB, KiB, MiB, GiB, TiB or %";
    pub const ONE_NUMBER: &str = "one plain number with one unit, such as 1500, 0.5 or 90s";
}

/// A text that is no quantity, unit or duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", self.problem(), self.place())]
pub struct UnitError {
    /// The whole text that was read.
    pub text: String,
    /// The bytes of it that are at fault.
    pub span: Range<usize>,
    pub expected: &'static str,
    /// The unit that was most likely meant.
    pub nearest: Option<&'static str>,
}

impl UnitError {
    fn new(text: &str, span: Range<usize>, expected: &'static str) -> Self {
        Self { text: text.to_owned(), span, expected, nearest: None }
    }

    fn unknown_unit(text: &str, span: Range<usize>) -> Self {
        let nearest = Unit::nearest(&text[span.clone()]);
        Self { nearest, ..Self::new(text, span, expected::UNIT) }
    }

    /// What is wrong, without the place: for those who print the place in a larger text.
    pub fn problem(&self) -> String {
        let found = match &self.text[self.span.clone()] {
            "" if self.text.is_empty() => "nothing".to_owned(),
            "" => "its end".to_owned(),
            part => excerpt(part),
        };
        let hint = self.nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
        format!("expected {}, found {found}{hint}", self.expected)
    }

    fn place(&self) -> String {
        if self.span == (0..self.text.len()) {
            return String::new();
        }
        let character = self.text[..self.span.start].chars().count() + 1;
        format!(" (character {character} of {})", excerpt(&self.text))
    }
}

/// A text in quotes on one line, cut after 40 characters.
fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('\u{2026}');
    }
    format!("\"{short}\"")
}

/// JSON for a measured number: whole numbers without a fraction, and words for what JSON lacks.
pub(crate) mod figure {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Figure {
        Whole(i64),
        Number(f64),
        Word(Word),
    }

    #[derive(Serialize, Deserialize)]
    enum Word {
        NaN,
        #[serde(rename = "inf")]
        Infinite,
        #[serde(rename = "-inf")]
        NegativeInfinite,
    }

    /// Up to here every whole number is exact as a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        match *value {
            v if v.is_nan() => Figure::Word(Word::NaN),
            f64::INFINITY => Figure::Word(Word::Infinite),
            f64::NEG_INFINITY => Figure::Word(Word::NegativeInfinite),
            v if v.fract() == 0.0 && v.abs() <= EXACT => Figure::Whole(v as i64),
            v => Figure::Number(v),
        }
        .serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(match Figure::deserialize(deserializer)? {
            Figure::Whole(v) => v as f64,
            Figure::Number(v) => v,
            Figure::Word(Word::NaN) => f64::NAN,
            Figure::Word(Word::Infinite) => f64::INFINITY,
            Figure::Word(Word::NegativeInfinite) => f64::NEG_INFINITY,
        })
    }
}

#[cfg(test)]
mod tests;
