//! Exports of logs made to take all memory, with the true key: both verifiers end, alike, and take
//! no more memory than is promised.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use wardline::audit::{ExportPart, LogExporter};
use wardline::seal::SigningKey;
use wardline::seal::checkpoint::Checkpoint;
use wardline::seal::tree::{Tree, leaf_hash};

use crate::forgeries::day_leaves;
use crate::kit::tool::{PYTHON, is_missing};

/// What our verifier may take, and the second one, in KiB.
const MOST_KIB: [(&str, u64); 2] = [("ours", 64 << 10), ("second", 256 << 10)];
const ORIGIN: &str = "provider.example/one";

/// Runs a command and prints what it says, its exit code and the most memory that it had in KiB.
const MEASURE: &str = "
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
sys.stdout.buffer.write(done.stdout[-4000:])
print()
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
";

fn measure(command: &[&str]) -> (String, i32, u64) {
    let run = Command::new("python3")
        .args(["-c", MEASURE])
        .args(command)
        .output()
        .expect("python3");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let last = said.lines().last().expect("figures");
    let (code, most) = last.split_once(' ').expect("two figures");
    let figures = (code.parse(), most.parse());
    (
        said.clone(),
        figures.0.expect("a code"),
        figures.1.expect("a size"),
    )
}

/// Both verifiers on this folder: their common exit code.
fn verify(what: &str, log: &Path, key: &SigningKey) -> i32 {
    let (key, log) = (key.public().to_string(), log.display().to_string());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/verify_audit.py");
    let script = script.display().to_string();
    let ours = [
        env!("CARGO_BIN_EXE_wardline"),
        "audit",
        "verify",
        &log,
        "--key",
        &key,
    ];
    let second = ["python3", "-B", &script, &log, "--key", &key];
    let commands: [&[&str]; 2] = [&ours, &second];
    let codes = commands
        .iter()
        .zip(MOST_KIB)
        .map(|(command, (name, most))| {
            let (said, code, took) = measure(command);
            println!("{what}: {name} ends with {code} and had {took} KiB");
            assert!(took <= most, "{what}: {name} had {took} KiB\n{said}");
            code
        });
    let codes: Vec<i32> = codes.collect();
    assert_eq!(codes[0], codes[1], "{what}");
    codes[0]
}

/// Writes a log of these leaves.
fn write(to: &Path, key: &SigningKey, leaves: impl Iterator<Item = Value>) {
    let _ = fs::remove_dir_all(to);
    let mut writer = LogExporter::create(to, ORIGIN, ExportPart::Whole).expect("a folder");
    let (mut tree, mut size) = (Tree::default(), 0_u64);
    for mut leaf in leaves {
        leaf["seq"] = json!(size);
        let leaf = leaf.to_string();
        writer.leaf(leaf.as_bytes()).expect("a leaf");
        tree.append(leaf_hash(leaf.as_bytes()));
        size += 1;
    }
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root: tree.root(),
    };
    let note = checkpoint.sign(key).expect("a note").to_string();
    writer.finish("", &[(1_772_409_600, note)]).expect("a log");
}

fn kind_of<'a>(leaves: &'a [Value], kind: &str) -> &'a Value {
    let found = leaves.iter().find(|leaf| leaf["kind"] == kind);
    found.expect("a leaf")
}

/// An event of this kind behind the day's first leaf.
fn event(leaves: &[Value], kind: &str, touches: &Value, body: Value) -> Value {
    let mut event = leaves[0].clone();
    event["kind"] = json!(kind);
    event["touches"] = touches.clone();
    event["body"] = body;
    event
}

#[test]
fn leaves_that_pile_up_take_no_more_memory_than_is_promised() {
    if is_missing(&PYTHON) {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let (log, key) = (
        folder.path().join("one"),
        SigningKey::generate(ORIGIN).expect("a key"),
    );
    let day = day_leaves();
    let first = || day[..1].iter().cloned();
    let long = "x".repeat(60_000);
    let body = json!({ "codes": [], "message": long });
    let mut refused = event(&day, "refused", &json!([]), body);
    refused["list"] = json!("law");
    write(
        &log,
        &key,
        first().chain(std::iter::repeat_n(refused, 1500)),
    );
    assert_eq!(verify("long bodies", &log, &key), 0);
    let words: Vec<String> = (0..8_000).map(|n| format!("{n:x}")).collect();
    let later = event(&day, "later", &json!(["counts"]), json!({ "words": words }));
    write(&log, &key, first().chain(std::iter::repeat_n(later, 500)));
    assert_eq!(verify("unknown kinds", &log, &key), 2);
    let kinds = (0..60_000).map(|n| {
        let kind = format!("{n:x}{}", "k".repeat(200));
        event(&day, &kind, &json!([]), json!({}))
    });
    write(&log, &key, first().chain(kinds));
    assert_eq!(verify("many kinds", &log, &key), 0);
    let lists = (0..60_000).map(|n| {
        let mut removal = kind_of(&day, "live").clone();
        removal["list"] = json!(format!("{n:06}{}", "l".repeat(200)));
        removal
    });
    write(&log, &key, first().chain(lists));
    assert_eq!(verify("many lists", &log, &key), 1);
    let versions = (0..60_000_u64).map(|n| {
        let mut live = kind_of(&day, "live").clone();
        live["serial"] = json!(n + 1);
        live["manifest"] = json!(format!("{n:064x}"));
        live
    });
    write(&log, &key, first().chain(versions));
    assert_eq!(verify("many versions", &log, &key), 0);
}

#[test]
fn runs_and_gaps_that_pile_up_take_no_more_memory_than_is_promised() {
    if is_missing(&PYTHON) {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let (log, key) = (
        folder.path().join("one"),
        SigningKey::generate(ORIGIN).expect("a key"),
    );
    let day = day_leaves();
    let (start, stop) = (
        day[0].clone(),
        event(&day, "stop", &json!(["counts"]), json!({})),
    );
    let boot = |n: u64| json!(format!("{n:016x}"));
    let lists: Vec<String> = (0..900)
        .map(|n| format!("{n:04}{}", "l".repeat(56)))
        .collect();
    for (what, lists) in [("runs", vec![]), ("runs with lists", lists)] {
        let runs = (1..40_000_u64).flat_map(|n| {
            let (mut start, mut stop) = (start.clone(), stop.clone());
            (start["boot"], stop["boot"]) = (boot(n), boot(n));
            start["body"]["lists"] = json!(lists);
            start["body"]["previous"] = if n == 1 { Value::Null } else { boot(n - 1) };
            [start, stop]
        });
        let most = if lists.is_empty() { 80_000 } else { 200 };
        write(&log, &key, runs.take(most));
        let code = verify(what, &log, &key);
        assert_eq!(code, i32::from(!lists.is_empty()), "{what}");
    }
    let clocks = (0..60_000).map(|n| {
        let at = jiff::Timestamp::from_second(1_772_324_000 + n).expect("a time");
        let body = json!({ "back_s": 1, "until": at.to_string() });
        let mut clock = event(&day, "clock", &json!(["counts"]), body);
        clock["at"] = json!(at.to_string());
        clock
    });
    write(&log, &key, day[..1].iter().cloned().chain(clocks));
    assert_eq!(verify("clocks", &log, &key), 1);
    let hour = kind_of(&day, "hour");
    let gaps: Vec<Value> = (0..700).map(|_| hour["gaps"][0].clone()).collect();
    let hours = (0..3000).map(|n| {
        let mut hour = hour.clone();
        hour["list"] = json!(format!("{n:04}"));
        hour["gaps"] = json!(gaps);
        hour
    });
    write(&log, &key, day[..1].iter().cloned().chain(hours));
    assert_eq!(verify("gaps", &log, &key), 1);
}

#[test]
fn files_that_pile_up_take_no_more_memory_than_is_promised() {
    if is_missing(&PYTHON) {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let (log, key) = (
        folder.path().join("one"),
        SigningKey::generate(ORIGIN).expect("a key"),
    );
    write(&log, &key, day_leaves().into_iter());
    let note = fs::read_to_string(log.join("checkpoint")).expect("a note");
    // Signatures that nobody knows, as many as a note may have, and as long as it may be.
    let line = format!("\u{2014} {} {}\n", "n".repeat(250), "AAAA".repeat(2400));
    let lines = line.repeat(99);
    fs::write(log.join("checkpoint"), format!("{note}{lines}")).expect("a note");
    fs::create_dir_all(log.join("keys")).expect("a folder");
    for n in 0..100 {
        fs::write(log.join(format!("keys/{n}")), format!("{note}{lines}")).expect("a note");
    }
    assert_eq!(verify("signatures and key notes", &log, &key), 0);
    let mut deep: PathBuf = log.join("checkpoints/2026-03-02");
    for _ in 0..300 {
        deep.push("deeper");
    }
    fs::create_dir_all(&deep).expect("a folder");
    assert_eq!(verify("a deep folder", &log, &key), 1);
    fs::remove_dir_all(log.join("checkpoints")).expect("a folder");
    fs::create_dir_all(log.join("checkpoints")).expect("a folder");
    for day in 0..3650_i64 {
        let day = jiff::Timestamp::from_second(day * 86_400).expect("a time");
        let name: String = day.to_string().chars().take(10).collect();
        fs::write(log.join("checkpoints").join(name), &note).expect("a note");
    }
    assert_eq!(verify("days", &log, &key), 0);
    for n in 0..40_000 {
        fs::write(log.join(format!("checkpoints/{n}{}", "n".repeat(200))), "").expect("a file");
    }
    assert_eq!(verify("names that are no days", &log, &key), 1);
}
