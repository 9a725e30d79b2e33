//! What the way of a question is put together from, for whoever starts it.

use std::sync::Arc;

use super::RenewalSettings;
use crate::answer::blocked::Page;
use crate::answer::local::Local;
use crate::answer::own::SpecialUse;
use crate::cache::{Cache, Lifetimes};
use crate::count::Board;
use crate::policy::{Clients, Live};
use crate::resolve::Resolver;

/// The parts that [`Answering`](super::Answering) is made of.
pub struct Parts {
    /// The lists in force.
    pub live: Arc<Live>,
    /// Who may ask.
    pub clients: Arc<Clients>,
    /// What to answer for each list, in the order of the configuration.
    pub pages: Vec<Page>,
    /// Where to count.
    pub board: Arc<Board>,
    /// Kept answers.
    pub cache: Cache,
    /// How long to keep them.
    pub lifetimes: Lifetimes,
    /// Who answers the special-use names.
    pub special_use: SpecialUse,
    /// Names that the operator has answered here.
    pub local: Local,
    /// The way outside.
    pub resolver: Resolver,
    /// Questions that may wait for an answer from outside; more fail with [`Failure::Crowded`](crate::resolve::Failure).
    pub waiting_max: usize,
    /// How answers are kept alive.
    pub renewal: RenewalSettings,
    /// The largest UDP reply with an answer that has just come from outside, in octets.
    pub udp_octets_max: usize,
}
