//! Shows that single zones go the operator's way, in both modes, with lists and signatures as
//! everywhere else.

use crate::kit::ask::{Client, Question, ask};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;

/// The zones of `[[resolve.zone]]`: name, key, servers, further keys.
fn zones(zones: &[(&str, &str, Vec<std::net::SocketAddr>, &str)]) -> String {
    let zone = |(name, key, servers, more): &(&str, &str, Vec<std::net::SocketAddr>, &str)| {
        let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
        format!("[[resolve.zone]]\nname = \"{name}\"\n{key} = {servers:?}\n{more}\n")
    };
    zones.iter().map(zone).collect()
}

/// RCODE, AD and extended errors of an answer with signatures.
fn told(running: &Running, name: &str) -> (String, bool, Vec<u16>) {
    let response = Client::udp(running.address()).ask(&Question::new(name, "A").dnssec_ok());
    (
        response.rcode(),
        response.message.authentic_data,
        response.ede(),
    )
}

fn noerror(authentic: bool) -> (String, bool, Vec<u16>) {
    ("NOERROR".to_owned(), authentic, vec![])
}

#[test]
fn a_stub_beside_a_forwarder_is_asked_itself_and_what_it_delegates() {
    let internet = Internet::start();
    let stub = zones(&[("good.test", "stub", internet.authorities("good.test."), "")]);
    let lab = format!(
        "[resolve.recurse]\nloopback = true\nipv6 = false\nport = {}\n",
        internet.port()
    );
    let running = Program::new()
        .forward(internet.forwarder())
        .toml(&stub)
        .toml(&lab)
        .start();
    for (name, answer) in [
        ("www.good.test.", "www.good.test. A 198.51.100.11"),
        ("www.sub.good.test.", "www.sub.good.test. A 198.51.100.15"),
        ("www.plain.test.", "www.plain.test. A 198.51.100.30"),
    ] {
        assert_eq!(
            ask(running.address(), name, "A").answers(),
            [answer],
            "{name}"
        );
    }
    assert_eq!(
        ask(running.address(), "no.good.test.", "A").rcode(),
        "NXDOMAIN"
    );
    let forwarded = [
        "www.good.test.",
        "www.sub.good.test.",
        "no.good.test.",
        "www.plain.test.",
    ]
    .map(|name| internet.forwarded(name, "A"));
    assert_eq!(forwarded, [0, 0, 0, 1]);
    // An alias from elsewhere into the zone is answered by the zone.
    internet.forget();
    let aliased = ask(running.address(), "three.chain.test.", "A");
    assert_eq!(
        aliased.answers(),
        [
            "three.chain.test. CNAME www.good.test.",
            "www.good.test. A 198.51.100.11"
        ]
    );
    assert!(internet.forwarded("three.chain.test.", "A") > 0);
}

#[test]
fn resolvers_of_a_zone_are_asked_instead_of_its_authorities_and_checked() {
    let internet = Internet::start();
    let forwarder = || vec![internet.forwarder()];
    let keys = zones(&[
        ("good.test", "forward", forwarder(), ""),
        ("plain.test", "forward", forwarder(), ""),
        ("bogus.test", "forward", forwarder(), ""),
        ("expired.test", "forward", forwarder(), "validate = false"),
    ]);
    let running = Program::new().recurse(&internet).toml(&keys).start();
    assert_eq!(told(&running, "www.good.test."), noerror(true));
    assert_eq!(told(&running, "www.sub.good.test."), noerror(true));
    assert_eq!(told(&running, "www.plain.test."), noerror(false));
    assert_eq!(
        told(&running, "www.bogus.test."),
        ("SERVFAIL".to_owned(), false, vec![6])
    );
    assert_eq!(
        told(&running, "www.expired.test."),
        ("NOERROR".to_owned(), false, vec![33]),
        "a negative anchor"
    );
    assert_eq!(
        told(&running, "www.wild.test."),
        noerror(true),
        "all others as ever"
    );
    for name in ["www.good.test.", "www.plain.test.", "www.expired.test."] {
        assert_eq!(
            (internet.forwarded(name, "A"), internet.asked(name, "A")),
            (1, 0),
            "{name}"
        );
    }
    assert_eq!(internet.forwarded("www.wild.test.", "A"), 0);
    let upstreams = running.json(&["status", "--json"])["upstreams"].clone();
    assert_eq!(
        (
            upstreams[0]["zone"].as_str(),
            upstreams[0]["is_up"].as_bool()
        ),
        (Some("good.test"), Some(true))
    );
    let (_, text, _) = running.run(&["status"]);
    assert!(
        text.contains(&format!(
            "upstream   {} up for good.test, asked ",
            internet.forwarder()
        )),
        "{text}"
    );
}

#[test]
fn the_most_specific_zone_counts() {
    let internet = Internet::start();
    let keys = zones(&[
        (
            "good.test",
            "forward",
            vec![internet.forwarder_failing()],
            "",
        ),
        (
            "sub.good.test",
            "stub",
            internet.authorities("sub.good.test."),
            "",
        ),
    ]);
    let running = Program::new()
        .recurse(&internet)
        .toml(&keys)
        .toml("[resolve.recurse]\nvalidate = false\n")
        .start();
    assert_eq!(
        ask(running.address(), "www.sub.good.test.", "A").answers(),
        ["www.sub.good.test. A 198.51.100.15"]
    );
    assert_eq!(
        ask(running.address(), "www.good.test.", "A").rcode(),
        "SERVFAIL"
    );
}

#[test]
fn listed_names_in_such_zones_are_blocked_without_asking() {
    let internet = Internet::start();
    let keys = zones(&[
        ("good.test", "forward", vec![internet.forwarder()], ""),
        (
            "plain.test",
            "stub",
            internet.authorities("plain.test."),
            "",
        ),
    ]);
    let running = Program::new()
        .recurse(&internet)
        .toml(&keys)
        .list("law", "good.test\nwww.plain.test\n")
        .start();
    for name in ["www.good.test.", "www.plain.test."] {
        assert_eq!(
            ask(running.address(), name, "A").answers(),
            [format!("{name} A 192.0.2.1")]
        );
        assert_eq!(internet.asked_below(name), 0, "{name}");
    }
}

/// A private zone that the internet knows nothing of: a special-use name at that.
#[test]
fn a_special_use_zone_with_servers_is_resolved() {
    let internet = Internet::start();
    let keys = zones(&[(
        "test",
        "forward",
        vec![internet.forwarder()],
        "validate = false",
    )]);
    let running = Program::new()
        .recurse(&internet)
        .toml("[resolve]\nspecial_use = true\n")
        .toml(&keys)
        .start();
    assert_eq!(
        ask(running.address(), "www.good.test.", "A").answers(),
        ["www.good.test. A 198.51.100.11"]
    );
    assert_eq!(
        ask(running.address(), "a.invalid.", "A").rcode(),
        "NXDOMAIN"
    );
}

/// The operator's private zones, with their servers' addresses and addresses of names in them.
const PRIVATE: [(&str, &[(&str, &str)]); 3] = [
    ("corp", &[("corp.", "10.0.0.1"), ("host.corp.", "10.0.0.2")]),
    (
        "office.test",
        &[
            ("office.test.", "10.0.0.3"),
            ("host.office.test.", "10.0.0.4"),
            ("a.b.office.test.", "10.0.0.5"),
        ],
    ),
    (
        "split.test",
        &[
            ("split.test.", "10.0.0.6"),
            ("host.split.test.", "10.0.0.7"),
        ],
    ),
];

/// Each way to resolve with each way to reach the private zones, of which nobody checks anything.
fn with_private_zones(internet: &Internet) -> Vec<(&'static str, Running)> {
    let keys = |key: &str, servers: &dyn Fn(&str) -> Vec<std::net::SocketAddr>| {
        let all: Vec<_> = PRIVATE
            .iter()
            .map(|(name, _)| (*name, key, servers(&format!("{name}.")), "validate = false"))
            .collect();
        zones(&all)
    };
    let stubs = keys("stub", &|zone| internet.authorities(zone));
    let forwards = keys("forward", &|_| vec![internet.forwarder_private()]);
    let lab = format!(
        "[resolve.recurse]\nloopback = true\nipv6 = false\nport = {}\n",
        internet.port()
    );
    let recursing = || Program::new().recurse(internet);
    let forwarding = || Program::new().forward_checked(internet.forwarder(), internet);
    let unchecked = || Program::new().forward(internet.forwarder()).toml(&lab);
    vec![
        ("recursing, stubs", recursing().toml(&stubs)),
        ("recursing, forwards", recursing().toml(&forwards)),
        ("forwarding, stubs", forwarding().toml(&lab).toml(&stubs)),
        ("forwarding, forwards", forwarding().toml(&forwards)),
        ("unchecked, stubs", unchecked().toml(&stubs)),
        ("unchecked, forwards", unchecked().toml(&forwards)),
    ]
    .into_iter()
    .map(|(way, program)| (way, program.start()))
    .collect()
}

/// Asks for a private zone's names and types, with every flag, and for its DS, which is the
/// parent's to deny.
fn private_names_are_the_operators(way: &str, running: &Running) {
    let client = || Client::udp(running.address());
    for (zone, names) in PRIVATE {
        for (name, address) in names {
            let plain = || Question::new(name, "A");
            let questions = [plain().dnssec_ok(), plain().unchecked(), plain()];
            for question in questions {
                let told = client().ask(&question);
                assert_eq!(
                    (told.answers(), told.message.authentic_data),
                    (vec![format!("{name} A {address}")], false),
                    "{way}: {name} {question:?}"
                );
            }
            for (question, rcode) in [
                (Question::new(name, "TXT").dnssec_ok(), "NOERROR"),
                (
                    Question::new(&format!("no.{name}"), "A").dnssec_ok(),
                    "NXDOMAIN",
                ),
                (
                    Question::new(&format!("no.{name}"), "DS").dnssec_ok(),
                    "NXDOMAIN",
                ),
            ] {
                let told = client().ask(&question);
                assert_eq!(
                    (told.rcode().as_str(), told.message.authentic_data),
                    (rcode, false),
                    "{way}: {name} {question:?}"
                );
            }
        }
        let ds = client().ask(&Question::new(&format!("{zone}."), "DS").dnssec_ok());
        assert_eq!(
            ds.rcode(),
            if zone == "split.test" {
                "NOERROR"
            } else {
                "NXDOMAIN"
            },
            "{way}: {zone}"
        );
    }
}

/// What the signed zones above prove covers the private ones, and darkens none of them: with cold
/// caches, after denials of names beside them and of their own DS, and through aliases.
#[test]
fn what_zones_above_prove_says_nothing_of_the_operators_zones() {
    let internet = Internet::start();
    for (way, running) in with_private_zones(&internet) {
        for name in ["corn.", "offer.test.", "split2.test.", "x.corn."] {
            for kind in ["A", "DS"] {
                let told = Client::udp(running.address()).ask(&Question::new(name, kind));
                assert_eq!(told.rcode(), "NXDOMAIN", "{way}: {name}");
            }
        }
        for (alias, address) in [
            ("private.chain.test.", "host.corp. A 10.0.0.2"),
            ("inside.chain.test.", "host.office.test. A 10.0.0.4"),
            ("host.private.dname.test.", "host.corp. A 10.0.0.2"),
            ("tosplit.test.", "split.test. A 10.0.0.6"),
        ] {
            let told = Client::udp(running.address()).ask(&Question::new(alias, "A").dnssec_ok());
            assert!(
                told.answers().iter().any(|answer| answer == address)
                    && !told.message.authentic_data,
                "{way}: {alias} {:?} {:?}",
                told.rcode(),
                told.answers()
            );
        }
        private_names_are_the_operators(way, &running);
        private_names_are_the_operators(way, &running);
        let beside = Client::udp(running.address()).ask(&Question::new("corn.", "MX").dnssec_ok());
        assert_eq!(beside.rcode(), "NXDOMAIN", "{way}");
        assert_eq!(running.run(&["flush"]).0, 0);
        private_names_are_the_operators(way, &running);
    }
}

/// Below a negative anchor nothing is proven, whatever stands above it (RFC 7646).
#[test]
fn below_a_negative_anchor_nothing_is_proven() {
    let internet = Internet::start();
    let running = Program::new()
        .recurse(&internet)
        .toml("[resolve.recurse]\nnegative_anchors = [\"corp\", \"office.test\", \"good.test\"]\n")
        .start();
    for (name, rcode, authentic) in [
        ("corn.", "NXDOMAIN", true),
        ("offer.test.", "NXDOMAIN", true),
        ("corp.", "NXDOMAIN", false),
        ("host.corp.", "NXDOMAIN", false),
        ("host.office.test.", "NXDOMAIN", false),
        ("www.good.test.", "NOERROR", false),
        ("no.good.test.", "NXDOMAIN", false),
        ("no.wild.test.", "NOERROR", true),
    ] {
        let why = if authentic { vec![] } else { vec![33] };
        assert_eq!(
            told(&running, name),
            (rcode.to_owned(), authentic, why),
            "{name}"
        );
    }
}

#[test]
fn names_of_the_internet_do_not_lead_into_private_networks() {
    let internet = Internet::start();
    // root.test has a loopback address.
    let guarded = |more: &str| {
        let keys = format!("[resolve]\nrebinding_protection = true\n{more}\n");
        Program::new()
            .forward(internet.forwarder())
            .toml(&keys)
            .metrics()
            .start()
    };
    let running = guarded("");
    let refused = ask(running.address(), "root.test.", "A");
    assert_eq!(
        (
            refused.rcode().as_str(),
            refused.answers().len(),
            refused.ede()
        ),
        ("REFUSED", 0, vec![15])
    );
    assert_eq!(
        ask(running.address(), "www.good.test.", "A").rcode(),
        "NOERROR"
    );
    assert_eq!(running.json(&["status", "--json"])["rebindings"], 1);
    assert_eq!(
        ask(
            guarded("private_names = [\"root.test\"]").address(),
            "root.test.",
            "A"
        )
        .rcode(),
        "NOERROR"
    );
    let zone = zones(&[("root.test", "forward", vec![internet.forwarder()], "")]);
    assert_eq!(
        ask(guarded(&zone).address(), "root.test.", "A").rcode(),
        "NOERROR"
    );
}
