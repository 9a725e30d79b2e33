//! What every question needs on its way, and the two answers that need the lists: the blocked one
//! and a kept one that is clear.

use std::sync::Arc;

use super::asked::{Outcome, Wanted};
use super::desk::{AnswerDesk, Round};
use super::fetch::{FetchedCounts, Outside, UnderWayQuestions};
use super::renewer::{Due, Renewer};
use super::terms::Terms;
use crate::answer::blocked::Channel;
use crate::cache::{Cache, Entry, Front};
use crate::clock;
use crate::count::{Board, Cells, Door, Event, Kind};
use crate::list::{ListIndex, Match};
use crate::name::{Name, SuffixHashes};
use crate::policy::{Clients, Live, Verdict};
use crate::resolve::{Question, Resolver};
use crate::wire::rtype;

/// Everything a question needs on its way, shared by all doors; another one takes its place when
/// the configuration changes.
pub struct Answering {
    pub(super) live: Arc<Live>,
    pub(super) board: Arc<Board>,
    pub(super) outside: Outside,
    pub(super) renewer: Arc<Renewer>,
    pub(super) terms: Terms,
}

/// The parts that [`Answering`] is built from.
pub struct Parts {
    /// The lists in force.
    pub live: Arc<Live>,
    /// Where to count.
    pub board: Arc<Board>,
    /// Kept answers.
    pub cache: Cache,
    /// The way outside.
    pub resolver: Resolver,
    /// What may change.
    pub terms: Terms,
}

impl Answering {
    /// Put the parts together. What is to be renewed goes to [`Answering::renew`].
    pub fn new(parts: Parts) -> (Self, Due) {
        let Parts {
            live,
            board,
            cache,
            resolver,
            terms,
        } = parts;
        let (renewer, due) = Renewer::new();
        let outside = Outside::new(resolver, Arc::new(cache), board.cells(), &terms);
        let answering = Self {
            live,
            board,
            outside,
            renewer,
            terms,
        };
        (answering, due)
    }

    /// The same under other terms: with the same lists, counters and kept answers, and with another
    /// way outside where one is given. What is on its way stays with this one.
    pub fn under(&self, terms: Terms, resolver: Option<Resolver>) -> Self {
        let outside = match resolver {
            Some(resolver) => self.outside.another(resolver, &terms),
            None => self.outside.under(&terms),
        };
        Self {
            live: Arc::clone(&self.live),
            board: Arc::clone(&self.board),
            outside,
            renewer: Arc::clone(&self.renewer),
            terms,
        }
    }

    /// From now on nothing is kept of what is still asked on this one's way outside.
    pub fn retire(&self) {
        self.outside.retire();
    }

    /// Who may ask.
    pub const fn clients(&self) -> &Arc<Clients> {
        &self.terms.clients
    }

    /// The kept answers.
    pub fn cache(&self) -> &Cache {
        &self.outside.cache
    }

    /// How many questions wait for an answer from outside, and how many may.
    pub fn waiting(&self) -> (usize, usize) {
        self.outside.waiting()
    }

    /// The way outside.
    pub const fn resolver(&self) -> &Resolver {
        &self.outside.resolver
    }

    /// What came of asking outside since the way outside was opened.
    pub fn fetched(&self) -> FetchedCounts {
        self.outside.fetched.read()
    }

    /// Ask outside for what everybody has who answers there: the root's servers.
    pub async fn try_outside(&self) {
        let resolver = self.resolver();
        let root = Question {
            name: Name::root(),
            qtype: rtype::NS,
            dnssec_ok: false,
            checking_disabled: true,
        };
        // What it came to is in the resolver's totals.
        let _ = resolver.fetch(&root, resolver.patience()).await;
    }

    /// The questions that are being asked outside.
    pub fn under_way(&self) -> UnderWayQuestions {
        self.outside.under_way()
    }

    /// A desk for one more thread that takes questions one by one.
    pub fn desk(&self) -> AnswerDesk {
        AnswerDesk::new(self.board.own_cells(), 1, Front::new(0), None)
    }

    /// Counters for tasks that run on any thread.
    pub fn shared_cells(&self) -> Arc<Cells> {
        self.board.cells()
    }

    /// A desk for one of `threads` threads that take questions in batches of up to `seats`.
    pub fn desk_for_batches(&self, seats: usize, threads: usize) -> AnswerDesk {
        let front = Front::new(self.outside.cache.front_entries(threads));
        AnswerDesk::new(self.board.own_cells(), seats, front, Some(threads))
    }

    /// Look up the lists in force and the time, once for a batch of questions.
    pub fn round(&self, desk: &mut AnswerDesk) -> Round {
        let (cache, threads) = (&self.outside.cache, desk.threads);
        let entries = || threads.map_or(0, |threads| cache.front_entries(threads));
        desk.front.follow(cache.flushes(), entries);
        Round {
            snapshot: self.live.load(),
            now_s: clock::wall_u32_s(),
        }
    }

    /// The blocked answer, where the name is on a list that applies to the client. `landed` is what
    /// came from outside, if it was asked.
    #[inline]
    pub(super) fn block_listed(
        &self,
        wanted: &Wanted<'_>,
        landed: Option<&Entry>,
        out: &mut [u8],
    ) -> Option<Outcome> {
        let lists = self.terms.clients.lists(wanted.group);
        match wanted.snapshot.decide(lists, wanted.hashes) {
            Verdict::Block { list, found } => {
                let is_ds = wanted.question.qtype == rtype::DS && !found.is_parent;
                if is_ds && self.is_for_zone_above(wanted) {
                    return Some(self.answer_ds(list, wanted, landed, out));
                }
                let kind = Kind::of_type(wanted.question.qtype);
                Some(self.block((list, found), kind, wanted, out))
            }
            Verdict::Pass => None,
        }
    }

    /// Answer with an entry for a name that is not listed for this client, unless its alias chain
    /// goes through a listed name.
    #[inline]
    pub(super) fn serve(
        &self,
        entry: &Entry,
        wanted: &Wanted<'_>,
        event: Event,
        out: &mut [u8],
    ) -> Outcome {
        if !entry.is_clear_under(wanted.snapshot.generation())
            && let Verdict::Block { list, found } = self.decide_chain(entry, wanted)
        {
            return self.block((list, found), Kind::ViaCname, wanted, out);
        }
        write(entry, wanted, event, out)
    }

    /// Hold each name of the alias chain against the lists, and remember it where no list at all
    /// has any of them nor the name asked for.
    fn decide_chain(&self, entry: &Entry, wanted: &Wanted<'_>) -> Verdict {
        let (lists, snapshot) = (self.terms.clients.lists(wanted.group), wanted.snapshot);
        let mut is_clear = snapshot.decide(snapshot.all_lists(), wanted.hashes) == Verdict::Pass;
        let mut hashes = SuffixHashes::new();
        for name in entry.chain() {
            hashes.fill_for(snapshot.key(), name, snapshot.depths());
            if snapshot.decide(snapshot.all_lists(), &hashes) == Verdict::Pass {
                continue;
            }
            is_clear = false;
            let verdict = snapshot.decide(lists, &hashes);
            if verdict != Verdict::Pass {
                return verdict;
            }
        }
        if is_clear {
            entry.note_clear_under(snapshot.generation());
        }
        Verdict::Pass
    }

    /// Answer as this list asks, by the entry that was found in this very snapshot.
    #[inline]
    fn block(
        &self,
        (list, found): (ListIndex, Match),
        kind: Kind,
        wanted: &Wanted<'_>,
        out: &mut [u8],
    ) -> Outcome {
        wanted.cells.note_blocked(list, kind);
        wanted.snapshot.note_blocked(list, found);
        self.write_page(list, wanted, out)
            .map_or(Outcome::Silence, Outcome::Reply)
    }

    /// What this list answers to anything but DS at an entry's own name.
    #[inline]
    pub(super) fn write_page(
        &self,
        list: ListIndex,
        wanted: &Wanted<'_>,
        out: &mut [u8],
    ) -> Option<usize> {
        let way = match wanted.door {
            Door::Tls => Channel::Encrypted,
            Door::Udp | Door::Tcp => Channel::Open,
        };
        let page = self.terms.pages.get(usize::from(list))?.as_ref()?;
        page.write(wanted.question, way, out)
    }
}

/// Answer with an entry that is clear.
#[inline]
pub(super) fn write(entry: &Entry, wanted: &Wanted<'_>, event: Event, out: &mut [u8]) -> Outcome {
    let event = if entry.is_failure() {
        Event::Failed
    } else {
        event
    };
    wanted.end(event, entry.write(wanted.question, wanted.now_s, out))
}
