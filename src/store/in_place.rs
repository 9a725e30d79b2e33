//! Whether a database that is open is still the one in its place, or was deleted or replaced there:
//! what is written to it then is lost.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::whole::beside;

/// A file by its device and its number there.
type FileNumber = (u64, u64);

/// The files of a database that is open, as they were when it was opened.
#[derive(Debug)]
pub(super) struct OpenFiles {
    file: PathBuf,
    /// That of the database, and that of its write-ahead log, which is there while it is open.
    numbers: [Option<FileNumber>; 2],
}

impl OpenFiles {
    /// Looks at a database that was written to.
    pub(super) fn of(file: &Path) -> Self {
        Self {
            file: file.into(),
            numbers: places(file).map(|place| number_of(&place).unwrap_or_default()),
        }
    }

    /// Fails where other files, or none, are in their place; where that cannot be seen, it is not
    /// believed.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let is_same = |(place, number): (PathBuf, &Option<FileNumber>)| {
            number_of(&place).map_or(true, |found| found == *number)
        };
        if places(&self.file)
            .into_iter()
            .zip(&self.numbers)
            .all(is_same)
        {
            return Ok(());
        }
        Err(StoreError::Gone {
            file: self.file.clone(),
        })
    }
}

fn places(file: &Path) -> [PathBuf; 2] {
    ["", "-wal"].map(|end| beside(file, end))
}

/// Which file is there; none where there is none.
fn number_of(place: &Path) -> io::Result<Option<FileNumber>> {
    match place.metadata() {
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
