//! Other keys may sign a list: what stands is held against them, and what needs a revoked one goes.

use std::sync::Arc;

use tracing::error;

use super::ListKeeper;
use crate::clock::wall_s;
use crate::list::TableBuilder;
use crate::update::bundle::Origin;
use crate::update::mailbox::{Asker, Turn};
use crate::update::state::{LastRefusal, ListChange, ListState};
use crate::update::trust::KeyStanding;

/// Why a generation is gone back to by itself.
const REASON: &str = "a key that the issue in force needs was revoked";

impl ListKeeper {
    pub(super) fn take_keys(&mut self, octets: &[u8], origin: &Origin, asker: Asker) {
        let change = match self.stand.take_keys(octets) {
            Ok(change) => change,
            Err(cause) => self.stand.note_refusal(cause, &origin.place, None),
        };
        if matches!(change, ListChange::Keys { .. }) {
            self.review_keys();
        }
        self.answer(asker, change);
    }

    fn review_keys(&mut self) {
        self.stand.enforce(&self.front);
        self.end_trial_of_revoked();
        self.try_with_other_keys();
        if self.stand.is_live() && self.stand.vouching == KeyStanding::Revoked {
            self.turns.push_front((Turn::Replace, None));
        }
    }

    /// What is tried out, and needs a revoked key, is not tried out any more.
    fn end_trial_of_revoked(&mut self) {
        let trial = self.trial.take_if(|trial| {
            self.stand.vouching_of(trial.tried.bundle.manifest.as_ref()) == KeyStanding::Revoked
        });
        if trial.is_none() {
            return;
        }
        self.stand.on_trial = None;
        self.front.set_shadow(self.stand.list.index, None);
        if let Some(shelf) = &mut self.stand.shelf {
            let text = shelf.record.trial_text();
            // What cannot be written now is written with the next change.
            self.stand.is_unwritten |= shelf.change(|record| record.trial = None).is_err();
            if let Some(text) = text {
                text.discard(&shelf.folder);
            }
        }
    }

    /// Go back from an issue that needs a revoked key, or be without a list.
    pub(super) fn replace_revoked(&mut self, asker: Asker) {
        match self.stand.replacement() {
            Some(target) => self.read_back(target, Some(REASON.to_owned()), asker),
            None => self.withdraw(),
        }
    }

    fn withdraw(&mut self) {
        let key = self.front.live.load().key();
        let empty = TableBuilder::new(key, 0).ok().map(TableBuilder::finish);
        let Some(Ok(empty)) = empty else { return };
        let (index, empty) = (self.stand.list.index, Arc::new(empty));
        self.front.replace(|before| before.with_table(index, empty));
        let message = format!(
            "list {}: {REASON}, and no other is kept",
            self.stand.list.id
        );
        error!(list = %self.stand.list.id, "{message}: NOT IN FORCE");
        (self.stand.manifest, self.stand.note) = (None, None);
        self.stand.state = ListState {
            id: self.stand.list.id.clone(),
            last_refusal: Some(LastRefusal {
                at: wall_s(),
                message,
                manifest: None,
            }),
            ..ListState::default()
        };
    }
}
