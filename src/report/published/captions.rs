//! What the published figures mean, in the same words in every form.

use crate::count::StepKind;

use super::figures::{Period, Published};
use super::hide::{Figure, K};

/// How small figures are hidden.
pub(super) fn hiding() -> String {
    format!(
        "\
         Figures under {K} are hidden. A list's days are then hidden by the week (from the 1st, \
         8th, 15th and 22nd of the month on), further \
         weeks with them where the month's sum would give them away. A sum is shown where all its \
         parts are, and a list's sum over a month \
         from {K} on. The same month shows the same figures in every report."
    )
}

/// What time in force means.
pub(super) const IN_FORCE: &str = "\
    Time in force is the part of the time from a list's first hour to its last in which a resolver \
    ran and had it in force. Orderly \
    stops are not counted: a resolver that is stopped answers nobody, so nothing goes past the \
    list. Nor does a crashed one, but that time \
    counts as missing.";

/// What the time from publication to blocking is.
pub(super) const APPLIED: &str = "\
    Each point is one version of a list: the time from its publication, which its authority \
    signed, until the last \
    of the resolvers blocked by it.";

/// What the report leaves out.
pub(super) const LEFT_OUT: &str = "\
    No address of anyone and no name on a list is in this report or \
                                   in the records that it is made from.";

/// How the figures can be checked.
pub(super) const CHECKING: &str = "\
    The exact counts are in each resolver's audit log, hour by hour, and signed. Whoever kept a \
    checkpoint of a log, or a head from this page, sees whether anything before it was changed, \
    left out or added later; without one, the log shows only that its key signed it. Whoever may \
    see the logs makes this report anew from them, but for its words, with wardline audit verify, or \
    with another program written from docs/audit-format.md.";

/// What is said where there is no log.
pub(super) const NO_HEADS: &str = "No log reaches to the end of these months.";

/// The heads of the table of what was done about the lists, after those for the versions.
pub(super) const fn step(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Refused => "refused",
        StepKind::Override => "overridden",
        StepKind::Rollback => "rolled back",
        StepKind::Removal => "removals",
        StepKind::Receipt => "receipts",
    }
}

/// What was done about the lists, for who reads the table.
pub(super) const STEPS: &str = "\
    Versions that took effect, with the median and the slowest time from publication to blocking \
    on the last resolver; \
    then, over all resolvers: versions refused by a check, refusals overridden by the operator, \
    returns to an earlier version, entries \
    taken off at once, and receipts signed after a version was seen to block.";

/// How finely the figures are shown.
pub(super) const fn by(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Month => "month",
    }
}

/// The months that are reported on.
pub(super) fn title(report: &Published) -> String {
    match (report.months.first(), report.months.last()) {
        (Some(first), Some(last)) if first == last => first.title(),
        (Some(first), Some(last)) => format!("{} to {}", first.title(), last.title()),
        _ => "no month is over".into(),
    }
}

/// How many resolvers' records there are.
pub(super) fn resolvers(report: &Published) -> String {
    let resolvers = match report.resolvers {
        1 => "1 resolver".to_owned(),
        count => format!("{count} resolvers"),
    };
    match report.copies {
        0 => resolvers,
        1 => format!("{resolvers} (1 more was a copy and is left out)"),
        copies => format!("{resolvers} ({copies} more were copies and are left out)"),
    }
}

/// Whether there is a number, for machines.
pub(super) const fn state(figure: Figure) -> &'static str {
    match figure {
        Figure::Shown(_) => "shown",
        Figure::Hidden => "hidden",
        Figure::Absent => "absent",
    }
}

/// `99.98 %`, cut and never rounded up.
pub(super) fn per_cent(per_10_000: u64) -> String {
    format!("{}.{:02} %", per_10_000 / 100, per_10_000 % 100)
}
