//! What an operator says about a list: whose it is, on what ground it applies, and what a blocked
//! client is told.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::list::manifest::{ListAction, ManifestBasis};

/// The papers and the action of one list; fixed while the process runs.
#[derive(Clone, Debug)]
pub struct ListRules {
    /// Names the list in reports and metrics.
    pub id: String,
    /// Who made it; told to the client.
    pub authority: String,
    /// The law, order or policy it rests on; printed in reports.
    pub legal_basis: String,
    /// What kind of ground that is.
    pub basis: Basis,
    /// Where to complain, as "tel:" and "mailto:" addresses; told to clients that can read it, if
    /// there is one.
    pub contact: Vec<String>,
    /// Where the list's blocking is on public record; told to clients that can read it.
    pub filtering_databases: Vec<FilteringDatabaseEntry>,
    /// The language of authority and legal basis (BCP 47).
    pub language: String,
    /// What a blocked client is answered.
    pub action: Action,
    /// How long a client may keep the blocked answer, in seconds.
    pub ttl_s: u32,
}

/// An entry of a public database of filtering incidents (draft-ietf-dnsop-filtering-transparency
/// section 2.1): one for the whole list, never for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilteringDatabaseEntry {
    /// Who keeps the database, as IANA's registry calls them.
    pub db: String,
    /// The incident, as the database calls it.
    pub id: String,
}

/// The kind of ground a list rests on; chooses the extended error (RFC 8914).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// A law or an order: Censored.
    Law,
    /// The provider's own policy: Blocked.
    Provider,
    /// The subscriber asked for it: Filtered.
    Subscriber,
}

impl Basis {
    /// The same as a manifest says it.
    pub const fn in_manifest(self) -> ManifestBasis {
        match self {
            Self::Law => ManifestBasis::Law,
            Self::Provider => ManifestBasis::Provider,
            Self::Subscriber => ManifestBasis::Subscriber,
        }
    }
}

/// What a blocked client is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The stop page's addresses for A and AAAA, no data for every other type.
    StopPage {
        /// Answers to A; none means no data.
        v4: Vec<Ipv4Addr>,
        /// Answers to AAAA; none means no data.
        v6: Vec<Ipv6Addr>,
    },
    /// The name does not exist, for every type.
    NxDomain,
}

impl Action {
    /// The same as a manifest says it, without the addresses.
    pub const fn in_manifest(&self) -> ListAction {
        match self {
            Self::StopPage { .. } => ListAction::StopPage,
            Self::NxDomain => ListAction::NxDomain,
        }
    }
}
