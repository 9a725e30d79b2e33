//! The record on disk, in the words of the model.

use std::fmt;

use super::expected::Decided;
use crate::update::decisions::Decisions;

/// What the record says, each thing as one of these expect it. What could not be written before may
/// have been by now, as it was or is in `memory`.
pub(super) fn found(record: &Decisions, expected: &[&Decided], memory: &[&Decided]) -> Decided {
    let late = &[expected, memory].concat();
    let mut found = Decided {
        line: pick(expected, |decided| &decided.line, |line| line.is_in(record)),
        removals: pick(
            late,
            |decided| &decided.removals,
            |removals| {
                let known = removals.iter().map(|(removed, _)| removed.hash.to_string());
                let read = removals.iter().map(|(_, first_read)| *first_read);
                known.eq(record.known_removals.iter().cloned())
                    && read.eq(record.removals.iter().map(|kept| kept.first_read))
            },
        ),
        passes: pick(
            late,
            |decided| &decided.passes,
            |passes| *passes == record.all_passes(),
        ),
        held: pick(
            expected,
            |decided| &decided.held,
            |held| {
                let held = held.as_ref();
                let held = held.map(|(issue, codes)| {
                    let codes = codes.iter().map(|code| code.as_str().to_owned());
                    (issue.hash.to_string(), codes.collect())
                });
                let kept = record.held.clone();
                held == kept.map(|kept| (kept.offer.known_by, kept.codes))
            },
        ),
        trial: pick(
            expected,
            |decided| &decided.trial,
            |trial| {
                let tried = trial.as_ref().map(|tried| tried.issue.hash.to_string());
                tried == record.trial.clone().map(|kept| kept.offer.known_by)
            },
        ),
    };
    if let (Some(tried), Some(kept)) = (&mut found.trial, &record.trial) {
        tried.counts = (kept.questions, kept.hits);
    }
    found
}

fn pick<T: Clone + fmt::Debug>(
    expected: &[&Decided],
    part: impl Fn(&Decided) -> &T,
    is_found: impl Fn(&T) -> bool,
) -> T {
    let parts: Vec<&T> = expected.iter().map(|decided| part(decided)).collect();
    let found = parts.iter().copied().find(|part| is_found(part));
    found
        .unwrap_or_else(|| panic!("the record says none of {parts:#?}"))
        .clone()
}
