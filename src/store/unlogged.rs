//! Reads what a published report needs and no log tells: who answers for the lists, and up to when
//! nothing more can come.

use rusqlite::{OptionalExtension, Transaction};

use super::frame::{Validity, read_frame, read_lists};
use super::schema::has_table;
use crate::clock::UnixSeconds;
use crate::count::{ListRecord, Stretch};

/// What a state folder knows beside its logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlogged {
    /// Up to here nothing more can come: what the resolver counts later belongs to later hours.
    pub complete_until: UnixSeconds,
    /// The last moment that the resolver wrote its counts, or 0.
    pub written_until: UnixSeconds,
    /// The lists that ever had an hour, by id, with all papers that there ever were.
    pub lists: Vec<ListRecord>,
}

pub(super) fn read_unlogged(
    transaction: &Transaction<'_>,
    going_on: bool,
    now: UnixSeconds,
) -> rusqlite::Result<Unlogged> {
    let frame = read_frame(transaction, going_on, Stretch::default(), now)?;
    let everything = (UnixSeconds::MIN, UnixSeconds::MAX);
    let lists = read_lists(transaction, everything.0, everything.1, Validity::Ever)?;
    let complete_until = match read_sealed(transaction)? {
        Some(sealed) if sealed.is_behind || !frame.is_ended() => {
            frame.complete_until().min(sealed.until)
        }
        _ => frame.complete_until(),
    };
    Ok(Unlogged {
        complete_until,
        written_until: frame.written_until(),
        lists: lists.into_iter().map(|(_, list)| list).collect(),
    })
}

/// How far the log tells of the hours.
#[derive(Clone, Copy)]
struct SealedHours {
    /// The first hour without a leaf.
    until: UnixSeconds,
    /// Something was counted from then on.
    is_behind: bool,
}

/// How far the log tells; nothing where there is none.
fn read_sealed(transaction: &Transaction<'_>) -> rusqlite::Result<Option<SealedHours>> {
    if !has_table(transaction, "log")? {
        return Ok(None);
    }
    let sealed = transaction.query_row(
        "SELECT next_hour, EXISTS (SELECT 1 FROM hour WHERE hour >= next_hour AND questions > 0)
         FROM log",
        [],
        |row| {
            Ok(SealedHours {
                until: row.get(0)?,
                is_behind: row.get(1)?,
            })
        },
    );
    sealed.optional()
}
