//! What is in a copy of the state folder and what is not, and what a restore leaves behind,
//! whatever lay there before.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kit::running::Running;
use crate::kit::tool::{STRACE, is_missing};
use crate::moved::{ORIGIN, end, files, log_of, names, path, program, refused, state, text};

/// A resolver that ran with its log's key in this file of its folder.
fn ran_with_key(key: &str) -> Running {
    let mut running = program()
        .toml(&format!("[audit]\nkey = {key:?}\n"))
        .prepare();
    let folder = path(&running, key);
    fs::create_dir_all(folder.parent().expect("a folder")).expect("a folder");
    running.restart();
    end(&mut running);
    running
}

/// The private keys in a copy.
fn private_keys(copy: &Path) -> Vec<PathBuf> {
    let holds_key = |text: &[u8]| text.starts_with(b"PRIVATE+KEY+");
    let found = files(copy).into_iter();
    found
        .filter(|(_, text)| holds_key(text))
        .map(|(file, _)| file)
        .collect()
}

/// Where the log's key lies, and what else leads to it.
type KeyPlace = (&'static str, fn(&Running));

const KEY_PLACES: [KeyPlace; 7] = [
    ("state/audit.key", |_| {}),
    ("state/secret/deep/log.key", |_| {}),
    ("state/lists/stop/log.key", |_| {}),
    ("kept/log.key", |running| {
        symlink(path(running, "kept/log.key"), path(running, "state/own")).expect("a link");
    }),
    ("kept/log.key", |running| {
        symlink(path(running, "kept"), path(running, "state/kept")).expect("a link");
    }),
    ("kept/log.key", |running| {
        fs::hard_link(path(running, "kept/log.key"), path(running, "state/own")).expect("a link");
    }),
    ("kept/log.key", |running| {
        fs::rename(path(running, "state"), path(running, "elsewhere")).expect("a folder");
        symlink(path(running, "elsewhere"), path(running, "state")).expect("a link");
        fs::rename(path(running, "kept"), path(running, "state/kept")).expect("a folder");
        symlink(path(running, "state/kept"), path(running, "kept")).expect("a link");
    }),
];

#[test]
fn a_copy_without_keys_has_none_wherever_they_lie() {
    for (key, link) in KEY_PLACES {
        let running = ran_with_key(key);
        link(&running);
        let (code, _, error) = running.run(&["audit", "replace-key"]);
        assert_eq!(code, 0, "{error}");
        let own = path(&running, key);
        fs::copy(&own, own.with_extension("key.until-20260101T000000Z")).expect("a key");
        state(
            &running,
            &["backup", &text(&running, "copy"), "--without-keys"],
        );
        assert_eq!(
            private_keys(&path(&running, "copy")),
            [] as [PathBuf; 0],
            "{key}"
        );
        let kept = "state/lists/stop/record.json";
        assert!(path(&running, "copy").join(kept).exists(), "{key}");
        state(&running, &["backup", &text(&running, "whole")]);
        let whole = path(&running, "whole/keys");
        for name in [
            "audit.key",
            "audit.key.next",
            "audit.key.until-20260101T000000Z",
        ] {
            assert!(whole.join(name).exists(), "{key}: {:?}", names(&whole));
        }
    }
}

/// A name that begins as the key's does is no key.
#[test]
fn what_is_called_almost_as_the_key_is_copied() {
    let running = ran_with_key("state/l");
    state(
        &running,
        &["backup", &text(&running, "copy"), "--without-keys"],
    );
    assert!(path(&running, "copy/state/lists/stop/record.json").exists());
    assert_eq!(private_keys(&path(&running, "copy")), [] as [PathBuf; 0]);
}

/// The archive of a log that moves, and its promise as that of a log of this name.
fn moved_and_promised(name: &str) -> (Running, String) {
    let mut old = program().start();
    end(&mut old);
    let promised = fs::read_to_string(path(&old, "state.promised/promised.json"));
    let promised = promised.expect("promises");
    state(&old, &["move", &text(&old, "archive")]);
    let changed = promised.replace(&format!("\"{ORIGIN}\""), &format!("\"{name}\""));
    assert_ne!(changed, promised);
    (old, changed)
}

fn promise(host: &Running, promised: &str) {
    fs::create_dir_all(path(host, "state.promised")).expect("a folder");
    fs::write(path(host, "state.promised/promised.json"), promised).expect("promises");
}

/// Nobody knows then whether the log went on here: it is not continued, and nothing fails late.
#[test]
fn a_move_onto_counts_that_cannot_be_read_leaves_nothing_half_done() {
    let (old, promised) = moved_and_promised(&format!("{ORIGIN}/20260101T000000Z"));
    let mut new = program().prepare();
    promise(&new, &promised);
    fs::create_dir_all(path(&new, "state")).expect("a folder");
    fs::write(path(&new, "state/counts.sqlite"), "garbage".repeat(999)).expect("a file");
    let said = state(&new, &["restore", &text(&old, "archive"), "--replace"]);
    assert!(said.contains("this log ends"), "{said}");
    assert!(!path(&new, "state/.restoring").exists());
    new.restart();
    assert_eq!(log_of(&new)["restored"]["why"], "other");
    end(&mut new);
}

/// Another resolver's promise says nothing of this one, however its name begins.
#[test]
fn a_promise_of_a_resolver_with_a_longer_name_is_none_of_ours() {
    let (old, promised) = moved_and_promised(&format!("{ORIGIN}0"));
    let new = program().prepare();
    promise(&new, &promised);
    let said = state(&new, &["restore", &text(&old, "archive")]);
    assert!(said.contains("this log goes on here"), "{said}");
}

/// What a restore left that was cut short is not whole because another one was refused.
#[test]
fn a_restore_that_was_cut_short_stays_so_until_one_is_done() {
    let mut old = program().start();
    end(&mut old);
    state(&old, &["backup", &text(&old, "copy")]);
    fs::create_dir_all(path(&old, "state/.restoring/state")).expect("a folder");
    fs::remove_file(path(&old, "state/counts.sqlite")).expect("the counts");
    let said = refused(&old, &["restore", &text(&old, "copy")]);
    assert!(said.contains("--replace"), "{said}");
    let said = refused(&old, &["restore", &text(&old, "nowhere"), "--replace"]);
    assert!(said.contains("nowhere"), "{said}");
    assert!(path(&old, "state/.restoring").exists());
    let said = refused(&old, &["move", &text(&old, "archive")]);
    assert!(!path(&old, "archive").exists(), "{said}");
    state(&old, &["restore", &text(&old, "copy"), "--replace"]);
    assert!(!path(&old, "state/.restoring").exists());
    old.restart();
    end(&mut old);
}

/// Runs a command and gives each folder in which something was made, linked or renamed, with no
/// fsync of that folder behind it.
fn unsynced(running: &Running, arguments: &[&str]) -> Vec<String> {
    let trace = path(running, "trace");
    let done = Command::new(STRACE.name)
        .args(["-f", "-qq", "-y", "-s", "4096", "-o"])
        .arg(&trace)
        .args([
            "-e",
            "trace=rename,renameat,renameat2,link,linkat,mkdir,fsync,syncfs",
        ])
        .arg(env!("CARGO_BIN_EXE_wardline"))
        .arg("--config")
        .arg(path(running, "wardline.toml"))
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .expect("strace");
    assert!(done.success(), "{arguments:?}");
    let trace = fs::read_to_string(trace).expect("a trace");
    let mut waiting = Vec::new();
    for line in trace.lines().filter(|line| line.ends_with(" = 0")) {
        let quoted = line.split('"').skip(1).step_by(2).last();
        if line.contains(" fsync(") || line.contains(" syncfs(") {
            let synced = line.split(['<', '>']).nth(1).expect("a path");
            let is_whole = line.contains(" syncfs(");
            waiting.retain(|folder: &String| folder != synced && !is_whole);
        } else if let Some(to) = quoted {
            let folder = Path::new(to).parent().expect("a folder");
            waiting.push(folder.display().to_string());
        }
    }
    // What is gone by now needs no place.
    waiting.retain(|folder| Path::new(folder).exists());
    waiting
}

#[test]
fn what_is_said_to_be_written_is_there_after_a_power_cut() {
    if is_missing(&STRACE) {
        return;
    }
    let mut old = ran_with_key("kept/log.key");
    let none: [String; 0] = [];
    let backup = ["state", "backup", &text(&old, "copy")];
    assert_eq!(unsynced(&old, &backup), none);
    let export = ["audit", "export", &text(&old, "export/log")];
    assert_eq!(unsynced(&old, &export), none);
    let replaced = ["audit", "replace-key"];
    assert_eq!(unsynced(&old, &replaced), none);
    fs::write(path(&old, "kept/log.key"), "another key").expect("a key");
    let restore = ["state", "restore", &text(&old, "copy"), "--replace"];
    assert_eq!(unsynced(&old, &restore), none);
    fs::remove_file(path(&old, "kept/log.key.next")).expect("a key");
    old.restart();
    end(&mut old);
    let archive = text(&old, "archive.tar");
    assert_eq!(unsynced(&old, &["state", "move", &archive]), none);
    let new = program()
        .toml("[audit]\nkey = \"kept/log.key\"\n")
        .prepare();
    assert_eq!(unsynced(&new, &["state", "restore", &archive]), none);
    assert!(path(&new, "kept/log.key").exists());
}
