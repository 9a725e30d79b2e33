//! Why one exchange with a server brought nothing.

use std::io;

use crate::resolve::trace::ExchangeOutcome;

/// Why a server gave no reply that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resolve) enum ExchangeFault {
    /// Nothing that matches was heard in time.
    Silent,
    /// The network or the server's host said no.
    Broken,
    /// Nothing went out: there is no way to that address from here, as with IPv6 on a host that has
    /// none.
    Unsent,
}

impl ExchangeFault {
    /// For whoever follows the exchange.
    pub(in crate::resolve) const fn outcome(self) -> ExchangeOutcome {
        match self {
            Self::Silent => ExchangeOutcome::Silent,
            Self::Broken => ExchangeOutcome::Broken,
            Self::Unsent => ExchangeOutcome::Unsent,
        }
    }
}

impl From<io::Error> for ExchangeFault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            Self::Silent
        } else {
            Self::Broken
        }
    }
}
