//! What the zone above has to say, so that clients that validate believe us: DS at an entry's own
//! name, without which the stop page of an unsigned domain is bogus to them, and the proof about
//! special-use names.

use std::sync::Arc;

use super::answering::{Answering, write};
use super::asked::{Outcome, Wanted};
use super::fetch::as_asked;
use crate::answer::special_use;
use crate::cache::{CacheKey, Entry};
use crate::count::Event;
use crate::list::ListIndex;
use crate::name::{Name, SuffixHashes};
use crate::policy::Verdict;
use crate::resolve;
use crate::wire::rtype;

/// What is asked outside for a question to which the zone above must have spoken.
pub(super) fn ds_of(zone: &[u8]) -> Option<resolve::Question> {
    Some(resolve::Question {
        name: Name::from_wire(zone).ok()?,
        qtype: rtype::DS,
        dnssec_ok: true,
        checking_disabled: false,
    })
}

/// The name above, in wire form; empty above the root.
fn parent(name: &[u8]) -> &[u8] {
    name.first()
        .and_then(|len| name.get(1 + usize::from(*len)..))
        .unwrap_or_default()
}

impl Answering {
    /// Is this question, for a listed name, one for the zone above? Of the names that lists cover
    /// all above must be free, or it would be an entry's own servers that are asked.
    #[cold]
    pub(super) fn is_for_zone_above(&self, wanted: &Wanted<'_>) -> bool {
        let (lists, mut hashes) = (self.terms.clients.lists(wanted.group), SuffixHashes::new());
        let mut above = parent(wanted.question.name);
        // Which of them is the zone's own name is not known here.
        while above.len() > 1 {
            hashes.fill_for(wanted.snapshot.key(), above, wanted.snapshot.depths());
            if wanted.snapshot.decide(lists, &hashes) != Verdict::Pass {
                return false;
            }
            above = parent(above);
        }
        true
    }

    /// DS at the own name of an entry: what the zone above says (RFC 4035 section 3.1.4.1), where
    /// it says that the name is a zone cut. Else the entry is answered as for any type, though it
    /// is not counted: no customer wants to see anything. `landed` is what came from outside.
    #[cold]
    pub(super) fn answer_ds(
        &self,
        list: ListIndex,
        wanted: &Wanted<'_>,
        landed: Option<&Entry>,
        out: &mut [u8],
    ) -> Outcome {
        let kept = self.find_unless(landed, wanted.key(), wanted.now_s);
        let kept = kept
            .as_deref()
            .filter(|entry| entry.is_for(wanted.question));
        match landed.or(kept) {
            Some(entry) if resolve::is_zone_cut(entry.wire()) => {
                let event = landed.map_or(Event::Hit, |_| Event::Miss);
                write(entry, wanted, event, out)
            }
            None if wanted.question.recursion_desired
                && self
                    .terms
                    .local
                    .answer(wanted.question, false, out)
                    .is_none() =>
            {
                wanted.wait_for(wanted.key())
            }
            _ => wanted.end(Event::Own, self.write_page(list, wanted, out)),
        }
    }

    /// A special-use name, asked for by a client that validates: with the proof that its `zone`
    /// does not exist, or as for anybody.
    #[cold]
    pub(super) fn answer_special(
        &self,
        zone: &[u8],
        wanted: &Wanted<'_>,
        landed: Option<&Entry>,
        out: &mut [u8],
    ) -> Outcome {
        let mut hashes = SuffixHashes::new();
        hashes.fill_for(wanted.snapshot.key(), zone, wanted.snapshot.depths());
        let key = CacheKey::new(hashes.whole(), rtype::DS, true, false);
        let kept = self.find_unless(landed, key, wanted.now_s);
        let len = match landed.or(kept.as_deref()) {
            None if wanted.question.recursion_desired => {
                return wanted.wait_for(key);
            }
            None => None,
            Some(entry) => self.write_proof(entry, wanted, out),
        };
        let own = || special_use::answer(wanted.question, &self.terms.special_use, out);
        wanted.end(Event::Own, len.or_else(own))
    }

    fn find_unless(&self, landed: Option<&Entry>, key: CacheKey, now_s: u32) -> Option<Arc<Entry>> {
        landed
            .is_none()
            .then(|| self.outside.cache.find(key, now_s))
            .flatten()
    }

    /// What the zone above said to the question itself, or its denial of the zone as that of the
    /// name in question.
    fn write_proof(&self, entry: &Entry, wanted: &Wanted<'_>, out: &mut [u8]) -> Option<usize> {
        if entry.is_failure() {
            return None;
        }
        if entry.is_for(wanted.question) {
            return entry.write(wanted.question, wanted.now_s, out);
        }
        let wire = resolve::deny_below(entry.wire(), &as_asked(wanted.question)?)?;
        let denial = entry.reworded(wire, self.outside.lifetimes).ok()?;
        denial.write(wanted.question, wanted.now_s, out)
    }
}
