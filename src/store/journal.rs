//! The journal: what happened to the lists and to the program, one row an event, for the history
//! and for the sealed record.
//!
//! An event is noted in memory and written by the thread that writes the counts, at once and in one
//! transaction with them; while the disk refuses, events wait. No event holds a listed name or a
//! client: lists go by their id, entries by their number.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use serde_json::{Map, Value};

use super::StoreError;
use crate::clock::{UnixSeconds, wall_s};
use crate::record::{EventKind, Statement};

/// Events that wait while the disk refuses; more than this are lost, and that is logged. Those that
/// say that a list is in force have as much room again.
const WAITING_MAX: usize = 10_000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEvent {
    /// When, by the clock.
    pub at: UnixSeconds,
    /// When, by the log's time, which a clock that is set does not move back; none where it is not
    /// placed yet. Whoever notes an event leaves that to the one who writes it.
    pub placed: Option<UnixSeconds>,
    /// What.
    pub said: Statement,
    /// To which list; none where it happened to the program.
    pub list: Option<String>,
    /// The list's serial, where it has one.
    pub serial: Option<u64>,
    /// SHA-256 of its manifest's text in hexadecimal, or of its own text where it has no manifest.
    pub manifest: Option<String>,
    /// Why, as somebody typed it: for the journal alone, since the log is for everybody.
    pub reason: Option<String>,
}

impl JournalEvent {
    /// An event of this moment.
    pub fn now(said: Statement) -> Self {
        Self::at(wall_s(), said)
    }

    /// An event of the program.
    pub const fn at(at: UnixSeconds, said: Statement) -> Self {
        Self {
            at,
            placed: None,
            said,
            list: None,
            serial: None,
            manifest: None,
            reason: None,
        }
    }

    /// What the journal says of it.
    fn body(&self) -> Map<String, Value> {
        let mut body = self.said.body();
        if let Some(reason) = &self.reason {
            body.insert(REASON.to_owned(), reason.as_str().into());
        }
        body
    }
}

/// The key of a reason in the journal.
const REASON: &str = "reason";

/// One thing that happened, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JournalRow {
    /// When.
    pub at: UnixSeconds,
    /// What.
    pub kind: EventKind,
    /// To which list; none where it happened to the program.
    pub list: Option<String>,
    /// The list's serial, where it has one.
    pub serial: Option<u64>,
    /// As in [`JournalEvent`].
    pub manifest: Option<String>,
    /// The rest, as an object without any listed name.
    pub body: Value,
}

/// Takes events from anywhere in the program; a clone writes to the same journal.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<WaitingEvents>>);

#[derive(Default)]
struct WaitingEvents {
    events: Vec<JournalEvent>,
    /// What the journal on disk said last of each list's coming in force.
    told: BTreeMap<String, JournalEvent>,
    /// Wakes the thread that writes; none before it runs.
    wake: Option<Wake>,
}

/// Wakes the thread that writes.
pub(super) type Wake = Box<dyn Fn() + Send>;

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

impl Journal {
    /// Note an event; never waits for the disk.
    pub fn note(&self, event: JournalEvent) {
        let mut waiting = self.lock();
        // What is in force is told by these: without one the log would contradict itself.
        let is_needed = event.said.kind() == EventKind::Live;
        let most = if is_needed {
            2 * WAITING_MAX
        } else {
            WAITING_MAX
        };
        if waiting.events.len() >= most {
            tracing::error!(
                kind = event.said.kind().word(),
                "{most} events wait for the disk: this one is lost; check the state folder"
            );
            return;
        }
        waiting.events.push(event);
        if let Some(wake) = &waiting.wake {
            wake();
        }
    }

    /// What waits and was not placed yet happened between these moments of the log's time, whatever
    /// the clock said then.
    pub(super) fn place(&self, from: UnixSeconds, until: UnixSeconds) {
        for event in &mut self.lock().events {
            event.placed = event.placed.or(Some(event.at.clamp(from, until)));
        }
    }

    /// The events that are not on disk, oldest first.
    pub(super) fn waiting(&self) -> Vec<JournalEvent> {
        self.lock().events.clone()
    }

    /// The first `count` waiting events are on disk.
    pub(super) fn forget(&self, count: usize) {
        let mut waiting = self.lock();
        let count = count.min(waiting.events.len());
        let WaitingEvents { events, told, .. } = &mut *waiting;
        for event in events.drain(..count) {
            if let (EventKind::Live, Some(list)) = (event.said.kind(), event.list.clone()) {
                told.insert(list, event);
            }
        }
    }

    /// Has said again, before all that waits, with what these lists are in force; for a log that
    /// does not know it.
    pub(super) fn tell_again(&self, in_force: &[&str]) {
        let mut waiting = self.lock();
        let WaitingEvents { events, told, .. } = &mut *waiting;
        let again = in_force.iter().filter_map(|list| told.get(*list));
        let again: Vec<JournalEvent> = again.cloned().collect();
        events.splice(..0, again);
        for event in events {
            event.placed = None;
        }
    }

    /// Have `wake` told of each event, or nobody.
    pub(super) fn attach(&self, wake: Option<Wake>) {
        self.lock().wake = wake;
    }

    fn lock(&self) -> MutexGuard<'_, WaitingEvents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Add events to the journal on disk.
pub(super) fn add(transaction: &Transaction<'_>, events: &[JournalEvent]) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO journal (at, kind, list, serial, manifest, body) \
                                    VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for event in events {
        let serial = event
            .serial
            .map(|serial| i64::try_from(serial).unwrap_or(i64::MAX));
        insert.execute(params![
            event.at,
            event.said.kind().word(),
            event.list,
            serial,
            event.manifest,
            Value::Object(event.body()).to_string()
        ])?;
    }
    Ok(())
}

/// The last `count` events with their numbers, oldest first; of one list, or of all and the
/// program.
pub(super) fn read(
    connection: &Connection,
    file: PathBuf,
    list: Option<&str>,
    count: u32,
) -> Result<Vec<(u64, JournalRow)>, StoreError> {
    read_rows(connection, list, count).map_err(|source| StoreError::Sqlite {
        attempt: "read the journal in",
        file,
        source,
    })
}

fn read_rows(
    connection: &Connection,
    list: Option<&str>,
    count: u32,
) -> rusqlite::Result<Vec<(u64, JournalRow)>> {
    let has_journal = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'journal')";
    if !connection.query_row(has_journal, [], |row| row.get::<_, bool>(0))? {
        // Written by a version that kept none, and not yet opened by this one.
        return Ok(Vec::new());
    }
    let mut select = connection.prepare(
        "SELECT seq, at, kind, list, serial, manifest, body FROM journal WHERE ?1 IS NULL OR list \
         = ?1 ORDER BY seq DESC LIMIT ?2",
    )?;
    let rows = select.query_map(params![list, count], |row| {
        let word: String = row.get(2)?;
        let kind = EventKind::parse(&word);
        let body: String = row.get(6)?;
        let event = kind.map(|kind| {
            Ok::<_, rusqlite::Error>(JournalRow {
                at: row.get(1)?,
                kind,
                list: row.get(3)?,
                serial: row
                    .get::<_, Option<i64>>(4)?
                    .and_then(|serial| u64::try_from(serial).ok()),
                manifest: row.get(5)?,
                body: serde_json::from_str(&body).unwrap_or(Value::Null),
            })
        });
        let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
        event
            .transpose()
            .map(|event| event.map(|event| (seq, event)))
    })?;
    // A kind that a newer version wrote is passed over.
    let mut events: Vec<_> = rows
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    events.reverse();
    Ok(events)
}

/// That a list came in force, as tests note it.
#[cfg(test)]
pub(super) fn live_of_tests(list: &str, at: UnixSeconds) -> JournalEvent {
    let said = Statement::Live(crate::record::IssueLive {
        entries: 7,
        generation: None,
        issued: None,
        rejects: 0,
        sha256: "ab".to_owned(),
    });
    JournalEvent {
        list: Some(list.to_owned()),
        ..JournalEvent::at(at, said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{IssueRefused, IssueVerified, LetPass};
    use crate::store::author::author_of_tests as author;
    use crate::store::{Reader, Store, Taking};

    fn event(n: u64) -> JournalEvent {
        let known_by = format!("{n:064x}");
        let codes = vec!["guard.size".to_owned()];
        let said = [
            Statement::Verified(IssueVerified { at_ms: 7 }),
            Statement::Refused(IssueRefused::new("it is too large", &["guard.size"])),
            Statement::Override(LetPass { codes, known_by }),
        ];
        let said = said[n as usize % 3].clone();
        let has_reason = said.kind() == EventKind::Override;
        JournalEvent {
            list: Some(if n.is_multiple_of(2) { "even" } else { "odd" }.to_owned()),
            serial: Some(n),
            reason: has_reason.then(|| "as the authority says".to_owned()),
            ..JournalEvent::at(1_767_225_600 + n as i64, said)
        }
    }

    fn row(event: &JournalEvent) -> JournalRow {
        JournalRow {
            at: event.at,
            kind: event.said.kind(),
            list: event.list.clone(),
            serial: event.serial,
            manifest: event.manifest.clone(),
            body: Value::Object(event.body()),
        }
    }

    #[test]
    fn events_are_read_back_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), &[], author(), 1_767_225_600).unwrap();
        let events: Vec<_> = (0..20).map(event).collect();
        store
            .write(
                &Taking {
                    events: &events[..15],
                    ..Taking::default()
                },
                1_767_225_605,
            )
            .unwrap();
        store
            .write(
                &Taking {
                    events: &events[15..],
                    ..Taking::default()
                },
                1_767_225_606,
            )
            .unwrap();
        let reader = Reader::open(folder.path()).unwrap();
        let mut read: Vec<_> = reader.journal(None, 100).unwrap();
        assert_eq!(read.remove(0).1.kind, EventKind::Start, "the store's own");
        assert_eq!(
            read.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
            (2..=21).collect::<Vec<_>>()
        );
        assert_eq!(
            read.into_iter().map(|(_, event)| event).collect::<Vec<_>>(),
            events.iter().map(row).collect::<Vec<_>>()
        );
        let last: Vec<_> = reader
            .journal(Some("even"), 3)
            .unwrap()
            .into_iter()
            .map(|(_, event)| event.serial)
            .collect();
        assert_eq!(last, [Some(14), Some(16), Some(18)]);
    }

    #[test]
    fn what_is_in_force_is_not_lost_for_lack_of_room() {
        let journal = Journal::default();
        for n in 0..WAITING_MAX as u64 {
            journal.note(event(n));
        }
        let live = live_of_tests("even", 1_767_225_600);
        // The disk takes what waits while more comes.
        let written = journal.waiting().len();
        journal.note(live.clone());
        journal.note(event(0));
        let waiting = journal.waiting();
        assert_eq!(waiting.len(), WAITING_MAX + 1);
        assert_eq!(
            (waiting.first(), waiting.last()),
            (Some(&event(0)), Some(&live))
        );
        journal.forget(written);
        assert_eq!(
            journal.waiting(),
            std::slice::from_ref(&live),
            "it is not written yet"
        );
        for _ in 0..3 * WAITING_MAX {
            journal.note(live.clone());
        }
        assert_eq!(
            journal.waiting().len(),
            2 * WAITING_MAX,
            "even these have an end"
        );
    }

    #[test]
    fn events_wait_in_memory_and_no_longer_than_needed() {
        let journal = Journal::default();
        for n in 0..5 {
            journal.note(event(n));
        }
        assert_eq!(journal.waiting().len(), 5);
        journal.forget(4);
        assert_eq!(journal.waiting(), [event(4)]);
        journal.forget(9);
        assert_eq!(journal.waiting(), []);
    }
}
