//! `wardline lookup`: a question of the operator's own, answered by the very steps that answer
//! clients, beside all counters, with a record of what was done.

use std::sync::Arc;

use super::answering::Answering;
use super::asked::{Asked, Outcome, Rate};
use super::fetch::as_asked;
use super::renewer::Renewer;
use crate::answer::special_use;
use crate::cache::{Cache, CacheKey, Entry};
use crate::clock;
use crate::count::{Board, Door, Event, Kind};
use crate::list::ListIndex;
use crate::name::{Name, SuffixHashes};
use crate::policy::{Live, Snapshot, Standing};
use crate::resolve::{Knowledge, TraceReport};
use crate::wire::{self, class, rtype};

/// Room for what comes from outside in place of the cache.
const ASIDE_OCTETS: u64 = 256 * 1024;

/// What an operator asks.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The name.
    pub name: Name,
    /// The record type's number.
    pub qtype: u16,
    /// DO (RFC 3225).
    pub dnssec_ok: bool,
    /// CD (RFC 4035 section 3.2.2).
    pub checking_disabled: bool,
    /// As which client.
    pub standing: Standing,
    /// By what that is known; with nothing, the cache is neither asked nor changed.
    pub knowing: Knowledge,
}

/// An answer that was kept when the question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Seconds that are left of its time to live; below nought where it has run out.
    pub left_s: i64,
    /// It is a failure.
    pub is_failure: bool,
    /// It was the answer.
    pub is_used: bool,
}

/// What became of it.
pub struct LookedUp {
    /// The whole reply, as over TCP; empty where a client would get none.
    pub reply: Vec<u8>,
    /// How a client's question would be counted.
    pub ended: Option<Event>,
    /// The list that blocked it.
    pub blocked: Option<(ListIndex, Kind)>,
    /// What the cache had.
    pub kept: Option<KeptAnswer>,
    /// The names that are held against the lists, in their order: the question's, then those of its
    /// aliases. The first that is listed ends it.
    pub names: Vec<Name>,
    /// The lists in force.
    pub snapshot: Arc<Snapshot>,
    /// How it was resolved.
    pub trace: TraceReport,
}

impl Answering {
    /// Answer a question as a client's would be, over TCP, and say how that was done. Needs a tokio
    /// runtime around it.
    ///
    /// # Errors
    /// Where the way outside cannot be put together anew; in words.
    pub async fn look_up(&self, lookup: &Lookup) -> Result<LookedUp, String> {
        let traced = self.resolver().traced(lookup.knowing);
        let (resolver, trace) = traced.map_err(|error| error.to_string())?;
        let snapshot = Arc::new(self.live.load().uncounted());
        let cache = match lookup.knowing {
            Knowledge::Everything => Arc::clone(&self.outside.cache),
            Knowledge::Nothing => {
                Arc::new(Cache::new(ASIDE_OCTETS).map_err(|error| error.to_string())?)
            }
        };
        let mut terms = self.terms.clone();
        // Nobody's answers are renewed for it.
        terms.renewal.prefetch = false;
        let aside = Self {
            live: Arc::new(Live::from(Arc::clone(&snapshot))),
            board: Arc::new(Board::new(snapshot.all_lists().len())),
            outside: self.outside.aside(resolver, cache),
            renewer: Renewer::new().0,
            terms,
        };
        let packet = packet(lookup);
        let kept = self.find_kept(lookup, &snapshot);
        let (reply, entry) = aside.run(&packet, lookup.standing).await;
        let tally = aside.board.sum();
        let ended = Event::ALL.into_iter().find(|event| tally.event(*event) > 0);
        let blocked = (0..).zip(&tally.lists).find_map(|(list, counts)| {
            let kind = Kind::ALL.into_iter().zip(counts);
            let (kind, _) = kind.clone().find(|(_, count)| **count > 0)?;
            Some((list, kind))
        });
        let is_from_cache = matches!(ended, Some(Event::Hit | Event::Failed))
            || blocked.is_some_and(|(_, kind)| kind == Kind::ViaCname);
        let may_use = lookup.knowing == Knowledge::Everything;
        let is_used = |kept: &Arc<Entry>| {
            may_use
                && entry
                    .as_ref()
                    .map_or(is_from_cache, |entry| Arc::ptr_eq(entry, kept))
        };
        let shown = kept.as_ref().map(|kept| KeptAnswer {
            left_s: kept.left_s(clock::wall_u32_s()),
            is_failure: kept.is_failure(),
            is_used: is_used(kept),
        });
        let answered = entry.clone().or_else(|| kept.filter(is_used));
        Ok(LookedUp {
            reply,
            ended,
            blocked,
            kept: shown,
            names: aside.held_names(&packet, answered.as_deref()),
            snapshot,
            trace: trace.report(),
        })
    }

    /// What the cache has for it, run out or not.
    fn find_kept(&self, lookup: &Lookup, snapshot: &Snapshot) -> Option<Arc<Entry>> {
        let mut hashes = SuffixHashes::new();
        hashes.fill_for(snapshot.key(), lookup.name.as_wire(), snapshot.depths());
        let key = CacheKey::new(
            hashes.whole(),
            lookup.qtype,
            lookup.dnssec_ok,
            lookup.checking_disabled,
        );
        let now_s = clock::wall_u32_s();
        let kept = self.outside.cache.find(key, now_s);
        kept.or_else(|| self.outside.find_stale(key, now_s))
    }

    /// Ask like a client: the reply, and what came from outside for it.
    async fn run(&self, packet: &[u8], standing: Standing) -> (Vec<u8>, Option<Arc<Entry>>) {
        let mut desk = self.desk();
        let mut out = vec![0; usize::from(u16::MAX)];
        let outcome = {
            let round = self.round(&mut desk);
            let asked = Asked {
                packet,
                standing,
                door: Door::Tcp,
                rate: Rate::Within,
                seat: 0,
            };
            self.answer(&round, &mut desk, &asked, &mut out)
        };
        match outcome {
            Outcome::Reply(len) => {
                out.truncate(len);
                (out, None)
            }
            Outcome::Silence => (Vec::new(), None),
            Outcome::Later(later) => {
                out.clear();
                let Ok(question) = wire::read(packet) else {
                    return (out, None);
                };
                let entry = self.fetch_for(&later, &question).await;
                if let Some(entry) = &entry {
                    self.answer_with(entry, &later, &question, desk.cells(), &mut out);
                }
                (out, entry)
            }
        }
    }

    /// The names that are held against the lists before the question is answered with this.
    fn held_names(&self, packet: &[u8], entry: Option<&Entry>) -> Vec<Name> {
        let Ok(question) = wire::read(packet) else {
            return Vec::new();
        };
        // Names of special use are answered before.
        let mut scratch = vec![0; usize::from(u16::MAX)];
        if special_use::answer(&question, &self.terms.special_use, &mut scratch).is_some() {
            return Vec::new();
        }
        let mut names: Vec<Name> = Name::from_wire(question.name).into_iter().collect();
        let reversed = || self.resolver().reversed(&as_asked(&question)?);
        let led_to = (question.qtype == rtype::PTR).then(reversed).flatten();
        names.extend(led_to.map(|led_to| led_to.name));
        let chain = entry.into_iter().flat_map(Entry::chain);
        for name in chain.filter_map(|wire| Name::from_wire(wire).ok()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// The question as a client would send it, with EDNS.
fn packet(lookup: &Lookup) -> Vec<u8> {
    let flags = if lookup.checking_disabled { 0x10 } else { 0 };
    let mut packet = vec![0, 0, 0x01, flags, 0, 1, 0, 0, 0, 0, 0, 1];
    packet.extend_from_slice(lookup.name.as_wire());
    packet.extend(lookup.qtype.to_be_bytes());
    packet.extend(class::IN.to_be_bytes());
    let dnssec_ok = if lookup.dnssec_ok { 0x80 } else { 0 };
    // OPT: the root, its type, the UDP size, extended code and version, DO, no options.
    packet.extend([0, 0, rtype::OPT as u8, 0x04, 0xd0, 0, 0, dnssec_ok, 0, 0, 0]);
    packet
}
