//! One question put to one server, over UDP and where needed over TCP, with every check that keeps
//! forged replies out (RFC 5452).
//!
//! Each UDP try has a connected socket for itself (see [`sockets`]), and with it a source port of
//! the system's choice, an id and a spelling of the name (0x20) from the system's random source.
//! Whatever does not match is ignored while the waiting goes on.

mod fault;
mod outgoing;
mod sockets;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

pub(super) use self::fault::ExchangeFault;
pub(super) use self::outgoing::{
    CLASS_IN, HEADER_OCTETS, Likeness, LocalAddress, Outgoing, OutgoingEdns, Sent, Spelling,
    UDP_PAYLOAD_OCTETS, is_truncated,
};
use self::sockets::Lent;
pub(super) use self::sockets::Sockets;
use super::trace::{TcpReason, Transport};

/// Room for servers that send more than was asked for.
const UDP_BUFFER_OCTETS: usize = 4096;
/// So many replies that do not match look like somebody guessing: the question moves to TCP.
const MISMATCHES_MAX: usize = 20;
/// How often a packet goes out once more: where a third of the exchanges is lost, three packets
/// lose one in thirty.
pub(super) const REPEATS_MAX: u32 = 2;

/// Ask `server` over UDP, each try at most `wait`, and again over TCP where the reply is cut short,
/// the spelling came back wrong, or somebody else seems to answer.
///
/// The octets are a reply to this question as far as header and question go, with the name in lower
/// case again; the records are not looked at.
pub(super) async fn ask(
    sockets: &Sockets,
    server: SocketAddr,
    outgoing: &Outgoing,
    wait: Duration,
) -> Result<Vec<u8>, ExchangeFault> {
    let plain = outgoing.in_lower_case();
    let over_tcp = async || Ok(ask_tcp(server, &plain, wait).await?.octets);
    match ask_udp(sockets, server, outgoing, Wait::once(wait), || false).await? {
        Heard::Whole(octets) => Ok(octets),
        Heard::Truncated => {
            outgoing.note_tcp(TcpReason::Truncated);
            over_tcp().await
        }
        Heard::Respelled => {
            outgoing.note_tcp(TcpReason::Respelled);
            over_tcp().await
        }
        Heard::NearMiss(listening) => {
            outgoing.note_tcp(TcpReason::NearMiss);
            match over_tcp().await {
                Ok(octets) => Ok(octets),
                Err(_) => listening.go_on().await,
            }
        }
    }
}

/// What came first of UDP and TCP.
pub(super) enum First {
    /// The whole reply over UDP.
    Udp(Vec<u8>),
    /// The reply over TCP, while UDP was silent or refused.
    TcpAlone(Vec<u8>),
    /// The reply over TCP, after something came over UDP: UDP gets through.
    TcpToo(Vec<u8>),
    /// The whole reply over UDP, after something that almost matched, and nothing over TCP.
    UdpLate(Vec<u8>),
}

/// Ask over UDP and TCP at once, each with its time, for servers that UDP may not get through to:
/// what comes first counts. Where something over UDP almost matches, TCP has the word; if it says
/// nothing, who was listened to over UDP is listened to further, as in [`ask`].
pub(super) async fn ask_both(
    udp: impl Future<Output = Result<Heard<'_>, ExchangeFault>>,
    tcp: impl Future<Output = Result<Vec<u8>, ExchangeFault>>,
) -> Result<First, ExchangeFault> {
    let (mut udp, mut tcp) = (pin!(udp), pin!(tcp));
    let (mut over_udp, mut over_tcp) = (None, None);
    let (mut is_udp_heard, mut near_miss) = (false, None);
    loop {
        tokio::select! {
            heard = &mut udp, if over_udp.is_none() => match heard {
                Ok(Heard::Whole(octets)) => return Ok(First::Udp(octets)),
                // TCP will tell.
                Ok(heard) => {
                    is_udp_heard = true;
                    over_udp = Some(ExchangeFault::Broken);
                    if let Heard::NearMiss(listening) = heard {
                        near_miss = Some(listening);
                    }
                }
                Err(fault) => over_udp = Some(fault),
            },
            octets = &mut tcp, if over_tcp.is_none() => match octets {
                Ok(octets) if is_udp_heard => return Ok(First::TcpToo(octets)),
                Ok(octets) => return Ok(First::TcpAlone(octets)),
                Err(fault) => over_tcp = Some(fault),
            },
            else => break,
        }
    }
    match near_miss {
        Some(listening) => listening.go_on().await.map(First::UdpLate),
        None => Err(over_udp.or(over_tcp).unwrap_or(ExchangeFault::Silent)),
    }
}

/// A reply over TCP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TcpReply {
    pub(super) octets: Vec<u8>,
    /// The name came back in another spelling than it went out in, and no stranger had a hand in
    /// it.
    pub(super) is_respelled: bool,
}

/// Ask `server` over TCP alone, within `wait` in all.
pub(super) async fn ask_tcp(
    server: SocketAddr,
    outgoing: &Outgoing,
    wait: Duration,
) -> Result<TcpReply, ExchangeFault> {
    let sent = Sent::draw(outgoing)?;
    let exchange = async {
        let mut stream = connect(server, outgoing.local).await?;
        let mut framed = Vec::with_capacity(2 + sent.octets.len());
        framed.extend_from_slice(&(sent.octets.len() as u16).to_be_bytes());
        framed.extend_from_slice(&sent.octets);
        stream.write_all(&framed).await?;
        outgoing.note_sent(Transport::Tcp);
        let length = stream.read_u16().await?;
        let mut octets = vec![0; usize::from(length)];
        stream.read_exact(&mut octets).await?;
        Ok::<_, io::Error>(octets)
    };
    let octets = timeout(wait, exchange)
        .await
        .map_err(|_| ExchangeFault::Silent)??;
    match sent.compare(&octets) {
        likeness @ (Likeness::Same | Likeness::Respelled) if !is_truncated(&octets) => {
            Ok(TcpReply {
                octets: sent.restore(octets),
                is_respelled: likeness == Likeness::Respelled,
            })
        }
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
pub(super) enum Heard<'a> {
    /// A whole reply.
    Whole(Vec<u8>),
    /// One that was cut short: TCP has the rest.
    Truncated,
    /// One in another spelling: TCP will tell whose.
    Respelled,
    /// One with another id or another question, or much that is no reply at all, as of somebody who
    /// guesses: TCP will tell, and where there is none, who was listened to may be listened to
    /// further.
    NearMiss(Box<Listening<'a>>),
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
    pub(super) const fn once(whole: Duration) -> Self {
        Self {
            whole,
            before_repeat: whole,
        }
    }
}

/// Ask `server` over UDP alone and wait for `wait`; what has nothing to do with the question is
/// ignored meanwhile.
///
/// When it is time, the same packet goes out once more, and then again, where `may_repeat` says so:
/// those before may be lost.
pub(super) async fn ask_udp<'a>(
    sockets: &'a Sockets,
    server: SocketAddr,
    outgoing: &Outgoing,
    wait: Wait,
    mut may_repeat: impl FnMut() -> bool,
) -> Result<Heard<'a>, ExchangeFault> {
    let sent = Sent::draw(outgoing)?;
    let began = Instant::now();
    let lent = sockets
        .send(server, outgoing.local, &sent.octets, began)
        .await
        .map_err(|_| ExchangeFault::Unsent)?;
    outgoing.note_sent(Transport::Udp);
    let mut listening = Listening {
        sockets,
        server,
        spelling: outgoing.spelling,
        sent,
        lent,
        began,
        end: began + wait.whole,
        octets: Vec::with_capacity(UDP_BUFFER_OCTETS),
        mismatches: 0,
    };
    let (mut until, mut repeats) = (began + wait.before_repeat, 0);
    while listening.mismatches < MISMATCHES_MAX {
        if !listening.receive(until).await? {
            if until >= listening.end {
                return Err(ExchangeFault::Silent);
            }
            if repeats == REPEATS_MAX || !may_repeat() {
                until = listening.end;
                continue;
            }
            listening.lent.socket.send(&listening.sent.octets).await?;
            outgoing.note_sent(Transport::Udp);
            repeats += 1;
            until += wait.before_repeat;
            continue;
        }
        match listening.sent.compare(&listening.octets) {
            Likeness::Near => {
                listening.mismatches += 1;
                return Ok(Heard::NearMiss(Box::new(listening)));
            }
            Likeness::Other => listening.mismatches += 1,
            likeness => return Ok(listening.take(likeness)),
        }
    }
    Ok(Heard::NearMiss(Box::new(listening)))
}

/// A socket with a question under way.
pub(super) struct Listening<'a> {
    sockets: &'a Sockets,
    server: SocketAddr,
    spelling: Spelling,
    sent: Sent,
    lent: Lent,
    began: Instant,
    end: Instant,
    /// What came last.
    octets: Vec<u8>,
    /// How much came that is no reply.
    mismatches: usize,
}

impl<'a> Listening<'a> {
    /// Wait for the next packet until then, or the end; was there one?
    async fn receive(&mut self, until: Instant) -> Result<bool, ExchangeFault> {
        self.octets.clear();
        let received = self.lent.socket.recv_buf(&mut self.octets);
        match timeout_at(until.min(self.end), received).await {
            Ok(read) => Ok(read.map(|_| true)?),
            Err(_) => Ok(false),
        }
    }

    /// Make something of the reply that came; the socket may serve again, but not where strangers
    /// found its port.
    fn take(mut self, likeness: Likeness) -> Heard<'a> {
        let octets = std::mem::take(&mut self.octets);
        let is_whole = likeness == Likeness::Same || self.spelling == Spelling::Plain;
        if is_truncated(&octets) || is_whole {
            let heard = if is_truncated(&octets) {
                Heard::Truncated
            } else {
                Heard::Whole(self.sent.restore(octets))
            };
            if self.mismatches == 0 {
                self.sockets.give_back(self.server, self.lent, self.began);
            }
            return heard;
        }
        Heard::Respelled
    }

    /// Listen to the end, past whatever else does not match.
    pub(super) async fn go_on(mut self) -> Result<Vec<u8>, ExchangeFault> {
        while self.mismatches < MISMATCHES_MAX && self.receive(self.end).await? {
            let likeness = self.sent.compare(&self.octets);
            match likeness {
                Likeness::Near | Likeness::Other => self.mismatches += 1,
                likeness => {
                    return match self.take(likeness) {
                        Heard::Whole(octets) => Ok(octets),
                        _ => Err(ExchangeFault::Broken),
                    };
                }
            }
        }
        Err(ExchangeFault::Broken)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, UdpSocket};

    use super::outgoing::outgoing;
    use super::*;

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
            let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
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
    #[tokio::test]
    async fn a_flood_of_rubbish_is_somebody_who_guesses() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = server.local_addr().unwrap();
        let flooding = async {
            let mut octets = [0; 512];
            let (_, client) = server.recv_from(&mut octets).await.unwrap();
            for _ in 0..MISMATCHES_MAX {
                server.send_to(b"rubbish", client).await.unwrap();
            }
            std::future::pending().await
        };
        let (sockets, outgoing) = (Sockets::default(), outgoing());
        let wait = Wait::once(Duration::from_secs(5));
        tokio::select! {
            heard = ask_udp(&sockets, at, &outgoing, wait, || false) => {
                assert!(matches!(heard, Ok(Heard::NearMiss(_))), "not of another spelling");
            }
            () = flooding => {}
        }
    }

    /// What a server says over UDP and then over TCP, and what is learnt of UDP from that.
    #[tokio::test]
    async fn tcp_is_alone_only_where_udp_is_silent_or_refused() {
        #[derive(Clone, Copy, Debug)]
        enum OverUdp {
            Silent,
            Refused,
            Truncated,
            Respelled,
            WrongId,
        }
        for (act, is_alone) in [
            (OverUdp::Silent, true),
            (OverUdp::Refused, true),
            (OverUdp::Truncated, false),
            (OverUdp::Respelled, false),
            (OverUdp::WrongId, false),
        ] {
            let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let at = server.local_addr().unwrap();
            let (said, told) = tokio::sync::oneshot::channel();
            let answering = async {
                if let OverUdp::Refused = act {
                    drop(server);
                    std::future::pending::<()>().await;
                    return;
                }
                let mut octets = [0; 512];
                let (length, client) = server.recv_from(&mut octets).await.unwrap();
                octets[2] |= 0x80;
                match act {
                    OverUdp::Truncated => octets[2] |= 0x02,
                    OverUdp::Respelled => octets[13] ^= 0x20,
                    OverUdp::WrongId => octets[0] ^= 1,
                    OverUdp::Silent | OverUdp::Refused => return std::future::pending().await,
                }
                server.send_to(&octets[..length], client).await.unwrap();
                std::future::pending().await
            };
            let (sockets, outgoing) = (Sockets::default(), outgoing());
            let udp = async {
                let heard = ask_udp(
                    &sockets,
                    at,
                    &outgoing,
                    Wait::once(Duration::from_millis(100)),
                    || false,
                )
                .await;
                let _ = said.send(());
                heard
            };
            let tcp = async {
                let _ = told.await;
                tokio::task::yield_now().await;
                Ok(Vec::new())
            };
            let first = tokio::select! {
                first = ask_both(udp, tcp) => first.unwrap(),
                () = answering => continue,
            };
            assert_eq!(matches!(first, First::TcpAlone(_)), is_alone, "{act:?}");
        }
    }

    /// Somebody guesses, the server answers afterwards, and there is no TCP, or TCP answers too.
    #[tokio::test]
    async fn a_true_reply_behind_a_guess_is_heard_where_tcp_is_none() {
        for (spoil_at, is_tcp_there) in [(0, false), (13, false), (0, true)] {
            let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let at = server.local_addr().unwrap();
            let (said, told) = tokio::sync::oneshot::channel();
            let answering = async {
                let mut octets = [0; 512];
                let (length, client) = server.recv_from(&mut octets).await.unwrap();
                octets[2] |= 0x80;
                let mut guess = octets;
                guess[spoil_at] ^= 1;
                server.send_to(&guess[..length], client).await.unwrap();
                server.send_to(&octets[..length], client).await.unwrap();
                std::future::pending().await
            };
            let (sockets, outgoing) = (Sockets::default(), outgoing());
            let wait = Wait::once(Duration::from_secs(30));
            let udp = async {
                let heard = ask_udp(&sockets, at, &outgoing, wait, || false).await;
                let _ = said.send(());
                heard
            };
            let tcp = async {
                let _ = told.await;
                if is_tcp_there {
                    Ok(b"over TCP".to_vec())
                } else {
                    Err(ExchangeFault::Broken)
                }
            };
            let first = tokio::select! {
                first = ask_both(udp, tcp) => first,
                () = answering => continue,
            };
            match first {
                Ok(First::UdpLate(octets)) => {
                    assert!(!is_tcp_there && octets[2..4] == [0x81, 0x10], "{spoil_at}");
                }
                Ok(First::TcpToo(octets)) => assert!(is_tcp_there && octets == b"over TCP"),
                _ => panic!("{spoil_at} {is_tcp_there}: nothing was heard"),
            }
        }
    }

    #[tokio::test]
    async fn over_tcp_a_server_shows_how_it_spells() {
        for is_respelled in [false, true] {
            let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let at = server.local_addr().unwrap();
            let answering = async {
                let (mut stream, _) = server.accept().await.unwrap();
                let mut octets = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut octets).await.unwrap();
                octets[2] |= 0x80;
                octets[13] ^= if is_respelled { 0x20 } else { 0 };
                stream.write_u16(octets.len() as u16).await.unwrap();
                stream.write_all(&octets).await.unwrap();
            };
            let outgoing = outgoing();
            let asking = ask_tcp(at, &outgoing, Duration::from_secs(5));
            let (reply, ()) = tokio::join!(asking, answering);
            assert_eq!(reply.map(|reply| reply.is_respelled), Ok(is_respelled));
        }
    }
}
