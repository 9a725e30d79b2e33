//! Whether clients can be sent here, for those who decide that by asking: a load balancer, anycast,
//! a service manager.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

/// How it stands, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// In one word.
    pub state: ReadinessState,
    /// What is not as it should be, each in words.
    pub why: Vec<String>,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadinessState {
    /// All is well.
    Ready,
    /// Clients are answered as they should be, and somebody must see to something. A list that is
    /// not in force or an old one takes no site down.
    Degraded,
    /// The operator sends clients elsewhere before a stop; they are answered all the same.
    Leaving,
    /// Clients are not answered as they should be.
    Down,
}

impl ReadinessState {
    /// All states, from the best.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Degraded, Self::Leaving, Self::Down];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Leaving => "leaving",
            Self::Down => "down",
        }
    }

    /// May clients be sent here?
    pub const fn takes_clients(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }
}

impl Default for Readiness {
    /// Nothing is wrong that is known.
    fn default() -> Self {
        Self {
            state: ReadinessState::Ready,
            why: Vec::new(),
        }
    }
}

impl Readiness {
    /// On lines of their own: the word, and each reason.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.state.word());
        for why in &self.why {
            text.push_str(why);
            text.push('\n');
        }
        text
    }
}

/// How it stands now.
pub type LiveReadiness = Arc<ArcSwap<Readiness>>;
