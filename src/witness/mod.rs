//! Witnesses: independent parties that cosign the checkpoints of a log which only grows (C2SP
//! tlog-witness), so that nobody can be shown another log than everybody else.
//!
//! Both sides of the protocol: the witness itself, which a regulator or another provider runs, and
//! the client, which brings a resolver's checkpoints to its witnesses.

mod client;
mod door;
mod exchange;
mod judge;
mod known;
mod standing;
mod state;
mod trees;

pub use client::{Settings, Witnesses};
pub use door::{DoorLimits, open};
pub use judge::{Witness, WitnessAnswer};
pub use known::{KnownLogs, KnownLogsFault};
pub use standing::WitnessStanding;
pub use state::{StateFault, WitnessState};

/// Where a checkpoint is posted to, below a witness's address.
const ADD_CHECKPOINT: &str = "/add-checkpoint";
/// What the size in a refusal is called.
const SIZE_TYPE: &str = "text/x.tlog.size";
