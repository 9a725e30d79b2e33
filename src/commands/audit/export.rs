//! `wardline audit export` and `wardline audit key`: from the state folder to files that anybody
//! can check.

use std::path::PathBuf;

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::output::{self, Style, leaves};
use super::super::published::publish_states;
use crate::audit::{ExportPart, LogExporter};
use crate::clock::wall_s;
use crate::config::Config;
use crate::record::Leaf;
use crate::report::{self, Months, Period, ReportFormat};
use crate::seal::VerifyKey;
use crate::store::{Cosignatures, LogReader};

/// What was written.
#[derive(Serialize)]
struct Exported<'a> {
    origin: &'a str,
    size: u64,
    checkpoints: usize,
    key: &'a str,
}

/// Why it was not; the commands' own failure, so that one reading of the log can end for either
/// reason.
struct ExportEnded(String);

impl<E: std::error::Error> From<E> for ExportEnded {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

pub(super) fn print_key(config: &Config) -> Result<(), CommandFailure> {
    let key = || {
        Ok::<_, ExportEnded>(
            LogReader::open(&config.state)?
                .author()?
                .unwrap_or_default(),
        )
    };
    output::print(&format!(
        "{}\n",
        key().map_err(|ExportEnded(message)| CommandFailure::Failed(message))?
    ))
}

/// What is written, and where.
#[derive(Debug, clap::Args)]
pub(in super::super) struct ExportArgs {
    /// The folder.
    folder: PathBuf,
    /// A log that ended here: it was closed for another key or another form, or the state folder
    /// was found restored, copied or emptied.
    #[arg(long, value_name = "ORIGIN")]
    ended: Option<String>,
    /// Only what everybody may see: checkpoints, the hashes of the entries, and the published
    /// report.
    #[arg(long)]
    public: bool,
}

pub(super) fn run(config: &Config, args: &ExportArgs, style: Style) -> Result<(), CommandFailure> {
    let reader = LogReader::open_named(&config.state, args.ended.as_deref());
    let reader = reader.map_err(|error| CommandFailure::Failed(error.to_string()))?;
    export(config, &reader, args, style)
        .map_err(|ExportEnded(message)| CommandFailure::Failed(message))?
}

/// Everybody may see hashes only of what cannot be guessed.
fn check_salts(reader: &LogReader, origin: &str) -> Result<(), ExportEnded> {
    let first = reader.leaf(0)?;
    let first = first.as_deref().map(Leaf::parse);
    if first.is_none_or(|leaf| leaf.is_ok_and(|leaf| leaf.is_salted())) {
        return Ok(());
    }
    Err(ExportEnded(format!(
        "the log {origin} is of the older form, in which small counts can be guessed from hashes: \
         it cannot be public. The next start of this wardline closes it, and the log that goes on \
         can be"
    )))
}

/// The published report beside the public part, where a month is over.
fn write_reports(config: &Config, writer: &LogExporter) -> Result<(), ExportEnded> {
    let folder = std::slice::from_ref(&config.state);
    let published = publish_states(folder, Months::default(), Period::Month, wall_s())?;
    for (name, format) in [
        ("report.json", ReportFormat::Json),
        ("report.html", ReportFormat::Html),
    ] {
        writer.report(name, &report::render(&published, format))?;
    }
    Ok(())
}

fn export(
    config: &Config,
    reader: &LogReader,
    args: &ExportArgs,
    style: Style,
) -> Result<Result<(), CommandFailure>, ExportEnded> {
    let key = reader.author()?.unwrap_or_default();
    let origin = VerifyKey::parse(&key)?.name().to_owned();
    let checkpoints = reader.checkpoints()?;
    let size = checkpoints.last().map_or(0, |last| last.size);
    let part = if args.public {
        check_salts(reader, &origin)?;
        ExportPart::Public
    } else {
        ExportPart::Whole
    };
    let mut writer = LogExporter::create(&args.folder, &origin, part)?;
    reader.leaves::<ExportEnded>(size, |leaf| Ok(writer.leaf(leaf)?))?;
    let cosignatures = Cosignatures::read(&config.state)?;
    let lines = cosignatures.map(|kept| kept.of_log(&origin)).transpose()?;
    let lines = lines.unwrap_or_default();
    let notes: Vec<_> = checkpoints
        .into_iter()
        .map(|signed| {
            // The author's signature stays the first.
            let lines = lines.get(&signed.size).into_iter().flatten();
            let lines = lines.flat_map(|line| [line.as_str(), "\n"]);
            (signed.at, signed.note + &lines.collect::<String>())
        })
        .collect();
    writer.key_notes(&reader.key_notes()?)?;
    if args.public && args.ended.is_none() {
        write_reports(config, &writer)?;
    }
    writer.finish(&key, &notes)?;
    Ok(match style {
        Style::Json => output::print_json(&Exported {
            origin: &origin,
            size,
            checkpoints: notes.len(),
            key: &key,
        }),
        Style::Text => output::print(&format!(
            "{origin}: {} in {}\nkey: {key}\n",
            leaves(size),
            args.folder.display()
        )),
    })
}
