//! Measures a large real list that is not in the repository; README.md, "Try it with a large list",
//! says how to make one.

use std::fs;
use std::time::{Duration, Instant};

use crate::kit::ask::{Client, Question};
use crate::kit::internet::Internet;
use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;

const SAMPLES: usize = 1000;

fn program(internet: &Internet) -> Program {
    Program::new()
        .recurse(internet)
        .toml("[resolve]\nspecial_use = false\n[limits]\nudp_replies_per_s = 0\n")
}

fn resident_kib(running: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).expect("a status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number")
}

/// How many of these names are answered with this address, over UDP and then over one TCP
/// connection.
fn answered_with(running: &Running, names: &[String], address: &str) -> [usize; 2] {
    let questions: Vec<Question> = names.iter().map(|name| Question::new(name, "A")).collect();
    let udp = Client::udp(running.address());
    let mut tcp = Client::tcp(running.address()).connect();
    let is_so =
        |answers: Vec<String>| answers.len() == 1 && answers[0].ends_with(&format!(" A {address}"));
    let by_udp = questions
        .iter()
        .filter(|question| is_so(udp.ask(question).answers()))
        .count();
    [
        by_udp,
        questions
            .iter()
            .filter(|question| is_so(tcp.ask(question).answers()))
            .count(),
    ]
}

#[test]
#[ignore = "needs WARDLINE_REAL_LIST=FILE: a plain list of real names, which do not belong in the \
            repository"]
fn a_real_list_is_blocked_whole_and_nothing_else() {
    let path = std::env::var("WARDLINE_REAL_LIST").expect("WARDLINE_REAL_LIST=FILE");
    let text = fs::read_to_string(path).expect("the list");
    let internet = Internet::start();
    let without = program(&internet).start();
    let resident_without = resident_kib(&without);
    let pass = "guard.pass = [\"guard.public-suffix\"]\nguard.pass_entries = 1000\n";
    let program = program(&internet).list_with("real", &text, pass);
    let begun = Instant::now();
    let running = program.start();
    let ready = begun.elapsed();

    let sample = sample(&text);
    assert_eq!(answered_with(&running, &sample[..1], STOP[0]), [1, 1]);
    println!(
        "first blocked answer {:?} after the start, ready after {ready:?}",
        begun.elapsed()
    );
    println!(
        "resident: {resident_without} KiB without the list, {} KiB with it",
        resident_kib(&running)
    );
    what_is_listed_is_blocked(&running, &sample);
    let list = &running.json(&["status", "--json"])["lists"][0];
    println!(
        "{} lines: {} entries, {} rejects, a table of {} octets",
        text.lines().count(),
        list["entries"],
        list["rejects"],
        list["octets"]
    );
    println!(
        "resident after all questions: {} KiB",
        resident_kib(&running)
    );
    one_more_name_is_blocked_within_a_second(&running, text);
}

/// Listed names from all over the list.
fn sample(text: &str) -> Vec<String> {
    let names: Vec<&str> = text.lines().filter(|line| line.contains('.')).collect();
    let sample = names.iter().step_by(names.len() / SAMPLES).take(SAMPLES);
    sample.map(|name| (*name).to_owned()).collect()
}

/// And what is below it, and nothing else.
fn what_is_listed_is_blocked(running: &Running, sample: &[String]) {
    let below: Vec<String> = sample
        .iter()
        .enumerate()
        .map(|(i, name)| format!("made-up-{i}.{name}"))
        .collect();
    let free: Vec<String> = (0..SAMPLES)
        .map(|i| format!("free-{i}.wild.test"))
        .collect();
    for (what, names, address) in [
        ("listed", sample, STOP[0]),
        ("below listed", &below[..], STOP[0]),
        ("free", &free[..], "198.51.100.50"),
    ] {
        let begun = Instant::now();
        let answered = answered_with(running, names, address);
        println!(
            "{what}: {answered:?} of {SAMPLES} over UDP and TCP are answered with {address}, in \
             {:?}",
            begun.elapsed()
        );
        assert_eq!(answered, [SAMPLES, SAMPLES], "{what}");
    }
}

fn one_more_name_is_blocked_within_a_second(running: &Running, text: String) {
    let file = running.list_file("real");
    fs::write(&file, text + "late-newcomer.wild.test\n").expect("the list");
    let saved = Instant::now();
    while answered_with(running, &["late-newcomer.wild.test".to_owned()], STOP[0]) != [1, 1] {
        assert!(
            saved.elapsed() < Duration::from_secs(1),
            "{:?}",
            saved.elapsed()
        );
    }
    println!(
        "one more name: enforced {:?} after the save",
        saved.elapsed()
    );
}
