//! The names at which another zone's word ends: the operator has them answered in a way of his own,
//! or has said by whose keys they are checked, or that they are not (RFC 8198, RFC 7646).

use std::collections::HashSet;

use hickory_proto::rr::Name;

use crate::resolve::convert::label_count;

/// Such names, each with all below it.
pub(super) struct Boundaries {
    names: HashSet<Name>,
}

impl Boundaries {
    pub(super) fn new(names: impl IntoIterator<Item = Name>) -> Self {
        Self {
            names: names.into_iter().map(|name| name.to_lowercase()).collect(),
        }
    }

    /// Does one stand below `zone` and at or above `name`?
    pub(super) fn separate(&self, zone: &Name, name: &Name) -> bool {
        let mut between = label_count(zone) + 1..=label_count(name);
        !self.names.is_empty() && between.any(|labels| self.names.contains(&name.trim_to(labels)))
    }
}
