//! Names that a person typed: how they are shown in a message, and which right name they are nearest to.

/// A name longer than this is cut in a message, and nothing is near to it.
const LONGEST: usize = 100;

/// So many names are listed where none is near.
const LISTED: usize = 12;

/// A name as a message shows it: in backticks, on one line, and not longer than a line.
pub(crate) fn quoted(name: &str) -> String {
    let mut shown: String = name.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    shown = shown.replace("\\\"", "\"").replace("\\'", "'");
    if name.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Names in a row, as a message shows them.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// The nearest of these names, where one is near enough to be what was meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let count = name.chars().count();
    if count > LONGEST {
        return None;
    }
    let folded = fold(name);
    let near = |known: &'a str| {
        let distance = strsim::damerau_levenshtein(&folded, &fold(known));
        (distance <= (count.max(known.len()) / 3).max(1)).then_some((distance, known))
    };
    known.into_iter().filter_map(near).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The end of a message about an unknown name: the nearest right one, or all where they are few.
pub(crate) fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(nearest) = nearest(name, known.iter().copied()) {
        return format!("; nearest: {}", quoted(nearest));
    }
    match known.len() {
        0 => "; there is none".to_owned(),
        1 => format!("; expected {}", quoted(known[0])),
        2..=LISTED => format!("; expected one of {}", list(known)),
        _ => String::new(),
    }
}

/// Letters of one case, `-` and `.` as `_`: differences that are no difference in meaning.
fn fold(name: &str) -> String {
    name.to_lowercase().replace(['-', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["timeout", "retry", "uses", "needs"];
        assert_eq!(nearest("tiemout", known), Some("timeout"));
        assert_eq!(nearest("Need", known), Some("needs"));
        assert_eq!(nearest("redis-ping", ["redis_ping", "redis_keys"]), Some("redis_ping"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest(&"t".repeat(1_000_000), known), None);
    }

    #[test]
    fn where_no_name_is_near_a_few_are_listed() {
        assert_eq!(hint("banana", ["redis", "kafka"]), "; expected one of `redis`, `kafka`");
        assert_eq!(hint("rediss", ["redis", "kafka"]), "; nearest: `redis`");
        assert_eq!(hint("x", []), "; there is none");
    }

    #[test]
    fn a_quoted_name_stays_on_one_line() {
        assert_eq!(quoted("a\nb\u{1b}"), "`a\\nb\\u{1b}`");
        assert_eq!(quoted("say \"x\""), "`say \"x\"`");
        assert_eq!(quoted(&"x".repeat(200)).chars().count(), LONGEST + 3);
    }
}
