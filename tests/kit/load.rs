//! A steady load over UDP: questions leave when they are due, whether answers come or not, and each
//! answer is kept with its moment.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ask::{Question, Response};
use super::until;

/// Questions that leave together, from one socket: one thread of the server gets them, in this
/// order.
pub(crate) const VOLLEY: usize = 8;
const SOCKETS: usize = 4;
const LOOK: Duration = Duration::from_millis(20);

/// A load that goes on until it is stopped; at most 65,536 questions, for each has its own id.
pub(crate) struct Load {
    progress: Arc<Progress>,
    sender: JoinHandle<Vec<Instant>>,
    receivers: Vec<JoinHandle<Vec<Arrival>>>,
}

#[derive(Default)]
struct Progress {
    is_sending_over: AtomicBool,
    is_over: AtomicBool,
    answered: AtomicUsize,
}

struct Arrival {
    id: u16,
    at: Instant,
    octets: Vec<u8>,
}

/// One question of a load.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) sent: Instant,
    pub(crate) reply: Option<(Instant, Response)>,
}

impl Load {
    /// Asks `per_s` questions a second in volleys: `question` makes the one with this number.
    pub(crate) fn start(
        at: SocketAddr,
        per_s: u32,
        question: impl Fn(usize) -> Question + Send + 'static,
    ) -> Self {
        let progress = Arc::new(Progress::default());
        let sockets: Vec<Arc<UdpSocket>> = (0..SOCKETS).map(|_| Arc::new(socket(at))).collect();
        let receivers = sockets.iter().map(|socket| {
            let (socket, progress) = (Arc::clone(socket), Arc::clone(&progress));
            thread::spawn(move || receive(&socket, &progress))
        });
        let receivers = receivers.collect();
        let sending = Arc::clone(&progress);
        let sender = thread::spawn(move || send(&sockets, per_s, &sending, question));
        Self {
            progress,
            sender,
            receivers,
        }
    }

    /// How many answers have come so far.
    pub(crate) fn answered(&self) -> usize {
        self.progress.answered.load(SeqCst)
    }

    /// Asks no more and waits for the answers still owed, for so long; gives every question in the
    /// order it was asked.
    pub(crate) fn stop(self, patience: Duration) -> Vec<Asked> {
        self.progress.is_sending_over.store(true, SeqCst);
        let sent = self.sender.join().expect("the sender");
        let deadline = Instant::now() + patience;
        let settled = || {
            (self.progress.answered.load(SeqCst) >= sent.len() || Instant::now() >= deadline)
                .then_some(())
        };
        until("the last answers", patience * 2 + LOOK, settled);
        self.progress.is_over.store(true, SeqCst);
        let mut asked: Vec<Asked> = sent
            .into_iter()
            .map(|sent| Asked { sent, reply: None })
            .collect();
        for arrival in self
            .receivers
            .into_iter()
            .flat_map(|receiver| receiver.join().expect("a receiver"))
        {
            let question = &mut asked[usize::from(arrival.id)];
            assert!(
                question.reply.is_none(),
                "two answers to question {}",
                arrival.id
            );
            question.reply = Some((arrival.at, Response::read(arrival.octets)));
        }
        asked
    }
}

fn socket(at: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP socket");
    socket.connect(at).expect("loopback");
    socket.set_read_timeout(Some(LOOK)).expect("a deadline");
    socket
}

fn send(
    sockets: &[Arc<UdpSocket>],
    per_s: u32,
    progress: &Progress,
    question: impl Fn(usize) -> Question,
) -> Vec<Instant> {
    let (start, mut sent) = (Instant::now(), vec![]);
    while !progress.is_sending_over.load(SeqCst) {
        let volley = sent.len() / VOLLEY;
        let due = start + Duration::from_secs(1) * (volley * VOLLEY) as u32 / per_s;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        for _ in 0..VOLLEY {
            let number = sent.len();
            let mut question = question(number);
            question.id = u16::try_from(number).expect("at most 65,536 questions");
            sent.push(Instant::now());
            // A server that is gone lets the kernel refuse: the question counts as asked.
            let _ = sockets[volley % sockets.len()].send(&question.octets());
        }
    }
    sent
}

fn receive(socket: &UdpSocket, progress: &Progress) -> Vec<Arrival> {
    let (mut arrivals, mut buffer) = (vec![], [0; 4096]);
    while !progress.is_over.load(SeqCst) {
        let Ok(length) = socket.recv(&mut buffer) else {
            continue;
        };
        let octets = buffer[..length].to_vec();
        arrivals.push(Arrival {
            id: u16::from_be_bytes([octets[0], octets[1]]),
            at: Instant::now(),
            octets,
        });
        progress.answered.fetch_add(1, SeqCst);
    }
    arrivals
}
