//! The blocked answer of the real program: every type, flag and door, aliases, several lists,
//! groups, strangers and the rate limit.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use crate::kit::ask::{Client, Edns, Question, Response};
use crate::kit::internet::Internet;
use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;
use crate::kit::until;

const LIST: &str = "blocked.example\n=exact.example\n";
const TYPES: [&str; 17] = [
    "A",
    "AAAA",
    "HTTPS",
    "SVCB",
    "MX",
    "TXT",
    "NS",
    "SOA",
    "DS",
    "DNSKEY",
    "RRSIG",
    "NSEC",
    "SRV",
    "PTR",
    "CNAME",
    "ANY",
    "TYPE65280",
];
const REAL: &str = "tolisted.plain.test. CNAME cdn.blocked.example.";
const PATIENCE: Duration = Duration::from_secs(10);
const FORGED: u16 = 4;
const BLOCKED: u16 = 15;
const CENSORED: u16 = 16;
const FILTERED: u16 = 17;
const PROHIBITED: u16 = 18;

/// The ways to put a question, each of which must change the blocked answer only as the standards
/// say.
fn variants(name: &str, kind: &str) -> Vec<Question> {
    let plain = Question::new(name, kind);
    let with_edns = plain.clone().edns(Edns::default());
    let small = plain.clone().edns(Edns {
        size: 512,
        ..Edns::default()
    });
    vec![
        plain.clone(),
        plain.clone().without_recursion(),
        plain.clone().unchecked().wanting_ad(),
        with_edns.clone(),
        with_edns.clone().unchecked(),
        with_edns.clone().without_recursion(),
        with_edns.wanting_ad(),
        plain.dnssec_ok().unchecked(),
        small.option(26, b""),
    ]
}

fn stop_page(kind: &str) -> &'static [&'static str] {
    match kind {
        "A" => &STOP[..1],
        "AAAA" => &STOP[1..],
        "ANY" => &STOP,
        _ => &[],
    }
}

/// What every blocked reply has in common, whatever it says.
fn check_form(question: &Question, response: &Response) {
    let (asked, octets) = (question.octets(), &response.octets);
    let whole_question = question.question();
    assert_eq!(
        octets[12..12 + whole_question.len()],
        whole_question,
        "the question comes back as it was spelt"
    );
    assert_eq!(
        octets[2],
        0x80 | asked[2] & 1,
        "{question:?}: QR and RD, neither AA nor TC"
    );
    assert_eq!(
        octets[3] & 0xf0,
        0x80 | asked[3] & 0x10,
        "{question:?}: RA and CD, not AD"
    );
    assert!(
        octets.len() <= 3 * asked.len(),
        "{question:?}: {} octets for {}",
        octets.len(),
        asked.len()
    );
    assert_eq!(
        response.message.edns.is_some(),
        asked[11] == 1,
        "{question:?}: OPT for OPT"
    );
    if let Some(edns) = &response.message.edns {
        assert_eq!((edns.version(), edns.max_payload()), (0, 1232));
        assert_eq!(
            edns.flags().dnssec_ok,
            asked[asked.len() - 4] == 0x80,
            "{question:?}: DO is repeated"
        );
    }
}

/// Without data: an SOA at the question's own name, so that nothing of the entry is shown.
fn check_denial(question: &Question, name: &str, response: &Response) {
    let message = &response.message;
    assert!(
        message.answers.is_empty() && message.authorities.len() == 1,
        "{question:?}"
    );
    let soa = &message.authorities[0];
    assert_eq!(
        (soa.record_type(), soa.name.to_string(), soa.ttl),
        (RecordType::SOA, name.to_owned(), 60)
    );
}

#[test]
fn every_type_and_flag_gets_the_stop_page_or_no_data() {
    let internet = Internet::start();
    let running = Program::new()
        .recurse(&internet)
        .list("law", LIST)
        .tls()
        .start();
    for client in running.doors() {
        for name in [
            "blocked.example.",
            "wWw.BLOCKED.eXample.",
            "a.b.c.d.blocked.example.",
            "exact.example.",
        ] {
            // DS at an entry's own name is the zone above's to answer (tests/zone_above.rs).
            let is_own_name = name.matches('.').count() == 2;
            for kind in TYPES
                .into_iter()
                .filter(|kind| *kind != "DS" || !is_own_name)
            {
                for question in variants(name, kind) {
                    let response = client.ask(&question);
                    check_form(&question, &response);
                    assert_eq!(response.rcode(), "NOERROR", "{question:?}");
                    let stops = stop_page(kind);
                    assert_eq!(response.data(), stops, "{question:?}");
                    assert!(
                        response
                            .message
                            .answers
                            .iter()
                            .all(|record| record.ttl == 60 && record.name.to_string() == name)
                    );
                    if stops.is_empty() {
                        check_denial(&question, name, &response);
                    }
                    let wanted: &[u16] = if stops.is_empty() {
                        &[CENSORED]
                    } else {
                        &[FORGED, CENSORED]
                    };
                    if let (Some(_), (code, text)) = (
                        &response.message.edns,
                        response.extended_errors().pop().unwrap_or_default(),
                    ) {
                        assert_eq!(
                            (response.ede(), code, text.as_str()),
                            (wanted.to_vec(), CENSORED, "Authority of law")
                        );
                    }
                }
            }
        }
    }
    assert_eq!(
        internet.asked_below("."),
        0,
        "nobody was asked about a listed name"
    );
}

#[test]
fn forms_that_nobody_answers_are_refused() {
    let internet = Internet::start();
    let running = Program::new()
        .forward(internet.forwarder())
        .list("law", LIST)
        .tls()
        .start();
    for client in running.doors() {
        for name in ["blocked.example.", "www.good.test."] {
            let question = |kind| Question::new(name, kind).edns(Edns::default());
            for kind in ["AXFR", "TYPE251"] {
                let response = client.ask(&question(kind));
                assert_eq!(
                    (response.rcode(), response.ede()),
                    ("REFUSED".to_owned(), vec![PROHIBITED]),
                    "{name} {kind}"
                );
            }
            for class in [2, 3, 4, 254, 255] {
                let response = client.ask(&question("A").class(class));
                assert_eq!(response.rcode(), "REFUSED", "{name} class {class}");
                assert!(response.message.answers.is_empty());
            }
            for (kind, rcode) in [
                ("TYPE249", "NOTIMP"),
                ("TYPE250", "NOTIMP"),
                ("TYPE253", "NOTIMP"),
                ("TYPE41", "FORMERR"),
                ("TYPE0", "FORMERR"),
            ] {
                assert_eq!(client.ask(&question(kind)).rcode(), rcode, "{name} {kind}");
            }
        }
    }
    assert_eq!(internet.asked_below("."), 0);
}

#[test]
fn a_stop_page_without_one_family_has_no_data_there() {
    for (stop, kind) in [("[\"192.0.2.7\"]", "AAAA"), ("[\"2001:db8::7\"]", "A")] {
        let running = Program::new()
            .list_with("half", LIST, &format!("stop = {stop}\n"))
            .start();
        for client in running.doors() {
            let question = Question::new("blocked.example.", kind).edns(Edns::default());
            let response = client.ask(&question);
            check_denial(&question, "blocked.example.", &response);
            assert_eq!(
                (response.rcode(), response.ede()),
                ("NOERROR".to_owned(), vec![CENSORED])
            );
            let any = client.ask(&Question::new("blocked.example.", "ANY"));
            assert_eq!(any.message.answers.len(), 1);
        }
    }
}

#[test]
fn nxdomain_is_said_for_every_type() {
    let internet = Internet::start();
    let keys = "action = \"nxdomain\"\nstop = []\n";
    let running = Program::new()
        .recurse(&internet)
        .list_with("gone", LIST, keys)
        .tls()
        .start();
    for client in running.doors() {
        for kind in TYPES {
            for question in variants("www.Blocked.example.", kind) {
                let response = client.ask(&question);
                check_form(&question, &response);
                check_denial(&question, "www.Blocked.example.", &response);
                assert_eq!(response.rcode(), "NXDOMAIN", "{question:?}");
                assert!(
                    response.message.edns.is_none() || response.ede() == [CENSORED],
                    "{question:?}"
                );
            }
        }
        let alias = client.ask(&Question::new("tolisted.plain.test.", "A").dnssec_ok());
        assert_eq!(
            (alias.rcode(), alias.answers(), alias.ede()),
            ("NXDOMAIN".to_owned(), vec![], vec![CENSORED])
        );
    }
    assert_eq!(internet.asked("blocked.example.", "A"), 0);
}

#[test]
fn the_ground_of_a_list_chooses_the_error() {
    for (basis, code) in [
        ("law", CENSORED),
        ("provider", BLOCKED),
        ("subscriber", FILTERED),
    ] {
        let running = Program::new()
            .list_with("ground", LIST, &format!("basis = \"{basis}\"\n"))
            .start();
        for client in running.doors() {
            let ede = |kind| {
                client
                    .ask(&Question::new("blocked.example.", kind).edns(Edns::default()))
                    .ede()
            };
            assert_eq!(
                (ede("A"), ede("AAAA"), ede("MX")),
                (vec![FORGED, code], vec![FORGED, code], vec![code]),
                "{basis}"
            );
        }
    }
}

/// However long the authority's name and however many the stop addresses: three times the question,
/// and the codes are kept.
#[test]
fn a_blocked_reply_does_not_amplify() {
    let authority = "An authority whose name is long enough to fill a whole line of any report \
                     that it is ever printed in";
    let stop: Vec<String> = (1..=8)
        .map(|host| format!("192.0.2.{host}"))
        .chain((1..=8).map(|host| format!("2001:db8::{host}")))
        .collect();
    let keys = format!("authority = \"{authority}\"\nstop = {stop:?}\n");
    let running = Program::new()
        .list_with("long", "x.test\nblocked.example\n", &keys)
        .toml("[resolve]\nspecial_use = false\n")
        .start();
    for client in running.doors() {
        for name in [
            "x.test.",
            "blocked.example.",
            "a.long.name.below.the.entry.blocked.example.",
        ] {
            for kind in ["A", "AAAA", "ANY", "HTTPS"] {
                for question in variants(name, kind) {
                    let response = client.ask(&question);
                    check_form(&question, &response);
                    let has_data = !response.message.answers.is_empty();
                    assert_eq!(has_data, kind != "HTTPS", "{question:?}");
                    assert!(
                        response.message.edns.is_none() || response.ede().last() == Some(&CENSORED),
                        "{question:?}"
                    );
                }
            }
        }
    }
}

/// One cell of the metrics page.
fn blocked_total(running: &Running, list: &str, kind: &str) -> u64 {
    running
        .metric(&format!(
            "wardline_blocked_total{{list=\"{list}\",kind=\"{kind}\"}}"
        ))
        .unwrap_or_default() as u64
}

#[test]
fn aliases_into_listed_names_are_blocked_whole() {
    let internet = Internet::start();
    for program in [
        Program::new().recurse(&internet),
        Program::new().forward(internet.forwarder()),
    ] {
        let running = program.list("law", LIST).tls().metrics().start();
        let aliases = [
            "hidden.chain.test.",
            "tolisted.plain.test.",
            "exact.chain.test.",
            "www.old.dname.test.",
            "far.free.example.",
        ];
        for client in running.doors() {
            for name in aliases {
                for kind in ["A", "AAAA", "HTTPS", "TXT"] {
                    for question in [
                        Question::new(name, kind),
                        Question::new(name, kind).dnssec_ok().unchecked(),
                    ] {
                        let response = client.ask(&question);
                        check_form(&question, &response);
                        assert_eq!(response.data(), stop_page(kind), "{question:?}");
                        assert_eq!(
                            response.message.authorities.len(),
                            usize::from(response.data().is_empty()),
                            "nothing of the chain"
                        );
                    }
                }
            }
            let below = client.ask(&Question::new("below.chain.test.", "A"));
            assert_eq!(
                below.message.answers.len(),
                2,
                "an exact entry covers no name below it"
            );
            let alias = client.ask(&Question::new("tolisted.plain.test.", "CNAME"));
            assert!(
                alias.message.answers.is_empty(),
                "the alias itself would show the entry"
            );
            let innocent = client.ask(&Question::new("near.chain.test.", "CNAME"));
            assert_eq!(
                innocent.answers(),
                ["near.chain.test. CNAME far.free.example."]
            );
        }
        let wanted = running.doors().len() * (aliases.len() * 8 + 1);
        until("the counts", PATIENCE, || {
            (blocked_total(&running, "law", "via_cname") == wanted as u64).then_some(())
        });
        assert_eq!(blocked_total(&running, "law", "address"), 0);
    }
}

#[test]
fn a_cached_alias_follows_the_list() {
    let internet = Internet::start();
    for program in [
        Program::new().recurse(&internet),
        Program::new().forward(internet.forwarder()),
    ] {
        let running = program.list("law", "other.example\n").start();
        let shown = |client: &Client| {
            client
                .ask(&Question::new("tolisted.plain.test.", "A"))
                .answers()
        };
        for client in running.doors() {
            assert_eq!(
                shown(&client)[1],
                REAL,
                "not listed yet, and kept from now on"
            );
        }
        let asked = internet.asked("tolisted.plain.test.", "A")
            + internet.forwarded("tolisted.plain.test.", "A");
        for entries in [
            "other.example\nblocked.example\n",
            "other.example\n",
            "=cdn.blocked.example\n",
            "=blocked.example\n",
        ] {
            let is_listed = entries.contains("\nblocked") || entries.contains("cdn");
            running.replace_list("law", entries);
            for client in running.doors() {
                until(entries, PATIENCE, || {
                    (shown(&client).len() == if is_listed { 1 } else { 2 }).then_some(())
                });
            }
        }
        let again = internet.asked("tolisted.plain.test.", "A")
            + internet.forwarded("tolisted.plain.test.", "A");
        assert_eq!(again, asked, "from the cache all the while");
    }
}

#[test]
fn lists_and_groups_decide_in_their_order() {
    let internet = Internet::start();
    let list = |n: u8, basis: &str| format!("stop = [\"192.0.2.{n}\"]\nbasis = \"{basis}\"\n");
    let groups = "[[group]]\nname = \"investigators\"\nprefixes = [\"127.0.9.0/24\"]\nlists = []\n\
                  [[group]]\nname = \"one\"\nprefixes = [\"127.0.8.0/24\"]\nlists = [\"second\"]\n\
                  [[group]]\nname = \"inner\"\nprefixes = [\"127.0.8.77/32\"]\nlists = \
                  [\"first\"]\n";
    let running = Program::new()
        .recurse(&internet)
        .list_with(
            "first",
            "blocked.example\nwww.good.test\n",
            &list(11, "law"),
        )
        .list_with(
            "second",
            "blocked.example\nplain.test\n",
            &list(12, "provider"),
        )
        .toml(groups)
        .start();
    let [everybody, exempt, one, inner] =
        [[0, 1], [9, 1], [8, 1], [8, 77]].map(|[third, last]| Ipv4Addr::new(127, 0, third, last));
    for door in running.doors() {
        for (source, name, shown, code) in [
            (exempt, "blocked.example.", "198.51.100.80", None),
            (exempt, "tolisted.plain.test.", "198.51.100.82", None),
            (everybody, "blocked.example.", "192.0.2.11", Some(CENSORED)),
            (
                everybody,
                "tolisted.plain.test.",
                "192.0.2.12",
                Some(BLOCKED),
            ),
            (
                everybody,
                "hidden.chain.test.",
                "192.0.2.11",
                Some(CENSORED),
            ),
            (everybody, "www.good.test.", "192.0.2.11", Some(CENSORED)),
            (everybody, "www.plain.test.", "192.0.2.12", Some(BLOCKED)),
            (one, "blocked.example.", "192.0.2.12", Some(BLOCKED)),
            (one, "www.good.test.", "198.51.100.11", None),
            (one, "hidden.chain.test.", "192.0.2.12", Some(BLOCKED)),
            (inner, "blocked.example.", "192.0.2.11", Some(CENSORED)),
            (inner, "www.plain.test.", "198.51.100.30", None),
            (inner, "tolisted.plain.test.", "192.0.2.11", Some(CENSORED)),
            (exempt, "hidden.chain.test.", "198.51.100.83", None),
        ] {
            let response = door
                .clone()
                .source(source)
                .ask(&Question::new(name, "A").edns(Edns::default()));
            let last = response.data().pop();
            assert_eq!(
                (last.as_deref(), response.ede().last().copied()),
                (Some(shown), code),
                "{name} for {source}"
            );
        }
    }
}

#[test]
fn strangers_are_refused() {
    let internet = Internet::start();
    let allowed = "[clients]\nallow = [\"127.0.0.0/24\"]\n";
    let running = Program::new()
        .forward(internet.forwarder())
        .list("law", LIST)
        .tls()
        .toml(allowed)
        .start();
    for door in running.doors() {
        let stranger = door.source([127, 0, 5, 1]);
        for name in ["blocked.example.", "www.good.test.", "localhost."] {
            let refused = stranger.ask(&Question::new(name, "A").edns(Edns::default()));
            assert_eq!(
                (refused.rcode(), refused.ede(), refused.answers()),
                ("REFUSED".to_owned(), vec![PROHIBITED], vec![])
            );
        }
    }
    assert_eq!(internet.asked_below("."), 0);
}

#[test]
fn a_flood_over_udp_is_held_back() {
    const FLOOD: usize = 400;
    let limits = "[limits]\nudp_replies_per_s = 20\nslip = 2\n[[limits.network]]\nnetworks = \
                  [\"127.0.0.0/8\"]\nexempt = false\n";
    let running = Program::new().list("law", LIST).toml(limits).start();
    let (begun, socket) = (
        Instant::now(),
        UdpSocket::bind("127.0.4.1:0").expect("a UDP socket"),
    );
    socket
        .set_read_timeout(Some(Duration::from_millis(500)))
        .expect("a deadline");
    for _ in 0..FLOOD {
        socket
            .send_to(
                &Question::new("blocked.example.", "A").octets(),
                running.address(),
            )
            .expect("loopback");
    }
    let (mut whole, mut cut, mut buffer) = (0, 0, [0; 1500]);
    while let Ok(length) = socket.recv(&mut buffer) {
        let message = Message::from_vec(&buffer[..length]).expect("a reply");
        *if message.truncation {
            &mut cut
        } else {
            &mut whole
        } += 1;
        assert_eq!(
            message.answers.is_empty(),
            message.truncation,
            "what slips through says nothing"
        );
    }
    let due = 20 + begun.elapsed().as_secs() as usize * 20 + 20;
    assert!((20..=due).contains(&whole), "{whole} whole replies");
    let silent = FLOOD - whole - cut;
    assert!(
        cut > FLOOD / 4 && silent > FLOOD / 4,
        "{cut} slipped, {silent} in silence"
    );
    let question = Question::new("blocked.example.", "A");
    let over_tcp = Client::tcp(running.address())
        .source([127, 0, 4, 1])
        .pipeline(&vec![question.clone(); 100]);
    assert!(
        over_tcp
            .iter()
            .all(|response| response.message.answers.len() == 1),
        "TCP is not limited"
    );
    let other = Client::udp(running.address())
        .source([127, 0, 3, 1])
        .ask(&question);
    assert_eq!(other.message.answers.len(), 1, "nor is another network");
}
