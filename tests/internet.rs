//! Shows that the tests' internet serves what its table says, and is broken exactly where it should
//! be.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::dnssec::{DigestType, Verifier};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::kit::ask::{Client, Edns, Question, Response, ask};
use crate::kit::internet::{Internet, SLOW, expected_answers};

#[test]
fn it_starts_at_once_and_beside_others() {
    let begun = Instant::now();
    let (one, other) = (Internet::start(), Internet::start());
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    for internet in [&one, &other] {
        let response = ask(internet.authority("good.test."), "www.good.test.", "A");
        assert_eq!(response.answers(), ["www.good.test. A 198.51.100.11"]);
        assert!(response.message.authoritative);
    }
    drop(one);
    ask(other.authority("good.test."), "www.good.test.", "A");
}

#[test]
fn the_hints_and_the_anchor_are_true() {
    let internet = Internet::start();
    let hints = internet.root_hints();
    let (_, address) = hints.trim_end().rsplit_once(' ').expect("an address");
    let root = SocketAddr::new(address.parse().expect("an address"), internet.port());
    assert_eq!(root, internet.authority("."));
    let keys = Client::udp(root).ask(&Question::new(".", "DNSKEY").dnssec_ok());
    assert_eq!(
        format!("{}\n", keys.message.answers[0]),
        internet.trust_anchor()
    );
}

#[test]
fn a_referral_carries_glue_and_ds() {
    let internet = Internet::start();
    let referral = Client::udp(internet.authority("test."))
        .ask(&Question::new("www.good.test.", "A").dnssec_ok());
    assert!(!referral.message.authoritative && referral.message.answers.is_empty());
    let message = &referral.message;
    let signed = [RecordType::NS, RecordType::DS, RecordType::RRSIG]
        .iter()
        .all(|kind| referral.has(&message.authorities, *kind));
    assert!(signed, "{:?}", message.authorities);
    let glue: Vec<SocketAddr> = message
        .additionals
        .iter()
        .filter_map(|record| glue_address(record, internet.port()))
        .collect();
    assert_eq!(glue, internet.authorities("good.test."));

    let unsigned = Client::udp(internet.authority("test."))
        .ask(&Question::new("www.plain.test.", "A").dnssec_ok());
    assert!(
        unsigned.has(&unsigned.message.authorities, RecordType::NSEC),
        "the proof that there is no DS"
    );
    let plainly = ask(internet.authority("test."), "www.good.test.", "A");
    assert!(
        !plainly.has(&plainly.message.authorities, RecordType::DS),
        "no DNSSEC without DO"
    );
}

#[test]
fn signatures_hold_where_they_should() {
    let internet = Internet::start();
    for (zone, question, kind, holds) in [
        (".", "test.", "DS", true),
        ("test.", "good.test.", "DS", true),
        ("good.test.", "www.good.test.", "A", true),
        ("good.test.", "missing.good.test.", "A", true),
        ("wild.test.", "any.wild.test.", "A", true),
        ("blocked.example.", "blocked.example.", "HTTPS", true),
        ("bogus.test.", "bogus.test.", "DNSKEY", true),
        ("bogus.test.", "www.bogus.test.", "A", false),
        ("bogus.test.", "missing.bogus.test.", "A", false),
    ] {
        let client = Client::tcp(internet.authority(zone));
        let key = dnskey(&client.ask(&Question::new(zone, "DNSKEY").dnssec_ok()));
        let response = client.ask(&Question::new(question, kind).dnssec_ok());
        let records = [response.message.answers, response.message.authorities].concat();
        let signatures: Vec<(&Record, &RRSIG)> = records
            .iter()
            .filter_map(|record| Some((record, signature(record)?)))
            .collect();
        assert!(!signatures.is_empty(), "{question} {kind}");
        for (record, signature) in signatures {
            let covered = signature.input().type_covered;
            let set = records
                .iter()
                .filter(|other| other.name == record.name && other.record_type() == covered);
            let verified = key
                .verify_rrsig(&record.name, DNSClass::IN, signature, set)
                .is_ok();
            assert_eq!(verified, holds, "{question} {kind}: {record}");
        }
    }
}

#[test]
fn each_zone_is_wrong_in_its_own_way() {
    let internet = Internet::start();
    let now_s = jiff::Timestamp::now().as_second() as u32;
    for (zone, signatures, running, ds_fits) in [
        ("good.test.", true, true, true),
        ("bogus.test.", true, true, true),
        ("expired.test.", true, false, true),
        ("nosig.test.", false, true, true),
        ("wrongds.test.", true, true, false),
    ] {
        let www = Client::udp(internet.authority(zone))
            .ask(&Question::new(&format!("www.{zone}"), "A").dnssec_ok());
        let found: Vec<&RRSIG> = www.message.answers.iter().filter_map(signature).collect();
        assert_eq!(!found.is_empty(), signatures, "{zone}");
        assert!(
            found
                .iter()
                .all(|rrsig| (rrsig.input().sig_expiration.get() > now_s) == running),
            "{zone}"
        );
        let key = dnskey(
            &Client::udp(internet.authority(zone)).ask(&Question::new(zone, "DNSKEY").dnssec_ok()),
        );
        let parent =
            Client::udp(internet.authority("test.")).ask(&Question::new(zone, "DS").dnssec_ok());
        let ds = parent
            .message
            .answers
            .iter()
            .find_map(delegation_signer)
            .expect("a DS");
        let digest = key
            .to_digest(&Name::from_ascii(zone).expect("a name"), DigestType::SHA256)
            .expect("a digest");
        assert_eq!(ds.digest() == digest.as_ref(), ds_fits, "{zone}");
    }
    let unsigned = Client::udp(internet.authority("plain.test."))
        .ask(&Question::new("www.plain.test.", "A").dnssec_ok());
    assert!(
        unsigned
            .message
            .answers
            .iter()
            .all(|record| record.record_type() == RecordType::A)
    );
}

/// Asks from the root down as a resolver does, alias by alias, and compares with the table.
#[test]
fn the_table_is_what_the_authorities_say() {
    let internet = Internet::start();
    for expected in expected_answers() {
        if expected.note.contains("both servers are silent") || expected.name.starts_with("loop.") {
            continue;
        }
        let (answers, rcode) = walk(&internet, &expected.name, &expected.kind);
        let mut wanted = expected.answer.clone();
        wanted.sort();
        // Authorities do not validate: where a resolver must fail, they answer.
        if expected.rcode != "SERVFAIL" {
            assert_eq!(
                (answers, rcode),
                (wanted, expected.rcode.clone()),
                "{expected:?}"
            );
        }
    }
}

#[test]
fn the_forwarder_gives_the_table() {
    let internet = Internet::start();
    let (udp, tcp) = (
        Client::udp(internet.forwarder()),
        Client::tcp(internet.forwarder()),
    );
    for expected in expected_answers() {
        let question = Question::new(&expected.name, &expected.kind).dnssec_ok();
        for client in [&udp, &tcp] {
            let response = client.ask(&question);
            let mut wanted = expected.answer.clone();
            wanted.sort();
            assert_eq!(
                (response.rcode(), response.answers()),
                (expected.rcode.clone(), wanted),
                "{expected:?}"
            );
            assert_eq!(response.message.authentic_data, expected.ad, "{expected:?}");
            assert!(response.message.recursion_available && !response.message.authoritative);
        }
    }
    let unchecked = udp.ask(&Question::new("www.bogus.test.", "A").unchecked());
    assert_eq!(unchecked.answers(), ["www.bogus.test. A 198.51.100.40"]);
    assert_eq!(
        internet.forwarded("www.good.test.", "A"),
        2,
        "the forwarders' questions are counted apart"
    );
    assert_eq!(
        internet.asked("www.good.test.", "A"),
        0,
        "and no authority is asked"
    );
}

#[test]
fn a_long_answer_needs_tcp() {
    let internet = Internet::start();
    let authority = internet.authority("good.test.");
    for size in [512, 1232, 4096] {
        let question = Question::new("big.good.test.", "TXT").edns(Edns {
            size,
            ..Edns::default()
        });
        let cut = Client::udp(authority).ask(&question);
        assert!(cut.message.truncation && cut.message.answers.is_empty());
        let whole = Client::tcp(authority).ask(&question);
        assert!(!whole.message.truncation && whole.octets.len() > 1232);
    }
    assert_eq!(internet.asked("big.good.test.", "TXT"), 6);
}

#[test]
fn poor_servers_are_poor() {
    let internet = Internet::start();
    let soon = Duration::from_millis(100);
    let question = Question::new("www.halfdead.test.", "A");
    let servers = internet.authorities("halfdead.test.");
    assert!(
        Client::udp(servers[0])
            .patience(soon)
            .try_ask(&question)
            .is_none()
    );
    assert!(
        Client::tcp(servers[0])
            .patience(soon)
            .try_ask(&question)
            .is_none()
    );
    assert_eq!(
        Client::udp(servers[1]).ask(&question).answers(),
        ["www.halfdead.test. A 198.51.100.60"]
    );
    assert_eq!(
        internet.asked("www.halfdead.test.", "A"),
        3,
        "the silent server counts too"
    );
    for server in internet
        .authorities("silent.test.")
        .into_iter()
        .chain([internet.forwarder_silent()])
    {
        assert!(
            Client::udp(server)
                .patience(soon)
                .try_ask(&question)
                .is_none()
        );
    }
    let absent = internet.authorities("closed.test.")[0];
    assert!(
        Client::udp(absent).try_ask(&question).is_none(),
        "an ICMP error, not a time-out"
    );
    assert!(std::net::TcpStream::connect(absent).is_err());
    let begun = Instant::now();
    let slow = [internet.authority("slow.test."), internet.forwarder_slow()]
        .map(|at| ask(at, "www.slow.test.", "A").answers());
    assert!(
        slow.iter()
            .all(|answers| *answers == ["www.slow.test. A 198.51.100.65"])
            && begun.elapsed() >= 2 * SLOW
    );
    assert_eq!(
        ask(internet.forwarder_failing(), "www.good.test.", "A").rcode(),
        "SERVFAIL"
    );
    let refusing = ask(
        internet.authorities("refused.test.")[0],
        "www.refused.test.",
        "A",
    );
    assert_eq!(refusing.message.response_code, ResponseCode::Refused);
}

#[test]
fn questions_are_counted() {
    let internet = Internet::start();
    assert_eq!(internet.asked("www.good.test.", "A"), 0);
    let servers = internet.authorities("good.test.");
    ask(servers[0], "www.good.test.", "A");
    ask(servers[1], "WwW.GooD.TeST.", "A");
    ask(servers[0], "www.good.test.", "AAAA");
    ask(internet.authority("test."), "www.good.test.", "A");
    ask(internet.authority("test."), "good.test.", "DS");
    assert_eq!(
        internet.asked("www.good.test.", "A"),
        2,
        "the zone's own servers"
    );
    assert_eq!(
        internet.asked("good.test.", "DS"),
        1,
        "a DS is asked above the cut"
    );
    assert_eq!(internet.asked_below("good.test."), 5, "everybody");
    assert_eq!(internet.asked_below("blocked.example."), 0);
    internet.forget();
    assert_eq!(internet.asked_below("."), 0);
}

#[test]
fn several_questions_go_down_one_connection() {
    let internet = Internet::start();
    let questions: Vec<Question> = (0..20)
        .map(|_| Question::new("www.good.test.", "A"))
        .collect();
    let responses = Client::tcp(internet.authority("good.test."))
        .source([127, 0, 9, 1])
        .pipeline(&questions);
    let ids: Vec<u16> = responses
        .iter()
        .map(|response| response.message.id)
        .collect();
    assert_eq!(
        ids,
        questions
            .iter()
            .map(|question| question.id)
            .collect::<Vec<_>>()
    );
}

/// A TLS server of a few lines shows that the client and the demonstration certificate belong
/// together.
#[test]
fn the_client_speaks_tls() {
    let internet = Internet::start();
    let chain = vec![
        CertificateDer::from_pem_slice(include_bytes!("cases/tls/cert.pem")).expect("cert.pem"),
    ];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("cases/tls/key.pem")).expect("key.pem");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions");
    let config = Arc::new(
        versions
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate and its key"),
    );
    let listener = TcpListener::bind("127.0.0.1:0").expect("a TCP socket");
    let at = listener.local_addr().expect("an address");
    let question = Question::new("www.good.test.", "A");
    let (length, upstream) = (question.octets().len(), Client::udp(internet.forwarder()));
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut stream =
            StreamOwned::new(ServerConnection::new(config).expect("a session"), stream);
        let mut message = vec![0; 2 + length];
        stream.read_exact(&mut message).expect("a question");
        let reply = upstream.send(&message[2..]).expect("a reply");
        stream
            .write_all(&[&(reply.len() as u16).to_be_bytes()[..], &reply].concat())
            .expect("a client that waits");
    });
    assert_eq!(
        Client::tls(at).ask(&question).answers(),
        ["www.good.test. A 198.51.100.11"]
    );
    server.join().expect("the server");
}

/// The answers a resolver would gather without a cache, and the last rcode.
fn walk(internet: &Internet, question: &str, kind: &str) -> (Vec<String>, String) {
    let (mut at, mut answers, mut server) = (question.to_owned(), vec![], internet.authority("."));
    for _ in 0..20 {
        let response = ask(server, &at, kind);
        let message = &response.message;
        if let Some(ns) = message
            .authorities
            .iter()
            .find(|record| !message.authoritative && record.record_type() == RecordType::NS)
        {
            let zone = ns.name.to_string();
            let glue: Vec<SocketAddr> = message
                .additionals
                .iter()
                .filter_map(|record| glue_address(record, internet.port()))
                .collect();
            let wanted = if zone == "outside.test." {
                vec![]
            } else {
                internet.authorities(&zone)
            };
            assert_eq!(glue, wanted, "glue of {zone}");
            server = internet.authority(&zone);
            continue;
        }
        assert!(message.authoritative, "{at} {kind} at {server}");
        answers.extend(response.answers());
        let aliases: HashMap<String, String> = message.answers.iter().filter_map(alias).collect();
        let mut end = at.clone();
        while let Some(target) = aliases.get(&end) {
            end.clone_from(target);
        }
        let settled = kind == "CNAME"
            || answers
                .iter()
                .any(|line| line.starts_with(&format!("{end} {kind} ")));
        if settled || end == at || !message.authorities.is_empty() {
            answers.sort();
            return (answers, response.rcode());
        }
        (at, server) = (end, internet.authority("."));
    }
    panic!("{question} {kind} leads nowhere");
}

fn glue_address(record: &Record, port: u16) -> Option<SocketAddr> {
    match &record.data {
        RData::A(address) => Some(SocketAddr::new(address.0.into(), port)),
        _ => None,
    }
}

fn alias(record: &Record) -> Option<(String, String)> {
    match &record.data {
        RData::CNAME(cname) => Some((record.name.to_lowercase().to_string(), cname.0.to_string())),
        _ => None,
    }
}

fn signature(record: &Record) -> Option<&RRSIG> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) => Some(rrsig),
        _ => None,
    }
}

fn dnskey(response: &Response) -> DNSKEY {
    let key = response
        .message
        .answers
        .iter()
        .find_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key.clone()),
            _ => None,
        });
    key.expect("a DNSKEY")
}

fn delegation_signer(record: &Record) -> Option<&DS> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DS(ds)) => Some(ds),
        _ => None,
    }
}
