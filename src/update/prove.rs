//! Proof of application: our own doors are asked from outside about a list in force.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use zeroize::Zeroizing;

use super::refusal::Cause;
use super::text::Text;
use crate::clock::{UnixSeconds, now_ms};
use crate::list::manifest::Manifest;
use crate::list::parse::{self, Format};
use crate::list::{Hash, ListIndex, Scope};
use crate::name::{Name, SuffixHashes};
use crate::policy::{Action, Snapshot, Verdict};
use crate::seal::SigningKey;
use crate::wire::{Message, Section, rcode, rtype};

/// Entries of a list that are asked for, beside its test entry.
const SAMPLES: usize = 8;
/// Doors that are asked; more hold the same snapshot.
const DOORS_MAX: usize = 4;
/// How long one question waits, and how often it is asked: a datagram may be lost.
const PATIENCE: Duration = Duration::from_millis(500);
const ATTEMPTS: usize = 3;

/// Asks our own doors and signs for what they answer.
pub struct Prover {
    /// Where the UDP doors are.
    pub doors: Vec<SocketAddr>,
    /// What blocked clients are answered, list by list.
    pub actions: Vec<Action>,
    /// Names that no list may block.
    pub free: Vec<Name>,
    /// Signs the receipts.
    pub key: SigningKey,
}

/// A list in force that our doors have not been asked about. Holds a few of its names, wiped when
/// it is dropped.
pub(super) struct Unproven {
    pub(super) received_ms: i64,
    pub(super) verified_ms: i64,
    pub(super) live_ms: i64,
    pub(super) serial: u64,
    /// When its authority issued it.
    pub(super) issued: UnixSeconds,
    pub(super) manifest: Hash,
    pub(super) entries: Hash,
    samples: Vec<Zeroizing<Vec<u8>>>,
    /// Which list decides about each sample: an earlier one may have the name too.
    deciding: Vec<ListIndex>,
    /// Names that no list blocks.
    free: Vec<Name>,
}

impl Unproven {
    /// With some of the entries, evenly spread over the text, and the test entry if the manifest
    /// names one.
    pub(super) fn new(
        manifest: &Manifest,
        text: &Text,
        [received_ms, verified_ms]: [i64; 2],
    ) -> Result<Self, Cause> {
        let read: Zeroizing<Vec<u8>>;
        let octets: &[u8] = match text {
            Text::Memory(octets) => octets,
            Text::Embedded(text) => text.as_bytes(),
            Text::File(path) => {
                read = Zeroizing::new(std::fs::read(path).map_err(Cause::from_io)?);
                &read
            }
        };
        Ok(Self {
            received_ms,
            verified_ms,
            live_ms: verified_ms,
            serial: manifest.serial,
            issued: manifest.issued,
            manifest: manifest.hash(),
            entries: manifest.sha256,
            samples: samples(octets, manifest),
            deciding: Vec::new(),
            free: Vec::new(),
        })
    }

    /// Find out which list decides about each sample of this one, and which names are free. Names
    /// that are off the list are not asked for.
    pub(super) fn prepare(
        &mut self,
        list: ListIndex,
        removed: &[Zeroizing<Vec<u8>>],
        snapshot: &Snapshot,
        prover: &Prover,
    ) {
        self.samples.retain(|sample| !removed.contains(sample));
        let lists: Vec<ListIndex> = (0..=list).collect();
        let mut hashes = SuffixHashes::new();
        // What the operator let pass in some list is not free.
        let all: Vec<ListIndex> = (0..prover.actions.len() as ListIndex).collect();
        let is_free = |name: &&Name| {
            hashes.fill(snapshot.key(), name.as_wire());
            matches!(snapshot.decide(&all, &hashes), Verdict::Pass)
        };
        self.free = prover.free.iter().filter(is_free).cloned().collect();
        let deciding = self.samples.iter().map(|wire| {
            hashes.fill(snapshot.key(), wire);
            match snapshot.decide(&lists, &hashes) {
                Verdict::Block { list, .. } => list,
                // It is asked for all the same: not to be blocked is not to be proven.
                Verdict::Pass => list,
            }
        });
        self.deciding = deciding.collect();
    }

    /// It is in force for every question from now on.
    pub(super) fn note_live(&mut self) {
        self.live_ms = now_ms();
    }
}

fn samples(octets: &[u8], manifest: &Manifest) -> Vec<Zeroizing<Vec<u8>>> {
    let test = manifest.test_entry;
    let test = test.and_then(|number| line_with(octets, number));
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
    samples
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
pub(super) struct ProbeAnswers {
    pub(super) asked: u64,
    pub(super) right: u64,
    /// Answered with REFUSED where a blocked answer was due.
    pub(super) refused: u64,
}

impl Prover {
    pub(super) fn ask_all(&self, unproven: &Unproven) -> ProbeAnswers {
        let mut answers = ProbeAnswers::default();
        for &door in self.doors.iter().take(DOORS_MAX) {
            let samples = unproven.samples.iter().zip(&unproven.deciding);
            let blocked = samples.map(|(wire, list)| (wire.as_slice(), Some(*list)));
            let free = unproven.free.iter().map(|name| (name.as_wire(), None));
            for (wire, deciding) in blocked.chain(free) {
                answers.asked += 1;
                let reply = ask(door, wire, rtype::A, false);
                let is_as_asked = reply.as_deref().is_some_and(|reply| match deciding {
                    Some(list) => self.is_blocked(reply, usize::from(list)),
                    None => !self.is_blocked_by_any(reply),
                });
                answers.right += u64::from(is_as_asked);
                let is_refused = reply
                    .as_deref()
                    .and_then(|reply| Message::new(reply).ok())
                    .is_some_and(|reply| reply.rcode() == rcode::REFUSED);
                answers.refused += u64::from(deciding.is_some() && is_refused);
            }
        }
        answers
    }

    fn is_blocked_by_any(&self, reply: &[u8]) -> bool {
        (0..self.actions.len()).any(|list| self.is_blocked(reply, list))
    }

    /// Is it the answer of a name that this list blocks?
    fn is_blocked(&self, reply: &[u8], list: usize) -> bool {
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
            && self.actions.get(list).is_some_and(|action| match action {
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
