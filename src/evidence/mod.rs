//! Pure, versioned projections of journals.
