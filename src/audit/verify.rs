//! Checks one log against the keys, against what was seen of it before, and against itself.

use crate::clock::UnixSeconds;
use crate::count::{Leaf, Moment};
use crate::seal::checkpoint::{Checkpoint, cosigned_at};
use crate::seal::tree::{Hash, TILE_WIDTH, Tile, Tiler, Tree, bundle_path, leaf_hash};
use crate::seal::{Algorithm, Note, VerifyKey};

use super::Finding;
use super::folder::{CHECKPOINT, CHECKPOINTS, Folder, check_author, parse_checkpoint};
use super::history::{History, Told};
use super::totals::Totals;

/// The code of a finding that two copies of a log differ.
const FORK: &str = "fork";

/// What a log is checked for beyond itself.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// The keys of authors and cosigners.
    pub keys: Vec<VerifyKey>,
    /// What was seen of the logs elsewhere or before.
    pub pins: Vec<Pin>,
    /// Up to when, and without, each log must tell.
    pub until: Option<UnixSeconds>,
}

/// A checkpoint that a log must still fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The code of the finding where the log does not fit it: `since` for an older checkpoint, `fork` for another copy of the log.
    pub code: &'static str,
    /// Where it comes from.
    pub place: String,
}

impl Pin {
    /// What a copy of a log says, for other copies of it: one must be the beginning of the other.
    pub fn of_copy(folder: &Folder) -> Option<Self> {
        let (_, checkpoint) = folder.checkpoint(CHECKPOINT).ok()?;
        let place = format!("{} {CHECKPOINT} in another folder", checkpoint.origin);
        Some(Self { checkpoint, code: FORK, place })
    }
}

/// An older checkpoint, which its author must have signed.
///
/// # Errors
/// When it is none, or not signed with one of `keys`.
pub fn read_pin(octets: &[u8], keys: &[VerifyKey], file: &str) -> Result<Pin, String> {
    let (note, checkpoint) = parse_checkpoint(octets).map_err(|message| format!("{file}: {message}"))?;
    check_author(&note, &checkpoint.origin, keys, file).map_err(|finding| format!("{file}: {}", finding.message))?;
    let place = format!("{} since {}", checkpoint.origin, checkpoint.size);
    Ok(Pin { checkpoint, code: "since", place })
}

impl Demands {
    /// The authors' keys whose log is not among these.
    pub fn missing_logs(&self, origins: &[&str]) -> Vec<Finding> {
        let authors = self.keys.iter().filter(|key| key.algorithm() == Algorithm::Ed25519 && !origins.contains(&key.name()));
        authors.map(|key| Finding::new("absent", key.name(), "a key was given for this log, and the log is not there")).collect()
    }
}

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
    /// Seconds without record, by kind.
    pub gap_s: std::collections::BTreeMap<&'static str, u64>,
    /// Events by kind.
    pub events: std::collections::BTreeMap<String, u64>,
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
    /// The sums of its leaves.
    pub totals: Totals,
}

/// Checks the log in `folder`. Of findings about its files there is at most one, since nothing after it can be believed.
pub fn verify(folder: &Folder, demands: &Demands) -> Verified {
    let place = folder.path().display().to_string();
    let (note, checkpoint) = match folder.checkpoint(CHECKPOINT) {
        Ok(read) => read,
        Err(message) => return refused(place, Finding::new("note", "checkpoint", message)),
    };
    let origin = checkpoint.origin.clone();
    if let Err(finding) = check_author(&note, &origin, &demands.keys, &format!("{origin} {CHECKPOINT}")) {
        return refused(origin, finding);
    }
    let mut history = History::new(&origin);
    let read = pins(folder, &checkpoint, demands).and_then(|pins| Reading::new(folder, &checkpoint, pins).read(&mut history));
    history.finish();
    let mut findings: Vec<Finding> = read.err().into_iter().collect();
    findings.append(&mut history.findings);
    let until = history.until();
    if let Some(wanted) = demands.until.filter(|wanted| until.is_none_or(|until| until < *wanted)) {
        let reached = until.map_or("nothing".to_owned(), |until| format!("up to {}", Moment(until)));
        findings.push(Finding::new("until", origin.clone(), format!("tells {reached}, not up to {}", Moment(wanted))));
    }
    let Told { first_hour, hours, gap_s, events, versions } = history.told;
    let log = LogReport {
        size: checkpoint.size,
        root: data_encoding::HEXLOWER.encode(&checkpoint.root),
        from: first_hour.map(|hour| Moment(hour).to_string()),
        until: until.map(|until| Moment(until).to_string()),
        hours,
        gap_s,
        events,
        versions: versions.into_iter().collect(),
        cosigners: cosigners(&note, &demands.keys, &origin),
        findings,
        origin,
    };
    Verified { log, totals: history.totals }
}

fn refused(origin: String, finding: Finding) -> Verified {
    Verified { log: LogReport { origin, findings: vec![finding], ..LogReport::default() }, ..Verified::default() }
}

/// Who of the keys' owners cosigned; one whose cosignature does not hold is not among them.
fn cosigners(note: &Note, keys: &[VerifyKey], origin: &str) -> Vec<Cosigner> {
    let others = keys.iter().filter(|key| key.algorithm() == Algorithm::Cosignature && key.name() != origin);
    let signed = others.filter_map(|key| {
        let signature = note.signatures().iter().find(|signature| signature.id == key.id() && signature.name == key.name())?;
        let holds = key.verify(note.text().as_bytes(), &signature.octets);
        let at = cosigned_at(signature).and_then(|at| at.try_into().ok())?;
        holds.then(|| Cosigner { name: key.name().to_owned(), at })
    });
    signed.collect()
}

/// The checkpoints that the log must fit on its way: its own of each day, and those seen elsewhere, smallest first.
fn pins(folder: &Folder, last: &Checkpoint, demands: &Demands) -> Result<Vec<Pin>, Finding> {
    let origin = &last.origin;
    let mut pins = Vec::new();
    for day in folder.days() {
        let name = format!("{CHECKPOINTS}/{day}");
        let place = format!("{origin} {name}");
        let (note, checkpoint) = folder.checkpoint(&name).map_err(|message| Finding::new("note", place.clone(), message))?;
        if checkpoint.origin != *origin {
            return Err(Finding::new("signature", place, format!("is of {}", checkpoint.origin)));
        }
        check_author(&note, origin, &demands.keys, &place)?;
        pins.push(Pin { checkpoint, code: "checkpoint", place });
    }
    // A longer copy is held against this one when its turn comes.
    let met = |pin: &&Pin| pin.checkpoint.origin == *origin && (pin.code != FORK || pin.checkpoint.size <= last.size);
    pins.extend(demands.pins.iter().filter(met).cloned());
    if let Some(beyond) = pins.iter().find(|pin| pin.checkpoint.size > last.size) {
        let message =
            format!("it speaks of {} leaves, the log's checkpoint of {} only: the end is missing", beyond.checkpoint.size, last.size);
        return Err(Finding::new(beyond.code, beyond.place.clone(), message));
    }
    pins.sort_by_key(|pin| pin.checkpoint.size);
    Ok(pins)
}

/// One pass over the leaves of a log.
struct Reading<'a> {
    folder: &'a Folder,
    last: &'a Checkpoint,
    pins: std::iter::Peekable<std::vec::IntoIter<Pin>>,
    tree: Tree,
    tiler: Tiler,
}

impl<'a> Reading<'a> {
    fn new(folder: &'a Folder, last: &'a Checkpoint, pins: Vec<Pin>) -> Self {
        Self { folder, last, pins: pins.into_iter().peekable(), tree: Tree::default(), tiler: Tiler::default() }
    }

    /// Reads all leaves; ends at the first one that is not what was signed.
    fn read(mut self, history: &mut History) -> Result<(), Finding> {
        self.meet_pins()?;
        for index in 0..self.last.size.div_ceil(TILE_WIDTH) {
            let width = TILE_WIDTH.min(self.last.size - index * TILE_WIDTH);
            let bundle = self.folder.bundle(index, width).map_err(|message| self.find("missing", &bundle_path(index, width), message))?;
            let mut hashes = Vec::with_capacity(TILE_WIDTH as usize * 32);
            bundle.entries().for_each(|entry| hashes.extend_from_slice(&leaf_hash(entry)));
            let tile = Tile { level: 0, index, octets: hashes };
            self.check_leaf_hashes(&tile)?;
            for (entry, hash) in bundle.entries().zip(tile.octets.as_chunks::<32>().0) {
                self.take(entry, hash, history)?;
            }
        }
        for tile in std::mem::take(&mut self.tiler).finish() {
            self.check_tile(&tile)?;
        }
        if self.tree.root() == self.last.root {
            Ok(())
        } else {
            Err(self.find("root", CHECKPOINT, "the leaves are not those that it was signed for".to_owned()))
        }
    }

    fn take(&mut self, entry: &[u8], hash: &Hash, history: &mut History) -> Result<(), Finding> {
        let seq = self.tree.size();
        let leaf = Leaf::parse(entry).map_err(|fault| self.find("leaf", &format!("leaf {seq}"), fault.to_string()))?;
        history.take(seq, &leaf);
        self.tree.append(*hash);
        for tile in self.tiler.append(hash) {
            self.check_tile(&tile)?;
        }
        self.meet_pins()
    }

    /// Holds the tree as it is against the checkpoints of its size.
    fn meet_pins(&mut self) -> Result<(), Finding> {
        while let Some(pin) = self.pins.next_if(|pin| pin.checkpoint.size == self.tree.size()) {
            if pin.checkpoint.root != self.tree.root() {
                let message = format!("the first {} leaves are not those that it was signed for", pin.checkpoint.size);
                return Err(Finding::new(pin.code, pin.place, message));
            }
        }
        Ok(())
    }

    /// The tile of leaf hashes names the leaf that was changed.
    fn check_leaf_hashes(&self, tile: &Tile) -> Result<(), Finding> {
        let octets = self.read_tile(tile)?;
        let leaves = tile.octets.as_chunks::<32>().0.iter().zip(octets.as_chunks::<32>().0);
        let changed = leaves.enumerate().find(|(_, (made, written))| made != written);
        match changed {
            None => Ok(()),
            Some((at, _)) => {
                let seq = tile.index * TILE_WIDTH + at as u64;
                Err(self.find("tile", &format!("leaf {seq}"), format!("is not what {} was made of", tile.path())))
            }
        }
    }

    fn check_tile(&self, tile: &Tile) -> Result<(), Finding> {
        // Level 0 was compared leaf by leaf.
        if tile.level > 0 && self.read_tile(tile)? != tile.octets {
            return Err(self.find("tile", &tile.path(), "is not made of the tiles below it".to_owned()));
        }
        Ok(())
    }

    fn read_tile(&self, tile: &Tile) -> Result<Vec<u8>, Finding> {
        let path = tile.path();
        let octets = self.folder.read(&path).map_err(|error| self.find("missing", &path, format!("cannot be read ({error})")))?;
        if octets.len() == tile.octets.len() {
            Ok(octets)
        } else {
            Err(self.find("missing", &path, "has another length than its name says".to_owned()))
        }
    }

    fn find(&self, code: &'static str, place: &str, message: String) -> Finding {
        Finding::new(code, format!("{} {place}", self.last.origin), message)
    }
}
