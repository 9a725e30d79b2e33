//! Writes a log as static files that any web server can publish and anybody can check.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::clock::UnixSeconds;
use crate::record::Moment;
use crate::seal::Note;
use crate::seal::tree::{TILE_WIDTH, Tile, Tiler, bundle_path, leaf_hash};

use super::folder::{CHECKPOINT, CHECKPOINTS, KEYS, parse_checkpoint};

const README: &str = "\
    This folder is the audit log of a wardline resolver: what was counted in each hour, for each \
    list, and what happened to the lists.\n\
    It is for the regulator: it has small counts that the published report hides. For everybody \
    there is `wardline audit export --public`.\n\
    No address of anyone and no name on a list is in it. One count is one question that a device \
    put to the resolver; a question is not a\n\
    person and not a visit.\n\n\
    checkpoint         the author's signed word on how many entries there are and what their \
    Merkle root is\n\
    checkpoints/DAY    the last one of each day (UTC)\n\
    tile/entries/      the entries, each a line of JSON, in bundles (C2SP tlog-tiles)\n\
    tile/0/ and above  the hashes of the Merkle tree (RFC 6962)\n\
    keys/              by whose word one key followed another, where one did\n\
    key                the author's public key; for a check, have it from the author by another \
    way\n\n\
    To check it: wardline audit verify FOLDER --key KEY\n\
    or, independently: python3 verify_audit.py FOLDER --key KEY (tlog.py, history.py, \
    leaves.py, on_record.py and going_back.py beside it)\n";

const PUBLIC_README: &str = "\
    This folder is the public part of the audit log of a wardline resolver: its checkpoints, and \
    the hashes of its entries. The entries\n\
    themselves are not in it, since they hold small counts that a report hides; each has 16 random \
    octets, so that nobody can guess it\n\
    from its hash.\n\n\
    checkpoint         the author's signed word on how many entries there are and what their \
    Merkle root is\n\
    checkpoints/DAY    the last one of each day (UTC)\n\
    tile/0/ and above  the hashes of the Merkle tree (RFC 6962, C2SP tlog-tiles)\n\
    keys/              by whose word one key followed another, where one did\n\
    report.*           the published report, where a month is over\n\
    key                the author's public key; for a check, have it from the author by another \
    way\n\n\
    What the public can check with it: that the log only grows, and who has cosigned it.\n\
    wardline audit verify --public FOLDER --key KEY\n\
    What it cannot check: figures. The regulator can, with the whole log.\n";

/// Why a log could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The folder holds something else.
    #[error(
        "{}: {reason}; name an empty folder, or the one of this log's last export",
        path.display()
    )]
    Taken {
        /// The folder.
        path: PathBuf,
        /// What is in it.
        reason: String,
    },
    /// The system refused.
    #[error(
        "{}: cannot be written ({source}); check the disk's free space and who owns the folder",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Writes one log: first all leaves, then the checkpoints, the last one at the very end, so that
/// what it speaks of is there.
#[derive(Debug)]
pub struct LogExporter {
    folder: PathBuf,
    tiler: Tiler,
    bundle: Vec<u8>,
    size: u64,
    part: ExportPart,
}

/// How much of a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportPart {
    /// All of it, for the regulator.
    Whole,
    /// Checkpoints and hashes, for everybody.
    Public,
}

impl LogExporter {
    /// Writes into `folder`, which is made if it is not there; an earlier export of the same part
    /// of the log `origin` in it is brought up to date.
    ///
    /// # Errors
    /// When the folder holds anything else.
    pub fn create(folder: &Path, origin: &str, part: ExportPart) -> Result<Self, ExportError> {
        let taken = |reason: &str| ExportError::Taken {
            path: folder.into(),
            reason: reason.into(),
        };
        fs::create_dir_all(folder).map_err(|source| ExportError::Write {
            path: folder.into(),
            source,
        })?;
        match fs::read(folder.join(CHECKPOINT)) {
            Ok(octets) => match parse_checkpoint(&octets) {
                Ok((_, checkpoint)) if checkpoint.origin == origin => {
                    let has_entries = folder.join("tile/entries").exists();
                    match (part, has_entries) {
                        (ExportPart::Public, true) => {
                            return Err(taken("holds the whole log, which is not for everybody"));
                        }
                        (ExportPart::Whole, false) if checkpoint.size > 0 => {
                            return Err(taken("holds the public part of the log"));
                        }
                        _ => {}
                    }
                }
                Ok(_) => return Err(taken("holds another log")),
                Err(_) => return Err(taken("holds a checkpoint that cannot be read")),
            },
            Err(_)
                if folder
                    .read_dir()
                    .is_ok_and(|mut entries| entries.next().is_none()) => {}
            Err(_) => return Err(taken("is not empty and holds no log")),
        }
        Ok(Self {
            folder: folder.into(),
            tiler: Tiler::default(),
            bundle: Vec::new(),
            size: 0,
            part,
        })
    }

    /// Adds the next leaf; one beyond [`LEAF_OCTETS_MAX`](crate::record::LEAF_OCTETS_MAX) is cut,
    /// which every check would find.
    pub fn leaf(&mut self, octets: &[u8]) -> Result<(), ExportError> {
        if self.part == ExportPart::Whole {
            let len = u16::try_from(octets.len()).unwrap_or(u16::MAX);
            self.bundle.extend_from_slice(&len.to_be_bytes());
            self.bundle.extend(octets.iter().take(usize::from(len)));
        }
        self.size += 1;
        for tile in self.tiler.append(&leaf_hash(octets)) {
            write_tile(&self.folder, &tile)?;
        }
        if self.size.is_multiple_of(TILE_WIDTH) && self.part == ExportPart::Whole {
            let bundle = std::mem::take(&mut self.bundle);
            write(
                &self.folder,
                &bundle_path(self.size / TILE_WIDTH - 1, TILE_WIDTH),
                &bundle,
            )?;
        }
        Ok(())
    }

    /// Writes a published report beside the public part.
    pub fn report(&self, name: &str, text: &str) -> Result<(), ExportError> {
        write(&self.folder, name, text.as_bytes())
    }

    /// Writes the words on which key followed, in their order.
    pub fn key_notes(&self, notes: &[String]) -> Result<(), ExportError> {
        for (at, note) in notes.iter().enumerate() {
            write(&self.folder, &format!("{KEYS}/{at}"), note.as_bytes())?;
        }
        Ok(())
    }

    /// Writes the author's public key and the checkpoints, given as notes with the time of their
    /// last leaf, the smallest first; the last one must speak of exactly the leaves given.
    pub fn finish(
        self,
        key: &str,
        checkpoints: &[(UnixSeconds, String)],
    ) -> Result<(), ExportError> {
        let Self {
            folder,
            tiler,
            bundle,
            size,
            part,
        } = self;
        for tile in tiler.finish() {
            write_tile(&folder, &tile)?;
        }
        if !bundle.is_empty() {
            write(
                &folder,
                &bundle_path(size / TILE_WIDTH, size % TILE_WIDTH),
                &bundle,
            )?;
        }
        for (at, (time, note)) in checkpoints.iter().enumerate() {
            let day = day_of(*time);
            if checkpoints
                .get(at + 1)
                .is_none_or(|(next, _)| day_of(*next) != day)
            {
                write(&folder, &format!("{CHECKPOINTS}/{day}"), note.as_bytes())?;
            }
        }
        let readme = match part {
            ExportPart::Whole => README,
            ExportPart::Public => PUBLIC_README,
        };
        write(&folder, "README.txt", readme.as_bytes())?;
        write(&folder, "key", format!("{key}\n").as_bytes())?;
        let last = checkpoints
            .last()
            .map(|(_, note)| note.as_str())
            .unwrap_or_default();
        let last = with_signatures_of(&folder, last);
        // What the checkpoint speaks of is there after a power cut too.
        sync(&folder)?;
        write(&folder, CHECKPOINT, last.as_bytes())?;
        sync(&folder)
    }
}

/// Waits until all that was written is on disk.
fn sync(folder: &Path) -> Result<(), ExportError> {
    let synced = File::open(folder).and_then(|open| Ok(rustix::fs::syncfs(open)?));
    synced.map_err(|source| ExportError::Write {
        path: folder.into(),
        source,
    })
}

/// The last checkpoint with the cosignatures that the folder's has beside them, where both are of
/// one text: nobody's gets lost because nothing has happened since.
fn with_signatures_of(folder: &Path, last: &str) -> String {
    let written = fs::read(folder.join(CHECKPOINT))
        .ok()
        .and_then(|octets| parse_checkpoint(&octets).ok());
    let (Some((written, _)), Ok(mut note)) = (written, Note::parse(last.as_bytes())) else {
        return last.to_owned();
    };
    if written.text() != note.text() {
        return last.to_owned();
    }
    for signature in written.signatures() {
        let is_there = note
            .signatures()
            .iter()
            .any(|other| (&other.name, other.id) == (&signature.name, signature.id));
        // One that there is no room for is left out.
        if !is_there {
            let _ = note.add(signature.clone());
        }
    }
    note.to_string()
}

/// The UTC day that a time falls in; midnight itself ends the day before, for an hour's leaf has
/// the time of its end.
fn day_of(time: UnixSeconds) -> String {
    Moment(time - 1).to_string().chars().take(10).collect()
}

fn write_tile(folder: &Path, tile: &Tile) -> Result<(), ExportError> {
    write(folder, &tile.path(), &tile.octets)
}

/// Written beside and renamed: a web server that publishes the folder never shows half a file.
fn write(folder: &Path, name: &str, octets: &[u8]) -> Result<(), ExportError> {
    let path = folder.join(name);
    let failed = |source| ExportError::Write {
        path: path.clone(),
        source,
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let beside = path.with_extension("new");
    fs::write(&beside, octets)
        .and_then(|()| fs::rename(&beside, &path))
        .map_err(failed)
}
