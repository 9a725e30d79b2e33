//! Folders for the owner alone, and files that are replaced at one stroke: after a power cut there
//! is the old one or the new one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::Path;

use zeroize::Zeroizing;

const BUFFER_OCTETS: usize = 64 * 1024;

/// Makes a folder and those above it, for the owner alone; one that is there stays as it is.
///
/// # Errors
/// When the system refuses.
pub fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder)
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
        Haste::Wait => File::open(folder)?.sync_all(),
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
    let folder = kept.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let owner = fs::metadata(kept).or_else(|_| fs::metadata(folder.unwrap_or(Path::new("."))))?;
    let own = fs::metadata(place)?;
    if (own.uid(), own.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    chown(place, Some(owner.uid()), Some(owner.gid()))
}
