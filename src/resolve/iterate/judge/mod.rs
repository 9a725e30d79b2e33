//! What a reply is to the question that was put to a zone's server, and what of it may be kept:
//! only what belongs to that zone.
//!
//! Everything else is dropped, whatever section it stands in (RFC 2181 section 5.4.1): records
//! outside of the zone, answers to other questions, glue for names that the zone does not hold.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::super::convert::{
    Redirection, covered_type, is_below, names_nothing, redirect, signer_of,
};
use super::super::failure::Failure;
use super::super::reply::ServerReply;
use super::super::rrset::{Cut, RrSet, Said};
use super::zones::NameServer;

/// Servers taken from one referral; PowerDNS takes as many.
const SERVERS_MAX: usize = 13;
/// Addresses taken for each.
const ADDRESSES_MAX: usize = 4;
/// Records in a reply that is read at all: no name in use has so many, and reading 4,000 took 16
/// ms. BIND stops at 100 of one type.
const RECORDS_MAX: u32 = 1_000;
/// Sets taken from one section, and records of a set that are looked through for repetitions: work
/// must not grow with a reply's square.
const SETS_MAX: usize = 32;
const REPETITIONS_SOUGHT_MAX: usize = 64;
/// Larger replies are first read by ourselves, who follow only so many pointers and write out only
/// so many octets of names: hickory follows all of them (measured: see tests/regression.rs), and in
/// a smaller reply there is no room for many.
const TRUSTED_OCTETS_MAX: usize = 1232;
/// Links of a chain of aliases taken from one reply.
const LINKS_MAX: usize = 12;
/// The largest TTL; anything above is none (RFC 2181 section 8).
const TTL_S_MAX: u32 = i32::MAX as u32;

/// A question as one zone's server was asked it.
pub(super) struct AskedZone<'a> {
    /// The zone whose server was asked.
    pub(super) zone: &'a Name,
    /// The name, lower-case; not always the whole one (RFC 9156).
    pub(super) name: &'a Name,
    /// The type.
    pub(super) rtype: RecordType,
    /// There is more of the name that this zone is not shown.
    pub(super) is_partial: bool,
    /// Which glue is believed.
    pub(super) glue: Glue,
    /// What the server is.
    pub(super) role: ServerRole,
}

/// What kind of server was asked (RFC 9499 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerRole {
    /// One that the zone's delegation names.
    Authoritative,
    /// A resolver, which speaks for all zones and refers to nobody: what is empty is a denial,
    /// whatever it lacks (RFC 2308 section 2.2).
    Recursive,
}

/// Which addresses in a referral are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glue {
    /// Of names within the zone whose servers speak.
    InBailiwick,
    /// Of all names, for labs.
    Any,
}

/// What a reply turned out to be.
pub(super) enum Judgement {
    /// Records, an alias, or a denial; and where the alias leads within the zone, as far as that
    /// was said too.
    Answer(Said, Vec<Continuation>),
    /// The way to the servers of a zone below.
    Referral(Referral),
    /// NS records of part of a name, as an answer: it is an apex, and the servers may be the very
    /// ones that were asked, or none that could be found.
    Apex(Referral),
    /// Nothing that helps: the next server may know better.
    Useless(Useless),
}

/// What an alias leads to: the target's own records or its alias, from the same reply.
pub(super) struct Continuation {
    /// The target, which stands beside the alias in the zone.
    pub(super) name: Name,
    /// What it holds.
    pub(super) said: Said,
}

/// A zone below and its servers.
pub(super) struct Referral {
    /// Its apex.
    pub(super) child: Name,
    /// Its servers, at least one.
    pub(super) servers: Vec<NameServer>,
    /// How long the delegation holds, in seconds.
    pub(super) ttl_s: u32,
    /// What was said about DS, if anything was.
    pub(super) cut: Option<Cut>,
}

/// Why a reply is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Useless {
    /// It cannot be read.
    Malformed,
    /// The server does not read EDNS, or says so.
    DislikesEdns,
    /// SERVFAIL, REFUSED and the like.
    Refuses,
    /// The server does not know the zone, or sends us elsewhere than down.
    Lame,
}

impl Useless {
    /// What the client is told: an authority that will not answer is as good as none.
    pub(super) const fn failure(self) -> Failure {
        match self {
            Self::Refuses | Self::Lame => Failure::Unreachable,
            Self::Malformed | Self::DislikesEdns => Failure::Unusable,
        }
    }
}

/// Judge the octets of a reply; id and question have been checked.
pub(super) fn judge(octets: &[u8], asked: &AskedZone<'_>, from: IpAddr) -> Judgement {
    if record_count(octets) > RECORDS_MAX
        || octets.len() > TRUSTED_OCTETS_MAX && ServerReply::read(octets).is_err()
    {
        return Judgement::Useless(Useless::Malformed);
    }
    let Ok(message) = Message::from_vec(octets) else {
        return Judgement::Useless(judge_header(octets));
    };
    if message.answers.iter().any(names_nothing) {
        return Judgement::Useless(Useless::Malformed);
    }
    match message.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain | ResponseCode::YXDomain => {}
        // hickory reads 16 as TSIG's BADSIG; here it is EDNS's BADVERS (RFC 6891 section 9).
        ResponseCode::FormErr
        | ResponseCode::NotImp
        | ResponseCode::BADVERS
        | ResponseCode::BADSIG => {
            return Judgement::Useless(Useless::DislikesEdns);
        }
        _ => return Judgement::Useless(Useless::Refuses),
    }
    let heard = HeardSections {
        message,
        asked,
        from,
    };
    let answer = heard.answer();
    if asked.is_partial && answer.iter().any(|set| set.rtype == RecordType::NS) {
        return Judgement::Apex(heard.apex(&answer));
    }
    // YXDOMAIN tells of a DNAME that makes too long a name (RFC 6672 section 2.2); without one it
    // is no answer to a question.
    if answer.is_empty() && heard.message.metadata.response_code == ResponseCode::YXDomain {
        return Judgement::Useless(Useless::Refuses);
    }
    let may_refer = asked.role == ServerRole::Authoritative;
    if may_refer && (answer.is_empty() || heard.is_referral_with_answer(&answer)) {
        match heard.referral() {
            Ok(Some(referral)) => return Judgement::Referral(referral),
            Err(useless) if answer.is_empty() => return Judgement::Useless(useless),
            _ => {}
        }
    }
    if answer.is_empty() && !heard.denies() {
        return Judgement::Useless(Useless::Lame);
    }
    let continuations = heard.continuations(&answer);
    Judgement::Answer(heard.said(answer), continuations)
}

/// Did a resolver answer from its memory where an authoritative server was asked (RA without AA)?
/// An authority's own word goes before (RFC 2181 section 5.4.1).
pub(super) fn is_from_memory(octets: &[u8]) -> bool {
    matches!(octets, [_, _, flags, more, ..] if flags & 0x04 == 0 && more & 0x80 != 0)
}

/// How many records a reply's header promises, in all sections behind the question.
fn record_count(octets: &[u8]) -> u32 {
    let counts = octets.get(6..12).unwrap_or_default();
    counts
        .as_chunks()
        .0
        .iter()
        .map(|count| u32::from(u16::from_be_bytes(*count)))
        .sum()
}

/// FORMERR comes in a bare header from servers that stop reading at the OPT record.
fn judge_header(octets: &[u8]) -> Useless {
    if octets.get(3).is_some_and(|flags| flags & 0x0f == 1) {
        Useless::DislikesEdns
    } else {
        Useless::Malformed
    }
}

struct HeardSections<'a> {
    message: Message,
    asked: &'a AskedZone<'a>,
    from: IpAddr,
}

impl HeardSections<'_> {
    /// The sets that answer: name and type themselves, or the alias.
    fn answer(&self) -> Vec<RrSet> {
        self.answer_for(self.asked.name)
    }

    fn answer_for(&self, name: &Name) -> Vec<RrSet> {
        let rtype = self.asked.rtype;
        let records = &self.message.answers;
        let at_name = |record: &&Record| self.belongs(record) && record.name == *name;
        if rtype == RecordType::ANY || rtype == RecordType::RRSIG {
            return group(
                records.iter().filter(at_name),
                if rtype == RecordType::RRSIG {
                    Signatures::AsData
                } else {
                    Signatures::Beside
                },
            );
        }
        let of_type = |wanted| {
            group(
                records
                    .iter()
                    .filter(at_name)
                    .filter(|record| kind(record) == wanted),
                Signatures::Beside,
            )
        };
        if rtype != RecordType::CNAME {
            let exact = of_type(rtype);
            if !exact.is_empty() {
                return exact;
            }
        }
        self.dname(name)
            .unwrap_or_else(|| of_type(RecordType::CNAME))
    }

    /// A DNAME above the name, and the alias that it makes, which is ours: nobody signs it (RFC
    /// 6672 section 5.3.1).
    fn dname(&self, name: &Name) -> Option<Vec<RrSet>> {
        let is_above = |record: &&Record| {
            self.belongs(record)
                && kind(record) == RecordType::DNAME
                && is_below(name, &record.name)
        };
        let mut sets = group(
            self.message.answers.iter().filter(is_above),
            Signatures::Beside,
        );
        // The deepest counts; more than one record at it is no DNAME (RFC 6672 section 2.4).
        sets.sort_by_key(|set| set.name.iter().len());
        follow(name, sets.pop()?)
    }

    /// The further links of a chain of aliases, where they are in the same reply and each stands
    /// beside the one before: what is further away may belong to another zone, whose servers have
    /// the word.
    fn continuations(&self, answer: &[RrSet]) -> Vec<Continuation> {
        let mut links: Vec<Continuation> = Vec::new();
        while links.len() < LINKS_MAX {
            let last = links.last().map_or(answer, |link| &link.said.answer);
            let Some(name) = last.last().and_then(|alias| self.target_beside(alias)) else {
                break;
            };
            let next = self.answer_for(&name);
            if next.is_empty() || links.iter().any(|link| link.name == name) {
                break;
            }
            links.push(Continuation {
                name,
                said: self.said(next),
            });
        }
        links
    }

    /// Where an alias leads, if that stands beside it and the zone has the word about it.
    fn target_beside(&self, alias: &RrSet) -> Option<Name> {
        let is_alias = alias.rtype == RecordType::CNAME && self.asked.rtype != RecordType::CNAME;
        let RData::CNAME(CNAME(target)) = &alias.records.first().filter(|_| is_alias)?.data else {
            return None;
        };
        let name = target.to_lowercase();
        let is_beside = name.base_name() == alias.name.base_name() && name != alias.name;
        (is_beside && name != *self.asked.zone && !self.is_cut(&name)).then_some(name)
    }

    /// Did a CNAME come along that leads elsewhere than the one which a DNAME makes?
    fn contradicts(&self, answer: &[RrSet]) -> bool {
        let [dname, alias] = answer else { return false };
        let leads_elsewhere = |record: &Record| {
            record.name == alias.name
                && record.record_type() == RecordType::CNAME
                && !alias.records.iter().any(|ours| ours.data == record.data)
        };
        dname.rtype == RecordType::DNAME && self.message.answers.iter().any(leads_elsewhere)
    }

    /// Is the name delegated in this very reply?
    fn is_cut(&self, name: &Name) -> bool {
        self.message
            .authorities
            .iter()
            .any(|record| record.record_type() == RecordType::NS && record.name == *name)
    }

    /// Class IN and within the zone.
    fn belongs(&self, record: &Record) -> bool {
        record.dns_class == DNSClass::IN && self.asked.zone.zone_of(&record.name)
    }

    /// Answers without AA beside a delegation further down come from somebody's memory; the
    /// delegation counts. But for aliases: those are sent along with the target's delegation.
    fn is_referral_with_answer(&self, answer: &[RrSet]) -> bool {
        !self.message.metadata.authoritative
            && answer
                .iter()
                .all(|set| !matches!(set.rtype, RecordType::CNAME | RecordType::DNAME))
    }

    /// The referral in the authority section; `Err` where it leads elsewhere than down to the name.
    fn referral(&self) -> Result<Option<Referral>, Useless> {
        let is_ns = |record: &&Record| {
            record.record_type() == RecordType::NS && record.dns_class == DNSClass::IN
        };
        let denied =
            self.message.metadata.response_code == ResponseCode::NXDomain || self.has_soa();
        let mut owners: Vec<Name> = self
            .message
            .authorities
            .iter()
            .filter(is_ns)
            .map(|record| record.name.to_lowercase())
            .collect();
        owners.dedup();
        let leads_down =
            |owner: &&Name| is_below(owner, self.asked.zone) && owner.zone_of(self.asked.name);
        let Some(child) = owners
            .iter()
            .filter(leads_down)
            .max_by_key(|owner| owner.iter().len())
        else {
            // NS records of the zone itself say nothing; others are the mark of a server that has
            // no idea.
            let elsewhere = owners.iter().any(|owner| owner != self.asked.zone);
            return if elsewhere && !denied {
                Err(Useless::Lame)
            } else {
                Ok(None)
            };
        };
        // A DS question is the parent's to answer, and so is whatever comes with an SOA.
        if denied
            || self.asked.rtype == RecordType::DS
                && child == self.asked.name
                && self.message.metadata.authoritative
        {
            return Ok(None);
        }
        let ns: Vec<&Record> = self
            .message
            .authorities
            .iter()
            .filter(is_ns)
            .filter(|record| record.name == *child)
            .collect();
        let servers = self.servers(child, &ns);
        if servers.is_empty() {
            return Err(Useless::Lame);
        }
        let ttl_s = ns
            .iter()
            .map(|record| sane(record.ttl))
            .min()
            .unwrap_or_default();
        Ok(Some(Referral {
            child: child.clone(),
            servers,
            ttl_s,
            cut: self.cut(child),
        }))
    }

    /// What the answer to a question about part of a name says of the zone there.
    fn apex(&self, answer: &[RrSet]) -> Referral {
        let ns: Vec<&Record> = answer
            .iter()
            .filter(|set| set.rtype == RecordType::NS)
            .flat_map(|set| &set.records)
            .collect();
        let ttl_s = answer.iter().map(|set| set.ttl_s).min().unwrap_or_default();
        Referral {
            child: self.asked.name.clone(),
            servers: self.servers(self.asked.name, &ns),
            ttl_s,
            cut: None,
        }
    }

    fn servers(&self, child: &Name, ns: &[&Record]) -> Vec<NameServer> {
        let mut servers: Vec<NameServer> = Vec::with_capacity(ns.len().min(SERVERS_MAX));
        for record in ns {
            let RData::NS(name) = &record.data else {
                continue;
            };
            let name = name.0.to_lowercase();
            if servers.len() == SERVERS_MAX || servers.iter().any(|server| server.name == name) {
                continue;
            }
            let addresses = self.glue(&name);
            // Without glue nobody could ever find a server within the zone that it serves.
            if addresses.is_empty() && child.zone_of(&name) {
                continue;
            }
            servers.push(NameServer {
                name,
                addresses,
                port: None,
            });
        }
        servers
    }

    fn glue(&self, name: &Name) -> Vec<IpAddr> {
        if self.asked.glue == Glue::InBailiwick && !self.asked.zone.zone_of(name) {
            return Vec::new();
        }
        let mut addresses = Vec::new();
        for record in self
            .message
            .additionals
            .iter()
            .chain(&self.message.answers)
            .filter(|record| record.name == *name)
        {
            let Some(address) = record.data.ip_addr() else {
                continue;
            };
            if record.dns_class == DNSClass::IN
                && addresses.len() < ADDRESSES_MAX
                && !addresses.contains(&address)
            {
                addresses.push(address);
            }
        }
        addresses
    }

    /// DS records of the child, or the proof that there are none.
    fn cut(&self, child: &Name) -> Option<Cut> {
        let authority = self.authority();
        let (child, parent) = (child.clone(), self.asked.zone.clone());
        let is_ds = |record: &&Record| {
            self.belongs(record) && record.name == child && kind(record) == RecordType::DS
        };
        let ds = group(
            self.message.authorities.iter().filter(is_ds),
            Signatures::Beside,
        )
        .pop();
        if ds.is_none()
            && !authority
                .iter()
                .any(|set| matches!(set.rtype, RecordType::NSEC | RecordType::NSEC3))
        {
            return None;
        }
        let denial = if ds.is_some() { Vec::new() } else { authority };
        Some(Cut {
            child,
            parent,
            ds,
            denial,
            from: Some(self.from),
        })
    }

    /// SOA, NSEC and NSEC3 of the zone.
    fn authority(&self) -> Vec<RrSet> {
        let proves = |record: &&Record| {
            self.belongs(record)
                && matches!(
                    kind(record),
                    RecordType::SOA | RecordType::NSEC | RecordType::NSEC3
                )
        };
        group(
            self.message.authorities.iter().filter(proves),
            Signatures::Beside,
        )
    }

    fn has_soa(&self) -> bool {
        let is_soa =
            |record: &Record| record.record_type() == RecordType::SOA && self.belongs(record);
        self.message.authorities.iter().any(is_soa)
    }

    /// Is an empty reply a denial? A resolver's is; with AA or an SOA of the zone it is; at the
    /// zone's own apex, where lameness would show otherwise; and where records of another type
    /// answer.
    fn denies(&self) -> bool {
        let has_others = || {
            self.message
                .answers
                .iter()
                .any(|record| self.belongs(record) && record.name == *self.asked.name)
        };
        self.asked.role == ServerRole::Recursive
            || self.message.metadata.authoritative
            || self.has_soa()
            || self.asked.name == self.asked.zone
            || has_others()
    }

    fn said(&self, answer: Vec<RrSet>) -> Said {
        let mut authority = self.authority();
        if !answer.is_empty() {
            authority.retain(|set| set.rtype != RecordType::SOA);
        }
        // A server of parent and child alike answers for the child: its SOA and its signatures
        // tell.
        let deeper = |name: &Name| is_below(name, self.asked.zone) && name.zone_of(self.asked.name);
        let soa = authority
            .iter()
            .filter(|set| set.rtype == RecordType::SOA)
            .map(|set| &set.name);
        let signers = answer
            .iter()
            .chain(&authority)
            .flat_map(|set| &set.signatures)
            .filter_map(signer_of);
        // The parent signs DS, and a zone denies it in the parent's name.
        let zone = soa.chain(signers).filter(|name| {
            deeper(name) && !(self.asked.rtype == RecordType::DS && *name == self.asked.name)
        });
        let is_ns =
            |record: &&Record| self.belongs(record) && record.record_type() == RecordType::NS;
        let servers = if answer.is_empty() {
            group(
                self.message.authorities.iter().filter(is_ns),
                Signatures::Beside,
            )
        } else {
            Vec::new()
        };
        let zone = zone
            .max_by_key(|name| name.iter().len())
            .unwrap_or(self.asked.zone)
            .to_lowercase();
        let rcode = match self.message.metadata.response_code {
            // A DNAME without an alias leads to a name that is too long (RFC 6672 section 2.2).
            _ if matches!(&answer[..], [set] if set.rtype == RecordType::DNAME && set.name != *self.asked.name) => {
                ResponseCode::YXDomain
            }
            // An alias exists; the code is about its end, which is asked for by itself.
            _ if !answer.is_empty() => ResponseCode::NoError,
            rcode => rcode,
        };
        let (from, authoritative, contradicts) = (
            Some(self.from),
            self.message.metadata.authoritative,
            self.contradicts(&answer),
        );
        Said {
            rcode,
            answer,
            authority,
            servers,
            zone,
            from,
            age_s: 0,
            authoritative,
            contradicts,
            blocked: None,
        }
    }
}

/// What a DNAME makes of a name below it: itself, and an alias unless its target is too long for a
/// name.
pub(super) fn follow(name: &Name, dname: RrSet) -> Option<Vec<RrSet>> {
    let ttl_s = dname.ttl_s;
    let [record] = dname.records.as_slice() else {
        return None;
    };
    let redirection = redirect(name, record);
    let mut answer = vec![dname];
    match redirection {
        Redirection::None => return None,
        Redirection::TooLong => {}
        Redirection::To(target) => {
            let alias = Record::from_rdata(name.clone(), ttl_s, RData::CNAME(CNAME(target)));
            answer.push(RrSet {
                name: name.clone(),
                rtype: RecordType::CNAME,
                ttl_s,
                records: vec![alias],
                signatures: Vec::new(),
            });
        }
    }
    Some(answer)
}

/// Where signatures go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signatures {
    /// To the set that they cover.
    Beside,
    /// They were asked for by name.
    AsData,
}

/// The type that a record belongs to: its own, or the one that it covers.
fn kind(record: &Record) -> RecordType {
    covered_type(record).unwrap_or_else(|| record.record_type())
}

const fn sane(ttl_s: u32) -> u32 {
    if ttl_s > TTL_S_MAX { 0 } else { ttl_s }
}

/// Put records together by owner and type; signatures of nothing are dropped, repetitions too.
fn group<'a>(
    records: impl Iterator<Item = &'a Record> + Clone,
    signatures: Signatures,
) -> Vec<RrSet> {
    let is_data = |record: &&Record| {
        signatures == Signatures::AsData || record.record_type() != RecordType::RRSIG
    };
    let mut sets: Vec<RrSet> = Vec::with_capacity(1);
    for record in records.clone().filter(is_data) {
        let (rtype, ttl_s) = (record.record_type(), sane(record.ttl));
        if signatures == Signatures::AsData && rtype != RecordType::RRSIG {
            continue;
        }
        let is_full = sets.len() == SETS_MAX;
        match sets
            .iter_mut()
            .find(|set| set.rtype == rtype && set.name == record.name)
        {
            Some(set) => {
                set.ttl_s = set.ttl_s.min(ttl_s);
                if !set
                    .records
                    .iter()
                    .take(REPETITIONS_SOUGHT_MAX)
                    .any(|known| known.data == record.data)
                {
                    set.records.push(record.clone());
                }
            }
            None if is_full => {}
            None => sets.push(RrSet {
                name: record.name.to_lowercase(),
                rtype,
                ttl_s,
                records: vec![record.clone()],
                signatures: Vec::new(),
            }),
        }
    }
    if signatures == Signatures::Beside {
        for record in records {
            let covers = |set: &&mut RrSet| {
                covered_type(record) == Some(set.rtype) && set.name == record.name
            };
            if let Some(set) = sets.iter_mut().find(covers) {
                set.signatures.push(record.clone());
            }
        }
    }
    sets
}
