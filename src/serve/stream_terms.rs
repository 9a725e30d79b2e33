//! What holds for the connections of TCP and TLS, and may change while they are open.

use std::sync::Arc;
use std::time::Duration;

use super::cookies::Cookies;
use super::guards::Guards;
use super::proxy::Balancers;

/// Limits of all TCP and TLS doors together.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a client may be silent, take for one question, or leave replies unread; it shrinks
    /// when half of all connections are open.
    pub idle: Duration,
    /// How long a stopped door waits for answers that are under way.
    pub drain: Duration,
    /// Connections in all; those beyond are closed at once.
    pub connections: usize,
}

/// What may change while connections are open.
pub(super) struct StreamTerms {
    pub(super) settings: Settings,
    pub(super) cookies: Option<Arc<Cookies>>,
    pub(super) balancers: Arc<Balancers>,
}

impl StreamTerms {
    pub(super) fn new(settings: Settings, guards: &Guards) -> Self {
        Self {
            settings,
            cookies: guards.cookies.clone(),
            balancers: Arc::clone(&guards.balancers),
        }
    }

    /// Without cookies and balancers.
    #[cfg(test)]
    pub(super) fn plain(settings: Settings) -> Self {
        Self {
            settings,
            cookies: None,
            balancers: Arc::default(),
        }
    }
}
