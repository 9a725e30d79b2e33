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

/// Watches for removals; on a thread of its own, so that they never wait for a list that is being
/// built.
pub(super) struct Removals {
    list: Mailbox,
    file: PathBuf,
    done: Option<Stamp>,
    seen: Option<Stamp>,
    since: Instant,
}

impl Removals {
    pub(super) fn new(list: Mailbox, folder: &Path) -> Self {
        Self {
            file: folder.join(Removal::file(&list.list.id)),
            list,
            done: None,
            seen: None,
            since: monotonic(),
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
        let stamp = Stamp::of(&self.file).ok();
        if stamp.is_none() || stamp == self.done {
            return;
        }
        if stamp != self.seen {
            (self.seen, self.since) = (stamp, monotonic());
        }
        let place = place_of(&self.file);
        let read = read_capped(&self.file, NOTE_OCTETS_MAX as u64);
        let identities = &self.list.list.identities;
        match read.and_then(|octets| SignedRemoval::open_all(&octets, identities)) {
            Ok((opened, fault)) => {
                let way = Way::Folder;
                let origin = Origin { way, place };
                for signed in opened {
                    self.list.remove(signed, &origin);
                }
                if let Some(fault) = fault {
                    self.list.note_trouble(fault, &origin.place);
                }
            }
            // Half a note is no note: it is read again until it rests.
            Err(_) if self.since.elapsed() < REST => return,
            Err(cause) => {
                let is_passing = cause.is_passing();
                self.list.note_trouble(cause, &place);
                if is_passing {
                    self.since = monotonic();
                    return;
                }
            }
        }
        self.done = stamp;
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
