//! The doors for questions: opened, and closed again when what they were asked is answered.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::start_error::StartError;
use crate::config::{Config, Listen};
use crate::serve::tcp::{self, Streams};
use crate::serve::tls::{self, LiveIdentity};
use crate::serve::udp::{self, Udp, UdpLosses};
use crate::serve::{Current, stop::Stop};

/// An address as it is configured, and how it is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DoorPlace {
    way: DoorWay,
    /// Port 0 is any that is free.
    address: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DoorWay {
    Udp,
    Tcp,
    Tls,
}

impl DoorWay {
    const fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// A door that is open.
struct OpenDoor {
    place: DoorPlace,
    /// With its real port.
    address: SocketAddr,
    serving: ServingDoor,
}

enum ServingDoor {
    Udp(Udp),
    Stream {
        stop: watch::Sender<bool>,
        task: JoinHandle<()>,
    },
}

/// A door whose address is ours, and that answers nobody yet.
enum BoundDoor {
    Udp(udp::Bound),
    Stream(TcpListener),
}

/// The doors that a change opens.
pub(super) struct BoundDoors(Vec<(DoorPlace, SocketAddr, BoundDoor)>);

/// What all doors answer by.
pub(super) struct DoorGround {
    pub(super) current: Arc<Current>,
    pub(super) streams: Streams,
    /// Shown by TLS doors; nothing where there is none.
    pub(super) identity: Option<Arc<LiveIdentity>>,
}

/// All doors that are open.
#[derive(Default)]
pub(super) struct Doors(Vec<OpenDoor>);

/// The doors that are wanted.
fn wanted(listen: &Listen) -> Vec<DoorPlace> {
    let of = |way, addresses: &[SocketAddr]| {
        let place = move |&address| DoorPlace { way, address };
        addresses.iter().map(place).collect::<Vec<_>>()
    };
    let mut wanted = of(DoorWay::Udp, &listen.udp);
    wanted.extend(of(DoorWay::Tcp, &listen.tcp));
    if listen.identity.is_some() {
        wanted.extend(of(DoorWay::Tls, &listen.tls));
    }
    wanted
}

/// How many threads each UDP address has.
fn udp_threads(listen: &Listen) -> usize {
    if listen.threads == 0 {
        threads()
    } else {
        listen.threads
    }
}

/// As many as there are CPUs.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Doors {
    /// Take the addresses of all doors that are wanted and not open; needs the runtime around it.
    pub(super) async fn bind(&self, config: &Config) -> Result<BoundDoors, StartError> {
        let mut open: Vec<DoorPlace> = self.0.iter().map(|door| door.place).collect();
        let mut bound = Vec::new();
        for place in wanted(&config.listen) {
            if let Some(at) = open.iter().position(|known| *known == place) {
                open.swap_remove(at);
                continue;
            }
            let (address, door) = bind_one(place, &config.listen).await?;
            bound.push((place, address, door));
        }
        Ok(BoundDoors(bound))
    }

    /// Answer at these doors too; needs the runtime around it.
    pub(super) fn open(
        &mut self,
        bound: BoundDoors,
        listen: &Listen,
        ground: &DoorGround,
    ) -> Result<(), StartError> {
        let udp_threads = udp_threads(listen) * listen.udp.len();
        for (place, address, door) in bound.0 {
            let serving = match door {
                BoundDoor::Udp(bound) => {
                    ServingDoor::Udp(bound.serve(&ground.current, udp_threads)?)
                }
                BoundDoor::Stream(listener) => {
                    let (stop, stopped) = watch::channel(false);
                    let task = ground.serve(place.way, listener, stopped);
                    ServingDoor::Stream { stop, task }
                }
            };
            self.0.push(OpenDoor {
                place,
                address,
                serving,
            });
        }
        Ok(())
    }

    /// Take out the doors that are not wanted any more; they answer until they are closed.
    pub(super) fn take_unwanted(&mut self, listen: &Listen) -> Self {
        let mut wanted = wanted(listen);
        let mut is_wanted = |door: &mut OpenDoor| {
            let at = wanted.iter().position(|place| *place == door.place);
            at.map(|at| wanted.swap_remove(at)).is_none()
        };
        Self(self.0.extract_if(.., |door| is_wanted(door)).collect())
    }

    /// Read no more questions, and wait until those that were read are answered.
    pub(super) async fn close(self) {
        // All hear it before the first is waited for.
        for door in &self.0 {
            if let ServingDoor::Stream { stop, .. } = &door.serving {
                let _ = stop.send(true);
            }
        }
        for door in self.0 {
            match door.serving {
                ServingDoor::Udp(udp) => udp.close().await,
                // A panic was reported where it happened.
                ServingDoor::Stream { task, .. } => drop(task.await),
            }
        }
    }

    /// Such as "udp 127.0.0.1:5300", UDP first.
    pub(super) fn names(&self) -> Vec<String> {
        let of = |way: DoorWay| self.0.iter().filter(move |door| door.place.way == way);
        let ways = [DoorWay::Udp, DoorWay::Tcp, DoorWay::Tls].into_iter();
        let name = |door: &OpenDoor| format!("{} {}", door.place.way.word(), door.address);
        ways.flat_map(of).map(name).collect()
    }

    /// What the kernel drops in front of the UDP doors, each by its address.
    pub(super) fn losses(&self) -> Vec<(SocketAddr, UdpLosses)> {
        let udp = self.0.iter().filter_map(|door| match &door.serving {
            ServingDoor::Udp(udp) => Some((door.address, udp.losses.clone())),
            ServingDoor::Stream { .. } => None,
        });
        udp.collect()
    }

    /// The addresses with their real ports that are asked over UDP.
    pub(super) fn udp(&self) -> Vec<SocketAddr> {
        let udp = self.0.iter().filter(|door| door.place.way == DoorWay::Udp);
        udp.map(|door| door.address).collect()
    }
}

async fn bind_one(
    place: DoorPlace,
    listen: &Listen,
) -> Result<(SocketAddr, BoundDoor), StartError> {
    if place.way == DoorWay::Udp {
        let bound = udp::Bound::bind(&udp::Settings {
            addresses: vec![place.address],
            threads: udp_threads(listen),
        })?;
        let address = bound.addresses().first().copied();
        return Ok((address.unwrap_or(place.address), BoundDoor::Udp(bound)));
    }
    let listener = tcp::bind(place.address).await?;
    Ok((listener.local_addr()?, BoundDoor::Stream(listener)))
}

impl DoorGround {
    fn serve(&self, way: DoorWay, listener: TcpListener, stop: Stop) -> JoinHandle<()> {
        let streams = self.streams.clone();
        match (way, &self.identity) {
            (DoorWay::Tls, Some(identity)) => {
                let identity = Arc::clone(identity);
                tokio::spawn(tls::serve(listener, identity, streams, stop))
            }
            _ => tokio::spawn(tcp::serve(listener, streams, stop)),
        }
    }
}
