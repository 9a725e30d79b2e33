//! A log whose key or whose form changes: it is closed in order, another one goes on, and whoever
//! has the old key goes on checking.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use wardline::count::{HourCounts, ListIdentity};
use wardline::seal::{SigningKey, VerifyKey};
use wardline::store::{Author, OutOfForce, Promises, Store, StoreError, Taking, prepare_next_key};

use crate::audit::verify;
use crate::kit::evidence::live;
use crate::kit::program::Program;

const HOUR: i64 = 3600;
/// 2026-10-01T09:00:00Z: the resolver of the older version was killed within the hour.
const KILLED: i64 = 1_790_845_200;
const NAME: &str = "provider.example/old";

/// A provider's machine, with the state of a resolver of an older version.
struct Machine {
    folder: TempDir,
    recovery: Option<String>,
}

impl Machine {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/upgrade");
        let state = folder.path().join("state");
        fs::create_dir(&state).expect("a folder");
        fs::copy(cases.join("audit.key"), state.join("audit.key")).expect("a key");
        fs::create_dir(folder.path().join("promised")).expect("a folder");
        let promised = folder.path().join("promised/promised.json");
        fs::copy(cases.join("promised.json"), promised).expect("promises");
        let tables = fs::read_to_string(cases.join("counts-6.sql")).expect("the tables");
        let connection = Connection::open(state.join("counts.sqlite")).expect("a file");
        connection.execute_batch(&tables).expect("the tables");
        Self {
            folder,
            recovery: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, at: i64) -> Result<Store, StoreError> {
        let lists = ["law", "other"].map(|id| ListIdentity {
            id: id.into(),
            authority: "Authority".into(),
            legal_basis: "Act".into(),
        });
        let author = Author::open(&self.path("state/audit.key"), NAME, "ab").expect("an author");
        let recovery = self.recovery.as_deref();
        let recovery = recovery.map(|key| VerifyKey::parse(key).expect("a key"));
        let promises = Promises::open(&self.path("promised"));
        let author = author.with_recovery(recovery);
        Store::open_promised(&self.path("state"), &lists, author, &promises, at)
    }

    /// Runs from forty minutes into an hour up to the end of the last one.
    fn run(&self, from: i64, hours: i64) {
        let mut store = self.open(from + 2400).expect("a store");
        let mut events = ["law", "other"]
            .map(|list| live(list, from + 2400, None))
            .to_vec();
        for n in 0..hours {
            let counts = HourCounts {
                hour: from + n * HOUR,
                lists: vec![[4, 0, 0, 0], [1, 0, 0, 0]],
                questions: 10,
                events: [5, 5, 0, 0, 0, 0, 0, 0],
                ..HourCounts::default()
            };
            let taking = Taking {
                hours: &[counts],
                events: &events,
                ..Taking::default()
            };
            let written = store.write(&taking, from + (n + 1) * HOUR - 1);
            written.expect("a writing");
            events.clear();
        }
        store.end(from + hours * HOUR).expect("an end");
    }

    fn command(&self, words: &[&str]) -> (i32, String, String) {
        let mut config = format!(
            "state = {:?}\n[audit]\nprovider = \"provider.example\"\nresolver = \"old\"\n",
            self.path("state")
        );
        if let Some(recovery) = &self.recovery {
            config.push_str(&format!("recovery = \"{recovery}\"\n"));
        }
        Program::new().toml(&config).prepare().run(words)
    }

    fn key(&self) -> String {
        self.command(&["audit", "key"]).1.trim().to_owned()
    }

    /// The log, or one that ended, as files.
    fn export(&self, to: &str, more: &[&str]) -> String {
        let to = self.path(to).display().to_string();
        let (code, _, error) = self.command(&[&["audit", "export", &to], more].concat());
        assert_eq!(code, 0, "{error}");
        to
    }
}

fn old_key() -> String {
    let key = Machine::new().key();
    assert!(key.starts_with(NAME), "{key}");
    key
}

fn with_keys(logs: &[&str], keys: &[&str]) -> Vec<String> {
    let keys = keys.iter().flat_map(|key| ["--key", key]);
    logs.iter()
        .copied()
        .chain(keys)
        .map(str::to_owned)
        .collect()
}

/// Exactly these, in the two verifiers.
fn assert_findings(logs: &[&str], keys: &[&str], findings: &[String]) -> Value {
    let (code, found, outcome) = verify(&with_keys(logs, keys));
    assert_eq!(found, findings, "{outcome:#}");
    assert_eq!(code, i32::from(!findings.is_empty()), "{outcome:#}");
    outcome
}

/// Nothing that was counted is in neither log, nor in both.
fn goes_on(from: i64) {
    let (machine, old_key) = (Machine::new(), old_key());
    machine.run(from, 3);
    let new = machine.export("new", &[]);
    let old = machine.export("logs-old", &["--ended", NAME]);
    let outcome = assert_findings(&[&old, &new], &[&old_key], &[]);
    let told = &outcome["logs"][1];
    assert_eq!(told["follows"]["origin"], NAME);
    assert_eq!(told["follows"]["why"], "form");
    assert_eq!(outcome["logs"][0]["until"], told["follows"]["until"]);
    assert_eq!(
        outcome["blocked"]["law"]["address"],
        4 + 3 + 2 + 4 * 3,
        "{outcome:#}"
    );
    assert_findings(&[&new], &[&old_key], &[]);
    assert_findings(&[&new], &[&machine.key()], &[]);
    assert!(outcome["logs"][1]["restored"].is_null(), "{outcome:#}");
    let promised = fs::read_to_string(machine.path("promised/promised.json")).expect("promises");
    let origin = told["origin"].as_str().expect("a name");
    assert!(promised.contains(origin), "{promised}");
}

#[test]
fn an_upgraded_resolver_goes_on_in_a_new_log_within_the_hour() {
    goes_on(KILLED);
}

#[test]
fn an_upgraded_resolver_goes_on_in_a_new_log_days_later() {
    goes_on(KILLED + 50 * HOUR);
}

/// The logs on the machine, the ended ones first, as files.
fn export_all(machine: &Machine, ended: &[&str]) -> Vec<String> {
    let ended = ended
        .iter()
        .enumerate()
        .map(|(at, origin)| machine.export(&format!("ended-{at}"), &["--ended", origin]));
    let mut logs: Vec<String> = ended.collect();
    logs.push(machine.export("now", &[]));
    logs
}

fn name_of(key: &str) -> &str {
    key.split('+').next().expect("a name")
}

#[test]
fn a_key_is_replaced_and_whoever_has_the_first_one_goes_on() {
    let (machine, first) = (Machine::new(), old_key());
    machine.run(KILLED + 50 * HOUR, 2);
    let second = machine.key();
    let (code, said, error) = machine.command(&["audit", "replace-key"]);
    assert_eq!(code, 0, "{error}");
    let third = said.lines().nth(1).expect("a key").to_owned();
    let (code, _, error) = machine.command(&["audit", "replace-key"]);
    assert!(
        code == 1 && error.contains("was prepared already"),
        "{error}"
    );
    assert_eq!(machine.key(), second, "not before the start");
    machine.run(KILLED + 60 * HOUR, 2);
    assert_eq!(machine.key(), third);
    assert!(!machine.path("state/audit.key.next").exists());
    machine.run(KILLED + 70 * HOUR, 2);
    assert_eq!(machine.key(), third, "it goes on");
    let logs = export_all(&machine, &[NAME, name_of(&second)]);
    let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
    let outcome = assert_findings(&logs, &[&first], &[]);
    let why = outcome["logs"].as_array().expect("logs").iter();
    let why: Vec<&Value> = why.map(|log| &log["follows"]["why"]).collect();
    assert_eq!(why, [&Value::Null, &"form".into(), &"key".into()]);
    assert_eq!(outcome["questions"], 4 + 3 + 2 + 10 * 6, "{outcome:#}");
    assert_findings(&logs[1..], &[&second], &[]);
    assert_findings(&logs, &[&first, &second, &third], &[]);
    // Without the words on it nobody knows whose the new key is.
    fs::remove_dir_all(machine.path("now/keys")).expect("a folder");
    let signature = format!("signature {} checkpoint", logs[2]);
    assert_findings(&logs, &[&first], &[signature]);
    assert_findings(&logs[2..], &[&third], &[]);
}

#[test]
fn a_log_that_goes_on_says_how_the_other_one_ended() {
    let (machine, first) = (Machine::new(), old_key());
    machine.run(KILLED + 50 * HOUR, 2);
    let logs = export_all(&machine, &[NAME]);
    // Another machine has the same key, and another story.
    let other = Machine::new();
    other.run(KILLED, 2);
    let others = export_all(&other, &[NAME]);
    let both = [others[0].as_str(), logs[1].as_str()];
    let origin = name_of(&machine.key()).to_owned();
    assert_findings(&both, &[&first], &[format!("follows {origin} leaf 1")]);
}

#[test]
fn a_start_that_was_cut_short_takes_the_new_key_all_the_same() {
    let machine = Machine::new();
    machine.run(KILLED + 50 * HOUR, 2);
    let second = machine.key();
    let (code, _, error) = machine.command(&["audit", "replace-key"]);
    assert_eq!(code, 0, "{error}");
    let key = |name: &str| machine.path("state").join(name);
    let names = ["audit.key", "audit.key.next", "audit.key.next.note"];
    let before = names.map(|name| fs::read(key(name)).expect("a key"));
    let promised = fs::read(machine.path("promised/promised.json")).expect("promises");
    drop(machine.open(KILLED + 60 * HOUR).expect("a store"));
    let third = machine.key();
    assert_ne!(third, second);
    // As it is where the power fails once the new log is on disk, and before anything else is.
    for (name, octets) in names.iter().zip(before) {
        fs::write(key(name), octets).expect("a key");
    }
    fs::write(machine.path("promised/promised.json"), promised).expect("promises");
    machine.run(KILLED + 61 * HOUR, 2);
    assert_eq!(machine.key(), third, "no other log began");
    assert!(!key("audit.key.next").exists());
    let logs = export_all(&machine, &[NAME, name_of(&second)]);
    let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
    assert_findings(&logs, &[&old_key()], &[]);
}

#[test]
fn a_lost_key_is_followed_by_the_word_of_the_recovery_key() {
    let (mut machine, first) = (Machine::new(), old_key());
    let recovery = SigningKey::generate(&format!("{NAME}/recovery")).expect("a key");
    let public = recovery.public().to_string();
    machine.run(KILLED + 50 * HOUR, 2);
    let second = machine.key();
    fs::remove_file(machine.path("state/audit.key")).expect("a key");
    let refused = machine
        .open(KILLED + 60 * HOUR)
        .expect_err("another key")
        .to_string();
    assert!(refused.contains("put the old key back"), "{refused}");
    let (code, _, error) = machine.command(&["audit", "replace-key"]);
    assert!(code == 1 && error.contains("--recovery FILE"), "{error}");
    let file = machine.path("recovery.key");
    fs::write(&file, &*recovery.to_text()).expect("a key");
    let file = file.display().to_string();
    let replace = ["audit", "replace-key", "--recovery", &file];
    let (code, _, error) = machine.command(&replace);
    assert!(
        code == 1 && error.contains("is not the recovery key of"),
        "{error}"
    );
    machine.recovery = Some(public.clone());
    let (code, _, error) = machine.command(&replace);
    assert_eq!(code, 0, "{error}");
    machine.recovery = None;
    let refused = machine
        .open(KILLED + 60 * HOUR)
        .expect_err("nobody's word")
        .to_string();
    assert!(refused.contains("does not follow"), "{refused}");
    machine.recovery = Some(public.clone());
    machine.run(KILLED + 60 * HOUR, 2);
    let logs = export_all(&machine, &[NAME, name_of(&second)]);
    let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
    assert_findings(&logs, &[&first, &public], &[]);
    let signature = format!("signature {} checkpoint", logs[2]);
    assert_findings(&logs, &[&first], &[signature]);
    let start = machine.path("leaves").display().to_string();
    let (code, said, error) = machine.command(&["audit", "prove", "0", "--to", &start]);
    assert_eq!(code, 0, "{error}");
    let leaf: Value =
        serde_json::from_slice(&fs::read(said.trim()).expect("a leaf")).expect("JSON");
    assert_eq!(leaf["body"]["recovery"], public.as_str());
}

#[test]
fn single_leaves_are_proven() {
    let machine = Machine::new();
    machine.run(KILLED + 50 * HOUR, 2);
    let (to, key) = (machine.path("leaves"), machine.key());
    let folder = to.display().to_string();
    let (code, said, error) = machine.command(&["audit", "prove", "0", "4", "--to", &folder]);
    assert_eq!(code, 0, "{error}");
    let files: Vec<&str> = said.lines().collect();
    assert_eq!(files.len(), 2, "{said}");
    let proven = |file: &str, key: &str| {
        let words = ["audit", "proven", file, "--key", key, "--json"];
        Program::new().prepare().run(&words)
    };
    for (file, place) in files.iter().zip([0, 4]) {
        let (code, said, error) = proven(file, &key);
        assert_eq!(code, 0, "{error}");
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(
            (&said["leaf"], &said["says"]["seq"]),
            (&place.into(), &place.into())
        );
        assert_eq!(said["log"], name_of(&key));
    }
    let (code, _, error) = proven(files[0], &old_key());
    assert!(code == 1 && error.contains("NOT proven: no key"), "{error}");
    let text = fs::read_to_string(files[1]).expect("a leaf");
    fs::write(files[1], text.replace("\"seq\":4", "\"seq\":5")).expect("a leaf");
    let (code, _, error) = proven(files[1], &key);
    assert!(
        code == 1 && error.contains("NOT proven: it is not what"),
        "{error}"
    );
    let (code, _, error) = machine.command(&["audit", "prove", "4000", "--to", &folder]);
    assert!(
        code == 1 && error.contains("leaf 4000: the log has signed for"),
        "{error}"
    );
}

#[test]
fn the_public_part_of_a_log_has_no_entries() {
    let machine = Machine::new();
    let public = machine.path("public").display().to_string();
    let export = ["audit", "export", "--public", &public];
    let (code, _, error) = machine.command(&export);
    assert!(code == 1 && error.contains("of the older form"), "{error}");
    machine.run(KILLED + 50 * HOUR, 2);
    let (code, _, error) = machine.command(&export);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = machine.command(&export);
    assert_eq!(code, 0, "it is brought up to date: {error}");
    let (code, _, error) = machine.command(&["audit", "export", &public]);
    assert!(
        code == 1 && error.contains("holds the public part"),
        "{error}"
    );
    let whole = machine.export("whole", &[]);
    let (code, _, error) = machine.command(&["audit", "export", "--public", &whole]);
    assert!(
        code == 1 && error.contains("holds the whole log"),
        "{error}"
    );
    let mut entries = fs::read_dir(machine.path("whole/tile/entries")).expect("entries");
    let bundle = entries.next().expect("a bundle").expect("a file").path();
    assert!(bundle.exists() && !machine.path("public/tile/entries").exists());
    let report = fs::read_to_string(machine.path("public/report.json")).expect("a report");
    assert!(report.contains("wardline-report"), "{report}");
    let key = machine.key();
    let verify = |folder: &str, more: &[&str]| {
        let words = ["audit", "verify", folder, "--key", &key];
        Program::new().prepare().run(&[&words, more].concat())
    };
    let (code, said, error) = verify(&public, &["--public"]);
    assert_eq!(code, 0, "{said}{error}");
    assert!(
        said.contains("NOT CHECKED: what the entries say, and any figure"),
        "{said}"
    );
    let (code, said, _) = verify(&public, &[]);
    assert!(
        code == 1 && said.contains("NOT IN ORDER (missing)"),
        "{said}"
    );
    let mut tiles = fs::read_dir(machine.path("public/tile/0")).expect("tiles");
    let tile = tiles.next().expect("a tile").expect("a folder").path();
    let tile = fs::read_dir(tile).expect("a tile").next().expect("a tile");
    let tile = tile.expect("a file").path();
    let mut octets = fs::read(&tile).expect("a tile");
    octets[5] ^= 1;
    fs::write(&tile, octets).expect("a tile");
    let (code, said, _) = verify(&public, &["--public"]);
    assert!(
        code == 1 && said.contains("NOT IN ORDER (checkpoint)"),
        "{said}"
    );
}

#[test]
fn two_logs_may_end_within_one_hour_after_a_pause() {
    let machine = Machine::new();
    let hour = KILLED + 50 * HOUR;
    let mut store = machine.open(hour + 60).expect("a store");
    let counts = HourCounts {
        hour,
        lists: vec![[4, 0, 0, 0], [1, 0, 0, 0]],
        questions: 10,
        events: [5, 5, 0, 0, 0, 0, 0, 0],
        ..HourCounts::default()
    };
    // What it blocked is told by the log that takes the hour over, where nothing came in force.
    store.flush(&[counts], hour + 120).expect("a writing");
    drop(store);
    let second = machine.key();
    let (code, _, error) = machine.command(&["audit", "replace-key"]);
    assert_eq!(code, 0, "{error}");
    let mut store = machine.open(hour + 180).expect("a store");
    let out_of_force = [0, 1].map(|list| OutOfForce {
        list,
        from: hour + 180,
        until: hour + 3599,
    });
    let taking = Taking {
        out_of_force: &out_of_force,
        ..Taking::default()
    };
    store.write(&taking, hour + 3599).expect("a writing");
    store.end(hour + 3599).expect("an end");
    machine.run(hour + 2 * HOUR, 1);
    let logs = export_all(&machine, &[NAME, name_of(&second)]);
    let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
    let outcome = assert_findings(&logs, &[&old_key()], &[]);
    assert_eq!(
        outcome["blocked"]["law"]["address"],
        4 + 3 + 2 + 4 + 4,
        "{outcome:#}"
    );
    let tells = outcome["logs"].as_array().expect("logs").iter();
    let until: Vec<&Value> = tells.map(|log| &log["follows"]["until"]).collect();
    assert_eq!(until[1], until[2], "nothing is told twice, or by nobody");
}

#[test]
fn a_key_that_was_prepared_for_another_log_stops_nothing() {
    let machine = Machine::new();
    machine.run(KILLED + 50 * HOUR, 1);
    let (code, _, error) = machine.command(&["audit", "replace-key"]);
    assert_eq!(code, 0, "{error}");
    // The log ends otherwise: nobody knows any more what was promised.
    fs::remove_dir_all(machine.path("promised")).expect("a folder");
    machine.run(KILLED + 60 * HOUR, 1);
    let restored = machine.key();
    machine.run(KILLED + 70 * HOUR, 1);
    assert_eq!(machine.key(), restored, "it goes on");
    assert!(!machine.path("state/audit.key.next").exists());
    assert!(machine.path("state/audit.key.next.refused").exists());
}

#[test]
fn no_key_is_named_anew_and_none_makes_a_recovery_key() {
    let (machine, first) = (Machine::new(), old_key());
    machine.run(KILLED + 50 * HOUR, 1);
    let (new, second) = (machine.export("new", &[]), machine.key());
    let note = |name: &str| {
        let own = fs::read_to_string(machine.path("state/audit.key")).expect("a key");
        let own = SigningKey::parse(own.trim()).expect("a key");
        let key = SigningKey::generate(name).expect("a key").public();
        let text = format!(
            "wardline-log-key/v1\nfollows {}\nkey {key}\n",
            name_of(&second)
        );
        let mut note = wardline::seal::Note::new(&text).expect("a note");
        note.sign(&own).expect("a signature");
        (note.to_string(), key.to_string())
    };
    let broken = "wardline-log-key/v1\nfollows p/r\nkey p/r/T+00000000+\n\n\u{2014} p/r AAAAAAA=\n";
    let recovery = format!("{NAME}/recovery");
    let notes = [
        note(NAME).0,
        note(&recovery).0,
        broken.to_owned(),
        "no note".to_owned(),
    ];
    for (at, text) in notes.iter().enumerate() {
        fs::write(machine.path(&format!("new/keys/{}", at + 1)), text).expect("a note");
    }
    let old = machine.export("old", &["--ended", NAME]);
    assert_findings(&[&old, &new], &[&first], &[]);
}

/// The key is lost, and the power too: what no log tells is on no record.
#[test]
fn hours_that_the_lost_key_did_not_sign_are_on_no_record() {
    let (mut machine, first) = (Machine::new(), old_key());
    let recovery = SigningKey::generate(&format!("{NAME}/recovery")).expect("a key");
    machine.recovery = Some(recovery.public().to_string());
    machine.run(KILLED + 50 * HOUR, 2);
    let second = machine.key();
    let hour = KILLED + 55 * HOUR;
    let mut store = machine.open(hour + 60).expect("a store");
    let counts = |hour| HourCounts {
        hour,
        lists: vec![[4, 0, 0, 0], [1, 0, 0, 0]],
        questions: 10,
        events: [5, 5, 0, 0, 0, 0, 0, 0],
        ..HourCounts::default()
    };
    let events = ["law", "other"].map(|list| live(list, hour + 60, None));
    let taking = Taking {
        hours: &[counts(hour)],
        events: &events,
        ..Taking::default()
    };
    store.write(&taking, hour + 3000).expect("a writing");
    drop(store);
    fs::remove_file(machine.path("state/audit.key")).expect("a key");
    let file = machine.path("recovery.key");
    fs::write(&file, &*recovery.to_text()).expect("a key");
    let file = file.display().to_string();
    let (code, _, error) = machine.command(&["audit", "replace-key", "--recovery", &file]);
    assert_eq!(code, 0, "{error}");
    machine.run(KILLED + 60 * HOUR, 2);
    let logs = export_all(&machine, &[NAME, name_of(&second)]);
    let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
    let public = recovery.public().to_string();
    let outcome = assert_findings(&logs, &[&first, &public], &[]);
    let (code, report, error) = machine.command(&["report", "--exact", "--json"]);
    assert_eq!(code, 0, "{error}");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(
        report["sums"]["questions"], outcome["questions"],
        "{report:#}"
    );
    assert_eq!(
        fs::read_dir(machine.path("state"))
            .expect("a folder")
            .flatten()
            .filter(|file| file.file_name().to_string_lossy().starts_with("audit.key"))
            .count(),
        2,
        "the log's key and the one of the older form: none was made in vain"
    );
}

/// Root prepared the key, and the service cannot write to its folder.
#[test]
fn a_key_that_cannot_be_put_in_place_signs_from_where_it_is() {
    let (machine, first) = (Machine::new(), old_key());
    machine.run(KILLED + 50 * HOUR, 2);
    let second = machine.key();
    let (code, said, error) = machine.command(&["audit", "replace-key"]);
    assert_eq!(code, 0, "{error}");
    let third = said.lines().nth(1).expect("a key").to_owned();
    let time = name_of(&third).rsplit('/').next().expect("a time");
    let in_the_way = machine.path(&format!("state/audit.key.until-{time}"));
    fs::create_dir(&in_the_way).expect("a folder");
    for n in 6..9 {
        machine.run(KILLED + n * 10 * HOUR, 2);
        assert_eq!(machine.key(), third);
        assert!(machine.path("state/audit.key.next").exists());
    }
    fs::remove_dir(in_the_way).expect("a folder");
    machine.run(KILLED + 90 * HOUR, 2);
    assert!(!machine.path("state/audit.key.next").exists());
    let logs = export_all(&machine, &[NAME, name_of(&second)]);
    let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
    assert_findings(&logs, &[&first], &[]);
}

#[test]
fn a_prepared_key_has_the_name_of_no_log_that_ended() {
    let key = SigningKey::generate("provider.example/one").expect("a key");
    let taken = ["20260301T140000Z", "20260301T140001Z"];
    let taken = taken.map(|time| format!("provider.example/one/{time}"));
    let at = 1_772_373_600;
    let next = prepare_next_key(None, &taken[1], &key, &taken[..1], at).expect("a key");
    assert_eq!(next.key.name(), "provider.example/one/20260301T140002Z");
    let next = prepare_next_key(None, &taken[1], &key, &[], at).expect("a key");
    assert_eq!(next.key.name(), "provider.example/one/20260301T140000Z");
}
