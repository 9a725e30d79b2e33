//! The threads that look for lists: each source on its own, all handing what they find to the one
//! updater.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::push::{Listener, Seats};
use super::{Updater, folder, pull};

/// Where a list is looked for, beside or instead of a file.
#[derive(Clone, Debug)]
pub enum ListOrigin {
    /// A folder with the manifest, the entries and removals.
    Folder(PathBuf),
    /// Addresses on the web.
    Pull(pull::Settings),
    /// Whoever has the token may push it to our listener.
    Push,
}

/// The running threads; they end when this is dropped.
pub struct Sources {
    stops: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
    _push: Option<Seats>,
}

impl Sources {
    /// Start to look for all lists; `push` answers those who push.
    pub fn start(updater: &Arc<Updater>, push: Option<Listener>) -> io::Result<Self> {
        let mut sources = Self {
            stops: Vec::new(),
            threads: Vec::new(),
            _push: None,
        };
        for slot in &updater.slots {
            for source in &slot.source.sources {
                let (list, id) = (slot.source.index, slot.source.id.clone());
                match source.clone() {
                    ListOrigin::Folder(path) => {
                        let (lists, removals) = (
                            folder::FolderLists::new(list, &id, &path),
                            folder::Removals::new(list, &id, &path),
                        );
                        sources
                            .spawn(updater, move |updater, stopped| lists.run(updater, stopped))?;
                        sources.spawn(updater, move |updater, stopped| {
                            removals.run(updater, stopped)
                        })?;
                    }
                    ListOrigin::Pull(settings) => {
                        let (removals_id, removals) = (id.clone(), settings.clone());
                        sources.spawn(updater, move |updater, stopped| {
                            pull::run(updater, list, &id, &settings, stopped)
                        })?;
                        sources.spawn(updater, move |updater, stopped| {
                            pull::run_removals(updater, list, &removals_id, &removals, stopped)
                        })?;
                    }
                    ListOrigin::Push => {}
                }
            }
        }
        sources._push = push
            .map(|listener| listener.serve(Arc::clone(updater)))
            .transpose()?;
        Ok(sources)
    }

    fn spawn(
        &mut self,
        updater: &Arc<Updater>,
        run: impl FnOnce(&Updater, &Receiver<()>) + Send + 'static,
    ) -> io::Result<()> {
        let ((stop, stopped), updater) = (channel(), Arc::clone(updater));
        let thread = std::thread::Builder::new()
            .name("source".to_owned())
            .spawn(move || run(&updater, &stopped))?;
        self.stops.push(stop);
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.stops.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
