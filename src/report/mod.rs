//! Renders what was counted: the published report for everybody, and the exact figures for the
//! operator alone.
//!
//! Both hold counts by list and time, the lists' papers, and what is missing. Neither can hold an
//! address or a listed name: the records that they are made from have none.

mod csv;
mod exact;
mod prose;
mod published;
mod span;

use crate::count::GapKind;

pub use exact::render as render_exact;
pub use published::*;
pub use span::{SpanError, parse_months, parse_span};

/// What one count means, in every form of the report.
const COUNT_MEANING: &str = "A question is not a person and not a visit. One count is one question that a device put to the resolver: devices ask \
    on their own, ask again and ask several times for one page, and many people stand behind one \
    device. Nothing in these figures \
    says who asked, and no case can be opened from them.";

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned tables to read.
    Text,
    /// One table with a header row (RFC 4180), one figure a row.
    Csv,
    /// One object; its fields keep their names as long as its `version` stays.
    Json,
    /// One page for a browser or for paper.
    Html,
}

/// What a gap means for the counts.
const fn gap_meaning(kind: GapKind) -> &'static str {
    match kind {
        GapKind::Crash => {
            "the resolver ended unexpectedly; what it counted after its last writing is lost"
        }
        GapKind::Stopped => {
            "the resolver was stopped in an orderly way; nothing was asked of it and nothing is \
             lost"
        }
        GapKind::Unwritten => {
            "the resolver runs but cannot write; its counts wait in memory and will be on record \
             later"
        }
        GapKind::Unrecorded => {
            "there is no record: before the resolver's first start, or the clock was moved"
        }
    }
}
