//! The threads that look for lists: each source on its own. Sources only offer: whether something
//! is in force, or was judged before, is the keeper's to know.

mod file;
mod folder;
mod pull;
pub mod push;
pub mod transfer;

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

pub use file::Watch;

use super::join::join_until;
use super::listed::ListOrigin;
use super::mailbox::Mailbox;
use super::updater::Updater;
use crate::clock::monotonic;

/// How long a stop waits for a source that is in the middle of something.
const STOP: Duration = Duration::from_secs(1);

/// The running threads; they end when this is dropped.
pub struct Sources {
    stops: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Sources {
    /// Start to look for all lists.
    pub fn start(updater: &Updater) -> io::Result<Self> {
        let mut sources = Self {
            stops: Vec::new(),
            threads: Vec::new(),
        };
        for list in updater.lists().all() {
            for source in &list.list.sources {
                sources.look_for(&list, source.clone())?;
            }
        }
        Ok(sources)
    }

    fn look_for(&mut self, list: &Mailbox, source: ListOrigin) -> io::Result<()> {
        match source {
            ListOrigin::Folder(path) => {
                let lists = folder::FolderLists::new(list.clone(), &path);
                let notes = folder::FolderNotes::new(list.clone(), &path);
                self.spawn(move |stopped| lists.run(stopped))?;
                self.spawn(move |stopped| notes.run(stopped))
            }
            ListOrigin::Pull(settings) => {
                let (notes, of_notes) = (list.clone(), settings.clone());
                let list = list.clone();
                self.spawn(move |stopped| pull::run(&list, &settings, stopped))?;
                self.spawn(move |stopped| pull::run_notes(&notes, &of_notes, stopped))
            }
            ListOrigin::Push => Ok(()),
        }
    }

    fn spawn(&mut self, run: impl FnOnce(&Receiver<()>) + Send + 'static) -> io::Result<()> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("source".to_owned())
            .spawn(move || run(&stopped))?;
        self.stops.push(stop);
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.stops.clear();
        join_until(self.threads.drain(..), monotonic() + STOP);
    }
}
