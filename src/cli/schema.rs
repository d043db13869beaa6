//! `cutproof schema`.

/// Prints the JSON Schema of profiles.
pub fn run() -> super::Result {
    super::print(&crate::profile::schema_text())?;
    Ok(crate::exit::OK)
}
