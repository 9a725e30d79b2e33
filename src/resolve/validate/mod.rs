//! Our own validator (RFC 4033 to 4035, 5155, 6840): may what servers said be believed, and says
//! the zone's owner so?
//!
//! [`anchor`] says whom the operator believes, [`chain`] leads from there to a zone's keys,
//! [`signature`] checks one set against them, [`denial`] and [`nsec3`] check proofs of absence,
//! [`answer`] puts it together for one reply, [`spans`] answers from proofs seen before.

mod aggressive_nsec;
mod anchor;
mod answer;
mod chain;
mod denial;
mod keys;
mod nsec3;
mod rsa;
mod sentinel;
mod signature;
#[cfg(test)]
mod tests;
mod zone_cache;
mod zone_spans;

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::rr::{Name, RecordType};

use self::aggressive_nsec::Spans;
pub(super) use self::anchor::Anchors;
use self::anchor::Standing;
use self::signature::Rules;
use self::zone_cache::Zones;
use super::Failure;
use super::budget::Budget;
use super::rrset::{Ask, Said};
use crate::clock;

/// Servers asked anew after a bogus answer.
const RETRIES_MAX: usize = 2;

/// What is believed.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Whose keys are believed.
    pub(super) anchors: Anchors,
    /// Believe RSA with SHA-1 (algorithms 5 and 7) and DS records with SHA-1; off, such zones are
    /// insecure (RFC 9905).
    pub(super) sha1: bool,
    /// Deny names from proofs seen before (RFC 8198).
    pub(super) aggressive: bool,
    /// Memory for keys and proofs, in octets.
    pub(super) memory_octets_max: u64,
}

/// Why data is not secure although nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Insecurity {
    /// Below no anchor.
    Unanchored,
    /// A parent says that the zone is not signed.
    Unsigned,
    /// The zone is signed only with algorithms that we do not know.
    Algorithm,
    /// The zone's keys are vouched for only with digests that we do not know.
    Digest,
    /// The proof has opt-out (RFC 5155 section 9.2).
    OptOut,
    /// The proof takes too many iterations (RFC 9276 section 3.2).
    Iterations,
    /// There are no signatures for what was asked, which is signatures.
    Unsignable,
}

impl Insecurity {
    /// The INFO-CODE that tells the client, where there is one (RFC 8914 section 4).
    pub(super) const fn ede(self) -> Option<u16> {
        match self {
            Self::Algorithm => Some(1),
            Self::Digest => Some(2),
            Self::Iterations => Some(27),
            Self::Unanchored | Self::Unsigned | Self::OptOut | Self::Unsignable => None,
        }
    }
}

/// How far what was said may be believed; bogus is a [`Failure`] instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The zone's owner says so: AD may be set.
    Secure,
    /// Nobody can say.
    Insecure(Insecurity),
}

/// What was said, and how far it may be believed.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    /// TTLs are cut to what signatures allow; records of the authority section that are needed for
    /// nothing are gone if it is secure.
    pub(super) said: Arc<Said>,
    /// Of all of it.
    pub(super) verdict: Verdict,
}

/// Checks what servers say; shared by all questions.
pub(super) struct Validator {
    anchors: Anchors,
    /// Of the root's anchors, if it has any.
    root_tags: Option<Vec<u16>>,
    rules: Rules,
    zones: Zones,
    spans: Option<Spans>,
}

impl Validator {
    pub(super) fn new(settings: Settings) -> Self {
        let half = settings.memory_octets_max / 2;
        Self {
            root_tags: settings.anchors.root_tags(),
            anchors: settings.anchors,
            rules: Rules {
                sha1: settings.sha1,
            },
            zones: Zones::new(half),
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
        if let Standing::Below(_, anchor) = self.anchors.standing_of(name, rtype)
            && !anchor.is_usable(self.rules)
        {
            return Err(Failure::KeyMissing);
        }
        if let Some(said) = self.foresee(name, rtype, budget)? {
            return Ok(Judged {
                said: Arc::new(said),
                verdict: Verdict::Secure,
            });
        }
        let (mut avoid, mut bogus): (Vec<IpAddr>, Option<Failure>) = (Vec::new(), None);
        loop {
            let said = match ask.ask(name, rtype, &avoid, budget).await {
                Ok(said) => said,
                Err(failure) => return Err(bogus.unwrap_or(failure)),
            };
            match self.judge(ask, name, rtype, &said, budget).await {
                Err(failure) if is_bogus(failure) => {
                    let from = said
                        .from
                        .filter(|from| avoid.len() < RETRIES_MAX && !avoid.contains(from));
                    let Some(from) = from else {
                        return Err(bogus.unwrap_or(failure));
                    };
                    bogus.get_or_insert(failure);
                    avoid.push(from);
                }
                Ok(judged)
                    if judged.verdict == Verdict::Secure
                        && sentinel::withholds(name, rtype, self.root_tags.as_deref()) =>
                {
                    return Err(Failure::Sentinel);
                }
                other => return other,
            }
        }
    }

    /// Forget the keys of zones at and below a name, and what proves that something there does not
    /// exist.
    pub(super) fn forget(&self, below: &Name) {
        self.zones.forget(below);
        if let Some(spans) = &self.spans {
            spans.forget(below);
        }
    }

    /// What proofs seen before say, without asking anybody.
    fn foresee(
        &self,
        name: &Name,
        rtype: RecordType,
        budget: &Budget,
    ) -> Result<Option<Said>, Failure> {
        self.spans.as_ref().map_or(Ok(None), |spans| {
            spans.foresee(name, rtype, clock::wall_s(), budget)
        })
    }
}

/// Failures that another server may not have; a limit or silence is none.
const fn is_bogus(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::Bogus
            | Failure::Expired
            | Failure::NotYetValid
            | Failure::KeyMissing
            | Failure::Unsigned
            | Failure::Unproven
    )
}
