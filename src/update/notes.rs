//! What is told of a list: its state, the log and the journal.

use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::candidate::Entered;
use super::keeper::Slot;
use super::load::hex;
use super::lock;
use super::refusal::Cause;
use super::state::{LastRefusal, ListChange, ListState};
use super::verify::Believed;
use crate::clock::wall_s;
use crate::list::Hash;
use crate::store::{EventKind, JournalEvent};

impl Slot {
    pub(super) fn note_live(&self, entered: &Entered<'_>, generation: u64) {
        let Entered {
            loaded,
            manifest,
            kept,
            is_rolled_back,
            place,
        } = entered;
        let mut state = lock(&self.state);
        *state = ListState {
            id: self.source.id.clone(),
            sha256: hex(&loaded.digest),
            entries: loaded.table.entry_count() as u64,
            rejects: loaded.parsed.rejects,
            octets: loaded.table.octets() as u64,
            live_since: wall_s(),
            generation,
            serial: manifest.map(|manifest| manifest.serial),
            manifest: manifest.map(|manifest| manifest.hash().to_string()),
            expires: manifest.map(|manifest| manifest.expires),
            kept: *kept,
            is_rolled_back: *is_rolled_back,
            ..ListState::default()
        };
        info!(
            list = %state.id, serial = state.serial, entries = state.entries,
            rejects = state.rejects, sha256 = %state.sha256, "list is in force"
        );
        if let Some(first) = loaded.parsed.rejects_shown.first() {
            let (line, count) = (first.line, loaded.parsed.rejects);
            warn!(list = %state.id, "{place}: {count} of its lines passed over, being no entries; \
                                     the first: {place}:{line}: {}", first.reason);
        }
        // The report tells how long it took from `issued` on; a list without a manifest has none.
        let issued = manifest.map(|manifest| manifest.issued);
        let (rejects, sha256) = (state.rejects, &state.sha256);
        let body = json!({
            "entries": state.entries, "rejects": rejects, "sha256": sha256,
            "generation": generation, "issued": issued,
        });
        let event = JournalEvent {
            list: Some(state.id.clone()),
            serial: state.serial,
            manifest: state.manifest.clone(),
            ..JournalEvent::now(EventKind::Live, body)
        };
        self.journal.note(event);
    }

    /// What a list comes to that is known: it is in force, or tried out.
    pub(super) fn note_known(&self, known_by: Hash) -> ListChange {
        let trial = lock(&self.trial)
            .as_ref()
            .filter(|trial| trial.candidate.known_by == known_by)
            .map(|trial| trial.change(&self.source.stage));
        trial.unwrap_or_else(|| self.note_unchanged())
    }

    pub(super) fn note_unchanged(&self) -> ListChange {
        lock(&self.state).last_refusal = None;
        ListChange::Unchanged
    }

    pub(super) fn note_refusal(
        &self,
        cause: Cause,
        place: &str,
        believed: Option<&Believed>,
    ) -> ListChange {
        let codes: Vec<&str> = match &cause {
            Cause::Guard(findings) => findings
                .iter()
                .map(|finding| finding.code.as_str())
                .collect(),
            _ => Vec::new(),
        };
        let is_passing = cause.is_passing();
        let message = self.source.refuse(cause, place.to_owned()).to_string();
        let mut state = lock(&self.state);
        let before = state.last_refusal.as_ref();
        let is_new = before.is_none_or(|refusal| refusal.message != message);
        // What is tried again by itself, twice a second, is logged once.
        if is_new || !is_passing {
            let entries = state.entries;
            error!(list = %state.id, "{message}. The list of {entries} entries stays in force");
        }
        // The record tells once that something is wrong, however often it is looked at.
        if is_new {
            self.note(
                EventKind::Refused,
                believed,
                json!({ "message": message, "codes": codes }),
            );
        }
        state.last_refusal = Some(LastRefusal {
            at: wall_s(),
            message: message.clone(),
            manifest: believed.map(|believed| believed.hash.to_string()),
        });
        ListChange::Refused { message }
    }

    /// Write an event of this list into the journal.
    pub(super) fn note(&self, kind: EventKind, believed: Option<&Believed>, body: Value) {
        let (serial, manifest) = believed
            .map(|believed| (believed.manifest.serial, believed.hash.to_string()))
            .unzip();
        self.journal.note(JournalEvent {
            list: Some(self.source.id.clone()),
            serial,
            manifest,
            ..JournalEvent::now(kind, body)
        });
    }

    /// Write an event of one issue of this list into the journal.
    pub(super) fn note_issue(&self, kind: EventKind, serial: u64, manifest: Hash, body: Value) {
        let (list, serial, manifest) = (
            Some(self.source.id.clone()),
            Some(serial),
            Some(manifest.to_string()),
        );
        self.journal.note(JournalEvent {
            list,
            serial,
            manifest,
            ..JournalEvent::now(kind, body)
        });
    }
}
