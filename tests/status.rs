//! What the operator sees of the running program, and of one that does not answer yet.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::kit::ask::ask;
use crate::kit::program::Program;
use crate::kit::screen::Screen;
use crate::kit::tool;
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

/// On a terminal of the usual size everything fits, and whatever ends the watch leaves the terminal
/// as it was.
#[test]
fn the_watch_fits_its_terminal_and_leaves_it_in_order() {
    if tool::is_missing(&tool::TMUX) {
        return;
    }
    let mut program = Program::new();
    for number in 0..30 {
        program = program.list(&format!("list-{number}"), "listed.example\n");
    }
    let running = program.start();
    let screen = Screen::open(80, 24);
    let command = format!(
        "{} status --watch --config {:?}",
        env!("CARGO_BIN_EXE_wardline"),
        running.config_file()
    );
    screen.enter(&command);
    let rows = screen.wait_for("each second");
    assert!(
        rows.len() <= 24 && rows[0].starts_with("wardline "),
        "{rows:#?}"
    );
    assert!(
        rows.iter().all(|row| row.chars().count() <= 80),
        "{rows:#?}"
    );
    for words in ["questions  ", "latency  ", "LIST ", "... and ", "UPSTREAM "] {
        assert!(
            rows.iter().any(|row| row.starts_with(words)),
            "{words}: {rows:#?}"
        );
    }
    assert_eq!(screen.property("cursor_flag"), "0", "no cursor");
    assert!(
        screen.coloured().contains("\x1b[1m"),
        "colour on a terminal"
    );
    until("a question in the rates", PATIENCE, || {
        ask(running.address(), "listed.example", "A");
        let rows = screen.rows();
        let ended = rows.iter().find(|row| row.starts_with("ended "))?;
        ended.contains("blocked ").then_some(())
    });
    screen.resize(50, 10);
    until("the smaller screen", PATIENCE, || {
        let rows = screen.rows();
        let is_whole = rows[0].starts_with("wardline ") && rows[0].ends_with('~');
        is_whole.then_some(())
    });
    screen.press("C-c");
    screen.wait_for("prompt>");
    assert_eq!(screen.property("cursor_flag"), "1", "the cursor is back");
    assert_eq!(
        screen.property("alternate_on"),
        "0",
        "the shell's screen is back"
    );
    screen.enter("stty -a | grep -c -w echo; echo ended with $?");
    screen.wait_for("ended with 0");
    screen.resize(80, 24);
    screen.enter(&format!("clear; NO_COLOR=1 {command}"));
    screen.wait_for("each second");
    assert!(!screen.coloured().contains("\x1b[1m"), "no colour");
    screen.press("C-z");
    screen.wait_for("prompt>");
    assert_eq!(screen.property("alternate_on"), "0", "while it is stopped");
    screen.enter("fg");
    screen.wait_for("each second");
    assert_eq!(screen.property("alternate_on"), "1");
    screen.press("C-c");
    screen.wait_for("prompt>");
}

/// Without a terminal: blocks of lines, as many as asked for, and no control sequence.
#[test]
fn a_watch_that_is_piped_prints_blocks_of_lines() {
    let running = Program::new().list("one", "one.example\n").start();
    ask(running.address(), "one.example", "A");
    let (code, said, complaint) = running.run(&["status", "--watch", "--count", "2"]);
    assert_eq!(code, 0, "{complaint}");
    let blocks: Vec<&str> = said.split("\n\nwardline ").collect();
    assert_eq!(blocks.len(), 2, "{said}");
    assert!(
        blocks[0].contains("since the start") && blocks[1].contains("each second"),
        "{said}"
    );
    assert!(
        !said.contains('\x1b') && blocks[0].contains("one "),
        "{said}"
    );
    let (code, said, _) = running.run(&["status", "--watch", "--count", "1", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &status["questions"]["doors"]["udp"]), (0, &1.into()));
    assert_eq!(
        running.run(&["status", "--count", "1"]).0,
        2,
        "without --watch"
    );
    assert_eq!(running.run(&["status", "--watch", "--count", "0"]).0, 2);
}
