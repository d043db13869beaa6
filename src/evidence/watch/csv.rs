//! CSV as RFC 4180 has it: cells in quotes where they must be, lines ended by CRLF. Written so that a spreadsheet
//! takes no text for a formula, and read back to the same cells.

/// A file that is no CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub line: usize,
    pub what: &'static str,
}

/// Characters with which a spreadsheet's formula begins, or the mark against that.
const BEGINS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// A text that no spreadsheet takes for a formula.
pub(super) fn guarded(text: &str) -> String {
    if text.starts_with(BEGINS) { format!("'{text}") } else { text.to_owned() }
}

/// The text that was guarded.
pub(super) fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(BEGINS)).unwrap_or(cell)
}

/// Adds a line.
pub(super) fn line(out: &mut String, cells: &[&str]) {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        if cell.contains(['"', ',', '\r', '\n']) {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(cell);
        }
    }
    out.push_str("\r\n");
}

/// The lines of a file, each with the number of the line that it begins in. A lone LF ends a line too: editors make
/// that of CRLF.
pub(super) fn lines(text: &str) -> Result<Vec<(usize, Vec<String>)>, Fault> {
    let mut lines = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut number = 1;
    while !rest.is_empty() {
        let begins = number;
        let mut cells = Vec::new();
        loop {
            let (cell, behind) = cell(rest).map_err(|what| Fault { line: number, what })?;
            number += cell.matches('\n').count();
            cells.push(cell);
            rest = behind;
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = match rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')) {
            Some(next) => next,
            None if rest.is_empty() => rest,
            None => {
                let what = "expected a comma or the line's end behind a cell in quotes";
                return Err(Fault { line: number, what });
            }
        };
        number += 1;
        lines.push((begins, cells));
    }
    Ok(lines)
}

/// The cell that a text begins with, and what stands behind it.
fn cell(text: &str) -> Result<(String, &str), &'static str> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\r', '\n', '"']).unwrap_or(text.len());
        return match text[end..].starts_with('"') {
            true => Err("a quote stands in a cell that has none around it"),
            false => Ok((text[..end].to_owned(), &text[end..])),
        };
    };
    let mut cell = String::new();
    loop {
        let end = rest.find('"').ok_or("a cell's closing quote is missing")?;
        cell.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                cell.push('"');
                rest = next;
            }
            None => return Ok((cell, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut out = String::new();
        line(&mut out, &["a", "b,c", "d\"e", "f\r\ng", ""]);
        assert_eq!(out, "a,\"b,c\",\"d\"\"e\",\"f\r\ng\",\r\n");
    }

    #[test]
    fn no_text_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert!(guarded(text).starts_with('\''), "{text}");
        }
        assert_eq!(guarded("a=b"), "a=b");
    }

    #[test]
    fn what_is_no_csv_is_told_with_its_line() {
        let of = |text| lines(text).unwrap_err();
        assert_eq!(of("a,b\r\nc,\"d").line, 2);
        assert_eq!(of("a\r\n\"b\nc\"d\r\n").line, 3);
        assert_eq!(of("a\"b").line, 1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(rows in prop::collection::vec(prop::collection::vec("[ -~\r\n\t\"',é=+@-]{0,8}", 2..4), 1..5)) {
            let mut out = String::new();
            for row in &rows {
                let cells: Vec<_> = row.iter().map(|cell| guarded(cell)).collect();
                line(&mut out, &cells.iter().map(String::as_str).collect::<Vec<_>>());
            }
            let read = lines(&out).unwrap();
            let read: Vec<Vec<_>> = read.iter().map(|(_, cells)| cells.iter().map(|cell| unguarded(cell).to_owned()).collect()).collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a,\"\r\n']{0,40}") {
            let _ = lines(&text);
        }
    }
}
