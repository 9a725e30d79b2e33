//! A disk that refuses: the program goes on answering and counting, says so, and writes all of it
//! down when it can again.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::ask::ask;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::small_disk::SmallDisk;
use crate::kit::tool::{MOUNT, STRACE, is_missing};
use crate::kit::until;

const PATIENCE: Duration = Duration::from_secs(20);
/// Questions that are asked at each stage.
pub(crate) const ASKED: u64 = 100;

pub(crate) fn program() -> Program {
    Program::new()
        .list("stop", "stop.example\n")
        .metrics()
        .toml("[count]\nflush_s = 1\n[limits]\nudp_replies_per_s = 0\n")
}

/// Every question must be answered, disk or no disk.
pub(crate) fn ask_some(at: SocketAddr) {
    for number in 0..ASKED {
        let answers = ask(at, &format!("n{number}.stop.example"), "A").answers();
        assert!(answers[0].ends_with(" A 192.0.2.1"), "{answers:?}");
    }
}

pub(crate) fn written(running: &Running) -> u64 {
    running.report()["sums"]["questions"]
        .as_u64()
        .expect("a sum")
}

fn counts(running: &Running) -> Value {
    running.json(&["status", "--json"])["counts"].clone()
}

/// Asks before, while and after the disk refuses; nothing may be lost, and all of it must be told.
fn go_on_without_a_disk<T>(
    running: &mut Running,
    words: &str,
    refuse: impl FnOnce(&Running) -> T,
    allow: impl FnOnce(&Running, T),
) {
    let at = running.address();
    ask_some(at);
    until("the first writing", PATIENCE, || {
        (written(running) == ASKED).then_some(())
    });
    let refusing = refuse(running);
    ask_some(at);
    let failed = until("the failure", PATIENCE, || {
        Some(counts(running)).filter(|counts| counts["failures"].as_u64() > Some(1))
    });
    assert!(
        failed["last_error"]
            .as_str()
            .is_some_and(|error| error.contains("counts.sqlite") && error.contains(words)),
        "{failed}"
    );
    let text = running.run(&["status"]).1;
    assert!(
        text.contains("counts     NOT WRITTEN since ") && text.contains("Answering goes on"),
        "{text}"
    );
    until("the metric", PATIENCE, || {
        (running.metric("wardline_counts_flush_failures_total")? > 1.0).then_some(())
    });
    ask_some(at);
    allow(running, refusing);
    until("the next writing", PATIENCE, || {
        (written(running) == 3 * ASKED).then_some(())
    });
    assert_eq!(counts(running)["last_error"], Value::Null);
    let said = running.stderr();
    let told = |words: &str| said.lines().filter(|line| line.contains(words)).count();
    assert_eq!(
        (
            told("until then the counts wait in memory"),
            told("none is lost")
        ),
        (1, 1),
        "{said}"
    );

    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
    assert_eq!(running.report()["sums"]["ended"]["blocked"], 3 * ASKED);
    let outcome = verify_log(running);
    assert_eq!(
        (
            &outcome["verdict"],
            &outcome["logs"][0]["events"]["unwritten"]
        ),
        (&"in order".into(), &1.into()),
        "{outcome:#}"
    );
}

pub(crate) fn verify_log(running: &Running) -> Value {
    let (folder, key) = (
        TempDir::new().expect("a folder"),
        running.run(&["audit", "key"]).1,
    );
    let log = folder.path().display().to_string();
    let (code, _, stderr) = running.run(&["audit", "export", &log]);
    assert_eq!(code, 0, "{stderr}");
    running.json(&["audit", "verify", &log, "--key", key.trim(), "--json"])
}

#[test]
fn a_full_disk_stops_no_answer_and_loses_no_count() {
    if is_missing(&MOUNT) {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("disk");
    let disk = SmallDisk::mount(&state);
    let mut running = program()
        .toml(&format!("state = {:?}\n", state.join("state")))
        .start();
    go_on_without_a_disk(&mut running, "full", |_| disk.fill(), |_, ()| disk.clear());
}

#[test]
fn files_that_may_not_grow_stop_no_answer_and_lose_no_count() {
    let mut running = program().start();
    go_on_without_a_disk(
        &mut running,
        "disk I/O error",
        |running| running.limit_files(Some(0)),
        |running, ()| running.limit_files(None),
    );
}

/// Fails each writing call of a program with an error, as the kernel would, until it is dropped.
struct Refusal(Child);

impl Refusal {
    fn start(running: &Running, error: &str) -> Self {
        let inject = format!("inject=pwrite64,fdatasync,fsync,ftruncate:error={error}");
        let mut command = Command::new(STRACE.name);
        command.args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=pwrite64,fdatasync,fsync,ftruncate",
            "-e",
            &inject,
            "-p",
        ]);
        let child = command
            .arg(running.pid().to_string())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace");
        Self(child)
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_state_that_became_read_only_or_broke_stops_no_answer_and_loses_no_count() {
    if is_missing(&STRACE) {
        return;
    }
    for (error, words) in [("EROFS", "disk I/O error"), ("EIO", "disk I/O error")] {
        let mut running = program().start();
        go_on_without_a_disk(
            &mut running,
            words,
            |running| Refusal::start(running, error),
            |_, refusal| drop(refusal),
        );
    }
}

/// What waits in memory is lost then, and the record says since when.
#[test]
fn a_crash_while_the_disk_refuses_is_a_gap_from_the_last_writing() {
    let mut running = program().start();
    ask_some(running.address());
    until("the first writing", PATIENCE, || {
        (written(&running) == ASKED).then_some(())
    });
    running.limit_files(Some(0));
    let refused = Instant::now();
    ask_some(running.address());
    until("three failures", PATIENCE, || {
        (counts(&running)["failures"].as_u64() > Some(3)).then_some(())
    });
    let refused_s = refused.elapsed().as_secs_f64();
    running.kill(libc::SIGKILL);
    running.wait_exit();
    running.restart();
    let report = running.report();
    assert_eq!(report["sums"]["questions"], ASKED);
    let gap = report["gaps"]
        .as_array()
        .expect("gaps")
        .iter()
        .find(|gap| gap["kind"] == "crash")
        .expect("a gap");
    let moment = |key: &str| {
        gap[key]
            .as_str()
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .expect("a time")
    };
    let gap_s = (moment("until").as_second() - moment("from").as_second()) as f64;
    println!("the disk refused for {refused_s:.1} s before the crash; the gap is {gap_s} s long");
    assert!(gap_s + 1.0 >= refused_s, "{report}");
    assert_eq!(verify_log(&running)["verdict"], "in order");
}

#[test]
fn a_start_without_a_state_folder_says_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let state = format!("state = {:?}\n", file.join("state"));
    // The control socket lies in it, and is a door.
    let running = program().toml(&state).prepare();
    let (code, _, stderr) = running.run(&["serve"]);
    let last = stderr.lines().last().unwrap_or_default();
    assert!(
        code == 1
            && last.contains(&format!("{}", file.display()))
            && last.contains("choose another [control] socket"),
        "{stderr}"
    );
    // Everything else in it is not: questions are answered, and what is missing is told.
    let socket = folder.path().join("control.sock");
    let socket = format!("[control]\nsocket = {socket:?}\n");
    let running = program().toml(&(state + &socket)).start();
    ask_some(running.address());
    let said = running.stderr();
    assert!(said.contains("choose another `state` folder"), "{said}");
    until("the counts wait", PATIENCE, || {
        let error = running.json(&["status", "--json"])["counts"]["last_error"].to_string();
        error.contains("cannot open").then_some(())
    });
    // It can be made at last.
    fs::remove_file(&file).expect("a file");
    until("the counts are written", PATIENCE, || {
        running.stderr().contains("none is lost").then_some(())
    });
    assert_eq!(written(&running), ASKED);
}

type Damage = (&'static str, &'static str, fn(&Path));

const DAMAGES: [Damage; 3] = [
    ("no database", "damaged", |state| {
        fs::write(state.join("counts.sqlite"), "no database").expect("a file");
    }),
    ("pages of something else", "damaged", |state| {
        let place = state.join("counts.sqlite");
        let mut octets = fs::read(&place).expect("a file");
        octets[4096..].fill(0x5a);
        fs::write(place, octets).expect("a file");
    }),
    ("a newer form", "newer", |state| {
        let connection = rusqlite::Connection::open(state.join("counts.sqlite")).expect("a file");
        let set = connection.pragma_update(None, "user_version", 99);
        set.expect("a version");
    }),
];

/// Counts that cannot be used: answering begins at once, and counting goes on in a new log, which
/// names the head of the one before as far as it is known, and never under its name.
#[test]
fn counts_that_cannot_be_used_are_set_aside_and_keep_nobody_waiting() {
    for (class, why, damage) in DAMAGES {
        for has_promises in [true, false] {
            let mut running = program().start();
            ask_some(running.address());
            until("the first writing", PATIENCE, || {
                (written(&running) == ASKED).then_some(())
            });
            running.kill(libc::SIGTERM);
            running.wait_exit();
            let state = running.folder().join("state");
            let promised = running.folder().join("state.promised/promised.json");
            let text = fs::read_to_string(&promised).expect("promises");
            let promises: Value = serde_json::from_str(&text).expect("JSON");
            if !has_promises {
                fs::remove_file(&promised).expect("promises");
            }
            damage(&state);
            running.restart();
            ask_some(running.address());
            until("the writing of the new counts", PATIENCE, || {
                (written(&running) == ASKED).then_some(())
            });
            let text = running.run(&["status"]).1;
            assert!(text.contains("ALARM      restored: "), "{class}: {text}");
            until("the metric", PATIENCE, || {
                (running.metric("wardline_log_restored")? == 1.0).then_some(())
            });
            let mut files = fs::read_dir(&state).expect("the state");
            let is_aside = |file: io::Result<fs::DirEntry>| {
                let name = file.expect("a file").file_name();
                let begin = format!("counts.sqlite.{why}-");
                name.to_string_lossy().contains(&begin)
            };
            assert!(files.any(is_aside), "{class}: {}", running.stderr());
            let outcome = verify_log(&running);
            let log = &outcome["logs"][0];
            let expected = if has_promises {
                promises["log"]["size"].clone()
            } else {
                0.into()
            };
            assert_eq!(
                (&outcome["verdict"], &log["restored"]["why"]),
                (&"in order".into(), &why.into()),
                "{class}: {outcome:#}"
            );
            assert_eq!(log["restored"]["size"], expected, "{class}");
            assert_eq!(log["restored"]["origin"], promises["log"]["origin"]);
            running.restart();
            let again = verify_log(&running)["logs"][0]["origin"].clone();
            assert_eq!(again, log["origin"], "{class}: it goes on");
        }
    }
}

/// Counts that cannot be opened at the start: answering begins at once, and nothing that is counted
/// meanwhile is lost.
#[test]
fn counts_that_cannot_be_opened_at_the_start_are_opened_later() {
    let mut running = program().start();
    running.kill(libc::SIGTERM);
    running.wait_exit();
    let place = running.folder().join("state/counts.sqlite");
    let aside = place.with_extension("aside");
    fs::rename(&place, &aside).expect("the counts");
    fs::create_dir(&place).expect("a folder in their place");
    running.restart();
    ask_some(running.address());
    let said = until("the failure", PATIENCE, || {
        let said = counts(&running)["last_error"].as_str()?.to_owned();
        Some(said)
    });
    assert!(said.contains("counts.sqlite"), "{said}");
    fs::remove_dir(&place).expect("the folder");
    fs::rename(&aside, &place).expect("the counts");
    until("the writing", PATIENCE, || {
        (written(&running) == ASKED).then_some(())
    });
}
