//! The clock was ahead for a while: what was counted then is in no hour, and counting goes on in
//! the right one.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::{ONE, PATIENCE, end, exported, status_of, verified};
use crate::kit::is_blocked;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::tool::{FAKETIME, is_missing};
use crate::kit::until;
use crate::kit::wall_clock::WallClock;

const DAY_S: i64 = 86_400;
const NAME: &str = "www.one.example";

fn program(clock: &WallClock) -> Program {
    Program::new()
        .list("one", ONE)
        .toml("[count]\nflush_s = 1\n[audit]\nprovider = \"isp.example\"\nresolver = \"r1\"\n")
        .clock(clock)
}

fn ask(running: &Running, times: u32) {
    for _ in 0..times {
        assert!(is_blocked(running, NAME));
    }
}

/// What the report says: blocked in hours, in no hour, and the hours' beginnings.
fn told(running: &Running) -> (u64, u64, Vec<String>) {
    let report = running.report();
    let sum = |blocked: &Value| blocked["one"]["sum"].as_u64().unwrap_or_default();
    let list = |key: &str| report[key].as_array().expect("a list").clone();
    let hours = list("hours");
    (
        hours.iter().map(|hour| sum(&hour["blocked"])).sum(),
        list("withdrawn")
            .iter()
            .map(|time| sum(&time["blocked"]))
            .sum(),
        hours
            .iter()
            .map(|hour| hour["from"].as_str().expect("a time").to_owned())
            .collect(),
    )
}

fn wait_for_counts(running: &Running, in_hours: u64, in_no_hour: u64) {
    until("the counts", PATIENCE, || {
        let (now, before, _) = told(running);
        ((now, before) == (in_hours, in_no_hour)).then_some(())
    });
}

/// The hour is over and in the log, and the program stops.
fn finish_hour(running: &mut Running, clock: &mut WallClock) {
    let steps = running
        .stderr()
        .matches("the clock was set forward")
        .count();
    clock.advance(Duration::from_secs(7200));
    until("the hour's end", PATIENCE, || {
        let said = running.stderr();
        (said.matches("the clock was set forward").count() > steps).then_some(())
    });
    end(running);
}

/// Both verifiers find the log in order, and say what it withdrew.
fn verify(running: &Running, in_hours: u64, in_no_hour: u64, times: u64) {
    let (outcome, text) = verified(running, &[]);
    assert_eq!(
        outcome["blocked"]["one"]["address"].as_u64(),
        Some(in_hours),
        "{outcome:#}"
    );
    let withdrawn = &outcome["logs"][0]["withdrawn"];
    assert_eq!(
        withdrawn["blocked"]["one"].as_u64(),
        Some(in_no_hour),
        "{outcome:#}"
    );
    assert_eq!(withdrawn["times"].as_u64(), Some(times), "{outcome:#}");
    assert!(
        text.contains("WITHDRAWN: the clock of isp.example/r1"),
        "{text}"
    );
}

#[test]
fn three_days_ahead_for_some_seconds_and_back() {
    if is_missing(&FAKETIME) {
        return;
    }
    let mut clock = WallClock::new();
    let mut running = program(&clock).start();
    ask(&running, 3);
    wait_for_counts(&running, 3, 0);
    clock.set(3 * DAY_S);
    until("the step", PATIENCE, || {
        running
            .stderr()
            .contains("the clock was set forward")
            .then_some(())
    });
    ask(&running, 2);
    wait_for_counts(&running, 5, 0);
    clock.set(0);
    wait_for_counts(&running, 0, 5);
    ask(&running, 4);
    wait_for_counts(&running, 4, 5);
    assert!(status_of(&running, "one")["live_since"].as_i64() > Some(0));
    let (_, status, _) = running.run(&["status"]);
    assert!(
        status.contains("ALARM") && status.contains("the clock was ahead, up to"),
        "{status}"
    );
    let (_, text, _) = running.run(&["report", "--exact"]);
    assert!(text.contains("In no hour\n  dated "), "{text}");
    let now = wardline::clock::hour_start(wardline::clock::wall_s());
    let hours = told(&running).2;
    assert!(
        hours.len() <= 2 && hours.iter().all(|hour| *hour <= utc(now)),
        "{hours:?}"
    );
    finish_hour(&mut running, &mut clock);
    verify(&running, 4, 5, 1);
}

fn utc(at: i64) -> String {
    wardline::record::Moment(at).to_string()
}

/// The month's report has what was counted by the right clock, and both verifiers make the same.
#[test]
fn what_is_withdrawn_is_in_no_published_month() {
    if is_missing(&FAKETIME) {
        return;
    }
    let mut clock = WallClock::new();
    let mut running = program(&clock).start();
    ask(&running, 14);
    wait_for_counts(&running, 14, 0);
    clock.set(3 * DAY_S);
    ask(&running, 3);
    wait_for_counts(&running, 17, 0);
    clock.set(0);
    wait_for_counts(&running, 0, 17);
    ask(&running, 12);
    wait_for_counts(&running, 12, 17);
    for (days, sum) in [(40, 13), (41, 14)] {
        clock.set(days * DAY_S);
        ask(&running, 1);
        wait_for_counts(&running, sum, 17);
    }
    end(&mut running);
    let report = running.folder().join("report.json");
    let (code, text, error) = running.run(&["report", "--json"]);
    assert_eq!(code, 0, "{error}");
    assert!(text.contains("\"one\": 12"), "{text}");
    let place = report.display().to_string();
    fs::write(&report, &text).expect("a file");
    verified(&running, &["--report", &place]);
    fs::write(&report, text.replace("\"one\": 12", "\"one\": 29")).expect("a file");
    let (code, findings, _) = crate::audit::verify(&exported(&running, &["--report", &place]));
    let is_of_list = |finding: &String| finding.ends_with(" list one");
    assert!(code == 1 && findings.iter().any(is_of_list), "{findings:?}");
}

/// A machine without a battery for its clock, each time it starts.
#[test]
fn a_run_that_was_ahead_is_withdrawn_by_the_next_one() {
    if is_missing(&FAKETIME) {
        return;
    }
    let mut clock = WallClock::new();
    let mut running = program(&clock).start();
    ask(&running, 3);
    end(&mut running);
    clock.set(400 * DAY_S);
    running.restart();
    ask(&running, 2);
    running.kill(libc::SIGKILL);
    running.wait_exit();
    running.restart();
    ask(&running, 2);
    wait_for_counts(&running, 5, 0);
    end(&mut running);
    clock.set(0);
    running.restart();
    until("the alarm", PATIENCE, || {
        let (_, status, _) = running.run(&["status"]);
        status
            .contains("the clock is behind the audit log")
            .then_some(())
    });
    ask(&running, 1);
    until("the way back", PATIENCE, || {
        (told(&running).1 > 0).then_some(())
    });
    ask(&running, 4);
    until("the counts", PATIENCE, || {
        (told(&running).0 >= 4).then_some(())
    });
    finish_hour(&mut running, &mut clock);
    let (in_hours, in_no_hour, _) = told(&running);
    assert!(
        in_hours >= 4 && (9..=10).contains(&(in_hours + in_no_hour)),
        "{in_hours} {in_no_hour}"
    );
    verify(&running, in_hours, in_no_hour, 1);
}

/// A clock that has lost the time is no reason to withdraw years.
#[test]
fn a_start_in_1970_withdraws_nothing() {
    if is_missing(&FAKETIME) {
        return;
    }
    let mut clock = WallClock::new();
    let mut running = program(&clock).start();
    ask(&running, 3);
    end(&mut running);
    clock.set(1000 - wardline::clock::wall_s());
    running.restart();
    ask(&running, 2);
    until("the alarm", PATIENCE, || {
        let (_, status, _) = running.run(&["status"]);
        status.contains("which cannot go back").then_some(())
    });
    clock.set(0);
    ask(&running, 1);
    end(&mut running);
    let (in_hours, in_no_hour, _) = told(&running);
    assert_eq!((in_hours, in_no_hour), (6, 0));
}
