//! A list's text on its way to a table: measured, read and compiled, with no second copy of it in
//! memory.

use std::sync::Arc;
use std::thread;

use super::refusal::Cause;
use super::text::{Digest, Script, Stamp, TextReading, measure, read, read_places};
use crate::list::guard::{
    Change, Code, Guard, GuardFinding, GuardFindings, GuardLimits, LinePlace, Protected,
};
use crate::list::parse::Parsed;
use crate::list::{Hash, Table, TableBuilder};
use crate::name::HashKey;
use crate::process::{self, Manners};

/// A list read, with all that the guard has to say about it.
pub(super) struct Loaded {
    pub(super) table: Arc<Table>,
    pub(super) digest: Digest,
    pub(super) parsed: Parsed,
    pub(super) findings: Vec<GuardFinding>,
    /// What was found, and passes as configured.
    pub(super) passed: Vec<GuardFinding>,
}

/// What a new text is held against.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) protected: &'a Protected,
    pub(super) limits: &'a GuardLimits,
    /// The table in force; none where the list is new or its changes are the operator's own.
    pub(super) before: Option<&'a Table>,
    /// Whether the doors go first: not for a list that blocks nothing yet.
    pub(super) gives_way: bool,
}

/// The most lines of a list; a table for so many takes a gibibyte.
const LINES_MAX: usize = 50_000_000;

/// One text's way to a table: measure, read and compile, hold against its bounds.
///
/// Nothing is returned where the text is the one whose digest is `in_force`.
pub(super) fn load(
    script: Script<'_>,
    key: HashKey,
    stamp: Option<Stamp>,
    in_force: Option<&str>,
    bounds: Bounds<'_>,
) -> Result<Option<Loaded>, Cause> {
    aside(bounds.gives_way, || {
        compile(script, key, stamp, in_force, bounds)
    })
}

/// Do long work on a thread of its own, which can give way to the doors where they want the same
/// CPU, and whose panic refuses one list: foreign text is read by libraries too, and all later
/// lists come by the thread that waits here.
pub(super) fn aside<T: Send>(
    gives_way: bool,
    work: impl FnOnce() -> Result<T, Cause> + Send,
) -> Result<T, Cause> {
    let begun = || {
        if gives_way {
            // Where the system refuses, the work is only less polite.
            let _ = process::give_way(Manners::Last);
        }
        work()
    };
    thread::scope(|scope| scope.spawn(begun).join().unwrap_or(Err(Cause::Panic)))
}

fn compile(
    script: Script<'_>,
    key: HashKey,
    stamp: Option<Stamp>,
    in_force: Option<&str>,
    bounds: Bounds<'_>,
) -> Result<Option<Loaded>, Cause> {
    let measured = measure(script, stamp)?;
    if in_force.is_some_and(|digest| digest == hex(&measured.digest)) {
        return Ok(None);
    }
    if measured.entries_max > LINES_MAX {
        return Err(Cause::Lines);
    }
    let mut builder = TableBuilder::new(key, measured.entries_max).map_err(Cause::NoMemory)?;
    if let Some(tally) = script.entry_counts {
        builder = builder.count_into(tally).map_err(Cause::NoMemory)?;
    }
    let mut guard = Guard::new(bounds.protected);
    let built = read(script, stamp, |wire, scope, number| {
        builder.insert_numbered(wire, scope, number);
        guard.see(NOWHERE, wire, scope);
    })?;
    check(script, &built.parsed)?;
    let TextReading { digest, parsed } = built;
    let table = match builder.finish() {
        Ok(table) if digest == measured.digest => table,
        _ => return Err(Cause::Changed),
    };
    let mut found = guard.finish(bounds.limits, &change(&table, bounds.before));
    locate(&mut found, script, stamp, bounds.protected)?;
    Ok(Some(Loaded {
        table: Arc::new(table),
        digest,
        parsed,
        findings: found.held,
        passed: found.passed,
    }))
}

/// Where an entry stands is not asked of each of a million, but looked up once something is found.
const NOWHERE: LinePlace = LinePlace {
    line: 0,
    number: None,
};

fn change(table: &Table, before: Option<&Table>) -> Change {
    let after = table.entry_count() as u64;
    let added = before.map_or(after, |before| after - table.shared_with(before) as u64);
    Change {
        before: before.map(|before| before.entry_count() as u64),
        after,
        added,
    }
}

/// Find out where the entries stand that findings speak of, in a reading of its own.
fn locate(
    found: &mut GuardFindings,
    script: Script<'_>,
    stamp: Option<Stamp>,
    protected: &Protected,
) -> Result<(), Cause> {
    let mut findings: Vec<_> = found.held.iter_mut().chain(&mut found.passed).collect();
    if findings.iter().all(|finding| finding.first.is_empty()) {
        return Ok(());
    }
    let mut guard = Guard::new(protected);
    read_places(script, stamp, |place, wire, scope| {
        guard.see(place, wire, scope)
    })?;
    let nothing = Change {
        before: None,
        after: 1,
        added: 0,
    };
    for located in guard.finish(&GuardLimits::default(), &nothing).held {
        if let Some(finding) = findings
            .iter_mut()
            .find(|finding| finding.code == located.code)
        {
            finding.first = located.first;
        }
    }
    Ok(())
}

/// Refuse what must not come in force, however it came about.
fn check(script: Script<'_>, parsed: &Parsed) -> Result<(), Cause> {
    let percent = parsed.rejects_percent();
    if percent > script.rejects_percent_max {
        let first = parsed.rejects_shown.clone();
        return Err(Cause::Rejects {
            percent,
            percent_max: script.rejects_percent_max,
            count: parsed.rejects,
            first,
        });
    }
    if parsed.entries + parsed.expired == 0 {
        Err(Cause::Empty)
    } else {
        Ok(())
    }
}

/// What the guard found that nobody has let pass.
pub(super) fn left_over(
    findings: &[GuardFinding],
    known_by: Hash,
    passes: &[(Hash, Code)],
) -> Vec<GuardFinding> {
    let is_left = |finding: &&GuardFinding| !passes.contains(&(known_by, finding.code));
    findings.iter().filter(is_left).cloned().collect()
}

/// A digest in hexadecimal.
pub(super) fn hex(digest: &Digest) -> String {
    data_encoding::HEXLOWER.encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_refusal() {
        assert!(matches!(
            aside::<()>(true, || panic!("as meant")),
            Err(Cause::Panic)
        ));
        assert!(matches!(aside(false, || Ok(7)), Ok(7)));
    }
}
