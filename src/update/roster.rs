//! Which lists there are, and their keepers: lists come, change and go while the program runs.
//!
//! A list's id has its place among the tables for as long as the program runs, whether the list is
//! there or not, so that no count and no verdict is ever another list's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::front::LiveFront;
use super::join::join_until;
use super::keeper::ListKeeper;
use super::listed::ListSource;
use super::mailbox::Mailbox;
use super::prove::{Prover, Unproven};
use super::restore::empty_table;
use super::stand::Stand;
use super::start_refusal::StartRefusal;
use super::text::Quiet;
use crate::clock::monotonic;
use crate::list::{LIST_PLACES_MAX, ListIndex};
use crate::store::{Journal, Promises};

/// How long a stop waits for the keepers; what they write is whole at every moment.
const STOP: Duration = Duration::from_secs(1);

/// All lists, each in its place.
pub(super) struct Roster {
    /// Replaced by whoever holds the keepers, read by all.
    places: ArcSwap<Vec<ListPlace>>,
    keepers: Mutex<Keepers>,
    pub(super) ground: Ground,
}

/// What every list stands on.
pub(super) struct Ground {
    pub(super) front: Arc<LiveFront>,
    pub(super) quiet: ArcSwap<Quiet>,
    /// The state folder, for lists that are kept there; without it none is.
    pub(super) state: Option<PathBuf>,
    pub(super) journal: Journal,
    pub(super) promises: Promises,
}

/// An id's place.
#[derive(Clone)]
struct ListPlace {
    id: String,
    /// Where its keeper is spoken to; nothing while the list is not there.
    mailbox: Option<Mailbox>,
}

#[derive(Default)]
struct Keepers {
    threads: BTreeMap<ListIndex, JoinHandle<()>>,
    /// Asks our own doors, once they can be asked.
    prover: Option<Arc<Prover>>,
    /// The program stops, and no list comes any more.
    is_over: bool,
}

/// A list whose keeper does not run yet.
type Opened = (Stand, Option<Unproven>);

impl Roster {
    /// With these lists, in their order: what is kept of them is in force.
    pub(super) fn start(ground: Ground, lists: Vec<ListSource>) -> Result<Self, StartRefusal> {
        let roster = Self {
            places: ArcSwap::default(),
            keepers: Mutex::default(),
            ground,
        };
        {
            let mut keepers = roster.keepers();
            let lists = lists.into_iter().zip(0..);
            let opened = lists.map(|(list, index)| roster.open(list, index));
            // All are in force before the first does anything else.
            for opened in opened.collect::<Result<Vec<_>, _>>()? {
                roster.keep(opened, &mut keepers)?;
            }
        }
        Ok(roster)
    }

    /// Keep this list from now on: a new one, or the one with its id as it is set up now. What is
    /// kept of it is in force when this returns; what was in force stays until then.
    ///
    /// Waits for what is being built of it: keep it off the doors' threads.
    pub(super) fn set(&self, list: ListSource) -> Result<Mailbox, StartRefusal> {
        let mut keepers = self.keepers();
        if keepers.is_over {
            return Err(StartRefusal::Stopping);
        }
        let index = self.place_for(&list.id).ok_or(StartRefusal::NoPlace)?;
        self.end(index, &mut keepers);
        let opened = self.open(list, index)?;
        let mailbox = self.keep(opened, &mut keepers)?;
        if let Some(prover) = &keepers.prover {
            drop(mailbox.open_doors(prover));
        }
        Ok(mailbox)
    }

    /// The place that this list has, or will have when it comes: nothing is in it yet.
    pub(super) fn reserve(&self, id: &str) -> Result<ListIndex, StartRefusal> {
        let _keepers = self.keepers();
        let index = self.place_for(id).ok_or(StartRefusal::NoPlace)?;
        if usize::from(index) == self.places.load().len() {
            let front = &self.ground.front;
            let table = empty_table(front.live.load().key()).ok_or(StartRefusal::NoMemory)?;
            front.set_list(index, table, None);
            self.place(index, id, None);
        }
        Ok(index)
    }

    /// Nothing of this list is in force any more when this returns, and nobody keeps it; what is
    /// kept on disk stays, for the day that it comes again.
    pub(super) fn take_away(&self, id: &str) -> Result<(), StartRefusal> {
        let mut keepers = self.keepers();
        let list = self.named(id).ok_or(StartRefusal::NoSuchList)?;
        let index = list.list.index;
        self.end(index, &mut keepers);
        self.place(index, id, None);
        let front = &self.ground.front;
        let table = empty_table(front.live.load().key()).ok_or(StartRefusal::NoMemory)?;
        front.set_list(index, table, None);
        front.settle();
        Ok(())
    }

    /// From now on our own doors can be asked about lists that are set; those that are there
    /// already are returned.
    pub(super) fn open_doors(&self, prover: &Arc<Prover>) -> Vec<Mailbox> {
        let mut keepers = self.keepers();
        keepers.prover = Some(Arc::clone(prover));
        self.all()
    }

    /// End all keepers, which write down how far they have come.
    pub(super) fn stop(&self) {
        // Who holds the keepers may be waiting for one that builds.
        self.all().iter().for_each(Mailbox::stop);
        let mut keepers = self.keepers();
        keepers.is_over = true;
        self.all().iter().for_each(Mailbox::stop);
        let threads = std::mem::take(&mut keepers.threads).into_values();
        join_until(threads, monotonic() + STOP);
    }

    /// The lists that are there, in the order of their places.
    pub(super) fn all(&self) -> Vec<Mailbox> {
        let places = self.places.load();
        let there = places.iter().filter_map(|place| place.mailbox.clone());
        there.collect()
    }

    /// The list in this place.
    pub(super) fn at(&self, index: ListIndex) -> Option<Mailbox> {
        let places = self.places.load();
        places.get(usize::from(index))?.mailbox.clone()
    }

    /// The list with this id.
    pub(super) fn named(&self, id: &str) -> Option<Mailbox> {
        let places = self.places.load();
        places.iter().find(|place| place.id == id)?.mailbox.clone()
    }

    /// Put in force what is kept of a list that nobody keeps.
    fn open(&self, mut list: ListSource, index: ListIndex) -> Result<Opened, StartRefusal> {
        list.index = index;
        let (front, state) = (&self.ground.front, self.ground.state.as_deref());
        let (journal, promises) = (self.ground.journal.clone(), self.ground.promises.clone());
        let mut stand = Stand::open(list, state, journal, promises);
        let restored = stand.restore(&front.live.load(), &front.protected());
        let restored = restored.ok_or(StartRefusal::NoMemory)?;
        front.set_list(index, restored.table, restored.removed);
        Ok((stand, restored.unproven))
    }

    fn keep(&self, opened: Opened, keepers: &mut Keepers) -> Result<Mailbox, StartRefusal> {
        let (stand, unproven) = opened;
        let (index, id) = (stand.list.index, stand.list.id.clone());
        let started = ListKeeper::start(
            stand,
            unproven,
            &self.ground.front,
            **self.ground.quiet.load(),
        );
        let (mailbox, thread) = started.map_err(StartRefusal::NoThread)?;
        keepers.threads.insert(index, thread);
        self.place(index, &id, Some(mailbox.clone()));
        Ok(mailbox)
    }

    /// End the keeper in this place, after what it is building, since that writes to the list's
    /// folder.
    fn end(&self, index: ListIndex, keepers: &mut Keepers) {
        if let Some(mailbox) = self.at(index) {
            mailbox.leave();
        }
        if let Some(thread) = keepers.threads.remove(&index) {
            // A panic was reported where it happened.
            let _ = thread.join();
        }
    }

    /// The place that a list with this id has or would get; nothing where all are taken.
    fn place_for(&self, id: &str) -> Option<ListIndex> {
        let places = self.places.load();
        let place = places.iter().position(|place| place.id == id);
        let place = place.unwrap_or(places.len());
        ListIndex::try_from(place)
            .ok()
            .filter(|_| place < LIST_PLACES_MAX)
    }

    /// From now on the list in this place is spoken to there; nothing: it is gone.
    fn place(&self, index: ListIndex, id: &str, mailbox: Option<Mailbox>) {
        let mut places = Vec::clone(&self.places.load());
        let id = id.to_owned();
        let place = ListPlace { id, mailbox };
        match places.get_mut(usize::from(index)) {
            Some(known) => *known = place,
            None => places.push(place),
        }
        self.places.store(Arc::new(places));
    }

    fn keepers(&self) -> MutexGuard<'_, Keepers> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;
    use crate::list::parse::Format;
    use crate::name::{Name, SuffixHashes};
    use crate::policy::Verdict;
    use crate::update::state::ListChange;
    use crate::update::updater::{Settings, Updater, Which};
    use crate::update::{Bundle, Origin, Text, Way};

    fn list(folder: &Path, id: &str, text: &str) -> ListSource {
        let path = folder.join(format!("{id}.txt"));
        fs::write(&path, text).unwrap();
        ListSource::unsigned(id, 0, Text::File(path), Format::Plain)
    }

    /// A program with the list `first`, which has `first.test`.
    fn program(folder: &Path) -> Arc<Updater> {
        let settings = Settings {
            lists: vec![list(folder, "first", "first.test\n")],
            quiet: Duration::from_millis(10),
            state: Some(folder.join("state")),
            ..Settings::default()
        };
        Updater::start(settings).unwrap().0
    }

    /// Which list blocks a name.
    fn blocking(updater: &Updater, name: &str) -> Option<ListIndex> {
        let snapshot = updater.live().load();
        let mut hashes = SuffixHashes::new();
        hashes.fill(snapshot.key(), Name::parse(name).unwrap().as_wire());
        let all = snapshot.all_lists();
        match snapshot.decide(all, &hashes) {
            Verdict::Block { list, .. } => Some(list),
            Verdict::Pass => None,
        }
    }

    #[test]
    fn a_list_comes_and_leaves_the_others_as_they_are() {
        let folder = TempDir::new().unwrap();
        let updater = program(folder.path());
        let first = Arc::clone(updater.live().load().table(0).unwrap());
        let second = list(folder.path(), "second", "second.test\n");
        assert_eq!(updater.set(second).unwrap(), 1);
        assert_eq!(blocking(&updater, "second.test"), Some(1));
        assert_eq!(blocking(&updater, "first.test"), Some(0));
        let snapshot = updater.live().load();
        assert!(Arc::ptr_eq(&first, snapshot.table(0).unwrap()));
        assert_eq!(updater.index_of("second"), Some(1));
        assert_eq!(updater.states().len(), 2);
        fs::write(folder.path().join("second.txt"), "other.test\n").unwrap();
        drop(updater.reload(Which::One(1)));
        assert_eq!(blocking(&updater, "other.test"), Some(1));
    }

    #[test]
    fn a_list_that_is_set_up_anew_keeps_its_place_and_what_was_decided() {
        let folder = TempDir::new().unwrap();
        let updater = program(folder.path());
        fs::write(folder.path().join("first.txt"), "newer.test\n").unwrap();
        drop(updater.reload(Which::All));
        let gone_back = updater.roll_back(0, None, "a test").change;
        assert!(
            matches!(gone_back, ListChange::Swapped { .. }),
            "{gone_back:?}"
        );
        assert_eq!(blocking(&updater, "first.test"), Some(0));
        let mut anew = list(folder.path(), "first", "newer.test\n");
        anew.is_required = true;
        assert_eq!(updater.set(anew).unwrap(), 0);
        assert_eq!(
            blocking(&updater, "first.test"),
            Some(0),
            "the rollback holds"
        );
        assert_eq!(blocking(&updater, "newer.test"), None);
        assert_eq!(updater.live().load().all_lists(), [0]);
    }

    #[test]
    fn a_list_that_goes_blocks_nothing_and_comes_again_from_what_is_kept() {
        let folder = TempDir::new().unwrap();
        let updater = program(folder.path());
        let second = list(folder.path(), "second", "second.test\n");
        assert_eq!(updater.set(second).unwrap(), 1);
        updater.take_away("first").unwrap();
        assert_eq!(blocking(&updater, "first.test"), None);
        assert_eq!(blocking(&updater, "second.test"), Some(1));
        assert_eq!(
            (updater.index_of("first"), updater.states().len()),
            (None, 1)
        );
        assert!(updater.generations(0).is_empty());
        let gone = updater.take_away("first").unwrap_err().to_string();
        assert_eq!(gone, "there is no such list");
        let text = list(folder.path(), "first", "first.test\n");
        fs::remove_file(folder.path().join("first.txt")).unwrap();
        assert_eq!(updater.set(text).unwrap(), 0, "its own place again");
        assert_eq!(blocking(&updater, "first.test"), Some(0));
        assert_eq!(updater.generations(0).len(), 1);
    }

    #[test]
    fn what_is_being_built_ends_before_another_keeper_begins() {
        let folder = TempDir::new().unwrap();
        let updater = program(folder.path());
        let many: String = (0..200_000).map(|n| format!("{n}.many.test\n")).collect();
        let offered = Arc::clone(&updater);
        let offer = std::thread::spawn(move || {
            offered.take(Bundle {
                list: 0,
                manifest: None,
                text: Text::Memory(Arc::new(many.into_bytes().into())),
                origin: Origin {
                    way: Way::Push,
                    place: "here".to_owned(),
                },
            })
        });
        // It has begun: the keeper has put the text aside.
        std::thread::sleep(Duration::from_millis(20));
        let anew = list(folder.path(), "first", "first.test\n");
        assert_eq!(updater.set(anew).unwrap(), 0);
        // Whoever offered is told, and the list is set up as its file is, whichever came first.
        drop(offer.join().unwrap());
        assert_eq!(blocking(&updater, "first.test"), Some(0));
        assert_eq!(blocking(&updater, "7.many.test"), None);
        let kept = fs::read_dir(folder.path().join("state/lists/first")).unwrap();
        let names: Vec<_> = kept.map(|entry| entry.unwrap().file_name()).collect();
        let is_offer = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("offer");
        assert!(!names.iter().any(is_offer), "{names:?}");
    }

    #[test]
    fn nothing_is_set_after_the_stop() {
        let folder = TempDir::new().unwrap();
        let updater = program(folder.path());
        updater.stop();
        let late = updater.set(list(folder.path(), "late", "late.test\n"));
        assert_eq!(late.unwrap_err().to_string(), "the program stops");
    }
}
