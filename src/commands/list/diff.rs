//! `wardline list diff OLD NEW`: how two lists differ, by counts and entry numbers; by name where
//! that is asked for.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::output::{Style, print, print_json};
use super::desk::{Issue, count_entries, read_entries};
use crate::list::diff::Diff;
use crate::list::records::EntryRecord;

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// A list's folder (its last issue), a manifest, or a file of entries.
    old: PathBuf,
    /// A list's folder (its entries at work), a manifest, or a file of entries.
    new: PathBuf,
    /// Show the names too.
    #[arg(long)]
    names: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct PrintedDiff {
    added: Vec<DiffEntry>,
    removed: Vec<DiffEntry>,
    changed: Vec<DiffEntry>,
    unchanged: usize,
}

#[derive(Serialize)]
struct DiffEntry {
    number: Option<u32>,
    name: Option<String>,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let (old, new) = (
        read(&args.old, "issued.txt")?,
        read(&args.new, "entries.txt")?,
    );
    let diff = Diff::between(&old, &new);
    match style {
        Style::Text => print(&describe(&diff, args.names)),
        Style::Json => {
            let entry = |record: &EntryRecord| DiffEntry {
                number: record.number,
                name: args.names.then(|| show(record)),
            };
            print_json(&PrintedDiff {
                added: diff.added.iter().map(|record| entry(record)).collect(),
                removed: diff.removed.iter().map(|record| entry(record)).collect(),
                changed: diff
                    .changed
                    .iter()
                    .map(|(_, record)| entry(record))
                    .collect(),
                unchanged: diff.unchanged,
            })
        }
    }
}

fn read(place: &Path, file: &str) -> Result<Vec<EntryRecord>, CommandFailure> {
    let place = if place.is_dir() {
        place.join(file)
    } else if place
        .extension()
        .is_some_and(|extension| extension == "manifest")
    {
        place.with_file_name(Issue::read(place)?.manifest.entries_file())
    } else {
        place.to_path_buf()
    };
    let (entries, parsed) = read_entries(&place)?;
    match parsed.rejects_shown.first() {
        Some(reject) => Err(CommandFailure::Failed(format!(
            "{}:{}: {}",
            place.display(),
            reject.line,
            reject.reason
        ))),
        None => Ok(entries.into_iter().map(|(_, record)| record).collect()),
    }
}

/// `+` added, `-` removed, `~` with other details.
fn describe(diff: &Diff<'_>, with_names: bool) -> String {
    let line = |mark: char, record: &EntryRecord| {
        let name = if with_names {
            format!(" {}", show(record))
        } else {
            String::new()
        };
        format!("{mark} {}{name}\n", record.label())
    };
    let mut text: String = diff
        .removed
        .iter()
        .map(|record| line('-', record))
        .collect();
    text.extend(diff.added.iter().map(|record| line('+', record)));
    text.extend(diff.changed.iter().map(|(_, record)| line('~', record)));
    let [added, removed, changed] = [diff.added.len(), diff.removed.len(), diff.changed.len()];
    text + &format!(
        "{added} added, {removed} removed, {changed} changed, {} unchanged\n",
        count_entries(diff.unchanged)
    )
}

fn show(record: &EntryRecord) -> String {
    format!("{}{}", record.scope.mark(), record.name)
}
