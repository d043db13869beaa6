//! Until when a judgement holds.

use crate::model::Stamp;
use std::time::Duration;

/// What ends it, and when.
#[derive(Debug, Default)]
pub(super) struct Until(Option<(Stamp, String)>);

impl Until {
    /// It ends then, if not before.
    pub fn ends(&mut self, at: Stamp, what: impl FnOnce() -> String) {
        if self.0.as_ref().is_none_or(|(earliest, _)| at < *earliest) {
            self.0 = Some((at, what()));
        }
    }

    /// It ends when what was measured then is so old.
    pub fn ages(&mut self, measured: Stamp, max_age: Duration, what: impl FnOnce() -> String) {
        self.ends(measured.plus(max_age), what);
    }

    /// What comes first.
    pub fn earliest(self) -> Option<(Stamp, String)> {
        self.0
    }
}
