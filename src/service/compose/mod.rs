//! Services that run in a compose project: where each is published, what is wrong with one that is not to be had, and
//! how the project is brought up. Compose is asked by its command line, always with a deadline; what is started by it
//! stays compose's own, and nothing of it is ended here.
//!
//! It must not know of gates or profiles, and takes no user and no password from what compose says: whoever asks for a
//! service says as whom to log in.

mod environment;
mod place;
mod project;
mod ps;

pub use environment::{Composed, UP, Wait, Wanted};
pub use project::{ComposeError, Project, Said};
