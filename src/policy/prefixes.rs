//! Finds what applies to an address: the value of the longest prefix that has it.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

/// Longest-prefix match for both families; an IPv4 address that is mapped into IPv6 counts as IPv4.
#[derive(Clone, Debug)]
pub struct Prefixes<T> {
    v4: PrefixMap<Ipv4Net, T>,
    v6: PrefixMap<Ipv6Net, T>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self {
            v4: PrefixMap::new(),
            v6: PrefixMap::new(),
        }
    }
}

impl<T: Copy> Prefixes<T> {
    /// Let `value` apply to all addresses in `prefix` that no longer prefix has.
    pub fn insert(&mut self, prefix: IpNet, value: T) {
        match prefix.trunc() {
            IpNet::V4(prefix) => drop(self.v4.insert(prefix, value)),
            IpNet::V6(prefix) => drop(self.v6.insert(prefix, value)),
        }
    }

    /// The value of the longest prefix that has the address.
    pub fn find(&self, address: IpAddr) -> Option<T> {
        match address.to_canonical() {
            IpAddr::V4(address) => self
                .v4
                .get_lpm(&Ipv4Net::from(address))
                .map(|(_, value)| *value),
            IpAddr::V6(address) => self
                .v6
                .get_lpm(&Ipv6Net::from(address))
                .map(|(_, value)| *value),
        }
    }
}
