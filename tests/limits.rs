//! What one client may have: every kind of reply counts, a household is one client, and networks
//! have limits of their own.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use crate::kit::ask::{Client, Connection, Edns, Question};
use crate::kit::program::Program;
use crate::kit::running::Running;

/// Says for whom it comes, so that clients may have any address.
const BALANCER: [u8; 4] = [127, 0, 9, 1];
const CLIENTS: &str = "[listen]\nbalancers = [\"127.0.9.0/24\"]\n[clients]\nallow = \
                       [\"127.0.0.0/8\", \"192.0.2.0/24\", \"2001:db8::/32\"]\n";
const ALLOWED: &str = "192.0.2.1";
const STRANGER: &str = "203.0.113.1";
const FLOOD: usize = 60;

fn program(limits: &str) -> Program {
    Program::new()
        .list("law", "listed.example\n")
        .toml(CLIENTS)
        .toml(limits)
}

/// The PROXY protocol's header (version 2) of a connection, or a datagram, from `client`.
fn proxied(client: &str, is_udp: bool) -> Vec<u8> {
    let (family, addresses) = match client.parse().expect("an address") {
        IpAddr::V4(client) => (0x10, [client.octets(), BALANCER].concat()),
        IpAddr::V6(client) => (0x20, [client.octets(), [1; 16]].concat()),
    };
    let kind = family | if is_udp { 2 } else { 1 };
    let signature = b"\r\n\r\n\0\r\nQUIT\n\x21";
    let length = [0, addresses.len() as u8 + 4];
    [
        &signature[..],
        &[kind],
        &length,
        &addresses,
        &[0x30, 0x39, 0, 53],
    ]
    .concat()
}

/// How many replies, and truncated ones among them, `client` gets to a flood of one question.
fn flood(running: &Running, client: &str, question: &[u8]) -> (usize, usize) {
    let socket = UdpSocket::bind((Ipv4Addr::from(BALANCER), 0)).expect("a UDP socket");
    socket.connect(running.address()).expect("loopback");
    let silence = Duration::from_millis(300);
    socket.set_read_timeout(Some(silence)).expect("a deadline");
    let datagram = [&proxied(client, true), question].concat();
    for _ in 0..FLOOD {
        socket.send(&datagram).expect("room");
    }
    let (mut replies, mut truncated, mut buffer) = (0, 0, [0; 1500]);
    while let Ok(length) = socket.recv(&mut buffer) {
        assert!(length >= 12);
        replies += 1;
        truncated += usize::from(buffer[2] & 2 != 0);
    }
    (replies, truncated)
}

/// Every kind of reply that is made at once, with who gets it and with what code.
fn kinds() -> Vec<(&'static str, &'static str, Vec<u8>, &'static str)> {
    let plain = |name| Question::new(name, "A");
    let version_1 = Edns {
        version: 1,
        ..Edns::default()
    };
    let mut short = plain("listed.example.").octets();
    short.pop();
    vec![
        (
            "blocked",
            ALLOWED,
            plain("listed.example.").octets(),
            "NOERROR",
        ),
        ("own", ALLOWED, plain("localhost.").octets(), "NOERROR"),
        (
            "ANY",
            ALLOWED,
            Question::new("listed.example.", "ANY").octets(),
            "NOERROR",
        ),
        (
            "RD=0",
            ALLOWED,
            plain("www.example.").without_recursion().octets(),
            "REFUSED",
        ),
        (
            "AXFR",
            ALLOWED,
            Question::new("www.example.", "AXFR").octets(),
            "REFUSED",
        ),
        (
            "class",
            ALLOWED,
            plain("www.example.").class(4).octets(),
            "REFUSED",
        ),
        (
            "opcode",
            ALLOWED,
            plain("listed.example.").opcode(2).octets(),
            "NOTIMP",
        ),
        ("cut short", ALLOWED, short.clone(), "FORMERR"),
        (
            "EDNS version",
            ALLOWED,
            plain("www.example.").edns(version_1).octets(),
            "BADVERS",
        ),
        (
            "stranger",
            STRANGER,
            plain("listed.example.").octets(),
            "REFUSED",
        ),
        (
            "stranger's opcode",
            STRANGER,
            plain("www.example.").opcode(4).octets(),
            "NOTIMP",
        ),
        ("stranger's cut short", STRANGER, short, "FORMERR"),
    ]
}

/// A reflector is of use with any reply: error or not, to a customer or to a stranger (from 2026:
/// REFUSED, FORMERR and NOTIMP went out without limit).
#[test]
fn every_kind_of_reply_is_held_to_the_rate() {
    let exempt = "[limits]\nudp_replies_per_s = 10\nslip = 0\n[[limits.network]]\nnetworks = \
                  [\"192.0.2.0/24\", \"203.0.113.0/24\"]\nexempt = true\n";
    for (limits, least, most) in [
        ("[limits]\nudp_replies_per_s = 10\nslip = 0\n", 10, 25),
        (exempt, FLOOD, FLOOD),
    ] {
        for (kind, client, question, code) in kinds() {
            // Each kind of reply starts with a full rate.
            let running = program(limits).start();
            let asked = Client::udp(running.address())
                .source(BALANCER)
                .preface(&proxied(client, true));
            let reply = asked.send(&question).expect("a reply");
            let reply = crate::kit::ask::Response::read(reply);
            assert_eq!(reply.rcode(), code, "{kind}");
            let begun = Instant::now();
            let (replies, _) = flood(&running, client, &question);
            // A busy machine takes longer to send them.
            let most = most + 10 * begun.elapsed().as_secs() as usize;
            assert!(
                (least - 1..=most).contains(&replies),
                "{kind}: {replies} replies of {FLOOD}"
            );
        }
    }
}

/// "Ask again over TCP" is of no use to whom TCP would say the same.
#[test]
fn errors_slip_through_as_they_are() {
    let running = program("[limits]\nudp_replies_per_s = 1\nslip = 2\n").start();
    for (kind, client, question, code) in kinds() {
        let (replies, truncated) = flood(&running, client, &question);
        assert!(
            (FLOOD / 4..FLOOD).contains(&replies),
            "{kind}: {replies} replies"
        );
        let stays = client == STRANGER || matches!(kind, "opcode" | "cut short");
        assert_eq!(truncated == 0, stays, "{kind} ({code}): {truncated}");
    }
}

/// Whether a client gets in over TCP, and the connection, which stays open.
fn connect(running: &Running, client: &str) -> Option<Connection> {
    let asking = Client::tcp(running.address())
        .source(BALANCER)
        .preface(&proxied(client, false));
    let mut connection = asking.connect();
    connection.send(&Question::new("listed.example.", "A").octets());
    connection.receive().map(|_| connection)
}

/// One customer held all places from 40 /64s of its /56.
#[test]
fn a_household_has_one_share_of_the_connections() {
    let limits = "[limits]\nconnections = 30\nconnections_per_address = 5\n[[limits.network]]\n\
                  networks = [\"2001:db8:0:7700::/56\"]\nconnections_per_address = 9\n\
                  [[limits.network]]\nnetworks = [\"2001:db8:0:7701::/64\"]\nexempt = true\n";
    let running = program(limits).start();
    let held = |prefix: u16| -> Vec<Connection> {
        (0..40)
            .filter_map(|subnet| connect(&running, &format!("2001:db8:0:{:x}::1", prefix + subnet)))
            .collect()
    };
    let household = held(0x100);
    assert_eq!(household.len(), 5);
    let neighbour = connect(&running, "2001:db8:0:200::1");
    assert!(neighbour.is_some());
    drop((household, neighbour));
    let others = held(0x7700);
    assert_eq!(others.len(), 9 + 1, "and the exempt /64 beside them");
    let exempt: Vec<_> = (0..12)
        .filter_map(|_| connect(&running, "2001:db8:0:7701::2"))
        .collect();
    assert_eq!(exempt.len(), 12);
    drop((others, exempt));
    let here: Vec<_> = (0..12)
        .filter_map(|_| {
            let mut connection = Client::tcp(running.address()).connect();
            connection.send(&Question::new("listed.example.", "A").octets());
            connection.receive().map(|_| connection)
        })
        .collect();
    assert_eq!(here.len(), 12, "loopback is exempt");
}

/// The questions of `client` that are brought to a resolver that is silent.
fn waiting(limits: &str, clients: impl Iterator<Item = String>) -> usize {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP socket");
    let patient =
        "[resolve]\npatience_ms = 6000\n[resolve.forward]\ntimeout_ms = 6000\nattempts = 1\n";
    let running = program(limits)
        .forward(silent.local_addr().expect("an address"))
        .toml(patient)
        .start();
    let socket = UdpSocket::bind((Ipv4Addr::from(BALANCER), 0)).expect("a UDP socket");
    socket.connect(running.address()).expect("loopback");
    for (nth, client) in clients.enumerate() {
        let question = Question::new(&format!("r{nth}.silent.test."), "A").octets();
        let datagram = [proxied(&client, true), question].concat();
        socket.send(&datagram).expect("room");
    }
    let quiet = Duration::from_millis(700);
    silent.set_read_timeout(Some(quiet)).expect("a deadline");
    let (mut names, mut buffer) = (HashSet::new(), [0; 1500]);
    while let Ok(length) = silent.recv(&mut buffer) {
        names.insert(buffer[12..length].to_ascii_lowercase());
    }
    names.len()
}

#[test]
fn a_household_has_one_share_of_the_waiting_questions() {
    let household = || (0..40).map(|subnet| format!("2001:db8:0:{:x}::1", 0x100 + subnet));
    let limits = "[limits]\nwaiting = 1000\nwaiting_per_client = 7\n";
    assert_eq!(waiting(limits, household()), 7);
    let exempt = "[[limits.network]]\nnetworks = [\"2001:db8:0:100::/56\"]\n";
    let more = format!("{limits}{exempt}waiting_per_client = 9\n");
    assert_eq!(waiting(&more, household()), 9);
    let exempt = format!("{limits}{exempt}exempt = true\n");
    assert_eq!(waiting(&exempt, household()), 40);
}
