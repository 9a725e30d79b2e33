//! Our own list format: one entry a line and its details behind it; `#` starts a comment, a leading
//! `=` means that name alone.

use super::{Reason, Scope, entry, without_comment, word};

/// The parts of a line that has an entry.
pub(super) struct Parts<'a> {
    pub(super) name: &'a [u8],
    pub(super) scope: Scope,
    /// What stands behind the name; usually nothing.
    pub(super) details: &'a [u8],
}

/// Read one line and hand out its entry, if it has one. Details are checked but not kept.
pub(super) fn read_line(
    line: &[u8],
    wire: &mut Vec<u8>,
    sink: &mut impl FnMut(&[u8], Scope),
) -> Result<u64, Reason> {
    let Some(parts) = split(line) else {
        return Ok(0);
    };
    word::read(parts.name, wire)?;
    if !parts.details.is_empty() {
        entry::read_details(parts.details)?;
    }
    sink(wire, parts.scope);
    Ok(1)
}

/// Read one entry without details and hand it out.
pub(super) fn read_name(
    text: &[u8],
    wire: &mut Vec<u8>,
    sink: &mut impl FnMut(&[u8], Scope),
) -> Result<u64, Reason> {
    let (name, scope) = without_mark(text);
    word::read(name, wire)?;
    sink(wire, scope);
    Ok(1)
}

/// Take a line apart; nothing where it holds no more than a comment.
pub(super) fn split(line: &[u8]) -> Option<Parts<'_>> {
    let text = without_comment(line);
    if text.is_empty() {
        return None;
    }
    let (text, scope) = without_mark(text);
    let end = memchr::memchr2(b' ', b'\t', text).unwrap_or(text.len());
    let (name, details) = text.split_at_checked(end)?;
    Some(Parts {
        name,
        scope,
        details,
    })
}

fn without_mark(text: &[u8]) -> (&[u8], Scope) {
    match text.strip_prefix(b"=") {
        Some(text) => (text, Scope::Exact),
        None => (text, Scope::Below),
    }
}
