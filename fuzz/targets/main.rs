//! Runs every fuzz target without a fuzzer, for whoever changes the code: on its seeds, each of
//! which must get as far as its name says, and on seeds with random changes.
//!
//! A program of its own, so that a panic in any thread ends it, as it ends a fuzzer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it stands"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "for the fuzzer each target is a program of its own, with its own modules"
)]

mod age;
mod config;
mod control;
mod entry;
mod list;
mod log;
mod notify;
mod papers;
mod question;
mod reply;
mod transfer;

#[path = "../kit/folder.rs"]
mod folder;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use question::in_process::Order;

/// Takes an input, and says in a word how far it got.
type Run = fn(&[u8]) -> &'static str;

const TARGETS: [(&str, Run); 11] = [
    ("age", age::run),
    ("config", config::run),
    ("control", control::run),
    ("entry", entry::run),
    ("list", list::run),
    ("log", log::run),
    ("notify", notify::run),
    ("papers", papers::run),
    ("question", question::run),
    ("reply", reply::run),
    ("transfer", transfer::run),
];
/// How long each target gets changed seeds where WARDLINE_FUZZ_S does not say.
const DURATION_S: u64 = 3;
/// An input that takes longer hangs.
const INPUT_S_MAX: u64 = 30;
/// On a busy machine a seed may be too late for a deadline.
const TRIES_MAX: usize = 5;
const INPUT_OCTETS_MAX: usize = 1 << 16;

/// What runs now, for whoever finds that it fails.
static CASE: Mutex<Option<Case>> = Mutex::new(None);

struct Case {
    target: &'static str,
    octets: Vec<u8>,
    since: Instant,
}

/// Runs the targets whose names hold one of the arguments; all without any.
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let seed = number("WARDLINE_SEED").unwrap_or(20_261_128);
    let duration = Duration::from_secs(number("WARDLINE_FUZZ_S").unwrap_or(DURATION_S));
    check_manifest();
    end_with_any_panic();
    thread::spawn(end_with_a_hang);
    println!("fuzz targets, WARDLINE_SEED={seed}");
    for (target, run) in TARGETS {
        if wanted.is_empty() || wanted.iter().any(|wanted| target.contains(*wanted)) {
            let seeds = run_seeds(target, run);
            run_changed(target, run, &seeds, duration, &mut Order(seed));
        }
    }
    let _ = fs::remove_dir_all(folder::of_process());
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

/// Each seed gets as far as its name says, up to the first dot.
fn run_seeds(target: &'static str, run: Run) -> Vec<Vec<u8>> {
    let folder = here().join("seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    let seeds = files.iter().map(|file| {
        let octets = fs::read(file).expect("a readable seed");
        let name = file.file_name().expect("a name").to_string_lossy();
        let expected = name.split('.').next().expect("a word");
        let mut tries = (0..TRIES_MAX).map(|_| run_one(target, run, &octets));
        assert!(
            tries.any(|reached| reached == expected),
            "seed {} does not get as far as its name says",
            file.display()
        );
        octets
    });
    let seeds: Vec<_> = seeds.collect();
    assert!(!seeds.is_empty(), "{target} has no seed");
    seeds
}

fn run_changed(
    target: &'static str,
    run: Run,
    seeds: &[Vec<u8>],
    duration: Duration,
    order: &mut Order,
) {
    let begun = Instant::now();
    let mut reached = BTreeMap::<_, usize>::new();
    while begun.elapsed() < duration {
        let mut octets = seeds[order.next() % seeds.len()].clone();
        for _ in 0..=order.next() % 4 {
            change(&mut octets, &seeds[order.next() % seeds.len()], order);
        }
        *reached.entry(run_one(target, run, &octets)).or_default() += 1;
    }
    println!(
        "{target}: {} seeds, {} changed: {reached:?}",
        seeds.len(),
        reached.values().sum::<usize>()
    );
}

fn run_one(target: &'static str, run: Run, octets: &[u8]) -> &'static str {
    *CASE.lock().expect("no panic") = Some(Case {
        target,
        octets: octets.to_vec(),
        since: Instant::now(),
    });
    run(octets)
}

/// One of the changes that fuzzers make.
fn change(octets: &mut Vec<u8>, other: &[u8], order: &mut Order) {
    const TELLING: [u8; 8] = [0, 1, 0x0c, 0x3f, 0x7f, 0x80, 0xc0, 0xff];
    let at = order.next() % (octets.len() + 1);
    let end = (at + 1 + order.next() % 16).min(octets.len());
    match order.next() % 8 {
        0..3 if at < octets.len() => octets[at] ^= 1 << (order.next() % 8),
        3 if at < octets.len() => octets[at] = TELLING[order.next() % TELLING.len()],
        4 => drop(octets.drain(at..end)),
        5 => octets.extend_from_within(at..end),
        6 => octets
            .splice(at..at, octets[at..end].to_vec())
            .for_each(drop),
        7 => {
            octets.truncate(at);
            octets.extend_from_slice(&other[at.min(other.len())..]);
        }
        _ => octets.insert(at, order.next() as u8),
    }
    octets.truncate(INPUT_OCTETS_MAX);
}

fn end_with_any_panic() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        usual(info);
        end("panicked");
    }));
}

fn end_with_a_hang() {
    loop {
        thread::sleep(Duration::from_secs(1));
        let case = CASE.lock().expect("no panic");
        if case
            .as_ref()
            .is_some_and(|case| case.since.elapsed() > Duration::from_secs(INPUT_S_MAX))
        {
            drop(case);
            end("hangs");
        }
    }
}

fn end(what: &str) -> ! {
    if let Some(case) = CASE.lock().expect("no panic").take() {
        let (target, octets) = (case.target, case.octets.escape_ascii());
        println!("fuzz target {target} {what} with b\"{octets}\"");
    }
    let _ = fs::remove_dir_all(folder::of_process());
    std::process::exit(1)
}

fn here() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"))
}

/// The fuzzer's manifest names the same targets, and libraries as the program has them.
fn check_manifest() {
    let read = |path: &Path| -> toml::Table {
        let text = fs::read_to_string(path).expect("a manifest");
        text.parse().expect("TOML")
    };
    let ours = read(&here().join("Cargo.toml"));
    let program = read(&here().join("../Cargo.toml"));
    let bins = ours["bin"].as_array().expect("targets");
    let named: BTreeSet<&str> = bins
        .iter()
        .map(|bin| bin["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(named, TARGETS.iter().map(|(name, _)| *name).collect());
    let version = |library: &toml::Value| library.get("version").unwrap_or(library).clone();
    for (name, library) in ours["dependencies"].as_table().expect("libraries") {
        if let Some(theirs) = program["dependencies"].get(name) {
            assert_eq!(version(library), version(theirs), "{name}");
        } else {
            assert!(
                ["libfuzzer-sys", "wardline"].contains(&name.as_str()),
                "{name}"
            );
        }
    }
}
