//! Copies files for the owner alone, hashed on the way and waited for until they are on disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::BackupError;
use crate::list::Hash;
use crate::store::{folder_of, make_private_folder};

const BUFFER_OCTETS: usize = 1 << 20;

/// Writes a new file with what `from`, which is the file `source`, has; gives its length and
/// SHA-256. `note` is told of each piece.
pub(super) fn copy(
    from: impl Read,
    source: &Path,
    to: &Path,
    mut note: impl FnMut(u64),
) -> Result<(u64, Hash), BackupError> {
    let mut file = new_private(to)?;
    let hashed = hash(from, source, |piece| {
        let written = file.write_all(piece);
        written.map_err(BackupError::system("written", to))?;
        note(piece.len() as u64);
        Ok(())
    })?;
    let synced = file.sync_all();
    synced.map_err(BackupError::system("written", to))?;
    Ok(hashed)
}

/// Writes a new file with this text.
pub(super) fn write_new(text: &[u8], to: &Path) -> Result<(), BackupError> {
    copy(text, to, to, |_| {}).map(drop)
}

/// Makes a file, and the folders above it, that was not there.
pub(super) fn new_private(to: &Path) -> Result<File, BackupError> {
    let folder = folder_of(to);
    make_private_folder(folder).map_err(BackupError::system("made", folder))?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to);
    file.map_err(BackupError::system("made", to))
}

/// The length and SHA-256 of a file.
pub(super) fn hash_of(path: &Path) -> Result<(u64, Hash), BackupError> {
    let file = File::open(path).map_err(BackupError::system("read", path))?;
    hash(file, path, |_| Ok(()))
}

/// The length and SHA-256 of what `from`, which is the file `source`, has; each piece of it is
/// handed out.
fn hash(
    mut from: impl Read,
    source: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<(u64, Hash), BackupError> {
    let (mut context, mut octets) = (Context::new(&SHA256), 0);
    let mut buffer = Zeroizing::new(vec![0; BUFFER_OCTETS]);
    loop {
        let count = from.read(&mut buffer);
        let count = count.map_err(BackupError::system("read", source))?;
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            let mut hash = [0; 32];
            hash.copy_from_slice(context.finish().as_ref());
            return Ok((octets, Hash(hash)));
        }
        context.update(piece);
        octets += count as u64;
        take(piece)?;
    }
}

/// Waits until what a folder says of its files is on disk, and those below it too.
pub(super) fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_side_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::create_dir(&from).unwrap();
        // A folder can be opened, and not be read.
        let said = copy(File::open(&from).unwrap(), &from, &to, |_| {}).unwrap_err();
        let expected = format!("{}: cannot be read: ", from.display());
        assert!(said.to_string().starts_with(&expected), "{said}");
        let said = hash_of(&from).unwrap_err();
        assert!(said.to_string().starts_with(&expected), "{said}");
    }
}
