//! What a zone's servers say to one question in the place of what the zone holds: a reply that the
//! tables write out line by line, signed by the zone's own key or with one fault.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr as _;

use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, Record, RecordSet, RecordType};
use serde::Deserialize;

use super::authority::{Reply, Signatures};
use super::zone::{Zone, name, parse};

const TTL_S: u32 = 60;

/// A reply as the tables write it.
///
/// A line of a section is `owner type data`, names without a final dot being below the zone's, or
/// `own NAME TYPE` for a set of the zone, `own3 NAME` and `over3 NAME` for the NSEC3 that stands at
/// a name and the one whose gap it falls into. In front of it may stand what is wrong with it; see
/// [`Fault`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default = "no_error")]
    rcode: String,
    /// `AA` and `RA`, as they are set.
    #[serde(default = "authoritative")]
    flags: String,
    #[serde(default)]
    answer: String,
    #[serde(default)]
    authority: String,
    #[serde(default)]
    additional: String,
}

fn no_error() -> String {
    "NOERROR".to_owned()
}

fn authoritative() -> String {
    "AA".to_owned()
}

/// Scripts by the question.
pub(crate) type Scripts = HashMap<(Name, RecordType), Script>;

/// What is wrong with a set, or with its signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fault {
    /// `bare`: it has no signature.
    bare: bool,
    /// `rotten`: its signature does not hold.
    rotten: bool,
    /// `spare=N`: so many signatures that do not hold stand before the one that does.
    spare: usize,
    /// `twice`: each record comes twice.
    twice: bool,
    /// `labels=N`: the signature says that the name had so many labels.
    labels: Option<u8>,
    /// `of=NAME`: it was signed as this name's, a wildcard's.
    of: Option<Name>,
    /// `times=N`: so many sets of this kind, `#` being the number of each.
    times: Option<usize>,
}

impl Script {
    /// Keyed by the question that it is for.
    pub(super) fn keyed(&self, origin: &Name) -> ((Name, RecordType), Self) {
        let kind = self.kind.parse().expect("a record type");
        ((relative(&self.name, origin), kind), self.clone())
    }

    /// The reply, with signatures if they are wanted.
    pub(super) fn reply(&self, zone: &Zone, signatures: Signatures) -> Reply {
        let section = |text: &str| -> Vec<Record> {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            group(lines.flat_map(|line| repeat(line, &zone.origin)), zone)
                .into_iter()
                .flat_map(|(fault, set)| records(zone, &fault, &set, signatures))
                .collect()
        };
        Reply {
            rcode: match self.rcode.as_str() {
                "NOERROR" => ResponseCode::NoError,
                "NXDOMAIN" => ResponseCode::NXDomain,
                "YXDOMAIN" => ResponseCode::YXDomain,
                other => panic!("the rcode {other}"),
            },
            authoritative: self.flags.contains("AA"),
            recursive: self.flags.contains("RA"),
            answers: section(&self.answer),
            authorities: section(&self.authority),
            additionals: section(&self.additional),
        }
    }
}

/// A line as often as it says.
fn repeat(line: &str, origin: &Name) -> Vec<String> {
    let (fault, _) = read_fault(line, origin);
    match fault.times {
        None => vec![line.to_owned()],
        Some(times) => (1..=times)
            .map(|n| line.replace('#', &n.to_string()))
            .collect(),
    }
}

fn read_fault<'l>(line: &'l str, origin: &Name) -> (Fault, &'l str) {
    let (mut fault, mut rest) = (Fault::default(), line);
    loop {
        let (word, tail) = rest.split_once(' ').expect("owner, type and data");
        let number = |text: &str| usize::from_str(text).expect("a number");
        match word.split_once('=') {
            None if word == "bare" => fault.bare = true,
            None if word == "rotten" => fault.rotten = true,
            None if word == "twice" => fault.twice = true,
            Some(("spare", count)) => fault.spare = number(count),
            Some(("labels", count)) => fault.labels = Some(number(count) as u8),
            Some(("times", count)) => fault.times = Some(number(count)),
            Some(("of", owner)) => fault.of = Some(relative(owner, origin)),
            _ => return (fault, rest),
        }
        rest = tail;
    }
}

/// Lines of the same name, type and fault are one set, but for aliases, of which there is one in a
/// set; sets come in the order of their first lines.
fn group(lines: impl Iterator<Item = String>, zone: &Zone) -> Vec<(Fault, RecordSet)> {
    let mut sets: Vec<(Fault, RecordSet)> = vec![];
    for line in lines {
        let (fault, rest) = read_fault(&line, &zone.origin);
        for set in read(rest, zone) {
            let same = sets.iter_mut().find(|(other, known)| {
                *other == fault
                    && set.record_type() != RecordType::CNAME
                    && known.name() == set.name()
                    && known.record_type() == set.record_type()
            });
            match same {
                None => sets.push((fault.clone(), set)),
                Some((_, known)) => set.records_without_rrsigs().for_each(|record| {
                    known.insert(record.clone(), 1);
                }),
            }
        }
    }
    sets
}

/// The set of one line.
fn read(line: &str, zone: &Zone) -> Vec<RecordSet> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = |text: &str| relative(text, &zone.origin);
    let hashed = || zone.hashed.as_ref().expect("a zone with NSEC3");
    match words[..] {
        ["own", owner, kind] => {
            let kind = kind.parse().expect("a record type");
            let set = zone.set(&at(owner), kind);
            vec![set.unwrap_or_else(|| panic!("{line}")).clone()]
        }
        ["own3", owner] => vec![hashed().matching(&at(owner)).expect("a hash").clone()],
        ["over3", owner] => vec![hashed().covering(&at(owner)).expect("a gap").clone()],
        [owner, "NSEC", next, ref types @ ..] => {
            let types = types
                .iter()
                .map(|kind| kind.parse::<RecordType>().expect("a record type"));
            let nsec = RData::DNSSEC(DNSSECRData::NSEC(NSEC::new(at(next), types)));
            vec![one(Record::from_rdata(at(owner), TTL_S, nsec))]
        }
        [owner, "DNAME", target] => {
            let record = Zone::dname(&at(owner), &at(target), TTL_S);
            vec![one(record)]
        }
        _ => {
            let nodes: BTreeMap<_, _> = parse(&format!("$TTL {TTL_S}\n{line}\n"), &zone.origin);
            nodes
                .into_values()
                .flat_map(BTreeMap::into_values)
                .collect()
        }
    }
}

fn renamed(set: &RecordSet, owner: &Name) -> RecordSet {
    let mut renamed = RecordSet::with_ttl(owner.clone(), set.record_type(), set.ttl());
    for record in set.records_without_rrsigs() {
        let mut record = record.clone();
        record.name = owner.clone();
        renamed.insert(record, 1);
    }
    renamed
}

fn one(record: Record) -> RecordSet {
    let mut set = RecordSet::with_ttl(record.name.clone(), record.record_type(), record.ttl);
    set.insert(record, 1);
    set
}

/// The set's records, and the signatures that it is sent with.
fn records(zone: &Zone, fault: &Fault, set: &RecordSet, wanted: Signatures) -> Vec<Record> {
    let mut records: Vec<Record> = set.records_without_rrsigs().cloned().collect();
    if fault.twice {
        records.extend(records.clone());
    }
    if wanted == Signatures::Unwanted || fault.bare {
        return records;
    }
    let signed = match &fault.of {
        Some(wildcard) => renamed(set, wildcard),
        None => set.clone(),
    };
    let rotten = |count: usize| (0..count).flat_map(|_| zone.rotten_signatures(&signed));
    let mut signatures: Vec<Record> = rotten(fault.spare.max(fault.rotten.into())).collect();
    if !fault.rotten {
        signatures.extend(match fault.labels {
            Some(labels) => zone.relabelled_signatures(&signed, labels),
            None => zone.signatures(&signed),
        });
    }
    for signature in &mut signatures {
        signature.name = set.name().clone();
    }
    records.extend(signatures);
    records
}

/// A name below the zone's, the zone's own (`@`), or one that ends with a dot.
fn relative(text: &str, origin: &Name) -> Name {
    match text {
        "@" => origin.clone(),
        _ if text.ends_with('.') => name(text),
        _ => name(&format!("{text}.{origin}")),
    }
}
