//! Files of settings: a spanned TOML table and its declared fields → checked values, each fault with its line, column
//! and the nearest right name, all faults of a file at once. What the tables are called and mean is known elsewhere.

pub(crate) mod decode;
#[cfg(test)]
pub(crate) mod docs;
pub(crate) mod fault;
pub(crate) mod names;
pub(crate) mod source;
pub(crate) mod tables;
pub(crate) mod text;

pub use fault::{Fault, Faults};
pub use source::{COMMAND_LINE, Excerpt};
