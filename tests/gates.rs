//! The gates of the single host as test cases: `cargo test --test gates`.

fn main() -> std::process::ExitCode {
    cutproof::harness::main("gates/single-host.toml")
}
