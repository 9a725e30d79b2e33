//! The model: what was decided about a list, which names are blocked by it, and what each event
//! changes. It knows no file, no thread and no table.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::events::{ListEvent, ToldChange};
use super::papers::{IssuedRemoval, ModelIssue};
use crate::clock::UnixSeconds;
use crate::list::Hash;
use crate::list::guard::Code;
use crate::update::decisions::Decisions;

/// Questions that end a trial, and hits above which they hold an issue back.
pub(super) const QUESTIONS_MAX: u64 = 20;
const HITS_MAX: u64 = 10;
const GENERATIONS_MAX: usize = 5;
const SKEW_S: i64 = 300;
const AHEAD_S_MAX: i64 = 86_400;

/// What is in force, and what a new issue must be above.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line {
    pub(super) kept: Vec<(u64, Rc<ModelIssue>)>,
    pub(super) live: Option<u64>,
    pub(super) is_rolled_back: bool,
    pub(super) floor: Option<Rc<ModelIssue>>,
}

/// Questions, and hits among them.
type TrialCounts = (u64, u64);

/// An issue that is tried out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TriedIssue {
    pub(super) issue: Rc<ModelIssue>,
    pub(super) counts: TrialCounts,
}

/// All that was decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Decided {
    pub(super) line: Line,
    /// With the time at which each was first read.
    pub(super) removals: Vec<(Rc<IssuedRemoval>, UnixSeconds)>,
    pub(super) passes: Vec<(Hash, Code)>,
    pub(super) held: Option<(Rc<ModelIssue>, Vec<Code>)>,
    pub(super) trial: Option<TriedIssue>,
}

/// How a list stands in memory and on disk.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) now: UnixSeconds,
    pub(super) is_tried_out: bool,
    pub(super) memory: Decided,
    pub(super) disk: Decided,
    /// Where a tick brings about two things: the disk after the first.
    pub(super) between: Option<Decided>,
    /// Refused for a reason that passes; with its counts where its trial is to go on.
    pub(super) waiting: Option<(Rc<ModelIssue>, Option<TrialCounts>)>,
}

impl Decided {
    pub(super) fn live(&self) -> Option<&Rc<ModelIssue>> {
        let mut kept = self.line.kept.iter();
        let live = kept.find(|(number, _)| Some(*number) == self.line.live);
        live.map(|(_, issue)| issue)
    }

    /// The names of an issue that are off it at this time.
    pub(super) fn removed(&self, live: &ModelIssue, now: UnixSeconds) -> BTreeSet<usize> {
        let holds = move |(removed, first_read): &&(Rc<IssuedRemoval>, UnixSeconds)| {
            removed.holds(*first_read, now) && !live.settles(removed)
        };
        let removals = self.removals.iter().filter(holds);
        let names = removals.flat_map(|(removed, _)| &removed.names);
        let names = names.filter(|name| live.names.contains(name));
        names.copied().collect()
    }

    pub(super) fn is_blocked(&self, name: usize, now: UnixSeconds) -> bool {
        self.live().is_some_and(|live| {
            live.names.contains(&name) && !self.removed(live, now).contains(&name)
        })
    }

    fn lets_pass(&self, issue: &ModelIssue, code: Code) -> bool {
        self.passes.contains(&(issue.hash, code))
    }

    fn accept(&mut self, issue: &Rc<ModelIssue>) {
        let line = &mut self.line;
        let number = line.kept.last().map_or(0, |(number, _)| *number) + 1;
        line.kept.push((number, Rc::clone(issue)));
        let surplus = line.kept.len().saturating_sub(GENERATIONS_MAX);
        line.kept.drain(..surplus);
        (line.live, line.is_rolled_back) = (Some(number), false);
        line.floor = Some(Rc::clone(issue));
        (self.held, self.trial) = (None, None);
    }
}

impl Line {
    pub(super) fn is_in(&self, record: &Decisions) -> bool {
        let kept = self.kept.iter();
        let kept = kept.map(|(number, issue)| (*number, Some(issue.hash.to_string())));
        let generations = record.generations.iter();
        let generations = generations.map(|kept| (kept.number, kept.manifest.clone()));
        let floor = self.floor.as_ref();
        kept.eq(generations)
            && (self.live, self.is_rolled_back) == (record.live, record.is_rolled_back)
            && record.serial == floor.map(|floor| floor.serial)
            && record.manifest == floor.map(|floor| floor.hash.to_string())
    }
}

impl IssuedRemoval {
    fn holds(&self, first_read: UnixSeconds, now: UnixSeconds) -> bool {
        if self.from > first_read + SKEW_S {
            return self.from <= now && now < self.until;
        }
        now < self.until.min(first_read + (self.until - self.from))
    }
}

impl Expected {
    /// Everything that is decided is on disk before it holds.
    fn write(&mut self, change: impl Fn(&mut Decided)) {
        change(&mut self.memory);
        change(&mut self.disk);
        self.catch_up();
    }

    fn catch_up(&mut self) {
        self.disk.removals = self.memory.removals.clone();
        self.disk.passes = self.memory.passes.clone();
    }

    pub(super) fn happen(&mut self, event: &ListEvent) -> ToldChange {
        self.between = None;
        match event {
            ListEvent::Offer(issue) => self.offer(issue, None),
            ListEvent::Remove(removed) => self.remove(removed),
            ListEvent::LetPass(_) => self.let_pass(),
            ListEvent::RollBack(number) => self.roll_back(*number),
            ListEvent::Ask(name, questions) => {
                self.ask(*name, *questions);
                self.tick()
            }
            ListEvent::Clock(now) => {
                self.now = *now;
                self.tick()
            }
        }
    }

    /// A stop in order writes down how far a trial has come.
    pub(super) fn stop(&mut self) {
        if let (Some(kept), Some(tried)) = (&mut self.disk.trial, &self.memory.trial) {
            kept.counts = tried.counts;
        }
        self.catch_up();
    }

    /// What was to come in force could not be written: it is tried again, and all else stands.
    pub(super) fn undo(&mut self, before: &Self, event: &ListEvent) {
        let (memory, now) = (std::mem::take(&mut self.memory), self.now);
        *self = Self {
            now,
            ..before.clone()
        };
        match event {
            ListEvent::Offer(issue) => self.wait(issue, None),
            ListEvent::LetPass(_) => {
                if let Some((issue, _)) = before.held_back() {
                    self.wait(&issue, None);
                }
                self.memory.passes = memory.passes;
                match self.memory.trial {
                    Some(_) => self.memory.trial = None,
                    None => self.memory.held = None,
                }
            }
            ListEvent::Ask(name, questions) => {
                self.ask(*name, *questions);
                self.undo_trial();
            }
            ListEvent::Clock(_) => self.undo_trial(),
            ListEvent::RollBack(_) | ListEvent::Remove(_) => {}
        }
    }

    fn undo_trial(&mut self) {
        let is_due = |tried: &mut TriedIssue| tried.counts.0 >= QUESTIONS_MAX;
        if let Some(tried) = self.memory.trial.take_if(is_due) {
            let kept = self.disk.trial.as_ref();
            let counts = kept.map(|kept| kept.counts).unwrap_or_default();
            self.wait(&tried.issue, Some(counts));
        }
    }

    /// What was pushed and waits by the record is tried again, where it is still above the floor.
    pub(super) fn restart(&mut self, waiting: Option<Rc<ModelIssue>>) {
        (self.memory, self.waiting) = (self.disk.clone(), None);
        let floor = self.memory.line.floor.as_ref().map(|floor| floor.serial);
        if let Some(tried) = self.memory.trial.take() {
            self.offer(&tried.issue, Some(tried.counts));
        }
        if let Some(issue) = waiting.filter(|issue| Some(issue.serial) > floor) {
            self.offer(&issue, None);
        }
    }

    fn offer(&mut self, issue: &Rc<ModelIssue>, resumed: Option<TrialCounts>) -> ToldChange {
        let trial = self.memory.trial.as_ref().map(|tried| &tried.issue);
        let highest = trial.or(self.memory.line.floor.as_ref());
        let above = highest.map_or(Ordering::Greater, |highest| {
            issue.serial.cmp(&highest.serial)
        });
        if !issue.is_signed || above == Ordering::Less {
            return ToldChange::Refused;
        }
        if above == Ordering::Equal {
            let is_known = highest == Some(issue);
            return match (is_known, trial) {
                (true, Some(_)) => ToldChange::Staged,
                (true, None) => ToldChange::Unchanged,
                (false, _) => ToldChange::Refused,
            };
        }
        if issue.issued > self.now + SKEW_S || issue.expires <= self.now {
            self.wait(issue, resumed);
            return ToldChange::Refused;
        }
        let by_trial = (Rc::clone(issue), vec![Code::Shadow]);
        let is_passed = self.memory.lets_pass(issue, Code::Shadow);
        if issue.is_damaged || !is_passed && self.memory.held.as_ref() == Some(&by_trial) {
            return ToldChange::Refused;
        }
        let mut codes = issue.findings(self.memory.line.floor.as_ref());
        codes.retain(|code| !self.memory.lets_pass(issue, *code));
        if !codes.is_empty() {
            self.write(|decided| decided.held = Some((Rc::clone(issue), codes.clone())));
            return ToldChange::Refused;
        }
        self.admit(issue, resumed)
    }

    fn accept(&mut self, issue: &Rc<ModelIssue>) {
        self.write(|decided| decided.accept(issue));
        self.forget(issue.serial);
    }

    /// It was refused for a reason that passes; the latest issue of those that wait is tried again.
    fn wait(&mut self, issue: &Rc<ModelIssue>, counts: Option<TrialCounts>) {
        let waiting = self.waiting.as_ref();
        if waiting.is_none_or(|(waiting, _)| waiting.serial <= issue.serial) {
            self.waiting = Some((Rc::clone(issue), counts));
        }
    }

    /// An issue with this serial is in force or tried out: none up to it is tried again.
    fn forget(&mut self, serial: u64) {
        self.waiting
            .take_if(|(waiting, _)| waiting.serial <= serial);
    }

    fn admit(&mut self, issue: &Rc<ModelIssue>, resumed: Option<TrialCounts>) -> ToldChange {
        let is_passed = self.memory.lets_pass(issue, Code::Shadow);
        if !self.is_tried_out || self.memory.line.live.is_none() || is_passed {
            self.accept(issue);
            return ToldChange::Swapped(issue.names.len());
        }
        let tried = TriedIssue {
            issue: Rc::clone(issue),
            counts: resumed.unwrap_or_default(),
        };
        // One that waited since it was begun may have been gone back from meanwhile.
        let kept = self.disk.trial.as_ref().map(|kept| &kept.issue);
        if resumed.is_none() || kept != Some(issue) {
            self.write(|decided| (decided.trial, decided.held) = (Some(tried.clone()), None));
        }
        self.memory.trial = Some(tried);
        self.forget(issue.serial);
        ToldChange::Staged
    }

    /// With the codes that are needed.
    fn let_pass(&mut self) -> ToldChange {
        let Some((issue, codes)) = self.held_back() else {
            return ToldChange::Nothing;
        };
        let passes = codes.iter().map(|code| (issue.hash, *code));
        self.memory.passes.extend(passes);
        self.catch_up();
        if self.memory.trial.take().is_some() {
            return self.admit(&issue, None);
        }
        self.memory.held = None;
        self.offer(&issue, None)
    }

    /// What may be let pass, and the codes that are needed.
    pub(super) fn held_back(&self) -> Option<(Rc<ModelIssue>, Vec<Code>)> {
        let trial = self.memory.trial.as_ref();
        let trial = trial.map(|tried| (Rc::clone(&tried.issue), vec![Code::Shadow]));
        trial.or_else(|| self.memory.held.clone())
    }

    fn roll_back(&mut self, number: Option<u64>) -> ToldChange {
        let line = &self.memory.line;
        let live = line.live.unwrap_or(u64::MAX);
        let is_wanted = |kept: u64| number.map_or(kept < live, |number| kept == number);
        let Some((target, issue)) = line.kept.iter().rfind(|(kept, _)| is_wanted(*kept)) else {
            return ToldChange::Refused;
        };
        let (target, entries, serial) = (*target, issue.names.len(), issue.serial);
        let newest = line.kept.last().map(|(number, _)| *number);
        self.write(|decided| {
            decided.line.live = Some(target);
            decided.line.is_rolled_back = Some(target) != newest;
            (decided.held, decided.trial) = (None, None);
        });
        self.forget(serial);
        ToldChange::Swapped(entries)
    }

    fn remove(&mut self, removed: &Rc<IssuedRemoval>) -> ToldChange {
        let (from, now) = (removed.from, self.now);
        let mut known = self.memory.removals.iter();
        if known.any(|(known, _)| known == removed) {
            return ToldChange::Unchanged;
        }
        if !removed.is_signed || removed.until <= now || from - now > AHEAD_S_MAX {
            return ToldChange::Refused;
        }
        self.memory.removals.push((Rc::clone(removed), now));
        self.catch_up();
        let Some(live) = self.memory.live() else {
            return match removed.holds(now, now) {
                true => ToldChange::Removed(0),
                false => ToldChange::RemovalWaits,
            };
        };
        if live.settles(removed) {
            ToldChange::Settled
        } else if !removed.holds(now, now) {
            ToldChange::RemovalWaits
        } else {
            let names = removed.names.iter();
            ToldChange::Removed(names.filter(|name| live.names.contains(name)).count())
        }
    }

    fn ask(&mut self, name: usize, questions: u64) {
        let is_blocked = self.memory.is_blocked(name, self.now);
        if let Some(tried) = &mut self.memory.trial {
            tried.counts.0 += questions;
            if !is_blocked && tried.issue.names.contains(&name) {
                tried.counts.1 += questions;
            }
        }
    }

    /// What time brings about.
    fn tick(&mut self) -> ToldChange {
        let is_due = |tried: &mut TriedIssue| tried.counts.0 >= QUESTIONS_MAX;
        if let Some(TriedIssue { issue, counts }) = self.memory.trial.take_if(is_due) {
            let held = (Rc::clone(&issue), vec![Code::Shadow]);
            if counts.1 > HITS_MAX {
                self.write(|decided| (decided.held, decided.trial) = (Some(held.clone()), None));
            } else {
                self.accept(&issue);
            }
        }
        self.catch_up();
        if let Some((issue, resumed)) = self.waiting.take() {
            self.between = Some(self.disk.clone());
            self.offer(&issue, resumed);
        }
        ToldChange::Unchanged
    }
}
