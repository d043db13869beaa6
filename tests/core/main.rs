//! The reference engine as its users see it: the real binary's verb `core`, its control port and its metrics.

mod faults;
mod flows;
mod session;
mod stop;
mod support;
mod templates;

#[path = "../common/mod.rs"]
mod common;
