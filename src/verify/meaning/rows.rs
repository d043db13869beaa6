//! Rows of cells: in their order, however cells are quoted and lines are ended.

use super::{Difference, MOST};
use crate::evidence::watch::cells;

pub(super) fn differences(expected: &str, seen: &str) -> Vec<Difference> {
    let Ok(must) = cells(expected) else { return Vec::new() };
    let is = match cells(seen) {
        Ok(is) => is,
        Err(fault) => {
            return vec![Difference::other("the file", Some(fault.line), "rows of cells", &fault.what)];
        }
    };
    let header = must.first().map(|(_, cells)| cells.clone()).unwrap_or_default();
    let mut found = Vec::new();
    for (row, ((_, must), (line, is))) in must.iter().zip(&is).enumerate() {
        for place in 0..must.len().max(is.len()) {
            let cell = |cells: &Vec<String>| cells.get(place).cloned();
            let (must, is) = (cell(must), cell(is));
            if must != is {
                let name = header.get(place).map_or_else(|| format!("cell {}", place + 1), String::clone);
                let none = || "no such cell".to_owned();
                let (must, is) = (must.unwrap_or_else(none), is.unwrap_or_else(none));
                found.push(Difference::other(format!("{name} of row {row}"), Some(*line), &must, &is));
            }
        }
        if found.len() >= MOST {
            return found;
        }
    }
    if must.len() != is.len() {
        let count = |rows: usize| format!("{rows} lines");
        let line = is.last().map(|(line, _)| *line);
        found.push(Difference::other("the file", line, &count(must.len()), &count(is.len())));
    }
    found
}
