//! Whether the log on disk goes on at a start, or ends and another one takes its place.

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;
use super::arrival::StateArrival;
use super::author::Author;
use super::log::other_author;
use super::promises::LogPromise;
use super::restored::{self, FoundRestored};
use super::successor::{self, Succession};
use crate::clock::UnixSeconds;
use crate::list::Hash;

/// In which log a run is told.
pub(super) enum Handover {
    /// In the one that is there, or the first one.
    None,
    /// In the one that is there, which was moved here.
    Arriving(Hash),
    /// In another one, as the one on disk is not what was promised.
    Restored(FoundRestored),
    /// In another one, as the one on disk is closed.
    Following(Box<Succession>),
}

impl Handover {
    /// What was found in place of what was promised.
    pub(super) const fn restored(&self) -> Option<&FoundRestored> {
        match self {
            Self::Restored(restored) => Some(restored),
            Self::None | Self::Arriving(_) | Self::Following(_) => None,
        }
    }

    /// What shows that the log was moved to here.
    pub(super) fn arrived(&self) -> Option<String> {
        match self {
            Self::Arriving(token) => Some(token.to_string()),
            Self::None | Self::Restored(_) | Self::Following(_) => None,
        }
    }

    /// The log that `author` signs is on disk.
    pub(super) fn settle(&self, author: &Author) {
        if let Self::Following(succession) = self {
            succession.settle(author);
        }
    }
}

/// Decides in which log a run that begins at `at` is told, and who signs it: by what was promised
/// of the log, and how the folder came to be as it is.
pub(super) fn decide(
    connection: &Connection,
    file: &Path,
    author: Author,
    (promised, arrival): (Option<LogPromise>, Option<StateArrival>),
    at: UnixSeconds,
) -> Result<(Author, Handover), StoreError> {
    let failed = |source| StoreError::Sqlite {
        attempt: "read",
        file: file.into(),
        source,
    };
    let found = restored::find(connection, &author, promised, arrival.as_ref(), at);
    if let Some(restored) = found.map_err(failed)? {
        let names = restored::names(connection).map_err(failed)?;
        let author = succeed(author, &restored, names, at)?;
        return Ok((author, Handover::Restored(restored)));
    }
    let (author, succession) = successor::find(connection, author, at)?;
    if let Some(succession) = succession {
        return Ok((author, Handover::Following(Box::new(succession))));
    }
    match other_author(connection, &author).map_err(failed)? {
        None => match restored::arriving(connection, arrival.as_ref()).map_err(failed)? {
            Some(token) => Ok((author, Handover::Arriving(token))),
            None => Ok((author, Handover::None)),
        },
        Some(written) => Err(StoreError::Author {
            file: file.into(),
            written,
            given: author.key.public().to_string(),
        }),
    }
}

/// Says that a log ends, and gives the author of the next one, who has none of these names.
fn succeed(
    author: Author,
    restored: &FoundRestored,
    mut names: Vec<String>,
    at: UnixSeconds,
) -> Result<Author, StoreError> {
    names.push(restored.origin().to_owned());
    let next = author.succeed(&names, at)?;
    let key = next.key.public();
    tracing::error!(
        "{}. That log ends here, and another one begins with the key {key}: give that to whoever \
         checks the log",
        restored.message()
    );
    Ok(next)
}
