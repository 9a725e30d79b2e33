//! The program: reads its arguments, runs one command, ends with its exit code.

use std::process::ExitCode;

use clap::Parser;
use wardline::commands::{Cli, run};

fn main() -> ExitCode {
    run(&Cli::parse())
}
