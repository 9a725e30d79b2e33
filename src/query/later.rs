//! Questions that had to wait for an answer from outside, and those that nobody has time to fetch
//! one for.

use std::sync::Arc;

use super::answering::Answering;
use super::asked::{Later, Outcome, Wanted, end, note_reply};
use super::fetch::as_asked;
use super::zone_above::ds_of;
use crate::answer::{minimal, special_use};
use crate::cache::Entry;
use crate::clock;
use crate::count::{Cells, Door, Event};
use crate::name::{Name, SuffixHashes};
use crate::wire::{self, Question, ede, rcode, rtype};

impl Answering {
    /// Fetch the answer to a question and put the whole reply into `out`, which stays empty where
    /// nothing is to be sent.
    pub async fn answer_later(&self, later: Later, cells: &Cells, out: &mut Vec<u8>) {
        out.clear();
        let Ok(question) = wire::read(&later.packet) else {
            return;
        };
        if let Some(entry) = self.fetch_for(&later, &question).await {
            self.answer_with(&entry, &later, &question, cells, out);
        }
    }

    /// What is said outside to a question that waits for it.
    pub(super) async fn fetch_for(
        &self,
        later: &Later,
        question: &Question<'_>,
    ) -> Option<Arc<Entry>> {
        let zone = special_use::zone_to_prove(question, &self.terms.special_use);
        let asked = zone.map_or_else(|| as_asked(question), ds_of)?;
        Some(self.fetch_or_stale(asked, later.key).await)
    }

    /// Put the whole reply into `out`, which stays empty where nothing is to be sent.
    pub(super) fn answer_with(
        &self,
        entry: &Entry,
        later: &Later,
        question: &Question<'_>,
        cells: &Cells,
        out: &mut Vec<u8>,
    ) {
        let room = match later.door {
            Door::Udp => question.udp_octets_max(self.terms.udp_octets_max),
            Door::Tcp | Door::Tls => usize::from(u16::MAX),
        };
        out.resize(room, 0);
        let outcome = self.end_wait(later, question, entry, cells, out);
        note_reply(cells, &outcome, out);
        out.truncate(if let Outcome::Reply(len) = outcome {
            len
        } else {
            0
        });
    }

    /// Answer a question that nobody has time to fetch the answer for: with one that has run out
    /// (RFC 8767), or with SERVFAIL, so that the client asks another resolver, or with nothing at
    /// all where it is not refused `aloud`.
    pub fn shed(&self, later: &Later, aloud: bool, cells: &Cells, out: &mut [u8]) -> Outcome {
        let outcome = self.give_up(later, aloud, cells, out);
        note_reply(cells, &outcome, out);
        outcome
    }

    fn give_up(&self, later: &Later, aloud: bool, cells: &Cells, out: &mut [u8]) -> Outcome {
        let Ok(question) = wire::read(&later.packet) else {
            return Outcome::Silence;
        };
        if let Some(stale) = self.find_stale(later.key) {
            return self.end_wait(later, &question, &stale, cells, out);
        }
        // Where the zone above should have spoken there is an answer without it.
        let has_own_answer = question.qtype == rtype::DS
            || special_use::zone_to_prove(&question, &self.terms.special_use).is_some();
        if !has_own_answer {
            let errors = [(ede::NETWORK, "")];
            let len = aloud.then(|| minimal::empty(&question, rcode::SERVFAIL, &errors, out));
            return end(cells, Event::Failed, len.flatten());
        }
        let Ok(name) = Name::from_wire(question.name) else {
            return Outcome::Silence;
        };
        let failure = Entry::failure(&name, question.qtype, ede::NETWORK, clock::wall_u32_s(), 1);
        let outcome = self.end_wait(later, &question, &failure, cells, out);
        let is_failure = out
            .get(3)
            .is_some_and(|octet| u16::from(octet & 0xf) == rcode::SERVFAIL);
        if is_failure && !aloud {
            Outcome::Silence
        } else {
            outcome
        }
    }

    /// Answer a question that has waited, unless its name or its alias chain is listed by now.
    fn end_wait(
        &self,
        later: &Later,
        question: &Question<'_>,
        entry: &Entry,
        cells: &Cells,
        out: &mut [u8],
    ) -> Outcome {
        let snapshot = self.live.load();
        let mut hashes = SuffixHashes::new();
        hashes.fill_for(snapshot.key(), question.name, snapshot.depths());
        let wanted = Wanted {
            packet: &later.packet,
            question,
            hashes: &hashes,
            snapshot: &snapshot,
            cells,
            group: later.group,
            door: later.door,
            now_s: clock::wall_u32_s(),
        };
        if let Some(zone) = special_use::zone_to_prove(question, &self.terms.special_use) {
            return self.answer_special(zone, &wanted, Some(entry), out);
        }
        self.block_listed(&wanted, Some(entry), out)
            .unwrap_or_else(|| self.serve(entry, &wanted, Event::Miss, out))
    }
}
