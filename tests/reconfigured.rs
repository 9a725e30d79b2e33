//! The configuration changes while the program runs: every part of it is exchanged under load, what
//! is wrong changes nothing, and the record says each.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use toml::{Table, Value};

use crate::kit::ask::{Client, Question, Response, ask, shown_certificate};
use crate::kit::internet::Internet;
use crate::kit::load::Load;
use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;
use crate::kit::until;
use crate::over_time::verified;

/// What a change has to be in force.
const SECOND: Duration = Duration::from_secs(1);
const QUESTIONS_PER_S: u32 = 1500;
/// What the wildcard of the tests' internet says to every name that is not listed.
const FREE: &str = "198.51.100.50";
/// Listed from the first to the last moment.
const ALWAYS: &str = "always.wild.test";
/// On a list that comes and goes.
const SOMETIMES: &str = "sometimes.wild.test";
/// Asked for all the time, and on no list.
const NEVER: [&str; 3] = ["one.wild.test", "two.wild.test", "three.wild.test"];

/// The configuration as it stands in the file.
fn read(running: &Running) -> Table {
    let text = fs::read_to_string(running.config_file()).unwrap();
    text.parse().unwrap()
}

/// Writes it anew, as a careful editor does.
fn write(running: &Running, config: &Table) {
    write_text(running, &config.to_string());
}

fn write_text(running: &Running, text: &str) {
    let beside = running.config_file().with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, running.config_file()).unwrap();
}

/// Sets a key, such as `limits.waiting`; the value is TOML.
fn set(config: &mut Table, key: &str, value: &str) {
    let (sections, key) = key.rsplit_once('.').unwrap_or(("", key));
    let mut table = config;
    for section in sections.split('.').filter(|section| !section.is_empty()) {
        let section = table.entry(section).or_insert_with(|| Table::new().into());
        table = section.as_table_mut().expect("a section");
    }
    let value: Table = format!("value = {value}").parse().expect("TOML");
    table.insert(key.to_owned(), value["value"].clone());
}

/// Adds a section that repeats, such as `[[list]]`.
fn add(config: &mut Table, section: &str, lines: &str) {
    let (within, section) = section.rsplit_once('.').unwrap_or(("", section));
    let table = match within {
        "" => config,
        within => {
            let within = config.entry(within).or_insert_with(|| Table::new().into());
            within.as_table_mut().expect("a section")
        }
    };
    let sections = table.entry(section).or_insert_with(|| Value::Array(vec![]));
    let element: Table = lines.parse().expect("TOML");
    sections
        .as_array_mut()
        .expect("sections")
        .push(element.into());
}

/// The list that comes and goes, with what else is said of it.
fn second_list(more: &str) -> String {
    format!(
        "id = \"second\"\nfile = \"second.txt\"\nunsigned = \"allow\"\nbasis = \"law\"\n\
         legal_basis = \"Example Act\"\nauthority = \"Second Authority\"\n{more}"
    )
}

/// Has the file read again; gives what was said.
fn reload(running: &Running) -> String {
    let (code, said, complaint) = running.run(&["reload"]);
    assert_eq!(code, 0, "{said}{complaint}");
    said
}

fn data(at: SocketAddr, name: &str) -> Vec<String> {
    ask(at, name, "A").data()
}

/// A change, and how one sees that it is in force.
type Change = (
    &'static str,
    Box<dyn Fn(&mut Table)>,
    Box<dyn Fn(&Running) -> bool>,
);

fn change(
    said: &'static str,
    make: impl Fn(&mut Table) + 'static,
    holds: impl Fn(&Running) -> bool + 'static,
) -> Change {
    (said, Box::new(make), Box::new(holds))
}

/// Where the program listens for this long beside its first door.
fn other_door() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn of_lists() -> Vec<Change> {
    let blocked = |address: &'static str| {
        move |running: &Running| data(running.address(), SOMETIMES) == [address]
    };
    let second = |config: &mut Table, key: &str, value: &str| {
        let lists = config["list"].as_array_mut().expect("lists");
        let list = lists.last_mut().and_then(Value::as_table_mut);
        set(list.expect("a list"), key, value);
    };
    vec![
        change(
            "list.second: added",
            |config| add(config, "list", &second_list("stop = [\"192.0.2.2\"]")),
            blocked("192.0.2.2"),
        ),
        change(
            "list.second.stop: ",
            move |config| second(config, "stop", "[\"192.0.2.3\"]"),
            blocked("192.0.2.3"),
        ),
        change(
            "list.second.ttl_s: ",
            move |config| second(config, "ttl_s", "7"),
            |running| ask(running.address(), SOMETIMES, "A").message.answers[0].ttl == 7,
        ),
        change(
            "list.second.authority: ",
            move |config| second(config, "authority", "\"Another Authority\""),
            |running| {
                running
                    .run(&["why", SOMETIMES])
                    .1
                    .contains("Another Authority")
            },
        ),
        change(
            "group.exempt: added",
            |config| {
                let lines = "name = \"exempt\"\nprefixes = [\"127.0.0.9/32\"]\nlists = [\"first\"]";
                add(config, "group", lines);
            },
            |running| {
                let client = Client::udp(running.address()).source([127, 0, 0, 9]);
                let asked = |name: &str| client.ask(&Question::new(name, "A")).data();
                asked(SOMETIMES) == [FREE] && asked(ALWAYS) == [STOP[0]]
            },
        ),
    ]
}

fn of_lists_that_go() -> Vec<Change> {
    vec![
        change(
            "list.second: removed",
            |config| {
                config.remove("group");
                let lists = config["list"].as_array_mut().expect("lists");
                lists.retain(|list| list["id"].as_str() != Some("second"));
            },
            |running| data(running.address(), SOMETIMES) == [FREE],
        ),
        change(
            "list.second: added",
            |config| {
                let lines = second_list("action = \"nxdomain\"\nentry_counts = true");
                add(config, "list", &lines);
            },
            |running| ask(running.address(), SOMETIMES, "A").rcode() == "NXDOMAIN",
        ),
        change(
            "lists.never_block_names: ",
            |config| set(config, "lists.never_block_names", "[\"good.wild.test\"]"),
            |running| {
                running.replace_list("first", &format!("{ALWAYS}\ngood.wild.test\n"));
                let (code, ..) = running.run(&["reload", "first"]);
                running.replace_list("first", &format!("{ALWAYS}\n"));
                code == 1 && data(running.address(), "good.wild.test") == [FREE]
            },
        ),
    ]
}

fn of_clients() -> Vec<Change> {
    let outside = |running: &Running| {
        let client = Client::udp(running.address()).source([127, 0, 0, 77]);
        client.ask(&Question::new(NEVER[0], "A")).rcode()
    };
    vec![
        change(
            "clients.allow: ",
            |config| set(config, "clients.allow", "[\"127.0.0.0/26\"]"),
            move |running| outside(running) == "REFUSED",
        ),
        change(
            "clients.allow: ",
            |config| set(config, "clients.allow", "[\"127.0.0.0/8\"]"),
            move |running| outside(running) == "NOERROR",
        ),
        change(
            "limits.cookies: ",
            |config| set(config, "limits.cookies", "false"),
            |running| !gives_cookies(running),
        ),
        change(
            "limits.cookies",
            |config| set(config, "limits.cookies", "true"),
            gives_cookies,
        ),
        change(
            "limits.network.\"127.0.0.5/32\": added",
            |config| {
                let lines = "networks = [\"127.0.0.5/32\"]\nudp_replies_per_s = 1";
                add(config, "limits.network", lines);
            },
            |running| {
                let client = Client::udp(running.address()).source([127, 0, 0, 5]);
                let client = client.patience(Duration::from_millis(100));
                let answer = |_| client.try_ask(&Question::new(NEVER[0], "A"));
                let replies: Vec<_> = (0..8).map(answer).collect();
                let is_cut = |reply: &Response| reply.octets[2] & 2 != 0;
                replies
                    .iter()
                    .any(|reply| reply.as_ref().is_none_or(is_cut))
            },
        ),
    ]
}

fn gives_cookies(running: &Running) -> bool {
    let question = Question::new(NEVER[0], "A").option(10, b"12345678");
    let reply = Client::udp(running.address()).ask(&question);
    reply.options().iter().any(|(code, _)| *code == 10)
}

fn of_the_way_outside(other: SocketAddr) -> Vec<Change> {
    vec![
        change(
            "local.addresses: ",
            |config| {
                set(
                    config,
                    "local.addresses",
                    "[\"10.0.0.7 one.wild.test.corp\"]",
                )
            },
            |running| data(running.address(), "one.wild.test.corp") == ["10.0.0.7"],
        ),
        change(
            "resolve.zone.\"elsewhere.wild.test\": added",
            move |config| {
                let zone = format!(
                    "name = \"elsewhere.wild.test\"\nforward = [\"{other}\"]\nvalidate = false"
                );
                add(config, "resolve.zone", &zone);
            },
            |running| ask(running.address(), "a.elsewhere.wild.test", "A").rcode() == "SERVFAIL",
        ),
        change(
            "resolve.zone.\"elsewhere.wild.test\": removed",
            |config| {
                let resolve = config["resolve"].as_table_mut().expect("a section");
                resolve.remove("zone");
            },
            |running| data(running.address(), "a.elsewhere.wild.test") == [FREE],
        ),
        change(
            "cache.size_mib: ",
            |config| set(config, "cache.size_mib", "16"),
            |running| running.json(&["status", "--json"])["cache"]["octets_max"] == 16 << 20,
        ),
        change(
            "limits.waiting: ",
            |config| set(config, "limits.waiting", "333"),
            |running| data(running.address(), NEVER[1]) == [FREE],
        ),
        change(
            "log.level: ",
            |config| set(config, "log.level", "\"debug\""),
            |running| data(running.address(), NEVER[1]) == [FREE],
        ),
    ]
}

fn of_doors(first: SocketAddr) -> Vec<Change> {
    let door = other_door();
    let metrics = other_door();
    let both = format!("[\"{first}\", \"{door}\"]");
    let one = format!("[\"{first}\"]");
    let (all_tcp, one_tcp) = (both.clone(), one.clone());
    let is_shut = move |_: &Running| {
        let client = Client::udp(door).patience(Duration::from_millis(100));
        client.try_ask(&Question::new(NEVER[0], "A")).is_none()
    };
    vec![
        change(
            "listen.udp: ",
            move |config| set(config, "listen.udp", &both),
            move |_| data(door, ALWAYS) == [STOP[0]],
        ),
        change(
            "listen.tcp: ",
            move |config| set(config, "listen.tcp", &all_tcp),
            move |_| Client::tcp(door).ask(&Question::new(ALWAYS, "A")).data() == [STOP[0]],
        ),
        change(
            "listen.udp: ",
            move |config| set(config, "listen.udp", &one),
            is_shut,
        ),
        change(
            "listen.tcp: ",
            move |config| set(config, "listen.tcp", &one_tcp),
            move |_| std::net::TcpStream::connect(door).is_err(),
        ),
        change(
            "metrics.listen: ",
            move |config| set(config, "metrics.listen", &format!("\"{metrics}\"")),
            move |_| std::net::TcpStream::connect(metrics).is_ok(),
        ),
        change(
            "metrics",
            |config| drop(config.remove("metrics")),
            move |_| std::net::TcpStream::connect(metrics).is_err(),
        ),
    ]
}

#[test]
fn every_part_is_exchanged_under_load_and_the_record_says_each() {
    let internet = Internet::start();
    let running = program(&internet).start();
    fs::write(
        running.folder().join("second.txt"),
        format!("{SOMETIMES}\n"),
    )
    .unwrap();
    let names = [NEVER[0], ALWAYS, NEVER[1], NEVER[2]];
    names
        .iter()
        .for_each(|name| drop(ask(running.address(), name, "A")));
    let load = Load::start(running.address(), QUESTIONS_PER_S, move |number| {
        Question::new(names[number % names.len()], "A")
    });
    let mut changes = of_lists();
    changes.extend(of_lists_that_go());
    changes.extend(of_clients());
    changes.extend(of_the_way_outside(internet.forwarder_failing()));
    changes.extend(of_doors(running.address()));
    let (mut config, mut slowest) = (read(&running), Duration::ZERO);
    for (said, make, holds) in &changes {
        make(&mut config);
        write(&running, &config);
        let begun = Instant::now();
        let told = reload(&running);
        assert!(told.contains(said), "{said:?} in {told}");
        until(said, SECOND, || holds(&running).then_some(()));
        slowest = slowest.max(begun.elapsed());
    }
    let asked = load.stop(Duration::from_secs(5));
    let mut wrong = 0;
    for (number, asked) in asked.iter().enumerate() {
        let (_, reply) = asked.reply.as_ref().expect("an answer to each");
        let want = if number % names.len() == 1 {
            STOP[0]
        } else {
            FREE
        };
        wrong += usize::from(reply.data() != [want]);
    }
    assert_eq!(wrong, 0, "of {}", asked.len());
    println!(
        "{} changes, {} answers, slowest {slowest:?}",
        changes.len(),
        asked.len()
    );
    let (outcome, _) = verified(&running, &[]);
    let stderr = running.stderr();
    for (said, ..) in &changes {
        let is_of_clients = ["clients", "group", "limits.network"]
            .iter()
            .any(|section| said.starts_with(section));
        assert_eq!(stderr.contains(said), !is_of_clients, "{said} in the log");
    }
    assert!(
        !stderr.contains("127.0.0.9/32"),
        "no client's network is in the log"
    );
    let events = running.json(&["history", "--json", "first"]);
    println!("{outcome:#} {events:#}");
}

fn program(internet: &Internet) -> Program {
    Program::new()
        .forward(internet.forwarder())
        .list("first", &format!("{ALWAYS}\n"))
        .toml("[resolve]\nspecial_use = false\n[limits]\nudp_replies_per_s = 0\n")
}

/// A key, a value with which it is refused, and what is said then.
const BROKEN: [(&str, &str, &str); 5] = [
    ("limits.waitin", "3", "waitin"),
    ("limits.waiting", "0", "waiting"),
    ("listen.udp", "[\"203.0.113.9:5300\"]", "203.0.113.9:5300"),
    ("lists.never_block", "[\"not-there.txt\"]", "not-there.txt"),
    (
        "limits.cookie_secrets",
        "\"not-there.txt\"",
        "not-there.txt",
    ),
];

#[test]
fn what_is_wrong_changes_nothing_and_is_told() {
    let internet = Internet::start();
    let running = program(&internet).start();
    let whole = fs::read_to_string(running.config_file()).unwrap();
    let doors = running.json(&["status", "--json"])["doors"].clone();
    for (key, value, said) in BROKEN {
        // A good change beside the broken one is not in force either.
        let mut config: Table = whole.parse().unwrap();
        set(
            &mut config,
            "local.addresses",
            "[\"10.0.0.9 good.test.corp\"]",
        );
        set(&mut config, key, value);
        write(&running, &config);
        let (code, _, complaint) = running.run(&["reload"]);
        assert!(
            code == 1 && complaint.contains(said),
            "{key}: {code} {complaint}"
        );
        let before = running.stderr().len();
        running.kill(libc::SIGHUP);
        until("the refusal in the log", 10 * SECOND, || {
            let log = running.stderr();
            let new = log.get(before..).unwrap_or_default();
            (new.contains("NOT changed") && new.contains(said)).then_some(())
        });
        assert_eq!(data(running.address(), ALWAYS), [STOP[0]], "{key}");
        assert_ne!(
            ask(running.address(), "good.test.corp", "A").rcode(),
            "NOERROR"
        );
        assert_eq!(running.json(&["status", "--json"])["doors"], doors);
    }
    write_text(&running, &whole);
    assert!(reload(&running).contains("configuration: unchanged"));
    verified(&running, &[]);
}

#[test]
fn what_waits_for_a_restart_is_named_until_then() {
    let internet = Internet::start();
    let mut running = program(&internet).start();
    let before = read(&running);
    let mut config = before.clone();
    set(&mut config, "audit.resolver", "\"elsewhere\"");
    set(&mut config, "local.addresses", "[\"10.0.0.7 host.corp\"]");
    write(&running, &config);
    let dry = running.run(&["reload", "--dry-run"]);
    assert!(dry.0 == 0 && dry.1.contains("dry run"), "{dry:?}");
    assert_ne!(
        data(running.address(), "host.corp"),
        ["10.0.0.7"],
        "nothing was changed"
    );
    let said = reload(&running);
    assert!(
        said.contains("NOT IN FORCE: audit.resolver") && said.contains("needs a restart"),
        "{said}"
    );
    assert_eq!(
        data(running.address(), "host.corp"),
        ["10.0.0.7"],
        "the rest is in force"
    );
    assert!(
        running
            .run(&["status"])
            .1
            .contains("WAITS      for a restart")
    );
    config = before;
    set(&mut config, "local.addresses", "[\"10.0.0.7 host.corp\"]");
    write(&running, &config);
    reload(&running);
    assert!(!running.run(&["status"]).1.contains("WAITS"));
    verified(&running, &[]);
    running.restart();
    assert_eq!(data(running.address(), "host.corp"), ["10.0.0.7"]);
    verified(&running, &[]);
}

/// What `flush` with these arguments says that it forgot.
fn forgotten(running: &Running, arguments: &[&str]) -> u64 {
    let arguments: Vec<&str> = ["flush", "--json"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    running.json(&arguments)["removed"]
        .as_u64()
        .expect("a count")
}

#[test]
fn what_is_changed_for_a_time_is_in_force_at_once_and_gone_with_a_restart() {
    let internet = Internet::hostile();
    let mut running = Program::new().recurse(&internet).start();
    let at = running.address();
    let bogus = "www.bogus-signature.test";
    let rcode = |name: &str| ask(at, name, "A").rcode();
    assert_eq!(
        (rcode(bogus), rcode("host.corp")),
        ("SERVFAIL".into(), "NXDOMAIN".into())
    );
    let change = |arguments: &[&str]| {
        let (code, said, complaint) = running.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {complaint}");
        said
    };
    change(&["negative-anchor", "add", "bogus-signature.test"]);
    assert_eq!(rcode(bogus), "NOERROR", "what was kept of it is forgotten");
    change(&["local", "add", "host.corp", "10.0.0.7"]);
    assert_eq!(data(at, "host.corp"), ["10.0.0.7"]);
    let said = change(&["log", "level", "debug", "--for", "2h"]);
    for line in [
        "negative anchor bogus-signature.test",
        "local name host.corp",
        "log level debug",
    ] {
        assert!(
            said.contains(line) && change(&["status"]).contains(line),
            "{line}: {said}"
        );
    }
    // A reload reads the file and leaves what was changed by hand.
    assert!(reload(&running).contains("unchanged"));
    assert_eq!(
        (rcode(bogus), data(at, "host.corp")),
        ("NOERROR".into(), vec!["10.0.0.7".into()])
    );
    change(&["negative-anchor", "remove", "bogus-signature.test"]);
    assert_eq!(rcode(bogus), "SERVFAIL");
    change(&["negative-anchor", "add", "bogus-signature.test"]);
    for (arguments, said) in [
        (
            vec!["local", "remove", "other.corp"],
            "there is no such local name",
        ),
        (vec!["log", "level", "loud"], "error, warn, info, debug"),
        (
            vec!["negative-anchor", "remove", "not-there.test"],
            "no such negative anchor",
        ),
    ] {
        let (code, _, complaint) = running.run(&arguments);
        assert!(
            code == 1 && complaint.contains(said),
            "{arguments:?}: {complaint}"
        );
    }
    verified(&running, &[]);
    running.restart();
    assert_eq!(
        ask(running.address(), bogus, "A").rcode(),
        "SERVFAIL",
        "gone with the restart"
    );
    assert!(!running.run(&["status"]).1.contains("until the next start"));
}

#[test]
fn answers_of_one_kind_are_forgotten_and_no_others() {
    let internet = Internet::hostile();
    let running = Program::new().recurse(&internet).start();
    let at = running.address();
    let fill = || {
        for (name, kind) in [
            ("www.bogus-signature.test", "A"),
            ("not-there.test", "A"),
            ("localhost.test", "MX"),
            ("test", "SOA"),
        ] {
            ask(at, name, kind);
        }
    };
    fill();
    assert_eq!(forgotten(&running, &["--bogus"]), 1);
    assert_eq!(forgotten(&running, &["--bogus"]), 0);
    fill();
    assert_eq!(forgotten(&running, &["--negative"]), 2);
    assert_eq!(forgotten(&running, &["--type", "SOA"]), 1);
    fill();
    assert_eq!(forgotten(&running, &["test", "--below", "--type", "mx"]), 1);
    assert_eq!(forgotten(&running, &["--type", "TYPE6"]), 1);
    let (code, _, complaint) = running.run(&["flush", "--type", "AAAAA"]);
    assert!(
        code == 2 && complaint.contains("no record type"),
        "{complaint}"
    );
}

const RENEWED: [&str; 2] = [
    include_str!("cases/tls/renewed-cert.pem"),
    include_str!("cases/tls/renewed-key.pem"),
];

/// The certificate that the TLS door shows.
fn shown(running: &Running) -> Vec<u8> {
    shown_certificate(running.tls_address())
}

/// Puts these in the place of the certificate and its key, as programs do that renew them.
fn put_pair(running: &Running, [certificate, key]: [&str; 2]) {
    for (file, text) in [("cert.pem", certificate), ("key.pem", key)] {
        let beside = running.folder().join("renewed");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, running.folder().join(file)).unwrap();
    }
}

#[test]
fn a_renewed_certificate_is_shown_and_a_wrong_one_is_not() {
    let internet = Internet::start();
    let running = program(&internet).tls().start();
    let old = [
        include_str!("cases/tls/cert.pem"),
        include_str!("cases/tls/key.pem"),
    ];
    let first = shown(&running);
    let wrong = [
        (old[0], include_str!("cases/tls/other-key.pem"), "key.pem"),
        (
            include_str!("cases/tls/expired-cert.pem"),
            RENEWED[1],
            "expired on 2020-01-02",
        ),
        ("no certificate", old[1], "cert.pem"),
    ];
    for (certificate, key, said) in wrong {
        put_pair(&running, [certificate, key]);
        let (code, _, complaint) = running.run(&["reload"]);
        assert!(code == 1 && complaint.contains(said), "{said}: {complaint}");
        assert_eq!(shown(&running), first, "the old pair stays");
    }
    // Nobody has to say anything.
    put_pair(&running, RENEWED);
    until("the renewed certificate", 30 * SECOND, || {
        (shown(&running) != first).then_some(())
    });
    put_pair(&running, old);
    reload(&running);
    assert_eq!(shown(&running), first);
    let until_when = running.run(&["status"]).1;
    assert!(
        until_when.contains("certificate valid until 2126-10-29"),
        "{until_when}"
    );
    let client = Client::tls(running.tls_address());
    assert_eq!(client.ask(&Question::new(ALWAYS, "A")).data(), [STOP[0]]);
}
