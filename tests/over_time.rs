//! A provider's years: what happened to a list before the program starts again, and what must be in
//! force and told afterwards. DNS comes up for everybody, whatever state one list is in.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use wardline::seal::SigningKey;

use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;
use crate::kit::tool::{FAKETIME, is_missing};
use crate::kit::wall_clock::WallClock;
use crate::kit::{is_blocked, until, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);
/// The list that something happens to, and one that nothing happens to.
const ONE: &str = "one.example\n";
const OTHER: &str = "other.example\n";

/// Both lists in force, each of a file.
fn start() -> Running {
    Program::new()
        .list("one", ONE)
        .list("other", OTHER)
        .metrics()
        .toml("[lists]\nnever_block_names = [\"stop.example\"]\n")
        .start()
}

fn status_of(running: &Running, list: &str) -> Value {
    let status = running.json(&["status", "--json"]);
    let lists = status["lists"].as_array().expect("lists");
    let found = lists.iter().find(|state| state["id"] == list);
    found.expect("the list").clone()
}

fn refusal_of(running: &Running, list: &str) -> String {
    let refusal = &status_of(running, list)["last_refusal"];
    refusal["message"].as_str().unwrap_or_default().to_owned()
}

/// The folder where what was decided about a list is kept.
fn kept(running: &Running, list: &str) -> PathBuf {
    running.folder().join("state/lists").join(list)
}

fn end(running: &mut Running) {
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
}

/// What happens to the list `one` while the program is down.
type Event = (&'static str, fn(&Running));

/// Its file is not in order: what was kept of it blocks on, and why is told.
const UNREADABLE_FILES: [Event; 5] = [
    ("emptied", |running| {
        fs::write(running.list_file("one"), "").expect("a file");
    }),
    ("gone", |running| {
        fs::remove_file(running.list_file("one")).expect("a file");
    }),
    ("of another kind", |running| {
        fs::write(running.list_file("one"), "<html>\n<body>\n").expect("a file");
    }),
    ("a folder", |running| {
        fs::remove_file(running.list_file("one")).expect("a file");
        fs::create_dir(running.list_file("one")).expect("a folder");
    }),
    ("held back by the guard", |running| {
        fs::write(running.list_file("one"), "one.example\nstop.example\n").expect("a file");
    }),
];

/// What was decided about it is damaged, its file is in order.
const DAMAGED_STATES: [Event; 6] = [
    ("an empty record", |running| {
        fs::write(kept(running, "one").join("record.json"), "").expect("a file");
    }),
    ("a cut record", |running| {
        let place = kept(running, "one").join("record.json");
        let text = fs::read(&place).expect("a record");
        fs::write(place, &text[..text.len() / 2]).expect("a file");
    }),
    ("no record", |running| {
        fs::remove_file(kept(running, "one").join("record.json")).expect("a file");
    }),
    ("no entries of the generation", |running| {
        fs::remove_file(kept(running, "one").join("1.entries")).expect("a file");
    }),
    ("other entries", |running| {
        fs::write(kept(running, "one").join("1.entries"), "else.example\n").expect("a file");
    }),
    ("a file in the folder's place", |running| {
        fs::remove_dir_all(kept(running, "one")).expect("a folder");
        fs::write(kept(running, "one"), "").expect("a file");
    }),
];

#[test]
fn what_was_kept_blocks_on_where_the_file_is_not_in_order() {
    let mut running = start();
    for (event, happen) in UNREADABLE_FILES {
        end(&mut running);
        happen(&running);
        running.restart();
        for name in ["www.one.example", "www.other.example"] {
            assert!(is_blocked(&running, name), "{event}: {name}");
        }
        assert!(!is_blocked(&running, "stop.example"), "{event}");
        let refusal = refusal_of(&running, "one");
        assert!(refusal.contains("one.txt"), "{event}: {refusal}");
        assert_eq!(refusal_of(&running, "other"), "", "{event}");
        if running.list_file("one").is_dir() {
            fs::remove_dir(running.list_file("one")).expect("a folder");
        }
        running.replace_list("one", "one.example\nnew.example\n");
        wait_for(&running, "new.example", true);
        assert_eq!(refusal_of(&running, "one"), "", "{event}");
        running.replace_list("one", ONE);
        wait_for(&running, "new.example", false);
    }
}

#[test]
fn a_damaged_state_keeps_nothing_from_starting() {
    for (event, happen) in DAMAGED_STATES {
        let mut running = start();
        end(&mut running);
        happen(&running);
        running.restart();
        for name in ["www.one.example", "www.other.example"] {
            assert!(is_blocked(&running, name), "{event}: {name}");
        }
        running.replace_list("one", "one.example\nnew.example\n");
        wait_for(&running, "new.example", true);
    }
}

#[test]
fn a_lost_record_is_made_anew_from_what_was_kept() {
    let mut running = start();
    running.replace_list("one", "one.example\nsecond.example\n");
    wait_for(&running, "second.example", true);
    end(&mut running);
    fs::write(kept(&running, "one").join("record.json"), "{").expect("a file");
    fs::remove_file(running.list_file("one")).expect("a file");
    running.restart();
    assert!(
        is_blocked(&running, "second.example"),
        "{}",
        running.stderr()
    );
    assert!(running.stderr().contains("cannot be read in"));
    let aside = kept(&running, "one").join("record.json.damaged");
    assert_eq!(fs::read_to_string(aside).expect("the old record"), "{");
    let (code, history, _) = running.run(&["history", "one"]);
    assert!(code == 0 && history.contains('2'), "{history}");
}

#[test]
fn a_file_that_cannot_be_kept_is_in_force_all_the_same() {
    let mut running = start();
    // As a full disk: the copy cannot be written.
    fs::create_dir(kept(&running, "one").join(".offer.entries.new")).expect("a folder");
    running.replace_list("one", "one.example\nsecond.example\n");
    wait_for(&running, "second.example", true);
    until("the log", PATIENCE, || {
        running.stderr().contains("cannot be kept in").then_some(())
    });
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        running.kill(signal);
        running.wait_exit();
        running.restart();
        assert!(is_blocked(&running, "second.example"));
    }
}

#[test]
fn an_override_holds_over_a_restart() {
    let mut running = start();
    running.replace_list("one", "one.example\nstop.example\n");
    until("the guard", PATIENCE, || {
        refusal_of(&running, "one")
            .contains("guard.never-block")
            .then_some(())
    });
    let arguments = [
        "reload",
        "one",
        "--override",
        "guard.never-block",
        "--reason",
        "ours",
    ];
    let (code, _, said) = running.run(&arguments);
    assert_eq!(code, 0, "{said}");
    wait_for(&running, "stop.example", true);
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        running.kill(signal);
        running.wait_exit();
        running.restart();
        assert!(is_blocked(&running, "stop.example"));
        assert_eq!(refusal_of(&running, "one"), "");
    }
    // It holds for that text alone.
    running.replace_list("one", "one.example\nstop.example\nmore.example\n");
    until("the guard again", PATIENCE, || {
        refusal_of(&running, "one")
            .contains("guard.never-block")
            .then_some(())
    });
    assert!(is_blocked(&running, "stop.example") && !is_blocked(&running, "more.example"));
}

#[test]
fn a_rollback_of_a_file_holds_until_the_file_changes() {
    let mut running = start();
    running.replace_list("one", "one.example\nsecond.example\n");
    wait_for(&running, "second.example", true);
    let (code, _, said) = running.run(&["rollback", "one", "--reason", "a mistake"]);
    assert_eq!(code, 0, "{said}");
    assert!(!is_blocked(&running, "second.example"));
    running.run(&["reload"]);
    assert!(
        !is_blocked(&running, "second.example"),
        "a reload brings it back"
    );
    running.restart();
    assert!(
        !is_blocked(&running, "second.example"),
        "a restart brings it back"
    );
    assert!(is_blocked(&running, "one.example"));
    running.replace_list("one", "one.example\nthird.example\n");
    wait_for(&running, "third.example", true);
}

#[test]
fn a_list_that_never_came_is_told_and_everybody_else_is_answered() {
    let key = SigningKey::generate("curator.example").expect("a key");
    let folder = tempfile::tempdir().expect("a folder");
    let running = Program::new()
        .list("bad", "<html>\n")
        .list("other", OTHER)
        .metrics()
        .toml(&format!(
            "[[list]]\nid = \"signed\"\nauthority = \"Example Authority\"\nbasis = \"law\"\n\
             legal_basis = \"Example Act\"\nstop = {STOP:?}\nkeys = [{:?}]\nsignatures = 1\n\
             folder = {{ path = {:?} }}\n",
            key.public().to_string(),
            folder.path()
        ))
        .start();
    assert!(is_blocked(&running, "www.other.example"));
    let ready = running.stdout();
    for list in ["list bad NOT IN FORCE (", "list signed NOT IN FORCE ("] {
        assert!(ready.contains(list), "{ready}");
    }
    assert!(ready.contains("list other 1 entry"), "{ready}");
    let (_, status, _) = running.run(&["status"]);
    assert_eq!(status.matches("NOT IN FORCE").count(), 2, "{status}");
    until("the log", PATIENCE, || {
        let said = running.stderr();
        (said.matches("NOT IN FORCE").count() >= 2).then_some(())
    });
    until("the metric", PATIENCE, || {
        let page = running.metrics_page();
        let is = |list: &str, value: u8| {
            let line = format!("wardline_list_in_force{{list=\"{list}\"}} {value}\n");
            page.contains(&line)
        };
        (is("bad", 0) && is("signed", 0) && is("other", 1)).then_some(())
    });
    running.replace_list("bad", "bad.example\n");
    wait_for(&running, "bad.example", true);
    assert!(status_of(&running, "bad")["live_since"].as_i64() > Some(0));
}

/// The times in which lists were not in force, as the exact report has them.
fn list_gaps(running: &Running) -> Vec<(String, String, String)> {
    let report = running.report();
    let gaps = report["list_gaps"].as_array().expect("gaps").clone();
    let text = |gap: &Value, key: &str| gap[key].as_str().expect("a text").to_owned();
    let gaps = gaps.iter();
    gaps.map(|gap| (text(gap, "list"), text(gap, "from"), text(gap, "until")))
        .collect()
}

/// A list that is bad at first: the run before a kill, and the one after it until the list comes.
/// Both verifiers and the report tell the same seconds of that list alone.
#[test]
fn each_second_without_a_list_is_sealed_with_its_hour() {
    if is_missing(&FAKETIME) {
        return;
    }
    let mut clock = WallClock::new();
    let mut running = Program::new()
        .list("bad", "<html>\n")
        .list("other", OTHER)
        .toml("[count]\nflush_s = 1\n[audit]\nprovider = \"isp.example\"\nresolver = \"r1\"\n")
        .clock(&clock)
        .start();
    assert!(is_blocked(&running, "www.other.example"));
    let before = until("a gap of the list", PATIENCE, || list_gaps(&running).pop());
    running.kill(libc::SIGKILL);
    running.wait_exit();
    running.restart();
    until("a gap of the second run", PATIENCE, || {
        list_gaps(&running).pop().filter(|last| last.2 > before.2)
    });
    running.replace_list("bad", "bad.example\n");
    wait_for(&running, "bad.example", true);
    clock.advance(Duration::from_secs(2 * 3600));
    until("the hour is over", PATIENCE, || {
        let said = running.stderr();
        said.contains("the clock was set forward").then_some(())
    });
    end(&mut running);
    let told = list_gaps(&running);
    assert!(
        !told.is_empty() && told.iter().all(|(list, ..)| list == "bad"),
        "{told:?}"
    );
    both_verifiers_tell(&running, &told);
    let (_, text, _) = running.run(&["report", "--exact"]);
    assert!(text.contains("Lists not in force\n  bad: "), "{text}");
}

fn both_verifiers_tell(running: &Running, told: &[(String, String, String)]) {
    let log = running.folder().join("log").display().to_string();
    assert_eq!(running.run(&["audit", "export", &log]).0, 0);
    let key = running.run(&["audit", "key"]).1;
    // The other verifier is held against ours in there.
    let arguments = [log, "--key".to_owned(), key.trim().to_owned()];
    let (code, findings, outcome) = crate::audit::verify(&arguments);
    assert_eq!((code, findings), (0, vec![]), "{outcome:#}");
    let times = &outcome["logs"][0]["not_in_force"];
    assert_eq!(times.as_object().expect("lists").len(), 1, "{times:#}");
    let times = times["bad"].as_array().expect("times").iter();
    let text = |time: &Value, key: &str| time[key].as_str().expect("a time").to_owned();
    let sealed: Vec<_> = times
        .map(|time| ("bad".to_owned(), text(time, "from"), text(time, "until")))
        .collect();
    assert_eq!(sealed, told);
    assert!(outcome["not_in_force_s"]["bad"].as_u64() > Some(0));
    assert_eq!(outcome["blocked"]["other"]["address"], 1, "{outcome:#}");
    let text: Vec<&str> = ["audit", "verify"]
        .into_iter()
        .chain(arguments.iter().map(String::as_str))
        .collect();
    let (_, text, _) = running.run(&text);
    assert!(text.contains("isp.example/r1  bad "), "{text}");
}

#[test]
fn a_required_list_holds_the_doors_shut_until_it_is_in_force() {
    let mut running = Program::new()
        .list_with("one", ONE, "required = true")
        .list("other", OTHER)
        .start();
    end(&mut running);
    fs::remove_dir_all(kept(&running, "one")).expect("a folder");
    fs::write(running.list_file("one"), "").expect("a file");
    let place = running.list_file("one");
    let later = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        fs::write(place, "late.example\n").expect("a file");
    });
    running.restart();
    assert!(
        is_blocked(&running, "late.example"),
        "the doors opened before"
    );
    later.join().expect("the writer");
}
