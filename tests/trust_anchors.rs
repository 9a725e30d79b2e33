//! Shows trust anchors that follow a root whose keys change, over restarts, kills and damage (RFC
//! 5011), and that its servers are told of them (RFC 8145).

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hickory_proto::dnssec::crypto::Ed25519SigningKey;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::dnssec::{Algorithm, DigestType, SigningKey as _, TBS};
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};

use crate::kit::ask::{Client, Question};
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::tool::{FAKETIME, is_missing};
use crate::kit::until;
use crate::kit::wall_clock::WallClock;

const DAY_S: i64 = 86_400;
const TTL_S: u32 = 600;
const REVOKED: u16 = 0x80;
/// The zones with anchors are first asked ten seconds after the start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A root key, as it is shown.
#[derive(Clone)]
struct RootKey {
    pkcs8: Vec<u8>,
    flags: u16,
    signs: bool,
}

impl RootKey {
    fn new() -> Self {
        let pkcs8 = Ed25519SigningKey::generate_pkcs8().expect("a key");
        Self {
            pkcs8: pkcs8.secret_pkcs8_der().to_vec(),
            flags: 257,
            signs: true,
        }
    }

    fn silent(&self) -> Self {
        Self {
            signs: false,
            ..self.clone()
        }
    }

    fn revoked(&self) -> Self {
        Self {
            flags: 257 | REVOKED,
            ..self.clone()
        }
    }

    fn signer(&self) -> Ed25519SigningKey {
        Ed25519SigningKey::from_pkcs8(&self.pkcs8.as_slice().into()).expect("a key")
    }

    fn dnskey(&self) -> DNSKEY {
        DNSKEY::with_flags(self.flags, self.signer().to_public_key().expect("a key"))
    }

    fn tag(&self) -> u16 {
        self.dnskey().calculate_key_tag().expect("a tag")
    }

    fn anchor(&self) -> String {
        let digest = self
            .dnskey()
            .to_digest(&Name::root(), DigestType::SHA256)
            .expect("a digest");
        let ds = DS::new(
            self.tag(),
            Algorithm::ED25519,
            DigestType::SHA256,
            digest.as_ref().to_vec(),
        );
        format!(". DS {ds}\n")
    }

    fn sign(&self, records: &[Record], now_s: i64) -> Record {
        let first = &records[0];
        let input = SigInput {
            type_covered: first.record_type(),
            algorithm: Algorithm::ED25519,
            num_labels: first.name.num_labels(),
            original_ttl: TTL_S,
            sig_expiration: SerialNumber::new((now_s + 10 * DAY_S) as u32),
            sig_inception: SerialNumber::new((now_s - DAY_S) as u32),
            key_tag: self.tag(),
            signer_name: Name::root(),
        };
        let tbs = TBS::from_input(&first.name, DNSClass::IN, &input, records.iter());
        let signature = self
            .signer()
            .sign(&tbs.expect("a set"))
            .expect("a signature");
        let signature = RRSIG::from_sig(input, signature);
        record(&first.name, RData::DNSSEC(DNSSECRData::RRSIG(signature)))
    }
}

fn record(owner: &Name, data: RData) -> Record {
    Record::from_rdata(owner.clone(), TTL_S, data)
}

/// A root server alone in the world, which has `host.` and the keys that it is given.
struct Root {
    keys: Arc<Mutex<Vec<RootKey>>>,
    asked: Arc<Mutex<Vec<String>>>,
    ahead_s: Arc<AtomicI64>,
    stops: Arc<AtomicBool>,
    at: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Root {
    fn start(keys: &[RootKey]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
        let look = Duration::from_millis(50);
        socket.set_read_timeout(Some(look)).expect("a deadline");
        let mut root = Self {
            keys: Arc::new(Mutex::new(keys.to_vec())),
            asked: Arc::default(),
            ahead_s: Arc::default(),
            stops: Arc::default(),
            at: socket.local_addr().expect("an address"),
            thread: None,
        };
        let (keys, asked) = (Arc::clone(&root.keys), Arc::clone(&root.asked));
        let (ahead_s, stops) = (Arc::clone(&root.ahead_s), Arc::clone(&root.stops));
        root.thread = Some(thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !stops.load(SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let question = Message::from_vec(&buffer[..length]).expect("a question");
                let query = question.queries[0].clone();
                let asked_for = format!("{} {}", query.name().to_lowercase(), query.query_type());
                asked.lock().expect("the list").push(asked_for);
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .expect("a clock");
                let now_s = now.as_secs() as i64 + ahead_s.load(SeqCst);
                let reply = answer(&question, &keys.lock().expect("the keys"), now_s);
                let _ = socket.send_to(&reply, from);
            }
        }));
        root
    }

    fn shows(&self, keys: &[RootKey]) {
        *self.keys.lock().expect("the keys") = keys.to_vec();
    }

    fn was_asked(&self, what: &str) -> usize {
        let asked = self.asked.lock().expect("the list");
        asked.iter().filter(|asked| *asked == what).count()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.stops.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(question: &Message, keys: &[RootKey], now_s: i64) -> Vec<u8> {
    let query = question.queries[0].clone();
    let mut reply = Message::response(question.id, question.op_code);
    let name = query.name().to_lowercase();
    let data: Vec<_> = match (name.to_string().as_str(), query.query_type()) {
        (".", RecordType::DNSKEY) => keys
            .iter()
            .map(|key| RData::DNSSEC(DNSSECRData::DNSKEY(key.dnskey())))
            .collect(),
        ("host.", RecordType::A) => vec![RData::A(A::new(192, 0, 2, 1))],
        _ => vec![],
    };
    let records: Vec<_> = data.into_iter().map(|data| record(&name, data)).collect();
    if records.is_empty() {
        reply.metadata.response_code = ResponseCode::Refused;
    } else {
        // What is revoked signs the keys alone (RFC 5011 section 2.1).
        let is_signer = |key: &&RootKey| {
            key.signs && (query.query_type() == RecordType::DNSKEY || key.flags & REVOKED == 0)
        };
        let signatures = keys.iter().filter(is_signer);
        reply.answers = signatures.map(|key| key.sign(&records, now_s)).collect();
        reply.answers.extend(records);
    }
    reply.metadata.authoritative = true;
    reply.add_query(query);
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_dnssec_ok(true);
    reply.set_edns(edns);
    reply.to_vec().expect("a message")
}

/// A resolver below this root, with these anchors, which is not started yet.
fn resolver(root: &Root, anchors: &[&RootKey], clock: Option<&WallClock>) -> Running {
    let program = Program::new().toml(&format!(
        "[resolve]\nmode = \"recurse\"\nspecial_use = false\n[resolve.recurse]\nroot_hints = \
         \"root.hints\"\ntrust_anchors = [\"root.key\"]\nipv6 = false\nloopback = true\nprime = \
         false\nport = {}\n[cache]\nttl_s_max = 1\nstale_s_max = 0\n",
        root.at.port()
    ));
    let running = match clock {
        Some(clock) => program.clock(clock).prepare(),
        None => program.prepare(),
    };
    let hints = "ns. 300 A 127.0.0.1\n";
    fs::write(running.folder().join("root.hints"), hints).expect("hints");
    write_anchors(&running, anchors);
    running
}

fn write_anchors(running: &Running, anchors: &[&RootKey]) {
    let texts: String = anchors.iter().map(|key| key.anchor()).collect();
    fs::write(running.folder().join("root.key"), texts).expect("anchors");
}

/// Is `host.` secure?
fn is_secure(running: &Running) -> bool {
    let question = Question::new("host.", "A").dnssec_ok();
    Client::udp(running.address())
        .ask(&question)
        .message
        .authentic_data
}

fn status(running: &Running) -> String {
    let (code, text, complaint) = running.run(&["status"]);
    assert_eq!(code, 0, "{complaint}");
    text
}

/// How the key stands in `wardline status`.
fn stands(running: &Running, key: &RootKey) -> String {
    let line = format!("anchor     . {} ", key.tag());
    let text = status(running);
    let found = text.lines().find_map(|text| text.strip_prefix(&line));
    let words = found.unwrap_or("unknown").to_owned();
    words.split(" since").next().unwrap_or_default().to_owned()
}

fn kept(running: &Running) -> PathBuf {
    running.folder().join("state/trust-anchors.json")
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, PATIENCE, || holds().then_some(()));
}

fn stop(running: &mut Running) {
    running.kill(libc::SIGTERM);
    running.wait_exit();
}

/// Waits until the file says of as many keys that they stand so.
fn until_kept(running: &Running, state: &str, count: usize) {
    let word = format!("\"{state}\"");
    wait_for(&format!("{count} keys that are {state}"), || {
        fs::read_to_string(kept(running)).is_ok_and(|text| text.matches(&word).count() == count)
    });
}

#[test]
fn a_roll_over_is_followed_over_restarts_and_kills() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (old, new, mut clock) = (RootKey::new(), RootKey::new(), WallClock::new());
    let root = Root::start(slice::from_ref(&old));
    let mut running = resolver(&root, &[&old], Some(&clock));
    running.restart();
    assert_eq!(stands(&running, &old), "not seen yet");
    assert!(is_secure(&running));
    assert_eq!(stands(&running, &old), "valid");
    root.shows(&[old.clone(), new.silent()]);
    let day = |clock: &mut WallClock, day: i64| {
        clock.set(day * DAY_S);
        root.ahead_s.store(day * DAY_S, SeqCst);
    };
    stop(&mut running);
    day(&mut clock, 1);
    running.restart();
    assert!(is_secure(&running));
    assert_eq!(stands(&running, &new), "not believed yet");
    until_kept(&running, "addpend", 1);
    running.kill(libc::SIGKILL);
    running.wait_exit();
    day(&mut clock, 20);
    running.restart();
    assert!(is_secure(&running));
    assert_eq!(stands(&running, &new), "not believed yet");
    day(&mut clock, 60);
    thread::sleep(Duration::from_millis(1200));
    assert!(is_secure(&running));
    assert_eq!(
        stands(&running, &new),
        "not believed yet",
        "a step of the clock"
    );
    running.restart();
    assert!(is_secure(&running));
    assert_eq!(
        stands(&running, &new),
        "not believed yet",
        "of which a restart knows"
    );
    stop(&mut running);
    day(&mut clock, 90);
    running.restart();
    assert!(is_secure(&running));
    assert_eq!(stands(&running, &new), "valid");
    until_kept(&running, "valid", 2);
    root.shows(&[old.revoked(), new.clone()]);
    stop(&mut running);
    day(&mut clock, 91);
    running.restart();
    assert!(is_secure(&running));
    assert_eq!(
        (stands(&running, &old), stands(&running, &new)),
        ("revoked".to_owned(), "valid".to_owned())
    );
    until_kept(&running, "revoked", 1);
    // The old key comes back to nobody's use, though the configuration still names it.
    root.shows(slice::from_ref(&old));
    running.restart();
    assert!(!is_secure(&running));
    root.shows(slice::from_ref(&new));
    stop(&mut running);
    day(&mut clock, 122);
    running.restart();
    assert!(
        is_secure(&running),
        "with an anchor that no configuration names"
    );
    assert_eq!(stands(&running, &old), "removed");
}

#[test]
fn a_damaged_file_is_set_aside_and_the_configured_anchors_hold() {
    let (old, new) = (RootKey::new(), RootKey::new());
    let root = Root::start(&[old.clone(), new.silent()]);
    let mut running = resolver(&root, &[&old], None);
    running.restart();
    assert!(is_secure(&running));
    until_kept(&running, "addpend", 1);
    stop(&mut running);
    let text = fs::read_to_string(kept(&running)).expect("the file");
    fs::write(kept(&running), text.replace("addpend", "valid")).expect("the file");
    running.restart();
    assert!(is_secure(&running));
    assert_eq!(stands(&running, &new), "not believed yet");
    let names = fs::read_dir(running.folder().join("state")).expect("the folder");
    let is_aside = |name: String| name.starts_with("trust-anchors.json.damaged-");
    let aside = names
        .flatten()
        .map(|entry| entry.file_name().display().to_string());
    assert_eq!(aside.filter(|name| is_aside(name.clone())).count(), 1);
    let log = running.stderr();
    assert!(
        log.contains("trust-anchors.json: cannot be used (its digest does not fit"),
        "{log}"
    );
}

#[test]
fn anchors_that_fit_no_key_are_an_alarm_and_can_be_named_anew() {
    let (old, new) = (RootKey::new(), RootKey::new());
    let root = Root::start(slice::from_ref(&new));
    let mut running = resolver(&root, &[&old], None);
    running.restart();
    assert!(!is_secure(&running));
    let alarm = "ALARM      trust anchor .: the zone shows no key that an anchor fits";
    wait_for(alarm, || status(&running).contains(alarm));
    assert!(status(&running).contains("name its new key in trust_anchors (docs/root-key.md)"));
    write_anchors(&running, &[&old, &new]);
    running.restart();
    assert!(is_secure(&running));
    let status = running.json(&["status", "--json"]);
    let anchors = status["trust_anchors"].as_array().expect("anchors");
    let found = anchors.iter().find(|anchor| anchor["key_tag"] == new.tag());
    assert_eq!(found.expect("the new key")["state"], "valid", "{status}");
}

#[test]
fn the_roots_servers_are_told_unless_the_operator_says_no() {
    let key = RootKey::new();
    let signal = format!("_ta-{:04x}. NULL", key.tag());
    let ways = [
        ("", true),
        ("update_trust_anchors = false\n", true),
        ("signal_trust_anchors = false\n", false),
    ];
    let all = ways.map(|(more, is_told)| {
        let root = Root::start(slice::from_ref(&key));
        let mut running = resolver(&root, &[&key], None);
        let config = fs::read_to_string(running.config_file()).expect("the configuration");
        let heading = "[resolve.recurse]\n";
        let config = config.replace(heading, &format!("{heading}{more}"));
        fs::write(running.config_file(), config).expect("the configuration");
        running.restart();
        (more, is_told, root, running)
    });
    for (more, is_told, root, running) in &all {
        wait_for("a question for keys", || root.was_asked(". DNSKEY") > 0);
        if *is_told {
            wait_for(&signal, || root.was_asked(&signal) == 1);
        }
        if more.starts_with("update") {
            assert!(!kept(running).exists());
            assert_eq!(stands(running, &key), "as configured");
        }
    }
    let told = all.iter().map(|(_, _, root, _)| root.was_asked(&signal));
    assert_eq!(told.collect::<Vec<_>>(), [1, 1, 0]);
}
