//! `wardline state backup`, `restore` and `move`: what is copied is whole, what was lost is said,
//! and of two machines that could go on with one log only one does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::audit::verify;
use crate::kit::ask::ask;
use crate::kit::papers::copy_folder;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::small_disk::SmallDisk;
use crate::kit::tool::{MOUNT, is_missing};
use crate::kit::until;

const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const ORIGIN: &str = "provider.example/resolver-1";

pub(crate) fn program() -> Program {
    Program::new()
        .list("stop", "stop.example\n")
        .metrics()
        .toml("[count]\nflush_s = 1\n[limits]\nudp_replies_per_s = 0\n")
}

/// Each question is blocked, and is in the counts on disk when this returns.
pub(crate) fn count(running: &Running, questions: u64) {
    let written = || {
        let sums = running.report()["sums"]["questions"].as_u64();
        sums.expect("a sum")
    };
    let before = written();
    for n in 0..questions {
        let answers = ask(running.address(), &format!("n{n}.stop.example"), "A").answers();
        assert!(answers[0].ends_with(" A 192.0.2.1"), "{answers:?}");
    }
    until("the writing", PATIENCE, || {
        (written() == before + questions).then_some(())
    });
}

pub(crate) fn end(running: &mut Running) {
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
}

pub(crate) fn path(running: &Running, name: &str) -> PathBuf {
    running.folder().join(name)
}

pub(crate) fn text(running: &Running, name: &str) -> String {
    path(running, name).display().to_string()
}

/// Runs `wardline state …`, which must do it; gives what it says.
pub(crate) fn state(running: &Running, arguments: &[&str]) -> String {
    let (code, said, error) = running.run(&[&["state"], arguments].concat());
    assert_eq!(code, 0, "{arguments:?}: {error}");
    said
}

/// Runs `wardline state …`, which must refuse; gives the reason.
pub(crate) fn refused(running: &Running, arguments: &[&str]) -> String {
    let (code, said, error) = running.run(&[&["state"], arguments].concat());
    assert_eq!((code, said.as_str()), (1, ""), "{arguments:?}: {error}");
    error
}

/// All files below a folder, with what they hold.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let content = fs::read(entry.path()).expect("a file");
                found.push((entry.path(), content));
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<_> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Exported logs, and the keys that they are checked with.
struct Exports {
    folder: TempDir,
    keys: Vec<String>,
}

impl Exports {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        Self {
            folder,
            keys: Vec::new(),
        }
    }

    fn add(&mut self, running: &Running, to: &str, more: &[&str]) -> &mut Self {
        let to = self.folder.path().join(to).display().to_string();
        let (code, said, error) = running.run(&[&["audit", "export", &to], more].concat());
        assert_eq!(code, 0, "{error}");
        let (_, key) = said.split_once("key: ").expect("a key");
        self.keys.push(key.trim().to_owned());
        self
    }

    /// Both verifiers on all of them: their findings, and what ours says.
    fn verify(&self) -> (Vec<String>, Value) {
        let logs = names(self.folder.path()).into_iter();
        let logs = logs.map(|log| self.folder.path().join(log).display().to_string());
        let keys = self.keys.iter();
        let keys = keys.flat_map(|key| ["--key".to_owned(), key.clone()]);
        let (_, findings, outcome) = verify(&logs.chain(keys).collect::<Vec<_>>());
        (findings, outcome)
    }
}

/// The log that a folder's resolver writes now, which must be in order.
pub(crate) fn log_of(running: &Running) -> Value {
    let mut exports = Exports::new();
    let (findings, outcome) = exports.add(running, "log", &[]).verify();
    assert_eq!(findings, Vec::<String>::new(), "{outcome:#}");
    outcome["logs"][0].clone()
}

#[test]
fn where_there_is_no_state_folder_nothing_is_copied() {
    let prepared = program().prepare();
    for command in ["backup", "move"] {
        let (code, _, error) = prepared.run(&["state", command, &text(&prepared, "copy.tar")]);
        assert_eq!(code, 1, "{error}");
        assert!(error.contains("no such state folder"), "{error}");
        assert!(!path(&prepared, "copy.tar").exists());
    }
}

#[test]
fn a_backup_of_a_running_program_is_whole_and_for_the_owner_alone() {
    let running = program().start();
    count(&running, 20);
    for (name, is_folder) in [("copy", true), ("copy.tar", false)] {
        let place = path(&running, name);
        let said = state(&running, &["backup", &text(&running, name)]);
        assert!(
            said.contains(ORIGIN) && said.contains("private keys"),
            "{said}"
        );
        let mode = place.metadata().expect("a backup").permissions().mode() & 0o777;
        assert_eq!(mode, if is_folder { 0o700 } else { 0o600 });
        let again = refused(&running, &["backup", &text(&running, name)]);
        assert!(again.contains("is there already"), "{again}");
    }
    for (file, _) in files(&path(&running, "copy")) {
        let mode = file.metadata().expect("a file").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    let file = fs::File::open(path(&running, "copy.tar")).expect("a file");
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries().expect("entries") {
        let entry = entry.expect("an entry");
        assert_eq!(entry.header().mode().expect("a mode"), 0o600);
    }
    let manifest = fs::read(path(&running, "copy/manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let listed = manifest["files"].as_array().expect("files").iter();
    let listed: Vec<&str> = listed.filter_map(|file| file["path"].as_str()).collect();
    for file in [
        "state/counts.sqlite",
        "state/lists/stop/record.json",
        "keys/audit.key",
    ] {
        assert!(listed.contains(&file), "{listed:?}");
    }
    assert_eq!(listed.len(), files(&path(&running, "copy")).len() - 1);
    let names = names(running.folder());
    assert!(
        !names.iter().any(|name| name.contains(".part")),
        "{names:?}"
    );
    let within = refused(&running, &["backup", &text(&running, "state/copy")]);
    assert!(within.contains("lies in the state folder"), "{within}");
    // It is seen to be another's folder, whatever is in it.
    fs::create_dir(path(&running, "full")).expect("a folder");
    fs::write(path(&running, "full/x"), "x").expect("a file");
    refused(&running, &["backup", &text(&running, "full")]);
    assert_eq!(files(&path(&running, "full")).len(), 1);
    let json = running.json(&["state", "backup", &text(&running, "other"), "--json"]);
    assert_eq!(json["log"]["origin"], ORIGIN, "{json}");
}

/// A backup, more that is counted and signed, a restore: what was lost is said, in leaves and time.
#[test]
fn a_restored_backup_says_what_was_lost_and_is_in_force_at_once() {
    for (name, keys) in [("copy", &[][..]), ("copy.tar", &["--without-keys"][..])] {
        let mut running = program().start();
        count(&running, 20);
        let to = text(&running, name);
        state(&running, &[&["backup", &to], keys].concat());
        let busy = refused(&running, &["restore", &to, "--replace"]);
        assert!(busy.contains("another wardline runs"), "{busy}");
        count(&running, 10);
        end(&mut running);
        let size = log_of(&running)["size"].as_u64().expect("a size");
        let taken = refused(&running, &["restore", &to]);
        assert!(taken.contains("--replace"), "{taken}");
        let said = state(&running, &["restore", &to, "--replace"]);
        assert!(
            said.contains(&format!("{size} leaves of it are known")) && said.contains("replaced-"),
            "{said}"
        );
        running.restart();
        count(&running, 5);
        let (_, status, _) = running.run(&["status"]);
        assert!(status.contains("ALARM      restored: "), "{status}");
        until("the metric", PATIENCE, || {
            (running.metric("wardline_log_restored")? == 1.0).then_some(())
        });
        let mut exports = Exports::new();
        exports.add(&running, "new", &[]);
        exports.add(&running, "ended", &["--ended", ORIGIN]);
        let (findings, outcome) = exports.verify();
        assert_eq!(findings, Vec::<String>::new(), "{outcome:#}");
        let logs = outcome["logs"].as_array().expect("logs");
        let new = logs.iter().find(|log| log["origin"] != ORIGIN);
        let restored = &new.expect("a new log")["restored"];
        assert_eq!(
            (&restored["why"], &restored["size"], &restored["origin"]),
            (&"shorter".into(), &size.into(), &ORIGIN.into())
        );
        assert!(restored["from"].is_string() && restored["until"].is_string());
        running.restart();
        let (_, status, _) = running.run(&["status"]);
        assert!(!status.contains("ALARM"), "{status}");
    }
}

/// All that was signed is in the backup; what was counted since its last checkpoint is not.
#[test]
fn a_backup_with_all_that_was_signed_ends_the_log_too() {
    let mut running = program().start();
    end(&mut running);
    state(&running, &["backup", &text(&running, "copy")]);
    let said = state(&running, &["restore", &text(&running, "copy"), "--replace"]);
    assert!(said.contains("all leaves of it that were signed"), "{said}");
    running.restart();
    assert_eq!(log_of(&running)["restored"]["why"], "backup");
    assert_eq!(
        running
            .stderr()
            .matches("restored: the state folder comes")
            .count(),
        1
    );
    // On a machine that has promised nothing.
    let other = program().prepare();
    let said = state(&other, &["restore", &text(&running, "copy")]);
    assert!(said.contains("is not known"), "{said}");
    let mut other = other;
    other.restart();
    assert_eq!(log_of(&other)["restored"]["why"], "unknown");
    end(&mut other);
}

type Damage = (&'static str, fn(&Path), &'static str);

const DAMAGES: [Damage; 6] = [
    (
        "an octet of the counts is another one",
        |copy| {
            let place = copy.join("state/counts.sqlite");
            let mut octets = fs::read(&place).expect("a file");
            let at = octets.len() / 2;
            octets[at] ^= 1;
            fs::write(place, octets).expect("a file");
        },
        "is not what the manifest says",
    ),
    (
        "a file is cut",
        |copy| fs::write(copy.join("keys/audit.key"), "").expect("a file"),
        "is not what the manifest says",
    ),
    (
        "a file is missing",
        |copy| fs::remove_file(copy.join("state/lists/stop/record.json")).expect("a file"),
        "record.json",
    ),
    (
        "the manifest is missing",
        |copy| fs::remove_file(copy.join("manifest.json")).expect("a file"),
        "manifest.json",
    ),
    (
        "it is of another form",
        |copy| change_manifest(copy, "\"v\": 1", "\"v\": 9"),
        "has form 9",
    ),
    (
        "it leads elsewhere",
        |copy| change_manifest(copy, "\"keys/audit.key\"", "\"keys/../../../x\""),
        "which no backup has",
    ),
];

fn change_manifest(copy: &Path, from: &str, to: &str) {
    let place = copy.join("manifest.json");
    let manifest = fs::read_to_string(&place).expect("a manifest");
    assert!(manifest.contains(from), "{manifest}");
    fs::write(place, manifest.replace(from, to)).expect("a manifest");
}

#[test]
fn a_damaged_backup_changes_nothing() {
    let mut running = program().start();
    end(&mut running);
    state(&running, &["backup", &text(&running, "copy")]);
    let before = files(&path(&running, "state"));
    for (class, damage, reason) in DAMAGES {
        let damaged = path(&running, "damaged");
        let _ = fs::remove_dir_all(&damaged);
        copy_folder(&path(&running, "copy"), &damaged);
        damage(&damaged);
        let said = refused(
            &running,
            &["restore", &text(&running, "damaged"), "--replace"],
        );
        assert!(said.contains(reason), "{class}: {said}");
        assert_eq!(files(&path(&running, "state")), before, "{class}");
    }
    // A tar file that is cut.
    state(&running, &["backup", &text(&running, "copy.tar")]);
    let whole = fs::read(path(&running, "copy.tar")).expect("a file");
    for length in [0, 100, 4000, whole.len() / 2] {
        fs::write(path(&running, "cut.tar"), &whole[..length]).expect("a file");
        let said = refused(
            &running,
            &["restore", &text(&running, "cut.tar"), "--replace"],
        );
        assert!(said.contains("cut.tar"), "{said}");
        assert_eq!(files(&path(&running, "state")), before, "{length}");
    }
    let said = refused(
        &running,
        &["restore", &text(&running, "nowhere"), "--replace"],
    );
    assert!(said.contains("nowhere"), "{said}");
    // Another resolver's.
    let other = program()
        .toml("[audit]\nprovider = \"provider.example\"\nresolver = \"other\"\n")
        .prepare();
    let said = refused(&other, &["restore", &text(&running, "copy")]);
    assert!(said.contains("provider.example/other"), "{said}");
    assert!(!path(&other, "state").exists());
    running.restart();
    assert!(log_of(&running)["restored"].is_null(), "it goes on");
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    if is_missing(&MOUNT) {
        return;
    }
    let mut running = program().start();
    let disk = TempDir::new().expect("a folder");
    let mounted = SmallDisk::mount(&disk.path().join("disk"));
    fs::write(disk.path().join("disk/ballast"), vec![0; 1_000_000]).expect("a file");
    for name in ["disk/copy", "disk/copy.tar"] {
        let to = disk.path().join(name).display().to_string();
        let said = refused(&running, &["backup", &to]);
        assert!(said.contains(&to), "{said}");
        assert_eq!(names(&disk.path().join("disk")), ["ballast"]);
    }
    state(&running, &["backup", &text(&running, "copy")]);
    end(&mut running);
    let full = program()
        .toml(&format!("state = {:?}\n", disk.path().join("disk/state")))
        .prepare();
    refused(&full, &["restore", &text(&running, "copy")]);
    assert_eq!(names(&disk.path().join("disk")), ["ballast"]);
    drop(mounted);
}

/// The log goes on at the new machine, and the old one does not go on with it.
#[test]
fn a_log_that_is_moved_goes_on_at_one_place() {
    for name in ["archive", "archive.tar"] {
        let mut old = program().start();
        count(&old, 20);
        let running = refused(&old, &["move", &text(&old, name)]);
        assert!(running.contains("another wardline runs"), "{running}");
        end(&mut old);
        let said = state(&old, &["move", &text(&old, name)]);
        assert!(said.contains("Do not start this one again"), "{said}");
        let ended = log_of(&old);
        assert_eq!(ended["events"]["moved"], 1);
        let again = refused(&old, &["move", &text(&old, "again")]);
        assert!(again.contains("was moved away"), "{again}");

        let mut new = program().prepare();
        let said = state(&new, &["restore", &text(&old, name)]);
        assert!(said.contains("goes on here"), "{said}");
        new.restart();
        count(&new, 10);
        end(&mut new);
        let moved = log_of(&new);
        assert_eq!(
            (&moved["origin"], &moved["restored"]),
            (&ORIGIN.into(), &Value::Null)
        );
        assert!(moved["size"].as_u64() > ended["size"].as_u64());
        assert_eq!(new.report()["sums"]["questions"], 30);
        assert!(!new.stderr().contains("restored"), "{}", new.stderr());

        // Somebody starts the old one again.
        old.restart();
        count(&old, 5);
        let (_, status, _) = old.run(&["status"]);
        assert!(status.contains("ALARM      moved: "), "{status}");
        let mut exports = Exports::new();
        exports.add(&new, "new", &[]).add(&old, "old", &[]);
        exports.add(&old, "ended", &["--ended", ORIGIN]);
        let (findings, outcome) = exports.verify();
        assert_eq!(findings, Vec::<String>::new(), "{outcome:#}");
        assert_eq!(log_of(&old)["restored"]["why"], "moved");

        assert_eq!(
            old.report()["sums"]["questions"],
            5,
            "the rest is told elsewhere"
        );

        // And the archive is restored a second time, at the same place: the log is not cut.
        let said = state(&new, &["restore", &text(&old, name), "--replace"]);
        assert!(said.contains("this log ends"), "{said}");
        new.restart();
        assert_eq!(log_of(&new)["restored"]["why"], "shorter");
    }
}

/// The old machine goes on after all, by the archive; and once it has, not a second time, though
/// its log goes by another name by then.
#[test]
fn a_move_is_taken_back_once() {
    let mut host = program().start();
    count(&host, 3);
    end(&mut host);
    state(&host, &["move", &text(&host, "archive")]);
    host.restart();
    end(&mut host);
    assert_eq!(log_of(&host)["restored"]["why"], "moved");
    state(&host, &["restore", &text(&host, "archive"), "--replace"]);
    host.restart();
    assert_eq!(log_of(&host)["origin"], ORIGIN);
    let (code, _, error) = host.run(&["audit", "replace-key"]);
    assert_eq!(code, 0, "{error}");
    host.restart();
    end(&mut host);
    let said = state(&host, &["restore", &text(&host, "archive"), "--replace"]);
    assert!(said.contains("this log ends"), "{said}");
    host.restart();
    assert_eq!(log_of(&host)["restored"]["why"], "other");
    end(&mut host);
}

/// Two machines that go on with one archive are found out by whoever sees both.
#[test]
fn an_archive_that_is_restored_twice_is_a_fork() {
    let mut old = program().start();
    end(&mut old);
    state(&old, &["move", &text(&old, "archive")]);
    let mut exports = Exports::new();
    for name in ["one", "two"] {
        let mut new = program().prepare();
        state(&new, &["restore", &text(&old, "archive")]);
        new.restart();
        end(&mut new);
        exports.add(&new, name, &[]);
    }
    let (findings, _) = exports.verify();
    assert!(
        findings.iter().any(|finding| finding.starts_with("fork ")),
        "{findings:?}"
    );
}

/// The disk of the archive is full: the log has ended, and the next attempt goes on.
#[test]
fn a_move_that_could_not_be_written_is_gone_on_with() {
    if is_missing(&MOUNT) {
        return;
    }
    let mut old = program().start();
    end(&mut old);
    let disk = TempDir::new().expect("a folder");
    let small = SmallDisk::mount(&disk.path().join("disk"));
    fs::write(disk.path().join("disk/ballast"), vec![0; 1_000_000]).expect("a file");
    let to = disk.path().join("disk/archive").display().to_string();
    let said = refused(&old, &["move", &to]);
    assert!(said.contains("run `wardline state move` again"), "{said}");
    let before = log_of(&old);
    state(&old, &["move", &text(&old, "archive")]);
    assert_eq!(log_of(&old), before, "nothing was added");
    let mut new = program().prepare();
    state(&new, &["restore", &text(&old, "archive")]);
    new.restart();
    assert_eq!(log_of(&new)["origin"], ORIGIN);
    end(&mut new);
    drop(small);
}

/// Promises that were never kept are none that go along.
#[test]
fn a_log_without_promises_is_moved() {
    let mut old = program().prepare();
    fs::write(path(&old, "state.promised"), "in the way").expect("a file");
    old.restart();
    end(&mut old);
    state(&old, &["move", &text(&old, "archive")]);
    let mut new = program().prepare();
    state(&new, &["restore", &text(&old, "archive")]);
    new.restart();
    assert_eq!(log_of(&new)["origin"], ORIGIN);
    end(&mut new);
}

/// Whatever became of the run before, the move closes it.
#[test]
fn a_log_is_moved_after_a_crash_and_moved_on() {
    let mut host = program().start();
    count(&host, 3);
    host.kill(libc::SIGKILL);
    host.wait_exit();
    for n in 0..3 {
        let to = text(&host, "archive");
        state(&host, &["move", &to]);
        let mut next = program().prepare();
        state(&next, &["restore", &to]);
        // The second one never runs.
        if n != 1 {
            next.restart();
            count(&next, 1);
            end(&mut next);
        }
        let log = log_of(&next);
        assert_eq!(log["origin"], ORIGIN);
        host = next;
    }
    assert_eq!(host.report()["sums"]["questions"], 5);
}
