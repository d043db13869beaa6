//! `cutproof schema`.

/// Prints the JSON Schema of profiles.
pub fn run() -> super::Result {
    let schema = crate::profile::schema();
    let text = serde_json::to_string_pretty(&schema).map_err(super::Refusal::of)?;
    super::print(&format!("{text}\n"))?;
    Ok(crate::exit::OK)
}
