//! A run's folder as one thing that can be handed on: what files it has and what they hold. It knows nothing of what
//! the files say, nor of how a run is made.

mod describe;
mod digest;
mod manifest;
mod role;
mod seal;
#[cfg(test)]
mod tests;
mod walk;

pub use describe::describe;
pub use digest::{digest_file, digest_files, is_plain, open_file};
pub use manifest::{
    Binding, BundledJournal, File, MANIFEST_FILE, Manifest, PROJECTION, Role, SIGNATURES, Tool, UNLISTED,
    VERSION,
};
pub use role::{in_run, role_and_type};
pub use seal::{SealError, files, seal, write_manifest};
pub use walk::{Found, Kind, MOST_FILES, MOST_FOLDERS, WalkError, is_unlisted, walk};
