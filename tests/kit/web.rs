//! HTTPS on loopback with the demonstration certificate: a server that hands out a folder, and a
//! client that speaks to push listeners.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use wardline::list::Hash;

pub(crate) const CERT: &str = include_str!("../cases/tls/cert.pem");
pub(crate) const KEY: &str = include_str!("../cases/tls/key.pem");
const PATIENCE: Duration = Duration::from_secs(5);

/// Hands out the files of a folder below `/lists/`, one connection after the other, until the
/// test's process ends.
pub(crate) struct Web {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    is_down: AtomicBool,
    /// Files sent whole, and files of which the client had the present version.
    sent: AtomicUsize,
    known: AtomicUsize,
}

impl Web {
    pub(crate) fn serve(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let folder = folder.to_path_buf();
        let (is_down, sent, known) = (
            AtomicBool::new(false),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let shared = Arc::new(Shared {
            folder,
            is_down,
            sent,
            known,
        });
        let (serving, tls) = (Arc::clone(&shared), Arc::new(server_config()));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if !serving.is_down.load(SeqCst) {
                    // A client that goes away is its own affair.
                    let _ = hand_out(&serving, &tls, stream);
                }
            }
        });
        Self { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on connections end before a word is said.
    pub(crate) fn go_down(&self) {
        self.shared.is_down.store(true, SeqCst);
    }

    /// And from now on they are served again.
    pub(crate) fn come_back(&self) {
        self.shared.is_down.store(false, SeqCst);
    }

    /// How many files were sent, and of how many the client was told that it has them.
    pub(crate) fn tally(&self) -> (usize, usize) {
        (
            self.shared.sent.load(SeqCst),
            self.shared.known.load(SeqCst),
        )
    }
}

fn server_config() -> ServerConfig {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(CERT.as_bytes())
        .collect::<Result<_, _>>()
        .expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
    let builder = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ));
    let builder = builder
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth();
    builder
        .with_single_cert(chain, key)
        .expect("a configuration")
}

fn hand_out(shared: &Shared, tls: &Arc<ServerConfig>, stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let connection = ServerConnection::new(Arc::clone(tls)).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let (mut head, mut line) = (Vec::new(), String::new());
    while stream.read_line(&mut line)? > 2 {
        head.push(std::mem::take(&mut line).trim().to_owned());
    }
    let target = head
        .first()
        .and_then(|line| line.split(' ').nth(1))
        .unwrap_or_default();
    let found = fs::read(shared.folder.join(target.trim_start_matches("/lists/"))).ok();
    let tag = found
        .as_ref()
        .map(|body| format!("\"{}\"", Hash::of(body)))
        .unwrap_or_default();
    let has_it = found.is_some()
        && head.iter().any(|line| {
            line.to_ascii_lowercase().starts_with("if-none-match:") && line.ends_with(&tag)
        });
    let (status, body) = match found {
        Some(_) if has_it => ("304 Not Modified", Vec::new()),
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", Vec::new()),
    };
    shared.known.fetch_add(usize::from(has_it), SeqCst);
    shared
        .sent
        .fetch_add(usize::from(status == "200 OK"), SeqCst);
    let head = format!(
        "HTTP/1.1 {status}\r\nETag: {tag}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// Speak to a push listener: what it answers, head and all.
pub(crate) fn request(
    listener: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    body: &str,
) -> String {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(CERT.as_bytes()).expect("a certificate"))
        .expect("a certificate");
    let builder = ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ));
    let config = builder
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = ClientConnection::new(
        Arc::new(config),
        ServerName::try_from("resolver.test").expect("a name"),
    )
    .expect("a connection");
    let mut stream = StreamOwned::new(
        connection,
        TcpStream::connect(listener).expect("a listener"),
    );
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: resolver.test\r\nAuthorization: Bearer \
         {token}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut reply = String::new();
    // The other side may end without a word of TLS, or before it was asked.
    if stream.write_all((head + body).as_bytes()).is_ok() {
        let _ = stream.read_to_string(&mut reply);
    }
    reply
}
