#![no_main]

#[path = "../subjects.rs"]
#[allow(dead_code)] // Each target needs one of them.
mod subjects;

libfuzzer_sys::fuzz_target!(|data: &[u8]| subjects::manifest(data));
