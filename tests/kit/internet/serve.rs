//! Serves bytes over UDP and TCP on one address, for the authorities and the forwarder of the
//! tests' internet.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::sleep;

use super::authority::{Reply, Signatures};

const UDP_OCTETS_MAX: u16 = 1232;
/// How long an endless stream takes for each octet.
const DRIP: Duration = Duration::from_millis(20);

/// How a question came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// What comes of a message.
pub(crate) struct Reaction {
    /// In order; none is silence. A stream takes the first alone.
    pub(crate) replies: Vec<Vec<u8>>,
    pub(crate) delay: Duration,
    pub(crate) from: Port,
    /// A stream never ends: a reply as long as can be is promised, and comes octet by octet.
    pub(crate) endless: bool,
}

/// Which port of the server replies come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Own,
    Another,
    /// Another for the first reply.
    AnotherFirst,
}

impl Reaction {
    /// Silence.
    pub(crate) fn none() -> Self {
        Self::many([])
    }

    /// One reply, at once.
    pub(crate) fn one(octets: Vec<u8>) -> Self {
        Self::many([octets])
    }

    /// Several, at once.
    pub(crate) fn many(replies: impl Into<Vec<Vec<u8>>>) -> Self {
        Self {
            replies: replies.into(),
            delay: Duration::ZERO,
            from: Port::Own,
            endless: false,
        }
    }
}

/// Turns a message from somebody into what comes of it.
pub(crate) type Answer = Arc<dyn Fn(&[u8], IpAddr, Transport) -> Reaction + Send + Sync>;

/// Room for many questions that come at once.
const SOCKET_OCTETS: usize = 4 << 20;

/// A UDP and a TCP socket on the same address, bound but not served yet.
pub(crate) struct Sockets {
    udp: std::net::UdpSocket,
    tcp: std::net::TcpListener,
}

impl Sockets {
    /// Binds both; fails when either is taken.
    pub(crate) fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let sockets = Self {
            udp: std::net::UdpSocket::bind(address)?,
            tcp: std::net::TcpListener::bind(address)?,
        };
        sockets.udp.set_nonblocking(true)?;
        sockets.tcp.set_nonblocking(true)?;
        socket2::SockRef::from(&sockets.udp).set_recv_buffer_size(SOCKET_OCTETS)?;
        Ok(sockets)
    }

    /// Serves UDP, and TCP if it should, on the current runtime until it ends.
    pub(crate) fn serve(self, answer: Answer, takes_tcp: bool) {
        let udp = UdpSocket::from_std(self.udp).expect("a UDP socket");
        tokio::spawn(serve_udp(Arc::new(udp), Arc::clone(&answer)));
        if !takes_tcp {
            return;
        }
        let tcp = TcpListener::from_std(self.tcp).expect("a TCP socket");
        tokio::spawn(async move {
            while let Ok((stream, client)) = tcp.accept().await {
                tokio::spawn(serve_tcp(stream, client.ip(), Arc::clone(&answer)));
            }
        });
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, answer: Answer) {
    let mut buffer = vec![0; 65_535];
    loop {
        // An error here is an earlier reply that found no one (ICMP); the next question is not
        // touched by it.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let reaction = answer(&buffer[..length], client.ip(), Transport::Udp);
        if reaction.delay.is_zero() {
            send(&socket, client, reaction).await;
            continue;
        }
        let socket = Arc::clone(&socket);
        tokio::spawn(async move {
            sleep(reaction.delay).await;
            send(&socket, client, reaction).await;
        });
    }
}

async fn send(socket: &UdpSocket, client: SocketAddr, reaction: Reaction) {
    for (i, reply) in reaction.replies.into_iter().enumerate() {
        let is_ours = reaction.from == Port::Own || reaction.from == Port::AnotherFirst && i > 0;
        // Replies that cannot be sent are lost, as in any network.
        if is_ours {
            let _ = socket.send_to(&reply, client).await;
        } else if let Ok(here) = socket.local_addr()
            && let Ok(other) = UdpSocket::bind((here.ip(), 0)).await
        {
            let _ = other.send_to(&reply, client).await;
        }
    }
}

async fn serve_tcp(mut stream: TcpStream, client: IpAddr, answer: Answer) -> std::io::Result<()> {
    loop {
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await?;
        let reaction = answer(&message, client, Transport::Tcp);
        if reaction.endless {
            stream.write_u16(u16::MAX).await?;
            loop {
                stream.write_all(&[0]).await?;
                sleep(DRIP).await;
            }
        }
        if let Some(reply) = reaction.replies.first() {
            sleep(reaction.delay).await;
            let framed = [&(reply.len() as u16).to_be_bytes()[..], reply].concat();
            stream.write_all(&framed).await?;
        }
    }
}

/// One question of a message that asks as it should; the name as it was spelt.
pub(crate) struct Asked {
    pub(crate) message: Message,
    pub(crate) query: Query,
}

impl Asked {
    /// Reads the message; `None` for what no server needs to answer.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let message = Message::from_vec(bytes).ok()?;
        let query = message.queries.first()?.clone();
        (message.message_type == MessageType::Query).then_some(Self { message, query })
    }

    /// Whether the DO bit is set.
    pub(crate) fn signatures(&self) -> Signatures {
        match &self.message.edns {
            Some(edns) if edns.flags().dnssec_ok => Signatures::Wanted,
            _ => Signatures::Unwanted,
        }
    }

    /// What is refused before any zone is looked at.
    pub(crate) fn refusal(&self) -> Option<Reply> {
        if self.message.op_code != OpCode::Query {
            return Some(Reply::bare(ResponseCode::NotImp));
        }
        let transfer = matches!(self.query.query_type(), RecordType::AXFR | RecordType::IXFR);
        (transfer || self.query.query_class() != DNSClass::IN)
            .then(|| Reply::bare(ResponseCode::Refused))
    }

    /// The reply's octets, cut short where they do not fit a UDP reply (RFC 6891 section 6.2.5).
    pub(crate) fn encode(
        &self,
        reply: Reply,
        transport: Transport,
        mark: impl Fn(&mut Message),
    ) -> Vec<u8> {
        let mut message = Message::response(self.message.id, self.message.op_code);
        message.metadata.recursion_desired = self.message.recursion_desired;
        message.metadata.authoritative = reply.authoritative;
        message.metadata.recursion_available = reply.recursive;
        message.metadata.response_code = reply.rcode;
        message.add_query(self.query.clone());
        message.answers = reply.answers;
        message.authorities = reply.authorities;
        message.additionals = reply.additionals;
        if let Some(edns) = &self.message.edns {
            let mut ours = Edns::new();
            ours.set_max_payload(UDP_OCTETS_MAX)
                .set_dnssec_ok(edns.flags().dnssec_ok);
            message.set_edns(ours);
        }
        mark(&mut message);
        let octets = message.to_vec().expect("a message");
        let room = self
            .message
            .edns
            .as_ref()
            .map_or(512, |edns| edns.max_payload().clamp(512, UDP_OCTETS_MAX));
        if transport == Transport::Tcp || octets.len() <= usize::from(room) {
            return octets;
        }
        message.metadata.truncation = true;
        (message.answers, message.authorities, message.additionals) = (vec![], vec![], vec![]);
        message.to_vec().expect("a message")
    }
}
