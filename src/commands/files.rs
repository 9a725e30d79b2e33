//! Reading and writing the files that commands are given, with errors that name the file.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::failure::CommandFailure;
use crate::store::{beside, sync_folder_of};

/// A file's octets.
pub(super) fn read(place: &Path) -> Result<Vec<u8>, CommandFailure> {
    fs::read(place).map_err(|error| unreadable(place, &error))
}

pub(super) fn read_text(place: &Path) -> Result<String, CommandFailure> {
    fs::read_to_string(place).map_err(|error| unreadable(place, &error))
}

pub(super) fn unreadable(place: &Path, error: &io::Error) -> CommandFailure {
    CommandFailure::Failed(format!("{}: cannot be read: {error}", place.display()))
}

/// Write a file that must not be there yet and that only its owner can read.
pub(super) fn write_new(place: &Path, octets: &[u8]) -> Result<(), CommandFailure> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(place)
        .and_then(|mut file| {
            file.write_all(octets)?;
            file.sync_all()?;
            sync_folder_of(place)
        });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CommandFailure::Failed(format!(
            "{}: is there already: name a new file",
            place.display()
        )),
        _ => unwritable(place, &error),
    })
}

/// Replace a file whole, so that nobody ever sees half of it; only its owner can read it.
pub(super) fn write_file(place: &Path, octets: &[u8]) -> Result<(), CommandFailure> {
    replace(place, octets, 0o600).map_err(|error| unwritable(place, &error))
}

/// As [`write_file`], for a file that others may read.
pub(super) fn publish_file(place: &Path, octets: &[u8]) -> io::Result<()> {
    replace(place, octets, 0o666)
}

/// Written beside and renamed; on disk when this returns.
fn replace(place: &Path, octets: &[u8], mode: u32) -> io::Result<()> {
    let beside = beside(place, ".new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&beside, place)?;
    sync_folder_of(place)
}

pub(super) fn unwritable(place: &Path, error: &io::Error) -> CommandFailure {
    CommandFailure::Failed(format!("{}: cannot be written: {error}", place.display()))
}
