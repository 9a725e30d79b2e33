//! `wardline report`: the aggregate for the regulator, read from the counts on disk, whether the program runs or not.

use clap::ValueEnum;

use super::{Failure, output};
use crate::clock;
use crate::config::Config;
use crate::report::{self, parse_span};
use crate::store::{Reader, StoreError};

/// What is reported, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// From the start of this day or hour, like 2026-01-31 or 2026-01-31T14 (UTC); without it from the first hour that was counted.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Up to, and without, the start of this day or hour (UTC); without it up to now.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    Text,
    /// A table for spreadsheets.
    Csv,
    /// One document for programs.
    Json,
}

pub(super) fn run(config: &Config, args: &Args, style: output::Style) -> Result<(), Failure> {
    let span = parse_span(args.from.as_deref(), args.to.as_deref()).map_err(|error| Failure::Usage(error.to_string()))?;
    let failed = |error: StoreError| Failure::Failed(error.to_string());
    let record = Reader::open(&config.state).and_then(|reader| reader.read(span, clock::wall_s())).map_err(failed)?;
    let format = match (args.format, style) {
        (Format::Json, _) | (Format::Text, output::Style::Json) => report::Format::Json,
        (Format::Text, output::Style::Text) => report::Format::Text,
        (Format::Csv, _) => report::Format::Csv,
    };
    output::print(&report::render(&record, format))
}
