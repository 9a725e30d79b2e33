//! What is told of a list: its state, the log and the journal.

use tracing::{error, info, warn};

use super::bundle::Origin;
use super::load::hex;
use super::refusal::Cause;
use super::stand::{Entered, Stand};
use super::state::{LastRefusal, ListChange, ListState};
use super::text::Digest;
use super::verify::Believed;
use crate::clock::{UnixSeconds, wall_s};
use crate::list::Hash;
use crate::list::manifest::Manifest;
use crate::record::{IssueLive, IssueReceived, IssueRefused, IssueVerified, Statement};
use crate::store::JournalEvent;

impl Stand {
    pub(super) fn note_live(&mut self, entered: &Entered, generation: u64) {
        let Entered {
            loaded,
            manifest,
            note,
            kept,
            is_rolled_back,
            unused_identities,
            place,
        } = entered;
        let manifest = manifest.as_ref();
        (self.manifest, self.note) = (manifest.cloned(), note.clone());
        self.vouching = self.vouching_of(self.note.as_ref());
        (self.next_expiry, self.is_stale) = (loaded.parsed.next_expiry, false);
        (self.held, self.on_trial, self.awaited) = (None, None, None);
        self.state = ListState {
            id: self.list.id.clone(),
            sha256: hex(&loaded.digest),
            entries: loaded.table.entry_count() as u64,
            rejects: loaded.parsed.rejects,
            octets: loaded.table.octets() as u64,
            live_since: wall_s(),
            generation,
            serial: manifest.map(|manifest| manifest.serial),
            manifest: manifest.map(|manifest| manifest.hash().to_string()),
            apply_within_s: self.list.apply_within.map(|within| within.as_secs()),
            expires: manifest.map(|manifest| manifest.expires),
            kept: *kept,
            is_rolled_back: *is_rolled_back,
            unused_identities: unused_identities.clone(),
            overrides: self.overrides_of(&loaded.digest),
            reached: self.state.reached,
            deadlines_missed: self.state.deadlines_missed,
            alarms: std::mem::take(&mut self.state.alarms),
            ..ListState::default()
        };
        let state = &self.state;
        info!(
            list = %state.id, serial = state.serial, entries = state.entries,
            rejects = state.rejects, sha256 = %state.sha256, "list is in force"
        );
        for passed in &loaded.passed {
            info!(list = %state.id, "{passed}");
        }
        for told in &state.overrides {
            info!(list = %state.id, "in force by an override: {told}");
        }
        if let Some(first) = loaded.parsed.rejects_shown.first() {
            let (line, count) = (first.line, loaded.parsed.rejects);
            warn!(list = %state.id, "{place}: {count} of its lines passed over, being no entries; \
                                     the first: {place}:{line}: {}", first.reason);
        }
        // By the same clock as the state: both tell of the same second.
        self.note_in_force(self.state.live_since);
    }

    /// Note how long an issue took that has never been in force before, and say where that was
    /// longer than its list's deadline. A restart brings the same issue back, and says nothing.
    pub(super) fn note_first_in_force(&mut self) {
        let Some(manifest) = &self.manifest else {
            return;
        };
        let after_s = (self.state.live_since - manifest.issued)
            .max(0)
            .unsigned_abs();
        self.state.in_force_after_s = Some(after_s);
        let (list, serial) = (&self.list.id, manifest.serial);
        if let Some(within_s) = self
            .state
            .apply_within_s
            .filter(|within_s| after_s > *within_s)
        {
            self.state.deadlines_missed += 1;
            warn!(
                %list, serial, after_s, within_s,
                "the issue came into force later than apply_within_s allows: `wardline history \
                 {list}` shows when it was received, and what held it up"
            );
        }
    }

    /// Write into the journal what is in force at this moment.
    pub(super) fn note_in_force(&self, at: UnixSeconds) {
        let state = &self.state;
        // The report tells how long it took from `issued` on; a list without a manifest has none.
        let issued = self.manifest.as_ref().map(|manifest| manifest.issued);
        let (rejects, sha256) = (state.rejects, &state.sha256);
        let said = Statement::Live(IssueLive {
            entries: state.entries,
            generation: state.kept,
            issued,
            rejects,
            sha256: sha256.clone(),
        });
        let event = JournalEvent {
            list: Some(state.id.clone()),
            serial: state.serial,
            manifest: state.manifest.clone(),
            ..JournalEvent::at(at, said)
        };
        self.journal.note(event);
    }

    /// The overrides that apply to the list in force.
    fn overrides_of(&self, digest: &Digest) -> Vec<String> {
        let manifest = self.manifest.as_ref().map(Manifest::hash);
        let known_by = manifest.unwrap_or(Hash(*digest));
        let shelf = self.shelf.as_ref();
        shelf.map_or(Vec::new(), |shelf| shelf.record.overrides_of(known_by))
    }

    /// Papers were believed.
    pub(super) fn note_vouched(
        &self,
        believed: Option<&Believed>,
        origin: &Origin,
        [received_ms, verified_ms]: [i64; 2],
    ) {
        if believed.is_some() {
            let received = IssueReceived {
                at_ms: received_ms,
                way: origin.way.word().to_owned(),
            };
            self.note(Statement::Received(received), believed);
            let verified = IssueVerified { at_ms: verified_ms };
            self.note(Statement::Verified(verified), believed);
        }
    }

    pub(super) fn note_unchanged(&mut self) -> ListChange {
        self.state.last_refusal = None;
        ListChange::Unchanged
    }

    /// The list is in force, and could not be kept.
    pub(super) fn tell_unkept(&self, cause: &Cause) {
        if let Cause::State { place, error } = cause {
            warn!(list = %self.list.id, "the list cannot be kept in {place} ({error})");
        }
    }

    pub(super) fn note_refusal(
        &mut self,
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
        let (is_passing, kind) = (cause.is_passing(), std::mem::discriminant(&cause));
        let message = match cause {
            // Said before, with its place.
            Cause::HeldBack(message) => message,
            cause => self.list.refuse(cause, place.to_owned()).to_string(),
        };
        let state = &self.state;
        let before = state.last_refusal.as_ref();
        // What is tried again by itself is told once, though its seconds go on.
        let is_told = is_passing && before.is_some() && self.refused_for == Some(kind);
        let is_new = !is_told && before.is_none_or(|refusal| refusal.message != message);
        if !is_told {
            let entries = state.entries;
            error!(list = %state.id, "{message}. The list of {entries} entries stays in force");
        }
        // The record tells once that something is wrong, however often it is looked at.
        if is_new {
            let said = Statement::Refused(IssueRefused::new(&message, &codes));
            self.note(said, believed);
        }
        self.refused_for = Some(kind);
        self.state.last_refusal = Some(LastRefusal {
            at: wall_s(),
            message: message.clone(),
            manifest: believed.map(|believed| believed.hash.to_string()),
        });
        ListChange::Refused {
            message,
            is_passing,
        }
    }

    /// Write an event of this list into the journal.
    pub(super) fn note(&self, said: Statement, believed: Option<&Believed>) {
        let (serial, manifest) = believed
            .map(|believed| (believed.manifest.serial, believed.hash.to_string()))
            .unzip();
        self.journal.note(JournalEvent {
            list: Some(self.list.id.clone()),
            serial,
            manifest,
            ..JournalEvent::now(said)
        });
    }

    /// As [`Self::note`], of what somebody did for a reason, to a version where it is to one.
    pub(super) fn note_because(
        &self,
        said: Statement,
        reason: String,
        (serial, manifest): (Option<u64>, Option<String>),
    ) {
        self.journal.note(JournalEvent {
            list: Some(self.list.id.clone()),
            serial,
            manifest,
            reason: Some(reason),
            ..JournalEvent::now(said)
        });
    }

    /// Write an event of one issue of this list into the journal.
    pub(super) fn note_issue(&self, said: Statement, serial: u64, manifest: Hash) {
        let (list, serial, manifest) = (
            Some(self.list.id.clone()),
            Some(serial),
            Some(manifest.to_string()),
        );
        self.journal.note(JournalEvent {
            list,
            serial,
            manifest,
            ..JournalEvent::now(said)
        });
    }
}
