//! Follows the events of one log: how it begins, how runs go on, and which versions of its lists
//! are in force.

use super::FINDINGS_MAX;
use super::begins::{closed_by, ended_by};
use super::history::LogHistory;
use super::told::ListVersion;
use crate::clock::UnixSeconds;
use crate::record::{EventLeaf, Statement};

/// An event, and what it says.
type SaidEvent<'a> = (&'a EventLeaf<'a>, Option<&'a Statement>);

impl LogHistory<'_> {
    /// Follows an event, the leaf at `seq`.
    pub(super) fn take_event(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        self.told.note_event(seq, leaf);
        self.await_clock(leaf);
        let said = leaf.said();
        let said = said.as_ref();
        let faults = self.runs.follow(leaf, said);
        for (code, message) in faults {
            self.find_at(seq, code, message);
        }
        match leaf.kind {
            "live" | "rollback" => self.stand(seq, leaf),
            "restored" if leaf.list.is_none() => self.restored(seq, (leaf, said)),
            "restored" => self.forget_versions(|list| leaf.list == Some(list)),
            "start" => {
                let lists = self.runs.current_lists().cloned().unwrap_or_default();
                self.lists.extend(self.runs.times.last_lists().cloned());
                self.forget_versions(|list| !lists.contains(list));
            }
            "follows" => self.follows(seq, (leaf, said)),
            "clock" => self.go_back(seq, (leaf, said)),
            _ if self.demands.opens => self.commitments.note(leaf.list, said),
            _ => {}
        }
    }

    fn restored(&mut self, seq: u64, event: SaidEvent<'_>) {
        let begins = self.next_hour.unwrap_or(UnixSeconds::MIN);
        if let Some(ended) = ended_by(seq, event, &self.origin, begins) {
            self.told.restored = Some(ended);
            self.runs.times.hand_over(self.next_hour);
        } else {
            let message = "does not stand behind the first start, or does not say which other log \
                           ended, and from when to when nothing is told";
            self.find_at(seq, "restored", message.to_owned());
        }
    }

    fn follows(&mut self, seq: u64, event: SaidEvent<'_>) {
        let begins = self.next_hour.unwrap_or(UnixSeconds::MIN);
        if let Some(closed) = closed_by(seq, event, &self.origin, begins) {
            self.runs.times.hand_over(self.next_hour);
            // From there on nobody else tells.
            (self.next_hour, self.first) = (Some(closed.until.0), closed.until.0);
            self.told.follows = Some(closed);
        } else {
            let message = "does not stand behind the first start, or does not say which other log \
                           was closed, and up to when that told";
            self.find_at(seq, "follows", message.to_owned());
        }
    }

    /// Goes back, where the event says so.
    fn go_back(&mut self, seq: u64, event: SaidEvent<'_>) {
        let (leaf, Some(Statement::Withdrawn(withdrawal))) = event else {
            return;
        };
        let (since, until) = (withdrawal.since.0, withdrawal.until.0);
        let is_known = self.withdrawals.has(seq);
        let standing = &mut self.runs.standing;
        if !is_known || !standing.go_back(leaf.at.0, *withdrawal, self.first) {
            let message = "goes back to a time that is none which the clock can have come right \
                           at, or more often than any clock does";
            self.find_at(seq, "clock", message.to_owned());
            return;
        }
        self.told.withdrawn.times += 1;
        self.runs.times.go_back(until);
        self.commitments.withdraw(since);
        self.first = self.first.min(since);
        self.next_hour = Some(since);
        (self.time, self.span.1) = (until, until);
    }

    fn stand(&mut self, seq: u64, leaf: &EventLeaf<'_>) {
        let Some(list) = leaf.list else { return };
        self.runs.times.live(list, leaf.at.0);
        let versions = self.versions.entry(list.to_owned()).or_default();
        let misfit = if leaf.kind == "live" {
            versions.misfit(leaf.serial, leaf.manifest)
        } else {
            versions.rollback_misfit(leaf.serial, leaf.manifest)
        };
        versions.stand(leaf.serial, leaf.manifest);
        if leaf.kind == "rollback" && leaf.serial.is_none() && leaf.salt.is_none() {
            // Older programs do not say here what was put in force.
            versions.forget();
        }
        if let Some(message) = misfit {
            self.find_at(seq, "version", message.to_owned());
        }
        let (serial, manifest) = (leaf.serial, leaf.manifest.map(str::to_owned));
        // Rollbacks did not say what they put in force; the `live` behind them did.
        if leaf.kind == "live" || serial.is_some() || manifest.is_some() {
            let version = (list.to_owned(), serial, manifest);
            self.note_version(seq, version);
        }
    }

    fn forget_versions(&mut self, is_forgotten: impl Fn(&str) -> bool) {
        let versions = self.versions.iter_mut();
        let forgotten = versions.filter(|(list, _)| is_forgotten(list));
        forgotten.for_each(|(_, versions)| versions.forget());
    }

    /// A clock that is set at an hour's end is told behind the hour, in the same second.
    fn await_clock(&mut self, leaf: &EventLeaf<'_>) {
        let end = self.next_hour;
        if leaf.kind == "clock" && Some(leaf.at.0) == end && self.runs.goes_on(leaf.boot) {
            self.awaiting.clear();
        }
        if leaf.kind == "start" || Some(leaf.at.0) > end {
            self.give_up_clock();
        }
    }

    /// No clock was set where one was awaited.
    pub(super) fn give_up_clock(&mut self) {
        for seq in std::mem::take(&mut self.awaiting) {
            let message = "the list was not in force up to the hour's end, though it had come in \
                           force in the hour, and no clock was set then";
            self.find_at(seq, "gap", message.to_owned());
        }
    }

    /// Notes a version that was in force, by the leaf at `seq`.
    pub(super) fn note_version(&mut self, seq: u64, version: ListVersion) {
        let unsigned = self
            .demands
            .unsigned_version(&self.origin, &version, seq)
            .filter(|_| self.unsigned.len() < FINDINGS_MAX);
        if let Some(finding) = unsigned
            && self.unsigned.insert(version.clone())
        {
            self.find(finding.code, finding.place, finding.message);
        }
        self.told.note_version(version);
    }
}
