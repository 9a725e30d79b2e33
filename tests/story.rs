//! The whole story on the real program: two agencies make a secret list, three resolvers apply it,
//! mistakes and forgeries change nothing, a removal is quick, and nothing that anybody leaves
//! behind names an entry.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wardline::clock::wall_s;
use wardline::list::Hash;
use wardline::list::manifest::{Manifest, Secrecy};
use wardline::seal::{Note, SigningKey};

use crate::kit::ask::{Client, Question};
use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;
use crate::kit::until;
use crate::kit::web::{CERT, KEY, Web, request};

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);
const NAMES: usize = 10_000;
/// Stands in each listed name and nowhere else.
const MARK: &str = "hidden";
const TOKEN: &str = "a-token-for-the-story";

fn listed(number: usize) -> String {
    format!("n{number}.{MARK}.example")
}

/// One entry a line, as the desk has them.
fn entries(count: usize) -> String {
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    (0..count).fold(String::new(), |mut text, number| {
        writeln!(
            text,
            "{} number={} verified={today}",
            listed(number),
            number + 1
        )
        .unwrap();
        text
    })
}

/// A platform that the program's own list spares.
fn popular() -> &'static str {
    let lines = include_str!("../blocklists/never-block.txt").lines();
    lines
        .rev()
        .find_map(|line| line.strip_prefix('='))
        .expect("a platform")
}

/// The agencies' desk, with everybody's keys in its folder.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// With a list of so many entries beside the test entry.
    fn with(count: usize) -> Self {
        let desk = Self {
            folder: TempDir::new().unwrap(),
        };
        let agencies =
            [1, 2].map(|at| desk.does(&format!("key new agency-{at}.example --out {at}.key")));
        let words = [
            "list",
            "new",
            "desk",
            "--id",
            "story",
            "--authority",
            "Example Authority",
            "--legal-basis",
            "Example Act",
            "--encrypted",
        ];
        let keys = agencies.each_ref().map(|key| key.trim());
        let (code, _, stderr) =
            desk.run(&[&words[..], &["--key", keys[0], "--key", keys[1]]].concat());
        assert_eq!(code, 0, "{stderr}");
        for (file, text) in [
            ("cert.pem", CERT),
            ("key.pem", KEY),
            ("token", TOKEN),
            ("names", &entries(count)),
        ] {
            fs::write(desk.file(file), text).unwrap();
        }
        for at in 1..=3 {
            let recipient = desk.does(&format!("key new ns{at}.example --out ns{at}.age --age"));
            desk.does(&format!(
                "list encrypt desk --recipient {}",
                recipient.trim()
            ));
        }
        desk.does("list import desk names");
        desk.does(&format!(
            "list add desk --test wardline-test.{MARK}.example"
        ));
        desk
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wardline"));
        let output = command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    fn does(&self, words: &str) -> String {
        let (code, stdout, stderr) = self.run(&words.split(' ').collect::<Vec<_>>());
        assert_eq!((code, stderr.as_str()), (0, ""), "{words}");
        stdout
    }

    /// Sign by both, whatever the lint finds of these kinds.
    fn sign(&self, overrides: &[&str]) {
        let overrides: String = overrides
            .iter()
            .map(|code| format!(" --override {code}"))
            .collect();
        self.does(&format!("list sign desk --key 1.key{overrides}"));
        assert!(
            self.does(&format!("list sign desk --key 2.key{overrides}"))
                .ends_with("ready to push\n")
        );
    }

    fn push(&self, to: &[&Resolver], more: &str) -> (i32, String) {
        let urls: String = to
            .iter()
            .map(|resolver| format!(" https://{}", resolver.push))
            .collect();
        let keys: String = to
            .iter()
            .filter_map(|resolver| fs::read_to_string(resolver.state().join("receipt.pub")).ok())
            .fold(String::new(), |mut text, key| {
                write!(text, " --receipt-key {}", key.trim()).unwrap();
                text
            });
        let words = format!("list push desk{urls} --ca cert.pem --token-file token{keys}{more}");
        let (code, stdout, _) = self.run(&words.split(' ').collect::<Vec<_>>());
        (code, stdout)
    }

    fn manifest(&self) -> Manifest {
        Manifest::parse(
            Note::parse(&fs::read(self.file("desk/issue/story.manifest")).unwrap())
                .unwrap()
                .text(),
        )
        .unwrap()
    }

    fn key(&self, at: usize) -> SigningKey {
        SigningKey::parse(&fs::read_to_string(self.file(&format!("{at}.key"))).unwrap()).unwrap()
    }
}

/// A resolver, and where curators reach it.
struct Resolver {
    folder: PathBuf,
    push: SocketAddr,
}

impl Resolver {
    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }
}

fn prepare(desk: &Desk, at: usize, sources: &str) -> (Running, Resolver) {
    let push = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let file = |name: &str| desk.file(name).display().to_string();
    let keys = [1, 2].map(|at| desk.key(at).public().to_string());
    let (cert, key, token, identity) = (
        file("cert.pem"),
        file("key.pem"),
        file("token"),
        file(&format!("ns{at}.age")),
    );
    let running = Program::new().metrics().toml(&format!(
        "[limits]\nudp_replies_per_s = 0\n[lists]\nnever_block_names = [\"stop.example\"]\n\
         [push]\nlisten = \"{push}\"\ncertificate = {cert:?}\nkey = {key:?}\ntokens = {token:?}\n\
         [[list]]\nid = \"story\"\nauthority = \"Example Authority\"\nbasis = \"law\"\n\
         legal_basis = \"Example Act\"\nstop = {STOP:?}\nkeys = {keys:?}\nsignatures = 2\n\
         identity = {identity:?}\npush = true\n{sources}"
    ));
    let running = running.prepare().at(Ipv4Addr::new(127, 77, 0, at as u8));
    let resolver = Resolver {
        folder: running.folder().to_path_buf(),
        push,
    };
    (running, resolver)
}

/// Asks one resolver all the time: listed names must be blocked and all others must not, at every
/// moment.
struct Prober {
    shared: Arc<Probing>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Probing {
    is_over: AtomicBool,
    answers: AtomicUsize,
    wrong: AtomicUsize,
}

impl Prober {
    fn start(at: SocketAddr) -> Self {
        let shared = Arc::new(Probing::default());
        let probing = Arc::clone(&shared);
        let (blocked, free) = (
            vec![
                listed(0),
                format!("www.{}", listed(100)),
                format!("wardline-test.{MARK}.example"),
            ],
            vec![
                popular().to_owned(),
                "stop.example".to_owned(),
                "any.co.uk".to_owned(),
                listed(NAMES),
                listed(NAMES + 49_000),
            ],
        );
        let thread = spawn(move || {
            let client = Client::udp(at).patience(SECOND);
            let names: Vec<(String, bool)> = blocked
                .into_iter()
                .map(|name| (name, true))
                .chain(free.into_iter().map(|name| (name, false)))
                .collect();
            while !probing.is_over.load(SeqCst) {
                for (name, is_listed) in &names {
                    // Without recursion nobody outside is asked; silence is a resolver that starts
                    // anew.
                    let Some(response) =
                        client.try_ask(&Question::new(name, "A").without_recursion())
                    else {
                        continue;
                    };
                    let is_blocked = response.is_stopped();
                    probing.answers.fetch_add(1, SeqCst);
                    probing
                        .wrong
                        .fetch_add(usize::from(is_blocked != *is_listed), SeqCst);
                }
                // Often enough to see any moment, and the machine is left to the others.
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { shared, thread }
    }

    fn assert_right(&self, what: &str) {
        assert_eq!(self.shared.wrong.load(SeqCst), 0, "wrong answers: {what}");
    }

    fn stop(self) -> usize {
        self.shared.is_over.store(true, SeqCst);
        let Self { shared, thread } = self;
        thread.join().unwrap();
        assert_eq!(shared.wrong.load(SeqCst), 0);
        shared.answers.load(SeqCst)
    }
}

fn is_blocked(running: &Running, name: &str) -> bool {
    let client = Client::udp(running.address());
    client
        .ask(&Question::new(name, "A").without_recursion())
        .is_stopped()
}

fn standing(running: &Running) -> serde_json::Value {
    running.json(&["lists", "--json"])["lists"][0].clone()
}

fn refusal(running: &Running) -> String {
    standing(running)["last_refusal"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The three of them, each with the list in force by its own way.
struct Stage {
    desk: Desk,
    web: Web,
    running: [Running; 3],
    resolvers: [Resolver; 3],
    probers: Vec<Prober>,
}

impl Stage {
    fn set() -> Self {
        let desk = Desk::with(NAMES);
        desk.sign(&[]);
        let issue = desk.file("desk/issue");
        let web = Web::serve(&issue);
        let pulled = format!(
            "[list.pull]\nurls = [\"https://127.0.0.1:{port}/lists/story.manifest\"]\naddresses = \
             [\"127.0.0.1:{port}\"]\nca = {:?}\nevery_s = 1\n",
            desk.file("cert.pem"),
            port = web.port()
        );
        let (mut one, first) = prepare(&desk, 1, &format!("[list.folder]\npath = {issue:?}\n"));
        let (mut two, second) = prepare(&desk, 2, &pulled);
        let (mut three, third) = prepare(&desk, 3, "");
        one.restart();
        two.restart();
        // The third answers nobody before its list has come: somebody has to push while it starts.
        std::thread::scope(|scope| {
            let started = scope.spawn(|| three.restart());
            until("the push listener", PATIENCE, || {
                desk.push(&[&third], " --wait 5")
                    .1
                    .contains("live, probed")
                    .then_some(())
            });
            started.join().unwrap();
        });
        let (running, resolvers) = ([one, two, three], [first, second, third]);
        let probers = running
            .iter()
            .map(|running| Prober::start(running.address()))
            .collect();
        Self {
            desk,
            web,
            running,
            resolvers,
            probers,
        }
    }

    fn push(&self, more: &str) -> (i32, String) {
        self.desk.push(&self.resolvers.each_ref(), more)
    }

    /// Push, and see all three prove it; returns what the push printed.
    fn assert_proven(&self) -> String {
        let (code, stdout) = self.push("");
        assert_eq!(
            (code, stdout.matches("live, probed").count()),
            (0, 3),
            "{stdout}"
        );
        stdout
    }

    /// Sign these entries, whatever the lint finds of these kinds.
    fn issue(&self, entries: &str, overrides: &[&str]) {
        fs::write(self.desk.file("desk/entries.txt"), entries).unwrap();
        self.desk.sign(overrides);
    }

    fn assert_right(&self, what: &str) {
        self.probers
            .iter()
            .for_each(|prober| prober.assert_right(what));
        for running in &self.running {
            assert!(
                is_blocked(running, &listed(NAMES - 1)) && is_blocked(running, &listed(5000)),
                "{what}"
            );
        }
    }
}

#[test]
fn from_two_agencies_desk_to_three_resolvers_and_through_every_mistake() {
    let mut stage = Stage::set();
    applied_and_proven(&stage);
    mistakes_are_refused(&stage);
    a_removal_is_quick(&stage);
    forgeries_are_refused(&stage);
    everything_goes_down(&mut stage);
    nothing_names_an_entry(stage);
}

fn applied_and_proven(stage: &Stage) {
    println!("{}", stage.assert_proven());
    for (running, way) in stage.running.iter().zip(["folder", "pull", "push"]) {
        let history = running.json(&["history", "story", "--json"]);
        assert_eq!(
            (
                &history["generations"][0]["way"],
                &history["generations"][0]["serial"]
            ),
            (&way.into(), &1.into())
        );
        assert_eq!(standing(running)["entries"], NAMES + 1);
    }
    stage.assert_right("at first");
    let (sent, _) = stage.web.tally();
    until("the manifest is known by its tag", PATIENCE, || {
        (stage.web.tally().1 > 2).then_some(())
    });
    assert_eq!(stage.web.tally().0, sent, "nothing is sent twice");
}

fn mistakes_are_refused(stage: &Stage) {
    let desk = &stage.desk;
    let good = fs::read_to_string(desk.file("desk/entries.txt")).unwrap();
    let (code, _, stderr) = desk.run(&["list", "add", "desk", "com"]);
    assert_eq!(
        (code, stderr.as_str()),
        (2, "wardline: name 1: a top-level domain cannot be listed\n")
    );
    let more = good.clone()
        + &entries(NAMES + 50_000)
            .lines()
            .skip(NAMES)
            .map(|line| format!("{line}\n"))
            .collect::<String>();
    let fewer: String = good
        .lines()
        .take(NAMES / 20)
        .map(|line| format!("{line}\n"))
        .collect();
    let with = |name: &str| format!("{good}{name} number=4000000000\n");
    let mistakes: [(&str, String, &[&str], &str); 5] = [
        (
            "a popular name",
            with(popular()),
            &["guard.never-block"],
            "guard.never-block: 1 entry covers a name that must never be blocked",
        ),
        (
            "a public suffix",
            with("co.uk"),
            &["guard.public-suffix", "guard.never-block"],
            "guard.public-suffix: 1 entry covers a public suffix",
        ),
        (
            "the stop page's host",
            with("stop.example"),
            &[],
            "guard.never-block: 1 entry covers a name that must never be blocked",
        ),
        (
            "+50,000",
            more,
            &["guard.added", "guard.added-percent"],
            "guard.added: 50000 entries would be added; allowed are 5000",
        ),
        (
            "-95 %",
            fewer,
            &["guard.removed", "guard.removed-percent"],
            "guard.removed: 9501 entries would be removed; allowed are 5000",
        ),
    ];
    for (what, text, overrides, message) in mistakes {
        stage.issue(&text, overrides);
        let (code, stdout) = stage.push("");
        assert_eq!(
            (code, stdout.matches(message).count()),
            (1, 3),
            "{what}: {stdout}"
        );
        stage.assert_right(what);
    }
    stage.issue(&good, &["guard.added", "guard.added-percent"]);
    stage.assert_proven();
    stage.assert_right("after all mistakes");
}

fn a_removal_is_quick(stage: &Stage) {
    let desk = &stage.desk;
    let name = listed(7);
    assert!(
        stage
            .running
            .iter()
            .all(|running| is_blocked(running, &name))
    );
    let (code, _, stderr) = desk.run(&[
        "list",
        "remove",
        "desk",
        &name,
        "--now",
        "--key",
        "2.key",
        "--reason",
        "listed by mistake",
    ]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let made = Instant::now();
    let (code, stdout) = desk.push(&[&stage.resolvers[2]], " --removal");
    assert_eq!(code, 0, "{stdout}");
    for (running, way) in stage.running.iter().zip(["folder", "pull", "push"]) {
        let took = until("the removal", PATIENCE, || {
            (!is_blocked(running, &name)).then(|| made.elapsed())
        });
        println!("removal live {took:?} after it was made, by {way}");
        assert_eq!(standing(running)["removed"], 1);
    }
    stage.assert_right("a removal of another name");
}

/// What is wrong with an issue, who signs it (`x` is a stranger), and words of the refusal.
const FORGERIES: &str = "
an old serial         | 1 2 | serial 1 is below 7, which was accepted before
one signature too few | 1   | 1 of its keys have signed, 2 must
a serial twice        | 1 2 | another manifest with serial 7 was accepted before
wrong keys            | 1 x | 1 of its keys have signed, 2 must
run out               | 1 2 | it ran out 10
swapped files         | 1 2 | the entries are not those that the manifest names (SHA-256 differs)
a top-level domain    | 1 2 | a top-level domain cannot be listed
";

fn forgeries_are_refused(stage: &Stage) {
    let desk = &stage.desk;
    let genuine = desk.manifest();
    let sealed = fs::read(desk.file("desk/issue").join(genuine.entries_file())).unwrap();
    let stranger = SigningKey::generate("agency-2.example").unwrap();
    for case in FORGERIES.trim().lines() {
        let fields: Vec<&str> = case.split(" | ").map(str::trim).collect();
        let [what, signers, message] = fields[..] else {
            panic!("{case}")
        };
        let (manifest, entries) = forge(what, genuine.clone(), &sealed);
        let mut note = Note::new(&manifest.to_text()).unwrap();
        for signer in signers.split(' ') {
            match signer.parse() {
                Ok(at) => note.sign(&desk.key(at)).unwrap(),
                Err(_) => note.sign(&stranger).unwrap(),
            }
        }
        hand_out_everywhere(stage, &manifest, &note, &entries);
        for running in &stage.running {
            until(&format!("{what}: {}", refusal(running)), PATIENCE, || {
                refusal(running).contains(message).then_some(())
            });
            assert!(!is_blocked(running, "forged.example"), "{what}");
        }
        stage.assert_right(what);
    }
}

/// A manifest and entries that have this fault, unless it is a fault of the signers.
fn forge(what: &str, genuine: Manifest, sealed: &[u8]) -> (Manifest, Vec<u8>) {
    let text = format!("{}\nforged.example\n", listed(0)).into_bytes();
    let open = Manifest {
        serial: 100,
        entries: 2,
        sha256: Hash::of(&text),
        secrecy: Secrecy::Open,
        test_entry: None,
        ..genuine.clone()
    };
    let manifest = match what {
        "an old serial" => Manifest { serial: 1, ..open },
        "a serial twice" => Manifest { serial: 7, ..open },
        "run out" => Manifest {
            issued: wall_s() - 200,
            expires: wall_s() - 100,
            ..open
        },
        "swapped files" => {
            let manifest = Manifest {
                serial: 100,
                sha256: Hash::of(b"another issue"),
                ..genuine
            };
            return (manifest, sealed.to_vec());
        }
        "a top-level domain" => {
            let manifest = Manifest {
                sha256: Hash::of(b"com\n"),
                entries: 1,
                ..open
            };
            return (manifest, b"com\n".to_vec());
        }
        "one signature too few" | "wrong keys" => open,
        _ => panic!("{what}"),
    };
    (manifest, text)
}

/// Into the folder, which is served on the web, too, and to the third by push.
fn hand_out_everywhere(stage: &Stage, manifest: &Manifest, note: &Note, entries: &[u8]) {
    let issue = stage.desk.file("desk/issue");
    hand_out(&issue, &manifest.entries_file(), entries);
    hand_out(&issue, "story.manifest", note.to_string().as_bytes());
    let entries = data_encoding::BASE64.encode(entries);
    let body = serde_json::json!({ "manifest": note.to_string(), "entries": entries });
    let reply = request(
        stage.resolvers[2].push,
        TOKEN,
        "PUT",
        "/v1/lists/story",
        &body.to_string(),
    );
    assert!(reply.starts_with("HTTP/1.1 202 "), "{reply}");
}

/// Replace a file with one rename.
fn hand_out(folder: &Path, name: &str, octets: &[u8]) {
    fs::write(folder.join(".new"), octets).unwrap();
    fs::rename(folder.join(".new"), folder.join(name)).unwrap();
}

fn everything_goes_down(stage: &mut Stage) {
    stage.web.go_down();
    fs::rename(stage.desk.file("desk"), stage.desk.file("gone")).unwrap();
    for running in &mut stage.running {
        running.restart();
        assert!(is_blocked(running, &listed(0)), "the first answer");
        assert!(
            !is_blocked(running, &listed(7)),
            "what was removed stays removed"
        );
        assert_eq!(standing(running)["entries"], NAMES + 1);
    }
    stage.assert_right("with all sources down");
}

fn nothing_names_an_entry(stage: Stage) {
    for running in &stage.running {
        let outputs = [
            &["receipts", "--json"][..],
            &["history", "story", "--json"],
            &["status", "--json"],
            &["lists"],
            &["history", "story"],
        ];
        let mut traces = running.traces();
        traces.extend(outputs.map(|words| (words.join(" "), running.run(words).1.into_bytes())));
        let metrics = until("the metrics", PATIENCE, || fetch(running.metrics_address()));
        assert!(
            metrics.contains("wardline_list_serial{list=\"story\"}"),
            "{metrics}"
        );
        traces.push(("metrics".to_owned(), metrics.into_bytes()));
        for (place, octets) in traces {
            assert!(
                !octets
                    .windows(MARK.len())
                    .any(|window| window.eq_ignore_ascii_case(MARK.as_bytes())),
                "a listed name in {place}"
            );
        }
    }
    let answers: Vec<usize> = stage.probers.into_iter().map(Prober::stop).collect();
    println!("{answers:?} answers to the probers, none of them wrong");
}

/// From `push` to the receipt; a long run: `cargo test --release push_to_receipt -- --ignored
/// --nocapture`.
#[test]
#[ignore = "long run: signs and pushes a million names"]
fn push_to_receipt() {
    for count in [1, 10_000, 1_000_000] {
        let desk = Desk::with((count / 5000).max(1));
        let (mut running, resolver) = prepare(
            &desk,
            1,
            "[list.guard]\nadded_max = 2000000\nadded_percent_max = 1000000.0\n",
        );
        desk.sign(&[]);
        std::thread::scope(|scope| {
            let started = scope.spawn(|| running.restart());
            until("the push listener", PATIENCE, || {
                desk.push(&[&resolver], " --wait 5")
                    .1
                    .contains("live, probed")
                    .then_some(())
            });
            started.join().unwrap();
        });
        fs::write(desk.file("desk/entries.txt"), entries(count + 1)).unwrap();
        desk.sign(if count > 1 {
            &["guard.added", "guard.added-percent"]
        } else {
            &[]
        });
        let begun = Instant::now();
        let (code, stdout) = desk.push(&[&resolver], " --json");
        let took = begun.elapsed();
        assert_eq!(code, 0, "{stdout}");
        let arrival: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        let history = running.json(&["history", "story", "--json"]);
        let receipt = &history["events"]
            .as_array()
            .unwrap()
            .iter()
            .rfind(|event| event["kind"] == "receipt")
            .unwrap()["body"];
        let ms = |key: &str| receipt[key].as_i64().unwrap();
        println!(
            "{count} names: the push ended after {took:?}, live {} ms after its start; at the \
             resolver: judged and compiled in {} ms, probed in {} ms",
            arrival[0]["late_ms"],
            ms("live-ms") - ms("received-ms"),
            ms("probed-ms") - ms("live-ms")
        );
    }
}

fn fetch(at: SocketAddr) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(at).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    page.contains("wardline_list_serial").then_some(page)
}
