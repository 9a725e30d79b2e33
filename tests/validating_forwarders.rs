//! Customers behind a router that validates: what Debian's forwarders make of our answers, with
//! the tests' own signed root.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use hickory_proto::rr::RecordType;

use crate::kit::ask::{Client, Question, Response};
use crate::kit::forwarders::Forwarder;
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::tool::{STUBBY, is_missing};

/// Knot Resolver takes long to give up.
const PATIENCE: Duration = Duration::from_secs(12);

/// An unsigned domain, a name in another one, and a signed domain.
const LIST: &str = "plain.test\nwww.halfdead.test\nblocked.example\n";

/// Unsigned too, and taken out of the DNS.
const GONE: &str = "closed.test\n";

/// What a customer asks, and what it must come to: rcode, AD, and the addresses.
const TABLE: [(&str, &str, &str, bool, &[&str]); 16] = [
    ("www.good.test.", "A", "NOERROR", true, &["198.51.100.11"]),
    ("www.good.test.", "ANY", "NOERROR", true, &["198.51.100.11"]),
    ("missing.good.test.", "A", "NXDOMAIN", true, &[]),
    ("www.slow.test.", "A", "NOERROR", false, &["198.51.100.65"]),
    ("www.bogus.test.", "A", "SERVFAIL", false, &[]),
    ("plain.test.", "A", "NOERROR", false, &["192.0.2.1"]),
    ("www.plain.test.", "A", "NOERROR", false, &["192.0.2.1"]),
    (
        "www.plain.test.",
        "AAAA",
        "NOERROR",
        false,
        &["2001:db8::1"],
    ),
    ("www.plain.test.", "HTTPS", "NOERROR", false, &[]),
    ("www.halfdead.test.", "A", "NOERROR", false, &["192.0.2.1"]),
    ("www.closed.test.", "A", "NXDOMAIN", false, &[]),
    // In the nature of DNSSEC: nobody but the owner can answer for a signed name.
    ("www.blocked.example.", "A", "SERVFAIL", false, &[]),
    ("printer.local.", "A", "NXDOMAIN", true, &[]),
    ("name.alt.", "A", "NXDOMAIN", true, &[]),
    ("host.home.arpa.", "A", "NXDOMAIN", false, &[]),
    ("1.1.168.192.in-addr.arpa.", "PTR", "NXDOMAIN", false, &[]),
];

#[test]
fn dnsmasq_and_unbound_show_the_stop_page() {
    assert_table(&[Forwarder::Dnsmasq, Forwarder::Unbound]);
}

#[test]
#[ignore = "long run"]
fn bind_and_knot_resolver_show_the_stop_page() {
    assert_table(&[Forwarder::Bind, Forwarder::Knot]);
}

/// In front of each way to resolve.
fn assert_table(forwarders: &[Forwarder]) {
    let internet = Internet::start();
    let special = "[resolve]\nspecial_use = true\nspecial_use_except = [\"test\"]\n";
    let ways = [
        ("recurse", Program::new().recurse(&internet)),
        ("forward", Program::new().forward(internet.forwarder())),
        (
            "forward, checked",
            Program::new().forward_checked(internet.forwarder(), &internet),
        ),
    ];
    let mut wrong = Vec::new();
    for (way, program) in ways {
        let running = program
            .list("law", LIST)
            .list_with("gone", GONE, "action = \"nxdomain\"\nstop = []\n")
            .toml(special)
            .start();
        for forwarder in forwarders {
            if is_missing(forwarder.tool()) {
                continue;
            }
            let router = forwarder.start(running.address(), &internet);
            let faults = faults_of(router.address());
            wrong.extend(
                faults
                    .into_iter()
                    .map(|fault| format!("{way}, {forwarder:?}: {fault}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for hidden in ["local.", "alt.", "home.arpa.", "168.192.in-addr.arpa."] {
        let (all, ds) = (
            internet.asked_below(hidden),
            internet.asked_anybody(hidden, "DS"),
        );
        assert_eq!(all, ds, "asked below {hidden} but for its DS");
    }
}

fn faults_of(router: SocketAddr) -> Vec<String> {
    let client = Client::udp(router).patience(PATIENCE);
    let show = |response: Response| {
        let (rcode, ad) = (response.rcode(), response.message.authentic_data);
        let answers = response.message.answers.iter();
        let data = answers.filter(|record| record.record_type() != RecordType::RRSIG);
        let data: Vec<_> = data.map(|record| record.data.to_string()).collect();
        (rcode, ad, data.join(" "))
    };
    TABLE
        .into_iter()
        .filter_map(|(name, kind, rcode, ad, addresses)| {
            let got = client.try_ask(&Question::new(name, kind).wanting_ad());
            let (got, wanted) = (got.map(show), (rcode.to_owned(), ad, addresses.join(" ")));
            (got.as_ref() != Some(&wanted)).then(|| format!("{name} {kind}: {got:?}"))
        })
        .collect()
}

/// Ordinary names, signed and not, listed and not, of several types.
const ORDINARY: [(&str, &str); 8] = [
    ("good.test.", "A"),
    ("www.good.test.", "AAAA"),
    ("good.test.", "MX"),
    ("many.good.test.", "A"),
    ("www.sub.good.test.", "A"),
    ("any.wild.test.", "A"),
    ("www.free.example.", "A"),
    ("www.plain.test.", "A"),
];
const ROUNDS: usize = 30;
/// Stubby tries again after 5 s.
const STALL: Duration = Duration::from_secs(3);

/// It takes one reply a TLS record: with more of them in one it waits for what it has already.
#[test]
fn stubby_never_stalls_whatever_it_asks_at_once() {
    if is_missing(&STUBBY) {
        return;
    }
    let internet = Internet::start();
    let running = Program::new()
        .recurse(&internet)
        .list("law", LIST)
        .tls()
        .start();
    for forwarder in [Forwarder::Stubby, Forwarder::StubbyChecking] {
        let stubby = forwarder.start(running.tls_address(), &internet);
        let client = Client::udp(stubby.address()).patience(STALL);
        let ask = |(name, kind): (&str, &str)| {
            let response = client.try_ask(&Question::new(name, kind));
            let rcode = response.map(|response| response.rcode());
            (rcode.as_deref() != Some("NOERROR")).then(|| format!("{name} {kind}: {rcode:?}"))
        };
        for (at_once, round) in [4, 8]
            .into_iter()
            .flat_map(|n| (0..ROUNDS).map(move |r| (n, r)))
        {
            let asked = ORDINARY.into_iter().cycle().skip(round).take(at_once);
            let wrong: Vec<String> = thread::scope(|scope| {
                let asking: Vec<_> = asked.map(|line| scope.spawn(move || ask(line))).collect();
                let told = asking.into_iter().map(|one| one.join().expect("asked"));
                told.flatten().collect()
            });
            assert!(
                wrong.is_empty(),
                "{forwarder:?}, {at_once} at once, round {round}: {wrong:#?}"
            );
        }
    }
}
