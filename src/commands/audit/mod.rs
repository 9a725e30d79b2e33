//! `wardline audit …`: the signed log of counts and events, for those who publish it and those who
//! check it.

mod findings;

mod cosign;
mod export;
mod keys;
mod open;
mod prove;
mod replace_key;
mod verified;
mod verify;
mod witness;

use std::path::Path;

use clap::Subcommand;

use super::failure::{CommandFailure, load};
use super::output;

/// What to do with an audit log.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Print the public key of this resolver's log, for those who check it.
    Key,
    /// Write the log as static files: all of it for the regulator, or with --public what everybody
    /// may see; an earlier export in the folder is brought up to date.
    Export(export::ExportArgs),
    /// Write single leaves, each with the proof that it is in the log (C2SP tlog-proof), for those
    /// who may see no others.
    Prove(prove::ProveArgs),
    /// Check such a leaf, and show it.
    Proven(prove::ProvenArgs),
    /// Prepare another key for this resolver's log, which the next start takes: the old key, or the
    /// recovery key, signs that it follows.
    ReplaceKey(replace_key::ReplaceArgs),
    /// Check exported logs: signatures, that nothing was changed or left out, that all adds up.
    /// Ends with 0 if all is in order, 1 if not, 2 if it cannot be judged.
    Verify(verify::Args),
    /// Vouch for an exported log with a signature of one's own, if it continues what was seen of it
    /// before.
    Cosign(cosign::Args),
    /// Witness logs that grow: what a regulator or another provider runs.
    #[command(subcommand)]
    Witness(witness::WitnessCommand),
    /// Write how often each entry of a list blocked in each hour, encrypted to its curator; for
    /// lists with `entry_counts`.
    Open(open::OpenArgs),
    /// Read such a file: check the counts against an exported log and print their sums. Ends with 0
    /// if all is in order, 1 if not.
    Opened(open::OpenedArgs),
}

pub(super) fn run(
    config: Option<&Path>,
    command: &Audit,
    style: output::Style,
) -> Result<(), CommandFailure> {
    match command {
        Audit::Key => export::print_key(&load(config)?),
        Audit::Export(args) => export::run(&load(config)?, args, style),
        Audit::Prove(args) => prove::prove(&load(config)?, args),
        Audit::Proven(args) => prove::proven(args, style),
        Audit::ReplaceKey(args) => replace_key::run(&load(config)?, args, style),
        Audit::Verify(args) => verify::run(args, style),
        Audit::Cosign(args) => cosign::run(args, style),
        Audit::Witness(witness::WitnessCommand::Serve(args)) => witness::serve(args, style),
        Audit::Open(args) => open::open(&load(config)?, args),
        Audit::Opened(args) => open::show(args, style),
    }
}
