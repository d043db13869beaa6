//! Reads evidence files, trusts nothing, starts nothing.
