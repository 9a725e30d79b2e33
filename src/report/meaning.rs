//! What one count and a gap mean, in every form of the report.

use crate::count::GapKind;

/// What one count means, in every form of the report.
pub(super) const COUNT_MEANING: &str = "\
    A question is not a person and not a visit. One count is one question that a device put to the \
    resolver: devices ask \
    on their own, ask again and ask several times for one page, and many people stand behind one \
    device. Nothing in these figures \
    says who asked, and no case can be opened from them.";

/// What a list's gap means, in every form of the report.
pub(super) const LIST_GAP_MEANING: &str = "\
    the resolver answered and blocked none of the list's names, since the list was not in force; \
    what other lists blocked is counted";

/// What it means that counts are in no hour.
pub(super) const WITHDRAWN_MEANING: &str = "\
    counted while the clock was ahead, or in an hour that such a clock had closed: in no hour, no \
    month and no sum, since nobody can tell when it was";

/// What a gap means for the counts.
pub(super) const fn gap_meaning(kind: GapKind) -> &'static str {
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
