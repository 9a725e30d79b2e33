//! Questions to one upstream over TLS (RFC 7858): connections are kept open, and many questions are
//! under way on each.
//!
//! The certificate must be one for the name that the operator wrote, vouched for by the authorities
//! of his choice (RFC 8310, strict privacy): without that nothing is asked at all.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::resolve::exchange::{
    ExchangeFault, Likeness, LocalAddress, Outgoing, OutgoingEdns, Sent, connect, is_truncated,
};
use crate::resolve::start_error::StartError;
use crate::resolve::trace::Transport;

/// The protocol's name in the handshake (RFC 7858, IANA's ALPN registry).
const ALPN: &[u8] = b"dot";
/// Questions under way on one connection before another one is opened; and the most connections, so
/// that an upstream that answers one question after the other does not let all wait for a slow one.
const UNDER_WAY_MAX: usize = 64;
const CONNECTIONS_MAX: usize = 4;
/// A connection on which nothing is heard for so long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// Questions are padded to multiples of so many octets (RFC 8467 section 4.1).
const PADDED_TO: usize = 128;
const OPTION_PADDING: u16 = 12;
/// Octets of an option's head.
const OPTION_HEAD: usize = 4;

/// How upstreams with a name are asked: in TLS 1.2 or 1.3, believing the authorities in this PEM
/// file.
pub(super) fn client_config(authorities: &Path) -> Result<Arc<ClientConfig>, StartError> {
    let place = authorities.display();
    let refuse = |why: String| {
        StartError::Authorities(format!(
            "{place}: {why}; name a PEM file of authorities with `ca` in [resolve.forward]"
        ))
    };
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(authorities).map_err(|error| refuse(error.to_string()))?;
    let read: Vec<_> = certificates
        .collect::<Result<_, _>>()
        .map_err(|error| refuse(error.to_string()))?;
    if roots.add_parsable_certificates(read).0 == 0 {
        return Err(refuse("holds no certificate that can be used".to_owned()));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12]);
    let builder = builder.map_err(|error| refuse(error.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// One upstream over TLS.
pub(super) struct TlsLine {
    address: SocketAddr,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    under_way: AtomicUsize,
    /// Held while a connection is being opened, so that all who need it wait for the one handshake.
    connections: [Mutex<Option<Arc<Connection>>>; CONNECTIONS_MAX],
    /// It was said that no connection can be had.
    is_told: AtomicBool,
}

/// An open connection, until it is closed by either side.
struct Connection {
    state: Lock<State>,
}

/// Both are gone once it is closed.
#[derive(Default)]
struct State {
    outbox: Option<mpsc::UnboundedSender<Vec<u8>>>,
    /// Who waits, by the ids of their questions.
    waiting: HashMap<u16, oneshot::Sender<Vec<u8>>>,
}

/// A place among those who wait; given up when dropped.
struct TlsPlace<'a> {
    connection: &'a Connection,
    id: u16,
}

impl TlsLine {
    pub(super) fn new(
        address: SocketAddr,
        name: &str,
        config: &Arc<ClientConfig>,
    ) -> Result<Self, StartError> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| StartError::Authorities(format!("{name:?} is no host's name")))?;
        Ok(Self {
            address,
            name,
            config: Arc::clone(config),
            under_way: AtomicUsize::new(0),
            connections: Default::default(),
            is_told: AtomicBool::new(false),
        })
    }

    /// Ask within `wait`. A connection that the upstream closed meanwhile is replaced once.
    pub(super) async fn ask(
        &self,
        outgoing: &Outgoing,
        wait: Duration,
    ) -> Result<Vec<u8>, ExchangeFault> {
        let before = self.under_way.fetch_add(1, Relaxed);
        let _leaving = Leaving(&self.under_way);
        let asking = async {
            let (connection, is_new) = self
                .connection(before / UNDER_WAY_MAX, outgoing.local)
                .await?;
            match connection.ask(outgoing).await {
                Err(ExchangeFault::Broken) if !is_new => {
                    let (connection, _) = self
                        .connection(before / UNDER_WAY_MAX, outgoing.local)
                        .await?;
                    connection.ask(outgoing).await
                }
                heard => heard,
            }
        };
        timeout(wait, asking)
            .await
            .unwrap_or(Err(ExchangeFault::Silent))
    }

    /// An open connection, and whether it was opened for this question.
    async fn connection(
        &self,
        index: usize,
        local: LocalAddress,
    ) -> Result<(Arc<Connection>, bool), ExchangeFault> {
        let place = self
            .connections
            .get(index)
            .or(self.connections.last())
            .ok_or(ExchangeFault::Broken)?;
        let mut place = place.lock().await;
        if let Some(connection) = place.as_ref().filter(|connection| connection.is_open()) {
            return Ok((Arc::clone(connection), false));
        }
        let stream = self.shake_hands(local).await.map_err(|error| {
            if !self.is_told.swap(true, Relaxed) {
                tracing::warn!(upstream = %self.address, %error, "no TLS connection to an upstream \
                    resolver: check its name, `ca`, and the network");
            }
            ExchangeFault::Broken
        })?;
        self.is_told.store(false, Relaxed);
        let connection = Connection::begin(stream);
        *place = Some(Arc::clone(&connection));
        Ok((connection, true))
    }

    async fn shake_hands(&self, local: LocalAddress) -> io::Result<TlsStream<TcpStream>> {
        let stream = connect(self.address, local).await?;
        TlsConnector::from(Arc::clone(&self.config))
            .connect(self.name.clone(), stream)
            .await
    }
}

/// Counts a question out.
struct Leaving<'a>(&'a AtomicUsize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Connection {
    fn begin(stream: TlsStream<TcpStream>) -> Arc<Self> {
        let (reader, writer) = tokio::io::split(stream);
        let (outbox, questions) = mpsc::unbounded_channel();
        let connection = Arc::new(Self {
            state: Lock::new(State {
                outbox: Some(outbox),
                waiting: HashMap::new(),
            }),
        });
        tokio::spawn(speak(writer, questions));
        tokio::spawn(listen(reader, Arc::clone(&connection)));
        connection
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> bool {
        self.lock()
            .outbox
            .as_ref()
            .is_some_and(|outbox| !outbox.is_closed())
    }

    async fn ask(&self, outgoing: &Outgoing) -> Result<Vec<u8>, ExchangeFault> {
        let (sent, _place, reply) = self.send(outgoing)?;
        // The sender is gone when the connection is.
        let octets = reply.await.map_err(|_| ExchangeFault::Broken)?;
        match sent.compare(&octets) {
            Likeness::Same | Likeness::Respelled if !is_truncated(&octets) => {
                Ok(sent.restore(octets))
            }
            _ => Err(ExchangeFault::Broken),
        }
    }

    fn send(
        &self,
        outgoing: &Outgoing,
    ) -> Result<(Sent, TlsPlace<'_>, oneshot::Receiver<Vec<u8>>), ExchangeFault> {
        let mut state = self.lock();
        let (sent, id) = loop {
            let sent = Sent::draw(outgoing)?;
            let id = id_of(&sent.octets).ok_or(ExchangeFault::Broken)?;
            if state.waiting.len() > usize::from(u16::MAX / 2) {
                return Err(ExchangeFault::Broken);
            }
            if !state.waiting.contains_key(&id) {
                break (sent, id);
            }
        };
        let outbox = state.outbox.as_ref().ok_or(ExchangeFault::Broken)?;
        outbox
            .send(framed(&sent.octets, outgoing.edns))
            .map_err(|_| ExchangeFault::Broken)?;
        outgoing.note_sent(Transport::Tls);
        let (sender, reply) = oneshot::channel();
        state.waiting.insert(id, sender);
        drop(state);
        Ok((
            sent,
            TlsPlace {
                connection: self,
                id,
            },
            reply,
        ))
    }
}

impl Drop for TlsPlace<'_> {
    fn drop(&mut self) {
        self.connection.lock().waiting.remove(&self.id);
    }
}

async fn speak(
    mut writer: WriteHalf<TlsStream<TcpStream>>,
    mut questions: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    while let Some(mut octets) = questions.recv().await {
        while let Ok(more) = questions.try_recv() {
            octets.extend(more);
        }
        if writer.write_all(&octets).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    // A goodbye, so that the other side need not wait for its own time-out.
    let _ = timeout(IDLE, writer.shutdown()).await;
}

/// Hand out replies until either side has enough: the upstream closes, or nothing is heard for a
/// while.
async fn listen(mut reader: ReadHalf<TlsStream<TcpStream>>, connection: Arc<Connection>) {
    while let Ok(Ok(octets)) = timeout(IDLE, read_one(&mut reader)).await {
        let waiting = id_of(&octets).and_then(|id| connection.lock().waiting.remove(&id));
        // Whoever has given up does not hear it.
        let _ = waiting.map(|waiting| waiting.send(octets));
    }
    *connection.lock() = State::default();
}

async fn read_one(reader: &mut ReadHalf<TlsStream<TcpStream>>) -> io::Result<Vec<u8>> {
    let length = reader.read_u16().await?;
    let mut octets = vec![0; usize::from(length)];
    reader.read_exact(&mut octets).await?;
    Ok(octets)
}

fn id_of(octets: &[u8]) -> Option<u16> {
    octets.first_chunk::<2>().map(|id| u16::from_be_bytes(*id))
}

/// A question behind its length; where it has an OPT record, which is its end, padded.
fn framed(question: &[u8], edns: OutgoingEdns) -> Vec<u8> {
    let mut octets = Vec::with_capacity(2 + question.len() + PADDED_TO);
    octets.extend([0, 0]);
    octets.extend_from_slice(question);
    if let (OutgoingEdns::WantSignatures(_), Some(opt)) = (edns, question.len().checked_sub(2)) {
        let bare = question.len() + OPTION_HEAD;
        let padding = bare.next_multiple_of(PADDED_TO) - bare;
        octets.truncate(2 + opt);
        octets.extend(((OPTION_HEAD + padding) as u16).to_be_bytes());
        octets.extend(OPTION_PADDING.to_be_bytes());
        octets.extend((padding as u16).to_be_bytes());
        octets.resize(octets.len() + padding, 0);
    }
    let length = (octets.len() - 2) as u16;
    if let Some(place) = octets.first_chunk_mut::<2>() {
        *place = length.to_be_bytes();
    }
    octets
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::name::Name;
    use crate::resolve::exchange::Spelling;

    fn case(file: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/cases/tls")
            .join(file)
    }

    /// An upstream that answers `round` questions of a connection at a time, the last first, and
    /// hangs up after so many rounds.
    async fn upstream(round: usize, rounds: usize) -> (SocketAddr, Arc<AtomicUsize>) {
        let chain: Vec<_> = CertificateDer::pem_file_iter(case("cert.pem"))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        let config = builder
            .with_single_cert(
                chain,
                PrivateKeyDer::from_pem_file(case("key.pem")).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, handshakes) = (
            listener.local_addr().unwrap(),
            Arc::new(AtomicUsize::new(0)),
        );
        let counted = Arc::clone(&handshakes);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                counted.fetch_add(1, Relaxed);
                tokio::spawn(async move {
                    for _ in 0..rounds {
                        let mut replies = Vec::new();
                        for _ in 0..round {
                            let Ok(length) = stream.read_u16().await else {
                                return;
                            };
                            let mut octets = vec![0; length.into()];
                            stream.read_exact(&mut octets).await.unwrap();
                            assert_eq!(octets.len() % PADDED_TO, 0, "questions are padded");
                            octets[2] |= 0x80;
                            replies.push([&length.to_be_bytes()[..], &octets].concat());
                        }
                        replies.reverse();
                        stream.write_all(&replies.concat()).await.unwrap();
                        stream.flush().await.unwrap();
                    }
                });
            }
        });
        (address, handshakes)
    }

    fn outgoing(name: &str) -> Outgoing {
        Outgoing {
            name: Name::parse(name).unwrap(),
            qtype: 1,
            recursion_desired: true,
            checking_disabled: false,
            edns: OutgoingEdns::WantSignatures(1232),
            spelling: Spelling::Drawn,
            local: LocalAddress::default(),
            watch: None,
        }
    }

    const WAIT: Duration = Duration::from_secs(20);

    fn line(address: SocketAddr, name: &str) -> TlsLine {
        TlsLine::new(address, name, &client_config(&case("cert.pem")).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn questions_share_a_connection_and_replies_come_in_any_order() {
        let (address, handshakes) = upstream(3, usize::MAX).await;
        let line = line(address, "resolver.test");
        for _ in 0..3 {
            let [a, b, c] = ["a.example", "bb.example", "ccc.example"].map(outgoing);
            let replies = tokio::join!(line.ask(&a, WAIT), line.ask(&b, WAIT), line.ask(&c, WAIT));
            for (reply, asked) in [(replies.0, a), (replies.1, b), (replies.2, c)] {
                assert!(reply.unwrap()[12..].starts_with(asked.name.as_wire()));
            }
        }
        assert_eq!(handshakes.load(Relaxed), 1);
        assert_eq!(line.under_way.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_is_replaced() {
        let (address, handshakes) = upstream(1, 2).await;
        let line = line(address, "resolver.test");
        for turn in 1..=6 {
            line.ask(&outgoing("a.example"), WAIT)
                .await
                .unwrap_or_else(|fault| panic!("{turn}: {fault:?}"));
        }
        assert_eq!(handshakes.load(Relaxed), 3);
    }

    #[tokio::test]
    async fn another_name_or_another_authority_is_not_believed() {
        let (address, handshakes) = upstream(1, 1).await;
        assert_eq!(
            line(address, "other.test")
                .ask(&outgoing("a.example"), WAIT)
                .await,
            Err(ExchangeFault::Broken)
        );
        assert_eq!(handshakes.load(Relaxed), 0);
        let refused = client_config(&case("key.pem")).unwrap_err().to_string();
        assert!(
            refused.contains("key.pem: holds no certificate"),
            "{refused}"
        );
        assert!(
            client_config(&case("none.pem"))
                .unwrap_err()
                .to_string()
                .contains("none.pem: ")
        );
        assert!(
            TlsLine::new(
                address,
                "no name",
                &client_config(&case("cert.pem")).unwrap()
            )
            .is_err()
        );
    }

    #[tokio::test]
    async fn a_silent_upstream_costs_no_more_than_the_time_set() {
        let (address, _) = upstream(2, 1).await;
        let line = line(address, "resolver.test");
        assert_eq!(
            line.ask(&outgoing("a.example"), Duration::from_millis(300))
                .await,
            Err(ExchangeFault::Silent)
        );
        let waiting = line.connections[0]
            .lock()
            .await
            .as_ref()
            .map(|connection| connection.lock().waiting.len());
        assert_eq!(waiting, Some(0), "nobody waits any more");
    }
}
