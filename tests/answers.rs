//! Ordinary answering of the real program: the table of the tests' internet by both ways, what is
//! cached, and what is asked once.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use hickory_proto::rr::RecordType;

use crate::kit::ask::{Client, Edns, Question, Response, ask};
use crate::kit::internet::{Expected, Internet, expected_answers};
use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;
use crate::kit::until;

const LIST: &str = "blocked.example\n=exact.example\n";
const NETWORK_ERROR: u16 = 23;

/// How the program comes to its answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Recurse,
    Forward,
}

#[test]
fn recursion_gives_the_table_through_every_door() {
    let internet = Internet::start();
    let running = Program::new().recurse(&internet).tls().start();
    give_the_table(&running, Way::Recurse);
}

#[test]
fn recursion_with_a_list_gives_the_table_through_every_door() {
    let internet = Internet::start();
    let running = Program::new()
        .recurse(&internet)
        .list("law", LIST)
        .tls()
        .start();
    give_the_listed_table(&running, Way::Recurse);
    assert_eq!(
        internet.asked("blocked.example.", "A"),
        0,
        "listed names are not asked for"
    );
}

#[test]
fn forwarding_gives_the_table_through_every_door() {
    let internet = Internet::start();
    let trusting = "[resolve.forward]\ntrust_ad = true\n";
    let running = Program::new()
        .forward(internet.forwarder())
        .toml(trusting)
        .tls()
        .start();
    give_the_table(&running, Way::Forward);
    drop(running);
    internet.forget();
    let running = Program::new()
        .forward(internet.forwarder())
        .toml(trusting)
        .list("law", LIST)
        .tls()
        .start();
    give_the_listed_table(&running, Way::Forward);
    assert_eq!(
        internet.asked_below("blocked.example."),
        0,
        "listed names are not asked for"
    );
}

/// A client takes only what comes from the address that it asked: a listed name, one that is
/// fetched and one that is kept.
#[test]
fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    let internet = Internet::start();
    let mut running = Program::new().recurse(&internet).list("law", LIST).start();
    let port = running.address().port();
    let config = fs::read_to_string(running.config_file()).expect("the configuration");
    let everywhere = config.replace(&format!("127.0.0.1:{port}"), &format!("0.0.0.0:{port}"));
    assert_ne!(config, everywhere);
    fs::write(running.config_file(), everywhere).expect("the configuration");
    running.restart();
    for host in [77, 78] {
        let client = Client::udp(SocketAddr::from(([127, 0, 0, host], port)));
        for (name, answer) in [
            ("blocked.example.", STOP[0]),
            ("www.good.test.", ""),
            ("www.good.test.", ""),
        ] {
            let response = client.ask(&Question::new(name, "A"));
            assert!(
                response.rcode() == "NOERROR"
                    && response.answers().iter().any(|said| said.ends_with(answer)),
                "{host}: {name}"
            );
        }
    }
}

/// Each line at each door, first plainly, then with AD, then with DO: rcode, answers, AD, extended
/// error.
fn give_the_table(running: &Running, way: Way) {
    let mut wrong = vec![];
    for client in running.doors() {
        for expected in expected_answers() {
            let question = || Question::new(&expected.name, &expected.kind);
            let plain = question().edns(Edns::default());
            for (question, wants_ad) in [
                (plain.clone(), false),
                (plain.wanting_ad(), true),
                (question().dnssec_ok(), true),
            ] {
                let faults = faults_of(&client.ask(&question), &expected, way, wants_ad);
                match (&expected.recurse_gap, way, faults.is_empty()) {
                    (Some(gap), Way::Recurse, true) => wrong.push(format!(
                        "no gap any more: {gap} ({} {})",
                        expected.name, expected.kind
                    )),
                    (Some(_), Way::Recurse, false) | (_, _, true) => {}
                    (_, _, false) => wrong.push(format!(
                        "{} {} {client:?}: {}",
                        expected.name,
                        expected.kind,
                        faults.join("; ")
                    )),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn faults_of(response: &Response, expected: &Expected, way: Way, wants_ad: bool) -> Vec<String> {
    // The forwarder gives no reasons, so there the program can say no more than that the upstream
    // failed.
    expected.faults_of(
        response,
        wants_ad,
        if way == Way::Recurse {
            expected.ede
        } else {
            Some(NETWORK_ERROR)
        },
    )
}

/// The listed lines are blocked, whole; the others are as they were.
fn give_the_listed_table(running: &Running, way: Way) {
    for client in running.doors() {
        for expected in expected_answers() {
            let response = client.ask(&Question::new(&expected.name, &expected.kind).dnssec_ok());
            let faults = match expected.listed {
                Some(_) => expected.faults_when_listed(&response),
                None => faults_of(&response, &expected, way, true),
            };
            assert!(
                faults.is_empty() || expected.recurse_gap.is_some(),
                "{expected:?}: {faults:?}"
            );
        }
    }
}

/// With CD the client checks by itself and gets the data as it is; without it the next client is
/// protected all the same.
#[test]
fn unchecked_data_comes_only_to_those_who_ask_for_it() {
    let internet = Internet::start();
    for program in [
        Program::new().recurse(&internet),
        Program::new().forward(internet.forwarder()),
    ] {
        let running = program.tls().start();
        for client in running.doors() {
            for (zone, address) in [
                ("bogus", 40),
                ("expired", 41),
                ("nosig", 42),
                ("wrongds", 43),
            ] {
                let name = format!("www.{zone}.test.");
                for checked in [
                    Question::new(&name, "A"),
                    Question::new(&name, "A").dnssec_ok(),
                ] {
                    let unchecked = client.ask(&checked.clone().unchecked().wanting_ad());
                    assert_eq!(
                        unchecked.answers(),
                        [format!("{name} A 198.51.100.{address}")]
                    );
                    assert!(
                        !unchecked.message.authentic_data && unchecked.message.checking_disabled
                    );
                    assert_eq!(client.ask(&checked).rcode(), "SERVFAIL", "{name}");
                }
            }
        }
    }
}

#[test]
fn a_bad_first_upstream_costs_no_answer() {
    let internet = Internet::start();
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    for first in [
        internet.forwarder_silent(),
        internet.forwarder_failing(),
        nobody,
    ] {
        let running = Program::new()
            .forward_to(&[first, internet.forwarder()])
            .start();
        for name in [
            "www.good.test.",
            "www.plain.test.",
            "missing.good.test.",
            "any.wild.test.",
        ] {
            let expected = expected_answers()
                .into_iter()
                .find(|row| row.name == name && row.kind == "A")
                .expect("a row");
            let response = ask(running.address(), name, "A");
            assert_eq!(
                (response.rcode(), response.answers()),
                (expected.rcode, expected.answer),
                "{first}"
            );
        }
    }
    let running = Program::new()
        .forward_to(&[internet.forwarder_silent()])
        .start();
    let failed = ask(running.address(), "www.good.test.", "A");
    assert_eq!(
        (failed.rcode(), failed.ede()),
        ("SERVFAIL".to_owned(), vec![22])
    );
}

#[test]
fn a_long_answer_comes_over_tcp() {
    let internet = Internet::start();
    let ways = [
        Program::new().forward(internet.forwarder()),
        Program::new().recurse(&internet),
    ];
    for program in ways {
        let running = program.start();
        let question = Question::new("big.good.test.", "TXT").edns(Edns::default());
        let cut = Client::udp(running.address()).ask(&question);
        assert!(
            cut.message.truncation && cut.message.answers.is_empty() && cut.octets.len() <= 1232
        );
        let whole = Client::tcp(running.address()).ask(&question);
        assert!(
            !whole.message.truncation
                && whole.octets.len() > 1232
                && whole.message.answers.len() == 1
        );
        // Without EDNS 512 octets are the limit, which many.good.test keeps and big.good.test does
        // not.
        let plain = Client::udp(running.address()).ask(&Question::new("many.good.test.", "A"));
        assert!(
            plain.octets.len() <= 512
                && plain.message.answers.len() == 3
                && plain.message.edns.is_none()
        );
        let cut = Client::udp(running.address()).ask(&Question::new("big.good.test.", "TXT"));
        assert!(cut.message.truncation && cut.octets.len() <= 512);
    }
}

#[test]
fn fifty_who_ask_at_once_are_one_question() {
    let internet = Internet::start();
    let ways = [
        Program::new().recurse(&internet),
        Program::new().forward(internet.forwarder_slow()),
    ];
    for (program, recursing) in ways.into_iter().zip([true, false]) {
        internet.forget();
        let running = program.start();
        let at = running.address();
        let threads: Vec<_> = (0..50)
            .map(|_| thread::spawn(move || ask(at, "www.slow.test.", "A").answers()))
            .collect();
        for thread in threads {
            assert_eq!(
                thread.join().expect("an answer"),
                ["www.slow.test. A 198.51.100.65"]
            );
        }
        let asked = if recursing {
            internet.asked("www.slow.test.", "A")
        } else {
            internet.forwarded("www.slow.test.", "A")
        };
        assert_eq!(asked, 1);
    }
}

#[test]
fn answers_are_kept_and_their_time_runs() {
    let internet = Internet::start();
    for program in [
        Program::new().recurse(&internet),
        Program::new().forward(internet.forwarder()),
    ] {
        internet.forget();
        let running = program.start();
        let client = Client::udp(running.address());
        let asked =
            |name: &str, kind: &str| internet.asked(name, kind) + internet.forwarded(name, kind);
        let ttl = |response: &Response| {
            response
                .message
                .answers
                .iter()
                .chain(&response.message.authorities)
                .map(|r| r.ttl)
                .min()
        };
        let kept = [
            ("www.good.test.", "A", 300),
            ("one.chain.test.", "CNAME", 300),
            ("one.chain.test.", "A", 300),
            ("www.moved.dname.test.", "A", 300),
            ("any.wild.test.", "A", 300),
            ("missing.good.test.", "A", 60),
            ("missing.plain.test.", "A", 60),
            ("mail.good.test.", "AAAA", 60),
            ("nodata.chain.test.", "AAAA", 60),
        ];
        for (name, kind, seconds) in kept {
            let first = client.ask(&Question::new(name, kind));
            assert!(
                ttl(&first).is_some_and(|ttl| ttl <= seconds && ttl + 2 > seconds),
                "{name} {kind}: {:?}",
                ttl(&first)
            );
        }
        let before: Vec<usize> = kept
            .iter()
            .map(|(name, kind, _)| asked(name, kind))
            .collect();
        let later = until("the TTL to run", Duration::from_secs(5), || {
            let response = client.ask(&Question::new("www.good.test.", "A"));
            ttl(&response).filter(|ttl| *ttl <= 298)
        });
        assert!(later >= 295);
        for ((name, kind, seconds), before) in kept.into_iter().zip(before) {
            let again = client.ask(&Question::new(name, kind));
            assert!(
                ttl(&again).is_some_and(|ttl| ttl < seconds),
                "{name} {kind}: {:?}",
                ttl(&again)
            );
            assert_eq!(asked(name, kind), before, "{name} {kind} is asked for once");
        }
    }
}

#[test]
fn an_answer_ends_with_its_ttl() {
    let internet = Internet::start();
    for program in [
        Program::new().recurse(&internet),
        Program::new().forward(internet.forwarder()),
    ] {
        internet.forget();
        let running = program.start();
        let asked = || {
            internet.asked("short.good.test.", "A") + internet.forwarded("short.good.test.", "A")
        };
        until(
            "a second question to the authority",
            Duration::from_secs(5),
            || {
                let response = ask(running.address(), "short.good.test.", "A");
                assert_eq!(response.answers(), ["short.good.test. A 198.51.100.13"]);
                assert!(response.message.answers[0].ttl <= 1);
                (asked() == 2).then_some(())
            },
        );
    }
}

#[test]
fn failures_are_kept_for_a_moment() {
    let internet = Internet::start();
    let running = Program::new().forward(internet.forwarder_failing()).start();
    assert_eq!(
        ask(running.address(), "www.good.test.", "A").ede(),
        [NETWORK_ERROR]
    );
    let asked = internet.forwarded("www.good.test.", "A");
    let again = until(
        "the word that it is a kept failure",
        Duration::from_secs(3),
        || {
            let response = ask(running.address(), "www.good.test.", "A");
            (response.ede().len() > 1).then_some(response)
        },
    );
    assert_eq!(
        (again.rcode(), again.ede()),
        ("SERVFAIL".to_owned(), vec![NETWORK_ERROR, 13])
    );
    assert_eq!(internet.forwarded("www.good.test.", "A"), asked);
}

/// A host without a way out, and one in a network that says NXDOMAIN to everything: no signature is
/// at fault, nobody was reached.
#[test]
fn without_a_way_out_the_reason_is_told() {
    let internet = Internet::start();
    let catcher = UdpSocket::bind(("127.0.0.1", 0)).expect("a UDP socket");
    let at = catcher.local_addr().expect("an address");
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = catcher.recv_from(&mut buffer) {
            let mut reply = buffer[..length].to_vec();
            (reply[2], reply[3]) = (0x80, 0x83);
            let _ = catcher.send_to(&reply, client);
        }
    });
    for port in [9, at.port()] {
        let hints = tempfile::NamedTempFile::new().expect("a file");
        fs::write(hints.path(), ". NS root.test.\nroot.test. A 127.0.0.1\n").expect("root hints");
        let nowhere = format!(
            "[resolve.recurse]\nroot_hints = {:?}\nport = {port}\n",
            hints.path()
        );
        let running = Program::new().recurse(&internet).toml(&nowhere).start();
        for name in ["www.good.test.", "test.", "."] {
            let failed = ask(running.address(), name, "NS");
            assert_eq!(
                (failed.rcode(), failed.ede()),
                ("SERVFAIL".to_owned(), vec![22]),
                "{name} at port {port}"
            );
        }
    }
}

/// ANY gets the alias, or that the name exists, or that it does not (RFC 8482 section 4).
#[test]
fn any_says_whether_a_name_exists() {
    let internet = Internet::start();
    let checked = Program::new().recurse(&internet).start();
    let forwarding = Program::new().forward(internet.forwarder()).start();
    for running in [&checked, &forwarding] {
        for (name, rcode, answers) in [
            ("www.good.test.", "NOERROR", vec!["www.good.test. HINFO"]),
            ("missing.good.test.", "NXDOMAIN", vec![]),
            ("www.plain.test.", "NOERROR", vec!["www.plain.test. HINFO"]),
            ("missing.plain.test.", "NXDOMAIN", vec![]),
            ("one.chain.test.", "NOERROR", vec!["one.chain.test. CNAME"]),
            ("www.bogus.test.", "SERVFAIL", vec![]),
        ] {
            for turn in ["asked", "kept"] {
                let response = ask(running.address(), name, "ANY");
                let got: Vec<String> = response
                    .answers()
                    .iter()
                    .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
                    .collect();
                assert_eq!(
                    (response.rcode().as_str(), got),
                    (rcode, answers.iter().map(ToString::to_string).collect()),
                    "{name} {turn}"
                );
            }
        }
    }
    let asked = internet.forwarded("www.good.test.", "CNAME");
    ask(forwarding.address(), "www.good.test.", "ANY");
    assert_eq!(
        internet.forwarded("www.good.test.", "CNAME"),
        asked,
        "it is kept"
    );
    assert_eq!(internet.forwarded("www.good.test.", "ANY"), 0);
}

/// Clients that validate cannot believe what nobody has signed: of a signed name ANY gets them one
/// set with its signatures (RFC 8482 sections 4.1 and 7).
#[test]
fn any_gets_a_signed_set_where_signatures_are_wanted() {
    let internet = Internet::start();
    for running in [
        Program::new().recurse(&internet).start(),
        Program::new().forward(internet.forwarder()).start(),
    ] {
        for (name, first, is_signed) in [
            ("www.good.test.", "www.good.test. A", true),
            ("good.test.", "good.test. A", true),
            ("www.plain.test.", "www.plain.test. HINFO", false),
            ("one.chain.test.", "one.chain.test. CNAME", true),
        ] {
            let any = Question::new(name, "ANY").dnssec_ok();
            for turn in ["asked", "kept"] {
                let response = Client::udp(running.address()).ask(&any);
                let records = &response.message.answers;
                assert!(
                    response.answers()[0].starts_with(first),
                    "{name} {turn}: {:?}",
                    response.answers()
                );
                assert_eq!(
                    (
                        response.has(records, RecordType::RRSIG),
                        response.rcode().as_str()
                    ),
                    (is_signed, "NOERROR"),
                    "{name} {turn}"
                );
            }
        }
    }
}

/// With DO an answer must have its signatures (RFC 4035 section 3.2.1), and without RD nobody is
/// asked for them: what is kept without them is as good as not kept (RFC 8914 section 4.21).
#[test]
fn what_is_kept_without_signatures_is_not_given_to_who_wants_them() {
    let internet = Internet::start();
    let running = Program::new().recurse(&internet).start();
    ask(running.address(), "www.good.test.", "A");
    let asked = internet.asked_below(".");
    let with_do = Question::new("www.good.test.", "A").dnssec_ok();
    let refused = Client::udp(running.address()).ask(&with_do.clone().without_recursion());
    assert_eq!(
        (refused.rcode(), refused.ede(), refused.answers()),
        ("REFUSED".to_owned(), vec![20], vec![])
    );
    assert_eq!(internet.asked_below("."), asked);
    Client::udp(running.address()).ask(&with_do);
    let kept = Client::udp(running.address()).ask(&with_do.without_recursion());
    let is_signature =
        |record: &hickory_proto::rr::Record| record.record_type() == RecordType::RRSIG;
    assert!(kept.message.answers.iter().any(is_signature));
}

#[test]
fn a_name_nobody_asked_for_is_not_fetched_without_rd() {
    let internet = Internet::start();
    let running = Program::new().forward(internet.forwarder()).start();
    let question = Question::new("www.good.test.", "A")
        .edns(Edns::default())
        .without_recursion();
    let refused = Client::udp(running.address()).ask(&question);
    assert_eq!(
        (refused.rcode(), refused.ede()),
        ("REFUSED".to_owned(), vec![20])
    );
    assert_eq!(internet.asked_below("."), 0);
    ask(running.address(), "www.good.test.", "A");
    let kept = Client::udp(running.address()).ask(&question);
    assert_eq!(kept.answers(), ["www.good.test. A 198.51.100.11"]);
    assert!(!kept.message.recursion_desired);
}
