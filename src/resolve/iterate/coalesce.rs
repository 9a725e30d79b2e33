//! One packet for many: while a server is being asked something, others who want to ask it the same
//! wait for its reply.
//!
//! Only single exchanges are shared, never whole walks: an exchange waits for nobody but the
//! server, so that questions which need each other's name servers cannot wait for each other.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::super::exchange::{ExchangeFault, Outgoing, OutgoingEdns};
use crate::resolve::failure::Failure;

/// Locks, so that threads seldom meet.
const SHARDS: usize = 16;

/// What is asked of whom, as far as the reply depends on it: without EDNS there are no signatures.
/// The case of the name's letters does not count, and all that is asked here has RD and CD clear.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PacketKey {
    server: SocketAddr,
    name: Box<[u8]>,
    qtype: u16,
    edns: OutgoingEdns,
}

impl PacketKey {
    /// The key of a question to `server`.
    pub(super) fn new(server: SocketAddr, outgoing: &Outgoing) -> Self {
        Self {
            server,
            name: outgoing.name.as_wire().into(),
            qtype: outgoing.qtype,
            edns: outgoing.edns,
        }
    }
}

/// A reply's octets.
pub(super) type Reply = Result<Arc<Vec<u8>>, ExchangeFault>;

/// Where those wait who came second; nobody mostly.
type Waiting = Option<watch::Sender<Option<Reply>>>;

type Shard = Mutex<HashMap<PacketKey, Waiting>>;

/// The exchanges under way.
pub(super) struct UnderWayPackets {
    shards: [Shard; SHARDS],
    hasher: RandomState,
}

impl UnderWayPackets {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// Wait for the exchange under `key`; if there is none, `work` becomes it. Whoever does the
    /// work pays for it, and when that ends without a reply, one of those who waited goes on.
    pub(super) async fn join(
        &self,
        key: &PacketKey,
        work: impl Future<Output = Result<Reply, Failure>>,
    ) -> Result<Reply, Failure> {
        loop {
            let arrival = match self.lock(key).entry(key.clone()) {
                Entry::Occupied(mut under_way) => Some(
                    under_way
                        .get_mut()
                        .get_or_insert_with(|| watch::Sender::new(None))
                        .subscribe(),
                ),
                Entry::Vacant(place) => {
                    place.insert(None);
                    None
                }
            };
            let Some(mut arrival) = arrival else {
                let landing = PacketLanding { shared: self, key };
                let reply = work.await?;
                landing.end(&reply);
                return Ok(reply);
            };
            let reply = arrival
                .wait_for(Option::is_some)
                .await
                .map(|reply| reply.clone());
            if let Ok(Some(reply)) = reply {
                return Ok(reply);
            }
        }
    }

    /// Look at the name of each exchange that is under way, in wire form.
    pub(super) fn for_each_name(&self, mut visit: impl FnMut(&[u8])) {
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.keys().for_each(|key| visit(&key.name));
        }
    }

    fn lock(&self, key: &PacketKey) -> MutexGuard<'_, HashMap<PacketKey, Waiting>> {
        self.shard(key)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, key: &PacketKey) -> &Shard {
        let [first, rest @ ..] = &self.shards;
        let index = self.hasher.hash_one(key) as usize % SHARDS;
        index
            .checked_sub(1)
            .and_then(|index| rest.get(index))
            .unwrap_or(first)
    }
}

/// Makes room for the next exchange however this one ends.
struct PacketLanding<'a> {
    shared: &'a UnderWayPackets,
    key: &'a PacketKey,
}

impl PacketLanding<'_> {
    fn end(self, reply: &Reply) {
        if let Some(waiting) = self.shared.lock(self.key).remove(self.key).flatten() {
            waiting.send_replace(Some(reply.clone()));
        }
        // What the drop would remove now may be somebody else's.
        std::mem::forget(self);
    }
}

impl Drop for PacketLanding<'_> {
    fn drop(&mut self) {
        self.shared.lock(self.key).remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::super::exchange::{LocalAddress, Spelling};
    use super::*;
    use crate::name::Name;

    fn outgoing(edns: OutgoingEdns) -> Outgoing {
        Outgoing {
            name: Name::parse("www.example").unwrap(),
            qtype: 1,
            recursion_desired: false,
            checking_disabled: false,
            edns,
            spelling: Spelling::Drawn,
            local: LocalAddress::default(),
            watch: None,
        }
    }

    fn key(edns: OutgoingEdns) -> PacketKey {
        PacketKey::new("192.0.2.1:53".parse().unwrap(), &outgoing(edns))
    }

    /// Who wants signatures does not get the reply to a question that could not have any.
    #[tokio::test]
    async fn with_edns_and_without_are_two_questions() {
        let (shared, asked) = (UnderWayPackets::new(), AtomicU32::new(0));
        let [signed, plain] = [OutgoingEdns::WantSignatures(1232), OutgoingEdns::Leave].map(key);
        let ask = |key| {
            shared.join(key, async {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(Err(ExchangeFault::Silent))
            })
        };
        let _ = tokio::join!(ask(&plain), ask(&signed), ask(&plain), ask(&signed));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn many_wait_for_one_and_another_goes_on_when_it_cannot_pay() {
        let (shared, asked) = (UnderWayPackets::new(), AtomicU32::new(0));
        let key = key(OutgoingEdns::Leave);
        let ask = || {
            shared.join(&key, async {
                tokio::task::yield_now().await;
                if asked.fetch_add(1, Ordering::Relaxed) == 0 {
                    Err(Failure::TooMuchWork)
                } else {
                    Ok(Err(ExchangeFault::Silent))
                }
            })
        };
        let replies = tokio::join!(ask(), ask(), ask(), ask());
        assert_eq!(
            replies,
            (
                Err(Failure::TooMuchWork),
                Ok(Err(ExchangeFault::Silent)),
                Ok(Err(ExchangeFault::Silent)),
                Ok(Err(ExchangeFault::Silent))
            )
        );
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert!(
            shared
                .shards
                .iter()
                .all(|shard| shard.lock().unwrap().is_empty())
        );
    }
}
