//! What the program is at that takes its time, for the operator who asks what it waits for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::protocol::UnderwayStatus;
use crate::clock::monotonic;

/// All that is under way; a clone knows of the same.
#[derive(Clone, Default)]
pub struct Underway(Arc<Mutex<Begun>>);

#[derive(Default)]
struct Begun {
    next: u64,
    /// In the order in which they were begun.
    works: BTreeMap<u64, (String, Instant)>,
}

/// One piece of work; it ends when this is dropped.
pub struct Work {
    all: Underway,
    number: u64,
}

impl Underway {
    /// Something begins, such as "the lists are read".
    #[must_use]
    pub fn begin(&self, what: impl Into<String>) -> Work {
        let mut begun = self.lock();
        let number = begun.next;
        begun.next += 1;
        begun.works.insert(number, (what.into(), monotonic()));
        drop(begun);
        Work {
            all: self.clone(),
            number,
        }
    }

    /// The configuration and all lists are read again.
    #[must_use]
    pub fn begin_reload(&self) -> Work {
        self.begin("the configuration and all lists are read again")
    }

    /// What is under way now, the oldest first.
    pub fn show(&self) -> Vec<UnderwayStatus> {
        let begun = self.lock();
        let works = begun.works.values();
        let status = works.map(|(what, since)| UnderwayStatus {
            what: what.clone(),
            for_s: since.elapsed().as_secs(),
        });
        status.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Begun> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.all.lock().works.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_shown_from_its_beginning_to_its_end() {
        let underway = Underway::default();
        let first = underway.begin("first");
        let second = underway.begin("second");
        let shown = || {
            let all = underway.show().into_iter();
            all.map(|work| work.what).collect::<Vec<_>>()
        };
        assert_eq!(shown(), ["first", "second"]);
        drop(first);
        assert_eq!(shown(), ["second"]);
        drop(second);
        assert!(shown().is_empty());
    }
}
