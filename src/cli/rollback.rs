//! `cutproof rollback`: the way back on its own, for the night when it is needed hours later.

use super::Refusal;
use super::cutover::{Asked, BackFlags, make, rollback_template};
use super::flags;
use crate::cutover::plan::{Request, prepare};
use crate::cutover::templates::Templates;
use crate::model::Stamp;
use crate::model::redact::Redactor;
use crate::process::Worker;
use std::sync::Arc;

/// The flags of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    back: BackFlags,
}

/// Does what the flags say.
pub fn run(arguments: Arguments, worker: Worker) -> super::Result {
    let back = &arguments.back;
    let profile = flags::named_profile(back.profile.as_deref())?;
    let templates = Templates::read(None, &rollback_template(back, profile.as_ref())).map_err(Refusal::of)?;
    let redactor = Arc::new(Redactor::of_environment());
    let prepared = prepare(&Request {
        templates: &templates,
        profile: profile.as_ref(),
        step_timeout: None,
        force_rollback: false,
        rollback_on_interrupt: true,
        cutover_output: None,
        rollback_output: back.rollback_output.clone(),
        watch: None,
        now: Stamp::now(),
        redactor: &redactor,
    });
    let prepared = prepared.map_err(Refusal::of)?;
    make(
        &Asked { verb: "rollback", prepared: &prepared, profile: profile.as_ref(), flags: back },
        redactor,
        worker,
    )
}
