//! Adds leaves to the audit log, within the transaction that what they tell of is written in.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::clock::UnixSeconds;
use crate::record::{EventKind, EventLeaf, HourLeaf, LEAF_VERSION, Leaf, LeafFault, Moment};
use crate::seal::checkpoint::Checkpoint;
use crate::seal::tree::{Tree, leaf_hash};

use super::author::Author;
use super::journal::JournalEvent;

/// The log as it grows within one transaction; [`Log::save`] writes where it stands.
pub(super) struct Log<'t> {
    transaction: &'t Transaction<'t>,
    author: &'t Author,
    tree: Tree,
    /// The time of the last leaf.
    pub(super) time: UnixSeconds,
    /// The first hour that has no leaves yet.
    pub(super) next_hour: UnixSeconds,
    size_before: u64,
}

/// A run, as leaves name it.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) key: i64,
    pub(super) boot: String,
    pub(super) software: String,
    pub(super) configuration: String,
}

impl<'t> Log<'t> {
    /// The log as it stands on disk; a new one where there is none, whose first hour is
    /// `first_hour`.
    pub(super) fn open(
        transaction: &'t Transaction<'t>,
        author: &'t Author,
        first_hour: UnixSeconds,
    ) -> rusqlite::Result<Self> {
        let stands = transaction
            .prepare_cached("SELECT size, peaks, time, next_hour FROM log")?
            .query_row([], |row| {
                let (size, peaks): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
                let tree = Tree::from_peaks(size.cast_unsigned(), &peaks)
                    .ok_or(rusqlite::Error::InvalidQuery)?;
                Ok((tree, row.get(2)?, row.get(3)?))
            });
        let (tree, time, next_hour) =
            stands
                .optional()?
                .unwrap_or((Tree::default(), UnixSeconds::MIN, first_hour));
        let size_before = tree.size();
        Ok(Self {
            transaction,
            author,
            tree,
            time,
            next_hour,
            size_before,
        })
    }

    /// How many leaves there are.
    pub(super) const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Adds an event, without the reason that somebody typed; its time is not earlier than that of
    /// the leaf before. What happened to a list and cannot be a leaf is said aloud instead: one
    /// event must not keep the rest from being written.
    pub(super) fn note(&mut self, run: &Run, event: &JournalEvent) -> rusqlite::Result<()> {
        let kind = event.said.kind();
        let leaf = Leaf::Event(EventLeaf {
            at: Moment(event.at.max(self.time)),
            body: event.said.body(),
            boot: &run.boot,
            kind: kind.word(),
            list: event.list.as_deref(),
            manifest: event.manifest.as_deref(),
            provider: &self.author.provider,
            resolver: &self.author.resolver,
            seq: self.size(),
            serial: event.serial,
            v: LEAF_VERSION,
        });
        let octets = match leaf.write() {
            Err(fault) if event.said.is_of_list() => {
                let (kind, list) = (kind.word(), event.list.as_deref());
                tracing::error!(
                    kind,
                    list,
                    "the audit log cannot say this: what happened {fault}"
                );
                return Ok(());
            }
            written => written.map_err(unwritable)?,
        };
        if matches!(kind, EventKind::Live | EventKind::Rollback)
            && let Some(list) = &event.list
        {
            self.transaction
                .prepare_cached("INSERT OR REPLACE INTO standing VALUES (?1, ?2, ?3)")?
                .execute(params![
                    list,
                    event.serial.map(u64::cast_signed),
                    event.manifest
                ])?;
        }
        self.append(&octets, leaf.time())
    }

    /// Adds a closed hour of one list. What names the author, the place in the log and the list's
    /// standing is filled in here.
    pub(super) fn close(&mut self, hour: HourLeaf<'_>) -> rusqlite::Result<()> {
        let standing = self
            .transaction
            .prepare_cached("SELECT serial, manifest FROM standing WHERE list = ?1")?
            .query_row([hour.list], |row| {
                Ok((
                    row.get::<_, Option<i64>>(0)?,
                    row.get::<_, Option<String>>(1)?,
                ))
            });
        let (serial, manifest) = standing.optional()?.unwrap_or_default();
        let leaf = Leaf::Hour(HourLeaf {
            manifest: manifest.as_deref(),
            provider: &self.author.provider,
            resolver: &self.author.resolver,
            seq: self.size(),
            serial: serial.map(i64::cast_unsigned),
            ..hour
        });
        self.append(&leaf.write().map_err(unwritable)?, leaf.time())
    }

    fn append(&mut self, octets: &[u8], time: UnixSeconds) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("INSERT INTO leaf VALUES (?1, ?2)")?
            .execute(params![self.size().cast_signed(), octets])?;
        self.time = self.time.max(time);
        self.tree.append(leaf_hash(octets));
        Ok(())
    }

    /// Signs the log as it is now, if it has grown, and writes where it stands; gives the
    /// checkpoint that it signed.
    pub(super) fn save(self, sign: Sign) -> rusqlite::Result<Option<Checkpoint>> {
        if self.size() == self.size_before {
            return Ok(None);
        }
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO log VALUES (0, ?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                self.author.key.public().to_string(),
                self.size().cast_signed(),
                self.tree.peaks(),
                self.time,
                self.next_hour
            ])?;
        if sign == Sign::Later {
            return Ok(None);
        }
        let checkpoint = Checkpoint {
            origin: self.author.key.name().to_owned(),
            size: self.size(),
            root: self.tree.root(),
        };
        let note = checkpoint
            .sign(&self.author.key)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        self.transaction
            .prepare_cached("INSERT INTO checkpoint VALUES (?1, ?2, ?3)")?
            .execute(params![
                self.size().cast_signed(),
                self.time,
                note.to_string()
            ])?;
        Ok(Some(checkpoint))
    }
}

/// Whether a checkpoint is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It is.
    Now,
    /// It comes with the full hour.
    Later,
}

/// The key of the log on disk, where it is another one than `author`'s: a log has one author for
/// ever.
pub(super) fn other_author(
    connection: &Connection,
    author: &Author,
) -> rusqlite::Result<Option<String>> {
    let written: Option<String> = connection
        .query_row("SELECT author FROM log", [], |row| row.get(0))
        .optional()?;
    Ok(written.filter(|written| *written != author.key.public().to_string()))
}

fn unwritable(fault: LeafFault) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(fault.into())
}
