//! `wardline report`: the aggregate for the regulator, read from the counts on disk, whether the program runs or not.

use clap::ValueEnum;
use jiff::civil::Date;

use super::Failure;
use crate::clock::UnixSeconds;
use crate::config::Config;

/// What is reported, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The first day, like 2026-01-31 (UTC); without it the first that was counted.
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// The last day, itself included (UTC); without it today.
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A table for people.
    Text,
    /// A table for spreadsheets.
    Csv,
    /// One line for programs.
    Json,
}

pub(super) fn run(config: &Config, args: &Args) -> Result<(), Failure> {
    let from = args.from.map(start_of).transpose()?;
    let before = args.to.map(|day| day.tomorrow().map_err(|_| too_far(day)).and_then(start_of)).transpose()?;
    if let (Some(from), Some(before)) = (from, before)
        && from >= before
    {
        return Err(Failure::Usage("--from lies behind --to: exchange them".to_owned()));
    }
    print_report(config, from, before, args.format)
}

/// Issue 2, at the merge: open the store in `config.state` for reading, render the hours from `from` to before `before`, print.
fn print_report(config: &Config, _from: Option<UnixSeconds>, _before: Option<UnixSeconds>, _format: Format) -> Result<(), Failure> {
    Err(Failure::Failed(format!("{}: there are no counts yet", config.state.display())))
}

/// A day's first second.
fn start_of(day: Date) -> Result<UnixSeconds, Failure> {
    let start = day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| too_far(day))?;
    Ok(start.timestamp().as_second())
}

fn too_far(day: Date) -> Failure {
    Failure::Usage(format!("{day}: too far from today: name a day of this century"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_start_at_midnight_utc() {
        assert_eq!(start_of("1970-01-02".parse().unwrap()).unwrap(), 86_400);
    }
}
