//! Serves bytes over UDP and TCP on one address, for the authorities and the forwarder of the tests' internet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::sleep;

use super::authority::{Reply, Signatures};

const UDP_OCTETS_MAX: u16 = 1232;

/// How a question came in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// Turns a message into an answer; `None` is silence.
pub(crate) type Answer = Arc<dyn Fn(&[u8], Transport) -> Option<Vec<u8>> + Send + Sync>;

/// A UDP and a TCP socket on the same address, bound but not served yet.
pub(crate) struct Sockets {
    udp: std::net::UdpSocket,
    tcp: std::net::TcpListener,
}

impl Sockets {
    /// Binds both; fails when either is taken.
    pub(crate) fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let sockets = Self { udp: std::net::UdpSocket::bind(address)?, tcp: std::net::TcpListener::bind(address)? };
        sockets.udp.set_nonblocking(true)?;
        sockets.tcp.set_nonblocking(true)?;
        Ok(sockets)
    }

    /// Serves on the current runtime until it ends, each answer after `delay`.
    pub(crate) fn serve(self, answer: Answer, delay: Duration) {
        let udp = UdpSocket::from_std(self.udp).expect("a UDP socket");
        let tcp = TcpListener::from_std(self.tcp).expect("a TCP socket");
        tokio::spawn(serve_udp(Arc::new(udp), Arc::clone(&answer), delay));
        tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                tokio::spawn(serve_tcp(stream, Arc::clone(&answer), delay));
            }
        });
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, answer: Answer, delay: Duration) {
    let mut buffer = vec![0; 65_535];
    loop {
        // An error here is an earlier reply that found no one (ICMP); the next question is not touched by it.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(reply) = answer(&buffer[..length], Transport::Udp) else { continue };
        if delay.is_zero() {
            let _ = socket.send_to(&reply, client).await;
            continue;
        }
        let socket = Arc::clone(&socket);
        tokio::spawn(async move {
            sleep(delay).await;
            let _ = socket.send_to(&reply, client).await;
        });
    }
}

async fn serve_tcp(mut stream: TcpStream, answer: Answer, delay: Duration) -> std::io::Result<()> {
    loop {
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await?;
        if let Some(reply) = answer(&message, Transport::Tcp) {
            sleep(delay).await;
            let framed = [&(reply.len() as u16).to_be_bytes()[..], &reply].concat();
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
        (transfer || self.query.query_class() != DNSClass::IN).then(|| Reply::bare(ResponseCode::Refused))
    }

    /// The reply's octets, cut short where they do not fit a UDP reply (RFC 6891 section 6.2.5).
    pub(crate) fn encode(&self, reply: Reply, transport: Transport, mark: impl Fn(&mut Message)) -> Vec<u8> {
        let mut message = Message::response(self.message.id, self.message.op_code);
        message.metadata.recursion_desired = self.message.recursion_desired;
        message.metadata.authoritative = reply.authoritative;
        message.metadata.response_code = reply.rcode;
        message.add_query(self.query.clone());
        message.answers = reply.answers;
        message.authorities = reply.authorities;
        message.additionals = reply.additionals;
        if let Some(edns) = &self.message.edns {
            let mut ours = Edns::new();
            ours.set_max_payload(UDP_OCTETS_MAX).set_dnssec_ok(edns.flags().dnssec_ok);
            message.set_edns(ours);
        }
        mark(&mut message);
        let octets = message.to_vec().expect("a message");
        let room = self.message.edns.as_ref().map_or(512, |edns| edns.max_payload().clamp(512, UDP_OCTETS_MAX));
        if transport == Transport::Tcp || octets.len() <= usize::from(room) {
            return octets;
        }
        message.metadata.truncation = true;
        (message.answers, message.authorities, message.additionals) = (vec![], vec![], vec![]);
        message.to_vec().expect("a message")
    }
}
