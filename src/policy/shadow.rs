//! A table that is tried out: questions are held against it and counted, and answered as if it were
//! not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::list::{ListIndex, Table};
use crate::name::SuffixHashes;

/// A list's next table in shadow. The counters are shared by all threads: they cost something, but
/// only while it is there.
pub struct Shadow {
    list: ListIndex,
    table: Arc<Table>,
    questions: AtomicU64,
    hits: AtomicU64,
}

/// How many questions there were, and what the table in shadow would have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// Questions of clients that the list applies to.
    pub questions: u64,
    /// Those of them that it would block and that nothing in force blocks.
    pub hits: u64,
}

impl Shadow {
    /// Try out a list's next table, built under the same key as those in force.
    pub fn new(list: ListIndex, table: Arc<Table>) -> Self {
        Self {
            list,
            table,
            questions: AtomicU64::new(0),
            hits: AtomicU64::new(0),
        }
    }

    /// What was counted so far.
    pub fn trial(&self) -> Trial {
        let questions = self.questions.load(Relaxed);
        Trial {
            questions,
            hits: self.hits.load(Relaxed).min(questions),
        }
    }

    pub(super) const fn list(&self) -> ListIndex {
        self.list
    }

    pub(super) const fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Count a question; `is_free` says whether nothing in force blocks its name.
    pub(super) fn note(&self, name: &SuffixHashes, is_free: bool) {
        self.questions.fetch_add(1, Relaxed);
        if is_free && self.table.find(name).is_some() {
            self.hits.fetch_add(1, Relaxed);
        }
    }
}
