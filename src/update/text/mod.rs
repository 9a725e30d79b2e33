//! Where a list's text comes from, and how it is read so that a half-written file is noticed.

mod counting;
mod stamp;
mod unchanged;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::refusal::Cause;
use crate::clock::UnixSeconds;
use crate::list::guard::LinePlace;
use crate::list::parse::{self, Format, ListEntry, Parsed, ReadOptions};
use crate::list::{EntryTally, Scope};
use counting::Counting;
pub(super) use stamp::{FileWriter, Quiet, Stamp};
pub(super) use unchanged::Unchanged;

const BUFFER_OCTETS: usize = 64 * 1024;

/// Where a list's text is.
#[derive(Clone, Debug)]
pub enum Text {
    /// In a file, watched for changes.
    File(PathBuf),
    /// In the program itself; it never changes.
    Embedded(&'static str),
    /// In memory, as a source fetched it; wiped when the last one lets go of it.
    Memory(Arc<Zeroizing<Vec<u8>>>),
}

/// A text with all that is needed to read it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script<'a> {
    pub(super) text: &'a Text,
    pub(super) format: Format,
    pub(super) rejects_percent_max: f64,
    /// When it is read: entries whose last day is over by then are passed over.
    pub(super) now: UnixSeconds,
    /// The digest that its papers say, if it has any: no entry is read of another text.
    pub(super) expected: Option<Digest>,
    /// Where the questions are to be counted that its entries block.
    pub(super) entry_counts: Option<&'a Arc<EntryTally>>,
}

/// The SHA-256 of a list's text.
pub(super) type Digest = [u8; 32];

/// What one reading of a list found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TextReading {
    pub(super) digest: Digest,
    pub(super) parsed: Parsed,
}

/// What a list's text will come to, found out without reading its lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) digest: Digest,
    /// No more entries than this.
    pub(super) entries_max: usize,
}

/// Go over the text once, as fast as it can be read.
pub(super) fn measure(script: Script<'_>, stamp: Option<Stamp>) -> Result<Measured, Cause> {
    let (digest, ends) = go_over(script, stamp, |text| count_ends(text, script.format))?;
    if script.expected.is_some_and(|expected| expected != digest) {
        return Err(Cause::Hash);
    }
    Ok(Measured {
        digest,
        entries_max: ends + 1,
    })
}

/// Read the text once and hand its entries to `sink`, with their numbers where these are counted
/// by.
pub(super) fn read(
    script: Script<'_>,
    stamp: Option<Stamp>,
    mut sink: impl FnMut(&[u8], Scope, Option<u32>),
) -> Result<TextReading, Cause> {
    let options = ReadOptions {
        now: Some(script.now),
    };
    let (digest, parsed) = go_over(script, stamp, |text| {
        match (script.format, script.entry_counts) {
            (Format::Plain, Some(_)) => parse::read_entries_with(text, options, |entry| {
                sink(entry.wire, entry.scope, entry.details.number)
            }),
            _ => parse::read_with(text, script.format, options, |wire, scope| {
                sink(wire, scope, None)
            }),
        }
    })?;
    Ok(TextReading { digest, parsed })
}

/// As [`read`], slower, with the place of each entry.
pub(super) fn read_places(
    script: Script<'_>,
    stamp: Option<Stamp>,
    mut sink: impl FnMut(LinePlace, &[u8], Scope),
) -> Result<(), Cause> {
    let read = |text: &mut Digesting<'_>| match script.format {
        Format::Plain => parse::read_entries(text, |entry: &ListEntry<'_>| {
            sink(
                LinePlace {
                    line: entry.line,
                    number: entry.details.number,
                },
                entry.wire,
                entry.scope,
            );
        }),
        _ => {
            let lines = Cell::new(0);
            parse::read(
                Counting {
                    text,
                    lines: &lines,
                },
                script.format,
                |wire, scope| {
                    sink(
                        LinePlace {
                            line: lines.get(),
                            number: None,
                        },
                        wire,
                        scope,
                    );
                },
            )
        }
    };
    go_over(script, stamp, read).map(drop)
}

/// How many places there are where an entry can end: lines, or words in a hosts file.
fn count_ends(text: &mut Digesting<'_>, format: Format) -> io::Result<usize> {
    let mut ends = 0;
    loop {
        let octets = text.fill_buf()?;
        if octets.is_empty() {
            return Ok(ends);
        }
        ends += match format {
            Format::Plain | Format::Rpz | Format::Csv(_) => {
                memchr::memchr_iter(b'\n', octets).count()
            }
            Format::Hosts => octets
                .iter()
                .filter(|octet| octet.is_ascii_whitespace())
                .count(),
        };
        let count = octets.len();
        text.consume(count);
    }
}

/// Give `reader` the text; a file must be what `stamp` says from the first octet to the last.
fn go_over<T>(
    script: Script<'_>,
    stamp: Option<Stamp>,
    reader: impl FnOnce(&mut Digesting<'_>) -> io::Result<T>,
) -> Result<(Digest, T), Cause> {
    let (path, stamp) = match (script.text, stamp) {
        (Text::Embedded(text), _) => {
            return Digesting::new(&mut text.as_bytes())
                .finish(reader)
                .map_err(Cause::Unreadable);
        }
        (Text::Memory(octets), _) => {
            return Digesting::new(&mut octets.as_slice())
                .finish(reader)
                .map_err(Cause::Unreadable);
        }
        (Text::File(_), None) => return Err(Cause::Missing),
        (Text::File(path), Some(stamp)) => (path, stamp),
    };
    let mut file = File::open(path).map_err(Cause::from_io)?;
    let is_same = |file: &File| {
        file.metadata()
            .map(|metadata| Stamp::from(&metadata) == stamp)
            .map_err(Cause::from_io)
    };
    if !is_same(&file)? {
        return Err(Cause::Changed);
    }
    let read = Digesting::new(&mut (&mut file).take(stamp.octets))
        .finish(reader)
        .map_err(Cause::from_io)?;
    if is_same(&file)? && Stamp::of(path)? == stamp {
        Ok(read)
    } else {
        Err(Cause::Changed)
    }
}

/// Digests what is read through it. Its buffer is wiped in the end, which that of `std`'s
/// `BufReader` cannot be.
struct Digesting<'t> {
    text: &'t mut dyn Read,
    context: Context,
    buffer: Zeroizing<Vec<u8>>,
    /// What of the buffer is read from the text and not yet taken.
    ready: Range<usize>,
}

impl<'t> Digesting<'t> {
    pub(super) fn new(text: &'t mut dyn Read) -> Self {
        Self {
            text,
            context: Context::new(&SHA256),
            buffer: Zeroizing::new(vec![0; BUFFER_OCTETS]),
            ready: 0..0,
        }
    }

    fn finish<T>(
        mut self,
        reader: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<(Digest, T)> {
        let read = reader(&mut self)?;
        Ok((
            self.context
                .finish()
                .as_ref()
                .try_into()
                .unwrap_or_default(),
            read,
        ))
    }
}

impl BufRead for Digesting<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.ready.is_empty() {
            let count = self.text.read(&mut self.buffer)?;
            self.ready = 0..count;
            self.context
                .update(self.buffer.get(..count).unwrap_or_default());
        }
        Ok(self.buffer.get(self.ready.clone()).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.ready.start = self.ready.end.min(self.ready.start + count);
    }
}

impl Read for Digesting<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(room)?;
        self.consume(count);
        Ok(count)
    }
}
