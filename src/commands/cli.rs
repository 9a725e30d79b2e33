//! The arguments of the command line.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{audit, key, list, report, state};
use crate::control::TemporaryChange;

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
    /// Say whether clients can be sent here: 0 for ready and degraded, 1 for leaving and down, 3
    /// where nothing runs.
    Healthcheck,
    /// Have the running program read its configuration and its lists again, and put both in force.
    Reload(ReloadArgs),
    /// Check no signatures at and below a name, until the next start; or check them again.
    NegativeAnchor {
        /// `add` or `remove`.
        turn: Turned,
        /// The name.
        name: String,
    },
    /// Answer a name here, until the next start; or leave it to others again.
    Local {
        /// `add` or `remove`.
        turn: Turned,
        /// The name.
        name: String,
        /// To add: its address.
        address: Option<std::net::IpAddr>,
    },
    /// Log more or less for a time.
    Log(LogArgs),
    /// Say that clients are to go elsewhere, before a stop; questions are answered all the same.
    Drain,
    /// Say that clients may come again.
    Resume,
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
    /// Resolve a name now, as a client would get it, and show every step of it.
    Lookup(LookupArgs),
    /// Show who serves a zone as far as is known, and how these servers stand.
    Servers {
        /// The zone's name.
        zone: String,
    },
    /// Show how the upstream resolvers stand.
    Upstreams,
    /// Show the trust anchors, and the names below which no signatures are checked.
    Anchors,
    /// Show how many questions are under way, and where they wait; not what they ask for.
    Questions,
    /// Have the running program forget cached answers.
    Flush(FlushArgs),
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

/// Which way a change goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Turned {
    Add,
    Remove,
}

/// `wardline log level LEVEL --for TIME`.
#[derive(Debug, clap::Args)]
pub(super) struct LogArgs {
    #[command(subcommand)]
    pub(super) what: LogCommand,
}

/// What is changed of the log.
#[derive(Debug, clap::Subcommand)]
pub(super) enum LogCommand {
    /// Set how much is logged.
    Level {
        /// `error`, `warn`, `info` or `debug`.
        level: String,
        /// For how long: `90s`, `10m`, `2h`; a day at the most.
        #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = seconds)]
        for_s: u64,
    },
}

impl LogCommand {
    pub(super) fn as_change(&self) -> TemporaryChange {
        let Self::Level { level, for_s } = self;
        TemporaryChange::Log {
            level: level.clone(),
            for_s: *for_s,
        }
    }
}

/// A time such as `90s`, `10m` or `2h`, in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let explain = || format!("{text:?} is no time: write it as 90s, 10m or 2h");
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(explain)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(explain()),
    };
    let number: u64 = number.parse().map_err(|_| explain())?;
    number.checked_mul(unit_s).ok_or_else(explain)
}

/// What is looked up, and for whom.
#[derive(Debug, clap::Args)]
pub(super) struct LookupArgs {
    /// The name.
    pub(super) name: String,
    /// The record type, as `AAAA` or `TYPE28`.
    #[arg(default_value = "A")]
    pub(super) rtype: String,
    /// As this client: by its group's lists. Without it, as a client in no group.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) client: Option<std::net::IpAddr>,
    /// Use nothing that was learnt before, and leave the cache as it is.
    #[arg(long)]
    pub(super) fresh: bool,
    /// Ask for signatures (DO).
    #[arg(long)]
    pub(super) dnssec: bool,
    /// Ask for the answer whatever validation finds (CD).
    #[arg(long)]
    pub(super) cd: bool,
}

/// Which answers are forgotten.
#[derive(Debug, clap::Args)]
pub(super) struct FlushArgs {
    /// Only this name's.
    pub(super) name: Option<String>,
    /// And those of all names below it.
    #[arg(long, requires = "name")]
    pub(super) below: bool,
    /// Only those that could not be validated.
    #[arg(long, group = "kind")]
    pub(super) bogus: bool,
    /// Only those that say that there is nothing.
    #[arg(long, group = "kind")]
    pub(super) negative: bool,
    /// Only those to questions for this type.
    #[arg(long = "type", value_name = "TYPE", group = "kind")]
    pub(super) of_type: Option<String>,
}
