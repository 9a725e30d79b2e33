//! Removals are taken, laid over the list in force, and told when they are over.

use std::sync::Arc;

use tracing::{error, info, warn};
use zeroize::Zeroizing;

use super::decisions::{Decisions, KeptRemoval};
use super::front::LiveFront;
use super::refusal::Cause;
use super::removal::{Overlay, RemovalTerm, SignedRemoval, compile};
use super::shelf::Shelf;
use super::stand::Stand;
use super::state::ListChange;
use super::verify::believe_removal;
use crate::clock::{UnixSeconds, wall_s};
use crate::list::manifest::Manifest;
use crate::list::removal::{Removal, parse_several};
use crate::list::{Hash, Table};
use crate::name::HashKey;
use crate::record::{ListRemoval, RemovalOver, Statement};

/// Removals whose hashes are remembered after they are over, so that a file left lying does not
/// bring them back.
const KNOWN_MAX: usize = 200;

impl Stand {
    /// The terms of removals that were kept; one that cannot be opened now is told, and opened when
    /// the file of age keys changes.
    pub(super) fn terms_of(&self, kept: &[KeptRemoval]) -> Vec<RemovalTerm> {
        let removers = self.trust.removers();
        let term = |kept: &KeptRemoval| {
            let carried = parse_several(kept.note.as_bytes())
                .ok()?
                .into_iter()
                .next()?;
            let known_by = carried.known_by();
            let opened = SignedRemoval::open(carried, &self.list.identities);
            let signed = opened
                .inspect_err(|cause| self.tell_closed(known_by, cause))
                .ok()?;
            // One that is signed by keys alone that count no more is void.
            let signers = signed.note.signers(&removers).ok()?;
            signers.first()?;
            let removal = Removal::parse(signed.note.text()).ok()?;
            Some(RemovalTerm::new(
                known_by,
                &removal,
                kept.first_read,
                kept.note.clone(),
            ))
        };
        kept.iter().filter_map(term).collect()
    }

    /// A kept removal cannot be opened.
    fn tell_closed(&self, known_by: Hash, cause: &Cause) {
        if let Cause::Secret(reason) = cause {
            error!(
                list = %self.list.id, removal = %known_by,
                "a removal cannot be opened ({reason}): what it takes off the list is blocked \
                 again until the age key is back"
            );
        }
    }

    /// Open the removals again where the age keys have changed: one may open that did not.
    pub(super) fn open_removals_again(&mut self) {
        if !self.list.identities.is_configured() {
            return;
        }
        let seen = self.list.identities.stamp();
        if seen != self.identities_seen
            && let Some(shelf) = &self.shelf
        {
            self.removals = self.terms_of(&shelf.record.removals);
            self.identities_seen = seen;
        }
    }

    /// Take a removal; live when this returns.
    pub(super) fn remove(
        &mut self,
        signed: &SignedRemoval,
        front: &LiveFront,
    ) -> Result<ListChange, Cause> {
        let now = wall_s();
        // One that was taken and is over is not refused for that.
        let known_by = signed.known_by();
        let hash = known_by.to_string();
        let record = self.shelf.as_ref().map(|shelf| &shelf.record);
        if record.is_some_and(|record| record.known_removals.contains(&hash)) {
            return Ok(ListChange::Unchanged);
        }
        let removal = believe_removal(&signed.note, &self.list.id, &self.trust.removers(), now)?;
        if removal.is_too_far_ahead(now) {
            return Err(Cause::RemovalAhead {
                ahead_s: removal.from - now,
            });
        }
        let term = RemovalTerm::new(known_by, &removal, now, signed.to_text());
        let Some(shelf) = &mut self.shelf else {
            return Err(Cause::Unsigned);
        };
        let kept = KeptRemoval {
            note: signed.to_text(),
            first_read: now,
        };
        let remember = |record: &mut Decisions| {
            record.removals.push(kept);
            record.known_removals.push(hash.clone());
            let surplus = record.known_removals.len().saturating_sub(KNOWN_MAX);
            record.known_removals.drain(..surplus);
        };
        let kept = shelf.keep_removal(&hash, &signed.to_text());
        if let Err(error) = kept.and_then(|()| shelf.change(remember.clone())) {
            // Taking back is never slower than putting in.
            remember(&mut shelf.record);
            self.is_unwritten = true;
            warn!(
                list = %self.list.id,
                "a removal cannot be kept in {} ({error}): it holds, and is written when that is \
                 possible again", self.place()
            );
        }
        self.removals.push(term.clone());
        self.enforce(front);
        Ok(self.tell_removal(&term, &removal, front))
    }

    fn tell_removal(&self, term: &RemovalTerm, removal: &Removal, front: &LiveFront) -> ListChange {
        let named = removal.entries.len();
        let note = |entries: u64| {
            let said = Statement::Removal(ListRemoval {
                entries,
                from: removal.from,
                named: named as u64,
                removal: term.known_by.to_string(),
                until: removal.until,
            });
            self.note_because(said, removal.reason.clone(), (None, None));
        };
        let list = &self.list.id;
        if term.is_settled_by(self.manifest.as_ref()) {
            note(0);
            info!(%list, named, "a removal has been taken up by the issue in force already");
            return ListChange::Settled;
        }
        if !term.holds_at(wall_s()) {
            note(0);
            info!(%list, named, from = term.begins, "a removal will hold later");
            return ListChange::RemovalWaits { from: term.begins };
        }
        let snapshot = front.live.load();
        let entries = match (
            snapshot.table(self.list.index),
            compile([removal], snapshot.key()),
        ) {
            (Some(table), Some(removed)) => removed.shared_with(table) as u64,
            _ => 0,
        };
        info!(%list, named, entries, "entries are removed at once");
        note(entries);
        ListChange::Removed { entries }
    }

    /// What is to be laid over a list with this manifest at this moment.
    pub(super) fn overlay(
        &self,
        manifest: Option<&Manifest>,
        key: HashKey,
        now: UnixSeconds,
    ) -> Overlay {
        let holding: Vec<&RemovalTerm> = self.holding(manifest, now).collect();
        if holding.is_empty() {
            return Overlay::default();
        }
        let identities = &self.list.identities;
        let opened = holding.iter().filter_map(|term| term.open(identities));
        let opened: Vec<Removal> = opened.collect();
        Overlay {
            table: compile(&opened, key).map(Arc::new),
            holding: holding.iter().map(|term| term.known_by).collect(),
        }
    }

    fn holding<'a>(
        &'a self,
        manifest: Option<&'a Manifest>,
        now: UnixSeconds,
    ) -> impl Iterator<Item = &'a RemovalTerm> {
        let holds = move |term: &&RemovalTerm| term.holds_at(now) && !term.is_settled_by(manifest);
        self.removals.iter().filter(holds)
    }

    /// The names that are off the list in force at this moment, in wire format.
    pub(super) fn removed_names(&self) -> Vec<Zeroizing<Vec<u8>>> {
        let holding = self.holding(self.manifest.as_ref(), wall_s());
        let opened = holding.filter_map(|term| term.open(&self.list.identities));
        opened
            .flat_map(|removal| removal.entries)
            .map(|(name, _)| name.as_wire().to_vec().into())
            .collect()
    }

    /// An overlay is in force, over this table.
    pub(super) fn note_overlay(&mut self, overlay: Overlay, table: &Table) {
        let removed = overlay.table.as_ref();
        self.state.removed = removed.map_or(0, |removed| removed.shared_with(table) as u64);
        let before = std::mem::replace(&mut self.enforced, overlay.holding);
        let ended: Vec<&RemovalTerm> = self
            .removals
            .iter()
            .filter(|term| before.contains(&term.known_by))
            .filter(|term| !self.enforced.contains(&term.known_by))
            .collect();
        for term in ended {
            self.tell_end(term);
        }
    }

    fn tell_end(&self, term: &RemovalTerm) {
        let list = &self.list.id;
        let removal = term.known_by.to_string();
        let is_settled = term.is_settled_by(self.manifest.as_ref());
        let serial = self.state.serial;
        if is_settled {
            info!(%list, %removal, serial, "a removal is over: the issue in force has taken it up");
        } else {
            warn!(
                %list, %removal,
                "a removal is over: its time has run out, and what it named is blocked again \
                 where the list still has it"
            );
        }
        let end = if is_settled { "settled" } else { "ran out" };
        let said = Statement::RemovalOver(RemovalOver {
            end: end.to_owned(),
            removal,
            serial,
        });
        self.note(said, None);
    }

    /// Lay over the list what its removals say at this moment; a snapshot is swapped only where
    /// that changes something.
    pub(super) fn enforce(&mut self, front: &LiveFront) {
        let now = wall_s();
        let manifest = self.manifest.as_ref();
        let holding: Vec<Hash> = self
            .holding(manifest, now)
            .map(|term| term.known_by)
            .collect();
        if holding == self.enforced {
            return;
        }
        let (list, before) = (self.list.index, front.live.load_full());
        let overlay = self.overlay(manifest, before.key(), now);
        let table = before.table(list).cloned();
        drop(before);
        front.replace(|before| before.with_removed(list, overlay.table.clone()));
        if let Some(table) = table {
            self.note_overlay(overlay, &table);
        }
    }

    /// The list's folder, for messages.
    pub(super) fn place(&self) -> String {
        self.shelf.as_ref().map(Shelf::place).unwrap_or_default()
    }
}
