//! Shows that upstream resolvers are neither believed further than is asked for nor waited for
//! longer than is needed.

use std::time::{Duration, Instant};

use crate::kit::ask::{Client, Question, ask};
use crate::kit::internet::Internet;
use crate::kit::program::Program;

/// Hold what name and type get, with DO, against code, AD and extended errors.
fn assert_answer(client: &Client, (name, kind): (&str, &str), expected: &(&str, bool, Vec<u16>)) {
    let response = client.ask(&Question::new(name, kind).dnssec_ok());
    let rcode = response.rcode();
    let told = (
        rcode.as_str(),
        response.message.authentic_data,
        response.ede(),
    );
    assert_eq!(told, *expected, "{name} {kind}");
}

/// What an upstream says is checked by ourselves; that it says AD is neither needed nor enough.
#[test]
fn signatures_behind_an_upstream_are_checked() {
    let internet = Internet::start();
    let running = Program::new()
        .forward_checked(internet.forwarder(), &internet)
        .start();
    let client = Client::udp(running.address());
    for (name, kind, rcode, authentic, ede) in [
        ("www.good.test.", "A", "NOERROR", true, vec![]),
        ("missing.good.test.", "A", "NXDOMAIN", true, vec![]),
        ("www.good.test.", "MX", "NOERROR", true, vec![]),
        ("www.sub.good.test.", "A", "NOERROR", true, vec![]),
        ("three.chain.test.", "A", "NOERROR", true, vec![]),
        ("mixed.chain.test.", "A", "NOERROR", false, vec![]),
        ("www.plain.test.", "A", "NOERROR", false, vec![]),
        ("www.bogus.test.", "A", "SERVFAIL", false, vec![6]),
        ("www.expired.test.", "A", "SERVFAIL", false, vec![7]),
        ("www.nosig.test.", "A", "SERVFAIL", false, vec![10]),
    ] {
        assert_answer(&client, (name, kind), &(rcode, authentic, ede));
    }
    let unchecked = client.ask(&Question::new("www.bogus.test.", "A").unchecked());
    assert_eq!(
        unchecked.answers(),
        ["www.bogus.test. A 198.51.100.40"],
        "CD leaves the check to the client"
    );
}

/// A resolver's denials are denials, also without the SOA (RFC 2308 section 2.2) or with NS in its
/// place as in a referral: no resolver refers to others. What is signed is proven by NSEC alone.
#[test]
fn an_upstream_s_denials_count_without_their_soa() {
    let internet = Internet::start();
    let running = Program::new()
        .forward_checked(internet.forwarder_terse(), &internet)
        .start();
    let client = Client::udp(running.address());
    for (name, kind, rcode, authentic, ede) in [
        ("www.good.test.", "MX", "NOERROR", true, vec![]),
        ("missing.good.test.", "A", "NXDOMAIN", true, vec![]),
        ("www.plain.test.", "MX", "NOERROR", false, vec![]),
        ("missing.plain.test.", "A", "NXDOMAIN", false, vec![]),
        ("three.chain.test.", "MX", "NOERROR", true, vec![]),
        ("mixed.chain.test.", "MX", "NOERROR", false, vec![]),
        ("www.nosig.test.", "MX", "SERVFAIL", false, vec![10]),
    ] {
        assert_answer(&client, (name, kind), &(rcode, authentic, ede));
    }
}

/// The second upstream is asked long before the first one's time-out, and the first one is found
/// out all the same.
#[test]
fn a_slow_upstream_holds_nobody_up() {
    let internet = Internet::start();
    let upstreams = [internet.forwarder_silent(), internet.forwarder()];
    let running = Program::new()
        .forward_to(&upstreams)
        .toml("[resolve.forward]\ntimeout_ms = 2000\n")
        .start();
    for name in [
        "www.good.test.",
        "www.plain.test.",
        "mail.good.test.",
        "good.test.",
    ] {
        let begun = Instant::now();
        assert_eq!(ask(running.address(), name, "A").rcode(), "NOERROR");
        assert!(
            begun.elapsed() < Duration::from_millis(1500),
            "{name}: {:?}",
            begun.elapsed()
        );
    }
    crate::kit::until(
        "the silent one is passed over",
        Duration::from_secs(10),
        || {
            let upstreams = running.json(&["status", "--json"])["upstreams"].clone();
            (upstreams[0]["is_up"] == false && upstreams[1]["is_up"] == true).then_some(())
        },
    );
}

/// What an upstream keeps back is passed on as that, with its code and its text, also where its
/// answers are checked: nobody signs a denial that is none.
#[test]
fn what_an_upstream_keeps_back_is_passed_on() {
    let internet = Internet::start();
    let upstream = internet.forwarder_blocking();
    for running in [
        Program::new().forward(upstream).start(),
        Program::new().forward_checked(upstream, &internet).start(),
    ] {
        for question in [
            Question::new("www.good.test.", "A").dnssec_ok(),
            Question::new("good.test.", "MX").dnssec_ok(),
        ] {
            let response = Client::udp(running.address()).ask(&question);
            assert_eq!(
                (
                    response.rcode().as_str(),
                    response.message.authentic_data,
                    response.extended_errors(),
                ),
                ("NXDOMAIN", false, vec![(16, "an order".to_owned())])
            );
        }
        // Nobody makes of it that the name exists.
        for any in [
            Question::new("www.good.test.", "ANY"),
            Question::new("www.good.test.", "ANY").dnssec_ok(),
        ] {
            let response = Client::udp(running.address()).ask(&any);
            assert_eq!(response.answers(), Vec::<String>::new());
            if response.message.edns.is_some() {
                assert_eq!(response.extended_errors(), [(16, "an order".to_owned())]);
            }
        }
        let other = ask(running.address(), "www.plain.test.", "A");
        assert_eq!(other.answers(), ["www.plain.test. A 198.51.100.30"]);
    }
}
