//! `wardline state …`: copies of the state folder, made, restored and taken along to another
//! machine.

mod backup;
mod move_away;
mod progress;
mod restore;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::failure::{CommandFailure, failed, load};
use super::output;
use crate::config::Config;

/// What to do with the state folder.
#[derive(Debug, Subcommand)]
pub(super) enum StateCommand {
    /// Copy the state folder as it is at one moment, whether the program runs or not.
    Backup {
        /// A new or empty folder, or a new file whose name ends in .tar.
        to: PathBuf,
        /// Leave out the private keys of the audit log and of the receipts: what is restored makes
        /// new ones.
        #[arg(long)]
        without_keys: bool,
    },
    /// Check a backup, or the archive of a move, and put it into the state folder; the program must
    /// not run.
    Restore {
        /// The folder or the file.
        from: PathBuf,
        /// Set aside what is in the state folder, within it.
        #[arg(long)]
        replace: bool,
    },
    /// End the audit log here and write the archive with which it goes on at another machine; the
    /// program must be stopped, and not be started here again.
    Move {
        /// A new or empty folder, or a new file whose name ends in .tar; with all private keys.
        to: PathBuf,
    },
}

pub(super) fn run(
    config: Option<&Path>,
    command: &StateCommand,
    style: output::Style,
) -> Result<(), CommandFailure> {
    match command {
        StateCommand::Backup { to, without_keys } => {
            backup::run(&with_state(load(config)?)?, to, *without_keys, style)
        }
        StateCommand::Restore { from, replace } => {
            restore::run(&load(config)?, from, *replace, style)
        }
        StateCommand::Move { to } => move_away::run(&with_state(load(config)?)?, to, style),
    }
}

/// The configuration, if there is the state folder that it names.
fn with_state(config: Config) -> Result<Config, CommandFailure> {
    if config.state.is_dir() {
        return Ok(config);
    }
    Err(failed(format!(
        "{}: no such state folder: no resolver has run with this configuration here; name the \
         one that the resolver runs with (--config FILE)",
        config.state.display()
    )))
}
