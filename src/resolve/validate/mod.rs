//! Our own validator (RFC 4033 to 4035, 5155, 6840): may what servers said be believed, and says
//! the zone's owner so?
//!
//! [`anchor`] says whom the operator believes, [`chain`] leads from there to a zone's keys,
//! [`signature`] checks one set against them, [`denial`] and [`nsec3`] check proofs of absence,
//! [`answer`] puts it together for one reply, [`spans`] answers from proofs seen before.

mod verdict;
use verdict::{Insecurity, is_bogus};
pub(super) use verdict::{Judged, Security};

mod aggressive_nsec;
mod anchor;
mod answer;
mod boundaries;
mod chain;
mod denial;
mod keys;
mod nsec3;
mod proof;
mod retry;
mod rsa;
mod rules;
mod sentinel;
mod signature;
mod signer;
#[cfg(test)]
mod tests;
mod zone;
mod zone_cache;
mod zone_cut;
mod zone_spans;
use self::aggressive_nsec::Spans;
use self::anchor::AnchorStanding;
pub(super) use self::anchor::Anchors;
use self::boundaries::Boundaries;
use self::retry::Retry;
use self::rules::Rules;
use self::zone_cache::TrustCache;
pub use self::zone_cut::is_zone_cut;
use super::budget::Budget;
use super::convert::lowest_zone;
use super::failure::Failure;
use super::rrset::{Ask, Said};
use crate::clock;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};
use std::sync::Arc;

/// What is believed.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Whose keys are believed.
    pub(super) anchors: Anchors,
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
    anchors: Anchors,
    boundaries: Boundaries,
    /// Of the root's anchors, if it has any.
    root_tags: Option<Vec<u16>>,
    rules: Rules,
    zones: TrustCache,
    spans: Option<Spans>,
}

impl Validator {
    pub(super) fn new(settings: Settings) -> Self {
        let half = settings.memory_octets_max / 2;
        Self {
            root_tags: settings.anchors.root_tags(),
            boundaries: Boundaries::new(
                settings.anchors.names().cloned().chain(settings.boundaries),
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
        if let AnchorStanding::Below(_, anchor) = self.anchors.standing_of(name, rtype)
            && !anchor.is_usable(self.rules)
        {
            return Err(Failure::KeyMissing);
        }
        if let Some(said) = self.foresee(name, rtype, budget)? {
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
            let judged = self.judge(ask, name, rtype, &said, budget).await;
            if let (Err(failure), Some(_)) = (&judged, &said.blocked)
                && is_bogus(*failure)
            {
                return Ok(Judged {
                    said: Arc::new(keep_back(&said)),
                    verdict: Security::Insecure(Insecurity::Blocked),
                });
            }
            if let Some(judged) = retry.settle(judged, said.from)? {
                break judged;
            }
        };
        if judged.verdict == Security::Secure
            && sentinel::withholds(name, rtype, self.root_tags.as_deref())
        {
            return Err(Failure::Sentinel);
        }
        Ok(judged)
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
