//! Puts what was restored in its place: below the state folder first, then each part by its name.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use super::BackupError;
use super::copy::sync_folders;
use super::tree::{DATABASES, names};
use crate::clock::UnixSeconds;
use crate::store::{RESTORING_FOLDER, free_name, make_private_folder, restoring_folder};

/// The names of what is in a state folder and is to be kept from being mixed with another one.
pub(super) fn content(state: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut content = names(state)?;
    content.retain(|name| {
        let text = name.to_string_lossy();
        let is_of_this_place =
            text.starts_with("replaced-") || text.ends_with(".lock") || text == RESTORING_FOLDER;
        let is_socket = fs::symlink_metadata(state.join(name))
            .is_ok_and(|found| !found.is_file() && !found.is_dir() && !found.is_symlink());
        !is_of_this_place && !is_socket
    });
    Ok(content)
}

/// Sets what is in a state folder aside, within it.
pub(super) fn set_aside(
    state: &Path,
    content: &[PathBuf],
    at: UnixSeconds,
) -> Result<PathBuf, BackupError> {
    let aside = free_name(&state.join("replaced"), at);
    make_private_folder(&aside).map_err(BackupError::system("made", &aside))?;
    for name in content {
        let from = state.join(name);
        fs::rename(&from, aside.join(name)).map_err(BackupError::system("set aside", &from))?;
    }
    sync(&aside)?;
    sync(state)?;
    Ok(aside)
}

/// Deletes all that is in a folder, which stays.
pub(super) fn empty(folder: &Path) -> Result<(), BackupError> {
    for name in names(folder)? {
        let place = folder.join(name);
        let is_folder = fs::symlink_metadata(&place).is_ok_and(|found| found.is_dir());
        let deleted = if is_folder {
            fs::remove_dir_all(&place)
        } else {
            fs::remove_file(&place)
        };
        deleted.map_err(BackupError::system("deleted", &place))?;
    }
    Ok(())
}

/// Puts all parts that lie in `from` into the state folder, the counts last.
pub(super) fn put_in_place(from: &Path, state: &Path) -> Result<(), BackupError> {
    let mut parts = names(from)?;
    parts.sort_by_key(|name| DATABASES.iter().any(|database| name == Path::new(database)));
    for name in parts {
        let place = state.join(&name);
        let put = fs::rename(from.join(&name), &place);
        put.map_err(BackupError::system("put in place", &place))?;
    }
    sync(state)
}

/// The restore came to its end: nothing is left of it.
pub(super) fn finish(state: &Path) -> Result<(), BackupError> {
    let folder = restoring_folder(state);
    fs::remove_dir_all(&folder).map_err(BackupError::system("deleted", &folder))?;
    sync(state)
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(BackupError::system("written", folder))
}

/// Gives a folder and all below it to whoever has the state folder: the service, where root
/// restores.
pub(super) fn give_to_owner(state: &Path, folder: &Path) -> Result<(), BackupError> {
    let owner = fs::metadata(state).map_err(BackupError::system("read", state))?;
    give(folder, owner.uid(), owner.gid()).map_err(BackupError::system("given away", folder))?;
    sync_folders(folder).map_err(BackupError::system("written", folder))
}

fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if (found.uid(), found.gid()) != (uid, gid) {
        chown(path, Some(uid), Some(gid))?;
    }
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}
