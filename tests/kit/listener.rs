//! A push listener that believes everything: what a curator's program meets, without a resolver
//! behind it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// Listens on loopback with the demonstration certificate until it is dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    bodies: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

/// What a listener knows.
struct Desk<F> {
    token: String,
    describe: F,
    pushed: Mutex<Option<Value>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    /// `describe` makes, from what was pushed, what a `GET` is answered; an empty token means that
    /// none is asked for.
    pub(crate) fn start(
        token: &str,
        describe: impl Fn(&Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        let certificate = CertificateDer::from_pem_slice(include_bytes!("../cases/tls/cert.pem"))
            .expect("a certificate");
        let key =
            PrivateKeyDer::from_pem_slice(include_bytes!("../cases/tls/key.pem")).expect("a key");
        let tls = ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key)
        })
        .expect("a configuration");
        let (tls, listener) = (
            Arc::new(tls),
            TcpListener::bind("127.0.0.1:0").expect("a port"),
        );
        let (address, is_over) = (
            listener.local_addr().expect("an address"),
            Arc::new(AtomicBool::new(false)),
        );
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let desk = Desk {
            token: token.to_owned(),
            describe,
            pushed: Mutex::new(None),
            bodies: Arc::clone(&bodies),
        };
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(SeqCst) {
                    return;
                }
                // A client that does not like the certificate goes away: that is its own affair.
                let _ = stream.and_then(|stream| converse(&desk, &tls, stream));
            }
        });
        Self {
            address,
            is_over,
            bodies,
            thread: Some(thread),
        }
    }

    /// All that was pushed, in its order.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().expect("nobody panicked").clone()
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.is_over.store(true, SeqCst);
        drop(TcpStream::connect(self.address));
        let _ = self.thread.take().expect("it runs").join();
    }
}

fn converse<F: Fn(&Value) -> Value>(
    desk: &Desk<F>,
    tls: &Arc<ServerConfig>,
    stream: TcpStream,
) -> std::io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(tls)).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let (mut head, mut line) = (Vec::new(), String::new());
    while stream.read_line(&mut line)? > 2 {
        head.push(std::mem::take(&mut line).trim().to_owned());
    }
    let field = |name: &str| {
        head.iter().find_map(|line| {
            line.to_ascii_lowercase()
                .starts_with(name)
                .then(|| line[name.len()..].trim())
        })
    };
    let mut body =
        vec![0; field("content-length:").map_or(0, |length| length.parse().expect("a length"))];
    stream.read_exact(&mut body)?;
    let is_allowed = desk.token.is_empty()
        || field("authorization:") == Some(format!("Bearer {}", desk.token).as_str());
    let mut pushed = desk.pushed.lock().expect("nobody panicked");
    let (status, said) = match head.first().expect("a request").split(' ').next() {
        _ if !is_allowed => ("403 Forbidden", json!({ "error": "the token is not ours" })),
        Some("PUT") => {
            let body = String::from_utf8(body).map_err(std::io::Error::other)?;
            // A removal is no JSON.
            *pushed = serde_json::from_str(&body).ok();
            desk.bodies.lock().expect("nobody panicked").push(body);
            ("202 Accepted", json!({ "state": "judging" }))
        }
        _ => (
            "200 OK",
            pushed.as_ref().map_or_else(
                || json!({ "serial": null, "state": "none" }),
                &desk.describe,
            ),
        ),
    };
    let body = said.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n",
        body.len()
    );
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}
