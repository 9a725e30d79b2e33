//! The program: runs one command and ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    wardline::commands::run()
}
