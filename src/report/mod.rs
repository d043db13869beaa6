//! Pure renderings of what evidence says, for people. It reads no file and knows nothing of how a run is made.

mod layout;
mod plan_table;
pub mod status;
mod summary;
pub mod verification;
mod watch;

pub use plan_table::plan_table;
pub use summary::summary;
pub use watch::watch;
