//! Answers that need nobody else: the blocked answer, the names that are ours, and those that are
//! the operator's.

pub mod blocked;
pub mod local;
pub mod minimal;
pub mod special_use;
