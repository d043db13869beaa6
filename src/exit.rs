//! Exit codes of every verb, in one place. Scripts and pipelines rely on them: they are never renumbered.
//! What each means for evidence that was judged stands in docs/evidence.md, "Exit codes".

/// All that was asked for was done, and every required gate passed.
pub const OK: u8 = 0;

/// The run ended in order and is not green: a required gate did not pass.
pub const NOT_PASSED: u8 = 1;

/// Bad input, or the verb could not do its work; stderr has a line that begins with `error:`. The verbs that the
/// runbook already had (`plan`, `cutover`, `verify`, `bootstrap`, `init`) use it for every failure.
pub const ERROR: u8 = 2;

/// `readiness`: measured or declared, and not healthy.
pub const UNHEALTHY: u8 = 3;

/// `verify` of runs, `signoff`, `merge`: something that is asked for is not there, or too old. Where evidence also says
/// that something did not pass, that is [`NOT_PASSED`].
pub const MISSING: u8 = 4;

/// `verify` of runs, `signoff`, `merge`: the evidence is not as it was written.
pub const TAMPERED: u8 = 5;

/// `verify` of runs, `signoff`, `merge`: another version of cutproof wrote the evidence, and this one can't judge it.
pub const INCONCLUSIVE: u8 = 6;

/// A fault of cutproof itself.
pub const INTERNAL: u8 = 70;

/// Ended by SIGINT, after everything was put in order: 128 + 2.
pub const INTERRUPTED: u8 = 130;

/// Ended by SIGTERM, after everything was put in order: 128 + 15.
pub const TERMINATED: u8 = 143;
