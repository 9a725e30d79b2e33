//! Checks one log against the keys, against what was seen of it before, and against itself.

use std::collections::BTreeMap;

use super::Finding;
use super::demands::FORK;
use super::demands::{Demands, Pin};
use super::entry_counts::Commitments;
use super::folder::{
    BUNDLE_OCTETS_MAX, CHECKPOINT, CHECKPOINTS, Folder, LeafBundle, TILE_OCTETS_MAX, check_author,
};
use super::history::LogHistory;
use super::told::{AbsentTime, ToldEvent};
use super::totals::Totals;
use crate::clock::UnixSeconds;
use crate::record::{EndedLog, Leaf, Moment};
use crate::seal::checkpoint::{Checkpoint, cosigned_at};
use crate::seal::tree::{Hash, TILE_WIDTH, Tile, Tree, bundle_path, leaf_hash, tile_path};
use crate::seal::{Algorithm, Note, VerifyKey};

/// Somebody other than the author who saw the log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cosigner {
    /// Whose key.
    pub name: String,
    /// When it saw the log, in seconds since 1970.
    pub at: UnixSeconds,
}

/// One log that was checked.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct LogReport {
    /// Its name.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// The root of its tree, in hexadecimal.
    pub root: String,
    /// The first hour that it tells of.
    pub from: Option<String>,
    /// Up to, and without, which hour it tells.
    pub until: Option<String>,
    /// Hours with leaves.
    pub hours: u64,
    /// Hours among them that do not say when their lists were not in force.
    pub silent_hours: u64,
    /// Seconds without record, by kind.
    pub gap_s: BTreeMap<String, u64>,
    /// When lists were not in force, by list; none that always was.
    pub not_in_force: BTreeMap<String, Vec<AbsentTime>>,
    /// Events by kind.
    pub events: BTreeMap<String, u64>,
    /// The log that this one follows, where its state was restored, copied or emptied.
    pub restored: Option<EndedLog>,
    /// List, serial and manifest of the versions that were in force.
    pub versions: Vec<(String, u64, String)>,
    /// Who cosigned the checkpoint, of the keys that were given.
    pub cosigners: Vec<Cosigner>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

/// A log that was checked, and what its leaves add up to.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// What was found.
    pub log: LogReport,
    /// The sums of its leaves; none where its files are not in order.
    pub totals: Option<Totals>,
    /// The commitments to entry counts among them; none where its files are not in order.
    pub commitments: Commitments,
    /// Up to when every hour is told of; none where its files are not in order.
    pub until: Option<UnixSeconds>,
}

/// Checks the log in `folder`. Of findings about its files there is at most one, since nothing of
/// it can be believed then.
pub fn verify(folder: &Folder, demands: &Demands) -> Verified {
    // Nobody knows whose log it is before its checkpoint is believed.
    let place = folder.path().display().to_string();
    let here = format!("{place} {CHECKPOINT}");
    let (note, checkpoint) = match folder.checkpoint(CHECKPOINT) {
        Ok(read) => read,
        Err(message) => return refused(place, Finding::new("note", here, message)),
    };
    let origin = checkpoint.origin.clone();
    if let Err(finding) = check_author(&note, &origin, &demands.keys, &here) {
        return refused(place, finding);
    }
    let mut history = LogHistory::new(&origin);
    if let Err(finding) = pins(folder, &checkpoint, demands)
        .and_then(|pins| LogReading::new(folder, &checkpoint, pins).read(&mut history))
    {
        return refused(origin, finding);
    }
    history.finish();
    let mut findings = std::mem::take(&mut history.findings);
    let until = history.until();
    findings.extend(demands.missing_end(&origin, until));
    findings.extend(demands.missing_quorum(&note, &origin));
    let ToldEvent {
        first_hour,
        hours,
        silent_hours,
        gap_s,
        not_in_force,
        events,
        restored,
        versions,
    } = history.told;
    findings.extend(
        versions
            .iter()
            .filter_map(|(version, seq)| demands.unsigned_version(&origin, version, *seq)),
    );
    let log = LogReport {
        size: checkpoint.size,
        root: data_encoding::HEXLOWER.encode(&checkpoint.root),
        from: first_hour.map(|hour| Moment(hour).to_string()),
        until: until.map(|until| Moment(until).to_string()),
        hours,
        silent_hours,
        gap_s,
        not_in_force,
        events,
        restored,
        versions: versions
            .into_keys()
            .filter_map(|(list, serial, manifest)| Some((list, serial?, manifest?)))
            .collect(),
        cosigners: cosigners(&note, &demands.keys, &origin),
        findings,
        origin,
    };
    Verified {
        log,
        totals: Some(history.totals),
        commitments: history.commitments,
        until,
    }
}

fn refused(origin: String, finding: Finding) -> Verified {
    Verified {
        log: LogReport {
            origin,
            findings: vec![finding],
            ..LogReport::default()
        },
        ..Verified::default()
    }
}

/// Who of the keys' owners cosigned; one whose cosignature does not hold is not among them.
pub(super) fn cosigners(note: &Note, keys: &[VerifyKey], origin: &str) -> Vec<Cosigner> {
    let others = keys
        .iter()
        .filter(|key| key.algorithm() == Algorithm::Cosignature && key.name() != origin);
    let signed = others.filter_map(|key| {
        let signature = note
            .signatures()
            .iter()
            .find(|signature| signature.id == key.id() && signature.name == key.name())?;
        let holds = key.verify(note.text().as_bytes(), &signature.octets);
        let at = cosigned_at(signature).and_then(|at| at.try_into().ok())?;
        holds.then(|| Cosigner {
            name: key.name().to_owned(),
            at,
        })
    });
    signed.collect()
}

/// The checkpoints that the log must fit on its way: its own of each day, and those seen elsewhere,
/// smallest first.
pub(super) fn pins(
    folder: &Folder,
    last: &Checkpoint,
    demands: &Demands,
) -> Result<Vec<Pin>, Finding> {
    let origin = &last.origin;
    let mut pins = Vec::new();
    let days = folder
        .days()
        .map_err(|message| Finding::new("note", format!("{origin} {CHECKPOINTS}"), message))?;
    for day in days {
        let name = format!("{CHECKPOINTS}/{day}");
        let place = format!("{origin} {name}");
        let (note, checkpoint) = folder
            .checkpoint(&name)
            .map_err(|message| Finding::new("note", place.clone(), message))?;
        if checkpoint.origin != *origin {
            return Err(Finding::new(
                "signature",
                place,
                format!("is of {}", checkpoint.origin),
            ));
        }
        check_author(&note, origin, &demands.keys, &place)?;
        pins.push(Pin {
            checkpoint,
            code: "checkpoint",
            place,
        });
    }
    // A longer copy is held against this one when its turn comes, and the same checkpoint says
    // nothing more.
    let of_copy = |pin: &Pin| pin.checkpoint.size <= last.size && pin.checkpoint != *last;
    let met = |pin: &&Pin| pin.checkpoint.origin == *origin && (pin.code != FORK || of_copy(pin));
    pins.extend(demands.pins.iter().filter(met).cloned());
    if let Some(beyond) = pins.iter().find(|pin| pin.checkpoint.size > last.size) {
        let message = format!(
            "it speaks of {} leaves, the log's checkpoint of {} only: the end is missing",
            beyond.checkpoint.size, last.size
        );
        return Err(Finding::new(beyond.code, beyond.place.clone(), message));
    }
    pins.sort_by_key(|pin| pin.checkpoint.size);
    Ok(pins)
}

/// One pass over the leaves of a log.
struct LogReading<'a> {
    folder: &'a Folder,
    last: &'a Checkpoint,
    pins: std::iter::Peekable<std::vec::IntoIter<Pin>>,
    tree: Tree,
    /// The first checkpoint that the leaves do not fit.
    misfit: Option<Finding>,
    /// The first leaf that is not of the form.
    unreadable: Option<Finding>,
}

impl<'a> LogReading<'a> {
    pub(super) fn new(folder: &'a Folder, last: &'a Checkpoint, pins: Vec<Pin>) -> Self {
        Self {
            folder,
            last,
            pins: pins.into_iter().peekable(),
            tree: Tree::default(),
            misfit: None,
            unreadable: None,
        }
    }

    /// Reads all leaves; what is wrong with the files counts before what is wrong with a
    /// checkpoint, and that before a leaf's form.
    fn read(mut self, history: &mut LogHistory) -> Result<(), Finding> {
        self.meet_pins();
        for index in 0..self.last.size.div_ceil(TILE_WIDTH) {
            let width = TILE_WIDTH.min(self.last.size - index * TILE_WIDTH);
            let path = bundle_path(index, width);
            let (octets, tile_octets) = (
                self.read_file(&path, BUNDLE_OCTETS_MAX)?,
                self.read_file(&tile_path(0, index, width), TILE_OCTETS_MAX)?,
            );
            let bundle = LeafBundle::parse(octets, width)
                .map_err(|message| self.find("missing", &path, message))?;
            let mut hashes = Vec::with_capacity(TILE_WIDTH as usize * 32);
            bundle
                .entries()
                .for_each(|entry| hashes.extend_from_slice(&leaf_hash(entry)));
            let tile = Tile {
                level: 0,
                index,
                octets: hashes,
            };
            self.check_leaf_hashes(&tile, &tile_octets)?;
            for (entry, hash) in bundle.entries().zip(tile.octets.as_chunks::<32>().0) {
                self.take(entry, hash, history);
            }
        }
        let is_root = self.tree.root() == self.last.root;
        let root = (!is_root).then(|| {
            self.find(
                "root",
                CHECKPOINT,
                "the leaves are not those that it was signed for".to_owned(),
            )
        });
        self.misfit.or(root).or(self.unreadable).map_or(Ok(()), Err)
    }

    fn take(&mut self, entry: &[u8], hash: &Hash, history: &mut LogHistory) {
        let seq = self.tree.size();
        self.tree.append(*hash);
        self.meet_pins();
        if self.unreadable.is_some() {
            return;
        }
        match Leaf::parse(entry) {
            Ok(leaf) => history.take(seq, &leaf),
            Err(fault) => {
                self.unreadable = Some(self.find("leaf", &format!("leaf {seq}"), fault.to_string()))
            }
        }
    }

    /// Holds the tree as it is against the checkpoints of its size.
    fn meet_pins(&mut self) {
        while let Some(pin) = self
            .pins
            .next_if(|pin| pin.checkpoint.size == self.tree.size())
        {
            if pin.checkpoint.root != self.tree.root() {
                let message = format!(
                    "the first {} leaves are not those that it was signed for",
                    pin.checkpoint.size
                );
                self.misfit
                    .get_or_insert(Finding::new(pin.code, pin.place, message));
            }
        }
    }

    /// The tile of leaf hashes names the leaf that was changed.
    fn check_leaf_hashes(&self, tile: &Tile, octets: &[u8]) -> Result<(), Finding> {
        let path = tile.path();
        if octets.len() != tile.octets.len() {
            let message =
                format!("its tile of hashes, {path}, has another length than its name says");
            return Err(self.find(
                "missing",
                &bundle_path(tile.index, (tile.octets.len() / 32) as u64),
                message,
            ));
        }
        let leaves = tile
            .octets
            .as_chunks::<32>()
            .0
            .iter()
            .zip(octets.as_chunks::<32>().0);
        let changed = leaves
            .enumerate()
            .find(|(_, (made, written))| made != written);
        match changed {
            None => Ok(()),
            Some((at, _)) => {
                let seq = tile.index * TILE_WIDTH + at as u64;
                Err(self.find(
                    "tile",
                    &format!("leaf {seq}"),
                    format!("is not what {path} was made of"),
                ))
            }
        }
    }

    fn read_file(&self, path: &str, octets_max: usize) -> Result<Vec<u8>, Finding> {
        self.folder
            .read(path, octets_max)
            .map_err(|error| self.find("missing", path, format!("cannot be read ({error})")))
    }

    fn find(&self, code: &'static str, place: &str, message: String) -> Finding {
        Finding::new(code, format!("{} {place}", self.last.origin), message)
    }
}
