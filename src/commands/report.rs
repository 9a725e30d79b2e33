//! `wardline report`: the figures for the public, or the exact ones for the operator, read from
//! disk whether the program runs or not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::failure::{CommandFailure, failed, load};
use super::output;
use super::published::publish_states;
use crate::clock;
use crate::config::Config;
use crate::report::{self, Complaints, parse_months, parse_span};
use crate::store::Reader;

/// Two hundred years of complaints are shorter.
const COMPLAINTS_OCTETS_MAX: u64 = 1 << 20;

/// What is reported, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// State folders of all the provider's resolvers, whose figures are added up; without one, the
    /// configuration's.
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// From this month on, like 2026-01 (with --exact a day or an hour, like 2026-01-31T14; UTC);
    /// without it from the first on record.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Up to, and without, this month (with --exact this day or hour); without it up to the last
    /// one on record.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// How finely.
    #[arg(long, value_enum, default_value_t = By::Month, conflicts_with = "exact")]
    by: By,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = ReportFormatWord::Text)]
    format: ReportFormatWord,
    /// A file with the complaints and appeals that the operator received, month by month
    /// (docs/report.md), which the report then shows.
    #[arg(long, value_name = "FILE", conflicts_with = "exact")]
    complaints: Option<PathBuf>,
    /// Every figure of every hour, for the operator's own eyes: not for publication.
    #[arg(long)]
    exact: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// A figure a day, and the month's.
    Day,
    /// A figure a month.
    Month,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormatWord {
    /// Tables for people.
    Text,
    /// A table for spreadsheets.
    Csv,
    /// One document for programs.
    Json,
    /// A page for browsers and paper.
    Html,
}

pub(super) fn run(
    config: Option<&Path>,
    args: &Args,
    style: output::Style,
) -> Result<(), CommandFailure> {
    // With folders alone there may be no configuration on this machine, and none is needed.
    let config = match (config, args.folders.as_slice()) {
        (None, [_, ..]) => None,
        _ => Some(load(config)?),
    };
    let folders = match (&config, args.folders.as_slice()) {
        (Some(config), []) => vec![config.state.clone()],
        (_, folders) => folders.to_vec(),
    };
    let format = match (args.format, style) {
        (ReportFormatWord::Json, _) | (ReportFormatWord::Text, output::Style::Json) => {
            report::ReportFormat::Json
        }
        (ReportFormatWord::Text, output::Style::Text) => report::ReportFormat::Text,
        (ReportFormatWord::Csv, _) => report::ReportFormat::Csv,
        (ReportFormatWord::Html, _) => report::ReportFormat::Html,
    };
    if args.exact {
        print_exact(&folders, args, format)
    } else {
        let deadlines = config.as_ref().map(deadlines).unwrap_or_default();
        print_published(&folders, args, format, &deadlines)
    }
}

/// The deadlines that the configuration names, in seconds by the list's id.
fn deadlines(config: &Config) -> BTreeMap<String, u64> {
    let lists = config.lists().iter();
    let deadlines = lists.filter_map(|(_, list)| {
        let within = list.apply_within?;
        Some((list.id.clone(), within.as_secs()))
    });
    deadlines.collect()
}

/// The operator's account of complaints, where one is named.
fn read_complaints(file: Option<&Path>) -> Result<Option<Complaints>, CommandFailure> {
    let Some(file) = file else { return Ok(None) };
    let place = file.display();
    let refuse = |reason: String| CommandFailure::Usage(format!("{place}: {reason}"));
    let unreadable = |error: std::io::Error| {
        refuse(format!(
            "cannot be read ({error}): name a file of complaints with --complaints"
        ))
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > COMPLAINTS_OCTETS_MAX {
        return Err(refuse(
            "is no file of complaints, or longer than 1 MiB".to_owned(),
        ));
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let complaints = Complaints::parse(&text)
        .map_err(|fault| CommandFailure::Usage(format!("{place}:{fault}")))?;
    Ok(Some(complaints))
}

fn print_exact(
    folders: &[PathBuf],
    args: &Args,
    format: report::ReportFormat,
) -> Result<(), CommandFailure> {
    let [folder] = folders else {
        return Err(CommandFailure::Usage(
            "--exact shows the hours of one resolver: give one state folder".into(),
        ));
    };
    if format == report::ReportFormat::Html {
        return Err(CommandFailure::Usage(
            "--exact is not for publication and has no html: take text, csv or json".into(),
        ));
    }
    let span = parse_span(args.from.as_deref(), args.to.as_deref())
        .map_err(|error| CommandFailure::Usage(error.to_string()))?;
    let record = Reader::open(folder)
        .and_then(|reader| reader.read(span, clock::wall_s()))
        .map_err(failed)?;
    output::print(&report::render_exact(&record, format).unwrap_or_default())
}

fn print_published(
    folders: &[PathBuf],
    args: &Args,
    format: report::ReportFormat,
    deadlines: &BTreeMap<String, u64>,
) -> Result<(), CommandFailure> {
    let complaints = read_complaints(args.complaints.as_deref())?;
    let months = parse_months(args.from.as_deref(), args.to.as_deref())
        .map_err(|error| CommandFailure::Usage(error.to_string()))?;
    let period = match args.by {
        By::Day => report::Period::Day,
        By::Month => report::Period::Month,
    };
    let published = publish_states(folders, months, period, clock::wall_s())
        .map_err(failed)?
        .with_deadlines(deadlines)
        .with_complaints(complaints);
    output::print(&report::render(&published, format))
}
