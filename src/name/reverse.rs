//! The names under which addresses have names of their own.

use std::net::IpAddr;

use super::Name;

impl Name {
    /// The name of an address in `in-addr.arpa` or `ip6.arpa` (RFC 1035 section 3.5, RFC 3596
    /// section 2.5).
    pub fn reverse_of(address: IpAddr) -> Self {
        let (labels, end): (Vec<String>, &[u8]) = match address {
            IpAddr::V4(address) => (
                address.octets().iter().map(u8::to_string).collect(),
                b"\x07in-addr\x04arpa\0",
            ),
            IpAddr::V6(address) => {
                let octets = address.octets().into_iter();
                let nibbles = octets.flat_map(|octet| [octet >> 4, octet & 0xf]);
                (
                    nibbles.map(|nibble| format!("{nibble:x}")).collect(),
                    b"\x03ip6\x04arpa\0",
                )
            }
        };
        let labels = labels.iter().rev();
        let octets =
            labels.flat_map(|label| std::iter::once(label.len() as u8).chain(label.bytes()));
        Self {
            wire: octets.chain(end.iter().copied()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_in_its_name_from_the_end() {
        for (address, name) in [
            ("192.0.2.10", "10.2.0.192.in-addr.arpa"),
            (
                "2001:db8::a0",
                "0.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            ),
        ] {
            let reverse = Name::reverse_of(address.parse().unwrap());
            assert_eq!(reverse, Name::parse(name).unwrap());
        }
    }
}
