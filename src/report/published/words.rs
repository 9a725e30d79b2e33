//! What the published figures mean, in the same words in every form.

use super::figures::{Period, Published};
use super::hide::{Figure, K};

/// How small figures are hidden.
pub(super) fn hiding() -> String {
    format!(
        "Figures under {K} are hidden. A list's days are then hidden by the week (from the 1st, 8th, 15th and 22nd of the month on), further \
         weeks with them where the month's sum would give them away. A sum is shown where all its parts are, and a list's sum over a month \
         from {K} on. The same month shows the same figures in every report."
    )
}

/// What time in force means.
pub(super) const IN_FORCE: &str = "Time in force is the part of the time in which the resolvers ran with the list, of the time since they first had \
    it. While a resolver is down it answers nobody, so nothing goes past the list.";

/// What the time from publication to blocking is.
pub(super) const APPLIED: &str = "Each point is one version of a list: the time from its publication, which its authority signed, until the last \
    of the resolvers blocked by it.";

/// What the report leaves out.
pub(super) const LEFT_OUT: &str = "No address of anyone and no name on a list is in this report or in the records that it is made from.";

/// How the figures can be checked.
pub(super) const CHECKING: &str = "The exact counts stay with the provider, hour by hour. Whoever may see them makes this report again, byte for byte, \
    with the same version of wardline: wardline report --from FIRST-MONTH --to MONTH-AFTER-THE-LAST STATE-FOLDERS.";

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
