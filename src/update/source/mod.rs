//! Where a list's text comes from, and how it is read so that a half-written file is noticed.

mod stamp;
mod unchanged;
pub(super) use stamp::{FileWriter, Quiet, Stamp};
pub(super) use unchanged::Unchanged;

mod counting;
use super::load::Script;
use super::refusal::{Cause, Refusal, place_of};
use super::sources::ListOrigin;
use super::stage::Stage;
use crate::list::guard::{GuardLimits, LinePlace};
use crate::list::manifest::Manifest;
use crate::list::parse::{self, Format, ListEntry, Parsed};
use crate::list::{EntryTally, ListIndex, Scope};
use crate::seal::VerifyKey;
use crate::seal::age::Identity;
use aws_lc_rs::digest::{Context, SHA256};
use counting::Counting;
use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

const BUFFER_OCTETS: usize = 64 * 1024;

/// One list as configured.
#[derive(Clone, Debug)]
pub struct ListSource {
    /// Nothing is answered before it is in force.
    pub is_required: bool,
    /// Its id, for messages and status.
    pub id: String,
    /// Its place in the configuration.
    pub index: ListIndex,
    /// Its file, watched for changes; none where it comes by bundles alone.
    pub text: Option<Text>,
    /// How the text is written.
    pub format: Format,
    /// The list is refused when more than this share of its lines is no entry, in per cent.
    pub rejects_percent_max: f64,
    /// What it must carry to be believed.
    pub papers: Trust,
    /// Where it is looked for, beside or instead of a file.
    pub sources: Vec<ListOrigin>,
    /// The keys that its entries may be encrypted to.
    pub identities: Identities,
    /// How much may change from one issue to the next; nothing bounds what a plain file changes,
    /// but what it lists.
    pub limits: GuardLimits,
    /// How a new issue is tried out before it comes in force.
    pub stage: Stage,
    /// Where the questions are counted that each of its entries blocks; usually nowhere.
    pub entry_counts: Option<Arc<EntryTally>>,
}

/// Age keys; they never leave it in a message.
#[derive(Clone, Default)]
pub struct Identities(pub Arc<Vec<Identity>>);

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} identities", self.0.len())
    }
}

/// What a list must carry to be believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The keys whose signatures count.
    pub keys: Vec<VerifyKey>,
    /// How many of them must have signed a manifest.
    pub threshold: usize,
    /// What to do with a list that has no manifest.
    pub unsigned: Unsigned,
}

/// What to do with a list that has no manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unsigned {
    /// It is not believed.
    #[default]
    Refuse,
    /// The operator answers for it.
    Allow,
}

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

/// The share of a list's lines that may be no entries where nobody says otherwise, in per cent.
const REJECTS_PERCENT_MAX: f64 = 5.0;

impl ListSource {
    /// A list that the operator answers for, with the default share of rejects.
    pub fn unsigned(id: &str, index: ListIndex, text: Text, format: Format) -> Self {
        let papers = Trust {
            unsigned: Unsigned::Allow,
            ..Trust::default()
        };
        Self {
            is_required: false,
            id: id.to_owned(),
            index,
            text: Some(text),
            format,
            rejects_percent_max: REJECTS_PERCENT_MAX,
            papers,
            limits: GuardLimits::default(),
            stage: Stage::default(),
            sources: Vec::new(),
            identities: Identities::default(),
            entry_counts: None,
        }
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.text {
            Some(Text::File(path)) => Some(path),
            _ => None,
        }
    }

    /// The file's path for messages.
    pub fn place(&self) -> String {
        match &self.text {
            Some(Text::File(path)) => place_of(path),
            Some(Text::Embedded(_)) => "built-in list".to_owned(),
            Some(Text::Memory(_)) | None => "its sources".to_owned(),
        }
    }

    pub(super) fn refuse(&self, cause: Cause, place: String) -> Refusal {
        Refusal {
            id: self.id.clone(),
            place,
            cause,
        }
    }

    /// How a text of this list is read: in the list's own format, or in ours where a manifest names
    /// it.
    pub(super) fn script_of<'a>(
        &'a self,
        text: &'a Text,
        manifest: Option<&Manifest>,
    ) -> Script<'a> {
        let format = if manifest.is_some() {
            Format::Plain
        } else {
            self.format
        };
        let expected = manifest.map(|manifest| manifest.sha256.0);
        Script {
            text,
            format,
            rejects_percent_max: self.rejects_percent_max,
            expected,
            entry_counts: self.entry_counts.as_ref(),
        }
    }
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
    let (digest, parsed) = go_over(script, stamp, |text| {
        match (script.format, script.entry_counts) {
            (Format::Plain, Some(_)) => parse::read_entries(text, |entry| {
                sink(entry.wire, entry.scope, entry.details.number)
            }),
            _ => parse::read(text, script.format, |wire, scope| sink(wire, scope, None)),
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
