//! What the audit log says: its leaves, and each kind of event as a type of its own, with one
//! canonical text for one meaning.
//!
//! What is written here is read here: the writer refuses what the reader would refuse, so that no
//! log ever holds a leaf that its verifiers cannot read. `docs/audit-format.md` describes all of
//! it.

mod bodies;
mod event;
mod event_kind;
mod form;
mod hour;
mod key_note;
mod leaf;
mod leaf_fault;
mod list_versions;
mod moment;
mod parts;
mod statement;
mod touch;
mod withdrawals;

pub use bodies::{
    ClockLeaf, ClosedLog, ConfigurationChanged, EndedLog, EntriesCommitted, FoundSerial,
    IssueExpired, IssueLive, IssueReceipt, IssueReceived, IssueRefused, IssueVerified, LetPass,
    ListRemoval, MovedLog, ProbeResult, RemovalOver, RolledBack, RunStart, TrialBegun, TrialOver,
    Until, Withdrawal,
};
pub use event::EventLeaf;
pub use event_kind::EventKind;
pub use form::{
    HOUR_LEAF_VERSION, LEAF_OCTETS_MAX, LEAF_VERSION, NUMBER_MAX, SALT_DIGITS, SALTED_LEAF_VERSION,
};
pub use hour::{HOUR_KIND, HourLeaf};
pub use key_note::{LogKeyNote, believed_key_notes, recovery_name};
pub use leaf::Leaf;
pub use leaf_fault::LeafFault;
pub use list_versions::ListVersions;
pub use moment::Moment;
pub use parts::{Blocked, Carried, Ended, LeafGap, LeafSpan};
pub use statement::Statement;
pub use touch::Touch;
pub use withdrawals::Withdrawals;

#[cfg(test)]
mod tests;
