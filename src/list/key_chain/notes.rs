//! The file of a chain: its notes one behind the other, from link 1 on.

use super::super::key_link::VERSION;
use super::fault::ChainFault;
use crate::seal::{NOTE_OCTETS_MAX, Note, NoteError};

/// The most octets of a chain's file.
pub const CHAIN_OCTETS_MAX: usize = NOTE_OCTETS_MAX;
/// The most links of a chain; a new one starts from a configuration with today's keys.
pub const CHAIN_LINKS_MAX: usize = 256;

/// The notes of a chain's file, from link 1 on; nothing of them may be believed yet.
///
/// # Errors
/// When the file is too large, empty, or holds something that is no signed note.
pub fn parse_chain(octets: &[u8]) -> Result<Vec<Note>, ChainFault> {
    if octets.len() > CHAIN_OCTETS_MAX {
        return Err(ChainFault::Large);
    }
    let refuse = |link: usize, line, error| ChainFault::Note {
        link: link as u64,
        line,
        error,
    };
    let text = str::from_utf8(octets).map_err(|_| refuse(1, 1, NoteError::Encoding))?;
    // Each part but the first starts at the version line; the first does in a sound file.
    let mut parts: Vec<(usize, String)> = vec![(1, String::new())];
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if at > 0 && line.strip_suffix('\n') == Some(VERSION) {
            parts.push((at + 1, String::new()));
        }
        if let Some((_, part)) = parts.last_mut() {
            part.push_str(line);
        }
    }
    if parts.len() > CHAIN_LINKS_MAX {
        return Err(ChainFault::Large);
    }
    let notes = parts.iter().enumerate().map(|(at, (line, part))| {
        Note::parse(part.as_bytes()).map_err(|error| refuse(at + 1, *line, error))
    });
    notes.collect()
}

/// The text of a chain's file, which [`parse_chain`] reads.
pub fn write_chain(notes: &[Note]) -> String {
    notes.iter().map(ToString::to_string).collect()
}
