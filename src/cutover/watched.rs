//! What the templates ask to be watched, and whether the profile can: every key of MONITOR_KEYS and every name of the
//! trigger is a metric that some source gives.

use super::plan::{PlanError, Request};
use crate::model::watch::WatchPlan;
use crate::monitor;
use crate::profile::Profile;
use crate::template::{Cutover, Rollback};

/// The watch of a cutover; none without a profile, and then it is said.
///
/// # Errors
/// A profile that can't watch what the templates ask for.
pub fn plan(
    request: &Request<'_>,
    cutover: &Cutover,
    rollback: &Rollback,
    warnings: &mut Vec<String>,
) -> Result<Option<WatchPlan>, PlanError> {
    let Some(profile) = request.profile else {
        warnings.push(unwatched(cutover, rollback));
        return Ok(None);
    };
    let keys = cutover.monitor_keys.join(", ");
    let watch = profile.watch.as_ref().ok_or_else(|| {
        PlanError(format!(
            "{}: expected a [watch] that measures MONITOR_KEYS ({keys}) and the trigger, and there is none; add it, \
             or leave --profile out",
            name(profile),
        ))
    })?;
    let trigger = &rollback.trigger_condition.text;
    let planned = cutover.monitor.duration;
    let lasts = request.watch.unwrap_or(planned);
    let plan = monitor::plan(watch, trigger, &cutover.monitor_keys, planned, lasts).map_err(|fault| {
        let (there, back) = (cutover.template.path.display(), &request.templates.rollback.file.path);
        PlanError(format!(
            "{} can't watch what {there} (MONITOR_KEYS) and {back}:{} (ROLLBACK_TRIGGER_CONDITION) ask for: {fault}",
            name(profile),
            rollback.trigger_condition.line
        ))
    })?;
    warnings.extend(monitor::warnings(&plan));
    Ok(Some(plan))
}

fn unwatched(cutover: &Cutover, rollback: &Rollback) -> String {
    format!(
        "there is no profile that measures MONITOR_KEYS ({}), so nobody watches, and the trigger {} can't hold: watch \
         by hand for {} min",
        cutover.monitor_keys.join(", "),
        rollback.trigger_condition.text,
        cutover.monitor.text
    )
}

/// The profile as people know it.
pub fn name(profile: &Profile) -> String {
    profile.file.as_ref().map_or_else(|| profile.environment.clone(), |file| file.path.clone())
}
