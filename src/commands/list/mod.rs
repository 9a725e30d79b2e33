//! `wardline list …`: the curator's desk, from a name to the proof that every resolver applies it.
//! One file a subcommand.

mod add;
pub(super) mod desk;
mod diff;
mod encrypt;
mod export;
mod import;
mod lint;
mod new;
mod push;
mod removals;
mod remove;
mod sign;
mod verify;

use clap::Subcommand;

use super::failure::CommandFailure;
use super::output::Style;

#[derive(Debug, Subcommand)]
pub(super) enum Lists {
    /// Start a list: a folder with its settings and no entry.
    New(Box<new::Args>),
    /// Add entries to a list.
    Add(add::Args),
    /// Remove entries from a list; with --now also make a signed removal that resolvers apply at
    /// once.
    Remove(remove::Args),
    /// Look for what is due, double, covered, expired, easily mistaken or too wide.
    Lint(lint::Args),
    /// Compare two lists: counts and entry numbers, names only with --names.
    Diff(diff::Args),
    /// Issue the list under a new serial, or add a signature to an issue that wants more.
    Sign(sign::Args),
    /// Check the signatures, the dates and the entries of an issue.
    Verify(verify::Args),
    /// Add the entries of a file in another format.
    Import(import::Args),
    /// Print the entries in another format.
    Export(export::Args),
    /// Encrypt a secret list's issue to the age keys of its resolvers.
    Encrypt(encrypt::Args),
    /// Send an issue to resolvers and wait for their receipts; succeeds when all apply it.
    Push(push::Args),
}

pub(super) fn run(lists: &Lists, style: Style) -> Result<(), CommandFailure> {
    match lists {
        Lists::New(args) => new::run(args, style),
        Lists::Add(args) => add::run(args, style),
        Lists::Remove(args) => remove::run(args, style),
        Lists::Lint(args) => lint::run(args, style),
        Lists::Diff(args) => diff::run(args, style),
        Lists::Sign(args) => sign::run(args, style),
        Lists::Verify(args) => verify::run(args, style),
        Lists::Import(args) => import::run(args, style),
        Lists::Export(args) => export::run(args),
        Lists::Encrypt(args) => encrypt::run(args, style),
        Lists::Push(args) => push::run(args, style),
    }
}
