//! Names of the addresses that are made for clients behind a translator (DNS64): each is the name
//! of the IPv4 address within, by the same decisions as if the client had asked for that.

use super::answering::Answering;
use super::asked::{Outcome, Wanted};
use super::fetch::as_asked;
use crate::answer::special_use;
use crate::count::{Door, Event};
use crate::name::SuffixHashes;
use crate::wire::{Question, rtype};

impl Answering {
    /// Answer a question for the name of a made address (RFC 6147 section 5.3.1) where the name
    /// that it leads to is ours, listed, or the operator's; as if it were the name asked for, since
    /// what is answered here has no servers that an alias could lead to.
    pub(super) fn answer_reversed(&self, wanted: &Wanted<'_>, out: &mut [u8]) -> Option<Outcome> {
        if wanted.question.qtype != rtype::PTR {
            return None;
        }
        let asked = as_asked(wanted.question)?;
        let reversed = self.resolver().reversed(&asked)?;
        let question = Question {
            name: reversed.name.as_wire(),
            ..*wanted.question
        };
        if let Some(len) = special_use::answer(&question, &self.terms.special_use, out) {
            return Some(wanted.end(Event::Own, Some(len)));
        }
        let (key, depths) = (wanted.snapshot.key(), wanted.snapshot.depths());
        let mut hashes = SuffixHashes::new();
        hashes.fill_for(key, question.name, depths);
        let led_to = Wanted {
            question: &question,
            hashes: &hashes,
            ..*wanted
        };
        if let Some(outcome) = self.block_listed(&led_to, None, out) {
            return Some(outcome);
        }
        let is_udp = wanted.door == Door::Udp;
        let len = self.terms.local.answer(&question, is_udp, out)?;
        Some(wanted.end(Event::Own, Some(len)))
    }
}
