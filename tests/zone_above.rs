//! What the zone above is asked so that clients that validate believe us: DS at an entry's own
//! name, and the proof about special-use names; and what nobody is asked.

use hickory_proto::rr::RecordType;

use crate::kit::ask::{Client, Question, Response, ask};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;

const CENSORED: u16 = 16;
/// An unsigned and a signed domain, one of them exactly; names that are no zones: with addresses,
/// with an alias, and none at all; and two whose zone above answers nothing that can be believed.
const LIST: &str = "plain.test\nblocked.example\n=exact.example\nwww.good.test\none.chain.test\n\
                    missing.good.test\nwww.bogus.test\nwww.silent.test\n";

/// All ways to resolve, with this list; no question waits for long.
fn running(internet: &Internet, keys: &str) -> Vec<(&'static str, Running)> {
    let ways = [
        ("recurse", Program::new().recurse(internet)),
        ("forward", Program::new().forward(internet.forwarder())),
        (
            "forward, checked",
            Program::new().forward_checked(internet.forwarder(), internet),
        ),
    ];
    let start = |(way, program): (_, Program)| {
        let program = program.list_with("law", LIST, keys).metrics();
        (way, program.toml("[resolve]\npatience_ms = 1000\n").start())
    };
    ways.into_iter().map(start).collect()
}

fn ds(running: &Running, name: &str) -> Response {
    Client::udp(running.address()).ask(&Question::new(name, "DS").dnssec_ok())
}

/// The list's own denial: an SOA at the name in question, and why.
fn is_own_denial(response: &Response, name: &str) -> bool {
    let authorities = &response.message.authorities;
    response.message.answers.is_empty()
        && authorities.len() == 1
        && authorities[0].record_type() == RecordType::SOA
        && authorities[0].name.to_string() == name
        && response.ede() == [CENSORED]
}

#[test]
fn ds_at_an_entrys_own_name_is_what_the_zone_above_says() {
    let internet = Internet::start();
    for (way, running) in running(&internet, "") {
        internet.forget();
        for nth in 0..3 {
            let unsigned = ds(&running, "plain.test.");
            let message = &unsigned.message;
            assert_eq!(unsigned.rcode(), "NOERROR", "{way}");
            assert!(message.answers.is_empty(), "{way}");
            for kind in [RecordType::NSEC, RecordType::RRSIG, RecordType::SOA] {
                assert!(
                    unsigned.has(&message.authorities, kind),
                    "{way} {nth}: {kind}"
                );
            }
            assert!(unsigned.ede().is_empty(), "{way}: nothing is kept back");
        }
        assert!(
            internet.asked_anybody("plain.test.", "DS") <= 1,
            "{way}: kept"
        );
        for name in ["blocked.example.", "exact.example."] {
            let signed = ds(&running, name);
            let answers = &signed.message.answers;
            assert!(signed.has(answers, RecordType::DS), "{way}: {name}");
            assert!(signed.has(answers, RecordType::RRSIG), "{way}: {name}");
            let plainly = ask(running.address(), name, "DS");
            assert!(
                plainly.has(&plainly.message.answers, RecordType::DS),
                "{way}"
            );
            assert_eq!(plainly.message.answers.len(), 1, "{way}: {name}");
        }
        let unchecked = Question::new("plain.test.", "DS").dnssec_ok().unchecked();
        let unchecked = Client::udp(running.address()).ask(&unchecked);
        let authorities = &unchecked.message.authorities;
        assert!(unchecked.has(authorities, RecordType::NSEC), "{way}: CD");
        for zone in ["plain.test.", "blocked.example.", "exact.example."] {
            assert_eq!(internet.packets_at(zone), 0, "{way}: {zone}");
        }
        let blocked = running.metric("wardline_blocked_total{list=\"law\",kind=\"other\"}");
        assert_eq!(
            blocked.unwrap_or_default(),
            0.0,
            "{way}: {}",
            running.metrics_page()
        );
    }
}

#[test]
fn where_the_zone_above_says_nothing_the_entry_is_answered_as_for_any_type() {
    let internet = Internet::start();
    for (keys, rcode) in [
        ("", "NOERROR"),
        ("action = \"nxdomain\"\nstop = []\n", "NXDOMAIN"),
    ] {
        for (way, running) in running(&internet, keys) {
            for name in [
                "www.good.test.",
                "one.chain.test.",
                "missing.good.test.",
                "www.bogus.test.",
                "www.silent.test.",
            ] {
                for nth in 0..2 {
                    let denied = ds(&running, name);
                    assert!(
                        is_own_denial(&denied, name),
                        "{way} {nth}: {:?}",
                        denied.message
                    );
                    assert_eq!(denied.rcode(), rcode, "{way}: {name}");
                }
            }
            internet.forget();
            for name in ["www.plain.test.", "a.b.blocked.example."] {
                let below = ds(&running, name);
                assert!(is_own_denial(&below, name), "{way}: {:?}", below.message);
            }
            let unasked = Question::new("plain.test.", "DS").dnssec_ok();
            let unasked = Client::udp(running.address()).ask(&unasked.without_recursion());
            assert!(
                is_own_denial(&unasked, "plain.test."),
                "{way}: {:?}",
                unasked.message
            );
            assert_eq!(internet.asked_below("."), 0, "{way}");
            let ds = ds(&running, "plain.test.");
            assert!(
                ds.has(&ds.message.authorities, RecordType::NSEC),
                "{way} {rcode}"
            );
        }
    }
}

/// An unsigned delegation that the zone above did not even hash (RFC 5155 section 6).
#[test]
fn opt_out_is_passed_on() {
    let internet = Internet::hostile();
    let list = "below.opt-out.test\nwww.opt-out.test\nmissing.opt-out.test\n";
    let running = Program::new().recurse(&internet).list("law", list).start();
    let response = ds(&running, "below.opt-out.test.");
    let authorities = &response.message.authorities;
    assert!(
        response.has(authorities, RecordType::NSEC3),
        "{:?}",
        response.message
    );
    for name in ["www.opt-out.test.", "missing.opt-out.test."] {
        assert!(is_own_denial(&ds(&running, name), name), "{name}");
    }
    assert_eq!(internet.packets_at("below.opt-out.test."), 0);
}

/// The zone above is an entry of another list: its servers are an entry's own.
#[test]
fn the_servers_of_a_listed_zone_above_are_not_asked() {
    let internet = Internet::start();
    let running = Program::new()
        .recurse(&internet)
        .list("first", "sub.good.test\n")
        .list("second", "good.test\n")
        .start();
    let response = ds(&running, "sub.good.test.");
    assert!(
        is_own_denial(&response, "sub.good.test."),
        "{:?}",
        response.message
    );
    assert_eq!(internet.asked_below("."), 0);
}

/// What the operator answers itself is not asked outside.
#[test]
fn an_entry_that_is_local_is_not_asked_about() {
    let internet = Internet::start();
    let running = Program::new()
        .recurse(&internet)
        .list("law", "plain.test\n")
        .toml("[local]\nnowhere = [\"test\"]\n")
        .start();
    assert!(is_own_denial(&ds(&running, "plain.test."), "plain.test."));
    assert_eq!(internet.asked_below("."), 0);
}

/// All ways to resolve, where special-use names are ours.
fn special(internet: &Internet) -> [(&'static str, Running); 3] {
    let keys = "[resolve]\nspecial_use = true\nspecial_use_except = [\"test\"]\n";
    [
        ("recurse", Program::new().recurse(internet)),
        ("forward", Program::new().forward(internet.forwarder())),
        (
            "forward, checked",
            Program::new().forward_checked(internet.forwarder(), internet),
        ),
    ]
    .map(|(way, program)| (way, program.toml(keys).start()))
}

/// Of these zones nobody is asked more than their own DS, and that once.
fn assert_discreet(internet: &Internet, way: &str, zones: &[&str]) {
    for zone in zones {
        let ds = internet.asked_anybody(zone, "DS");
        assert_eq!(internet.asked_below(zone), ds, "{way}: below {zone}");
        assert!(ds <= 1, "{way}: {zone} is asked for {ds} times");
    }
}

#[test]
fn special_use_names_are_denied_with_the_proof_of_the_zone_above() {
    let internet = Internet::start();
    for (way, running) in special(&internet) {
        let client = Client::udp(running.address());
        internet.forget();
        for (name, kind) in [
            ("Printer.Local.", "A"),
            ("local.", "SOA"),
            ("local.", "DS"),
            ("x.y.alt.", "TXT"),
            ("name.invalid.", "AAAA"),
            ("hidden.onion.", "A"),
            ("9.9.9.127.in-addr.arpa.", "PTR"),
            ("1.0.10.in-addr.arpa.", "PTR"),
            ("default.service.arpa.", "SRV"),
            ("1.8.e.f.ip6.arpa.", "PTR"),
        ] {
            let response = client.ask(&Question::new(name, kind).dnssec_ok());
            let message = &response.message;
            assert_eq!(response.rcode(), "NXDOMAIN", "{way}: {name}");
            // Unchecked, nobody's AD is believed.
            assert_eq!(message.authentic_data, way != "forward", "{way}: {name}");
            for proof in [RecordType::NSEC, RecordType::RRSIG] {
                assert!(response.has(&message.authorities, proof), "{way}: {name}");
            }
            assert_eq!(message.queries[0].name().to_string(), name);
            let plainly = ask(running.address(), name, kind);
            assert_eq!(plainly.message.authorities.len(), 1, "{way}: {name}");
        }
        let zones = [
            "local.",
            "alt.",
            "invalid.",
            "onion.",
            "127.in-addr.arpa.",
            "10.in-addr.arpa.",
            "service.arpa.",
            "8.e.f.ip6.arpa.",
        ];
        assert_discreet(&internet, way, &zones);
    }
}

/// Delegated without DS: what is ours below them is unsigned, and may be.
#[test]
fn special_use_zones_are_proven_to_be_unsigned() {
    let internet = Internet::start();
    for (way, running) in special(&internet) {
        let client = Client::udp(running.address());
        internet.forget();
        for (zone, below) in [
            ("home.arpa.", "host.home.arpa."),
            ("168.192.in-addr.arpa.", "1.1.168.192.in-addr.arpa."),
        ] {
            let ds = client.ask(&Question::new(zone, "DS").dnssec_ok());
            assert_eq!(ds.rcode(), "NOERROR", "{way}: {zone}");
            let authorities = &ds.message.authorities;
            assert!(ds.has(authorities, RecordType::NSEC), "{way}: {zone}");
            let below = client.ask(&Question::new(below, "PTR").dnssec_ok());
            assert_eq!(below.rcode(), "NXDOMAIN", "{way}: {zone}");
            assert_eq!(below.message.authorities.len(), 1, "{way}: {zone}");
            assert!(!below.message.authentic_data, "{way}: {zone}");
        }
        let loopback = Question::new("1.0.0.127.in-addr.arpa.", "PTR").dnssec_ok();
        assert_eq!(client.ask(&loopback).data(), ["localhost."], "{way}");
        let zones = ["home.arpa.", "168.192.in-addr.arpa.", "127.in-addr.arpa."];
        assert_discreet(&internet, way, &zones);
    }
}

/// Nobody can be reached, or nobody is to be asked: the answer is ours, as for anybody.
#[test]
fn special_use_names_without_a_proof_are_answered_all_the_same() {
    let running = Program::new()
        .toml("[resolve]\npatience_ms = 500\n")
        .start();
    let client = Client::udp(running.address());
    let question = Question::new("printer.local.", "A").dnssec_ok();
    for question in [
        question.clone().without_recursion(),
        question.clone(),
        question,
    ] {
        let response = client.ask(&question);
        assert_eq!(response.rcode(), "NXDOMAIN", "{question:?}");
        assert_eq!(response.message.authorities.len(), 1, "{question:?}");
        assert!(!response.message.authentic_data);
    }
}
