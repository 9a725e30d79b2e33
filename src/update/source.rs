//! Where a list's text comes from, and how it is read so that a half-written file is noticed.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::refusal::{Cause, Refusal, place_of};
use crate::clock::{monotonic, since_epoch};
use crate::list::parse::{self, Format, Parsed};
use crate::list::{ListIndex, Scope};

/// A list that does not come to rest within this many quiet times is refused.
const PATIENCE_QUIETS: u32 = 20;
/// A file that somebody holds open for writing must be quiet for this many times longer.
const OPEN_QUIETS: u32 = 10;
/// The longest sleep between two looks at a restless file.
const LOOK: Duration = Duration::from_millis(10);
const BUFFER_OCTETS: usize = 64 * 1024;

/// One list as configured.
#[derive(Clone, Debug)]
pub struct ListSource {
    /// Its id, for messages and status.
    pub id: String,
    /// Its place in the configuration.
    pub index: ListIndex,
    /// Where its text is.
    pub text: Text,
    /// How the text is written.
    pub format: Format,
    /// The list is refused when more than this share of its lines is no entry, in per cent.
    pub rejects_percent_max: f64,
}

/// Where a list's text is.
#[derive(Clone, Debug)]
pub enum Text {
    /// In a file, watched for changes.
    File(PathBuf),
    /// In the program itself; it never changes.
    Embedded(&'static str),
}

impl ListSource {
    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.text {
            Text::File(path) => Some(path),
            Text::Embedded(_) => None,
        }
    }

    /// The file's path for messages.
    pub fn place(&self) -> String {
        match &self.text {
            Text::File(path) => place_of(path),
            Text::Embedded(_) => "built-in list".to_owned(),
        }
    }

    pub(super) fn refuse(&self, cause: Cause) -> Refusal {
        Refusal { id: self.id.clone(), place: self.place(), cause }
    }
}

/// The SHA-256 of a list's text.
pub(super) type Digest = [u8; 32];

/// What one reading of a list found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) digest: Digest,
    pub(super) parsed: Parsed,
}

/// Read the text once and hand its entries to `sink`; the file must be what `stamp` says from the first octet to the last.
pub(super) fn read(source: &ListSource, stamp: Option<Stamp>, sink: impl FnMut(&[u8], Scope)) -> Result<Reading, Cause> {
    let (path, stamp) = match (&source.text, stamp) {
        (Text::Embedded(text), _) => return read_digesting(text.as_bytes(), source.format, sink).map_err(Cause::Unreadable),
        (Text::File(_), None) => return Err(Cause::Missing),
        (Text::File(path), Some(stamp)) => (path, stamp),
    };
    let mut file = File::open(path).map_err(Cause::from_io)?;
    let is_same = |file: &File| file.metadata().map(|metadata| Stamp::from(&metadata) == stamp).map_err(Cause::from_io);
    if !is_same(&file)? {
        return Err(Cause::Changed);
    }
    let reading = read_digesting((&mut file).take(stamp.octets), source.format, sink).map_err(Cause::from_io)?;
    if is_same(&file)? && Stamp::of(path)? == stamp { Ok(reading) } else { Err(Cause::Changed) }
}

fn read_digesting(text: impl Read, format: Format, sink: impl FnMut(&[u8], Scope)) -> io::Result<Reading> {
    let mut digesting = Digesting::new(text);
    let parsed = parse::read(&mut digesting, format, sink)?;
    let digest = digesting.context.finish().as_ref().try_into().unwrap_or_default();
    Ok(Reading { digest, parsed })
}

/// Digests what is read through it. Its buffer is wiped in the end, which that of `std`'s `BufReader` cannot be.
struct Digesting<R> {
    text: R,
    context: Context,
    buffer: Zeroizing<Vec<u8>>,
    /// What of the buffer is read from the text and not yet taken.
    ready: Range<usize>,
}

impl<R: Read> Digesting<R> {
    fn new(text: R) -> Self {
        Self { text, context: Context::new(&SHA256), buffer: Zeroizing::new(vec![0; BUFFER_OCTETS]), ready: 0..0 }
    }
}

impl<R: Read> BufRead for Digesting<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.ready.is_empty() {
            let count = self.text.read(&mut self.buffer)?;
            self.ready = 0..count;
            self.context.update(self.buffer.get(..count).unwrap_or_default());
        }
        Ok(self.buffer.get(self.ready.clone()).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.ready.start = self.ready.end.min(self.ready.start + count);
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(room)?;
        self.consume(count);
        Ok(count)
    }
}

/// Which file it is and when it last changed; two stamps differ when the file was written, replaced or renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    octets: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            octets: metadata.len(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Stamp {
    /// The stamp of the regular file at `path`, links followed.
    pub(super) fn of(path: &Path) -> Result<Self, Cause> {
        let metadata = path.metadata().map_err(Cause::from_io)?;
        if metadata.is_file() { Ok(Self::from(&metadata)) } else { Err(Cause::NotAFile) }
    }

    /// How long ago the file last changed; nothing where that lies in the future.
    fn age(&self) -> Option<Duration> {
        let (s, ns) = self.written.max(self.changed);
        let at = Duration::new(u64::try_from(s).ok()?, u32::try_from(ns).ok()?);
        since_epoch().checked_sub(at)
    }
}

/// Does somebody hold the file open after having written to it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Open,
    Closed,
}

/// How long a file must be left alone before it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet(pub(super) Duration);

impl Quiet {
    /// The rest that a file needs.
    pub(super) fn needed(self, writer: Writer) -> Duration {
        match writer {
            Writer::Open => self.0 * OPEN_QUIETS,
            Writer::Closed => self.0,
        }
    }

    /// How long a restless file is waited for.
    pub(super) fn patience(self) -> Duration {
        self.0 * PATIENCE_QUIETS
    }

    /// Wait until the file has been left alone long enough.
    pub(super) fn settle(self, path: &Path, writer: impl Fn() -> Writer) -> Result<Stamp, Cause> {
        let start = monotonic();
        let (mut stamp, mut since) = (Stamp::of(path)?, start);
        loop {
            let needed = self.needed(writer());
            let rested = since.elapsed().max(stamp.age().unwrap_or_default());
            if rested >= needed {
                return Ok(stamp);
            }
            if start.elapsed() >= self.patience() {
                return Err(Cause::StillWritten);
            }
            sleep((needed - rested).min(LOOK));
            let seen = Stamp::of(path)?;
            if seen != stamp {
                (stamp, since) = (seen, monotonic());
            }
        }
    }
}
