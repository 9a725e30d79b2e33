//! Where an address stands, and so whether an authority may stand there.

use std::net::IpAddr;

/// Where an address stands (RFC 6890).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Public,
    Loopback,
    /// Private, link-local, shared, or for documentation.
    Private,
    /// No host has it.
    Nowhere,
}

pub(super) fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(v4) if v4.is_loopback() => Place::Loopback,
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && b & 0xc0 == 64;
            if a == 0 || a >= 224 {
                Place::Nowhere
            } else if v4.is_private() || v4.is_link_local() || v4.is_documentation() || is_shared {
                Place::Private
            } else {
                Place::Public
            }
        }
        IpAddr::V6(v6) if v6.is_loopback() => Place::Loopback,
        IpAddr::V6(v6) => match v6.segments() {
            [0x2001, 0xdb8, ..] => Place::Private,
            [first, ..] if first & 0xe000 == 0x2000 => Place::Public,
            // Unspecified, IPv4 in disguise, multicast.
            [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0xff00..=0xffff, ..] => Place::Nowhere,
            _ => Place::Private,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_stand_on_the_public_internet() {
        for (address, want) in [
            ("198.41.0.4", Place::Public),
            ("2001:503:ba3e::2:30", Place::Public),
            ("127.0.0.1", Place::Loopback),
            ("::1", Place::Loopback),
            ("10.1.2.3", Place::Private),
            ("192.0.2.1", Place::Private),
            ("100.64.0.1", Place::Private),
            ("2001:db8::1", Place::Private),
            ("fe80::1", Place::Private),
            ("0.0.0.0", Place::Nowhere),
            ("255.255.255.255", Place::Nowhere),
            ("::ffff:198.41.0.4", Place::Nowhere),
            ("::", Place::Nowhere),
        ] {
            assert_eq!(place(address.parse().unwrap()), want, "{address}");
        }
    }
}
