//! One flight a question: whoever asks what is already being asked shares the one result.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::{Failure, Fetched, Question};

/// However many wait, a flight may take this share of the usual time.
const PATIENCE_SHARE_MIN: usize = 10;

/// What a flight brings home.
type Outcome = Result<Fetched, Failure>;
/// Where a flight's outcome will be.
type Arrival = watch::Receiver<Option<Outcome>>;

/// The questions that are being asked now; clones are one.
#[derive(Clone)]
pub(super) struct Flights {
    shared: Arc<Shared>,
}

struct Shared {
    open: Mutex<HashMap<Question, Arrival>>,
    waiting: AtomicUsize,
    waiting_max: usize,
}

impl Flights {
    /// Room for `waiting_max` who wait, and for as many flights.
    pub(super) fn new(waiting_max: usize) -> Self {
        Self { shared: Arc::new(Shared { open: Mutex::default(), waiting: AtomicUsize::new(0), waiting_max }) }
    }

    /// How many wait now.
    pub(super) fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// How long a new flight may take: all of `patience` until half of the places are taken, then less with each, so that those which wait
    /// in vain make room for those which do not.
    pub(super) fn patience(&self, patience: Duration) -> Duration {
        let half = (self.shared.waiting_max / 2).max(1);
        let free = self.shared.waiting_max.saturating_sub(self.waiting());
        let share = free.clamp(half.div_ceil(PATIENCE_SHARE_MIN), half);
        patience.mul_f64(share as f64 / half as f64)
    }

    /// Wait for the flight that asks `question`; if there is none, `work` becomes it, in a task of its own, so that it goes on when
    /// this future is dropped.
    pub(super) async fn join(&self, question: &Question, work: impl Future<Output = Outcome> + Send + 'static) -> Outcome {
        let _seat = Seat::take(&self.shared)?;
        let mut arrival = self.board(question, work)?;
        let outcome = arrival.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        // The sender is dropped without a word only when the work panicked.
        outcome.ok().flatten().unwrap_or(Err(Failure::Unusable))
    }

    fn board(&self, question: &Question, work: impl Future<Output = Outcome> + Send + 'static) -> Result<Arrival, Failure> {
        let mut open = self.shared.lock();
        let flights = open.len();
        match open.entry(question.clone()) {
            Entry::Occupied(flight) => Ok(flight.get().clone()),
            // Those who left do not count as waiting, but what they asked is still in flight.
            Entry::Vacant(_) if flights >= self.shared.waiting_max => Err(Failure::Crowded),
            Entry::Vacant(place) => {
                let (sender, arrival) = watch::channel(None);
                place.insert(arrival.clone());
                let landing = Landing { shared: Arc::clone(&self.shared), question: question.clone() };
                tokio::spawn(async move {
                    let outcome = work.await;
                    drop(landing);
                    sender.send_replace(Some(outcome));
                });
                Ok(arrival)
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<Question, Arrival>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits.
struct Seat<'a>(&'a Shared);

impl<'a> Seat<'a> {
    fn take(shared: &'a Shared) -> Result<Self, Failure> {
        let seat = Self(shared);
        if shared.waiting.fetch_add(1, Ordering::Relaxed) < shared.waiting_max { Ok(seat) } else { Err(Failure::Crowded) }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Closes the flight however its work ends.
struct Landing {
    shared: Arc<Shared>,
    question: Question,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.question);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    fn question(name: &str) -> Question {
        Question { name: Name::parse(name).unwrap(), qtype: 1, dnssec_ok: false, checking_disabled: false }
    }

    fn answer() -> Outcome {
        Ok(Fetched { wire: vec![1, 2, 3], ede: None })
    }

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
                    answer()
                };
                flights.join(&question("www.example"), work).await
            });
        }
        while flights.waiting() < 1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(flights.join(&question("www.example"), async { answer() }).await.unwrap_err(), Failure::Crowded);
        go.send_replace(true);
        while let Some(outcome) = tasks.join_next().await {
            assert_eq!(outcome.unwrap().unwrap().wire, [1, 2, 3]);
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(flights.waiting(), 0);
        assert!(flights.shared.lock().is_empty());
    }

    #[test]
    fn the_fuller_the_less_patient() {
        let (flights, whole) = (Flights::new(100), Duration::from_secs(4));
        let seats: Vec<_> = (0..100).filter_map(|_| Seat::take(&flights.shared).ok()).collect();
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
            answer()
        };
        let left = tokio::time::timeout(Duration::from_millis(5), flights.join(&question("www.example"), work)).await;
        assert!(left.is_err());
        assert_eq!(flights.waiting(), 0);
        let asked = question("www.example");
        let second = flights.join(&asked, async { Err(Failure::Unusable) });
        go.send_replace(true);
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_leaves_no_flight() {
        let flights = Flights::new(10);
        assert_eq!(flights.join(&question("www.example"), async { panic!("on purpose") }).await.unwrap_err(), Failure::Unusable);
        assert!(flights.shared.lock().is_empty());
        assert!(flights.join(&question("www.example"), async { answer() }).await.is_ok());
    }

    #[tokio::test]
    async fn other_flags_are_another_question() {
        let flights = Flights::new(10);
        let (plain, signed) = (question("www.example"), Question { dnssec_ok: true, ..question("www.example") });
        let (plain, signed) =
            tokio::join!(flights.join(&plain, async { Err(Failure::Unreachable) }), flights.join(&signed, async { answer() }));
        assert!(plain.is_err() && signed.is_ok());
    }
}
