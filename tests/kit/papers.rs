//! What a curator hands out: an issue's manifest and files that are there whole or not at all; and
//! copies of whole folders.

use std::fs;
use std::path::Path;

use wardline::clock::wall_s;
use wardline::list::Hash;
use wardline::list::manifest::{ListAction, Manifest, ManifestBasis, Secrecy, Settlement};
use wardline::seal::{Note, SigningKey};

const DAY_S: i64 = 86_400;

/// An issue of today with these entries, good for a day, that settles by its date.
pub(crate) fn manifest(list: &str, serial: u64, entries: &str) -> Manifest {
    Manifest {
        list: list.to_owned(),
        authority: "Example Authority".to_owned(),
        basis: ManifestBasis::Law,
        legal_basis: "Example Act".to_owned(),
        action: ListAction::StopPage,
        serial,
        issued: wall_s(),
        expires: wall_s() + DAY_S,
        previous: None,
        entries: entries.lines().count() as u64,
        sha256: Hash::of(entries.as_bytes()),
        test_entry: None,
        secrecy: Secrecy::Open,
        settles: Settlement::ByDate,
    }
}

/// A text under one signature.
pub(crate) fn sign(key: &SigningKey, text: &str) -> Note {
    let mut note = Note::new(text).expect("a note");
    note.sign(key).expect("a signature");
    note
}

/// Replaces a file with one rename.
pub(crate) fn place(folder: &Path, name: &str, octets: impl AsRef<[u8]>) {
    let beside = folder.join(".new");
    fs::write(&beside, octets).expect("a file");
    fs::rename(beside, folder.join(name)).expect("a file");
}

/// Copies a folder; sockets are left out.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else if from.is_file() {
            fs::copy(from, to).expect("a file");
        }
    }
}
