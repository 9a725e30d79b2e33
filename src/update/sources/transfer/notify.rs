//! Hears from the primaries that a zone changed (NOTIFY, RFC 1996), on a port that is for them
//! alone.
//!
//! The public doors need not know another opcode for it, a firewall can keep everybody else away,
//! and no flood of questions is in front of a message. What is believed is only that it is time to
//! ask: the zone itself is fetched from the configured primary.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::shared_key::SharedKey;
use super::tsig::TsigKey;
use super::tsig_fault;
use crate::clock::{UnixSeconds, wall_s};
use crate::name::Name;
use crate::wire::{HEADER_OCTETS, Message, class, rcode, rtype};

/// The longest message that is read, in octets: a question, an SOA record and a signature.
const OCTETS_MAX: usize = 2048;
/// Connections of primaries at a time.
const CONNECTIONS_MAX: usize = 8;
/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts where the system refuses a message or a connection.
const REST: Duration = Duration::from_millis(100);
/// The header's third octet: opcode NOTIFY, and in a reply QR and AA too.
const OPCODE: u8 = 4 << 3;
const REPLY: u8 = 0x84 | OPCODE;
const RCODE_NOTAUTH: u8 = 9;

/// A zone that primaries speak of.
pub(super) struct Watched {
    pub(super) zone: Name,
    pub(super) primaries: Vec<SocketAddr>,
    pub(super) key: Option<SharedKey>,
    /// Called with the address of the primary that spoke.
    pub(super) heard: Box<dyn Fn(IpAddr) + Send + Sync>,
}

/// The zones that are listened for.
pub(super) type Zones = Arc<[Watched]>;

impl Watched {
    fn knows(&self, from: IpAddr) -> bool {
        self.primaries.iter().any(|primary| primary.ip() == from)
    }
}

/// What a message comes to.
#[derive(Debug, PartialEq, Eq)]
struct NotifyVerdict {
    reply: Vec<u8>,
    /// The place of the zone that is to be asked for.
    zone: Option<usize>,
}

/// Answer messages over UDP until cancelled.
pub(super) async fn serve_udp(socket: UdpSocket, zones: Zones) {
    let mut packet = [0; OCTETS_MAX];
    loop {
        match socket.recv_from(&mut packet).await {
            Ok((octets, from)) => {
                if let Some(reply) =
                    hear(packet.get(..octets).unwrap_or_default(), from.ip(), &zones)
                {
                    // A primary that gets no reply tells us again.
                    let _ = socket.send_to(&reply, from).await;
                }
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

/// Answer messages over TCP until cancelled; only primaries get as far as sending any.
pub(super) async fn serve_tcp(listener: TcpListener, zones: Zones) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let from = from.ip().to_canonical();
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    continue;
                };
                if zones.iter().any(|zone| zone.knows(from)) {
                    let zones = Arc::clone(&zones);
                    tokio::spawn(async move {
                        // Whatever ends the connection, the primary comes again.
                        let _ = timeout(PATIENCE, converse(stream, from, &zones)).await;
                        drop(place);
                    });
                }
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

async fn converse(mut stream: TcpStream, from: IpAddr, zones: &[Watched]) -> std::io::Result<()> {
    loop {
        let length = usize::from(stream.read_u16().await?);
        let mut packet = [0; OCTETS_MAX];
        let Some(packet) = packet.get_mut(..length) else {
            return Ok(());
        };
        stream.read_exact(packet).await?;
        let Some(reply) = hear(packet, from, zones) else {
            return Ok(());
        };
        stream
            .write_all(&[&(reply.len() as u16).to_be_bytes()[..], &reply].concat())
            .await?;
    }
}

fn hear(packet: &[u8], from: IpAddr, zones: &[Watched]) -> Option<Vec<u8>> {
    let from = from.to_canonical();
    let verdict = judge(packet, from, zones, wall_s())?;
    if let Some(watched) = verdict.zone.and_then(|at| zones.get(at)) {
        (watched.heard)(from);
    }
    Some(verdict.reply)
}

/// What to answer, and which zone to ask for; nothing where the sender is no primary or the message
/// no NOTIFY.
fn judge(
    packet: &[u8],
    from: IpAddr,
    zones: &[Watched],
    now: UnixSeconds,
) -> Option<NotifyVerdict> {
    if !zones.iter().any(|zone| zone.knows(from)) {
        return None;
    }
    let (header, body) = packet.split_first_chunk::<HEADER_OCTETS>()?;
    let [id_high, id_low, flags_high, _, 0, 1, ..] = *header else {
        return None;
    };
    if flags_high & 0xf8 != OPCODE {
        return None;
    }
    let zone = Name::from_wire(body).ok()?;
    let question = body.get(..zone.as_wire().len() + 4)?;
    let reply = |code: u8| {
        [
            &[id_high, id_low, REPLY, code, 0, 1, 0, 0, 0, 0, 0, 0][..],
            question,
        ]
        .concat()
    };
    let is_soa = question.ends_with(&[rtype::SOA.to_be_bytes(), class::IN.to_be_bytes()].concat());
    let at = zones
        .iter()
        .position(|watched| watched.zone == zone && watched.knows(from));
    let Some((at, watched)) = at
        .filter(|_| is_soa)
        .and_then(|at| Some((at, zones.get(at)?)))
    else {
        return Some(NotifyVerdict {
            reply: reply(RCODE_NOTAUTH),
            zone: None,
        });
    };
    // The records, if there are any, must be whole: nobody but the key's owner is believed, and
    // nobody's records are used.
    if Message::new(packet)
        .and_then(|message| message.walk(|_| ()))
        .is_err()
    {
        return Some(NotifyVerdict {
            reply: reply(rcode::FORMERR as u8),
            zone: None,
        });
    }
    let Some(key) = &watched.key else {
        return Some(NotifyVerdict {
            reply: reply(0),
            zone: Some(at),
        });
    };
    Some(match key.read() {
        Ok(key) => judge_signed(packet, &key, at, reply, now),
        // We cannot tell who it is; the zone's own timers bring the change.
        Err(_) => NotifyVerdict {
            reply: reply(rcode::SERVFAIL as u8),
            zone: None,
        },
    })
}

/// Hold a message for the zone at `at` against the key that its primaries sign with.
fn judge_signed(
    packet: &[u8],
    key: &TsigKey,
    at: usize,
    reply: impl Fn(u8) -> Vec<u8>,
    now: UnixSeconds,
) -> NotifyVerdict {
    match key.check_question(packet, now) {
        Ok(mac) => {
            let mut reply = reply(0);
            key.sign(&mut reply, Some(&mac), now);
            NotifyVerdict {
                reply,
                zone: Some(at),
            }
        }
        Err(tsig_fault::TsigFault::Unsigned) => NotifyVerdict {
            reply: reply(rcode::REFUSED as u8),
            zone: None,
        },
        Err(fault) => {
            let mut reply = reply(RCODE_NOTAUTH);
            key.append_error(&mut reply, fault.code(), now);
            NotifyVerdict { reply, zone: None }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;
    use crate::update::transfer::message;
    use crate::update::transfer::tsig;
    use crate::update::transfer::tsig::TsigAlgorithm;

    const NOW: UnixSeconds = 1_800_000_000;
    const PRIMARY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn key(secret: &[u8]) -> TsigKey {
        TsigKey::new(
            Name::parse("key.example").unwrap(),
            TsigAlgorithm::Sha384,
            Zeroizing::new(secret.to_vec()),
        )
    }

    const SECRET: &[u8] = b"sixteen octets, or more";

    fn zones() -> Vec<Watched> {
        let zone = |name: &str, key| Watched {
            zone: Name::parse(name).unwrap(),
            primaries: vec!["192.0.2.1:53".parse().unwrap()],
            key,
            heard: Box::new(|_| ()),
        };
        vec![
            zone("open.example", None),
            zone("keyed.example", Some(SharedKey::of(key(SECRET)))),
        ]
    }

    fn notify(zone: &str) -> Vec<u8> {
        let mut packet = message::question(7, &Name::parse(zone).unwrap(), rtype::SOA, None);
        packet[2] = OPCODE | 0x04;
        packet
    }

    fn outcome(packet: &[u8], from: IpAddr) -> Option<(u8, Option<usize>)> {
        judge(packet, from, &zones(), NOW).map(|verdict| (verdict.reply[3], verdict.zone))
    }

    #[test]
    fn a_primary_is_heard_and_nobody_else() {
        let packet = notify("Open.example");
        assert_eq!(outcome(&packet, PRIMARY), Some((0, Some(0))));
        assert_eq!(outcome(&packet, "192.0.2.2".parse().unwrap()), None);
        assert_eq!(outcome(&notify("other.example"), PRIMARY), Some((9, None)));
        let reply = judge(&packet, PRIMARY, &zones(), NOW).unwrap().reply;
        assert_eq!(
            (&reply[..3], &reply[12..]),
            (&[0, 7, 0xa4][..], &packet[12..])
        );
        let mut question = packet.clone();
        question[2] = 0;
        assert_eq!(
            outcome(&question, PRIMARY),
            None,
            "a question is not for this door"
        );
        let mut reply = packet.clone();
        reply[2] |= 0x80;
        assert_eq!(outcome(&reply, PRIMARY), None);
        let mut other_type = packet;
        let end = other_type.len();
        other_type[end - 3] = 1;
        assert_eq!(outcome(&other_type, PRIMARY), Some((9, None)));
    }

    #[test]
    fn a_zone_with_a_key_wants_it() {
        let packet = notify("keyed.example");
        assert_eq!(outcome(&packet, PRIMARY), Some((5, None)));
        let mut signed = packet.clone();
        let mac = key(SECRET).sign(&mut signed, None, NOW);
        let verdict = judge(&signed, PRIMARY, &zones(), NOW).unwrap();
        assert_eq!(verdict.zone, Some(1));
        let secret = key(SECRET);
        assert_eq!(
            tsig::Session::new(&secret, &mac).take(&verdict.reply, NOW),
            Ok(())
        );
        let mut forged = packet;
        key(b"guess").sign(&mut forged, None, NOW);
        assert_eq!(outcome(&forged, PRIMARY), Some((9, None)));
    }

    proptest! {
        #[test]
        fn any_octets_are_borne(mut octets in prop::collection::vec(any::<u8>(), 0..100), is_notify: bool) {
            if is_notify && octets.len() > 6 {
                octets[2..6].copy_from_slice(&[OPCODE, 0, 0, 1]);
            }
            prop_assert!(judge(&octets, PRIMARY, &zones(), NOW).is_none_or(|verdict| verdict.zone.is_none()));
        }
    }
}
