//! What an operator may change of how questions are answered.

use std::sync::Arc;

use super::renewer::Settings as RenewalSettings;
use crate::answer::blocked::Page;
use crate::answer::local::Local;
use crate::answer::special_use::SpecialUse;
use crate::cache::Lifetimes;
use crate::policy::Clients;

/// What an operator may change while questions are answered.
#[derive(Clone)]
pub struct Terms {
    /// Who may ask.
    pub clients: Arc<Clients>,
    /// What to answer for each list, each in its list's place.
    pub pages: Vec<Option<Page>>,
    /// Who answers the special-use names.
    pub special_use: SpecialUse,
    /// Names that the operator has answered here.
    pub local: Local,
    /// The largest UDP reply with an answer that has just come from outside, in octets.
    pub udp_octets_max: usize,
    /// Questions that may wait for an answer from outside; more fail with
    /// [`Failure::Crowded`](crate::resolve::Failure).
    pub waiting_max: usize,
    /// How long answers are kept.
    pub lifetimes: Lifetimes,
    /// How answers are kept alive.
    pub renewal: RenewalSettings,
}
