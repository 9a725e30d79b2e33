//! Events as a running program notes them, for logs that are made without one.

use wardline::record::{IssueLive, Statement};
use wardline::store::JournalEvent;

/// A list comes in force: with this serial and manifest, or without.
pub(crate) fn live(list: &str, at: i64, version: Option<(u64, String)>) -> JournalEvent {
    let (serial, manifest) = version.unzip();
    let said = Statement::Live(IssueLive {
        entries: 7,
        generation: None,
        issued: Some(at - 40),
        rejects: 0,
        sha256: format!("{at:064x}"),
    });
    JournalEvent {
        list: Some(list.into()),
        serial,
        manifest,
        ..JournalEvent::at(at, said)
    }
}
