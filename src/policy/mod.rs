//! Who is asking, which lists apply to them, and whether a name is listed: decided on one immutable
//! snapshot.

mod client;
mod difference;
mod prefixes;
mod rules;
mod shadow;
mod snapshot;

pub use client::{Clients, Group, GroupSettings, Standing};
pub use difference::{Difference, differences};
pub use prefixes::Prefixes;
pub use rules::{Action, Basis, FilteringDatabaseEntry, ListRules};
pub use shadow::{Shadow, Trial};
pub use snapshot::{Live, Snapshot, Verdict};
