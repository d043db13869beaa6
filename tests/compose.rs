//! Compose projects. What compose says and how it fails, by a stand-in for docker; and, where `-- --ignored` asks for
//! it, the runbook's stack for real: Docker, its compose plugin (`ci/tools/compose`) and the local images
//! (`ci/images/build`) must be there then.

mod common;
#[path = "compose/project.rs"]
mod project;
#[path = "compose/real.rs"]
mod real;
#[path = "compose/stand_in.rs"]
mod stand_in;
