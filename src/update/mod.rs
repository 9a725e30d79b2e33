//! The list flow: what sources offer is believed, decrypted, read, guarded, tried out, kept, put in
//! force and proven (`flow`), by one keeper for each list (`keeper`), which alone owns how the list
//! stands (`stand`) and what is written of it (`shelf`).
//!
//! A plain file carries no word on where it ends, so it counts as finished when nobody has written
//! to it for the quiet time. It is read twice, once to judge and once to build, and both readings
//! must be of the same content. What comes with papers ends where they say.

mod against;
mod alarm;
mod bundle;
mod decisions;
mod decrypt;
mod disk;
mod flow;
mod front;
mod identities;
mod inspect;
mod join;
mod keeper;
mod listed;
mod load;
mod mailbox;
mod promised;
mod proof;
mod prove;
mod receipts;
mod refreshed;
mod refusal;
mod refused;
mod remember;
mod removal;
mod remove;
mod restore;
mod roster;
mod shelf;
mod sources;
mod stand;
mod start_refusal;
mod state;
mod tell;
mod text;
mod trial;
mod trust;
mod updater;
mod verify;
mod vouch;

pub use bundle::{Bundle, Origin, Way};
pub use decisions::Generation;
pub use identities::Identities;
pub use inspect::{Inspection, inspect};
pub use listed::{ListOrigin, ListSource, PullSettings, Stage, Trust, Unsigned};
pub use prove::Prover;
pub use receipts::{ReceiptKeyFault, receipt_key};
pub use refusal::{Cause, Refusal};
pub use removal::SignedRemoval;
pub use sources::{Sources, Watch, push, transfer};
pub use start_refusal::StartRefusal;
pub use state::{
    LastRefusal, ListAlarm, ListAlarmKind, ListChange, ListOutcome, ListState, TrialState,
};
pub use text::Text;
pub use updater::{NotInForce, Settings, Updater, Which};

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
