//! The probes of RFC 8906 section 8, as far as they apply to a recursive resolver, and questions
//! that are none.

use std::net::UdpSocket;
use std::time::Duration;

use hickory_proto::op::OpCode;
use hickory_proto::rr::RecordType;

use crate::kit::ask::{Client, Edns, Question, Response};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;

const ZONE: &str = "good.test.";
const AD: u16 = 0x0020;
const CD: u16 = 0x0010;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const QR: u16 = 0x8000;
const MBZ: u16 = 0x0040;
const TC: u16 = 0x0200;

/// One probe and what it must bring.
struct Probe {
    /// The section that describes it.
    section: &'static str,
    question: Vec<u8>,
    rcode: &'static str,
    /// The header's flags but for the opcode.
    flags: u16,
    /// Types in the answer section.
    answers: &'static [RecordType],
    /// Whether an OPT comes back, and with DO or without.
    opt: Option<bool>,
}

const SOA: &[RecordType] = &[RecordType::SOA];
const SIGNED_SOA: &[RecordType] = &[RecordType::SOA, RecordType::RRSIG];
const SIGNED_KEY: &[RecordType] = &[RecordType::DNSKEY, RecordType::RRSIG];

fn soa() -> Question {
    Question::new(ZONE, "SOA").without_recursion()
}

fn version_1() -> Edns {
    Edns {
        version: 1,
        ..Edns::default()
    }
}

/// Sets a bit of the OPT record's flags beside DO; the record must be the last, without options.
fn with_edns_flag(mut octets: Vec<u8>, bit: u8) -> Vec<u8> {
    let at = octets.len() - 4;
    octets[at] |= bit;
    octets
}

/// Header only, as `dig +header-only +opcode=15` sends it.
fn header_only(opcode: u8) -> Vec<u8> {
    let mut octets = soa().opcode(opcode).octets();
    octets.truncate(12);
    octets[4..].fill(0);
    octets
}

/// RFC 8906 section 8.1: basic DNS. AA is never set, since a resolver's answers are not its own.
fn basic_probes() -> Vec<Probe> {
    let probe = |section, question: Question, flags, answers| Probe {
        section,
        question: question.octets(),
        rcode: "NOERROR",
        flags: QR | RA | flags,
        answers,
        opt: None,
    };
    vec![
        probe("8.1.1", soa(), 0, SOA),
        probe(
            "8.1.2",
            Question::new(ZONE, "TYPE1000").without_recursion(),
            0,
            &[],
        ),
        probe("8.1.3.1", soa().unchecked(), CD, SOA),
        probe("8.1.3.2", soa().wanting_ad(), AD, SOA),
        probe("8.1.3.3", soa().with_flags(MBZ), 0, SOA),
        probe("8.1.3.4", soa().with_flags(RD), RD, SOA),
        Probe {
            section: "8.1.4",
            question: header_only(15),
            rcode: "NOTIMP",
            flags: QR | RA,
            answers: &[],
            opt: None,
        },
        probe("8.1.5", soa(), 0, SOA),
    ]
}

/// RFC 8906 section 8.2: extended DNS; the last is EDNS over TCP of section 3.2.7.
fn extended_probes() -> Vec<Probe> {
    let probe = |section, question: Vec<u8>| Probe {
        section,
        question,
        rcode: "NOERROR",
        flags: QR | RA,
        answers: SOA,
        opt: Some(false),
    };
    let refusal = |section, question: Vec<u8>| Probe {
        rcode: "BADVERS",
        answers: &[],
        ..probe(section, question)
    };
    let many = soa()
        .option(3, b"")
        .option(10, b"12345678")
        .option(8, &[0, 1, 0, 0])
        .option(9, b"")
        .option(12, &[0; 20]);
    let keys = Question::new(ZONE, "DNSKEY")
        .without_recursion()
        .edns(Edns {
            size: 512,
            dnssec_ok: true,
            ..Edns::default()
        });
    vec![
        probe("8.2.1", soa().edns(Edns::default()).octets()),
        refusal("8.2.2", soa().edns(version_1()).octets()),
        probe("8.2.3", soa().option(100, b"").octets()),
        probe(
            "8.2.4",
            with_edns_flag(soa().edns(Edns::default()).octets(), 0x40),
        ),
        refusal(
            "8.2.5",
            with_edns_flag(soa().edns(version_1()).octets(), 0x40),
        ),
        refusal("8.2.6", soa().edns(version_1()).option(100, b"").octets()),
        Probe {
            flags: QR | RA | AD,
            answers: SIGNED_KEY,
            opt: Some(true),
            ..probe("8.2.7", keys.octets())
        },
        Probe {
            flags: QR | RA | AD,
            answers: SIGNED_SOA,
            opt: Some(true),
            ..probe("8.2.8", soa().dnssec_ok().octets())
        },
        Probe {
            opt: Some(true),
            ..refusal("8.2.9", soa().edns(version_1()).dnssec_ok().octets())
        },
        probe("8.2.10", many.octets()),
        Probe {
            flags: QR | RA | AD,
            answers: SIGNED_KEY,
            opt: Some(true),
            ..probe("3.2.7", keys.octets())
        },
    ]
}

#[test]
fn the_probes_of_rfc_8906_are_answered_as_it_says() {
    let internet = Internet::start();
    let running = Program::new().recurse(&internet).tls().start();
    prime(&running);
    let probes: Vec<Probe> = basic_probes()
        .into_iter()
        .chain(extended_probes())
        .collect();
    assert_eq!(probes.len(), 19);
    for door in running.doors() {
        for probe in &probes {
            let octets = door
                .send(&probe.question)
                .unwrap_or_else(|| panic!("no answer to {} from {door:?}", probe.section));
            check(
                probe,
                &Response::read(octets),
                &format!("{} {door:?}", probe.section),
            );
        }
    }
}

/// The probes come without RD, so that they are answered from what is kept.
fn prime(running: &Running) {
    let client = Client::tcp(running.address());
    for kind in ["SOA", "TYPE1000", "DNSKEY"] {
        for question in [
            Question::new(ZONE, kind),
            Question::new(ZONE, kind).unchecked(),
            Question::new(ZONE, kind).dnssec_ok(),
        ] {
            assert_eq!(client.ask(&question).rcode(), "NOERROR", "{kind}");
        }
    }
}

fn check(probe: &Probe, response: &Response, at: &str) {
    let (asked, octets, message) = (&probe.question, &response.octets, &response.message);
    assert_eq!(octets[..2], asked[..2], "{at}: the id");
    assert_eq!(octets[2] & 0x78, asked[2] & 0x78, "{at}: the opcode");
    assert_eq!(response.rcode(), probe.rcode, "{at}");
    let flags = u16::from_be_bytes([octets[2], octets[3]]) & 0x87f0;
    let is_cut = flags & TC != 0;
    assert_eq!(flags, probe.flags, "{at}: the flags are {flags:04x}");
    let mut kinds: Vec<RecordType> = message
        .answers
        .iter()
        .map(|record| record.record_type())
        .collect();
    kinds.dedup();
    assert!(is_cut || kinds == probe.answers, "{at}: {kinds:?}");
    let edns = message.edns.as_ref();
    assert_eq!(
        edns.map(|edns| edns.flags().dnssec_ok),
        probe.opt,
        "{at}: DO"
    );
    assert!(
        edns.is_none_or(|edns| edns.version() == 0 && edns.flags().z == 0),
        "{at}: version 0, no flags that nobody knows"
    );
    // Padding may come with any reply over TLS; a cookie (10) only where the question has one.
    let may_have = |code: u16| code == 12 || probe.section == "8.2.10" && code == 10;
    assert!(
        response.options().iter().all(|(code, _)| may_have(*code)),
        "{at}: no option that was not asked for, nor one nobody knows"
    );
    assert_eq!(
        message.queries.len(),
        usize::from(asked[5]),
        "{at}: the question comes back"
    );
}

#[test]
fn other_opcodes_are_not_implemented() {
    let internet = Internet::start();
    let running = Program::new()
        .forward(internet.forwarder())
        .list("law", "blocked.example\n")
        .tls()
        .start();
    for door in running.doors() {
        for opcode in 1..=15 {
            for name in ["www.good.test.", "blocked.example."] {
                let response = door.ask(
                    &Question::new(name, "A")
                        .opcode(opcode)
                        .edns(Edns::default()),
                );
                assert_eq!(response.rcode(), "NOTIMP", "opcode {opcode}");
                assert_eq!(
                    (response.message.op_code, response.message.answers.len()),
                    (OpCode::from_u8(opcode), 0)
                );
            }
            let octets = door
                .send(&header_only(opcode))
                .expect("an answer to a header");
            assert_eq!(Response::read(octets).rcode(), "NOTIMP");
        }
    }
    assert_eq!(internet.asked_below("."), 0);
}

/// Changes the octets at some places of a plain question.
fn changed(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut octets = Question::new("www.good.test.", "A").octets();
    changes.iter().for_each(|(at, octet)| octets[*at] = *octet);
    octets
}

#[test]
fn what_cannot_be_read_is_a_format_error() {
    let internet = Internet::start();
    let running = Program::new().forward(internet.forwarder()).tls().start();
    let twice = [&changed(&[(5, 2)])[..], &changed(&[])[12..]].concat();
    let opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";
    let two_opts = [&changed(&[(11, 2)])[..], opt, opt].concat();
    for (what, octets) in [
        ("no question", changed(&[(5, 0)])),
        ("no question, header only", header_only(0)),
        ("two questions", twice),
        ("65,535 questions", changed(&[(4, 255), (5, 255)])),
        ("an answer that is not there", changed(&[(7, 1)])),
        ("an authority that is not there", changed(&[(9, 1)])),
        (
            "an additional record that is not there",
            changed(&[(11, 1)]),
        ),
        ("a pointer to itself", changed(&[(12, 0xc0), (13, 12)])),
        ("a label type that nobody uses", changed(&[(12, 0x43)])),
        ("a label beyond the end", changed(&[(12, 63)])),
        (
            "a name that is too long",
            Question::new("a.", "A")
                .wire_name(&[&[1, b'a'].repeat(127)[..], &[1, b'b', 0]].concat())
                .octets(),
        ),
        ("two OPT records", two_opts),
    ] {
        for door in running.doors() {
            let reply = door
                .send(&octets)
                .unwrap_or_else(|| panic!("{what}: no answer from {door:?}"));
            assert_eq!(
                (&reply[..2], reply[2] & 0x80, reply[3] & 0x0f),
                (&octets[..2], 0x80, 1),
                "{what}: {door:?}"
            );
            assert!(Response::read(reply).message.answers.is_empty());
        }
    }
    let cookie = Question::new("www.good.test.", "A").option(10, b"short");
    assert_eq!(
        Client::udp(running.address()).ask(&cookie).rcode(),
        "FORMERR"
    );
    assert_eq!(internet.asked_below("."), 0);
}

/// 255 octets are the most (RFC 1035 section 3.1).
#[test]
fn the_longest_name_is_answered_and_no_longer_one() {
    let running = Program::new()
        .list("law", "blocked.example\n")
        .tls()
        .start();
    let name = |first: usize| {
        let labels = [first, 63, 63, 46]
            .map(|length| "x".repeat(length))
            .join(".");
        Question::new(&format!("{labels}.blocked.example."), "A").edns(Edns::default())
    };
    // Beside the first label's own octets: its length, two labels of 64 octets, one of 47, and the
    // entry's 17.
    let (longest, too_long) = (name(62), name(63));
    for door in running.doors() {
        assert_eq!(door.ask(&longest).message.answers.len(), 1);
        assert_eq!(door.ask(&too_long).rcode(), "FORMERR");
    }
}

#[test]
fn replies_and_shreds_meet_silence() {
    let running = Program::new().list("law", "blocked.example\n").start();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(8)))
        .expect("a deadline");
    let whole = Question::new("blocked.example.", "A");
    for length in 0..12 {
        socket
            .send_to(&whole.octets()[..length], running.address())
            .expect("loopback");
    }
    for opcode in 0..16 {
        socket
            .send_to(
                &whole.clone().with_flags(QR).opcode(opcode).octets(),
                running.address(),
            )
            .expect("loopback");
    }
    let last = Question::new("blocked.example.", "AAAA");
    socket
        .send_to(&last.octets(), running.address())
        .expect("loopback");
    // One socket at the door takes one client's packets in their order, so what comes first is all
    // that comes.
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer).expect("a reply");
    assert_eq!(
        Response::read(buffer[..length].to_vec()).message.id,
        last.id
    );
}

/// The generator of Marsaglia's xorshift family: enough to spread mutations, and the same
/// everywhere.
struct Luck(u64);

impl Luck {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }

    /// Overwrites, cuts, repeats or lengthens, one to four times.
    fn mutate(&mut self, octets: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(octets.len().max(1));
            match self.below(6) {
                _ if octets.is_empty() => octets.push(0),
                0 => octets.truncate(at),
                1 => octets.extend_from_within(at..),
                2 => octets.insert(at, self.below(256) as u8),
                3 => octets[at] = [0, 1, 0x29, 0x3f, 0x40, 0xc0, 0xff][self.below(7)],
                4 => octets[at] ^= 1 << self.below(8),
                _ => octets[at] = self.below(256) as u8,
            }
        }
    }
}

#[test]
fn twenty_thousand_broken_questions_do_no_harm() {
    let seed = getrandom::u64().expect("randomness") | 1;
    println!("seed {seed}");
    let mut luck = Luck(seed);
    let internet = Internet::start();
    let running = Program::new()
        .forward(internet.forwarder())
        .list("law", "blocked.example\n")
        .toml("[limits]\nudp_replies_per_s = 0\n")
        .start();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    socket.connect(running.address()).expect("loopback");
    let (good, client) = (
        Question::new("www.good.test.", "A"),
        Client::udp(running.address()),
    );
    let models: Vec<Vec<u8>> = [
        Question::new("blocked.example.", "A")
            .dnssec_ok()
            .option(10, b"12345678")
            .option(12, &[0; 9]),
        Question::new("a.b.c.d.e.f.blocked.example.", "HTTPS"),
        good.clone().edns(Edns::default()),
        Question::new("version.bind.", "TXT").class(3),
    ]
    .iter()
    .map(Question::octets)
    .collect();
    for round in 0..200 {
        for _ in 0..100 {
            let mut octets = models[luck.below(models.len())].clone();
            luck.mutate(&mut octets);
            socket.send(&octets).expect("loopback");
        }
        let response = client.ask(&good);
        assert_eq!(
            response.answers(),
            ["www.good.test. A 198.51.100.11"],
            "after round {round} of seed {seed}"
        );
    }
    let blocked = client.ask(&Question::new("blocked.example.", "A"));
    assert_eq!(
        blocked.answers(),
        ["blocked.example. A 192.0.2.1"],
        "seed {seed}"
    );
    assert!(
        !running.stderr().contains("panic"),
        "seed {seed}:\n{}",
        running.stderr()
    );
}
