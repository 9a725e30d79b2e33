//! Makes a backup: beside its place first, so that nothing half written is ever found there.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::copy::{copy, hash_of, new_private, sync_folders, write_new};
use super::manifest::{BackupFile, BackupManifest, FORM, KEYS, LOG_KEY, MANIFEST, PROMISED, STATE};
use super::tree::{DATABASES, LogKeys, StateTree, key_end, names};
use super::{BackupError, Progress, Watcher};
use crate::clock::wall_s;
use crate::list::Hash;
use crate::record::Moment;
use crate::store::{
    LogPromise, LogReader, StoreError, beside, copy_database, folder_of, make_private_folder,
    read_log_key, sync_folder_of,
};

/// How often a list is copied again that changed meanwhile, and after how long.
const LIST_ATTEMPTS: u32 = 50;
const LIST_PAUSE: Duration = Duration::from_millis(100);
/// The key that receipts are signed with, in the state folder.
const RECEIPT_KEY: &str = "receipt.key";
/// What the packed backup is called until it is whole.
const ARCHIVE: &str = "archive.tar";
/// A backup whose name ends so is one file.
const ONE_FILE: &str = "tar";

/// What is copied, and where to.
#[derive(Clone, Copy, Debug)]
pub struct BackupJob<'a> {
    /// The state folder.
    pub state: &'a Path,
    /// The audit log's key.
    pub key: &'a Path,
    /// The folder, or the file where its name ends in `.tar`.
    pub to: &'a Path,
    /// Are private keys copied?
    pub keys: BackupKeys,
    /// Where the log moves with it.
    pub moved: Option<BackupMove<'a>>,
}

impl BackupJob<'_> {
    /// Refuses a place where there is something, and one within what is copied.
    ///
    /// # Errors
    /// Then.
    pub fn check_place(&self) -> Result<(), BackupError> {
        let to = self.to;
        let state =
            fs::canonicalize(self.state).map_err(BackupError::system("read", self.state))?;
        let parent = folder_of(to);
        let whole = fs::canonicalize(parent).map_err(BackupError::system("found", parent))?;
        if whole.starts_with(&state) {
            let reason = "lies in the state folder: name a place outside it, best on another disk";
            return Err(BackupError::refused(to, reason));
        }
        let is_free = match fs::symlink_metadata(to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            found => {
                let found = found.map_err(BackupError::system("read", to))?;
                found.is_dir() && !is_one_file(to) && names(to)?.is_empty()
            }
        };
        if is_free {
            Ok(())
        } else {
            let reason = "is there already: name a new folder, or a new file that ends in .tar";
            Err(BackupError::refused(to, reason))
        }
    }
}

/// Are the private keys of the log and of the receipts in a backup?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupKeys {
    /// Yes: it must be kept like these.
    With,
    /// No: what is restored makes new ones.
    Without,
}

/// What goes along when a resolver moves.
#[derive(Clone, Copy, Debug)]
pub struct BackupMove<'a> {
    /// What shows that the log was moved to whoever has it.
    pub token: Hash,
    /// The folder of what was promised.
    pub promised: &'a Path,
}

/// Makes a backup of a state folder, whether a resolver runs on it or not.
///
/// # Errors
/// When there is something in its place already, or the system refuses; then nothing is left there.
pub fn write_backup(
    job: &BackupJob<'_>,
    watcher: Watcher<'_>,
) -> Result<BackupManifest, BackupError> {
    job.check_place()?;
    let staging = Staging::make(job.to)?;
    let mut backup = Backup {
        job,
        folder: &staging.folder,
        log_keys: LogKeys::new(job.key),
        files: Vec::new(),
        progress: Progress::default(),
        watcher,
    };
    let log = backup.copy_all()?;
    let manifest = BackupManifest {
        v: FORM,
        made: Moment(wall_s()),
        software: format!("wardline {}", env!("CARGO_PKG_VERSION")),
        log,
        has_keys: job.keys == BackupKeys::With,
        moved: job.moved.map(|moved| moved.token),
        files: backup.files,
    };
    let place = staging.folder.join(MANIFEST);
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::from);
    let text = text.map_err(BackupError::system("written", &place))?;
    write_new(&text, &place)?;
    sync_folders(&staging.folder).map_err(BackupError::system("written", &staging.folder))?;
    staging.finish(job.to, &manifest)?;
    Ok(manifest)
}

fn is_one_file(to: &Path) -> bool {
    to.extension().is_some_and(|end| end == ONE_FILE)
}

/// A folder beside the backup's place, which is gone again unless the backup was finished.
struct Staging {
    folder: PathBuf,
    /// Held while it is written; one that nobody holds is left over from a program that was killed.
    _lock: File,
}

impl Staging {
    fn make(to: &Path) -> Result<Self, BackupError> {
        let folder = beside(to, ".part");
        if folder.exists() {
            let lock = File::open(&folder).map_err(BackupError::system("read", &folder))?;
            let known = [STATE, KEYS, PROMISED, MANIFEST, ARCHIVE].map(PathBuf::from);
            let is_ours = names(&folder)?.iter().all(|name| known.contains(name));
            if lock.try_lock().is_err() || !is_ours {
                let reason = "is there already: another backup is being written, or it is \
                              something else; name another place";
                return Err(BackupError::refused(&folder, reason));
            }
            fs::remove_dir_all(&folder).map_err(BackupError::system("deleted", &folder))?;
        }
        make_private_folder(&folder).map_err(BackupError::system("made", &folder))?;
        let lock = File::open(&folder);
        let lock = lock.map_err(BackupError::system("read", &folder))?;
        let locked = lock.try_lock().map_err(io::Error::from);
        locked.map_err(BackupError::system("locked", &folder))?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// Puts what is whole in its place.
    fn finish(self, to: &Path, manifest: &BackupManifest) -> Result<(), BackupError> {
        let from = if is_one_file(to) {
            pack(&self.folder, manifest)?
        } else {
            self.folder.clone()
        };
        let placed = fs::rename(from, to).and_then(|()| sync_folder_of(to));
        placed.map_err(BackupError::system("put in place", to))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Gone where it was put in place.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// All files in one, the manifest first.
fn pack(folder: &Path, manifest: &BackupManifest) -> Result<PathBuf, BackupError> {
    let place = folder.join(ARCHIVE);
    let failed = || BackupError::system("written", &place);
    let file = new_private(&place)?;
    let mut archive = tar::Builder::new(io::BufWriter::new(file));
    let made = u64::try_from(manifest.made.0).unwrap_or_default();
    let paths = manifest.files.iter().map(|file| file.path.as_str());
    for path in std::iter::once(MANIFEST).chain(paths) {
        let from = folder.join(path);
        let unread = || BackupError::system("read", &from);
        let file = File::open(&from).map_err(unread())?;
        let mut header = tar::Header::new_gnu();
        header.set_size(file.metadata().map_err(unread())?.len());
        header.set_mode(0o600);
        header.set_mtime(made);
        let appended = archive.append_data(&mut header, path, file);
        appended.map_err(failed())?;
    }
    let file = archive.into_inner().map_err(failed())?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error);
    file.and_then(|file| file.sync_all()).map_err(failed())?;
    Ok(place)
}

/// A backup as it is made.
struct Backup<'a> {
    job: &'a BackupJob<'a>,
    /// Where it is made.
    folder: &'a Path,
    log_keys: LogKeys,
    files: Vec<BackupFile>,
    progress: Progress,
    watcher: Watcher<'a>,
}

impl Backup<'_> {
    /// Copies everything; gives the log that is in it.
    fn copy_all(&mut self) -> Result<Option<LogPromise>, BackupError> {
        let BackupJob { state, key, .. } = *self.job;
        let tree = StateTree::read(state, &self.log_keys)?;
        let size = |path: PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
        let databases = DATABASES.iter().map(|name| size(state.join(name)));
        let files = tree.files.iter().map(|file| size(state.join(file)));
        self.progress.total = databases.chain(files).sum();
        for list in &tree.lists {
            let files = self.log_keys.files_beside(state, list)?;
            self.progress.total += files.iter().map(|file| size(state.join(file))).sum::<u64>();
        }
        // The log last: what it says of the lists is then in them too.
        for list in &tree.lists {
            self.copy_list(list)?;
        }
        for file in &tree.files {
            match self.copy_state_file(file) {
                Err(error) if error.is_missing() => {}
                copied => copied?,
            }
        }
        if self.job.keys == BackupKeys::With {
            self.copy_keys(key)?;
        }
        // Where it could not be kept, nothing was promised.
        if let Some(moved) = self.job.moved.filter(|moved| moved.promised.is_dir()) {
            for name in names(moved.promised)? {
                self.copy_file(
                    &moved.promised.join(&name),
                    &Path::new(PROMISED).join(&name),
                )?;
            }
        }
        for name in DATABASES {
            self.copy_database(name)?;
        }
        read_log(&self.folder.join(STATE))
    }

    /// Copies a file of the state folder, unless it is a key that is not to be in the backup.
    fn copy_state_file(&mut self, file: &Path) -> Result<(), BackupError> {
        let from = self.job.state.join(file);
        if self.job.keys == BackupKeys::Without && is_private_key(file, &from) {
            return Ok(());
        }
        self.copy_file(&from, &Path::new(STATE).join(file))
    }

    /// Copies a list's folder as it is at one moment, by its record.
    fn copy_list(&mut self, list: &Path) -> Result<(), BackupError> {
        let state = self.job.state;
        let record = state.join(list).join("record.json");
        let (files_before, progress) = (self.files.len(), self.progress);
        for _ in 0..LIST_ATTEMPTS {
            let before = fs::read(&record).ok();
            let files = self.log_keys.files_beside(state, list)?;
            let copied = files.iter().try_for_each(|file| self.copy_state_file(file));
            if !copied.as_ref().is_err_and(BackupError::is_missing) {
                copied?;
                if fs::read(&record).ok() == before {
                    return Ok(());
                }
            }
            // It changed meanwhile.
            let staged = self.folder.join(STATE).join(list);
            if staged.exists() {
                fs::remove_dir_all(&staged).map_err(BackupError::system("deleted", &staged))?;
            }
            self.files.truncate(files_before);
            self.progress = progress;
            std::thread::sleep(LIST_PAUSE);
        }
        let reason = "changes all the time; try again later";
        Err(BackupError::refused(&state.join(list), reason))
    }

    fn copy_keys(&mut self, key: &Path) -> Result<(), BackupError> {
        let folder = folder_of(key);
        for name in names(folder)? {
            let Some(end) = key_end(key, name.as_os_str()) else {
                continue;
            };
            let is_whole = !end.ends_with(".new");
            let is_key = end.is_empty() || end.starts_with(".next") || end.starts_with(".until-");
            if is_key && is_whole {
                let to = Path::new(KEYS).join(format!("{LOG_KEY}{end}"));
                self.copy_file(&folder.join(&name), &to)?;
            }
        }
        Ok(())
    }

    fn copy_file(&mut self, from: &Path, to: &Path) -> Result<(), BackupError> {
        let Some(path) = to.to_str().map(str::to_owned) else {
            return Err(BackupError::refused(
                from,
                "has a name that is no text: rename it",
            ));
        };
        let file = File::open(from).map_err(BackupError::system("read", from))?;
        let metadata = file.metadata().map_err(BackupError::system("read", from))?;
        if !metadata.is_file() {
            return Ok(());
        }
        let (progress, watcher) = (&mut self.progress, &mut self.watcher);
        let (octets, sha256) = copy(
            file.take(metadata.len()),
            from,
            &self.folder.join(to),
            |octets| {
                progress.done += octets;
                watcher(*progress);
            },
        )?;
        self.files.push(BackupFile {
            path,
            octets,
            sha256,
        });
        Ok(())
    }

    fn copy_database(&mut self, name: &str) -> Result<(), BackupError> {
        let (from, path) = (self.job.state.join(name), format!("{STATE}/{name}"));
        let to = self.folder.join(&path);
        if !from.exists() {
            return Ok(());
        }
        new_private(&to)?;
        let (before, progress) = (self.progress, &mut self.progress);
        let watcher = &mut self.watcher;
        copy_database(&from, &to, &mut |octets| {
            progress.done = before.done + octets;
            watcher(*progress);
        })?;
        let synced = File::open(&to).and_then(|file| file.sync_all());
        synced.map_err(BackupError::system("written", &to))?;
        let (octets, sha256) = hash_of(&to)?;
        self.files.push(BackupFile {
            path,
            octets,
            sha256,
        });
        Ok(())
    }
}

/// Is a file of the state folder, which lies at `place`, a private key: that of the receipts, or
/// any that a file holds as the log's key does?
fn is_private_key(file: &Path, place: &Path) -> bool {
    file == Path::new(RECEIPT_KEY) || read_log_key(place).is_ok_and(|key| key.is_some())
}

/// The log in a state folder, as far as it is signed; none where there is none.
pub(super) fn read_log(state: &Path) -> Result<Option<LogPromise>, BackupError> {
    match LogReader::open(state) {
        Ok(reader) => Ok(reader.head()?),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
