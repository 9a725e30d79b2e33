//! Keeps what was accepted on disk: the last good generations of a list, the highest serial,
//! removals and receipts.
//!
//! One folder a list under `lists/` of the state folder. `record.json` says everything and is
//! replaced whole (a new file, fsync, rename, fsync of the folder); a file that it does not name
//! means nothing. Entries are kept as they came: encrypted where they came so.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::verify::Highest;
use crate::clock::UnixSeconds;
use crate::list::Hash;
use crate::seal::Note;

/// Generations that are kept, the one in force included.
const GENERATIONS_MAX: usize = 5;
/// Removals that are kept, those that do not count any more included.
const REMOVALS_MAX: usize = 200;
/// Receipts that are kept.
const RECEIPTS_MAX: usize = 20;
const RECORD: &str = "record.json";

/// A generation on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number, from 1; later ones are higher.
    pub number: u64,
    /// The serial of its manifest; none where it had none.
    pub serial: Option<u64>,
    /// SHA-256 of its manifest's text in hexadecimal; none where it had none.
    pub manifest: Option<String>,
    /// SHA-256 of its entries in the clear, in hexadecimal.
    pub sha256: String,
    /// How many entries.
    pub entries: u64,
    /// When it was accepted.
    pub accepted: UnixSeconds,
    /// How it came.
    pub way: String,
}

/// What `record.json` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Decisions {
    /// The highest serial that was ever accepted, and its manifest's hash.
    serial: Option<u64>,
    manifest: Option<String>,
    /// The number of the generation in force.
    pub(super) live: Option<u64>,
    /// The operator went back to an earlier generation.
    pub(super) is_rolled_back: bool,
    /// Oldest first.
    pub(super) generations: Vec<Generation>,
    /// Removals that may still hold, oldest first.
    pub(super) removals: Vec<KeptRemoval>,
    /// Hashes of all removals that were taken, those that are over included.
    pub(super) known_removals: Vec<String>,
    /// Receipts' notes, oldest first.
    pub(super) receipts: Vec<String>,
}

/// A removal as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptRemoval {
    note: String,
    /// It counts for generations up to this one: later ones were judged after it. Going back to an
    /// earlier one it counts again.
    generation: u64,
}

impl Decisions {
    /// Remember a removal for all generations there are.
    pub(super) fn add_removal(&mut self, note: String) {
        let generation = self
            .generations
            .iter()
            .map(|kept| kept.number)
            .max()
            .unwrap_or(0);
        self.removals.push(KeptRemoval { note, generation });
    }

    /// The removals that count for a generation.
    pub(super) fn counting_removals(&self, number: u64) -> Vec<String> {
        self.removals
            .iter()
            .filter(|kept| kept.generation >= number)
            .map(|kept| kept.note.clone())
            .collect()
    }

    /// What a new manifest must be above.
    pub(super) fn highest(&self) -> Option<Highest> {
        Some(Highest {
            serial: self.serial?,
            manifest: Hash::parse(self.manifest.as_deref()?)?,
        })
    }

    /// The generation in force.
    pub(super) fn live(&self) -> Option<&Generation> {
        self.generations
            .iter()
            .find(|kept| Some(kept.number) == self.live)
    }
}

/// One list's folder.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
    pub(super) record: Decisions,
}

/// A generation read back, not yet believed.
pub(super) struct Taken {
    pub(super) note: Option<Note>,
    pub(super) entries: Zeroizing<Vec<u8>>,
}

impl Shelf {
    /// Open a list's folder, made where it is not there.
    pub(super) fn open(state: &Path, list: &str) -> io::Result<Self> {
        let folder = state.join("lists").join(list);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let record = match fs::read(folder.join(RECORD)) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Decisions::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { folder, record })
    }

    /// The folder, for messages.
    pub(super) fn place(&self) -> String {
        super::refusal::place_of(&self.folder)
    }

    /// Keep a generation and remember it as the one in force, for which the oldest `removals` do
    /// not count; on disk when this returns.
    pub(super) fn keep(
        &mut self,
        mut generation: Generation,
        note: Option<&Note>,
        entries: &[u8],
        removals: usize,
    ) -> io::Result<u64> {
        let mut record = self.record.clone();
        let number = record
            .generations
            .iter()
            .map(|kept| kept.number)
            .max()
            .unwrap_or(0)
            + 1;
        generation.number = number;
        if let Some(note) = note {
            write_whole(
                &self.folder,
                &manifest_file(number),
                note.to_string().as_bytes(),
            )?;
        }
        write_whole(&self.folder, &entries_file(number), entries)?;
        if generation.serial.is_some() {
            (record.serial, record.manifest) = (generation.serial, generation.manifest.clone());
        }
        record.generations.push(generation);
        (record.live, record.is_rolled_back) = (Some(number), false);
        // Those that came while it was judged count for it too.
        record
            .removals
            .iter_mut()
            .skip(removals)
            .for_each(|kept| kept.generation = number);
        record
            .removals
            .drain(..record.removals.len().saturating_sub(REMOVALS_MAX));
        let surplus = record.generations.len().saturating_sub(GENERATIONS_MAX);
        let dropped: Vec<u64> = record
            .generations
            .drain(..surplus)
            .map(|kept| kept.number)
            .collect();
        self.replace(record)?;
        for number in dropped {
            // What stays behind is named by nobody and written over by nobody; it only takes room.
            let _ = fs::remove_file(self.folder.join(manifest_file(number)));
            let _ = fs::remove_file(self.folder.join(entries_file(number)));
        }
        Ok(number)
    }

    /// Read a generation back.
    pub(super) fn take(&self, number: u64) -> io::Result<Taken> {
        let note = match fs::read(self.folder.join(manifest_file(number))) {
            Ok(octets) => Some(Note::parse(&octets).map_err(io::Error::other)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let entries = Zeroizing::new(fs::read(self.folder.join(entries_file(number)))?);
        Ok(Taken { note, entries })
    }

    /// Change the record; on disk when this returns.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Decisions)) -> io::Result<()> {
        let mut record = self.record.clone();
        change(&mut record);
        let surplus = record.receipts.len().saturating_sub(RECEIPTS_MAX);
        record.receipts.drain(..surplus);
        self.replace(record)
    }

    fn replace(&mut self, record: Decisions) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&record)?;
        write_whole(&self.folder, RECORD, &text)?;
        self.record = record;
        Ok(())
    }
}

fn manifest_file(number: u64) -> String {
    format!("{number}.manifest")
}

fn entries_file(number: u64) -> String {
    format!("{number}.entries")
}

/// Replace a file of the folder at one stroke, for the owner alone; after a power cut there is the
/// old one or the new one.
pub(super) fn write_whole(folder: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!(".{name}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(serial: u64) -> Generation {
        Generation {
            number: 0,
            serial: Some(serial),
            manifest: Some(Hash::of(&serial.to_be_bytes()).to_string()),
            sha256: Hash::of(b"a.test\n").to_string(),
            entries: 1,
            accepted: 0,
            way: "folder".to_owned(),
        }
    }

    #[test]
    fn the_last_generations_are_kept_and_the_highest_serial_is_remembered() {
        let state = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(state.path(), "example").unwrap();
        for serial in 1..=8 {
            assert_eq!(
                shelf
                    .keep(
                        generation(serial),
                        None,
                        format!("{serial}.test\n").as_bytes(),
                        0
                    )
                    .unwrap(),
                serial
            );
        }
        let mut shelf = Shelf::open(state.path(), "example").unwrap();
        let numbers: Vec<u64> = shelf
            .record
            .generations
            .iter()
            .map(|kept| kept.number)
            .collect();
        assert_eq!((numbers, shelf.record.live), (vec![4, 5, 6, 7, 8], Some(8)));
        assert_eq!(shelf.record.highest().unwrap().serial, 8);
        assert_eq!(shelf.take(4).unwrap().entries.as_slice(), b"4.test\n");
        assert!(shelf.take(3).is_err());
        shelf
            .change(|record| (record.live, record.is_rolled_back) = (Some(5), true))
            .unwrap();
        let again = Shelf::open(state.path(), "example").unwrap();
        assert_eq!(
            (
                again.record.live().unwrap().serial,
                again.record.highest().unwrap().serial
            ),
            (Some(5), 8)
        );
        assert_eq!(
            fs::read_dir(state.path().join("lists/example"))
                .unwrap()
                .count(),
            6,
            "five generations and the record"
        );
    }

    #[test]
    fn what_cannot_be_written_is_not_remembered() {
        let state = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(state.path(), "example").unwrap();
        shelf.keep(generation(1), None, b"a.test\n", 0).unwrap();
        fs::create_dir(state.path().join("lists/example/.2.entries.new")).unwrap();
        assert!(shelf.keep(generation(2), None, b"b.test\n", 0).is_err());
        assert_eq!(shelf.record.live, Some(1));
    }
}
