//! How a zone stands to the anchors.

use std::sync::Arc;

use super::signature::Keys;
use super::verdict::Insecurity;

/// What is known of a zone; bogus is an error instead, and never kept.
#[derive(Clone, Debug)]
pub(super) enum Zone {
    /// Its keys are vouched for up to an anchor.
    Secure(Arc<Keys>),
    /// Nobody vouches for it.
    Insecure(Insecurity),
}
