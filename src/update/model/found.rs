//! The record on disk, in the words of the model.

use std::fmt;

use super::expected::Decided;
use crate::update::decisions::Decisions;

/// What the record says, each thing as one of two expect it.
pub(super) fn found(record: &Decisions, expected: [&Decided; 2]) -> Decided {
    let mut found = Decided {
        line: pick(expected, |decided| &decided.line, |line| line.is_in(record)),
        removals: pick(
            expected,
            |decided| &decided.removals,
            |removals| {
                let known = removals.iter().map(|(removed, _)| removed.hash.to_string());
                let read = removals.iter().map(|(_, first_read)| *first_read);
                known.eq(record.known_removals.iter().cloned())
                    && read.eq(record.removals.iter().map(|kept| kept.first_read))
            },
        ),
        passes: pick(
            expected,
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
    [one, other]: [&Decided; 2],
    part: impl Fn(&Decided) -> &T,
    is_found: impl Fn(&T) -> bool,
) -> T {
    let mut parts = [part(one), part(other)].into_iter();
    let found = parts.find(|part| is_found(part));
    found
        .unwrap_or_else(|| {
            let [one, other] = [part(one), part(other)];
            panic!("the record says neither {one:#?} nor {other:#?}")
        })
        .clone()
}
