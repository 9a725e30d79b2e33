//! A model of what must hold of a list, against the real keeper: random offers, overrides,
//! removals, rollbacks, questions and clocks, with cuts of the power and full disks at every step
//! of a writing.
//!
//! The keeper's clocks are the test's, so each part runs in a process of its own. WARDLINE_SEED
//! gives the sequence of a failure again, as the first one.

mod dice;
mod events;
mod expected;
mod found;
mod papers;
mod scenarios;
mod story;
mod world;

use std::process::{Command, Stdio};

use story::{ModelFigures, Story};

/// What a part has to do: the first seed and how many.
const PART: &str = "WARDLINE_MODEL_PART";
const FIGURES: &str = "figures: ";
/// A part mostly waits, for one thread after the other.
const PARTS_OF_CPU: u64 = 4;

/// Sequences with these seeds.
fn run_random(first: u64, count: u64) -> ModelFigures {
    let mut figures = ModelFigures::default();
    (first..first + count).for_each(|seed| figures.add(Story::run(seed)));
    figures
}

/// Run so many from this one on, in several processes, each of which has this test for itself.
fn run(test: &str, (first, count): (u64, u64), run: fn(u64, u64) -> ModelFigures) {
    if let Ok(part) = std::env::var(PART) {
        let (first, count) = part.split_once(' ').expect("a part");
        let [first, count] = [first, count].map(|number| number.parse().expect("a number"));
        println!("{FIGURES}{}", run(first, count));
        return;
    }
    let cpus = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let parts = count.min(cpus * PARTS_OF_CPU);
    let begun = std::time::Instant::now();
    let parts = (0..parts).map(|part| {
        let (from, to) = (count * part / parts, count * (part + 1) / parts);
        Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", test, "--include-ignored", "--nocapture"])
            .env(PART, format!("{} {}", first + from, to - from))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a part")
    });
    let mut sum = ModelFigures::default();
    for part in parts.collect::<Vec<_>>() {
        let output = part.wait_with_output().expect("an end");
        let [said, failed] = [output.stdout, output.stderr]
            .map(|octets| String::from_utf8_lossy(&octets).into_owned());
        let figures = said.lines().find_map(|line| line.split_once(FIGURES));
        let (_, figures) = figures.unwrap_or_else(|| panic!("{said}\n{failed}"));
        let figures = ModelFigures::parse(figures);
        if figures.failures > 0 {
            println!("{said}\n{failed}");
        }
        sum.add(figures);
    }
    println!("{sum} in {:.1?}", begun.elapsed());
    assert_eq!(sum.failures, 0);
}

/// From this seed on; it is printed, and WARDLINE_SEED gives another one.
fn run_sequences(test: &str, count: u64, first: u64) {
    let seed = std::env::var("WARDLINE_SEED").ok();
    let seed = seed.map(|seed| seed.parse().expect("a number"));
    let seed: u64 = seed.unwrap_or(first);
    println!("WARDLINE_SEED={seed}");
    run(test, (seed, count), run_random);
}

/// The same sequences each time, so that a change is to blame where one fails.
#[test]
fn what_was_decided_holds() {
    run_sequences("update::model::what_was_decided_holds", 250, 1);
}

#[test]
#[ignore = "long run: ten thousand sequences take some minutes"]
fn what_was_decided_holds_ten_thousand_times() {
    let test = "update::model::what_was_decided_holds_ten_thousand_times";
    let seed = getrandom::u64().expect("randomness") >> 1;
    run_sequences(test, 10_000, seed);
}

#[test]
fn any_step_of_a_writing_can_be_the_last() {
    let test = "update::model::any_step_of_a_writing_can_be_the_last";
    run(test, (0, scenarios::count()), scenarios::run);
}
