//! Sees that a list's file changed, however it was saved, and has it read once nobody writes to it
//! any more.
//!
//! The folders are watched, not the files, since most editors save by putting a new file in the old
//! one's place. An event only says "look again": whether a list changed is decided on its file's
//! stamp, so that reading a file never causes another reading. The stamps are also looked at twice
//! a second without any event, for network file systems and for links further up the path.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tracing::{error, warn};

use super::keeper::Slot;
use super::refusal::{Cause, place_of};
use super::source::Stamp;
use super::{Updater, Which, lock};
use crate::clock::monotonic;

/// How often the files are looked at where no event comes.
const LOOK: Duration = Duration::from_millis(500);
/// The longest chain of symbolic links that is followed to find folders to watch.
const LINKS_MAX: usize = 8;

/// Watches the lists' files until it is dropped.
pub struct Watch {
    wake: SyncSender<WatchWake>,
    thread: Option<JoinHandle<()>>,
}

enum WatchWake {
    Look,
    Stop,
}

impl Watch {
    /// Start to watch, and a thread that reloads; what is saved after the return is seen.
    pub fn start(updater: Arc<Updater>) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let eye = Eye::new(updater, wake.clone());
        let thread = std::thread::Builder::new()
            .name("lists".to_owned())
            .spawn(move || eye.run(&woken))?;
        Ok(Self {
            wake,
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Blocks only while a look is queued; an error means that the thread has ended already.
        let _ = self.wake.send(WatchWake::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The watching thread's own things.
struct Eye {
    updater: Arc<Updater>,
    sights: Vec<Sight>,
    folders: Folders,
}

/// One list's file as last seen.
#[derive(Clone, Copy)]
struct Sight {
    stamp: Option<Stamp>,
    /// Since when the file looks like this.
    since: Instant,
    /// Since when it has been restless; nothing while it is as it was last read.
    restless: Option<Instant>,
    has_complained: bool,
}

impl Eye {
    fn new(updater: Arc<Updater>, events: SyncSender<WatchWake>) -> Self {
        let mut folders = Folders::new(Arc::clone(&updater), events);
        folders.follow(&updater);
        let now = monotonic();
        let sights = updater.slots.iter().map(|slot| Sight {
            stamp: *lock(&slot.attempted),
            since: now,
            restless: None,
            has_complained: false,
        });
        Self {
            sights: sights.collect(),
            updater,
            folders,
        }
    }

    fn run(mut self, woken: &Receiver<WatchWake>) {
        loop {
            let wait = self.look();
            self.updater.tidy();
            self.updater.pass_time();
            self.folders.follow(&self.updater);
            match woken.recv_timeout(wait) {
                Ok(WatchWake::Look) | Err(RecvTimeoutError::Timeout) => {}
                Ok(WatchWake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Look at every file once, reload those that changed and came to rest, and say when to look
    /// again.
    fn look(&mut self) -> Duration {
        let mut wait = LOOK;
        for (slot, sight) in self.updater.slots.iter().zip(&mut self.sights) {
            let Some(path) = slot.source.path() else {
                continue;
            };
            match sight.look(path, slot, &self.updater) {
                Look::Same => {}
                Look::Restless(rest) => wait = wait.min(rest),
                Look::Changed => {
                    self.updater.reload(Which::One(slot.source.index));
                }
            }
        }
        wait
    }
}

/// What a look at a file showed.
enum Look {
    /// As it was last read.
    Same,
    /// Changed, and to be left alone for this much longer.
    Restless(Duration),
    /// Changed and at rest: to be read.
    Changed,
}

impl Sight {
    fn look(&mut self, path: &Path, slot: &Slot, updater: &Updater) -> Look {
        let stamp = Stamp::of(path).ok();
        let now = monotonic();
        if stamp != self.stamp {
            (self.stamp, self.since) = (stamp, now);
        }
        if stamp == *lock(&slot.attempted) {
            (self.restless, self.has_complained) = (None, false);
            return Look::Same;
        }
        let restless = *self.restless.get_or_insert(now);
        let needed = updater.quiet.needed(slot.writer());
        let rested = now - self.since;
        if rested >= needed {
            return Look::Changed;
        }
        if now - restless > updater.quiet.patience() && !self.has_complained {
            self.has_complained = true;
            slot.note_refusal(Cause::StillWritten, &slot.source.place(), None);
        }
        Look::Restless(needed - rested)
    }
}

/// The folders that are watched: of each list's file, and of the files that symbolic links lead to.
struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
    refused: HashSet<PathBuf>,
}

impl Folders {
    fn new(updater: Arc<Updater>, events: SyncSender<WatchWake>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if note_event(&updater, event) == WatchEvent::Change {
                // A full queue means that a look is coming anyway.
                let _ = events.try_send(WatchWake::Look);
            }
        });
        let watcher = watcher.inspect_err(|error| {
            warn!(
                "the system cannot watch folders ({error}): changed lists are found by looking \
                   twice a second"
            );
        });
        Self {
            watcher: watcher.ok(),
            watched: HashSet::new(),
            refused: HashSet::new(),
        }
    }

    /// Watch the folders that the lists' paths lead through now.
    fn follow(&mut self, updater: &Updater) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let wanted: HashSet<PathBuf> = updater
            .slots
            .iter()
            .filter_map(|slot| slot.source.path())
            .flat_map(folders_of)
            .collect();
        self.watched.retain(|folder| {
            let stays = wanted.contains(folder) && folder.is_dir();
            if !stays {
                // The folder may be gone, and its watch with it.
                let _ = watcher.unwatch(folder);
            }
            stays
        });
        for folder in wanted {
            if self.watched.contains(&folder) {
                continue;
            }
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.refused.remove(&folder);
                    self.watched.insert(folder);
                }
                Err(error) if self.refused.insert(folder.clone()) => {
                    let folder = place_of(&folder);
                    warn!(
                        "{folder}: cannot be watched ({error}): changed lists are found by looking \
                         twice a second"
                    );
                }
                Err(_) => {}
            }
        }
    }
}

/// The folder of `path`, and of each file that it leads to where it is a symbolic link.
fn folders_of(path: &Path) -> Vec<PathBuf> {
    files_of(path)
        .iter()
        .filter_map(|file| file.parent())
        .map(Path::to_path_buf)
        .collect()
}

/// `path`, and each file that it leads to where it is a symbolic link; made absolute.
fn files_of(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())];
    while let Some(last) = files.last()
        && files.len() <= LINKS_MAX
        && let Ok(target) = last.read_link()
    {
        files.push(last.parent().unwrap_or(Path::new("/")).join(target));
    }
    files
}

/// Is an event worth a look at the files?
#[derive(PartialEq, Eq)]
enum WatchEvent {
    Change,
    Nothing,
}

/// Keep in mind who writes to which list, and pass over what merely reads.
fn note_event(updater: &Updater, event: notify::Result<Event>) -> WatchEvent {
    let event = match event {
        Ok(event) => event,
        Err(error) => {
            error!(
                "watching the lists' folders failed ({error}): changed lists are found by looking \
                 twice a second"
            );
            return WatchEvent::Change;
        }
    };
    let is_written = match event.kind {
        EventKind::Modify(ModifyKind::Data(_)) => Some(true),
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Remove(_)
        | EventKind::Modify(ModifyKind::Name(_)) => Some(false),
        EventKind::Access(_) => return WatchEvent::Nothing,
        _ => None,
    };
    for slot in &updater.slots {
        let Some(path) = slot.source.path() else {
            continue;
        };
        if event.need_rescan() {
            slot.is_written.store(false, Relaxed);
        } else if let Some(is_written) = is_written
            && event
                .paths
                .iter()
                .any(|changed| files_of(path).contains(changed))
        {
            slot.is_written.store(is_written, Relaxed);
        }
    }
    WatchEvent::Change
}
