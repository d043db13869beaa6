//! cutproof: a test harness and evidence verifier for one-shot cutovers.
//!
//! Data goes once through the house: profile → plan → runner → journal → evidence → verify → report.
//! See `docs/architecture.md` for which module may know which.

pub mod bundle;
pub mod cli;
pub mod condition;
pub mod cutover;
pub mod drill;
pub mod evidence;
pub mod exit;
pub mod harness;
pub mod journal;
pub mod model;
pub mod monitor;
pub mod nextest;
pub mod plan;
pub mod policy;
pub mod probe;
pub mod process;
pub mod profile;
pub mod rehearsal;
pub mod report;
pub mod runner;
pub mod service;
pub mod settings;
pub mod sign;
pub mod template;
pub mod verify;
pub mod watch;
