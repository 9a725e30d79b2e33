//! The curator's desk as its people use it: the real program, from two agencies' keys to the
//! receipts of resolvers.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use wardline::list::Hash;
use wardline::list::manifest::{Manifest, Settlement};
use wardline::list::receipt::Receipt;
use wardline::list::removal::{CarriedRemoval, Removal, parse_several};
use wardline::seal::{Note, SigningKey, VerifyKey};

use crate::kit::listener::Listener;
use crate::kit::tool::{AGE, AUTHORITIES, is_missing};

/// A folder with the keys of two agencies and a list of theirs.
struct Desk {
    folder: TempDir,
    keys: [String; 2],
}

impl Desk {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(more: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut desk = Self {
            folder,
            keys: [String::new(), String::new()],
        };
        for (at, file) in ["one.key", "two.key"].into_iter().enumerate() {
            desk.keys[at] = desk
                .does(&format!("key new agency-{}.example --out {file}", at + 1))
                .trim()
                .to_owned();
        }
        let [one, two] = desk.keys.clone();
        let start = [
            "list",
            "new",
            "desk",
            "--id",
            "story",
            "--authority",
            "Example Authority",
            "--legal-basis",
            "Example Act, section 1",
        ];
        let (code, _, stderr) =
            desk.run(&[&start[..], &["--key", &one, "--key", &two], more].concat());
        assert_eq!((code, stderr.as_str()), (0, ""));
        desk
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wardline"));
        let output = command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("the program");
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("text");
        (
            output.status.code().expect("a code"),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    fn run_words(&self, words: &str) -> (i32, String, String) {
        self.run(&words.split(' ').collect::<Vec<_>>())
    }

    /// Run a command of words and expect it to succeed; returns what it prints.
    fn does(&self, words: &str) -> String {
        let (code, stdout, stderr) = self.run_words(words);
        assert_eq!((code, stderr.as_str()), (0, ""), "{words}");
        stdout
    }

    /// Run a command of words and expect it to fail with this code; returns what it complains.
    fn fails(&self, expected: i32, words: &str) -> String {
        let (code, _, stderr) = self.run_words(words);
        assert_eq!(code, expected, "{words}: {stderr}");
        stderr
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("wardline: ").unwrap_or(line)))
            .collect()
    }

    fn file(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.file(path)).expect("a file")
    }

    fn issue(&self) -> (Note, Manifest) {
        let note = Note::parse(self.read("desk/issue/story.manifest").as_bytes()).expect("a note");
        let manifest = Manifest::parse(note.text()).expect("a manifest");
        (note, manifest)
    }

    /// Sign by both.
    fn issue_whole(&self) {
        self.does("list sign desk --key one.key");
        self.does("list sign desk --key two.key");
    }
}

#[test]
fn the_whole_path_from_a_name_to_an_issue() {
    let desk = Desk::new();
    names_are_added(&desk);
    both_agencies_sign(&desk);
    let first = what_is_issued_is_what_was_added(&desk);
    changes_are_shown(&desk);
    the_next_issue_follows_the_first(&desk, &first);
}

fn names_are_added(desk: &Desk) {
    let said = desk.does("list add desk blocked.example =exact.example --category hotline-1");
    assert_eq!(
        (
            said.lines().count(),
            said.ends_with("\n2 entries added, 2 entries in all\n")
        ),
        (3, true),
        "{said}"
    );
    desk.does("list add desk --test wardline-test.example");
    assert_eq!(
        desk.does("list lint desk"),
        "3 entries: nothing to look at\n"
    );
}

fn both_agencies_sign(desk: &Desk) {
    let said = desk.does("list sign desk --key one.key");
    assert_eq!(
        said,
        "story serial 1: 3 entries, signed by agency-1.example; 1 more signature is needed\n"
    );
    let said = desk.fails(1, "list verify desk");
    assert!(
        said.ends_with(
            "story.manifest: signed by 1 of 2 keys (agency-1.example): it needs more signatures\n"
        ),
        "{said}"
    );
    let said = desk.does("list sign desk --key two.key");
    assert_eq!(
        said,
        "story serial 1: 3 entries, signed by agency-1.example, agency-2.example; ready to push\n"
    );
    let said = desk.does("list verify desk");
    assert!(
        said.starts_with(
            "story serial 1: signed by agency-1.example, agency-2.example; 3 entries, as signed; \
             issued "
        ),
        "{said}"
    );
}

fn what_is_issued_is_what_was_added(desk: &Desk) -> Manifest {
    let (note, manifest) = desk.issue();
    let keys: Vec<VerifyKey> = desk
        .keys
        .iter()
        .map(|key| VerifyKey::parse(key).expect("a key"))
        .collect();
    assert_eq!(note.signers(&keys).expect("it holds").len(), 2);
    let entries = desk.read(&format!("desk/issue/{}", manifest.entries_file()));
    assert_eq!(Hash::of(entries.as_bytes()), manifest.sha256);
    let test = entries
        .lines()
        .find(|line| line.starts_with("wardline-test.example "))
        .expect("the test entry");
    let number = manifest.test_entry.expect("its number");
    assert!(test.contains(&format!(" number={number} ")));
    manifest
}

fn changes_are_shown(desk: &Desk) {
    desk.does("list add desk more.example");
    desk.does("list remove desk =exact.example");
    let said = desk.does("list diff desk desk");
    assert!(
        said.ends_with("\n1 added, 1 removed, 0 changed, 2 entries unchanged\n")
            && !said.contains("example"),
        "{said}"
    );
    let said = desk.does("list diff desk desk --names");
    assert!(
        said.contains(" =exact.example\n") && said.contains(" more.example\n"),
        "{said}"
    );
}

fn the_next_issue_follows_the_first(desk: &Desk, first: &Manifest) {
    desk.issue_whole();
    let (_, second) = desk.issue();
    assert_eq!((second.serial, second.previous), (2, Some(first.hash())));
    assert!(
        !desk
            .file(&format!("desk/issue/{}", first.entries_file()))
            .exists(),
        "the old entries are gone"
    );
    let place = "desk/issue/story.manifest";
    let [one, two] = &desk.keys;
    assert!(
        desk.does(&format!(
            "list verify {place} --key {one} --key {two} --json"
        ))
        .contains("\"serial\":2")
    );
}

#[test]
fn every_format_comes_back_as_it_went() {
    let desk = Desk::new();
    desk.does("list add desk blocked.example =exact.example a.b.example");
    let plain = desk.does("list export desk");
    for (format, option) in [
        ("plain", ""),
        ("rpz", ""),
        ("csv", ""),
        ("csv", " --separator ;"),
        ("hosts", ""),
    ] {
        let export = format!("list export desk --format {format}{option}");
        let (code, text, stderr) = desk.run_words(&export);
        assert_eq!(
            (code, stderr.is_empty()),
            (0, format != "hosts"),
            "a hosts file leaves the exact entry out and says so"
        );
        let other = Desk::new();
        fs::write(other.file("in"), &text).expect("a file");
        let said = other.does(&format!(
            "list import desk in --format {format} --verified 2026-03-01"
        ));
        let count = if format == "hosts" { 2 } else { 3 };
        assert_eq!(
            said,
            format!("{count} entries imported, 0 entries known already, {count} entries in all\n"),
            "{format}"
        );
        let names = |text: &str| {
            text.lines()
                .map(|line| line.split(' ').next().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        let expected: Vec<_> = names(&plain)
            .into_iter()
            .filter(|name| format != "hosts" || name.as_deref() != Some("=exact.example"))
            .collect();
        assert_eq!(names(&other.does("list export desk")), expected, "{format}");
        let said = other.does(&format!("list import desk in --format {format}"));
        assert!(said.starts_with("0 entries imported, "), "{said}");
    }
}

/// A command, and below it the code that it ends with and what it complains; `NUMBER` stands for
/// the entry's.
const REFUSALS: &str = "
list add desk blocked.example
  1: name 1 is listed already: entry NUMBER
list add desk a.example https://b.example/
  2: name 2: a URL, not a name: list the domain itself if all of it is meant
list add desk a.example --verified yesterday
  2: --verified: write a day as 2026-03-01
list remove desk gone.example
  1: entry 1 of the command is not on the list
list verify desk
  1: desk/issue/story.manifest: cannot be read: No such file or directory (os error 2)
list sign desk --key stranger.key
  1: the key stranger.example is not among the keys of list.toml: nobody would believe it
list sign desk --key one.key --override guard.tld
  2: --override guard.tld: the lint finds no such thing
list encrypt desk
  2: the list is not secret: set `encrypted = true` in list.toml and sign it again
key new x.example --out one.key
  1: one.key: is there already: name a new file
key new a+b --out x.key
  2: the name of a key has 1 to 255 octets, and neither white space, control characters nor `+`
list push desk https://127.0.0.1:1
  2: no receipt can be checked: give the resolvers' public keys with --receipt-key or in list.toml
list push desk https://127.0.0.1:1 --removal
  1: there is no removal that holds now: `wardline list remove --now` makes one
list diff desk desk
  1: desk/issued.txt: cannot be read: No such file or directory (os error 2)
";

#[test]
fn every_refusal_says_what_and_what_to_do() {
    let desk = Desk::new();
    desk.does("key new stranger.example --out stranger.key");
    desk.does("list add desk blocked.example");
    let entries = desk.read("desk/entries.txt");
    let (_, number) = entries.split_once("number=").expect("a number");
    let number = number.split(' ').next().expect("it");
    let lines: Vec<&str> = REFUSALS.trim().lines().collect();
    for case in lines.chunks(2) {
        let (code, message) = case[1].trim_start().split_once(": ").expect("a code");
        let message = message.replace("NUMBER", number) + "\n";
        let code = code.parse().expect("a code");
        assert_eq!(desk.fails(code, case[0]), message, "{}", case[0]);
    }
    desk.does("list sign desk --key one.key");
    assert_eq!(
        desk.fails(1, "list sign desk --key one.key"),
        "nothing has changed since serial 1 and agency-1.example has signed it; --renew issues it \
         again\n"
    );
    assert!(
        desk.does("list sign desk --key one.key --renew")
            .starts_with("story serial 2: ")
    );
}

#[test]
fn a_forged_issue_is_neither_verified_nor_countersigned() {
    let desk = Desk::new();
    desk.does("list add desk blocked.example");
    desk.does("list sign desk --key one.key");
    let place = desk.file("desk/issue/story.manifest");
    let good = desk.read("desk/issue/story.manifest");
    let forged = good.replacen("Example Authority", "Another Authority", 1);
    fs::write(&place, forged).expect("a manifest");
    let said = desk.fails(1, "list verify desk");
    assert!(
        said.ends_with(
            "signature 1 does not hold: the text or the signature was changed after signing\n"
        ),
        "{said}"
    );
    fs::write(&place, good).expect("a manifest");
    desk.does("list sign desk --key two.key");
    let (_, manifest) = desk.issue();
    let entries = desk.file("desk/issue").join(manifest.entries_file());
    fs::write(entries, "other.example\n").expect("entries");
    assert!(
        desk.fails(1, "list verify desk")
            .ends_with(".entries: not the entries that were signed: their SHA-256 is another\n")
    );
}

/// The dates are in the text that the first signer wrote: the second must not lend a name to others
/// than the desk's.
#[test]
fn dates_that_are_not_the_desks_are_not_countersigned() {
    let desk = Desk::new();
    desk.does("list add desk blocked.example");
    desk.does("list sign desk --key one.key");
    let key = SigningKey::parse(&desk.read("one.key")).expect("a key");
    let resign = |manifest: &Manifest| {
        let mut note = Note::new(&manifest.to_text()).expect("a text");
        note.sign(&key).expect("a signature");
        fs::write(desk.file("desk/issue/story.manifest"), note.to_string()).expect("a manifest");
    };
    let (_, good) = desk.issue();
    let cases = [
        (
            good.issued,
            good.expires + 86_400,
            "story serial 7: signed by agency-1.example; 1 entry, as signed",
        ),
        (
            good.issued + 3600,
            good.expires,
            "issued in the future, on ",
        ),
        (good.issued - 200 * 86_400, good.issued - 1, "expired on "),
    ];
    for (issued, expires, verdict) in cases {
        resign(&Manifest {
            issued,
            expires,
            serial: 7,
            ..good.clone()
        });
        let [one, _] = &desk.keys;
        let (_, stdout, stderr) =
            desk.run(&["list", "verify", "desk/issue/story.manifest", "--key", one]);
        assert!(
            (stdout.clone() + &stderr).contains(verdict),
            "{stdout}{stderr}"
        );
        let said = desk.does("list sign desk --key two.key");
        assert_eq!(
            said,
            "story serial 8: 1 entry, signed by agency-2.example; 1 more signature is needed\n"
        );
    }
    resign(&good);
    assert!(
        desk.does("list sign desk --key two.key")
            .ends_with("signed by agency-1.example, agency-2.example; ready to push\n")
    );
}

const DOUBTFUL: &str = "\
a.example number=1 verified=2099-01-01
a.example number=2 verified=2099-01-01
b.example number=1 verified=2099-01-01
co.uk number=4 verified=2099-01-01
c.example number=5 verified=2020-01-01 expires=2020-02-01
";

/// What the lint says to that.
const DOUBTS: &str = "\
guard.public-suffix: 1 entry covers a public suffix (line 4 entry 4); mend the list, or accept it \
as it is by overriding guard.public-suffix
guard.never-block: 1 entry covers a name that must never be blocked (line 4 entry 4); mend the \
list, or accept it as it is by overriding guard.never-block
lint.duplicate: line 2 entry 2: the same entry stands above: remove one of them
lint.number: line 3 entry 1: no number of its own: `wardline list import` and `add` give one
lint.expired: line 5 entry 5: its last day is over: remove it, or verify it and set a new one
";

#[test]
fn what_the_lint_finds_is_not_signed_by_accident() {
    let desk = Desk::new();
    fs::write(desk.file("desk/entries.txt"), DOUBTFUL).expect("entries");
    let codes = [
        "lint.duplicate",
        "lint.number",
        "lint.expired",
        "guard.public-suffix",
        "guard.never-block",
    ];
    let said = desk.fails(1, "list sign desk --key one.key");
    let end = format!(
        "not signed: mend the list, or sign it all the same with --override {}\n",
        codes.join(" --override ")
    );
    assert_eq!(said, format!("{DOUBTS}{end}"));
    assert!(!desk.file("desk/issue/story.manifest").exists());
    let (code, stdout, _) = desk.run(&["list", "lint", "desk", "--names"]);
    assert_eq!(
        (
            code,
            stdout.contains("lint.due: line 5 entry 5 (c.example): due for verification")
        ),
        (1, true),
        "{stdout}"
    );
    let (code, stdout, _) = desk.run(&["list", "lint", "desk", "--json"]);
    let found: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(
        (
            code,
            found["errors"].as_array().map(Vec::len),
            stdout.contains("c.example")
        ),
        (1, Some(5), false)
    );
    desk.does(&format!(
        "list sign desk --key one.key --override {}",
        codes.join(" --override ")
    ));

    // A line that is no entry is never issued.
    fs::write(desk.file("desk/entries.txt"), "https://a.example/\n").expect("entries");
    let said = desk.fails(
        1,
        "list sign desk --key one.key --override lint.reject --override guard.empty",
    );
    assert!(said.contains("entries.txt:1: a URL, not a name"), "{said}");
}

#[test]
fn a_curators_mistake_is_held_by_the_budget() {
    let desk = Desk::new();
    let list = |count: usize| {
        (1..=count)
            .map(|at| format!("n{at}.example number={at} verified=2099-01-01\n"))
            .collect::<String>()
    };
    fs::write(desk.file("desk/entries.txt"), list(10_000)).expect("entries");
    desk.issue_whole();
    for (count, codes) in [
        (60_000, ["guard.added", "guard.added-percent"]),
        (500, ["guard.removed", "guard.removed-percent"]),
    ] {
        fs::write(desk.file("desk/entries.txt"), list(count)).expect("entries");
        let said = desk.fails(1, "list sign desk --key one.key");
        assert!(
            codes.iter().all(|code| said.contains(&format!("{code}: "))),
            "{said}"
        );
    }
    // Who signs second is held by the same budget as who signed first.
    fs::write(desk.file("desk/entries.txt"), list(500)).expect("entries");
    desk.does(
        "list sign desk --key one.key --override guard.removed --override guard.removed-percent",
    );
    assert!(
        desk.fails(1, "list sign desk --key two.key")
            .contains("guard.removed: 9500 entries would be removed")
    );
    fs::write(desk.file("desk/entries.txt"), "").expect("entries");
    assert!(
        desk.fails(1, "list sign desk --key one.key")
            .contains("guard.empty: the list has no entry")
    );
}

#[test]
fn a_removal_needs_one_key_and_no_issue() {
    let desk = Desk::new();
    desk.does("list add desk blocked.example kept.example");
    desk.issue_whole();
    let (code, stdout, stderr) = desk.run(&[
        "list",
        "remove",
        "desk",
        "blocked.example",
        "--now",
        "--key",
        "two.key",
        "--reason",
        "listed by mistake",
        "--hours",
        "24",
    ]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(
        stdout.starts_with("desk/issue/story.removal (until ")
            && stdout.ends_with("1 entry removed, 1 entry left\n"),
        "{stdout}"
    );
    let note = Note::parse(desk.read("desk/issue/story.removal").as_bytes()).expect("a note");
    let removal = Removal::parse(note.text()).expect("a removal");
    assert_eq!(
        (removal.entries.len(), removal.until - removal.from),
        (1, 24 * 3600)
    );
    let keys: Vec<VerifyKey> = desk
        .keys
        .iter()
        .map(|key| VerifyKey::parse(key).expect("a key"))
        .collect();
    assert_eq!(note.signers(&keys).expect("it holds"), [&keys[1]]);
    let said = desk.fails(
        2,
        "list remove desk kept.example --now --key one.key --reason mistake --hours 745",
    );
    assert_eq!(
        said,
        "--hours: 1 hour to 31 days (744); what must stay off belongs into a new issue\n"
    );
}

/// Make a removal, and return the hashes of all that are handed out then.
fn remove_now(desk: &Desk, entry: &str) -> Vec<Hash> {
    desk.does(&format!(
        "list remove desk {entry} --now --key one.key --reason mistake"
    ));
    handed_out(desk)
}

fn handed_out(desk: &Desk) -> Vec<Hash> {
    let octets = desk.read("desk/issue/story.removal").into_bytes();
    let all = parse_several(&octets).expect("removals");
    all.iter().map(CarriedRemoval::known_by).collect()
}

fn settled(desk: &Desk) -> Settlement {
    desk.issue().1.settles
}

fn named(hashes: &[Hash]) -> Settlement {
    let mut hashes = hashes.to_vec();
    hashes.sort();
    Settlement::Named(hashes)
}

#[test]
fn an_issue_settles_the_removals_before_it() {
    let desk = Desk::new();
    desk.does("list add desk a.example b.example c.example kept.example");
    desk.issue_whole();
    assert_eq!(settled(&desk), Settlement::Named(vec![]));
    let first = remove_now(&desk, "a.example");
    let both = remove_now(&desk, "b.example");
    assert_eq!((both.len(), both[0]), (2, first[0]), "the first holds on");

    desk.does("list sign desk --key one.key");
    assert_eq!(handed_out(&desk), both, "no resolver has the issue yet");
    let said = desk.does("list sign desk --key two.key");
    assert_eq!(
        said,
        "story serial 2: 2 entries, 2 removals settled, signed by agency-1.example, \
         agency-2.example; ready to push\n"
    );
    assert_eq!(settled(&desk), named(&both));

    // Resolvers that miss an issue learn it from the next one; the file names what is left to do.
    let third = remove_now(&desk, "c.example");
    assert_eq!((third.len(), both.contains(&third[0])), (1, false));
    let said = desk.does("list sign desk --key two.key --json");
    let told: Value = serde_json::from_str(&said).expect("JSON");
    let all = [both, third].concat();
    assert_eq!(settled(&desk), named(&all));
    assert_eq!(told["settles"].as_array().map(Vec::len), Some(3));
}

#[test]
fn all_removals_that_hold_are_pushed() {
    let desk = Desk::new();
    desk.does("list add desk a.example b.example kept.example");
    desk.issue_whole();
    remove_now(&desk, "a.example");
    let both = remove_now(&desk, "b.example");
    fs::write(desk.file("ca.pem"), include_str!("cases/tls/cert.pem")).expect("a certificate");
    let listener = Listener::start("", |_| json!({ "serial": 1 }));
    desk.does(&format!(
        "list push desk {} --ca ca.pem --removal",
        listener.url()
    ));
    let pushed: Vec<Hash> = listener
        .bodies()
        .iter()
        .flat_map(|body| parse_several(body.as_bytes()).expect("a removal"))
        .map(|removal| removal.known_by())
        .collect();
    assert_eq!(
        pushed,
        [both[1], both[0]],
        "each by itself, the newest first"
    );
}

#[test]
fn an_entry_that_was_taken_back_does_not_come_back_by_mistake() {
    let desk = Desk::new();
    desk.does("list add desk a.example kept.example");
    desk.issue_whole();
    let removal = remove_now(&desk, "a.example");
    desk.does("list add desk a.example");
    let said = desk.fails(1, "list sign desk --key one.key");
    assert!(
        said.starts_with("lint.removed: line 1 entry ")
            && said.ends_with("sign it all the same with --override lint.removed\n"),
        "{said}"
    );
    assert!(desk.fails(1, "list lint desk").contains("lint.removed"));
    for key in ["one", "two"] {
        desk.does(&format!(
            "list sign desk --key {key}.key --override lint.removed"
        ));
    }
    assert_eq!(settled(&desk), named(&removal));
    // It was meant, and is not asked about again.
    desk.does("list add desk more.example");
    desk.issue_whole();
    assert_eq!(settled(&desk), named(&removal));
    remove_now(&desk, "a.example");
    assert_eq!(handed_out(&desk).len(), 1);
}

#[test]
fn a_secret_removal_is_known_by_what_is_encrypted() {
    let desk = Desk::with(&["--encrypted"]);
    let recipient = desk.does("key new resolver-1.example --out ours.age --age");
    desk.does("list add desk secret.example other.example kept.example");
    desk.does(&format!(
        "list encrypt desk --recipient {}",
        recipient.trim()
    ));
    desk.issue_whole();
    let first = remove_now(&desk, "secret.example");
    let text = desk.read("desk/issue/story.removal");
    assert_eq!(first, [Hash::of(text.as_bytes())]);
    let both = remove_now(&desk, "other.example");
    assert!(desk.read("desk/issue/story.removal").starts_with(&text));
    desk.issue_whole();
    assert_eq!(settled(&desk), named(&both));
    for hash in &both {
        let clear = desk.read(&format!("desk/removals/{hash}.txt"));
        let note = Note::parse(clear.as_bytes()).expect("a note");
        let removal = Removal::parse(note.text()).expect("a removal");
        assert_ne!(removal.hash(), *hash, "names could be tried against it");
    }
}

#[test]
fn a_removal_begins_within_a_day() {
    let desk = Desk::new();
    desk.does("list add desk a.example b.example");
    let from = |hours: i64| {
        let at = wardline::clock::wall_s() + hours * 3600;
        let at = jiff::Timestamp::from_second(at).expect("a time");
        format!("list remove desk a.example --now --key one.key --reason mistake --from {at}")
    };
    assert_eq!(
        desk.fails(2, &from(25)),
        "--from: 24 hours ahead at most; what is to end later belongs into a later issue\n"
    );
    assert_eq!(desk.fails(2, &from(-1)), "--from: it lies in the past\n");
    let said = desk.fails(2, &(from(1) + "x"));
    assert_eq!(said, "--from: write a time as 2026-03-01T14:00:00Z\n");
    assert!(!desk.file("desk/issue/story.removal").exists());
    desk.does(&from(23));
    let text = desk.read("desk/issue/story.removal");
    let note = Note::parse(text.as_bytes()).expect("a note");
    let removal = Removal::parse(note.text()).expect("a removal");
    let now = wardline::clock::wall_s();
    assert!(!removal.holds_at(now) && removal.holds_at(now + 23 * 3600));
}

#[test]
fn a_serial_that_leaps_needs_a_reason() {
    let desk = Desk::new();
    desk.does("list add desk a.example");
    desk.does("list sign desk --key one.key --serial 41");
    assert!(
        desk.does("list sign desk --key two.key")
            .starts_with("story serial 41: ")
    );
    desk.does("list add desk b.example");
    let said = desk.fails(1, "list sign desk --key one.key --serial 5000000");
    assert!(
        said.starts_with("guard.serial: the serial leaps by 4999959, and reads as no time; "),
        "{said}"
    );
    let said = desk.fails(2, "list sign desk --key one.key --serial 41");
    assert_eq!(
        said,
        "--serial: it must be above 41, that of the last issue\n"
    );
    desk.fails(2, "list sign desk --key one.key --serial 9007199254740992");
    desk.does("list sign desk --key one.key --serial 20260301");
    desk.does("list add desk c.example");
    desk.does("list sign desk --key one.key --serial 9007199254740991 --override guard.serial");
    assert_eq!(desk.issue().1.serial, 9_007_199_254_740_991);
    // Whoever signs second is asked as the first was; and there is no serial above it.
    let said = desk.fails(1, "list sign desk --key two.key");
    assert!(said.starts_with("guard.serial: "), "{said}");
    desk.does("list sign desk --key two.key --override guard.serial");
    desk.does("list add desk d.example");
    let said = desk.fails(2, "list sign desk --key one.key");
    assert_eq!(said, "there is no serial above that of the last issue\n");
}

/// 5 days before its end, and signed by both.
fn expire_soon(desk: &Desk) {
    let (_, manifest) = desk.issue();
    let soon = Manifest {
        issued: manifest.issued - 85 * 86_400,
        expires: manifest.expires - 85 * 86_400,
        ..manifest
    };
    let mut note = Note::new(&soon.to_text()).expect("a text");
    for file in ["one.key", "two.key"] {
        let key = SigningKey::parse(&desk.read(file)).expect("a key");
        note.sign(&key).expect("a signature");
    }
    fs::write(desk.file("desk/issue/story.manifest"), note.to_string()).expect("a manifest");
}

#[test]
fn an_issue_that_expires_soon_is_told_of() {
    let desk = Desk::new();
    desk.does("list add desk blocked.example");
    desk.issue_whole();
    assert_eq!(desk.does("list lint desk"), "1 entry: nothing to look at\n");
    assert!(!desk.does("list verify desk").contains("sign it again"));
    expire_soon(&desk);
    let said = desk.does("list lint desk");
    assert!(
        said.starts_with("lint.expiry: serial 1 expires in 5 days, on ")
            && said.ends_with("1 entry: 1 to look at\n"),
        "{said}"
    );
    assert!(
        desk.does("list lint desk --json")
            .contains("\"expiry\":\"serial 1 expires in 5 days, on ")
    );
    let said = desk.does("list verify desk");
    assert!(
        said.ends_with("\nstory expires in 5 days: sign it again soon\n"),
        "{said}"
    );
    let text = format!(
        "[[list]]\nid = \"story\"\nauthority = \"A\"\nbasis = \"law\"\nlegal_basis = \"B\"\n\
         stop = [\"192.0.2.1\"]\nkeys = {:?}\nsignatures = 2\n\
         folder = {{ path = \"desk/issue\" }}\n",
        desk.keys
    );
    fs::write(desk.file("wardline.toml"), text).expect("a configuration");
    let (code, said, doubts) = desk.run_words("check --config wardline.toml");
    assert!(code == 0 && doubts.contains("is an example"), "{doubts}");
    assert!(
        said.contains("desk/issue/story.manifest: expires in 5 days, on "),
        "{said}"
    );
}

#[test]
fn a_secret_list_leaves_the_desk_encrypted_only() {
    if is_missing(&AGE) {
        return;
    }
    let desk = Desk::with(&["--encrypted"]);
    desk.does("list add desk secret.example");
    let recipients = add_recipients(&desk);
    let (_, manifest) = desk.issue();
    let place = format!("desk/issue/{}", manifest.entries_file());
    for file in fs::read_dir(desk.file("desk/issue")).expect("a folder") {
        let octets = fs::read(file.expect("a file").path()).expect("octets");
        assert!(
            !octets.windows(6).any(|window| window == b"secret"),
            "in the clear"
        );
    }
    age_opens_what_we_encrypt(&desk, &place);
    we_open_what_age_encrypts_to_us(&desk, &place, &recipients);
    assert!(
        desk.does("list verify desk")
            .contains("1 entry, encrypted; --identity opens them to be checked")
    );
}

/// Run one of Debian's programs at the desk.
fn run_tool(desk: &Desk, tool: &str, arguments: &[&str]) -> Output {
    Command::new(tool)
        .args(arguments)
        .current_dir(desk.folder.path())
        .output()
        .expect("age's program runs")
}

/// Issue to a key of ours in `ours.age` and one of Debian's age-keygen in `theirs.age`; returns
/// their public keys.
fn add_recipients(desk: &Desk) -> [String; 2] {
    let said = desk.fails(1, "list sign desk --key one.key");
    assert_eq!(
        said,
        "the list is secret and has no recipient: `wardline list encrypt --recipient` adds one\n"
    );
    let ours = desk.does("key new resolver-1.example --out ours.age --age");
    let keygen = run_tool(desk, "age-keygen", &["-o", "theirs.age"]);
    assert!(keygen.status.success());
    let theirs = desk.does("key show theirs.age");
    let [ours, theirs] = [ours, theirs].map(|key| key.trim().to_owned());
    assert!(
        String::from_utf8_lossy(&keygen.stderr).contains(&theirs),
        "both read the same public key from it"
    );
    desk.does(&format!("list encrypt desk --recipient {ours}"));
    desk.issue_whole();
    let said = desk.does(&format!("list encrypt desk --recipient {theirs}"));
    assert!(
        said.starts_with("2 recipients; desk/issue/")
            && said.ends_with(".entries.age is encrypted to them\n"),
        "{said}"
    );
    [ours, theirs]
}

/// With either key, and so do we.
fn age_opens_what_we_encrypt(desk: &Desk, place: &str) {
    for identity in ["ours.age", "theirs.age"] {
        let opened = run_tool(desk, "age", &["-d", "-i", identity, place]);
        assert!(
            opened.status.success(),
            "{}",
            String::from_utf8_lossy(&opened.stderr)
        );
        assert_eq!(
            String::from_utf8_lossy(&opened.stdout),
            desk.read("desk/issued.txt")
        );
        assert!(
            desk.does(&format!("list verify desk --identity {identity}"))
                .contains("1 entry, as signed")
        );
    }
}

fn we_open_what_age_encrypts_to_us(desk: &Desk, place: &str, [ours, theirs]: &[String; 2]) {
    let encrypt = |recipient: &str| {
        let arguments = ["-r", recipient, "-o", place, "desk/issued.txt"];
        assert!(run_tool(desk, "age", &arguments).status.success());
    };
    let verify = "list verify desk --identity ours.age";
    encrypt(ours);
    assert!(desk.does(verify).contains("1 entry, as signed"));
    encrypt(theirs);
    assert!(
        desk.fails(1, verify)
            .ends_with("encrypted to other recipients than ours\n")
    );
}

#[test]
fn keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::with(&["--encrypted"]);
    desk.does("key new resolver.example --out r.age --age");
    for file in [
        "one.key",
        "two.key",
        "r.age",
        "desk/entries.txt",
        "desk/list.toml",
    ] {
        let mode = fs::metadata(desk.file(file))
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(desk.does("key show one.key").trim(), desk.keys[0]);
}

/// A resolver's receipt for whatever manifest is pushed to it.
fn receipt_for(note: &Note, key: &SigningKey) -> String {
    let manifest = Manifest::parse(note.text()).expect("a manifest");
    let now_ms = i64::try_from(wardline::clock::since_epoch().as_millis()).expect("a time");
    let receipt = Receipt {
        resolver: key.name().to_owned(),
        list: manifest.list.clone(),
        serial: manifest.serial,
        manifest: Manifest::hash_of(note),
        entries: manifest.sha256,
        received_ms: now_ms,
        verified_ms: now_ms,
        live_ms: now_ms,
        probed_ms: now_ms,
        generation: 1,
        probes: 5,
        probes_right: 5,
        term: None,
    };
    let mut note = Note::new(&receipt.to_text()).expect("a text");
    note.sign(key).expect("a signature");
    note.to_string()
}

/// A resolver that proves whatever is pushed to it.
fn proving_listener(key: SigningKey) -> Listener {
    Listener::start("a-token-for-the-tests", move |pushed| {
        let text = pushed["manifest"].as_str().expect("a note");
        let note = Note::parse(text.as_bytes()).expect("a note");
        let receipt = receipt_for(&note, &key);
        json!({ "serial": 1, "state": "proven", "receipt": receipt })
    })
}

#[test]
fn a_push_ends_when_every_resolver_has_proven_it() {
    let desk = Desk::new();
    desk.does("list add desk blocked.example");
    fs::write(desk.file("ca.pem"), include_str!("cases/tls/cert.pem")).expect("a certificate");
    fs::write(desk.file("token"), "a-token-for-the-tests\n").expect("a token");
    let keys =
        ["ns1.example", "ns2.example"].map(|name| SigningKey::generate(name).expect("a key"));
    let public = keys.each_ref().map(|key| key.public().to_string());
    let listeners = keys.map(proving_listener);
    let [one, two] = listeners.each_ref().map(Listener::url);
    let push = format!(
        "list push desk {one} {two} --ca ca.pem --token-file token --receipt-key {} --wait 20",
        public[0]
    );
    assert_eq!(
        desk.fails(1, &push),
        "nothing is issued yet: `wardline list sign` does it\n"
    );
    desk.does("list sign desk --key one.key");
    assert!(
        desk.fails(1, &push)
            .ends_with("story.manifest: signed by 1 of 2 keys: it needs more signatures\n")
    );
    desk.does("list sign desk --key two.key");

    let said = desk.does(&format!("{push} --receipt-key {}", public[1]));
    let rows: Vec<Vec<&str>> = said
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        (rows.len(), rows[0].join(" ")),
        (3, "RESOLVER SERIAL LATE STATE RECEIPT BY".to_owned())
    );
    assert_eq!(
        (rows[1][1], rows[2].last()),
        ("1", Some(&"ns2.example")),
        "{said}"
    );
    assert!(said.matches("live, probed").count() == 2, "{said}");
    strangers_prove_nothing(&desk, &push);
}

fn strangers_prove_nothing(desk: &Desk, push: &str) {
    // One receipt is by a key that we do not know.
    let at_once = format!("{push} --wait 0").replacen(" --wait 20", "", 1);
    let (code, stdout, stderr) = desk.run_words(&at_once);
    assert_eq!(
        (code, stderr.as_str()),
        (1, "wardline: not applied by 1 of 2 resolvers\n")
    );
    assert!(
        stdout.contains("receipt: not signed by a resolver that we know"),
        "{stdout}"
    );
    // A wrong token, and a certificate that none of the system's authorities vouches for.
    fs::write(desk.file("token"), "another-token\n").expect("a token");
    let refused = |push: &str, words: &str| {
        let (code, stdout, _) = desk.run_words(push);
        assert_eq!((code, stdout.matches(words).count()), (1, 2), "{stdout}");
    };
    refused(push, "refused: the token is not ours");
    if !is_missing(&AUTHORITIES) {
        refused(&push.replace("--ca ca.pem ", ""), "refused: ");
    }
}

#[test]
fn a_refused_issue_ends_the_push_at_once() {
    let desk = Desk::new();
    desk.does("list add desk blocked.example");
    desk.issue_whole();
    fs::write(desk.file("ca.pem"), include_str!("cases/tls/cert.pem")).expect("a certificate");
    let refusal = json!({
        "serial": null,
        "state": "refused",
        "message": "guard.tld: 1 entry",
        "receipt": null,
    });
    let listener = Listener::start("", move |_| refusal.clone());
    let words = format!(
        "list push desk {} --ca ca.pem --receipt-key {} --wait 600 --json",
        listener.url(),
        desk.keys[0]
    );
    let (code, stdout, _) = desk.run_words(&words);
    let arrivals: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(
        (code, &arrivals[0]["state"], &arrivals[0]["is_applied"]),
        (1, &"refused: guard.tld: 1 entry".into(), &false.into())
    );
}

/// The example that is shipped is in order, and stays so.
#[test]
fn the_shipped_example_verifies() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("blocklists/signed-example");
    let note = Note::parse(&fs::read(folder.join("example.manifest")).expect("a manifest"))
        .expect("a note");
    let manifest = Manifest::parse(note.text()).expect("a manifest");
    let key = |file: &str| {
        VerifyKey::parse(&fs::read_to_string(folder.join(file)).expect("a key"))
            .expect("a public key")
    };
    let keys = [
        key("demo-agency-1.example.pub"),
        key("demo-agency-2.example.pub"),
    ];
    assert_eq!(note.signers(&keys).expect("it holds").len(), 2);
    let entries = fs::read(folder.join(manifest.entries_file())).expect("entries");
    assert_eq!(Hash::of(&entries), manifest.sha256);
}
