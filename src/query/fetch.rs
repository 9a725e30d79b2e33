//! Asking outside: a question once however many wait for it, and its answer is kept before any of
//! them is told.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use tokio::time::Instant;

use super::single_flight::Flights;
use super::terms::Terms;
use crate::answer::minimal;
use crate::cache::{Cache, CacheKey, Entry, Lifetimes};
use crate::clock;
use crate::count::{Cells, DnssecResult, Refusal};
use crate::name::Name;
use crate::resolve::{AnswerTrust, BesideAlias, Failure, Fetched, Question, Resolver};
use crate::wire::{self, HEADER_OCTETS, rtype};

/// How long it is kept that too many wait, which is ours and over in a moment.
const CROWDED_TTL_S: u32 = 1;

/// What is asked outside, and what is kept of it.
#[derive(Clone)]
pub(super) struct Outside {
    flights: Flights<Landed>,
    pub(super) resolver: Resolver,
    pub(super) cache: Arc<Cache>,
    pub(super) lifetimes: Lifetimes,
    cells: Arc<Cells>,
    /// Another way outside is in force.
    is_retired: Arc<AtomicBool>,
    pub(super) fetched: Arc<FetchedTally>,
}

/// What came of asking outside, counted.
#[derive(Debug, Default)]
pub(super) struct FetchedTally {
    answers: AtomicU64,
    bogus: AtomicU64,
}

/// What came of asking outside since that way was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchedCounts {
    /// Answers, also such that say that there is nothing.
    pub answers: u64,
    /// Answers that could not be validated.
    pub bogus: u64,
}

impl FetchedTally {
    fn note(&self, fetched: &Result<Fetched, Failure>) {
        let counter = match fetched {
            Ok(_) => &self.answers,
            Err(failure) if failure.is_bogus() => &self.bogus,
            Err(_) => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> FetchedCounts {
        FetchedCounts {
            answers: self.answers.load(Relaxed),
            bogus: self.bogus.load(Relaxed),
        }
    }
}

/// The questions that are being asked outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWayQuestions {
    /// How many; many clients may wait for one.
    pub questions: usize,
    /// How many clients wait for them.
    pub waiting: usize,
    /// For how long the oldest has been asked.
    pub oldest: Option<Duration>,
}

/// What asking came to.
#[derive(Clone)]
pub(super) struct Landed {
    /// The answer, a failure too.
    pub(super) entry: Arc<Entry>,
    /// Nothing came that can be believed, which an answer of before helps over (RFC 8767).
    pub(super) leaves_stale: bool,
}

impl Outside {
    pub(super) fn new(
        resolver: Resolver,
        cache: Arc<Cache>,
        cells: Arc<Cells>,
        terms: &Terms,
    ) -> Self {
        Self {
            flights: Flights::new(terms.waiting_max),
            resolver,
            cache,
            lifetimes: terms.lifetimes,
            cells,
            is_retired: Arc::default(),
            fetched: Arc::default(),
        }
    }

    /// Another way outside, which keeps and counts in the same places.
    pub(super) fn another(&self, resolver: Resolver, terms: &Terms) -> Self {
        Self::new(
            resolver,
            Arc::clone(&self.cache),
            Arc::clone(&self.cells),
            terms,
        )
    }

    /// How many wait for what comes from outside, and how many may.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.flights.waiting(), self.flights.waiting_max())
    }

    /// The same way outside under other terms.
    pub(super) fn under(&self, terms: &Terms) -> Self {
        self.flights.allow(terms.waiting_max);
        Self {
            lifetimes: terms.lifetimes,
            ..self.clone()
        }
    }

    /// What is being asked now.
    pub(super) fn under_way(&self) -> UnderWayQuestions {
        let (questions, oldest) = self.flights.open();
        UnderWayQuestions {
            questions,
            waiting: self.flights.waiting(),
            oldest,
        }
    }

    /// The same way for a question of the operator's own, which nobody else waits for.
    pub(super) fn aside(&self, resolver: Resolver, cache: Arc<Cache>) -> Self {
        Self {
            flights: Flights::new(1),
            resolver,
            cache,
            ..self.clone()
        }
    }

    /// Nothing is kept any more of what comes this way.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, SeqCst);
    }

    /// Ask, or wait for the one who is asking already. The asking goes on when this future is
    /// dropped.
    pub(super) async fn fetch(&self, question: Question, key: CacheKey) -> Landed {
        let patience = self.flights.patience(self.resolver.patience());
        let (outside, asked) = (self.clone(), question.clone());
        let flushes = self.cache.flushes();
        // In a box: it would be copied at each step of the way to its task otherwise.
        let work = Box::pin(async move {
            let fetched = outside.ask(&asked, patience).await;
            outside.fetched.note(&fetched);
            outside.count(&fetched);
            outside.keep(&asked, key, flushes, fetched)
        });
        self.flights
            .join(key, work)
            .await
            .unwrap_or_else(|failure| {
                if failure == Failure::Crowded {
                    self.cells.note_refusal(Refusal::Resolving);
                }
                self.keep(&question, key, flushes, Err(failure))
            })
    }

    /// Count how far what came may be believed.
    fn count(&self, fetched: &Result<Fetched, Failure>) {
        let result = match fetched {
            Ok(fetched) => match fetched.trust {
                AnswerTrust::Secure => DnssecResult::Secure,
                AnswerTrust::Insecure => DnssecResult::Insecure,
                AnswerTrust::Unchecked => DnssecResult::Unchecked,
            },
            Err(failure) if failure.is_bogus() => DnssecResult::Bogus,
            Err(_) => return,
        };
        self.cells.note_dnssec(result);
    }

    /// To ANY there is no conventional answer (RFC 8482 section 4): an alias is one, and of a name
    /// without an alias it is told no more than that it exists. Clients that want signatures could
    /// not believe that of a signed name, since nobody has signed it (section 7): they get one of
    /// the name's own sets, or the signed denial where it shows none.
    async fn ask(&self, question: &Question, patience: Duration) -> Result<Fetched, Failure> {
        if question.qtype != rtype::ANY {
            return self.resolver.fetch(question, patience).await;
        }
        let of_alias = Question {
            qtype: rtype::CNAME,
            ..question.clone()
        };
        let deadline = Instant::now() + patience;
        let fetched = self.resolver.fetch(&of_alias, patience).await?;
        let name = question.name.as_wire();
        // What is kept back is told as it is: that is no word on what the name has.
        if !says_no_alias(&fetched.wire) || fetched.is_kept_back() {
            return Ok(as_any(fetched, name));
        }
        let beside = if question.dnssec_ok {
            BesideAlias::read(&fetched.wire, &question.name)
        } else {
            BesideAlias::Unsigned
        };
        let qtype = match beside {
            BesideAlias::Unsigned => return Ok(Fetched::new(minimal::any(name), fetched.ede)),
            BesideAlias::Unknown => return Ok(as_any(fetched, name)),
            BesideAlias::Type(qtype) => qtype,
        };
        let one_set = Question {
            qtype,
            ..question.clone()
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let fetched = self.resolver.fetch(&one_set, left).await?;
        Ok(as_any(fetched, name))
    }

    /// An answer that has run out and may still be given.
    pub(super) fn find_stale(&self, key: CacheKey, now_s: u32) -> Option<Arc<Entry>> {
        self.cache
            .find_stale(key, now_s, self.lifetimes.stale_s_max)
    }

    /// Keep what came, a failure for a moment too (RFC 9520), but for one in whose place a better
    /// answer stands, and for what was asked before a flush: that may be what was to be forgotten.
    fn keep(
        &self,
        Question { name, qtype, .. }: &Question,
        key: CacheKey,
        flushes: u64,
        fetched: Result<Fetched, Failure>,
    ) -> Landed {
        let now_s = clock::wall_u32_s();
        let read = |fetched: Fetched| {
            Entry::from_wire(fetched.wire, fetched.ede, now_s, self.lifetimes)
                .map(|entry| {
                    entry
                        .told(fetched.text)
                        .signed_until(fetched.signed_until_s)
                })
                .map_err(|_| Failure::Unusable)
        };
        let (entry, leaves_stale) = match fetched.and_then(read) {
            Ok(entry) => (entry, false),
            Err(failure) => {
                let ttl_s = if failure == Failure::Crowded {
                    CROWDED_TTL_S
                } else {
                    self.cache.failure_ttl_s(key, now_s)
                };
                (
                    Entry::failure(name, *qtype, failure.ede(), now_s, ttl_s),
                    failure.leaves_stale(),
                )
            }
        };
        let entry = Arc::new(entry);
        let has_better = || {
            let is_good = |kept: Arc<Entry>| !kept.is_failure();
            self.cache.find(key, now_s).is_some_and(is_good)
                || leaves_stale && self.find_stale(key, now_s).is_some()
        };
        if entry.is_keepable() && !(entry.is_failure() && has_better()) {
            self.cache.keep(key, Arc::clone(&entry));
            // Seen afterwards, so that no flush can come between.
            if self.is_retired.load(SeqCst) || self.cache.flushes() != flushes {
                self.cache.forget(key);
            }
        }
        Landed {
            entry,
            leaves_stale,
        }
    }
}

/// NOERROR without an answer.
fn says_no_alias(wire: &[u8]) -> bool {
    matches!(wire.get(3..8), Some([code, _, _, 0, 0]) if code & 0x0f == 0)
}

/// What was said about one type of a name as the answer to ANY.
fn as_any(mut fetched: Fetched, name: &[u8]) -> Fetched {
    let qtype = HEADER_OCTETS + name.len();
    if let Some(qtype) = fetched.wire.get_mut(qtype..qtype + 2) {
        qtype.copy_from_slice(&rtype::ANY.to_be_bytes());
    }
    fetched
}

/// The question as it is asked outside.
pub(super) fn as_asked(question: &wire::Question<'_>) -> Option<Question> {
    let name = Name::from_wire(question.name).ok()?;
    Some(Question {
        name,
        qtype: question.qtype,
        dnssec_ok: question.dnssec_ok(),
        checking_disabled: question.checking_disabled,
    })
}
