//! Signed lists on the real program: what is in order is live and proven, what is not is refused while the old list goes on blocking.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use tempfile::TempDir;
use wardline::clock::wall_s;
use wardline::list::Hash;
use wardline::list::manifest::{Basis, ListAction, Manifest, Secrecy};
use wardline::list::parse::Format;
use wardline::list::receipt::Receipt;
use wardline::list::removal::Removal;
use wardline::seal::{Note, SigningKey, VerifyKey};
use wardline::update::{Bundle, Change, ListSource, Origin, Papers, Settings, Text, Unsigned, Updater, Way};

use crate::kit::ask::ask;
use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;
use crate::kit::until;

const SECOND: Duration = Duration::from_secs(1);
const CERT: &str = include_str!("cases/tls/cert.pem");
const KEY: &str = include_str!("cases/tls/key.pem");
const ENTRIES: &str = "blocked.example number=1\nother.example\n";

/// Two agencies whose signatures count, and a stranger.
struct Desk {
    keys: [SigningKey; 3],
    folder: TempDir,
}

/// An issue of the list.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Issue {
    serial: u64,
    signers: Vec<usize>,
    list: String,
    entries: String,
    stated: Option<u64>,
    put: Option<String>,
    issued_s: i64,
    expires_s: i64,
    message: String,
}

impl Default for Issue {
    fn default() -> Self {
        Self {
            serial: 6,
            signers: vec![1, 2],
            list: "signed".to_owned(),
            entries: "new.example\nother.example\n".to_owned(),
            stated: None,
            put: None,
            issued_s: 0,
            expires_s: 86_400,
            message: String::new(),
        }
    }
}

impl Desk {
    fn new() -> Self {
        let keys = ["one.example", "two.example", "stranger.example"].map(|name| SigningKey::generate(name).unwrap());
        Self { keys, folder: TempDir::new().unwrap() }
    }

    fn sign(&self, text: &str, signers: &[usize]) -> Note {
        let mut note = Note::new(text).unwrap();
        signers.iter().for_each(|at| note.sign(&self.keys[at - 1]).unwrap());
        note
    }

    fn manifest(issue: &Issue) -> Manifest {
        Manifest {
            list: issue.list.clone(),
            authority: "Example Authority".to_owned(),
            basis: Basis::Law,
            legal_basis: "Example Act".to_owned(),
            action: ListAction::StopPage,
            serial: issue.serial,
            issued: wall_s() + issue.issued_s,
            expires: wall_s() + issue.expires_s,
            previous: None,
            entries: issue.stated.unwrap_or_else(|| issue.entries.lines().count() as u64),
            sha256: Hash::of(issue.entries.as_bytes()),
            test_entry: (issue.entries == ENTRIES).then_some(1),
            secrecy: Secrecy::Open,
        }
    }

    /// Put an issue where the program looks: the entries first, then the manifest, as a curator's tool does.
    fn put(&self, issue: &Issue) {
        let manifest = Self::manifest(issue);
        let note = self.sign(&manifest.to_text(), &issue.signers);
        let put = issue.put.as_deref().unwrap_or(&issue.entries);
        if !put.is_empty() {
            place(self.folder.path(), &manifest.entries_file(), put);
        }
        place(self.folder.path(), "signed.manifest", &note.to_string());
    }

    fn remove(&self, names: &str, from: i64, signers: &[usize]) -> Note {
        let (from, until) = (wall_s() + from, wall_s() + from + 3600);
        let text = format!(
            "wardline-removal/v1\nlist: signed\nfrom: {}\nuntil: {}\nreason: listed by mistake\n{names}",
            jiff::Timestamp::from_second(from).unwrap(),
            jiff::Timestamp::from_second(until).unwrap()
        );
        Removal::parse(&text).unwrap();
        self.sign(&text, signers)
    }

    fn program(&self) -> Program {
        let keys: Vec<String> = self.keys[..2].iter().map(|key| key.public().to_string()).collect();
        Program::new().toml(&format!(
            "[lists]\nnever_block_names = [\"stop.example\"]\n[[list]]\nid = \"signed\"\nauthority = \"Example Authority\"\nbasis = \"law\"\n\
             legal_basis = \"Example Act\"\nstop = {STOP:?}\nkeys = {keys:?}\nsignatures = 2\nfolder = {{ path = {:?} }}\n",
            self.folder.path()
        ))
    }

    /// A program with serial 5 in force.
    fn start(&self) -> Running {
        self.put(&Issue { serial: 5, entries: ENTRIES.to_owned(), ..Issue::default() });
        self.program().start()
    }
}

/// Replace a file with one rename.
fn place(folder: &Path, name: &str, text: &str) {
    let beside = folder.join(".new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, folder.join(name)).unwrap();
}

fn blocks(running: &Running, name: &str) -> bool {
    ask(running.address(), name, "A").answers().iter().any(|answer| answer.contains(STOP[0]))
}

fn state(running: &Running) -> serde_json::Value {
    running.json(&["status", "--json"])["lists"][0].clone()
}

#[test]
fn what_is_in_order_is_live_proven_and_there_again_after_a_restart() {
    let desk = Desk::new();
    let mut running = desk.start();
    assert!(blocks(&running, "www.blocked.example"));
    let receipt = || (!state(&running)["receipt"].is_null()).then_some(());
    until(&format!("a receipt: {}", running.stderr()), 10 * SECOND, receipt);
    let receipts = running.json(&["receipts", "signed", "--json"]);
    let note = Note::parse(receipts["receipts"][0].as_str().unwrap().as_bytes()).unwrap();
    let key = fs::read_to_string(running.folder().join("state/receipt.pub")).unwrap();
    assert_eq!(note.signers(&[VerifyKey::parse(key.trim()).unwrap()]).unwrap().len(), 1);
    let receipt = Receipt::parse(note.text()).unwrap();
    assert!(receipt.is_proof() && receipt.serial == 5 && receipt.probes >= 4, "{receipt:?}");
    fs::remove_dir_all(desk.folder.path()).unwrap();
    running.restart();
    assert!(blocks(&running, "blocked.example"), "all sources are gone");
    assert_eq!(state(&running)["serial"], 5);
}

#[test]
fn every_bad_bundle_is_refused_with_its_message_and_blocks_nothing_wrong() {
    let desk = Desk::new();
    let running = desk.start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/lists");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cases.sort();
    assert!(cases.len() >= 15);
    for path in cases {
        let case: Issue = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        desk.put(&case);
        // The clock may have gone on by a second or two since the bundle was made.
        let words: Vec<&str> = case.message.split("1000").collect();
        until(&format!("{}: {}", path.display(), case.message), 5 * SECOND, || {
            let said = state(&running)["last_refusal"]["message"].as_str().unwrap_or_default().to_owned();
            words.iter().all(|words| said.contains(words) || words.trim().is_empty()).then_some(())
        });
        assert!(blocks(&running, "blocked.example") && !blocks(&running, "new.example"), "{}", path.display());
        assert_eq!(state(&running)["serial"], 5, "{}", path.display());
    }
    desk.put(&Issue::default());
    until("what is in order", 5 * SECOND, || blocks(&running, "new.example").then_some(()));
    assert!(state(&running)["last_refusal"].is_null());
}

#[test]
fn findings_are_let_pass_by_name_and_a_rollback_survives_a_restart() {
    let desk = Desk::new();
    let mut running = desk.start();
    desk.put(&Issue { entries: "new.example\nco.uk\n".to_owned(), ..Issue::default() });
    until("a refusal", 5 * SECOND, || (!state(&running)["last_refusal"].is_null()).then_some(()));
    let (code, _, stderr) = running.run(&["reload", "signed", "--override", "guard.tld", "--reason", "meant"]);
    assert!(code == 1 && stderr.contains("is also held back by guard.public-suffix, guard.never-block"), "{stderr}");
    let (code, stdout, stderr) =
        running.run(&["reload", "signed", "--override", "guard.public-suffix,guard.never-block", "--reason", "meant"]);
    assert_eq!((code, stdout.as_str()), (0, "signed: in force with 2 entries\n"), "{stderr}");
    assert!(blocks(&running, "new.example"));
    let (code, _, stderr) = running.run(&["rollback", "signed", "--reason", "a mistake"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(blocks(&running, "blocked.example") && !blocks(&running, "new.example"));
    running.restart();
    assert!(blocks(&running, "blocked.example") && !blocks(&running, "new.example"));
    let history = running.json(&["history", "signed", "--json"]);
    let kinds: Vec<&str> = history["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert!(["refused", "override", "live", "rollback", "receipt"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    assert!(!history.to_string().contains(".example"), "no name in the journal: {history}");
    desk.put(&Issue { serial: 7, ..Issue::default() });
    until("a higher serial", 5 * SECOND, || blocks(&running, "new.example").then_some(()));
}

#[test]
fn a_removal_is_live_within_a_second_and_over_with_the_next_list() {
    let desk = Desk::new();
    let mut running = desk.start();
    let removed = Instant::now();
    place(desk.folder.path(), "signed.removal", &desk.remove("remove: blocked.example\n", -10, &[2]).to_string());
    let took = until("the removal", SECOND, || (!blocks(&running, "blocked.example")).then(|| removed.elapsed()));
    println!("removal live {took:?} after it was put into the folder");
    assert!(blocks(&running, "other.example"));
    assert_eq!(state(&running)["removed"], 1);
    running.restart();
    assert!(!blocks(&running, "blocked.example"), "a removal outlives a restart");
    let file = running.folder().join("removal");
    fs::write(&file, desk.remove("remove: other.example\n", -20, &[3]).to_string()).unwrap();
    let (code, _, stderr) = running.run(&["remove", file.to_str().unwrap()]);
    assert!(code == 1 && stderr.contains("0 of its keys have signed, 1 must"), "{stderr}");
    desk.put(&Issue { entries: ENTRIES.to_owned(), ..Issue::default() });
    until("the next list", 5 * SECOND, || blocks(&running, "blocked.example").then_some(()));
}

/// Serves a folder over HTTPS on loopback, one connection after the other, until the test's process ends.
fn serve_https(folder: &Path) -> u16 {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(CERT.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let config =
        Arc::new(builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap());
    let (listener, folder) = (TcpListener::bind("127.0.0.1:0").unwrap(), folder.to_path_buf());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_read_timeout(Some(SECOND)).unwrap();
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(rustls::StreamOwned::new(connection, stream));
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|count| count > 2) {}
            let file = line.split(' ').nth(1).unwrap_or_default().trim_start_matches("/lists/").to_owned();
            let found = fs::read(folder.join(file)).ok();
            let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let stream = stream.get_mut();
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).and_then(|()| stream.flush());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    port
}

#[test]
fn a_list_is_pulled_and_a_newer_one_pushed() {
    let desk = Desk::new();
    let port = serve_https(desk.folder.path());
    let push = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let files = TempDir::new().unwrap();
    let path = |name: &str| files.path().join(name).display().to_string();
    for (name, text) in [("cert.pem", CERT), ("key.pem", KEY), ("tokens", "0123456789abcdef\n")] {
        fs::write(files.path().join(name), text).unwrap();
    }
    let (cert, key, tokens) = (path("cert.pem"), path("key.pem"), path("tokens"));
    let keys: Vec<String> = desk.keys[..2].iter().map(|key| key.public().to_string()).collect();
    desk.put(&Issue { serial: 5, entries: ENTRIES.to_owned(), ..Issue::default() });
    let program = Program::new().toml(&format!(
        "[push]\nlisten = \"{push}\"\ncertificate = {cert:?}\nkey = {key:?}\ntokens = {tokens:?}\n[[list]]\nid = \"signed\"\n\
         authority = \"Example Authority\"\nbasis = \"law\"\nlegal_basis = \"Example Act\"\nstop = {STOP:?}\nkeys = {keys:?}\npush = true\n\
         pull = {{ urls = [\"https://127.0.0.1:{port}/lists/signed.manifest\"], addresses = [\"127.0.0.1:{port}\"], ca = {cert:?}, every_s = 600 }}\n"
    ));
    let running = program.start();
    assert!(blocks(&running, "blocked.example"), "pulled");
    let issue = Issue::default();
    let note = desk.sign(&Desk::manifest(&issue).to_text(), &issue.signers).to_string();
    let body = serde_json::json!({ "manifest": note, "entries": data_encoding::BASE64.encode(issue.entries.as_bytes()) }).to_string();
    let request = |token: &str, method: &str, body: &str| {
        let roots = rustls::RootCertStore {
            roots: CertificateDer::pem_slice_iter(CERT.as_bytes()).map(|cert| webpki_anchor(&cert.unwrap())).collect(),
        };
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let config = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
        let name = rustls::pki_types::ServerName::try_from("resolver.test").unwrap();
        let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(push).unwrap());
        let head = format!(
            "{method} /v1/lists/signed HTTP/1.1\r\nHost: resolver.test\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        reply
    };
    assert!(request("not-the-token-at-all", "PUT", &body).starts_with("HTTP/1.1 401 "));
    let pushed = Instant::now();
    assert!(request("0123456789abcdef", "PUT", &body).starts_with("HTTP/1.1 202 "));
    let told = until("proof", 5 * SECOND, || {
        let told = request("0123456789abcdef", "GET", "");
        told.contains("\"serial\":6").then_some(told).filter(|told| told.contains("wardline-receipt/v1"))
    });
    println!("pushed and proven after {:?}", pushed.elapsed());
    assert!(told.contains("\"state\":\"proven\"") && blocks(&running, "new.example"), "{told}");
}

fn webpki_anchor(cert: &CertificateDer<'_>) -> rustls::pki_types::TrustAnchor<'static> {
    let mut store = rustls::RootCertStore::empty();
    store.add(cert.clone().into_owned()).unwrap();
    store.roots.remove(0)
}

#[test]
fn five_hundred_mutated_bundles_are_refused() {
    let desk = Desk::new();
    let state = TempDir::new().unwrap();
    let papers = Papers { keys: desk.keys[..2].iter().map(SigningKey::public).collect(), threshold: 2, unsigned: Unsigned::Refuse };
    let source = ListSource { text: None, papers, ..ListSource::unsigned("signed", 0, Text::Embedded(""), Format::Plain) };
    let settings = Settings { lists: vec![source], state: Some(state.path().to_path_buf()), ..Settings::default() };
    let (updater, _) = Updater::start(settings).unwrap();
    let issue = Issue { entries: ENTRIES.to_owned(), ..Issue::default() };
    let manifest = Desk::manifest(&issue);
    let note = desk.sign(&manifest.to_text(), &[1, 2]).to_string().into_bytes();
    let take = |note: Note, entries: Vec<u8>| {
        let origin = Origin { way: Way::Operator, place: "the test".to_owned() };
        updater.take(Bundle { list: 0, manifest: Some(note), text: Text::Memory(Arc::new(entries.into())), origin }).change
    };
    for number in 0..500_usize {
        let (mut note, mut entries) = (note.clone(), ENTRIES.as_bytes().to_vec());
        let at = number.wrapping_mul(2_654_435_761) % (note.len() + entries.len());
        let octet = if at < note.len() { &mut note[at] } else { &mut entries[at - note.len()] };
        *octet ^= 1 << (number % 8);
        let Ok(note) = Note::parse(&note) else { continue };
        let change = take(note, entries);
        assert!(matches!(change, Change::Refused { .. }), "octet {at}: {change:?}");
    }
    assert_eq!(take(Note::parse(&note).unwrap(), ENTRIES.into()), Change::Swapped { entries: 2, rejects: 0 }, "the true one");
}
