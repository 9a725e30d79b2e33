//! The runs of the program, by the events of its log.

use std::collections::{BTreeSet, HashSet};

use super::runs::RunTimes;
use super::standing::StandingHours;
use crate::clock::{HOUR_S, hour_start};
use crate::record::{EventKind, EventLeaf, HourLeaf, MovedLog, RunStart, Statement};
use crate::seal::tree::leaf_hash;

/// Runs of one log.
const RUNS_MAX: usize = 500_000;
/// Stretches of runs, their lists and the clocks set in them between two hours.
const STRETCHES_MAX: usize = 50_000;

/// The beginning of a boot's hash.
fn digest(boot: &str) -> u64 {
    let hash = leaf_hash(boot.as_bytes());
    hash.first_chunk()
        .map_or(0, |head| u64::from_be_bytes(*head))
}

/// Said of a start that stands where it cannot.
const NO_SUCCESSOR: &str = "a start that follows no end of a run, or does not say of what";

/// Said of an hour that is cut short while the log does not go back, and of a log that goes back
/// without that.
const NO_WAY_BACK: &str = "a log goes back behind an hour that was cut short for that, and only so";

/// The runs that were started, and the one that goes on.
#[derive(Debug, Default)]
pub(super) struct LogRuns {
    /// Digests of the boots of all.
    boots: HashSet<u64>,
    /// The boot of the run that was started last, and what it said, where its start was in order.
    last: Option<(String, RunStart)>,
    is_running: bool,
    /// Where the log was moved to, until a start shows that it is there.
    moved: Option<MovedLog>,
    /// The hour was cut short: nothing comes but its leaves and the way back.
    is_cut_short: bool,
    pub(super) times: RunTimes,
    pub(super) standing: StandingHours,
}

/// A finding without its place: its code, and what is wrong.
pub(super) type Fault = (&'static str, String);

impl LogRuns {
    /// Follows an event; gives what is wrong with it.
    pub(super) fn follow(&mut self, leaf: &EventLeaf<'_>, said: Option<&Statement>) -> Vec<Fault> {
        let (at, mut faults) = (leaf.at.0, Vec::new());
        // The counts of entries are told as of the end of their hour.
        let is_of_hour = leaf.kind == EventKind::EntryCounts.word();
        if !is_of_hour && self.times.is_jumped_over(at) {
            let message = "happened while, by a clock that was set, nothing is on record";
            faults.push(("clock", message.to_owned()));
        }
        let is_way_back = matches!(said, Some(Statement::Withdrawn(_)));
        if !is_of_hour && self.is_cut_short != is_way_back {
            faults.push(("clock", NO_WAY_BACK.to_owned()));
        }
        self.is_cut_short &= is_of_hour;
        if leaf.kind == "start" {
            let start = match said {
                Some(Statement::Start(start)) => Some(start),
                _ => None,
            };
            faults.extend(self.arrive(start));
            faults.extend(self.start(leaf, start));
            return faults;
        }
        if !self.goes_on(leaf.boot) {
            let message = "happened to another run than the one that is going on";
            faults.push(("run", message.to_owned()));
        }
        match leaf.kind {
            "stop" | "moved" => {
                self.is_running = false;
                self.times.stop(at);
                if let Some(Statement::Moved(moved)) = said {
                    self.moved = Some(moved.clone());
                }
            }
            "crash" => {
                self.is_running = false;
                self.times.crash(at);
            }
            "clock" => match said {
                Some(Statement::Clock(clock)) if clock.is_of(leaf.at) => {
                    self.times.set_clock(at, clock.until.0);
                    if clock.by_s > 0 {
                        self.standing.set_forward(at);
                    }
                }
                Some(Statement::HourCutShort(end)) if end.until.0 == hour_start(at) + HOUR_S => {
                    self.times.set_clock(at, end.until.0);
                    self.is_cut_short = true;
                }
                // Its time is held against the hours that were told.
                Some(Statement::Withdrawn(_)) => {}
                _ => {
                    let message = "a clock that was set, without a word on how, or up to another \
                                   time than it can be";
                    faults.push(("clock", message.to_owned()));
                }
            },
            _ => {}
        }
        faults
    }

    /// A log that was moved is gone on with by whoever it was moved to, and by nobody else.
    fn arrive(&mut self, start: Option<&RunStart>) -> Option<Fault> {
        let arrived = start.and_then(|start| start.arrived.as_ref());
        let message = match (self.moved.take(), arrived) {
            (None, None) => return None,
            (Some(moved), Some(arrived)) if moved.admits(arrived) => return None,
            (Some(_), _) => "a start where the log was not moved to: two go on with it",
            (None, Some(_)) => "a start that says that the log was moved to it, and it was not",
        };
        Some(("moved", message.to_owned()))
    }

    fn start(&mut self, leaf: &EventLeaf<'_>, start: Option<&RunStart>) -> Option<Fault> {
        let (lists, digest) = (start.map(|start| start.lists.clone()), digest(leaf.boot));
        self.standing.start();
        self.times.start(leaf.at.0, lists.unwrap_or_default());
        let follows = |start: &&RunStart| {
            let previous = self.last.as_ref().map(|(boot, _)| boot);
            let is_new = !self.boots.contains(&digest);
            !self.is_running && start.previous.as_ref() == previous && is_new
        };
        let start = start.filter(follows);
        self.boots.extend(start.map(|_| digest));
        self.last = start.map(|start| (leaf.boot.to_owned(), start.clone()));
        self.is_running = true;
        self.last
            .is_none()
            .then(|| ("run", NO_SUCCESSOR.to_owned()))
    }

    /// Was a run started as the hour says of the one that counted last in it?
    pub(super) fn has_started(&self, leaf: &HourLeaf<'_>) -> bool {
        let start = self.last.as_ref().filter(|(boot, _)| boot == leaf.boot);
        start.is_some_and(|(_, start)| {
            (start.software.as_str(), start.configuration.as_str())
                == (leaf.software, leaf.configuration)
        })
    }

    /// Is this run going on?
    pub(super) fn goes_on(&self, boot: &str) -> bool {
        self.is_running && self.is_last(boot)
    }

    /// The lists of the run that was started last, where its start was in order.
    pub(super) fn current_lists(&self) -> Option<&BTreeSet<String>> {
        self.last.as_ref().map(|(_, start)| &start.lists)
    }

    /// The lists of a run, where it is the one that was started last.
    pub(super) fn lists_of(&self, boot: &str) -> Option<&BTreeSet<String>> {
        self.current_lists().filter(|_| self.is_last(boot))
    }

    fn is_last(&self, boot: &str) -> bool {
        self.last.as_ref().is_some_and(|(last, _)| last == boot)
    }

    /// Why the log has more than is kept of one; nothing where it has not.
    pub(super) fn excess(&self) -> Option<&'static str> {
        if self.boots.len() > RUNS_MAX {
            return Some("the log tells of more than 500,000 runs");
        }
        let is_beyond = self.times.weight() > STRETCHES_MAX;
        is_beyond.then_some("between two hours are more runs, lists and clocks than are kept")
    }
}
