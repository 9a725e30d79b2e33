//! Shows DNS64: addresses that are made for clients behind a translator, their names, and what
//! those get who validate by themselves.

use crate::kit::ask::{Client, Edns, Question, Response};
use crate::kit::internet::Internet;
use crate::kit::program::Program;

const SIGNED: &str = "www.good.test.";
const BOGUS: &str = "www.bogus.test.";

#[test]
fn addresses_are_made_for_names_that_have_none() {
    let internet = Internet::start();
    let running = Program::new()
        .recurse(&internet)
        .list("law", "blocked.example\n")
        .toml("[resolve]\ndns64 = \"64:ff9b::/96\"\n")
        .start();
    let client = Client::udp(running.address());
    let found = |question: &Question| -> (Vec<String>, bool) {
        let response: Response = client.ask(question);
        (response.answers(), response.message.authentic_data)
    };
    let made = |name: &str| vec![format!("{name} AAAA 64:ff9b::c633:640c")];
    for _ in 0..2 {
        assert_eq!(
            found(&Question::new("mail.good.test.", "AAAA").dnssec_ok()),
            (made("mail.good.test."), true)
        );
    }
    assert_eq!(
        found(&Question::new(SIGNED, "AAAA")).0,
        ["www.good.test. AAAA 2001:db8:1::11"],
        "it has one"
    );
    assert_eq!(
        found(
            &Question::new("mail.good.test.", "AAAA")
                .dnssec_ok()
                .unchecked()
        )
        .0,
        [""; 0],
        "who validates makes them by itself"
    );
    let alias = [
        "mail.good.test. AAAA 64:ff9b::c633:640c",
        "nodata.chain.test. CNAME mail.good.test.",
    ];
    assert_eq!(found(&Question::new("nodata.chain.test.", "AAAA")).0, alias);
    assert_eq!(
        found(&Question::new("real.wild.test.", "AAAA")).0,
        [""; 0],
        "nor has it one in IPv4"
    );
    for (name, rcode) in [("missing.good.test.", "NXDOMAIN"), (BOGUS, "SERVFAIL")] {
        assert_eq!(
            client.ask(&Question::new(name, "AAAA")).rcode(),
            rcode,
            "{name}"
        );
    }
    assert_eq!(
        found(&Question::new("blocked.example.", "AAAA")).0,
        ["blocked.example. AAAA 2001:db8::1"],
        "the stop page"
    );
}

/// The name of a made address is that of the address within: whatever is special, listed or the
/// operator's own there is decided here, and no server is asked.
#[test]
fn names_of_made_addresses_go_through_the_same_decisions() {
    let internet = Internet::start();
    let running = Program::new()
        .recurse(&internet)
        .list("law", "33.113.0.203.in-addr.arpa\n")
        .toml(
            "[resolve]\ndns64 = \"64:ff9b::/96\"\nspecial_use = true\n\
             special_use_except = [\"test\"]\n\
             [local]\naddresses = [\"198.51.100.7 www.good.test\"]\n\
             nowhere = [\"8.100.51.198.in-addr.arpa\"]\n",
        )
        .start();
    // Names below in-addr.arpa are listed on purpose or not at all.
    let pass = ["guard.below-never-block", "--reason", "meant"];
    let (code, _, said) = running.run(&[&["reload", "law", "--override"], &pass[..]].concat());
    assert_eq!(code, 0, "{said}");
    let client = Client::udp(running.address());
    let reverse = |v4: [u8; 4]| {
        let address = u128::from(u32::from_be_bytes(v4)) | 0x64_ff9b << 96;
        let nibbles = (0..32).map(|at| format!("{:x}.", address >> (4 * at) & 0xf));
        nibbles.collect::<String>() + "ip6.arpa."
    };
    for (v4, rcode, target) in [
        ([10, 0, 0, 1], "NXDOMAIN", None),
        ([192, 168, 1, 1], "NXDOMAIN", None),
        ([127, 0, 0, 1], "NOERROR", Some("localhost.")),
        ([203, 0, 113, 33], "NOERROR", None),
        ([198, 51, 100, 7], "NOERROR", Some("www.good.test.")),
        ([198, 51, 100, 8], "NXDOMAIN", None),
    ] {
        let name = reverse(v4);
        let response = client.ask(&Question::new(&name, "PTR").edns(Edns::default()));
        let answers: Vec<String> = target
            .map(|target| format!("{name} PTR {target}"))
            .into_iter()
            .collect();
        assert_eq!(
            (response.rcode(), response.answers()),
            (rcode.to_owned(), answers),
            "{v4:?}"
        );
        let is_listed = v4 == [203, 0, 113, 33];
        assert_eq!(response.ede().contains(&16), is_listed, "{v4:?}");
    }
    assert_eq!(internet.asked_below("arpa."), 0);
    client.ask(&Question::new(&reverse([203, 0, 113, 34]), "PTR"));
    assert!(internet.asked_below("in-addr.arpa.") > 0, "all others are");
}

/// CD asks for an answer whatever is found out; where all of it is found secure, AD says so to
/// those who want signatures (RFC 4035 section 3.2.3, RFC 6840 section 5.8), and nothing is made up
/// (RFC 6147 section 5.5).
#[test]
fn who_validates_is_still_told_what_is_secure() {
    let internet = Internet::start();
    let dns64 = "[resolve]\ndns64 = \"64:ff9b::/96\"\n";
    let forwarding = Program::new()
        .forward_checked(internet.forwarder(), &internet)
        .toml(dns64)
        .start();
    let recursing = Program::new().recurse(&internet).toml(dns64).start();
    for running in [recursing, forwarding] {
        let client = Client::udp(running.address());
        for (name, kind, is_secure) in [
            (SIGNED, "A", true),
            ("mail.good.test.", "AAAA", true),
            ("missing.good.test.", "A", true),
            ("www.plain.test.", "A", false),
            (BOGUS, "A", false),
        ] {
            let unchecked = Question::new(name, kind).unchecked();
            for (question, is_told) in [
                (unchecked.clone().dnssec_ok(), is_secure),
                (unchecked.wanting_ad(), false),
            ] {
                let response = client.ask(&question);
                assert_eq!(response.message.authentic_data, is_told, "{question:?}");
                assert_ne!(response.rcode(), "SERVFAIL", "{question:?}");
            }
        }
    }
}
