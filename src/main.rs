//! The binary: hands the command line to `cli`, whose result is the exit code.

fn main() -> std::process::ExitCode {
    siem_relay::cli::main()
}
