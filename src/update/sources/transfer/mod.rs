//! Zone transfer in: a secondary for response policy zones, which brings a list from its primaries
//! and keeps it up to date.
//!
//! AXFR (RFC 5936), IXFR (RFC 1995), NOTIFY (RFC 1996), TSIG (RFC 8945). A zone that cannot be had
//! leaves the list as it is, even past the time at which the zone expires: then the alarm is
//! raised, and the old list keeps blocking.

mod copy;
mod exchange;
mod intake;
mod message;
mod notify;
mod ordering;
mod secondary;
mod serial;
mod shared_key;
mod tsig;
mod tsig_fault;
mod zone;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use notify::{Watched, Zones};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::clock::monotonic;
use crate::update::join::join_until;
use crate::update::updater::Updater;
pub use intake::Caps;
use secondary::{Secondary, Wake};
pub use shared_key::SharedKey;
pub use tsig::{TsigAlgorithm, TsigKey};
pub use zone::SecondaryZone;

/// What is transferred, and from where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The zones, each the source of one list.
    pub zones: Vec<SecondaryZone>,
    /// Where primaries tell us that a zone changed, over UDP and TCP; without any, changes are
    /// found by asking.
    pub notify: Vec<SocketAddr>,
    /// The folder in which copies are kept.
    pub folder: PathBuf,
}

/// Why transfers could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// An address for NOTIFY cannot be had.
    #[error("notify {address}: {error}: choose another address, or stop what uses it")]
    Notify {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The system starts no thread.
    #[error("a thread for zone transfers cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// How long a stop waits for a visit to end.
const STOP: Duration = Duration::from_millis(500);

/// Keeps the lists up to date until it is dropped.
pub struct Transfers {
    addresses: Vec<SocketAddr>,
    secondaries: Vec<(SyncSender<Wake>, JoinHandle<()>)>,
    listeners: Vec<AbortHandle>,
    stop: Arc<AtomicBool>,
}

impl Transfers {
    /// Offer each zone's copy, then follow the zones' changes; waits for no primary.
    pub fn start(
        settings: Settings,
        updater: &Updater,
        runtime: &Handle,
    ) -> Result<Self, StartFault> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut transfers = Self {
            addresses: Vec::new(),
            secondaries: Vec::new(),
            listeners: Vec::new(),
            stop,
        };
        if settings.zones.is_empty() {
            return Ok(transfers);
        }
        let mut watched = Vec::new();
        for zone in settings.zones {
            let path = settings.folder.join(format!("{}.zone", zone.id));
            let Some(list) = updater.lists().at(zone.list) else {
                continue;
            };
            let stop = Arc::clone(&transfers.stop);
            let secondary = Secondary::new(zone.clone(), path, list, stop);
            let (wake, woken) = sync_channel(1);
            let thread = std::thread::Builder::new()
                .name("transfer".to_owned())
                .spawn(move || secondary.run(&woken))?;
            let teller = wake.clone();
            transfers.secondaries.push((wake, thread));
            // A full queue means that the zone is asked for anyway.
            let heard = Box::new(move |from| drop(teller.try_send(Wake::Told(from))));
            watched.push(Watched {
                zone: zone.zone,
                primaries: zone.primaries,
                key: zone.key,
                heard,
            });
        }
        transfers.listen(&settings.notify, &watched.into(), runtime)?;
        Ok(transfers)
    }

    /// Where NOTIFY is heard.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    fn listen(
        &mut self,
        addresses: &[SocketAddr],
        zones: &Zones,
        runtime: &Handle,
    ) -> Result<(), StartFault> {
        let _guard = runtime.enter();
        for &address in addresses {
            let refused = |error| StartFault::Notify { address, error };
            let tcp = bind_tcp(address).map_err(refused)?;
            // The same port for both, even where the system chose it.
            let bound = tcp.local_addr().map_err(refused)?;
            let udp = bind_udp(bound).map_err(refused)?;
            self.addresses.push(bound);
            self.listeners.push(
                runtime
                    .spawn(notify::serve_tcp(tcp, Arc::clone(zones)))
                    .abort_handle(),
            );
            self.listeners.push(
                runtime
                    .spawn(notify::serve_udp(udp, Arc::clone(zones)))
                    .abort_handle(),
            );
        }
        Ok(())
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

impl Drop for Transfers {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.listeners.iter().for_each(AbortHandle::abort);
        for (wake, _) in &self.secondaries {
            // A full queue wakes the thread as well.
            let _ = wake.try_send(Wake::Stop);
        }
        let threads = self.secondaries.drain(..).map(|(_, thread)| thread);
        join_until(threads, monotonic() + STOP);
    }
}
