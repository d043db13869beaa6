//! A run's folder as one thing that can be handed on: what files it has and what they hold. It knows nothing of what
//! the files say, nor of how a run is made.

mod manifest;

pub use manifest::{
    Binding, BundledJournal, File, MANIFEST_FILE, Manifest, Role, SIGNATURES, Tool, UNLISTED, VERSION,
};
