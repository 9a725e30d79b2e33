//! Opening the UDP sockets of an address, one for each thread.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Weak};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::kernel::{self};
use super::tcp::remedy;

/// How long a thread sleeps on an idle socket before it looks whether to stop.
pub(super) const LOOK_UP: Duration = Duration::from_millis(200);

/// The door cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} over UDP: {error}; {}", remedy(error.kind()))]
pub struct BindError {
    pub(super) address: SocketAddr,
    pub(super) error: io::Error,
}

/// Kernel buffers, so that a short stall loses nothing.
const SOCKET_BUFFER_OCTETS: usize = 4 << 20;

/// The address with its real port; fails where anybody listens, for SO_REUSEPORT alone would share
/// the questions with a stranger.
pub(super) fn find_free(address: SocketAddr) -> io::Result<SocketAddr> {
    let socket = new_socket(address)?;
    socket.bind(&address.into())?;
    UdpSocket::from(socket).local_addr()
}

fn new_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

pub(super) fn bind_one(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = new_socket(address)?;
    socket.set_reuse_port(true)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_OCTETS)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_OCTETS)?;
    socket.set_read_timeout(Some(LOOK_UP))?;
    if address.ip().is_unspecified() {
        kernel::ask_for_destination(&socket, address.ip())?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Knows what the kernel drops in front of a door's sockets, for as long as it is open.
#[derive(Clone)]
pub struct UdpLosses(Vec<Weak<UdpSocket>>);

impl UdpLosses {
    pub(super) fn of(sockets: &[Arc<UdpSocket>]) -> Self {
        Self(sockets.iter().map(Arc::downgrade).collect())
    }

    /// Datagrams that were dropped so far.
    pub fn read(&self) -> u64 {
        let open = self.0.iter().filter_map(Weak::upgrade);
        open.map(|socket| u64::from(kernel::drops(&*socket).unwrap_or_default()))
            .sum()
    }
}
