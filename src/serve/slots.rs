//! How many are at something at once, where how many may be can change meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Those who are at it.
#[derive(Default)]
pub(super) struct Slots {
    taken: AtomicUsize,
}

/// One of them; it ends when dropped.
pub(super) struct Slot(Arc<Slots>);

impl Slots {
    /// A slot, where fewer than `max` are taken.
    pub(super) fn take(self: &Arc<Self>, max: usize) -> Option<Slot> {
        let taken = self.taken.fetch_add(1, Relaxed);
        let slot = Slot(Arc::clone(self));
        (taken < max).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_may_have_a_turn() {
        let slots = Arc::new(Slots::default());
        let first = slots.take(2);
        let second = slots.take(2);
        assert!(first.is_some() && second.is_some());
        assert!(slots.take(2).is_none(), "and takes none by asking");
        assert!(slots.take(3).is_some());
        drop(first);
        assert!(slots.take(2).is_some());
        assert!(slots.take(1).is_none());
    }
}
