//! One client's conversation over a stream: questions are read ahead, answered side by side and
//! replied to as they are ready.
//!
//! RFC 7766 (pipelining, out of order) and RFC 9210 (limits). Generic over the stream: TCP and TLS
//! speak through the same loop.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time;

use super::edns_options::Addenda;
use super::limits::Connections;
use super::stop::{Stop, stopped};
use super::stream_answers::{Replies, StreamAnswers};
use super::stream_terms::StreamTerms;
use crate::clock;
use crate::count::Door;
use crate::query::{Asked, Rate};
use crate::wire::HEADER_OCTETS;

/// The most questions of one connection that wait for an answer; the client's further ones stay in
/// its own socket.
const QUESTIONS_MAX: usize = 100;
/// While this many octets of replies wait to be sent, no further question is answered.
const REPLIES_OCTETS_MAX: usize = 1 << 16;
/// Buffers that have grown beyond this are given back when empty: thousands of silent connections
/// cost little.
const KEPT_OCTETS: usize = 4096;
/// What is read at once into an empty buffer.
const READ_OCTETS: usize = 512;
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Who is at the other end and what it may expect.
pub(super) struct Client<A> {
    pub(super) answers: Arc<A>,
    pub(super) connections: Arc<Connections>,
    pub(super) terms: Arc<ArcSwap<StreamTerms>>,
    /// It is known here for its cookie, and for what it may do, which can change while it is here.
    pub(super) address: IpAddr,
    pub(super) door: Door,
}

/// Speak with a client until it goes, falls silent, does not read, or the door is stopped; then
/// questions read so far are still answered.
pub(super) async fn converse<A: StreamAnswers>(
    stream: impl AsyncRead + AsyncWrite,
    client: Client<A>,
    mut stop: Stop,
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut ticks =
        time::interval((client.idle() / 8).clamp(Duration::from_millis(5), Duration::from_secs(5)));
    // Some clients stall where one TLS record holds two replies (Stubby 0.4 for five seconds); the
    // records that are ready together leave in one packet all the same.
    let piece = match client.door {
        Door::Tls => Piece::Reply,
        Door::Udp | Door::Tcp => Piece::All,
    };
    let mut talk = Conversation::new(client);
    loop {
        talk.answer();
        if talk.is_over() {
            break;
        }
        tokio::select! {
            // Replies first, so that a client that asks much cannot put off what it is owed; the
            // stop after reading, so that what has arrived before it is answered.
            biased;
            Some(reply) = talk.waiting.join_next(), if !talk.waiting.is_empty() => {
                talk.outbox.ready.push(&reply.unwrap_or_default());
            }
            sent = talk.outbox.send(&mut writer, piece), if !talk.outbox.is_empty() => match sent {
                Ok(()) => talk.alive = clock::monotonic(),
                Err(_) => return,
            },
            read = reader.read_buf(&mut talk.inbox.octets), if talk.is_reading() => match read {
                Ok(1..) => {}
                Ok(0) => talk.has_ended = true,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => talk.has_ended = true,
                Err(_) => return,
            },
            () = stopped(&mut stop), if !talk.has_ended => talk.has_ended = true,
            _ = ticks.tick() => match talk.patience() {
                Patience::Holds => {}
                Patience::EndsInSilence => break,
                Patience::EndsUnread => return,
            },
        }
    }
    // A client that is gone already, or does not let us go, is of no interest any more.
    let _ = time::timeout(GOODBYE, writer.shutdown()).await;
}

struct Conversation<A> {
    client: Client<A>,
    inbox: Inbox,
    outbox: Outbox,
    waiting: JoinSet<Vec<u8>>,
    /// No more is read: the client has said all, has talked nonsense, or the door is stopped.
    has_ended: bool,
    /// The last whole question or the last time that all replies were taken: half a question is no
    /// sign of life.
    alive: Instant,
}

enum Patience {
    Holds,
    EndsInSilence,
    EndsUnread,
}

impl<A> Client<A> {
    /// How long it may be silent, or leave replies unread, while there is room for everybody.
    fn idle(&self) -> Duration {
        self.terms.load().settings.idle
    }

    fn addenda(&self, packet: &[u8]) -> Addenda {
        let terms = self.terms.load();
        Addenda::read(
            packet,
            self.door,
            self.address,
            terms.cookies.as_deref(),
            || self.connections.patience(terms.settings.idle),
        )
    }
}

impl<A: StreamAnswers> Conversation<A> {
    fn new(client: Client<A>) -> Self {
        Self {
            client,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            waiting: JoinSet::new(),
            has_ended: false,
            alive: clock::monotonic(),
        }
    }

    /// Take up the questions that have been read, as long as there is room for replies.
    fn answer(&mut self) {
        while self.waiting.len() < QUESTIONS_MAX
            && self.outbox.ready.octets.len() < REPLIES_OCTETS_MAX
        {
            match self.inbox.next() {
                Next::Question(packet) => {
                    let client = &self.client;
                    let asked = Asked {
                        packet,
                        standing: client.answers.classify(client.address),
                        door: client.door,
                        rate: Rate::Within,
                        seat: 0,
                    };
                    let addenda = client.addenda(packet);
                    let before = self.outbox.ready.octets.len();
                    match client.answers.answer(&asked, &mut self.outbox.ready) {
                        None => self.outbox.ready.complete(before, addenda),
                        Some(later) => drop(self.waiting.spawn(async move {
                            let mut reply = later.await;
                            addenda.add_to(&mut reply);
                            reply
                        })),
                    }
                    self.alive = clock::monotonic();
                }
                Next::Partial => break,
                Next::Nonsense => {
                    self.has_ended = true;
                    break;
                }
            }
        }
        self.inbox.compact();
    }

    /// More is read only when all before is taken up, so a client that asks faster than it is
    /// answered has to wait.
    fn is_reading(&self) -> bool {
        !self.has_ended && !self.inbox.has_next
    }

    fn is_over(&self) -> bool {
        self.has_ended && !self.inbox.has_next && self.is_quiet()
    }

    fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.outbox.is_empty()
    }

    fn patience(&self) -> Patience {
        let patience = self.client.connections.patience(self.client.idle());
        let lasts = |since: Instant| clock::monotonic().saturating_duration_since(since) < patience;
        match self.outbox.since {
            Some(since) if !lasts(since) => Patience::EndsUnread,
            None if self.waiting.is_empty() && !lasts(self.alive) => Patience::EndsInSilence,
            _ => Patience::Holds,
        }
    }
}

/// What has been read and not yet taken up.
#[derive(Default)]
struct Inbox {
    octets: Vec<u8>,
    taken: usize,
    /// Is there, as far as is known, a whole question left?
    has_next: bool,
}

enum Next<'a> {
    Question(&'a [u8]),
    Partial,
    Nonsense,
}

impl Inbox {
    fn next(&mut self) -> Next<'_> {
        self.has_next = false;
        let Some((length, rest)) = self
            .octets
            .get(self.taken..)
            .and_then(|rest| rest.split_first_chunk())
        else {
            return Next::Partial;
        };
        let len = usize::from(u16::from_be_bytes(*length));
        if len < HEADER_OCTETS {
            self.taken = self.octets.len();
            return Next::Nonsense;
        }
        let Some(packet) = rest.get(..len) else {
            return Next::Partial;
        };
        self.taken += length.len() + len;
        self.has_next = true;
        Next::Question(packet)
    }

    /// Move what is left to the front and make room for more.
    fn compact(&mut self) {
        self.octets.drain(..self.taken);
        self.taken = 0;
        if self.octets.is_empty() && self.octets.capacity() > KEPT_OCTETS {
            self.octets = Vec::new();
        }
        // Grows with what has come, not with the length that the client announces.
        self.octets.reserve(READ_OCTETS);
    }
}

/// What is written at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// All that is ready.
    All,
    /// One reply with its length.
    Reply,
}

/// Replies: those on their way and, while these are, those that become ready.
#[derive(Default)]
struct Outbox {
    ready: Replies,
    leaving: Vec<u8>,
    left: usize,
    /// Where the reply ends of which a part has left.
    reply_end: usize,
    /// When the first octet of `leaving` was ready to go.
    since: Option<Instant>,
}

impl Outbox {
    const fn is_empty(&self) -> bool {
        self.leaving.is_empty() && self.ready.octets.is_empty()
    }

    /// Send the replies on their way to the last octet, or go on with it where an earlier call was
    /// dropped.
    async fn send(
        &mut self,
        writer: &mut (impl AsyncWrite + Unpin),
        piece: Piece,
    ) -> io::Result<()> {
        if self.leaving.is_empty() {
            std::mem::swap(&mut self.leaving, &mut self.ready.octets);
            self.since = Some(clock::monotonic());
        }
        while self.left < self.leaving.len() {
            let end = self.piece_end(piece);
            let rest = self.leaving.get(self.left..end).unwrap_or_default();
            match writer.write(rest).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                sent => self.left += sent,
            }
        }
        writer.flush().await?;
        self.leaving.clear();
        self.leaving.shrink_to(KEPT_OCTETS);
        (self.left, self.reply_end) = (0, 0);
        self.since = None;
        Ok(())
    }

    /// How far the next write goes.
    fn piece_end(&mut self, piece: Piece) -> usize {
        let all = self.leaving.len();
        if piece == Piece::All {
            return all;
        }
        if self.left >= self.reply_end {
            let length = self.leaving.get(self.left..).and_then(<[u8]>::first_chunk);
            let octets = length.map_or(all, |length| 2 + usize::from(u16::from_be_bytes(*length)));
            self.reply_end = all.min(self.left + octets);
        }
        self.reply_end
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::{Semaphore, watch};
    use tokio::task::JoinHandle;

    use super::super::client_limits::{ClientLimits, samples::everywhere};
    use super::super::stream_answers::stand_in::{BIG, LATER, NEVER, NOW, StandIn, question};
    use super::super::stream_terms::Settings;
    use super::*;

    /// Takes so many octets a write, and tells of each write.
    struct Writes {
        octets_max: usize,
        done: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Writes {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            octets: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = octets.len().min(self.octets_max);
            self.done.push(octets[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn no_write_of_a_reply_goes_into_the_next_one() {
        let replies = [b"\0\x03abc".as_slice(), b"\0\0", b"\0\x05defgh"];
        for (piece, octets_max, expected) in [
            (Piece::All, 100, vec![14]),
            (Piece::Reply, 100, vec![5, 2, 7]),
            (Piece::Reply, 4, vec![4, 1, 2, 4, 3]),
        ] {
            let mut outbox = Outbox::default();
            let mut writes = Writes {
                octets_max,
                done: Vec::new(),
            };
            outbox.ready.octets = replies.concat();
            outbox.send(&mut writes, piece).await.unwrap();
            let sizes: Vec<usize> = writes.done.iter().map(Vec::len).collect();
            assert_eq!(sizes, expected);
            assert_eq!(writes.done.concat(), replies.concat());
            assert!(outbox.is_empty());
        }
    }

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(40);
    const DEADLINE: Duration = Duration::from_secs(20);

    struct Talk {
        stream: DuplexStream,
        gate: Arc<Semaphore>,
        answers: Arc<StandIn>,
        stop: watch::Sender<bool>,
        ended: JoinHandle<()>,
    }

    /// A conversation over a pipe that takes `octets` at a time.
    fn talk(octets: usize, idle: Duration) -> Talk {
        let (stream, theirs) = duplex(octets);
        let answers = Arc::new(StandIn::new());
        let client = Client {
            answers: Arc::clone(&answers),
            connections: Connections::new(10, everywhere(ClientLimits::EXEMPT)),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            terms: Arc::new(ArcSwap::from_pointee(StreamTerms::plain(Settings {
                idle,
                drain: idle,
                connections: 10,
            }))),
            door: Door::Tcp,
        };
        let (stop, stopped) = watch::channel(false);
        let ended = tokio::spawn(converse(theirs, client, stopped));
        Talk {
            stream,
            gate: Arc::clone(&answers.gate),
            answers,
            stop,
            ended,
        }
    }

    impl Talk {
        async fn ask(&mut self, questions: &[(u8, u8)]) {
            let octets: Vec<u8> = questions
                .iter()
                .flat_map(|&(id, fate)| question(id, fate))
                .collect();
            time::timeout(DEADLINE, self.stream.write_all(&octets))
                .await
                .expect("not read")
                .unwrap();
        }

        /// The id of the next reply, or nothing at the end.
        async fn hear(&mut self) -> Option<u8> {
            let mut reply = [0; 15];
            let read = time::timeout(DEADLINE, self.stream.read_exact(&mut reply))
                .await
                .expect("neither reply nor end");
            read.ok().map(|_| reply[3])
        }

        async fn end(self) {
            time::timeout(DEADLINE, self.ended)
                .await
                .expect("the conversation goes on")
                .unwrap();
        }
    }

    #[tokio::test]
    async fn replies_come_as_they_are_ready() {
        let mut talk = talk(1000, LONG);
        talk.ask(&[(1, LATER), (2, NOW), (3, NEVER), (4, LATER), (5, NOW)])
            .await;
        assert_eq!((talk.hear().await, talk.hear().await), (Some(2), Some(5)));
        talk.gate.add_permits(2);
        let mut later = [talk.hear().await, talk.hear().await];
        later.sort_unstable();
        assert_eq!(later, [Some(1), Some(4)]);
    }

    #[tokio::test]
    async fn octets_may_come_and_go_one_by_one() {
        let mut talk = talk(1, LONG);
        talk.ask(&[(1, NOW)]).await;
        assert_eq!(talk.hear().await, Some(1));
        talk.ask(&[(2, LATER)]).await;
        talk.gate.add_permits(1);
        assert_eq!(talk.hear().await, Some(2));
    }

    #[tokio::test]
    async fn a_client_may_close_its_side_and_still_hears_all() {
        let mut talk = talk(1000, LONG);
        talk.ask(&[(1, LATER), (2, NOW), (3, NOW)]).await;
        talk.stream.write_all(&question(4, NOW)[..9]).await.unwrap();
        talk.stream.shutdown().await.unwrap();
        assert_eq!((talk.hear().await, talk.hear().await), (Some(2), Some(3)));
        talk.gate.add_permits(1);
        assert_eq!((talk.hear().await, talk.hear().await), (Some(1), None));
        talk.end().await;
    }

    #[tokio::test]
    async fn nonsense_ends_the_conversation_after_what_is_owed() {
        let mut talk = talk(1000, LONG);
        talk.ask(&[(1, LATER)]).await;
        talk.stream.write_all(&[0, 11, 0, 0]).await.unwrap();
        talk.gate.add_permits(1);
        assert_eq!((talk.hear().await, talk.hear().await), (Some(1), None));
        talk.end().await;
    }

    #[tokio::test]
    async fn more_questions_than_may_wait_are_read_later() {
        let mut talk = talk(1 << 16, LONG);
        talk.ask(&[(7, LATER); 2 * QUESTIONS_MAX + 50]).await;
        talk.ask(&[(8, NOW)]).await;
        talk.gate.add_permits(2 * QUESTIONS_MAX + 50);
        let mut heard = [0; 9];
        for _ in 0..2 * QUESTIONS_MAX + 51 {
            heard[usize::from(talk.hear().await.unwrap())] += 1;
        }
        assert_eq!((heard[7], heard[8]), (2 * QUESTIONS_MAX + 50, 1));
        assert!(talk.answers.waiting_max() <= QUESTIONS_MAX);
    }

    #[tokio::test]
    async fn silence_ends_the_conversation() {
        let mut talk = talk(1000, SHORT);
        talk.ask(&[(1, NOW)]).await;
        assert_eq!((talk.hear().await, talk.hear().await), (Some(1), None));
        talk.end().await;
    }

    #[tokio::test]
    async fn waiting_for_us_is_not_silence() {
        let mut talk = talk(1000, SHORT);
        talk.ask(&[(1, LATER)]).await;
        time::timeout(4 * SHORT, talk.stream.read_u8())
            .await
            .expect_err("the client was cut off while it waited for its answer");
        talk.gate.add_permits(1);
        assert_eq!(talk.hear().await, Some(1));
    }

    #[tokio::test]
    async fn half_a_question_is_no_sign_of_life() {
        let Talk {
            mut stream, ended, ..
        } = talk(1000, SHORT);
        let trickle = async {
            while stream.write_all(&[255]).await.is_ok() {
                time::sleep(SHORT / 10).await;
            }
        };
        time::timeout(DEADLINE, trickle)
            .await
            .expect("the conversation goes on");
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off() {
        let Talk {
            mut stream,
            ended,
            answers,
            ..
        } = talk(1000, SHORT);
        let ask = async { while stream.write_all(&question(1, BIG)).await.is_ok() {} };
        time::timeout(DEADLINE, ask)
            .await
            .expect("the conversation goes on");
        ended.await.unwrap();
        assert!(answers.asked() <= 4, "replies pile up: {}", answers.asked());
    }

    #[tokio::test]
    async fn a_stop_lets_questions_under_way_end() {
        let mut talk = talk(1000, LONG);
        talk.ask(&[(1, LATER), (2, NOW)]).await;
        assert_eq!(talk.hear().await, Some(2));
        talk.stop.send(true).unwrap();
        talk.gate.add_permits(1);
        assert_eq!((talk.hear().await, talk.hear().await), (Some(1), None));
        talk.end().await;
    }
}
