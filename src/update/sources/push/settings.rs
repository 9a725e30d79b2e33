//! What the listener is told by the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Where to listen, and who may speak.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address.
    pub listen: SocketAddr,
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// A file with one token a line.
    pub tokens: PathBuf,
    /// The largest request, in octets.
    pub octets_max: usize,
}

/// What keeps the listener from opening; the message says what to do.
#[derive(Debug, thiserror::Error)]
#[error("[push] {place}: {reason}")]
pub struct PushFault {
    pub(super) place: String,
    pub(super) reason: String,
}
