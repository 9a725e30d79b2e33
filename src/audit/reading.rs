//! Reads the files of one log in one pass: hashes against tiles, the tree against checkpoints, each
//! leaf to its history.

use super::Finding;
use super::demands::{Demands, FORK, Pin};
use super::folder::{
    BUNDLE_OCTETS_MAX, CHECKPOINT, CHECKPOINTS, Folder, LeafBundle, TILE_OCTETS_MAX, check_author,
};
use super::history::LogHistory;
use super::published::PublishedReport;
use crate::record::{Leaf, Withdrawals};
use crate::seal::VerifyKey;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::tree::{Hash, TILE_WIDTH, Tile, Tree, bundle_path, leaf_hash, tile_path};

/// The checkpoints that the log must fit on its way: its own of each day, and those seen elsewhere,
/// smallest first.
pub(super) fn pins(
    folder: &Folder,
    last: &Checkpoint,
    demands: &Demands,
    keys: &[VerifyKey],
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
        check_author(&note, origin, keys, &place)?;
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

/// Where the log goes back; what cannot be read is found where its leaves are checked.
pub(super) fn withdrawals(folder: &Folder, last: &Checkpoint) -> Withdrawals {
    let mut withdrawals = Withdrawals::default();
    for index in 0..last.size.div_ceil(TILE_WIDTH) {
        let width = TILE_WIDTH.min(last.size - index * TILE_WIDTH);
        let octets = folder.read(&bundle_path(index, width), BUNDLE_OCTETS_MAX);
        let bundle = octets
            .ok()
            .and_then(|octets| LeafBundle::parse(octets, width).ok());
        let Some(bundle) = bundle else {
            break;
        };
        for (seq, entry) in (index * TILE_WIDTH..).zip(bundle.entries()) {
            withdrawals.note(seq, entry);
        }
    }
    withdrawals.finish();
    withdrawals
}

/// One pass over the leaves of a log.
pub(super) struct LogReading<'a> {
    folder: &'a Folder,
    last: &'a Checkpoint,
    pins: std::iter::Peekable<std::vec::IntoIter<Pin>>,
    tree: Tree,
    /// The first checkpoint that the leaves do not fit.
    misfit: Option<Finding>,
    /// The first leaf that is not of the form.
    unreadable: Option<Finding>,
    /// Has the first leaf a salt? All leaves of a log have one, or none.
    is_salted: Option<bool>,
    /// Are there hashes and no leaves?
    is_public: bool,
    /// The report that the leaves are also counted for.
    report: Option<&'a mut PublishedReport>,
    /// With how many leaves the report has the log's head.
    head_size: Option<u64>,
}

impl<'a> LogReading<'a> {
    pub(super) fn new(
        folder: &'a Folder,
        last: &'a Checkpoint,
        pins: Vec<Pin>,
        is_public: bool,
        report: Option<&'a mut PublishedReport>,
        withdrawals: &Withdrawals,
    ) -> Self {
        let origin = &last.origin;
        let report =
            report.and_then(|report| report.begin_log(origin, withdrawals).then_some(report));
        let head_size = report.as_ref().and_then(|report| report.head_size(origin));
        Self {
            report,
            head_size,
            is_public,
            folder,
            last,
            pins: pins.into_iter().peekable(),
            tree: Tree::default(),
            misfit: None,
            unreadable: None,
            is_salted: None,
        }
    }

    /// Reads all leaves; what is wrong with the files counts before what is wrong with a
    /// checkpoint, and that before a leaf's form.
    pub(super) fn read(mut self, history: &mut LogHistory<'_>) -> Result<(), Finding> {
        self.meet_pins();
        for index in 0..self.last.size.div_ceil(TILE_WIDTH) {
            let width = TILE_WIDTH.min(self.last.size - index * TILE_WIDTH);
            if self.is_public {
                self.read_hashes(index, width)?;
                continue;
            }
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

    /// Takes the hashes of leaves that are not there.
    fn read_hashes(&mut self, index: u64, width: u64) -> Result<(), Finding> {
        let path = tile_path(0, index, width);
        let octets = self.read_file(&path, TILE_OCTETS_MAX)?;
        let (hashes, rest) = octets.as_chunks::<32>();
        if hashes.len() as u64 != width || !rest.is_empty() {
            let message = format!("has not exactly {width} hashes");
            return Err(self.find("missing", &path, message));
        }
        for hash in hashes {
            self.tree.append(*hash);
            self.meet_pins();
        }
        Ok(())
    }

    fn take(&mut self, entry: &[u8], hash: &Hash, history: &mut LogHistory<'_>) {
        let seq = self.tree.size();
        self.tree.append(*hash);
        self.meet_pins();
        if self.unreadable.is_some() {
            return;
        }
        match Leaf::parse(entry) {
            Ok(leaf) if *self.is_salted.get_or_insert(leaf.is_salted()) != leaf.is_salted() => {
                let message = "is of another form than the log's first leaf".to_owned();
                self.unreadable = Some(self.find("leaf", &format!("leaf {seq}"), message));
            }
            Ok(leaf) => self.count(&leaf, history),
            Err(fault) => {
                self.unreadable = Some(self.find("leaf", &format!("leaf {seq}"), fault.to_string()))
            }
        }
    }

    /// Follows the leaf, and counts it for the report.
    fn count(&mut self, leaf: &Leaf<'_>, history: &mut LogHistory<'_>) {
        let size = self.tree.size();
        history.take(size - 1, leaf);
        if let Some(message) = history.excess() {
            let place = format!("leaf {}", size - 1);
            self.unreadable = Some(self.find("excess", &place, message.to_owned()));
        }
        if let Some(report) = &mut self.report {
            report.take(leaf);
            if self.head_size == Some(size) {
                report.note_head(&self.last.origin, size, &self.tree.root(), history.time);
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
