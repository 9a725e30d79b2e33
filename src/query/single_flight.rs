//! One flight a question: whoever asks what is already being asked shares the one result.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::cache::CacheKey;
use crate::clock;
use crate::resolve::Failure;

/// However many wait, a flight may take this share of the usual time.
const PATIENCE_SHARE_MIN: usize = 10;

/// Where what a flight brings home will be.
type Arrival<T> = watch::Receiver<Option<T>>;

/// The questions that are being asked now; clones are one.
#[derive(Clone)]
pub(super) struct Flights<T> {
    shared: Arc<OpenFlights<T>>,
}

/// A question that is being asked.
struct Flight<T> {
    arrival: Arrival<T>,
    since: Instant,
}

struct OpenFlights<T> {
    open: Mutex<HashMap<CacheKey, Flight<T>>>,
    waiting: AtomicUsize,
    waiting_max: AtomicUsize,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Room for `waiting_max` who wait, and for as many flights.
    pub(super) fn new(waiting_max: usize) -> Self {
        Self {
            shared: Arc::new(OpenFlights {
                open: Mutex::default(),
                waiting: AtomicUsize::new(0),
                waiting_max: waiting_max.into(),
            }),
        }
    }

    /// From now on room for `waiting_max`; who waits already goes on waiting.
    pub(super) fn allow(&self, waiting_max: usize) {
        self.shared
            .waiting_max
            .store(waiting_max, Ordering::Relaxed);
    }

    /// How many may wait.
    pub(super) fn waiting_max(&self) -> usize {
        self.shared.waiting_max()
    }

    /// How many wait now.
    pub(super) fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// How many are being asked now, and for how long the oldest has been.
    pub(super) fn open(&self) -> (usize, Option<Duration>) {
        let open = self.shared.lock();
        let oldest = open.values().map(|flight| flight.since).min();
        (open.len(), oldest.map(|since| since.elapsed()))
    }

    /// How long a new flight may take: all of `patience` until half of the places are taken, then
    /// less with each, so that those which wait in vain make room for those which do not.
    pub(super) fn patience(&self, patience: Duration) -> Duration {
        let waiting_max = self.shared.waiting_max();
        let half = (waiting_max / 2).max(1);
        let free = waiting_max.saturating_sub(self.waiting());
        let share = free.clamp(half.div_ceil(PATIENCE_SHARE_MIN), half);
        patience.mul_f64(share as f64 / half as f64)
    }

    /// Wait for the flight that asks the question with this key; if there is none, `work` becomes
    /// it, in a task of its own, so that it goes on when this future is dropped. It fails only
    /// where too many wait or the work panics.
    pub(super) async fn join(
        &self,
        key: CacheKey,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        let _seat = WaitingSeat::take(&self.shared)?;
        let mut arrival = self.board(key, work)?;
        let landed = arrival
            .wait_for(Option::is_some)
            .await
            .map(|landed| landed.clone());
        // The sender is dropped without a word only when the work panicked.
        landed.ok().flatten().ok_or(Failure::Unusable)
    }

    fn board(
        &self,
        key: CacheKey,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<Arrival<T>, Failure> {
        let mut open = self.shared.lock();
        let flights = open.len();
        match open.entry(key) {
            Entry::Occupied(flight) => Ok(flight.get().arrival.clone()),
            // Those who left do not count as waiting, but what they asked is still in flight.
            Entry::Vacant(_) if flights >= self.shared.waiting_max() => Err(Failure::Crowded),
            Entry::Vacant(place) => {
                let (sender, arrival) = watch::channel(None);
                place.insert(Flight {
                    arrival: arrival.clone(),
                    since: clock::monotonic(),
                });
                let landing = Landing {
                    shared: Arc::clone(&self.shared),
                    key,
                };
                tokio::spawn(async move {
                    let landed = work.await;
                    drop(landing);
                    sender.send_replace(Some(landed));
                });
                Ok(arrival)
            }
        }
    }
}

impl<T> OpenFlights<T> {
    fn waiting_max(&self) -> usize {
        self.waiting_max.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, Flight<T>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits.
struct WaitingSeat<'a, T>(&'a OpenFlights<T>);

impl<'a, T> WaitingSeat<'a, T> {
    fn take(shared: &'a OpenFlights<T>) -> Result<Self, Failure> {
        let seat = Self(shared);
        if shared.waiting.fetch_add(1, Ordering::Relaxed) < shared.waiting_max() {
            Ok(seat)
        } else {
            Err(Failure::Crowded)
        }
    }
}

impl<T> Drop for WaitingSeat<'_, T> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Closes the flight however its work ends.
struct Landing<T> {
    shared: Arc<OpenFlights<T>>,
    key: CacheKey,
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WWW: CacheKey = CacheKey::new(7 << 64, 1, false, false);

    #[tokio::test]
    async fn a_thousand_ask_once() {
        let flights = Flights::new(1000);
        let calls = Arc::new(AtomicUsize::new(0));
        let (go, wait) = watch::channel(false);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..1000 {
            let (flights, calls, mut wait) = (flights.clone(), Arc::clone(&calls), wait.clone());
            tasks.spawn(async move {
                let work = async move {
                    calls.fetch_add(1, Ordering::Relaxed);
                    wait.wait_for(|go| *go).await.unwrap();
                    5
                };
                flights.join(WWW, work).await
            });
        }
        while flights.waiting() < 1000 {
            tokio::task::yield_now().await;
        }
        let (open, oldest) = flights.open();
        assert!(open == 1 && oldest.is_some());
        assert_eq!(flights.join(WWW, async { 6 }).await, Err(Failure::Crowded));
        go.send_replace(true);
        while let Some(landed) = tasks.join_next().await {
            assert_eq!(landed.unwrap(), Ok(5));
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(flights.open(), (0, None));
        assert_eq!(flights.waiting(), 0);
        assert!(flights.shared.lock().is_empty());
    }

    #[test]
    fn the_fuller_the_less_patient() {
        let (flights, whole) = (Flights::<()>::new(100), Duration::from_secs(4));
        let seats: Vec<_> = (0..100)
            .filter_map(|_| WaitingSeat::take(&flights.shared).ok())
            .collect();
        assert_eq!((seats.len(), flights.patience(whole)), (100, whole / 10));
        for (taken, want) in [(75, whole / 2), (50, whole), (0, whole)] {
            flights.shared.waiting.store(taken, Ordering::Relaxed);
            assert_eq!(flights.patience(whole), want, "{taken} wait");
        }
        std::mem::forget(seats);
    }

    #[tokio::test]
    async fn the_work_outlives_who_asked_first() {
        let flights = Flights::new(10);
        let (go, mut wait) = watch::channel(false);
        let work = async move {
            wait.wait_for(|go| *go).await.unwrap();
            5
        };
        let left = tokio::time::timeout(Duration::from_millis(5), flights.join(WWW, work)).await;
        assert!(left.is_err());
        assert_eq!(flights.waiting(), 0);
        let second = flights.join(WWW, async { 6 });
        go.send_replace(true);
        assert_eq!(second.await, Ok(5));
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_leaves_no_flight() {
        let flights = Flights::new(10);
        assert_eq!(
            flights.join(WWW, async { panic!("on purpose") }).await,
            Err::<i32, _>(Failure::Unusable)
        );
        assert!(flights.shared.lock().is_empty());
        assert_eq!(flights.join(WWW, async { 5 }).await, Ok(5));
    }

    #[tokio::test]
    async fn other_flags_are_another_question() {
        let flights = Flights::new(10);
        let signed = CacheKey::new(7 << 64, 1, true, false);
        let landed = tokio::join!(
            flights.join(WWW, async { 5 }),
            flights.join(signed, async { 6 })
        );
        assert_eq!(landed, (Ok(5), Ok(6)));
    }
}
