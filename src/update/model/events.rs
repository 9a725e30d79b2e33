//! What happens to a list, what befalls the disk meanwhile, and what the asker is told.

use std::rc::Rc;

use super::papers::{IssuedRemoval, ModelIssue};
use crate::clock::UnixSeconds;
use crate::list::guard::Code;

/// What happens to a list.
#[derive(Clone, Debug)]
pub(super) enum ListEvent {
    Offer(Rc<ModelIssue>),
    Remove(Rc<IssuedRemoval>),
    /// With all the codes that are needed.
    LetPass(Vec<Code>),
    RollBack(Option<u64>),
    /// So many questions for a name, and a tick.
    Ask(usize, u64),
    /// The clock here shows this, and a tick.
    Clock(UnixSeconds),
}

/// What befalls the disk meanwhile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mishap {
    Nothing,
    /// Power is cut before a step of a writing.
    Cut(u64),
    /// From one step on nothing can be written, or this one step fails alone.
    Full(u64, bool),
}

/// What happens first, the event that meets the mishap, and what happens before a stop.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) is_tried_out: bool,
    pub(super) before: Vec<ListEvent>,
    pub(super) event: ListEvent,
    pub(super) after: Vec<ListEvent>,
}

/// What the asker is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ToldChange {
    Swapped(usize),
    Staged,
    Unchanged,
    Refused,
    Removed(usize),
    RemovalWaits,
    Settled,
    /// Nothing was tried.
    Nothing,
}
