//! The sockets that questions go out from over UDP, kept for a moment after a good reply: opening,
//! connecting, watching and closing one takes as long as the question itself.
//!
//! Randomness stays what a fresh socket gives. Each socket hears one server alone and has one
//! question under way at a time, whose port the system drew for no other server, so that what one
//! server sees of our ports says nothing about another's questions. One that saw anything but the
//! reply, or kept waiting in vain, is closed; and none lives long enough to be searched for (SAD
//! DNS, CVE-2020-25705).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::outgoing::LocalAddress;

/// The longest that a port is in use. Finding one port by the system's rate of ICMP errors, 1,000 a
/// second, takes half a minute.
const AGE_MAX: Duration = Duration::from_millis(500);
/// Questions from one port.
const USES_MAX: u32 = 32;
/// Sockets that wait for their next question, in all.
const IDLE_MAX: usize = 512;

/// The idle sockets; for questions that all go out from the same addresses.
#[derive(Debug, Default)]
pub(in crate::resolve) struct Sockets {
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    by_server: HashMap<SocketAddr, Vec<Lent>>,
    count: usize,
}

/// A socket that hears nobody but its server.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) socket: UdpSocket,
    born: Instant,
    uses: u32,
}

impl Lent {
    fn may_serve(&self, now: Instant) -> bool {
        self.uses < USES_MAX && now.saturating_duration_since(self.born) < AGE_MAX
    }
}

impl Sockets {
    /// Send `octets` to `server`, and lend the socket that its reply will come to.
    pub(super) async fn send(
        &self,
        server: SocketAddr,
        local: LocalAddress,
        octets: &[u8],
        now: Instant,
    ) -> io::Result<Lent> {
        if let Some(mut lent) = self.take(server, now) {
            lent.uses += 1;
            // It may have been told meanwhile that nobody is there; a fresh one will see for
            // itself.
            if lent.socket.send(octets).await.is_ok() {
                return Ok(lent);
            }
        }
        let socket = open(server, local)?;
        // Before anybody watches it: there is room in a buffer that was never used.
        socket.send(octets)?;
        Ok(Lent {
            socket: UdpSocket::from_std(socket.into())?,
            born: now,
            uses: 1,
        })
    }

    /// Take back a socket that heard its reply and nothing else.
    pub(super) fn give_back(&self, server: SocketAddr, lent: Lent, now: Instant) {
        if !lent.may_serve(now) {
            return;
        }
        // The next question's wait begins with the watcher, not with a read in vain: what may still
        // lie here came before that question went out, and its reply will wake the watcher anew.
        let _ = lent.socket.try_io(Interest::READABLE, || {
            Err::<(), _>(io::ErrorKind::WouldBlock.into())
        });
        let mut idle = self.lock();
        if idle.count < IDLE_MAX {
            idle.count += 1;
            idle.by_server.entry(server).or_default().push(lent);
            return;
        }
        let old = idle.sweep(now);
        drop(idle);
        drop((old, lent));
    }

    /// The socket of this server that was used last, if it may serve again.
    fn take(&self, server: SocketAddr, now: Instant) -> Option<Lent> {
        let mut idle = self.lock();
        let Entry::Occupied(mut kept) = idle.by_server.entry(server) else {
            return None;
        };
        let lent = kept.get_mut().pop();
        // The others were used before it and may be older; where it is too old, the sweep will find
        // them.
        if kept.get().is_empty() {
            kept.remove();
        }
        idle.count -= usize::from(lent.is_some());
        drop(idle);
        lent.filter(|lent| lent.may_serve(now))
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    /// Those that will not serve again, to be closed where nobody waits.
    fn sweep(&mut self, now: Instant) -> Vec<Lent> {
        let mut old = Vec::new();
        self.by_server.retain(|_, kept| {
            old.extend(kept.extract_if(.., |lent| !lent.may_serve(now)));
            !kept.is_empty()
        });
        self.count -= old.len();
        old
    }
}

/// Where no address is prescribed the system draws the port as it connects, which saves a call.
fn open(server: SocketAddr, local: LocalAddress) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(server),
        Type::DGRAM.nonblocking(),
        Some(Protocol::UDP),
    )?;
    if local != LocalAddress::default() {
        socket.bind(&local.address_for(server).into())?;
    }
    socket.connect(&server.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn server() -> (UdpSocket, SocketAddr) {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        (server, address)
    }

    fn port(lent: &Lent) -> u16 {
        lent.socket.local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn a_socket_serves_again_alone_and_not_for_long() {
        let ((_one, one), (_two, two)) = (server().await, server().await);
        let (sockets, now) = (Sockets::default(), Instant::now());
        let send = async |server, now| {
            sockets
                .send(server, LocalAddress::default(), b"question", now)
                .await
                .unwrap()
        };
        let (first, beside) = (send(one, now).await, send(one, now).await);
        assert_ne!(port(&first), port(&beside), "one question at a time");
        let ours = port(&first);
        sockets.give_back(one, first, now);
        assert_ne!(port(&send(two, now).await), ours, "one server alone");
        let mut again = send(one, now).await;
        assert_eq!(port(&again), ours);
        for uses in 2..USES_MAX {
            sockets.give_back(one, again, now);
            again = send(one, now).await;
            assert_eq!((port(&again), again.uses), (ours, uses + 1));
        }
        sockets.give_back(one, again, now);
        assert_ne!(port(&send(one, now).await), ours, "used up");
        let young = send(one, now).await;
        let ours = port(&young);
        sockets.give_back(one, young, now + AGE_MAX / 2);
        assert_ne!(port(&send(one, now + AGE_MAX).await), ours, "too old");
        assert_eq!(sockets.lock().count, 0);
    }

    #[tokio::test]
    async fn only_so_many_wait_and_the_old_ones_go() {
        let (_server, address) = server().await;
        let (sockets, now) = (Sockets::default(), Instant::now());
        let mut lent = Vec::new();
        for _ in 0..IDLE_MAX + 2 {
            lent.push(
                sockets
                    .send(address, LocalAddress::default(), b"question", now)
                    .await
                    .unwrap(),
            );
        }
        let young = lent
            .pop()
            .map(|lent| Lent {
                born: now + AGE_MAX,
                ..lent
            })
            .unwrap();
        for lent in lent {
            sockets.give_back(address, lent, now);
        }
        assert_eq!(sockets.lock().count, IDLE_MAX);
        sockets.give_back(address, young, now + AGE_MAX);
        let idle = sockets.lock();
        assert_eq!(
            (idle.count, idle.by_server.len()),
            (0, 0),
            "all were old, and the last one found no room"
        );
    }
}
