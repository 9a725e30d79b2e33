//! What one client may have of what all share: everywhere, on loopback, and in the networks that
//! the operator named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::policy::Prefixes;

/// What one client may have; none is as much as there is for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// UDP replies a second to an IPv4 /24 or an IPv6 /56.
    pub udp_replies_per_s: Option<NonZeroU32>,
    /// Open connections from an IPv4 address or an IPv6 /56.
    pub connections: Option<usize>,
    /// Questions of an IPv4 address or an IPv6 /56 that wait for an answer from outside.
    pub waiting: Option<usize>,
}

impl ClientLimits {
    /// As much as there is of everything.
    pub const EXEMPT: Self = Self {
        udp_replies_per_s: None,
        connections: None,
        waiting: None,
    };
}

/// What the clients in some networks may have, each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Where they are.
    pub networks: Vec<IpNet>,
    /// What each may have.
    pub limits: ClientLimits,
}

/// Finds what a client may have: the longest prefix that has its address decides. Fixed: another
/// one takes its place.
#[derive(Debug)]
pub struct ClientLimitTable {
    everywhere: Allowance,
    networks: Prefixes<Allowance>,
    limits_replies: bool,
}

/// How many places there are for all, and for each client.
pub(super) struct Places {
    pub(super) max: usize,
    pub(super) limits: Arc<ClientLimitTable>,
}

/// The limits of a client and the entry that they come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    entry: u16,
    pub(super) limits: ClientLimits,
    /// Microseconds from one allowed UDP reply to the next.
    pub(super) reply_step_us: Option<u64>,
}

/// All that is counted together. Clients under another entry are others: whoever is exempt takes
/// nothing from the neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CountedNetwork {
    prefix: u64,
    entry: u16,
}

impl ClientLimitTable {
    /// Clients have the limits of their network; those of none on loopback, whose addresses nobody
    /// else can use, have none, and all others have those of `everywhere`.
    pub fn new(everywhere: ClientLimits, networks: &[NetworkLimits]) -> Self {
        let all = networks.iter().map(|network| network.limits);
        let mut all = all.chain([everywhere]);
        let mut table = Self {
            limits_replies: all.any(|limits| limits.udp_replies_per_s.is_some()),
            everywhere: Allowance::new(0, everywhere),
            networks: Prefixes::default(),
        };
        let exempt = Allowance::new(1, ClientLimits::EXEMPT);
        let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        table
            .networks
            .insert(Ipv4Net::new_assert(v4, 8).into(), exempt);
        table.networks.insert(Ipv6Net::from(v6).into(), exempt);
        for (entry, network) in (2..).zip(networks) {
            let allowance = Allowance::new(entry, network.limits);
            for prefix in &network.networks {
                table.networks.insert(*prefix, allowance);
            }
        }
        table
    }

    /// Is there anybody whose UDP replies are limited?
    pub(super) const fn limits_replies(&self) -> bool {
        self.limits_replies
    }

    /// What the client at `address` may have.
    pub(super) fn find(&self, address: IpAddr) -> Allowance {
        self.networks.find(address).unwrap_or(self.everywhere)
    }
}

impl Allowance {
    fn new(entry: u16, limits: ClientLimits) -> Self {
        let step_us = |replies: NonZeroU32| (1_000_000 / u64::from(replies.get())).max(1);
        Self {
            entry,
            limits,
            reply_step_us: limits.udp_replies_per_s.map(step_us),
        }
    }

    /// Whose UDP replies are counted with those to `address`: its /24 or /56.
    pub(super) fn replies_to(&self, address: IpAddr) -> CountedNetwork {
        self.counted(address, 24)
    }

    /// Whose connections and waiting questions are counted with those of `address`: its own, or
    /// those of its /56, for a household has a /56 (RIPE-690 section 4.2) and takes of it as many
    /// /64s as it likes.
    pub(super) fn places_of(&self, address: IpAddr) -> CountedNetwork {
        self.counted(address, 32)
    }

    /// IPv4, also mapped, is cut to `v4_bits`, IPv6 to 56. IPv4 takes numbers that belong to ::/32
    /// in IPv6, where no client lives.
    fn counted(&self, address: IpAddr, v4_bits: u32) -> CountedNetwork {
        let prefix = match address.to_canonical() {
            IpAddr::V4(address) => u64::from(address.to_bits()) >> (32 - v4_bits) << (32 - v4_bits),
            IpAddr::V6(address) => (address.to_bits() >> 72 << 8) as u64,
        };
        CountedNetwork {
            prefix,
            entry: self.entry,
        }
    }
}

#[cfg(test)]
pub(super) mod samples {
    use std::sync::Arc;

    use super::{ClientLimitTable, ClientLimits, NetworkLimits};

    /// The same limits everywhere, also on loopback.
    pub(in crate::serve) fn everywhere(limits: ClientLimits) -> Arc<ClientLimitTable> {
        let loopback = NetworkLimits {
            networks: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
            limits,
        };
        Arc::new(ClientLimitTable::new(limits, &[loopback]))
    }

    /// Two connections for each client.
    pub(in crate::serve) fn two_connections() -> Arc<ClientLimitTable> {
        everywhere(ClientLimits {
            connections: Some(2),
            ..ClientLimits::EXEMPT
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(count: usize) -> ClientLimits {
        ClientLimits {
            connections: Some(count),
            ..ClientLimits::EXEMPT
        }
    }

    fn network(prefixes: &[&str], limits: ClientLimits) -> NetworkLimits {
        let networks = prefixes.iter().map(|text| text.parse().unwrap());
        NetworkLimits {
            networks: networks.collect(),
            limits,
        }
    }

    #[test]
    fn the_longest_prefix_decides_and_loopback_is_exempt() {
        let networks = [
            network(&["10.0.0.0/8", "2001:db8::/32"], connections(8)),
            network(&["10.1.0.0/16", "2001:db8:0:1::/64"], ClientLimits::EXEMPT),
            network(&["10.1.2.3/32", "::/0", "0.0.0.0/0"], connections(3)),
        ];
        let table = ClientLimitTable::new(connections(1), &networks);
        let of = |address: &str| table.find(address.parse().unwrap()).limits.connections;
        for (address, expected) in [
            ("10.9.9.9", Some(8)),
            ("::ffff:10.1.9.9", None),
            ("10.1.2.3", Some(3)),
            ("192.0.2.1", Some(3)),
            ("2001:db8:9::1", Some(8)),
            ("2001:db8:0:1::1", None),
            ("2001:db9::1", Some(3)),
            ("127.0.0.1", None),
            ("127.255.255.255", None),
            ("::ffff:127.0.0.1", None),
            ("::1", None),
            ("::2", Some(3)),
        ] {
            assert_eq!(of(address), expected, "{address}");
        }
        let plain = ClientLimitTable::new(connections(1), &[]);
        assert_eq!(
            plain.find("192.0.2.1".parse().unwrap()).limits,
            connections(1)
        );
        let loopback = network(&["127.0.0.0/8"], connections(7));
        let limited = ClientLimitTable::new(connections(1), &[loopback]);
        let of = |address: &str| limited.find(address.parse().unwrap()).limits.connections;
        assert_eq!((of("127.0.0.1"), of("::1")), (Some(7), None));
    }
}
