//! Each bug that was found, as the case that failed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use wardline::cache::{Entry, Lifetimes};
use wardline::list::parse::{self, Format, Reason};
use wardline::name::Name;
use wardline::resolve::{Failure, Fetched, Question, Resolver, Settings, forward, recurse};

const NAME: &str = "www.zone.example";
const A: u16 = 1;
const CNAME: u16 = 5;
const DNAME: u16 = 39;
const ANY: u16 = 255;
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that sends everybody to TCP, and there says whatever it was told to behind the
/// question.
struct Server {
    address: SocketAddr,
    said: Arc<Mutex<Said>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Counts of the three sections, and all octets behind the question.
#[derive(Clone, Default)]
struct Said {
    counts: [u16; 3],
    records: Vec<u8>,
}

impl Server {
    fn start() -> Self {
        let (said, is_over) = (Arc::<Mutex<Said>>::default(), Arc::<AtomicBool>::default());
        let (udp, tcp) = std::iter::repeat_with(|| {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            UdpSocket::bind(tcp.local_addr().expect("an address"))
                .ok()
                .map(|udp| (udp, tcp))
        })
        .take(20)
        .flatten()
        .next()
        .expect("a port that is free for both");
        let address = tcp.local_addr().expect("an address");
        let over = Arc::clone(&is_over);
        let cut_short = std::thread::spawn(move || {
            let mut asked = [0; 512];
            while let Ok((length, from)) = udp.recv_from(&mut asked) {
                if over.load(Relaxed) {
                    return;
                }
                let _ = udp.send_to(&reply(&asked[..length], 0x86, &Said::default()), from);
            }
        });
        let (words, over) = (Arc::clone(&said), Arc::clone(&is_over));
        let whole = std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                if over.load(Relaxed) {
                    return;
                }
                let said = words.lock().expect("the words").clone();
                let _ = converse(stream, &said);
            }
        });
        Self {
            address,
            said,
            is_over,
            threads: vec![cut_short, whole],
        }
    }

    fn say(&self, counts: [u16; 3], records: Vec<u8>) {
        assert!(records.len() < 65_000, "no message is longer");
        *self.said.lock().expect("the words") = Said { counts, records };
    }

    /// Resolvers that recurse from this server as the root, and that forward to it.
    fn resolvers(&self) -> [Resolver; 2] {
        let recursion = recurse::Settings {
            root_hints: Some(format!(
                ". NS ns.example.\nns.example. A {}\n",
                self.address.ip()
            )),
            trust_anchors: Some(vec![]),
            minimise: false,
            loopback: true,
            prime: false,
            port: self.address.port(),
            ..recurse::Settings::default()
        };
        let forwarding = forward::Settings {
            upstreams: vec![self.address.into()],
            timeout: PATIENCE,
            attempts: 1,
            ..forward::Settings::default()
        };
        [None, Some(forwarding)].map(|forward| {
            Resolver::start(Settings {
                recurse: recursion.clone(),
                forward,
                zones: vec![],
                private_names: None,
                patience: PATIENCE,
                dns64: None,
                renumbering: vec![],
            })
            .expect("a resolver")
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|socket| socket.send_to(b"over", self.address));
        self.threads
            .drain(..)
            .for_each(|thread| thread.join().expect("an end"));
    }
}

fn converse(mut stream: TcpStream, said: &Said) -> std::io::Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut asked = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut asked)?;
    let reply = reply(&asked, 0x84, said);
    stream.write_all(&[&(reply.len() as u16).to_be_bytes()[..], &reply].concat())
}

/// The question comes back with these flags and words; the name asked for stands at octet 12.
fn reply(asked: &[u8], flags: u8, Said { counts, records }: &Said) -> Vec<u8> {
    let question = 12
        + Name::from_wire(&asked[12..])
            .expect("our own question")
            .as_wire()
            .len()
        + 4;
    let counts = counts.map(u16::to_be_bytes).concat();
    [
        &asked[..2],
        &[flags, 0, 0, 1],
        &counts,
        &asked[12..question],
        records,
    ]
    .concat()
}

fn fetch(resolver: &Resolver) -> Result<Fetched, Failure> {
    fetch_type(resolver, A)
}

fn fetch_type(resolver: &Resolver, qtype: u16) -> Result<Fetched, Failure> {
    let question = Question {
        name: Name::parse(NAME).expect("a name"),
        qtype,
        dnssec_ok: false,
        checking_disabled: false,
    };
    tokio::runtime::Handle::current().block_on(resolver.fetch(&question, PATIENCE))
}

/// One record: owner, type, an hour, data.
fn record(owner: &[u8], rtype: u16, data: &[u8]) -> Vec<u8> {
    [
        owner,
        &rtype.to_be_bytes(),
        &[0, 1, 0, 0, 0x0e, 0x10],
        &(data.len() as u16).to_be_bytes(),
        data,
    ]
    .concat()
}

/// A pointer to the octet `at`.
fn pointer(at: usize) -> [u8; 2] {
    (0xc000 | at as u16).to_be_bytes()
}

/// Where the records start: behind the header and the question.
fn records_at() -> usize {
    12 + NAME.len() + 2 + 4
}

/// The answer that was asked for; everything behind it is the bomb.
fn answer() -> Vec<u8> {
    record(&pointer(12), A, &[192, 0, 2, 7])
}

/// A record whose data are thousands of pointers, each to the one before, and as many records as
/// there is room for whose owner is the last of them: each name takes thousands of jumps, of which
/// no octet comes.
fn pointers_to_pointers() -> ([u16; 3], Vec<u8>) {
    let mut records = answer();
    let data_at = records_at() + records.len() + 12;
    let jumps = (0x3fff - data_at) / 2;
    let chain = (0..jumps).flat_map(|jump| {
        pointer(if jump == 0 {
            12
        } else {
            data_at + 2 * (jump - 1)
        })
    });
    records.extend(record(&pointer(12), 65_280, &chain.collect::<Vec<_>>()));
    let last = pointer(data_at + 2 * (jumps - 1));
    let mut count = 1;
    while records.len() < 64_900 {
        records.extend(record(&last, A, &[192, 0, 2, 8]));
        count += 1;
    }
    ([1, 0, count], records)
}

/// One name of 255 octets and thousands of aliases that point to it: 36 times as much when it is
/// written out.
fn one_long_name(rtype: u16) -> ([u16; 3], Vec<u8>) {
    let mut records = answer();
    let data_at = records_at() + records.len() + 12;
    records.extend(record(
        &pointer(12),
        65_280,
        &[&[1, b'x'].repeat(127)[..], &[0]].concat(),
    ));
    let mut count = 1;
    while records.len() < 64_900 {
        records.extend(record(&pointer(data_at), rtype, &pointer(data_at)));
        count += 1;
    }
    ([1, 0, count], records)
}

/// An internationalised name that is too long only once it is written in A-labels stopped the
/// thread that read the list.
#[test]
fn a_name_too_long_in_a_labels_is_rejected() {
    for labels in 1..100 {
        for letters in [1, 20, 55] {
            let line = format!(
                "{}example\nblocked.example\n",
                format!("{}.", "\u{fc}".repeat(letters)).repeat(labels)
            );
            let mut entries = 0;
            let parsed = parse::read(line.as_bytes(), Format::Plain, |_, _| entries += 1)
                .expect("memory can be read");
            assert_eq!(
                parsed.entries + parsed.rejects,
                2,
                "{labels} labels of {letters} letters"
            );
            assert!(parsed.rejects_shown.iter().all(|reject| matches!(
                reject.reason,
                Reason::LongName | Reason::LongLabel | Reason::LongLine | Reason::Idn
            )));
            assert!(entries >= 1);
        }
    }
}

/// A reply whose names cost far more to follow than it has octets: 64 KB took 80 ms to read, for
/// each of a question's packets.
#[test]
fn replies_that_are_all_jumps_are_not_read() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _guard = runtime.enter();
    let server = Server::start();
    for resolver in server.resolvers() {
        for (counts, records) in [pointers_to_pointers(), one_long_name(5), one_long_name(2)] {
            server.say(counts, records);
            assert_eq!(
                fetch(&resolver).map(|fetched| fetched.wire),
                Err(Failure::Unusable)
            );
        }
        server.say([1, 0, 0], answer());
        assert!(fetch(&resolver).is_ok(), "and an honest one is");
    }
}

/// An alias whose data are no name was believed by the recursing resolver, so no other server was
/// asked; then it could not be kept.
#[test]
fn aliases_that_name_nothing_are_not_believed() {
    const LIFETIMES: Lifetimes = Lifetimes {
        ttl_s_min: 0,
        stale_s_max: 0,
        ttl_s_max: 3_600,
        negative_ttl_s_max: 900,
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _guard = runtime.enter();
    let server = Server::start();
    let [recursing, forwarding] = server.resolvers();
    for data in [&b""[..], b"\xb4\xb4", b"\x05short", b"\x01a\0rest"] {
        for (rtype, qtype) in [
            (CNAME, A),
            (CNAME, CNAME),
            (CNAME, ANY),
            (DNAME, DNAME),
            (DNAME, ANY),
        ] {
            server.say([1, 0, 0], record(&pointer(12), rtype, data));
            for resolver in [&recursing, &forwarding] {
                let fetched = fetch_type(resolver, qtype).map(|fetched| fetched.wire);
                assert!(fetched.is_err(), "type {rtype}, data {data:?}: {fetched:?}");
            }
        }
    }
    server.say([1, 0, 0], record(&pointer(12), DNAME, b"\x01a\0"));
    for resolver in [&recursing, &forwarding] {
        let fetched = fetch_type(resolver, DNAME).expect("a whole one is believed");
        assert!(Entry::from_wire(fetched.wire, None, 0, LIFETIMES).is_ok());
    }
}

/// Names that point into their own record's data, forward or round, are no names (CVE-2026-81642: a
/// DNSKEY whose owner does): a pointer leads to what stood before (RFC 1035 section 4.1.4).
#[test]
fn names_do_not_point_into_their_own_data() {
    const DNSKEY: u16 = 48;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _guard = runtime.enter();
    let server = Server::start();
    let after_owner = records_at() + 2 + 10;
    let key = [&[1, 1, 3, 13][..], &[7; 64]].concat();
    for resolver in server.resolvers() {
        for (rtype, owner, data) in [
            (DNSKEY, pointer(after_owner), key.clone()),
            (A, pointer(after_owner), vec![1, b'a', 0, 0]),
            (CNAME, pointer(12), pointer(after_owner).to_vec()),
            (
                CNAME,
                pointer(12),
                [&[1, b'a'][..], &pointer(after_owner)].concat(),
            ),
            (
                CNAME,
                pointer(12),
                [&pointer(after_owner + 2)[..], &[1, b'a', 0]].concat(),
            ),
        ] {
            server.say([1, 0, 0], record(&owner, rtype, &data));
            let fetched = fetch_type(&resolver, rtype).map(|fetched| fetched.wire);
            assert!(fetched.is_err(), "type {rtype}, {data:?}: {fetched:?}");
        }
    }
}

/// A name whose octets are another record's TTL, which a cache counts down (CVE-2026-82717). We
/// were never open to it: names are written out anew before any TTL changes.
#[test]
fn a_name_in_a_ttl_does_not_change_with_it() {
    const TXT: u16 = 16;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _guard = runtime.enter();
    let server = Server::start();
    let mut text = record(&pointer(12), TXT, b"\x01t");
    // One label, and the root: 01 61 00 00.
    text[6..10].copy_from_slice(&[1, b'a', 0, 0]);
    let ttl_at = records_at() + 6;
    let alias = record(&pointer(12), CNAME, &pointer(ttl_at));
    server.say([2, 0, 0], [text, alias].concat());
    for resolver in server.resolvers() {
        let wire = fetch_type(&resolver, CNAME).expect("a legal reply").wire;
        assert!(wire.ends_with(&[0, 3, 1, b'a', 0]), "{wire:?}");
    }
}

/// Long run: what each bomb costs, in CPU time of the whole process.
#[test]
#[ignore = "measures time"]
fn what_bombs_cost() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _guard = runtime.enter();
    let server = Server::start();
    let some: Vec<u8> = (0..1_000)
        .flat_map(|n: u16| record(&pointer(12), A, &[192, 0, (n >> 8) as u8, n as u8]))
        .collect();
    let many: Vec<u8> = (0..4_000)
        .flat_map(|n: u16| record(&pointer(12), A, &[192, 0, (n >> 8) as u8, n as u8]))
        .collect();
    let cases = [
        ("a small honest reply", ([1, 0, 0], answer())),
        ("1,000 addresses", ([1_000, 0, 0], some)),
        ("4,000 addresses", ([4_000, 0, 0], many)),
        ("pointers to pointers", pointers_to_pointers()),
        ("one long name, CNAME", one_long_name(5)),
        ("one long name, NS", one_long_name(2)),
        ("one long name, NSEC", one_long_name(47)),
    ];
    for (what, (counts, records)) in cases {
        server.say(counts, records.clone());
        for (way, resolver) in ["recurse", "forward"].into_iter().zip(server.resolvers()) {
            let before = cpu_us();
            let outcome = fetch(&resolver).map(|fetched| fetched.wire.len());
            println!(
                "{what}, {way}: {} octets, {} µs CPU, {outcome:?}",
                records.len(),
                cpu_us() - before
            );
        }
    }
}

/// CPU time of all threads so far.
fn cpu_us() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task")
        .expect("the threads")
        .flatten();
    let ns = tasks.filter_map(|task| {
        std::fs::read_to_string(task.path().join("schedstat"))
            .ok()?
            .split(' ')
            .next()?
            .parse::<u64>()
            .ok()
    });
    ns.sum::<u64>() / 1000
}
