//! Signed lists on the real program: what is in order is live and proven, what is not is refused
//! while the old list goes on blocking.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;
use wardline::clock::wall_s;
use wardline::list::manifest::Manifest;
use wardline::list::parse::Format;
use wardline::list::receipt::Receipt;
use wardline::list::removal::Removal;
use wardline::seal::{Note, SigningKey, VerifyKey};
use wardline::update::{
    Bundle, ListChange, ListSource, Origin, Settings, Text, Trust, Unsigned, Updater, Way,
};

use crate::kit::ask::{Client, Question, ask};
use crate::kit::papers::{manifest, place};
use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;
use crate::kit::until;
use crate::kit::web::{CERT, KEY, Web, request};

const SECOND: Duration = Duration::from_secs(1);
const ENTRIES: &str = "blocked.example number=1\nother.example\n";

/// Two agencies whose signatures count, and a stranger.
struct Desk {
    keys: [SigningKey; 3],
    folder: TempDir,
}

/// An issue of the list.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Issue {
    serial: u64,
    signers: Vec<usize>,
    list: String,
    entries: String,
    stated: Option<u64>,
    put: Option<String>,
    issued_s: i64,
    expires_s: i64,
    message: String,
}

impl Default for Issue {
    fn default() -> Self {
        Self {
            serial: 6,
            signers: vec![1, 2],
            list: "signed".to_owned(),
            entries: "new.example\nother.example\n".to_owned(),
            stated: None,
            put: None,
            issued_s: 0,
            expires_s: 86_400,
            message: String::new(),
        }
    }
}

impl Desk {
    fn new() -> Self {
        let keys = ["one.example", "two.example", "stranger.example"]
            .map(|name| SigningKey::generate(name).unwrap());
        Self {
            keys,
            folder: TempDir::new().unwrap(),
        }
    }

    fn sign(&self, text: &str, signers: &[usize]) -> Note {
        let mut note = Note::new(text).unwrap();
        signers
            .iter()
            .for_each(|at| note.sign(&self.keys[at - 1]).unwrap());
        note
    }

    fn manifest(issue: &Issue) -> Manifest {
        Manifest {
            issued: wall_s() + issue.issued_s,
            expires: wall_s() + issue.expires_s,
            entries: issue
                .stated
                .unwrap_or_else(|| issue.entries.lines().count() as u64),
            test_entry: (issue.entries == ENTRIES).then_some(1),
            ..manifest(&issue.list, issue.serial, &issue.entries)
        }
    }

    /// Put an issue where the program looks: the entries first, then the manifest, as a curator's
    /// tool does.
    fn put(&self, issue: &Issue) {
        let manifest = Self::manifest(issue);
        let note = self.sign(&manifest.to_text(), &issue.signers);
        let put = issue.put.as_deref().unwrap_or(&issue.entries);
        if !put.is_empty() {
            place(self.folder.path(), &manifest.entries_file(), put);
        }
        place(self.folder.path(), "signed.manifest", note.to_string());
    }

    fn remove(&self, names: &str, from: i64, signers: &[usize]) -> Note {
        let (from, until) = (wall_s() + from, wall_s() + from + 3600);
        let text = format!(
            "wardline-removal/v1\nlist: signed\nfrom: {}\nuntil: {}\nreason: listed by \
             mistake\n{names}",
            jiff::Timestamp::from_second(from).unwrap(),
            jiff::Timestamp::from_second(until).unwrap()
        );
        Removal::parse(&text).unwrap();
        self.sign(&text, signers)
    }

    fn program(&self) -> Program {
        self.program_with("")
    }

    /// With more of the list's configuration.
    fn program_with(&self, more: &str) -> Program {
        let keys: Vec<String> = self.keys[..2]
            .iter()
            .map(|key| key.public().to_string())
            .collect();
        Program::new().toml(&format!(
            "[lists]\nnever_block_names = [\"stop.example\"]\n[[list]]\nid = \"signed\"\n\
             authority = \"Example Authority\"\nbasis = \"law\"\nlegal_basis = \"Example Act\"\n\
             stop = {STOP:?}\nkeys = {keys:?}\nsignatures = 2\nfolder = {{ path = {:?} }}\n{more}",
            self.folder.path()
        ))
    }

    /// A program with serial 5 in force.
    fn start(&self) -> Running {
        self.put(&Issue {
            serial: 5,
            entries: ENTRIES.to_owned(),
            ..Issue::default()
        });
        self.program().start()
    }
}

/// What was kept of an issue is lost, and its source still has it: it is taken again.
#[test]
fn an_issue_whose_generation_is_lost_is_taken_again() {
    let desk = Desk::new();
    let mut running = desk.start();
    for lost in ["1.entries", "2.manifest", "record.json"] {
        assert!(blocks(&running, "blocked.example"), "before {lost} goes");
        running.kill(libc::SIGTERM);
        running.wait_exit();
        let kept = running.folder().join("state/lists/signed");
        fs::remove_file(kept.join(lost)).unwrap();
        running.restart();
        until(lost, Duration::from_secs(20), || {
            blocks(&running, "blocked.example").then_some(())
        });
        let lists = running.json(&["lists", "--json"]);
        assert_eq!(
            lists.to_string().matches("\"serial\":5").count(),
            1,
            "{lists}"
        );
    }
}

fn blocks(running: &Running, name: &str) -> bool {
    ask(running.address(), name, "A")
        .answers()
        .iter()
        .any(|answer| answer.contains(STOP[0]))
}

fn state(running: &Running) -> serde_json::Value {
    running.json(&["status", "--json"])["lists"][0].clone()
}

#[test]
fn what_is_in_order_is_live_proven_and_there_again_after_a_restart() {
    let desk = Desk::new();
    let mut running = desk.start();
    assert!(blocks(&running, "www.blocked.example"));
    let receipt = || (!state(&running)["receipt"].is_null()).then_some(());
    until(
        &format!("a receipt: {}", running.stderr()),
        10 * SECOND,
        receipt,
    );
    let receipts = running.json(&["receipts", "signed", "--json"]);
    let note = Note::parse(receipts["receipts"][0].as_str().unwrap().as_bytes()).unwrap();
    let key = fs::read_to_string(running.folder().join("state/receipt.pub")).unwrap();
    assert_eq!(
        note.signers(&[VerifyKey::parse(key.trim()).unwrap()])
            .unwrap()
            .len(),
        1
    );
    let receipt = Receipt::parse(note.text()).unwrap();
    assert!(
        receipt.is_proof() && receipt.serial == 5 && receipt.probes >= 4,
        "{receipt:?}"
    );
    fs::remove_dir_all(desk.folder.path()).unwrap();
    running.restart();
    assert!(blocks(&running, "blocked.example"), "all sources are gone");
    assert_eq!(state(&running)["serial"], 5);
}

/// A deadline stands in the receipt and in the status; what missed it is told, and not once more
/// when a restart puts the same issue in force again.
#[test]
fn each_issue_is_held_to_the_deadline_of_its_list() {
    let desk = Desk::new();
    let issue = |serial, issued_s| Issue {
        serial,
        entries: ENTRIES.to_owned(),
        issued_s,
        ..Issue::default()
    };
    desk.put(&issue(5, -7200));
    let mut running = desk.program_with("apply_within_s = 3600\n").start();
    let proven = |running: &Running, serial: u64| {
        until(
            &format!("a receipt for serial {serial}"),
            20 * SECOND,
            || {
                let said = running.json(&["receipts", "signed", "--json"]);
                let notes = said["receipts"].as_array()?.clone();
                let notes = notes
                    .iter()
                    .filter_map(|note| Note::parse(note.as_str()?.as_bytes()).ok());
                let mut receipts = notes.filter_map(|note| Receipt::parse(note.text()).ok());
                receipts.find(|receipt| receipt.serial == serial)
            },
        )
    };
    let late = proven(&running, 5);
    assert_eq!(late.is_in_time(), Some(false), "{late:?}");
    assert!(late.in_force_after_s() >= Some(7200), "{late:?}");
    let told = |running: &Running| {
        running
            .stderr()
            .matches("later than apply_within_s")
            .count()
    };
    assert_eq!(
        (told(&running), &state(&running)["apply_within_s"]),
        (1, &3600.into())
    );
    let (_, status, _) = running.run(&["status"]);
    assert!(
        status.contains("due in force 3,600 s after it was issued"),
        "{status}"
    );
    assert!(status.contains("TOO LATE"), "{status}");
    running.restart();
    assert!(blocks(&running, "blocked.example"));
    desk.put(&issue(6, 0));
    assert_eq!(proven(&running, 6).is_in_time(), Some(true));
    assert_eq!(told(&running), 1, "{}", running.stderr());
    let (_, receipts, _) = running.run(&["receipts", "signed"]);
    assert!(receipts.contains("later than its 3600 s"), "{receipts}");
    assert!(receipts.contains("within its 3600 s"), "{receipts}");
}

#[test]
fn every_bad_bundle_is_refused_with_its_message_and_blocks_nothing_wrong() {
    let desk = Desk::new();
    let running = desk.start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/lists");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    cases.sort();
    assert!(cases.len() >= 15);
    for path in cases {
        let case: Issue = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        desk.put(&case);
        // The clock may have gone on by a second or two since the bundle was made.
        let words: Vec<&str> = case.message.split("1000").collect();
        until(
            &format!("{}: {}", path.display(), case.message),
            5 * SECOND,
            || {
                let said = state(&running)["last_refusal"]["message"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                words
                    .iter()
                    .all(|words| said.contains(words) || words.trim().is_empty())
                    .then_some(())
            },
        );
        assert!(
            blocks(&running, "blocked.example") && !blocks(&running, "new.example"),
            "{}",
            path.display()
        );
        assert_eq!(state(&running)["serial"], 5, "{}", path.display());
    }
    desk.put(&Issue::default());
    until("what is in order", 5 * SECOND, || {
        blocks(&running, "new.example").then_some(())
    });
    assert!(state(&running)["last_refusal"].is_null());
}

#[test]
fn findings_are_let_pass_by_name_and_a_rollback_survives_a_restart() {
    let desk = Desk::new();
    let mut running = desk.start();
    desk.put(&Issue {
        entries: "new.example\nco.uk\n".to_owned(),
        ..Issue::default()
    });
    until("a refusal", 5 * SECOND, || {
        (!state(&running)["last_refusal"].is_null()).then_some(())
    });
    let (code, _, stderr) = running.run(&[
        "reload",
        "signed",
        "--override",
        "guard.tld",
        "--reason",
        "meant",
    ]);
    assert!(
        code == 1 && stderr.contains("is also held back by guard.public-suffix, guard.never-block"),
        "{stderr}"
    );
    let (code, stdout, stderr) = running.run(&[
        "reload",
        "signed",
        "--override",
        "guard.public-suffix,guard.never-block",
        "--reason",
        "meant",
    ]);
    assert_eq!(
        (code, stdout.as_str()),
        (0, "signed: in force with 2 entries\n"),
        "{stderr}"
    );
    assert!(blocks(&running, "new.example"));
    let (code, _, stderr) = running.run(&["rollback", "signed", "--reason", "a mistake"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(blocks(&running, "blocked.example") && !blocks(&running, "new.example"));
    running.restart();
    assert!(blocks(&running, "blocked.example") && !blocks(&running, "new.example"));
    let history = running.json(&["history", "signed", "--json"]);
    let kinds: Vec<&str> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert!(
        ["refused", "override", "live", "rollback", "receipt"]
            .iter()
            .all(|kind| kinds.contains(kind)),
        "{kinds:?}"
    );
    assert!(
        !history.to_string().contains(".example"),
        "no name in the journal: {history}"
    );
    desk.put(&Issue {
        serial: 7,
        ..Issue::default()
    });
    until("a higher serial", 5 * SECOND, || {
        blocks(&running, "new.example").then_some(())
    });
}

#[test]
fn what_cannot_be_remembered_does_not_come_in_force() {
    let desk = Desk::new();
    let running = desk.start();
    // As on a full or read-only disk: the file cannot be written.
    let place = running.folder().join("state/lists/signed");
    let obstacle = place.join(".offer.entries.new");
    fs::create_dir(&obstacle).unwrap();
    desk.put(&Issue::default());
    let said = until("a refusal", 5 * SECOND, || {
        state(&running)["last_refusal"]["message"]
            .as_str()
            .map(str::to_owned)
    });
    let words = format!(
        "signed.manifest: list signed: cannot be remembered in {} (",
        place.display()
    );
    assert!(
        said.contains(&words)
            && said.ends_with("): check the folder's owner, mode and disk, then `wardline reload`"),
        "{said}"
    );
    assert!(blocks(&running, "blocked.example") && !blocks(&running, "new.example"));
    fs::remove_dir(&obstacle).unwrap();
    until("the list, without anybody's help", 5 * SECOND, || {
        blocks(&running, "new.example").then_some(())
    });
    assert_eq!(state(&running)["serial"], 6);
}

/// Ask without having anybody outside asked.
fn ask_often(running: &Running, name: &str, count: usize) {
    for _ in 0..count {
        let answers = Client::udp(running.address())
            .ask(&Question::new(name, "A").without_recursion())
            .answers();
        assert!(answers.is_empty(), "{name} is blocked: {answers:?}");
    }
}

#[test]
fn a_new_issue_is_tried_out_and_blocks_nothing_meanwhile() {
    let desk = Desk::new();
    desk.put(&Issue {
        serial: 5,
        entries: ENTRIES.to_owned(),
        ..Issue::default()
    });
    let running = desk
        .program_with("[list.stage]\nshadow_s = 3600\nquestions_max = 40\npercent_max = 10.0\n")
        .start();
    what_blocks_much_is_refused(&desk, &running);
    the_operator_passes(&running);
    assert!(blocks(&running, "new.example"));
    what_blocks_little_comes_into_force(&desk, &running);
    assert!(!blocks(&running, "new.example"));

    // The operator cuts a trial short.
    desk.put(&Issue {
        serial: 8,
        ..Issue::default()
    });
    wait_for_trial(&running);
    the_operator_passes(&running);
    let history = running.json(&["history", "signed", "--json"]);
    let staged = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "staged")
        .count();
    assert_eq!(
        staged, 5,
        "three trials begun, two of them ended: {history}"
    );
}

fn wait_for_trial(running: &Running) -> serde_json::Value {
    until("a trial", 5 * SECOND, || {
        (!state(running)["trial"].is_null()).then(|| state(running))
    })
}

/// 30 of 40 questions are for a name that only the new issue lists.
fn what_blocks_much_is_refused(desk: &Desk, running: &Running) {
    desk.put(&Issue::default());
    let tried = wait_for_trial(running);
    let trial = &tried["trial"];
    assert_eq!(
        (&tried["serial"], &trial["serial"], &trial["entries"]),
        (&5.into(), &6.into(), &2.into()),
        "{tried}"
    );
    assert!(
        running.run(&["lists"]).1.contains("live, newer in shadow")
            && running
                .run(&["status"])
                .1
                .contains("signed in shadow until ")
    );
    ask_often(running, "new.example", 30);
    let trial = state(running)["trial"].clone();
    assert_eq!(
        (trial["questions"].as_u64(), trial["hits"].as_u64()),
        (Some(30), Some(30))
    );
    ask_often(running, "free.example", 10);
    let message = "guard.shadow: 30 questions would be blocked that are not blocked now, 75.0 % of \
                   all questions; allowed are 10.0 %";
    let said = || {
        state(running)["last_refusal"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    until("the refusal", 5 * SECOND, || {
        said().contains(message).then_some(())
    });
    assert!(state(running)["trial"].is_null() && state(running)["serial"] == 5);
    ask_often(running, "new.example", 1);
}

fn the_operator_passes(running: &Running) {
    let guard = ["--override", "guard.shadow", "--reason", "it is meant"];
    let (code, stdout, stderr) = running.run(&[&["reload", "signed"], &guard[..]].concat());
    assert_eq!(
        (code, stdout.as_str()),
        (0, "signed: in force with 2 entries\n"),
        "{stderr}"
    );
}

/// By itself, and it is proven.
fn what_blocks_little_comes_into_force(desk: &Desk, running: &Running) {
    desk.put(&Issue {
        serial: 7,
        entries: "other.example\nthird.example\n".to_owned(),
        ..Issue::default()
    });
    wait_for_trial(running);
    ask_often(running, "free.example", 40);
    until("the end of the trial", 5 * SECOND, || {
        (state(running)["serial"] == 7).then_some(())
    });
    assert!(blocks(running, "third.example"));
    until("a receipt", 5 * SECOND, || {
        (!state(running)["receipt"].is_null()).then_some(())
    });
}

#[test]
fn a_removal_is_live_within_a_second_and_over_with_the_next_list() {
    let desk = Desk::new();
    let mut running = desk.start();
    let removed = Instant::now();
    place(
        desk.folder.path(),
        "signed.removal",
        desk.remove("remove: blocked.example\n", 0, &[2])
            .to_string(),
    );
    let took = until("the removal", SECOND, || {
        (!blocks(&running, "blocked.example")).then(|| removed.elapsed())
    });
    println!("removal live {took:?} after it was put into the folder");
    assert!(blocks(&running, "other.example"));
    assert_eq!(state(&running)["removed"], 1);
    running.restart();
    assert!(
        !blocks(&running, "blocked.example"),
        "a removal outlives a restart"
    );
    let file = running.folder().join("removal");
    fs::write(
        &file,
        desk.remove("remove: other.example\n", -20, &[3])
            .to_string(),
    )
    .unwrap();
    let (code, _, stderr) = running.run(&["remove", file.to_str().unwrap()]);
    assert!(
        code == 1 && stderr.contains("0 of its keys have signed, 1 must"),
        "{stderr}"
    );
    // An issue of the older form settles what is dated before it, in whole seconds.
    std::thread::sleep(SECOND);
    desk.put(&Issue {
        entries: ENTRIES.to_owned(),
        ..Issue::default()
    });
    until("the next list", 5 * SECOND, || {
        blocks(&running, "blocked.example").then_some(())
    });
    let (code, _, stderr) = running.run(&["rollback", "signed", "--reason", "a mistake"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        !blocks(&running, "blocked.example") && blocks(&running, "other.example"),
        "what was removed before comes not back"
    );
}

/// Whoever refuses, the door or what is below it, it is told in the door's own form.
fn refusals_are_objects(push: SocketAddr) {
    for (method, message) in [
        ("PUT", "the token is not one of those in [push] tokens"),
        ("PUT x", "this is not an HTTP/1.1 request"),
    ] {
        let refused = request(push, "not-the-token-at-all", method, "/v1/lists/signed", "");
        let expected = serde_json::json!({ "error": message }).to_string();
        assert!(
            refused.ends_with(&format!("\r\n\r\n{expected}")),
            "{refused}"
        );
    }
}

#[test]
fn a_list_is_pulled_and_a_newer_one_pushed() {
    let desk = Desk::new();
    let web = Web::serve(desk.folder.path());
    let port = web.port();
    let push = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let files = TempDir::new().unwrap();
    let path = |name: &str| files.path().join(name).display().to_string();
    for (name, text) in [
        ("cert.pem", CERT),
        ("key.pem", KEY),
        ("tokens", "0123456789abcdef\n"),
    ] {
        fs::write(files.path().join(name), text).unwrap();
    }
    let (cert, key, tokens) = (path("cert.pem"), path("key.pem"), path("tokens"));
    let keys: Vec<String> = desk.keys[..2]
        .iter()
        .map(|key| key.public().to_string())
        .collect();
    desk.put(&Issue {
        serial: 5,
        entries: ENTRIES.to_owned(),
        ..Issue::default()
    });
    let program = Program::new().toml(&format!(
        "[push]\nlisten = \"{push}\"\ncertificate = {cert:?}\nkey = {key:?}\n\
         tokens = {tokens:?}\n[[list]]\nid = \"signed\"\nauthority = \"Example Authority\"\n\
         basis = \"law\"\nlegal_basis = \"Example Act\"\nstop = {STOP:?}\nkeys = {keys:?}\n\
         push = true\n\
         pull = {{ urls = [\"https://127.0.0.1:{port}/lists/signed.manifest\"], addresses = \
         [\"127.0.0.1:{port}\"], ca = {cert:?}, every_s = 600 }}\n"
    ));
    let running = program.start();
    until("pulled", Duration::from_secs(20), || {
        blocks(&running, "blocked.example").then_some(())
    });
    assert_eq!(
        web.tally(),
        (2, 0),
        "the manifest and the entries, once each"
    );
    let issue = Issue::default();
    let note = desk
        .sign(&Desk::manifest(&issue).to_text(), &issue.signers)
        .to_string();
    let entries = data_encoding::BASE64.encode(issue.entries.as_bytes());
    let body = serde_json::json!({ "manifest": note, "entries": entries }).to_string();
    let request = |token: &str, method: &str, body: &str| {
        request(push, token, method, "/v1/lists/signed", body)
    };
    assert!(request("not-the-token-at-all", "PUT", &body).starts_with("HTTP/1.1 401 "));
    refusals_are_objects(push);
    // Who says nothing, or has no token, keeps no curator out.
    let _silent: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(push).expect("a listener"))
        .collect();
    let pushed = Instant::now();
    assert!(request("0123456789abcdef", "PUT", &body).starts_with("HTTP/1.1 202 "));
    let told = until("proof", 5 * SECOND, || {
        let told = request("0123456789abcdef", "GET", "");
        told.contains("\"serial\":6")
            .then_some(told)
            .filter(|told| told.contains("wardline-receipt/v1"))
    });
    println!("pushed and proven after {:?}", pushed.elapsed());
    assert!(
        told.contains("\"state\":\"proven\"") && blocks(&running, "new.example"),
        "{told}"
    );
}

#[test]
fn five_hundred_mutated_bundles_are_refused() {
    let desk = Desk::new();
    let state = TempDir::new().unwrap();
    let papers = Trust {
        keys: desk.keys[..2].iter().map(SigningKey::public).collect(),
        threshold: 2,
        unsigned: Unsigned::Refuse,
    };
    let source = ListSource {
        text: None,
        papers,
        ..ListSource::unsigned("signed", 0, Text::Embedded(""), Format::Plain)
    };
    let settings = Settings {
        lists: vec![source],
        state: Some(state.path().to_path_buf()),
        ..Settings::default()
    };
    let (updater, _) = Updater::start(settings).unwrap();
    let issue = Issue {
        entries: ENTRIES.to_owned(),
        ..Issue::default()
    };
    let manifest = Desk::manifest(&issue);
    let note = desk
        .sign(&manifest.to_text(), &[1, 2])
        .to_string()
        .into_bytes();
    let take = |note: Note, entries: Vec<u8>| {
        let origin = Origin {
            way: Way::Operator,
            place: "the test".to_owned(),
        };
        updater
            .take(Bundle {
                list: 0,
                manifest: Some(note),
                text: Text::Memory(Arc::new(entries.into())),
                origin,
            })
            .change
    };
    for number in 0..500_usize {
        let (mut note, mut entries) = (note.clone(), ENTRIES.as_bytes().to_vec());
        let at = number.wrapping_mul(2_654_435_761) % (note.len() + entries.len());
        let octet = if at < note.len() {
            &mut note[at]
        } else {
            &mut entries[at - note.len()]
        };
        *octet ^= 1 << (number % 8);
        let Ok(note) = Note::parse(&note) else {
            continue;
        };
        let change = take(note, entries);
        assert!(
            matches!(change, ListChange::Refused { .. }),
            "octet {at}: {change:?}"
        );
    }
    assert_eq!(
        take(Note::parse(&note).unwrap(), ENTRIES.into()),
        ListChange::Swapped {
            entries: 2,
            rejects: 0
        },
        "the true one"
    );
}
