//! An upstream resolver as the operator names it, and as status and metrics show it.

use std::fmt;
use std::net::SocketAddr;

use crate::clock::UnixSeconds;
use crate::name::Name;

/// Another resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
    /// The name that its certificate must have; asked over TLS where there is one (RFC 7858), over
    /// UDP and TCP otherwise.
    pub name: Option<String>,
}

impl From<SocketAddr> for Server {
    fn from(address: SocketAddr) -> Self {
        Self {
            address,
            name: None,
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}#{name}", self.address),
            None => self.address.fmt(f),
        }
    }
}

/// One upstream resolver as status and metrics show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Who it is.
    pub server: Server,
    /// The zone that it is asked about; none where that is everything.
    pub zone: Option<Name>,
    /// Usable replies so far.
    pub answers: u64,
    /// Tries that brought no usable reply so far.
    pub failures: u64,
    /// Since when it is passed over, if it is.
    pub down_since: Option<UnixSeconds>,
    /// What it takes at the most nineteen times out of twenty, in microseconds.
    pub usual_us: u32,
    /// Tries in a row without a usable reply.
    pub failures_in_a_row: u32,
    /// UDP does not seem to get through to it: TCP is asked too.
    pub needs_tcp: bool,
    /// Tries under way.
    pub under_way: u32,
}
