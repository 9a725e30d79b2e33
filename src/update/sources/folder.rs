//! A watched folder: a list is complete there when the entries that its manifest names are, by
//! their hash.
//!
//! Looked at ten times a second rather than by events: two `stat` calls cost nothing, and they work
//! on every file system.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::clock::monotonic;
use crate::list::Hash;
use crate::list::key_link::KeyLink;
use crate::list::manifest::{Manifest, Secrecy};
use crate::list::removal::Removal;
use crate::seal::{NOTE_OCTETS_MAX, Note, NoteError};
use crate::update::bundle::{Bundle, Origin, Way};
use crate::update::listed::ENTRIES_OCTETS_MAX;
use crate::update::mailbox::Mailbox;
use crate::update::refusal::{Cause, place_of};
use crate::update::removal::SignedRemoval;
use crate::update::text::{Stamp, Text};

const LOOK: Duration = Duration::from_millis(100);
/// Files that do not fit together are refused when nobody has touched them for this long; until
/// then they are being written.
const REST: Duration = Duration::from_secs(1);
/// How often it is told that the folder has a manifest.
const TELL: Duration = Duration::from_secs(10);

/// What a manifest and the entries looked like: nothing where a file is missing.
type Sight = (Option<Stamp>, Option<Stamp>);

/// Watches for manifests and entries.
pub(super) struct FolderLists {
    list: Mailbox,
    folder: PathBuf,
    manifest: PathBuf,
    entries: Option<PathBuf>,
    /// What was last handed on or refused.
    done: Sight,
    seen: Sight,
    since: Instant,
    asked: u64,
    /// When it was last told that the folder has a manifest.
    told: Option<Instant>,
}

impl FolderLists {
    pub(super) fn new(list: Mailbox, folder: &Path) -> Self {
        let nothing = (None, None);
        let manifest = folder.join(Manifest::file(&list.list.id));
        Self {
            list,
            folder: folder.to_path_buf(),
            manifest,
            entries: None,
            done: nothing,
            seen: nothing,
            since: monotonic(),
            asked: 0,
            told: None,
        }
    }

    pub(super) fn run(mut self, stopped: &Receiver<()>) {
        loop {
            self.look();
            if stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn look(&mut self) {
        let sight = (
            Stamp::of(&self.manifest).ok(),
            self.entries
                .as_deref()
                .and_then(|path| Stamp::of(path).ok()),
        );
        if sight.0.is_some() && self.told.is_none_or(|told| told.elapsed() >= TELL) {
            self.told = Some(monotonic());
            self.list.note_reached();
        }
        let asked = self.list.view().asked;
        if std::mem::replace(&mut self.asked, asked) != asked {
            // What was refused for a reason that is mended by now is read again.
            self.done = (None, None);
        }
        if sight == self.done || sight.0.is_none() {
            return;
        }
        if sight != self.seen {
            (self.seen, self.since) = (sight, monotonic());
        }
        let is_resting = self.since.elapsed() >= REST;
        match self.read() {
            Ok(bundle) => drop(self.list.offer(bundle)),
            Err(_) if !is_resting => return,
            Err(cause) => {
                let is_passing = cause.is_passing();
                self.list.note_trouble(cause, &place_of(&self.manifest));
                if is_passing {
                    // It is looked at again, after a rest.
                    self.since = monotonic();
                    return;
                }
            }
        }
        self.done = (
            sight.0,
            self.entries
                .as_deref()
                .and_then(|path| Stamp::of(path).ok()),
        );
    }

    /// The bundle, once its files fit together.
    fn read(&mut self) -> Result<Bundle, Cause> {
        let note = read_note(&self.manifest)?;
        let manifest = Manifest::parse(note.text()).map_err(Cause::Papers)?;
        let path = self.folder.join(manifest.entries_file());
        self.entries = Some(path.clone());
        let octets = read_capped(&path, ENTRIES_OCTETS_MAX).map_err(|cause| match cause {
            Cause::Missing => Cause::NoEntries,
            cause => cause,
        })?;
        if manifest.secrecy == Secrecy::Open && Hash::of(&octets) != manifest.sha256 {
            return Err(Cause::Hash);
        }
        let origin = Origin {
            way: Way::Folder,
            place: place_of(&self.manifest),
        };
        Ok(Bundle {
            list: self.list.list.index,
            manifest: Some(note),
            text: Text::Memory(octets.into()),
            origin,
        })
    }
}

/// Watches for removals and chains of keys; on a thread of its own, so that they never wait for a
/// list that is being built.
pub(super) struct FolderNotes {
    list: Mailbox,
    removals: WatchedFile,
    keys: WatchedFile,
}

/// A file that is read whenever it has changed.
struct WatchedFile {
    path: PathBuf,
    done: Option<Stamp>,
    seen: Option<Stamp>,
    since: Instant,
    /// Before this it is not read again.
    due: Instant,
}

/// What became of a file's content.
enum NoteTaken {
    Done,
    /// It was refused, and told, for a reason that passes.
    Again,
    /// It cannot be taken like this.
    Fault(Cause),
}

impl WatchedFile {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            done: None,
            seen: None,
            since: monotonic(),
            due: monotonic(),
        }
    }

    /// Have the file taken where it has changed; one that cannot be taken may be half written, and
    /// is read again until it rests.
    fn look(&mut self, list: &Mailbox, take: impl Fn(&[u8], &Origin) -> NoteTaken) {
        let stamp = Stamp::of(&self.path).ok();
        if stamp.is_none() || stamp == self.done || monotonic() < self.due {
            return;
        }
        if stamp != self.seen {
            (self.seen, self.since) = (stamp, monotonic());
        }
        let origin = Origin {
            way: Way::Folder,
            place: place_of(&self.path),
        };
        let read = read_capped(&self.path, NOTE_OCTETS_MAX as u64);
        let taken = read.map_or_else(NoteTaken::Fault, |octets| take(&octets, &origin));
        match taken {
            NoteTaken::Done => {}
            NoteTaken::Again => {
                self.due = monotonic() + REST;
                return;
            }
            NoteTaken::Fault(_) if self.since.elapsed() < REST => return,
            NoteTaken::Fault(cause) => {
                let is_passing = cause.is_passing();
                list.note_trouble(cause, &origin.place);
                if is_passing {
                    self.due = monotonic() + REST;
                    return;
                }
            }
        }
        self.done = stamp;
    }
}

impl FolderNotes {
    pub(super) fn new(list: Mailbox, folder: &Path) -> Self {
        Self {
            removals: WatchedFile::new(folder.join(Removal::file(&list.list.id))),
            keys: WatchedFile::new(folder.join(KeyLink::file(&list.list.id))),
            list,
        }
    }

    pub(super) fn run(mut self, stopped: &Receiver<()>) {
        loop {
            let list = &self.list;
            self.keys.look(list, |octets, origin| {
                let followed = list.follow_keys(octets, origin).change;
                if followed.is_refused_for_now() {
                    NoteTaken::Again
                } else {
                    NoteTaken::Done
                }
            });
            self.removals.look(list, |octets, origin| {
                let opened = SignedRemoval::open_all(octets, &list.list.identities);
                let (opened, fault) = opened.unwrap_or_else(|cause| (Vec::new(), Some(cause)));
                for signed in opened {
                    list.remove(signed, origin);
                }
                fault.map_or(NoteTaken::Done, NoteTaken::Fault)
            });
            if stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

fn read_note(path: &Path) -> Result<Note, Cause> {
    let octets = read_capped(path, NOTE_OCTETS_MAX as u64)?;
    Note::parse(&octets).map_err(Cause::Note)
}

/// A file's octets, wiped when they are let go of; one that is longer than allowed is refused.
fn read_capped(path: &Path, octets_max: u64) -> Result<Zeroizing<Vec<u8>>, Cause> {
    let stamp = Stamp::of(path)?;
    if stamp.octets() > octets_max {
        return Err(Cause::Note(NoteError::Large));
    }
    let file = File::open(path).map_err(Cause::from_io)?;
    let mut octets = Zeroizing::new(Vec::with_capacity(
        usize::try_from(stamp.octets()).unwrap_or(0) + 1,
    ));
    file.take(stamp.octets() + 1)
        .read_to_end(&mut octets)
        .map_err(Cause::from_io)?;
    if octets.len() as u64 == stamp.octets() {
        Ok(octets)
    } else {
        Err(Cause::Changed)
    }
}
