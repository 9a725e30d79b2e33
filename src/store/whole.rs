//! Folders for the owner alone, and files that are replaced at one stroke: after a power cut there
//! is the old one or the new one.
//!
//! A file or a folder that was made, linked or renamed is on disk once the folder around it is
//! (fsync(2)).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::clock::UnixSeconds;

const BUFFER_OCTETS: usize = 64 * 1024;

/// A file of this name with `end` behind it.
pub fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// A name that nothing has: this one with a time behind it, `at` or as soon after that as possible.
pub fn free_name(path: &Path, at: UnixSeconds) -> PathBuf {
    let mut names = (at..).map(|at| beside(path, &format!("-{at}")));
    let free = names.find(|name| fs::symlink_metadata(name).is_err());
    free.unwrap_or_else(|| beside(path, "-"))
}

/// The folder that a path lies in.
pub fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Waits until the folder that a path lies in is on disk.
///
/// # Errors
/// When the system refuses.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Makes a folder and those above it, for the owner alone; one that is there stays as it is. On
/// disk when this returns.
///
/// # Errors
/// When the system refuses.
pub fn make_private_folder(folder: &Path) -> io::Result<()> {
    let above = folder.ancestors();
    let missing: Vec<_> = above.take_while(|folder| !folder.exists()).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder)?;
    missing.into_iter().try_for_each(sync_folder_of)
}

/// Is a file waited for until it is on disk?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// Yes: after a power cut it is there.
    Wait,
    /// No: after a power cut it may be damaged, which whoever reads it must notice.
    Skip,
}

/// Replace a file of the folder at one stroke, for the owner alone; on disk when this returns.
///
/// # Errors
/// When the system refuses; then the old file is still there.
pub fn write_whole(folder: &Path, name: &str, octets: impl Read) -> io::Result<()> {
    write_file(folder, name, octets, Haste::Wait)
}

/// As [`write_whole`], waited for or not.
///
/// # Errors
/// When the system refuses; then the old file is still there.
pub fn write_file(
    folder: &Path,
    name: &str,
    mut octets: impl Read,
    haste: Haste,
) -> io::Result<()> {
    let beside = folder.join(format!(".{name}.new"));
    #[cfg(test)]
    super::failing::reach(folder)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    copy(&mut octets, &mut file)?;
    if haste == Haste::Wait {
        file.sync_all()?;
    }
    #[cfg(test)]
    super::failing::reach(folder)?;
    fs::rename(&beside, folder.join(name))?;
    #[cfg(test)]
    super::failing::look(folder);
    match haste {
        Haste::Wait => sync_folder_of(&beside),
        Haste::Skip => Ok(()),
    }
}

/// As `io::copy`, but what went through the buffer is wiped: it may be a list.
fn copy(from: &mut impl Read, into: &mut File) -> io::Result<()> {
    let mut buffer = Zeroizing::new(vec![0; BUFFER_OCTETS]);
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        into.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}

/// Gives a file that root made to whoever has `kept` beside it, or their folder: the service.
pub(super) fn give_to_owner(kept: &Path, place: &Path) -> io::Result<()> {
    let owner = fs::metadata(kept).or_else(|_| fs::metadata(folder_of(kept)))?;
    let own = fs::metadata(place)?;
    if (own.uid(), own.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    chown(place, Some(owner.uid()), Some(owner.gid()))
}
