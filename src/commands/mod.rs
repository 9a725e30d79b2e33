//! The command line: one file a subcommand; each reads its configuration, does one thing, and ends
//! in an exit code.

mod ask;
mod audit;
mod change;
mod check;
mod cli;
mod completions;
mod failure;
mod files;
mod healthcheck;
mod history;
mod key;
mod key_file;
mod list;
mod log;
mod lookup;
mod lookup_steps;
mod output;
mod published;
mod report;
mod serve;
mod standings;
mod state;
mod status;
mod watch;
mod why;

use std::num::NonZeroU64;
use std::process::ExitCode;

use clap::Parser as _;

use crate::control::TemporaryChange;
use crate::process;
use cli::{Cli, Command};
use failure::{CommandFailure, load};

/// Run the command that the arguments name, and turn its end into an exit code: 0 done, 1 failed, 2
/// wrong usage or configuration, 3 not running.
pub fn run() -> ExitCode {
    // Where the system refuses, the service's own limit stands.
    let _ = process::forbid_core_dumps();
    let Err(failure) = dispatch(&Cli::parse()) else {
        return ExitCode::SUCCESS;
    };
    output::complain(failure.message());
    ExitCode::from(match failure {
        CommandFailure::Failed(_) => 1,
        CommandFailure::Usage(_) => 2,
        CommandFailure::NotRunning(_) => 3,
    })
}

fn dispatch(cli: &Cli) -> Result<(), CommandFailure> {
    let asking = || {
        ask::Asking::new(
            cli.config.as_deref(),
            cli.socket.as_deref(),
            output::Style::of(cli.json),
        )
    };
    let config = cli.config.as_deref();
    match &cli.command {
        Command::Serve => serve::run(config),
        Command::Check => check::run(config, output::Style::of(cli.json)),
        Command::Status(args) if args.watch => {
            watch::run(asking()?, args.count.map(NonZeroU64::get))
        }
        Command::Status(_) => status::run(&asking()?),
        Command::Healthcheck => healthcheck::run(&asking()?),
        Command::Reload(wanted) => ask::reload(&asking()?, wanted),
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
        Command::Lookup(wanted) => lookup::run(&asking()?, wanted),
        Command::Servers { zone } => standings::servers(&asking()?, zone),
        Command::Upstreams => standings::upstreams(&asking()?),
        Command::Anchors => standings::anchors(&asking()?),
        Command::Questions => standings::questions(&asking()?),
        Command::Flush(wanted) => ask::flush(&asking()?, wanted),
        Command::NegativeAnchor { turn, name } => change::negative_anchor(&asking()?, *turn, name),
        Command::Local {
            turn,
            name,
            address,
        } => change::local(&asking()?, *turn, name, *address),
        Command::Log(wanted) => change::change(&asking()?, wanted.what.as_change()),
        Command::Drain => change::change(&asking()?, TemporaryChange::Drain),
        Command::Resume => change::change(&asking()?, TemporaryChange::Resume),
        Command::Key(keys) => key::run(keys, output::Style::of(cli.json)),
        Command::List(lists) => list::run(lists, output::Style::of(cli.json)),
        Command::Report(args) => report::run(config, args, output::Style::of(cli.json)),
        Command::Audit(command) => audit::run(config, command, output::Style::of(cli.json)),
        Command::State(command) => state::run(config, command, output::Style::of(cli.json)),
        Command::Completions { shell } => completions::print(*shell),
        Command::Man { folder } => completions::write_man(folder.as_deref()),
    }
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
