//! Which algorithms and digests count.

use hickory_proto::dnssec::{Algorithm, DigestType};

/// Which algorithms are believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// RSA with SHA-1 (algorithms 5 and 7), and DS records with SHA-1 (RFC 9905 wants both to be
    /// taken as unknown).
    pub(super) sha1: bool,
}

impl Rules {
    /// Can we check signatures of this algorithm?
    pub(super) fn knows(self, algorithm: Algorithm) -> bool {
        match u8::from(algorithm) {
            5 | 7 => self.sha1,
            8 | 10 | 13 | 14 | 15 => true,
            _ => false,
        }
    }

    /// Can we check digests of this kind?
    pub(super) fn digests(self, digest: DigestType) -> bool {
        match digest {
            DigestType::SHA1 => self.sha1,
            DigestType::SHA256 | DigestType::SHA384 => true,
            _ => false,
        }
    }
}
