//! What was promised to others and must not be taken back, kept a second time outside the state
//! folder: the highest serial and the keys of each list, and the last checkpoint of the audit log.
//!
//! Whoever restores the state folder restores its log's key with it, so nothing inside that folder
//! can tell that it is older than it was. The file beside it can. One folder holds one file,
//! `promised.json`, which is replaced whole. Where it cannot be written, that is said once and
//! everything goes on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{getegid, geteuid};
use serde::{Deserialize, Serialize};
use tracing::{error, info};

use super::whole::{make_private_folder, write_whole};
use crate::list::Hash;
use crate::list::key_chain::ChainFloor;
use crate::record::Moment;

/// The file in its folder.
const FILE: &str = "promised.json";
/// What a damaged file is called from then on.
const DAMAGED: &str = "promised.json.damaged";
/// The form that this version writes.
const FORM: u64 = 1;
/// The longest file that is read, in octets.
const FILE_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// What was promised, in memory and on disk; a clone speaks of the same. The default promises
/// nothing and keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct Promises(Arc<Mutex<PromisedFile>>);

/// What was promised of one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListPromise {
    /// The highest serial that was accepted, and its manifest's hash.
    pub highest: Option<(u64, Hash)>,
    /// How far its chain of keys has come.
    pub keys: Option<ChainFloor>,
}

/// The last checkpoint of the audit log that was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPromise {
    /// The log.
    pub origin: String,
    /// How many leaves it covers.
    pub size: u64,
    /// Their root.
    pub root: Hash,
    /// Up to when their hours tell; none where an older version promised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
}

#[derive(Debug, Default)]
struct PromisedFile {
    /// The folder; none where nothing is kept.
    folder: Option<PathBuf>,
    content: Content,
    /// The file is not as `content`.
    is_unwritten: bool,
    /// That it cannot be written was said.
    is_failing: bool,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    v: u64,
    #[serde(default)]
    log: Option<LogPromise>,
    #[serde(default)]
    lists: BTreeMap<String, WrittenList>,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            v: FORM,
            log: None,
            lists: BTreeMap::new(),
        }
    }
}

/// A list's promise, flat as it stands in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct WrittenList {
    serial: Option<u64>,
    manifest: Option<Hash>,
    keys: Option<ChainFloor>,
}

impl Promises {
    /// Reads what was promised from `folder`, which is made at the first promise where it is not
    /// there. A damaged file is set aside, and said.
    pub fn open(folder: &Path) -> Self {
        let place = folder.join(FILE);
        let content = match read(&place) {
            Ok(Some(content)) => content,
            Ok(None) => Content::default(),
            Err(error) => {
                let place = place.display();
                error!(
                    "{place} cannot be read ({error}): it is not known what was promised before"
                );
                set_aside(folder, &error);
                Content::default()
            }
        };
        Self(Arc::new(Mutex::new(PromisedFile {
            folder: Some(folder.into()),
            content,
            ..PromisedFile::default()
        })))
    }

    /// What was promised of a list.
    pub fn list(&self, list: &str) -> ListPromise {
        let kept = self.lock();
        kept.content
            .lists
            .get(list)
            .map_or_else(ListPromise::default, WrittenList::read)
    }

    /// Promises this of a list from now on; on disk when this returns, where that is possible.
    pub fn promise_list(&self, list: &str, promise: &ListPromise) {
        let written = WrittenList::of(promise);
        let mut kept = self.lock();
        let lists = &mut kept.content.lists;
        if lists.get(list).copied().unwrap_or_default() != written {
            lists.insert(list.to_owned(), written);
            kept.is_unwritten = true;
        }
        kept.write();
    }

    /// The last checkpoint that was promised.
    pub fn log(&self) -> Option<LogPromise> {
        self.lock().content.log.clone()
    }

    /// Promises this checkpoint; says whether that is on disk.
    pub(super) fn promise_log(&self, promise: &LogPromise) -> bool {
        let mut kept = self.lock();
        if kept.content.log.as_ref() != Some(promise) {
            kept.content.log = Some(promise.clone());
            kept.is_unwritten = true;
        }
        kept.write();
        kept.folder.is_some() && !kept.is_unwritten
    }

    /// What will keep the owner of the state folder from writing to this one, by the files' modes;
    /// nothing where all is in order. Changes nothing.
    pub fn check(folder: &Path, state: &Path) -> Option<String> {
        let (uid, gid) = state.metadata().map_or_else(
            |_| (geteuid().as_raw(), getegid().as_raw()),
            |state| (state.uid(), state.gid()),
        );
        let place = folder.ancestors().find(|place| place.exists())?;
        let found = place.metadata().ok()?;
        let needed = match found.mode() {
            _ if uid == 0 => 0,
            mode if found.uid() == uid => 0o300 & !mode,
            mode if found.gid() == gid => 0o030 & !mode,
            mode => 0o003 & !mode,
        };
        (needed > 0 || !found.is_dir()).then(|| {
            format!(
                "what was promised cannot be kept in {}: whoever owns the state folder cannot \
                 write to {}; a state folder that is restored, copied or emptied would go \
                 unnoticed: make the folder, with the state folder's owner, or name another one \
                 (key `promised`)",
                folder.display(),
                place.display()
            )
        })
    }

    fn lock(&self) -> MutexGuard<'_, PromisedFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PromisedFile {
    fn write(&mut self) {
        let Some(folder) = self.folder.as_ref().filter(|_| self.is_unwritten) else {
            return;
        };
        let written = make_private_folder(folder).and_then(|()| {
            let text = serde_json::to_vec_pretty(&self.content)?;
            write_whole(folder, FILE, text.as_slice())
        });
        let place = folder.display();
        match (&written, self.is_failing) {
            (Err(error), false) => error!(
                "what was promised cannot be kept in {place} ({error}): a state folder that was \
                 restored or copied would go unnoticed; correct the folder's owner and mode, or \
                 name another one (key `promised`)"
            ),
            (Ok(()), true) => info!("what was promised is kept in {place} again"),
            _ => {}
        }
        self.is_failing = written.is_err();
        self.is_unwritten = written.is_err();
    }
}

impl WrittenList {
    fn of(promise: &ListPromise) -> Self {
        let (serial, manifest) = promise.highest.unzip();
        let keys = promise.keys;
        Self {
            serial,
            manifest,
            keys,
        }
    }

    fn read(&self) -> ListPromise {
        ListPromise {
            highest: self.serial.zip(self.manifest),
            keys: self.keys,
        }
    }
}

fn read(place: &Path) -> io::Result<Option<Content>> {
    let file = match File::open(place) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > FILE_OCTETS_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is no file of promises",
        ));
    }
    let mut text = Vec::new();
    file.take(FILE_OCTETS_MAX).read_to_end(&mut text)?;
    let damaged = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let content: Content =
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if content.v != FORM {
        return Err(damaged(format!("it has form {}", content.v)));
    }
    let mut lists = content.lists.values();
    if !lists.all(|list| list.serial.is_some() == list.manifest.is_some()) {
        return Err(damaged("a serial in it has no manifest".to_owned()));
    }
    Ok(Some(content))
}

/// For whoever wants to know what happened; a second time the first one stays.
fn set_aside(folder: &Path, error: &io::Error) {
    let aside = folder.join(DAMAGED);
    if error.kind() == io::ErrorKind::InvalidData && !aside.exists() {
        // It is written over all the same.
        let _ = fs::rename(folder.join(FILE), aside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(size: u64) -> LogPromise {
        LogPromise {
            origin: "provider.example/one".to_owned(),
            size,
            root: Hash::of(&size.to_be_bytes()),
            until: Some(Moment(3600)),
        }
    }

    fn list(serial: u64) -> ListPromise {
        ListPromise {
            highest: Some((serial, Hash::of(b"manifest"))),
            keys: Some(ChainFloor {
                anchor: Hash::of(b"anchor"),
                number: 2,
                hash: Hash::of(b"link"),
            }),
        }
    }

    #[test]
    fn what_was_promised_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("state.promised");
        let promises = Promises::open(&place);
        assert_eq!(
            (promises.log(), promises.list("one")),
            (None, ListPromise::default())
        );
        promises.promise_list("empty", &ListPromise::default());
        assert!(!place.exists(), "nothing was promised");
        promises.promise_list("one", &list(7));
        assert!(promises.promise_log(&log(12)));
        let again = Promises::open(&place);
        assert_eq!((again.log(), again.list("one")), (Some(log(12)), list(7)));
        assert_eq!(again.list("other"), ListPromise::default());
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{", "{\"v\":2}", "[1]", "{\"v\":1,\"log\":{}}"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            let promises = Promises::open(folder.path());
            assert_eq!(promises.log(), None, "{text}");
            assert!(folder.path().join(DAMAGED).exists(), "{text}");
            assert!(promises.promise_log(&log(1)));
            assert_eq!(Promises::open(folder.path()).log(), Some(log(1)));
        }
        let first = fs::read_to_string(folder.path().join(DAMAGED)).unwrap();
        assert_eq!(first, "", "the first one stays");
    }

    #[test]
    fn what_cannot_be_written_is_tried_again_with_the_next_promise() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("state.promised");
        fs::write(&place, "in the way").unwrap();
        let promises = Promises::open(&place);
        assert!(!promises.promise_log(&log(1)));
        assert_eq!(promises.log(), Some(log(1)));
        let said = Promises::check(&place, folder.path()).unwrap();
        assert!(said.contains("state.promised"), "{said}");
        fs::remove_file(&place).unwrap();
        assert_eq!(Promises::check(&place, folder.path()), None);
        assert!(!place.exists());
        promises.promise_list("one", &list(1));
        assert_eq!(Promises::open(&place).log(), Some(log(1)));
        assert!(!Promises::default().promise_log(&log(1)), "nowhere to keep");
    }
}
