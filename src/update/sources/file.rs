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
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tracing::{error, warn};

use crate::clock::monotonic;
use crate::update::join::join_until;
use crate::update::mailbox::Mailbox;
use crate::update::refusal::{Cause, place_of};
use crate::update::text::{Quiet, Stamp};
use crate::update::updater::Updater;

/// How often the files are looked at where no event comes.
const LOOK: Duration = Duration::from_millis(500);
/// How long a stop waits for a file that is being read.
const STOP: Duration = Duration::from_millis(500);
/// The longest chain of symbolic links that is followed to find folders to watch.
const LINKS_MAX: usize = 8;

/// Watches the lists' files until it is dropped.
pub struct Watch {
    wake: SyncSender<()>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Start to watch, and a thread that reloads; what is saved after the return is seen.
    pub fn start(updater: &Updater) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let has_file = |list: &Mailbox| list.list.path().is_some();
        let lists: Vec<_> = updater.lists().all().into_iter().filter(has_file).collect();
        let eye = Eye::new(lists.into(), updater.quiet(), wake.clone());
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::Builder::new()
            .name("lists".to_owned())
            .spawn(move || eye.run(&woken, &over))?;
        Ok(Self {
            wake,
            is_over,
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Where a look is queued, the thread wakes without this.
        self.is_over.store(true, Relaxed);
        let _ = self.wake.try_send(());
        join_until(self.thread.take().into_iter(), monotonic() + STOP);
    }
}

/// The watching thread's own things.
struct Eye {
    lists: Arc<[Mailbox]>,
    quiet: Quiet,
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
    fn new(lists: Arc<[Mailbox]>, quiet: Quiet, events: SyncSender<()>) -> Self {
        let mut folders = Folders::new(Arc::clone(&lists), events);
        folders.follow(&lists);
        let now = monotonic();
        let sights = lists.iter().map(|list| Sight {
            stamp: list.view().attempted,
            since: now,
            restless: None,
            has_complained: false,
        });
        Self {
            sights: sights.collect(),
            lists,
            quiet,
            folders,
        }
    }

    fn run(mut self, woken: &Receiver<()>, is_over: &AtomicBool) {
        while !is_over.load(Relaxed) {
            let wait = self.look();
            self.folders.follow(&self.lists);
            if woken.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    /// Look at every file once, reload those that changed and came to rest, and say when to look
    /// again.
    fn look(&mut self) -> Duration {
        let mut wait = LOOK;
        for (list, sight) in self.lists.iter().zip(&mut self.sights) {
            match sight.look(list, self.quiet) {
                Look::Same => {}
                Look::Restless(rest) => wait = wait.min(rest),
                Look::Changed => drop(list.reread(self.quiet)),
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
    fn look(&mut self, list: &Mailbox, quiet: Quiet) -> Look {
        let stamp = list.list.path().and_then(|path| Stamp::of(path).ok());
        let now = monotonic();
        if stamp != self.stamp {
            (self.stamp, self.since) = (stamp, now);
        }
        if stamp == list.view().attempted {
            (self.restless, self.has_complained) = (None, false);
            return Look::Same;
        }
        let restless = *self.restless.get_or_insert(now);
        let needed = quiet.needed(list.writer());
        let rested = now - self.since;
        if rested >= needed {
            return Look::Changed;
        }
        if now - restless > quiet.patience() && !self.has_complained {
            self.has_complained = true;
            list.note_trouble(Cause::StillWritten, &list.list.place());
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
    fn new(lists: Arc<[Mailbox]>, events: SyncSender<()>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if note_event(&lists, event) == WatchEvent::Change {
                // A full queue means that a look is coming anyway.
                let _ = events.try_send(());
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
    fn follow(&mut self, lists: &[Mailbox]) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let paths = lists.iter().filter_map(|list| list.list.path());
        let wanted: HashSet<PathBuf> = paths.flat_map(folders_of).collect();
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
fn note_event(lists: &[Mailbox], event: notify::Result<Event>) -> WatchEvent {
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
    for list in lists {
        let Some(path) = list.list.path() else {
            continue;
        };
        if event.need_rescan() {
            list.note_writer(false);
        } else if let Some(is_written) = is_written
            && event
                .paths
                .iter()
                .any(|changed| files_of(path).contains(changed))
        {
            list.note_writer(is_written);
        }
    }
    WatchEvent::Change
}
