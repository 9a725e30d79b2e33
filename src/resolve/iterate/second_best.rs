//! What is made of a zone's servers where none of them has an answer of its own: a resolver in an
//! authority's place answers from memory, and others know nothing.

use super::judge::{Judgement, Useless};
use crate::resolve::failure::Failure;

/// So many servers that answer from memory are enough; others are not asked any more.
const MEMORIES_MAX: u32 = 3;

/// What a zone's servers brought so far, short of an answer of their own.
#[derive(Default)]
pub(super) struct SecondBest {
    /// Why the last of them was of no use.
    pub(super) useless: Option<Useless>,
    /// What the first of them has from others.
    pub(super) from_memory: Option<Judgement>,
    memories: u32,
}

impl SecondBest {
    /// Note what a server has from others; is there enough of it?
    pub(super) fn is_enough_with(&mut self, judgement: Judgement) -> bool {
        self.from_memory.get_or_insert(judgement);
        self.memories += 1;
        self.memories == MEMORIES_MAX
    }

    /// Nobody else can be asked.
    pub(super) fn end(self) -> Result<Judgement, Failure> {
        self.from_memory
            .or(self.useless.map(Judgement::Useless))
            .ok_or(Failure::Unreachable)
    }
}
