//! When a file has come to rest: its stamp, and how long it must be left alone.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::Text;
use crate::clock::{monotonic, since_epoch};
use crate::update::refusal::Cause;

/// A list that does not come to rest within this many quiet times is refused.
const PATIENCE_QUIETS: u32 = 20;
/// The same at the start, when nobody is answered yet.
const START_QUIETS: u32 = 3;

/// A file that somebody holds open for writing must be quiet for this many times longer.
const OPEN_QUIETS: u32 = 10;

/// The longest sleep between two looks at a restless file.
const LOOK: Duration = Duration::from_millis(10);

/// Which file it is and when it last changed; two stamps differ when the file was written, replaced
/// or renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::update) struct Stamp {
    device: u64,
    inode: u64,
    pub(in crate::update) octets: u64,
    pub(in crate::update) written: (i64, i64),
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
    pub(in crate::update) fn of(path: &Path) -> Result<Self, Cause> {
        let metadata = path.metadata().map_err(Cause::from_io)?;
        if metadata.is_file() {
            Ok(Self::from(&metadata))
        } else {
            Err(Cause::NotAFile)
        }
    }

    /// The stamp of a text that is in a file.
    pub(in crate::update) fn of_text(text: &Text) -> Result<Option<Self>, Cause> {
        match text {
            Text::File(path) => Self::of(path).map(Some),
            Text::Memory(_) | Text::Embedded(_) => Ok(None),
        }
    }

    /// The file's length.
    pub(in crate::update) const fn octets(&self) -> u64 {
        self.octets
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
pub(in crate::update) enum FileWriter {
    Open,
    Closed,
}

/// How long a file must be left alone before it is read.
#[derive(Clone, Copy, Debug)]
pub(in crate::update) struct Quiet {
    rest: Duration,
    /// How long a restless file is waited for.
    patience: Duration,
}

impl Quiet {
    pub(in crate::update) fn new(rest: Duration) -> Self {
        let patience = rest * PATIENCE_QUIETS;
        Self { rest, patience }
    }

    /// With little patience, for the start: nobody is answered meanwhile.
    pub(in crate::update) fn at_start(self) -> Self {
        let patience = self.rest * START_QUIETS;
        Self { patience, ..self }
    }

    /// The rest that a file needs.
    pub(in crate::update) fn needed(self, writer: FileWriter) -> Duration {
        match writer {
            FileWriter::Open => self.rest * OPEN_QUIETS,
            FileWriter::Closed => self.rest,
        }
    }

    /// How long a restless file is waited for.
    pub(in crate::update) const fn patience(self) -> Duration {
        self.patience
    }

    /// Wait until the file has been left alone long enough.
    pub(in crate::update) fn settle(
        self,
        path: &Path,
        writer: impl Fn() -> FileWriter,
    ) -> Result<Stamp, Cause> {
        let start = monotonic();
        let (mut stamp, mut since) = (Stamp::of(path)?, start);
        loop {
            let needed = self.needed(writer());
            let rested = since.elapsed().max(stamp.age().unwrap_or_default());
            if rested >= needed {
                return Ok(stamp);
            }
            if start.elapsed() >= self.patience {
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
