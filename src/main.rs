//! The `cutproof` binary: hands its arguments to the library and turns the result into an exit code.

fn main() -> std::process::ExitCode {
    cutproof::cli::main()
}
