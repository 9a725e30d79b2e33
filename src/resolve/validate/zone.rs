//! How a zone stands to the anchors.

use std::sync::Arc;

use super::signature::ZoneKeys;
use super::verdict::Insecurity;

/// What is known of a zone; bogus is an error instead, and never kept.
#[derive(Clone, Debug)]
pub(super) enum ZoneTrust {
    /// Its keys are vouched for up to an anchor.
    Secure(Arc<ZoneKeys>),
    /// Nobody vouches for it.
    Insecure(Insecurity),
}
