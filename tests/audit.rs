//! The audit log from its making to its checking: a month of records through the real code, and
//! every way of tampering with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;
use wardline::audit::{ExportPart, LogExporter};
use wardline::count::{HourCounts, ListIdentity};
use wardline::list::Hash;
use wardline::list::manifest::{ListAction, Manifest, ManifestBasis, Secrecy, Settlement};
use wardline::seal::checkpoint::Checkpoint;
use wardline::seal::tree::{leaf_hash, root_of};
use wardline::seal::{Note, SigningKey};
use wardline::store::{
    Author, ClockStep, JournalEvent, LogReader, OutOfForce, Store, StoreError, Taking,
    read_or_make_key,
};

use crate::kit::evidence;
use crate::kit::program::Program;
use crate::kit::tool::{PYTHON, is_missing};

const HOUR: i64 = 3600;
/// 2026-03-01T00:00:00Z.
const MARCH: i64 = 1_772_323_200;
const HOURS: i64 = 31 * 24;
pub(crate) const RESOLVERS: [&str; 2] = ["one", "two"];

/// The logs of two resolvers over a month, exported, and their authors.
pub(crate) struct Month {
    pub(crate) folder: TempDir,
    keys: Vec<SigningKey>,
}

pub(crate) fn month() -> &'static Month {
    static MONTH: OnceLock<Month> = OnceLock::new();
    MONTH.get_or_init(|| {
        let folder = TempDir::new().expect("a folder");
        let keys = RESOLVERS.into_iter().enumerate().map(|(number, resolver)| {
            let state = folder.path().join("states").join(resolver);
            fs::create_dir_all(&state).expect("a folder");
            let origin = format!("provider.example/{resolver}");
            let key = || read_or_make_key(&state.join("audit.key"), &origin).expect("a key");
            run_for_a_month(&state, number as u64, key);
            export(&state, &folder.path().join("logs").join(resolver));
            key()
        });
        let keys = keys.collect();
        Month { folder, keys }
    })
}

/// Two lists at work, with a new version, a list that is not in force, a clean restart, crashes and
/// a clock that is set.
fn run_for_a_month(state: &Path, number: u64, key: impl Fn() -> SigningKey) {
    let lists = ["law", "policy"].map(|id| ListIdentity {
        id: id.into(),
        authority: "A".into(),
        legal_basis: "B".into(),
    });
    let open = |at| Store::open(state, &lists, Author::new(key(), "ab"), at).expect("a store");
    let mut store = open(MARCH);
    let mut events = vec![live("law", MARCH, 0), live("policy", MARCH, 0)];
    for n in 0..HOURS {
        let hour = MARCH + n * HOUR;
        match n % 200 {
            10 => events.push(live("law", hour + 60, n)),
            21 => events.push(live("law", hour + 99, n)),
            _ => {}
        }
        let is_cut = n % 200 == 20;
        let end = if is_cut { 3500 } else { HOUR - 1 };
        let absence = absence(n, hour);
        let taking = Taking {
            hours: &[counts(n, number)],
            events: &events,
            out_of_force: absence.as_slice(),
            ..Taking::default()
        };
        store.write(&taking, hour + end).expect("a writing");
        events.clear();
        if is_cut {
            // The next run begins without the first list.
            store.end(hour + 3500).expect("an end");
            store = open(hour + 3500);
            events.push(live("policy", hour + 3500, n));
        }
        let begun = match n % 300 {
            100 => {
                drop(store);
                hour + HOUR + 40
            }
            150 => {
                set_clock(&mut store, hour + HOUR);
                continue;
            }
            250 => {
                store.end(hour + HOUR + 5).expect("an end");
                hour + HOUR + 20
            }
            _ => continue,
        };
        store = open(begun);
        events = ["law", "policy"].map(|list| live(list, begun, n)).into();
    }
    store.end(MARCH + HOURS * HOUR).expect("an end");
}

/// What is counted in the month's hour `n`.
fn counts(n: i64, number: u64) -> HourCounts {
    let blocked = (n as u64 * 7 + number) % 40;
    // The second list has a quiet day, which a published report hides.
    let quiet = if n / 24 == 4 {
        [0; 4]
    } else {
        [3, 0, n as u64 % 2, 0]
    };
    let lists = vec![[blocked, 1, 0, 2], quiet];
    let all: u64 = lists.iter().flatten().sum();
    HourCounts {
        hour: MARCH + n * HOUR,
        lists,
        questions: all + 900 + u64::from(n % 5 == 0),
        events: [all, 500, 300, 100, 0, 0, 0, 0],
        ..HourCounts::default()
    }
}

/// The clock is set forward by 90 seconds.
fn set_clock(store: &mut Store, from: i64) {
    let (until, by_s) = (from + 90, 90);
    let taking = Taking {
        steps: &[ClockStep { from, until, by_s }],
        ..Taking::default()
    };
    store.write(&taking, until).expect("a writing");
}

/// A list comes in force, which only the first one does with a manifest.
fn live(list: &str, at: i64, n: i64) -> JournalEvent {
    let version = (1 + n as u64 / 200, format!("{:064x}", n / 200));
    evidence::live(list, at, (list == "law").then_some(version))
}

/// When the first list was not in force in the month's hour `n`: at the beginning of some runs.
fn absence(n: i64, hour: i64) -> Option<OutOfForce> {
    let (from, until) = match n % 200 {
        21 => (hour - 100, hour + 100),
        _ => return None,
    };
    Some(OutOfForce {
        list: 0,
        from,
        until,
    })
}

pub(crate) fn leaves_of(reader: &LogReader) -> Vec<String> {
    let mut leaves = vec![];
    let size = reader
        .checkpoints()
        .expect("checkpoints")
        .last()
        .expect("a checkpoint")
        .size;
    let keep = |leaf: &[u8]| -> Result<(), StoreError> {
        leaves.push(String::from_utf8(leaf.to_vec()).expect("text"));
        Ok(())
    };
    reader.leaves(size, keep).expect("leaves");
    leaves
}

/// Through the program's own command.
fn export(state: &Path, to: &Path) {
    let resolver = state
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    let audit = format!(
        "state = {state:?}\n[audit]\nprovider = \"provider.example\"\nresolver = \"{resolver}\"\n"
    );
    let (code, stdout, stderr) =
        Program::new()
            .toml(&audit)
            .prepare()
            .run(&["audit", "export", &to.display().to_string()]);
    assert!(
        code == 0 && stdout.contains(&format!("provider.example/{resolver}: ")),
        "{stderr}"
    );
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
    {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a file");
        }
    }
}

/// Both verifiers on the same logs: they must end alike, find the same and count the same. Gives
/// ours.
pub(crate) fn verify(arguments: &[String]) -> (i32, Vec<String>, Value) {
    let ours = verify_with_ours(arguments);
    if is_missing(&PYTHON) {
        return ours;
    }
    let has_report = arguments.iter().any(|argument| argument == "--report");
    let script = if has_report {
        "verify_report.py"
    } else {
        "verify_audit.py"
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tools")
        .join(script);
    let other = Command::new("python3")
        .arg("-B")
        .arg(script)
        .args(arguments)
        .output()
        .expect("python3");
    let said = String::from_utf8(other.stdout).expect("text");
    let found = said
        .lines()
        .filter_map(|line| line.strip_prefix("NOT IN ORDER ("));
    let mut theirs: Vec<String> = found.map(|line| line.replacen("): ", " ", 1)).collect();
    let mut found = ours.1.clone();
    theirs.sort();
    found.sort();
    assert_eq!(
        found,
        theirs,
        "{:#}{}",
        ours.2,
        String::from_utf8_lossy(&other.stderr)
    );
    let sum = |kinds: &Value| {
        kinds
            .as_object()
            .expect("kinds")
            .values()
            .filter_map(Value::as_u64)
            .sum::<u64>()
    };
    let blocked = ours.2["blocked"].as_object().expect("lists").iter();
    let blocked: Vec<String> = blocked
        .map(|(list, kinds)| format!("blocked {list}: {}", sum(kinds)))
        .collect();
    let absences = ours.2["not_in_force_s"].as_object().expect("lists").iter();
    let absences = absences.map(|(list, seconds)| format!("not in force {list}: {seconds} s"));
    let blocked: Vec<String> = blocked.into_iter().chain(absences).collect();
    let counted: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("blocked ") || line.starts_with("not in force "))
        .collect();
    assert_eq!(
        (Some(ours.0), blocked),
        (
            other.status.code(),
            counted.iter().map(ToString::to_string).collect()
        ),
        "{said}"
    );
    ours
}

/// Gives the exit code, the findings as `code place`, and all that is said.
fn verify_with_ours(arguments: &[String]) -> (i32, Vec<String>, Value) {
    let text: Vec<&str> = ["audit", "verify", "--json"]
        .into_iter()
        .chain(arguments.iter().map(String::as_str))
        .collect();
    let (code, stdout, stderr) = Program::new().prepare().run(&text);
    let outcome: Value =
        serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().expect("a text").to_owned();
    let findings = outcome["findings"].as_array().expect("findings").iter();
    let findings = findings
        .map(|finding| format!("{} {}", text(finding, "code"), text(finding, "place")))
        .collect();
    (code, findings, outcome)
}

/// The folders of both logs, one of which is somebody's work, and the keys of their authors.
pub(crate) fn arguments(one: &Path) -> Vec<String> {
    let month = month();
    let mut arguments = vec![
        one.display().to_string(),
        month.folder.path().join("logs/two").display().to_string(),
    ];
    arguments.extend(
        month
            .keys
            .iter()
            .flat_map(|key| ["--key".to_owned(), key.public().to_string()]),
    );
    arguments
}

/// Leaves as the dishonest keep them: numbered anew, and signed with `key`.
pub(crate) fn forge(leaves: &[String], key: &SigningKey, to: &Path) {
    let leaves = leaves.iter().enumerate().map(|(seq, leaf)| {
        let parts = leaf
            .split_once("\"seq\":")
            .and_then(|(before, after)| Some((before, after.split_once(',')?.1)));
        parts.map_or(leaf.clone(), |(before, after)| {
            format!("{before}\"seq\":{seq},{after}")
        })
    });
    let leaves: Vec<String> = leaves.collect();
    write(&leaves, &signed(&leaves, key), to);
}

fn signed(leaves: &[String], key: &SigningKey) -> String {
    let hashes: Vec<_> = leaves
        .iter()
        .map(|leaf| leaf_hash(leaf.as_bytes()))
        .collect();
    let origin = "provider.example/one".to_owned();
    let checkpoint = Checkpoint {
        origin,
        size: leaves.len() as u64,
        root: root_of(&hashes),
    };
    checkpoint.sign(key).expect("a note").to_string()
}

fn write(leaves: &[String], checkpoint: &str, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let mut writer =
        LogExporter::create(to, "provider.example/one", ExportPart::Whole).expect("a folder");
    leaves
        .iter()
        .for_each(|leaf| writer.leaf(leaf.as_bytes()).expect("a leaf"));
    writer
        .finish("", &[(MARCH + HOURS * HOUR, checkpoint.to_owned())])
        .expect("a log");
}

fn original() -> Vec<String> {
    leaves_of(&LogReader::open(&month().folder.path().join("states/one")).expect("a log"))
}

/// The place of the first leaf of `list` in the month's hour `n`.
fn place(leaves: &[String], n: i64, list: &str) -> usize {
    let hour = jiff::Timestamp::from_second(MARCH + n * HOUR)
        .expect("a time")
        .to_string();
    let is_it = |leaf: &String| {
        leaf.contains(&format!("\"hour\":\"{hour}\""))
            && leaf.contains(&format!("\"list\":\"{list}\""))
    };
    leaves.iter().position(is_it).expect("a leaf")
}

/// One way of tampering: what it does to the copy of a log, and what must be found first.
type Tamper = (&'static str, fn(&Path) -> String);

#[test]
fn an_honest_month_is_in_order() {
    let logs = month().folder.path().join("logs/one");
    let (code, findings, outcome) = verify(&arguments(&logs));
    assert_eq!((code, findings), (0, vec![]));
    let one = &outcome["logs"][0];
    assert_eq!(
        (one["origin"].as_str(), one["hours"].as_i64()),
        (Some("provider.example/one"), Some(HOURS)),
        "{one:#}"
    );
    assert_eq!(
        (one["from"].as_str(), one["until"].as_str()),
        (Some("2026-03-01T00:00:00Z"), Some("2026-04-01T00:00:00Z"))
    );
    assert_eq!(
        one["gap_s"],
        json!({ "crash": 3 * 41, "stopped": 2 * 15, "unrecorded": 2 * 90 }),
        "{one:#}"
    );
    assert_eq!(outcome["not_in_force_s"], json!({ "law": 2 * 4 * 200 }));
    let first = json!({
        "from": "2026-03-01T20:58:20Z", "until": "2026-03-01T21:01:40Z", "seconds": 200,
    });
    assert_eq!(
        (&one["not_in_force"]["law"][0], &one["silent_hours"]),
        (&first, &json!(0)),
        "{one:#}"
    );
    let all: i64 = (0..HOURS).map(|n| n * 7 % 40 + (n * 7 + 1) % 40).sum();
    assert_eq!(outcome["blocked"]["law"]["address"], all);
    let text: Vec<String> = ["audit".to_owned(), "verify".to_owned()]
        .into_iter()
        .chain(arguments(&logs))
        .collect();
    let (code, stdout, _) = Program::new()
        .prepare()
        .run(&text.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(
        code == 0 && stdout.contains("The record is in order"),
        "{stdout}"
    );
}

#[test]
fn changed_leaves_are_found_and_named() {
    find_each(&[
        ("a count is changed in its file", |log| {
            let leaves = original();
            let at = place(&leaves, 30, "law");
            let bundle = log.join("tile/entries/000");
            let text = fs::read(&bundle).expect("a bundle");
            let leaf = leaves[at].as_bytes();
            let start = text
                .windows(leaf.len())
                .position(|octets| octets == leaf)
                .expect("the leaf");
            let mut changed = text;
            let digit = changed[start..]
                .windows(10)
                .position(|octets| octets == b"\"address\":")
                .expect("a count")
                + start
                + 10;
            changed[digit] = if changed[digit] == b'1' { b'2' } else { b'1' };
            fs::write(bundle, changed).expect("a bundle");
            format!("tile provider.example/one leaf {at}")
        }),
        ("a count is changed, and all hashes with it", |log| {
            let mut leaves = original();
            let at = place(&leaves, 30, "law");
            leaves[at] = leaves[at].replace("\"https\":1", "\"https\":2");
            let (checkpoint, day) = (read(log, "checkpoint"), read(log, "checkpoints/2026-03-02"));
            write(&leaves, &checkpoint, log);
            fs::write(log.join("checkpoints/2026-03-02"), day).expect("a checkpoint");
            "checkpoint provider.example/one checkpoints/2026-03-02".to_owned()
        }),
        (
            "a count is changed, and only the last checkpoint is left",
            |log| {
                let mut leaves = original();
                let at = place(&leaves, 30, "law");
                leaves[at] = leaves[at].replace("\"https\":1", "\"https\":2");
                let checkpoint = read(log, "checkpoint");
                write(&leaves, &checkpoint, log);
                fs::remove_dir_all(log.join("checkpoints")).expect("a folder");
                "root provider.example/one checkpoint".to_owned()
            },
        ),
        ("a leaf is dropped", |log| {
            let mut leaves = original();
            let at = place(&leaves, 300, "law");
            leaves.remove(at);
            write(&leaves, &read(log, "checkpoint"), log);
            fs::remove_dir_all(log.join("checkpoints")).expect("a folder");
            format!(
                "missing provider.example/one tile/entries/005.p/{}",
                original().len() - 1280
            )
        }),
        ("two leaves change places", |log| {
            let mut leaves = original();
            let at = place(&leaves, 300, "law");
            leaves.swap(at, at + 1);
            let tile = fs::read(log.join("tile/0/002")).expect("a tile");
            let checkpoint = read(log, "checkpoint");
            write(&leaves, &checkpoint, log);
            fs::remove_dir_all(log.join("checkpoints")).expect("a folder");
            fs::write(log.join("tile/0/002"), tile).expect("a tile");
            format!("tile provider.example/one leaf {at}")
        }),
    ]);
}

#[test]
fn what_the_author_forges_contradicts_itself() {
    find_each(&[
        ("a count is changed by the author", |log| {
            let mut leaves = original();
            let at = place(&leaves, 30, "law");
            leaves[at] = leaves[at].replace("\"https\":1", "\"https\":2");
            forge(&leaves, author(), log);
            format!("sum provider.example/one hour {}", hour_text(30))
        }),
        ("a leaf is dropped by the author", |log| {
            let mut leaves = original();
            let at = place(&leaves, 300, "law");
            leaves.remove(at);
            forge(&leaves, author(), log);
            format!("list provider.example/one hour {}", hour_text(300))
        }),
        ("an hour is dropped by the author", |log| {
            let mut leaves = original();
            let at = place(&leaves, 300, "law");
            leaves.drain(at..at + 2);
            forge(&leaves, author(), log);
            format!("hour provider.example/one leaf {at}")
        }),
        ("a leaf is added by the author", |log| {
            let mut leaves = original();
            let at = place(&leaves, 300, "law");
            leaves.insert(at, leaves[at].clone());
            forge(&leaves, author(), log);
            format!("list provider.example/one leaf {}", at + 1)
        }),
        ("two hours change places by the author's hand", |log| {
            let mut leaves = original();
            let at = place(&leaves, 300, "law");
            leaves[at..at + 4].rotate_left(2);
            forge(&leaves, author(), log);
            format!("hour provider.example/one leaf {at}")
        }),
    ]);
}

/// What stands before, in and after an hour's times without its list.
fn around_absences(leaf: &str) -> (&str, &str, &str) {
    let start = leaf.find("\"not_in_force\":[").expect("an hour");
    let end = start + leaf[start..].find(']').expect("an end") + 1;
    (&leaf[..start], &leaf[start..end], &leaf[end..])
}

#[test]
fn what_the_author_swaps_contradicts_the_rest() {
    find_each(&[
        ("an hour of the other resolver", |log| {
            let mut leaves = original();
            let others = leaves_of(
                &LogReader::open(&month().folder.path().join("states/two")).expect("a log"),
            );
            let at = place(&leaves, 300, "law");
            leaves[at] = others[place(&others, 300, "law")].clone();
            forge(&leaves, author(), log);
            format!("author provider.example/one leaf {at}")
        }),
        ("the first hour is dropped by the author", |log| {
            let mut leaves = original();
            let at = place(&leaves, 0, "law");
            leaves.drain(at..at + 2);
            let at = place(&leaves, 1, "law");
            forge(&leaves, author(), log);
            format!("hour provider.example/one leaf {at}")
        }),
        ("a crash is dropped by the author", |log| {
            let mut leaves = original();
            let at = leaves
                .iter()
                .position(|leaf| leaf.contains("\"kind\":\"crash\",\"list\""))
                .expect("a crash");
            leaves.remove(at);
            forge(&leaves, author(), log);
            format!("gap provider.example/one leaf {at}")
        }),
        ("a gap is made shorter by the author", |log| {
            let mut leaves = original();
            let at = leaves
                .iter()
                .position(|leaf| leaf.contains("\"gap_s\":40,"))
                .expect("a gap");
            leaves[at] = leaves[at].replace("\"gap_s\":40,", "\"gap_s\":1,");
            forge(&leaves, author(), log);
            format!("gap provider.example/one leaf {at}")
        }),
        ("another version is told by the author", |log| {
            let mut leaves = original();
            let at = place(&leaves, 300, "law");
            leaves[at] = leaves[at].replace("\"serial\":2,", "\"serial\":1,");
            forge(&leaves, author(), log);
            format!("version provider.example/one leaf {at}")
        }),
    ]);
}

/// The leaf of a log that follows another one.
fn restored(leaves: &[String], origin: &str, keys: &str) -> String {
    const SALT: &str = "000102030405060708090a0b0c0d0e0f";
    let (_, boot) = leaves[0].split_once("\"boot\":").expect("a boot");
    let (at, boot) = (MARCH, &boot[..18]);
    let at = jiff::Timestamp::from_second(at).expect("a time");
    format!(
        "{{\"at\":\"{at}\",\"body\":{{\"found\":1,\"origin\":\"{origin}\",\"root\":\"00\",\
         \"size\":2{keys}}},\"boot\":{boot},\"kind\":\"restored\",\"list\":null,\"manifest\":null,\
         \"provider\":\"provider.example\",\"resolver\":\"one\",\"salt\":\"{SALT}\",\"seq\":0,\
         \"serial\":null,\"touches\":[\"counts\"],\"v\":3}}"
    )
}

#[test]
fn a_log_follows_another_from_its_beginning_or_not_at_all() {
    const WHY: &str = ",\"why\":\"shorter\"";
    let folder = TempDir::new().expect("a folder");
    let log = folder.path().join("one");
    let mut leaves = original();
    leaves.insert(1, restored(&leaves, "provider.example/two", WHY));
    forge(&leaves, author(), &log);
    let (code, findings, outcome) = verify(&arguments(&log));
    assert_eq!((code, findings), (0, vec![]));
    assert_eq!(
        outcome["logs"][0]["restored"]["origin"],
        "provider.example/two"
    );
    find_each(&[
        ("a later leaf follows another log", |log| {
            let mut leaves = original();
            for at in [1, 2] {
                leaves.insert(at, restored(&leaves, "provider.example/two", WHY));
            }
            forge(&leaves, author(), log);
            "restored provider.example/one leaf 2".to_owned()
        }),
        ("a log follows itself", |log| {
            let mut leaves = original();
            leaves.insert(1, restored(&leaves, "provider.example/one", WHY));
            forge(&leaves, author(), log);
            "restored provider.example/one leaf 1".to_owned()
        }),
        ("a log is told from later on than it does", |log| {
            let mut leaves = original();
            let keys = format!(",\"until\":\"2026-03-02T00:00:00Z\"{WHY}");
            leaves.insert(1, restored(&leaves, "provider.example/two", &keys));
            forge(&leaves, author(), log);
            "restored provider.example/one leaf 1".to_owned()
        }),
        ("a log does not say why it follows another one", |log| {
            let mut leaves = original();
            leaves.insert(1, restored(&leaves, "provider.example/two", ""));
            forge(&leaves, author(), log);
            "leaf provider.example/one leaf 1".to_owned()
        }),
    ]);
}

#[test]
fn a_time_without_a_list_cannot_be_left_out() {
    find_each(&[
        ("a time without its list is left out by the author", |log| {
            let mut leaves = original();
            let at = place(&leaves, 20, "law");
            let (before, _, after) = around_absences(&leaves[at]);
            leaves[at] = format!("{before}\"not_in_force\":[]{after}");
            forge(&leaves, author(), log);
            format!("gap provider.example/one leaf {at}")
        }),
        (
            "a time without its list is told of the hour before",
            |log| {
                let mut leaves = original();
                let at = place(&leaves, 20, "law");
                leaves[at] = leaves[at].replace("T20:58:20Z", "T19:58:20Z");
                forge(&leaves, author(), log);
                format!("gap provider.example/one leaf {at}")
            },
        ),
        ("an hour goes back to the older form", |log| {
            let mut leaves = original();
            let at = place(&leaves, 20, "law");
            for leaf in &mut leaves[at..at + 2] {
                let (before, _, after) = around_absences(leaf);
                *leaf = format!("{before}{}", &after[1..]).replace("\"v\":3", "\"v\":1");
            }
            forge(&leaves, author(), log);
            format!("leaf provider.example/one leaf {at}")
        }),
    ]);
}

#[test]
fn changed_checkpoints_tiles_and_ends_are_found() {
    find_each(&[
        ("another log's checkpoint", |log| {
            let other = read(&month().folder.path().join("logs/two"), "checkpoint");
            fs::write(
                log.join("checkpoint"),
                other.replace("example/two\n", "example/one\n"),
            )
            .expect("a checkpoint");
            format!("signature {} checkpoint", log.display())
        }),
        ("a day's checkpoint of another history", |log| {
            let leaves = original();
            fs::write(
                log.join("checkpoints/2026-03-09"),
                signed(&leaves[1..400], author()),
            )
            .expect("a checkpoint");
            "checkpoint provider.example/one checkpoints/2026-03-09".to_owned()
        }),
        ("signed with another key", |log| {
            forge(
                &original(),
                &SigningKey::generate("provider.example/one").expect("a key"),
                log,
            );
            format!("signature {} checkpoint", log.display())
        }),
        ("no checkpoint at all", |log| {
            fs::write(log.join("checkpoint"), "provider.example/one\n").expect("a checkpoint");
            format!("note {} checkpoint", log.display())
        }),
        ("the tail is cut off", |log| {
            fs::remove_file(log.join("tile/entries/004")).expect("a bundle");
            "missing provider.example/one tile/entries/004".to_owned()
        }),
        (
            "the tail is cut off and an older checkpoint put in its place",
            |log| {
                let day = read(log, "checkpoints/2026-03-20");
                fs::write(log.join("checkpoint"), day).expect("a checkpoint");
                "checkpoint provider.example/one checkpoints/2026-03-21".to_owned()
            },
        ),
        ("a tile of hashes is changed", |log| {
            let tile = log.join("tile/0/001");
            let mut octets = fs::read(&tile).expect("a tile");
            octets[32 * 7 + 5] ^= 1;
            fs::write(tile, octets).expect("a tile");
            format!("tile provider.example/one leaf {}", 256 + 7)
        }),
    ]);
}

/// Tampers in each way with a copy of the log; what is found first must be what was done.
fn find_each(tampers: &[Tamper]) {
    for (what, tamper) in tampers {
        let folder = TempDir::new().expect("a folder");
        let log = folder.path().join("one");
        copy(&month().folder.path().join("logs/one"), &log);
        let expected = tamper(&log);
        let (code, findings, _) = verify(&arguments(&log));
        assert_eq!(
            (code, findings.first()),
            (1, Some(&expected)),
            "{what}: {findings:?}"
        );
        println!("{what}: {expected}");
    }
}

fn read(log: &Path, name: &str) -> String {
    fs::read_to_string(log.join(name)).expect("a file")
}

fn author() -> &'static SigningKey {
    &month().keys[0]
}

fn hour_text(n: i64) -> String {
    jiff::Timestamp::from_second(MARCH + n * HOUR)
        .expect("a time")
        .to_string()
}

#[test]
fn what_was_seen_before_cannot_be_taken_back() {
    let folder = TempDir::new().expect("a folder");
    let log = folder.path().join("one");
    let honest = month().folder.path().join("logs/one");
    let seen = folder.path().join("seen");
    fs::copy(honest.join("checkpoint"), &seen).expect("a checkpoint");
    let with = |log: &Path, more: &[&str]| {
        let mut arguments = arguments(log);
        arguments.extend(more.iter().map(ToString::to_string));
        verify(&arguments)
    };
    let since = seen.display().to_string();
    assert_eq!(with(&honest, &["--since", &since]).0, 0);

    // The end is cut off so well that the rest is in order by itself.
    let leaves = original();
    let short = &leaves[..place(&leaves, 500, "law")];
    forge(short, author(), &log);
    assert_eq!(with(&log, &[]).0, 0, "nobody who saw no more can know");
    let place_of_since = format!("since provider.example/one since {}", leaves.len());
    assert_eq!(
        with(&log, &["--since", &since]).1,
        std::slice::from_ref(&place_of_since)
    );
    assert_eq!(
        with(&log, &["--until", "2026-04-01T00:00:00Z"]).1,
        ["until provider.example/one"]
    );

    // Another history, right in itself, beside the one that was seen.
    let mut other = leaves.clone();
    let at = place(&other, 700, "law");
    for (from, to) in [
        ("\"own\":100", "\"own\":99"),
        ("\"hit\":500", "\"hit\":501"),
    ] {
        other[at] = other[at].replace(from, to);
        other[at + 1] = other[at + 1].replace(from, to);
    }
    forge(&other, author(), &log);
    assert_eq!(with(&log, &[]).0, 0, "right in itself");
    assert_eq!(with(&log, &["--since", &since]).1, [place_of_since]);
    // Ours holds copies against each other by itself.
    let mut copies = arguments(&log);
    copies.push(honest.display().to_string());
    assert_eq!(
        verify_with_ours(&copies).1,
        vec!["fork provider.example/one checkpoint in another folder"; 2]
    );
    let none = verify(&[
        honest.display().to_string(),
        "--key".to_owned(),
        author().public().to_string(),
        "--key".to_owned(),
        month().keys[1].public().to_string(),
    ])
    .1;
    assert_eq!(none, ["absent provider.example/two"]);
}

#[test]
fn a_cosigner_vouches_for_one_history_only() {
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let witness = SigningKey::generate("regulator.example").expect("a key");
    fs::write(at("witness"), witness.to_text().as_str()).expect("a key");
    let leaves = original();
    let log = PathBuf::from(at("one"));
    let cosign = |more: &[&str]| {
        let (log, key, state) = (at("one"), at("witness"), at("state"));
        let arguments = ["audit", "cosign", &log, "--key", &key, "--state", &state];
        Program::new().prepare().run(
            &arguments
                .into_iter()
                .chain(more.iter().copied())
                .collect::<Vec<_>>(),
        )
    };
    forge(&leaves[..place(&leaves, 400, "law")], author(), &log);
    let (code, _, stderr) = cosign(&[]);
    assert!(
        code == 1 && stderr.contains("no key was given for provider.example/one"),
        "{stderr}"
    );
    let (code, stdout, stderr) = cosign(&["--author", &author().public().to_string()]);
    assert!(
        code == 0 && stdout.contains(&witness.public_cosigner().to_string()),
        "{stderr}"
    );
    forge(&leaves, author(), &log);
    assert_eq!(cosign(&[]).0, 0, "it grew, and the author is known");
    let note =
        Note::parse(&fs::read(log.join("checkpoint")).expect("a checkpoint")).expect("a note");
    assert_eq!(
        note.signers(&[author().public(), witness.public_cosigner()])
            .expect("signers")
            .len(),
        2
    );
    let mut arguments = arguments(&log);
    arguments.extend(["--key".to_owned(), witness.public_cosigner().to_string()]);
    assert_eq!(
        verify_with_ours(&arguments).2["logs"][0]["cosigners"][0]["name"],
        "regulator.example"
    );

    forge(&leaves[..place(&leaves, 600, "law")], author(), &log);
    let (code, _, stderr) = cosign(&[]);
    assert!(
        code == 1 && stderr.contains("the end was cut off"),
        "{stderr}"
    );
    let mut other = leaves.clone();
    other[5] = other[5].replace("\"own\":100", "\"own\":99");
    other.push(leaves[7].clone());
    forge(&other, author(), &log);
    let (code, _, stderr) = cosign(&[]);
    assert!(
        code == 1 && stderr.contains("the log was forked"),
        "{stderr}"
    );
    write(&other[..leaves.len()], &signed(&leaves, author()), &log);
    let (code, _, stderr) = cosign(&[]);
    assert!(
        code == 1 && stderr.contains("the leaves are not those that the checkpoint was signed for"),
        "{stderr}"
    );
}

/// SplitMix64, by Sebastiano Vigna: public domain.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % below as u64) as usize
    }
}

/// What an author may do to one leaf or two, blindly.
fn mutate(leaves: &mut Vec<String>, dice: &mut Dice) {
    let at = dice.roll(leaves.len() - 1);
    let tokens: Vec<String> = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "null",
        "-1",
        "0",
        "1.0",
        "1e2",
        "\"start\"",
        "\"crash\"",
        "9007199254740993",
        " ",
        "é",
        "\\u00e9",
    ]
    .map(str::to_owned)
    .into();
    match dice.roll(8) {
        0 => drop(leaves.remove(at)),
        1 => leaves.swap(at, at + 1),
        2 => leaves.insert(at, leaves[at].clone()),
        3 => {
            let from = dice.roll(leaves.len());
            leaves[at] = leaves[from].clone();
        }
        4 | 5 => {
            let digits: Vec<usize> = leaves[at]
                .match_indices(|letter: char| letter.is_ascii_digit())
                .map(|(place, _)| place)
                .collect();
            let place = digits[dice.roll(digits.len())];
            leaves[at].replace_range(place..=place, &dice.roll(10).to_string());
        }
        6 => {
            // A value, a key or more is gone, or is another one.
            let marks: Vec<usize> = leaves[at]
                .match_indices([',', ':', '{', '}'])
                .map(|(place, _)| place)
                .collect();
            let first = dice.roll(marks.len() - 1);
            leaves[at].replace_range(
                marks[first] + 1..marks[first + 1],
                &tokens[dice.roll(tokens.len())],
            );
        }
        _ => {
            let place = dice.roll(leaves[at].len());
            leaves[at].insert_str(place, &tokens[dice.roll(tokens.len())]);
        }
    }
}

/// The seed is printed; WARDLINE_SEED gives it again.
fn both_agree_on_forgeries(count: usize) {
    let seed = std::env::var("WARDLINE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| getrandom::u64().expect("randomness"));
    println!("WARDLINE_SEED={seed}");
    let (mut dice, folder, leaves) = (Dice(seed), TempDir::new().expect("a folder"), original());
    let interesting = leaves
        .iter()
        .position(|leaf| leaf.contains("\"kind\":\"crash\",\"list\""))
        .expect("a crash");
    let log = folder.path().join("one");
    let arguments = [
        log.display().to_string(),
        "--key".to_owned(),
        author().public().to_string(),
    ];
    let mut refused = 0;
    for _ in 0..count {
        let mut forged = leaves[..interesting + 12].to_vec();
        mutate(&mut forged, &mut dice);
        if dice.roll(2) == 0 {
            write(&forged, &signed(&forged, author()), &log);
        } else {
            forge(&forged, author(), &log);
        }
        refused += usize::from(verify(&arguments).0 == 1);
    }
    println!("{refused} of {count} forgeries are refused, by both");
}

#[test]
fn both_verifiers_agree_on_what_an_author_forges() {
    both_agree_on_forgeries(12);
}

#[test]
#[ignore = "long run: some minutes"]
fn both_verifiers_agree_on_thousands_of_forgeries() {
    both_agree_on_forgeries(3000);
}

/// A manifest of the list `law`, signed by the curator, and its hash.
fn manifest(serial: u64, curator: &SigningKey) -> (String, String) {
    let manifest = Manifest {
        list: "law".into(),
        authority: "A".into(),
        basis: ManifestBasis::Law,
        legal_basis: "B".into(),
        action: ListAction::NxDomain,
        serial,
        issued: MARCH,
        expires: MARCH + 1000 * HOUR,
        previous: None,
        entries: 1,
        sha256: Hash::of(&serial.to_be_bytes()),
        test_entry: None,
        secrecy: Secrecy::Open,
        settles: Settlement::ByDate,
    };
    let mut note = Note::new(&manifest.to_text()).expect("a note");
    note.sign(curator).expect("a signature");
    (note.to_string(), manifest.hash().to_string())
}

#[test]
fn a_version_that_the_curator_did_not_sign_is_found() {
    let (folder, curator) = (
        TempDir::new().expect("a folder"),
        SigningKey::generate("curator.example").expect("a key"),
    );
    let (log, signed) = (folder.path().join("one"), folder.path().join("signed"));
    fs::create_dir(&signed).expect("a folder");
    let mut leaves = original();
    for serial in 1..=4 {
        let (note, hash) = manifest(serial, &curator);
        fs::write(signed.join(format!("{serial}.manifest")), note).expect("a manifest");
        leaves.iter_mut().for_each(|leaf| {
            *leaf = leaf.replace(&format!("\"{:064x}\"", serial - 1), &format!("{hash:?}"))
        });
    }
    forge(&leaves, author(), &log);
    let mut arguments = arguments(&log);
    arguments.remove(1);
    arguments.truncate(3);
    assert_eq!(verify(&arguments).0, 0);
    arguments.extend(["--manifest".to_owned(), signed.display().to_string()]);
    let with = |key: &str| {
        verify_with_ours(
            &arguments
                .iter()
                .cloned()
                .chain(["--curator".to_owned(), key.to_owned()])
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(with(&curator.public().to_string()).1, Vec::<String>::new());
    fs::remove_file(signed.join("3.manifest")).expect("a manifest");
    let third = leaves
        .iter()
        .position(|leaf| leaf.contains("\"kind\":\"live\"") && leaf.contains("\"serial\":3,"))
        .expect("a leaf");
    assert_eq!(
        with(&curator.public().to_string()).1,
        [format!("manifest provider.example/one leaf {third}")]
    );
    let text: Vec<&str> = ["audit", "verify"]
        .into_iter()
        .chain(arguments.iter().map(String::as_str))
        .collect();
    let stranger = SigningKey::generate("curator.example")
        .expect("a key")
        .public()
        .to_string();
    let (code, _, stderr) = Program::new().prepare().run(
        &text
            .into_iter()
            .chain(["--curator", &stranger])
            .collect::<Vec<_>>(),
    );
    assert!(
        code == 2 && stderr.contains("not signed with a curator's key"),
        "{stderr}"
    );
}

/// Somebody who trusts nobody reads it before he runs it.
#[test]
fn the_second_verifier_is_short_enough_to_be_read() {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools");
    for name in [
        "tlog.py",
        "leaves.py",
        "history.py",
        "on_record.py",
        "figures.py",
        "going_back.py",
        "verify_audit.py",
        "verify_report.py",
    ] {
        let script = fs::read_to_string(tools.join(name)).expect("the script");
        let widths = script.lines().map(|line| line.chars().count());
        let (lines, widest) = (script.lines().count(), widths.max().unwrap_or_default());
        assert!(
            lines <= 300 && widest <= 100,
            "{name}: {lines} lines, {widest} columns"
        );
    }
}

/// Who follows the words in an export has all files of the second verifier beside each other.
#[test]
fn an_export_names_each_file_of_the_second_verifier() {
    let folder = TempDir::new().expect("a folder");
    let exporter = LogExporter::create(folder.path(), "provider.example/one", ExportPart::Whole);
    exporter
        .and_then(|exporter| exporter.finish("", &[]))
        .expect("an export");
    let readme = fs::read_to_string(folder.path().join("README.txt")).expect("a file");
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools");
    let of_reports = ["verify_report.py", "figures.py"];
    for tool in fs::read_dir(tools).expect("a folder") {
        let name = tool.expect("a file").file_name();
        let name = name.to_string_lossy();
        let is_named = readme.contains(&*name) || of_reports.contains(&&*name);
        assert!(is_named || !name.ends_with(".py"), "{name}: {readme}");
    }
}

/// What a stranger sends as an export: verifiers neither hang nor read without end.
#[test]
fn files_that_are_none_are_refused_at_once() {
    let folder = TempDir::new().expect("a folder");
    let log = folder.path().join("one");
    let fresh = || {
        let _ = fs::remove_dir_all(&log);
        copy(&month().folder.path().join("logs/one"), &log);
    };
    let pipe = |name: &str| {
        fs::remove_file(log.join(name)).expect("a file");
        let made = Command::new("mkfifo").arg(log.join(name)).status();
        assert!(made.expect("mkfifo").success());
    };
    let huge = |name: &str| {
        let file = fs::File::create(log.join(name)).expect("a file");
        file.set_len(300 << 20).expect("a sparse file");
    };
    let here = log.display().to_string();
    let cases = [
        ("checkpoint", format!("note {here} checkpoint")),
        (
            "checkpoints/2026-03-02",
            "note provider.example/one checkpoints/2026-03-02".to_owned(),
        ),
        (
            "tile/entries/000",
            "missing provider.example/one tile/entries/000".to_owned(),
        ),
        (
            "tile/0/000",
            "missing provider.example/one tile/0/000".to_owned(),
        ),
    ];
    for (name, expected) in &cases {
        for spoil in [&pipe as &dyn Fn(&str), &huge] {
            fresh();
            spoil(name);
            let findings = verify(&arguments(&log)).1;
            assert_eq!(findings.first(), Some(expected), "{name}: {findings:?}");
        }
    }
    fresh();
    fs::remove_file(log.join("checkpoint")).expect("a file");
    std::os::unix::fs::symlink("/dev/zero", log.join("checkpoint")).expect("a link");
    let findings = verify(&arguments(&log)).1;
    assert_eq!(findings.first(), Some(&cases[0].1), "{findings:?}");
}

/// A note is refused whose cosignature by a key that was given does not hold (C2SP signed-note).
#[test]
fn a_cosignature_that_was_altered_refuses_the_note() {
    let folder = TempDir::new().expect("a folder");
    let log = folder.path().join("one");
    copy(&month().folder.path().join("logs/one"), &log);
    let witness = SigningKey::generate("witness.example").expect("a key");
    let note = fs::read(log.join("checkpoint")).expect("a checkpoint");
    let mut note = Note::parse(&note).expect("a note");
    wardline::seal::checkpoint::cosign(&mut note, &witness, 1_775_000_000).expect("a note");
    let cosigned = note.to_string();
    let mut asked = arguments(&log);
    asked.extend(["--key".to_owned(), witness.public_cosigner().to_string()]);
    fs::write(log.join("checkpoint"), &cosigned).expect("a checkpoint");
    let (code, findings, outcome) = verify(&asked);
    assert_eq!((code, findings), (0, vec![]));
    assert_eq!(
        outcome["logs"][0]["cosigners"][0]["name"],
        "witness.example"
    );
    let line = cosigned.lines().last().expect("a line");
    let octet = line.len() - 10;
    let other = if line.as_bytes()[octet] == b'A' {
        "B"
    } else {
        "A"
    };
    let altered = format!("{}{other}{}", &line[..octet], &line[octet + 1..]);
    fs::write(log.join("checkpoint"), cosigned.replace(line, &altered)).expect("a checkpoint");
    let expected = format!("signature {} checkpoint", log.display());
    assert_eq!(verify(&asked).1.first(), Some(&expected));
    assert_eq!(verify(&arguments(&log)).0, 0, "nobody asked for this one");
}

/// A policy demands that so many of these witnesses have cosigned (C2SP tlog-policy).
#[test]
fn a_log_that_too_few_have_cosigned_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let (log, file) = (folder.path().join("one"), folder.path().join("policy"));
    copy(&month().folder.path().join("logs/one"), &log);
    let witnesses = ["a.example", "b.example", "c.example"];
    let witnesses = witnesses.map(|name| SigningKey::generate(name).expect("a key"));
    let mut policy = format!("log {}\n", author().public());
    for (name, key) in ["A", "B", "C"].iter().zip(&witnesses) {
        policy.push_str(&format!("witness {name} {}\n", key.public_cosigner()));
    }
    policy.push_str("group two 2 A B C\nquorum two\n");
    fs::write(&file, &policy).expect("a policy");
    let arguments = [&log, &file].map(|path| path.display().to_string());
    let [log_folder, policy_file] = arguments;
    let arguments = [log_folder, "--policy".to_owned(), policy_file];
    let missing = "quorum provider.example/one checkpoint";
    for (at, witness) in witnesses.iter().enumerate() {
        let expected: &[&str] = if at < 2 { &[missing] } else { &[] };
        assert_eq!(verify_with_ours(&arguments).1, expected, "{at} cosigned");
        let note = fs::read(log.join("checkpoint")).expect("a checkpoint");
        let mut note = Note::parse(&note).expect("a note");
        let at = 1_775_000_000 + at as u64;
        wardline::seal::checkpoint::cosign(&mut note, witness, at).expect("a note");
        fs::write(log.join("checkpoint"), note.to_string()).expect("a checkpoint");
    }
    fs::write(&file, policy.replace("quorum two", "quorum three")).expect("a policy");
    let command = [
        &["audit", "verify"],
        &arguments.each_ref().map(String::as_str)[..],
    ]
    .concat();
    let (code, _, stderr) = Program::new().prepare().run(&command);
    assert!(
        code == 2 && stderr.contains("policy: line 6: no line above defines three"),
        "{stderr}"
    );
}
