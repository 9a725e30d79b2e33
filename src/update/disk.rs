//! What a list's folder calls its files, and how they are replaced.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::seal::Note;
use crate::store::{Haste, write_file, write_whole};

/// A text in a list's folder, with its manifest beside it where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// As a source brought it, until it is known what becomes of it; means nothing after a start.
    Offer,
    /// What the guard holds back.
    Held(TextSlot),
    /// What is tried out.
    Trial(TextSlot),
    /// What is to be tried again.
    Waiting(TextSlot),
    /// What other keys may have signed; means nothing after a start.
    Unsigned,
    /// A generation.
    Generation(u64),
}

/// One of two places for a text: a new one is written beside the one that the record names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TextSlot {
    #[default]
    First,
    Second,
}

impl TextSlot {
    pub(super) const ALL: [Self; 2] = [Self::First, Self::Second];

    /// The one that the record does not name.
    pub(super) fn beside(named: Option<Self>) -> Self {
        match named {
            Some(Self::First) => Self::Second,
            Some(Self::Second) | None => Self::First,
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::First => "",
            Self::Second => "-2",
        }
    }
}

impl Stored {
    fn stem(self) -> String {
        match self {
            Self::Offer => "offer".to_owned(),
            Self::Held(slot) => format!("held{}", slot.ending()),
            Self::Trial(slot) => format!("trial{}", slot.ending()),
            Self::Waiting(slot) => format!("waiting{}", slot.ending()),
            Self::Unsigned => "unsigned".to_owned(),
            Self::Generation(number) => number.to_string(),
        }
    }

    /// What is held back or tried out, and has its entries in this file.
    pub(super) fn set_aside_at(entries: &Path, folder: &Path) -> Option<Self> {
        let slots = TextSlot::ALL.into_iter();
        let mut places = slots.flat_map(|slot| [Self::Held(slot), Self::Trial(slot)]);
        places.find(|place| place.entries(folder) == entries)
    }

    pub(super) fn entries(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.entries", self.stem()))
    }

    pub(super) fn manifest(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.manifest", self.stem()))
    }

    fn files(self, folder: &Path) -> [PathBuf; 2] {
        [self.manifest(folder), self.entries(folder)]
    }

    /// Write a text and its manifest; with `Haste::Wait` it is on disk when this returns.
    pub(super) fn write(
        self,
        folder: &Path,
        note: Option<&Note>,
        entries: impl Read,
        haste: Haste,
    ) -> io::Result<()> {
        let stem = self.stem();
        match note {
            Some(note) => {
                let name = format!("{stem}.manifest");
                write_whole(folder, &name, note.to_string().as_bytes())?;
            }
            None => remove(&self.manifest(folder))?,
        }
        write_file(folder, &format!("{stem}.entries"), entries, haste)
    }

    /// Have the same text under another name too; the old one stays until nothing means it any
    /// more.
    pub(super) fn copy_to(self, other: Self, folder: &Path) -> io::Result<()> {
        for (from, to) in self.files(folder).iter().zip(other.files(folder)) {
            #[cfg(test)]
            crate::store::failing::reach(folder)?;
            remove(&to)?;
            // Not every text has a manifest.
            let may_be_missing = *from == self.manifest(folder);
            match fs::hard_link(from, &to) {
                Err(error) if may_be_missing && error.kind() == io::ErrorKind::NotFound => {}
                // Not every file system knows links.
                Err(_) => {
                    fs::copy(from, &to)?;
                    File::open(&to)?.sync_all()?;
                }
                Ok(()) => {}
            }
        }
        File::open(folder)?.sync_all()
    }

    /// Remove its files; what cannot be removed takes room and means nothing.
    pub(super) fn discard(self, folder: &Path) {
        for file in self.files(folder) {
            let _ = fs::remove_file(file);
        }
    }

    /// Its manifest; none where it has none.
    pub(super) fn note(self, folder: &Path) -> io::Result<Option<Note>> {
        match fs::read(self.manifest(folder)) {
            Ok(octets) => Note::parse(&octets).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
