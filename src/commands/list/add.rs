//! `wardline list add DIR NAME…`: entries for the next issue, each with a random number.

use std::path::PathBuf;

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::output::{Style, print, print_json};
use super::desk::{Desk, count_entries, number_entries, today};
use crate::list::lint::TEST_CATEGORY;
use crate::list::parse::{read_category, read_day, read_name};
use crate::list::records::EntryRecord;

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// The list's folder.
    folder: PathBuf,
    /// A name, which covers everything below it; with `=` in front that name alone.
    #[arg(required = true)]
    names: Vec<String>,
    /// The day on which somebody last found the material there; without it today.
    #[arg(long, value_name = "DAY")]
    verified: Option<String>,
    /// The last day on which the name may be listed.
    #[arg(long, value_name = "DAY")]
    expires: Option<String>,
    /// A word for the kind of entry: small letters, digits and hyphens.
    #[arg(long, conflicts_with = "test")]
    category: Option<String>,
    /// It is the entry that harms nobody, which resolvers ask their own doors for.
    #[arg(long)]
    test: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Added {
    added: Vec<u32>,
    entries: usize,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let desk = Desk::open(&args.folder)?;
    let mut entries = desk.sound_entries()?;
    let day = |option: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => read_day(text)
            .map(Some)
            .ok_or_else(|| CommandFailure::Usage(format!("{option}: write a day as 2026-03-01"))),
    };
    let (verified, expires) = (
        day("--verified", &args.verified)?.unwrap_or_else(today),
        day("--expires", &args.expires)?,
    );
    if verified > today() {
        return Err(CommandFailure::Usage(
            "--verified lies in the future".to_owned(),
        ));
    }
    let category = category_of(args)?;
    let before = entries.len();
    for (at, text) in args.names.iter().enumerate() {
        let (name, scope) = read_name(text.as_bytes())
            .map_err(|reason| CommandFailure::Usage(format!("name {}: {reason}", at + 1)))?;
        if let Some(there) = entries
            .iter()
            .find(|record| record.name == name && record.scope == scope)
        {
            return Err(CommandFailure::Failed(format!(
                "name {} is listed already: {}",
                at + 1,
                there.label()
            )));
        }
        entries.push(EntryRecord {
            verified: Some(verified),
            expires,
            category: category.clone(),
            ..EntryRecord::new(name, scope)
        });
    }
    number_entries(&mut entries)?;
    let added: Vec<u32> = entries
        .iter()
        .skip(before)
        .filter_map(|record| record.number)
        .collect();
    desk.save_entries(&entries)?;
    match style {
        Style::Text => {
            let numbers: String = added
                .iter()
                .map(|number| format!("entry {number}\n"))
                .collect();
            print(&format!(
                "{numbers}{} added, {} in all\n",
                count_entries(added.len()),
                count_entries(entries.len())
            ))
        }
        Style::Json => print_json(&Added {
            added,
            entries: entries.len(),
        }),
    }
}

fn category_of(args: &Args) -> Result<Option<Box<str>>, CommandFailure> {
    let Some(word) = &args.category else {
        return Ok(args.test.then(|| Box::from(TEST_CATEGORY)));
    };
    let word = read_category(word).ok_or_else(|| {
        CommandFailure::Usage("--category: small letters, digits and hyphens".to_owned())
    })?;
    Ok(Some(Box::from(word)))
}
