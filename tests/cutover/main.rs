//! A cutover and its rollback by the real binary: templates whose commands are small shell lines, run without a
//! profile. What was run, in which order, what the evidence says of it, and what is left when it is broken off.

#[path = "../common/mod.rs"]
mod common;

mod broken_off;
mod children;
mod full_disk;
mod killed;
mod order;
mod refused;
mod runbook;
mod sealed;
mod steps;
