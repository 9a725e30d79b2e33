//! Reads a backup, a folder or one file, and holds each of its files against the manifest.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::copy::copy;
use super::manifest::{BackupFile, BackupManifest, MANIFEST, MANIFEST_OCTETS_MAX};
use super::{BackupError, Progress, Watcher};

/// Copies all files of the backup `from` into the folder `to`, each as its manifest says it.
pub(super) fn unpack(
    from: &Path,
    to: &Path,
    watcher: Watcher<'_>,
) -> Result<BackupManifest, BackupError> {
    let metadata = fs::metadata(from).map_err(BackupError::system("read", from))?;
    if metadata.is_dir() {
        unpack_folder(from, to, watcher)
    } else if metadata.is_file() {
        unpack_archive(from, to, watcher)
    } else {
        Err(BackupError::refused(from, "is neither a folder nor a file"))
    }
}

fn unpack_folder(
    from: &Path,
    to: &Path,
    watcher: Watcher<'_>,
) -> Result<BackupManifest, BackupError> {
    let place = from.join(MANIFEST);
    let file = File::open(&place);
    let manifest = read_manifest(&place, file.map_err(BackupError::system("read", &place))?)?;
    let mut unpacking = Unpacking::new(&manifest, to, watcher);
    for BackupFile { path, .. } in &manifest.files {
        let place = from.join(path);
        let metadata = fs::symlink_metadata(&place);
        if !metadata
            .map_err(BackupError::system("read", &place))?
            .is_file()
        {
            return Err(BackupError::refused(&place, "is no file"));
        }
        let file = File::open(&place);
        unpacking.take(
            path,
            file.map_err(BackupError::system("read", &place))?,
            &place,
        )?;
    }
    unpacking.finish(from)?;
    Ok(manifest)
}

fn unpack_archive(
    from: &Path,
    to: &Path,
    watcher: Watcher<'_>,
) -> Result<BackupManifest, BackupError> {
    let failed = || BackupError::system("read as the tar file of a backup", from);
    let file = File::open(from).map_err(failed())?;
    let mut archive = tar::Archive::new(io::BufReader::new(file));
    let mut entries = archive.entries().map_err(failed())?;
    let first = entries.next().transpose().map_err(failed())?;
    let manifest = match first {
        Some(first) if first.path().map_err(failed())?.as_ref() == Path::new(MANIFEST) => {
            read_manifest(from, first)?
        }
        _ => {
            let reason = "is no backup: its first file is not manifest.json";
            return Err(BackupError::refused(from, reason));
        }
    };
    let mut unpacking = Unpacking::new(&manifest, to, watcher);
    for entry in entries {
        let entry = entry.map_err(failed())?;
        let path = entry.path().map_err(failed())?.into_owned();
        let Some(path) = path.to_str() else {
            let reason = format!("has {path:?}, a name that is no text");
            return Err(BackupError::refused(from, reason));
        };
        if !entry.header().entry_type().is_file() {
            let reason = format!("has {path:?}, which is no file");
            return Err(BackupError::refused(from, reason));
        }
        unpacking.take(path, entry, from)?;
    }
    unpacking.finish(from)?;
    Ok(manifest)
}

fn read_manifest(place: &Path, file: impl Read) -> Result<BackupManifest, BackupError> {
    let mut text = Vec::new();
    let read = file.take(MANIFEST_OCTETS_MAX).read_to_end(&mut text);
    read.map_err(BackupError::system("read", place))?;
    BackupManifest::parse(&text).map_err(|reason| BackupError::refused(place, reason))
}

/// A backup as it is read.
struct Unpacking<'a> {
    to: &'a Path,
    /// The files that are still to come.
    wanted: BTreeMap<&'a str, &'a BackupFile>,
    progress: Progress,
    watcher: Watcher<'a>,
}

impl<'a> Unpacking<'a> {
    fn new(manifest: &'a BackupManifest, to: &'a Path, watcher: Watcher<'a>) -> Self {
        let wanted = manifest.files.iter();
        Self {
            to,
            wanted: wanted.map(|file| (file.path.as_str(), file)).collect(),
            progress: Progress {
                done: 0,
                total: manifest.octets(),
            },
            watcher,
        }
    }

    /// Takes one file; `place` is where it was read.
    fn take(&mut self, path: &str, file: impl Read, place: &Path) -> Result<(), BackupError> {
        let Some(wanted) = self.wanted.remove(path) else {
            let reason = format!("has {path:?}, which its manifest does not name once");
            return Err(BackupError::refused(place, reason));
        };
        // One octet more shows that it is longer.
        let file = file.take(wanted.octets.saturating_add(1));
        let (progress, watcher) = (&mut self.progress, &mut self.watcher);
        let (octets, sha256) = copy(file, place, &self.to.join(path), |octets| {
            progress.done += octets;
            watcher(*progress);
        })?;
        if (octets, sha256) == (wanted.octets, wanted.sha256) {
            return Ok(());
        }
        let reason = format!(
            "{path} is not what the manifest says: the backup was damaged or changed; take \
             another one"
        );
        Err(BackupError::refused(place, reason))
    }

    fn finish(self, from: &Path) -> Result<(), BackupError> {
        match self.wanted.keys().next() {
            None => Ok(()),
            Some(path) => {
                let reason =
                    format!("{path} is missing: the backup is not whole; take another one");
                Err(BackupError::refused(from, reason))
            }
        }
    }
}
