//! Why a signed message of a transfer is not believed, with the error codes of RFC 8945.

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TsigFault {
    #[error("the answer carries no signature: give the primary the same key for this zone")]
    Unsigned,
    #[error("the last messages carry no signature (RFC 8945, section 5.3.1)")]
    UnsignedEnd,
    #[error("the signature is not a readable last record")]
    Format,
    #[error("the signature is made with another key or algorithm: set the same at both ends")]
    OtherKey,
    #[error("the signature is wrong: the secrets differ, or the message was changed on its way")]
    Signature,
    #[error("the signature's time is {off_s} s away from our clock: set both clocks")]
    Time {
        /// Seconds between the two.
        off_s: u64,
    },
    #[error("{}", told(*.0))]
    Answered(u16),
}

impl TsigFault {
    /// The error that tells the other side (RFC 8945 section 3).
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::OtherKey => BADKEY,
            Self::Time { .. } => BADTIME,
            _ => BADSIG,
        }
    }
}

const BADSIG: u16 = 16;

pub(super) const BADKEY: u16 = 17;

const BADTIME: u16 = 18;

const BADTRUNC: u16 = 22;

fn told(error: u16) -> String {
    match error {
        BADSIG => "the primary finds our signature wrong (BADSIG): give both ends the same secret"
            .to_owned(),
        BADKEY => "the primary does not know our key (BADKEY): give both ends the same key name \
                   and algorithm"
            .to_owned(),
        BADTIME => "the primary finds our signature too old or too new (BADTIME): set both clocks"
            .to_owned(),
        BADTRUNC => "the primary finds our signature too short (BADTRUNC)".to_owned(),
        _ => format!("the primary does not take our signature (TSIG error {error})"),
    }
}
