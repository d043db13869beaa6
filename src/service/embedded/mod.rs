//! The real engines as local processes.
