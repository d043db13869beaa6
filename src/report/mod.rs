//! Pure renderings of what evidence says, for people. It reads no file and knows nothing of how a run is made.

mod annotations;
mod checklist;
mod findings;
mod github;
mod html;
pub mod judged;
mod layout;
mod markdown;
mod page;
mod plan_table;
pub mod status;
mod summary;
mod switch;
pub mod verification;
mod watch;

pub use checklist::{Checklist, checklist};
pub use github::{SUMMARY, annotations, step_summary, told, within};
pub use html::html;
pub use markdown::markdown;
pub use plan_table::plan_table;
pub use summary::summary;
pub use watch::watch;
