//! `wardline audit export` and `wardline audit key`: from the state folder to files that anybody
//! can check.

use std::path::Path;

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::output::{self, Style, count};
use crate::audit::LogExporter;
use crate::config::Config;
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

pub(super) fn run(
    config: &Config,
    folder: &Path,
    ended: Option<&str>,
    style: Style,
) -> Result<(), CommandFailure> {
    let reader = match ended {
        None => LogReader::open(&config.state),
        Some(origin) => LogReader::open_ended(&config.state, origin),
    };
    let reader = reader.map_err(|error| CommandFailure::Failed(error.to_string()))?;
    let cosignatures = Cosignatures::read(&config.state)
        .map_err(|error| CommandFailure::Failed(error.to_string()))?;
    export(&reader, cosignatures.as_ref(), folder, style)
        .map_err(|ExportEnded(message)| CommandFailure::Failed(message))?
}

fn export(
    reader: &LogReader,
    cosignatures: Option<&Cosignatures>,
    folder: &Path,
    style: Style,
) -> Result<Result<(), CommandFailure>, ExportEnded> {
    let key = reader.author()?.unwrap_or_default();
    let origin = VerifyKey::parse(&key)?.name().to_owned();
    let checkpoints = reader.checkpoints()?;
    let size = checkpoints.last().map_or(0, |last| last.size);
    let mut writer = LogExporter::create(folder, &origin)?;
    reader.leaves::<ExportEnded>(size, |leaf| Ok(writer.leaf(leaf)?))?;
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
            count(size, "leaf").replace("leafs", "leaves"),
            folder.display()
        )),
    })
}
