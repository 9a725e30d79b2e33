//! Lines of a list, read without a copy left behind, and what a whole text came to.

use std::io::{self, BufRead, Read};

use super::Reason;
use crate::clock::UnixSeconds;

/// The longest line that is read, in octets; a longer one is a reject.
pub const LINE_OCTETS_MAX: usize = 4096;

/// Rejects that are remembered by line; the rest are only counted.
pub const REJECTS_SHOWN_MAX: usize = 20;

/// A line that is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What was found in a list's text, besides the entries themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Lines read.
    pub lines: u64,
    /// Entries handed out, duplicates included.
    pub entries: u64,
    /// Entries that were passed over since their last day is over; a manifest counts them.
    pub expired: u64,
    /// The next moment at which the last day of an entry that was handed out is over.
    pub next_expiry: Option<UnixSeconds>,
    /// Lines that are no entries.
    pub rejects: u64,
    /// The first rejects.
    pub rejects_shown: Vec<Reject>,
}

impl Parsed {
    /// Rejected lines in per cent of the lines that were meant as entries.
    pub fn rejects_percent(&self) -> f64 {
        let meant = self.entries + self.expired + self.rejects;
        if meant == 0 {
            0.0
        } else {
            self.rejects as f64 * 100.0 / meant as f64
        }
    }

    pub(super) fn note_reject(&mut self, reason: Reason) {
        self.rejects += 1;
        if self.rejects_shown.len() < REJECTS_SHOWN_MAX {
            self.rejects_shown.push(Reject {
                line: self.lines,
                reason,
            });
        }
    }
}

/// Is a line within [`LINE_OCTETS_MAX`]?
pub(super) enum Length {
    Within,
    Over,
}

/// Take the next line without its line feed into `line`; an overlong one is read to its end and
/// thrown away.
pub(super) fn take_line(text: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<Length>> {
    line.clear();
    let read = text
        .by_ref()
        .take(LINE_OCTETS_MAX as u64 + 1)
        .read_until(b'\n', line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.pop_if(|octet| *octet == b'\n').is_none() && read > LINE_OCTETS_MAX {
        text.skip_until(b'\n')?;
        return Ok(Some(Length::Over));
    }
    Ok(Some(Length::Within))
}

/// The text before a comment, without white space around it.
pub(super) fn without_comment(line: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'#', line).unwrap_or(line.len());
    line.get(..end).unwrap_or_default().trim_ascii()
}
