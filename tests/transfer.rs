//! Lists that come by zone transfer: from a real primary (knotd), with TSIG, IXFR and NOTIFY, and
//! from one that misbehaves.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::kit::program::{Program, STOP};
use crate::kit::tool::{KNOTD, is_missing};
use crate::kit::{is_blocked, until, wait_for};

const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER_SECRET: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
const PATIENCE: Duration = Duration::from_secs(60);
const NAMES: usize = 100_000;
/// Where NOTIFY goes: an address of its own, on which no client of another test happens to take the
/// port.
const NOTIFIED: &str = "127.9.53.1";

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// knotd with one response policy zone and a key.
struct Primary {
    folder: TempDir,
    address: SocketAddr,
    notify: u16,
    child: Child,
}

impl Primary {
    fn start(zone: &str) -> Self {
        // A port that was free a moment ago may be taken by now: then knotd ends at once.
        (0..5)
            .find_map(|_| Self::try_start(zone))
            .expect("a free port for knotd")
    }

    fn try_start(zone: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let (port, notify) = (free_port(), free_port());
        let at = folder.path().display();
        fs::write(folder.path().join("rpz.zone"), zone).unwrap();
        let config = format!(
            r#"
server:
    rundir: "{at}"
    listen: 127.0.0.1@{port}
database:
    storage: "{at}"
log:
  - target: "{at}/log"
    any: info
key:
  - id: wardline.example
    algorithm: hmac-sha256
    secret: {SECRET}
remote:
  - id: wardline
    address: {NOTIFIED}@{notify}
    key: wardline.example
acl:
  - id: transfer
    key: wardline.example
    action: transfer
zone:
  - domain: rpz.example
    file: "{at}/rpz.zone"
    acl: transfer
    notify: wardline
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: changes
"#
        );
        fs::write(folder.path().join("knot.conf"), config).unwrap();
        let mut command = Command::new("knotd");
        command
            .arg("-c")
            .arg(folder.path().join("knot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().expect("knotd");
        let mut primary = Self {
            folder,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            notify,
            child,
        };
        let has_started = until("the primary has its zone", PATIENCE, || {
            let has_ended = primary.child.try_wait().unwrap().is_some();
            if has_ended {
                Some(false)
            } else {
                primary.log().contains("loaded, serial").then_some(true)
            }
        });
        if !has_started {
            return None;
        }
        until("the primary answers", PATIENCE, || {
            TcpStream::connect(primary.address).ok()
        });
        Some(primary)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Replaces the zone and has it read.
    fn change(&self, zone: &str) {
        fs::write(self.folder.path().join("rpz.new"), zone).unwrap();
        fs::rename(
            self.folder.path().join("rpz.new"),
            self.folder.path().join("rpz.zone"),
        )
        .unwrap();
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn zone(serial: u32, count: usize, more: &str) -> String {
    let mut text = format!(
        "$ORIGIN rpz.example.\n$TTL 60\n@ SOA ns.example. root.example. {serial} 3600 1 3600 60\n@ \
         NS ns.example.\n"
    );
    for number in 0..count {
        writeln!(
            text,
            "n{number}.listed.test CNAME .\n*.n{number}.listed.test CNAME ."
        )
        .unwrap();
    }
    text + more
}

fn program(primary: SocketAddr, notify: u16, key: Option<&str>, keys: &str) -> Program {
    let mut text = format!(
        r#"
[resolve]
special_use = false
[transfer]
notify = ["{NOTIFIED}:{notify}"]
[[list]]
id = "zone"
unsigned = "allow"
format = "rpz"
authority = "A"
basis = "law"
legal_basis = "Act"
stop = {STOP:?}
[list.transfer]
zone = "rpz.example"
primaries = ["{primary}"]
{keys}"#
    );
    if let Some(file) = key {
        writeln!(text, "key = \"wardline.example\"\nsecret_file = \"{file}\"").unwrap();
    }
    Program::new().toml(&text)
}

fn secret(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("secret");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_zone_is_taken_and_its_changes_are_enforced() {
    if is_missing(&KNOTD) {
        return;
    }
    let primary = Primary::start(&zone(1, NAMES, ""));
    let keys = TempDir::new().unwrap();
    let key = secret(&keys, SECRET);
    let mut running = program(primary.address, primary.notify, Some(&key), "").start();
    until("the zone is in force", PATIENCE, || {
        is_blocked(&running, "n0.listed.test").then_some(())
    });
    assert!(is_blocked(&running, "www.n99999.listed.test"));
    assert!(!is_blocked(&running, "new.listed.test"));
    primary.change(&zone(2, NAMES, "new.listed.test CNAME .\n"));
    until("the primary tells", PATIENCE, || {
        primary.log().contains("notify, outgoing").then_some(())
    });
    let told = Instant::now();
    until("the new name is blocked", PATIENCE, || {
        is_blocked(&running, "new.listed.test").then_some(())
    });
    let took = told.elapsed();
    println!("{NAMES} names: enforced {took:?} after NOTIFY was seen in the primary's log");
    // A second is promised and printed above; a busy machine may take longer, but nobody waits for
    // a timer.
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(!is_blocked(&running, "www.new.listed.test"), "exact");
    until("the changes alone were sent", PATIENCE, || {
        primary.log().contains("IXFR, outgoing").then_some(())
    });
    drop(primary);
    running.restart();
    assert!(
        is_blocked(&running, "new.listed.test"),
        "the copy is the list while no primary answers"
    );
}

/// The disk is full when a zone comes: it is taken as soon as there is room, and does not wait for
/// the zone's own timers, which are an hour.
#[test]
fn a_zone_that_cannot_be_kept_is_taken_when_it_can() {
    if is_missing(&KNOTD) {
        return;
    }
    let primary = Primary::start(&zone(1, 3, ""));
    let keys = TempDir::new().unwrap();
    let key = secret(&keys, SECRET);
    let mut running = program(primary.address, primary.notify, Some(&key), "").start();
    wait_for(&running, "n0.listed.test", true);
    let in_the_way = running.folder().join("state/lists/zone/.offer.entries.new");
    for serial in 2..4 {
        fs::create_dir(&in_the_way).unwrap();
        let name = format!("new{serial}.listed.test");
        primary.change(&zone(serial, 3, &format!("{name} CNAME .\n")));
        until("the refusal", PATIENCE, || {
            let said = running.json(&["status", "--json"])["lists"].to_string();
            said.contains("cannot be remembered in").then_some(())
        });
        assert!(!is_blocked(&running, &name));
        fs::remove_dir(&in_the_way).unwrap();
        wait_for(&running, &name, true);
        running.restart();
        assert!(is_blocked(&running, &name));
    }
}

#[test]
fn a_wrong_key_is_said_and_keeps_nobody_else_waiting() {
    if is_missing(&KNOTD) {
        return;
    }
    let primary = Primary::start(&zone(1, 3, ""));
    let keys = TempDir::new().unwrap();
    let key = secret(&keys, OTHER_SECRET);
    let running = program(primary.address, primary.notify, Some(&key), "")
        .list("other", "other.test\n")
        .start();
    assert!(is_blocked(&running, "other.test"));
    let ready = running.stdout();
    assert!(ready.contains("list zone NOT IN FORCE ("), "{ready}");
    let said = until("the reason", PATIENCE, || {
        let said = running.json(&["status", "--json"])["lists"].to_string();
        said.contains("BADSIG").then_some(said)
    });
    assert!(said.contains("zone rpz.example from 127.0.0.1:"), "{said}");
    assert!(!said.contains("listed"), "{said}");
}

/// What the misbehaving primary does after the first transfer.
#[derive(Clone, Copy)]
enum Misbehaviour {
    Truncated,
    Endless,
    Garbage,
    Backwards,
}

fn record(octets: &mut Vec<u8>, owner: &[u8], kind: u8, data: &[u8]) {
    octets.extend(owner);
    octets.extend([0, kind, 0, 1, 0, 0, 0, 0, 0, data.len() as u8]);
    octets.extend(data);
}

const APEX: &[u8] = b"\x03rpz\x07example\0";

fn soa(octets: &mut Vec<u8>, serial: u32) {
    let mut data = vec![0, 0];
    [serial, 1, 1, 1, 60]
        .iter()
        .for_each(|number| data.extend(number.to_be_bytes()));
    record(octets, APEX, 6, &data);
}

/// Answers SOA questions with `serial` and transfers with one name, or as it misbehaves.
fn answer(
    mut stream: TcpStream,
    serial: u32,
    misbehaviour: Option<Misbehaviour>,
) -> std::io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question)?;
        let kind = question[12 + APEX.len() + 1];
        let mut header = vec![question[0], question[1], 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let mut send = |body: &[u8], count: u8| {
            header[7] = count;
            let message = [header.as_slice(), body].concat();
            stream.write_all(&[&(message.len() as u16).to_be_bytes()[..], &message].concat())
        };
        let mut body = Vec::new();
        soa(&mut body, serial);
        if kind == 6 {
            send(&body, 1)?;
            continue;
        }
        let name = [&b"\x03bad\x06listed\x04test"[..], APEX].concat();
        record(&mut body, &name, 5, &[0]);
        match misbehaviour {
            None | Some(Misbehaviour::Backwards) => {
                soa(&mut body, serial);
                send(&body, 3)?;
            }
            Some(Misbehaviour::Truncated) => return send(&body, 2),
            Some(Misbehaviour::Garbage) => send(&[0xff; 100], 9)?,
            Some(Misbehaviour::Endless) => {
                send(&body, 2)?;
                let mut more = Vec::new();
                (0..100).for_each(|_| record(&mut more, &name, 5, &[0]));
                loop {
                    send(&more, 100)?;
                }
            }
        }
    }
}

/// The program holds its list while the primary misbehaves, and says what is wrong.
fn holds_out(misbehaviour: Misbehaviour, words: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let turned = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let turn = std::sync::Arc::clone(&turned);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let has_turned = turn.load(std::sync::atomic::Ordering::Relaxed);
            let serial = match misbehaviour {
                Misbehaviour::Backwards if has_turned => 4,
                _ => 5 + u32::from(has_turned),
            };
            // It ends when the program has enough of it.
            let _ = answer(stream, serial, has_turned.then_some(misbehaviour));
        }
    });
    let running = program(
        address,
        free_port(),
        None,
        "size_mib_max = 4\nrecords_max = 5000\n",
    )
    .start();
    until("the list is in force", PATIENCE, || {
        is_blocked(&running, "bad.listed.test").then_some(())
    });
    turned.store(true, std::sync::atomic::Ordering::Relaxed);
    let said = until(words, PATIENCE, || {
        let status = running.run(&["status", "--json"]).1;
        status.contains(words).then_some(status)
    });
    assert!(said.contains("zone rpz.example from"), "{said}");
    assert!(is_blocked(&running, "bad.listed.test") && !is_blocked(&running, "free.test"));
    assert!(!said.contains("listed.test"), "{said}");
}

#[test]
fn a_truncated_transfer_leaves_the_list() {
    holds_out(
        Misbehaviour::Truncated,
        "the transfer ended before its last record",
    );
}

#[test]
fn an_endless_transfer_leaves_the_list() {
    holds_out(Misbehaviour::Endless, "more than 5000 records, and no end");
}

#[test]
fn garbage_leaves_the_list() {
    holds_out(Misbehaviour::Garbage, "a message cannot be read");
}

#[test]
fn a_serial_that_goes_back_leaves_the_list() {
    holds_out(Misbehaviour::Backwards, "the serial went back from 5 to 4");
}
