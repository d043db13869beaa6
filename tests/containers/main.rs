//! Rehearsals on containers, driven through the real binary against the Docker of this machine: the same verdicts as on
//! local processes, the whole cutover and its faults, and nothing left whatever happens to whom.
//!
//! Needs a Docker that answers and the images that `ci/images/build` makes, or others in CUTPROOF_IMAGE_NAME. Without
//! them these tests fail; they are not run by a plain `cargo test`.

#[path = "../common/mod.rs"]
mod common;

mod broken;
mod engines;
mod fallback;
mod inside;
mod killed;
mod proxy;
mod support;
mod whole;
