//! `wardline list export DIR`: the entries at work in the formats of others, on standard output.

use std::path::PathBuf;

use super::super::failure::CommandFailure;
use super::super::output::{complain, print};
use super::desk::{Desk, count_entries};
use super::import::Written;
use crate::list::Scope;
use crate::list::records::{self, EntryRecord};

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// The list's folder.
    folder: PathBuf,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Written::Plain)]
    format: Written,
    /// What stands between the fields of a CSV file: `,` or `;`.
    #[arg(long, default_value_t = ',', value_parser = separator)]
    separator: char,
}

fn separator(text: &str) -> Result<char, String> {
    match text {
        "," => Ok(','),
        ";" => Ok(';'),
        _ => Err("write , or ;".to_owned()),
    }
}

pub(super) fn run(args: &Args) -> Result<(), CommandFailure> {
    let entries = Desk::open(&args.folder)?.sound_entries()?;
    match args.format {
        Written::Plain => print(&records::write(&entries)),
        Written::Hosts => print(&hosts(&entries)),
        Written::Rpz => print(&rpz(&entries)),
        Written::Csv => print(&csv(&entries, args.separator)),
    }
}

/// A hosts file knows no exact entries and no names below; what it cannot say is left out and told.
fn hosts(entries: &[EntryRecord]) -> String {
    let (wide, exact): (Vec<&EntryRecord>, Vec<&EntryRecord>) = entries
        .iter()
        .partition(|record| record.scope == Scope::Below);
    if !exact.is_empty() {
        complain(&format!(
            "{} left out: our reading of a hosts file has no exact ones",
            count_entries(exact.len())
        ));
    }
    wide.iter()
        .map(|record| format!("0.0.0.0 {}\n", record.name))
        .collect()
}

/// A zone with a record for each name, and one for those below it where the entry reaches there.
fn rpz(entries: &[EntryRecord]) -> String {
    let mut text =
        "$TTL 60\n@ SOA localhost. nobody.localhost. 1 3600 600 86400 60\n@ NS localhost.\n"
            .to_owned();
    for record in entries {
        let name = &record.name;
        text.push_str(&format!("{name} CNAME .\n"));
        if record.scope == Scope::Below {
            text.push_str(&format!("*.{name} CNAME .\n"));
        }
    }
    text
}

fn csv(entries: &[EntryRecord], separator: char) -> String {
    let row = |fields: [String; 5]| fields.join(&separator.to_string()) + "\n";
    let mut text = row(["name", "number", "verified", "expires", "category"].map(str::to_owned));
    for record in entries {
        text.push_str(&row([
            format!("{}{}", record.scope.mark(), record.name),
            record
                .number
                .map(|number| number.to_string())
                .unwrap_or_default(),
            record
                .verified
                .map(|day| day.to_string())
                .unwrap_or_default(),
            record
                .expires
                .map(|day| day.to_string())
                .unwrap_or_default(),
            record.category.as_deref().unwrap_or_default().to_owned(),
        ]));
    }
    text
}
