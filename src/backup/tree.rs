//! What of a state folder belongs into a backup.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::BackupError;
use crate::store::{
    ARRIVAL_FILE, COSIGNATURES_FILE, COUNTS_FILE, MOVING_FILE, RESTORING_FOLDER, folder_of,
};

/// Folders below each other that are looked into.
const DEPTH_MAX: usize = 8;

/// What is about this folder at this place alone, by the beginning of its name.
const OF_THIS_PLACE: [&str; 4] = [ARRIVAL_FILE, MOVING_FILE, RESTORING_FOLDER, "replaced-"];

/// The databases; SQLite copies them, with what their other files have.
pub(super) const DATABASES: [&str; 2] = [COUNTS_FILE, COSIGNATURES_FILE];

/// What stands behind the name of the log's key in the names of those beside it, whole or not.
const KEY_ENDS: [&str; 5] = [".next", ".until-", ".new", ".replaced-", ".restored"];

/// What of a state folder belongs into a backup, beside the databases.
#[derive(Debug, Default)]
pub(super) struct StateTree {
    /// Files, by their path within the folder.
    pub(super) files: Vec<PathBuf>,
    /// Folders of lists, each of which is copied as it is at one moment.
    pub(super) lists: Vec<PathBuf>,
}

impl StateTree {
    /// Looks into a state folder; what are the log's keys is passed over.
    pub(super) fn read(state: &Path, keys: &LogKeys) -> Result<Self, BackupError> {
        let mut tree = Self::default();
        for name in names(state)? {
            let (path, text) = (state.join(&name), name.display().to_string());
            let is_of_database = DATABASES.iter().any(|database| {
                let ends = ["", "-wal", "-shm", "-journal"];
                ends.iter().any(|end| text == format!("{database}{end}"))
            });
            let is_of_this_place = OF_THIS_PLACE.iter().any(|begin| text.starts_with(begin));
            let is_lock = text.ends_with(".lock");
            if is_of_database || is_of_this_place || is_lock {
                continue;
            }
            if text == "lists" && path.is_dir() {
                let lists = names(&path)?;
                tree.lists
                    .extend(lists.into_iter().map(|list| name.join(list)));
            } else {
                tree.files.extend(keys.files_beside(state, &name)?);
            }
        }
        Ok(tree)
    }
}

/// The log's key and those that are kept beside it, wherever a path leads to them.
#[derive(Debug)]
pub(super) struct LogKeys {
    /// The key as it is configured, and the same file by the path without links.
    places: [PathBuf; 2],
}

impl LogKeys {
    pub(super) fn new(key: &Path) -> Self {
        let folder = whole(folder_of(key));
        let name = key.file_name().unwrap_or_default();
        Self {
            places: [folder.join(name), whole(key)],
        }
    }

    /// Is this one of them?
    fn has(&self, path: &Path) -> bool {
        let path = whole(path);
        self.places.iter().any(|key| {
            let end = path.file_name().and_then(|name| key_end(key, name));
            path.parent() == key.parent() && end.is_some()
        })
    }

    /// All files below a place in the state folder that are none of these; what is written at this
    /// moment, and what is no file, is passed over.
    pub(super) fn files_beside(
        &self,
        state: &Path,
        at: &Path,
    ) -> Result<Vec<PathBuf>, BackupError> {
        let mut files = Vec::new();
        walk(state, at, 0, &mut files)?;
        files.retain(|file| !self.has(&state.join(file)));
        Ok(files)
    }
}

/// What the name of a file has behind that of the log's key; nothing where it is no key beside it.
pub(super) fn key_end<'a>(key: &Path, name: &'a OsStr) -> Option<&'a str> {
    let own = key.file_name()?.as_encoded_bytes();
    let end = name.as_encoded_bytes().strip_prefix(own)?;
    let end = std::str::from_utf8(end).ok()?;
    let is_known = end.is_empty() || KEY_ENDS.iter().any(|begin| end.starts_with(begin));
    is_known.then_some(end)
}

/// A path without links, as far as there is something.
fn whole(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.into())
}

fn walk(
    state: &Path,
    at: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> Result<(), BackupError> {
    let path = state.join(at);
    let metadata = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read.map_err(BackupError::system("read", &path))?,
    };
    if metadata.is_dir() {
        if depth == DEPTH_MAX {
            return Err(BackupError::refused(&path, "is too deep in folders"));
        }
        for name in names(&path)? {
            walk(state, &at.join(name), depth + 1, files)?;
        }
    } else if metadata.is_file() && !is_half_written(&path) {
        files.push(at.into());
    }
    Ok(())
}

/// Files are written beside their place first.
fn is_half_written(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") && name.ends_with(b".new") || name.ends_with(b".key.new")
}

/// The names in a folder, sorted.
pub(super) fn names(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(PathBuf::from(entry?.file_name()));
        }
        names.sort();
        Ok(names)
    };
    read().map_err(BackupError::system("read", folder))
}
