//! A proxy that does to packets what bad networks do: it loses, delays, repeats, reorders and
//! corrupts them, by a seed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::in_process::Order;

/// How long a way back is kept open.
const IDLE: Duration = Duration::from_secs(2);
const ROOM: usize = 65_535;

/// What happens to each datagram, in each direction; chances in a thousand. TCP is only delayed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) loss: usize,
    pub(crate) delay: Duration,
    /// Up to so much is added to the delay, which reorders what comes close together.
    pub(crate) jitter: Duration,
    pub(crate) duplicate: usize,
    /// One octet becomes another.
    pub(crate) corrupt: usize,
    /// Goes at once and overtakes what is delayed.
    pub(crate) overtake: usize,
    pub(crate) seed: u64,
}

/// The running proxy; it ends when dropped.
pub(crate) struct Proxy {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The weather as it falls.
struct Sky {
    weather: Weather,
    order: Mutex<Order>,
}

impl Proxy {
    /// Stands at each first address for each second one.
    pub(crate) fn start(
        ways: impl Iterator<Item = (SocketAddr, SocketAddr)>,
        weather: Weather,
    ) -> Self {
        let bind = |(front, behind): (SocketAddr, SocketAddr)| {
            let udp = std::net::UdpSocket::bind(front).expect("a UDP socket");
            let tcp = std::net::TcpListener::bind(front).expect("a TCP socket");
            udp.set_nonblocking(true)
                .and_then(|()| tcp.set_nonblocking(true))
                .expect("sockets that do not wait");
            (udp, tcp, behind)
        };
        let ways: Vec<_> = ways.map(bind).collect();
        let sky = Arc::new(Sky {
            weather,
            order: Mutex::new(Order(weather.seed)),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                for (udp, tcp, behind) in ways {
                    tokio::spawn(pass_udp(
                        Arc::new(UdpSocket::from_std(udp).expect("a UDP socket")),
                        behind,
                        Arc::clone(&sky),
                    ));
                    tokio::spawn(pass_tcp(
                        TcpListener::from_std(tcp).expect("a TCP socket"),
                        behind,
                        weather.delay,
                    ));
                }
                let _ = stopped.await;
            });
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Sky {
    /// What becomes of a datagram: each copy that arrives, and when.
    fn befall(&self, octets: &[u8]) -> Vec<(Duration, Vec<u8>)> {
        let mut order = self.order.lock().expect("the order");
        let mut happens = |chance: usize| order.next() % 1000 < chance;
        if happens(self.weather.loss) {
            return vec![];
        }
        let copies = 1 + usize::from(happens(self.weather.duplicate));
        let mut arrivals = vec![];
        for _ in 0..copies {
            let mut octets = octets.to_vec();
            let mut happens = |chance: usize| order.next() % 1000 < chance;
            let (is_corrupt, overtakes) = (
                happens(self.weather.corrupt),
                happens(self.weather.overtake),
            );
            if is_corrupt && !octets.is_empty() {
                let at = order.next() % octets.len();
                octets[at] ^= 1 + (order.next() % 255) as u8;
            }
            let jitter = self
                .weather
                .jitter
                .mul_f64((order.next() % 1000) as f64 / 1000.0);
            arrivals.push((
                if overtakes {
                    Duration::ZERO
                } else {
                    self.weather.delay + jitter
                },
                octets,
            ));
        }
        arrivals
    }

    fn send(&self, octets: &[u8], socket: &Arc<UdpSocket>, to: Option<SocketAddr>) {
        for (delay, octets) in self.befall(octets) {
            let socket = Arc::clone(socket);
            tokio::spawn(async move {
                sleep(delay).await;
                // Where nobody listens any more the datagram is lost, as in any network.
                let _ = match to {
                    Some(to) => socket.send_to(&octets, to).await,
                    None => socket.send(&octets).await,
                };
            });
        }
    }
}

async fn pass_udp(front: Arc<UdpSocket>, behind: SocketAddr, sky: Arc<Sky>) {
    let mut ways: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut buffer = vec![0; ROOM];
    loop {
        let Ok((length, client)) = front.recv_from(&mut buffer).await else {
            continue;
        };
        ways.retain(|_, way| Arc::strong_count(way) > 1);
        let way = match ways.get(&client) {
            Some(way) => Arc::clone(way),
            None => {
                let Ok(way) = UdpSocket::bind((behind.ip(), 0)).await else {
                    continue;
                };
                if way.connect(behind).await.is_err() {
                    continue;
                }
                let way = Arc::new(way);
                tokio::spawn(pass_back(
                    Arc::clone(&way),
                    Arc::clone(&front),
                    client,
                    Arc::clone(&sky),
                ));
                ways.insert(client, Arc::clone(&way));
                way
            }
        };
        sky.send(&buffer[..length], &way, None);
    }
}

async fn pass_back(way: Arc<UdpSocket>, front: Arc<UdpSocket>, client: SocketAddr, sky: Arc<Sky>) {
    let mut buffer = vec![0; ROOM];
    while let Ok(Ok(length)) = timeout(IDLE, way.recv(&mut buffer)).await {
        sky.send(&buffer[..length], &front, Some(client));
    }
}

async fn pass_tcp(front: TcpListener, behind: SocketAddr, delay: Duration) {
    while let Ok((mut client, _)) = front.accept().await {
        tokio::spawn(async move {
            sleep(delay).await;
            if let Ok(mut server) = TcpStream::connect(behind).await {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}
