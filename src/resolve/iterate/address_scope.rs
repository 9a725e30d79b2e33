//! Where an address stands, and so whether an authority may stand there.

use std::net::IpAddr;

/// Where an address stands (RFC 6890).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressScope {
    Public,
    Loopback,
    /// Private, link-local, shared, or for documentation.
    Private,
    /// No host has it.
    Nowhere,
}

pub(super) fn place(address: IpAddr) -> AddressScope {
    match address {
        IpAddr::V4(v4) if v4.is_loopback() => AddressScope::Loopback,
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && b & 0xc0 == 64;
            if a == 0 || a >= 224 {
                AddressScope::Nowhere
            } else if v4.is_private() || v4.is_link_local() || v4.is_documentation() || is_shared {
                AddressScope::Private
            } else {
                AddressScope::Public
            }
        }
        IpAddr::V6(v6) if v6.is_loopback() => AddressScope::Loopback,
        IpAddr::V6(v6) => match v6.segments() {
            [0x2001, 0xdb8, ..] => AddressScope::Private,
            [first, ..] if first & 0xe000 == 0x2000 => AddressScope::Public,
            // Unspecified, IPv4 in disguise, multicast.
            [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0xff00..=0xffff, ..] => AddressScope::Nowhere,
            _ => AddressScope::Private,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_stand_on_the_public_internet() {
        for (address, want) in [
            ("198.41.0.4", AddressScope::Public),
            ("2001:503:ba3e::2:30", AddressScope::Public),
            ("127.0.0.1", AddressScope::Loopback),
            ("::1", AddressScope::Loopback),
            ("10.1.2.3", AddressScope::Private),
            ("192.0.2.1", AddressScope::Private),
            ("100.64.0.1", AddressScope::Private),
            ("2001:db8::1", AddressScope::Private),
            ("fe80::1", AddressScope::Private),
            ("0.0.0.0", AddressScope::Nowhere),
            ("255.255.255.255", AddressScope::Nowhere),
            ("::ffff:198.41.0.4", AddressScope::Nowhere),
            ("::", AddressScope::Nowhere),
        ] {
            assert_eq!(place(address.parse().unwrap()), want, "{address}");
        }
    }
}
