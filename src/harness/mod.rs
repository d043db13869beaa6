//! Gates as libtest trials, for `tests/gates.rs` here and in users' repositories.
