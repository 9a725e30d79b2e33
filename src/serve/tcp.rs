//! The TCP door: listens, lets in as many as there is room for, and stops in good order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time;

use super::client_limits::ClientLimitTable;
use super::connection::{Client, converse};
use super::guards::Guards;
use super::in_service::Current;
use super::limits::{Connections, Permit};
use super::proxy::introduce;
use super::slots::Slots;
use super::stop::{Stop, stopped};
use super::stream_answers::{Desks, StreamAnswers};
pub use super::stream_terms::Settings;
use super::stream_terms::StreamTerms;
use crate::count::{Door, Refusal};

/// What all TCP and TLS doors share: the desks and the limits. Clone it for each.
pub struct Streams<A = Desks> {
    answers: Arc<A>,
    pub(super) terms: Arc<ArcSwap<StreamTerms>>,
    /// Balancers' connections that did not say yet for whom they come.
    strangers: Arc<Slots>,
    pub(super) handshakes: Arc<Slots>,
    pub(super) connections: Arc<Connections>,
}

impl Streams {
    /// For a runtime of this many threads.
    pub fn new(current: Arc<Current>, threads: usize, settings: Settings) -> Self {
        let serving = current.load_full();
        let terms = StreamTerms::new(settings, &serving.guards);
        let limits = Arc::clone(&serving.guards.client_limits);
        Self::under(Desks::new(current, threads), terms, limits)
    }

    /// From now on these limits hold, for what is open too; what is too much of that stays until it
    /// ends.
    pub fn change(&self, settings: Settings, guards: &Guards) {
        let limits = Arc::clone(&guards.client_limits);
        self.connections.allow(settings.connections, limits);
        self.terms
            .store(Arc::new(StreamTerms::new(settings, guards)));
    }
}

impl<A> Streams<A> {
    fn under(answers: A, terms: StreamTerms, limits: Arc<ClientLimitTable>) -> Self {
        Self {
            answers: Arc::new(answers),
            strangers: Arc::default(),
            handshakes: Arc::default(),
            connections: Connections::new(terms.settings.connections, limits),
            terms: Arc::new(ArcSwap::from_pointee(terms)),
        }
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.connections.open()
    }

    /// How many connections may be open.
    pub fn max(&self) -> usize {
        self.connections.max()
    }

    pub(super) fn answers(&self) -> &Arc<A> {
        &self.answers
    }

    fn admit(&self, address: IpAddr, door: Door) -> Option<(Client<A>, Permit)>
    where
        A: StreamAnswers,
    {
        let standing = self.answers.classify(address);
        let permit = match self.connections.admit(address, standing) {
            Ok(permit) => permit,
            Err(why) => {
                self.answers.note_refusal(why);
                return None;
            }
        };
        let client = Client {
            answers: Arc::clone(&self.answers),
            connections: Arc::clone(&self.connections),
            terms: Arc::clone(&self.terms),
            address,
            door,
        };
        Some((client, permit))
    }
}

#[cfg(test)]
impl<A> Streams<A> {
    pub(super) fn with(answers: A, settings: Settings, limits: Arc<ClientLimitTable>) -> Self {
        Self::under(answers, StreamTerms::plain(settings), limits)
    }
}

impl<A> Clone for Streams<A> {
    fn clone(&self) -> Self {
        Self {
            answers: Arc::clone(&self.answers),
            terms: Arc::clone(&self.terms),
            strangers: Arc::clone(&self.strangers),
            handshakes: Arc::clone(&self.handshakes),
            connections: Arc::clone(&self.connections),
        }
    }
}

/// Why a door cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} over TCP: {error}; {}", remedy(error.kind()))]
pub struct BindFault {
    address: SocketAddr,
    error: io::Error,
}

/// Connections that wait to be accepted; the kernel may allow fewer (net.core.somaxconn).
const BACKLOG: i32 = 1024;

/// Open a listening socket; an IPv6 address takes IPv6 only, so that `0.0.0.0` and `[::]` can stand
/// side by side.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindFault> {
    let listen = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    listen().map_err(|error| BindFault { address, error })
}

/// What to do about an address that cannot be listened on.
pub(super) const fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "stop the program that listens there (`ss -lntup` names it) or change `listen`"
        }
        io::ErrorKind::AddrNotAvailable => "give the address to this machine or change `listen`",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE"
        }
        _ => "see `listen` in the configuration",
    }
}

/// Serve plain TCP until `stop`; returns when the last connection is closed, at the latest after
/// `Settings::drain`.
pub async fn serve(listener: TcpListener, streams: Streams, stop: Stop) {
    accept_each(
        listener,
        streams,
        Door::Tcp,
        |stream| std::future::ready(Some(stream)),
        stop,
    )
    .await;
}

/// After a failed accept the door waits this long, doubling up to the second value, so that it does
/// not spin.
const PAUSE: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// Accept clients, `greet` each (a TLS handshake, or nothing) and speak with it in a task of its
/// own.
pub(super) async fn accept_each<A, G, F, S>(
    listener: TcpListener,
    streams: Streams<A>,
    door: Door,
    greet: G,
    mut stop: Stop,
) where
    A: StreamAnswers,
    G: Fn(TcpStream) -> F + Send + Sync + 'static,
    F: Future<Output = Option<S>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut open = JoinSet::new();
    let greet = Arc::new(greet);
    let [mut pause, pause_max] = PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = open.join_next(), if !open.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                [pause, _] = PAUSE;
                // Replies go out whole; waiting to fill a segment would only delay them.
                let _ = stream.set_nodelay(true);
                if streams.terms.load().balancers.has(peer.ip()) {
                    open.spawn(receive_introduced(
                        stream,
                        peer.ip(),
                        streams.clone(),
                        door,
                        Arc::clone(&greet),
                        stop.clone(),
                    ));
                } else if let Some((client, permit)) = streams.admit(peer.ip(), door) {
                    open.spawn(receive(greet(stream), client, permit, stop.clone()));
                }
            }
            Err(error) if is_of_one_client(error.kind()) => {}
            Err(error) => {
                if pause == PAUSE[0] {
                    tracing::warn!(%error, door = door.name(), "cannot accept connections; raise \
                        the limit of open files (LimitNOFILE)");
                }
                let _ = time::timeout(pause, stopped(&mut stop)).await;
                pause = pause_max.min(pause * 2);
            }
        }
    }
    drop(listener);
    // What is not done by then is dropped with the set.
    let drain = streams.terms.load().settings.drain;
    let _ = time::timeout(drain, async { while open.join_next().await.is_some() {} }).await;
}

/// The client left before it was let in: says nothing about the next one.
const fn is_of_one_client(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Hear from a balancer for whom it comes, and let that client in if there is room for it.
async fn receive_introduced<A, G, F, S>(
    mut stream: TcpStream,
    from: IpAddr,
    streams: Streams<A>,
    door: Door,
    greet: Arc<G>,
    mut stop: Stop,
) where
    A: StreamAnswers,
    G: Fn(TcpStream) -> F + Send + Sync + 'static,
    F: Future<Output = Option<S>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let Settings {
        connections, idle, ..
    } = streams.terms.load().settings;
    let Some(slot) = streams.strangers.take(connections) else {
        streams.answers.note_refusal(Refusal::Balancers);
        return;
    };
    let patience = streams.connections.patience(idle);
    let client = tokio::select! {
        biased;
        client = introduce(&mut stream, from, patience) => client,
        () = stopped(&mut stop) => None,
    };
    drop(slot);
    if let Some((client, permit)) = client.and_then(|address| streams.admit(address, door)) {
        receive(greet(stream), client, permit, stop).await;
    }
}

async fn receive<A: StreamAnswers, S: AsyncRead + AsyncWrite>(
    greeting: impl Future<Output = Option<S>>,
    client: Client<A>,
    permit: Permit,
    mut stop: Stop,
) {
    let stream = tokio::select! {
        biased;
        stream = greeting => stream,
        () = stopped(&mut stop) => None,
    };
    if let Some(stream) = stream {
        converse(stream, client, stop).await;
    }
    drop(permit);
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;

    use super::super::client_limits::samples::two_connections;
    use super::super::stream_answers::stand_in::{LATER, NOW, StandIn, question};
    use tokio::sync::{Semaphore, watch};

    use super::*;

    const SETTINGS: Settings = Settings {
        idle: Duration::from_secs(30),
        drain: Duration::from_secs(30),
        connections: 10,
    };
    const DEADLINE: Duration = Duration::from_secs(20);

    struct Opened {
        address: SocketAddr,
        streams: Streams<StandIn>,
        gate: Arc<Semaphore>,
        stop: watch::Sender<bool>,
        door: JoinHandle<()>,
    }

    async fn open(settings: Settings) -> Opened {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let streams = Streams::with(StandIn::new(), settings, two_connections());
        let gate = Arc::clone(&streams.answers.gate);
        let (stop, stopped) = watch::channel(false);
        let greet = |stream| std::future::ready(Some(stream));
        let door = tokio::spawn(accept_each(
            listener,
            streams.clone(),
            Door::Tcp,
            greet,
            stopped,
        ));
        Opened {
            address,
            streams,
            gate,
            stop,
            door,
        }
    }

    async fn ask(stream: &mut TcpStream, id: u8, fate: u8) {
        stream.write_all(&question(id, fate)).await.unwrap();
    }

    /// The id of the next reply, or nothing where the connection is closed.
    async fn hear(stream: &mut TcpStream) -> Option<u8> {
        let mut reply = [0; 15];
        let read = time::timeout(DEADLINE, stream.read_exact(&mut reply))
            .await
            .expect("neither reply nor end");
        read.ok().map(|_| reply[3])
    }

    #[tokio::test]
    async fn one_client_cannot_hold_more_than_its_share() {
        let opened = open(SETTINGS).await;
        let mut inside = Vec::new();
        for id in 0..2 {
            let mut stream = TcpStream::connect(opened.address).await.unwrap();
            ask(&mut stream, id, NOW).await;
            assert_eq!(hear(&mut stream).await, Some(id));
            inside.push(stream);
        }
        let mut third = TcpStream::connect(opened.address).await.unwrap();
        assert_eq!(hear(&mut third).await, None);
        assert_eq!(opened.streams.open(), 2);
        let refusals = opened.streams.answers.refusals();
        assert_eq!(refusals, [Refusal::ConnectionsClient]);
        drop(inside);
        let asked_until = time::Instant::now() + DEADLINE;
        loop {
            let mut stream = TcpStream::connect(opened.address).await.unwrap();
            let sent = stream.write_all(&question(9, NOW)).await;
            if sent.is_ok() && hear(&mut stream).await == Some(9) {
                break;
            }
            assert!(
                time::Instant::now() < asked_until,
                "the share is not given back"
            );
        }
    }

    #[tokio::test]
    async fn a_stopped_door_finishes_what_was_asked() {
        let opened = open(SETTINGS).await;
        let mut busy = TcpStream::connect(opened.address).await.unwrap();
        ask(&mut busy, 1, LATER).await;
        ask(&mut busy, 2, NOW).await;
        assert_eq!(hear(&mut busy).await, Some(2));
        let mut silent = TcpStream::connect(opened.address).await.unwrap();
        ask(&mut silent, 3, NOW).await;
        assert_eq!(hear(&mut silent).await, Some(3));
        opened.stop.send(true).unwrap();
        assert_eq!(hear(&mut silent).await, None);
        let closed = async { while TcpStream::connect(opened.address).await.is_ok() {} };
        time::timeout(DEADLINE, closed)
            .await
            .expect("still listening");
        opened.gate.add_permits(1);
        assert_eq!(hear(&mut busy).await, Some(1));
        assert_eq!(hear(&mut busy).await, None);
        time::timeout(DEADLINE, opened.door)
            .await
            .expect("the door stays open")
            .unwrap();
        assert_eq!(opened.streams.open(), 0);
    }

    #[tokio::test]
    async fn a_stopped_door_does_not_wait_for_ever() {
        let opened = open(Settings {
            drain: Duration::from_millis(50),
            ..SETTINGS
        })
        .await;
        let mut busy = TcpStream::connect(opened.address).await.unwrap();
        ask(&mut busy, 1, LATER).await;
        ask(&mut busy, 2, NOW).await;
        assert_eq!(hear(&mut busy).await, Some(2));
        drop(opened.stop);
        time::timeout(DEADLINE, opened.door)
            .await
            .expect("the door stays open")
            .unwrap();
        assert_eq!(hear(&mut busy).await, None);
    }

    #[tokio::test]
    async fn a_taken_port_is_told_with_its_remedy() {
        let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = first.local_addr().unwrap();
        let fault = bind(address).await.unwrap_err().to_string();
        assert!(
            fault.starts_with(&format!("cannot listen on {address} over TCP: "))
                && fault.contains("ss -lntup"),
            "{fault}"
        );
        bind("[::1]:0".parse().unwrap()).await.unwrap();
    }
}
