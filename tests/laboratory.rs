//! Shows the switches of test benches in the running program: whose signatures count, what is asked
//! and what is not, names that are answered here.

use std::fs;

use tempfile::TempDir;

use crate::kit::ask::{Client, Edns, Question, ask};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;

const SIGNED: &str = "www.good.test.";
const UNSIGNED: &str = "www.plain.test.";
const BOGUS: &str = "www.bogus.test.";

/// Recursion with trust anchors of these zones alone: each in a file of its own, as its keys.
fn anchored(internet: &Internet, zones: &[&str], keys: &str) -> (Running, TempDir) {
    let folder = TempDir::new().expect("a folder");
    let hints = folder.path().join("hints");
    fs::write(&hints, internet.root_hints()).expect("root hints");
    let files = zones.iter().enumerate().map(|(nth, zone)| {
        let keys = Client::tcp(internet.authority(zone)).ask(&Question::new(zone, "DNSKEY"));
        let lines: Vec<String> = keys
            .message
            .answers
            .iter()
            .map(|key| format!("{key}\n"))
            .collect();
        let file = folder.path().join(format!("{nth} an odd name; for a file"));
        fs::write(&file, lines.concat()).expect("a trust anchor");
        file.display().to_string()
    });
    let files: Vec<String> = files.collect();
    let program = Program::new().toml(&format!(
        r#"
[resolve]
mode = "recurse"
special_use = false
[resolve.recurse]
root_hints = {:?}
trust_anchors = {files:?}
ipv6 = false
loopback = true
port = {}
prime = false
"#,
        hints.display().to_string(),
        internet.port()
    ));
    internet.forget();
    (program.toml(keys).start(), folder)
}

fn checked(running: &Running, name: &str) -> (String, bool) {
    let response = Client::udp(running.address()).ask(&Question::new(name, "A").dnssec_ok());
    (response.rcode(), response.message.authentic_data)
}

/// RFC 4035 section 3.2 and RFC 6840 sections 5.7 to 5.9, in all combinations and whatever was
/// asked before.
#[test]
fn ad_cd_and_do_have_their_meaning_together() {
    let internet = Internet::start();
    let running = Program::new().recurse(&internet).start();
    let mut wrong = vec![];
    for round in ["asked", "kept"] {
        for (name, is_secure, is_bogus) in [
            (SIGNED, true, false),
            (UNSIGNED, false, false),
            (BOGUS, false, true),
        ] {
            for combination in 0..8 {
                let [wants_ad, dnssec_ok, unchecked] = [1, 2, 4].map(|bit| combination & bit > 0);
                let mut question = Question::new(name, "A").edns(Edns {
                    dnssec_ok,
                    ..Edns::default()
                });
                question = if wants_ad {
                    question.wanting_ad()
                } else {
                    question
                };
                question = if unchecked {
                    question.unchecked()
                } else {
                    question
                };
                let response = Client::udp(running.address()).ask(&question);
                let message = &response.message;
                let is_answered = !is_bogus || unchecked;
                let wanted = [
                    is_answered,
                    is_answered,
                    is_answered && dnssec_ok && name != UNSIGNED,
                    is_secure && (dnssec_ok || wants_ad && !unchecked),
                    unchecked,
                    is_bogus && !unchecked,
                ];
                let got = [
                    response.rcode() == "NOERROR",
                    response.has(&message.answers, hickory_proto::rr::RecordType::A),
                    response.has(&message.answers, hickory_proto::rr::RecordType::RRSIG),
                    message.authentic_data,
                    message.checking_disabled,
                    response.ede() == [6],
                ];
                if got != wanted {
                    wrong.push(format!(
                        "{round} {name} AD {wants_ad} DO {dnssec_ok} CD \
                                        {unchecked}: {got:?}, not {wanted:?}"
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "answered, with data, with signatures, AD, CD, EDE 6\n{}",
        wrong.join("\n")
    );
}

#[test]
fn signatures_count_below_the_anchors_and_not_below_negative_ones() {
    let internet = Internet::start();
    let told = |zones: &[&str], keys: &str| {
        let (running, _folder) = anchored(&internet, zones, keys);
        [SIGNED, "www.free.example.", BOGUS].map(|name| checked(&running, name))
    };
    let (good, plain, fails) = (
        ("NOERROR".to_owned(), true),
        ("NOERROR".to_owned(), false),
        ("SERVFAIL".to_owned(), false),
    );
    assert_eq!(
        told(&["."], ""),
        [good.clone(), good.clone(), fails.clone()]
    );
    assert_eq!(told(&["test."], ""), [good.clone(), plain.clone(), fails]);
    assert_eq!(
        told(&["good.test.", "example."], ""),
        [good.clone(), good.clone(), plain.clone()]
    );
    assert_eq!(
        told(&[], ""),
        [plain.clone(), plain.clone(), plain.clone()],
        "no anchor, no validation"
    );
    let negative = "[resolve.recurse]\nnegative_anchors = [\"bogus.test\", \"example.\"]\n";
    assert_eq!(told(&["."], negative), [good, plain.clone(), plain]);
}

/// DS comes with the referral, nobody is asked who serves a name, and nothing is asked for its own
/// sake.
#[test]
fn nothing_is_asked_that_is_not_needed() {
    let internet = Internet::start();
    let (name, zones) = (
        "www.sub.good.test.",
        [".", "test.", "good.test.", "sub.good.test."],
    );
    for minimise in [false, true] {
        let (running, _folder) = anchored(
            &internet,
            &["."],
            &format!("[resolve.recurse]\nminimise = {minimise}\n"),
        );
        assert_eq!(checked(&running, name), ("NOERROR".to_owned(), true));
        let asked = |kind| {
            zones
                .iter()
                .map(|zone| internet.asked(zone, kind))
                .sum::<usize>()
        };
        assert!(
            asked("DNSKEY") >= zones.len() && asked("DS") == 0,
            "minimise = {minimise}"
        );
        let others = internet.asked_below(".") - asked("DNSKEY") - internet.asked_below(name);
        assert_eq!(
            others > 0,
            minimise,
            "{others} questions for parts of the name"
        );
    }
}

/// Random names below a signed zone cost nothing once a proof has been seen (RFC 8198).
#[test]
fn a_proof_seen_before_answers_for_other_names() {
    let internet = Internet::start();
    let running = Program::new().recurse(&internet).start();
    let rcode = |name: &str| ask(running.address(), name, "A").rcode();
    assert_eq!(rcode("missing.good.test."), "NXDOMAIN");
    let before = internet.asked_below("good.test.");
    for name in [
        "missing.good.test.",
        "missing2.good.test.",
        "deeper.missing.good.test.",
    ] {
        assert_eq!(rcode(name), "NXDOMAIN", "{name}");
    }
    assert_eq!(internet.asked_below("good.test."), before);
}

#[test]
fn names_of_the_operator_s_own_are_answered_here_after_the_lists() {
    let internet = Internet::start();
    let local = "[local]\nnowhere = [\"canary.test\"]\naddresses = [\"192.0.2.77 www.good.test\", \
                 \"192.0.2.78 www.blocked.example\"]\ntcp_only = [\"plain.test\"]\n";
    let running = Program::new()
        .recurse(&internet)
        .list("law", "blocked.example\n")
        .toml(local)
        .tls()
        .start();
    for client in running.doors() {
        let www = client.ask(&Question::new("WWW.good.test.", "A"));
        assert_eq!(
            (www.answers(), www.message.authoritative),
            (vec!["www.good.test. A 192.0.2.77".to_owned()], false)
        );
        assert_eq!(
            client.ask(&Question::new(SIGNED, "AAAA")).answers(),
            [""; 0]
        );
        let reverse = client.ask(&Question::new("77.2.0.192.in-addr.arpa.", "PTR"));
        assert_eq!(
            reverse.answers(),
            ["77.2.0.192.in-addr.arpa. PTR www.good.test."]
        );
        let blocked = client.ask(&Question::new("www.blocked.example.", "A"));
        assert_eq!(
            blocked.answers(),
            ["www.blocked.example. A 192.0.2.1"],
            "the stop page"
        );
        for name in ["canary.test.", "a.canary.test."] {
            let nowhere = client.ask(&Question::new(name, "A"));
            assert_eq!(
                (nowhere.rcode().as_str(), nowhere.message.authoritative),
                ("NXDOMAIN", true),
                "{name}"
            );
        }
    }
    let [udp, tcp] = [&running.doors()[0], &running.doors()[1]]
        .map(|client| client.ask(&Question::new(UNSIGNED, "A")));
    assert!(
        udp.message.metadata.truncation && udp.answers().is_empty(),
        "over UDP"
    );
    assert!(
        !tcp.message.metadata.truncation && !tcp.answers().is_empty(),
        "over TCP"
    );
    assert_eq!(
        internet.asked_below("good.test.") + internet.asked_below("canary.test."),
        0
    );
}
