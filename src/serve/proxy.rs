//! Balancers in front of us: the PROXY header, version 2, tells for whom a packet or a connection
//! really comes.
//!
//! Believed only from networks that the operator names, and there it must stand: whatever comes
//! without it, or with a broken one, is dropped, so that nobody can pass for somebody else (the
//! PROXY protocol, HAProxy Technologies 2020, sections 2.2 and 5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const HEAD_OCTETS: usize = 16;
/// The longest header that is read over a stream: addresses and some more that balancers like to
/// tell.
const REST_OCTETS_MAX: usize = 2048;

/// The networks of the balancers; nobody's mostly.
#[derive(Clone, Debug, Default)]
pub struct Balancers {
    networks: Vec<IpNet>,
}

/// What a header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// The client; nobody where the balancer speaks for itself, as to see whether we live.
    client: Option<IpAddr>,
    /// Its octets.
    octets: usize,
}

impl Balancers {
    /// With these networks.
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self { networks }
    }

    /// Is there none?
    pub const fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Is this a balancer?
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// The question in a datagram and who asks it; nothing where a balancer's header is broken.
    pub fn unwrap<'p>(&self, datagram: &'p [u8], from: IpAddr) -> Option<(&'p [u8], IpAddr)> {
        if self.is_empty() || !self.has(from) {
            return Some((datagram, from));
        }
        let header = read(datagram)?;
        Some((
            datagram.get(header.octets..)?,
            header.client.unwrap_or(from),
        ))
    }
}

/// Read the header in front of a balancer's stream; nothing where it is broken or takes too long.
pub(super) async fn introduce(
    stream: &mut (impl AsyncRead + Unpin),
    from: IpAddr,
    patience: Duration,
) -> Option<IpAddr> {
    let reading = async {
        let mut octets = vec![0; HEAD_OCTETS];
        stream.read_exact(&mut octets).await.ok()?;
        let length = rest_octets(&octets).filter(|length| *length <= REST_OCTETS_MAX)?;
        octets.resize(HEAD_OCTETS + length, 0);
        stream
            .read_exact(octets.get_mut(HEAD_OCTETS..)?)
            .await
            .ok()?;
        Some(read(&octets)?.client.unwrap_or(from))
    };
    timeout(patience, reading).await.ok().flatten()
}

/// The length behind the fixed part, if that is right so far.
fn rest_octets(octets: &[u8]) -> Option<usize> {
    let [_, _, length_high, length_low] = *octets.strip_prefix(SIGNATURE)?.first_chunk::<4>()?;
    Some(usize::from(u16::from_be_bytes([length_high, length_low])))
}

fn read(octets: &[u8]) -> Option<Header> {
    let length = rest_octets(octets)?;
    let (head, rest) = octets.split_at_checked(HEAD_OCTETS)?;
    let rest = rest.get(..length)?;
    let client = match (head.get(12)?, head.get(13)?) {
        // LOCAL: the balancer itself, whatever else it says.
        (0x20, _) => None,
        // PROXY, over TCP or UDP.
        (0x21, 0x11 | 0x12) => {
            rest.get(..12)?;
            Some(Ipv4Addr::from(*rest.first_chunk::<4>()?).into())
        }
        (0x21, 0x21 | 0x22) => {
            rest.get(..36)?;
            Some(Ipv6Addr::from(*rest.first_chunk::<16>()?).to_canonical())
        }
        _ => return None,
    };
    Some(Header {
        client,
        octets: HEAD_OCTETS + length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        [
            &SIGNATURE[..],
            &[command, family],
            &(rest.len() as u16).to_be_bytes(),
            rest,
        ]
        .concat()
    }

    const V4: &[u8] = &[192, 0, 2, 7, 192, 0, 2, 53, 0x30, 0x39, 0, 53];

    fn balancers() -> Balancers {
        Balancers::new(vec!["127.0.9.0/24".parse().unwrap()])
    }

    #[test]
    fn the_client_is_the_one_in_the_header() {
        let (balancer, other) = ("127.0.9.1".parse().unwrap(), "127.0.8.1".parse().unwrap());
        let unwrap = |octets: &[u8], from| {
            balancers()
                .unwrap(octets, from)
                .map(|(rest, client)| (rest.to_vec(), client.to_string()))
        };
        let told = |rest: &[u8], client: &str| Some((rest.to_vec(), client.to_owned()));
        let datagram = |header: Vec<u8>| [&header[..], b"dns"].concat();
        assert_eq!(
            unwrap(&datagram(header(0x21, 0x12, V4)), balancer),
            told(b"dns", "192.0.2.7")
        );
        assert_eq!(
            unwrap(
                &datagram(header(0x21, 0x11, &[V4, &[4, 0, 1, 9]].concat())),
                balancer
            ),
            told(b"dns", "192.0.2.7")
        );
        let v6 = [&Ipv6Addr::LOCALHOST.octets()[..], &[0; 20]].concat();
        assert_eq!(
            unwrap(&datagram(header(0x21, 0x22, &v6)), balancer),
            told(b"dns", "::1")
        );
        assert_eq!(
            unwrap(&datagram(header(0x20, 0, b"")), balancer),
            told(b"dns", "127.0.9.1")
        );
        assert_eq!(unwrap(b"dns", other), told(b"dns", "127.0.8.1"));
        let forged = datagram(header(0x21, 0x12, V4));
        assert_eq!(
            unwrap(&forged, other),
            told(&forged, "127.0.8.1"),
            "a header from anybody else is no header"
        );
    }

    #[test]
    fn broken_headers_are_dropped() {
        let balancer = "127.0.9.1".parse().unwrap();
        let whole = header(0x21, 0x12, V4);
        for end in 0..whole.len() {
            assert_eq!(
                balancers().unwrap(&whole[..end], balancer),
                None,
                "cut at {end}"
            );
        }
        for (command, family, rest) in [
            (0x11, 0x12, V4),
            (0x22, 0x12, V4),
            (0x21, 0x00, V4),
            (0x21, 0x31, V4),
            (0x21, 0x12, &V4[1..]),
            (0x21, 0x22, V4),
        ] {
            assert_eq!(
                balancers().unwrap(&header(command, family, rest), balancer),
                None,
                "{command:x} {family:x}"
            );
        }
        assert_eq!(
            balancers().unwrap(b"dns without a header at all", balancer),
            None
        );
    }

    #[tokio::test]
    async fn a_stream_is_introduced_once_and_in_time() {
        let from = "127.0.9.1".parse().unwrap();
        let whole = [&header(0x21, 0x11, V4)[..], b"dns"].concat();
        let mut stream = &whole[..];
        assert_eq!(
            introduce(&mut stream, from, Duration::from_secs(5))
                .await
                .unwrap()
                .to_string(),
            "192.0.2.7"
        );
        assert_eq!(stream, b"dns");
        assert_eq!(
            introduce(&mut &whole[..20], from, Duration::from_secs(5)).await,
            None
        );
        let (_open, mut silent) = tokio::io::duplex(100);
        assert_eq!(
            introduce(&mut silent, from, Duration::from_millis(20)).await,
            None
        );
        let long = header(0x21, 0x11, &[0; REST_OCTETS_MAX + 1]);
        assert_eq!(
            introduce(&mut &long[..], from, Duration::from_secs(5)).await,
            None
        );
    }
}
