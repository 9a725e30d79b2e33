//! Shows what the doors do by themselves: cookies, keepalive, padding, balancers, and thousands of
//! silent connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::kit::ask::{Client, Edns, Question, Response, ask};
use crate::kit::internet::Internet;
use crate::kit::program::Program;

const COOKIE: u16 = 10;
const KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;
const OWN: &[u8] = b"client!!";
/// Nobody waits longer for what is not to come.
const SHORT: Duration = Duration::from_millis(300);

fn value(response: &Response, code: u16) -> Option<Vec<u8>> {
    response
        .options()
        .into_iter()
        .find(|(at, _)| *at == code)
        .map(|(_, value)| value)
}

/// Every kind of reply: blocked, our own, from outside, from the cache, refused.
const KINDS: [(&str, &str); 5] = [
    ("listed.example.", "A"),
    ("localhost.", "A"),
    ("www.good.test.", "A"),
    ("www.good.test.", "A"),
    ("www.good.test.", "AXFR"),
];

#[test]
fn whoever_brings_back_a_cookie_is_not_held_to_the_rate() {
    let internet = Internet::start();
    let limits = "[limits]\nudp_replies_per_s = 10\nslip = 0\n[[limits.network]]\nnetworks = \
                  [\"127.0.0.0/8\"]\nexempt = false\n";
    let running = Program::new()
        .forward(internet.forwarder())
        .list("law", "listed.example\n")
        .toml(limits)
        .start();
    let client = Client::udp(running.address()).patience(SHORT);
    let mut cookies = KINDS.map(|(name, kind)| {
        let response = client.ask(&Question::new(name, kind).option(COOKIE, OWN));
        value(&response, COOKIE).unwrap_or_else(|| panic!("no cookie for {name} {kind}"))
    });
    for cookie in &cookies {
        assert_eq!((cookie.len(), cookie.starts_with(OWN)), (24, true));
    }
    let question = |cookie: &[u8]| Question::new("listed.example.", "A").option(COOKIE, cookie);
    let answered = |cookie: &[u8]| {
        (0..40)
            .filter(|_| {
                client
                    .clone()
                    .patience(Duration::from_millis(50))
                    .try_ask(&question(cookie))
                    .is_some()
            })
            .count()
    };
    assert!(answered(OWN) < 30, "the rate holds without");
    assert_eq!(answered(&cookies[0]), 40);
    *cookies[0].last_mut().unwrap() ^= 1;
    assert!(answered(&cookies[0]) < 30, "a forged one is none");
    let another = client.source([127, 0, 77, 1]);
    assert_eq!(
        another
            .ask(&Question::new("listed.example.", "A").option(COOKIE, b"short"))
            .rcode(),
        "FORMERR",
        "RFC 7873 section 5.2.2"
    );
}

#[test]
fn cookies_stay_within_what_the_client_takes_and_can_be_switched_off() {
    let internet = Internet::start();
    let running = Program::new().forward(internet.forwarder()).start();
    // 512 octets are not enough for the text; the truncated reply has room for the cookie.
    let big = Question::new("big.good.test.", "TXT")
        .edns(Edns {
            size: 512,
            ..Edns::default()
        })
        .option(COOKIE, OWN);
    let response = Client::udp(running.address()).ask(&big);
    assert!(
        response.message.truncation
            && response.octets.len() <= 512
            && value(&response, COOKIE).is_some()
    );
    for client in [
        Client::tcp(running.address()),
        Client::udp(running.address()),
    ] {
        assert!(
            value(&client.ask(&Question::new("www.good.test.", "A")), COOKIE).is_none(),
            "unasked"
        );
    }
    assert!(
        value(
            &Client::tcp(running.address())
                .ask(&Question::new("www.good.test.", "A").option(COOKIE, OWN)),
            COOKIE
        )
        .is_some()
    );
    let without = Program::new()
        .forward(internet.forwarder())
        .toml("[limits]\ncookies = false\n")
        .start();
    assert!(
        value(
            &Client::udp(without.address())
                .ask(&Question::new("www.good.test.", "A").option(COOKIE, OWN)),
            COOKIE
        )
        .is_none()
    );
}

/// Resolvers behind one address share the secret; it is read at the start.
#[test]
fn a_shared_secret_makes_cookies_that_others_believe() {
    let secret = "[limits]\ncookie_secrets = \"secrets\"\nudp_replies_per_s = 10\nslip = 0\n\
                  [[limits.network]]\nnetworks = [\"127.0.0.0/8\"]\nexempt = false\n";
    let refused = Program::new().toml(secret).prepare();
    std::fs::write(refused.folder().join("secrets"), "no secret").unwrap();
    let (code, _, stderr) = refused.run(&["serve"]);
    assert!(
        code == 1 && stderr.contains("secrets: has a line that is none: write one or two secrets"),
        "{code} {stderr}"
    );
    let [one, other] = [0, 1].map(|_| {
        let mut running = Program::new()
            .list("law", "listed.example\n")
            .toml(secret)
            .prepare();
        std::fs::write(
            running.folder().join("secrets"),
            "00112233445566778899aabbccddeeff\n",
        )
        .unwrap();
        running.restart();
        running
    });
    let question = |cookie: &[u8]| Question::new("listed.example.", "A").option(COOKIE, cookie);
    let cookie = value(&Client::udp(one.address()).ask(&question(OWN)), COOKIE).unwrap();
    (0..40).for_each(|_| drop(Client::udp(other.address()).ask(&question(&cookie))));
}

#[test]
fn keepalive_is_told_on_connections_and_padding_over_tls() {
    let internet = Internet::start();
    let running = Program::new()
        .forward(internet.forwarder())
        .list("law", "listed.example\n")
        .tls()
        .start();
    for (name, kind) in KINDS {
        let plain = Question::new(name, kind)
            .option(KEEPALIVE, b"")
            .option(PADDING, &[0; 20]);
        let over_tcp = Client::tcp(running.address()).ask(&plain);
        assert_eq!(
            (value(&over_tcp, KEEPALIVE), value(&over_tcp, PADDING)),
            (Some(vec![0, 100]), None),
            "{name} {kind}"
        );
        let over_tls = Client::tls(running.tls_address()).ask(&plain);
        assert_eq!(
            (value(&over_tls, KEEPALIVE), over_tls.octets.len() % 468),
            (Some(vec![0, 100]), 0),
            "{name} {kind}"
        );
        let unasked = Client::tls(running.tls_address())
            .ask(&Question::new(name, kind).edns(Edns::default()));
        assert_eq!(
            (value(&unasked, KEEPALIVE), value(&unasked, PADDING)),
            (None, None)
        );
        let over_udp = Client::udp(running.address()).ask(&plain);
        assert_eq!(
            (value(&over_udp, KEEPALIVE), value(&over_udp, PADDING)),
            (None, None),
            "RFC 7828 section 3.2.1"
        );
    }
    // Many on one connection, those from outside among them.
    let questions: Vec<Question> = KINDS
        .iter()
        .map(|(name, kind)| Question::new(name, kind).option(PADDING, b""))
        .collect();
    for reply in Client::tls(running.tls_address()).pipeline(&questions) {
        assert_eq!(reply.octets.len() % 468, 0);
    }
}

/// Structured DNS errors are for those who ask, and for nobody on the way
/// (draft-ietf-dnsop-structured-dns-error).
#[test]
fn programs_are_told_why_over_tls() {
    const STRUCTURED: u16 = 26;
    let contact = "contact = [\"mailto:office@authority.example\"]\n";
    let running = Program::new()
        .list_with("law", "listed.example\n", contact)
        .tls()
        .start();
    let question = Question::new("listed.example.", "A").option(STRUCTURED, b"");
    let told = Client::tls(running.tls_address()).ask(&question);
    let json = concat!(
        r#"{"c":["mailto:office@authority.example"],"j":"Example Act, section 1","#,
        r#""o":"Authority of law","l":"en"}"#
    );
    assert_eq!(
        (
            told.rcode().as_str(),
            told.answers().len(),
            told.extended_errors()
        ),
        ("NOERROR", 0, vec![(16, json.to_owned())])
    );
    for door in [
        Client::udp(running.address()),
        Client::tcp(running.address()),
    ] {
        assert_eq!(
            door.ask(&question).answers(),
            ["listed.example. A 192.0.2.1"]
        );
    }
}

fn proxied(client: [u8; 4]) -> Vec<u8> {
    [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c"[..],
        &client,
        &[127, 0, 0, 1, 0x30, 0x39, 0, 53],
    ]
    .concat()
}

#[test]
fn a_balancer_says_for_whom_it_comes_and_nobody_else_does() {
    let internet = Internet::start();
    let keys = "[listen]\nbalancers = [\"127.0.9.0/24\"]\n[clients]\nallow = [\"192.0.2.0/24\"]\n\
                [[group]]\nname = \"free\"\nprefixes = [\"192.0.2.7/32\"]\nlists = []\n";
    let running = Program::new()
        .forward(internet.forwarder())
        .list("law", "www.plain.test\n")
        .tls()
        .toml(keys);
    let running = running.start();
    for door in running.doors() {
        let door = door.patience(SHORT);
        let balancer = door.clone().source([127, 0, 9, 1]);
        let plain = Question::new("www.plain.test.", "A");
        let through = |client| {
            balancer
                .clone()
                .preface(&proxied(client))
                .patience(Duration::from_secs(8))
                .ask(&plain)
        };
        assert_eq!(
            through([192, 0, 2, 1]).answers(),
            ["www.plain.test. A 192.0.2.1"],
            "{door:?}"
        );
        assert_eq!(
            through([192, 0, 2, 7]).answers(),
            ["www.plain.test. A 198.51.100.30"],
            "its group is the client's: {door:?}"
        );
        assert_eq!(through([192, 0, 3, 1]).rcode(), "REFUSED", "{door:?}");
        assert!(
            balancer.try_ask(&plain).is_none(),
            "without a header: {door:?}"
        );
        let mut broken = proxied([192, 0, 2, 1]);
        broken[12] = 0x11;
        assert!(
            balancer.clone().preface(&broken).try_ask(&plain).is_none(),
            "{door:?}"
        );
        let anybody = door.clone().preface(&proxied([192, 0, 2, 1]));
        assert!(
            anybody
                .try_ask(&plain)
                .is_none_or(|reply| reply.rcode() != "NOERROR"),
            "{door:?}"
        );
    }
    let others = Client::udp(running.address()).ask(&Question::new("www.plain.test.", "A"));
    assert_eq!(others.rcode(), "REFUSED");
}

/// The share of one address counts the balancer's clients, not the balancer.
#[test]
fn clients_behind_a_balancer_have_their_own_shares() {
    let keys = "[listen]\nbalancers = [\"127.0.9.0/24\"]\n[limits]\nconnections_per_address = 1\n\
                [clients]\nallow = [\"192.0.2.0/24\"]\n";
    let running = Program::new()
        .list("law", "listed.example\n")
        .toml(keys)
        .start();
    let question = Question::new("listed.example.", "A");
    let client = |last: u8| {
        Client::tcp(running.address())
            .source([127, 0, 9, 1])
            .preface(&proxied([192, 0, 2, last]))
            .connect()
    };
    let mut open: Vec<_> = (1..=5).map(client).collect();
    open.iter_mut()
        .for_each(|connection| assert_eq!(connection.ask(&question).rcode(), "NOERROR"));
    let mut second = client(1);
    second.send(&question.octets());
    assert_eq!(second.receive(), None);
}

/// The slowest of a hundred UDP answers.
fn slowest(at: SocketAddr) -> Duration {
    let times = (0..100).map(|_| {
        let begun = Instant::now();
        assert_eq!(ask(at, "listed.example.", "A").rcode(), "NOERROR");
        begun.elapsed()
    });
    times.max().unwrap_or_default()
}

/// A long run: 10,000 connections that asked once and fell silent take less than 200 MB, and UDP is
/// answered as before.
#[test]
#[ignore = "a long run, for figures"]
fn ten_thousand_silent_connections() {
    const CONNECTIONS: usize = 10_000;
    for door in ["tcp", "tls"] {
        let limits =
            "[limits]\nconnections = 20000\nconnections_per_address = 20000\nidle_s = 600\n";
        let running = Program::new()
            .list("law", "listed.example\n")
            .tls()
            .toml(limits)
            .start();
        let quiet = slowest(running.address());
        let before = running.resident_kib();
        let question = Question::new("listed.example.", "A");
        let mut open = Vec::new();
        for n in 0..CONNECTIONS {
            let client = if door == "tcp" {
                Client::tcp(running.address())
            } else {
                Client::tls(running.tls_address())
            };
            let mut connection = client
                .source(Ipv4Addr::from([127, 0, 8, (n % 250 + 1) as u8]))
                .connect();
            assert_eq!(connection.ask(&question).rcode(), "NOERROR", "{n}");
            open.push(connection);
        }
        let taken = running.resident_kib() - before;
        let busy = slowest(running.address());
        println!(
            "{door}: {CONNECTIONS} connections, {taken} KiB ({} octets each); slowest of 100 over \
             UDP {quiet:?} before, {busy:?} with them",
            taken * 1024 / CONNECTIONS as u64
        );
        assert!(taken < 200_000, "{door}: {taken} KiB");
        assert!(
            open.iter_mut()
                .rev()
                .take(100)
                .all(|connection| connection.ask(&question).rcode() == "NOERROR"),
            "they still live"
        );
    }
}

/// A long run: what a question takes that waits for an upstream which never answers.
#[test]
#[ignore = "a long run, for figures"]
fn ten_thousand_waiting_questions() {
    let internet = Internet::start();
    let limits = "[resolve]\npatience_ms = 20000\n[resolve.forward]\ntimeout_ms = 19000\nattempts \
                  = 1\n[limits]\nudp_replies_per_s = 0\n";
    let running = Program::new()
        .forward(internet.forwarder_silent())
        .toml(limits)
        .start();
    let before = running.resident_kib();
    for client in 1..=5 {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::from([127, 0, 8, client]), 0)).unwrap();
        for n in 0..2000 {
            socket
                .send_to(
                    &Question::new(&format!("n{n}.c{client}.example."), "A")
                        .edns(Edns::default())
                        .octets(),
                    running.address(),
                )
                .unwrap();
            if n % 50 == 0 {
                std::thread::yield_now();
            }
        }
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut most = before;
    while Instant::now() < deadline {
        most = most.max(running.resident_kib());
    }
    let taken = most - before;
    println!(
        "10,000 waiting questions: {taken} KiB ({} octets each)",
        taken * 1024 / 10_000
    );
    assert!(taken < 200_000, "{taken} KiB");
}
