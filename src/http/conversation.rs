//! One connection of a listener: handshake, head, body, answer, each with its time.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::answer::{HttpAnswer, HttpRefusal};
use super::head::{HEAD_OCTETS_MAX, HeadFault, RequestHead};
use super::places::{HttpSeat, HttpSeats, LobbyPlace};
use super::service::{Admission, Body, Service};

/// How long a TLS handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);
/// How long a head may take after it.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer may take to be taken.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// What is left unread would cut off the answer: so much of it is read for politeness, and so long.
const POLITE_OCTETS: u64 = 64 * 1024;
const POLITENESS: Duration = Duration::from_millis(100);
const BUFFER_OCTETS: usize = 16 * 1024;

/// Where the certificate for the next connection comes from; without one nothing is said to it.
pub type FindTls = Box<dyn Fn() -> Option<Arc<ServerConfig>> + Send + Sync>;

/// What all connections of a listener share.
pub(super) struct Serving {
    pub(super) service: Box<dyn Service>,
    pub(super) tls: Option<FindTls>,
    pub(super) seats: HttpSeats,
}

/// One connection, from its first octet to its last.
pub(super) async fn converse(
    serving: &Serving,
    stream: TcpStream,
    peer: IpAddr,
    mut place: LobbyPlace,
) -> io::Result<()> {
    let Some(find_tls) = &serving.tls else {
        return answer(serving, stream, peer, place).await;
    };
    let Some(config) = find_tls() else {
        return Ok(());
    };
    let handshake = timeout(HANDSHAKE_PATIENCE, TlsAcceptor::from(config).accept(stream));
    let stream = tokio::select! {
        made = handshake => made??,
        () = place.pushed_out() => return Ok(()),
    };
    answer(serving, stream, peer, place).await
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    serving: &Serving,
    mut stream: S,
    peer: IpAddr,
    mut place: LobbyPlace,
) -> io::Result<()> {
    // Of one piece, since what is moved is not wiped.
    let room = HEAD_OCTETS_MAX + 2 * BUFFER_OCTETS;
    let mut received = Zeroizing::new(Vec::with_capacity(room));
    let heard = tokio::select! {
        heard = timeout(HEAD_PATIENCE, hear(serving, &mut stream, &mut received)) => heard,
        () = place.pushed_out() => return Ok(()),
    };
    let HeardHead { shape, admitted } = match heard.unwrap_or_else(|_| Err(slow())) {
        Ok(heard) => heard,
        // Who said nothing is told nothing.
        Err(_) if received.is_empty() => return Ok(()),
        Err(refusal) => HeardHead {
            shape: RequestShape::default(),
            admitted: Err(refusal),
        },
    };
    // One of both places is held until the answer is written.
    let (answered, seat) = match admitted {
        Ok(admission) => match serving.seats.take(peer) {
            Some(seat) => {
                drop(place);
                let taken = take(&mut stream, received, shape, admission).await;
                (taken, Some(seat))
            }
            None => (Err(HttpRefusal::full("all places are taken")), None),
        },
        Err(refusal) => (Err(refusal), None),
    };
    let answer = answered.unwrap_or_else(|refusal| HttpAnswer {
        fields: refusal.fields,
        ..serving.service.refuse(&refusal)
    });
    end(stream, answer, shape, seat).await
}

/// Write the answer, and begin what comes after it, which keeps the seat.
async fn end<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    mut answer: HttpAnswer,
    shape: RequestShape,
    seat: Option<HttpSeat>,
) -> io::Result<()> {
    let then = answer.then.take();
    let writing = answer.write(&mut stream, shape.is_head_only);
    let written = timeout(ANSWER_PATIENCE, writing).await;
    match then {
        Some(then) => drop(tokio::task::spawn_blocking(move || {
            then();
            drop(seat);
        })),
        None => drop(seat),
    }
    written??;
    let (mut rest, mut nowhere) = (stream.take(POLITE_OCTETS), tokio::io::sink());
    let reading = tokio::io::copy(&mut rest, &mut nowhere);
    let _ = timeout(POLITENESS, reading).await;
    Ok(())
}

/// What was made of a head.
struct HeardHead {
    shape: RequestShape,
    admitted: Result<Admission, HttpRefusal>,
}

/// How a request is to be read and answered.
#[derive(Clone, Copy, Default)]
struct RequestShape {
    /// Octets of its body.
    length: usize,
    /// A word is expected before the body comes.
    waits: bool,
    /// The answer's body is not wanted.
    is_head_only: bool,
}

/// Read a head and have it judged; what came of the body is left in `received`.
async fn hear<S: AsyncRead + Unpin>(
    serving: &Serving,
    stream: &mut S,
    received: &mut Body,
) -> Result<HeardHead, HttpRefusal> {
    loop {
        receive(stream, received).await?;
        let parsed = RequestHead::parse(received)?;
        if parsed.as_ref().map_or(received.len(), |(_, end)| *end) > HEAD_OCTETS_MAX {
            return Err(HeadFault::Long.into());
        }
        if let Some((head, end)) = parsed {
            let shape = RequestShape {
                length: head.length()?,
                waits: head.field("expect")?.is_some(),
                is_head_only: head.method == "HEAD",
            };
            let admitted = serving.service.admit(&head);
            received.drain(..end);
            return Ok(HeardHead { shape, admitted });
        }
    }
}

/// Read the body of an allowed request and have it answered.
async fn take<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    received: Body,
    shape: RequestShape,
    admission: Admission,
) -> Result<HttpAnswer, HttpRefusal> {
    let Admission { limits, answer } = admission;
    if shape.length > limits.octets_max {
        return Err(HttpRefusal::new("413 Content Too Large", limits.too_large));
    }
    // Of one piece, since what is moved is not wiped.
    let room = shape.length.max(received.len()) + BUFFER_OCTETS;
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    body.extend_from_slice(&received);
    drop(received);
    let all = async {
        if shape.waits && body.is_empty() {
            let goes_on = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
            goes_on.map_err(|_| slow())?;
        }
        while body.len() < shape.length {
            receive(stream, &mut body).await?;
        }
        Ok::<_, HttpRefusal>(())
    };
    timeout(limits.patience, all).await.map_err(|_| slow())??;
    if body.len() > shape.length {
        let message = "more came than Content-Length says";
        return Err(HttpRefusal::new("400 Bad Request", message));
    }
    let made = tokio::task::spawn_blocking(move || answer(body)).await;
    made.map_err(|_| HttpRefusal::new("500 Internal Server Error", "no answer can be made"))
}

/// Read on; a stream that ends is as slow as one that stands still.
async fn receive<S: AsyncRead + Unpin>(stream: &mut S, into: &mut Body) -> Result<(), HttpRefusal> {
    let mut buffer = Zeroizing::new([0; BUFFER_OCTETS]);
    match stream.read(&mut *buffer).await {
        Ok(count @ 1..) => {
            into.extend_from_slice(buffer.get(..count).unwrap_or_default());
            Ok(())
        }
        _ => Err(slow()),
    }
}

fn slow() -> HttpRefusal {
    HttpRefusal::new("408 Request Timeout", "the request did not come in time")
}
