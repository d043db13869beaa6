//! Why a service can't be used, and whether asking again may help.

use crate::probe::ProbeError;

/// A service that did not let us in, or did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// Why.
    pub error: ProbeError,
    /// Whether waiting may help: nothing listens yet, or the server is starting. A password that is wrong stays
    /// wrong, and trying it again may lock the account.
    pub passes: bool,
}

impl Refused {
    /// For good: asking again changes nothing.
    pub fn for_good(error: ProbeError) -> Refused {
        Refused { error, passes: false }
    }
}

impl From<ProbeError> for Refused {
    fn from(error: ProbeError) -> Refused {
        Refused { error, passes: true }
    }
}

impl From<Refused> for ProbeError {
    fn from(refused: Refused) -> ProbeError {
        refused.error
    }
}
