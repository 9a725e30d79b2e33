//! What a list or the evidence needs, and that is not there when the program starts: everybody else
//! is answered at once, and it is taken up by itself when it comes.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;
use wardline::clock::wall_s;
use wardline::list::manifest::{Manifest, Secrecy, Settlement};
use wardline::list::removal::Removal;
use wardline::seal::age::{self, Identity};
use wardline::seal::{Note, SigningKey};

use crate::kit::papers::{self, place, sign};
use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;
use crate::kit::tool::{FAKETIME, is_missing};
use crate::kit::wall_clock::WallClock;
use crate::kit::web::{CERT, KEY, Web, request};
use crate::kit::{is_blocked, until, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);
const TOKEN: &str = "0123456789abcdef";
const OTHER: &str = "other.example\n";

/// Who signs the list, and the files that the resolver needs for it.
struct Authority {
    key: SigningKey,
    age: Identity,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let authority = Self {
            key: SigningKey::generate("authority.example").expect("a key"),
            age: Identity::generate().expect("a key"),
            folder: TempDir::new().expect("a folder"),
        };
        fs::create_dir(authority.file("drop")).expect("a folder");
        authority
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, octets: impl AsRef<[u8]>) {
        place(self.folder.path(), name, octets);
    }

    fn give_age_key(&self) {
        self.write("age.key", self.age.to_text().as_bytes());
    }

    fn issue(
        &self,
        serial: u64,
        entries: &str,
        secrecy: Secrecy,
        ahead_s: i64,
    ) -> (Manifest, Note) {
        let issued = wall_s() + ahead_s;
        let manifest = Manifest {
            issued,
            expires: issued + 86_400,
            secrecy,
            settles: Settlement::Named(Vec::new()),
            ..papers::manifest("signed", serial, entries)
        };
        let note = sign(&self.key, &manifest.to_text());
        (manifest, note)
    }

    /// What the entries' file of an issue holds.
    fn sealed(&self, entries: &str) -> Vec<u8> {
        let recipient = self.age.recipient().expect("a recipient");
        age::encrypt(entries.as_bytes(), &[recipient]).expect("encrypted")
    }

    /// Put an encrypted issue into the folder.
    fn put(&self, serial: u64, entries: &str) {
        self.put_as(serial, entries, Secrecy::Age);
    }

    fn put_as(&self, serial: u64, entries: &str, secrecy: Secrecy) {
        let (manifest, note) = self.issue(serial, entries, secrecy, 0);
        let drop = |name: &str| format!("drop/{name}");
        let octets = match secrecy {
            Secrecy::Open => entries.as_bytes().to_vec(),
            Secrecy::Age => self.sealed(entries),
        };
        self.write(&drop(&manifest.entries_file()), octets);
        self.write(&drop("signed.manifest"), note.to_string());
    }

    /// Put an encrypted removal into the folder.
    fn remove(&self, name: &str) {
        let at = |s| jiff::Timestamp::from_second(s).expect("a time");
        let (from, until) = (at(wall_s()), at(wall_s() + 3600));
        let text = format!(
            "wardline-removal/v1\nlist: signed\nfrom: {from}\nuntil: {until}\n\
             reason: a mistake\nremove: {name}\n"
        );
        let note = sign(&self.key, &text);
        let recipient = self.age.recipient().expect("a recipient");
        let sealed = age::encrypt(note.to_string().as_bytes(), &[recipient]).expect("encrypted");
        let file = format!("drop/{}", Removal::file("signed"));
        self.write(&file, age::armor(&sealed));
    }

    /// A resolver with this list, from these sources, and another one.
    fn program(&self, sources: &str) -> Program {
        Program::new()
            .list("other", OTHER)
            .signed_list(&self.key, sources)
    }

    fn encrypted(&self) -> Program {
        self.program(&format!(
            "identity = {:?}\nfolder = {{ path = {:?} }}\n",
            self.file("age.key"),
            self.file("drop")
        ))
    }
}

fn state(running: &Running) -> Value {
    let status = running.json(&["status", "--json"]);
    let lists = status["lists"].as_array().expect("lists");
    let found = lists.iter().find(|list| list["id"] == "signed");
    found.expect("the list").clone()
}

fn refusal(running: &Running) -> String {
    let message = &state(running)["last_refusal"]["message"];
    message.as_str().unwrap_or_default().to_owned()
}

fn wait_for_refusal(running: &Running, words: &str) {
    until(words, PATIENCE, || {
        refusal(running).contains(words).then_some(())
    });
}

fn restart(running: &mut Running, signal: i32) {
    running.kill(signal);
    running.wait_exit();
    running.restart();
}

#[test]
fn an_age_key_that_comes_later_opens_what_is_there_and_what_was_kept() {
    let authority = Authority::new();
    authority.put(1, "listed.example\nmistake.example\n");
    let mut running = authority.encrypted().start();
    assert!(is_blocked(&running, "other.example"), "everybody else");
    wait_for_refusal(&running, "age.key: cannot be read");
    authority.give_age_key();
    wait_for(&running, "listed.example", true);
    assert_eq!(refusal(&running), "");
    authority.remove("mistake.example");
    wait_for(&running, "mistake.example", false);
    // The key is lost while nobody looks, and so is the source.
    fs::remove_file(authority.file("age.key")).expect("a file");
    fs::rename(authority.file("drop"), authority.file("gone")).expect("a folder");
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        restart(&mut running, signal);
        assert!(is_blocked(&running, "other.example"));
        let ready = running.stdout();
        assert!(
            ready.contains("list signed NOT IN FORCE (kept generation 1"),
            "{ready}"
        );
        assert!(!is_blocked(&running, "listed.example"));
        authority.give_age_key();
        wait_for(&running, "listed.example", true);
        wait_for(&running, "mistake.example", false);
        let state = state(&running);
        assert_eq!(
            (&state["serial"], &state["removed"]),
            (&json!(1), &json!(1)),
            "{state}"
        );
        assert!(state["last_refusal"].is_null(), "{state}");
        fs::remove_file(authority.file("age.key")).expect("a file");
    }
}

#[test]
fn a_new_age_key_is_used_without_a_restart_and_what_the_old_one_opened_stays_off() {
    let mut authority = Authority::new();
    authority.give_age_key();
    authority.put(1, "listed.example\nmistake.example\n");
    let running = authority.encrypted().start();
    wait_for(&running, "mistake.example", true);
    authority.remove("mistake.example");
    wait_for(&running, "mistake.example", false);
    authority.age = Identity::generate().expect("a key");
    authority.put(2, "listed.example\nmistake.example\nnew.example\n");
    wait_for_refusal(&running, "it is encrypted");
    authority.give_age_key();
    wait_for(&running, "new.example", true);
    assert!(
        !is_blocked(&running, "mistake.example"),
        "its removal is not settled"
    );
}

/// A server's tag of the removals is no reason not to read them again.
#[test]
fn a_pulled_removal_waits_for_its_age_key() {
    let authority = Authority::new();
    authority.put_as(1, "listed.example\nmistake.example\n", Secrecy::Open);
    authority.write("ca.pem", CERT);
    let web = Web::serve(&authority.file("drop"));
    let running = authority
        .program(&format!(
            "identity = {:?}\n\
             pull = {{ urls = [\"https://127.0.0.1:{port}/lists/signed.manifest\"], \
             addresses = [\"127.0.0.1:{port}\"], ca = {:?}, every_s = 1 }}\n",
            authority.file("age.key"),
            authority.file("ca.pem"),
            port = web.port()
        ))
        .start();
    wait_for(&running, "mistake.example", true);
    authority.remove("mistake.example");
    wait_for_refusal(&running, "age.key: cannot be read");
    authority.give_age_key();
    wait_for(&running, "mistake.example", false);
    assert!(is_blocked(&running, "listed.example"));
}

/// The listener's files, a request to it, and what `[push]` says.
struct Door {
    address: std::net::SocketAddr,
}

impl Door {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        Self { address }
    }

    fn program(&self, authority: &Authority) -> Program {
        authority.program("push = true\n").toml(&format!(
            "[push]\nlisten = \"{}\"\ncertificate = {:?}\nkey = {:?}\ntokens = {:?}\n",
            self.address,
            authority.file("cert.pem"),
            authority.file("key.pem"),
            authority.file("tokens"),
        ))
    }

    fn push(&self, authority: &Authority, serial: u64, entries: &str, ahead_s: i64) {
        let (_, note) = authority.issue(serial, entries, Secrecy::Open, ahead_s);
        let entries = BASE64.encode(entries.as_bytes());
        let body = json!({ "manifest": note.to_string(), "entries": entries }).to_string();
        // Files that were missing are looked for once a second.
        let answer = until("a word from the door", PATIENCE, || {
            let answer = request(self.address, TOKEN, "PUT", "/v1/lists/signed", &body);
            (!answer.is_empty()).then_some(answer)
        });
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }
}

fn give_listener_files(authority: &Authority) {
    authority.write("cert.pem", CERT);
    authority.write("key.pem", KEY);
    authority.write("tokens", format!("{TOKEN}\n"));
}

#[test]
fn a_listener_without_its_certificate_keeps_nobody_from_being_answered() {
    let (authority, door) = (Authority::new(), Door::new());
    let running = door.program(&authority).start();
    assert!(is_blocked(&running, "other.example"));
    assert!(
        running
            .stderr()
            .contains("until that is mended nobody can push")
    );
    let (code, _, said) = running.run(&["check"]);
    assert!(code == 2 && said.contains("cert.pem"), "{code} {said}");
    give_listener_files(&authority);
    door.push(&authority, 1, "pushed.example\n", 0);
    wait_for(&running, "pushed.example", true);
}

#[test]
fn a_pushed_issue_that_waits_for_the_clock_waits_over_a_restart() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (authority, door) = (Authority::new(), Door::new());
    give_listener_files(&authority);
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        let mut clock = WallClock::new();
        let mut running = door.program(&authority).clock(&clock).start();
        door.push(&authority, 1, "pushed.example\n", 0);
        wait_for(&running, "pushed.example", true);
        door.push(&authority, 2, "later.example\n", 7200);
        wait_for_refusal(&running, "in the future");
        restart(&mut running, signal);
        wait_for_refusal(&running, "in the future");
        assert!(is_blocked(&running, "pushed.example"));
        clock.advance(Duration::from_secs(7200));
        wait_for(&running, "later.example", true);
        restart(&mut running, signal);
        assert!(is_blocked(&running, "later.example"));
        assert_eq!(refusal(&running), "");
    }
}

#[test]
fn a_shared_secret_that_comes_later_is_used() {
    let folder = TempDir::new().expect("a folder");
    let secret = folder.path().join("secret");
    let running = Program::new()
        .list("other", OTHER)
        .toml(&format!(
            "[[list]]\nid = \"signed\"\nauthority = \"Example Authority\"\nbasis = \"law\"\n\
             legal_basis = \"Example Act\"\nstop = {STOP:?}\nformat = \"rpz\"\n\
             unsigned = \"allow\"\ntransfer = {{ zone = \"rpz.example\", primaries = \
             [\"127.0.0.1:9\"], key = \"shared.example\", secret_file = {secret:?} }}\n"
        ))
        .start();
    assert!(is_blocked(&running, "other.example"));
    wait_for_refusal(&running, "secret_file: ");
    assert_eq!(running.run(&["check"]).0, 2);
    fs::write(&secret, "c2l4dGVlbiBvY3RldHMsIG9yIG1vcmU=\n").expect("a file");
    wait_for_refusal(&running, "cannot be reached");
}

/// The counts wait for their author's key; everybody is answered.
#[test]
fn counts_of_another_author_wait_until_the_key_is_back() {
    let mut running = Program::new().list("other", OTHER).start();
    assert!(is_blocked(&running, "other.example"));
    running.kill(libc::SIGTERM);
    running.wait_exit();
    let key = running.folder().join("state/audit.key");
    let right = fs::read(&key).expect("a key");
    fs::remove_file(&key).expect("a file");
    running.restart();
    assert!(is_blocked(&running, "other.example"));
    let said = until("the counts wait", PATIENCE, || {
        let status = running.json(&["status", "--json"]);
        let error = status["counts"]["last_error"].as_str().map(str::to_owned);
        error.filter(|error| error.contains("put the old key back"))
    });
    assert!(running.stderr().contains(&said), "{said}");
    fs::write(&key, right).expect("a file");
    until("the counts are written", PATIENCE, || {
        running.stderr().contains("none is lost").then_some(())
    });
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
    let report = running.report();
    assert_eq!(report["sums"]["blocked"]["other"]["sum"], 2, "{report}");
}

/// A key for receipts that is damaged keeps nobody waiting; receipts are signed once it is mended.
#[test]
fn receipts_are_signed_once_their_key_is_there() {
    let authority = Authority::new();
    authority.give_age_key();
    authority.put(1, "listed.example\n");
    let mut running = authority.encrypted().start();
    running.kill(libc::SIGTERM);
    running.wait_exit();
    let state_folder = running.folder().join("state");
    fs::remove_dir_all(state_folder.join("lists/signed/receipts")).expect("receipts");
    let key = state_folder.join("receipt.key");
    fs::remove_file(&key).expect("a key");
    fs::create_dir(&key).expect("a folder in its place");
    running.restart();
    assert!(is_blocked(&running, "listed.example") && is_blocked(&running, "other.example"));
    assert!(state(&running)["receipt"].is_null(), "{}", running.stderr());
    assert!(running.stderr().contains("no receipt is signed"));
    fs::remove_dir(&key).expect("a folder");
    until("a receipt", PATIENCE, || {
        state(&running)["receipt"].as_i64()
    });
}

/// An override survives though the record is cut, for the record has a copy.
#[test]
fn a_damaged_record_loses_no_decision() {
    for damage in ["", "{", "cut"] {
        let mut running = Program::new()
            .list("one", "one.example\n")
            .toml("[lists]\nnever_block_names = [\"stop.example\"]\n")
            .start();
        running.replace_list("one", "one.example\nstop.example\n");
        until("the guard", PATIENCE, || {
            let status = running.json(&["status", "--json"]);
            status["lists"][0]["last_refusal"].is_object().then_some(())
        });
        let pass = ["--override", "guard.never-block", "--reason", "meant"];
        let (code, _, said) = running.run(&[&["reload", "one"], &pass[..]].concat());
        assert_eq!(code, 0, "{said}");
        assert!(is_blocked(&running, "stop.example"));
        running.kill(libc::SIGKILL);
        running.wait_exit();
        let record = running.folder().join("state/lists/one/record.json");
        let text = fs::read_to_string(&record).expect("a record");
        let text = if damage == "cut" {
            &text[..text.len() / 2]
        } else {
            damage
        };
        fs::write(&record, text).expect("a file");
        fs::remove_file(running.list_file("one")).expect("a file");
        running.restart();
        assert!(is_blocked(&running, "stop.example"), "{}", running.stderr());
    }
}
