//! The command line: one file a subcommand; each reads its configuration, does one thing, and ends
//! in an exit code.

mod ask;
mod audit;
mod budget;
mod check;
mod completions;
mod engine;
mod history;
mod key;
mod list;
mod log;
mod output;
mod report;
mod serve;
mod status;
mod transfers;
mod why;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Problem};
use crate::process;

/// An access-blocking DNS resolver for internet providers.
#[derive(Debug, Parser)]
#[command(name = "wardline", version, arg_required_else_help = true)]
struct Cli {
    /// The configuration; without it the built-in one: 127.0.0.1:5300, an example list, loopback
    /// clients only.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// The control socket of the running program; without it the configuration's.
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer questions until told to stop (SIGTERM, SIGINT); SIGHUP reads the lists again.
    Serve,
    /// Check the configuration and all lists without starting; tells every mistake with its file
    /// and line.
    Check,
    /// Show how the running program stands: lists, questions, cache, upstream resolvers.
    Status,
    /// Have the running program read its lists again.
    Reload {
        /// Only the list with this id.
        list: Option<String>,
        /// Let this finding of the guard pass, for what it holds back of the list now; once for
        /// each finding.
        #[arg(
            long = "override",
            value_name = "CODE",
            value_delimiter = ',',
            requires = "reason"
        )]
        codes: Vec<String>,
        /// Why it is let pass; written into the journal.
        #[arg(long, value_name = "TEXT", requires = "codes")]
        reason: Option<String>,
    },
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

/// A command that did not do what it was asked; the message goes to standard error.
#[derive(Debug)]
enum Failure {
    /// It was tried and failed: exit code 1.
    Failed(String),
    /// The arguments or the configuration are wrong: exit code 2.
    Usage(String),
    /// The program that should be asked is not running: exit code 3.
    NotRunning(String),
}

/// Run the command that the arguments name, and turn its end into an exit code: 0 done, 1 failed, 2
/// wrong usage or configuration, 3 not running.
pub fn run() -> ExitCode {
    // Where the system refuses, the service's own limit stands.
    let _ = process::forbid_core_dumps();
    let (code, message) = match dispatch(&Cli::parse()) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Failed(message)) => (1, message),
        Err(Failure::Usage(message)) => (2, message),
        Err(Failure::NotRunning(message)) => (3, message),
    };
    output::complain(&message);
    ExitCode::from(code)
}

fn dispatch(cli: &Cli) -> Result<(), Failure> {
    let asking = || {
        ask::Asking::new(
            cli.config.as_deref(),
            cli.socket.as_deref(),
            output::Style::of(cli.json),
        )
    };
    let config = cli.config.as_deref();
    match &cli.command {
        Command::Serve => serve::run(&load(config)?),
        Command::Check => check::run(config, output::Style::of(cli.json)),
        Command::Status => status::run(&asking()?),
        Command::Reload {
            list,
            codes,
            reason,
        } => ask::reload(&asking()?, list.clone(), codes, reason.as_deref()),
        Command::Lists => history::lists(&asking()?),
        Command::History { list } => history::history(&asking()?, &load(config)?, list),
        Command::Rollback {
            list,
            generation,
            reason,
        } => history::rollback(&asking()?, list, *generation, reason),
        Command::Remove { file } => history::remove(&asking()?, file),
        Command::Receipts { list } => history::receipts(&asking()?, list.clone()),
        Command::Why { name } => why::run(&asking()?, name),
        Command::Flush { name, below } => ask::flush(&asking()?, name.clone(), *below),
        Command::Key(keys) => key::run(keys, output::Style::of(cli.json)),
        Command::List(lists) => list::run(lists, output::Style::of(cli.json)),
        Command::Report(args) => report::run(config, args, output::Style::of(cli.json)),
        Command::Audit(command) => audit::run(config, command, output::Style::of(cli.json)),
        Command::Completions { shell } => completions::print(*shell),
        Command::Man { folder } => completions::write_man(folder.as_deref()),
    }
}

/// The configuration, or all that is wrong with it.
fn load(path: Option<&Path>) -> Result<Config, Failure> {
    Config::load(path).map_err(|problems| Failure::Usage(lines(&problems)))
}

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
