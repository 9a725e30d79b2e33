//! Reads the static files of one log: checkpoints, tiles and bundles of entries (C2SP tlog-tiles).

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};

use crate::record::{LEAF_OCTETS_MAX, LogKeyNote, believed_key_notes};
use crate::seal::checkpoint::Checkpoint;
use crate::seal::tree::{TILE_WIDTH, bundle_path};
use crate::seal::{Algorithm, NOTE_OCTETS_MAX, Note, VerifyKey};

use super::Finding;

/// The file with the last checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The folder with one checkpoint a day.
pub(super) const CHECKPOINTS: &str = "checkpoints";

/// The folder with the words on which key followed, numbered from 0.
pub(super) const KEYS: &str = "keys";
/// More than any log has.
const KEY_NOTES_MAX: usize = 100;
/// The longest of them.
const KEY_NOTE_OCTETS_MAX: usize = 64 << 10;

/// Logs that are checked at once.
pub const LOGS_MAX: usize = 500;

/// More days than any log has.
const DAYS_MAX: usize = 40_000;
/// The longest bundle of entries.
pub(super) const BUNDLE_OCTETS_MAX: usize = TILE_WIDTH as usize * (2 + LEAF_OCTETS_MAX);
/// The longest tile.
pub(super) const TILE_OCTETS_MAX: usize = TILE_WIDTH as usize * 32;

/// Is it written as a day, `2026-03-01`?
fn is_day(name: &str) -> bool {
    let is_right = |(at, octet): (usize, u8)| match at {
        4 | 7 => octet == b'-',
        _ => octet.is_ascii_digit(),
    };
    name.len() == 10 && name.bytes().enumerate().all(is_right)
}

/// The octets of a file that a stranger sent: it must be a regular one, as a pipe would never end,
/// and have no more octets than that.
///
/// # Errors
/// When it is not, or cannot be read.
pub fn read_regular(path: &Path, octets_max: usize) -> std::io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    // A vector that doubles would take twice the room.
    let expected = file.metadata()?.len().min(octets_max as u64) as usize;
    let mut octets = Vec::with_capacity(expected + 1);
    file.take(octets_max as u64 + 1).read_to_end(&mut octets)?;
    if octets.len() > octets_max {
        let message = format!("it is longer than {octets_max} octets");
        return Err(std::io::Error::other(message));
    }
    Ok(octets)
}

/// The folder of one log.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folders of logs at `path`: itself, or else those in it, by name. One without a
    /// checkpoint and without logs in it is a log's from which the checkpoint is missing.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn find(path: &Path) -> Result<Vec<Self>, String> {
        let is_log = |path: &Path| path.join(CHECKPOINT).exists();
        if is_log(path) {
            return Ok(vec![Self { path: path.into() }]);
        }
        let explain = |error| {
            format!(
                "{}: cannot be read ({error}): name a folder that `wardline audit export` made",
                path.display()
            )
        };
        let mut found: Vec<Self> = Vec::new();
        for entry in path.read_dir().map_err(explain)? {
            let inner = entry.map_err(explain)?.path();
            found.extend(is_log(&inner).then_some(Self { path: inner }));
            if found.len() > LOGS_MAX {
                return Err(format!(
                    "{}: holds more than {LOGS_MAX} logs: name them in several calls",
                    path.display()
                ));
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        if found.is_empty() {
            found.push(Self { path: path.into() });
        }
        Ok(found)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The octets of a regular file below the folder that has no more of them than that.
    pub(super) fn read(&self, name: &str, octets_max: usize) -> std::io::Result<Vec<u8>> {
        read_regular(&self.path.join(name), octets_max)
    }

    /// The days that have a checkpoint, in order; an error where they are too many to be days.
    pub(super) fn days(&self) -> Result<Vec<String>, String> {
        let entries = self
            .path
            .join(CHECKPOINTS)
            .read_dir()
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut days = Vec::new();
        for day in names {
            if days.len() == DAYS_MAX || !is_day(&day) {
                let message = format!("has files that are no days, or more than {DAYS_MAX}");
                return Err(message);
            }
            days.push(day);
        }
        days.sort();
        Ok(days)
    }

    /// A checkpoint's note and what it says, whoever signed it.
    pub(super) fn checkpoint(&self, name: &str) -> Result<(Note, Checkpoint), String> {
        let octets = self
            .read(name, NOTE_OCTETS_MAX)
            .map_err(|error| format!("cannot be read ({error})"))?;
        parse_checkpoint(&octets)
    }

    /// What is believed, by keys that are known, of which keys followed; what cannot be read is
    /// nobody's word.
    pub(super) fn key_notes(&self, known: &[VerifyKey]) -> Vec<LogKeyNote> {
        let read = |at| self.read(&format!("{KEYS}/{at}"), KEY_NOTE_OCTETS_MAX).ok();
        let files = (0..KEY_NOTES_MAX).map_while(read);
        let notes: Vec<Note> = files
            .filter_map(|octets| Note::parse(&octets).ok())
            .collect();
        believed_key_notes(&notes, known)
    }

    /// The keys that are known, and those that follow from them by the words in the folder.
    pub(super) fn known_keys(&self, known: &[VerifyKey]) -> Vec<VerifyKey> {
        with_followed(known, &self.key_notes(known))
    }

    /// The entries of a bundle, `width` of them, one after the other in the octets that are
    /// returned with their ranges.
    pub(super) fn bundle(&self, index: u64, width: u64) -> Result<LeafBundle, String> {
        let octets = self
            .read(&bundle_path(index, width), BUNDLE_OCTETS_MAX)
            .map_err(|error| format!("cannot be read ({error})"))?;
        LeafBundle::parse(octets, width)
    }
}

/// The keys that are known, and those that follow by these words.
pub(super) fn with_followed(known: &[VerifyKey], notes: &[LogKeyNote]) -> Vec<VerifyKey> {
    let followed = notes.iter().map(|said| &said.key);
    known.iter().chain(followed).cloned().collect()
}

/// The entries of a bundle.
#[derive(Debug)]
pub(super) struct LeafBundle {
    octets: Vec<u8>,
    entries: Vec<std::ops::Range<usize>>,
}

impl LeafBundle {
    /// The entries in these octets, which must be `width`.
    pub(super) fn parse(octets: Vec<u8>, width: u64) -> Result<Self, String> {
        let (mut entries, mut at) = (Vec::with_capacity(TILE_WIDTH as usize), 0);
        while let Some(&[high, low]) = octets.get(at..).and_then(|rest| rest.first_chunk::<2>()) {
            let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
            entries.push(at + 2..end);
            at = end;
        }
        if at == octets.len() && entries.len() as u64 == width {
            Ok(Self { octets, entries })
        } else {
            Err(format!("has not exactly {width} whole entries"))
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.entries
            .iter()
            .map(|range| self.octets.get(range.clone()).unwrap_or_default())
    }
}

/// A checkpoint from the octets of its note.
pub(super) fn parse_checkpoint(octets: &[u8]) -> Result<(Note, Checkpoint), String> {
    let note = Note::parse(octets).map_err(|error| format!("is no signed note: {error}"))?;
    let checkpoint =
        Checkpoint::parse(note.text()).map_err(|error| format!("is no checkpoint: {error}"))?;
    Ok((note, checkpoint))
}

/// Whether the note's first signature is that of the log's author, whose key has the log's name,
/// and no signature by one of the keys is wrong: such a note is refused (C2SP signed-note).
pub(super) fn check_author(
    note: &Note,
    origin: &str,
    keys: &[VerifyKey],
    place: &str,
) -> Result<(), Finding> {
    let of_origin: Vec<&VerifyKey> = keys
        .iter()
        .filter(|key| key.name() == origin && key.algorithm() == Algorithm::Ed25519)
        .collect();
    let refused = |message: String| Err(Finding::new("signature", place, message));
    let first = note
        .signatures()
        .first()
        .filter(|first| first.name == origin);
    match of_origin
        .iter()
        .find(|key| first.is_some_and(|first| first.id == key.id()))
        .zip(first)
    {
        Some((key, first)) if key.verify(note.text().as_bytes(), &first.octets) => note
            .signers(keys)
            .map(drop)
            .or_else(|error| refused(error.to_string())),
        Some(_) => refused(format!(
            "is not what {origin} signed: the signature does not hold"
        )),
        None if of_origin.is_empty() => refused(format!("no key was given for {origin}")),
        None => refused(format!(
            "is not signed with the key that was given for {origin}"
        )),
    }
}
