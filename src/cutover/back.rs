//! The way back: seven steps against a limit, and readiness on what was restored. It begins at once, and is not given
//! up by a signal, by a late step or by a journal that can't be written.

use super::decide::Back;
use super::exports::Exports;
use super::limit::Limit;
use super::sequence::End;
use super::{CutoverError, Flow, precondition};
use crate::evidence;
use crate::model::switch::{Sequence, Stage};
use crate::model::{Event, Verdict};
use crate::process::Cancel;
use crate::rehearsal::Finished;
use crate::rehearsal::record::Record;
use std::sync::mpsc;
use std::time::Duration;

/// The first command has begun by so much before anything else asks for the disk.
const HEADSTART: Duration = Duration::from_millis(250);

impl Flow<'_> {
    /// Takes the way back from this step on, of whose limit some may be spent already.
    pub(super) fn back(&mut self, why: &str, from: u32, spent: Duration) -> Result<Back, CutoverError> {
        let cancel = Cancel::new().map_err(|error| CutoverError::of(&error))?;
        self.begin(Stage::Rollback, why);
        let limit = Limit::begin(self.settings.prepared.plan.rollback.limit_ms, spent);
        let end = self.restore(from, &cancel, &limit)?;
        let took = limit.elapsed();
        let restored = matches!(end, End::Done);
        let back = match end {
            End::Failed(step) => Back::Bad(step),
            End::Stopped => Back::Bad("it was ended before its time".to_owned()),
            End::Done if limit.is_over() && !self.settings.dry_run => {
                let limit = &self.settings.prepared.plan.rollback.max_seconds;
                Back::Bad(format!("it took {:.1} s, and its limit is {limit} s", took.as_secs_f64()))
            }
            End::Done => Back::Good,
        };
        let (verdict, reason) = match &back {
            Back::Good => (self.done(), String::new()),
            Back::Bad(why) => (Verdict::Failed, why.clone()),
        };
        self.end(Stage::Rollback, verdict, reason, took.saturating_sub(spent));
        let ready = self.restored_readiness(restored, &cancel);
        Ok(match (back, ready) {
            (Back::Good, Err(why)) => Back::Bad(why),
            (back, _) => back,
        })
    }

    /// Runs the steps, and beside them what watches the limit and what exports how far the run has come.
    fn restore(&mut self, from: u32, cancel: &Cancel, limit: &Limit) -> Result<End, CutoverError> {
        let done = Cancel::new().map_err(|error| CutoverError::of(&error))?;
        let (begun, begins) = mpsc::sync_channel(1);
        let (record, dry) = (self.record, self.settings.dry_run);
        let asked = self.settings.cancel.clone();
        let sink = record.sink();
        let mut exports = std::mem::take(&mut self.exports);
        let (end, exports) = std::thread::scope(|scope| {
            scope.spawn(|| limit.guard(&done, &asked, &*sink, &record.run));
            let publishing = scope.spawn(move || {
                publish(&mut exports, &begins, record, dry);
                exports
            });
            let tell = || {
                // Only the first is waited for; that there are more, nobody needs to hear.
                begun.try_send(()).ok();
            };
            let end = self.steps(Sequence::Rollback, from, cancel, Some(limit), &tell);
            drop(begun);
            done.cancel("the rollback has ended");
            (end, publishing.join())
        });
        self.exports = exports.unwrap_or_else(|_| Exports::of(&self.settings.prepared.plan));
        Ok(end)
    }

    /// Measures readiness on what was restored. Gives why it stands against the way back, where it does.
    fn restored_readiness(&mut self, restored: bool, cancel: &Cancel) -> Result<(), String> {
        let stage = Stage::RollbackReadiness;
        if !restored {
            self.skip(stage, "the rollback failed: nothing is restored that could be ready");
            return Ok(());
        }
        let (red, finished) = self.gates(stage, cancel);
        if let Some(finished) = finished {
            self.export_readiness(&finished);
        }
        red.map_or(Ok(()), |why| Err(format!("what was restored is not ready: {why}")))
    }

    /// Copies the readiness of what was restored beside the rollback's file, where the run gave one.
    fn export_readiness(&self, finished: &Finished) {
        let Some(document) = finished.documents.iter().find(|document| document.name == READINESS) else {
            return;
        };
        let to = precondition::rollback_readiness(&self.settings.prepared.plan);
        if let Err(error) = evidence::export(&finished.folder, &document.name, &to) {
            self.record.event(Event::Warning { text: error.to_string() });
        }
    }
}

/// The file of a run that measures readiness.
const READINESS: &str = "ctp_readiness.json";

/// Exports how far the run has come, when the first command has begun: nothing may hold that up.
fn publish(exports: &mut Exports, begins: &mpsc::Receiver<()>, record: &Record, dry: bool) {
    if dry || begins.recv().is_err() {
        return;
    }
    // Ends early where the sequence does: the files are written at the run's end then.
    match begins.recv_timeout(HEADSTART) {
        Err(mpsc::RecvTimeoutError::Disconnected) => {}
        _ => {
            if let Err(text) = exports.publish(record) {
                record.sink().event(Event::Warning { text });
            }
        }
    }
}
