//! Pure renderings of what evidence says, for people. It reads no file and knows nothing of how a run is made.

mod checklist;
mod findings;
pub mod judged;
mod layout;
mod plan_table;
pub mod status;
mod summary;
mod switch;
pub mod verification;
mod watch;

pub use checklist::{Checklist, checklist};
pub use plan_table::plan_table;
pub use summary::summary;
pub use watch::watch;
