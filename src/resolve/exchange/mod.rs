//! One question put to one server, over UDP and where needed over TCP, with every check that keeps
//! forged replies out (RFC 5452).
//!
//! Each UDP try has a connected socket for itself (see [`sockets`]), and with it a source port of
//! the system's choice, an id and a spelling of the name (0x20) from the system's random source.
//! Whatever does not match is ignored while the waiting goes on.

mod sockets;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

pub(super) use self::sockets::Sockets;
use crate::name::Name;

/// Octets in a message header (RFC 1035 section 4.1.1).
pub(super) const HEADER_OCTETS: usize = 12;
/// The largest UDP reply asked for, so that none is fragmented (RFC 9715).
pub(super) const UDP_PAYLOAD_OCTETS: u16 = 1232;
/// Room for servers that send more than was asked for.
const UDP_BUFFER_OCTETS: usize = 4096;
/// So many replies that do not match look like somebody guessing: the question moves to TCP.
const MISMATCHES_MAX: usize = 20;
/// How often a packet goes out once more: where a third of the exchanges is lost, three packets
/// lose one in thirty.
pub(super) const REPEATS_MAX: u32 = 2;
/// The class of all we ask.
pub(super) const CLASS_IN: u16 = 1;

/// A question as it goes out.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    /// The name, lower-case; its letters' case is drawn anew for every try.
    pub(super) name: Name,
    /// The record type's number.
    pub(super) qtype: u16,
    /// RD: set for resolvers, clear for authorities.
    pub(super) recursion_desired: bool,
    /// CD, for resolvers that validate.
    pub(super) checking_disabled: bool,
    /// What the OPT record says, if there is one.
    pub(super) edns: OutgoingEdns,
    /// The case of the name's letters.
    pub(super) spelling: Spelling,
    /// Where it goes out.
    pub(super) local: LocalAddress,
}

/// The case in which a name goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Drawn by lot for every try, and expected back (0x20).
    Drawn,
    /// Lower-case, in whatever case it comes back: for servers that cannot keep a spelling.
    Plain,
}

/// The addresses that questions go out from; the system's choice where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LocalAddress {
    /// For servers with an IPv4 address.
    pub(super) v4: Option<Ipv4Addr>,
    /// For servers with an IPv6 address.
    pub(super) v6: Option<Ipv6Addr>,
}

impl LocalAddress {
    /// The address to bind to before asking `server`; its port is the system's choice.
    fn address_for(self, server: SocketAddr) -> SocketAddr {
        let ip = match server {
            SocketAddr::V4(_) => IpAddr::V4(self.v4.unwrap_or(Ipv4Addr::UNSPECIFIED)),
            SocketAddr::V6(_) => IpAddr::V6(self.v6.unwrap_or(Ipv6Addr::UNSPECIFIED)),
        };
        SocketAddr::new(ip, 0)
    }
}

/// The OPT record of a question; never with a client subnet (RFC 7871).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutgoingEdns {
    /// No OPT record, for servers that cannot read one.
    Leave,
    /// An OPT record with DO set: signatures are wanted. With the largest UDP reply that is asked
    /// for, in octets.
    WantSignatures(u16),
}

/// Why a server gave no reply that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExchangeFault {
    /// Nothing that matches was heard in time.
    Silent,
    /// The network or the server's host said no.
    Broken,
    /// Nothing went out: there is no way to that address from here, as with IPv6 on a host that has
    /// none.
    Unsent,
}

impl From<io::Error> for ExchangeFault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            Self::Silent
        } else {
            Self::Broken
        }
    }
}

/// Ask `server` over UDP, each try at most `wait`, and again over TCP where the reply is cut short
/// or the spelling came back wrong.
///
/// The octets are a reply to this question as far as header and question go, with the name in lower
/// case again; the records are not looked at.
pub(super) async fn ask(
    sockets: &Sockets,
    server: SocketAddr,
    outgoing: &Outgoing,
    wait: Duration,
) -> Result<Vec<u8>, ExchangeFault> {
    match ask_udp(sockets, server, outgoing, Wait::once(wait), || false).await? {
        Heard::Whole(octets) => Ok(octets),
        Heard::Truncated | Heard::Respelled => ask_tcp(server, outgoing, wait).await,
    }
}

/// Ask `server` over TCP alone, within `wait` in all.
pub(super) async fn ask_tcp(
    server: SocketAddr,
    outgoing: &Outgoing,
    wait: Duration,
) -> Result<Vec<u8>, ExchangeFault> {
    let sent = Sent::draw(outgoing)?;
    let exchange = async {
        let mut stream = connect(server, outgoing.local).await?;
        let mut framed = Vec::with_capacity(2 + sent.octets.len());
        framed.extend_from_slice(&(sent.octets.len() as u16).to_be_bytes());
        framed.extend_from_slice(&sent.octets);
        stream.write_all(&framed).await?;
        let length = stream.read_u16().await?;
        let mut octets = vec![0; usize::from(length)];
        stream.read_exact(&mut octets).await?;
        Ok::<_, io::Error>(octets)
    };
    let octets = timeout(wait, exchange)
        .await
        .map_err(|_| ExchangeFault::Silent)??;
    match sent.compare(&octets) {
        Likeness::Same | Likeness::Respelled if !is_truncated(&octets) => Ok(sent.restore(octets)),
        _ => Err(ExchangeFault::Broken),
    }
}

/// A TCP connection to `server`.
pub(super) async fn connect(server: SocketAddr, local: LocalAddress) -> io::Result<TcpStream> {
    let socket = if server.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    if local != LocalAddress::default() {
        socket.bind(local.address_for(server))?;
    }
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What came back over UDP.
pub(super) enum Heard {
    /// A whole reply.
    Whole(Vec<u8>),
    /// One that was cut short: TCP has the rest.
    Truncated,
    /// One in another spelling, or one among too many forgeries: TCP will tell.
    Respelled,
}

/// How long to wait for a reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    /// In all.
    pub(super) whole: Duration,
    /// Before the packet is sent once more, each time.
    pub(super) before_repeat: Duration,
}

impl Wait {
    /// Without a second packet.
    const fn once(whole: Duration) -> Self {
        Self {
            whole,
            before_repeat: whole,
        }
    }
}

/// Ask `server` over UDP alone and wait for `wait`; what does not match is ignored meanwhile.
///
/// When it is time, the same packet goes out once more, and then again, where `may_repeat` says so:
/// those before may be lost.
pub(super) async fn ask_udp(
    sockets: &Sockets,
    server: SocketAddr,
    outgoing: &Outgoing,
    wait: Wait,
    mut may_repeat: impl FnMut() -> bool,
) -> Result<Heard, ExchangeFault> {
    let sent = Sent::draw(outgoing)?;
    let began = Instant::now();
    let lent = sockets
        .send(server, outgoing.local, &sent.octets, began)
        .await
        .map_err(|_| ExchangeFault::Unsent)?;
    let mut octets = Vec::with_capacity(UDP_BUFFER_OCTETS);
    let end = began + wait.whole;
    let (mut until, mut repeats) = (began + wait.before_repeat, 0);
    for mismatches in 0..MISMATCHES_MAX {
        octets.clear();
        loop {
            if let Ok(read) = timeout_at(until.min(end), lent.socket.recv_buf(&mut octets)).await {
                read?;
                break;
            }
            if until >= end {
                return Err(ExchangeFault::Silent);
            }
            if repeats == REPEATS_MAX || !may_repeat() {
                until = end;
                continue;
            }
            lent.socket.send(&sent.octets).await?;
            repeats += 1;
            until += wait.before_repeat;
        }
        let heard = match sent.compare(&octets) {
            Likeness::Same | Likeness::Respelled if is_truncated(&octets) => Heard::Truncated,
            Likeness::Same => Heard::Whole(sent.restore(octets)),
            Likeness::Respelled if outgoing.spelling == Spelling::Plain => {
                Heard::Whole(sent.restore(octets))
            }
            Likeness::Respelled => return Ok(Heard::Respelled),
            Likeness::Other => continue,
        };
        // A port that strangers found is not used again.
        if mismatches == 0 {
            sockets.give_back(server, lent, began);
        }
        return Ok(heard);
    }
    Ok(Heard::Respelled)
}

pub(super) fn is_truncated(octets: &[u8]) -> bool {
    octets.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

/// How a message relates to the question that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It is the reply.
    Same,
    /// It would be, but for the case of the name's letters.
    Respelled,
    /// It is not.
    Other,
}

/// A question's octets as they went out.
pub(super) struct Sent {
    pub(super) octets: Vec<u8>,
    question_end: usize,
}

impl Sent {
    /// Lay out the question with a fresh id and a fresh spelling.
    pub(super) fn draw(outgoing: &Outgoing) -> Result<Self, ExchangeFault> {
        let mut luck = [0u8; 34];
        getrandom::fill(&mut luck).map_err(|_| ExchangeFault::Broken)?;
        let (id, coins) = luck.split_at(2);
        let mut octets = Vec::with_capacity(HEADER_OCTETS + outgoing.name.as_wire().len() + 4 + 11);
        octets.extend_from_slice(id);
        octets.push(u8::from(outgoing.recursion_desired));
        octets.push(if outgoing.checking_disabled { 0x10 } else { 0 });
        let opt_count = u8::from(outgoing.edns != OutgoingEdns::Leave);
        octets.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, opt_count]);
        match outgoing.spelling {
            Spelling::Drawn => spell(outgoing.name.as_wire(), coins, &mut octets),
            Spelling::Plain => octets.extend_from_slice(outgoing.name.as_wire()),
        }
        octets.extend_from_slice(&outgoing.qtype.to_be_bytes());
        octets.extend_from_slice(&CLASS_IN.to_be_bytes());
        let question_end = octets.len();
        if let OutgoingEdns::WantSignatures(octets_max) = outgoing.edns {
            octets.extend_from_slice(&[0, 0, 41]);
            octets.extend_from_slice(&octets_max.to_be_bytes());
            octets.extend_from_slice(&[0, 0, 0x80, 0, 0, 0]);
        }
        Ok(Self {
            octets,
            question_end,
        })
    }

    pub(super) fn compare(&self, reply: &[u8]) -> Likeness {
        let Some(header) = reply.first_chunk::<HEADER_OCTETS>() else {
            return Likeness::Other;
        };
        let [id_high, id_low, flags, rcode, qd_high, qd_low, ..] = *header;
        // QR set and opcode QUERY.
        if !self.octets.starts_with(&[id_high, id_low]) || flags & 0xf8 != 0x80 {
            return Likeness::Other;
        }
        match (qd_high, qd_low) {
            // Servers that could not read the question do not always repeat it.
            (0, 0) if !matches!(rcode & 0x0f, 0 | 3) => Likeness::Same,
            (0, 1) => {
                let sent = self
                    .octets
                    .get(HEADER_OCTETS..self.question_end)
                    .unwrap_or_default();
                match reply.get(HEADER_OCTETS..self.question_end) {
                    Some(got) if got == sent => Likeness::Same,
                    Some(got) if got.eq_ignore_ascii_case(sent) => Likeness::Respelled,
                    _ => Likeness::Other,
                }
            }
            _ => Likeness::Other,
        }
    }

    /// Undo the spelling in the question of a reply, and so in every name that points to it.
    pub(super) fn restore(&self, mut reply: Vec<u8>) -> Vec<u8> {
        let without_question = reply.get(4..6) == Some(&[0, 0]);
        if let Some(name) = reply
            .get_mut(HEADER_OCTETS..self.question_end - 4)
            .filter(|_| !without_question)
        {
            name.make_ascii_lowercase();
        }
        reply
    }
}

/// Append the name with each letter's case as the coins fall.
fn spell(name: &[u8], coins: &[u8], octets: &mut Vec<u8>) {
    for (index, octet) in name.iter().enumerate() {
        let coin = coins.get(index / 8).copied().unwrap_or_default() >> (index % 8) & 1;
        // Length octets are below 64 and so never letters.
        octets.push(if coin == 1 {
            octet.to_ascii_uppercase()
        } else {
            *octet
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing() -> Outgoing {
        Outgoing {
            name: Name::parse("www.some-long-name.example").unwrap(),
            qtype: 1,
            recursion_desired: true,
            checking_disabled: true,
            edns: OutgoingEdns::WantSignatures(UDP_PAYLOAD_OCTETS),
            spelling: Spelling::Drawn,
            local: LocalAddress::default(),
        }
    }

    #[test]
    fn questions_are_laid_out_as_rfc_1035_says() {
        let sent = Sent::draw(&outgoing()).unwrap();
        assert_eq!(sent.octets[2..12], [0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(
            sent.octets[12..sent.question_end - 4].to_ascii_lowercase(),
            outgoing().name.as_wire()
        );
        assert_eq!(
            sent.octets[sent.question_end - 4..],
            [0, 1, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0]
        );
        let again = Sent::draw(&outgoing()).unwrap();
        assert_ne!(sent.octets, again.octets, "id and spelling are drawn anew");
        let plain = Sent::draw(&Outgoing {
            edns: OutgoingEdns::Leave,
            ..outgoing()
        })
        .unwrap();
        assert_eq!(plain.octets.len(), plain.question_end);
    }

    #[tokio::test]
    async fn an_address_without_a_way_to_it_is_known_at_once() {
        // Connecting a UDP socket to a broadcast address is refused by the system (EACCES), as is
        // one without a route (ENETUNREACH).
        let fault = ask(
            &Sockets::default(),
            "255.255.255.255:53".parse().unwrap(),
            &outgoing(),
            Duration::from_secs(5),
        )
        .await;
        assert_eq!(fault, Err(ExchangeFault::Unsent));
    }

    /// A server that loses some packets and answers the next.
    #[tokio::test]
    async fn a_packet_that_was_lost_goes_out_once_more() {
        for (lost, may_repeat, is_answered) in [
            (1, true, true),
            (2, true, true),
            (3, true, false),
            (1, false, false),
        ] {
            let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let at = server.local_addr().unwrap();
            let answering = async {
                let mut octets = [0; 512];
                let (length, _) = server.recv_from(&mut octets).await.unwrap();
                let first = octets[..length].to_vec();
                let mut last = None;
                for _ in 0..lost {
                    let (length, client) = server.recv_from(&mut octets).await.unwrap();
                    assert_eq!(octets[..length], first, "the same id and spelling");
                    last = Some(client);
                }
                octets[2] |= 0x80;
                server
                    .send_to(&octets[..first.len()], last.unwrap())
                    .await
                    .unwrap();
            };
            let (sockets, outgoing) = (Sockets::default(), outgoing());
            let wait = Wait {
                whole: Duration::from_millis(300),
                before_repeat: Duration::from_millis(50),
            };
            let asking = ask_udp(&sockets, at, &outgoing, wait, || may_repeat);
            tokio::select! {
                heard = asking => assert_eq!(heard.is_ok(), is_answered, "{lost} lost"),
                () = async { answering.await; std::future::pending().await } => {}
            }
        }
    }

    #[test]
    fn only_the_reply_to_this_question_is_alike() {
        let sent = Sent::draw(&outgoing()).unwrap();
        let mut reply = sent.octets.clone();
        reply[2] |= 0x80;
        assert_eq!(sent.compare(&reply), Likeness::Same);
        assert_eq!(sent.compare(&sent.octets), Likeness::Other, "QR is clear");
        assert_eq!(sent.compare(&reply[..11]), Likeness::Other);
        assert_eq!(
            sent.compare(&reply[..sent.question_end - 1]),
            Likeness::Other
        );
        for (at, with) in [
            (0, 0xff),
            (2, 0x08),
            (13, 0x01),
            (sent.question_end - 3, 0x10),
        ] {
            let mut other = reply.clone();
            other[at] ^= with;
            assert_eq!(sent.compare(&other), Likeness::Other, "octet {at}");
        }
        let mut respelled = reply.clone();
        respelled[13] ^= 0x20;
        assert_eq!(sent.compare(&respelled), Likeness::Respelled);
        let mut terse = reply[..12].to_vec();
        terse[4..12].fill(0);
        assert_eq!(sent.compare(&terse), Likeness::Other);
        terse[3] |= 1;
        assert_eq!(
            sent.compare(&terse),
            Likeness::Same,
            "FORMERR without the question"
        );
    }
}
