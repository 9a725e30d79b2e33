//! Shows a copy of the root zone at work (RFC 8806): the root's servers are not asked while it
//! holds, and are when it has run out.

use std::time::{Duration, UNIX_EPOCH};

use crate::kit::ask::{Client, Question};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::until;

const COPY: &str = "[resolve.recurse]\nroot_copy = \"root.zone\"\n";
const WITHOUT_SIGNAL: &str = "signal_trust_anchors = false\n";

fn start(internet: &Internet, text: &str, written_s: Option<u64>) -> Running {
    start_with(internet, text, written_s, WITHOUT_SIGNAL)
}

fn start_with(internet: &Internet, text: &str, written_s: Option<u64>, more: &str) -> Running {
    let keys = format!("{COPY}{more}");
    let mut running = Program::new().recurse(internet).toml(&keys).prepare();
    let file = running.folder().join("root.zone");
    std::fs::write(&file, text).unwrap();
    if let Some(written_s) = written_s {
        let file = std::fs::File::options().write(true).open(&file).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(written_s))
            .unwrap();
    }
    running.restart();
    running
}

fn told(running: &Running, name: &str, kind: &str) -> (String, bool) {
    let response = Client::udp(running.address()).ask(&Question::new(name, kind).dnssec_ok());
    (response.rcode(), response.message.authentic_data)
}

#[test]
fn a_copy_of_the_root_answers_in_its_place() {
    let internet = Internet::start();
    let running = start(&internet, &internet.root_zone(), None);
    for (name, kind, rcode, authentic) in [
        ("www.good.test.", "A", "NOERROR", true),
        ("www.plain.test.", "A", "NOERROR", false),
        ("www.bogus.test.", "A", "SERVFAIL", false),
        ("no.such.tld.", "A", "NXDOMAIN", true),
        ("nothing.", "A", "NXDOMAIN", true),
        (".", "NS", "NOERROR", true),
        (".", "DNSKEY", "NOERROR", true),
        (".", "MX", "NOERROR", true),
        ("test.", "DS", "NOERROR", true),
    ] {
        assert_eq!(
            told(&running, name, kind),
            (rcode.to_owned(), authentic),
            "{name} {kind}"
        );
    }
    assert_eq!(internet.asked_root(), 0, "the root's server is left alone");
    let copy = running.json(&["status", "--json"])["root_copy"].clone();
    assert_eq!(
        (copy["serial"].as_u64(), copy["holds"].as_bool()),
        (Some(1), Some(true))
    );
}

/// RFC 8145: it tells the root's operators which anchors are in use, and no copy can. It goes out
/// ten seconds after the start.
#[test]
fn the_signal_of_trust_anchors_goes_to_the_roots_servers() {
    let internet = Internet::start();
    let running = start_with(&internet, &internet.root_zone(), None, "");
    let anchors = running.json(&["status", "--json"])["trust_anchors"].clone();
    let tag = anchors[0]["key_tag"].as_u64().expect("a key tag");
    let signal = format!("_ta-{tag:04x}.");
    until(&signal, Duration::from_secs(40), || {
        (internet.asked(&signal, "NULL") > 0).then_some(())
    });
    let asked = internet.asked_root();
    assert!(asked <= internet.asked(&signal, "NULL"), "and nothing else");
}

#[test]
fn a_copy_that_ran_out_is_passed_over() {
    let internet = Internet::start();
    let running = start(&internet, &internet.root_zone(), Some(1_000_000_000));
    assert_eq!(
        told(&running, "www.good.test.", "A"),
        ("NOERROR".to_owned(), true)
    );
    assert!(internet.asked_root() > 0);
    let (_, text, _) = running.run(&["status"]);
    assert!(text.contains("root copy  serial 1, ran out "), "{text}");
}

#[test]
fn what_is_no_root_zone_stops_the_start() {
    let internet = Internet::start();
    let running = Program::new().recurse(&internet).toml(COPY).prepare();
    std::fs::write(running.folder().join("root.zone"), "\nrubbish\n").unwrap();
    let (code, _, stderr) = running.run(&["serve"]);
    assert!(
        code == 1 && stderr.contains("root.zone: line 2: is no record of a root zone"),
        "{code} {stderr}"
    );
}

/// A signature that does not hold: the copy is not believed, and the root's servers are asked
/// instead.
#[test]
fn a_copy_is_believed_no_further_than_its_signatures() {
    let internet = Internet::start();
    let zone = internet.root_zone();
    let forged = zone.lines().map(|line| {
        if line.starts_with("test. ") && line.contains(" DS ") {
            forge(line)
        } else {
            line.to_owned()
        }
    });
    let running = start(
        &internet,
        &(forged.collect::<Vec<_>>().join("\n") + "\n"),
        None,
    );
    until("the root's own word", Duration::from_secs(10), || {
        (told(&running, "www.good.test.", "A") == ("NOERROR".to_owned(), true)).then_some(())
    });
    assert!(internet.asked_root() > 0);
}

/// Another digest, under the old signature.
fn forge(line: &str) -> String {
    let (head, digest) = line.rsplit_once(' ').unwrap();
    format!("{head} {}", digest.chars().rev().collect::<String>())
}
