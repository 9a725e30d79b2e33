//! Datagrams in batches: the one file that speaks to the kernel without a safe library in between.
//!
//! `recvmmsg` and `sendmmsg` move up to [`BATCH`] datagrams a call. The headers they need point
//! into buffers that the batch owns and never moves, so they are set up once. The ancillary data of
//! a question (the address it was sent to, on wildcard sockets) is given back with the reply
//! unread, which makes the kernel answer from that address.
#![allow(
    unsafe_code,
    reason = "no safe library offers batched datagrams with ancillary data"
)]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// The most datagrams moved in one call.
pub const BATCH: usize = 64;
/// Room for one question; longer datagrams are cut and read as faults.
pub const QUESTION_OCTETS: usize = 2048;
/// Room for one reply.
pub const REPLY_OCTETS: usize = crate::wire::UDP_OCTETS_MAX;
/// Room for the ancillary data: one `in6_pktinfo` with its header and padding.
const CONTROL_OCTETS: usize = 64;

/// Room for one question. The line behind it keeps questions from starting at multiples of 2048,
/// which would put all of them into the same few places of the CPU's nearest cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct QuestionRoom {
    octets: [u8; QUESTION_OCTETS],
    _apart: [u8; 64],
}

/// A client's address, of the larger family; the family stands at the same place in both.
type ClientName = libc::sockaddr_in6;

/// Ancillary data, aligned for the kernel's headers.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_OCTETS]);

/// The way back to a client: where a question came from and to which of our addresses.
#[derive(Clone)]
pub struct ReturnPath {
    name: ClientName,
    name_octets: libc::socklen_t,
    control: Control,
    control_octets: usize,
}

/// Buffers for a batch of questions and their replies.
pub struct Batch {
    questions: Box<[QuestionRoom]>,
    replies: Box<[[u8; REPLY_OCTETS]]>,
    names: Box<[ClientName]>,
    controls: Box<[Control]>,
    /// Kept alive for `received` and `sent`, which point into them.
    _question_vectors: Box<[libc::iovec]>,
    reply_vectors: Box<[libc::iovec]>,
    received: Box<[libc::mmsghdr]>,
    sent: Box<[libc::mmsghdr]>,
    /// So many of the headers in front were written to by the kernel.
    used: usize,
    to_send: usize,
}

// SAFETY: all pointers in the headers lead to heap memory that this value owns alone; they go along
// when it moves to another thread.
unsafe impl Send for Batch {}

impl Batch {
    /// Buffers for [`BATCH`] datagrams.
    pub fn new() -> Self {
        let mut questions = vec![
            QuestionRoom {
                octets: [0; QUESTION_OCTETS],
                _apart: [0; 64]
            };
            BATCH
        ]
        .into_boxed_slice();
        let mut replies = vec![[0; REPLY_OCTETS]; BATCH].into_boxed_slice();
        let mut names = vec![zeroed_name(); BATCH].into_boxed_slice();
        let mut controls = vec![Control([0; CONTROL_OCTETS]); BATCH].into_boxed_slice();
        let mut question_vectors: Box<[_]> = questions
            .iter_mut()
            .map(|room| vector(&mut room.octets))
            .collect();
        let reply_vectors: Box<[_]> = replies.iter_mut().map(|room| vector(room)).collect();
        let mut received = Vec::with_capacity(BATCH);
        for ((name, control), vector) in names
            .iter_mut()
            .zip(controls.iter_mut())
            .zip(question_vectors.iter_mut())
        {
            received.push(header(name, 0, vector, control, 0));
        }
        let sent = received.clone();
        Self {
            questions,
            replies,
            names,
            controls,
            _question_vectors: question_vectors,
            reply_vectors,
            received: received.into(),
            sent: sent.into(),
            used: BATCH,
            to_send: 0,
        }
    }

    /// Wait for at least one datagram and take all that are there. 0 after the socket's read
    /// time-out.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.to_send = 0;
        for message in self.received.iter_mut().take(self.used) {
            message.msg_hdr.msg_namelen = size_of::<ClientName>() as libc::socklen_t;
            message.msg_hdr.msg_controllen = CONTROL_OCTETS;
            message.msg_hdr.msg_flags = 0;
        }
        let (headers, count) = (self.received.as_mut_ptr(), BATCH as libc::c_uint);
        // SAFETY: `headers` are BATCH valid headers whose pointers lead to buffers of the stated
        // sizes, owned by `self` and not otherwise borrowed during the call.
        let taken = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers,
                count,
                libc::MSG_WAITFORONE as _,
                std::ptr::null_mut(),
            )
        };
        self.used = usize::try_from(taken).map_or(BATCH, |taken| taken.min(BATCH));
        if taken >= 0 {
            return Ok(self.used);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {
                Ok(0)
            }
            _ => Err(error),
        }
    }

    /// The first `taken` questions.
    pub fn packets(&self, taken: usize) -> impl Iterator<Item = &[u8]> {
        let messages = self.received.iter().zip(&self.questions).take(taken);
        messages.map(|(message, room)| {
            room.octets
                .get(..message.msg_len as usize)
                .unwrap_or_default()
        })
    }

    /// The `index`th question, the address it came from, and the room for its reply.
    pub fn exchange(&mut self, index: usize) -> Option<(&[u8], SocketAddr, &mut [u8])> {
        let message = self.received.get(index)?;
        let octets = self
            .questions
            .get(index)?
            .octets
            .get(..message.msg_len as usize)?;
        Some((
            octets,
            address(self.names.get(index)?)?,
            self.replies.get_mut(index)?,
        ))
    }

    /// The way back for the `index`th question.
    pub fn return_path(&self, index: usize) -> Option<ReturnPath> {
        let header = &self.received.get(index)?.msg_hdr;
        Some(ReturnPath {
            name: *self.names.get(index)?,
            name_octets: header.msg_namelen,
            control: *self.controls.get(index)?,
            control_octets: header.msg_controllen,
        })
    }

    /// Put the `index`th reply, `len` octets long, into the batch to be sent.
    pub fn reply(&mut self, index: usize, len: usize) {
        let (Some(received), Some(vector)) =
            (self.received.get(index), self.reply_vectors.get_mut(index))
        else {
            return;
        };
        vector.iov_len = len.min(REPLY_OCTETS);
        let Some(sent) = self.sent.get_mut(self.to_send) else {
            return;
        };
        sent.msg_hdr = received.msg_hdr;
        sent.msg_hdr.msg_iov = vector;
        sent.msg_hdr.msg_flags = 0;
        self.to_send += 1;
    }

    /// Did as many datagrams come as one call takes, so that more are likely to wait?
    pub const fn is_full(&self) -> bool {
        self.used == BATCH
    }

    /// Send all replies; one that the kernel refuses is left out. Returns how many were sent.
    pub fn send(&mut self, socket: &UdpSocket) -> usize {
        let (mut at, mut sent) = (0, 0);
        while let Some(rest) = self
            .sent
            .get_mut(at..self.to_send)
            .filter(|rest| !rest.is_empty())
        {
            // SAFETY: `rest` are valid headers whose pointers lead to buffers owned by `self`, not
            // otherwise borrowed.
            let done = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as libc::c_uint,
                    0,
                )
            };
            match usize::try_from(done) {
                Ok(done) if done > 0 => {
                    at += done;
                    sent += done;
                }
                _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                // The first of the rest was refused: go on behind it.
                _ => at += 1,
            }
        }
        self.to_send = 0;
        sent
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl ReturnPath {
    /// Send one reply without waiting; a full socket buffer drops it, as the network might.
    pub fn send(&self, socket: &UdpSocket, reply: &[u8]) -> io::Result<()> {
        let mut vector = libc::iovec {
            iov_base: reply.as_ptr().cast_mut().cast(),
            iov_len: reply.len(),
        };
        let (mut name, mut control) = (self.name, self.control);
        let message = header(
            &mut name,
            self.name_octets,
            &mut vector,
            &mut control,
            self.control_octets,
        );
        // SAFETY: the header points to locals and to `reply`, which live through the call; the
        // kernel only reads them.
        let sent = unsafe {
            libc::sendmsg(
                socket.as_raw_fd(),
                &raw const message.msg_hdr,
                libc::MSG_DONTWAIT,
            )
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

/// Ask the kernel to say to which of our addresses each datagram was sent, for sockets bound to a
/// wildcard address.
pub fn ask_for_destination(socket: &impl AsRawFd, bound: IpAddr) -> io::Result<()> {
    let (level, option) = match bound {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    let on: libc::c_int = 1;
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is a c_int that lives through the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size,
        )
    };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// How many datagrams the kernel has dropped in front of this socket, mostly for want of room: the
/// counter behind SO_RXQ_OVFL, which goes round at 2^32.
pub fn drops(socket: &impl AsRawFd) -> io::Result<u32> {
    const SO_MEMINFO: libc::c_int = 55; // <asm-generic/socket.h>, not in libc
    const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;
    let mut figures = [0_u32; DROPS + 1];
    let mut octets = size_of_val(&figures) as libc::socklen_t;
    // SAFETY: the kernel writes at most `octets` octets of numbers into `figures`; both live on.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            figures.as_mut_ptr().cast(),
            &raw mut octets,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(figures[DROPS])
}

/// Give the calling thread short turns at its CPU, of `turn` each: the shorter a thread's turns,
/// the sooner it gets one when it wakes up (Linux 6.12; before, this changes nothing). Its share
/// stays the same.
pub fn take_short_turns(turn: Duration) -> io::Result<()> {
    let nice = rustix::process::getpriority_process(None)?;
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: turn.as_nanos() as u64,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads `size` octets of the attributes, which live through the call; 0 is
    // the calling thread.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn zeroed_name() -> ClientName {
    // SAFETY: sockaddr_in6 is plain numbers; all zero is "no address".
    unsafe { MaybeUninit::zeroed().assume_init() }
}

const fn vector(room: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    }
}

fn header(
    name: &mut ClientName,
    name_octets: libc::socklen_t,
    vector: &mut libc::iovec,
    control: &mut Control,
    control_octets: usize,
) -> libc::mmsghdr {
    // SAFETY: mmsghdr is plain numbers and pointers; all zero is a valid empty header.
    let mut message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_hdr.msg_name = (&raw mut *name).cast();
    message.msg_hdr.msg_namelen = name_octets;
    message.msg_hdr.msg_iov = vector;
    message.msg_hdr.msg_iovlen = 1;
    message.msg_hdr.msg_control = (&raw mut control.0).cast();
    message.msg_hdr.msg_controllen = control_octets;
    message
}

fn address(name: &ClientName) -> Option<SocketAddr> {
    match i32::from(name.sin6_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this holds a sockaddr_in, which is smaller and needs no
            // stricter alignment.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            Some(SocketAddr::from((
                name.sin_addr.s_addr.to_ne_bytes(),
                u16::from_be(name.sin_port),
            )))
        }
        libc::AF_INET6 => Some(SocketAddr::from((
            Ipv6Addr::from(name.sin6_addr.s6_addr),
            u16::from_be(name.sin6_port),
        ))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_batch_goes_out_to_whom_it_came_from() {
        for bound in ["127.0.0.1:0", "[::1]:0"] {
            let server = UdpSocket::bind(bound).unwrap();
            server
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            let clients: Vec<UdpSocket> =
                (0..100).map(|_| UdpSocket::bind(bound).unwrap()).collect();
            for (index, client) in clients.iter().enumerate() {
                client
                    .set_read_timeout(Some(Duration::from_secs(5)))
                    .unwrap();
                client
                    .send_to(&[index as u8; 20], server.local_addr().unwrap())
                    .unwrap();
            }
            let mut batch = Batch::new();
            let mut seen = 0;
            while seen < clients.len() {
                let taken = batch.receive(&server).unwrap();
                assert!(taken > 0);
                for index in 0..taken {
                    let (question, from, room) = batch.exchange(index).unwrap();
                    assert_eq!(question.len(), 20);
                    assert_eq!(
                        clients[usize::from(question[0])].local_addr().unwrap(),
                        from
                    );
                    room[..2].copy_from_slice(&question[..2]);
                    let number = question[0];
                    if number % 2 == 0 {
                        batch.reply(index, 2);
                    } else {
                        batch
                            .return_path(index)
                            .unwrap()
                            .send(&server, &[number; 3])
                            .unwrap();
                    }
                }
                seen += taken;
                batch.send(&server);
            }
            for (index, client) in clients.iter().enumerate() {
                let mut reply = [0; 10];
                assert_eq!(client.recv(&mut reply).unwrap(), 2 + index % 2);
                assert_eq!(reply[0], index as u8);
            }
        }
    }

    #[test]
    fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
        let server = UdpSocket::bind("0.0.0.0:0").unwrap();
        server
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        ask_for_destination(&server, server.local_addr().unwrap().ip()).unwrap();
        let asked = SocketAddr::from(([127, 0, 0, 77], server.local_addr().unwrap().port()));
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        client.connect(asked).unwrap();
        let mut batch = Batch::new();
        for way in 0..2 {
            client.send(b"question").unwrap();
            assert_eq!(batch.receive(&server).unwrap(), 1);
            if way == 0 {
                batch.reply(0, 4);
                assert_eq!(batch.send(&server), 1);
            } else {
                batch
                    .return_path(0)
                    .unwrap()
                    .send(&server, b"late")
                    .unwrap();
            }
            assert_eq!(client.recv(&mut [0; 10]).unwrap(), 4);
        }
    }

    #[test]
    fn short_turns_are_of_this_thread_alone_and_leave_its_priority() {
        let scheduled = || {
            let read = || std::fs::read_to_string("/proc/thread-self/sched").ok();
            let line = |text: &str, key: &str| {
                text.lines()
                    .find(|line| line.starts_with(key))
                    .map(|line| line.rsplit(' ').next().unwrap().to_owned())
            };
            let before = read();
            take_short_turns(Duration::from_micros(100)).unwrap();
            let after = read();
            // Linux 6.12 is the first that takes and shows turns of a length of their own.
            if let Some((before, after)) = before.zip(after)
                && let Some(turn) = line(&after, "se.slice")
            {
                assert_eq!(turn, "100000");
                assert_eq!(line(&before, "prio"), line(&after, "prio"));
            } else {
                // Past the capture of a test's output; no package could help.
                let words = "left out: the length of threads' turns, which this kernel hides";
                writeln!(io::stderr(), "{words}").unwrap();
            }
        };
        std::thread::spawn(scheduled).join().unwrap();
        let here = std::fs::read_to_string("/proc/thread-self/sched").unwrap_or_default();
        assert!(
            !here
                .lines()
                .any(|line| line.starts_with("se.slice") && line.ends_with(" 100000"))
        );
    }

    #[test]
    fn what_the_kernel_drops_is_told() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(drops(&server).unwrap(), 0);
        // More than any receive buffer takes that was not asked for.
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (sent, datagram) = (20_000, [0; 1000]);
        for _ in 0..sent {
            client
                .send_to(&datagram, server.local_addr().unwrap())
                .unwrap();
        }
        let dropped = drops(&server).unwrap();
        assert!(dropped > 0 && dropped < sent, "{dropped}");
        server
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let mut batch = Batch::new();
        let taken = std::iter::from_fn(|| Some(batch.receive(&server).unwrap() as u32));
        let taken: u32 = taken.take_while(|taken| *taken > 0).sum();
        assert!(taken + dropped <= sent, "{taken} and {dropped}");
    }

    #[test]
    fn a_quiet_socket_gives_nothing() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        assert_eq!(Batch::new().receive(&server).unwrap(), 0);
    }
}
