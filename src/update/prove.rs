//! Proof of application: our own doors are asked from outside about a list in force, and only right
//! answers make a receipt.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tracing::{error, info};
use zeroize::Zeroizing;

use super::accept::now_ms;
use super::generations::write_whole;
use super::keeper::Slot;
use super::source::Text;
use super::{Updater, lock};
use crate::clock::wall_s;
use crate::list::manifest::Manifest;
use crate::list::parse::{self, Format};
use crate::list::receipt::Receipt;
use crate::list::{Hash, Scope};
use crate::name::Name;
use crate::policy::Action;
use crate::seal::{KeyError, Note, SigningKey};
use crate::store::EventKind;
use crate::wire::{Message, Section, rcode, rtype};

/// Entries of a list that are asked for, beside its test entry.
const SAMPLES: usize = 8;
/// Doors that are asked; more hold the same snapshot.
const DOORS_MAX: usize = 4;
/// How long one question waits, and how often it is asked: a datagram may be lost.
const PATIENCE: Duration = Duration::from_millis(500);
const ATTEMPTS: usize = 3;
/// The receipts' key in the state folder, and its public part beside it.
const KEY_FILE: &str = "receipt.key";
const PUBLIC_FILE: &str = "receipt.pub";

/// Asks our own doors and signs for what they answer.
pub struct Prover {
    /// Where the UDP doors are.
    pub doors: Vec<SocketAddr>,
    /// What blocked clients are answered, list by list: whichever list a name is on, it is one of
    /// these.
    pub actions: Vec<Action>,
    /// Names that no list may block.
    pub free: Vec<Name>,
    /// Signs the receipts.
    pub key: SigningKey,
}

/// A list in force that our doors have not been asked about. Holds a few of its names, wiped when
/// it is dropped.
pub(super) struct Unproven {
    received_ms: i64,
    verified_ms: i64,
    live_ms: i64,
    serial: u64,
    manifest: Hash,
    entries: Hash,
    samples: Vec<Zeroizing<Vec<u8>>>,
}

impl Unproven {
    /// With some of the entries, evenly spread over the text, and the test entry if the manifest
    /// names one.
    pub(super) fn new(
        manifest: &Manifest,
        text: &Text,
        [received_ms, verified_ms]: [i64; 2],
    ) -> Self {
        let octets: &[u8] = match text {
            Text::Memory(octets) => octets,
            Text::Embedded(text) => text.as_bytes(),
            Text::File(_) => &[],
        };
        let test = manifest
            .test_entry
            .and_then(|number| line_with(octets, number));
        let spread = (0..SAMPLES).map(|at| line_at(octets, octets.len() / SAMPLES * at));
        let mut samples: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        for line in test.into_iter().chain(spread) {
            // The line was read before; a comment has no entry.
            let _ = parse::read(line, Format::Plain, |wire: &[u8], _: Scope| {
                if samples.iter().all(|sample| sample.as_slice() != wire) {
                    samples.push(Zeroizing::new(wire.to_vec()));
                }
            });
        }
        Self {
            received_ms,
            verified_ms,
            live_ms: verified_ms,
            serial: manifest.serial,
            manifest: manifest.hash(),
            entries: manifest.sha256,
            samples,
        }
    }

    /// It is in force for every question from now on.
    pub(super) fn note_live(&mut self) {
        self.live_ms = now_ms();
    }
}

/// The whole line around an octet.
fn line_at(octets: &[u8], at: usize) -> &[u8] {
    let (before, behind) = octets.split_at_checked(at).unwrap_or((octets, &[]));
    let start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    let end = memchr::memchr(b'\n', behind).map_or(octets.len(), |end| at + end);
    octets.get(start..end).unwrap_or_default()
}

/// The line of the entry with this number.
fn line_with(octets: &[u8], number: u32) -> Option<&[u8]> {
    let word = format!("number={number}");
    let mut hits = memchr::memmem::find_iter(octets, word.as_bytes());
    let is_whole = |at: &usize| !octets.get(at + word.len()).is_some_and(u8::is_ascii_digit);
    hits.find(is_whole).map(|at| line_at(octets, at))
}

/// How the doors answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ProbeAnswers {
    asked: u64,
    right: u64,
    /// Answered with REFUSED where a blocked answer was due.
    refused: u64,
}

impl Updater {
    /// From now on our own doors can be asked; lists that are in force already are proven at once.
    pub fn open_prover(&self, prover: Prover) {
        if self.prover.set(prover).is_ok() {
            self.slots.iter().for_each(|slot| self.prove(slot));
        }
    }

    /// Ask our doors about a list that has come in force, and sign a receipt where they answer as
    /// it asks.
    pub(super) fn prove(&self, slot: &Slot) {
        let Some(prover) = self.prover.get() else {
            return;
        };
        let Some(unproven) = lock(&slot.unproven).take() else {
            return;
        };
        let answers = prover.ask_all(&unproven.samples);
        let (serial, generation) = (unproven.serial, lock(&slot.state).generation);
        slot.note_issue(
            EventKind::Probed,
            serial,
            unproven.manifest,
            json!({ "asked": answers.asked, "right": answers.right }),
        );
        let receipt = Receipt {
            resolver: prover.key.name().to_owned(),
            list: slot.source.id.clone(),
            serial,
            manifest: unproven.manifest,
            entries: unproven.entries,
            received_ms: unproven.received_ms,
            verified_ms: unproven.verified_ms,
            live_ms: unproven.live_ms,
            probed_ms: now_ms(),
            generation,
            probes: answers.asked,
            probes_right: answers.right,
        };
        if !receipt.is_proof() {
            let remedy = if answers.refused > 0 {
                "they refuse to answer this machine: allow its own addresses in [clients], and put \
                 them in no group that is exempt"
            } else {
                "look at the doors and at what stands before them"
            };
            let ProbeAnswers { asked, right, .. } = answers;
            error!(
                list = %slot.source.id,
                "of {asked} questions to our own doors {right} were answered as the list asks: no \
                 receipt; {remedy}"
            );
            return;
        }
        self.keep_receipt(slot, prover, &receipt);
    }

    fn keep_receipt(&self, slot: &Slot, prover: &Prover, receipt: &Receipt) {
        let signed = Note::new(&receipt.to_text())
            .and_then(|mut note| note.sign(&prover.key).map(|()| note));
        let (Ok(note), Some(shelf)) = (signed, &slot.shelf) else {
            return;
        };
        let mut shelf = lock(shelf);
        if let Err(error) = shelf.change(|record| record.receipts.push(note.to_string())) {
            let place = shelf.place();
            error!(list = %slot.source.id, "a receipt cannot be kept in {place} ({error})");
            return;
        }
        drop(shelf);
        lock(&slot.state).receipt = Some(wall_s());
        let ms = receipt.probed_ms - receipt.received_ms;
        info!(list = %slot.source.id, serial = receipt.serial, ms, "receipt signed");
        let times = json!({
            "received-ms": receipt.received_ms, "verified-ms": receipt.verified_ms,
            "live-ms": receipt.live_ms,
            "probed-ms": receipt.probed_ms,
        });
        slot.note_issue(EventKind::Receipt, receipt.serial, receipt.manifest, times);
    }
}

impl Prover {
    fn ask_all(&self, samples: &[Zeroizing<Vec<u8>>]) -> ProbeAnswers {
        let mut answers = ProbeAnswers::default();
        for &door in self.doors.iter().take(DOORS_MAX) {
            let blocked = samples.iter().map(|wire| (wire.as_slice(), true));
            let free = self.free.iter().map(|name| (name.as_wire(), false));
            for (wire, is_blocked) in blocked.chain(free) {
                answers.asked += 1;
                let reply = ask(door, wire, rtype::A, false);
                let is_as_asked = reply
                    .as_deref()
                    .is_some_and(|reply| self.is_blocked(reply) == is_blocked);
                answers.right += u64::from(is_as_asked);
                let is_refused = reply
                    .as_deref()
                    .and_then(|reply| Message::new(reply).ok())
                    .is_some_and(|reply| reply.rcode() == rcode::REFUSED);
                answers.refused += u64::from(is_blocked && is_refused);
            }
        }
        answers
    }

    /// Is it the answer of a blocked name under any of the lists?
    fn is_blocked(&self, reply: &[u8]) -> bool {
        let Ok(message) = Message::new(reply) else {
            return false;
        };
        let mut answers: Vec<&[u8]> = Vec::new();
        let walked = message.walk(|record| {
            if record.section == Section::Answer {
                answers.push(reply.get(record.data_at..record.end).unwrap_or_default());
            }
        });
        walked.is_ok()
            && self.actions.iter().any(|action| match action {
                Action::NxDomain => message.rcode() == rcode::NXDOMAIN,
                Action::StopPage { v4, .. } => {
                    let is_stop = |data: &&[u8]| {
                        v4.iter()
                            .any(|address| address.octets().as_slice() == *data)
                    };
                    message.rcode() == rcode::NOERROR
                        && answers.len() == v4.len()
                        && answers.iter().all(is_stop)
                }
            })
    }
}

/// Ask one question over UDP; without recursion a blocked name is answered all the same, and for
/// any other nobody outside is asked.
pub(super) fn ask(door: SocketAddr, wire: &[u8], kind: u16, recursion: bool) -> Option<Vec<u8>> {
    let mut door = door;
    if door.ip().is_unspecified() {
        door.set_ip(if door.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    let local: SocketAddr = if door.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(local).ok()?;
    socket.connect(door).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    let id = (getrandom::u32().ok()? as u16).to_be_bytes();
    let [high, low] = kind.to_be_bytes();
    let tail = [high, low, 0, 1];
    let question: Zeroizing<Vec<u8>> = [
        &id,
        [u8::from(recursion), 0, 0, 1, 0, 0, 0, 0, 0, 0].as_slice(),
        wire,
        &tail,
    ]
    .concat()
    .into();
    let mut reply = vec![0; crate::wire::UDP_OCTETS_PLAIN];
    for _ in 0..ATTEMPTS {
        socket.send(&question).ok()?;
        if let Ok(len) = socket.recv(&mut reply)
            && reply.starts_with(&id)
        {
            reply.truncate(len);
            return Some(reply);
        }
    }
    None
}

/// The key that receipts are signed with: made at the first start, for the owner alone; its public
/// part lies beside it for curators.
pub fn receipt_key(state: &Path, name: &str) -> Result<SigningKey, ReceiptKeyFault> {
    let path = state.join(KEY_FILE);
    let fault = |error| ReceiptKeyFault::File {
        place: super::refusal::place_of(&path),
        error,
    };
    match std::fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => SigningKey::parse(&text).map_err(|error| ReceiptKeyFault::Key {
            place: super::refusal::place_of(&path),
            error,
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = SigningKey::generate(name).map_err(|error| ReceiptKeyFault::Key {
                place: super::refusal::place_of(&path),
                error,
            })?;
            let text = key.to_text();
            write_whole(state, KEY_FILE, text.as_bytes()).map_err(fault)?;
            write_whole(state, PUBLIC_FILE, format!("{}\n", key.public()).as_bytes())
                .map_err(fault)?;
            Ok(key)
        }
        Err(error) => Err(fault(error)),
    }
}

/// Why there is no key for receipts.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptKeyFault {
    /// Its file cannot be read or made.
    #[error(
        "{place}: the key for receipts cannot be read or made ({error}): check the file's owner \
         and mode"
    )]
    File {
        /// The file.
        place: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// It is no key.
    #[error(
        "{place}: {error}: put the file back from a backup, or move it away to have a new key made"
    )]
    Key {
        /// The file.
        place: String,
        /// What is wrong with it.
        error: KeyError,
    },
}
