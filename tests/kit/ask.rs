//! A small blocking DNS client: asks over UDP, TCP or TLS from any loopback address and shows every
//! octet that came back.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::{Record, RecordType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::program::STOP;

const PATIENCE: Duration = Duration::from_secs(8);
static NEXT_ID: AtomicU16 = AtomicU16::new(1);

/// What goes into an OPT record.
#[derive(Clone, Debug)]
pub(crate) struct Edns {
    pub(crate) size: u16,
    pub(crate) dnssec_ok: bool,
    pub(crate) version: u8,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Default for Edns {
    fn default() -> Self {
        Self {
            size: 1232,
            dnssec_ok: false,
            version: 0,
            options: vec![],
        }
    }
}

/// A question in the making: RD set, class IN, no OPT, until told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) id: u16,
    name: Vec<u8>,
    kind: u16,
    class: u16,
    opcode: u8,
    flags: u16,
    edns: Option<Edns>,
}

const RD: u16 = 0x0100;
const AD: u16 = 0x0020;
const CD: u16 = 0x0010;

impl Question {
    /// Asks for a name, spelt as it is given, and a type: a mnemonic or `TYPE123`.
    pub(crate) fn new(name: &str, kind: &str) -> Self {
        let labels = name.split('.').filter(|label| !label.is_empty());
        let wire = labels
            .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
            .chain([0])
            .collect();
        let number = kind
            .strip_prefix("TYPE")
            .and_then(|number| number.parse().ok());
        let kind =
            number.unwrap_or_else(|| kind.parse::<RecordType>().expect("a record type").into());
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self {
            id,
            name: wire,
            kind,
            class: 1,
            opcode: 0,
            flags: RD,
            edns: None,
        }
    }

    /// The name's octets as they stand, right or wrong.
    pub(crate) fn wire_name(self, octets: &[u8]) -> Self {
        Self {
            name: octets.to_vec(),
            ..self
        }
    }

    pub(crate) fn class(self, class: u16) -> Self {
        Self { class, ..self }
    }

    pub(crate) fn opcode(self, opcode: u8) -> Self {
        Self { opcode, ..self }
    }

    /// RD=0.
    pub(crate) fn without_recursion(self) -> Self {
        Self {
            flags: self.flags & !RD,
            ..self
        }
    }

    /// CD=1.
    pub(crate) fn unchecked(self) -> Self {
        Self {
            flags: self.flags | CD,
            ..self
        }
    }

    /// AD=1.
    pub(crate) fn wanting_ad(self) -> Self {
        Self {
            flags: self.flags | AD,
            ..self
        }
    }

    /// Header flags as they stand, for those that have no method (QR, AA, TC, RA, Z, rcode).
    pub(crate) fn with_flags(self, flags: u16) -> Self {
        Self {
            flags: self.flags | flags,
            ..self
        }
    }

    pub(crate) fn edns(self, edns: Edns) -> Self {
        Self {
            edns: Some(edns),
            ..self
        }
    }

    /// An OPT with DO=1.
    pub(crate) fn dnssec_ok(self) -> Self {
        let edns = self.edns.clone().unwrap_or_default();
        self.edns(Edns {
            dnssec_ok: true,
            ..edns
        })
    }

    /// One more EDNS option.
    pub(crate) fn option(self, code: u16, data: &[u8]) -> Self {
        let mut edns = self.edns.clone().unwrap_or_default();
        edns.options.push((code, data.to_vec()));
        self.edns(edns)
    }

    /// The message.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let flags = self.flags | u16::from(self.opcode) << 11;
        let counts = [1, 0, 0, u16::from(self.edns.is_some())];
        let mut octets: Vec<u8> = [self.id, flags]
            .into_iter()
            .chain(counts)
            .flat_map(u16::to_be_bytes)
            .collect();
        octets.extend(self.question());
        if let Some(edns) = &self.edns {
            let option = |(code, data): &(u16, Vec<u8>)| {
                [
                    &code.to_be_bytes()[..],
                    &(data.len() as u16).to_be_bytes(),
                    data,
                ]
                .concat()
            };
            let options: Vec<u8> = edns.options.iter().flat_map(option).collect();
            octets.extend([0, 0, 41]);
            octets.extend(edns.size.to_be_bytes());
            octets.extend([0, edns.version, u8::from(edns.dnssec_ok) << 7, 0]);
            octets.extend((options.len() as u16).to_be_bytes());
            octets.extend(options);
        }
        octets
    }

    /// The question section: what a reply has to repeat, octet for octet.
    pub(crate) fn question(&self) -> Vec<u8> {
        [
            &self.name[..],
            &self.kind.to_be_bytes(),
            &self.class.to_be_bytes(),
        ]
        .concat()
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) octets: Vec<u8>,
    pub(crate) message: Message,
}

impl Response {
    /// Reads a reply's octets; one that hickory cannot read is a failure.
    pub(crate) fn read(octets: Vec<u8>) -> Self {
        let message = Message::from_vec(&octets)
            .unwrap_or_else(|e| panic!("a reply that hickory cannot read: {e}\n{octets:02x?}"));
        Self { octets, message }
    }

    /// The whole rcode, OPT's upper bits included, in upper case: `NOERROR`, `NXDOMAIN`, `BADVERS`
    /// …
    pub(crate) fn rcode(&self) -> String {
        match u16::from(self.message.response_code) {
            16 => "BADVERS".to_owned(),
            _ => format!("{:?}", self.message.response_code).to_uppercase(),
        }
    }

    /// The answer section as `owner TYPE rdata`, without RRSIGs and DNAMEs, sorted.
    pub(crate) fn answers(&self) -> Vec<String> {
        let shown = self.message.answers.iter().filter(|record| {
            !matches!(record.record_type(), RecordType::RRSIG | RecordType::DNAME)
        });
        let mut lines: Vec<String> = shown.map(show).collect();
        lines.sort();
        lines
    }

    /// What the records of the answer section say, in their order.
    pub(crate) fn data(&self) -> Vec<String> {
        let answers = self.message.answers.iter();
        answers.map(|record| record.data.to_string()).collect()
    }

    /// Whether the stop page's first address is in the answer section.
    pub(crate) fn is_stopped(&self) -> bool {
        let answers = self.answers();
        answers.iter().any(|answer| answer.ends_with(STOP[0]))
    }

    /// Whether a section holds a record of this type.
    pub(crate) fn has(&self, section: &[Record], kind: RecordType) -> bool {
        section.iter().any(|record| record.record_type() == kind)
    }

    /// The EDNS options, in order.
    pub(crate) fn options(&self) -> Vec<(u16, Vec<u8>)> {
        let options = self
            .message
            .edns
            .iter()
            .flat_map(|edns| edns.options().as_ref());
        options
            .map(|(code, option)| (u16::from(*code), Vec::try_from(option).expect("an option")))
            .collect()
    }

    /// The extended errors: code and text (RFC 8914).
    pub(crate) fn extended_errors(&self) -> Vec<(u16, String)> {
        let errors = self.options().into_iter().filter(|(code, _)| *code == 15);
        errors
            .map(|(_, data)| {
                (
                    u16::from_be_bytes([data[0], data[1]]),
                    String::from_utf8(data[2..].to_vec()).expect("text"),
                )
            })
            .collect()
    }

    /// The codes of the extended errors.
    pub(crate) fn ede(&self) -> Vec<u16> {
        self.extended_errors()
            .into_iter()
            .map(|(code, _)| code)
            .collect()
    }
}

fn show(record: &Record) -> String {
    format!(
        "{} {} {}",
        record.name.to_lowercase(),
        record.record_type(),
        record.data
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Udp,
    Tcp,
    Tls,
}

/// Somebody who asks at one door.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    door: Door,
    at: SocketAddr,
    source: IpAddr,
    patience: Duration,
    preface: Vec<u8>,
}

/// Asks once over UDP, with an OPT.
pub(crate) fn ask(at: SocketAddr, name: &str, kind: &str) -> Response {
    Client::udp(at).ask(&Question::new(name, kind).edns(Edns::default()))
}

impl Client {
    pub(crate) fn udp(at: SocketAddr) -> Self {
        Self {
            door: Door::Udp,
            at,
            source: Ipv4Addr::LOCALHOST.into(),
            patience: PATIENCE,
            preface: vec![],
        }
    }

    pub(crate) fn tcp(at: SocketAddr) -> Self {
        Self {
            door: Door::Tcp,
            ..Self::udp(at)
        }
    }

    /// Trusts the demonstration certificate of `tests/cases/tls/`.
    pub(crate) fn tls(at: SocketAddr) -> Self {
        Self {
            door: Door::Tls,
            ..Self::udp(at)
        }
    }

    /// Asks from another address, for instance of 127.0.9.0/24.
    pub(crate) fn source(self, source: impl Into<IpAddr>) -> Self {
        Self {
            source: source.into(),
            ..self
        }
    }

    /// Says this in front of each datagram, and first of all on each connection.
    pub(crate) fn preface(self, octets: &[u8]) -> Self {
        Self {
            preface: octets.to_vec(),
            ..self
        }
    }

    /// How long to wait for an answer.
    pub(crate) fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The reply, whose id and question must be those asked; silence is a failure.
    pub(crate) fn ask(&self, question: &Question) -> Response {
        let response = self
            .try_ask(question)
            .unwrap_or_else(|| panic!("no answer to {question:?} from {self:?}"));
        assert_eq!(response.message.id, question.id, "{question:?}");
        response
    }

    /// The reply, or `None` when nothing came in time or the connection ended.
    pub(crate) fn try_ask(&self, question: &Question) -> Option<Response> {
        self.send(&question.octets()).map(Response::read)
    }

    /// Sends octets as they stand, framed on a stream; gives the octets of the reply.
    pub(crate) fn send(&self, octets: &[u8]) -> Option<Vec<u8>> {
        if self.door != Door::Udp {
            let mut connection = self.connect();
            connection.send(octets);
            return connection.receive();
        }
        let socket = UdpSocket::bind((self.source, 0)).expect("a UDP socket");
        socket
            .set_read_timeout(Some(self.patience))
            .expect("a deadline");
        socket.connect(self.at).expect("loopback");
        let mut buffer = vec![0; 65_535];
        socket.send(&[&self.preface, octets].concat()).ok()?;
        let length = socket.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    /// Sends all questions in one piece on one connection and reads as many replies, in the order
    /// they come.
    pub(crate) fn pipeline(&self, questions: &[Question]) -> Vec<Response> {
        let mut connection = self.connect();
        let framed: Vec<u8> = questions
            .iter()
            .flat_map(|question| frame(&question.octets()))
            .collect();
        connection.send_raw(&framed);
        questions
            .iter()
            .map(|_| Response::read(connection.receive().expect("a reply for each question")))
            .collect()
    }

    /// Opens a connection to ask on more than once.
    pub(crate) fn connect(&self) -> Connection {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(self.at),
            socket2::Type::STREAM,
            None,
        )
        .expect("a TCP socket");
        socket
            .bind(&SocketAddr::new(self.source, 0).into())
            .expect("the source address");
        socket
            .connect_timeout(&self.at.into(), self.patience)
            .expect("a connection");
        let mut stream = TcpStream::from(socket);
        let _ = stream.write_all(&self.preface);
        stream
            .set_read_timeout(Some(self.patience))
            .expect("a deadline");
        stream.set_nodelay(true).expect("a TCP socket");
        match self.door {
            Door::Tls => Connection(Box::new(StreamOwned::new(tls_session(), stream))),
            _ => Connection(Box::new(stream)),
        }
    }
}

/// The certificate that is shown there.
pub(crate) fn shown_certificate(at: SocketAddr) -> Vec<u8> {
    let (mut session, mut stream) = (tls_session(), TcpStream::connect(at).expect("a connection"));
    while session.is_handshaking() {
        session.complete_io(&mut stream).expect("a handshake");
    }
    session.peer_certificates().expect("certificates")[0].to_vec()
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// An open TCP or TLS connection.
pub(crate) struct Connection(Box<dyn Stream>);

impl Connection {
    /// Sends one message behind its length.
    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.send_raw(&frame(octets));
    }

    /// Sends octets without a length in front.
    pub(crate) fn send_raw(&mut self, octets: &[u8]) {
        // A server may hang up on us while we write; what it had to say is still to be read.
        let _ = self.0.write_all(octets).and_then(|()| self.0.flush());
    }

    /// The next reply's octets; `None` when the connection ended or nothing came in time.
    pub(crate) fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).ok()?;
        let mut octets = vec![0; u16::from_be_bytes(length).into()];
        self.0.read_exact(&mut octets).ok()?;
        Some(octets)
    }

    /// Asks and waits for the reply.
    pub(crate) fn ask(&mut self, question: &Question) -> Response {
        self.send(&question.octets());
        Response::read(
            self.receive()
                .unwrap_or_else(|| panic!("no answer to {question:?}")),
        )
    }
}

fn frame(octets: &[u8]) -> Vec<u8> {
    [&(octets.len() as u16).to_be_bytes()[..], octets].concat()
}

fn tls_session() -> ClientConnection {
    let mut roots = RootCertStore::empty();
    for pem in [
        &include_bytes!("../cases/tls/cert.pem")[..],
        include_bytes!("../cases/tls/renewed-cert.pem"),
    ] {
        let certificate = CertificateDer::from_pem_slice(pem).expect("a certificate");
        roots.add(certificate).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions");
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"dot".to_vec()];
    let server = ServerName::try_from("resolver.test").expect("a name");
    ClientConnection::new(Arc::new(config), server).expect("a TLS session")
}
