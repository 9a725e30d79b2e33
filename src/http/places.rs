//! Who holds how many connections of a listener.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// An IPv6 client may have all addresses of such a network.
const V6_PREFIX_BITS: u32 = 56;

/// Where connections wait whose request is not yet allowed.
pub(super) struct Lobby {
    places_max: usize,
    held: Arc<Mutex<HeldPlaces>>,
}

/// By network, the oldest first: dropping one pushes its connection out.
#[derive(Default)]
struct HeldPlaces {
    by_network: HashMap<IpAddr, VecDeque<(u64, oneshot::Sender<()>)>>,
    count: usize,
    next: u64,
}

/// A place in the lobby, free again when it is dropped.
pub(super) struct LobbyPlace {
    held: Arc<Mutex<HeldPlaces>>,
    network: IpAddr,
    number: u64,
    is_wanted: oneshot::Receiver<()>,
}

impl Lobby {
    pub(super) fn new(places_max: usize) -> Self {
        Self {
            places_max,
            held: Arc::default(),
        }
    }

    /// Take a place; where all are taken, the oldest connection of the network that holds most
    /// makes room.
    pub(super) fn enter(&self, address: IpAddr) -> LobbyPlace {
        let network = network_of(address);
        let (push_out, is_wanted) = oneshot::channel();
        let mut held = lock(&self.held);
        if held.count >= self.places_max {
            held.make_room();
        }
        let number = held.next;
        held.next += 1;
        held.count += 1;
        let of_network = held.by_network.entry(network).or_default();
        of_network.push_back((number, push_out));
        LobbyPlace {
            held: Arc::clone(&self.held),
            network,
            number,
            is_wanted,
        }
    }
}

impl LobbyPlace {
    /// Ends when the place is wanted for somebody else.
    pub(super) async fn pushed_out(&mut self) {
        let _ = (&mut self.is_wanted).await;
    }
}

impl HeldPlaces {
    fn make_room(&mut self) {
        let oldest =
            |of_network: &VecDeque<(u64, _)>| of_network.front().map(|(number, _)| *number);
        let fullest = self
            .by_network
            .iter()
            .max_by_key(|(_, of_network)| (of_network.len(), Reverse(oldest(of_network))));
        let oldest =
            fullest.and_then(|(network, of_network)| Some((*network, oldest(of_network)?)));
        if let Some((network, number)) = oldest {
            self.leave(network, number);
        }
    }

    fn leave(&mut self, network: IpAddr, number: u64) {
        let Some(of_network) = self.by_network.get_mut(&network) else {
            return;
        };
        let before = of_network.len();
        of_network.retain(|(other, _)| *other != number);
        self.count -= before - of_network.len();
        if of_network.is_empty() {
            self.by_network.remove(&network);
        }
    }
}

impl Drop for LobbyPlace {
    fn drop(&mut self) {
        lock(&self.held).leave(self.network, self.number);
    }
}

/// What requests that are allowed take while they are read and answered.
pub(super) struct HttpSeats {
    in_all: usize,
    per_address: usize,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A seat, free again when it is dropped.
pub(super) struct HttpSeat {
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    network: IpAddr,
}

impl HttpSeats {
    pub(super) fn new(in_all: usize, per_address: usize) -> Self {
        Self {
            in_all,
            per_address,
            held: Arc::default(),
        }
    }

    pub(super) fn take(&self, address: IpAddr) -> Option<HttpSeat> {
        let network = network_of(address);
        let mut held = lock(&self.held);
        let of_network = held.get(&network).copied().unwrap_or_default();
        if held.values().sum::<usize>() >= self.in_all || of_network >= self.per_address {
            return None;
        }
        held.insert(network, of_network + 1);
        drop(held);
        Some(HttpSeat {
            held: Arc::clone(&self.held),
            network,
        })
    }
}

impl Drop for HttpSeat {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        match held.get_mut(&self.network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(held.remove(&self.network)),
        }
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - V6_PREFIX_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_held_by_address_and_in_all() {
        let seats = HttpSeats::new(3, 2);
        let take = |address: &str| seats.take(address.parse().unwrap());
        let one = take("192.0.2.1").unwrap();
        let two = take("::ffff:192.0.2.1").unwrap();
        assert!(take("192.0.2.1").is_none(), "the same address");
        let other = take("2001:db8:0:100::1").unwrap();
        assert!(take("198.51.100.1").is_none(), "all seats are taken");
        drop(one);
        let third = take("2001:db8:0:1ff::2").unwrap();
        drop(two);
        assert!(take("2001:db8:0:1aa::3").is_none(), "the same /56");
        assert!(take("2001:db8:0:200::3").is_some(), "another /56");
        drop((other, third));
        assert!(lock(&seats.held).is_empty());
    }

    #[test]
    fn the_network_that_holds_most_of_the_lobby_makes_room() {
        let lobby = Lobby::new(3);
        let enter = |address: &str| lobby.enter(address.parse().unwrap());
        let is_out = |place: &mut LobbyPlace| {
            place.is_wanted.try_recv() == Err(oneshot::error::TryRecvError::Closed)
        };
        let other = enter("198.51.100.1");
        let mut first = enter("2001:db8::1");
        let second = enter("2001:db8:0:ff::2");
        assert!(!is_out(&mut first));
        let newcomer = enter("192.0.2.1");
        assert!(is_out(&mut first), "the oldest of the /56");
        drop(first);
        assert_eq!(lock(&lobby.held).count, 3);
        for mut place in [other, second, newcomer] {
            assert!(!is_out(&mut place));
        }
        assert!(lock(&lobby.held).by_network.is_empty() && lock(&lobby.held).count == 0);
        // Where all hold the same, the oldest of all.
        let mut alone: Vec<_> = (1..=9).map(|n| enter(&format!("192.0.2.{n}"))).collect();
        let is_out: Vec<_> = alone.iter_mut().map(is_out).collect();
        assert_eq!(
            is_out.iter().position(|is_out| !is_out),
            Some(6),
            "{is_out:?}"
        );
    }
}
