//! Why there is no answer, for the client and for those who look for one.

/// Why there is no answer; each becomes SERVFAIL with its extended error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing was heard in time, or no authority that was would answer (EDE 22, No Reachable
    /// Authority).
    #[error("no server answered in time")]
    Unreachable,
    /// What was heard is of no use (EDE 23, Network Error).
    #[error("no server gave a usable answer")]
    Unusable,
    /// Signatures do not hold (EDE 6, DNSSEC Bogus).
    #[error("the answer fails DNSSEC validation")]
    Bogus,
    /// Signatures would hold but are past their date (EDE 7, Signature Expired).
    #[error("the answer's signatures have expired")]
    Expired,
    /// Signatures would hold but not before a date to come (EDE 8, Signature Not Yet Valid).
    #[error("the answer's signatures are not valid yet")]
    NotYetValid,
    /// No key of a zone is the one that its parent vouches for (EDE 9, DNSKEY Missing).
    #[error("the zone's keys are not those that its parent names")]
    KeyMissing,
    /// A signed zone's answer came without signatures (EDE 10, RRSIGs Missing).
    #[error("the answer's signatures are missing")]
    Unsigned,
    /// A signed zone denies without the proof (EDE 12, NSEC Missing).
    #[error("the answer's proof that something does not exist is missing")]
    Unproven,
    /// The name asks, in the manner of RFC 8509, whether a key is among the root's anchors, and
    /// this is how to say no (EDE 0, Other).
    #[error("the root key sentinel says no")]
    Sentinel,
    /// A limit of ours was reached first (EDE 0, Other).
    #[error("the question needs more work than is allowed")]
    TooMuchWork,
    /// More questions are waiting than are allowed in all (EDE 23, Network Error).
    #[error("too many questions are waiting")]
    Crowded,
}

impl Failure {
    /// May an answer of before, which has run out, be given in its place (RFC 8767)? Yes where
    /// nothing was said that can be believed; the sentinel's no is an answer.
    pub const fn leaves_stale(self) -> bool {
        !matches!(self, Self::Sentinel)
    }

    /// Is the answer wrong, so that another server may have a right one? A limit or silence is no
    /// fault of the answer.
    pub const fn is_bogus(self) -> bool {
        matches!(
            self,
            Self::Bogus
                | Self::Expired
                | Self::NotYetValid
                | Self::KeyMissing
                | Self::Unsigned
                | Self::Unproven
        )
    }

    /// The INFO-CODE of RFC 8914 section 4 that tells the client.
    pub const fn ede(self) -> u16 {
        match self {
            Self::TooMuchWork | Self::Sentinel => 0,
            Self::Bogus => 6,
            Self::Expired => 7,
            Self::NotYetValid => 8,
            Self::KeyMissing => 9,
            Self::Unsigned => 10,
            Self::Unproven => 12,
            Self::Unreachable => 22,
            Self::Unusable | Self::Crowded => 23,
        }
    }
}
