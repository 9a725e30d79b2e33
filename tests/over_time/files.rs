//! What is on disk is not in order: the list's own file, or what was decided about the list. DNS
//! comes up for everybody, and decisions hold.

use std::fs;

use super::{ONE, PATIENCE, end, kept, refusal_of, start};
use crate::kit::running::Running;
use crate::kit::{is_blocked, until, wait_for};

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
