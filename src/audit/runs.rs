//! When the resolver ran, by the events of its log: what hours say of gaps and of the time that a
//! list was in force is held against it, second by second.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::clock::{HOUR_S, UnixSeconds};
use crate::record::{HourLeaf, LEAF_VERSION, LeafSpan};

/// The stretches of time that are on record, as far as hours to come may speak of them.
#[derive(Debug, Default)]
pub(super) struct RunTimes {
    stretches: Vec<RunStretch>,
    /// The time of which a clock that was set has said last that it is not on record.
    jump: (UnixSeconds, UnixSeconds),
    /// Up to when each list was last said to be not in force.
    out_until: BTreeMap<String, UnixSeconds>,
    /// The hour in which the log took over from another one, whose runs it does not know.
    taken_over: Option<UnixSeconds>,
}

/// A time that is on record without a break.
#[derive(Debug)]
struct RunStretch {
    from: UnixSeconds,
    /// Its end; none while it goes on.
    until: Option<UnixSeconds>,
    /// What a gap behind it is called.
    end: &'static str,
    lists: Rc<BTreeSet<String>>,
    /// When each list was first said to be in force in the run, of which this is a part.
    live: Rc<RefCell<BTreeMap<String, UnixSeconds>>>,
    /// When the clock was set in it.
    set: Vec<UnixSeconds>,
}

/// A gap as leaves have them: from, until, why.
pub(super) type ToldGap<'a> = (UnixSeconds, UnixSeconds, &'a str);

const CRASH: &str = "crash";
const STOPPED: &str = "stopped";
const UNRECORDED: &str = "unrecorded";

impl RunTimes {
    /// A run with these lists began.
    pub(super) fn start(&mut self, at: UnixSeconds, lists: BTreeSet<String>) {
        self.end(at, UNRECORDED);
        self.stretches.push(RunStretch {
            from: at,
            until: None,
            end: UNRECORDED,
            lists: Rc::new(lists),
            live: Rc::default(),
            set: Vec::new(),
        });
    }

    /// The run ended in order.
    pub(super) fn stop(&mut self, at: UnixSeconds) {
        self.end(at, STOPPED);
    }

    /// The run had ended without a word.
    pub(super) fn crash(&mut self, at: UnixSeconds) {
        self.end(at, CRASH);
    }

    /// The clock was set: nothing is on record from `at` to `until`, and the run goes on.
    pub(super) fn set_clock(&mut self, at: UnixSeconds, until: UnixSeconds) {
        let Some(last) = self.stretches.last_mut() else {
            return;
        };
        last.set.push(at);
        if last.until.is_none() && at < until {
            last.until = Some(at);
            last.end = UNRECORDED;
            let (lists, live) = (Rc::clone(&last.lists), Rc::clone(&last.live));
            self.jump = (at, until);
            self.stretches.push(RunStretch {
                from: until,
                until: None,
                end: UNRECORDED,
                lists,
                live,
                set: Vec::new(),
            });
        }
    }

    /// The log's time goes back to `until`, and the run goes on from there. What was in force stays
    /// so.
    pub(super) fn go_back(&mut self, until: UnixSeconds) {
        let last = self.stretches.pop();
        self.stretches.clear();
        self.jump = (0, 0);
        self.out_until.clear();
        let Some(last) = last.filter(|last| last.until.is_none()) else {
            return;
        };
        for live in last.live.borrow_mut().values_mut() {
            *live = until.min(*live);
        }
        self.stretches.push(RunStretch {
            from: until,
            set: vec![until],
            ..last
        });
    }

    /// The log goes on in the place of another one in this hour.
    pub(super) fn hand_over(&mut self, hour: Option<UnixSeconds>) {
        self.taken_over = hour;
    }

    /// May the hour have what was counted in runs that another log tells of?
    pub(super) fn is_taken_over(&self, hour: UnixSeconds) -> bool {
        self.taken_over == Some(hour)
    }

    /// A list is in force.
    pub(super) fn live(&mut self, list: &str, at: UnixSeconds) {
        if let Some(last) = self.stretches.last_mut() {
            let mut live = last.live.borrow_mut();
            live.entry(list.to_owned()).or_insert(at);
        }
    }

    fn end(&mut self, at: UnixSeconds, end: &'static str) {
        if let Some(last) = self.stretches.last_mut()
            && last.until.is_none()
        {
            (last.until, last.end) = (Some(at), end);
        }
    }

    /// The gaps in the time from `told`, up to which hours have told, to the end of this hour.
    pub(super) fn gaps(&self, told: UnixSeconds, hour: UnixSeconds) -> Vec<ToldGap<'static>> {
        let end = hour + HOUR_S;
        let (mut gaps, mut reached, mut kind) = (Vec::new(), told, UNRECORDED);
        for stretch in &self.stretches {
            if reached < stretch.from.min(end) {
                gaps.push((reached, stretch.from.min(end), kind));
            }
            // A run without any list has no leaves that could tell of it.
            (reached, kind) = if stretch.lists.is_empty() {
                (reached.max(stretch.from), UNRECORDED)
            } else {
                (reached.max(stretch.until.unwrap_or(end)), stretch.end)
            };
        }
        if reached < end {
            gaps.push((reached, end, kind));
        }
        gaps
    }

    /// Is nothing on record of this moment, since the clock was set?
    pub(super) fn is_jumped_over(&self, at: UnixSeconds) -> bool {
        self.jump.0 < at && at < self.jump.1
    }

    /// The lists of all runs that have a second of this hour.
    pub(super) fn lists_in(&self, hour: UnixSeconds) -> BTreeSet<&str> {
        let runs = self.stretches.iter();
        let runs = runs.filter(|stretch| stretch.overlap_s(hour, None) > 0);
        let lists = runs.flat_map(|stretch| stretch.lists.iter());
        lists.map(String::as_str).collect()
    }

    /// Remembers up to when the leaf's list was not in force.
    pub(super) fn note_out(&mut self, leaf: &HourLeaf<'_>) {
        if let Some(last) = leaf.absences().last() {
            self.out_until.insert(leaf.list.to_owned(), last.until.0);
        }
    }

    /// Did the resolver run in any moment of this hour?
    pub(super) fn touch(&self, hour: UnixSeconds) -> bool {
        self.stretches.iter().any(|stretch| stretch.touches(hour))
    }

    /// What the leaf says of the time in which its list was in force, and the events do not;
    /// nothing where they agree.
    pub(super) fn contradiction(&self, leaf: &HourLeaf<'_>) -> Option<String> {
        let hour = leaf.hour.0;
        let with_list: Vec<&RunStretch> = self
            .stretches
            .iter()
            .filter(|stretch| stretch.lists.contains(leaf.list) && stretch.touches(hour))
            .collect();
        let ran_s: u64 = with_list.iter().map(|run| run.overlap_s(hour, None)).sum();
        let told_s = leaf.in_force_s.saturating_add(leaf.not_in_force_s());
        if told_s != ran_s {
            return Some(format!(
                "the list was in force for {} seconds and not in force for {}, but by the log's \
                 events the resolver ran with it for {ran_s}",
                leaf.in_force_s,
                leaf.not_in_force_s()
            ));
        }
        let live = |run: &&RunStretch| run.live.borrow().get(leaf.list).copied();
        let is_within = |span: &LeafSpan| {
            let (from, until) = (span.from.0, span.until.0);
            let within = with_list.iter().map(|run| run.common_s(from, until));
            within.sum::<i64>() == until - from
        };
        if !leaf.absences().all(is_within) {
            return Some("the list was not in force while no run had it".to_owned());
        }
        if leaf.v != LEAF_VERSION {
            let live_s = |run: &&RunStretch| live(run).map(|at| run.overlap_s(hour, Some(at)));
            let live_s: u64 = with_list.iter().filter_map(live_s).sum();
            if leaf.in_force_s > live_s {
                return Some(format!(
                    "the list was in force for {} seconds, but by the log's events for {live_s} \
                     at the most",
                    leaf.in_force_s
                ));
            }
            let before = self.out_until.get(leaf.list).copied();
            if with_list.iter().any(|run| run.falls_out(leaf, before)) {
                return Some(
                    "the list was not in force, though it had come in force in the same run"
                        .to_owned(),
                );
            }
        }
        // What was blocked within the first or last second of a time counts as no second of it.
        let is_brief = |run: &&RunStretch| {
            let is_empty = run.overlap_s(hour, None) == 0;
            live(run).is_some_and(|at| is_empty || (hour..=hour + HOUR_S).contains(&at))
        };
        let is_idle = leaf.in_force_s == 0 && !self.is_taken_over(hour);
        (is_idle && leaf.blocked.sum() > 0 && !with_list.iter().any(is_brief)).then(|| {
            format!(
                "the list blocked {} in an hour in which it was never in force",
                leaf.blocked.sum()
            )
        })
    }

    /// Hours have told all up to this moment.
    pub(super) fn forget(&mut self, told: UnixSeconds) {
        let is_over = |stretch: &RunStretch| stretch.until.is_some_and(|until| until <= told);
        // The last one that is over says why the time behind it is not on record.
        let over = self
            .stretches
            .iter()
            .take_while(|stretch| is_over(stretch))
            .count();
        self.stretches.drain(..over.saturating_sub(1));
    }
}

impl RunStretch {
    /// Its seconds within the hour, from `from` on where that is given.
    fn overlap_s(&self, hour: UnixSeconds, from: Option<UnixSeconds>) -> u64 {
        let end = hour + HOUR_S;
        let start = self.from.max(hour).max(from.unwrap_or(hour));
        let until = self.until.unwrap_or(end).min(end);
        u64::try_from(until - start).unwrap_or_default()
    }

    /// The seconds that it has of this time.
    fn common_s(&self, from: UnixSeconds, until: UnixSeconds) -> i64 {
        (self.until.unwrap_or(until).min(until) - self.from.max(from)).max(0)
    }

    /// Was the list not in force after it had come in force? The second of its coming counts as one
    /// without it; and where the clock was set, nobody can tell that second. At an hour's end that
    /// may be told behind the hour, and such a time goes on from the hour `before`.
    fn falls_out(&self, leaf: &HourLeaf<'_>, before: Option<UnixSeconds>) -> bool {
        let live = self.live.borrow().get(leaf.list).copied();
        let Some(live) = live else {
            return false;
        };
        let hour_end = leaf.hour.0 + HOUR_S;
        leaf.absences().any(|span| {
            let begin = span.from.0.max(self.from);
            let end = span.until.0.min(self.until.unwrap_or(span.until.0));
            let may_begin = begin <= live || begin == leaf.hour.0 && before == Some(begin);
            let may_be_set = end == hour_end && live >= leaf.hour.0;
            let may_end = self.set.contains(&end) || may_be_set || end <= live + 1;
            begin < end && !(may_begin && may_end)
        })
    }

    /// Does it have a moment of this hour, be it the first or the last?
    fn touches(&self, hour: UnixSeconds) -> bool {
        self.from <= hour + HOUR_S && self.until.is_none_or(|until| until >= hour)
    }
}
