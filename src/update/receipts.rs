//! A list's receipts on disk, one file for each issue and kept for good, and the key that they are
//! signed with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::refusal::place_of;
use crate::list::Hash;
use crate::list::receipt::Receipt;
use crate::seal::{KeyError, Note, SigningKey};
use crate::store::{make_private_folder, write_whole};

/// Below the list's folder.
const FOLDER: &str = "receipts";
/// The receipts' key in the state folder, and its public part beside it.
const KEY_FILE: &str = "receipt.key";
const PUBLIC_FILE: &str = "receipt.pub";

/// A list's receipts on disk, one file for each issue.
#[derive(Clone, Debug)]
pub(super) struct Receipts {
    pub(super) folder: PathBuf,
}

impl Receipts {
    pub(super) fn of(list: &Path) -> Self {
        Self {
            folder: list.join(FOLDER),
        }
    }

    fn file(manifest: Hash) -> String {
        format!("{manifest}.receipt")
    }

    /// The receipt for an issue, as a note.
    pub(super) fn find(&self, manifest: Hash) -> Option<String> {
        fs::read_to_string(self.folder.join(Self::file(manifest))).ok()
    }

    /// Keep a receipt, unless there is one for its issue.
    pub(super) fn keep(&self, manifest: Hash, note: &str) -> io::Result<()> {
        if self.find(manifest).is_some() {
            return Ok(());
        }
        make_private_folder(&self.folder)?;
        write_whole(&self.folder, &Self::file(manifest), note.as_bytes())
    }

    /// All of them, oldest first.
    pub(super) fn all(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let read = files.filter_map(|file| {
            let path = file.ok()?.path();
            let is_receipt = path.extension().is_some_and(|word| word == "receipt");
            let text = fs::read_to_string(is_receipt.then_some(path)?).ok()?;
            let at = parse(&text)?.probed_ms;
            Some((at, text))
        });
        let mut receipts: Vec<(i64, String)> = read.collect();
        receipts.sort();
        receipts.into_iter().map(|(_, text)| text).collect()
    }

    /// Take over what an earlier version kept in its record.
    pub(super) fn take_over(&self, notes: &[String]) {
        for note in notes {
            if let Some(receipt) = parse(note) {
                // What cannot be written now is tried again at the next start.
                let _ = self.keep(receipt.manifest, note);
            }
        }
    }
}

/// A receipt by its note.
pub(super) fn parse(note: &str) -> Option<Receipt> {
    Receipt::parse(Note::parse(note.as_bytes()).ok()?.text()).ok()
}

/// The key that receipts are signed with: made at the first start, for the owner alone; its public
/// part lies beside it for curators.
pub fn receipt_key(state: &Path, name: &str) -> Result<SigningKey, ReceiptKeyFault> {
    let path = state.join(KEY_FILE);
    let fault = |error| ReceiptKeyFault::File {
        place: place_of(&path),
        error,
    };
    match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => SigningKey::parse(&text).map_err(|error| ReceiptKeyFault::Key {
            place: place_of(&path),
            error,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = SigningKey::generate(name).map_err(|error| ReceiptKeyFault::Key {
                place: place_of(&path),
                error,
            })?;
            let text = key.to_text();
            write_whole(state, KEY_FILE, text.as_bytes()).map_err(fault)?;
            write_whole(state, PUBLIC_FILE, format!("{}\n", key.public()).as_bytes())
                .map_err(fault)?;
            Ok(key)
        }
        Err(error) => Err(fault(error)),
    }
}

/// Why there is no key for receipts.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptKeyFault {
    /// Its file cannot be read or made.
    #[error(
        "{place}: the key for receipts cannot be read or made ({error}): check the file's owner \
         and mode"
    )]
    File {
        /// The file.
        place: String,
        /// The system's reason.
        error: io::Error,
    },
    /// It is no key.
    #[error(
        "{place}: {error}: put the file back from a backup, or move it away to have a new key made"
    )]
    Key {
        /// The file.
        place: String,
        /// What is wrong with it.
        error: KeyError,
    },
}
