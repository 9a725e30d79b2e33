//! Why octets are no leaf, and why none is made.

use super::form::{HOUR_LEAF_VERSION, LEAF_OCTETS_MAX, LEAF_VERSION};

/// Why octets are no leaf, and why none is made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafFault {
    /// Not JSON, a field too many or too few, or one that is not of its kind.
    #[error(
        "is no leaf of a form that this wardline knows (up to {HOUR_LEAF_VERSION} for hours, \
         {LEAF_VERSION} for events); a newer wardline may read it"
    )]
    Form,
    /// It says the same as another text would.
    #[error("is not written in the one canonical way")]
    Canonical,
    /// Longer than a bundle of entries may hold.
    #[error("is longer than a leaf may be ({LEAF_OCTETS_MAX} octets)")]
    Long,
}
