//! The list's own file: it is read again, and remembered as judged.

use std::sync::Arc;

use super::ListKeeper;
use crate::update::against::{FileSight, Rest};
use crate::update::bundle::{Bundle, Origin, Way};
use crate::update::flow::Built;
use crate::update::listed::ListOrigin;
use crate::update::mailbox::{Asker, ListOffer};
use crate::update::state::ListChange;
use crate::update::text::Quiet;

impl ListKeeper {
    pub(super) fn reread(&mut self, quiet: Quiet, asker: Asker) {
        let list = Arc::clone(&self.stand.list);
        let Some(bundle) = self.own_file() else {
            // It comes from its sources, and what they last said of it stands until they say
            // something else.
            let is_push = |source: &ListOrigin| matches!(source, ListOrigin::Push);
            self.stand.asked += 1;
            let change = if list.sources.iter().all(is_push) {
                ListChange::Unchanged
            } else {
                ListChange::Asked
            };
            return self.answer(asker, change);
        };
        let own = self.own.clone();
        let rest = Rest {
            quiet,
            writer: Box::new(move || own.writer()),
        };
        self.offer(ListOffer::new(bundle), Some(rest), asker);
    }

    /// What the list's own file offers; nothing where it has none.
    pub(super) fn own_file(&self) -> Option<Bundle> {
        let list = &self.stand.list;
        Some(Bundle {
            list: list.index,
            manifest: None,
            text: list.text.clone()?,
            origin: Origin {
                way: Way::File,
                place: list.place(),
            },
        })
    }

    pub(super) fn note_sight(&mut self, built: &Built) {
        let refused = built.result.as_ref().err();
        let is_passing = refused.is_some_and(|refused| refused.cause.is_passing());
        match built.sight {
            FileSight::Unread => {}
            FileSight::Read(stamp) if !is_passing => self.stand.attempted = Some(stamp),
            FileSight::Read(_) | FileSight::Missing => self.stand.attempted = None,
        }
    }
}
