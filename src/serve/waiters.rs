//! How many questions of one client wait for an answer from outside, so that nobody can gather
//! replies and have them all sent at once.
//!
//! DNSBomb (CVE-2024-33655) collects slow questions with a forged source for seconds and releases
//! their replies within milliseconds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::client_limits::{ClientLimitTable, CountedNetwork, Places};
use crate::count::Refusal;

/// However full it is, a client may have so many waiting until all places are taken.
const FAIR_SHARE_MIN: usize = 20;
/// A reply that took longer is of no use to most clients, which have asked again; Unbound leaves it
/// out too.
const AGE_MAX: Duration = Duration::from_millis(1900);
/// With so many waiting a client is no lonely stub that would rather have a late SERVFAIL than
/// none.
const LATE_REPLIES_MAX: usize = 8;
/// So many waiting in all are few: a busy moment brings as many.
const FEW: usize = 1000;
/// A client that had more waiting at once is a crowd, or somebody who gathers replies in its name.
const CROWD: usize = 500;
/// Replies to a crowd that took longer than this may have been gathered.
const GATHERED_AGE: Duration = Duration::from_millis(50);
/// So many of those go out beyond one for each new question: a crowd that lives gets all its
/// replies, one that fell silent no more than these.
const GATHERED_REPLIES_MAX: u32 = 25;

/// The waiting questions by client.
pub struct Waiters {
    places: ArcSwap<Places>,
    present: Mutex<PresentClient>,
}

#[derive(Default)]
struct PresentClient {
    all: usize,
    clients: HashMap<CountedNetwork, Waiting>,
}

/// One client's questions.
struct Waiting {
    count: usize,
    /// It had many waiting since it last had none.
    is_crowd: bool,
    /// Gathered replies that may go out.
    due: u32,
}

/// The right to wait, given back when dropped. It knows the client and is therefore not `Debug`.
pub struct Waiter {
    waiters: Arc<Waiters>,
    client: CountedNetwork,
    /// Nobody can forge its address, or the operator vouches for it.
    is_exempt: bool,
}

impl Waiters {
    /// Let `max` questions wait in all, and of each client as many as `limits` say while half of
    /// the places are free.
    pub fn new(max: usize, limits: Arc<ClientLimitTable>) -> Arc<Self> {
        Arc::new(Self {
            places: ArcSwap::from_pointee(Places { max, limits }),
            present: Mutex::default(),
        })
    }

    /// From now on let so many wait; those who wait already stay.
    pub fn allow(&self, max: usize, limits: Arc<ClientLimitTable>) {
        self.places.store(Arc::new(Places { max, limits }));
    }

    /// The right to wait, or why the client has none: it has as many waiting as it may. The fuller
    /// it is, the fewer that are: those who ask most give way first. While all are late only as
    /// long as few wait: then it is other programs that have the CPU, and more waiting makes nobody
    /// later.
    pub fn admit(self: &Arc<Self>, address: IpAddr, is_late: bool) -> Result<Waiter, Refusal> {
        let places = self.places.load();
        let max = places.max;
        let allowance = places.limits.find(address);
        let client = allowance.places_of(address);
        let of_client_max = allowance.limits.waiting.unwrap_or(max);
        let mut present = self.lock();
        let free = max.saturating_sub(present.all);
        let half = (max / 2).max(1);
        let share = (of_client_max.saturating_mul(free.min(half)) / half)
            .max(FAIR_SHARE_MIN.min(of_client_max));
        let count = present
            .clients
            .get(&client)
            .map_or(0, |waiting| waiting.count);
        if free == 0 {
            return Err(Refusal::WaitingAll);
        }
        if count >= share {
            return Err(Refusal::WaitingClient);
        }
        if is_late && present.all >= FEW {
            return Err(Refusal::WaitingLate);
        }
        present.all += 1;
        let waiting = present.clients.entry(client).or_insert(Waiting {
            count: 0,
            is_crowd: false,
            due: 0,
        });
        waiting.count += 1;
        waiting.is_crowd |= waiting.count > CROWD;
        waiting.due = GATHERED_REPLIES_MAX.min(waiting.due + 1);
        drop(present);
        Ok(Waiter {
            waiters: Arc::clone(self),
            client,
            is_exempt: allowance.limits.waiting.is_none(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, PresentClient> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// May a reply that was waited for as long as `age` still be sent?
    pub fn may_send(&self, age: Duration) -> bool {
        if self.is_exempt || age <= GATHERED_AGE {
            return true;
        }
        let mut present = self.waiters.lock();
        let Some(waiting) = present.clients.get_mut(&self.client) else {
            return true;
        };
        if age > AGE_MAX && waiting.count > LATE_REPLIES_MAX {
            return false;
        }
        if !waiting.is_crowd {
            return true;
        }
        let left = waiting.due.checked_sub(1);
        waiting.due = left.unwrap_or(0);
        left.is_some()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut present = self.waiters.lock();
        present.all -= 1;
        if let Some(waiting) = present.clients.get_mut(&self.client) {
            waiting.count -= 1;
            if waiting.count == 0 {
                present.clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::client_limits::samples::everywhere;
    use crate::serve::client_limits::{ClientLimits, NetworkLimits};

    fn waiters(max: usize, per_client: usize) -> Arc<Waiters> {
        Waiters::new(max, everywhere(of_client(per_client)))
    }

    fn of_client(waiting: usize) -> ClientLimits {
        ClientLimits {
            waiting: Some(waiting),
            ..ClientLimits::EXEMPT
        }
    }

    fn admit(waiters: &Arc<Waiters>, address: &str, count: usize) -> Vec<Waiter> {
        (0..count)
            .map_while(|_| waiters.admit(address.parse().unwrap(), false).ok())
            .collect()
    }

    #[test]
    fn each_client_has_its_own_places() {
        let waiters = waiters(1000, 20);
        let held = admit(&waiters, "192.0.2.1", 30);
        assert_eq!(
            (
                held.len(),
                admit(&waiters, "::ffff:192.0.2.1", 1).len(),
                admit(&waiters, "192.0.2.2", 1).len()
            ),
            (20, 0, 1)
        );
        drop(held);
        assert!(waiters.lock().clients.is_empty());
    }

    #[test]
    fn one_customer_has_one_share_from_all_subnets() {
        let waiters = waiters(1000, 20);
        let held: Vec<_> = (0..40)
            .flat_map(|subnet| admit(&waiters, &format!("2001:db8:0:{subnet:x}::1"), 20))
            .collect();
        assert_eq!(held.len(), 20, "40 /64s of one /56");
        assert_eq!(admit(&waiters, "2001:db8:0:100::1", 1).len(), 1);
    }

    /// What a balancer on this host asks for is many clients', and nobody can forge its address.
    #[test]
    fn who_is_exempt_waits_as_long_as_there_are_places_for_others() {
        let network = NetworkLimits {
            networks: vec!["192.0.2.8/32".parse().unwrap()],
            limits: ClientLimits::EXEMPT,
        };
        let table = ClientLimitTable::new(of_client(20), &[network]);
        let waiters = Waiters::new(3000, Arc::new(table));
        for exempt in ["192.0.2.8", "127.0.0.1", "::1"] {
            let held = admit(&waiters, exempt, 3000);
            assert_eq!(held.len(), 2000, "{exempt}: the rest is for others");
            assert_eq!(admit(&waiters, "192.0.2.9", 30).len(), 20);
            let late = Duration::from_secs(4);
            assert!(held.iter().all(|waiter| waiter.may_send(late)), "{exempt}");
        }
    }

    #[test]
    fn while_all_are_late_few_may_wait() {
        let waiters = waiters(4 * FEW, 2 * FEW);
        let held: Vec<_> = (0..2 * FEW)
            .map_while(|_| waiters.admit("192.0.2.1".parse().unwrap(), true).ok())
            .collect();
        assert_eq!(
            (
                held.len(),
                waiters.admit("192.0.2.2".parse().unwrap(), false).is_ok()
            ),
            (FEW, true)
        );
        let late = waiters.admit("192.0.2.2".parse().unwrap(), true).err();
        assert_eq!(late, Some(Refusal::WaitingLate));
    }

    #[test]
    fn those_who_ask_most_give_way_first() {
        let waiters = waiters(1000, 500);
        let mut held = admit(&waiters, "192.0.2.1", 1000);
        assert_eq!(held.len(), 500, "half of the places are free");
        held.extend(admit(&waiters, "192.0.2.2", 1000));
        assert_eq!(held.len(), 750, "as many as are free then");
        assert_eq!(admit(&waiters, "192.0.2.1", 1).len(), 0);
        let small: Vec<_> = (1..=250)
            .flat_map(|n| admit(&waiters, &format!("198.51.100.{n}"), 1))
            .collect();
        assert_eq!(
            (small.len(), admit(&waiters, "192.0.2.3", 1).len()),
            (250, 0),
            "all places are taken"
        );
        let none_left = waiters.admit("192.0.2.3".parse().unwrap(), false).err();
        assert_eq!(none_left, Some(Refusal::WaitingAll));
        drop((held, small));
        let present = waiters.lock();
        assert_eq!((present.all, present.clients.len()), (0, 0));
    }

    /// 2,000 questions gathered in 4 s and answered at once.
    #[test]
    fn gathered_replies_do_not_come_at_once() {
        let waiters = waiters(10_000, 2000);
        let held = admit(&waiters, "192.0.2.1", 2000);
        let sent = held
            .iter()
            .enumerate()
            .filter(|(nth, waiter)| waiter.may_send(Duration::from_millis(4000 - 2 * *nth as u64)))
            .count();
        // Those that came in the last moment are as quick as any other answer.
        assert_eq!(sent, 25 + 25);
        let lonely = admit(&waiters, "192.0.2.2", 1);
        assert!(
            lonely[0].may_send(Duration::from_secs(4)),
            "a late answer for a stub"
        );
    }

    #[test]
    fn a_crowd_that_goes_on_asking_gets_its_replies() {
        let waiters = waiters(10_000, 2000);
        let mut held = std::collections::VecDeque::from(admit(&waiters, "192.0.2.1", 1000));
        for _ in 0..10_000 {
            held.extend(admit(&waiters, "192.0.2.1", 1));
            assert!(
                held.pop_front()
                    .unwrap()
                    .may_send(Duration::from_millis(300))
            );
        }
    }
}
