//! Adds leaves to the audit log, within the transaction that what they tell of is written in.

use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::clock::{HOUR_S, UnixSeconds, hour_start};
use crate::record::{
    EventLeaf, HourLeaf, LEAF_VERSION, Leaf, LeafFault, Moment, SALT_DIGITS, SALTED_LEAF_VERSION,
};
use crate::seal::checkpoint::Checkpoint;
use crate::seal::tree::{Tree, leaf_hash};

use super::author::Author;
use super::journal::JournalEvent;
use super::promises::LogPromise;
use super::versions;
use crate::list::Hash;

/// The log as it grows within one transaction; [`Log::save`] writes where it stands.
pub(super) struct Log<'t> {
    transaction: &'t Transaction<'t>,
    author: &'t Author,
    tree: Tree,
    /// The time of the last leaf.
    pub(super) time: UnixSeconds,
    /// The first hour that has no leaves yet.
    pub(super) next_hour: UnixSeconds,
    pub(super) begins: LogBegins,
    is_salted: bool,
    size_before: u64,
}

/// Where a log begins among what the store has.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogBegins {
    /// From when on it accounts for the time.
    pub(super) at: UnixSeconds,
    /// The first hour whose counts may be in it.
    pub(super) first_hour: UnixSeconds,
    /// The first stretch of a run that it tells of.
    pub(super) first_alive: i64,
    /// Did it go back here, so that questions may be carried in?
    pub(super) carries_in: bool,
}

impl LogBegins {
    /// A log that begins now, with its own first run.
    pub(super) fn now(
        transaction: &Transaction<'_>,
        at: UnixSeconds,
        first_hour: UnixSeconds,
    ) -> rusqlite::Result<Self> {
        let next = "SELECT coalesce(max(alive), 0) + 1 FROM alive";
        Ok(Self {
            at,
            first_hour,
            first_alive: transaction.query_row(next, [], |row| row.get(0))?,
            carries_in: false,
        })
    }
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
    /// The log as it stands on disk; a new one where there is none, which begins so.
    pub(super) fn open(
        transaction: &'t Transaction<'t>,
        author: &'t Author,
        begins: impl FnOnce() -> rusqlite::Result<LogBegins>,
    ) -> rusqlite::Result<Self> {
        let found = transaction
            .prepare_cached(
                "SELECT size, peaks, time, next_hour, is_salted, first_alive,
                     begins, first_hour,
                     CASE WHEN begins IS NULL THEN (SELECT octets FROM leaf WHERE seq = 0) END,
                     carries_in
                 FROM log",
            )?
            .query_row([], |row| {
                let (size, peaks): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
                let tree = Tree::from_peaks(size.cast_unsigned(), &peaks)
                    .ok_or(rusqlite::Error::InvalidQuery)?;
                let next_hour = row.get(3)?;
                let noted: Option<UnixSeconds> = row.get(6)?;
                let at = match (noted, row.get::<_, Option<Vec<u8>>>(8)?) {
                    (Some(noted), _) => noted,
                    (None, first) => first.as_deref().and_then(hour_of).unwrap_or(next_hour),
                };
                Ok(Self {
                    transaction,
                    author,
                    size_before: tree.size(),
                    tree,
                    time: row.get(2)?,
                    next_hour,
                    is_salted: row.get(4)?,
                    begins: LogBegins {
                        at,
                        first_hour: row.get::<_, Option<_>>(7)?.unwrap_or(at),
                        first_alive: row.get(5)?,
                        carries_in: row.get(9)?,
                    },
                })
            });
        if let Some(found) = found.optional()? {
            return Ok(found);
        }
        let begins = begins()?;
        Ok(Self {
            transaction,
            author,
            tree: Tree::default(),
            time: UnixSeconds::MIN,
            next_hour: begins.first_hour,
            begins,
            is_salted: true,
            size_before: 0,
        })
    }

    /// Have its leaves salts?
    pub(super) const fn is_salted(&self) -> bool {
        self.is_salted
    }

    /// How many leaves there are.
    pub(super) const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Up to when it tells, as its verifiers know it: to the end of the last hour with leaves, or
    /// to where it begins.
    pub(super) fn told_until(&self) -> rusqlite::Result<UnixSeconds> {
        Ok(self.last_told(self.next_hour)?.unwrap_or(self.begins.at))
    }

    /// The end of the last hour before `hour` that has leaves in this log; none where it is the
    /// first. The leaves of `hour` account for all time since.
    pub(super) fn last_told(&self, hour: UnixSeconds) -> rusqlite::Result<Option<UnixSeconds>> {
        let last: Option<UnixSeconds> = self
            .transaction
            .prepare_cached("SELECT max(hour) FROM cell WHERE hour >= ?1 AND hour < ?2")?
            .query_row([self.begins.first_hour, hour], |row| row.get(0))?;
        Ok(last.map(|last| last + HOUR_S))
    }

    /// Adds an event, without the reason that somebody typed; its time is not earlier than that of
    /// the leaf before. What happened to a list and cannot be a leaf is said aloud instead: one
    /// event must not keep the rest from being written.
    pub(super) fn note(&mut self, run: &Run, event: &JournalEvent) -> rusqlite::Result<()> {
        let kind = event.said.kind();
        if let Some(explanation) = versions::explanation(self.transaction, event)? {
            self.note(run, &explanation)?;
        }
        let salt = self.salt()?;
        let touches = event.said.touches().iter().map(|touch| touch.word());
        let leaf = Leaf::Event(EventLeaf {
            at: Moment(event.at.max(self.time)),
            body: event.said.body(),
            boot: &run.boot,
            kind: kind.word(),
            list: event.list.as_deref(),
            manifest: event.manifest.as_deref(),
            provider: &self.author.provider,
            resolver: &self.author.resolver,
            salt: salt.as_deref(),
            seq: self.size(),
            serial: event.serial,
            touches: self.is_salted.then(|| touches.collect()),
            v: if self.is_salted {
                SALTED_LEAF_VERSION
            } else {
                LEAF_VERSION
            },
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
        versions::remember(self.transaction, event)?;
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
        let salt = self.salt()?;
        let leaf = Leaf::Hour(HourLeaf {
            manifest: manifest.as_deref(),
            provider: &self.author.provider,
            resolver: &self.author.resolver,
            salt: salt.as_deref(),
            seq: self.size(),
            serial: serial.map(i64::cast_unsigned),
            v: if self.is_salted {
                SALTED_LEAF_VERSION
            } else {
                hour.v
            },
            ..hour
        });
        self.append(&leaf.write().map_err(unwritable)?, leaf.time())
    }

    /// Goes on from a time that is earlier than its last leaf's.
    pub(super) const fn go_back(
        &mut self,
        to: UnixSeconds,
        next_hour: UnixSeconds,
        begins: LogBegins,
    ) {
        self.time = to;
        self.next_hour = next_hour;
        self.begins = begins;
    }

    /// New random octets for a leaf, in hexadecimal; none in a log of the older form.
    fn salt(&self) -> rusqlite::Result<Option<String>> {
        let mut salt = [0; SALT_DIGITS / 2];
        if !self.is_salted {
            return Ok(None);
        }
        getrandom::fill(&mut salt)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(Some(HEXLOWER.encode(&salt)))
    }

    fn append(&mut self, octets: &[u8], time: UnixSeconds) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("INSERT INTO leaf VALUES (?1, ?2)")?
            .execute(params![self.size().cast_signed(), octets])?;
        self.time = self.time.max(time);
        self.tree.append(leaf_hash(octets));
        Ok(())
    }

    /// Signs the log as it is now, if it has grown, and writes where it stands; gives what is to be
    /// promised of that.
    pub(super) fn save(self, sign: Sign) -> rusqlite::Result<Option<LogPromise>> {
        if self.size() == self.size_before {
            return Ok(None);
        }
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO log (log, author, size, peaks, time, next_hour, is_salted,
                     begins, first_hour, first_alive, carries_in)
                 VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                self.author.key.public().to_string(),
                self.size().cast_signed(),
                self.tree.peaks(),
                self.time,
                self.next_hour,
                self.is_salted,
                self.begins.at,
                self.begins.first_hour,
                self.begins.first_alive,
                self.begins.carries_in
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
        Ok(Some(LogPromise {
            origin: checkpoint.origin,
            size: checkpoint.size,
            root: Hash(checkpoint.root),
            until: Some(Moment(self.told_until()?)),
        }))
    }
}

/// The hour that a leaf is of.
fn hour_of(octets: &[u8]) -> Option<UnixSeconds> {
    Some(hour_start(Leaf::parse(octets).ok()?.start()))
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
