//! Pure, versioned projections of journals.

#[cfg(test)]
pub(crate) mod sample;
