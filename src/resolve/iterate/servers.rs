//! What is known about each server's speed and health, and how long to wait for it.
//!
//! Round trips are smoothed as TCP does (RFC 6298). A server that keeps silent is left alone for
//! ever longer, and one question at a time finds out whether it is back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use crate::clock;
use crate::resolve::trace::ServerStanding;

/// Servers remembered.
const SERVERS_MAX: usize = 65_536;
/// How long to wait for a server that nothing is known about.
const WAIT_FIRST: Duration = Duration::from_millis(400);
/// The least and the most to wait for one reply.
const WAIT_MIN: Duration = Duration::from_millis(60);
const WAIT_MAX: Duration = Duration::from_millis(1500);
/// What is added to a round trip for the network's moods, at the least.
const SLACK_MIN_US: u32 = 40_000;
/// The least that is added to a round trip before a packet is sent once more.
const REPEAT_SLACK_MIN_US: u32 = 20_000;
/// After so many silences in a row packets are no longer sent twice.
const REPEATED_SILENCES_MAX: u32 = 3;
/// So many silences in a row, and the server is left alone for a while: one that was never heard,
/// and one that was. A network that loses a third of all packets makes five in a row out of
/// nothing.
const SILENCES_MAX: u32 = 5;
const SILENCES_HEARD_MAX: u32 = 8;
/// How long at first, doubled at each further silence, and the longest.
const PAUSE_FIRST_MS: u64 = 1_000;
const PAUSE_MAX_MS: u64 = 60_000;
/// Questions under way to one server; more would only wait in its queue.
const IN_FLIGHT_MAX: u32 = 2_000;
/// The same for a server that was never heard or kept silent last: each would wait its full time,
/// and hold a place that others need.
const IN_FLIGHT_IN_DOUBT_MAX: u32 = 200;
/// TCP connections to one server at once.
const CONNECTIONS_MAX: u32 = 50;
/// For so long a server must refuse EDNS before it is asked without.
const REFUSES_EDNS_FOR_MS: u64 = 1_000;
/// How long a server is taken to be unable to read EDNS, to get UDP, to keep a spelling.
const PLAIN_FOR_MS: u64 = 900_000;

/// One server, by its address.
#[derive(Debug, Default)]
pub(super) struct ServerRecord {
    /// Smoothed round trip in microseconds; 0 where none was measured.
    round_trip_us: AtomicU32,
    variation_us: AtomicU32,
    silences: AtomicU32,
    /// Since when it has kept silent; 0 where it has not.
    silent_since_ms: AtomicU64,
    /// Milliseconds of our time line; see [`Servers::now_ms`].
    last_silence_ms: AtomicU64,
    retry_at_ms: AtomicU64,
    in_flight: AtomicU32,
    connections: AtomicU32,
    plain_until_ms: AtomicU64,
    /// Since when it refuses EDNS; 0 where it does not.
    refuses_edns_since_ms: AtomicU64,
    /// Until when it is taken to be out of reach over UDP, and since when.
    tcp_until_ms: AtomicU64,
    tcp_since_ms: AtomicU64,
    /// Until when it is taken to change or to drop capital letters.
    respells_until_ms: AtomicU64,
}

/// Whether a server may be asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerHealth {
    /// It answers, or nobody asked yet.
    Up,
    /// It was silent long enough to be tried again, by this question alone.
    Due,
    /// It is left alone, or has enough to do.
    Down,
}

impl ServerRecord {
    /// The expected round trip in microseconds; `None` where none was measured.
    pub(super) fn round_trip_us(&self) -> Option<u32> {
        Some(self.round_trip_us.load(Relaxed)).filter(|us| *us > 0)
    }

    /// How often in a row it kept silent.
    pub(super) fn silences(&self) -> u32 {
        self.silences.load(Relaxed)
    }

    /// How long to wait for the next reply; `tries` is how often this question was in vain here
    /// already.
    pub(super) fn wait(&self, tries: u32) -> Duration {
        let known = self.round_trip_us().map(|us| {
            let slack = (4 * self.variation_us.load(Relaxed)).max(SLACK_MIN_US);
            Duration::from_micros(u64::from(us + slack))
        });
        // One silence is a lost packet rather than a slower server: the waiting doubles with every
        // second one.
        let doubled = known.unwrap_or(WAIT_FIRST) * 2u32.pow((tries / 2).min(4));
        doubled.clamp(WAIT_MIN, WAIT_MAX)
    }

    /// When a packet is probably lost, long before a server is taken to be silent; `None` where
    /// nothing is known of its round trips, or it is silent rather than behind a bad network.
    pub(super) fn wait_before_repeat(&self) -> Option<Duration> {
        let us = self
            .round_trip_us()
            .filter(|_| self.silences() < REPEATED_SILENCES_MAX)?;
        let slack_us = self.variation_us.load(Relaxed).max(REPEAT_SLACK_MIN_US);
        Some(Duration::from_micros(u64::from(us) + u64::from(slack_us)))
    }

    /// May it be asked? [`ServerHealth::Due`] is said to one who asks, then not again until the
    /// next pause is over.
    pub(super) fn health(&self, now_ms: u64) -> ServerHealth {
        let silences = self.silences.load(Relaxed);
        let is_proven = silences == 0 && self.round_trip_us().is_some();
        if self.in_flight.load(Relaxed)
            >= if is_proven {
                IN_FLIGHT_MAX
            } else {
                IN_FLIGHT_IN_DOUBT_MAX
            }
        {
            return ServerHealth::Down;
        }
        if silences < self.silences_max() {
            return ServerHealth::Up;
        }
        let at_ms = self.retry_at_ms.load(Relaxed);
        let next_ms = now_ms + pause_ms(silences, self.silences_max());
        if now_ms >= at_ms
            && self
                .retry_at_ms
                .compare_exchange(at_ms, next_ms, Relaxed, Relaxed)
                .is_ok()
        {
            ServerHealth::Due
        } else {
            ServerHealth::Down
        }
    }

    fn silences_max(&self) -> u32 {
        if self.round_trip_us().is_some() {
            SILENCES_HEARD_MAX
        } else {
            SILENCES_MAX
        }
    }

    /// Should it be asked without EDNS?
    pub(super) fn is_plain(&self, now_ms: u64) -> bool {
        now_ms < self.plain_until_ms.load(Relaxed)
    }

    /// Might it be one that drops what has EDNS: was it never heard, or without EDNS alone?
    pub(super) fn may_drop_edns(&self) -> bool {
        self.round_trip_us().is_none() || self.refuses_edns_since_ms.load(Relaxed) > 0
    }

    /// It answered without EDNS what it would not with: it said that it does not read that, or kept
    /// silent. That may have been a stranger's packet, or a network that was down: it is believed
    /// once it was so again later, and nothing was answered with EDNS in between.
    pub(super) fn note_refuses_edns(&self, now_ms: u64) {
        let since_ms = &self.refuses_edns_since_ms;
        let first_ms = since_ms.compare_exchange(0, now_ms.max(1), Relaxed, Relaxed);
        if first_ms.is_err_and(|first_ms| now_ms >= first_ms + REFUSES_EDNS_FOR_MS) {
            self.plain_until_ms.store(now_ms + PLAIN_FOR_MS, Relaxed);
        }
    }

    /// It answered with EDNS.
    pub(super) fn note_reads_edns(&self) {
        if self.refuses_edns_since_ms.load(Relaxed) > 0 {
            self.refuses_edns_since_ms.store(0, Relaxed);
        }
    }

    /// Did TCP alone get through to it?
    pub(super) fn needs_tcp(&self, now_ms: u64) -> bool {
        now_ms < self.tcp_until_ms.load(Relaxed)
    }

    /// It answered over TCP what it would not over UDP: it is there.
    pub(super) fn note_tcp_alone(&self, now_ms: u64) {
        if !self.needs_tcp(now_ms) {
            self.tcp_since_ms.store(now_ms, Relaxed);
        }
        self.tcp_until_ms.store(now_ms + PLAIN_FOR_MS, Relaxed);
        self.note_heard();
    }

    /// It is there, however long it took.
    pub(super) fn note_heard(&self) {
        self.silences.store(0, Relaxed);
    }

    /// UDP gets through as well as TCP does.
    pub(super) fn note_no_need_of_tcp(&self) {
        self.tcp_until_ms.store(0, Relaxed);
    }

    /// Should it be asked in lower case?
    pub(super) fn respells(&self, now_ms: u64) -> bool {
        now_ms < self.respells_until_ms.load(Relaxed)
    }

    /// It answers well, but for a spelling that is not lower case.
    pub(super) fn note_respells(&self, now_ms: u64) {
        self.respells_until_ms.store(now_ms + PLAIN_FOR_MS, Relaxed);
    }

    /// It answered after `took`.
    pub(super) fn note_reply(&self, took: Duration) {
        let took_us = u32::try_from(took.as_micros())
            .unwrap_or(u32::MAX)
            .clamp(1, 10_000_000);
        let before = self.round_trip_us.load(Relaxed);
        let (smooth, variation) = if before == 0 {
            (took_us, took_us / 2)
        } else {
            let variation = self.variation_us.load(Relaxed);
            (
                before - before / 8 + took_us / 8,
                variation - variation / 4 + before.abs_diff(took_us) / 4,
            )
        };
        self.round_trip_us.store(smooth.max(1), Relaxed);
        self.variation_us.store(variation, Relaxed);
        self.silences.store(0, Relaxed);
    }

    /// How it stands, for whoever wants to see that.
    pub(super) fn standing(&self, address: SocketAddr, now_ms: u64) -> ServerStanding {
        let for_s = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1000;
        let silences = self.silences();
        let left_ms = self.retry_at_ms.load(Relaxed).saturating_sub(now_ms);
        ServerStanding {
            name: None,
            address,
            round_trip_us: self.round_trip_us(),
            silences,
            silent_for_s: (silences > 0).then(|| for_s(self.silent_since_ms.load(Relaxed))),
            left_alone_for_s: (silences >= self.silences_max()).then(|| left_ms.div_ceil(1000)),
            lame_since: None,
            tcp_alone_for_s: self
                .needs_tcp(now_ms)
                .then(|| for_s(self.tcp_since_ms.load(Relaxed))),
            no_edns_for_s: self
                .is_plain(now_ms)
                .then(|| for_s(self.refuses_edns_since_ms.load(Relaxed))),
            is_respelling: self.respells(now_ms),
            under_way: self.in_flight.load(Relaxed),
        }
    }

    /// It kept silent since `asked_ms`. A burst of questions lost together counts once.
    pub(super) fn note_silence(&self, asked_ms: u64, now_ms: u64) {
        if asked_ms < self.last_silence_ms.swap(now_ms, Relaxed) {
            return;
        }
        let silences = self.silences.fetch_add(1, Relaxed).saturating_add(1);
        if silences == 1 {
            self.silent_since_ms.store(asked_ms, Relaxed);
        }
        if silences >= self.silences_max() {
            self.retry_at_ms
                .store(now_ms + pause_ms(silences, self.silences_max()), Relaxed);
        }
    }
}

fn pause_ms(silences: u32, silences_max: u32) -> u64 {
    (PAUSE_FIRST_MS << silences.saturating_sub(silences_max).min(6)).min(PAUSE_MAX_MS)
}

/// A question or a connection under way to a server, until it is dropped.
pub(super) struct UnderWay<'a>(&'a AtomicU32);

impl<'a> UnderWay<'a> {
    pub(super) fn begin(server: &'a ServerRecord) -> Self {
        server.in_flight.fetch_add(1, Relaxed);
        Self(&server.in_flight)
    }

    /// Nothing where there are as many connections as one server should bear.
    pub(super) fn connect(server: &'a ServerRecord) -> Option<Self> {
        let before = server.connections.fetch_add(1, Relaxed);
        Some(Self(&server.connections)).filter(|_| before < CONNECTIONS_MAX)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// All servers.
pub(super) struct Servers {
    shelf: Cache<SocketAddr, Arc<ServerRecord>>,
    began: Instant,
}

impl Servers {
    pub(super) fn new() -> Self {
        Self {
            shelf: Cache::new(SERVERS_MAX),
            began: clock::monotonic(),
        }
    }

    /// The server at this address.
    pub(super) fn at(&self, address: SocketAddr) -> Arc<ServerRecord> {
        if let Some(server) = self.shelf.get(&address) {
            return server;
        }
        let server = Arc::new(ServerRecord::default());
        self.shelf.insert(address, Arc::clone(&server));
        server
    }

    /// Milliseconds since the start, monotonic; starts well above 0, which stands for never.
    pub(super) fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_follows_the_round_trip() {
        let server = ServerRecord::default();
        assert_eq!(
            [0, 1, 2, 9].map(|tries| server.wait(tries)),
            [WAIT_FIRST, WAIT_FIRST, WAIT_FIRST * 2, WAIT_MAX]
        );
        for _ in 0..100 {
            server.note_reply(Duration::from_millis(20));
        }
        assert!(
            server.wait(0) >= WAIT_MIN && server.wait(0) < Duration::from_millis(70),
            "{:?}",
            server.wait(0)
        );
        for _ in 0..100 {
            server.note_reply(Duration::from_millis(300));
        }
        assert!(
            server.wait(0) > Duration::from_millis(320)
                && server.wait(0) < Duration::from_millis(400)
        );
        assert_eq!(
            [server.wait(1), server.wait(2)],
            [server.wait(0), server.wait(0) * 2],
            "one lost packet is no slower server"
        );
    }

    #[test]
    fn whoever_does_not_answer_holds_few_places() {
        let server = ServerRecord::default();
        let mut under_way: Vec<_> = (0..IN_FLIGHT_IN_DOUBT_MAX)
            .map(|_| UnderWay::begin(&server))
            .collect();
        assert_eq!(server.health(1), ServerHealth::Down);
        server.note_reply(Duration::from_millis(20));
        assert_eq!(server.health(1), ServerHealth::Up);
        under_way.extend((IN_FLIGHT_IN_DOUBT_MAX..IN_FLIGHT_MAX).map(|_| UnderWay::begin(&server)));
        assert_eq!(server.health(1), ServerHealth::Down);
        under_way.truncate(IN_FLIGHT_IN_DOUBT_MAX as usize);
        server.note_silence(10, 500);
        assert_eq!(server.health(1), ServerHealth::Down);
        under_way.pop();
        assert_eq!(server.health(1), ServerHealth::Up);
        let connections: Vec<_> = (0..2 * CONNECTIONS_MAX)
            .filter_map(|_| UnderWay::connect(&server))
            .collect();
        assert_eq!(connections.len(), CONNECTIONS_MAX as usize);
        drop(connections);
        assert_eq!(server.connections.load(Relaxed), 0);
    }

    /// A server says that it does not read EDNS; or a stranger did.
    #[test]
    fn one_packet_does_not_take_edns_away() {
        let server = ServerRecord::default();
        server.note_refuses_edns(0);
        server.note_refuses_edns(REFUSES_EDNS_FOR_MS - 1);
        assert!(!server.is_plain(REFUSES_EDNS_FOR_MS), "one burst");
        server.note_reads_edns();
        server.note_refuses_edns(5_000);
        assert!(!server.is_plain(5_000), "it was answered in between");
        server.note_refuses_edns(6_000);
        assert!(server.is_plain(6_000));
    }

    /// A server that was heard without EDNS alone is asked without again, when it is silent.
    #[test]
    fn whether_a_server_drops_edns_is_open_until_it_has_answered_with() {
        let server = ServerRecord::default();
        assert!(server.may_drop_edns(), "never heard");
        server.note_refuses_edns(5_000);
        server.note_reply(Duration::from_millis(20));
        assert!(server.may_drop_edns() && !server.is_plain(5_000));
        server.note_refuses_edns(6_000);
        assert!(server.is_plain(6_000));
        let over = 6_000 + PLAIN_FOR_MS;
        assert!(!server.is_plain(over) && server.may_drop_edns());
        server.note_refuses_edns(over);
        assert!(server.is_plain(over), "what was found out is not lost");
        server.note_reads_edns();
        assert!(!server.may_drop_edns());
    }

    #[test]
    fn what_is_wrong_with_a_server_is_shown_with_its_age() {
        let (server, at) = (ServerRecord::default(), ([192, 0, 2, 1], 53).into());
        let fresh = server.standing(at, 5_000);
        assert_eq!(
            (
                fresh.round_trip_us,
                fresh.silent_for_s,
                fresh.tcp_alone_for_s,
                fresh.no_edns_for_s
            ),
            (None, None, None, None)
        );
        server.note_refuses_edns(5_000);
        server.note_refuses_edns(6_000);
        server.note_respells(6_000);
        server.note_tcp_alone(6_000);
        server.note_tcp_alone(8_000);
        for turn in 0..u64::from(SILENCES_MAX) {
            server.note_silence(10_000 + 1_000 * turn, 10_900 + 1_000 * turn);
        }
        let _under_way = UnderWay::begin(&server);
        let shown = server.standing(at, 15_000);
        assert_eq!(
            (shown.tcp_alone_for_s, shown.no_edns_for_s),
            (Some(9), Some(10))
        );
        assert_eq!(
            (shown.silences, shown.silent_for_s),
            (SILENCES_MAX, Some(5))
        );
        assert_eq!((shown.left_alone_for_s, shown.under_way), (Some(1), 1));
        assert!(shown.is_respelling);
        // It answers, over UDP.
        server.note_reply(Duration::from_millis(20));
        server.note_no_need_of_tcp();
        let shown = server.standing(at, 16_000);
        assert_eq!((shown.silences, shown.silent_for_s), (0, None));
        assert_eq!(
            (shown.left_alone_for_s, shown.tcp_alone_for_s),
            (None, None)
        );
    }

    #[test]
    fn a_silent_server_is_left_alone_and_probed_by_one() {
        let server = ServerRecord::default();
        for _ in 0..50 {
            server.note_silence(10, 500);
        }
        assert_eq!(server.silences(), 1, "a burst counts once");
        for turn in 1..SILENCES_MAX {
            let at = 1000 * u64::from(turn);
            assert_eq!(server.health(at), ServerHealth::Up);
            server.note_silence(at, at + 400);
        }
        let after = 1000 * u64::from(SILENCES_MAX - 1) + 400;
        assert_eq!(server.health(after), ServerHealth::Down);
        let due = after + PAUSE_FIRST_MS;
        assert_eq!(
            [server.health(due), server.health(due)],
            [ServerHealth::Due, ServerHealth::Down]
        );
        server.note_reply(Duration::from_millis(5));
        assert_eq!(server.health(due), ServerHealth::Up);
        for turn in 1..=u64::from(SILENCES_HEARD_MAX) {
            assert_eq!(
                server.health(due),
                ServerHealth::Up,
                "a server that was heard is given up later"
            );
            server.note_silence(due + 1000 * turn, due + 1000 * turn + 400);
        }
        assert_eq!(server.health(due + 1000), ServerHealth::Down);
    }
}
