//! Copies files for the owner alone, hashed on the way and waited for until they are on disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::BackupError;
use crate::list::Hash;
use crate::store::make_private_folder;

const BUFFER_OCTETS: usize = 1 << 20;

/// Writes a new file with what `from` has; gives its length and SHA-256. `note` is told of each
/// piece.
pub(super) fn copy(
    mut from: impl Read,
    to: &Path,
    mut note: impl FnMut(u64),
) -> Result<(u64, Hash), BackupError> {
    if let Some(folder) = to.parent() {
        make_private_folder(folder).map_err(BackupError::system("made", folder))?;
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to);
    let file = file.map_err(BackupError::system("made", to))?;
    let (mut hash, mut octets) = (Context::new(&SHA256), 0);
    let mut buffer = Zeroizing::new(vec![0; BUFFER_OCTETS]);
    let written = (|| {
        loop {
            let count = from.read(&mut buffer)?;
            let piece = buffer.get(..count).unwrap_or_default();
            if piece.is_empty() {
                return file.sync_all();
            }
            hash.update(piece);
            (&file).write_all(piece)?;
            octets += count as u64;
            note(count as u64);
        }
    })();
    written.map_err(BackupError::system("written", to))?;
    Ok((octets, finish(hash)))
}

/// The length and SHA-256 of a file.
pub(super) fn hash_of(path: &Path) -> io::Result<(u64, Hash)> {
    let mut file = File::open(path)?;
    let (mut hash, mut octets) = (Context::new(&SHA256), 0);
    let mut buffer = vec![0; BUFFER_OCTETS];
    loop {
        let count = file.read(&mut buffer)?;
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            return Ok((octets, finish(hash)));
        }
        hash.update(piece);
        octets += count as u64;
    }
}

fn finish(hash: Context) -> Hash {
    let mut octets = [0; 32];
    octets.copy_from_slice(hash.finish().as_ref());
    Hash(octets)
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
