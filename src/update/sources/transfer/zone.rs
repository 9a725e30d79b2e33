//! What is transferred for one list, and from where.

use std::net::SocketAddr;
use std::time::Duration;

use super::intake::Caps;
use super::shared_key::SharedKey;
use crate::list::ListIndex;
use crate::name::Name;

/// One zone.
#[derive(Clone, Debug)]
pub struct SecondaryZone {
    /// The list that it is the source of.
    pub list: ListIndex,
    /// The list's id, for messages and its copy's name.
    pub id: String,
    /// The zone's name.
    pub zone: Name,
    /// Where to ask, in this order.
    pub primaries: Vec<SocketAddr>,
    /// The secret shared with all of them.
    pub key: Option<SharedKey>,
    /// How much a transfer may bring.
    pub caps: Caps,
    /// How long a transfer may take.
    pub time_max: Duration,
}
