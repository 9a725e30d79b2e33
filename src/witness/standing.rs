//! How it stands with a witness, for status and metrics.

use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;

/// How it stands with one witness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessStanding {
    /// The witness's name: that of its key.
    pub name: String,
    /// How many leaves of the log it has cosigned; none where it has cosigned nothing yet.
    pub size: Option<u64>,
    /// When it cosigned that, by its own clock.
    pub at: Option<UnixSeconds>,
    /// Why there is no cosignature of the last checkpoint, where it was tried.
    pub fault: Option<String>,
    /// Whether that is a refusal, which somebody must see to: the witness was reached, and does
    /// not cosign, or what it says does not hold.
    pub is_refused: bool,
}
