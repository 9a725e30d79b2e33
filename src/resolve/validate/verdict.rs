//! What was found out about an answer: secure, insecure and why, or bogus.

use std::sync::Arc;

use super::super::rrset::Said;
use crate::wire::ede;

/// Why data is not secure although nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resolve) enum Insecurity {
    /// Below no anchor.
    Unanchored,
    /// Below a negative anchor of the operator's (RFC 7646).
    NegativeAnchor,
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
    /// An upstream keeps the answer back, and says so.
    Blocked,
}

impl Insecurity {
    /// In words.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Unanchored => "below no trust anchor",
            Self::NegativeAnchor => "below a negative trust anchor",
            Self::Unsigned => "the zone above says that it is not signed",
            Self::Algorithm => "signed only with algorithms that are not checked here",
            Self::Digest => "its DS records have only digests that are not checked here",
            Self::OptOut => "the proof has opt-out",
            Self::Iterations => "the proof takes too many iterations",
            Self::Unsignable => "signatures are not signed",
            Self::Blocked => "kept back by an upstream",
        }
    }

    /// The INFO-CODE that tells the client, where there is one (RFC 8914 section 4).
    pub(in crate::resolve) const fn ede(self) -> Option<u16> {
        match self {
            Self::Algorithm => Some(1),
            Self::Digest => Some(2),
            Self::Iterations => Some(27),
            Self::NegativeAnchor => Some(ede::NEGATIVE_ANCHOR),
            Self::Unanchored | Self::Unsigned | Self::OptOut | Self::Unsignable | Self::Blocked => {
                None
            }
        }
    }
}

/// How far what was said may be believed; bogus is a [`Failure`] instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resolve) enum Security {
    /// The zone's owner says so: AD may be set.
    Secure,
    /// Nobody can say.
    Insecure(Insecurity),
}

/// What was said, and how far it may be believed.
#[derive(Clone, Debug)]
pub(in crate::resolve) struct Judged {
    /// TTLs are cut to what signatures allow; records of the authority section that are needed for
    /// nothing are gone if it is secure.
    pub(in crate::resolve) said: Arc<Said>,
    /// Of all of it.
    pub(in crate::resolve) verdict: Security,
}

impl Judged {
    /// What was said, as it came.
    pub(super) fn insecure(said: &Arc<Said>, why: Insecurity) -> Self {
        Self {
            said: Arc::clone(said),
            verdict: Security::Insecure(why),
        }
    }
}
