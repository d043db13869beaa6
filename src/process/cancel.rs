//! A token that tells everyone who waits to stop.

/// Told once, heard by all clones.
#[derive(Debug, Clone, Default)]
pub struct Cancel;
