//! Shows what follows the wall clock: the lives of kept answers and of signatures, and with neither of them the time-outs.

use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::kit::ask::{Client, Question, Response, ask};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
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
    let running = Program::new().forward(internet.forwarder()).clock(&clock).start();
    let www = || ask(running.address(), "www.good.test.", "A");
    assert!((TTL_S - 5..=TTL_S).contains(&ttl_s(&www())));
    clock.advance(Duration::from_secs(TTL_S - 60));
    assert!((50..=60).contains(&ttl_s(&www())), "counted down by the jump");
    assert_eq!(internet.forwarded("www.good.test.", "A"), 1, "and still kept");
    clock.advance(Duration::from_secs(60));
    assert!((TTL_S - 5..=TTL_S).contains(&ttl_s(&www())));
    assert_eq!(internet.forwarded("www.good.test.", "A"), 2, "asked for anew");
}

#[test]
fn signatures_run_out_by_the_wall_clock() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let running = Program::new().recurse(&internet).clock(&clock).start();
    let ask = |name: &str| Client::udp(running.address()).ask(&Question::new(name, "A").dnssec_ok());
    clock.advance(Duration::from_secs(9 * DAY_S));
    assert!(ask("www.good.test.").message.authentic_data);
    clock.advance(Duration::from_secs(2 * DAY_S));
    let late = ask("www.sub.good.test.");
    assert_eq!((late.rcode().as_str(), late.ede()), ("SERVFAIL", vec![7]), "Signature Expired");
}

/// A jump of a day while a question waits must neither end its wait nor prolong it.
#[test]
fn waiting_is_measured_by_the_monotonic_clock() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let running = Program::new().forward(internet.forwarder_silent()).toml("[resolve]\npatience_ms = 1500\n").clock(&clock).start();
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
    assert!((1400..3500).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

fn ttl_s(response: &Response) -> u64 {
    let answer = response.message.answers.iter().find(|record| record.record_type() == RecordType::A).expect("an answer");
    answer.ttl.into()
}
