//! DNS over UDP: a thread a core with its own socket, datagrams in batches; only misses leave the
//! thread.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::backlog::Backlog;
use super::cookies::{CookieProof, Cookies, WholeCookie};
use super::in_service::{Current, InService};
use super::kernel::{self, BATCH, Batch, ReturnPath};
pub use super::udp_socket::UdpLosses;
use super::udp_socket::{BindError, LOOK_UP, bind_one, find_free};
use super::waiters::Waiter;
use crate::clock;
use crate::count::{Cells, Door, Refusal};
use crate::process;
use crate::query::{AnswerDesk, Answering, Asked, Later, Outcome, Rate};
use crate::wire::{COOKIE, UDP_OCTETS_MAX, add_option, door_options, push_option};

/// How the UDP door is built.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The addresses to listen on.
    pub addresses: Vec<SocketAddr>,
    /// Threads for each address.
    pub threads: usize,
}

/// A thread's turn at its CPU is about what a full batch takes. With turns of the usual length, the
/// slowest hundredth of the kept answers took up to four times as long beside cold questions on the
/// same CPU.
const TURN: Duration = Duration::from_micros(100);

/// While misses are late, questions gather for so long: taking them one by one would cost the time
/// to answer them.
const GATHERING: Duration = Duration::from_millis(1);

/// A miss that nobody has time for is refused aloud if it is among so many at the front of a batch
/// that is not full, and in silence otherwise: sending is most of what a refusal costs.
const REFUSED_ALOUD: usize = 4;

/// Sockets that are bound but not yet served.
pub struct Bound {
    sockets: Vec<Arc<UdpSocket>>,
    addresses: Vec<SocketAddr>,
}

/// The open door.
pub struct Udp {
    /// What the kernel drops in front of it.
    pub losses: UdpLosses,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    misses: TaskTracker,
}

/// A question that waits for its answer, and where the reply goes.
struct Miss {
    later: Later,
    /// What it came under.
    answering: Arc<Answering>,
    back: ReturnPath,
    socket: Arc<UdpSocket>,
    arrived: Instant,
    waiter: Waiter,
    given: Option<Given>,
}

/// Who waits for a miss, and since when.
struct WaitingClient {
    arrived: Instant,
    client: IpAddr,
    given: Option<Given>,
}

/// The cookie that goes out with a reply.
#[derive(Clone, Copy)]
struct Given {
    proof: CookieProof,
    cookie: WholeCookie,
    /// The largest reply that the client takes.
    octets_max: usize,
}

impl Bound {
    /// Bind all sockets; a port of 0 takes a free one.
    pub fn bind(settings: &Settings) -> Result<Self, BindError> {
        let mut bound = Self {
            sockets: Vec::new(),
            addresses: Vec::new(),
        };
        for &address in &settings.addresses {
            let refused = |error| BindError { address, error };
            let address = find_free(address).map_err(refused)?;
            bound.addresses.push(address);
            for _ in 0..settings.threads.max(1) {
                bound
                    .sockets
                    .push(Arc::new(bind_one(address).map_err(refused)?));
            }
        }
        Ok(bound)
    }

    /// The addresses with their real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Start a thread a socket, and the task that takes up misses; call it inside the tokio
    /// runtime.
    ///
    /// `threads_in_all` is how many threads all UDP doors have, which share the room for fronts.
    pub fn serve(self, current: &Arc<Current>, threads_in_all: usize) -> io::Result<Udp> {
        let stop = Arc::new(AtomicBool::new(false));
        // Each holds a place of `Waiters`, which bounds them all.
        let (queue, misses) = mpsc::unbounded_channel();
        let tracker = TaskTracker::new();
        let backlog = Arc::new(Backlog::new());
        let answering = Arc::clone(&current.load().answering);
        let cells = answering.shared_cells();
        tracker.spawn(take_up(
            misses,
            cells,
            tracker.clone(),
            Arc::clone(&backlog),
        ));
        let losses = UdpLosses::of(&self.sockets);
        let mut threads = Vec::with_capacity(self.sockets.len());
        for (index, socket) in self.sockets.into_iter().enumerate() {
            let misses = MissQueue {
                socket,
                queue: queue.clone(),
                backlog: Arc::clone(&backlog),
            };
            let worker = Worker {
                misses,
                serving: arc_swap::Cache::new(Arc::clone(current)),
                desk: answering.desk_for_batches(BATCH, threads_in_all),
            };
            let stop = Arc::clone(&stop);
            let thread = std::thread::Builder::new().name(format!("udp-{index}"));
            threads.push(thread.spawn(move || {
                if let Err(error) = process::pin_thread(index) {
                    tracing::debug!(%error, "a UDP thread stays unpinned");
                }
                if let Err(error) = kernel::take_short_turns(TURN) {
                    tracing::debug!(%error, "a UDP thread has turns of the usual length");
                }
                worker.run(&stop);
            })?);
        }
        Ok(Udp {
            losses,
            threads,
            stop,
            misses: tracker,
        })
    }
}

impl Udp {
    /// Stop reading, and wait until all questions taken so far are answered.
    pub async fn close(self) {
        self.stop.store(true, Relaxed);
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            threads
                .into_iter()
                .map(JoinHandle::join)
                .filter(Result::is_err)
                .count()
        });
        if joined.await.is_ok_and(|broken| broken > 0) {
            tracing::error!("a UDP thread ended by itself; please report this");
        }
        self.misses.close();
        self.misses.wait().await;
    }
}

/// One thread's door.
struct Worker {
    misses: MissQueue,
    /// What is answered by, looked up once a batch.
    serving: arc_swap::Cache<Arc<Current>, Arc<InService>>,
    desk: AnswerDesk,
}

/// Where a thread's misses go.
struct MissQueue {
    socket: Arc<UdpSocket>,
    queue: mpsc::UnboundedSender<Miss>,
    backlog: Arc<Backlog>,
}

impl Worker {
    fn run(mut self, stop: &AtomicBool) {
        let mut batch = Batch::new();
        while !stop.load(Relaxed) {
            let taken = match batch.receive(&self.misses.socket) {
                Ok(taken) => taken,
                Err(error) => {
                    // Such as ENOMEM, or ICMP errors that the kernel reports late: none of them
                    // ends the door.
                    tracing::warn!(%error, "a UDP socket could not be read");
                    std::thread::sleep(LOOK_UP);
                    continue;
                }
            };
            if taken > 0 {
                self.answer_batch(&mut batch, taken);
            } else {
                // So that what is not in force any more can go.
                let _ = self.serving.load();
            }
        }
    }

    fn answer_batch(&mut self, batch: &mut Batch, taken: usize) {
        let arrived = clock::monotonic();
        let Self {
            misses,
            serving,
            desk,
        } = self;
        let serving: &InService = serving.load();
        let InService { answering, guards } = serving;
        let round = answering.round(desk);
        // Behind a balancer's header a question stands elsewhere: there is nothing to foresee.
        let foreseen = if guards.balancers.is_empty() {
            taken
        } else {
            0
        };
        desk.foresee(&round, batch.packets(foreseen));
        let mut is_late = false;
        for index in 0..taken {
            let Some((packet, from, room)) = batch.exchange(index) else {
                continue;
            };
            if from.port() == 0 {
                continue;
            }
            let Some((packet, client)) = guards.balancers.unwrap(packet, from.ip()) else {
                continue;
            };
            let standing = answering.clients().classify(client);
            let given = guards
                .cookies
                .as_deref()
                .and_then(|cookies| give(cookies, packet, client, round.now_s()));
            let rate = match given {
                Some(Given {
                    proof: CookieProof::Valid,
                    ..
                }) => Rate::Within,
                _ => guards.rate.admit(client, arrived),
            };
            let asked = Asked {
                packet,
                standing,
                door: Door::Udp,
                rate,
                seat: index,
            };
            match answering.answer(&round, desk, &asked, room) {
                Outcome::Reply(len) => {
                    let len = given.map_or(len, |given| {
                        add_option(room, len, given.octets_max, COOKIE, &given.cookie)
                    });
                    batch.reply(index, len);
                }
                Outcome::Silence => {}
                Outcome::Later(later) => {
                    let waiter = WaitingClient {
                        arrived,
                        client,
                        given,
                    };
                    is_late |= misses.put_off(batch, index, (later, waiter), serving, desk);
                }
            }
        }
        let sent = batch.send(&misses.socket);
        let elapsed_us = u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
        desk.cells().note_latency(elapsed_us, sent as u64);
        if is_late && !batch.is_full() {
            std::thread::sleep(GATHERING);
        }
    }
}

impl MissQueue {
    /// Hand a miss to tokio. Where that is late, or the client has too many waiting already, an
    /// answer that has run out goes out at once, or a refusal, so that the client can ask another
    /// resolver. Is it late?
    fn put_off(
        &self,
        batch: &mut Batch,
        index: usize,
        (later, waiting): (Later, WaitingClient),
        InService { answering, guards }: &InService,
        desk: &AnswerDesk,
    ) -> bool {
        let Some(back) = batch.return_path(index) else {
            return false;
        };
        let WaitingClient {
            arrived,
            client,
            given,
        } = waiting;
        let is_late = self.backlog.is_late(arrived);
        let later = match guards.waiters.admit(client, is_late) {
            Err(why) => {
                desk.cells().note_refusal(why);
                later
            }
            Ok(waiter) => {
                self.backlog.note_waiting(arrived);
                let miss = Miss {
                    later,
                    answering: Arc::clone(answering),
                    back,
                    socket: Arc::clone(&self.socket),
                    arrived,
                    waiter,
                    given,
                };
                match self.queue.send(miss) {
                    Ok(()) => return is_late,
                    Err(mpsc::error::SendError(miss)) => miss.later,
                }
            }
        };
        let is_aloud = index < REFUSED_ALOUD && !batch.is_full();
        if let Some((_, _, room)) = batch.exchange(index)
            && let Outcome::Reply(len) = answering.shed(&later, is_aloud, desk.cells(), room)
        {
            batch.reply(index, len);
        }
        is_late
    }
}

/// The cookie for a client that sends its own; nothing for all others, which is known at a glance.
fn give(cookies: &Cookies, packet: &[u8], client: IpAddr, now_s: u32) -> Option<Given> {
    let options = door_options(packet)?;
    let (proof, cookie) = cookies.answer(options.cookie?, client, now_s)?;
    Some(Given {
        proof,
        cookie,
        octets_max: options.udp_octets_max.min(UDP_OCTETS_MAX),
    })
}

/// Start a task for each miss until all threads have stopped.
async fn take_up(
    mut misses: mpsc::UnboundedReceiver<Miss>,
    cells: Arc<Cells>,
    tracker: TaskTracker,
    backlog: Arc<Backlog>,
) {
    while let Some(miss) = misses.recv().await {
        backlog.note_taken(miss.arrived, misses.is_empty());
        tracker.spawn(finish(miss, Arc::clone(&cells)));
    }
}

async fn finish(miss: Miss, cells: Arc<Cells>) {
    let mut reply = Vec::new();
    let answering = miss.answering;
    answering.answer_later(miss.later, &cells, &mut reply).await;
    if let Some(given) = miss.given {
        push_option(&mut reply, given.octets_max, COOKIE, &given.cookie);
    }
    if reply.is_empty() {
        return;
    }
    if !miss.waiter.may_send(miss.arrived.elapsed()) {
        cells.note_refusal(Refusal::ReplyLate);
        return;
    }
    // A client that is gone, or a full socket buffer: as if the datagram were lost on the way.
    if miss.back.send(&miss.socket, &reply).is_ok() {
        let elapsed_us = u64::try_from(miss.arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
        cells.note_latency(elapsed_us, 1);
    }
}
