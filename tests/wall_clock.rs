//! Shows what follows the wall clock: the lives of kept answers and of signatures, and with neither
//! of them the time-outs.

use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::kit::ask::{Client, Question, Response, ask};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::tool::{FAKETIME, is_missing};
use crate::kit::wall_clock::WallClock;

/// The TTL of www.good.test, in seconds.
const TTL_S: u64 = 300;
/// The authorities' signatures hold for ten of these.
const DAY_S: u64 = 86_400;

#[test]
fn kept_answers_run_out_by_the_wall_clock() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let running = Program::new()
        .forward(internet.forwarder())
        .clock(&clock)
        .start();
    let www = || ask(running.address(), "www.good.test.", "A");
    assert!((TTL_S - 5..=TTL_S).contains(&ttl_s(&www())));
    clock.advance(Duration::from_secs(TTL_S - 60));
    assert!(
        (50..=60).contains(&ttl_s(&www())),
        "counted down by the jump"
    );
    assert_eq!(
        internet.forwarded("www.good.test.", "A"),
        1,
        "and still kept"
    );
    clock.advance(Duration::from_secs(60));
    assert!((TTL_S - 5..=TTL_S).contains(&ttl_s(&www())));
    assert_eq!(
        internet.forwarded("www.good.test.", "A"),
        2,
        "asked for anew"
    );
}

#[test]
fn signatures_run_out_by_the_wall_clock() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let running = Program::new().recurse(&internet).clock(&clock).start();
    let ask =
        |name: &str| Client::udp(running.address()).ask(&Question::new(name, "A").dnssec_ok());
    clock.advance(Duration::from_secs(9 * DAY_S));
    assert!(ask("www.good.test.").message.authentic_data);
    clock.advance(Duration::from_secs(2 * DAY_S));
    let late = ask("www.sub.good.test.");
    assert_eq!(
        (late.rcode().as_str(), late.ede()),
        ("SERVFAIL", vec![7]),
        "Signature Expired"
    );
}

/// A jump of a day while a question waits must neither end its wait nor prolong it.
#[test]
fn waiting_is_measured_by_the_monotonic_clock() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let running = Program::new()
        .forward(internet.forwarder_silent())
        .toml("[resolve]\npatience_ms = 1500\n")
        .clock(&clock)
        .start();
    let begun = Instant::now();
    let asking = std::thread::spawn({
        let client = Client::udp(running.address());
        move || client.ask(&Question::new("www.good.test.", "A"))
    });
    crate::kit::until("the question is on its way", Duration::from_secs(1), || {
        (internet.forwarded("www.good.test.", "A") > 0).then_some(())
    });
    clock.advance(Duration::from_secs(DAY_S));
    assert_eq!(asking.join().expect("an answer").rcode(), "SERVFAIL");
    assert!(
        (1400..3500).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
}

/// By an hour and a day in both directions, to 1970 and to 2040: everybody is answered as before,
/// each question stands in some hour once, and the log verifies.
#[test]
fn a_clock_that_jumps_stops_nothing() {
    const HOUR_S: i64 = 3600;
    if is_missing(&FAKETIME) {
        return;
    }
    let now_s = wardline::clock::wall_s();
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let mut running = Program::new()
        .forward(internet.forwarder())
        .list("law", "blocked.example\n")
        .toml("[count]\nflush_s = 1\n[audit]\nprovider = \"isp.example\"\nresolver = \"r1\"\n")
        .clock(&clock)
        .start();
    let mut told = 0;
    let jumps = [
        HOUR_S,
        -HOUR_S,
        DAY_S as i64,
        -(DAY_S as i64),
        1_000 - now_s,
        2_208_988_800 - now_s,
        0,
    ];
    for ahead_s in jumps {
        clock.set(ahead_s);
        assert_answered(&running, ahead_s);
        // Each jump is noted before the next one, so that none is lost in another.
        told = crate::kit::until("the jump is in the log", Duration::from_secs(5), || {
            let lines = running.stderr().matches("the clock was set").count();
            (lines > told).then_some(lines)
        });
    }
    assert_eq!(told, jumps.len(), "{}", running.stderr());
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
    assert!(
        !running.stderr().contains("panicked"),
        "{}",
        running.stderr()
    );
    all_is_reported_and_the_log_verifies(&running, jumps.len());
}

fn assert_answered(running: &Running, ahead_s: i64) {
    let blocked = ask(running.address(), "blocked.example.", "A");
    assert_eq!(
        blocked.answers(),
        ["blocked.example. A 192.0.2.1"],
        "{ahead_s} s ahead"
    );
    let real = ask(running.address(), "www.good.test.", "A");
    assert_eq!(
        real.answers(),
        ["www.good.test. A 198.51.100.11"],
        "{ahead_s} s ahead"
    );
    assert!(
        (1..=TTL_S).contains(&ttl_s(&real)),
        "{ahead_s} s ahead: {}",
        ttl_s(&real)
    );
    assert_eq!(running.run(&["status"]).0, 0);
}

fn all_is_reported_and_the_log_verifies(running: &Running, blocked: usize) {
    let span = ["--from", "2020-01-01", "--to", "2041-01-01"];
    let report = running.json(&[&["report", "--exact", "--json"], &span[..]].concat());
    // What was counted while the clock was ahead is in no hour.
    let withdrawn = report["withdrawn"].as_array().expect("a list");
    let sums = withdrawn
        .iter()
        .chain([&report["sums"]])
        .map(|part| part["blocked"]["law"]["sum"].as_u64().unwrap_or_default());
    assert_eq!(sums.sum::<u64>(), blocked as u64, "{report:#}");
    assert!(!withdrawn.is_empty(), "{report:#}");
    let log = running
        .list_file("law")
        .with_file_name("log")
        .display()
        .to_string();
    assert_eq!(running.run(&["audit", "export", &log]).0, 0);
    let key = running.run(&["audit", "key"]).1;
    let (code, stdout, stderr) = running.run(&["audit", "verify", &log, "--key", key.trim()]);
    assert_eq!(code, 0, "{stdout}{stderr}");
}

fn ttl_s(response: &Response) -> u64 {
    let answer = response
        .message
        .answers
        .iter()
        .find(|record| record.record_type() == RecordType::A)
        .expect("an answer");
    answer.ttl.into()
}
