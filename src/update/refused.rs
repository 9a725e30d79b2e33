//! Why something does not come in force, with what is to be remembered of it.

use super::refusal::Cause;
use super::stand::Held;
use super::verify::Believed;

/// Why something does not come in force.
pub(super) struct RefusedOffer {
    pub(super) cause: Cause,
    /// Where it was found, for messages.
    pub(super) place: String,
    pub(super) believed: Option<Believed>,
    /// What the operator may let pass.
    pub(super) held: Option<Held>,
}

impl RefusedOffer {
    pub(super) fn new(cause: Cause, place: &str) -> Box<Self> {
        Self::with(cause, place, None)
    }

    pub(super) fn with(cause: Cause, place: &str, believed: Option<Believed>) -> Box<Self> {
        Box::new(Self {
            cause,
            place: place.to_owned(),
            believed,
            held: None,
        })
    }

    /// The operator may let it pass.
    pub(super) fn holding(mut self: Box<Self>, held: Held) -> Box<Self> {
        self.held = Some(held);
        self
    }
}
