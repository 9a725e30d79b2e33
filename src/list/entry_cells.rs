//! A count for each entry of a list, by the entry's number, where the operator turned that on: the
//! curator learns which entries matter.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// The cells of one table, one a slot, and the numbers of the entries in the slots.
pub(super) struct EntryCells {
    /// 0 where the slot is free, or its entry has no number.
    numbers: Vec<u32>,
    counts: Vec<AtomicU32>,
}

impl EntryCells {
    /// Cells for so many slots; an error where the system has no memory for them.
    pub(super) fn new(slots: usize) -> io::Result<Self> {
        let (mut numbers, mut counts) = (Vec::new(), Vec::new());
        numbers.try_reserve_exact(slots)?;
        counts.try_reserve_exact(slots)?;
        numbers.resize(slots, 0);
        counts.resize_with(slots, AtomicU32::default);
        Ok(Self { numbers, counts })
    }

    /// The entry in a slot has this number; an entry that is there twice keeps its first one.
    pub(super) fn name(&mut self, slot: usize, number: u32) {
        if let Some(kept) = self.numbers.get_mut(slot).filter(|kept| **kept == 0) {
            *kept = number;
        }
    }

    /// One question was blocked by the entry in this slot.
    pub(super) fn note(&self, slot: u32) {
        if let Some(count) = self.counts.get(slot as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) const fn octets(&self) -> usize {
        self.numbers.len() * size_of::<u32>() + self.counts.len() * size_of::<AtomicU32>()
    }

    fn take_into(&self, taken: &mut BTreeMap<u32, u64>) {
        // Most are 0, and only looking at them leaves them in the caches of those who count.
        for (number, count) in self
            .numbers
            .iter()
            .zip(&self.counts)
            .filter(|(_, count)| count.load(Relaxed) != 0)
        {
            let count = count.swap(0, Relaxed);
            if *number != 0 {
                *taken.entry(*number).or_default() += u64::from(count);
            }
        }
    }
}

/// What the entries of one list have blocked, in whichever of its tables they stood: a table that
/// is replaced loses nothing.
#[derive(Default)]
pub struct EntryTally {
    /// The cells of all tables that may still be counted with.
    tables: Mutex<Vec<Arc<EntryCells>>>,
}

impl EntryTally {
    pub(super) fn add(&self, cells: Arc<EntryCells>) {
        self.tables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(cells);
    }

    /// What was counted since the last taking, by the entries' numbers; entries without a number
    /// are not in it. Reads every cell: some milliseconds for millions.
    pub fn take(&self) -> BTreeMap<u32, u64> {
        let mut taken = BTreeMap::new();
        self.tables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain_mut(|cells| {
                // Asked before the cells are read: a table that is gone by then counts nothing
                // more.
                let is_last = Arc::get_mut(cells).is_some();
                cells.take_into(&mut taken);
                !is_last
            });
        taken
    }
}

/// Says nothing of the entries.
impl fmt::Debug for EntryTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryTally").finish_non_exhaustive()
    }
}
