//! What the operator sees of the running program, and of one that does not answer yet.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::kit::program::Program;
use crate::kit::until;

const PATIENCE: Duration = Duration::from_secs(20);

/// What `wardline status` prints now, where the program can be asked.
fn status(config: &Path) -> Option<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardline"));
    let output = command.args(["status", "--config"]).arg(config).output();
    let output = output.expect("the program");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(said)
}

/// From the first moment of a start on: whoever asks is told what it waits for.
#[test]
fn a_start_that_waits_says_what_for() {
    let mut running = Program::new()
        .list_with("one", "one.example\n", "required = true\n")
        .prepare();
    let (file, config) = (running.list_file("one"), running.config_file());
    fs::remove_file(&file).expect("the list");
    let operator = thread::spawn(move || {
        let awaited = "AT WORK    no question is answered before these lists with `required = \
                       true` are in force: one, for ";
        let told = until("the status", PATIENCE, || {
            status(&config).filter(|told| told.contains(awaited))
        });
        fs::write(&file, "one.example\n").expect("the list");
        told
    });
    running.restart();
    let told = operator.join().expect("the operator");
    assert!(told.contains("NOT IN FORCE"), "{told}");
    let (_, told, _) = running.run(&["status"]);
    assert!(!told.contains("AT WORK"), "{told}");
}

/// A reload that waits for a file that somebody goes on writing to keeps nobody from asking.
#[test]
fn a_reload_that_takes_long_is_told_and_keeps_nobody_waiting() {
    // A file that was written to is left alone for this long before it is read.
    let running = Program::new()
        .list("one", "one.example\n")
        .toml("[lists]\nquiet_ms = 3000\n")
        .start();
    let (file, config) = (running.list_file("one"), running.config_file());
    let reload = thread::spawn(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wardline"));
        let output = command.args(["reload", "--config"]).arg(config).output();
        output.expect("the program").status.success()
    });
    let mut number = 0;
    let told = until("a reload that is told", PATIENCE, || {
        number += 1;
        fs::write(&file, format!("one.example\nn{number}.example\n")).expect("the list");
        let told = status(&running.config_file())?;
        told.contains("AT WORK    the configuration and all lists are read again")
            .then_some(told)
    });
    assert!(told.contains("one "), "{told}");
    assert!(reload.join().expect("the reload"));
    let (_, told, _) = running.run(&["status"]);
    assert!(!told.contains("AT WORK"), "{told}");
}
