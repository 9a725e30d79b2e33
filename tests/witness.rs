//! Witnesses of the audit log (C2SP tlog-witness): the protocol's answers over a real socket, what
//! is remembered over a kill, and what a resolver makes of honest witnesses, of liars, and of a
//! split view.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use wardline::seal::checkpoint::{Checkpoint, cosigned_at};
use wardline::seal::submission::Submission;
use wardline::seal::tree::{Hash, consistency_proof, leaf_hash, root_of};
use wardline::seal::{Note, SigningKey, VerifyKey};

use crate::audit::verify;
use crate::kit::papers::copy_folder;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::until;
use crate::kit::witness::{Answered, Liar, Lie, WitnessProgram, answered, post, section, send};

const PATIENCE: Duration = Duration::from_secs(60);
const ORIGIN: &str = "provider.example/one";

/// A log that grows in memory.
struct Log {
    key: SigningKey,
    leaves: Vec<Hash>,
}

impl Log {
    fn new() -> Self {
        let leaves = (0..100_u32).map(|n| leaf_hash(&n.to_be_bytes()));
        Self {
            key: SigningKey::generate(ORIGIN).expect("a key"),
            leaves: leaves.collect(),
        }
    }

    fn checkpoint(&self, size: usize) -> Checkpoint {
        Checkpoint {
            origin: ORIGIN.into(),
            size: size as u64,
            root: root_of(&self.leaves[..size]),
        }
    }

    fn submission(&self, old: usize, size: usize) -> Submission {
        Submission {
            old: old as u64,
            proof: consistency_proof(&self.leaves[..size], old).unwrap_or_default(),
            note: self.checkpoint(size).sign(&self.key).expect("a note"),
        }
    }

    fn witness(&self, options: &[&str]) -> WitnessProgram {
        WitnessProgram::start("witness.example", &[self.key.public()], options)
    }
}

fn submit(witness: &WitnessProgram, submission: &Submission) -> Answered {
    post(witness.address(), &submission.to_string())
}

/// The answer is a cosignature that holds.
fn assert_cosigned(witness: &WitnessProgram, submission: &Submission) {
    let answered = submit(witness, submission);
    assert_eq!(answered.status, 200, "{answered:?}");
    let note = format!("{}\n{}", submission.note.text(), answered.body);
    let note = Note::parse(note.as_bytes()).expect("a note");
    let keys = [witness.key()];
    assert_eq!(note.signers(&keys).expect("signatures"), [&keys[0]]);
    let now = u64::try_from(wardline::clock::wall_s()).expect("a time");
    let at = cosigned_at(&note.signatures()[0]).expect("a time");
    assert!(at <= now && at + 60 > now, "{at} at {now}");
}

/// The size that was cosigned last is told.
fn assert_size(witness: &WitnessProgram, submission: &Submission, size: u64) {
    let expected = Answered {
        status: 409,
        kind: "text/x.tlog.size".to_owned(),
        body: format!("{size}\n"),
    };
    assert_eq!(submit(witness, submission), expected);
}

#[test]
fn a_log_is_cosigned_as_long_as_it_grows() {
    let log = Log::new();
    let witness = log.witness(&[]);
    assert_size(&witness, &log.submission(5, 9), 0);
    for (old, size) in [(0, 9), (9, 9), (9, 10), (10, 64), (64, 99)] {
        assert_cosigned(&witness, &log.submission(old, size));
        assert_size(
            &witness,
            &log.submission(old.min(size - 1), 99),
            size as u64,
        );
    }
    // An older checkpoint is not cosigned again.
    assert_size(&witness, &log.submission(64, 64), 99);
    assert_eq!(witness.contradictions(), vec![]);
}

#[test]
fn what_is_not_shown_to_continue_is_refused_and_kept() {
    let log = Log::new();
    let witness = log.witness(&[]);
    let status = |submission: &Submission| submit(&witness, submission).status;
    let mut first = log.submission(0, 9);
    first.proof = vec![[7; 32]];
    assert_eq!(status(&first), 422, "a proof from nothing");
    assert_cosigned(&witness, &log.submission(0, 9));
    let whole = log.submission(9, 50);
    for at in 0..whole.proof.len() {
        let mut other = whole.clone();
        other.proof[at][0] ^= 1;
        assert_eq!(status(&other), 422, "hash {at}");
        other.proof.remove(at);
        assert_eq!(status(&other), 422, "without hash {at}");
    }
    let mut same = log.submission(9, 9);
    same.proof = vec![[7; 32]];
    assert_eq!(status(&same), 422, "a proof from the same size");
    // Another tree, with the true key.
    let mut other = Log::new();
    other.key = SigningKey::parse(&log.key.to_text()).expect("a key");
    other.leaves[3] = leaf_hash(b"another story");
    assert_size(&witness, &other.submission(9, 9), 9);
    assert_eq!(status(&other.submission(9, 20)), 422);
    assert_size(&witness, &other.submission(0, 9), 9);
    // Of 9 leaves there are two: one whose proof was none, and the other tree.
    let sizes = [9, 9, 20, 50].map(|size| (ORIGIN.to_owned(), size));
    assert_eq!(witness.contradictions(), sizes);
    assert_eq!(
        witness.said().matches("NOT COSIGNED").count(),
        4,
        "{}",
        witness.said()
    );
    assert_cosigned(&witness, &whole);
}

#[test]
fn only_known_logs_with_a_known_signature_are_cosigned() {
    let log = Log::new();
    let witness = log.witness(&[]);
    let status = |body: &str| post(witness.address(), body).status;
    let stranger = Log::new();
    let mut unknown = stranger.checkpoint(5);
    unknown.origin = "stranger.example/one".into();
    let unknown = Submission {
        note: unknown.sign(&stranger.key).expect("a note"),
        ..stranger.submission(0, 5)
    };
    assert_eq!(status(&unknown.to_string()), 404);
    assert_eq!(
        status(&stranger.submission(0, 5).to_string()),
        403,
        "another key"
    );
    let good = log.submission(0, 5).to_string();
    let place = good.trim_end().len() - 20;
    let letter = if good[place..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    let forged = format!("{}{letter}{}", &good[..place], &good[place + 1..]);
    assert_eq!(status(&forged), 403, "a forged signature");
    // Beside that of a known key, strangers' signatures are passed over.
    let mut note = log.submission(0, 5).note;
    note.sign(&stranger.key).expect("a note");
    let both = Submission {
        note,
        ..log.submission(0, 5)
    };
    assert_cosigned(&witness, &both);
    for bad in [
        log.submission(9, 5).to_string().replace("old 0", "old 9"),
        good.replace("old 0", "old 00"),
        good.replace("old 0\n", ""),
        good.replace("\n5\n", "\n05\n"),
        good.replace("\n5\n", "\n5\n\n"),
        format!("{good}\n"),
        String::new(),
    ] {
        assert_eq!(status(&bad), 400, "{bad}");
    }
    // A log that writes extension lines.
    let text = format!("{}extension\n", log.checkpoint(7));
    let mut note = Note::new(&text).expect("a text");
    note.sign(&log.key).expect("a note");
    let extended = Submission {
        note,
        ..log.submission(5, 7)
    };
    assert_cosigned(&witness, &extended);
}

#[test]
fn requests_are_short_and_of_one_kind() {
    let log = Log::new();
    let witness = log.witness(&[]);
    let long = format!("POST / HTTP/1.1\r\nX: {}", "x".repeat(9000));
    for (request, status) in [
        ("GET /add-checkpoint HTTP/1.1\r\n\r\n", 405),
        ("POST /add-checkpoint/ HTTP/1.1\r\n\r\n", 404),
        ("GET / HTTP/1.1\r\n\r\n", 404),
        (
            "POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            411,
        ),
        (
            "POST /add-checkpoint HTTP/1.1\r\nContent-Length: 65537\r\n\r\n",
            413,
        ),
        (
            "POST /add-checkpoint HTTP/1.1\r\nContent-Length: 1\r\n\r\nxx",
            400,
        ),
        ("nonsense\r\n\r\n", 400),
        (&long, 431),
    ] {
        let answered = send(witness.address(), request);
        assert_eq!(answered.status, status, "{request}: {answered:?}");
    }
}

#[test]
fn silent_connections_keep_nobody_out_and_are_closed() {
    let log = Log::new();
    let witness = log.witness(&["--connections-per-address", "2"]);
    let connect = || TcpStream::connect(witness.address()).expect("a witness");
    let mut silent: Vec<_> = (0..100).map(|_| connect()).collect();
    assert_eq!(
        send(witness.address(), "GET / HTTP/1.1\r\n\r\n").status,
        404
    );
    for stream in &mut silent {
        let mut said = vec![];
        let _ = stream.read_to_end(&mut said);
        assert!(said.is_empty(), "{said:?}");
    }
    // Two that are slow with what they may say take both places.
    let begun = "POST /add-checkpoint HTTP/1.1\r\nContent-Length: 9\r\n\r\n";
    let mut slow = [connect(), connect()];
    for stream in &mut slow {
        stream.write_all(begun.as_bytes()).expect("a witness");
    }
    until("no place", PATIENCE, || {
        (send(witness.address(), begun).status == 503).then_some(())
    });
    for stream in &mut slow {
        assert_eq!(answered(stream).status, 408);
    }
}

#[test]
fn of_two_at_the_same_time_one_wins() {
    let log = Log::new();
    let witness = log.witness(&[]);
    for round in 0..8 {
        let (old, sizes) = (round * 10, 1..=8);
        let threads: Vec<_> = sizes
            .map(|n| {
                let body = log.submission(old, old + n).to_string();
                let address = witness.address();
                std::thread::spawn(move || post(address, &body))
            })
            .collect();
        let answers: Vec<Answered> = threads
            .into_iter()
            .map(|thread| thread.join().expect("an answer"))
            .collect();
        let wins = answers.iter().filter(|answered| answered.status == 200);
        assert_eq!(wins.count(), 1, "{answers:?}");
        let stale = answers.iter().find(|answered| answered.status == 409);
        let size: usize = stale.expect("a loser").body.trim().parse().expect("a size");
        assert!(
            answers
                .iter()
                .all(|answered| matches!(answered.status, 200 | 409))
        );
        assert_cosigned(&witness, &log.submission(size, (round + 1) * 10));
    }
}

#[test]
fn a_kill_forgets_nothing_and_a_second_witness_is_refused() {
    let log = Log::new();
    let mut witness = log.witness(&[]);
    for size in 1..20 {
        assert_cosigned(&witness, &log.submission(size - 1, size));
        let second = witness.run_another();
        assert_eq!(second.status.code(), Some(1));
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(said.contains("another witness runs with"), "{said}");
        witness.kill_and_restart();
        assert_size(&witness, &log.submission(0, size), size as u64);
    }
}

#[test]
fn a_witness_needs_logs_and_their_authors_keys() {
    let key = SigningKey::generate("witness.example").expect("a key");
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("key"), key.to_text().as_str()).expect("a key file");
    let program = Program::new().prepare();
    let (key_file, state) = (path("key"), path("state"));
    let serve = [
        "audit", "witness", "serve", "--key", &key_file, "--state", &state,
    ];
    let (code, _, said) = program.run(&serve);
    assert_eq!(code, 2);
    assert!(
        said.contains("give the key of each log with --log"),
        "{said}"
    );
    let cosigner = key.public_cosigner().to_string();
    let (code, _, said) = program.run(&[&serve[..], &["--log", &cosigner]].concat());
    assert_eq!(code, 2);
    assert!(said.contains("is a witness's key"), "{said}");
}

/// The key of a resolver's log, made before its first start.
fn log_key() -> SigningKey {
    SigningKey::generate("provider.example/resolver-1").expect("a key")
}

/// A resolver that signs its log with this key and has these witnesses, not started yet.
fn resolver(log: &SigningKey, witnesses: &str) -> Running {
    let running = Program::new()
        .metrics()
        .list("law", "listed.example\n")
        .toml(witnesses)
        .prepare();
    let state = running.folder().join("state");
    fs::create_dir(&state).expect("a folder");
    fs::write(state.join("audit.key"), log.to_text().as_str()).expect("a key file");
    running
}

fn witnesses(running: &Running) -> Vec<Value> {
    let status = running.json(&["status", "--json"]);
    let witnesses = status["witnesses"].as_array().expect("witnesses");
    witnesses.clone()
}

/// Waits until a witness has cosigned more leaves than that, and nothing is wrong with it.
fn wait_for_more(running: &Running, at: usize, than: u64) -> u64 {
    until("a cosignature", PATIENCE, || {
        let witness = &witnesses(running)[at];
        let size = witness["size"].as_u64().filter(|size| *size > than)?;
        witness["fault"].is_null().then_some(size)
    })
}

/// Waits until a witness is refused in these words, which are told everywhere.
fn wait_for_refusal(running: &Running, at: usize, words: &str) {
    until(words, PATIENCE, || {
        let witness = &witnesses(running)[at];
        let fault = witness["fault"].as_str()?;
        (fault.contains(words) && witness["is_refused"] == true).then_some(())
    });
    let (_, status, _) = running.run(&["status"]);
    let name = witnesses(running)[at]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    let alarm = format!("ALARM      witness {name}: NOT COSIGNED: ");
    assert!(
        status.contains(&alarm) && status.contains(words),
        "{status}"
    );
    assert!(
        running.stderr().contains("NOT COSIGNED"),
        "{}",
        running.stderr()
    );
    let metric = format!("wardline_witness_refused{{witness=\"{name}\"}}");
    until(&metric, PATIENCE, || {
        running.metric(&metric).filter(|value| *value == 1.0)
    });
}

/// The names of those who signed a checkpoint of the export, in their order.
fn signers(folder: &Path, name: &str) -> Vec<String> {
    let note = fs::read(folder.join(name)).expect("a checkpoint");
    let note = Note::parse(&note).expect("a note");
    let names = note.signatures().iter().map(|line| line.name.clone());
    names.collect()
}

/// Exports the log until exactly these have cosigned its checkpoint, and has both verifiers check
/// it.
fn export(running: &Running, to: &Path, log: &VerifyKey, cosigners: &[VerifyKey]) {
    let names = [log]
        .into_iter()
        .chain(cosigners)
        .map(|key| key.name().to_owned());
    let names: Vec<String> = names.collect();
    let folder = to.display().to_string();
    until("the cosignatures", PATIENCE, || {
        let (code, _, said) = running.run(&["audit", "export", &folder]);
        assert_eq!(code, 0, "{said}");
        (signers(to, "checkpoint") == names).then_some(())
    });
    let day = fs::read_dir(to.join("checkpoints")).expect("days");
    let days = day.map(|day| day.expect("a day").file_name().display().to_string());
    let day = days.max().expect("a day");
    assert_eq!(signers(to, &format!("checkpoints/{day}")), names);
    let mut arguments = vec![folder, "--key".to_owned(), log.to_string()];
    for cosigner in cosigners {
        arguments.extend(["--key".to_owned(), cosigner.to_string()]);
    }
    let (code, findings, outcome) = verify(&arguments);
    assert_eq!((code, findings), (0, vec![]), "{outcome:#}");
    let cosigned = outcome["logs"][0]["cosigners"].to_string();
    for cosigner in cosigners {
        assert!(cosigned.contains(cosigner.name()), "{outcome:#}");
    }
}

/// Two witnesses of a log: one that is reached itself, and one behind a liar.
fn two_witnesses(log: &VerifyKey) -> ([WitnessProgram; 2], Liar, String) {
    let start = |name| WitnessProgram::start(name, std::slice::from_ref(log), &[]);
    let both = ["honest.example", "liar.example"].map(start);
    let liar = Liar::before(both[1].address());
    let sections =
        section(both[0].address(), &both[0].key()) + &section(liar.address(), &both[1].key());
    (both, liar, sections)
}

#[test]
fn each_checkpoint_is_cosigned_and_exported() {
    let log = log_key();
    let (both, _liar, sections) = two_witnesses(&log.public());
    let mut running = resolver(&log, &sections);
    running.restart();
    let mut size = 0;
    for _ in 0..3 {
        size = wait_for_more(&running, 0, size);
        assert!(wait_for_more(&running, 1, size - 1) >= size);
        running.restart();
    }
    let age = "wardline_witness_cosignature_age_seconds{witness=\"honest.example\"}";
    let age = until(age, PATIENCE, || running.metric(age));
    assert!((0.0..600.0).contains(&age), "{age}");
    let out = TempDir::new().expect("a folder");
    let keys = [both[0].key(), both[1].key()];
    export(&running, out.path(), &log.public(), &keys);
    // A second export takes nothing away.
    export(&running, out.path(), &log.public(), &keys);
}

#[test]
fn a_liar_is_refused_and_told_and_the_honest_one_goes_on() {
    let log = log_key();
    let (both, liar, sections) = two_witnesses(&log.public());
    let mut running = resolver(&log, &sections);
    liar.lie(Lie::AlteredByte);
    running.restart();
    let size = wait_for_more(&running, 0, 0);
    wait_for_refusal(&running, 1, "its cosignature does not hold");
    let out = TempDir::new().expect("a folder");
    export(&running, out.path(), &log.public(), &[both[0].key()]);
    liar.lie(Lie::None);
    running.restart();
    let size = wait_for_more(&running, 1, size);
    for (lie, words) in [
        (Lie::Has(0), "has forgotten, or does not say the truth"),
        (
            Lie::Has(1_000_000),
            "SPLIT VIEW: it has cosigned 1000000 leaves",
        ),
    ] {
        liar.lie(lie);
        running.restart();
        wait_for_refusal(&running, 1, words);
    }
    assert!(wait_for_more(&running, 0, size) > size);
    liar.lie(Lie::None);
    running.restart();
    wait_for_more(&running, 1, size);
}

#[test]
fn a_split_view_is_found_and_told() {
    let log = log_key();
    let witness = WitnessProgram::start("witness.example", &[log.public()], &[]);
    let section = section(witness.address(), &witness.key());
    let mut one = resolver(&log, &section);
    one.restart();
    let size = wait_for_more(&one, 0, 0);
    one.kill(libc::SIGTERM);
    assert_eq!(one.wait_exit(), 0);
    // Another machine gets the whole of it: state, key, and what was promised.
    let mut other = resolver(&log, &section);
    for name in ["state", "state.promised"] {
        let _ = fs::remove_dir_all(other.folder().join(name));
        copy_folder(&one.folder().join(name), &other.folder().join(name));
    }
    one.restart();
    wait_for_more(&one, 0, size);
    other.restart();
    wait_for_refusal(&other, 0, "SPLIT VIEW");
    // And it stays found when its log is the longer one.
    for _ in 0..2 {
        other.restart();
        wait_for_refusal(
            &other,
            0,
            "SPLIT VIEW: what it has cosigned before is not the start",
        );
    }
    assert!(!witness.contradictions().is_empty());
    assert!(
        witness.said().contains("NOT COSIGNED"),
        "{}",
        witness.said()
    );
    let ours = witnesses(&one)[0].clone();
    assert!(ours["fault"].is_null(), "{ours}");
}

#[test]
fn a_log_that_follows_another_one_is_a_new_one_to_a_witness() {
    let log = log_key();
    let mut witness = WitnessProgram::start("witness.example", &[log.public()], &[]);
    let mut running = resolver(&log, &section(witness.address(), &witness.key()));
    running.restart();
    let size = wait_for_more(&running, 0, 0);
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
    let [state, backup] = ["state", "backup"].map(|name| running.folder().join(name));
    copy_folder(&state, &backup);
    running.restart();
    wait_for_more(&running, 0, size);
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
    // The older copy comes back: its log ends, and the witness is shown no second tree of it.
    fs::remove_dir_all(&state).expect("a folder");
    copy_folder(&backup, &state);
    running.restart();
    wait_for_refusal(&running, 0, "it does not know this log");
    assert_eq!(witness.contradictions(), vec![]);
    assert!(witnesses(&running)[0]["size"].is_null());
    let (_, key, _) = running.run(&["audit", "key"]);
    let key = VerifyKey::parse(&key).expect("a key");
    assert_ne!(key.name(), log.name());
    witness.know(key.clone());
    witness.kill_and_restart();
    wait_for_more(&running, 0, 0);
    let out = TempDir::new().expect("a folder");
    export(&running, out.path(), &key, &[witness.key()]);
}

#[test]
fn a_witness_that_does_not_know_the_log_or_is_away_is_told() {
    let stranger = Log::new();
    let witness = stranger.witness(&[]);
    let nobody = "127.0.0.1:9".parse().expect("an address");
    let away = SigningKey::generate("away.example").expect("a key");
    let sections =
        section(witness.address(), &witness.key()) + &section(nobody, &away.public_cosigner());
    let mut running = resolver(&log_key(), &sections);
    running.restart();
    wait_for_refusal(&running, 0, "it does not know this log");
    let waits = until("it is away", PATIENCE, || {
        let witness = witnesses(&running)[1].clone();
        witness["fault"].is_string().then_some(witness)
    });
    assert_eq!(waits["is_refused"], false, "{waits}");
    let (_, status, _) = running.run(&["status"]);
    let line = "witness    away.example has cosigned nothing yet; the last checkpoint waits: ";
    assert!(status.contains(line), "{status}");
    assert!(crate::kit::is_blocked(&running, "listed.example"));
}
