//! Why one exchange with a server brought nothing.

use std::io;

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

impl From<io::Error> for ExchangeFault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            Self::Silent
        } else {
            Self::Broken
        }
    }
}
