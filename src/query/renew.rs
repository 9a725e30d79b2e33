//! Keeping answers alive: popular ones are renewed before they run out, and those that ran out are
//! given while nobody can be reached.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answering::Answering;
use super::asked::Wanted;
use super::fetch::as_asked;
use super::renewer::{Due, Renewals};
use crate::cache::{CacheKey, Entry};
use crate::clock;
use crate::name::{Name, SuffixHashes};
use crate::policy::Verdict;
use crate::resolve;

/// Renewals under way at once.
const AT_ONCE_MAX: usize = 100;

impl Answering {
    /// Renew what is due, for ever, with what is answered by at the `present`; spawn it once.
    pub async fn renew(present: impl Fn() -> Arc<Self> + Send, mut due: Due) {
        let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
        while let Some(question) = due.recv().await {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let answering = present();
            tokio::spawn(async move {
                answering.renew_one(question).await;
                drop(place);
            });
        }
    }

    /// What was done so far to keep answers alive.
    pub fn renewals(&self) -> Renewals {
        Renewals {
            stale: self.renewer.stale.load(Relaxed),
            renewed: self.renewer.renewed.load(Relaxed),
        }
    }

    /// Have an answer renewed if it is asked for shortly before its end; nobody waits for that.
    #[inline]
    pub(super) fn prefetch(&self, entry: &Entry, wanted: &Wanted<'_>) {
        if self.terms.renewal.prefetch
            && entry.claim_renewal(wanted.now_s)
            && let Some(question) = as_asked(wanted.question)
        {
            // A full queue means that there is more important work.
            let _ = self.renewer.due.try_send(question);
        }
    }

    /// Ask outside, and where that takes too long, nobody can be reached, or what was said cannot
    /// be believed, fall back on an answer that has run out.
    pub(super) async fn fetch_or_stale(
        &self,
        question: resolve::Question,
        key: CacheKey,
    ) -> Arc<Entry> {
        let now_s = clock::wall_u32_s();
        let Some(stale) = self.outside.find_stale(key, now_s) else {
            return self.outside.fetch(question, key).await.entry;
        };
        if !stale.is_unrenewed(now_s) {
            // When the time is over the asking goes on, and keeps what it brings.
            match timeout(
                self.terms.renewal.stale_after,
                self.outside.fetch(question, key),
            )
            .await
            {
                Ok(landed) if !landed.leaves_stale => return landed.entry,
                Ok(_) | Err(_) => stale.note_unrenewed(now_s),
            }
        }
        self.renewer.stale.fetch_add(1, Relaxed);
        stale
    }

    /// An answer that has run out, for want of the time to ask for another.
    pub(super) fn find_stale(&self, key: CacheKey) -> Option<Arc<Entry>> {
        let now_s = clock::wall_u32_s();
        let stale = self.outside.find_stale(key, now_s)?;
        stale.note_unrenewed(now_s);
        self.renewer.stale.fetch_add(1, Relaxed);
        Some(stale)
    }

    async fn renew_one(&self, question: resolve::Question) {
        let key = {
            let snapshot = self.live.load();
            let mut hashes = SuffixHashes::new();
            let mut is_listed = |name: &Name| {
                hashes.fill_for(snapshot.key(), name.as_wire(), snapshot.depths());
                snapshot.decide(snapshot.all_lists(), &hashes) != Verdict::Pass
            };
            // Listed meanwhile: nobody is asked about it any more.
            let reversed = self.resolver().reversed(&question);
            let leads_to_listed = reversed.is_some_and(|led_to| is_listed(&led_to.name));
            if leads_to_listed || is_listed(&question.name) {
                return;
            }
            CacheKey::new(
                hashes.whole(),
                question.qtype,
                question.dnssec_ok,
                question.checking_disabled,
            )
        };
        if !self.outside.fetch(question, key).await.entry.is_failure() {
            self.renewer.renewed.fetch_add(1, Relaxed);
        }
    }
}
