//! A list's text on its way to a table: measured, read and compiled, with no second copy of it in memory.

use super::refusal::Cause;
use super::source::{Digest, ListSource, Stamp, Text, measure, read};
use crate::list::parse::{Format, Parsed};
use crate::list::{Table, TableBuilder};
use crate::name::HashKey;

/// A text with all that is needed to read it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script<'a> {
    pub(super) text: &'a Text,
    pub(super) format: Format,
    pub(super) rejects_percent_max: f64,
}

/// A list read and found in order.
pub(super) struct Loaded {
    pub(super) table: Table,
    pub(super) digest: Digest,
    pub(super) parsed: Parsed,
}

/// One text's way to a table: measure, read and compile, hold against the bounds that every list has.
///
/// Nothing is returned where the text is the one whose digest is `in_force`.
pub(super) fn load(script: Script<'_>, key: HashKey, stamp: Option<Stamp>, in_force: Option<&str>) -> Result<Option<Loaded>, Cause> {
    let measured = measure(script, stamp)?;
    if in_force.is_some_and(|digest| digest == hex(&measured.digest)) {
        return Ok(None);
    }
    let mut builder = TableBuilder::new(key, measured.entries_max).map_err(Cause::NoMemory)?;
    let built = read(script, stamp, |wire, scope| builder.insert(wire, scope))?;
    check(script, &built.parsed)?;
    match builder.finish() {
        Ok(table) if built.digest == measured.digest => Ok(Some(Loaded { table, digest: built.digest, parsed: built.parsed })),
        _ => Err(Cause::Changed),
    }
}

/// Refuse what must not come in force, however it came about.
fn check(script: Script<'_>, parsed: &Parsed) -> Result<(), Cause> {
    let percent = parsed.rejects_percent();
    if percent > script.rejects_percent_max {
        let first = parsed.rejects_shown.clone();
        return Err(Cause::Rejects { percent, percent_max: script.rejects_percent_max, count: parsed.rejects, first });
    }
    if parsed.entries == 0 { Err(Cause::Empty) } else { Ok(()) }
}

/// What a list's file holds, found out without putting it in force.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// Different entries.
    pub entries: u64,
    /// Lines and rejects.
    pub parsed: Parsed,
    /// Why it would be refused, if it would.
    pub refusal: Option<String>,
}

/// Read a list's file as the start would, and say what is in it; a list without a file holds nothing yet.
pub fn inspect(source: &ListSource) -> Inspection {
    let Some(script) = source.script() else { return Inspection::default() };
    let refuse = |cause| Some(source.refuse(cause, source.place()).to_string());
    let stamp = source.path().and_then(|path| Stamp::of(path).ok());
    let parsed = match read(script, stamp, |_, _| {}) {
        Ok(reading) => reading.parsed,
        Err(cause) => {
            let cause = source.path().map(Stamp::of).and_then(Result::err).unwrap_or(cause);
            return Inspection { refusal: refuse(cause), ..Inspection::default() };
        }
    };
    let loaded = load(script, HashKey::fixed([0; 16]), stamp, None);
    let entries = loaded.as_ref().map_or(0, |loaded| loaded.as_ref().map_or(0, |loaded| loaded.table.entry_count() as u64));
    Inspection { entries, parsed, refusal: loaded.err().and_then(refuse) }
}

/// A digest in hexadecimal.
pub(super) fn hex(digest: &Digest) -> String {
    data_encoding::HEXLOWER.encode(digest)
}
