//! `wardline list remove DIR ENTRY…`: takes entries off the next issue; with `--now` also signs a
//! removal that holds at once.

use std::path::PathBuf;

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::key_file::read_signing;
use super::super::output::{Style, print, print_json, time};
use super::desk::{Desk, count_entries};
use super::removals::hand_out;
use crate::clock::{HOUR_S, UnixSeconds, wall_s};
use crate::list::parse::read_name;
use crate::list::records::EntryRecord;
use crate::list::removal::{REMOVAL_AHEAD_S_MAX, REMOVAL_S_MAX, Removal};
use crate::list::{Scope, is_words};
use crate::name::Name;
use crate::seal::Note;

/// How far back a removal may begin: two clocks may be so far apart.
const CLOCKS_APART_S: i64 = 300;

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// The list's folder.
    folder: PathBuf,
    /// An entry: its name as it is listed, or its number.
    #[arg(required = true)]
    entries: Vec<String>,
    /// Make an emergency removal as well: one key signs, and no new issue is needed. It ends when
    /// its time is over, or with the next issue.
    #[arg(long, requires = "key", requires = "reason")]
    now: bool,
    /// The private key that signs the removal.
    #[arg(long, value_name = "FILE", requires = "now")]
    key: Option<PathBuf>,
    /// When the removal begins, such as 2026-03-01T14:00:00Z and within 24 hours; without it at
    /// once.
    #[arg(long, value_name = "TIME", requires = "now")]
    from: Option<String>,
    /// How long the removal holds, in hours: until an issue without these entries is live
    /// everywhere.
    #[arg(long, value_name = "HOURS", default_value_t = 7 * 24, requires = "now")]
    hours: u32,
    /// Why, in words and without any name.
    #[arg(long, requires = "now")]
    reason: Option<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Removed {
    removed: usize,
    entries: usize,
    removal: Option<String>,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let desk = Desk::open(&args.folder)?;
    let mut entries = desk.sound_entries()?;
    let issued = desk.issued_entries()?.unwrap_or_default();
    let mut gone: Vec<EntryRecord> = Vec::new();
    for (at, text) in args.entries.iter().enumerate() {
        let meant = Meant::read(at, text)?;
        // An emergency concerns what is issued, even where the entry at work is gone already.
        let pool = entries.iter().chain(issued.iter().filter(|_| args.now));
        let found = pool.into_iter().find(|record| meant.is(record)).cloned();
        gone.push(found.ok_or_else(|| {
            CommandFailure::Failed(format!(
                "entry {} of the command is not on the list",
                at + 1
            ))
        })?);
    }
    let is_gone = |record: &EntryRecord| {
        gone.iter()
            .any(|other| other.name == record.name && other.scope == record.scope)
    };
    entries.retain(|record| !is_gone(record));
    let removal = if args.now {
        Some(make_removal(args, &desk, &gone)?)
    } else {
        None
    };
    desk.save_entries(&entries)?;
    match style {
        Style::Json => print_json(&Removed {
            removed: gone.len(),
            entries: entries.len(),
            removal,
        }),
        Style::Text => {
            let removal = removal.map(|place| {
                format!("{place}: a signed removal; `wardline list push --removal` sends it\n")
            });
            let counts = format!(
                "{} removed, {} left\n",
                count_entries(gone.len()),
                count_entries(entries.len())
            );
            print(&(removal.unwrap_or_default() + &counts))
        }
    }
}

/// Which entry an argument means.
enum Meant {
    Number(u32),
    Name(Name, Scope),
}

impl Meant {
    fn read(at: usize, text: &str) -> Result<Self, CommandFailure> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Number(number));
        }
        let (name, scope) = read_name(text.as_bytes())
            .map_err(|reason| CommandFailure::Usage(format!("entry {}: {reason}", at + 1)))?;
        Ok(Self::Name(name, scope))
    }

    fn is(&self, record: &EntryRecord) -> bool {
        match self {
            Self::Number(number) => record.number == Some(*number),
            Self::Name(name, scope) => record.name == *name && record.scope == *scope,
        }
    }
}

fn make_removal(args: &Args, desk: &Desk, gone: &[EntryRecord]) -> Result<String, CommandFailure> {
    let reason = args.reason.clone().filter(|reason| is_words(reason));
    let reason = reason.ok_or_else(|| {
        CommandFailure::Usage(
            "--reason: 1 to 200 octets of text without control characters".to_owned(),
        )
    })?;
    let seconds = i64::from(args.hours) * HOUR_S;
    if !(1..=REMOVAL_S_MAX).contains(&seconds) {
        return Err(CommandFailure::Usage(
            "--hours: 1 hour to 31 days (744); what must stay off belongs into a new issue"
                .to_owned(),
        ));
    }
    let key = read_signing(
        args.key
            .as_deref()
            .ok_or_else(|| CommandFailure::Usage("--now needs --key".to_owned()))?,
    )?;
    desk.check_signer(&key)?;
    let from = read_from(args)?;
    let entries = gone
        .iter()
        .map(|record| (record.name.clone(), record.scope))
        .collect();
    let removal = Removal {
        list: desk.settings.id.clone(),
        from,
        until: from + seconds,
        reason,
        entries,
    };
    let failed = |error: String| CommandFailure::Failed(format!("no removal can be made: {error}"));
    Removal::parse(&removal.to_text()).map_err(|fault| failed(fault.to_string()))?;
    let mut note = Note::new(&removal.to_text()).map_err(|error| failed(error.to_string()))?;
    note.sign(&key).map_err(|error| failed(error.to_string()))?;
    let place = hand_out(desk, note)?;
    Ok(format!(
        "{} (until {})",
        place.display(),
        time(removal.until)
    ))
}

/// When the removal begins: resolvers hold back what is dated too far ahead.
fn read_from(args: &Args) -> Result<UnixSeconds, CommandFailure> {
    let now = wall_s();
    let Some(text) = &args.from else {
        return Ok(now);
    };
    let refuse = |why: &str| CommandFailure::Usage(format!("--from: {why}"));
    let from = text
        .parse::<jiff::Timestamp>()
        .map_err(|_| refuse("write a time as 2026-03-01T14:00:00Z"))?
        .as_second();
    if from.saturating_sub(now) > REMOVAL_AHEAD_S_MAX {
        return Err(refuse(
            "24 hours ahead at most; what is to end later belongs into a later issue",
        ));
    }
    if from < now - CLOCKS_APART_S {
        return Err(refuse("it lies in the past"));
    }
    Ok(from)
}
