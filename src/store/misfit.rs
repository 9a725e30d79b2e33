//! Why a log on disk cannot go on, in the log's word and in the operator's.

/// Why it cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogMisfit {
    /// The log on disk is shorter than promised.
    Shorter,
    /// It is another one.
    Other,
    /// Something was promised, and the file that says what is gone or damaged.
    Unknown,
    /// It is as it was promised, in a folder that was restored from a backup: what it had not
    /// signed yet is lost.
    Backup,
    /// It could not be read any more.
    Damaged,
    /// A newer version had written it.
    Newer,
    /// It was moved to another place.
    Moved,
}

impl LogMisfit {
    /// The word in the log.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Shorter => "shorter",
            Self::Other => "other",
            Self::Unknown => "unknown",
            Self::Backup => "backup",
            Self::Damaged => "damaged",
            Self::Newer => "newer",
            Self::Moved => "moved",
        }
    }

    /// In words, of a log with this name, of which so many leaves were signed and so many found.
    pub(super) fn reason(self, origin: &str, size: u64, found: u64) -> String {
        let (size, found) = (leaves(size), leaves(found));
        match self {
            Self::Shorter => format!(
                "restored: of the audit log {origin} {size} were signed, and the state folder \
                 has {found}: it was restored from an older copy, or emptied"
            ),
            Self::Other => format!(
                "restored: the state folder does not hold the audit log {origin} of which {size} \
                 were signed: it was restored, or comes from elsewhere"
            ),
            Self::Unknown => format!(
                "restored or copied: it is not known how much of the audit log {origin} was \
                 signed, of which the state folder has {found}"
            ),
            Self::Backup => format!(
                "restored: the state folder comes from a backup, with all {size} of the \
                 audit log {origin} that were signed; what was not signed yet is lost"
            ),
            Self::Damaged => format!(
                "restored: the counts could not be read any more, or were deleted, with the audit \
                 log {origin} of which {size} are known to be signed"
            ),
            Self::Newer => format!(
                "restored: a newer wardline had written the counts, which were set aside, with \
                 the audit log {origin} of which {size} are known to be signed"
            ),
            Self::Moved => format!(
                "moved: the audit log {origin} was moved to another place with {size} and \
                 goes on there, and this resolver was started here again"
            ),
        }
    }
}

/// A number of leaves, in words.
fn leaves(count: u64) -> String {
    match count {
        1 => "1 leaf".to_owned(),
        count => format!("{count} leaves"),
    }
}
