//! A run of everything, then a search of all that it wrote and of its memory: no client's address,
//! no listed name.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::FileExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::kit::ask::{Client, Question};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::until;

const PATIENCE: Duration = Duration::from_secs(5);
/// A customer, an exempt one, and one who may not ask.
const CLIENTS: [Ipv4Addr; 3] = [
    Ipv4Addr::new(127, 77, 66, 55),
    Ipv4Addr::new(127, 88, 99, 44),
    Ipv4Addr::new(127, 111, 122, 133),
];
/// Listed names and the names that are asked for; some lead to listed ones.
const NAMES: [&str; 7] = [
    "quixotic-walrus.example",
    "obstinate-heron.example",
    "blocked.example",
    "tolisted.plain.test",
    "curious-client.wild.test",
    "gloomy-badger.example",
    "xn--zrich-walrus-dlb.example",
];
const LIST: &str =
    "Quixotic-Walrus.example\nblocked.example\n=obstinate-heron.example\nzürich-walrus.example\n";

fn program(internet: &Internet) -> Program {
    Program::new()
        .forward(internet.forwarder())
        .list("names", LIST)
        .list_with(
            "more",
            "gloomy-badger.example\n",
            "action = \"stop-page\"\nbasis = \"provider\"\n",
        )
        .tls()
        .metrics()
        .toml(
            "[resolve]\nspecial_use = false\n[count]\nflush_s = 1\n[log]\nlevel = \"debug\"\n\
             [clients]\nallow = [\"127.0.0.1/32\", \"127.77.66.0/24\", \"127.88.0.0/16\"]\n\
             [[group]]\nname = \"exempt\"\nprefixes = [\"127.88.0.0/16\"]\nlists = []\n",
        )
}

/// Something to look for, whatever its letters' case.
struct Needle {
    what: String,
    octets: Vec<u8>,
}

impl Needle {
    fn new(what: impl Into<String>, octets: impl AsRef<[u8]>) -> Self {
        Self {
            what: what.into(),
            octets: octets.as_ref().to_ascii_lowercase(),
        }
    }

    /// A name as text, and as it stands in a message without its last label.
    fn name(name: &str) -> [Self; 2] {
        let wire = Question::new(name, "A").question();
        let labels = wire.len() - 5;
        [
            Self::new(format!("{name} as text"), name),
            Self::new(format!("{name} in wire form"), &wire[..labels]),
        ]
    }

    fn is_in(&self, hay: &[u8]) -> bool {
        memchr::memmem::find(hay, &self.octets).is_some()
    }
}

/// Every form in which an address or a name could have been written down.
fn needles() -> Vec<Needle> {
    let addresses = CLIENTS.into_iter().flat_map(|address| {
        let [a, b, c, d] = address.octets();
        let forms = [
            format!("{a}.{b}.{c}.{d}"),
            format!("{d}.{c}.{b}.{a}.in-addr"),
            format!("{a}.{b}.{c}"),
            format!("{a:02x}{b:02x}{c:02x}{d:02x}"),
            u32::from(address).to_string(),
        ];
        forms.map(|form| Needle::new(&form, &form))
    });
    addresses
        .chain(NAMES.iter().flat_map(|name| Needle::name(name)))
        .collect()
}

/// Everything that was found where it must not be.
fn find(hays: &[(String, Vec<u8>)]) -> Vec<String> {
    let needles = needles();
    let hits = hays.iter().flat_map(|(place, hay)| {
        let hay = hay.to_ascii_lowercase();
        let found: Vec<_> = needles.iter().filter(|needle| needle.is_in(&hay)).collect();
        found
            .into_iter()
            .map(move |needle| format!("{}, in {place}", needle.what))
            .collect::<Vec<_>>()
    });
    hits.collect()
}

fn fetch_metrics(running: &Running) -> String {
    let mut stream = TcpStream::connect(running.metrics_address()).expect("the metrics");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("a request");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    page
}

/// Ask for everything by every door, from every client; broken questions too.
fn ask_everything(running: &Running) {
    for door in running.doors() {
        for client in [CLIENTS[0], CLIENTS[1], Ipv4Addr::LOCALHOST] {
            for name in NAMES {
                for kind in ["A", "HTTPS", "TXT", "ANY"] {
                    door.clone()
                        .source(client)
                        .ask(&Question::new(name, kind).dnssec_ok());
                }
            }
            let below = Question::new("deep.below.quixotic-walrus.example", "AAAA");
            door.clone().source(client).ask(&below);
            door.clone()
                .source(client)
                .ask(&Question::new(NAMES[0], "AXFR"));
            door.clone()
                .source(client)
                .ask(&Question::new(NAMES[0], "A").class(3));
            let _ = door
                .clone()
                .source(client)
                .send(&Question::new(NAMES[0], "A").opcode(5).octets());
            let _ = door
                .clone()
                .source(client)
                .patience(Duration::from_millis(50))
                .send(&below.octets()[..20]);
        }
    }
    let udp = Client::udp(running.address());
    assert_eq!(
        udp.clone()
            .source(CLIENTS[0])
            .ask(&Question::new(NAMES[3], "A"))
            .answers()[0],
        "tolisted.plain.test. A 192.0.2.1"
    );
    assert_eq!(
        udp.clone()
            .source(CLIENTS[1])
            .ask(&Question::new(NAMES[2], "A"))
            .answers()[0],
        "blocked.example. A 198.51.100.80"
    );
    assert_eq!(
        udp.source(CLIENTS[2])
            .ask(&Question::new(NAMES[0], "A"))
            .rcode(),
        "REFUSED"
    );
    let refused = Client::tcp(running.address())
        .source(CLIENTS[2])
        .patience(Duration::from_millis(200));
    let _ = refused.send(&Question::new(NAMES[0], "A").octets());
}

/// Lists, good and bad, by every way of reloading; then all commands. Gives what they printed.
fn operate(running: &Running) -> Vec<(String, Vec<u8>)> {
    let log_says = |words: &str| {
        until(words, PATIENCE, || {
            running.stderr().contains(words).then_some(())
        })
    };
    running.replace_list(
        "names",
        &format!(
            "{LIST}http://quixotic-walrus.example/path\n\
             obstinate-heron.example gloomy-badger.example\n"
        ),
    );
    let mut printed = vec![];
    let mut run = |arguments: &[&str]| {
        let (_, stdout, stderr) = running.run(arguments);
        printed.push((arguments.join(" "), [stdout, stderr].concat().into_bytes()));
    };
    run(&["reload"]);
    log_says("no entry (");
    run(&["check"]);
    run(&["check", "--json"]);
    running.replace_list(
        "more",
        &format!(
            "gloomy-badger.example\n{}",
            "filler-1.example\n".repeat(100) + "quixotic-walrus.example:80\n"
        ),
    );
    running.kill(libc::SIGHUP);
    log_says("lines passed over");
    fs::write(running.list_file("names"), "").expect("a list");
    run(&["reload", "names"]);
    log_says("has no entry");
    running.replace_list("names", &(LIST.to_owned() + "late-newcomer.example\n"));
    run(&["reload", "--json"]);
    assert!(
        running
            .run(&["why", "deep.quixotic-walrus.example"])
            .1
            .contains("below the entry quixotic-walrus.example")
    );
    run(&["flush", "curious-client.wild.test"]);
    run(&["flush"]);
    for arguments in [&["status"][..], &["status", "--json"], &["report"]] {
        run(arguments);
    }
    for format in ["text", "csv", "json", "html"] {
        run(&["report", "--by", "day", "--format", format]);
        run(&["report", "--exact", "--format", format]);
    }
    printed
}

#[test]
fn nothing_written_names_a_client_or_a_listed_name() {
    let internet = Internet::start();
    let mut running = program(&internet).start();
    ask_everything(&running);
    let mut hays = operate(&running);
    ask_everything(&running);
    until("a flush", PATIENCE, || {
        (running.report()["sums"]["ended"]["blocked"].as_u64() > Some(100)).then_some(())
    });
    hays.push((
        "the metrics".to_owned(),
        fetch_metrics(&running).into_bytes(),
    ));
    hays.push((
        "the last report".to_owned(),
        running.run(&["report", "--exact"]).1.into_bytes(),
    ));
    hays.extend(running.traces());
    running.kill(libc::SIGKILL);
    running.wait_exit();
    hays.extend(running.traces());
    running.restart();
    ask_everything(&running);
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
    hays.extend(running.traces());

    let places: Vec<&str> = hays.iter().map(|(place, _)| place.as_str()).collect();
    for wanted in [
        "counts.sqlite-wal",
        "counts.sqlite",
        "stderr",
        "stdout",
        "status --json",
    ] {
        assert!(
            places.iter().any(|place| place.ends_with(wanted)),
            "{wanted} was not searched: {places:?}"
        );
    }
    assert_eq!(find(&hays), Vec::<String>::new());
    let octets: usize = hays.iter().map(|(_, hay)| hay.len()).sum();
    println!(
        "searched {} places, {octets} octets, for {} forms",
        hays.len(),
        needles().len()
    );
}

#[test]
fn the_search_finds_what_is_planted() {
    for planted in [
        "x 127.77.66.55:53 y",
        "QUIXOTIC-walrus.Example",
        "\x0fquixotic-walrus\x07example\0",
        "7f4d4237",
        "client 127.88.99.0/24",
    ] {
        let hay = [
            "some text before ".as_bytes(),
            planted.as_bytes(),
            &[0xff; 10],
        ]
        .concat();
        assert!(!find(&[("here".to_owned(), hay)]).is_empty(), "{planted:?}");
    }
    assert_eq!(
        find(&[("here".to_owned(), b"127.0.0.1 walrus.example".to_vec())]),
        Vec::<String>::new()
    );
}

/// The program's writable memory, mapping by mapping.
fn memory(running: &Running) -> Vec<(String, Vec<u8>)> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", running.pid())).expect("the maps");
    let memory = File::open(format!("/proc/{}/mem", running.pid())).expect("the memory");
    let mappings = maps.lines().filter(|line| {
        line.split(' ')
            .nth(1)
            .is_some_and(|mode| mode.starts_with("rw"))
    });
    let read = |line: &str| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let [start, end] =
            [start, end].map(|address| u64::from_str_radix(address, 16).expect("an address"));
        let mut octets = vec![0; (end - start) as usize];
        memory.read_exact_at(&mut octets, start).ok()?;
        Some((line.to_owned(), octets))
    };
    mappings.filter_map(read).collect()
}

/// Entries of a kind each, which nobody asks for; they are looked for by a part that stands in text
/// and in wire form alike.
fn secret_list(mark: &str) -> (String, Vec<Needle>) {
    let parts = ["first", "below", "exact", "upper", "middle", "last"]
        .map(|place| format!("{mark}-{place}-zeppelin"));
    let [first, below, exact, upper, middle, last] = parts.each_ref();
    let filler = |from: usize| {
        (from..from + 3000)
            .map(|i| format!("filler-{mark}-{i}.example\n"))
            .collect::<String>()
    };
    let text = format!(
        "{first}.example\nwww.{below}.example\n={exact}.example\n\
         {}.EXAMPLE # {mark}-comment-zeppelin\n{}{middle}.example\n\
         zürich-{mark}-zeppelin.example\n\
         https://{mark}-reject-zeppelin.example/\n{}{last}.example\n",
        upper.to_uppercase(),
        filler(0),
        filler(3000),
    );
    let more = ["comment-zeppelin", "reject-zeppelin"].map(|part| format!("{mark}-{part}"));
    let idn = format!("zrich-{mark}-zeppelin");
    let parts = parts
        .into_iter()
        .chain(more)
        .chain([idn, format!("zürich-{mark}-zeppelin")]);
    (text, parts.map(|part| Needle::new(&part, &part)).collect())
}

fn find_in_memory(running: &Running, needles: &[Needle]) -> Vec<String> {
    let mut found = vec![];
    for (mapping, octets) in memory(running) {
        let octets = octets.to_ascii_lowercase();
        let hits = needles.iter().filter(|needle| needle.is_in(&octets));
        found.extend(hits.map(|needle| format!("{} in {mapping}", needle.what)));
    }
    found
}

/// What is found there and does not go: while a list is read, and read once more since its file has
/// changed, some lines of it are there for a moment.
fn stay_in_memory(running: &Running, needles: &[Needle]) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let found = find_in_memory(running, needles);
        if found.is_empty() || Instant::now() > end {
            return found;
        }
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn no_listed_name_stays_in_memory() {
    let internet = Internet::start();
    let (text, secrets) = secret_list("start");
    let (hosts, secret_hosts) = secret_list("hosts");
    let hosts: String = hosts
        .lines()
        .map(|line| format!("0.0.0.0 {}\n", line.trim_start_matches('=')))
        .collect();
    let running = program(&internet)
        .list_without_budget("plain", &text)
        .list_with("hosts", &hosts, "format = \"hosts\"\n")
        .start();
    Client::udp(running.address()).ask(&Question::new("curious-client.wild.test", "A"));
    let asked = Needle::new("asked", "curious-client");
    assert!(
        !find_in_memory(&running, &[asked]).is_empty(),
        "the search finds what is in the cache"
    );
    assert_eq!(
        stay_in_memory(&running, &secrets),
        Vec::<String>::new(),
        "after the start"
    );
    assert_eq!(
        stay_in_memory(&running, &secret_hosts),
        Vec::<String>::new(),
        "after the start"
    );

    let (text, secrets) = secret_list("reload");
    running.replace_list("plain", &text);
    assert_eq!(running.run(&["reload", "plain"]).0, 0);
    assert_eq!(
        stay_in_memory(&running, &secrets),
        Vec::<String>::new(),
        "after a reload"
    );
    let (text, secrets) = secret_list("refused");
    running.replace_list(
        "plain",
        &(text + &"https://other-zeppelin.example/\n".repeat(1000)),
    );
    assert_eq!(running.run(&["reload", "plain"]).0, 1);
    assert_eq!(
        stay_in_memory(&running, &secrets),
        Vec::<String>::new(),
        "after a refused reload"
    );
}

/// A core dump would hold clients' addresses, questions, and the key of the tables.
#[test]
fn no_core_is_dumped() {
    let running = Program::new().list("law", "blocked.example\n").start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.pid())).expect("the limits");
    let core = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .expect("a limit");
    assert_eq!(
        core.split_whitespace().take(2).collect::<Vec<_>>(),
        ["0", "0"],
        "soft and hard"
    );
}

/// Whatever a name is made of, a question is no event: the log has as many lines behind it as
/// before.
#[test]
fn no_name_makes_a_line_in_the_log() {
    let internet = Internet::start();
    let running = program(&internet).start();
    let names: [&[u8]; 5] = [
        b"\x0bline\nbroken\x04wild\x04test\0",
        b"\x0a\x1b[31mred\0x\x04wild\x04test\0",
        b"\x06\xe2\x80\xaeabc\x04wild\x04test\0",
        b"\x05a\n\r\tb\x07blocked\x07example\0",
        b"\x08\xff\xfe\xfd.\\\"'%\x07blocked\x07example\0",
    ];
    let lines = || running.stderr().lines().count();
    // Its last word of the start comes after its doors are open.
    until("the log of the start", Duration::from_secs(5), || {
        running.stderr().contains("INFO ready").then_some(())
    });
    let before = lines();
    for door in running.doors() {
        for name in names {
            door.clone()
                .source(CLIENTS[0])
                .ask(&Question::new("a.", "A").wire_name(name));
        }
    }
    running.run(&["why", "a\nb\u{1b}.\u{202e}blocked.example"]);
    assert_eq!(running.stdout().lines().count(), 1);
    assert_eq!(lines(), before, "{}", running.stderr());
}
