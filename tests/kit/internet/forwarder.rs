//! A resolver for forward mode: it answers from the zones of the tests' internet without asking
//! anybody.

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::NS;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::authority::{Reply, Signatures};
use super::serve::{Asked, Transport};
use super::zone::{Dnssec, Zone, Zones, zone_of};

const LINKS_MAX: usize = 16;

/// Which zones it answers from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knows {
    /// Those that somebody delegates.
    PublicZones,
    /// The operator's private ones too.
    PrivateZones,
}

/// Whether denials come with the SOA (RFC 2308 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DenialSoa {
    Sent,
    /// Left out; of unsigned zones there is the NS in its place, as in a referral.
    Left,
}

/// Answers as a validating resolver would: RA, AD for secure data, SERVFAIL for bogus data unless
/// CD is set.
pub(crate) fn answer_forwarded(
    zones: &Zones,
    knows: Knows,
    soa: DenialSoa,
    asked: &Asked,
    transport: Transport,
) -> Vec<u8> {
    let (mut reply, secure) = match asked.refusal() {
        Some(refusal) => (refusal, false),
        None => resolve(zones, knows, asked),
    };
    reply.authoritative = false;
    if soa == DenialSoa::Left {
        leave_soa_out(&mut reply);
    }
    let wants_ad = asked.message.authentic_data || asked.signatures() == Signatures::Wanted;
    asked.encode(reply, transport, |message| {
        message.metadata.recursion_available = true;
        message.metadata.checking_disabled = asked.message.checking_disabled;
        message.metadata.authentic_data = secure && wants_ad;
    })
}

fn resolve(zones: &Zones, knows: Knows, asked: &Asked) -> (Reply, bool) {
    let kind = asked.query.query_type();
    let (mut at, mut secure) = (asked.query.name().clone(), true);
    let mut whole = Reply::bare(ResponseCode::NoError);
    for _ in 0..LINKS_MAX {
        let zone = zone_of(zones, &at, kind, |zone| {
            knows == Knows::PrivateZones || !zone.private
        })
        .expect("a root");
        let is_bogus = !zone.dnssec.is_secure() && !zone.dnssec.is_insecure();
        if is_bogus && !asked.message.checking_disabled || !is_alive(zone) {
            return (Reply::bare(ResponseCode::ServFail), false);
        }
        let mut part = zone.answer(&at, kind, asked.signatures());
        secure &= is_secure(zones, zone) && !is_open(zone, &part, &at, kind);
        whole.answers.append(&mut part.answers);
        whole.rcode = part.rcode;
        whole.authorities = part.authorities;
        match alias_end(&whole, &at, kind) {
            Some(target) => at = target,
            None => return (whole, secure),
        }
    }
    (Reply::bare(ResponseCode::ServFail), false)
}

fn leave_soa_out(reply: &mut Reply) {
    let is_soa = |record: &Record| covers(record) == RecordType::SOA;
    let origin = reply.authorities.iter().find(|record| is_soa(record));
    let servers = origin.map(|soa| {
        let server = NS(Name::from_ascii("ns1.").expect("a name"));
        Record::from_rdata(soa.name.clone(), 300, RData::NS(server))
    });
    let is_signed = reply.authorities.len() > 1;
    reply.authorities.retain(|record| !is_soa(record));
    if !is_signed {
        reply.authorities.extend(servers);
    }
}

fn covers(record: &Record) -> RecordType {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => signature.input().type_covered,
        _ => record.record_type(),
    }
}

/// Whether a chain of trust leads to the zone.
fn is_secure(zones: &Zones, zone: &Zone) -> bool {
    let above = (0..=zone.origin.iter().count()).map(|labels| zone.origin.trim_to(labels));
    above
        .into_iter()
        .filter_map(|origin| zones.get(&origin))
        .all(|zone| zone.dnssec.is_secure())
}

/// Whether the proof of absence leaves room for an unsigned delegation (RFC 5155 section 9.2).
fn is_open(zone: &Zone, part: &Reply, at: &Name, kind: RecordType) -> bool {
    let is_left_out =
        kind == RecordType::DS && zone.set(at, RecordType::NS).is_some() && zone.origin != *at;
    zone.dnssec == Dnssec::Nsec3OptOut
        && part.answers.is_empty()
        && (part.rcode == ResponseCode::NXDomain || is_left_out)
}

fn is_alive(zone: &Zone) -> bool {
    zone.servers.iter().any(|server| server.manner.answers())
}

/// Where the aliases from `at` lead, when the reply holds nothing but them.
fn alias_end(reply: &Reply, at: &Name, kind: RecordType) -> Option<Name> {
    if matches!(kind, RecordType::CNAME | RecordType::ANY) || !reply.authorities.is_empty() {
        return None;
    }
    let (mut end, mut links) = (at.clone(), 0);
    for record in &reply.answers {
        if let RData::CNAME(cname) = &record.data
            && record.name == end
        {
            end = cname.0.clone();
            links += 1;
        }
    }
    let settled = reply
        .answers
        .iter()
        .any(|record| record.name == end && record.record_type() == kind);
    (links > 0 && !settled).then_some(end)
}

/// NXDOMAIN without a proof, and to a question for an alias that there is none, with EDE 16
/// (Censored) and who asked for it.
pub(crate) fn keep_back(asked: &Asked, transport: Transport) -> Vec<u8> {
    let text = [&[0, 16], b"an order".as_slice()].concat();
    let rcode = match asked.query.query_type() {
        RecordType::CNAME => ResponseCode::NoError,
        _ => ResponseCode::NXDomain,
    };
    asked.encode(Reply::bare(rcode), transport, |message| {
        message.metadata.recursion_available = true;
        if let Some(edns) = &mut message.edns {
            let option = EdnsOption::Unknown(15, text.clone());
            edns.options_mut().insert(option);
        }
    })
}
