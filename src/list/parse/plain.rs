//! Our own list format: one name a line, `#` starts a comment, a leading `=` means that name alone.

use super::{Reason, Scope, without_comment, word};

/// Read one line and hand out its entry, if it has one.
pub(super) fn read_line(line: &[u8], wire: &mut Vec<u8>, sink: &mut impl FnMut(&[u8], Scope)) -> Result<u64, Reason> {
    let text = without_comment(line);
    if text.is_empty() {
        return Ok(0);
    }
    read_name(text, wire, sink)
}

/// Read one entry and hand it out.
pub(super) fn read_name(text: &[u8], wire: &mut Vec<u8>, sink: &mut impl FnMut(&[u8], Scope)) -> Result<u64, Reason> {
    let (name, scope) = match text.strip_prefix(b"=") {
        Some(name) => (name, Scope::Exact),
        None => (text, Scope::Below),
    };
    word::read(name, wire)?;
    sink(wire, scope);
    Ok(1)
}
