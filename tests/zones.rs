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
        noerror(false),
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
