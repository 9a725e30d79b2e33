//! The issues of each list and the complaints about them, as rows of text for the page and for the
//! text form.

use super::captions::per_cent;
use super::figures::{Published, PublishedList};
use super::gather::AppliedVersion;
use crate::report::prose::{grouped, length};
use crate::report::span::utc;

/// What the columns of a list's issues say.
pub(super) const ISSUES: &str = "\
    In force: when the last of the resolvers blocked by it. After: the time since it was issued. \
    Receipts: on how many of the resolvers on which it came into force these proved it by asking \
    their own doors and signed for it in the same month.";

/// What the columns of the complaints say.
pub(super) const COMPLAINTS: &str = "\
    By the operator's own account, which no log holds. Complaints by owners of what was blocked, \
    complaints by visitors who saw the stop page, and appeals against what was decided about them.";

/// A table's head and its rows, each with its first cell.
pub(super) struct IssueRows {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<(String, Vec<String>)>,
}

/// How many issues were in force within the list's deadline, in words; none where it has none.
pub(super) fn deadline_kept<'a>(
    list: &PublishedList,
    versions: impl Iterator<Item = &'a AppliedVersion> + Clone,
) -> Option<String> {
    let (within, all) = (list.in_time(versions.clone())?, versions.count() as u64);
    let share = (within * 10_000).checked_div(all)?;
    Some(format!(
        "{} of {} within {} ({})",
        grouped(within),
        grouped(all),
        length(list.deadline_s?),
        per_cent(share)
    ))
}

/// The issues of a list, which came into force in these months; none of a list that has no
/// manifests, and so no issues.
pub(super) fn issues(list: &PublishedList) -> Option<IssueRows> {
    let deadline = list
        .deadline_s
        .map(|within| format!("Within {}", length(within)));
    let columns = ["Issued", "In force", "After"].map(String::from);
    let row = |version: &AppliedVersion| {
        let moment = |at| utc(at).trim_end_matches('Z').replace('T', " ");
        let took_s = version.seconds();
        let mut cells = vec![moment(version.issued), moment(version.live), length(took_s)];
        cells.extend(list.deadline_s.map(|within_s| {
            let word = if took_s <= within_s { "yes" } else { "no" };
            word.to_owned()
        }));
        cells.push(format!("{} of {}", version.receipts, version.resolvers));
        (version.serial.to_string(), cells)
    };
    let rows: Vec<_> = list.applied.iter().map(row).collect();
    let receipts = "Receipts".to_owned();
    (!rows.is_empty()).then(|| IssueRows {
        columns: columns
            .into_iter()
            .chain(deadline)
            .chain([receipts])
            .collect(),
        rows,
    })
}

/// The complaints of these months; none where the operator gave no account of them.
pub(super) fn complaints(report: &Published) -> Option<IssueRows> {
    let complaints = report.complaints.as_ref()?;
    let rows = report.months.iter().map(|month| {
        let kinds = complaints.of(*month).kinds();
        let cells = kinds.map(|(_, count)| {
            count.map_or_else(
                || ["–", "–"].map(String::from),
                |count| [count.received, count.upheld].map(grouped),
            )
        });
        (month.title(), cells.into_iter().flatten().collect())
    });
    let columns = [
        "By owners",
        "upheld",
        "By visitors",
        "upheld",
        "Appeals",
        "upheld",
    ];
    Some(IssueRows {
        columns: columns.map(String::from).into(),
        rows: rows.collect(),
    })
}
