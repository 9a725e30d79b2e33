//! A curator's desk and a resolver that takes its list from the same folder, over what changes
//! between them: keys, removals, last days, the end of an issue.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;
use crate::kit::web::{CERT, KEY};
use crate::kit::{is_blocked, until, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);
const TOKENS: &str = "0123456789abcdef\n";

/// A desk whose issues need two of three keys.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new(entries: &[&str]) -> Self {
        let desk = Self {
            folder: TempDir::new().expect("a folder"),
        };
        for key in ["one", "two", "three"] {
            desk.key(key);
        }
        let keys = ["one", "two", "three"].map(|key| desk.public(key));
        let mut words = vec!["list", "new", "desk", "--id", "signed"];
        words.extend(["--authority", "Example Authority", "--legal-basis", "Act"]);
        words.extend(["--signatures", "2"]);
        keys.iter().for_each(|key| words.extend(["--key", key]));
        desk.run(&words);
        let mut words = vec!["list", "add", "desk"];
        words.extend(entries);
        desk.run(&words);
        desk
    }

    fn run(&self, words: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_wardline"))
            .args(words)
            .current_dir(self.folder.path())
            .output()
            .expect("the program");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{words:?}: {stderr}{stdout}");
        stdout
    }

    fn key(&self, name: &str) {
        let (holder, file) = (format!("{name}.test"), format!("{name}.key"));
        self.run(&["key", "new", &holder, "--out", &file]);
    }

    fn public(&self, name: &str) -> String {
        let shown = self.run(&["key", "show", &format!("{name}.key")]);
        shown.trim().to_owned()
    }

    /// Issue the list, signed by these two.
    fn sign(&self, first: &str, second: &str, more: &[&str]) {
        let [first, second] = [first, second].map(|key| format!("{key}.key"));
        let mut words = vec!["list", "sign", "desk", "--key", &first];
        words.extend(more);
        self.run(&words);
        let mut words = vec!["list", "sign", "desk", "--key", &second];
        words.extend(more.iter().filter(|word| **word != "--renew"));
        self.run(&words);
    }

    fn remove_now(&self, name: &str) {
        let reason = ["--reason", "listed by mistake"];
        let mut words = vec!["list", "remove", "desk", name, "--now", "--key", "one.key"];
        words.extend(reason);
        self.run(&words);
    }

    fn issue(&self) -> std::path::PathBuf {
        self.folder.path().join("desk/issue")
    }

    /// A resolver that looks into a folder of its own, to which [`Self::hand_out`] copies.
    fn program(&self, keys: &[&str], signatures: usize) -> Program {
        let keys: Vec<String> = keys.iter().map(|key| self.public(key)).collect();
        fs::create_dir_all(self.place()).expect("a folder");
        Program::new().metrics().toml(&format!(
            "[[list]]\nid = \"signed\"\nauthority = \"Example Authority\"\nbasis = \"law\"\n\
             legal_basis = \"Act\"\nstop = {STOP:?}\nkeys = {keys:?}\nsignatures = {signatures}\n\
             folder = {{ path = {:?} }}\n",
            self.place()
        ))
    }

    fn place(&self) -> std::path::PathBuf {
        self.folder.path().join("resolver")
    }

    /// Copy what the desk hands out to the resolver's folder: all, or what ends so.
    fn hand_out(&self, end: &str) {
        for file in fs::read_dir(self.issue()).expect("the issue") {
            let file = file.expect("a file").path();
            let name = file.file_name().expect("a name").to_str().expect("text");
            if name.ends_with(end) {
                put(&file, &self.place().join(name));
            }
        }
    }
}

/// Whole or not at all, as rsync does it.
fn put(from: &Path, to: &Path) {
    let beside = to.with_extension("part");
    fs::copy(from, &beside).expect("a copy");
    fs::rename(&beside, to).expect("a file");
}

fn state(running: &Running) -> Value {
    running.json(&["status", "--json"])["lists"][0].clone()
}

fn wait_for_serial(running: &Running, serial: u64) {
    until(&format!("serial {serial}"), PATIENCE, || {
        (state(running)["serial"] == serial).then_some(())
    });
}

fn has_alarm(running: &Running, kind: &str) -> bool {
    let state = state(running);
    let alarms = state["alarms"].as_array().expect("alarms");
    alarms.iter().any(|alarm| alarm["kind"] == kind)
}

fn wait_for_alarm(running: &Running, kind: &str, wanted: bool) {
    until(&format!("alarm {kind}: {wanted}"), PATIENCE, || {
        (has_alarm(running, kind) == wanted).then_some(())
    });
}

/// Writes the configuration anew, and gives what it was.
fn configure(running: &Running, change: impl FnOnce(&str) -> String) -> String {
    let file = running.config_file();
    let before = fs::read_to_string(&file).expect("the configuration");
    let after = change(&before);
    assert_ne!(before, after);
    fs::write(&file, after).expect("the configuration");
    before
}

fn restart(running: &mut Running) {
    running.kill(libc::SIGKILL);
    running.wait_exit();
    running.restart();
}

#[test]
fn keys_change_without_touching_the_resolver() {
    let desk = Desk::new(&["one.example"]);
    desk.sign("one", "two", &[]);
    let mut running = desk.program(&["one", "two", "three"], 2).start();
    desk.hand_out("");
    wait_for(&running, "one.example", true);

    // The issue that the new key signs arrives before the chain that names it.
    desk.key("four");
    let keys = ["one", "two", "four"].map(|key| desk.public(key));
    let mut words = vec!["key", "rotate", "desk", "--signatures", "2"];
    keys.iter().for_each(|key| words.extend(["--key", key]));
    words.extend(["--sign", "one.key", "--sign", "two.key"]);
    desk.run(&words);
    desk.run(&["list", "add", "desk", "two.example"]);
    desk.sign("two", "four", &[]);
    desk.hand_out("entries");
    desk.hand_out("manifest");
    until("a refusal", PATIENCE, || {
        let said = state(&running)["last_refusal"]["message"].to_string();
        said.contains("1 of its keys have signed, 2 must")
            .then_some(())
    });
    assert!(!is_blocked(&running, "two.example"));
    desk.hand_out("keys");
    wait_for(&running, "two.example", true);
    restart(&mut running);
    assert!(is_blocked(&running, "two.example") && !has_alarm(&running, "unvouched"));

    // Key two was stolen before the issue in force: the one before is in force again.
    desk.run(&[
        "key",
        "revoke",
        "desk",
        "two.test",
        "--from-serial",
        "2",
        "--sign",
        "one.key",
        "--sign",
        "four.key",
    ]);
    desk.hand_out("keys");
    wait_for(&running, "two.example", false);
    assert!(is_blocked(&running, "one.example"));
    restart(&mut running);
    assert!(is_blocked(&running, "one.example") && !is_blocked(&running, "two.example"));
    let back = ["rollback", "signed", "2", "--reason", "a mistake"];
    let (code, _, said) = running.run(&back);
    assert!(
        code == 1 && said.contains("a key that was revoked"),
        "{said}"
    );
    desk.sign("one", "four", &["--renew"]);
    desk.hand_out("");
    wait_for(&running, "two.example", true);
    assert_eq!(state(&running)["serial"], 3);
}

/// The disk is full when other keys come: they are followed when there is room, though nobody
/// touches their file.
#[test]
fn a_chain_of_keys_that_cannot_be_kept_is_followed_when_it_can() {
    let desk = Desk::new(&["one.example"]);
    desk.sign("one", "two", &[]);
    let running = desk.program(&["one", "two", "three"], 2).start();
    desk.hand_out("");
    wait_for(&running, "one.example", true);
    let in_the_way = running.folder().join("state/lists/signed/.chain.keys.new");
    fs::create_dir(&in_the_way).expect("a folder");
    desk.key("four");
    let keys = ["one", "four"].map(|key| desk.public(key));
    let mut words = vec!["key", "rotate", "desk", "--signatures", "2"];
    keys.iter().for_each(|key| words.extend(["--key", key]));
    words.extend([
        "--sign", "one.key", "--sign", "two.key", "--sign", "four.key",
    ]);
    desk.run(&words);
    desk.run(&["list", "add", "desk", "two.example"]);
    desk.sign("one", "four", &[]);
    desk.hand_out("keys");
    until("a refusal", PATIENCE, || {
        let said = state(&running)["last_refusal"]["message"].to_string();
        said.contains("cannot be remembered").then_some(())
    });
    desk.hand_out("");
    fs::remove_dir(&in_the_way).expect("a folder");
    wait_for(&running, "two.example", true);
}

/// What is pushed brings the chain of keys along: a resolver that nobody touches takes an issue
/// that only the new keys have signed.
#[test]
fn a_chain_of_keys_is_pushed_with_the_issue() {
    let desk = Desk::new(&["one.example"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    for (name, text) in [("cert.pem", CERT), ("key.pem", KEY), ("tokens", TOKENS)] {
        fs::write(desk.folder.path().join(name), text).expect("a file");
    }
    let file = |name: &str| desk.folder.path().join(name);
    let keys = ["one", "two", "three"].map(|key| desk.public(key));
    let running = Program::new()
        .toml(&format!(
            "[push]\nlisten = \"{address}\"\ncertificate = {:?}\nkey = {:?}\ntokens = {:?}\n\
             [[list]]\nid = \"signed\"\nauthority = \"Example Authority\"\nbasis = \"law\"\n\
             legal_basis = \"Act\"\nstop = {STOP:?}\nkeys = {keys:?}\nsignatures = 2\n\
             push = true\n",
            file("cert.pem"),
            file("key.pem"),
            file("tokens")
        ))
        .start();
    let receipt_key = fs::read_to_string(running.folder().join("state/receipt.pub"));
    let receipt_key = receipt_key.expect("the receipts' key");
    let push = |more: &[&str]| {
        let url = format!("https://{address}");
        let mut words = vec!["list", "push", "desk", &url, "--ca", "cert.pem"];
        words.extend([
            "--token-file",
            "tokens",
            "--receipt-key",
            receipt_key.trim(),
        ]);
        words.extend(more);
        desk.run(&words)
    };
    desk.sign("one", "two", &[]);
    push(&[]);
    assert!(is_blocked(&running, "one.example"));
    for key in ["four", "five"] {
        desk.key(key);
    }
    let keys = ["four", "five"].map(|key| desk.public(key));
    let mut words = vec!["key", "rotate", "desk", "--signatures", "2"];
    keys.iter().for_each(|key| words.extend(["--key", key]));
    for signer in ["one.key", "two.key", "four.key", "five.key"] {
        words.extend(["--sign", signer]);
    }
    desk.run(&words);
    desk.run(&["list", "add", "desk", "two.example"]);
    desk.sign("four", "five", &[]);
    push(&[]);
    assert!(is_blocked(&running, "two.example"));
    assert_eq!(state(&running)["serial"], 2);
}

#[test]
fn what_is_kept_is_held_against_the_configured_keys() {
    let desk = Desk::new(&["one.example"]);
    desk.sign("one", "two", &[]);
    let mut running = desk.program(&["one", "two", "three"], 2).start();
    desk.hand_out("");
    wait_for(&running, "one.example", true);
    desk.run(&["list", "add", "desk", "two.example"]);
    desk.sign("two", "three", &[]);
    desk.hand_out("");
    wait_for(&running, "two.example", true);
    until("a receipt", PATIENCE, || {
        state(&running)["receipt"].is_i64().then_some(())
    });
    fs::remove_dir_all(desk.place()).expect("the folder");

    // With key three taken out, the newest issue that the others have signed is in force.
    let without = |running: &Running, name: &str| {
        let key = format!("\"{}\"", desk.public(name));
        configure(running, |text| {
            text.replace(&format!(", {key}"), "")
                .replace(&format!("{key}, "), "")
        });
    };
    without(&running, "three");
    restart(&mut running);
    assert!(is_blocked(&running, "one.example") && !is_blocked(&running, "two.example"));
    assert!(!has_alarm(&running, "unvouched"));
    assert_eq!(state(&running)["serial"], 1);

    // Where they have signed none, the last one stays and is told of.
    desk.key("other");
    let (two, other) = (desk.public("two"), desk.public("other"));
    configure(&running, |text| text.replace(&two, &other));
    restart(&mut running);
    assert!(is_blocked(&running, "one.example"));
    wait_for_alarm(&running, "unvouched", true);
    assert!(running.run(&["status"]).1.contains("unvouched"));
}

#[test]
fn a_removal_ends_with_the_issue_that_settles_it_and_no_other() {
    let desk = Desk::new(&["one.example", "two.example", "three.example"]);
    desk.sign("one", "two", &[]);
    let mut running = desk.program(&["one", "two", "three"], 2).start();
    desk.hand_out("");
    wait_for(&running, "one.example", true);

    // An issue made before the removal arrives after it.
    desk.run(&["list", "add", "desk", "four.example"]);
    desk.sign("one", "two", &[]);
    desk.remove_now("one.example");
    desk.hand_out("removal");
    wait_for(&running, "one.example", false);
    desk.hand_out("entries");
    desk.hand_out("manifest");
    wait_for(&running, "four.example", true);
    assert!(!is_blocked(&running, "one.example"), "it still holds");

    // A second one, in the same file; both over a restart, a rollback and kill -9.
    desk.remove_now("two.example");
    desk.hand_out("removal");
    wait_for(&running, "two.example", false);
    restart(&mut running);
    let both = |running: &Running| {
        !is_blocked(running, "one.example") && !is_blocked(running, "two.example")
    };
    assert!(both(&running) && is_blocked(&running, "three.example"));
    let (code, _, said) = running.run(&["rollback", "signed", "--reason", "a mistake"]);
    assert!(code == 0 && both(&running), "{said}");
    restart(&mut running);
    assert!(both(&running) && !is_blocked(&running, "four.example"));

    // The issue that has taken both up: they are over, and told to be.
    desk.sign("one", "two", &["--renew"]);
    desk.hand_out("");
    wait_for_serial(&running, 3);
    assert!(both(&running) && is_blocked(&running, "four.example"));
    assert_eq!(state(&running)["removed"], 0);
    let told = running
        .stderr()
        .matches("the issue in force has taken it up")
        .count();
    assert_eq!(told, 2, "{}", running.stderr());
}

#[test]
fn an_entry_is_over_with_its_last_day() {
    let desk = Desk::new(&["one.example"]);
    let yesterday = jiff::Zoned::now()
        .date()
        .yesterday()
        .expect("a day")
        .to_string();
    desk.run(&[
        "list",
        "add",
        "desk",
        "two.example",
        "--expires",
        &yesterday,
    ]);
    let passes = ["--override", "lint.expired"];
    desk.sign("one", "two", &passes);
    let running = desk.program(&["one", "two", "three"], 2).start();
    desk.hand_out("");
    wait_for(&running, "one.example", true);
    assert!(!is_blocked(&running, "two.example"));
    assert_eq!(state(&running)["entries"], 1);
}

#[test]
fn what_the_configuration_does_otherwise_is_told_and_gets_no_receipt() {
    let desk = Desk::new(&["one.example"]);
    desk.sign("one", "two", &[]);
    let mut running = desk.program(&["one", "two", "three"], 2).start();
    let stop = format!("stop = {STOP:?}\n");
    let before = configure(&running, |text| {
        text.replace(&stop, "action = \"nxdomain\"\n")
    });
    restart(&mut running);
    desk.hand_out("");
    until("in force", PATIENCE, || {
        (state(&running)["entries"] == 1).then_some(())
    });
    wait_for_alarm(&running, "difference", true);
    until("the refusal of a receipt", PATIENCE, || {
        running
            .stderr()
            .contains("no receipt: the manifest asks for a stop page")
            .then_some(())
    });
    assert!(state(&running)["receipt"].is_null());
    configure(&running, |_| before);
    restart(&mut running);
    wait_for(&running, "one.example", true);
    until("a receipt", PATIENCE, || {
        state(&running)["receipt"].is_i64().then_some(())
    });
    assert!(!has_alarm(&running, "difference"));
}

/// A list that is required, and held back at its first start: nothing is answered, but the operator
/// can ask and let it pass.
#[test]
fn a_required_list_that_is_held_back_can_be_let_pass() {
    let mut running = Program::new()
        .list_with("one", "one.example\n", "required = true\n")
        .start();
    running.kill(libc::SIGTERM);
    running.wait_exit();
    fs::remove_dir_all(running.folder().join("state/lists/one")).expect("a folder");
    fs::write(running.list_file("one"), "one.example\nxn--55qx5d.cn\n").expect("a file");
    let config = running.folder().join("wardline.toml");
    let operator = std::thread::spawn(move || {
        let ask = |words: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_wardline"));
            let command = command.args(words).arg("--config").arg(&config);
            let output = command.output().expect("the program");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            output.status.success().then_some(said)
        };
        until("the status", PATIENCE, || {
            ask(&["status"])?
                .contains("guard.public-suffix")
                .then_some(())
        });
        let words = [
            "reload",
            "one",
            "--override",
            "guard.public-suffix",
            "--reason",
            "meant",
        ];
        until("the override", PATIENCE, || ask(&words));
    });
    running.restart();
    operator.join().expect("the operator");
    assert!(is_blocked(&running, "www.xn--55qx5d.cn") && is_blocked(&running, "one.example"));
    let (_, status, _) = running.run(&["status"]);
    assert!(
        status.contains("in force by an override: guard.public-suffix let pass"),
        "{status}"
    );
}
