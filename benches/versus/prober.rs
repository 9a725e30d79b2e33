//! Asks a server at a steady rate whether it answers or not, and says how long each answer took: an
//! open loop, so that a stall is seen by every question that falls into it.
//!
//! Usage: `prober ADDRESS:PORT FILE RATE SECONDS [NAME]`. FILE has a name a line. Once in 5 ms one
//! question more asks for NAME, and the moment when its answer first begins with 192.0.2.1 is
//! noted. It says "begun" when it begins, and in the end a line of JSON comes out; times are in
//! milliseconds. With PROBER_CLIENTS in the environment it asks from so many addresses in turn.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measuring tool that stops at the first trouble"
)]

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use socket2::SockRef;
use wardline::name::Name;

/// A question that has no answer after this long is lost.
const PATIENCE: Duration = Duration::from_secs(5);
const WATCH_EVERY: Duration = Duration::from_millis(5);
/// What waits here while other threads have the CPU is not lost.
const SOCKET_BUFFER_OCTETS: usize = 4 << 20;
const IDS: usize = 1 << 16;
const STOP_PAGE: [u8; 4] = [192, 0, 2, 1];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let [address, file, rate, seconds, rest @ ..] = arguments.as_slice() else {
        panic!("ADDRESS:PORT FILE RATE SECONDS [NAME]")
    };
    let (rate, seconds): (u64, u64) = (
        rate.parse().expect("a rate"),
        seconds.parse().expect("seconds"),
    );
    let names = std::fs::read_to_string(file).expect("the file of names");
    let questions: Vec<Vec<u8>> = names
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(question)
        .collect();
    let enforced = rest.first().map(|name| (address.clone(), question(name)));
    println!("begun");
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let watcher = enforced.map(|(address, question)| {
        std::thread::spawn(move || watch(&address, &question, begun, end))
    });
    let mut latencies = probe(address, &questions, rate, begun, end);
    latencies.ms.sort_by(f64::total_cmp);
    let at = |share: f64| {
        latencies.ms.get(
            ((latencies.ms.len() as f64 * share) as usize)
                .min(latencies.ms.len().saturating_sub(1)),
        )
    };
    let shown = |ms: Option<&f64>| ms.map_or("null".to_owned(), |ms| format!("{ms:.3}"));
    let enforced = watcher.and_then(|watcher| watcher.join().expect("the watcher"));
    println!(
        concat!(
            r#"{{"sent": {}, "lost": {}, "p50": {}, "p99": {}, "p999": {}, "max": {}, "#,
            r#""enforced_at": {}}}"#
        ),
        latencies.sent,
        latencies.sent - latencies.ms.len() as u64,
        shown(at(0.5)),
        shown(at(0.99)),
        shown(at(0.999)),
        shown(latencies.ms.last()),
        shown(enforced.as_ref()),
    );
}

fn question(name: &str) -> Vec<u8> {
    let mut packet = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend(Name::parse(name).expect("a name").as_wire());
    packet.extend([0, 1, 0, 1]);
    packet
}

struct Latencies {
    sent: u64,
    ms: Vec<f64>,
}

/// Send on time, whatever comes back; the other thread notes what does.
fn probe(
    address: &str,
    questions: &[Vec<u8>],
    rate: u64,
    begun: Instant,
    end: Instant,
) -> Latencies {
    let clients: usize = std::env::var("PROBER_CLIENTS")
        .map_or(1, |text| text.parse().expect("a number of clients"));
    let sockets: Vec<UdpSocket> = (0..clients)
        .map(|client| connect(client, address))
        .collect();
    // Enough ids for all that can be under way: a slot of 0 is free.
    let sent_at: Vec<AtomicU64> = (0..IDS).map(|_| AtomicU64::new(0)).collect();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (sent_at, is_over) = (&sent_at, &is_over);
        let receivers: Vec<_> = sockets
            .iter()
            .map(|socket| scope.spawn(move || receive(socket, sent_at, begun, is_over)))
            .collect();
        let mut sent = 0_u64;
        while Instant::now() < end {
            let due = begun.elapsed().as_micros() as u64 * rate / 1_000_000;
            while sent < due {
                let id = sent as usize % IDS;
                let mut packet = questions[sent as usize % questions.len()].clone();
                packet[..2].copy_from_slice(&(id as u16).to_be_bytes());
                sent_at[id].store(begun.elapsed().as_nanos() as u64 | 1, Relaxed);
                // A full buffer at the server's side is a loss like any other.
                let _ = sockets[sent as usize % clients].send(&packet);
                sent += 1;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(PATIENCE.min(Duration::from_secs(2)));
        is_over.store(true, Relaxed);
        Latencies {
            sent,
            ms: receivers
                .into_iter()
                .flat_map(|receiver| receiver.join().expect("a receiver"))
                .collect(),
        }
    })
}

fn connect(client: usize, address: &str) -> UdpSocket {
    let source = if client == 0 {
        "127.0.0.1".to_owned()
    } else {
        format!("127.0.10.{client}")
    };
    let socket = UdpSocket::bind((source.as_str(), 0)).expect("a socket");
    socket.connect(address).expect("an address");
    SockRef::from(&socket)
        .set_recv_buffer_size(SOCKET_BUFFER_OCTETS)
        .expect("a larger buffer");
    socket
        .set_read_timeout(Some(Duration::from_millis(50)))
        .expect("a time-out");
    socket
}

fn receive(
    socket: &UdpSocket,
    sent_at: &[AtomicU64],
    begun: Instant,
    is_over: &AtomicBool,
) -> Vec<f64> {
    let mut ms = Vec::new();
    let mut room = [0; 4096];
    while !is_over.load(Relaxed) {
        let Ok(len @ 12..) = socket.recv(&mut room) else {
            continue;
        };
        let now = begun.elapsed().as_nanos() as u64;
        let at = sent_at[usize::from(u16::from_be_bytes([room[0], room[1]]))].swap(0, Relaxed);
        // Answers in time count, and only once; those of SERVFAIL are no answers.
        if at != 0 && room[3] & 0xf != 2 && len > 12 {
            ms.push((now - at) as f64 / 1e6);
        }
    }
    ms
}

/// When the name's answer first begins with the stop page's address.
fn watch(address: &str, question: &[u8], begun: Instant, end: Instant) -> Option<f64> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(address).expect("an address");
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a time-out");
    let mut room = [0; 4096];
    while Instant::now() < end + PATIENCE {
        let _ = socket.send(question);
        let blocked = socket
            .recv(&mut room)
            .is_ok_and(|len| room[..len].windows(4).any(|octets| octets == STOP_PAGE));
        if blocked {
            return Some(begun.elapsed().as_secs_f64() * 1e3);
        }
        std::thread::sleep(WATCH_EVERY);
    }
    None
}
