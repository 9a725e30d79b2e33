//! Restores a backup into a state folder on which no resolver runs.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use super::copy::write_new;
use super::manifest::{BackupManifest, KEYS, LOG_KEY, PROMISED, STATE};
use super::place::{content, empty, finish, give_to_owner, put_in_place, set_aside};
use super::source::unpack;
use super::tree::{key_end, names};
use super::write::read_log;
use super::{BackupError, Watcher};
use crate::clock::wall_s;
use crate::store::{
    LogPromise, Promises, StateArrival, beside, free_name, has_arrived, is_log_of, lock_file,
    lock_state, make_private_folder, restoring_folder, sync_folder_of,
};

/// What is restored, and where to.
#[derive(Clone, Copy, Debug)]
pub struct RestoreJob<'a> {
    /// The backup: a folder or a tar file.
    pub from: &'a Path,
    /// The state folder.
    pub state: &'a Path,
    /// The folder of what was promised.
    pub promised: &'a Path,
    /// Where the audit log's key belongs.
    pub key: &'a Path,
    /// The name of the resolver's first log.
    pub name: &'a str,
    /// Is what is there set aside?
    pub existing: Existing,
}

/// What becomes of what is in the state folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It refuses the restore.
    Refuse,
    /// It is set aside within the folder.
    SetAside,
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct RestoredBackup {
    /// The backup's own words.
    pub manifest: BackupManifest,
    /// What the next start makes of it.
    pub means: RestoredAs,
    /// What was promised of the log, as far as is known here.
    pub promised: Option<LogPromise>,
    /// Where that lies which was there before.
    pub replaced: Option<PathBuf>,
}

/// What a restore means for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoredAs {
    /// It ends, and another one begins.
    Backup,
    /// It was moved here, and goes on.
    Move,
}

/// Restores a backup.
///
/// # Errors
/// When a resolver runs on the folder, when there is something in it that was not to be set aside,
/// when the backup is not whole, of another resolver or of a newer form, or when the system
/// refuses. Until all was checked nothing changes.
pub fn restore(job: &RestoreJob<'_>, watcher: Watcher<'_>) -> Result<RestoredBackup, BackupError> {
    fs::metadata(job.from).map_err(BackupError::system("read", job.from))?;
    let state = job.state;
    let is_new = !state.exists();
    make_private_folder(state).map_err(BackupError::system("made", state))?;
    let lock = lock_state(state)?;
    let staging = restoring_folder(state);
    let was_cut_short = staging.exists();
    let CheckedBackup {
        manifest,
        found,
        means,
        promised,
    } = match check(job, &staging, watcher) {
        Ok(checked) => checked,
        Err(error) => {
            // What was there before is as it was; half of a restore stays known as that.
            if was_cut_short {
                let _ = empty(&staging);
            } else {
                let _ = fs::remove_dir_all(&staging);
            }
            if is_new {
                drop(lock);
                let _ = fs::remove_file(lock_file(state));
                let _ = fs::remove_dir(state);
            }
            return Err(error);
        }
    };
    let replaced = if found.is_empty() {
        None
    } else {
        Some(set_aside(state, &found, wall_s())?)
    };
    if means == RestoredAs::Move {
        put_promises(job, &staging.join(PROMISED))?;
    }
    put_keys(job, &staging.join(KEYS))?;
    note_arrival(state, &manifest, means)?;
    put_in_place(&staging.join(STATE), state)?;
    finish(state)?;
    Ok(RestoredBackup {
        manifest,
        means,
        promised,
        replaced,
    })
}

/// A backup that was unpacked, and all that is to be known before anything changes.
struct CheckedBackup {
    manifest: BackupManifest,
    /// What is in the state folder.
    found: Vec<PathBuf>,
    means: RestoredAs,
    promised: Option<LogPromise>,
}

/// Unpacks the backup and holds it against the place that it is to have.
fn check(
    job: &RestoreJob<'_>,
    staging: &Path,
    watcher: Watcher<'_>,
) -> Result<CheckedBackup, BackupError> {
    let found = content(job.state)?;
    if !found.is_empty() && job.existing == Existing::Refuse {
        let reason = "is not empty: name another state folder in the configuration, or have what \
                      is in it set aside (--replace)";
        return Err(BackupError::refused(job.state, reason));
    }
    make_private_folder(staging).map_err(BackupError::system("made", staging))?;
    // Left over from one that was cut short.
    empty(staging)?;
    let manifest = unpack(job.from, staging, watcher)?;
    let state = staging.join(STATE);
    make_private_folder(&state).map_err(BackupError::system("made", &state))?;
    if read_log(&state)? != manifest.log {
        let reason = "the log in it is not the one that its manifest names; take another one";
        return Err(BackupError::refused(job.from, reason));
    }
    if let Some(log) = &manifest.log {
        check_name(job, log)?;
    }
    if job.existing == Existing::Refuse {
        check_keys(job, &staging.join(KEYS))?;
    }
    give_to_owner(job.state, staging)?;
    let promised = Promises::open(job.promised).log();
    Ok(CheckedBackup {
        means: meaning(job, &manifest, promised.as_ref()),
        manifest,
        found,
        promised,
    })
}

/// Is it a log of the resolver that the configuration names?
fn check_name(job: &RestoreJob<'_>, log: &LogPromise) -> Result<(), BackupError> {
    if is_log_of(&log.origin, job.name) {
        return Ok(());
    }
    let reason = format!(
        "is of {}, and the configuration names {}: correct `provider` and `resolver` in [audit], \
         or take another backup",
        log.origin, job.name
    );
    Err(BackupError::refused(job.from, reason))
}

/// A key outside the state folder is not replaced by another one.
fn check_keys(job: &RestoreJob<'_>, keys: &Path) -> Result<(), BackupError> {
    let key = keys.join(LOG_KEY);
    let is_other = match (fs::read(job.key), fs::read(&key)) {
        (Ok(there), Ok(ours)) => there != ours,
        _ => false,
    };
    if is_other {
        let reason = "is another key than the one in the backup: have it set aside (--replace)";
        return Err(BackupError::refused(job.key, reason));
    }
    Ok(())
}

/// What the next start makes of it: a log that has gone on from this archive here already does not
/// arrive a second time, and one of which that is not known does not either.
fn meaning(
    job: &RestoreJob<'_>,
    manifest: &BackupManifest,
    promised: Option<&LogPromise>,
) -> RestoredAs {
    let (Some(token), Some(log)) = (manifest.moved, manifest.log.as_ref()) else {
        return RestoredAs::Backup;
    };
    let has_gone_on = match promised {
        None => false,
        Some(promised) if promised.origin == log.origin => promised.size > log.size,
        Some(promised) if !is_log_of(&promised.origin, job.name) => false,
        // Another log of this resolver: it may have begun behind the one in the archive.
        Some(_) => !matches!(has_arrived(job.state, &token), Ok(Some(false))),
    };
    if has_gone_on {
        RestoredAs::Backup
    } else {
        RestoredAs::Move
    }
}

fn note_arrival(
    state: &Path,
    manifest: &BackupManifest,
    means: RestoredAs,
) -> Result<(), BackupError> {
    let arrival = match (means, manifest.moved) {
        (RestoredAs::Move, Some(token)) => StateArrival::Move { token },
        _ => StateArrival::Backup {
            origin: manifest.log.as_ref().map(|log| log.origin.clone()),
        },
    };
    let folder = restoring_folder(state).join(STATE);
    let written = arrival.write(&folder);
    written.map_err(BackupError::system("written", &folder))?;
    give_to_owner(state, &folder)
}

/// Puts what was promised along with a log that moves; what was promised here before is set aside.
fn put_promises(job: &RestoreJob<'_>, from: &Path) -> Result<(), BackupError> {
    let promised = job.promised;
    make_private_folder(promised).map_err(BackupError::system("made", promised))?;
    give_to_owner(job.state, promised)?;
    if from.exists() {
        for name in names(from)? {
            put_file(&from.join(&name), &promised.join(&name))?;
        }
    }
    Ok(())
}

/// Puts the log's keys where the configuration has them.
fn put_keys(job: &RestoreJob<'_>, from: &Path) -> Result<(), BackupError> {
    if !from.exists() {
        return Ok(());
    }
    for name in names(from)? {
        let Some(end) = key_end(Path::new(LOG_KEY), name.as_os_str()) else {
            continue;
        };
        let place = beside(job.key, end);
        // Within the state folder it comes with the rest.
        let place = match place.strip_prefix(job.state) {
            Ok(within) => restoring_folder(job.state).join(STATE).join(within),
            Err(_) => place,
        };
        put_file(&from.join(&name), &place)?;
    }
    Ok(())
}

/// Moves a file to a place, on another disk too; what is there and is another one is set aside.
fn put_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    let text = fs::read(from).map(zeroize::Zeroizing::new);
    let text = text.map_err(BackupError::system("read", from))?;
    match fs::read(to) {
        Ok(there) if there == *text => return Ok(()),
        Ok(_) => {
            let aside = free_name(&beside(to, ".replaced"), wall_s());
            fs::rename(to, aside).map_err(BackupError::system("set aside", to))?;
        }
        Err(_) => {}
    }
    let beside = beside(to, ".restored");
    let _ = fs::remove_file(&beside);
    write_new(&text, &beside)?;
    let owner = fs::metadata(from).map_err(BackupError::system("read", from))?;
    let given = chown(&beside, Some(owner.uid()), Some(owner.gid()));
    given.map_err(BackupError::system("given away", &beside))?;
    let placed = fs::rename(&beside, to).and_then(|()| sync_folder_of(to));
    placed.map_err(BackupError::system("put in place", to))
}
