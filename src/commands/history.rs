//! `wardline lists`, `history`, `rollback`, `remove` and `receipts`: what is in force, what was,
//! and the proof of it.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use super::ask::{Asking, changing};
use super::failure::CommandFailure;
use super::output::{Style, TextColumn, number, print, print_json, table, time};
use super::status::since;
use crate::config::Config;
use crate::control::{ControlReply, Request, Status};
use crate::list::receipt::Receipt;
use crate::seal::{NOTE_OCTETS_MAX, Note};
use crate::store::{JournalRow, Reader};
use crate::update::Generation;

/// Digits of a hash that are enough to tell two apart by eye.
const HASH_SHOWN: usize = 12;
/// Events that `history` shows unless asked for more.
const EVENTS_SHOWN: u32 = 50;

/// `wardline lists`: how each list stands.
pub(super) fn lists(asking: &Asking) -> Result<(), CommandFailure> {
    let text = |reply: &ControlReply| match reply {
        ControlReply::Status(status) => Some(describe_lists(status)),
        _ => None,
    };
    asking.ask(&Request::Status, text).map(drop)
}

fn describe_lists(status: &Status) -> String {
    let columns = [
        TextColumn::Left("LIST"),
        TextColumn::Right("SERIAL"),
        TextColumn::Right("ENTRIES"),
        TextColumn::Right("REMOVED"),
        TextColumn::Left("STATE"),
        TextColumn::Left("IN FORCE SINCE"),
        TextColumn::Left("RUNS OUT"),
        TextColumn::Left("MANIFEST"),
    ];
    let rows = status.lists.iter().map(|list| {
        let state = &list.state;
        let word = match (
            state.last_refusal.is_some() || state.live_since == 0,
            state.is_expired,
            state.is_rolled_back,
            state.receipt.is_some(),
        ) {
            (true, ..) if state.live_since == 0 => "NOT IN FORCE",
            (true, ..) => "live, newer refused",
            _ if state.trial.is_some() => "live, newer in shadow",
            (_, true, ..) => "live, run out",
            (_, _, true, _) => "live, rolled back",
            (.., true) => "live, proven",
            _ => "live",
        };
        vec![
            state.id.clone(),
            state
                .serial
                .map_or_else(|| "-".to_owned(), |serial| serial.to_string()),
            number(state.entries),
            number(state.removed),
            word.to_owned(),
            since(state),
            state.expires.map_or_else(|| "-".to_owned(), time),
            short(state.manifest.as_deref().unwrap_or("-")),
        ]
    });
    table(&columns, &rows.collect::<Vec<_>>())
}

fn short(hash: &str) -> String {
    hash.chars().take(HASH_SHOWN).collect()
}

/// What `history --json` prints.
#[derive(Serialize)]
struct History {
    generations: Vec<Generation>,
    events: Vec<Numbered>,
}

/// An event with its number.
#[derive(Serialize)]
struct Numbered {
    seq: u64,
    #[serde(flatten)]
    event: JournalRow,
}

/// `wardline history LIST`: what happened to a list, and the generations one can go back to.
pub(super) fn history(asking: &Asking, config: &Config, list: &str) -> Result<(), CommandFailure> {
    let reply = asking.fetch(&Request::Generations {
        list: list.to_owned(),
    })?;
    let ControlReply::Generations { generations } = reply else {
        return Ok(());
    };
    let reader =
        Reader::open(&config.state).map_err(|error| CommandFailure::Failed(error.to_string()))?;
    let events = reader
        .journal(Some(list), EVENTS_SHOWN)
        .map_err(|error| CommandFailure::Failed(error.to_string()))?;
    let events: Vec<Numbered> = events
        .into_iter()
        .map(|(seq, event)| Numbered { seq, event })
        .collect();
    match asking.style() {
        Style::Json => print_json(&History {
            generations,
            events,
        }),
        Style::Text => print(&describe_history(&generations, &events)),
    }
}

fn describe_history(generations: &[Generation], events: &[Numbered]) -> String {
    let mut text = String::new();
    if !generations.is_empty() {
        let columns = [
            TextColumn::Right("GENERATION"),
            TextColumn::Right("SERIAL"),
            TextColumn::Right("ENTRIES"),
            TextColumn::Left("ACCEPTED"),
            TextColumn::Left("BY"),
            TextColumn::Left("MANIFEST"),
        ];
        let rows = generations.iter().map(|kept| {
            let serial = kept
                .serial
                .map_or_else(|| "-".to_owned(), |serial| serial.to_string());
            let manifest = short(kept.manifest.as_deref().unwrap_or("-"));
            vec![
                kept.number.to_string(),
                serial,
                number(kept.entries),
                time(kept.accepted),
                kept.way.clone(),
                manifest,
            ]
        });
        text.push_str(&table(&columns, &rows.collect::<Vec<_>>()));
        text.push('\n');
    }
    if events.is_empty() {
        text.push_str("no event of this list is written yet: ask again in a few seconds\n");
        return text;
    }
    let columns = [
        TextColumn::Left("AT"),
        TextColumn::Left("EVENT"),
        TextColumn::Right("SERIAL"),
        TextColumn::Left("DETAILS"),
    ];
    let rows = events.iter().map(|Numbered { event, .. }| {
        let serial = event
            .serial
            .map_or_else(|| "-".to_owned(), |serial| serial.to_string());
        vec![
            time(event.at),
            event.kind.word().to_owned(),
            serial,
            event.body.to_string(),
        ]
    });
    text.push_str(&table(&columns, &rows.collect::<Vec<_>>()));
    text
}

/// `wardline rollback LIST [GENERATION]`.
pub(super) fn rollback(
    asking: &Asking,
    list: &str,
    generation: Option<u64>,
    reason: &str,
) -> Result<(), CommandFailure> {
    changing(
        asking,
        &Request::Rollback {
            list: list.to_owned(),
            generation,
            reason: reason.to_owned(),
        },
    )
}

/// `wardline remove FILE`: have the running program take a signed removal.
pub(super) fn remove(asking: &Asking, file: &Path) -> Result<(), CommandFailure> {
    let refuse = |reason: String| CommandFailure::Failed(format!("{}: {reason}", file.display()));
    let unreadable = |error| {
        refuse(format!(
            "cannot be read ({error}): name the file with the signed removal"
        ))
    };
    let length = file.metadata().map_err(unreadable)?.len();
    if length > NOTE_OCTETS_MAX as u64 {
        return Err(refuse(
            "is too long for a removal: name the file with the signed note".to_owned(),
        ));
    }
    let note = std::fs::read_to_string(file).map_err(unreadable)?;
    changing(asking, &Request::Remove { note })
}

/// `wardline receipts [LIST]`: the notes themselves with `--json`, otherwise what they say.
pub(super) fn receipts(asking: &Asking, list: Option<String>) -> Result<(), CommandFailure> {
    let text = |reply: &ControlReply| match reply {
        ControlReply::Receipts { receipts } => Some(describe_receipts(receipts)),
        _ => None,
    };
    asking.ask(&Request::Receipts { list }, text).map(drop)
}

/// How an issue stood to its list's deadline; nothing where it has none.
fn describe_term(receipt: &Receipt) -> String {
    let (Some(term), Some(after_s)) = (receipt.term, receipt.in_force_after_s()) else {
        return String::new();
    };
    let within_s = term.apply_within_s;
    let verdict = if after_s > within_s {
        "later than"
    } else {
        "within"
    };
    format!("; in force {after_s} s after it was issued, {verdict} its {within_s} s")
}

fn describe_receipts(receipts: &[String]) -> String {
    let mut text = String::new();
    for note in receipts {
        let Some(receipt) = Note::parse(note.as_bytes())
            .ok()
            .and_then(|note| Receipt::parse(note.text()).ok())
        else {
            continue;
        };
        let took = receipt.probed_ms - receipt.received_ms;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} serial {}: live {}, {} of {} probes right, {took} ms after it came{}",
            receipt.list,
            receipt.serial,
            time(receipt.live_ms / 1000),
            receipt.probes_right,
            receipt.probes,
            describe_term(&receipt)
        );
    }
    if text.is_empty() {
        "no receipt\n".to_owned()
    } else {
        text
    }
}
