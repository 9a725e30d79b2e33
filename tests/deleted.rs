//! Counts that are deleted or replaced under a running program: it is noticed at the next writing,
//! told as loudly as counts that are damaged, and nothing more is written where nobody finds it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::disk::{ASKED, ask_some, program, verify_log, written};
use crate::kit::running::Running;
use crate::kit::until;

const PATIENCE: Duration = Duration::from_secs(20);

/// What happens to the state folder.
type Loss = (&'static str, fn(&Path));

const LOSSES: [Loss; 4] = [
    ("deleted", |state| {
        fs::remove_file(state.join("counts.sqlite")).expect("the counts");
    }),
    ("deleted with what is beside", |state| {
        for end in ["", "-wal", "-shm"] {
            fs::remove_file(state.join(format!("counts.sqlite{end}"))).expect("the counts");
        }
    }),
    ("what is not in the file yet, deleted", |state| {
        fs::remove_file(state.join("counts.sqlite-wal")).expect("the log");
    }),
    ("replaced by a copy", |state| {
        let copy = state.join("copy");
        fs::copy(state.join("counts.sqlite"), &copy).expect("a copy");
        fs::rename(copy, state.join("counts.sqlite")).expect("the counts");
    }),
];

/// What is written by now; nothing while there are no counts.
fn written_anew(running: &Running) -> Option<u64> {
    let (code, _, _) = running.run(&["report", "--exact"]);
    (code == 0).then(|| written(running))
}

fn count_some(running: &Running) {
    ask_some(running.address());
    until("the first writing", PATIENCE, || {
        (written(running) == ASKED).then_some(())
    });
}

/// The loss is told, and what is asked from then on is counted.
fn see_it_begin_anew(running: &Running) {
    until("the new log", PATIENCE, || {
        let said = running.stderr();
        said.contains("was deleted or replaced").then_some(())
    });
    ask_some(running.address());
    until("the writing of the new counts", PATIENCE, || {
        written_anew(running)
            .filter(|written| *written == ASKED)
            .map(drop)
    });
}

#[test]
fn counts_that_are_deleted_while_it_runs_begin_anew_at_once() {
    for (class, happen) in LOSSES {
        let mut running = program().start();
        count_some(&running);
        let state = running.folder().join("state");
        happen(&state);
        see_it_begin_anew(&running);
        let status = running.run(&["status"]).1;
        assert!(
            status.contains("ALARM      restored: "),
            "{class}: {status}"
        );
        let promised = running.folder().join("state.promised/promised.json");
        let outcome = verify_log(&running);
        let log = &outcome["logs"][0];
        assert_eq!(
            (&outcome["verdict"], &log["restored"]["why"]),
            (&"in order".into(), &"damaged".into()),
            "{class}: {outcome:#}"
        );
        assert!(log["restored"]["size"].as_u64() > Some(0), "{class}: {log}");
        let promised = fs::read_to_string(promised).expect("promises");
        let promised: Value = serde_json::from_str(&promised).expect("JSON");
        assert_eq!(promised["log"]["origin"], log["origin"], "{class}");
        running.restart();
        let again = verify_log(&running)["logs"][0]["origin"].clone();
        assert_eq!(again, log["origin"], "{class}: it goes on");
    }
}

/// The whole folder is gone, its log's key too.
#[test]
fn a_state_folder_that_is_deleted_while_it_runs_is_made_anew() {
    let mut running = program().start();
    count_some(&running);
    let state = running.folder().join("state");
    fs::rename(&state, running.folder().join("away")).expect("the state");
    see_it_begin_anew(&running);
    let outcome = verify_log(&running);
    assert_eq!(outcome["verdict"], "in order", "{outcome:#}");
    assert!(!outcome["logs"][0]["restored"].is_null(), "{outcome:#}");
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
}
