//! A log that follows another one: because the state that the other was kept in was restored,
//! copied or emptied, or because it was closed for another form or another key.

use std::collections::BTreeSet;

use super::Finding;
use super::verify::Verified;
use crate::record::{ClosedLog, EndedLog};

/// What a log says of the one before it, held against that one where it is given too. Of several
/// copies of a log the longest comes first, and counts.
pub fn misfits(verified: &[Verified]) -> Vec<Finding> {
    let find = |origin: &str| {
        let found = verified.iter().find(|other| other.log.origin == origin);
        found.filter(|other| other.totals.is_some())
    };
    let misfit = |log: &Verified| {
        let (is_fit, message) = if let Some(closed) = &log.log.follows {
            let before = find(&closed.origin)?;
            let says = (closed.size, closed.root.as_str(), Some(closed.until.0));
            let is_fit = (before.log.size, before.log.root.as_str(), before.until) == says
                && before.span.1 <= log.span.0;
            (
                is_fit,
                "is not how the log ends that was closed for this one",
            )
        } else {
            let ended = log.log.restored.as_ref()?;
            let before = find(&ended.origin)?;
            // A copy may have less, or more, than was known.
            let has_root = before.log.size != ended.size || before.log.root == ended.root;
            let is_found = before.log.size == ended.found && ended.from.is_some();
            let has_end = !is_found || before.until == ended.from.map(|from| from.0);
            let is_fit = has_root && has_end;
            (is_fit, "is not the log that ended")
        };
        let place = format!("{} leaf 1", log.log.origin);
        (!is_fit).then(|| Finding::new("follows", place, message))
    };
    let mut found: Vec<Finding> = verified.iter().filter_map(misfit).collect();
    found.extend(heirs(verified));
    let circles = verified.iter().filter(|log| is_in_circle(verified, log));
    let circles: BTreeSet<&str> = circles.map(|log| log.log.origin.as_str()).collect();
    found.extend(circles.into_iter().map(|origin| {
        let message = "follows a log that follows this one";
        Finding::new("follows", format!("{origin} leaf 1"), message)
    }));
    found
}

/// The logs that another one follows: nobody asks them to tell up to today. Of logs that follow
/// each other in a circle none is the last, so they are not among these.
pub fn followed(verified: &[Verified]) -> BTreeSet<String> {
    let others = verified.iter().filter(|log| !is_in_circle(verified, log));
    let before = others.filter_map(|log| log.log.before());
    before.map(str::to_owned).collect()
}

/// Do the logs before this one, as each says which that is, lead back to it?
fn is_in_circle(verified: &[Verified], log: &Verified) -> bool {
    let before = |origin: &str| {
        let mut copies = verified.iter().filter(|other| other.log.origin == origin);
        copies.next()?.log.before()
    };
    let chain = std::iter::successors(log.log.before(), |origin| before(origin));
    let mut chain = chain.take(verified.len());
    chain.any(|origin| origin == log.log.origin)
}

/// Logs that go on in the place of one that another log goes on for already.
fn heirs(verified: &[Verified]) -> Vec<Finding> {
    let heir = |log: &'_ Verified| -> Option<(String, String)> {
        let closed = log.log.follows.as_ref()?;
        Some((closed.origin.clone(), log.log.origin.clone()))
    };
    let heirs: BTreeSet<(String, String)> = verified.iter().filter_map(heir).collect();
    let later = heirs.iter().zip(heirs.iter().skip(1));
    let later = later.filter(|((before, _), (origin, _))| before == origin);
    let find = |(_, (_, name)): (_, &(String, String))| {
        let message = "goes on in the place of a log in whose place another one goes on";
        Finding::new("follows", format!("{name} leaf 1"), message)
    };
    later.map(find).collect()
}

/// In words.
pub fn describe_closed(closed: &ClosedLog) -> String {
    let ClosedLog {
        origin,
        root,
        size,
        until,
        why,
    } = closed;
    let what = match why.as_str() {
        "form" => "another form of leaves",
        _ => "another key",
    };
    format!(
        "goes on in the place of {origin}, which was closed for {what} with {size} leaves (root \
         {root}) and tells up to {until}"
    )
}

/// In words.
pub fn describe_ended(ended: &EndedLog) -> String {
    let EndedLog {
        origin,
        size,
        root,
        found,
        from,
        until,
        why,
    } = ended;
    let (known, reason) = match why.as_str() {
        "unknown" => ("at least ", "the state was restored or copied"),
        "backup" => ("", "the state was restored from a backup"),
        "damaged" => ("", "its file could not be read any more, or was deleted"),
        "newer" => ("", "a newer version had written its file"),
        "moved" => ("", "it was moved to another place, and goes on there"),
        _ => ("", "the state was restored, copied or emptied"),
    };
    let untold = until.filter(|until| *from != Some(*until));
    let untold = untold.map_or_else(String::new, |until| {
        let from = from.map_or_else(
            || "a time that is not known".to_owned(),
            |from| from.to_string(),
        );
        format!("; from {from} to {until} this log tells nothing, and what was found neither")
    });
    format!(
        "follows {origin}, which ended with {known}{size} leaves (root {root}), as {reason} \
         ({why}: {found} leaves were found){untold}"
    )
}
