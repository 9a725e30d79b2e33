//! The whole way of a question: read, who asks, is it ours, is it listed, is it cached, and only
//! then the world outside.

mod answering;
mod asked;
mod desk;
mod fetch;
mod later;
mod lookup;
mod renew;
mod renewer;
mod reversed;
mod single_flight;
mod terms;
mod zone_above;

pub use answering::{Answering, Parts};
pub use asked::{Asked, Later, Outcome, Rate};
pub use desk::{AnswerDesk, Round};
pub use fetch::{FetchedCounts, UnderWayQuestions};
pub use lookup::{KeptAnswer, LookedUp, Lookup};
pub use renewer::{Due, Renewals, Settings as RenewalSettings};
pub use terms::Terms;

use crate::answer::{minimal, special_use};
use crate::cache::CacheKey;
use crate::count::{Cells, Door, Event, QuestionType, Refusal};
use crate::policy::{Group, Standing};
use crate::wire::{self, Question, UDP_OCTETS_MAX, ede, rcode};
use answering::write;
use asked::{Wanted, answer_fault, end, note_reply};

impl Answering {
    /// Answer a question at once if that can be done without asking outside; the reply goes into
    /// `out`.
    ///
    /// The order of decisions is the product's promise: readable, allowed, ours, listed, the
    /// operator's, cached.
    pub fn answer(
        &self,
        round: &Round,
        desk: &mut AnswerDesk,
        asked: &Asked<'_>,
        out: &mut [u8],
    ) -> Outcome {
        desk.cells.note_question(asked.door);
        let outcome = self.decide(round, desk, asked, out);
        note_reply(&desk.cells, &outcome, out);
        outcome
    }

    #[inline]
    fn decide(
        &self,
        round: &Round,
        desk: &mut AnswerDesk,
        asked: &Asked<'_>,
        out: &mut [u8],
    ) -> Outcome {
        let question = match read_within_rate(asked, &desk.cells, out) {
            Ok(question) => question,
            Err(outcome) => return outcome,
        };
        desk.cells.note_type(QuestionType::of(question.qtype));
        let Some(out) = room_for(&question, asked.door, out) else {
            return Outcome::Silence;
        };
        let (group, special) = match self.admit(asked, &question, &desk.cells, out) {
            Ok(admitted) => admitted,
            Err(outcome) => return outcome,
        };
        let Some(hashes) = desk.seats.get_mut(asked.seat) else {
            return Outcome::Silence;
        };
        if asked.seat >= desk.foreseen {
            hashes.fill_for(round.snapshot.key(), question.name, round.snapshot.depths());
        }
        let wanted = Wanted {
            packet: asked.packet,
            question: &question,
            hashes,
            snapshot: &round.snapshot,
            cells: &desk.cells,
            group,
            door: asked.door,
            now_s: round.now_s,
        };
        if let Some(zone) = special {
            return self.answer_special(zone, &wanted, None, out);
        }
        if wanted.snapshot.has_shadow() {
            let lists = self.terms.clients.lists(group);
            wanted.snapshot.note_shadows(lists, wanted.hashes);
        }
        let key = wanted.key();
        let near = desk.front.find(key, wanted.now_s);
        let near = near.filter(|entry| entry.is_for(&question));
        let generation = wanted.snapshot.generation();
        if let Some(entry) = near.filter(|entry| entry.is_clear_under(generation)) {
            // No list in force has the name: that was found when this answer was last given, and it
            // is the same snapshot.
            self.prefetch(entry, &wanted);
            return write(entry, &wanted, Event::Hit, out);
        }
        if let Some(outcome) = self.block_listed(&wanted, None, out) {
            return outcome;
        }
        if let Some(len) = self
            .terms
            .local
            .answer(&question, asked.door == Door::Udp, out)
        {
            return wanted.end(Event::Own, Some(len));
        }
        if let Some(entry) = near {
            self.prefetch(entry, &wanted);
            return self.serve(entry, &wanted, Event::Hit, out);
        }
        let cached = self.outside.cache.find(key, wanted.now_s);
        if let Some(entry) = cached.filter(|entry| entry.is_for(&question)) {
            self.prefetch(&entry, &wanted);
            let outcome = self.serve(&entry, &wanted, Event::Hit, out);
            desk.front.keep(key, entry);
            return outcome;
        }
        self.leave(&wanted, key, out)
    }

    /// Nothing is kept for the question: the world outside has to be asked, where that may be.
    fn leave(&self, wanted: &Wanted<'_>, key: CacheKey, out: &mut [u8]) -> Outcome {
        if let Some(outcome) = self.answer_reversed(wanted, out) {
            return outcome;
        }
        if !wanted.question.recursion_desired {
            let errors = [(ede::NOT_AUTHORITATIVE, "")];
            let len = minimal::empty(wanted.question, rcode::REFUSED, &errors, out);
            return wanted.end(Event::Own, len);
        }
        wanted.wait_for(key)
    }

    /// Who asks, within their rate, for a name that is not ours, or for one of a special-use zone
    /// that must be proven; everything else ends here.
    #[inline]
    fn admit(
        &self,
        asked: &Asked<'_>,
        question: &Question<'_>,
        cells: &Cells,
        out: &mut [u8],
    ) -> Result<(Group, Option<&'static [u8]>), Outcome> {
        let Standing::Allowed(group) = asked.standing else {
            cells.note_refusal(Refusal::NotAllowed);
            let errors = [(ede::PROHIBITED, "")];
            let len = minimal::empty(question, rcode::REFUSED, &errors, out);
            return Err(end(cells, Event::Refused, len));
        };
        if asked.rate == Rate::Slip {
            cells.note_refusal(Refusal::ReplyRateTruncated);
            let errors = [(ede::RATE_LIMITED, "")];
            let len = minimal::truncated(question, &errors, out);
            return Err(end(cells, Event::Limited, len));
        }
        let Some(len) = special_use::answer(question, &self.terms.special_use, out) else {
            return Ok((group, None));
        };
        match special_use::zone_to_prove(question, &self.terms.special_use) {
            Some(zone) => Ok((group, Some(zone))),
            None => Err(end(cells, Event::Own, Some(len))),
        }
    }
}

/// The question; one that cannot be read, or whose client gets no reply of any kind now, ends here.
#[inline]
fn read_within_rate<'p>(
    asked: &Asked<'p>,
    cells: &Cells,
    out: &mut [u8],
) -> Result<Question<'p>, Outcome> {
    if asked.rate == Rate::Over {
        cells.note_refusal(Refusal::ReplyRate);
        return Err(end(cells, Event::Limited, None));
    }
    wire::read(asked.packet).map_err(|fault| answer_fault(cells, fault, asked.packet, out))
}

/// As much of the buffer as a reply by this door may have.
#[inline]
fn room_for<'o>(question: &Question<'_>, door: Door, out: &'o mut [u8]) -> Option<&'o mut [u8]> {
    let room = match door {
        Door::Udp => question.udp_octets_max(UDP_OCTETS_MAX),
        Door::Tcp | Door::Tls => out.len(),
    };
    out.get_mut(..room)
}
