//! A provider's years: what happens to lists, and to the program while it runs or before it starts
//! again, and what must be in force and told afterwards. DNS comes up for everybody, whatever state
//! one list is in.
//!
//! The rows are the events, the columns the kinds of lists ([`kind::Kind`]). A row is run for each
//! kind for which it can differ; where it cannot, the row says why. After each event customers ask
//! over UDP, and status, history, receipts, metrics and log must agree with their answers
//! ([`told::Told`]).

mod ahead;
mod alarms;
mod clocks;
mod configured;
mod decisions;
mod files;
mod gaps;
mod keys;
mod kind;
mod removals;
mod scene;
mod shortages;
mod source;
mod starts;
mod states;
mod told;
mod trials;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::kit::program::Program;
use crate::kit::running::Running;

const PATIENCE: Duration = Duration::from_secs(60);
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

/// Both verifiers find the log in order, also with these arguments: what ours says, as JSON and for
/// people.
pub(crate) fn verified(running: &Running, more: &[&str]) -> (Value, String) {
    let arguments = exported(running, more);
    let (code, findings, outcome) = crate::audit::verify(&arguments);
    assert_eq!((code, findings), (0, vec![]), "{outcome:#}");
    let command = ["audit", "verify"].into_iter();
    let command: Vec<&str> = command
        .chain(arguments.iter().map(String::as_str))
        .collect();
    (outcome, running.run(&command).1)
}

/// Exports the log; gives what verifiers are called with, and these arguments behind that.
fn exported(running: &Running, more: &[&str]) -> Vec<String> {
    let log = running.folder().join("log").display().to_string();
    assert_eq!(running.run(&["audit", "export", &log]).0, 0);
    let key = running.run(&["audit", "key"]).1;
    let own = [log, "--key".to_owned(), key.trim().to_owned()];
    let more = more.iter().map(|&argument| argument.to_owned());
    own.into_iter().chain(more).collect()
}

/// The folder where what was decided about a list is kept.
fn kept(running: &Running, list: &str) -> PathBuf {
    running.folder().join("state/lists").join(list)
}

fn end(running: &mut Running) {
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
}
