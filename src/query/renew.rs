//! Keeping answers alive: popular ones are renewed before they run out, and those that ran out are given while nobody can be reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::{Answering, Wanted, key_of};
use crate::cache::{Entry, Key};
use crate::clock;
use crate::name::{Name, SuffixHashes};
use crate::policy::Verdict;
use crate::resolve::{self, Failure, Fetched};
use crate::wire::Question;

/// Renewals that wait to be begun; more are left out, for the next client to ask for.
const WAITING_MAX: usize = 1000;
/// Renewals under way at once.
const AT_ONCE_MAX: usize = 100;

/// How answers are kept alive.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a client waits before it is given an answer that has run out (RFC 8767 section 5).
    pub stale_after: Duration,
    /// Renew answers that are asked for in the last tenth of their lives.
    pub prefetch: bool,
}

/// What was done to keep answers alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewals {
    /// Answers given after they had run out.
    pub stale: u64,
    /// Answers renewed ahead of time, or behind the back of a client that got a stale one.
    pub renewed: u64,
}

/// Answers that are due to be renewed.
pub type Due = mpsc::Receiver<resolve::Question>;

/// The renewals that are due, and what became of others.
pub(super) struct Renewer {
    settings: Settings,
    due: mpsc::Sender<resolve::Question>,
    stale: AtomicU64,
    renewed: AtomicU64,
}

/// What a question with a stale answer at hand came to.
pub(super) enum Renewed {
    /// Outside said something, good or bad.
    Fetched(Result<Fetched, Failure>),
    /// Nobody could be reached in time: give this one.
    Stale(Arc<Entry>),
}

impl Renewer {
    pub(super) fn new(settings: Settings) -> (Self, Due) {
        let (due, receiver) = mpsc::channel(WAITING_MAX);
        (Self { settings, due, stale: AtomicU64::new(0), renewed: AtomicU64::new(0) }, receiver)
    }
}

impl Answering {
    /// Renew what is due, for ever; spawn it once.
    pub async fn renew(self: Arc<Self>, mut due: Due) {
        let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
        while let Some(question) = due.recv().await {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let answering = Arc::clone(&self);
            tokio::spawn(async move {
                answering.renew_one(question).await;
                drop(place);
            });
        }
    }

    /// What was done so far to keep answers alive.
    pub fn renewals(&self) -> Renewals {
        Renewals { stale: self.renewer.stale.load(Relaxed), renewed: self.renewer.renewed.load(Relaxed) }
    }

    /// Have an answer renewed if it is asked for shortly before its end; nobody waits for that.
    pub(super) fn prefetch(&self, entry: &Entry, wanted: &Wanted<'_>) {
        if self.renewer.settings.prefetch
            && entry.claim_renewal(wanted.now_s)
            && let Some(question) = outside(wanted.question)
        {
            // A full queue means that there is more important work.
            let _ = self.renewer.due.try_send(question);
        }
    }

    /// Ask outside, and where that takes too long or nobody can be reached, fall back on an answer that has run out.
    pub(super) async fn fetch_or_stale(&self, question: resolve::Question, key: Key) -> Renewed {
        let now_s = clock::wall_u32_s();
        let Some(stale) = self.cache.find_stale(key, now_s, self.lifetimes.stale_s_max) else {
            return Renewed::Fetched(self.resolver.fetch(&question).await);
        };
        if !stale.is_unrenewed(now_s) {
            match timeout(self.renewer.settings.stale_after, self.resolver.fetch(&question)).await {
                Ok(Err(failure)) if failure.is_outage() => {}
                Ok(fetched) => return Renewed::Fetched(fetched),
                // The asking goes on; whoever takes this up waits for the same answer and keeps it.
                Err(_) => drop(self.renewer.due.try_send(question)),
            }
            stale.note_unrenewed(now_s);
        }
        self.renewer.stale.fetch_add(1, Relaxed);
        Renewed::Stale(stale)
    }

    /// An answer that has run out, for want of the time to ask for another.
    pub(super) fn find_stale(&self, wanted: &Wanted<'_>) -> Option<Arc<Entry>> {
        let stale = self.cache.find_stale(key_of(wanted), wanted.now_s, self.lifetimes.stale_s_max)?;
        stale.note_unrenewed(wanted.now_s);
        self.renewer.stale.fetch_add(1, Relaxed);
        Some(stale)
    }

    async fn renew_one(&self, question: resolve::Question) {
        let hashes = {
            let snapshot = self.live.load();
            let mut hashes = SuffixHashes::new();
            hashes.fill_for(snapshot.key(), question.name.as_wire(), snapshot.depths());
            // Listed meanwhile: nobody is asked about it any more.
            if snapshot.decide(&self.all_lists, &hashes) != Verdict::Pass {
                return;
            }
            hashes
        };
        // A failure leaves the old answer as it is: it may be good for a while.
        let Ok(fetched) = self.resolver.fetch(&question).await else { return };
        let entry = Entry::from_wire(fetched.wire, fetched.ede, clock::wall_u32_s(), self.lifetimes);
        if let Ok(entry) = entry
            && entry.is_keepable()
            && !entry.is_failure()
        {
            let key = Key::new(hashes.whole(), question.qtype, question.dnssec_ok, question.checking_disabled);
            self.cache.keep(key, Arc::new(entry));
            self.renewer.renewed.fetch_add(1, Relaxed);
        }
    }
}

/// The question as it is asked outside.
pub(super) fn outside(question: &Question<'_>) -> Option<resolve::Question> {
    let name = Name::from_wire(question.name).ok()?;
    Some(resolve::Question { name, qtype: question.qtype, dnssec_ok: question.dnssec_ok(), checking_disabled: question.checking_disabled })
}
