//! Keeps what was accepted on disk: the last good generations of a list, the highest serial,
//! removals and receipts.
//!
//! One folder a list under `lists/` of the state folder. `record.json` says everything and is
//! replaced whole (a new file, fsync, rename, fsync of the folder); a file that it does not name
//! means nothing. Entries are kept as they came: encrypted where they came so.
//!
//! Opening never fails: a damaged `record.json` is set aside and made anew from the generations'
//! own files, and a folder that cannot be read now is tried again when something is to be kept.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::decisions::{Decisions, Generation, KeptHeld, KeptRemoval, KeptTrial};
use super::disk::{Stored, TextSlot};
use super::refusal::place_of;
use crate::list::Hash;
use crate::list::manifest::Manifest;
use crate::list::removal::parse_several;
use crate::seal::Note;
use crate::store::{make_private_folder, write_whole};

/// Generations that are kept, the one in force included.
const GENERATIONS_MAX: usize = 5;

/// Removals that are kept, those that do not count any more included.
const REMOVALS_MAX: usize = 200;

/// Overrides that are kept.
const OVERRIDES_MAX: usize = 50;
const RECORD: &str = "record.json";

/// The same once more, written after it: what is read where the record is damaged or gone.
const COPY: &str = "record.copy.json";

/// The lists' folders below the state folder.
const LISTS: &str = "lists";

/// Where removals are kept as files of their own.
const REMOVALS: &str = "removals";

/// What a damaged record is called from then on.
const DAMAGED: &str = "record.json.damaged";

/// One list's folder.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) folder: PathBuf,
    pub(super) record: Decisions,
    /// Why the folder cannot be read; what it holds is not known then.
    fault: Option<io::Error>,
    /// What was wrong with the record, where it was made anew from the generations' files.
    pub(super) repaired: Option<String>,
    /// Where the record on disk says that the text of what waits is.
    pub(super) waiting_on_disk: Option<TextSlot>,
    /// The record was read after a fault, and nobody has looked at it yet.
    pub(super) is_reopened: bool,
}

impl Shelf {
    /// Open a list's folder, made where it is not there.
    pub(super) fn open(state: &Path, list: &str) -> Self {
        let folder = state.join(LISTS).join(list);
        let (opened, fault) = match open_record(&folder) {
            Ok(opened) => (opened, None),
            Err(error) => (OpenedFolder::default(), Some(error)),
        };
        Self {
            folder,
            waiting_on_disk: opened.record.waiting_slot(),
            record: opened.record,
            fault,
            repaired: opened.repaired,
            is_reopened: false,
        }
    }

    /// Why the folder cannot be read, if it cannot.
    pub(super) const fn fault(&self) -> Option<&io::Error> {
        self.fault.as_ref()
    }

    /// Read a folder again that could not be read; nothing is kept over what is not known.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if self.fault.is_some() {
            let opened = open_record(&self.folder)?;
            (self.record, self.repaired, self.fault) = (opened.record, opened.repaired, None);
            self.waiting_on_disk = self.record.waiting_slot();
            self.is_reopened = true;
        }
        Ok(())
    }

    /// The folder, for messages.
    pub(super) fn place(&self) -> String {
        place_of(&self.folder)
    }

    /// Keep a text that lies in the folder as a generation, and remember it as the one in force; on
    /// disk when this returns.
    pub(super) fn keep(&mut self, mut generation: Generation, text: Stored) -> io::Result<u64> {
        self.reopen()?;
        let mut record = self.record.clone();
        let newest = record.generations.iter().map(|kept| kept.number).max();
        let number = newest.unwrap_or(0) + 1;
        generation.number = number;
        text.copy_to(Stored::Generation(number), &self.folder)?;
        if generation.serial.is_some() {
            (record.serial, record.manifest) = (generation.serial, generation.manifest.clone());
        }
        record.generations.push(generation);
        (record.live, record.is_rolled_back) = (Some(number), false);
        (record.held, record.trial) = (None, None);
        let surplus = record.removals.len().saturating_sub(REMOVALS_MAX);
        record.removals.drain(..surplus);
        let surplus = record.generations.len().saturating_sub(GENERATIONS_MAX);
        let dropped: Vec<u64> = record
            .generations
            .drain(..surplus)
            .map(|kept| kept.number)
            .collect();
        self.replace(record)?;
        // What stays behind is named by nobody and written over by nobody; it only takes room.
        for number in dropped {
            Stored::Generation(number).discard(&self.folder);
        }
        Stored::Offer.discard(&self.folder);
        for slot in TextSlot::ALL {
            Stored::Held(slot).discard(&self.folder);
            Stored::Trial(slot).discard(&self.folder);
        }
        Ok(number)
    }

    /// Keep a text that lies in the folder as what is held back; on disk when this returns. What is
    /// tried out goes on, unless it is that which is held back.
    pub(super) fn hold_back(&mut self, from: Stored, mut held: KeptHeld) -> io::Result<Stored> {
        self.reopen()?;
        let before = self.record.held.as_ref().map(|held| held.offer.slot);
        held.offer.slot = TextSlot::beside(before);
        let to = Stored::Held(held.offer.slot);
        self.set_aside(from, to, self.record.held_text(), |record| {
            record.held = Some(held);
            if record.trial_text() == Some(from) {
                record.trial = None;
            }
        })
    }

    /// Keep a text that lies in the folder as what is tried out; on disk when this returns.
    pub(super) fn try_out(&mut self, from: Stored, mut trial: KeptTrial) -> io::Result<Stored> {
        self.reopen()?;
        let before = self.record.trial.as_ref().map(|trial| trial.offer.slot);
        trial.offer.slot = TextSlot::beside(before);
        let to = Stored::Trial(trial.offer.slot);
        self.set_aside(from, to, self.record.trial_text(), |record| {
            (record.trial, record.held) = (Some(trial), None);
        })
    }

    /// The text that the record names stays where it is until the record names the other one.
    fn set_aside(
        &mut self,
        from: Stored,
        to: Stored,
        before: Option<Stored>,
        change: impl FnOnce(&mut Decisions),
    ) -> io::Result<Stored> {
        from.copy_to(to, &self.folder)?;
        self.change(change)?;
        from.discard(&self.folder);
        if let Some(before) = before {
            before.discard(&self.folder);
        }
        Ok(to)
    }

    /// Keep a removal as a file of its own too, from which a lost record is made anew.
    pub(super) fn keep_removal(&self, known_by: &str, note: &str) -> io::Result<()> {
        let folder = self.folder.join(REMOVALS);
        make_private_folder(&folder)?;
        write_whole(&folder, &removal_file(known_by), note.as_bytes())
    }

    /// Keep all removals of the record as files of their own, those that could not be kept before.
    pub(super) fn keep_removals(&self) -> io::Result<()> {
        for removal in &self.record.removals {
            let carried = parse_several(removal.note.as_bytes());
            let Some(known_by) = carried.ok().and_then(|all| Some(all.first()?.known_by())) else {
                continue;
            };
            if !self.has_removal(known_by) {
                self.keep_removal(&known_by.to_string(), &removal.note)?;
            }
        }
        Ok(())
    }

    /// Is there a file of its own for this removal?
    pub(super) fn has_removal(&self, known_by: Hash) -> bool {
        let file = removal_file(&known_by.to_string());
        self.folder.join(REMOVALS).join(file).exists()
    }

    /// Change the record; on disk when this returns.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Decisions)) -> io::Result<()> {
        self.reopen()?;
        let mut record = self.record.clone();
        change(&mut record);
        let surplus = record.overrides.len().saturating_sub(OVERRIDES_MAX);
        record.overrides.drain(..surplus);
        self.replace(record)
    }

    fn replace(&mut self, record: Decisions) -> io::Result<()> {
        write_record(&self.folder, &record)?;
        self.waiting_on_disk = record.waiting_slot();
        self.record = record;
        Ok(())
    }
}

fn removal_file(known_by: &str) -> String {
    format!("{known_by}.removal")
}

/// What was decided about a list, for whoever only looks; nothing where it cannot be read.
pub(super) fn peek(state: &Path, list: &str) -> Option<Decisions> {
    let text = fs::read(state.join(LISTS).join(list).join(RECORD)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// What opening a folder found.
#[derive(Default)]
struct OpenedFolder {
    record: Decisions,
    repaired: Option<String>,
}

fn open_record(folder: &Path) -> io::Result<OpenedFolder> {
    make_private_folder(folder)?;
    let place = folder.join(RECORD);
    let fault = match fs::read(&place) {
        Ok(text) => match serde_json::from_slice(&text) {
            Ok(record) => {
                return Ok(OpenedFolder {
                    record,
                    repaired: None,
                });
            }
            Err(error) => error.to_string(),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => "it is missing".to_owned(),
        Err(error) => return Err(error),
    };
    let record = rebuild(folder, read_copy(folder))?;
    if record == Decisions::default() && !place.exists() {
        return Ok(OpenedFolder::default());
    }
    // Set aside for whoever wants to know what happened; a second time the first one stays.
    let aside = folder.join(DAMAGED);
    if place.exists() && !aside.exists() {
        fs::rename(&place, &aside)?;
    }
    write_record(folder, &record)?;
    Ok(OpenedFolder {
        record,
        repaired: Some(fault),
    })
}

/// Write the record, then its copy; without the copy it is only less sure to be read again.
fn write_record(folder: &Path, record: &Decisions) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(record)?;
    write_whole(folder, RECORD, text.as_slice())?;
    let _ = write_whole(folder, COPY, text.as_slice());
    Ok(())
}

/// What the record's copy says; nothing where that cannot be read either.
fn read_copy(folder: &Path) -> Option<Decisions> {
    serde_json::from_slice(&fs::read(folder.join(COPY)).ok()?).ok()
}

/// What the record's copy says, and where that is not as new, the other files beside: who signed
/// what, which generation came last, and what was removed since when. Without a copy overrides are
/// lost.
fn rebuild(folder: &Path, copy: Option<Decisions>) -> io::Result<Decisions> {
    let mut record = copy.unwrap_or_default();
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".entries"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    let newest = record.generations.last().map(|kept| kept.number);
    for number in numbers.into_iter().filter(|number| Some(*number) > newest) {
        let Some(generation) = read_generation(folder, number) else {
            continue;
        };
        if generation.serial > record.serial {
            (record.serial, record.manifest) = (generation.serial, generation.manifest.clone());
        }
        (record.live, record.is_rolled_back) = (Some(number), false);
        record.generations.push(generation);
    }
    rebuild_removals(&folder.join(REMOVALS), &mut record);
    Ok(record)
}

fn rebuild_removals(folder: &Path, record: &mut Decisions) {
    let Ok(files) = fs::read_dir(folder) else {
        return;
    };
    let read = files.filter_map(|file| {
        let path = file.ok()?.path();
        let known_by = path
            .file_name()?
            .to_str()?
            .strip_suffix(".removal")?
            .to_owned();
        let first_read = path.metadata().ok()?.mtime();
        let note = fs::read_to_string(&path).ok()?;
        Some((known_by, KeptRemoval { note, first_read }))
    });
    let mut removals: Vec<_> = read.collect();
    removals.sort_by_key(|(_, removal)| removal.first_read);
    for (known_by, removal) in removals {
        if !record.known_removals.contains(&known_by) {
            record.known_removals.push(known_by);
            record.removals.push(removal);
        }
    }
}

/// A generation by its files; nothing where they cannot be read.
fn read_generation(folder: &Path, number: u64) -> Option<Generation> {
    let entries = Stored::Generation(number).entries(folder);
    let accepted = entries.metadata().ok()?.mtime();
    let note: Option<Note> = Stored::Generation(number).note(folder).ok()?;
    let manifest = match note {
        Some(note) => Some(Manifest::parse(note.text()).ok()?),
        None => None,
    };
    let sha256 = match &manifest {
        Some(manifest) => manifest.sha256,
        None => Hash::of(&Zeroizing::new(fs::read(&entries).ok()?)),
    };
    Some(Generation {
        number,
        serial: manifest.as_ref().map(|manifest| manifest.serial),
        manifest: manifest
            .as_ref()
            .map(|manifest| manifest.hash().to_string()),
        sha256: sha256.to_string(),
        entries: manifest.map_or(0, |manifest| manifest.entries),
        accepted,
        way: "kept".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Haste;

    fn generation(serial: u64) -> Generation {
        Generation {
            number: 0,
            serial: Some(serial),
            manifest: Some(Hash::of(&serial.to_be_bytes()).to_string()),
            sha256: Hash::of(b"a.test\n").to_string(),
            entries: 1,
            accepted: 0,
            way: "folder".to_owned(),
        }
    }

    #[test]
    fn the_last_generations_are_kept_and_the_highest_serial_is_remembered() {
        let state = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(state.path(), "example");
        for serial in 1..=8 {
            let text = format!("{serial}.test\n");
            Stored::Offer
                .write(&shelf.folder, None, text.as_bytes(), Haste::Wait)
                .unwrap();
            assert_eq!(
                shelf.keep(generation(serial), Stored::Offer).unwrap(),
                serial
            );
        }
        let mut shelf = Shelf::open(state.path(), "example");
        let numbers: Vec<u64> = shelf
            .record
            .generations
            .iter()
            .map(|kept| kept.number)
            .collect();
        assert_eq!((numbers, shelf.record.live), (vec![4, 5, 6, 7, 8], Some(8)));
        assert_eq!(shelf.record.highest().unwrap().serial, 8);
        let folder = shelf.folder.clone();
        let text = |number| fs::read(Stored::Generation(number).entries(&folder)).ok();
        assert_eq!(text(4).unwrap(), b"4.test\n");
        assert!(text(3).is_none());
        shelf
            .change(|record| (record.live, record.is_rolled_back) = (Some(5), true))
            .unwrap();
        let again = Shelf::open(state.path(), "example");
        assert_eq!(
            (
                again.record.live().unwrap().serial,
                again.record.highest().unwrap().serial
            ),
            (Some(5), 8)
        );
        assert_eq!(
            fs::read_dir(state.path().join("lists/example"))
                .unwrap()
                .count(),
            7,
            "five generations, the record and its copy"
        );
    }

    #[test]
    fn what_cannot_be_written_is_not_remembered() {
        let state = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(state.path(), "example");
        let offer = |shelf: &Shelf| {
            let text = &b"a.test\n"[..];
            Stored::Offer.write(&shelf.folder, None, text, Haste::Wait)
        };
        offer(&shelf).unwrap();
        shelf.keep(generation(1), Stored::Offer).unwrap();
        offer(&shelf).unwrap();
        fs::create_dir(state.path().join("lists/example/.record.json.new")).unwrap();
        assert!(shelf.keep(generation(2), Stored::Offer).is_err());
        assert_eq!(shelf.record.live, Some(1));
    }
}
