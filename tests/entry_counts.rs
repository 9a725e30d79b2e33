//! Counts by entry from the question to the curator: committed to in the log, opened for one key,
//! and told to nobody else.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use wardline::count::Openings;
use wardline::seal::age::{Identity, armor, decrypt, encrypt, unarmor};
use wardline::seal::sha256;

use crate::audit::verify;
use crate::kit::ask::{Client, Question};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::tool::{AGE, FAKETIME, is_missing};
use crate::kit::until;
use crate::kit::wall_clock::WallClock;

const PATIENCE: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 77, 66, 55);
/// tolisted.plain.test is an alias of cdn.blocked.example.
const LIST: &str = "\
quixotic-walrus.example number=157595653
=exact-heron.example number=3777080414
cdn.blocked.example number=2463534242
gloomy-badger.example
";
const OTHER: &str = "other-otter.example number=1063146333\n";
const NAMES: [&str; 5] = [
    "quixotic-walrus",
    "exact-heron",
    "cdn.blocked",
    "gloomy-badger",
    "other-otter",
];
const NUMBERS: [&str; 4] = ["157595653", "3777080414", "2463534242", "1063146333"];

/// A resolver that counts the entries of one of its lists, its curator's key, and its exported log.
struct Scene {
    running: Running,
    clock: WallClock,
    _internet: Internet,
}

impl Scene {
    fn new() -> Self {
        let (internet, mut clock) = (Internet::start(), WallClock::new());
        // Ten minutes into an hour, so that none ends by itself.
        clock.set(600 - wardline::clock::wall_s() % 3600);
        let running = Program::new()
            .forward(internet.forwarder())
            .list_with("law", LIST, "entry_counts = true")
            .list("plain", OTHER)
            .metrics()
            .toml(
                "[count]\nflush_s = 1\n[log]\nlevel = \"debug\"\n\
                 [audit]\nprovider = \"isp.example\"\nresolver = \"r1\"\n\
                 [clients]\nallow = [\"127.77.66.0/24\"]\n",
            )
            .clock(&clock)
            .start();
        let scene = Self {
            running,
            clock,
            _internet: internet,
        };
        scene.new_key("curator");
        scene
    }

    fn new_key(&self, whose: &str) {
        let (name, file) = (
            format!("{whose}.example"),
            self.path(&format!("{whose}.key")),
        );
        self.run(&["key", "new", &name, "--age", "--out", &file]);
    }

    fn path(&self, name: &str) -> String {
        self.running.folder().join(name).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.running.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {stdout}{stderr}");
        stdout
    }

    /// Each question is blocked.
    fn ask(&self, names: &[&str]) {
        for name in names {
            let response = Client::udp(self.running.address())
                .source(CLIENT)
                .ask(&Question::new(name, "A"));
            assert!(
                response
                    .answers()
                    .last()
                    .is_some_and(|answer| answer.ends_with(" A 192.0.2.1")),
                "{name}: {:?}",
                response.answers()
            );
        }
    }

    fn wait_for_writing(&self, blocked: u64) {
        let is_written =
            || (self.running.report()["sums"]["ended"]["blocked"] == blocked).then_some(());
        until("the counts are on disk", PATIENCE, is_written);
    }

    /// Lets the hour end; gives the commitments in the exported log as list, hour and number of
    /// entries.
    fn close_hour(&mut self, hours: usize) -> Vec<(String, String, u64)> {
        self.clock.advance(HOUR);
        until("the hour is in the log", PATIENCE, || {
            self.run(&["audit", "export", &self.path("log")]);
            let found = commitments(&self.running.folder().join("log"));
            (found.len() >= hours).then_some(found)
        })
    }

    fn open(&self, to: &str) {
        let recipient = self.run(&["key", "show", &self.path("curator.key")]);
        fs::write(
            self.path(to),
            self.run(&["audit", "open", "law", "--to", recipient.trim()]),
        )
        .expect("a file");
    }

    /// What somebody reads with a key: exit code, standard output and standard error.
    fn read(&self, file: &str, key: &str, more: &[&str]) -> (i32, String, String) {
        let [file, log, key] = [file, "log", key].map(|name| self.path(name));
        let author = self.run(&["audit", "key"]);
        let opened = ["audit", "opened", &file, &log, "--identity", &key];
        let arguments = [&opened[..], &["--key", author.trim()], more].concat();
        self.running.run(&arguments)
    }

    /// What the curator reads: exit code, outcome, and what standard error says.
    fn opened(&self, file: &str) -> (i32, Value, String) {
        let (code, stdout, stderr) = self.read(file, "curator.key", &["--json"]);
        (
            code,
            serde_json::from_str(&stdout).unwrap_or_default(),
            stderr,
        )
    }

    /// The log is in order for who has the resolver's key alone.
    fn verify_log(&self) {
        let author = self.run(&["audit", "key"]).trim().to_owned();
        let arguments = [self.path("log"), "--key".to_owned(), author];
        assert_eq!(verify(&arguments).0, 0);
    }

    /// The openings in a file, changed and encrypted anew: what somebody could do who has the
    /// counts.
    fn forge(&self, from: &str, to: &str, change: impl FnOnce(&mut Openings)) {
        let identities =
            Identity::parse_file(&fs::read_to_string(self.path("curator.key")).expect("a key"))
                .expect("a key");
        let octets = unarmor(&fs::read(self.path(from)).expect("a file")).expect("age's text form");
        let mut openings =
            Openings::parse(&decrypt(&octets, &identities).expect("for us")).expect("openings");
        change(&mut openings);
        let octets = encrypt(
            &openings.to_json().expect("JSON"),
            &[identities[0].recipient().expect("a key")],
        )
        .expect("a file");
        fs::write(self.path(to), armor(&octets)).expect("a file");
    }
}

/// The entries of all bundles of an exported log, as JSON.
fn leaves(log: &Path) -> Vec<Value> {
    let folder = log.join("tile/entries");
    let mut bundles = fs::read_dir(folder)
        .expect("bundles")
        .map(|entry| entry.expect("an entry").path())
        .collect::<Vec<_>>();
    bundles.sort();
    // A part of a bundle lies in a folder, and a longer one holds all that a shorter one does.
    let width = |path: &Path| {
        path.file_name()
            .and_then(|name| name.to_str()?.parse::<u64>().ok())
    };
    let octets = bundles.iter().map(|path| match path.is_dir() {
        true => fs::read(
            fs::read_dir(path)
                .expect("parts")
                .flatten()
                .map(|part| part.path())
                .max_by_key(|path| width(path))
                .expect("a part"),
        ),
        false => fs::read(path),
    });
    let mut leaves = vec![];
    for octets in octets {
        let octets = octets.expect("a bundle");
        let mut rest = octets.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk::<2>() {
            let (leaf, behind) = behind.split_at(usize::from(u16::from_be_bytes(*length)));
            leaves.push(serde_json::from_slice(leaf).expect("a leaf"));
            rest = behind;
        }
    }
    leaves
}

fn commitments(log: &Path) -> Vec<(String, String, u64)> {
    let events = leaves(log)
        .into_iter()
        .filter(|leaf| leaf["kind"] == "entry-counts");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    events
        .map(|leaf| {
            (
                text(&leaf["list"]),
                text(&leaf["body"]["hour"]),
                leaf["body"]["entries"].as_u64().expect("a number"),
            )
        })
        .collect()
}

#[test]
fn entries_are_counted_for_the_curator_alone() {
    if is_missing(&FAKETIME) {
        return;
    }
    let mut scene = Scene::new();
    scene.ask(&[
        "quixotic-walrus.example.",
        "deep.below.quixotic-walrus.example.",
        "exact-heron.example.",
        "gloomy-badger.example.",
        "tolisted.plain.test.",
        "tolisted.plain.test.",
        "other-otter.example.",
    ]);
    // A replaced table loses nothing, and a number keeps its meaning.
    wait_for_new_list(&scene);
    scene.ask(&["quixotic-walrus.example."]);
    scene.wait_for_writing(9);
    let found = scene.close_hour(1);
    assert_eq!(
        found
            .iter()
            .map(|(list, _, entries)| (list.as_str(), *entries))
            .collect::<Vec<_>>(),
        [("law", 4)],
        "one list alone"
    );
    scene.open("opened.age");
    the_curator_reads_what_was_counted(&scene);
    nobody_else_is_told(&scene);
    what_differs_is_refused(&scene);
    another_key_opens_nothing(&scene);
    another_program_reads_it(&scene);
}

/// With one entry more, which is asked for until it is blocked, and so counted once.
fn wait_for_new_list(scene: &Scene) {
    scene
        .running
        .replace_list("law", &format!("{LIST}new-newt.example number=12\n"));
    let has_come = || {
        Client::udp(scene.running.address())
            .source(CLIENT)
            .ask(&Question::new("new-newt.example.", "A"))
            .answers()
    };
    until("the new list", PATIENCE, || {
        has_come()
            .iter()
            .any(|answer| answer.ends_with(" 192.0.2.1"))
            .then_some(())
    });
}

fn the_curator_reads_what_was_counted(scene: &Scene) {
    let (code, outcome, stderr) = scene.opened("opened.age");
    assert_eq!(
        (code, &outcome["verdict"], &outcome["hours"]),
        (0, &"in order".into(), &1.into()),
        "{outcome}{stderr}"
    );
    let expected = json!([
        { "number": 157_595_653, "blocked": 3 },
        { "number": 2_463_534_242_u32, "blocked": 2 },
        { "number": 12, "blocked": 1 },
        { "number": 3_777_080_414_u32, "blocked": 1 },
    ]);
    assert_eq!(outcome["entries"], expected);
    scene.verify_log();
    let (code, text, stderr) = scene.read("opened.age", "curator.key", &[]);
    assert!(
        code == 0
            && text.contains("157595653        3\n")
            && text.contains("those that the log committed to"),
        "{text}{stderr}"
    );
}

/// Neither names nor clients are anywhere, and numbers are in the store's own file only.
fn nobody_else_is_told(scene: &Scene) {
    let (running, mut places) = (&scene.running, scene.running.traces());
    let numbers_may_stand = |place: &str| place.contains("counts.sqlite");
    let log = leaves(&running.folder().join("log"))
        .iter()
        .map(Value::to_string)
        .collect::<String>();
    places.push(("the log".to_owned(), log.into_bytes()));
    for report in [
        vec!["report"],
        vec!["report", "--exact"],
        vec!["report", "--exact", "--json"],
        vec!["status"],
        vec!["lists"],
        vec!["history", "law"],
    ] {
        let printed = scene.run(&report);
        places.push((format!("{report:?}"), printed.into_bytes()));
    }
    let page = until("the metrics", PATIENCE, || {
        running
            .metric("wardline_list_entries{list=\"law\"}")
            .map(|_| running.metrics_page())
    });
    places.push(("the metrics".to_owned(), page.into_bytes()));
    places.push((
        "the opened file".to_owned(),
        fs::read(scene.path("opened.age")).expect("a file"),
    ));
    for (place, octets) in places {
        let has = |needle: &str| memchr::memmem::find(&octets, needle.as_bytes()).is_some();
        let names = NAMES.iter().filter(|name| has(name));
        let numbers = NUMBERS
            .iter()
            .filter(|number| !numbers_may_stand(&place) && has(number));
        let clients = ["127.77.66.55", "7f4d4237"]
            .iter()
            .filter(|text| has(text))
            .copied()
            .collect::<Vec<_>>();
        let found: Vec<&&str> = names.chain(numbers).collect();
        assert!(
            found.is_empty() && clients.is_empty(),
            "{place}: {found:?} {clients:?}"
        );
    }
    let (code, _, stderr) = running.run(&[
        "audit",
        "open",
        "plain",
        "--to",
        scene
            .run(&["key", "show", &scene.path("curator.key")])
            .trim(),
    ]);
    assert!(code == 1 && stderr.contains("entry_counts"), "{stderr}");
    assert_eq!(
        running.run(&["audit", "open", "law"]).0,
        2,
        "never without a reader"
    );
    assert_eq!(running.run(&["audit", "open", "law", "--to", "age1x"]).0, 2);
}

fn what_differs_is_refused(scene: &Scene) {
    let hour = commitments(&scene.running.folder().join("log"))[0]
        .1
        .clone();
    let refused = |change: fn(&mut Openings), words: &str| {
        scene.forge("opened.age", "forged.age", change);
        let (code, outcome, stderr) = scene.opened("forged.age");
        assert_eq!(
            (code, &outcome["verdict"], &outcome["hours"]),
            (1, &"not in order".into(), &0.into()),
            "{outcome}{stderr}"
        );
        let finding = &outcome["findings"][0];
        assert!(
            finding["message"]
                .as_str()
                .is_some_and(|message| message.contains(words)),
            "{outcome}"
        );
        finding["place"].as_str().expect("a place").to_owned()
    };
    let place = format!("isp.example/r1 hour {hour}");
    let change: fn(&mut Openings) = |openings| {
        *openings.openings[0]
            .counts
            .get_mut(&157_595_653)
            .expect("an entry") += 1
    };
    assert_eq!(refused(change, "not those that the log commits to"), place);
    assert_eq!(
        refused(
            |openings| openings.openings[0].salt[0] ^= 1,
            "not those that the log commits to"
        ),
        place
    );
    assert_eq!(
        refused(|openings| openings.list = "plain".into(), "no commitment"),
        place
    );
    refused(
        |openings| openings.openings[0].hour += 3600,
        "no commitment",
    );
    scene.forge("opened.age", "forged.age", |openings| {
        openings.origin = "isp.example/r2".into()
    });
    assert!(
        scene
            .opened("forged.age")
            .2
            .contains("no log of isp.example/r2")
    );
}

fn another_key_opens_nothing(scene: &Scene) {
    scene.new_key("stranger");
    let (code, stdout, stderr) = scene.read("opened.age", "stranger.key", &[]);
    assert!(
        code == 1 && stdout.is_empty() && stderr.contains("other recipients"),
        "{stdout}{stderr}"
    );
}

/// Debian's age opens the file, and the commitment is what docs/audit-format.md says.
fn another_program_reads_it(scene: &Scene) {
    if is_missing(&AGE) {
        return;
    }
    let output = Command::new("age")
        .args([
            "-d",
            "-i",
            &scene.path("curator.key"),
            &scene.path("opened.age"),
        ])
        .output()
        .expect("age");
    let opened: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let opening = &opened["openings"][0];
    let salt = data_encoding::HEXLOWER
        .decode(opening["salt"].as_str().expect("a salt").as_bytes())
        .expect("hexadecimal");
    // serde_json's own objects are sorted as the format asks.
    let commitment = data_encoding::HEXLOWER.encode(&sha256(
        &[salt, opening["counts"].to_string().into_bytes()].concat(),
    ));
    let leaves = leaves(&scene.running.folder().join("log"));
    let leaf = leaves
        .iter()
        .find(|leaf| leaf["kind"] == "entry-counts")
        .expect("a commitment");
    assert_eq!(
        leaf["body"],
        json!({ "hour": opening["hour"], "commitment": commitment, "entries": 4 })
    );
}

#[test]
fn a_crash_loses_no_entry_count_that_was_written() {
    if is_missing(&FAKETIME) {
        return;
    }
    let mut scene = Scene::new();
    scene.ask(&["quixotic-walrus.example.", "exact-heron.example."]);
    scene.wait_for_writing(2);
    scene.running.kill(libc::SIGKILL);
    scene.running.wait_exit();
    scene.running.restart();
    scene.ask(&["quixotic-walrus.example."]);
    scene.wait_for_writing(3);
    // The hour ends while nobody runs: it is committed to behind the next start.
    scene.running.kill(libc::SIGKILL);
    scene.running.wait_exit();
    scene.clock.advance(HOUR);
    scene.running.restart();
    assert_eq!(
        scene
            .close_hour(2)
            .iter()
            .map(|(_, _, entries)| *entries)
            .collect::<Vec<_>>(),
        [2, 0]
    );
    scene.open("opened.age");
    let (code, outcome, stderr) = scene.opened("opened.age");
    assert_eq!(
        (code, &outcome["hours"]),
        (0, &2.into()),
        "{outcome}{stderr}"
    );
    let expected = json!([
        { "number": 157_595_653, "blocked": 2 },
        { "number": 3_777_080_414_u32, "blocked": 1 },
    ]);
    assert_eq!(outcome["entries"], expected);
    scene.verify_log();
    // Who withholds an hour between others is found.
    scene.close_hour(3);
    scene.close_hour(4);
    scene.open("opened.age");
    scene.forge("opened.age", "forged.age", |openings| {
        drop(openings.openings.remove(1))
    });
    let (code, outcome, _) = scene.opened("forged.age");
    assert!(
        code == 1
            && outcome["findings"][0]["message"]
                .as_str()
                .is_some_and(|text| text.contains("does not open")),
        "{outcome}"
    );
}

/// The key is replaced: the openings of hours before it are held against the log that committed to
/// them, and those of the last one against the log that goes on.
#[test]
fn openings_are_read_over_a_log_that_was_closed() {
    if is_missing(&FAKETIME) {
        return;
    }
    let mut scene = Scene::new();
    scene.ask(&["quixotic-walrus.example."]);
    scene.wait_for_writing(1);
    scene.close_hour(1);
    scene.ask(&["exact-heron.example."]);
    scene.wait_for_writing(2);
    let first = scene.run(&["audit", "key"]).trim().to_owned();
    scene.run(&["audit", "replace-key"]);
    scene.running.restart();
    fs::remove_dir_all(scene.path("log")).expect("a folder");
    scene.close_hour(1);
    scene.open("opened.age");
    let origin = first.split('+').next().expect("a name");
    let read = |logs: &str| {
        let [file, logs, key] = ["opened.age", logs, "curator.key"].map(|name| scene.path(name));
        let opened = [
            "audit",
            "opened",
            &file,
            &logs,
            "--identity",
            &key,
            "--key",
            &first,
        ];
        let (code, said, error) = scene.running.run(&[&opened[..], &["--json"]].concat());
        let outcome: Value = serde_json::from_str(&said).unwrap_or_default();
        (code, outcome, error)
    };
    let (code, outcome, _) = read("log");
    let said = outcome["findings"][0]["message"].to_string();
    assert!(code == 1 && said.contains("--ended"), "{outcome}");
    scene.run(&["audit", "export", &scene.path("logs/now")]);
    scene.run(&[
        "audit",
        "export",
        &scene.path("logs/ended"),
        "--ended",
        origin,
    ]);
    let (code, outcome, error) = read("logs");
    assert_eq!(
        (code, &outcome["hours"]),
        (0, &2.into()),
        "{outcome:#}{error}"
    );
    let expected = json!([
        { "number": 157_595_653, "blocked": 1 },
        { "number": 3_777_080_414_u32, "blocked": 1 },
    ]);
    assert_eq!(outcome["entries"], expected);
}
