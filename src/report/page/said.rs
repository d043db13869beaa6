//! Words for pages: text that nobody vouches for, and how times, lengths and digests are told.

use crate::evidence::text::{cut, cut_middle, visible};
use crate::model::Stamp;
use std::fmt;
use std::time::Duration;

/// A value's longest form on a page, in characters.
pub(in crate::report) const VALUE: usize = 160;
/// A reason's.
pub(in crate::report) const REASON: usize = 400;
/// A path's: those of people are long, and a path that is cut can't be copied.
pub(in crate::report) const PATH: usize = 1000;
/// The longest output of a command.
const OUTPUT: usize = 2000;

/// Text that comes of evidence, of a policy or of somebody's command line. Nothing hides in it; it is not escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::report) struct Said(String);

impl Said {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text in one line of at most so many characters.
pub(in crate::report) fn said(text: impl AsRef<str>, most: usize) -> Said {
    // Cut before it is made visible too: an entry may be megabytes long.
    Said(cut(&visible(&cut(text.as_ref(), most)), most).into_owned())
}

/// What a command printed, line by line, with its middle left out where it is long.
pub(in crate::report) fn output(text: &str) -> Vec<Said> {
    cut_middle(text.trim_end(), OUTPUT).lines().map(|line| said(line, VALUE)).collect()
}

/// A moment, to the second.
pub(in crate::report) fn moment(at: Stamp) -> String {
    at.to_seconds()
}

/// How long something takes, as people say it: `18.9 ms`, `4.1 s`, `2 h 5 min`, `31 d 4 h`.
pub(in crate::report) fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |many: u64, unit: &str, rest: u64, smaller: &str| match rest {
        0 => format!("{many} {unit}"),
        rest => format!("{many} {unit} {rest} {smaller}"),
    };
    match seconds {
        0 if duration.is_zero() => "0 s".to_owned(),
        0 => format!("{} ms", tidy(duration.as_secs_f64() * 1e3)),
        1..120 => format!("{} s", tidy(duration.as_secs_f64())),
        120..7200 => two(seconds / 60, "min", seconds % 60, "s"),
        7200..172_800 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// The same of milliseconds; evidence may say anything of them.
pub(in crate::report) fn lasting_ms(ms: f64) -> String {
    Duration::try_from_secs_f64(ms / 1e3).map_or_else(|_| format!("{ms} ms"), lasting)
}

/// A number as a chart says it: at most four digits that matter, and no more behind the point than that.
pub(in crate::report) fn tidy(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e9).contains(&size) {
        return format!("{value:.3e}");
    }
    let digits = match size {
        size if size >= 100.0 => 1,
        size if size >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// `1 gate`, `2 gates`.
pub(in crate::report) fn many(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_two_largest_units() {
        let told = [0, 900, 119_500, 125_000, 7_500_000, 200_000_000].map(Duration::from_millis).map(lasting);
        assert_eq!(told, ["0 s", "900 ms", "119.5 s", "2 min 5 s", "2 h 5 min", "2 d 7 h"]);
        assert_eq!(lasting_ms(-1.0), "-1 ms");
        assert_eq!(lasting_ms(1e300).len(), 304, "a time that nobody can have measured is told as it stands");
    }

    #[test]
    fn a_number_is_told_with_the_digits_that_matter() {
        let told = [0.0, -0.000_001, 1.699_999, 812.0, 0.9912, 1e12, 123.456].map(tidy);
        assert_eq!(told, ["0", "-1.000e-6", "1.7", "812", "0.9912", "1.000e12", "123.5"]);
    }

    #[test]
    fn what_is_said_has_one_line_and_an_end() {
        let said = said("a\u{202e}b\n".repeat(100_000), VALUE);
        assert!(
            said.as_str().chars().count() <= VALUE && said.as_str().starts_with("a\\u{202e}b\\n"),
            "{said}"
        );
        let lines = output(&"x".repeat(100_000));
        assert!(lines.iter().map(|line| line.as_str().len()).sum::<usize>() < 1000);
    }
}
