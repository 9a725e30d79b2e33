//! `wardline completions SHELL` and `wardline man [FOLDER]`: made from the command line's own
//! description.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::cli::Cli;
use super::failure::CommandFailure;
use super::output;

/// Print the script that completes our arguments in one shell.
pub(super) fn print(shell: Shell) -> Result<(), CommandFailure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "wardline", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

/// Write a manual page for each command into a folder, or print the main one.
pub(super) fn write_man(folder: Option<&Path>) -> Result<(), CommandFailure> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        Man::new(Cli::command())
            .render(&mut page)
            .map_err(|error| CommandFailure::Failed(format!("the manual page: {error}")))?;
        return output::print(&String::from_utf8_lossy(&page));
    };
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| {
        CommandFailure::Failed(format!(
            "{}: cannot be written ({error}): name another folder",
            folder.display()
        ))
    })
}
