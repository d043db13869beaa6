//! `cutproof schema`.

/// Prints the JSON Schema of profiles.
pub fn run() -> super::Result {
    super::print(&format!("{:#}\n", crate::profile::schema()))?;
    Ok(crate::exit::OK)
}
