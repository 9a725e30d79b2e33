//! Statements that contradict each other, be they in one log, in several, or about the files
//! themselves: both verifiers end alike and name the same place.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use wardline::audit::{ExportPart, LogExporter};
use wardline::count::{HourCounts, ListIdentity};
use wardline::record::{LogKeyNote, RolledBack, Statement};
use wardline::seal::checkpoint::Checkpoint;
use wardline::seal::tree::{leaf_hash, root_of};
use wardline::seal::{Note, SigningKey};
use wardline::store::{Author, JournalEvent, LogReader, Store, Taking, read_or_make_key};

use crate::audit::{leaves_of, verify};
use crate::forgeries::day_leaves;
use crate::kit::evidence::live;

const HOUR: i64 = 3600;
/// 2026-03-01T00:00:00Z.
const MARCH: i64 = 1_772_323_200;

/// A log of this name with these leaves, numbered anew and signed; and where it lies.
fn log(folder: &Path, key: &SigningKey, leaves: &[Value]) -> PathBuf {
    let origin = key.name();
    let resolver = origin.split_once('/').expect("an origin").1;
    let leaves = leaves.iter().enumerate().map(|(seq, leaf)| {
        let mut leaf = leaf.clone();
        leaf["seq"] = json!(seq);
        leaf["resolver"] = json!(resolver);
        leaf.to_string()
    });
    let leaves: Vec<String> = leaves.collect();
    let hashes: Vec<_> = leaves
        .iter()
        .map(|leaf| leaf_hash(leaf.as_bytes()))
        .collect();
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size: leaves.len() as u64,
        root: root_of(&hashes),
    };
    let note = checkpoint.sign(key).expect("a note").to_string();
    let to = folder.join(resolver.replace('/', "-"));
    let mut writer = LogExporter::create(&to, origin, ExportPart::Whole).expect("a folder");
    for leaf in &leaves {
        writer.leaf(leaf.as_bytes()).expect("a leaf");
    }
    writer
        .finish("", &[(MARCH + 24 * HOUR, note)])
        .expect("a log");
    to
}

/// The day's leaves, of a log that says so of the one before it.
fn following(kind: &str, body: &Value) -> Vec<Value> {
    let mut leaves = day_leaves();
    let mut said = leaves[0].clone();
    said["kind"] = json!(kind);
    said["touches"] = json!(["counts"]);
    said["body"] = body.clone();
    leaves.insert(1, said);
    leaves
}

fn restored(origin: &str) -> Vec<Value> {
    let body = json!({ "found": 1, "origin": origin, "root": "00", "size": 7, "why": "other" });
    following("restored", &body)
}

fn arguments(logs: &[PathBuf], keys: &[&SigningKey]) -> Vec<String> {
    let folders = logs.iter().map(|log| log.display().to_string());
    let keys = keys
        .iter()
        .flat_map(|key| ["--key".to_owned(), key.public().to_string()]);
    folders.chain(keys).collect()
}

fn key(resolver: &str) -> SigningKey {
    SigningKey::generate(&format!("provider.example/{resolver}")).expect("a key")
}

#[test]
fn logs_that_follow_each_other_in_a_circle_are_refused_and_must_tell_all() {
    let folder = TempDir::new().expect("a folder");
    let keys = ["one", "two", "three"].map(key);
    let before = ["three", "one", "two"].map(|name| format!("provider.example/{name}"));
    let logs: Vec<PathBuf> = keys
        .iter()
        .zip(&before)
        .map(|(key, before)| log(folder.path(), key, &restored(before)))
        .collect();
    let mut all = arguments(&logs, &keys.each_ref());
    all.extend(["--until".to_owned(), "2026-04-01T00:00:00Z".to_owned()]);
    let (code, mut findings, _) = verify(&all);
    findings.sort();
    let expected = ["follows", "until"].into_iter().flat_map(|code| {
        ["one", "three", "two"].map(|name| match code {
            "until" => format!("until provider.example/{name}"),
            _ => format!("{code} provider.example/{name} leaf 1"),
        })
    });
    assert_eq!((code, findings), (1, expected.collect::<Vec<_>>()));
    // Two of them are a chain whose last log must tell all.
    let two = log(folder.path(), &keys[1], &restored("provider.example/one"));
    let one = log(folder.path(), &keys[0], &day_leaves());
    let mut all = arguments(&[one, two], &[&keys[0], &keys[1]]);
    all.extend(["--until".to_owned(), "2026-04-01T00:00:00Z".to_owned()]);
    let (code, findings, _) = verify(&all);
    assert_eq!(
        (code, findings),
        (1, vec!["until provider.example/two".to_owned()])
    );
}

#[test]
fn an_older_checkpoint_is_believed_by_the_keys_that_followed() {
    let folder = TempDir::new().expect("a folder");
    let (first, second) = (key("one"), key("one/20260301T000000Z"));
    let body = json!({ "origin": first.name(), "root": "00", "size": 7,
                       "until": "2026-03-01T00:00:00Z", "why": "key" });
    let followed = log(folder.path(), &second, &following("follows", &body));
    let said = LogKeyNote {
        follows: first.name().to_owned(),
        key: second.public(),
    };
    let mut note = Note::new(&said.to_string()).expect("a note");
    note.sign(&first).expect("a signature");
    fs::create_dir_all(followed.join("keys")).expect("a folder");
    fs::write(followed.join("keys/0"), note.to_string()).expect("a key note");
    let pin = folder.path().join("pin");
    fs::copy(followed.join("checkpoint"), &pin).expect("a checkpoint");
    let with = |key: &SigningKey| {
        let mut all = arguments(std::slice::from_ref(&followed), &[key]);
        all.extend(["--since".to_owned(), pin.display().to_string()]);
        all
    };
    let (code, findings, outcome) = verify(&with(&first));
    assert_eq!((code, findings), (0, vec![]), "{outcome:#}");
    // Another log of the same name, which the same key signed, is not the one of then.
    let mut leaves = following("follows", &body);
    leaves.pop();
    let keys = fs::read(followed.join("keys/0")).expect("a key note");
    fs::remove_dir_all(&followed).expect("a folder");
    let shorter = log(folder.path(), &second, &leaves);
    fs::create_dir_all(shorter.join("keys")).expect("a folder");
    fs::write(shorter.join("keys/0"), keys).expect("a key note");
    let (code, findings, _) = verify(&with(&first));
    let place = format!("since {} since {}", second.name(), leaves.len() + 1);
    assert_eq!((shorter, code), (followed.clone(), 1));
    assert!(findings.contains(&place), "{findings:?}");
}

/// Ends alike without a word of either verifier in between.
#[test]
fn logs_without_leaves_and_folders_without_a_checkpoint_end_alike() {
    let folder = TempDir::new().expect("a folder");
    let one = key("one");
    let empty = log(folder.path(), &one, &[]);
    let all = arguments(std::slice::from_ref(&empty), &[&one]);
    let (code, findings, outcome) = verify(&all);
    assert_eq!((code, findings), (0, vec![]), "{outcome:#}");
    let mut told = all.clone();
    told.extend(["--until".to_owned(), "2026-03-01T00:00:00Z".to_owned()]);
    let (code, findings, _) = verify(&told);
    assert_eq!(
        (code, findings),
        (1, vec!["until provider.example/one".to_owned()])
    );
    fs::remove_file(empty.join("checkpoint")).expect("a file");
    let (code, findings, _) = verify(&all);
    let mut expected = vec![
        "absent provider.example/one".to_owned(),
        format!("note {} checkpoint", empty.display()),
    ];
    expected.sort();
    let mut findings = findings;
    findings.sort();
    assert_eq!((code, findings), (1, expected));
}

/// A log that goes on for one without leaves, up to whose end nobody has told.
#[test]
fn nothing_follows_a_log_without_leaves() {
    let folder = TempDir::new().expect("a folder");
    let (first, second) = (key("one"), key("one/20260301T000000Z"));
    let empty = log(folder.path(), &first, &[]);
    let root: String = root_of(&[]).iter().map(|b| format!("{b:02x}")).collect();
    for until in ["1970-01-01T00:00:00Z", "2026-03-01T00:00:00Z"] {
        let body = json!({ "origin": first.name(), "root": root, "size": 0,
                           "until": until, "why": "key" });
        let followed = log(folder.path(), &second, &following("follows", &body));
        let all = arguments(&[empty.clone(), followed], &[&first, &second]);
        let (code, findings, _) = verify(&all);
        let place = format!("follows {} leaf 1", second.name());
        assert_eq!(code, 1, "{findings:?}");
        assert!(findings.contains(&place), "{until}: {findings:?}");
    }
}

/// An operator puts a version in force again.
fn rollback(list: &str, at: i64, version: Option<(u64, String)>) -> JournalEvent {
    let (serial, manifest) = version.unzip();
    let said = RolledBack {
        manifest: manifest.clone(),
        serial,
        to: 1,
    };
    JournalEvent {
        list: Some(list.into()),
        serial,
        manifest,
        ..JournalEvent::at(at, Statement::Rollback(said))
    }
}

/// What the log says of versions that were accepted and are kept no more: these, and what is kept.
fn restores(leaves: &[Value]) -> Vec<(Option<u64>, Option<u64>)> {
    let restored = leaves.iter().filter(|leaf| leaf["kind"] == "restored");
    let told = restored.map(|leaf| (leaf["serial"].as_u64(), leaf["body"]["found"].as_u64()));
    told.collect()
}

/// What a resolver does with serials that go back, and its log is in order.
#[test]
fn serials_go_back_for_a_reason() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let origin = "provider.example/one";
    let author = || {
        let key = read_or_make_key(&folder.path().join("key"), origin).expect("a key");
        Author::new(key, "ab")
    };
    let list = |id: &str| ListIdentity {
        id: id.into(),
        authority: "A".into(),
        legal_basis: "B".into(),
    };
    let both = [list("law"), list("policy")];
    let version = |serial: u64, mark: &str| Some((serial, format!("{mark}{serial:062x}")));
    let mut hour = MARCH;
    let mut write = |store: &mut Store, events: &[JournalEvent]| {
        let counts = HourCounts {
            hour,
            lists: vec![[0; 4]; 2],
            ..HourCounts::default()
        };
        let taking = Taking {
            hours: &[counts],
            events,
            ..Taking::default()
        };
        hour += HOUR;
        store.write(&taking, hour).expect("a writing");
    };
    let at = |n: i64| MARCH + n * HOUR;
    let mut store = Store::open(&state, &both, author(), MARCH).expect("a store");
    let plain = |n| live("policy", at(n), None);
    let law = |n, serial, mark: &str| live("law", at(n), version(serial, mark));
    write(&mut store, &[law(0, 5, "aa"), plain(0)]);
    write(&mut store, &[law(1, 7, "aa")]);
    let rollback = rollback("law", at(2), version(5, "aa"));
    write(&mut store, &[rollback, law(2, 5, "aa")]);
    // Back to the newest, then a plain file, then the newest again after a restart.
    write(&mut store, &[law(3, 7, "aa")]);
    write(&mut store, &[live("law", at(4), None)]);
    store.end(MARCH + 5 * HOUR).expect("an end");
    let mut store = Store::open(&state, &both, author(), MARCH + 5 * HOUR).expect("a store");
    write(&mut store, &[law(5, 7, "aa"), plain(5)]);
    // Its folder was emptied, or a key went: the log explains it itself.
    write(&mut store, &[law(6, 3, "aa")]);
    write(&mut store, &[law(7, 3, "bb")]);
    store.end(MARCH + 8 * HOUR).expect("an end");
    // The list is taken out, and comes back as another one.
    let policy = &both[1..];
    let mut store = Store::open(&state, policy, author(), MARCH + 8 * HOUR).expect("a store");
    write(&mut store, &[plain(8)]);
    store.end(MARCH + 9 * HOUR).expect("an end");
    let mut store = Store::open(&state, &both, author(), MARCH + 9 * HOUR).expect("a store");
    write(&mut store, &[law(9, 1, "cc"), plain(9)]);
    store.end(MARCH + 10 * HOUR).expect("an end");
    let reader = LogReader::open(&state).expect("a log");
    let leaves = leaves_of(&reader);
    let leaves: Vec<Value> = leaves
        .iter()
        .map(|leaf| serde_json::from_str(leaf).expect("JSON"))
        .collect();
    assert_eq!(restores(&leaves), [(Some(7), Some(3)), (Some(3), Some(3))]);
    let key = read_or_make_key(&folder.path().join("key"), origin).expect("a key");
    let to = log(folder.path(), &key, &leaves);
    let (code, findings, outcome) = verify(&arguments(&[to], &[&key]));
    assert_eq!((code, findings), (0, vec![]), "{outcome:#}");
}

/// The public part: checkpoints and hashes, no leaves.
#[test]
fn the_public_part_is_checked_alike() {
    let folder = TempDir::new().expect("a folder");
    let one = key("one");
    let public = log(folder.path(), &one, &day_leaves());
    fs::remove_dir_all(public.join("tile/entries")).expect("a folder");
    let mut all = arguments(std::slice::from_ref(&public), &[&one]);
    all.push("--public".to_owned());
    let (code, findings, _) = verify(&all);
    assert_eq!((code, findings), (0, vec![]));
    let tile = fs::read_dir(public.join("tile/0"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.is_dir())
        .expect("the last tile");
    let tile = fs::read_dir(tile)
        .expect("a folder")
        .next()
        .expect("a tile")
        .expect("an entry")
        .path();
    let whole = fs::read(&tile).expect("a tile");
    let mut changed = whole.clone();
    changed[7] ^= 1;
    fs::write(&tile, &changed).expect("a tile");
    let (code, findings, _) = verify(&all);
    assert_eq!(code, 1);
    assert!(
        findings[0].starts_with("checkpoint provider.example/one checkpoints/")
            || findings[0] == "root provider.example/one checkpoint",
        "{findings:?}"
    );
    fs::write(&tile, &whole[32..]).expect("a tile");
    let name = tile.strip_prefix(&public).expect("a name");
    let place = format!("missing provider.example/one {}", name.display());
    let (code, mut findings, _) = verify(&all);
    findings.sort();
    assert_eq!((code, findings), (1, vec![place.clone()]));
    fs::remove_file(&tile).expect("a file");
    let (code, findings, _) = verify(&all);
    assert_eq!((code, findings), (1, vec![place]));
}
