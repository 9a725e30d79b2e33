//! Why octets are no leaf, and why none is made.

use super::form::{LEAF_OCTETS_MAX, SALTED_LEAF_VERSION};

/// Why octets are no leaf, and why none is made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafFault {
    /// Not JSON, a field too many or too few, or one that is not of its kind.
    #[error(
        "is no leaf of a form that this wardline knows (up to {SALTED_LEAF_VERSION}), or not of \
         its kind; a newer wardline may read it"
    )]
    Form,
    /// It says the same as another text would.
    #[error("is not written in the one canonical way")]
    Canonical,
    /// Longer than a bundle of entries may hold.
    #[error("is longer than a leaf may be ({LEAF_OCTETS_MAX} octets)")]
    Long,
}
