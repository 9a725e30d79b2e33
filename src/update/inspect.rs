//! A list's file looked at without putting it in force, for `wardline check`.

use std::path::Path;

use super::listed::ListSource;
use super::load::{Bounds, aside, left_over, load};
use super::refusal::Cause;
use super::shelf::peek;
use super::text::{Stamp, read};
use crate::list::Hash;
use crate::list::guard::Protected;
use crate::list::parse::Parsed;
use crate::name::HashKey;

/// What a list's file holds, found out without putting it in force.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// Different entries.
    pub entries: u64,
    /// Lines and rejects.
    pub parsed: Parsed,
    /// What the guard found, and the configuration lets pass.
    pub passed: Vec<String>,
    /// What the operator lets pass, and why, where it has been let pass before.
    pub overrides: Vec<String>,
    /// Why it would be refused, if it would.
    pub refusal: Option<String>,
}

/// Read a list's file as the start would, and say what is in it; a list without a file holds
/// nothing yet.
pub fn inspect(source: &ListSource, protected: &Protected, state: Option<&Path>) -> Inspection {
    let Some(script) = source
        .text
        .as_ref()
        .map(|text| source.script_of(text, None))
    else {
        return Inspection::default();
    };
    let refuse = |cause| Some(source.refuse(cause, source.place()).to_string());
    let stamp = source.path().and_then(|path| Stamp::of(path).ok());
    let parsed = match aside(false, || read(script, stamp, |_, _, _| {})) {
        Ok(reading) => reading.parsed,
        Err(cause) => {
            let cause = source
                .path()
                .map(Stamp::of)
                .and_then(Result::err)
                .unwrap_or(cause);
            return Inspection {
                refusal: refuse(cause),
                ..Inspection::default()
            };
        }
    };
    let bounds = Bounds {
        protected,
        limits: &source.limits,
        before: None,
        gives_way: false,
    };
    let loaded = load(script, HashKey::fixed([0; 16]), stamp, None, bounds);
    let mut inspection = Inspection {
        parsed,
        ..Inspection::default()
    };
    match loaded {
        Err(cause) => inspection.refusal = refuse(cause),
        Ok(None) => {}
        Ok(Some(loaded)) => {
            let known_by = Hash(loaded.digest);
            let record = state.and_then(|state| peek(state, &source.id));
            let record = record.unwrap_or_default();
            let left = left_over(&loaded.findings, known_by, &record.all_passes());
            let held = (!left.is_empty()).then_some(Cause::Guard(left));
            inspection.refusal = held.and_then(refuse);
            inspection.entries = loaded.table.entry_count() as u64;
            inspection.overrides = record.overrides_of(known_by);
            inspection.passed = loaded.passed.iter().map(ToString::to_string).collect();
        }
    }
    inspection
}
