//! Lists that are not in force: each second is told, and only who demands it is kept waiting.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use wardline::seal::SigningKey;

use super::{ONE, OTHER, PATIENCE, end, kept, status_of, verified};
use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;
use crate::kit::tool::{FAKETIME, is_missing};
use crate::kit::wall_clock::WallClock;
use crate::kit::{is_blocked, until, wait_for};

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
    let (outcome, text) = verified(running, &[]);
    let times = &outcome["logs"][0]["not_in_force"];
    assert_eq!(times.as_object().expect("lists").len(), 1, "{times:#}");
    let times = times["bad"].as_array().expect("times").iter();
    let at = |time: &Value, key: &str| time[key].as_str().expect("a time").to_owned();
    let sealed: Vec<_> = times
        .map(|time| ("bad".to_owned(), at(time, "from"), at(time, "until")))
        .collect();
    assert_eq!(sealed, told);
    assert!(outcome["not_in_force_s"]["bad"].as_u64() > Some(0));
    assert_eq!(outcome["blocked"]["other"]["address"], 1, "{outcome:#}");
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
