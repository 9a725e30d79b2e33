//! The tools of the field, dig and kdig, see what our own client sees: status, flags, answers and
//! extended errors by name.

use std::process::Command;

use crate::kit::ask::{Client, Question};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::tool::{DIG, KDIG, Tool, is_missing};

const BLOCKED_TEXT: &str = "Authority of law";

/// One question in the tool's own words, and what must and must not be in what it prints.
struct Case {
    words: &'static str,
    shows: &'static [&'static str],
    hides: &'static [&'static str],
}

const fn case(
    words: &'static str,
    shows: &'static [&'static str],
    hides: &'static [&'static str],
) -> Case {
    Case {
        words,
        shows,
        hides,
    }
}

/// Words and output that both tools have in common; blanks are made single before comparing.
const CASES: [Case; 18] = [
    case(
        "blocked.example A",
        &[
            "status: NOERROR",
            "blocked.example. 60 IN A 192.0.2.1",
            BLOCKED_TEXT,
        ],
        &["198.51.100"],
    ),
    case(
        "blocked.example AAAA",
        &[
            "status: NOERROR",
            "blocked.example. 60 IN AAAA 2001:db8::1",
            BLOCKED_TEXT,
        ],
        &["2001:db8:1:"],
    ),
    case(
        "blocked.example HTTPS",
        &[
            "status: NOERROR",
            "blocked.example. 60 IN SOA",
            BLOCKED_TEXT,
        ],
        &["ipv4hint"],
    ),
    case(
        "www.blocked.example MX",
        &[
            "status: NOERROR",
            "www.blocked.example. 60 IN SOA",
            BLOCKED_TEXT,
        ],
        &["MX 10"],
    ),
    case(
        "blocked.example TXT",
        &[
            "status: NOERROR",
            "blocked.example. 60 IN SOA",
            BLOCKED_TEXT,
        ],
        &["not for you"],
    ),
    case(
        "blocked.example ANY",
        &["status: NOERROR", "A 192.0.2.1", "AAAA 2001:db8::1"],
        &["198.51.100"],
    ),
    case(
        "www.blocked.example DS",
        &["status: NOERROR", "www.blocked.example. 60 IN SOA"],
        &[" IN DS ", "RRSIG"],
    ),
    case(
        "blocked.example A +noedns",
        &["A 192.0.2.1"],
        &["EDNS", BLOCKED_TEXT],
    ),
    case(
        "blocked.example A +dnssec",
        &["A 192.0.2.1", BLOCKED_TEXT],
        &["RRSIG"],
    ),
    case(
        "www.blocked.example DS +dnssec",
        &["www.blocked.example. 60 IN SOA", BLOCKED_TEXT],
        &["RRSIG", "NSEC"],
    ),
    case(
        "blocked.example DS +dnssec",
        &["status: NOERROR", "IN DS ", "IN RRSIG DS "],
        &["SOA", BLOCKED_TEXT],
    ),
    case(
        "blocked.example A +cdflag",
        &["A 192.0.2.1"],
        &["198.51.100"],
    ),
    case(
        "blocked.example A +norecurse",
        &["A 192.0.2.1"],
        &["198.51.100"],
    ),
    case(
        "tolisted.plain.test A",
        &["tolisted.plain.test. 60 IN A 192.0.2.1", BLOCKED_TEXT],
        &["CNAME", "198.51.100"],
    ),
    case(
        "www.good.test A",
        &["status: NOERROR", "IN A 198.51.100.11"],
        &[BLOCKED_TEXT],
    ),
    case("www.good.test A +dnssec", &["IN RRSIG A 13 3 300"], &[]),
    case(
        "missing.good.test A",
        &["status: NXDOMAIN", "IN SOA ns1.good.test. hostmaster.test."],
        &[],
    ),
    case(
        "www.bogus.test A",
        &["status: SERVFAIL", "DNSSEC Bogus"],
        &["198.51.100"],
    ),
];

/// kdig prints every name in lower case.
const SPELLING: Case = case(
    "bLoCkEd.ExAmPlE A",
    &["bLoCkEd.ExAmPlE. 60 IN A 192.0.2.1"],
    &[],
);

#[test]
fn dig_sees_what_it_should() {
    let cases: Vec<&Case> = CASES.iter().chain([&SPELLING]).collect();
    see_all(&DIG, &[vec![], vec!["+tcp"]], &cases, dig_flags);
}

#[test]
fn kdig_sees_what_it_should() {
    let cases: Vec<&Case> = CASES.iter().collect();
    see_all(
        &KDIG,
        &[vec![], vec!["+tcp"], vec!["+tls"]],
        &cases,
        kdig_flags,
    );
}

/// The header's flags as the tool prints them, without those that follow from every question.
fn dig_flags(output: &str) -> String {
    let flags = output
        .split_once(";; flags: ")
        .and_then(|(_, rest)| rest.split_once(';'))
        .expect("flags");
    flags.0.to_owned()
}

fn kdig_flags(output: &str) -> String {
    let flags = output
        .split_once("Flags: ")
        .and_then(|(_, rest)| rest.split_once(';'))
        .expect("flags");
    flags.0.to_owned()
}

fn see_all(tool: &Tool, doors: &[Vec<&str>], cases: &[&Case], flags: fn(&str) -> String) {
    if is_missing(tool) {
        return;
    }
    let (tool, version) = (tool.name, version(tool.name));
    let internet = Internet::start();
    let running = Program::new()
        .recurse(&internet)
        .list("law", "blocked.example\n")
        .tls()
        .start();
    for door in doors {
        for case in cases {
            let mut words: Vec<&str> = case.words.split(' ').collect();
            if !words.contains(&"+noedns") {
                words.push("+edns=0");
            }
            words.extend(door);
            let output = run(tool, &running, &words);
            for shown in case.shows {
                assert!(
                    output.contains(shown),
                    "{version}: {words:?} does not show {shown:?}:\n{output}"
                );
            }
            for hidden in case.hides {
                assert!(
                    !output.contains(hidden),
                    "{version}: {words:?} shows {hidden:?}:\n{output}"
                );
            }
            let mut wanted = vec!["qr"];
            wanted.extend((!words.contains(&"+norecurse")).then_some("rd"));
            wanted.push("ra");
            wanted.extend(is_proven(case.words).then_some("ad"));
            wanted.extend(words.contains(&"+cdflag").then_some("cd"));
            let is_settled = case.words.starts_with("blocked") || case.words.contains("+dnssec");
            assert!(
                !is_settled || flags(&output) == wanted.join(" "),
                "{version}: {words:?} has other flags than {wanted:?}:\n{output}"
            );
        }
    }
    let udp = Client::udp(running.address()).ask(&Question::new("blocked.example.", "A"));
    assert_eq!(
        udp.answers(),
        ["blocked.example. A 192.0.2.1"],
        "and so does our own client"
    );
}

fn version(tool: &str) -> String {
    let output = Command::new(tool)
        .arg(if tool == "dig" { "-v" } else { "-V" })
        .output()
        .expect("the tool");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// What the tool prints, every run of blanks made one. Neither cookie nor AD unless they are asked
/// for, so that both tools ask alike.
fn run(tool: &str, running: &Running, words: &[&str]) -> String {
    let at = if words.contains(&"+tls") {
        running.tls_address()
    } else {
        running.address()
    };
    let mut command = Command::new(tool);
    command
        .arg(format!("@{}", at.ip()))
        .args(["-p", &at.port().to_string()])
        .args(["+noadflag", "+nocookie", "+time=5", "+retry=0"]);
    let output = command.args(words).output().expect("the tool");
    assert!(
        output.status.success(),
        "{tool} {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
        .collect()
}

/// What is signed, down from the root; DS at an entry's own name too.
fn is_proven(words: &str) -> bool {
    matches!(
        words,
        "www.good.test A +dnssec" | "blocked.example DS +dnssec"
    )
}
