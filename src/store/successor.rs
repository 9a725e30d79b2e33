//! A log that goes on under another key: it is closed in order, and the log that follows it names
//! its head. The old key signs the new one's name, so that whoever has the old key goes on.
//!
//! That happens at a start, for one of two reasons: an operator prepared another key
//! (`wardline audit replace-key`), or the log's leaves are of an older form than is written now.

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::StoreError;
use super::author::{Author, NextKey, NextPlace};
use super::log::{Log, LogBegins, Sign, other_author};
use super::restored::{checkpoint, end_log, names};
use super::untold::forget_untold;
use crate::clock::UnixSeconds;
use crate::record::{ClosedLog, LogKeyNote, Moment};
use crate::seal::{Note, VerifyKey};

/// The log that ends, and the key that follows.
pub(super) struct Succession {
    /// Who signs the log that ends for the last time, where that key is still there.
    old: Author,
    /// What the old log's key or the recovery key signed.
    note: Note,
    /// `form` or `key`.
    why: &'static str,
    /// Where the new key lies until it is the log's own.
    place: NextPlace,
}

/// Looks whether the log on disk is to end; gives who signs the one that goes on.
///
/// # Errors
/// When a key was prepared, and nobody who may has signed that it follows.
pub(super) fn find(
    connection: &Connection,
    author: Author,
    at: UnixSeconds,
) -> Result<(Author, Option<Succession>), StoreError> {
    let Some((key, is_salted)) = read_log(connection)? else {
        return Ok((author, None));
    };
    // A key that was made for the form is found again where the start was cut short.
    let why = if is_salted { "key" } else { "form" };
    if let Some(next) = author.next_key()? {
        if next.key.public() == key {
            // A start before this one began the log, and did not come further.
            let author = author.with_key(next.key);
            next.place.settle_or_say(&author);
            return Ok((author, None));
        }
        let said = LogKeyNote::parse(next.note.text());
        if said.as_ref().is_some_and(|said| said.follows != key.name()) {
            // It was prepared for a log that ended otherwise.
            next.place.refuse()?;
            return Ok((author, None));
        }
        let known: Vec<VerifyKey> = [&key]
            .into_iter()
            .chain(&author.recovery)
            .cloned()
            .collect();
        let is_right = |said: &LogKeyNote| {
            said.key == next.key.public() && said.signer(&next.note, &known).is_some()
        };
        if !said.as_ref().is_some_and(is_right) {
            return Err(StoreError::Key {
                path: next.place.file(),
                reason: format!(
                    "it does not follow {key} by the word of that key or of the key `recovery`: \
                     prepare it anew (wardline audit replace-key), or delete it"
                ),
            });
        }
        return Ok(Succession::new(author, next, why));
    }
    if is_salted || author.key.public() != key {
        return Ok((author, None));
    }
    let taken = names(connection).map_err(|source| unreadable(connection, source))?;
    match author.prepare_next(&taken, at) {
        Ok(next) => Ok(Succession::new(author, next, why)),
        Err(error) => {
            tracing::error!(
                "the audit log stays in its older form, whose leaves have no salt: the key of \
                 the next one cannot be made ({error})"
            );
            Ok((author, None))
        }
    }
}

fn read_log(connection: &Connection) -> Result<Option<(VerifyKey, bool)>, StoreError> {
    let found: Option<(String, bool)> = connection
        .query_row("SELECT author, is_salted FROM log", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(|source| unreadable(connection, source))?;
    Ok(found.and_then(|(author, is_salted)| Some((VerifyKey::parse(&author).ok()?, is_salted))))
}

fn unreadable(connection: &Connection, source: rusqlite::Error) -> StoreError {
    StoreError::Sqlite {
        attempt: "read",
        file: connection.path().map(PathBuf::from).unwrap_or_default(),
        source,
    }
}

impl Succession {
    fn new(
        old: Author,
        NextKey { key, note, place }: NextKey,
        why: &'static str,
    ) -> (Author, Option<Self>) {
        let author = old.with_key(key);
        let succession = Self {
            old,
            note,
            why,
            place,
        };
        (author, Some(succession))
    }

    /// The log on disk ends here, with the run before closed in it where its key is there; gives
    /// what the next one says of it, and where that begins.
    pub(super) fn close(
        &self,
        transaction: &Transaction<'_>,
        end_previous: impl FnOnce(&mut Log<'_>) -> rusqlite::Result<()>,
        hour: UnixSeconds,
    ) -> rusqlite::Result<(ClosedLog, LogBegins)> {
        let mut log = Log::open(transaction, &self.old, || {
            LogBegins::now(transaction, hour, hour)
        })?;
        let can_sign = other_author(transaction, &self.old)?.is_none();
        // What only an unsigned end of the log would say is lost with its key.
        let mut until = log.told_until()?;
        end_previous(&mut log)?;
        if can_sign {
            until = log.told_until()?;
            log.save(Sign::Now)?;
        }
        let last = checkpoint(transaction, None)?;
        let closed = ClosedLog {
            origin: self.follows(),
            root: last.as_ref().map_or_else(String::new, |last| {
                data_encoding::HEXLOWER.encode(&last.root)
            }),
            size: last.map_or(0, |last| last.size),
            until: Moment(until.min(hour)),
            why: self.why.to_owned(),
        };
        end_log(transaction)?;
        forget_untold(transaction, closed.until.0, hour)?;
        transaction.execute(
            "INSERT INTO key_note (note) VALUES (?1)",
            [self.note.to_string()],
        )?;
        let begins = LogBegins::now(transaction, closed.until.0, hour)?;
        Ok((closed, begins))
    }

    fn follows(&self) -> String {
        LogKeyNote::parse(self.note.text())
            .map(|said| said.follows)
            .unwrap_or_default()
    }

    /// The new log is on disk: the key of its author becomes the log's own.
    pub(super) fn settle(&self, author: &Author) {
        let key = author.key.public();
        tracing::warn!(
            "the audit log {} is closed, and goes on as {} under the key {key}, which the old key \
             or the recovery key has signed",
            self.follows(),
            key.name()
        );
        self.place.settle_or_say(author);
    }
}
