//! The texts that stand in every form of the exact report.

use crate::count::{ListRecord, Papers};

/// What these figures are not for, in every form.
pub(super) const NOT_FOR_PUBLICATION: &str = "\
    Exact figures, for the operator alone: not for publication. Figures this small can tell of \
    single people; \
    `wardline report` without --exact makes the report that can be published.";

/// What the figures leave out, in every form.
pub(super) const LEFT_OUT: &str = "\
    No address of anyone and no name on a list is in these figures or in the \
                        record that they are made from.";

/// The papers that were the last to become valid in this hour or before.
pub(super) fn papers_of(list: &ListRecord, hour: i64) -> Option<&Papers> {
    list.papers
        .iter()
        .rev()
        .find(|papers| papers.since < hour + 3600)
        .or_else(|| list.papers.first())
}
