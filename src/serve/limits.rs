//! Holds back what would drown others: UDP replies to one client network, and connections in all
//! and from one address.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::client_limits::{ClientLimitTable, CountedNetwork, Places};
use crate::clock;
use crate::count::Refusal;
use crate::policy::Standing;
use crate::query::Rate;

const SETS: usize = 1 << 14;
const WAYS: usize = 4;
const CREDIT_US: u64 = 1_000_000;
const DUE_BITS: u32 = 48;
const DUE_MASK: u64 = (1 << DUE_BITS) - 1;

/// The UDP reply rate of each client network, shared by all UDP threads without a lock; made once,
/// it never allocates.
///
/// A flood with forged sources is a flood of replies to the forged network, so the replies to a
/// network are limited: /24 in IPv4 (also where it is mapped into IPv6), /56 in IPv6. A slot is one
/// word: 16 bits of the network's keyed hash and, in 48 bits of microseconds, when its replies so
/// far would all be due at the allowed rate (the generic cell rate algorithm, ITU-T I.371). A
/// network with nothing due needs no slot, so that sources forged at random leave no trace.
#[derive(Debug)]
pub struct ReplyRate {
    limits: Arc<ClientLimitTable>,
    slip: u32,
    over: AtomicU32,
    start: Instant,
    key: RandomState,
    sets: Box<[[AtomicU64; WAYS]]>,
}

impl ReplyRate {
    /// Allow each network the replies a second that `limits` say, after a pause as many at once;
    /// 1,000,000 is the highest limit.
    ///
    /// Of those over the limit one in `slip` may still be sent, so that a real client can come back
    /// over TCP, picked so that no client can step around it; 0 allows none.
    pub fn new(limits: Arc<ClientLimitTable>, slip: u32) -> Self {
        let sets = if limits.limits_replies() { SETS } else { 0 };
        Self {
            limits,
            slip,
            over: AtomicU32::new(0),
            start: clock::monotonic(),
            key: RandomState::new(),
            sets: (0..sets).map(|_| Default::default()).collect(),
        }
    }

    /// Take a reply to `address` at `now` into account and say what to do with it.
    pub fn admit(&self, address: IpAddr, now: Instant) -> Rate {
        if self.sets.is_empty() {
            return Rate::Within;
        }
        let allowance = self.limits.find(address);
        let Some(step_us) = allowance.reply_step_us else {
            return Rate::Within;
        };
        let hash = self.key.hash_one(allowance.replies_to(address));
        let Some(ways) = self.sets.get(hash as usize % SETS) else {
            return Rate::Within;
        };
        let tag = hash & !DUE_MASK;
        let now_us = now.saturating_duration_since(self.start).as_micros() as u64 & DUE_MASK;
        loop {
            let Some((slot, seen)) = find(ways, tag, now_us) else {
                return Rate::Within;
            };
            let mine = seen & !DUE_MASK == tag;
            let due_us = if mine { debt(seen, now_us) } else { 0 } + step_us;
            if due_us > CREDIT_US {
                return self.refuse();
            }
            let next = tag | (now_us + due_us) & DUE_MASK;
            // Losing the race means that another reply was taken into account meanwhile.
            if slot
                .compare_exchange_weak(seen, next, Relaxed, Relaxed)
                .is_ok()
            {
                return Rate::Within;
            }
        }
    }

    fn refuse(&self) -> Rate {
        // Spread the count over all bits, so that it does not beat in time with anybody's
        // questions.
        let nth = self.over.fetch_add(1, Relaxed).wrapping_mul(0x9e37_79b1);
        match (nth >> 16).checked_rem(self.slip) {
            Some(0) => Rate::Slip,
            _ => Rate::Over,
        }
    }
}

/// The slot of this tag; without one the slot that is closest to being free.
fn find(ways: &[AtomicU64; WAYS], tag: u64, now_us: u64) -> Option<(&AtomicU64, u64)> {
    let seen = ways.iter().map(|slot| (slot, slot.load(Relaxed)));
    seen.min_by_key(|(_, seen)| {
        if seen & !DUE_MASK == tag {
            0
        } else {
            1 + debt(*seen, now_us)
        }
    })
}

/// How far beyond `now_us` a slot's replies are due; more than can be owed is a leftover from
/// before the microseconds wrapped.
const fn debt(slot: u64, now_us: u64) -> u64 {
    let debt = (slot & DUE_MASK).saturating_sub(now_us);
    if debt > CREDIT_US { 0 } else { debt }
}

/// Of all connections, the share that clients may hold who are not allowed to ask: enough to be
/// told so, too few to shut others out.
const STRANGERS_SHARE: usize = 8;
/// Under load a silent connection is kept at least this share of the usual time.
const PATIENCE_SHARE_MIN: usize = 10;

/// The open connections of all stream doors together, in all and by client.
pub struct Connections {
    places: ArcSwap<Places>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    strangers: usize,
    by_client: HashMap<CountedNetwork, usize>,
}

/// The right to one connection, given back when dropped. It knows the client and is therefore not
/// `Debug`.
pub struct Permit {
    connections: Arc<Connections>,
    client: CountedNetwork,
    standing: Standing,
}

impl Connections {
    /// Allow `max` connections in all, and each client what `limits` say.
    pub fn new(max: usize, limits: Arc<ClientLimitTable>) -> Arc<Self> {
        Arc::new(Self {
            places: ArcSwap::from_pointee(Places { max, limits }),
            open: Mutex::default(),
        })
    }

    /// From now on allow so many; those that are open stay.
    pub fn allow(&self, max: usize, limits: Arc<ClientLimitTable>) {
        self.places.store(Arc::new(Places { max, limits }));
    }

    /// A permit for one more connection, or why it would be one too many.
    pub fn admit(self: &Arc<Self>, address: IpAddr, standing: Standing) -> Result<Permit, Refusal> {
        let places = self.places.load();
        let max = places.max;
        let allowance = places.limits.find(address);
        let client = allowance.places_of(address);
        let of_client_max = allowance.limits.connections.unwrap_or(max);
        let mut open = self.lock();
        let is_stranger = standing == Standing::Refused;
        if open.all >= max {
            return Err(Refusal::ConnectionsAll);
        }
        if is_stranger && open.strangers >= max.div_ceil(STRANGERS_SHARE) {
            return Err(Refusal::ConnectionsNotAllowed);
        }
        if open.by_client.get(&client).copied().unwrap_or_default() >= of_client_max {
            return Err(Refusal::ConnectionsClient);
        }
        *open.by_client.entry(client).or_default() += 1;
        open.all += 1;
        open.strangers += usize::from(is_stranger);
        drop(open);
        Ok(Permit {
            connections: Arc::clone(self),
            client,
            standing,
        })
    }

    /// How long a silent connection may be kept now: `idle` until half of all are in use, then less
    /// with each (RFC 9210 section 4.4).
    pub fn patience(&self, idle: Duration) -> Duration {
        let max = self.places.load().max;
        let free = max.saturating_sub(self.lock().all);
        let half = (max / 2).max(1);
        let share = free.clamp(half.div_ceil(PATIENCE_SHARE_MIN), half);
        idle.mul_f64(share as f64 / half as f64)
    }

    /// How many may be open.
    pub fn max(&self) -> usize {
        self.places.load().max
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.all -= 1;
        open.strangers -= usize::from(self.standing == Standing::Refused);
        if let Some(of_client) = open.by_client.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                open.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Clients;
    use crate::serve::client_limits::samples::{everywhere, two_connections};
    use crate::serve::client_limits::{ClientLimits, NetworkLimits};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn replies(per_s: u32) -> ClientLimits {
        ClientLimits {
            udp_replies_per_s: per_s.try_into().ok(),
            ..ClientLimits::EXEMPT
        }
    }

    fn reply_rate(per_s: u32, slip: u32) -> ReplyRate {
        ReplyRate::new(everywhere(replies(per_s)), slip)
    }

    fn passed(rate: &ReplyRate, address: &str, now: Instant, count: usize) -> usize {
        (0..count)
            .filter(|_| rate.admit(ip(address), now) == Rate::Within)
            .count()
    }

    #[test]
    fn a_network_gets_its_rate_and_recovers() {
        let rate = reply_rate(100, 2);
        let start = clock::monotonic();
        assert_eq!(passed(&rate, "192.0.2.1", start, 1000), 100);
        assert_eq!(passed(&rate, "192.0.2.254", start, 10), 0, "the same /24");
        assert_eq!(
            passed(&rate, "::ffff:192.0.2.7", start, 10),
            0,
            "the same /24, mapped"
        );
        assert_eq!(passed(&rate, "192.0.3.1", start, 1000), 100, "another /24");
        assert_eq!(passed(&rate, "2001:db8::1", start, 1000), 100);
        assert_eq!(
            passed(&rate, "2001:db8:0:ff::1", start, 10),
            0,
            "the same /56"
        );
        assert_eq!(
            passed(&rate, "2001:db8:0:100::1", start, 10),
            10,
            "another /56"
        );
        let mut held = 0;
        for tenth in 1..=50 {
            held += passed(
                &rate,
                "192.0.2.1",
                start + Duration::from_millis(100 * tenth),
                1000,
            );
        }
        assert_eq!(held, 500, "5 s under flood");
        assert_eq!(
            passed(&rate, "192.0.2.1", start + Duration::from_secs(60), 1000),
            100
        );
    }

    #[test]
    fn some_of_the_rest_slip_through_truncated() {
        let now = clock::monotonic();
        let slips = |slip: u32| {
            let rate = reply_rate(1, slip);
            (0..10_001)
                .filter(|_| rate.admit(ip("192.0.2.1"), now) == Rate::Slip)
                .count()
        };
        assert_eq!((slips(0), slips(1)), (0, 10_000));
        assert!((4_900..5_100).contains(&slips(2)), "{}", slips(2));
        assert!((1_900..2_100).contains(&slips(5)), "{}", slips(5));
    }

    #[test]
    fn rate_0_is_off() {
        let rate = reply_rate(0, 2);
        assert_eq!(
            passed(&rate, "192.0.2.1", clock::monotonic(), 100_000),
            100_000
        );
    }

    #[test]
    fn other_networks_have_other_rates_and_take_nothing_from_their_neighbours() {
        let network = |prefix: &str, limits| NetworkLimits {
            networks: vec![prefix.parse().unwrap()],
            limits,
        };
        let networks = [
            network("192.0.2.8/32", ClientLimits::EXEMPT),
            network("192.0.2.128/25", replies(30)),
            network("2001:db8:0:8::/64", replies(40)),
        ];
        let table = Arc::new(ClientLimitTable::new(replies(10), &networks));
        let (rate, now) = (ReplyRate::new(table, 0), clock::monotonic());
        for (address, count) in [
            ("192.0.2.8", 1000),
            ("192.0.2.129", 30),
            ("192.0.2.130", 0),
            ("192.0.2.1", 10),
            ("2001:db8:0:8::1", 40),
            ("2001:db8::1", 10),
            ("127.0.0.1", 1000),
            ("::1", 1000),
        ] {
            assert_eq!(passed(&rate, address, now, 1000), count, "{address}");
        }
    }

    #[test]
    fn a_flood_of_forged_sources_costs_nobody_a_reply() {
        let rate = reply_rate(1000, 0);
        let mut now = clock::monotonic();
        assert_eq!(passed(&rate, "203.0.113.1", now, 1000), 1000);
        for forged in 0..200_000_u32 {
            now += Duration::from_micros(1);
            assert_eq!(
                rate.admit(
                    IpAddr::from((0x0a00_0000 + (forged << 8)).to_be_bytes()),
                    now
                ),
                Rate::Within
            );
        }
        let again = passed(&rate, "203.0.113.1", now, 1000);
        assert!(
            (200..=201).contains(&again),
            "a slot in use is kept: {again}"
        );
    }

    #[test]
    fn threads_share_one_rate() {
        let rate = reply_rate(10_000, 0);
        let now = clock::monotonic();
        let all: usize = std::thread::scope(|scope| {
            let threads = [0; 4].map(|_| scope.spawn(|| passed(&rate, "192.0.2.1", now, 10_000)));
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(all, 10_000);
    }

    #[test]
    fn connections_are_capped_and_given_back() {
        let allowed =
            Clients::new(&["0.0.0.0/0".parse().unwrap()], &[], &[]).classify(ip("192.0.2.1"));
        let connections = Connections::new(20, two_connections());
        let admit = |address: &str| connections.admit(ip(address), allowed).ok();
        let first = admit("192.0.2.1").unwrap();
        let second = admit("::ffff:192.0.2.1").unwrap();
        assert!(admit("192.0.2.1").is_none());
        drop(first);
        let third = admit("192.0.2.1").unwrap();
        let six: Vec<_> = ["2001:db8::1", "2001:db8:0:1::1"]
            .map(admit)
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(six.len(), 2);
        assert!(admit("2001:db8:0:ff::1").is_none(), "the same /56");
        let strangers: Vec<_> = (0..10_u8)
            .filter_map(|host| {
                connections
                    .admit(IpAddr::from([198, 51, 100, host]), Standing::Refused)
                    .ok()
            })
            .collect();
        assert_eq!(strangers.len(), 3, "an eighth, rounded up");
        let idle = Duration::from_secs(10);
        assert_eq!(connections.patience(idle), idle);
        let rest: Vec<_> = (0..50_u8)
            .filter_map(|host| admit(&format!("203.0.113.{host}")))
            .collect();
        assert_eq!((rest.len(), connections.open()), (13, 20));
        assert_eq!(connections.patience(idle), Duration::from_secs(1));
        drop((second, third, six, strangers, rest));
        assert_eq!(connections.open(), 0);
        assert!(connections.lock().by_client.is_empty());
    }
}
