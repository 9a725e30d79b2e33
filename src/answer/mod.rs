//! Answers that need nobody else: the blocked answer and the names that are ours.

pub mod blocked;
pub mod own;
