//! The arguments of the command line.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{audit, key, list, report, state};

/// An access-blocking DNS resolver for internet providers.
#[derive(Debug, Parser)]
#[command(name = "wardline", version, arg_required_else_help = true)]
pub(super) struct Cli {
    /// The configuration; without it the built-in one: 127.0.0.1:5300, an example list, loopback
    /// clients only.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// The control socket of the running program; without it the configuration's.
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Answer questions until told to stop (SIGTERM, SIGINT); SIGHUP reads the lists again.
    Serve,
    /// Check the configuration and all lists without starting; tells every mistake with its file
    /// and line.
    Check,
    /// Show how the running program stands: lists, questions, cache, upstream resolvers.
    Status(StatusArgs),
    /// Have the running program read its configuration and its lists again, and put both in force.
    Reload(ReloadArgs),
    /// Show how the lists stand: serial, entries, whether they are proven to be in force, when they
    /// run out.
    Lists,
    /// Show what happened to a list, and the generations one can go back to.
    History {
        /// The list's id.
        list: String,
    },
    /// Put an earlier generation of a list in force, until one with a higher serial is accepted.
    Rollback {
        /// The list's id.
        list: String,
        /// The generation's number; without it the one before the present.
        generation: Option<u64>,
        /// Why; written into the journal.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Have the running program take entries off a list at once.
    Remove {
        /// The signed removal.
        file: PathBuf,
    },
    /// Show the receipts that were signed for lists in force.
    Receipts {
        /// Only those of the list with this id.
        list: Option<String>,
    },
    /// Would a name be blocked, by which list and entry, and for whom?
    Why {
        /// The name.
        name: String,
    },
    /// Have the running program forget cached answers.
    Flush {
        /// Only this name's.
        name: Option<String>,
        /// And those of all names below it.
        #[arg(long, requires = "name")]
        below: bool,
    },
    /// Print what was blocked, by list and month or day, for publication.
    Report(report::Args),
    /// Make and show the keys that lists are signed with and encrypted to.
    #[command(subcommand)]
    Key(key::Keys),
    /// Make, check, sign and push lists: the curator's desk.
    #[command(subcommand)]
    List(list::Lists),
    /// Publish, check and cosign the signed log of counts and events.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Copy the state folder, restore a copy, or move it to another machine.
    #[command(subcommand)]
    State(state::StateCommand),
    /// Print a script that completes wardline's arguments in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages.
    Man {
        /// Into this folder; without it the main page goes to standard output.
        folder: Option<PathBuf>,
    },
}

/// How long is looked.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// Show it anew each second, with what happens in each, until Ctrl-C.
    #[arg(long)]
    pub(super) watch: bool,
    /// End after so many looks.
    #[arg(long, value_name = "N", requires = "watch")]
    pub(super) count: Option<NonZeroU64>,
}

/// What is read again.
#[derive(Debug, clap::Args)]
pub(super) struct ReloadArgs {
    /// Only the list with this id.
    pub(super) list: Option<String>,
    /// Only say what would be changed in the configuration.
    #[arg(long, conflicts_with_all = ["list", "codes"])]
    pub(super) dry_run: bool,
    /// Let this finding of the guard pass, for what it holds back of the list now; once for each
    /// finding.
    #[arg(
        long = "override",
        value_name = "CODE",
        value_delimiter = ',',
        requires = "reason"
    )]
    pub(super) codes: Vec<String>,
    /// Why it is let pass; written into the journal.
    #[arg(long, value_name = "TEXT", requires = "codes")]
    pub(super) reason: Option<String>,
}
