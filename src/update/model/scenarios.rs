//! Short stories in which the disk fails, or the power is cut, at each step of a writing in turn.

use std::rc::Rc;

use super::events::{ListEvent, Mishap, Scenario};
use super::papers::{IssuedRemoval, ModelIssue, NEVER};
use super::story::{BEGIN, ModelFigures, Story};
use crate::list::guard::Code;

/// An issue in order, with a name beside the common ones that the next one does not have.
fn issue(serial: u64) -> ListEvent {
    let name = 2 + serial as usize % (NEVER - 2);
    ListEvent::Offer(Rc::new(ModelIssue::of(serial, &[0, 1, name], BEGIN, &[])))
}

/// One whose time has not come.
fn ahead(serial: u64) -> ListEvent {
    let issue = ModelIssue::of(serial, &[0, 1], BEGIN + 3600, &[]);
    ListEvent::Offer(Rc::new(issue))
}

fn held_back(serial: u64) -> ListEvent {
    ListEvent::Offer(Rc::new(ModelIssue::of(serial, &[0, NEVER], BEGIN, &[])))
}

fn removal() -> Rc<IssuedRemoval> {
    Rc::new(IssuedRemoval::of(&[1, 2], BEGIN))
}

fn settling(serial: u64) -> ListEvent {
    let settles = [removal().hash];
    ListEvent::Offer(Rc::new(ModelIssue::of(serial, &[0, 1, 2], BEGIN, &settles)))
}

fn let_pass(code: Code) -> ListEvent {
    ListEvent::LetPass(vec![code])
}

fn plain(name: &'static str, before: Vec<ListEvent>, event: ListEvent) -> Scenario {
    Scenario {
        name,
        is_tried_out: false,
        before,
        event,
        after: Vec::new(),
    }
}

fn tried(name: &'static str, before: Vec<ListEvent>, event: ListEvent) -> Scenario {
    Scenario {
        is_tried_out: true,
        ..plain(name, before, event)
    }
}

/// Of issues that come in force at once.
fn without_trials() -> Vec<Scenario> {
    vec![
        plain("the first issue", vec![], issue(1)),
        plain("the next issue", vec![issue(1)], issue(2)),
        plain("the sixth issue", (1..6).map(issue).collect(), issue(6)),
        plain("held back", vec![issue(1)], held_back(2)),
        plain(
            "held back again",
            vec![issue(1), held_back(2)],
            held_back(3),
        ),
        plain(
            "let pass",
            vec![issue(1), held_back(2)],
            let_pass(Code::NeverBlock),
        ),
        plain("a removal", vec![issue(1)], ListEvent::Remove(removal())),
        plain(
            "a removal that is settled",
            vec![issue(1), ListEvent::Remove(removal())],
            settling(2),
        ),
        plain("back", vec![issue(1), issue(2)], ListEvent::RollBack(None)),
        plain(
            "back and forth",
            vec![issue(1), issue(2), ListEvent::RollBack(None)],
            ListEvent::RollBack(Some(2)),
        ),
    ]
}

fn with_trials() -> Vec<Scenario> {
    let (free, hit) = (ListEvent::Ask(NEVER, 20), ListEvent::Ask(4, 20));
    vec![
        tried("a trial", vec![issue(1)], issue(2)),
        tried("a trial of another one", vec![issue(1), issue(2)], issue(3)),
        tried(
            "held back during a trial",
            vec![issue(1), issue(2)],
            held_back(3),
        ),
        tried(
            "a trial that is cut short",
            vec![issue(1), issue(2)],
            let_pass(Code::Shadow),
        ),
        tried("a trial in order", vec![issue(1), issue(2)], free.clone()),
        tried("a trial that fails", vec![issue(1), issue(2)], hit.clone()),
        Scenario {
            after: vec![ListEvent::Clock(BEGIN + 7200)],
            ..tried(
                "a trial in order, and the next one waits",
                vec![issue(1), issue(2), ahead(3)],
                free.clone(),
            )
        },
        tried(
            "a trial that failed is let pass",
            vec![issue(1), issue(2), hit],
            let_pass(Code::Shadow),
        ),
        Scenario {
            after: vec![
                ListEvent::RollBack(Some(1)),
                ListEvent::Clock(BEGIN + 7200),
                held_back(3),
                free.clone(),
            ],
            ..tried(
                "a trial that waits for the clock, and is gone back from",
                vec![issue(1), ListEvent::Clock(BEGIN + 7200), ahead(2)],
                ListEvent::Clock(BEGIN),
            )
        },
        tried(
            "back from a trial",
            vec![issue(1), issue(2), free, issue(3)],
            ListEvent::RollBack(None),
        ),
    ]
}

fn scenarios() -> impl Iterator<Item = Scenario> {
    without_trials().into_iter().chain(with_trials())
}

pub(super) fn count() -> u64 {
    scenarios().count() as u64
}

/// These of the scenarios, with each mishap at each step.
pub(super) fn run(first: u64, count: u64) -> ModelFigures {
    let mut figures = ModelFigures::default();
    let scenarios = scenarios().skip(first as usize);
    for scenario in scenarios.take(count as usize) {
        let mishaps: [fn(u64) -> Mishap; 3] = [
            Mishap::Cut,
            |step| Mishap::Full(step, true),
            |step| Mishap::Full(step, false),
        ];
        for mishap in mishaps {
            for step in 1.. {
                let (more, is_met) = Story::follow(&scenario, mishap(step));
                figures.add(more);
                if !is_met {
                    break;
                }
            }
        }
    }
    figures
}
