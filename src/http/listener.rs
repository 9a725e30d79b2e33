//! The listener under everything that is spoken over HTTP/1.1 here: the push door, the metrics, the
//! witness. One request a connection, with caps on all of it.
//!
//! Who has not brought a whole request head that is allowed waits in a *lobby*, for seconds only.
//! There is always room for one more in it: whose network holds most of it goes first, so that
//! connections that say nothing keep nobody out. A *seat*, of which there are few, is taken by
//! requests that are allowed, before their bodies are read.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::conversation::{FindTls, Serving, converse};
use super::places::{HttpSeats, Lobby};
use super::service::Service;

/// How long to wait before accepting again where the system refuses.
const PAUSE: Duration = Duration::from_millis(100);

/// How many there may be at once.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    /// Connections whose request is not yet allowed; the oldest makes room for one more.
    pub lobby: usize,
    /// Requests whose body is read or whose answer is made.
    pub seats: usize,
    /// The same, of one IPv4 address or IPv6 /56.
    pub seats_per_address: usize,
}

/// An address that is taken, and does not answer yet.
#[derive(Debug)]
pub struct HttpListener(TcpListener);

/// The open door; closed when it is dropped.
#[derive(Debug)]
pub struct HttpDoor {
    address: SocketAddr,
    over: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpListener {
    /// Takes the address; port 0 takes a free one.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// Answers on a thread of its own, which is named `name`, until the returned value is dropped;
    /// with `tls`, over TLS alone.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn serve(
        self,
        name: &str,
        limits: ListenerLimits,
        tls: Option<FindTls>,
        service: impl Service,
    ) -> io::Result<HttpDoor> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // As many as can be wanted: no answer waits for another one.
            .max_blocking_threads(limits.seats + 1)
            .thread_name(name)
            .build()?;
        let (over, is_over) = oneshot::channel();
        let serving = Arc::new(Serving {
            service: Box::new(service),
            tls,
            seats: HttpSeats::new(limits.seats, limits.seats_per_address),
        });
        let lobby = Lobby::new(limits.lobby);
        let address = self.0.local_addr()?;
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(self.0, lobby, serving) => {}
                        _ = is_over => {}
                    }
                });
                // Nobody waits for an answer that is still being made.
                runtime.shutdown_background();
            })?;
        Ok(HttpDoor {
            address,
            over: Some(over),
            thread: Some(thread),
        })
    }
}

impl HttpDoor {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpDoor {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, lobby: Lobby, serving: Arc<Serving>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let (place, serving) = (lobby.enter(peer.ip()), Arc::clone(&serving));
        tokio::spawn(async move {
            // The other side is gone, too slow, or had to make room: there is nobody to tell.
            let _ = converse(&serving, stream, peer.ip(), place).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::super::answer::{HttpAnswer, HttpRefusal};
    use super::super::head::RequestHead;
    use super::super::service::{Admission, BodyLimits};
    use super::*;

    const LIMITS: ListenerLimits = ListenerLimits {
        lobby: 4,
        seats: 2,
        seats_per_address: 2,
    };

    /// Says what it was sent, to those who ask for `/echo`; makes others wait for as long as it is
    /// told to.
    struct Echo(Arc<AtomicBool>);

    impl Service for Echo {
        fn admit(&self, head: &RequestHead<'_>) -> Result<Admission, HttpRefusal> {
            if head.target == "/no" {
                return Err(HttpRefusal::new("404 Not Found", "not here"));
            }
            let holds = (head.target == "/hold").then(|| Arc::clone(&self.0));
            Ok(Admission {
                limits: BodyLimits {
                    octets_max: 8,
                    too_large: "eight octets are enough",
                    patience: Duration::from_millis(500),
                },
                answer: Box::new(move |body| {
                    while holds.as_ref().is_some_and(|holds| holds.load(Relaxed)) {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    HttpAnswer::new("200 OK", "text/plain", body.as_slice())
                }),
            })
        }
    }

    fn door(holds: &Arc<AtomicBool>, tls: Option<FindTls>) -> HttpDoor {
        let listener = HttpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let service = Echo(Arc::clone(holds));
        listener.serve("echo", LIMITS, tls, service).unwrap()
    }

    fn begin(door: &HttpDoor, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(door.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn end(mut stream: TcpStream) -> String {
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        said
    }

    #[test]
    fn a_request_is_answered_as_its_service_says() {
        let door = door(&Arc::default(), None);
        for (request, begins, ends) in [
            (
                "PUT /echo HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody",
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n",
                "\r\n\r\nbody",
            ),
            (
                "HEAD /echo HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody",
                "HTTP/1.1 200 OK\r\n",
                "Content-Length: 4\r\nConnection: close\r\n\r\n",
            ),
            (
                "PUT /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
                "HTTP/1.1 413 ",
                "eight octets are enough\n",
            ),
            (
                "PUT /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\nxx",
                "HTTP/1.1 400 ",
                "more came than Content-Length says\n",
            ),
            (
                "PUT /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nx",
                "HTTP/1.1 408 ",
                "the request did not come in time\n",
            ),
            (
                "PUT /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 ",
                "in time\n",
            ),
            ("GET /no HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "not here\n"),
            ("nonsense\r\n\r\n", "HTTP/1.1 400 ", "HTTP/1.1 request\n"),
        ] {
            let said = end(begin(&door, request));
            assert!(
                said.starts_with(begins) && said.ends_with(ends),
                "{request}: {said}"
            );
        }
        let long = format!("GET /echo HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(8192));
        assert!(end(begin(&door, &long)).starts_with("HTTP/1.1 431 "));
    }

    #[test]
    fn connections_that_say_nothing_keep_nobody_out_and_are_told_nothing() {
        let door = door(&Arc::default(), None);
        let silent: Vec<_> = (0..3 * LIMITS.lobby).map(|_| begin(&door, "")).collect();
        let unfinished = begin(&door, "GET /echo HTT");
        assert!(end(begin(&door, "GET /echo HTTP/1.1\r\n\r\n")).starts_with("HTTP/1.1 200 "));
        for stream in silent {
            assert_eq!(end(stream), "");
        }
        assert!(end(unfinished).starts_with("HTTP/1.1 408 "));
    }

    #[test]
    fn seats_are_for_requests_that_are_allowed() {
        let holds = Arc::new(AtomicBool::new(true));
        let door = door(&holds, None);
        let held: Vec<_> = (0..LIMITS.seats)
            .map(|_| begin(&door, "GET /hold HTTP/1.1\r\n\r\n"))
            .collect();
        let full = loop {
            let said = end(begin(&door, "GET /echo HTTP/1.1\r\n\r\n"));
            if !said.starts_with("HTTP/1.1 200 ") {
                break said;
            }
        };
        assert!(full.starts_with("HTTP/1.1 503 ") && full.contains("\r\nRetry-After: 5\r\n"));
        assert!(end(begin(&door, "GET /no HTTP/1.1\r\n\r\n")).starts_with("HTTP/1.1 404 "));
        holds.store(false, Relaxed);
        for stream in held {
            assert!(end(stream).starts_with("HTTP/1.1 200 "));
        }
        assert!(end(begin(&door, "GET /echo HTTP/1.1\r\n\r\n")).starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn without_a_certificate_nothing_is_said() {
        let door = door(&Arc::default(), Some(Box::new(|| None)));
        assert_eq!(end(begin(&door, "GET /echo HTTP/1.1\r\n\r\n")), "");
    }
}
