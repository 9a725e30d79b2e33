//! The door of a witness: HTTP/1.1 on one address, one request a connection, with caps on
//! everything; no word on who asks.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::judge::{Witness, WitnessAnswer};
use super::{ADD_CHECKPOINT, SIZE_TYPE};
use crate::clock::{monotonic, wall_s};
use crate::http::{HEAD_OCTETS_MAX, HeadFault, RequestHead, head_end};
use crate::seal::submission::SUBMISSION_OCTETS_MAX;

/// How long a head may take, and then the body.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// How long the answer may take to be taken.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before accepting again where the system refuses.
const PAUSE: Duration = Duration::from_millis(100);
const BUFFER_OCTETS: usize = 4096;
const PLAIN: &str = "text/plain; charset=utf-8";
/// An IPv6 client may have all addresses of such a network.
const V6_PREFIX_BITS: u32 = 56;

/// How many connections there may be at once; one more is closed.
#[derive(Clone, Copy, Debug)]
pub struct DoorLimits {
    /// In all.
    pub connections: usize,
    /// From one IPv4 address or IPv6 /56.
    pub connections_per_address: usize,
}

/// The open door; closed when it is dropped.
#[derive(Debug)]
pub struct WitnessDoor {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WitnessDoor {
    /// Takes the address and answers on threads of its own.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn open(witness: Witness, listen: SocketAddr, limits: DoorLimits) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let (address, is_over) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let over = Arc::clone(&is_over);
        let thread = std::thread::Builder::new()
            .name("witness".to_owned())
            .spawn(move || accept(&listener, &Arc::new(witness), limits, &over))?;
        Ok(Self {
            address,
            is_over,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for WitnessDoor {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
        // A connection wakes the thread; where there can be none, it is left to end with the
        // process.
        if TcpStream::connect_timeout(&self.address, PAUSE).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn accept(
    listener: &TcpListener,
    witness: &Arc<Witness>,
    limits: DoorLimits,
    is_over: &AtomicBool,
) {
    let places = Arc::new(Places::default());
    loop {
        let accepted = listener.accept();
        if is_over.load(Relaxed) {
            return;
        }
        let Ok((stream, peer)) = accepted else {
            std::thread::sleep(PAUSE);
            continue;
        };
        let Some(place) = Places::take(&places, peer.ip(), limits) else {
            continue;
        };
        let witness = Arc::clone(witness);
        // Without a thread the connection is closed, and the log tries again.
        let _ = std::thread::Builder::new()
            .name("witness".to_owned())
            .spawn(move || {
                // The other side is gone or too slow: there is nobody to tell.
                let _ = converse(&witness, stream);
                drop(place);
            });
    }
}

/// Who holds how many connections.
#[derive(Default)]
struct Places(Mutex<HashMap<IpAddr, usize>>);

/// One connection's place, free again when it is dropped.
struct TakenPlace {
    places: Arc<Places>,
    network: IpAddr,
}

impl Places {
    fn take(places: &Arc<Self>, address: IpAddr, limits: DoorLimits) -> Option<TakenPlace> {
        let network = network_of(address);
        let mut held = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_network = held.get(&network).copied().unwrap_or_default();
        let is_full = held.values().sum::<usize>() >= limits.connections
            || of_network >= limits.connections_per_address;
        if is_full {
            return None;
        }
        held.insert(network, of_network + 1);
        drop(held);
        Some(TakenPlace {
            places: Arc::clone(places),
            network,
        })
    }
}

impl Drop for TakenPlace {
    fn drop(&mut self) {
        let mut held = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(&self.network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(held.remove(&self.network)),
        }
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - V6_PREFIX_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
        address => address,
    }
}

/// What goes back.
struct HttpAnswer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl HttpAnswer {
    fn refuse(status: &'static str, message: &str) -> Self {
        Self {
            status,
            kind: PLAIN,
            body: format!("{message}\n"),
        }
    }
}

impl From<HeadFault> for HttpAnswer {
    fn from(fault: HeadFault) -> Self {
        Self::refuse(fault.status(), &fault.to_string())
    }
}

fn converse(witness: &Witness, mut stream: TcpStream) -> io::Result<()> {
    let answer = match read(&mut stream) {
        Ok(body) => describe(witness.add_checkpoint(&body, wall_s())),
        Err(refused) => refused,
    };
    let HttpAnswer { status, kind, body } = answer;
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n",
        body.len()
    );
    stream.set_write_timeout(Some(ANSWER_PATIENCE))?;
    stream.write_all((head + &body).as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    // What is left unread would cut off the answer; a little of it is read for politeness.
    let deadline = monotonic() + PAUSE;
    let mut rest = Vec::new();
    while rest.len() < SUBMISSION_OCTETS_MAX && receive(&mut stream, &mut rest, deadline).is_ok() {}
    Ok(())
}

fn describe(answer: WitnessAnswer) -> HttpAnswer {
    let size = |size: u64| HttpAnswer {
        status: "409 Conflict",
        kind: SIZE_TYPE,
        body: format!("{size}\n"),
    };
    match answer {
        WitnessAnswer::Cosigned(body) => HttpAnswer {
            status: "200 OK",
            kind: PLAIN,
            body,
        },
        WitnessAnswer::Unreadable(fault) => HttpAnswer::refuse("400 Bad Request", &fault),
        WitnessAnswer::Unknown => HttpAnswer::refuse("404 Not Found", "this log is not known here"),
        WitnessAnswer::Unsigned => HttpAnswer::refuse(
            "403 Forbidden",
            "no key that is known of this log has signed the checkpoint",
        ),
        WitnessAnswer::Stale(last) | WitnessAnswer::OtherRoot(last) => size(last),
        WitnessAnswer::Unproven => HttpAnswer::refuse(
            "422 Unprocessable Content",
            "the proof does not lead from what was cosigned last to this checkpoint",
        ),
        WitnessAnswer::Failed => HttpAnswer::refuse(
            "500 Internal Server Error",
            "nothing can be remembered at present, and is therefore not cosigned",
        ),
    }
}

/// The body of a request to add a checkpoint.
fn read(stream: &mut TcpStream) -> Result<Vec<u8>, HttpAnswer> {
    let slow = |_| HttpAnswer::refuse("408 Request Timeout", "the request did not come in time");
    let (mut received, deadline) = (Vec::new(), monotonic() + HEAD_PATIENCE);
    let end = loop {
        if let Some(end) = head_end(&received) {
            break end;
        }
        if received.len() > HEAD_OCTETS_MAX {
            return Err(HeadFault::Long.into());
        }
        receive(stream, &mut received, deadline).map_err(slow)?;
    };
    let head = RequestHead::parse(received.get(..end).unwrap_or_default())?;
    if head.target != ADD_CHECKPOINT {
        let message = "checkpoints are posted to /add-checkpoint";
        return Err(HttpAnswer::refuse("404 Not Found", message));
    }
    if head.method != "POST" {
        let message = "checkpoints are sent with POST";
        return Err(HttpAnswer::refuse("405 Method Not Allowed", message));
    }
    let length = head.length()?;
    if length > SUBMISSION_OCTETS_MAX {
        let message = "a submission has at most 64 KiB";
        return Err(HttpAnswer::refuse("413 Content Too Large", message));
    }
    let waits = head.field("expect")?.is_some();
    let mut body = received.split_off(end);
    let deadline = monotonic() + BODY_PATIENCE;
    if waits && body.is_empty() {
        let goes_on = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        goes_on.map_err(slow)?;
    }
    while body.len() < length {
        receive(stream, &mut body, deadline).map_err(slow)?;
    }
    if body.len() > length {
        let message = "more came than Content-Length says";
        return Err(HttpAnswer::refuse("400 Bad Request", message));
    }
    Ok(body)
}

fn receive(stream: &mut TcpStream, into: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(monotonic());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left))?;
    let mut buffer = [0; BUFFER_OCTETS];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            into.extend_from_slice(buffer.get(..count).unwrap_or_default());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_held_by_address_and_in_all() {
        let places = Arc::new(Places::default());
        let limits = DoorLimits {
            connections: 3,
            connections_per_address: 2,
        };
        let take = |address: &str| Places::take(&places, address.parse().unwrap(), limits);
        let one = take("192.0.2.1").unwrap();
        let two = take("::ffff:192.0.2.1").unwrap();
        assert!(take("192.0.2.1").is_none(), "the same address");
        let other = take("2001:db8:0:100::1").unwrap();
        assert!(take("198.51.100.1").is_none(), "all places are taken");
        drop(one);
        let third = take("2001:db8:0:1ff::2").unwrap();
        drop(two);
        assert!(take("2001:db8:0:1aa::3").is_none(), "the same /56");
        assert!(take("2001:db8:0:200::3").is_some(), "another /56");
        drop((other, third));
        assert!(places.0.lock().unwrap().is_empty());
    }
}
