//! `wardline list import DIR FILE`: adds the entries of a file in another format, each with a
//! random number.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::output::{Style, count, print, print_json};
use super::desk::{Desk, count_entries, number_entries, read_entries};
use crate::list::Scope;
use crate::list::parse::{self, Column, Format, Heading, Parsed, read_day};
use crate::list::records::EntryRecord;
use crate::name::Name;

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// The list's folder.
    folder: PathBuf,
    /// The file to read.
    file: PathBuf,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Written::Plain)]
    format: Written,
    /// The column of names in a CSV file: its heading, or its number from 1 where there is no
    /// header.
    #[arg(long)]
    column: Option<String>,
    /// The day on which the entries were verified; without it they are due.
    #[arg(long, value_name = "DAY")]
    verified: Option<String>,
    /// Take the good lines although others are no entries.
    #[arg(long)]
    skip_rejects: bool,
}

/// The formats that lists come and go in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::commands) enum Written {
    /// Our own: one entry a line, with its details.
    Plain,
    /// A hosts file.
    Hosts,
    /// A response policy zone.
    Rpz,
    /// A table with a column of names.
    Csv,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Imported {
    added: usize,
    known: usize,
    rejects: u64,
    entries: usize,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let desk = Desk::open(&args.folder)?;
    let mut entries = desk.sound_entries()?;
    let verified = match &args.verified {
        None => None,
        Some(day) => Some(read_day(day).ok_or_else(|| {
            CommandFailure::Usage("--verified: write a day as 2026-03-01".to_owned())
        })?),
    };
    let (found, parsed) = read(args)?;
    if parsed.rejects > 0 && !args.skip_rejects {
        let shown = parsed
            .rejects_shown
            .iter()
            .map(|reject| format!("{}:{}: {}", args.file.display(), reject.line, reject.reason));
        let mut lines: Vec<String> = shown.collect();
        let rejected = count(parsed.rejects, "rejected line");
        lines.push(format!(
            "nothing imported: {rejected}; mend what is wrong, or leave it out with --skip-rejects"
        ));
        return Err(CommandFailure::Failed(lines.join("\n")));
    }
    let mut known: BTreeSet<_> = entries
        .iter()
        .map(|record| (record.name.clone(), record.scope))
        .collect();
    let mut taken: BTreeSet<u32> = entries.iter().filter_map(|record| record.number).collect();
    let (before, total) = (entries.len(), found.len());
    for mut record in found {
        if known.insert((record.name.clone(), record.scope)) {
            record.verified = record.verified.or(verified);
            // A number that is another entry's here is given anew.
            record.number = record.number.filter(|number| taken.insert(*number));
            entries.push(record);
        }
    }
    number_entries(&mut entries)?;
    desk.save_entries(&entries)?;
    let (added, rejects) = (entries.len() - before, parsed.rejects);
    match style {
        Style::Json => print_json(&Imported {
            added,
            known: total - added,
            rejects,
            entries: entries.len(),
        }),
        Style::Text => {
            let left_out = if rejects > 0 {
                format!(", {} left out", count(rejects, "line"))
            } else {
                String::new()
            };
            let [added, known, all] = [added, total - added, entries.len()].map(count_entries);
            print(&format!(
                "{added} imported, {known} known already{left_out}, {all} in all\n"
            ))
        }
    }
}

fn read(args: &Args) -> Result<(Vec<EntryRecord>, Parsed), CommandFailure> {
    if args.format == Written::Plain {
        let (entries, parsed) = read_entries(&args.file)?;
        return Ok((
            entries.into_iter().map(|(_, record)| record).collect(),
            parsed,
        ));
    }
    let format = match args.format {
        Written::Plain => Format::Plain,
        Written::Hosts => Format::Hosts,
        Written::Rpz => Format::Rpz,
        Written::Csv => Format::Csv(column(args.column.as_deref())?),
    };
    let unreadable =
        |error| CommandFailure::Failed(format!("{}: cannot be read: {error}", args.file.display()));
    let file = File::open(&args.file).map_err(unreadable)?;
    let mut entries: Vec<EntryRecord> = Vec::new();
    let parsed = parse::read(BufReader::new(file), format, |wire, scope| {
        match (entries.last_mut(), Name::from_wire(wire)) {
            // A zone says one thing with two records: the name, and behind it what lies below.
            (Some(last), Ok(name)) if last.name == name && scope == Scope::Below => {
                last.scope = scope
            }
            (_, Ok(name)) => entries.push(EntryRecord::new(name, scope)),
            (_, Err(_)) => {}
        }
    });
    Ok((entries, parsed.map_err(unreadable)?))
}

fn column(text: Option<&str>) -> Result<Column, CommandFailure> {
    let Some(text) = text else {
        return Ok(Column::Usual);
    };
    let column = match text.parse::<u16>() {
        Ok(number) => number.checked_sub(1).map(Column::At),
        Err(_) => Heading::new(text).map(Column::Headed),
    };
    column.ok_or_else(|| {
        CommandFailure::Usage(
            "--column: a heading of 1 to 32 octets, or a number from 1".to_owned(),
        )
    })
}
