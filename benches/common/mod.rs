//! What benchmarks that start processes share.

use cutproof::process::{Worker, hold};
use std::error::Error;
use std::process::ExitCode;

/// Runs a benchmark held, as a run is: this binary is started a second time as the worker, and what that starts is gone
/// whatever becomes of the two.
pub fn held(bench: impl FnOnce(Worker) -> Result<(), Box<dyn Error>>) -> ExitCode {
    let held = hold(|worker| match bench(*worker) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: {error}");
            1
        }
    });
    held.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
