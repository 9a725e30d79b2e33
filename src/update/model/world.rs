//! The real keeper with a state folder of its own: what happens is done to it, and how it stands is
//! read off it, from outside and from its record.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::events::{ListEvent, Mishap, ToldChange};
use super::expected::{Decided, QUESTIONS_MAX};
use super::papers::{self, CURATOR, LIST, NAMES, origin};
use crate::clock::{UnixSeconds, faked};
use crate::list::Scope;
use crate::list::guard::{Code, Protected};
use crate::list::parse::Format;
use crate::name::SuffixHashes;
use crate::policy::{Live, Verdict};
use crate::store::{Journal, Promises, failing};
use crate::update::decisions::Decisions;
use crate::update::listed::{ListOrigin, ListSource, Stage, Trust, Unsigned};
use crate::update::removal::SignedRemoval;
use crate::update::shelf::peek;
use crate::update::state::{ListChange, ListState};
use crate::update::text::Text;
use crate::update::updater::{Settings, Updater, Which};

/// A resolver with one list.
pub(super) struct World {
    updater: Arc<Updater>,
    live: Arc<Live>,
    promises: Promises,
    is_tried_out: bool,
    /// The last to go: a keeper that stops may write to it.
    folder: TempDir,
}

impl World {
    pub(super) fn start(is_tried_out: bool) -> Self {
        Self::start_in(make_folder(), is_tried_out)
    }

    fn start_in(folder: TempDir, is_tried_out: bool) -> Self {
        let mut protected = Protected::of_suffixes("example\n");
        protected.protect(&papers::name(NAMES.len() - 1), Scope::Below);
        let promises = Promises::open(&folder.path().join("promised"));
        let (updater, live) = Updater::start(Settings {
            lists: vec![list(is_tried_out)],
            state: Some(folder.path().join("state")),
            protected,
            promises: promises.clone(),
            // The default reads all public suffixes each time.
            quiet: Duration::ZERO,
            journal: Journal::default(),
        })
        .unwrap();
        let world = Self {
            folder,
            updater,
            live,
            promises,
            is_tried_out,
        };
        world.settle();
        world
    }

    /// Everything that the keeper had to do in turn is done.
    fn settle(&self) {
        self.updater.reload(Which::All);
    }

    /// Stop in order, and start again.
    /// With the record as it was in between.
    pub(super) fn restart(self) -> (Decisions, Self) {
        let Self {
            folder,
            updater,
            is_tried_out,
            ..
        } = self;
        drop(updater);
        let stopped = record(folder.path());
        (stopped, Self::start_in(folder, is_tried_out))
    }

    /// Start again from what lay on the disk at a moment.
    pub(super) fn start_from(self, disk: TempDir) -> Self {
        Self::start_in(disk, self.is_tried_out)
    }

    pub(super) fn copy(&self) -> TempDir {
        copy(self.folder.path()).unwrap()
    }

    /// Do it, with a mishap on the way; gives what the asker is told, the disk as it was when the
    /// power was cut, and whether a writing met the mishap.
    pub(super) fn happen(
        &self,
        event: &ListEvent,
        mishap: Mishap,
    ) -> (ToldChange, Option<TempDir>, bool) {
        let (cut, steps) = (Arc::new(Mutex::new(None)), Arc::new(AtomicU64::new(0)));
        let (place, seen) = (self.folder.path().to_path_buf(), Arc::clone(&cut));
        let counted = Arc::clone(&steps);
        failing::watch(self.folder.path(), move || {
            let step = counted.fetch_add(1, SeqCst) + 1;
            match mishap {
                Mishap::Cut(at) if at == step => *seen.lock().unwrap() = Some(copy(&place)?),
                Mishap::Full(at, true) if at == step => return Err(full()),
                Mishap::Full(at, false) if at <= step => return Err(full()),
                _ => {}
            }
            Ok(())
        });
        let told = self.act(event);
        failing::unwatch(self.folder.path());
        let is_met = match mishap {
            Mishap::Nothing => false,
            Mishap::Cut(at) | Mishap::Full(at, _) => at <= steps.load(SeqCst),
        };
        (told, cut.lock().unwrap().take(), is_met)
    }

    fn act(&self, event: &ListEvent) -> ToldChange {
        match event {
            ListEvent::Offer(issue) => told(&self.updater.take(issue.bundle()).change),
            ListEvent::Remove(removed) => {
                let signed = SignedRemoval::open(removed.carried(), &Default::default()).unwrap();
                told(&self.updater.take_removal(0, signed, &origin()).change)
            }
            ListEvent::LetPass(codes) => {
                let answer = self.updater.let_pass(0, codes, "meant");
                answer.map_or(ToldChange::Nothing, |outcome| told(&outcome.change))
            }
            ListEvent::RollBack(number) => {
                told(&self.updater.roll_back(0, *number, "a mistake").change)
            }
            ListEvent::Ask(name, questions) => {
                let snapshot = self.live.load();
                let hashes = hashes(*name, &self.live);
                (0..*questions).for_each(|_| snapshot.note_shadows(&[0], &hashes));
                drop(snapshot);
                self.tick()
            }
            ListEvent::Clock(now) => {
                set_clock(*now);
                self.tick()
            }
        }
    }

    fn tick(&self) -> ToldChange {
        faked::advance(Duration::from_secs(3));
        self.updater.lists().at(0).unwrap().tick();
        self.settle();
        ToldChange::Unchanged
    }

    pub(super) fn state(&self) -> ListState {
        self.updater.states().remove(0)
    }

    /// What is on disk of all that was decided.
    pub(super) fn record(&self) -> Decisions {
        record(self.folder.path())
    }

    /// Is all as it must be, for every question and for whoever asks how the list stands?
    pub(super) fn check(&self, decided: &Decided, now: UnixSeconds) {
        for (name, text) in NAMES.iter().enumerate() {
            let verdict = self.live.load().decide(&[0], &hashes(name, &self.live));
            let is_blocked = matches!(verdict, Verdict::Block { .. });
            let expected = decided.is_blocked(name, now);
            assert_eq!(is_blocked, expected, "is {text} blocked?");
        }
        let (state, live) = (self.state(), decided.live());
        let removed = live.map_or(0, |live| decided.removed(live, now).len() as u64);
        let serial = live.map(|live| live.serial);
        assert_eq!((state.serial, state.removed), (serial, removed));
        assert_eq!(
            state.entries,
            live.map_or(0, |live| live.names.len()) as u64
        );
        assert_eq!(state.kept, decided.line.live);
        assert_eq!(state.is_rolled_back, decided.line.is_rolled_back);
        let is_passed = |(known_by, _): &(_, _)| live.is_some_and(|live| live.hash == *known_by);
        assert_eq!(
            !state.overrides.is_empty(),
            decided.passes.iter().any(is_passed)
        );
        let tried = decided.trial.as_ref().map(|tried| Some(tried.issue.serial));
        assert_eq!(state.trial.map(|trial| trial.serial), tried, "on trial");
        let history = self.updater.generations(0).into_iter();
        let history: Vec<_> = history.map(|kept| (kept.number, kept.serial)).collect();
        let kept = decided.line.kept.iter();
        let kept: Vec<_> = kept
            .map(|(number, issue)| (*number, Some(issue.serial)))
            .collect();
        assert_eq!(history, kept, "history");
        let promised = self.promises.list(LIST).highest;
        let floor = decided.line.floor.as_ref();
        assert_eq!(
            promised,
            floor.map(|floor| (floor.serial, floor.hash)),
            "promised"
        );
        self.check_held(decided);
    }

    /// Removals lie there as files of their own too.
    pub(super) fn check_removal_files(&self, decided: &Decided) {
        let list = self.folder.path().join("state/lists").join(LIST);
        for (removed, _) in &decided.removals {
            let file = format!("removals/{}.removal", removed.hash);
            assert!(list.join(&file).exists(), "{file}");
        }
    }

    /// An override without a code is told which are needed.
    fn check_held(&self, decided: &Decided) {
        let said = self.updater.let_pass(0, &[], "").unwrap_err();
        let held = decided.held.as_ref().map(|(_, codes)| codes.clone());
        let trial = decided.trial.as_ref().map(|_| vec![Code::Shadow]);
        let expected = trial.or(held).map_or_else(
            || format!("nothing of list {LIST} is held back"),
            |codes| {
                let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
                format!(
                    "the list of {LIST} is also held back by {}:",
                    codes.join(", ")
                )
            },
        );
        assert!(said.starts_with(&expected), "{expected}: {said}");
    }
}

pub(super) fn set_clock(now: UnixSeconds) {
    faked::set(now.unsigned_abs());
}

pub(super) fn record(folder: &Path) -> Decisions {
    peek(&folder.join("state"), LIST).unwrap_or_default()
}

fn list(is_tried_out: bool) -> ListSource {
    let mut list = ListSource::unsigned(LIST, 0, Text::Embedded(""), Format::Plain);
    list.text = None;
    list.papers = Trust {
        keys: vec![CURATOR.public()],
        threshold: 1,
        unsigned: Unsigned::Refuse,
    };
    list.sources = vec![ListOrigin::Push];
    if is_tried_out {
        list.stage = Stage {
            time: Duration::from_secs(86_400),
            questions_max: QUESTIONS_MAX,
            percent_max: 1.0,
        };
    }
    list
}

fn told(change: &ListChange) -> ToldChange {
    match *change {
        ListChange::Swapped { entries, .. } => ToldChange::Swapped(entries as usize),
        ListChange::Staged { .. } => ToldChange::Staged,
        ListChange::Unchanged => ToldChange::Unchanged,
        ListChange::Removed { entries } => ToldChange::Removed(entries as usize),
        ListChange::RemovalWaits { .. } => ToldChange::RemovalWaits,
        ListChange::Settled => ToldChange::Settled,
        ListChange::Refused { .. } => ToldChange::Refused,
        ListChange::Asked | ListChange::Keys { .. } => panic!("nobody asked for that"),
    }
}

fn hashes(name: usize, live: &Live) -> SuffixHashes {
    let mut hashes = SuffixHashes::new();
    hashes.fill(live.load().key(), papers::name(name).as_wire());
    hashes
}

fn full() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

/// In memory, where the machine has a place for that: it is the program that is tried here, and
/// not the disk.
fn make_folder() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap()
}

fn copy(folder: &Path) -> io::Result<TempDir> {
    let copy = make_folder();
    copy_below(folder, copy.path())?;
    Ok(copy)
}

fn copy_below(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_below(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
