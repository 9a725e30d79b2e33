//! Our own validator (RFC 4033 to 4035, 5155, 6840): may what servers said be believed, and says
//! the zone's owner so?
//!
//! [`anchor`] says whom the operator believes, [`chain`] leads from there to a zone's keys,
//! [`signature`] checks one set against them, [`denial`] and [`nsec3`] check proofs of absence,
//! [`answer`] and [`negative_answer`] put it together for one reply, [`spans`] answers from proofs
//! seen before.

mod verdict;
use verdict::Insecurity;
pub(super) use verdict::{Judged, Security};

mod aggressive_nsec;
mod anchor;
mod answer;
mod boundaries;
mod chain;
mod denial;
mod kept_anchors;
mod keys;
mod negative_answer;
mod nsec3;
mod proof;
mod retry;
mod rsa;
mod rules;
mod sentinel;
mod shown;
mod signature;
mod signer;
#[cfg(test)]
mod tests;
mod trust_anchors;
mod trust_point;
mod zone;
mod zone_cache;
mod zone_cut;
mod zone_spans;
use self::aggressive_nsec::Spans;
use self::anchor::AnchorStanding;
pub(super) use self::anchor::Anchors;
use self::boundaries::Boundaries;
pub use self::kept_anchors::KeptAnchors;
use self::retry::Retry;
use self::rules::Rules;
use self::shown::note_verdict;
pub use self::trust_anchors::AnchorStatus;
pub(super) use self::trust_anchors::TrustAnchors;
pub use self::trust_point::KeyState;
use self::zone_cache::TrustCache;
pub use self::zone_cut::is_zone_cut;
use super::budget::Budget;
use super::convert::lowest_zone;
use super::failure::Failure;
use super::rrset::{Ask, Said};
use super::trace::TraceEvent;
use crate::clock;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// What is believed.
pub(super) struct Settings {
    /// Whose keys are believed.
    pub(super) anchors: Arc<TrustAnchors>,
    /// Names of the operator's own beside the anchors', with all below them: what other zones prove
    /// says nothing of them.
    pub(super) boundaries: Vec<Name>,
    /// Believe RSA with SHA-1 (algorithms 5 and 7) and DS records with SHA-1; off, such zones are
    /// insecure (RFC 9905).
    pub(super) sha1: bool,
    /// Deny names from proofs seen before (RFC 8198).
    pub(super) aggressive: bool,
    /// Memory for keys and proofs, in octets.
    pub(super) memory_octets_max: u64,
}

/// An answer that an upstream keeps back by its own word, and that nobody vouches for: that it
/// does, and none of the records.
fn keep_back(said: &Said) -> Said {
    let rcode = if said.answer.is_empty() {
        said.rcode
    } else {
        ResponseCode::ServFail
    };
    Said {
        rcode,
        answer: Vec::new(),
        authority: Vec::new(),
        servers: Vec::new(),
        ..said.clone()
    }
}

/// Checks what servers say; shared by all questions.
pub(super) struct Validator {
    anchors: Arc<TrustAnchors>,
    boundaries: Boundaries,
    rules: Rules,
    zones: TrustCache,
    spans: Option<Spans>,
}

impl Validator {
    pub(super) fn new(settings: Settings) -> Self {
        let half = settings.memory_octets_max / 2;
        Self {
            boundaries: Boundaries::new(
                settings
                    .anchors
                    .in_force()
                    .names()
                    .cloned()
                    .chain(settings.boundaries),
            ),
            anchors: settings.anchors,
            rules: Rules {
                sha1: settings.sha1,
            },
            zones: TrustCache::new(half),
            spans: settings.aggressive.then(|| Spans::new(half)),
        }
    }

    /// Ask for name and type and check what is said; where it is bogus, another server is asked.
    /// Aliases are not followed.
    pub(super) async fn ask<A: Ask>(
        &self,
        ask: &A,
        name: &Name,
        rtype: RecordType,
        budget: &Budget,
    ) -> Result<Judged, Failure> {
        let judged = self.ask_and_judge(ask, name, rtype, budget).await;
        note_verdict(budget, name, rtype, &judged);
        judged
    }

    async fn ask_and_judge<A: Ask>(
        &self,
        ask: &A,
        name: &Name,
        rtype: RecordType,
        budget: &Budget,
    ) -> Result<Judged, Failure> {
        let anchors = self.anchors.in_force();
        if let AnchorStanding::Below(_, anchor) = anchors.standing_of(name, rtype)
            && !anchor.is_usable(self.rules)
        {
            return Err(Failure::KeyMissing);
        }
        if let Some(said) = self.foresee(name, rtype, budget)? {
            budget.note(|| TraceEvent::Proof {
                name: name.to_ascii(),
                rtype: rtype.to_string(),
            });
            return Ok(Judged {
                said: Arc::new(said),
                verdict: Security::Secure,
            });
        }
        let mut retry = Retry::default();
        let judged = loop {
            let said = ask
                .ask(name, rtype, retry.avoid(), budget)
                .await
                .map_err(|failure| retry.unheard(failure))?;
            let judged = self
                .judge_from_holder(ask, name, rtype, &said, budget)
                .await;
            if let (Err(failure), Some(_)) = (&judged, &said.blocked)
                && failure.is_bogus()
            {
                return Ok(Judged {
                    said: Arc::new(keep_back(&said)),
                    verdict: Security::Insecure(Insecurity::Blocked),
                });
            }
            if let Some(judged) = retry.settle(judged, said.from, budget)? {
                break judged;
            }
        };
        if judged.verdict == Security::Secure
            && sentinel::withholds(name, rtype, anchors.root_tags())
        {
            return Err(Failure::Sentinel);
        }
        Ok(judged)
    }

    /// Ask for the keys of a zone with an anchor, for the anchor's sake.
    pub(super) async fn refresh_keys<A: Ask>(
        &self,
        ask: &A,
        apex: &Name,
        budget: &Budget,
    ) -> Result<(), Failure> {
        self.anchored(ask, apex, budget).await.map(drop)
    }

    /// The same with what was `said` already: that it is secure, if it is. For clients that want an
    /// answer whatever is found out (CD), and are still told by AD where all of it was checked (RFC
    /// 4035 section 3.2.3, RFC 6840 section 5.8). Takes half the time that is left at the most.
    pub(super) async fn vouch<A: Ask>(
        &self,
        ask: &A,
        name: &Name,
        rtype: RecordType,
        said: &Arc<Said>,
        budget: &Budget,
    ) -> Option<Arc<Said>> {
        let left = budget.deadline().saturating_duration_since(Instant::now());
        let judging = self.judge_from_holder(ask, name, rtype, said, budget);
        let judged = timeout(left / 2, judging).await.ok()?;
        note_verdict(budget, name, rtype, &judged);
        let judged = judged.ok()?;
        (judged.verdict == Security::Secure).then_some(judged.said)
    }

    /// Judge what was said as the word of the zone that holds the name. For DS this is the parent
    /// by what is proven (RFC 4035 section 5.2), also where nobody tells of delegations.
    async fn judge_from_holder<A: Ask>(
        &self,
        ask: &A,
        name: &Name,
        rtype: RecordType,
        said: &Arc<Said>,
        budget: &Budget,
    ) -> Result<Judged, Failure> {
        if rtype != RecordType::DS {
            return self.judge(ask, name, rtype, said, budget).await;
        }
        let sets = said.answer.iter().chain(&said.authority);
        let lowest = lowest_zone(name, rtype);
        let zone = self.holder(ask, sets, &lowest, &said.zone, budget).await?;
        if zone == said.zone {
            return self.judge(ask, name, rtype, said, budget).await;
        }
        let said = Arc::new(Said {
            zone,
            ..Said::clone(said)
        });
        self.judge(ask, name, rtype, &said, budget).await
    }

    /// The memory of zones' keys, in octets.
    pub(super) fn octets(&self) -> u64 {
        self.zones.octets()
    }

    /// Forget the keys of zones at and below a name, and what proves that something there does not
    /// exist.
    pub(super) fn forget(&self, below: &Name) {
        self.zones.forget(below);
        if let Some(spans) = &self.spans {
            spans.forget(below);
        }
    }

    /// What proofs seen before say, without asking anybody: those of the zone that holds the name
    /// as far as is known, and of none beyond a boundary.
    fn foresee(
        &self,
        name: &Name,
        rtype: RecordType,
        budget: &Budget,
    ) -> Result<Option<Said>, Failure> {
        let (lowest, now) = (lowest_zone(name, rtype), clock::wall_s());
        let is_close = |zone: &Name| {
            !self.boundaries.separate(zone, &lowest)
                && self.known_between(zone, &lowest, now).is_none()
        };
        self.spans.as_ref().map_or(Ok(None), |spans| {
            spans.foresee(name, rtype, is_close, now, budget)
        })
    }
}
