//! The DNS-over-TLS door (RFC 7858): a handshake in front of the TCP door's conversation, so that
//! both keep the same limits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::time;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::not_after;
use super::slots::Slot;
use super::stop::Stop;
use super::stream_answers::StreamAnswers;
use super::tcp::{Streams, accept_each};
use crate::clock::UnixSeconds;
use crate::count::{Door, Refusal};

/// The protocol's name in the handshake (RFC 7858, IANA's ALPN registry).
const ALPN: &[u8] = b"dot";

/// Our certificate chain and its key, ready for handshakes in TLS 1.2 and 1.3 (RFC 8310, RFC 9325).
#[derive(Clone)]
pub struct TlsIdentity {
    config: Arc<ServerConfig>,
    valid_until: Option<UnixSeconds>,
}

/// The identity in force; another one is shown to those who come after it, and connections that are
/// open stay as they are.
pub type LiveIdentity = ArcSwap<TlsIdentity>;

/// Why there can be no handshakes.
#[derive(Debug, thiserror::Error)]
pub enum IdentityFault {
    /// The certificate file is not there, or holds none.
    #[error("{}: cannot read the certificate: {error}; it must be PEM, the server's own \
             certificate first, then those between", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// The key file is not there, or holds none.
    #[error("{}: cannot read the key: {error}; it must be PEM (PKCS #8, PKCS #1 or SEC1), without \
             a password, readable by this user", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// Both can be read, but not used together.
    #[error(
        "{} and {}: {error}; the key must be the one that the certificate was made for",
        certificate.display(),
        key.display()
    )]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong with them.
        error: rustls::Error,
    },
    /// The system gives no randomness or the like.
    #[error("cannot prepare TLS: {0}; this build and machine do not fit together")]
    Unusable(#[from] rustls::Error),
}

impl TlsIdentity {
    /// Read both from PEM files.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, IdentityFault> {
        let chain = read_chain(certificate).map_err(|error| IdentityFault::Certificate {
            path: certificate.to_owned(),
            error,
        })?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| IdentityFault::Key {
            path: key.to_owned(),
            error,
        })?;
        let valid_until = chain.iter().filter_map(|one| not_after(one)).min();
        // Named here, because another crate may have asked for another provider as the process's
        // default.
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth();
        let mut config =
            builder
                .with_single_cert(chain, private)
                .map_err(|error| IdentityFault::Pair {
                    certificate: certificate.to_owned(),
                    key: key.to_owned(),
                    error,
                })?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // The client keeps the session, so that phones that come and go cost no handshake and no
        // memory of ours.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Self {
            config: Arc::new(config),
            valid_until,
        })
    }

    /// When the first certificate of the chain runs out; nothing where none says.
    pub const fn valid_until(&self) -> Option<UnixSeconds> {
        self.valid_until
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
    if chain.is_empty() {
        Err(pem::Error::NoItemsFound)
    } else {
        Ok(chain)
    }
}

/// The longest a handshake may take; less where connections are short.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// What TLS records are gathered in, so that those which are ready together leave together: as much
/// as a packet takes, since each connection has it.
const PACKET_OCTETS: usize = 1400;
/// One in so many connections may be in its handshake: under overload new handshakes are what is
/// given up first.
const HANDSHAKES_SHARE: usize = 4;

/// Serve DNS over TLS until `stop`; returns when the last connection is closed, at the latest after
/// `tcp::Settings::drain`.
pub async fn serve(
    listener: TcpListener,
    identity: Arc<LiveIdentity>,
    streams: Streams,
    stop: Stop,
) {
    accept_secured(listener, identity, streams, stop).await;
}

async fn accept_secured<A: StreamAnswers>(
    listener: TcpListener,
    identity: Arc<LiveIdentity>,
    streams: Streams<A>,
    stop: Stop,
) {
    let (connections, terms) = (Arc::clone(&streams.connections), Arc::clone(&streams.terms));
    let handshakes = Arc::clone(&streams.handshakes);
    let answers = Arc::clone(streams.answers());
    let greet = move |stream| {
        let settings = terms.load().settings;
        let slot = handshakes.take(settings.connections.div_ceil(HANDSHAKES_SHARE));
        if slot.is_none() {
            answers.note_refusal(Refusal::Handshakes);
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&identity.load().config));
        let patience = connections.patience(settings.idle).min(HANDSHAKE);
        shake_hands(acceptor, slot, patience, stream)
    };
    accept_each(listener, streams, Door::Tls, greet, stop).await;
}

/// The secured stream; nothing where the client does not speak TLS, is too slow, or too many others
/// are at it.
async fn shake_hands(
    acceptor: TlsAcceptor,
    slot: Option<Slot>,
    patience: Duration,
    stream: TcpStream,
) -> Option<TlsStream<BufWriter<TcpStream>>> {
    let _slot = slot?;
    let stream = BufWriter::with_capacity(PACKET_OCTETS, stream);
    let secured = async {
        match acceptor.accept(stream).into_fallible().await {
            Ok(stream) => Some(stream),
            Err((_, mut stream)) => {
                // The alert that says why.
                let _ = stream.flush().await;
                None
            }
        }
    };
    time::timeout(patience, secured).await.ok()?
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
    use tokio::io::AsyncReadExt as _;
    use tokio::sync::{Semaphore, watch};
    use tokio::task::JoinHandle;
    use tokio_rustls::{TlsConnector, client};

    use super::super::client_limits::{ClientLimits, samples::everywhere};
    use super::super::stream_answers::stand_in::{LATER, NOW, StandIn, question};
    use super::super::tcp::{Settings, bind};
    use super::*;

    const SETTINGS: Settings = Settings {
        idle: Duration::from_secs(30),
        drain: Duration::from_secs(30),
        connections: 100,
    };
    const DEADLINE: Duration = Duration::from_secs(20);

    fn case(file: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/cases/tls")
            .join(file)
    }

    struct Opened {
        address: SocketAddr,
        gate: Arc<Semaphore>,
        stop: watch::Sender<bool>,
        door: JoinHandle<()>,
    }

    async fn open(settings: Settings) -> Opened {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stand_in = StandIn::new();
        let gate = Arc::clone(&stand_in.gate);
        let (stop, stopped) = watch::channel(false);
        let identity = TlsIdentity::load(&case("cert.pem"), &case("key.pem")).unwrap();
        let identity = Arc::new(ArcSwap::from_pointee(identity));
        let door = tokio::spawn(accept_secured(
            listener,
            identity,
            Streams::with(stand_in, settings, everywhere(ClientLimits::EXEMPT)),
            stopped,
        ));
        Opened {
            address,
            gate,
            stop,
            door,
        }
    }

    async fn connect(
        address: SocketAddr,
        version: &'static SupportedProtocolVersion,
        alpn: &[&[u8]],
    ) -> std::io::Result<client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(case("cert.pem")).unwrap())
            .unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let mut config = builder
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("resolver.test").unwrap();
        time::timeout(
            DEADLINE,
            TlsConnector::from(Arc::new(config)).connect(name, stream),
        )
        .await
        .expect("no handshake")
    }

    async fn hear(stream: &mut client::TlsStream<TcpStream>) -> Option<u8> {
        let mut reply = [0; 15];
        let read = time::timeout(DEADLINE, stream.read_exact(&mut reply))
            .await
            .expect("neither reply nor end");
        read.ok().map(|_| reply[3])
    }

    #[tokio::test]
    async fn questions_are_pipelined_over_tls() {
        let opened = open(SETTINGS).await;
        for (version, number) in [
            (&TLS13, ProtocolVersion::TLSv1_3),
            (&TLS12, ProtocolVersion::TLSv1_2),
        ] {
            let mut stream = connect(opened.address, version, &[ALPN]).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(ALPN));
            assert_eq!(stream.get_ref().1.protocol_version(), Some(number));
            stream
                .write_all(&[question(1, LATER), question(2, NOW)].concat())
                .await
                .unwrap();
            assert_eq!(hear(&mut stream).await, Some(2));
            opened.gate.add_permits(1);
            assert_eq!(hear(&mut stream).await, Some(1));
        }
        assert!(connect(opened.address, &TLS13, &[]).await.is_ok());
        assert!(connect(opened.address, &TLS13, &[b"h2"]).await.is_err());
    }

    #[tokio::test]
    async fn a_client_may_close_its_side_and_still_hears_all() {
        let opened = open(SETTINGS).await;
        let mut stream = connect(opened.address, &TLS13, &[ALPN]).await.unwrap();
        stream
            .write_all(&[question(1, LATER), question(2, NOW)].concat())
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(hear(&mut stream).await, Some(2));
        opened.gate.add_permits(1);
        assert_eq!(
            (hear(&mut stream).await, hear(&mut stream).await),
            (Some(1), None)
        );
    }

    #[tokio::test]
    async fn who_does_not_shake_hands_has_to_go() {
        let opened = open(Settings {
            idle: Duration::from_millis(40),
            ..SETTINGS
        })
        .await;
        let mut silent = TcpStream::connect(opened.address).await.unwrap();
        let mut rest = Vec::new();
        time::timeout(DEADLINE, silent.read_to_end(&mut rest))
            .await
            .expect("the connection is kept")
            .unwrap();
        let mut plain = TcpStream::connect(opened.address).await.unwrap();
        plain.write_all(&question(1, NOW)).await.ok();
        let read = time::timeout(DEADLINE, plain.read_to_end(&mut rest))
            .await
            .expect("the connection is kept");
        assert!(
            read.is_err() || rest.first() == Some(&21),
            "at most a TLS alert: {rest:?}"
        );
    }

    #[tokio::test]
    async fn handshakes_are_capped() {
        let opened = open(Settings {
            connections: 8,
            ..SETTINGS
        })
        .await;
        let mut slow = Vec::new();
        // Two of eight may be in their handshake; of three idle clients one has to be turned away.
        for _ in 0..3 {
            slow.push(TcpStream::connect(opened.address).await.unwrap());
        }
        let mut octet = [0];
        time::timeout(Duration::from_secs(4), slow[2].read(&mut octet))
            .await
            .expect("more than two at once")
            .ok();
        drop(slow);
        let until = time::Instant::now() + DEADLINE;
        while connect(opened.address, &TLS13, &[ALPN]).await.is_err() {
            assert!(time::Instant::now() < until, "the slots are not given back");
        }
    }

    #[tokio::test]
    async fn a_stopped_door_finishes_what_was_asked() {
        let opened = open(SETTINGS).await;
        let mut stream = connect(opened.address, &TLS13, &[ALPN]).await.unwrap();
        let _in_handshake = TcpStream::connect(opened.address).await.unwrap();
        stream
            .write_all(&[question(1, LATER), question(2, NOW)].concat())
            .await
            .unwrap();
        assert_eq!(hear(&mut stream).await, Some(2));
        opened.stop.send(true).unwrap();
        opened.gate.add_permits(1);
        assert_eq!(
            (hear(&mut stream).await, hear(&mut stream).await),
            (Some(1), None)
        );
        time::timeout(DEADLINE, opened.door)
            .await
            .expect("the door stays open")
            .unwrap();
    }

    #[test]
    fn faults_name_the_file_and_the_remedy() {
        let fault = |certificate: &str, key: &str| {
            TlsIdentity::load(&case(certificate), &case(key))
                .err()
                .unwrap()
                .to_string()
        };
        assert!(fault("none.pem", "key.pem").contains("none.pem: cannot read the certificate: "));
        assert!(
            fault("key.pem", "key.pem")
                .contains("key.pem: cannot read the certificate: no items found; it must be PEM")
        );
        assert!(
            fault("cert.pem", "cert.pem")
                .contains("cert.pem: cannot read the key: no items found; it must be PEM")
        );
        let pair = fault("cert.pem", "other-key.pem");
        assert!(
            pair.contains("cert.pem and ") && pair.contains("the key must be the one"),
            "{pair}"
        );
    }
}
