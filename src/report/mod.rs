//! Pure renderings of verified evidence.
