//! The floor under every resolver: a UDP echo with the same batched socket calls as Wardline's UDP
//! door and nothing else.
//!
//! Usage: `echo ADDRESS:PORT`; runs until it is killed. Each datagram goes back with QR set, so
//! that a load generator takes it for a reply.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measuring tool that stops at the first trouble"
)]

use std::net::UdpSocket;
use std::time::Duration;

use socket2::SockRef;
use wardline::serve::kernel::Batch;

/// As large as those of Wardline's door: a floor that loses questions is asked by fewer at once.
const SOCKET_BUFFER_OCTETS: usize = 4 << 20;

fn main() {
    let address = std::env::args()
        .skip(1)
        .find(|argument| argument.contains(':'))
        .expect("ADDRESS:PORT");
    let socket = UdpSocket::bind(&address).expect("the address is free");
    let buffers = SockRef::from(&socket);
    buffers
        .set_recv_buffer_size(SOCKET_BUFFER_OCTETS)
        .expect("a larger buffer");
    buffers
        .set_send_buffer_size(SOCKET_BUFFER_OCTETS)
        .expect("a larger buffer");
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .expect("a time-out");
    println!("echo on {address}");
    let mut batch = Batch::new();
    loop {
        let taken = batch.receive(&socket).expect("the socket can be read");
        for index in 0..taken {
            let Some((packet, _, room)) = batch.exchange(index) else {
                continue;
            };
            let len = packet.len().min(room.len());
            room[..len].copy_from_slice(&packet[..len]);
            room[2] |= 0x80;
            batch.reply(index, len);
        }
        batch.send(&socket);
    }
}
