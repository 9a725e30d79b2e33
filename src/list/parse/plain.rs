//! Our own list format: one entry a line and its details behind it; `#` starts a comment, a leading
//! `=` means that name alone.

use super::expiries::Expiries;
use super::parts::{split, without_mark};
use super::{Reason, entry, word};
use crate::list::Scope;

/// Read one line and hand out its entry, if it has one. Details are checked but not kept; one that
/// is over is passed over.
pub(super) fn read_line(
    line: &[u8],
    expiries: &mut Expiries,
    wire: &mut Vec<u8>,
    sink: &mut impl FnMut(&[u8], Scope),
) -> Result<u64, Reason> {
    let Some(parts) = split(line) else {
        return Ok(0);
    };
    word::read(parts.name, wire)?;
    if !parts.details.is_empty() && !expiries.admit(entry::read_details(parts.details)?.expires) {
        return Ok(0);
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
