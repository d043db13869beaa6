//! Gates under cargo-nextest, which runs every test in a process of its own and tells nobody when it is done.
//!
//! A setup script starts one process that holds the run ([`serve`]): it opens a rehearsal, starts the services, and
//! measures gates. Each test asks it for its gate over a socket ([`ask`]) and tells what came back. So there is one
//! runner and one journal, a gate that others need is measured once, and all that holds for `cargo test` holds. What
//! nextest selected is asked of nextest itself before the run begins ([`selected`]); when it is gone, however that
//! came, the holder writes the evidence and ends the services ([`caller`]).
//!
//! It knows neither test trials nor arguments: whoever calls it hands over the profile's name.

pub mod ask;
mod begin;
mod caller;
mod holding;
mod request;
mod selected;
mod serve;
pub mod settings;
mod socket;
mod wait;
mod wire;

pub use begin::setup;
pub use serve::serve;
pub use wait::wait;

/// Tells tests where the run's holder listens; set by the setup script for the tests that it is for.
pub const SOCKET_VARIABLE: &str = "CUTPROOF_NEXTEST";

/// Words by which the test target, or cutproof, is started as the setup script.
pub const SETUP: [&str; 2] = ["nextest", "setup"];

/// Words by which it is started as the run's holder; the folder of the request follows.
pub const SERVE: [&str; 2] = ["nextest", "serve"];

/// What `.config/nextest.toml` needs, for whoever has not got it.
pub const CONFIGURATION: &str = r#"experimental = ["setup-scripts"]

[scripts.setup.cutproof]
command = "cargo test --quiet --test gates -- nextest setup"

[[profile.default.scripts]]
filter = "binary(gates)"
setup = "cutproof"
"#;

/// Why a run under nextest could not be set up, or a gate not be asked for. Nothing is green then.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NextestError(pub String);

impl NextestError {
    fn of(error: impl std::fmt::Display) -> NextestError {
        NextestError(error.to_string())
    }
}
