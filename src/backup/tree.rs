//! What of a state folder belongs into a backup.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::BackupError;

/// Folders below each other that are looked into.
const DEPTH_MAX: usize = 8;

/// What is about this folder at this place alone, by the beginning of its name.
const OF_THIS_PLACE: [&str; 4] = ["arrival.json", "moving.json", ".restoring", "replaced-"];

/// The databases; SQLite copies them, with what their other files have.
pub(super) const DATABASES: [&str; 2] = ["counts.sqlite", "cosignatures.sqlite"];

/// What of a state folder belongs into a backup, beside the databases.
#[derive(Debug, Default)]
pub(super) struct StateTree {
    /// Files, by their path within the folder.
    pub(super) files: Vec<PathBuf>,
    /// Folders of lists, each of which is copied as it is at one moment.
    pub(super) lists: Vec<PathBuf>,
}

impl StateTree {
    /// Looks into a state folder, in which `key` and what begins with its name are the log's keys.
    pub(super) fn read(state: &Path, key: &Path) -> Result<Self, BackupError> {
        let mut tree = Self::default();
        for name in names(state)? {
            let (path, text) = (state.join(&name), name.display().to_string());
            let is_of_database = DATABASES.iter().any(|database| {
                let ends = ["", "-wal", "-shm", "-journal"];
                ends.iter().any(|end| text == format!("{database}{end}"))
            });
            let is_of_this_place = OF_THIS_PLACE.iter().any(|begin| text.starts_with(begin));
            let is_lock = text.ends_with(".lock");
            if is_of_database || is_of_this_place || is_lock || is_key(&path, key) {
                continue;
            }
            if text == "lists" && path.is_dir() {
                let lists = names(&path)?;
                tree.lists
                    .extend(lists.into_iter().map(|list| name.join(list)));
            } else {
                walk(state, &name, 0, &mut tree.files)?;
            }
        }
        Ok(tree)
    }
}

/// Is this the log's key, or one that is kept beside it?
fn is_key(path: &Path, key: &Path) -> bool {
    let (folder, name) = (key.parent(), key.file_name());
    path.parent() == folder
        && name
            .zip(path.file_name())
            .is_some_and(|(key, name)| name.as_encoded_bytes().starts_with(key.as_encoded_bytes()))
}

/// All files below a place in the folder; what is written at this moment, and what is no file, is
/// passed over.
pub(super) fn walk(
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
