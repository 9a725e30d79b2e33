//! The `wardline` program: it parses the arguments, runs the command and turns an error into an exit code.

fn main() {}
