//! A state folder that was restored from an older copy, copied or emptied: it is said, written into
//! the log, and nothing goes below what was promised. A usual start raises nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use wardline::clock::wall_s;
use wardline::count::{HourCounts, ListIdentity};
use wardline::list::key_chain::{KeyChain, write_chain};
use wardline::list::key_link::KeyLink;
use wardline::list::manifest::Manifest;
use wardline::seal::{Note, SigningKey};
use wardline::store::{Author, Promises, Store, Taking};

use crate::audit::verify;
use crate::kit::evidence;
use crate::kit::papers::{copy_folder, manifest, place, sign};
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::{is_blocked, until};

const PATIENCE: Duration = Duration::from_secs(20);
const ORIGIN: &str = "provider.example/resolver-1";

/// A curator, the folder that the issues come by, and a resolver.
struct Scene {
    curator: SigningKey,
    incoming: TempDir,
    running: Running,
}

impl Scene {
    /// With this serial in force.
    fn start(serial: u64) -> Self {
        let curator = SigningKey::generate("curator.example").expect("a key");
        let incoming = TempDir::new().expect("a folder");
        put(&curator, incoming.path(), serial);
        let running = Program::new()
            .metrics()
            .signed_folder(&curator, incoming.path())
            .start();
        let scene = Self {
            curator,
            incoming,
            running,
        };
        scene.wait_for(serial);
        scene
    }

    fn put(&self, serial: u64) {
        put(&self.curator, self.incoming.path(), serial);
    }

    /// Nothing comes by the folder any more.
    fn withdraw(&self) {
        fs::remove_file(self.incoming.path().join("signed.manifest")).expect("a manifest");
    }

    fn wait_for(&self, serial: u64) {
        let name = format!("serial-{serial}.example");
        until(&name, PATIENCE, || self.blocks(serial).then_some(()));
    }

    fn blocks(&self, serial: u64) -> bool {
        let name = format!("serial-{serial}.example");
        is_blocked(&self.running, &name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.running.folder().join(name)
    }

    fn end(&mut self) {
        self.running.kill(libc::SIGTERM);
        assert_eq!(self.running.wait_exit(), 0);
    }

    /// Keep a copy of the state folder, as a backup would.
    fn back_up(&mut self) {
        self.end();
        copy_folder(&self.path("state"), &self.path("backup"));
        self.running.restart();
    }

    /// Put the copy in the state folder's place.
    fn restore(&mut self) {
        self.end();
        fs::remove_dir_all(self.path("state")).expect("a folder");
        copy_folder(&self.path("backup"), &self.path("state"));
        self.running.restart();
    }

    fn list(&self) -> Value {
        self.running.json(&["status", "--json"])["lists"][0].clone()
    }

    fn alarms(&self) -> String {
        self.list()["alarms"].to_string()
    }

    fn receipts(&self) -> usize {
        let (_, said, _) = self.running.run(&["receipts", "signed"]);
        said.matches(" probes right").count()
    }

    /// The events `restored` of the list.
    fn history(&self) -> Vec<Value> {
        let history = self.running.json(&["history", "signed", "--json"]);
        let events = history["events"].as_array().expect("events").iter();
        events
            .filter(|event| event["kind"] == "restored")
            .cloned()
            .collect()
    }

    /// Both verifiers on the log as it is exported now; gives what ours says of it.
    fn verified(&self) -> Value {
        self.verified_with(&[])
    }

    fn verified_with(&self, export: &[&str]) -> Value {
        let to = TempDir::new().expect("a folder");
        let to = to.path().display().to_string();
        let arguments = ["audit", "export", &to];
        let (code, said, error) = self.running.run(&[&arguments, export].concat());
        assert_eq!(code, 0, "{error}");
        let (_, key) = said.split_once("key: ").expect("a key");
        let (code, findings, outcome) = verify(&[to, "--key".to_owned(), key.trim().to_owned()]);
        assert_eq!((code, findings), (0, vec![]), "{outcome:#}");
        outcome["logs"][0].clone()
    }
}

fn put(curator: &SigningKey, folder: &Path, serial: u64) {
    let entries = format!("serial-{serial}.example\n");
    // The same issue is the same whenever it is put.
    let issued = wall_s() - wall_s() % 86_400;
    let manifest = Manifest {
        issued,
        expires: issued + 90 * 86_400,
        ..manifest("signed", serial, &entries)
    };
    place(folder, &manifest.entries_file(), &entries);
    let note = sign(curator, &manifest.to_text());
    place(folder, "signed.manifest", note.to_string());
}

/// Was it ever said that anything was restored or copied?
fn is_noticed(running: &Running) -> bool {
    let said = running.stderr();
    said.contains("restored: ") || said.contains("restored or copied: ")
}

#[test]
fn usual_starts_raise_nothing() {
    let mut scene = Scene::start(5);
    for (serial, signal) in [(6, libc::SIGTERM), (7, libc::SIGKILL), (8, libc::SIGKILL)] {
        scene.put(serial);
        scene.wait_for(serial);
        scene.running.kill(signal);
        scene.running.wait_exit();
        scene.running.restart();
        assert!(scene.blocks(serial));
    }
    let (code, _, said) = scene
        .running
        .run(&["rollback", "signed", "--reason", "a mistake"]);
    assert_eq!(code, 0, "{said}");
    scene.running.restart();
    assert!(!is_noticed(&scene.running));
    assert_eq!((scene.alarms().as_str(), scene.history()), ("[]", vec![]));
    let log = scene.verified();
    assert_eq!(
        (&log["origin"], &log["restored"]),
        (&ORIGIN.into(), &Value::Null)
    );
    let promised = fs::read_to_string(scene.path("state.promised/promised.json")).expect("a file");
    assert!(promised.contains("\"serial\": 8"), "{promised}");
    assert!(!promised.contains("serial-8"), "no listed name");
}

#[test]
fn an_older_copy_is_said_and_goes_below_nothing() {
    let mut scene = Scene::start(5);
    scene.back_up();
    scene.put(8);
    scene.wait_for(8);
    until("the receipt", PATIENCE, || {
        (scene.receipts() == 2).then_some(())
    });
    let before = scene.verified();
    scene.withdraw();
    scene.restore();
    assert!(scene.blocks(5), "what is kept blocks meanwhile");
    is_said_of_the_list(&scene);
    is_said_of_the_log(&scene, &before);
    nothing_lower_is_accepted(&scene);
    // Until the promised issue is accepted, each start says it again; the new log goes on.
    scene.running.restart();
    until("it is said again", PATIENCE, || {
        (scene.history().len() == 2).then_some(())
    });
    let origin = scene.verified()["origin"].clone();
    assert!(
        origin
            .as_str()
            .expect("a name")
            .starts_with(&format!("{ORIGIN}/"))
    );
    scene.put(8);
    scene.wait_for(8);
    until("no alarm", PATIENCE, || {
        (scene.alarms() == "[]").then_some(())
    });
    until("the receipt", PATIENCE, || {
        (scene.receipts() == 2).then_some(())
    });
    scene.running.restart();
    assert_eq!((scene.alarms().as_str(), scene.history().len()), ("[]", 2));
    assert_eq!(scene.verified()["origin"], origin);
}

fn is_said_of_the_list(scene: &Scene) {
    until("the alarm", PATIENCE, || {
        let alarms = scene.alarms();
        (alarms.contains("\"restored\"") && alarms.contains("serial 8")).then_some(())
    });
    let (_, status, _) = scene.running.run(&["status"]);
    assert!(
        status.contains("ALARM: list signed: restored: serial 8"),
        "{status}"
    );
    let history = scene.history();
    assert_eq!((history.len(), &history[0]["serial"]), (1, &8.into()));
    assert_eq!(history[0]["body"]["found"], 5);
    until("the metric", PATIENCE, || {
        let page = scene.running.metrics_page();
        let line = page.lines().find(|line| line.contains("\"restored\""))?;
        line.ends_with(" 1").then_some(())
    });
    assert_eq!(scene.receipts(), 1, "that of serial 5, from then");
    assert!(scene.list()["receipt"].is_null());
    assert!(
        scene
            .running
            .stderr()
            .contains("no receipt: the state was restored")
    );
}

fn is_said_of_the_log(scene: &Scene, before: &Value) {
    let (_, status, _) = scene.running.run(&["status"]);
    assert!(status.contains("ALARM      restored: "), "{status}");
    let log = scene.verified();
    let restored = &log["restored"];
    assert_eq!(
        (&restored["origin"], &restored["why"]),
        (&ORIGIN.into(), &"shorter".into())
    );
    // It was signed once more when it stopped.
    assert!(
        restored["size"].as_u64() > before["size"].as_u64(),
        "{restored}"
    );
    assert!(
        restored["found"].as_u64() < before["size"].as_u64(),
        "{restored}"
    );
    let ended = scene.verified_with(&["--ended", ORIGIN]);
    assert_eq!(
        (&ended["origin"], &ended["size"]),
        (&ORIGIN.into(), &restored["found"])
    );
    let (_, said, _) = scene.running.run(&["audit", "key"]);
    assert!(said.starts_with(&format!("{ORIGIN}/")), "{said}");
    assert!(
        scene.running.stderr().contains(said.trim()),
        "the new key is told"
    );
}

fn nothing_lower_is_accepted(scene: &Scene) {
    for serial in [6, 7] {
        scene.put(serial);
        let wanted = format!("serial {serial} is below 8");
        until(&wanted, PATIENCE, || {
            let refusal = scene.list()["last_refusal"]["message"].to_string();
            refusal.contains(&wanted).then_some(())
        });
        assert!(scene.blocks(5) && !scene.blocks(serial));
    }
    assert!(scene.alarms().contains("restored"));
}

#[test]
fn a_rollback_before_the_backup_does_not_keep_the_promised_issue_out() {
    let mut scene = Scene::start(5);
    scene.put(6);
    scene.wait_for(6);
    let (code, _, said) = scene
        .running
        .run(&["rollback", "signed", "--reason", "why"]);
    assert_eq!(code, 0, "{said}");
    scene.back_up();
    scene.put(8);
    scene.wait_for(8);
    scene.restore();
    scene.wait_for(8);
    until("no alarm", PATIENCE, || {
        (scene.alarms() == "[]").then_some(())
    });
}

#[test]
fn an_emptied_state_is_said_and_goes_below_nothing() {
    let mut scene = Scene::start(5);
    scene.put(8);
    scene.wait_for(8);
    scene.put(7);
    scene.end();
    fs::remove_dir_all(scene.path("state")).expect("a folder");
    scene.running.restart();
    assert!(!scene.blocks(8), "nothing is kept");
    until("the refusal", PATIENCE, || {
        let refusal = scene.list()["last_refusal"]["message"].to_string();
        let is_told = scene.alarms().contains("restored");
        (is_told && refusal.contains("serial 7 is below 8")).then_some(())
    });
    let restored = scene.verified()["restored"].clone();
    assert_eq!(
        (&restored["origin"], &restored["found"]),
        (&ORIGIN.into(), &0.into())
    );
    scene.put(8);
    scene.wait_for(8);
    until("no alarm", PATIENCE, || {
        (scene.alarms() == "[]").then_some(())
    });
}

#[test]
fn a_copy_elsewhere_begins_a_log_of_its_own_and_the_original_goes_on() {
    let mut scene = Scene::start(5);
    scene.back_up();
    let mut other = Scene::start(5);
    other.end();
    for place in ["state", "state.promised"] {
        fs::remove_dir_all(other.path(place)).expect("a folder");
    }
    copy_folder(&scene.path("backup"), &other.path("state"));
    other.running.restart();
    assert!(
        other
            .running
            .stderr()
            .contains("restored or copied: it is not known")
    );
    let log = other.verified();
    assert_eq!(
        (&log["restored"]["why"], &log["restored"]["origin"]),
        (&"unknown".into(), &ORIGIN.into())
    );
    assert_ne!(log["origin"], ORIGIN);
    scene.running.restart();
    assert!(!is_noticed(&scene.running));
    assert_eq!(scene.verified()["origin"], ORIGIN);
}

/// In the backup an older key still signs; that it was replaced since is a promise too.
#[test]
fn keys_that_were_replaced_do_not_come_back() {
    let mut scene = Scene::start(5);
    scene.back_up();
    let old = scene.curator.public();
    let new = SigningKey::generate("new.example").expect("a key");
    let chain = KeyChain::start("signed", std::slice::from_ref(&old), 1);
    let link = KeyLink {
        list: "signed".to_owned(),
        number: 1,
        origin: chain.origin(),
        issued: wall_s(),
        threshold: 1,
        keys: vec![new.public()],
        revoked: vec![],
    };
    let mut note = Note::new(&link.to_text()).expect("a note");
    note.sign(&scene.curator).expect("a signature");
    note.sign(&new).expect("a signature");
    let keys = scene.incoming.path().join("signed.keys");
    fs::write(&keys, write_chain(&[note])).expect("a file");
    let promised = scene.path("state.promised/promised.json");
    until("the link", PATIENCE, || {
        let promised = fs::read_to_string(&promised).expect("a file");
        promised.contains("\"number\": 1").then_some(())
    });
    fs::rename(&keys, scene.path("signed.keys")).expect("a file");
    scene.put(6);
    scene.restore();
    until("the refusal", PATIENCE, || {
        let refusal = scene.list()["last_refusal"]["message"].to_string();
        refusal
            .contains("the chain of keys is not followed")
            .then_some(())
    });
    assert!(scene.blocks(5) && !scene.blocks(6));
    put(&new, scene.incoming.path(), 7);
    fs::rename(scene.path("signed.keys"), &keys).expect("a file");
    scene.wait_for(7);
}

/// What happens to the folder of what was promised, while nothing happens to the state.
type Event = (&'static str, fn(&Path));

const LOST_PROMISES: [Event; 4] = [
    ("its file deleted", |folder| {
        fs::remove_file(folder.join("promised.json")).expect("a file");
    }),
    ("deleted", |folder| {
        fs::remove_dir_all(folder).expect("a folder");
    }),
    ("emptied", |folder| {
        fs::write(folder.join("promised.json"), "").expect("a file");
    }),
    ("cut", |folder| {
        let text = fs::read(folder.join("promised.json")).expect("a file");
        fs::write(folder.join("promised.json"), &text[..text.len() / 2]).expect("a file");
    }),
];

#[test]
fn lost_promises_are_said_once_and_stop_nothing() {
    for (event, happen) in LOST_PROMISES {
        let mut scene = Scene::start(5);
        scene.end();
        happen(&scene.path("state.promised"));
        scene.running.restart();
        assert!(scene.blocks(5), "{event}");
        let said = scene.running.stderr();
        assert!(said.contains("restored or copied"), "{event}: {said}");
        let origin = scene.verified()["origin"].clone();
        scene.put(6);
        scene.wait_for(6);
        assert_eq!(scene.alarms(), "[]", "{event}");
        scene.running.restart();
        assert_eq!(
            scene.running.stderr().matches("restored or copied").count(),
            1,
            "{event}"
        );
        assert_eq!(scene.verified()["origin"], origin, "{event}");
    }
}

#[test]
fn promises_that_cannot_be_kept_are_said_once_and_stop_nothing() {
    let mut scene = Scene::start(5);
    scene.end();
    let place = scene.path("state.promised");
    fs::remove_dir_all(&place).expect("a folder");
    fs::remove_dir_all(scene.path("state")).expect("a folder");
    // As a folder that cannot be written to; to root all folders can.
    fs::write(&place, "").expect("a file");
    scene.running.restart();
    scene.wait_for(5);
    scene.put(6);
    scene.wait_for(6);
    let said = scene.running.stderr();
    assert_eq!(
        said.matches("what was promised cannot be kept in").count(),
        1,
        "{said}"
    );
    let (code, _, check) = scene.running.run(&["check"]);
    assert_eq!(code, 0);
    assert!(
        check.contains("what was promised cannot be kept in"),
        "{check}"
    );
    scene.running.restart();
    assert!(!is_noticed(&scene.running));
    scene.end();
    fs::remove_file(&place).expect("a file");
    scene.running.restart();
    assert!(!is_noticed(&scene.running), "the first promise");
    assert!(place.join("promised.json").exists());
    let (_, _, check) = scene.running.run(&["check"]);
    assert!(!check.contains("what was promised"), "{check}");
}

/// Some hours of a resolver in the folder's `state`, with the promises beside it.
fn run_hours(folder: &Path, name: &str, from: i64, hours: i64) {
    let state = folder.join("state");
    fs::create_dir_all(&state).expect("a folder");
    let list = ListIdentity {
        id: "law".into(),
        authority: "A".into(),
        legal_basis: "B".into(),
    };
    let author = Author::open(&state.join("audit.key"), name, "ab").expect("an author");
    let promises = Promises::open(&folder.join("promised"));
    let mut store =
        Store::open_promised(&state, &[list], author, &promises, from + 600).expect("a store");
    let events = [evidence::live("law", from + 600, None)];
    for n in 0..hours {
        let counts = HourCounts {
            hour: from + n * 3600,
            lists: vec![[4, 0, 0, 0]],
            questions: 10,
            events: [4, 5, 0, 0, 0, 0, 0, 0],
            ..HourCounts::default()
        };
        let taking = Taking {
            hours: &[counts],
            events: if n == 0 { &events } else { &[] },
            ..Taking::default()
        };
        let written = store.write(&taking, from + (n + 1) * 3600 - 1);
        written.expect("a writing");
    }
    store.end(from + hours * 3600 - 1).expect("an end");
}

/// Two hours, a restore within the second, and two more: both logs are in order.
#[test]
fn both_logs_around_a_restore_are_in_order() {
    const NOON: i64 = 1_772_366_400;
    let folder = TempDir::new().expect("a folder");
    let (state, backup) = (folder.path().join("state"), folder.path().join("backup"));
    let name = "provider.example/one";
    let run = |from: i64, hours: i64| run_hours(folder.path(), name, from, hours);
    let export = |to: &str, more: &[&str]| {
        let to = folder.path().join("logs").join(to).display().to_string();
        let audit = format!(
            "state = {state:?}\n[audit]\nprovider = \"provider.example\"\nresolver = \"one\"\n"
        );
        let command = [&["audit", "export", &to], more].concat();
        let (code, said, error) = Program::new().toml(&audit).prepare().run(&command);
        assert_eq!(code, 0, "{error}");
        let (_, key) = said.split_once("key: ").expect("a key");
        ["--key".to_owned(), key.trim().to_owned()]
    };
    run(NOON, 2);
    copy_folder(&state, &backup);
    run(NOON + 3 * 3600, 2);
    let ended = export("ended", &[]);
    fs::remove_dir_all(&state).expect("a folder");
    copy_folder(&backup, &state);
    run(NOON + 6 * 3600, 2);
    let began = export("began", &[]);
    let to = folder.path().join("logs/ended").display().to_string();
    let program = Program::new()
        .toml(&format!("state = {state:?}\n"))
        .prepare();
    let (code, _, error) = program.run(&["audit", "export", &to]);
    assert!(code == 1 && error.contains("another log"), "{error}");
    let logs = ["ended", "began"].map(|log| folder.path().join("logs").join(log));
    let logs = logs.map(|log| log.display().to_string());
    let arguments = [&logs[..], &ended[..], &began[..]].concat();
    let (code, findings, outcome) = verify(&arguments);
    assert_eq!((code, findings), (0, vec![]), "{outcome:#}");
    assert_eq!(
        outcome["questions"], 40,
        "the last hours are open: {outcome:#}"
    );
    // A verifier that has the old key alone sees that the log ended.
    let (code, findings, _) = verify(&[&logs[1..], &ended[..]].concat());
    assert_eq!(code, 1);
    assert!(
        findings.iter().any(|found| found.starts_with("signature ")),
        "{findings:?}"
    );
    assert!(findings.contains(&format!("absent {name}")), "{findings:?}");
}
