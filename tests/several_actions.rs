//! Lists with a stop page and lists with NXDOMAIN over the same clients: the first list in the
//! configuration that has the name decides, whatever is asked and however the name was reached.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::kit::ask::{Client, Edns, Question};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::until;

const PATIENCE: Duration = Duration::from_secs(10);
const FORGED: u16 = 4;
const BLOCKED: u16 = 15;
const CENSORED: u16 = 16;
const FILTERED: u16 = 17;

/// Below a name of the second list, and above one of it.
const PAGE: &str = "www.blocked.example\ngood.test\n";
const GONE: &str = "blocked.example\nwww.good.test\n=www.plain.test\n";
/// Above a name of the second list, which has it alone.
const LATER: &str = "plain.test\nblocked.example\nexact.example\n";

/// What a name is for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The stop page of the first list.
    Page,
    /// NXDOMAIN, by the second list.
    Gone,
    /// The stop page of the third list, which has no IPv6 address.
    Later,
    /// What the authorities say.
    Real,
}

use Fate::{Gone, Later, Page, Real};

impl Fate {
    /// The response code, the stop addresses, and the extended errors.
    fn of(self, kind: &str) -> (&'static str, &'static [&'static str], &'static [u16]) {
        match (self, kind) {
            (Page, "A") => ("NOERROR", &["192.0.2.11"], &[FORGED, CENSORED]),
            (Page, "AAAA") => ("NOERROR", &["2001:db8::11"], &[FORGED, CENSORED]),
            (Page, "ANY") => (
                "NOERROR",
                &["192.0.2.11", "2001:db8::11"],
                &[FORGED, CENSORED],
            ),
            (Page, _) => ("NOERROR", &[], &[CENSORED]),
            (Later, "A") => ("NOERROR", &["192.0.2.13"], &[FORGED, FILTERED]),
            // Made of the other by the translator's prefix.
            (Later, "AAAA") => ("NOERROR", &["64:ff9b::c000:20d"], &[FORGED, FILTERED]),
            (Later, "ANY") => (
                "NOERROR",
                &["192.0.2.13", "64:ff9b::c000:20d"],
                &[FORGED, FILTERED],
            ),
            (Later, _) => ("NOERROR", &[], &[FILTERED]),
            (Gone, _) => ("NXDOMAIN", &[], &[BLOCKED]),
            (Real, _) => ("NOERROR", &[], &[]),
        }
    }
}

/// Three lists, of which the one in the middle says NXDOMAIN.
fn program(internet: &Internet) -> Program {
    let page = |n: u8, more: &str, basis: &str| {
        format!("stop = [\"192.0.2.{n}\"{more}]\nbasis = \"{basis}\"\n")
    };
    Program::new()
        .recurse(internet)
        .list_with("page", PAGE, &page(11, ", \"2001:db8::11\"", "law"))
        .list_with(
            "gone",
            GONE,
            "action = \"nxdomain\"\nstop = []\nbasis = \"provider\"\n",
        )
        .list_with("later", LATER, &page(13, "", "subscriber"))
        .toml(
            "[resolve]\ndns64 = \"64:ff9b::/96\"\n\
             [[group]]\nname = \"exempt\"\nprefixes = [\"127.0.9.0/24\"]\nlists = []\n\
             [[group]]\nname = \"page\"\nprefixes = [\"127.0.8.0/24\"]\nlists = [\"page\"]\n\
             [[group]]\nname = \"turned\"\nprefixes = [\"127.0.7.0/24\"]\n\
             lists = [\"later\", \"gone\"]\n",
        )
}

/// Everybody, the exempt, those under the first list alone, those under the other two.
const SOURCES: [Ipv4Addr; 4] = [
    Ipv4Addr::new(127, 0, 0, 1),
    Ipv4Addr::new(127, 0, 9, 1),
    Ipv4Addr::new(127, 0, 8, 1),
    Ipv4Addr::new(127, 0, 7, 1),
];

/// Names, and what they are for each of the sources.
const NAMES: [(&str, [Fate; 4]); 11] = [
    ("www.blocked.example.", [Page, Real, Page, Gone]),
    ("blocked.example.", [Gone, Real, Real, Gone]),
    ("deep.ads.blocked.example.", [Gone, Real, Real, Gone]),
    // The first list has a parent of it, the second the name itself.
    ("www.good.test.", [Page, Real, Page, Gone]),
    ("mail.good.test.", [Page, Real, Page, Real]),
    // The second list has it alone, the third its parent.
    ("www.plain.test.", [Gone, Real, Real, Gone]),
    ("mail.plain.test.", [Later, Real, Real, Later]),
    // By an alias, by four, by three, and by a DNAME, whose own target is the first name met.
    ("exact.chain.test.", [Later, Real, Real, Later]),
    ("hidden.chain.test.", [Gone, Real, Real, Gone]),
    ("one.chain.test.", [Page, Real, Page, Gone]),
    ("www.old.dname.test.", [Gone, Real, Page, Gone]),
];

/// The ways to put a question that might lead past the lists.
fn variants(name: &str, kind: &str) -> [Question; 4] {
    let question = Question::new(name, kind).edns(Edns::default());
    [
        question.clone(),
        question.clone().unchecked().wanting_ad(),
        question.clone().dnssec_ok(),
        question.dnssec_ok().unchecked(),
    ]
}

fn check(client: &Client, name: &str, kind: &str, fate: Fate) {
    for question in variants(name, kind) {
        let response = client.ask(&question);
        let said = format!("{question:?} from {client:?}: {fate:?}");
        let shown = response.data();
        let (rcode, stops, errors) = fate.of(kind);
        assert_eq!(
            (response.rcode().as_str(), response.ede().as_slice()),
            (rcode, errors),
            "{said}"
        );
        if fate == Real {
            let is_forged = |data: &String| data.starts_with("192.0.2.") || data.contains("db8::1");
            assert!(!shown.iter().any(is_forged), "{said}: {shown:?}");
            assert_eq!(kind == "A", !shown.is_empty(), "{said}: {shown:?}");
            continue;
        }
        assert_eq!(shown, stops, "{said}");
        let soas = response.message.authorities.len();
        assert_eq!(soas, usize::from(stops.is_empty()), "{said}");
    }
}

#[test]
fn the_first_list_that_has_the_name_decides_everything() {
    let internet = Internet::start();
    let running = program(&internet).tls().start();
    // The exempt ask first: what is kept for them must not decide for others, nor the reverse.
    for at in [1, 0, 2, 3, 1] {
        for client in running.doors() {
            let client = client.source(SOURCES[at]);
            for (name, fates) in NAMES {
                let kinds: &[&str] = match fates[at] {
                    Real if name.starts_with("mail.") => &[],
                    Real => &["A"],
                    _ => &[
                        "A",
                        "AAAA",
                        "HTTPS",
                        "ANY",
                        "TXT",
                        "DS",
                        "NSEC",
                        "TYPE65280",
                    ],
                };
                for kind in kinds {
                    // These ask for the alias's own owner, which no list has.
                    let is_alias = name.contains(".chain.") || name.contains(".dname.");
                    // An entry's own name, and a zone cut: the zone above answers for DS.
                    let is_for_zone_above = name == "blocked.example." && *kind == "DS";
                    if !(is_alias && ["ANY", "DS", "NSEC"].contains(kind) || is_for_zone_above) {
                        check(&client, name, kind, fates[at]);
                    }
                }
            }
        }
    }
}

fn count(running: &Running, list: &str, kind: &str) -> u64 {
    running
        .metric(&format!(
            "wardline_blocked_total{{list=\"{list}\",kind=\"{kind}\"}}"
        ))
        .unwrap_or_default() as u64
}

#[test]
fn the_list_that_decides_is_the_one_that_counts() {
    let internet = Internet::start();
    let running = program(&internet).metrics().start();
    let client = Client::udp(running.address());
    for name in [
        "www.blocked.example.",
        "www.good.test.",
        "one.chain.test.",
        "blocked.example.",
        "hidden.chain.test.",
        "mail.plain.test.",
    ] {
        client.ask(&Question::new(name, "A"));
    }
    until("the counts", PATIENCE, || {
        let counts = ["page", "gone", "later"]
            .map(|list| ["address", "via_cname"].map(|kind| count(&running, list, kind)));
        (counts == [[2, 1], [1, 1], [1, 0]]).then_some(())
    });
}

#[test]
fn a_name_falls_to_the_next_list_that_has_it() {
    let internet = Internet::start();
    let running = program(&internet).start();
    let client = Client::udp(running.address());
    let fate = |wanted: Fate| {
        let (rcode, stops, errors) = wanted.of("A");
        until("the next list", PATIENCE, || {
            let question = Question::new("www.blocked.example.", "A").edns(Edns::default());
            let response = client.ask(&question);
            let shown = response.data();
            let is_so = response.rcode() == rcode && shown == stops && response.ede() == errors;
            is_so.then_some(())
        });
    };
    fate(Page);
    running.replace_list("page", "good.test\n");
    fate(Gone);
    running.replace_list("gone", "other.example\n");
    fate(Later);
    running.replace_list("gone", GONE);
    fate(Gone);
    running.replace_list("page", PAGE);
    fate(Page);
}

#[test]
fn why_names_the_list_that_decides_and_those_behind_it() {
    let internet = Internet::start();
    let running = program(&internet).start();
    let why = |name: &str| {
        let why = running.json(&["why", name, "--json"]);
        let groups = why["groups"].as_array().expect("groups").clone();
        let said = groups.iter().map(|group| {
            let others = group["others"].as_array().cloned().unwrap_or_default();
            let others = others
                .iter()
                .map(|other| format!("{} {}", other["list"], other["action"]).replace('"', ""));
            let decided = format!("{} {}", group["list"], group["action"]).replace('"', "");
            (decided, others.collect::<Vec<_>>())
        });
        said.collect::<Vec<_>>()
    };
    let none = || ("null null".to_owned(), vec![]);
    assert_eq!(
        why("www.blocked.example"),
        [
            (
                "page stop-page".to_owned(),
                vec!["gone nxdomain".to_owned(), "later stop-page".to_owned()]
            ),
            none(),
            ("page stop-page".to_owned(), vec![]),
            (
                "gone nxdomain".to_owned(),
                vec!["later stop-page".to_owned()]
            ),
        ]
    );
    assert_eq!(
        why("mail.plain.test"),
        [
            ("later stop-page".to_owned(), vec![]),
            none(),
            none(),
            ("later stop-page".to_owned(), vec![]),
        ]
    );
    let (code, text, _) = running.run(&["why", "www.good.test"]);
    assert!(
        code == 0
            && text.contains("blocked (stop-page) by list page")
            && text.contains("; list gone (nxdomain) has it too and comes later"),
        "{text}"
    );
}

#[test]
fn check_takes_lists_of_several_actions() {
    let internet = Internet::start();
    let running = program(&internet).prepare();
    let (code, text, problems) = running.run(&["check"]);
    assert!(code == 0 && text.contains("in order"), "{text}{problems}");
}
