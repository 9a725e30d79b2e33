//! The parts of a line in our own format: how far it reaches, the name, the details.

use super::line::without_comment;
use crate::list::Scope;

pub(super) fn without_mark(text: &[u8]) -> (&[u8], Scope) {
    match text.strip_prefix(b"=") {
        Some(text) => (text, Scope::Exact),
        None => (text, Scope::Below),
    }
}

/// The parts of a line that has an entry.
pub(super) struct LineParts<'a> {
    pub(super) name: &'a [u8],
    pub(super) scope: Scope,
    /// What stands behind the name; usually nothing.
    pub(super) details: &'a [u8],
}

/// Take a line apart; nothing where it holds no more than a comment.
pub(super) fn split(line: &[u8]) -> Option<LineParts<'_>> {
    let text = without_comment(line);
    if text.is_empty() {
        return None;
    }
    let (text, scope) = without_mark(text);
    let end = memchr::memchr2(b' ', b'\t', text).unwrap_or(text.len());
    let (name, details) = text.split_at_checked(end)?;
    Some(LineParts {
        name,
        scope,
        details,
    })
}
