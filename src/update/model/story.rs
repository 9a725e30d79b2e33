//! One random sequence: each step is done to the model and to the real keeper, and both are
//! compared.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::dice::Dice;
use super::events::{ListEvent, Mishap, Scenario, ToldChange};
use super::expected::{Decided, Expected, QUESTIONS_MAX};
use super::found::found;
use super::papers::{IssuedRemoval, ModelIssue, NAMES, NEVER};
use super::world::{World, record, set_clock};
use crate::clock::UnixSeconds;
use crate::list::guard::Code;
use crate::list::serial::LEAP_MAX;
use crate::update::decisions::Decisions;

/// 2026-09-21T14:13:20Z
pub(super) const BEGIN: UnixSeconds = 1_790_000_000;
const HOUR_S: i64 = 3600;
const DAY_S: i64 = 24 * HOUR_S;

/// How much was tried.
#[derive(Default)]
pub(super) struct ModelFigures {
    sequences: u64,
    steps: u64,
    restarts: u64,
    crashes: u64,
    /// Of the crashes, those in the middle of a change.
    cut: u64,
    full: u64,
    pub(super) failures: u64,
    /// Of those, the ones that met a writing.
    met: u64,
}

impl ModelFigures {
    const fn fields(&mut self) -> [&mut u64; 7] {
        [
            &mut self.sequences,
            &mut self.steps,
            &mut self.restarts,
            &mut self.crashes,
            &mut self.cut,
            &mut self.full,
            &mut self.failures,
        ]
    }

    pub(super) fn add(&mut self, mut other: Self) {
        for (sum, more) in self.fields().into_iter().zip(other.fields()) {
            *sum += *more;
        }
    }

    /// What `Display` wrote.
    pub(super) fn parse(text: &str) -> Self {
        let mut figures = Self::default();
        let numbers = text.split(' ').filter_map(|word| word.parse().ok());
        for (field, number) in figures.fields().into_iter().zip(numbers) {
            *field = number;
        }
        figures
    }
}

impl fmt::Display for ModelFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sequences: {} steps, {} restarts, {} crashes, {} of them within a change, {} \
             steps that met a full disk, {} failed",
            self.sequences,
            self.steps,
            self.restarts,
            self.crashes,
            self.cut,
            self.full,
            self.failures
        )
    }
}

/// One sequence.
pub(super) struct Story {
    dice: Dice,
    expected: Expected,
    issues: Vec<Rc<ModelIssue>>,
    /// All that was ever offered.
    offered: Vec<Rc<ModelIssue>>,
    removals: Vec<Rc<IssuedRemoval>>,
    leaps: u64,
    /// The curator's clock, which is right, and how far the one here is ahead.
    now: UnixSeconds,
    ahead: i64,
    figures: ModelFigures,
    told: Vec<String>,
}

impl Story {
    /// Of a list whose issues are tried out first, or are not.
    fn new(dice: Dice, is_tried_out: bool) -> Self {
        set_clock(BEGIN);
        let expected = Expected {
            now: BEGIN,
            is_tried_out,
            memory: Decided::default(),
            disk: Decided::default(),
            between: None,
            waiting: None,
        };
        Self {
            dice,
            expected,
            issues: Vec::new(),
            offered: Vec::new(),
            removals: Vec::new(),
            leaps: 0,
            now: BEGIN,
            ahead: 0,
            figures: ModelFigures::default(),
            told: Vec::new(),
        }
    }

    /// A random sequence.
    pub(super) fn run(seed: u64) -> ModelFigures {
        let mut dice = Dice(seed);
        let is_tried_out = dice.is(40);
        let mut story = Self::new(dice, is_tried_out);
        let steps = 10 + story.dice.roll(30);
        let told = catch_unwind(AssertUnwindSafe(|| {
            let mut world = story.begin();
            for _ in 0..steps {
                world = match story.dice.is(6) {
                    true => story.restart(world),
                    false => {
                        let event = story.choose();
                        let mishap = story.choose_mishap(&event);
                        story.step(world, &event, mishap)
                    }
                };
            }
            drop(world);
        }));
        story.end(told.is_ok(), &format!("WARDLINE_SEED={seed}"))
    }

    /// These events, the last of them with a mishap; then a stop and a tick. Says whether it was
    /// ever met.
    pub(super) fn follow(scenario: &Scenario, mishap: Mishap) -> (ModelFigures, bool) {
        let mut story = Self::new(Dice(0), scenario.is_tried_out);
        let told = catch_unwind(AssertUnwindSafe(|| {
            let mut world = story.begin();
            for event in &scenario.before {
                world = story.step(world, event, Mishap::Nothing);
            }
            world = story.step(world, &scenario.event, mishap);
            for event in &scenario.after {
                world = story.step(world, event, Mishap::Nothing);
            }
            world = story.restart(world);
            world = story.step(world, &ListEvent::Clock(BEGIN + 1), Mishap::Nothing);
            drop(story.restart(world));
        }));
        let is_met = story.figures.cut + story.figures.met > 0;
        let name = format!("{}, {mishap:?}", scenario.name);
        (story.end(told.is_ok(), &name), is_met)
    }

    /// With a removal, so that there is a record.
    fn begin(&mut self) -> World {
        let world = World::start(self.expected.is_tried_out);
        let removed = Rc::new(IssuedRemoval::of(&[NEVER], BEGIN));
        self.removals.push(Rc::clone(&removed));
        self.step(world, &ListEvent::Remove(removed), Mishap::Nothing)
    }

    fn end(mut self, is_right: bool, name: &str) -> ModelFigures {
        if !is_right {
            println!("after {:#?}", self.expected);
            println!("{name}\n{}", self.told.join("\n"));
            self.figures.failures = 1;
        }
        self.figures.sequences = 1;
        self.figures
    }

    fn restart(&mut self, world: World) -> World {
        self.told.push("restart".to_owned());
        self.figures.restarts += 1;
        let (record, world) = world.restart();
        self.expected.stop();
        let waiting = self.waiting_in(&record);
        self.expected.restart(waiting);
        self.check(&world);
        world
    }

    fn step(&mut self, world: World, event: &ListEvent, mishap: Mishap) -> World {
        self.told.push(format!("{event:?}, {mishap:?}"));
        self.figures.steps += 1;
        let world = self.happen(world, event, mishap);
        self.check(&world);
        let is_tick = matches!(event, ListEvent::Ask(..) | ListEvent::Clock(_));
        if is_tick && mishap == Mishap::Nothing {
            world.check_removal_files(&self.expected.disk);
            let waits = self.waiting_in(&world.record());
            let waiting = self.expected.waiting.as_ref().map(|(issue, _)| issue);
            assert!(waits.is_none() || waits.as_ref() == waiting, "{waits:?}");
        }
        world
    }

    fn check(&self, world: &World) {
        world.check(&self.expected.memory, self.expected.now);
        let disk = found(
            &world.record(),
            &[&self.expected.disk, &self.expected.memory],
            &[],
        );
        // What could not be written may have been by now.
        assert_eq!(disk.line, self.expected.disk.line);
        assert_eq!(disk.held, self.expected.disk.held);
    }

    /// What was pushed and is tried again after a start, by the record.
    fn waiting_in(&self, record: &Decisions) -> Option<Rc<ModelIssue>> {
        let kept = record.waiting.as_ref()?;
        let mut offered = self.offered.iter();
        let found = offered.find(|issue| issue.hash.to_string() == kept.known_by);
        Some(Rc::clone(found.expect("nobody offered what waits")))
    }

    fn happen(&mut self, world: World, event: &ListEvent, mishap: Mishap) -> World {
        if let ListEvent::Offer(issue) = event {
            self.offered.push(Rc::clone(issue));
        }
        let before = self.expected.clone();
        let told = self.expected.happen(event);
        let (said, cut, is_met) = world.happen(event, mishap);
        self.figures.met += u64::from(is_met);
        self.told.push(format!("  {said:?}"));
        match mishap {
            Mishap::Nothing => {
                assert_eq!(said, told, "{:?}", world.state().last_refusal);
                world
            }
            Mishap::Full(..) => {
                self.figures.full += u64::from(is_met);
                self.settle(&world, &before, event, (said, told));
                world
            }
            Mishap::Cut(_) => {
                assert_eq!(said, told, "{:?}", world.state().last_refusal);
                self.figures.crashes += 1;
                self.figures.cut += u64::from(cut.is_some());
                let is_cut = cut.is_some();
                let disk = cut.unwrap_or_else(|| world.copy());
                let record = record(disk.path());
                let after = &self.expected;
                let memory = [&before.memory, &after.memory];
                let mut disks = vec![&after.disk];
                if is_cut {
                    disks.splice(0..0, [&before.disk].into_iter().chain(&after.between));
                }
                self.expected.disk = found(&record, &disks, &memory);
                let waiting = self.waiting_in(&record);
                self.expected.restart(waiting);
                world.start_from(disk)
            }
        }
    }

    /// The disk was full in the middle: what is in force is the old or the new, and what is told
    /// is so.
    fn settle(
        &mut self,
        world: &World,
        before: &Expected,
        event: &ListEvent,
        told: (ToldChange, ToldChange),
    ) {
        let after = &mut self.expected;
        let disk = found(
            &world.record(),
            &[&before.disk, &after.disk],
            &[&after.memory],
        );
        let is_done = match (event, told) {
            (ListEvent::Ask(..) | ListEvent::Clock(_), _) => {
                let state = world.state();
                let tried = after.memory.trial.as_ref();
                let tried = tried.map(|tried| Some(tried.issue.serial));
                state.kept == after.memory.line.live
                    && state.trial.map(|trial| trial.serial) == tried
            }
            (_, (said, told)) => {
                assert!(
                    said == told || said == ToldChange::Refused,
                    "{said:?} {told:?}"
                );
                said == told
            }
        };
        if !is_done {
            after.undo(before, event);
        }
        after.disk = disk;
        assert_eq!(after.disk.line, after.memory.line, "in force and on disk");
    }

    fn choose(&mut self) -> ListEvent {
        let dice = &mut self.dice;
        match dice.roll(100) {
            0..35 => ListEvent::Offer(self.choose_issue()),
            35..53 => ListEvent::Remove(self.choose_removal()),
            53..65 => {
                let codes = self.expected.held_back();
                ListEvent::LetPass(codes.map_or_else(|| vec![Code::Shadow], |(_, codes)| codes))
            }
            65..73 => {
                let newest = self.expected.memory.line.kept.last();
                let newest = newest.map_or(1, |(number, _)| *number);
                let number = 1 + dice.roll(newest + 1);
                ListEvent::RollBack(dice.is(50).then_some(number))
            }
            73..86 => {
                let questions = *dice.pick(&[3, 12, QUESTIONS_MAX]);
                ListEvent::Ask(dice.roll(NAMES.len() as u64) as usize, questions)
            }
            _ => {
                self.now += *dice.pick(&[0, 1, 60, HOUR_S, 6 * HOUR_S, DAY_S, 20 * DAY_S]);
                let skews = [0, 0, 0, HOUR_S, -HOUR_S, DAY_S, -2 * DAY_S, 400 * DAY_S];
                self.ahead = match dice.roll(12) {
                    0..6 => self.ahead,
                    // After a start without a battery.
                    6 => 1000 - self.now,
                    _ => *dice.pick(&skews),
                };
                ListEvent::Clock(self.now + self.ahead)
            }
        }
    }

    fn choose_issue(&mut self) -> Rc<ModelIssue> {
        let dice = &mut self.dice;
        if !self.issues.is_empty() && dice.is(30) {
            // The last one is offered again more often than the others.
            let back = dice.roll(self.issues.len() as u64).min(dice.roll(8)) as usize;
            return Rc::clone(&self.issues[self.issues.len() - 1 - back]);
        }
        let issued = self.issues.iter().map(|issue| issue.serial).max();
        let floor = self.expected.memory.line.floor.as_ref();
        let floor = floor.map_or(0, |floor| floor.serial);
        let serial = match dice.roll(20) {
            0 if self.leaps < 3 => {
                self.leaps += 1;
                floor + LEAP_MAX + 1 + dice.roll(3)
            }
            1 => floor.saturating_sub(1).max(1),
            2 | 3 => floor.max(1),
            4..10 => floor + 1 + dice.roll(3),
            _ => issued.unwrap_or(0) + 1,
        };
        let issue = Rc::new(ModelIssue::sign(dice, serial, self.now, &self.removals));
        self.issues.push(Rc::clone(&issue));
        issue
    }

    fn choose_removal(&mut self) -> Rc<IssuedRemoval> {
        if !self.removals.is_empty() && self.dice.is(20) {
            return Rc::clone(self.dice.pick(&self.removals));
        }
        let removed = Rc::new(IssuedRemoval::sign(&mut self.dice, self.now));
        self.removals.push(Rc::clone(&removed));
        removed
    }

    fn choose_mishap(&mut self, event: &ListEvent) -> Mishap {
        let is_waiting = self.expected.waiting.is_some();
        let is_tick = matches!(event, ListEvent::Ask(..) | ListEvent::Clock(_));
        // Of two things that a tick brings about, one would hide what became of the other.
        let is_twofold = is_tick && is_waiting && self.expected.memory.trial.is_some();
        let dice = &mut self.dice;
        match dice.roll(100) {
            0..12 => Mishap::Cut(1 + dice.roll(14)),
            12..22 if !is_twofold => Mishap::Full(1 + dice.roll(12), dice.is(50)),
            _ => Mishap::Nothing,
        }
    }
}
