//! What a source hands to the updater: a list's text, its papers if it has any, and where it came
//! from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::disk::Stored;
use super::text::{Digest, Text, Unchanged};
use crate::list::manifest::Manifest;
use crate::list::{Hash, ListIndex};
use crate::seal::Note;
use crate::store::Haste;

/// A list as a source found it, not yet believed.
///
/// The same list may come by several sources: the highest serial that verifies wins, and one that
/// is in force already changes nothing.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Which of the configured lists it claims to be.
    pub list: ListIndex,
    /// The manifest with its signatures; none where the source knows no papers (a plain file, a
    /// zone transfer).
    pub manifest: Option<Note>,
    /// The entries. With a manifest they are the file that it names by its hash, in our plain
    /// format; else in the list's own format.
    pub text: Text,
    /// Where it was found.
    pub origin: Origin,
}

impl Bundle {
    /// Have the text on disk, as it came, before anything is decided about it; `digest` is that of
    /// a text without a manifest.
    pub(super) fn store(&self, folder: &Path, digest: Digest) -> io::Result<Stored> {
        let entries: Box<dyn Read + '_> = match &self.text {
            Text::Memory(octets) => Box::new(octets.as_slice()),
            Text::Embedded(text) => Box::new(text.as_bytes()),
            Text::File(path) if self.manifest.is_some() => Box::new(File::open(path)?),
            Text::File(path) => Box::new(Unchanged::new(File::open(path)?, digest)),
        };
        // The list's own file is on disk, and is read again where its copy is damaged.
        let haste = match self.origin.way {
            Way::File => Haste::Skip,
            _ => Haste::Wait,
        };
        Stored::Offer.write(folder, self.manifest.as_ref(), entries, haste)?;
        Ok(Stored::Offer)
    }

    /// Have a text in a place of its own on disk, for as long as it has to wait: one that is in
    /// memory, or where something else may be held back or tried out meanwhile. Where that cannot
    /// be it stays where it is.
    pub(super) fn put_by(&mut self, folder: &Path, stored: Stored) {
        let put = match &self.text {
            Text::Memory(octets) => {
                // What was pushed is brought by nobody again.
                let haste = match self.origin.way {
                    Way::Push => Haste::Wait,
                    _ => Haste::Skip,
                };
                let note = self.manifest.as_ref();
                stored.write(folder, note, octets.as_slice(), haste)
            }
            Text::File(path) => match Stored::set_aside_at(path, folder) {
                Some(from) => from.copy_to(stored, folder),
                None => return,
            },
            Text::Embedded(_) => return,
        };
        if put.is_ok() {
            self.text = Text::File(stored.entries(folder));
        }
    }

    /// Have a text that came by a source in memory, where its place on disk is about to be another
    /// one's; where that cannot be it stays where it is.
    pub(super) fn take_up(&mut self) {
        if let (Text::File(path), Some(_)) = (&self.text, &self.manifest)
            && let Ok(octets) = std::fs::read(path)
        {
            self.text = Text::Memory(Arc::new(octets.into()));
        }
    }

    /// Does its text lie in the list's folder under this name?
    pub(super) fn is_stored_as(&self, stored: Stored, folder: &Path) -> bool {
        matches!(&self.text, Text::File(path) if *path == stored.entries(folder))
    }

    /// The hash that its manifest is known by; none where it has none.
    pub(super) fn known_by(&self) -> Option<Hash> {
        self.manifest.as_ref().map(Manifest::hash_of)
    }

    /// The serial in its manifest, believed or not; none where it has none that can be read.
    pub(super) fn serial(&self) -> Option<u64> {
        let manifest = Manifest::parse(self.manifest.as_ref()?.text()).ok()?;
        Some(manifest.serial)
    }
}

/// Where a bundle was found, for messages and the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The kind of way it came.
    pub way: Way,
    /// The file, address or zone, as messages call it; never an entry.
    pub place: String,
}

/// The ways a list comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A plain file.
    File,
    /// A watched folder.
    Folder,
    /// Fetched over HTTPS.
    Pull,
    /// Pushed to our listener.
    Push,
    /// A zone transfer.
    Transfer,
    /// Kept in the state folder from before.
    Kept,
    /// Given by the operator.
    Operator,
}

impl Way {
    const ALL: [Self; 7] = [
        Self::File,
        Self::Folder,
        Self::Pull,
        Self::Push,
        Self::Transfer,
        Self::Kept,
        Self::Operator,
    ];

    /// The meaning of such a word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.word() == word)
    }

    /// The word in the journal.
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Transfer => "transfer",
            Self::Kept => "kept",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}
