//! Schema files: the `*.sql` of a folder in name order, with `{{name}}` filled in.

use super::sql::line;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest file that is read.
const LONGEST: u64 = 1 << 20;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlFile {
    /// Its name without folders: `020_orders.sql`.
    pub name: String,
    /// As it was given.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
}

/// The `*.sql` files of a folder, by name.
///
/// # Errors
/// The folder or a file can't be read, or there is none: what was expected and where.
pub fn of_folder(folder: &str) -> Result<Vec<SqlFile>, String> {
    if !Path::new(folder).is_dir() {
        return Err(format!("schema folder not found: {folder}"));
    }
    let unreadable = |error| format!("schema folder {folder} can't be read: {error}");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            names.push(path);
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(format!("schema folder {folder} holds no *.sql: expected at least one"));
    }
    names.into_iter().map(read).collect()
}

/// One schema file.
///
/// # Errors
/// It is not there or can't be read.
pub fn of_file(path: &str) -> Result<SqlFile, String> {
    if !Path::new(path).is_file() {
        return Err(format!("schema file not found: {path}"));
    }
    read(PathBuf::from(path))
}

fn read(path: PathBuf) -> Result<SqlFile, String> {
    let shown = path.display();
    let mut text = String::new();
    let file = File::open(&path).map_err(|error| format!("schema file {shown} can't be read: {error}"))?;
    file.take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("schema file {shown} can't be read: {error}; expected text in UTF-8"))?;
    if text.len() as u64 > LONGEST {
        return Err(format!("schema file {shown} is longer than {} MiB", LONGEST >> 20));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(SqlFile { name, path, text })
}

/// The text with values in place of `{{name}}`; anything else in braces stays.
///
/// # Errors
/// A name without a value: the file, the line, and the names that there are.
pub fn fill(file: &SqlFile, values: &[(&str, &str)]) -> Result<String, String> {
    let mut filled = String::with_capacity(file.text.len());
    let mut rest = file.text.as_str();
    while let Some(start) = rest.find("{{") {
        let (before, open) = rest.split_at(start);
        filled.push_str(before);
        let name = open[2..].split_once("}}").map(|(name, _)| name).filter(|name| is_name(name));
        let Some(name) = name else {
            filled.push_str("{{");
            rest = &open[2..];
            continue;
        };
        let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else {
            let at = line(&file.text, file.text.len() - open.len());
            let known: Vec<_> = values.iter().map(|(known, _)| format!("{{{{{known}}}}}")).collect();
            let path = file.path.display();
            return Err(format!(
                "{path}:{at}: {{{{{name}}}}} has no value here: expected {}",
                known.join(", ")
            ));
        };
        filled.push_str(value);
        rest = &open[name.len() + 4..];
    }
    filled.push_str(rest);
    Ok(filled)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(text: &str) -> SqlFile {
        SqlFile { name: "a.sql".into(), path: "schema/a.sql".into(), text: text.into() }
    }

    #[test]
    fn names_are_filled_in_and_other_braces_stay() {
        let text = "CREATE {{database}}.t; SELECT '{{\"a\": {{b}}', {x:UInt8}, '{{'";
        let filled = fill(&file(text), &[("database", "q"), ("b", "1")]).unwrap();
        assert_eq!(filled, "CREATE q.t; SELECT '{{\"a\": 1', {x:UInt8}, '{{'");
    }

    #[test]
    fn a_name_without_a_value_is_an_error_with_its_place() {
        let error = fill(&file("-- x\nSELECT {{brocker}}"), &[("broker", "b")]).unwrap_err();
        assert_eq!(error, "schema/a.sql:2: {{brocker}} has no value here: expected {{broker}}");
    }

    #[test]
    fn the_files_of_a_folder_come_in_name_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["020_b.sql", "010_a.sql", "note.txt"] {
            fs::write(folder.path().join(name), "SELECT 1").unwrap();
        }
        let files = of_folder(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(
            files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
            ["010_a.sql", "020_b.sql"]
        );
    }

    #[test]
    fn what_is_not_there_empty_or_no_text_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        assert_eq!(of_folder("no/such").unwrap_err(), "schema folder not found: no/such");
        assert_eq!(of_file("no.sql").unwrap_err(), "schema file not found: no.sql");
        assert!(of_folder(path).unwrap_err().ends_with("holds no *.sql: expected at least one"));
        fs::write(folder.path().join("a.sql"), b"\xff\xfe").unwrap();
        assert!(of_folder(path).unwrap_err().ends_with("expected text in UTF-8"));
    }

    proptest! {
        #[test]
        fn a_text_without_braces_stays_as_it_is(text in "[^{]*") {
            prop_assert_eq!(fill(&file(&text), &[]).unwrap(), text);
        }

        #[test]
        fn any_text_is_filled_or_refused(text in "[{}a-z \n]{0,40}") {
            let _ = fill(&file(&text), &[("a", "1"), ("ab", "2")]);
        }
    }
}
