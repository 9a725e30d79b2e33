//! hickory's recursor and validator behind one step of a question; the only place of this module that knows hickory.
//!
//! Layers, from below: [`transport`] asks servers, `Recursor` walks from the root down, [`Hops`] gives its outcomes a common form,
//! `DnssecDnsHandle` validates them, [`Engine::step`] judges. hickory logs names under the targets `hickory_resolver` and `hickory_net`
//! at every level from error down, under `hickory_proto` from debug down: all three must be off in the program's log.

mod blame;
mod memory;
mod transport;
mod wildcard;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use hickory_net::dnssec::DnssecDnsHandle;
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::xfer::{DnsHandle, DnsResponseStream, FirstAnswer};
use hickory_net::{DnsError, NetError};
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name as HickoryName, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use hickory_resolver::recursor::{DnssecPolicy, QNameMinimization, Recursor, RecursorError, RecursorOptions};

use self::blame::blame;
use self::memory::Memory;
use self::transport::Transport;
use super::{Failure, Fetched, Question, StartError, Tally, recurse};
use crate::clock;
use crate::name::{NAME_OCTETS_MAX, Name};

/// Zones and servers remembered; hickory's own default of 1,024 is too few for a provider.
const ZONES_MAX: usize = 16_384;
/// Keys, DS records and zone cuts remembered for the validator; everything else is cached above us.
const KEYS_MAX: usize = 16_384;
/// The longest they are.
const KEYS_TTL_MAX: Duration = Duration::from_secs(3600);
/// Validated sets remembered.
const VALIDATIONS_MAX: usize = 32_768;
/// Depth of labels and name server names; 24 fails IPv6 reverse names, which have 34 labels.
const DEPTH_MAX: u8 = 200;
/// NSEC3 iterations: above the first insecure, above the second bogus (RFC 9276 section 3.2).
const NSEC3_ITERATIONS: (u16, u16) = (50, 150);
/// RFC 6672; hickory knows the name, but keeps the data as octets.
const DNAME: RecordType = RecordType::DNAME;

/// Finds and validates what one name says.
pub(super) struct Engine {
    /// For most names: NXDOMAIN above the name is not taken for the end, because servers say it for empty non-terminals and beside
    /// wildcards (RFC 9156 section 3).
    lenient: Way,
    /// For the reverse trees: it is (RFC 8020). Their names have up to 34 labels, each a question of its own, and mostly do not exist.
    strict: Way,
}

/// A recursor with its validator.
struct Way {
    hops: Hops,
    validator: Option<DnssecDnsHandle<Hops>>,
}

/// What one name says: an answer, a denial, or an alias to be followed.
pub(super) struct Step {
    answers: Vec<Record>,
    authorities: Vec<Record>,
    rcode: ResponseCode,
    secure: bool,
    /// The alias's target.
    pub(super) next: Option<Name>,
}

impl Engine {
    pub(super) fn build(settings: &recurse::Settings, roots: &[IpAddr], tally: &Arc<Tally>) -> Result<Self, StartError> {
        Ok(Self {
            lenient: Way::build(settings, roots, tally, QNameMinimization::Relaxed)?,
            strict: Way::build(settings, roots, tally, QNameMinimization::Strict)?,
        })
    }

    /// Ask for `name` with the question's type and flags, follow no alias.
    pub(super) async fn step(&self, name: &Name, question: &Question) -> Result<Step, Failure> {
        let query = Query::query(their_name(name)?, RecordType::from(question.qtype));
        let mut options = DnsRequestOptions::default();
        options.edns_set_dnssec_ok = true;
        let way = if is_reverse(name) { &self.strict } else { &self.lenient };
        let validator = way.validator.as_ref().filter(|_| !question.checking_disabled);
        let (response, checked) = match validator {
            Some(validator) => (validator.lookup(query, options).first_answer().await, Checked::Yes),
            None => (way.hops.lookup(query, options).first_answer().await, Checked::No),
        };
        judge(name, response, checked).map_err(|failure| match failure {
            Failure::Bogus | Failure::Expired if way.hops.lack_key(name) => Failure::KeyMissing,
            other => other,
        })
    }
}

/// What the recursor and the validator say together.
fn judge(name: &Name, response: Result<DnsResponse, NetError>, checked: Checked) -> Result<Step, Failure> {
    match response {
        Ok(response) => Step::judge(name, response.into_message(), checked),
        // Denied with a proof that cannot hold but need not, as with too many NSEC3 iterations.
        Err(NetError::Dns(DnsError::Nsec { response, proof: Proof::Insecure, .. })) => {
            Step::judge(name, response.into_message(), Checked::Yes).map(|step| Step { secure: false, ..step })
        }
        Err(NetError::Dns(DnsError::Nsec { response, .. })) if wildcard::is_proven(&response) => {
            Step::judge(name, response.into_message(), Checked::Yes)
        }
        Err(NetError::Dns(DnsError::Nsec { response, .. })) => Err(blame(response.all_sections())),
        Err(NetError::Dns(DnsError::DnssecBogus)) => Err(Failure::Bogus),
        // What is left of it when no server of a zone was of any use.
        Err(NetError::Timeout | NetError::Io(_) | NetError::NoConnections) => Err(Failure::Unreachable),
        Err(_) => Err(Failure::Unusable),
    }
}

impl Way {
    fn build(
        settings: &recurse::Settings,
        roots: &[IpAddr],
        tally: &Arc<Tally>,
        qname_minimization: QNameMinimization,
    ) -> Result<Self, StartError> {
        let mut options = RecursorOptions {
            ns_cache_size: ZONES_MAX,
            response_cache_size: 0,
            recursion_limit: DEPTH_MAX,
            ns_recursion_limit: DEPTH_MAX,
            qname_minimization,
            ..RecursorOptions::default()
        };
        if settings.loopback || settings.private {
            options.deny_server.clear();
        }
        if !settings.loopback {
            options.deny_server.push(ipnet::IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)));
            options.deny_server.push(ipnet::IpNet::V6(ipnet::Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)));
        }
        if !settings.ipv4 {
            options.deny_server.push(ipnet::IpNet::V4(ipnet::Ipv4Net::default()));
        }
        if !settings.ipv6 {
            options.deny_server.push(ipnet::IpNet::V6(ipnet::Ipv6Net::default()));
        }
        let transport = Transport::new(settings.port, Arc::clone(tally));
        // Validation is done one level up, so that questions with CD share everything but the judgement.
        let recursor = Recursor::new(roots, DnssecPolicy::ValidationDisabled, None, options, transport)
            .map_err(|error| StartError::Recursor(error.to_string()))?;
        let hops = Hops { recursor: Arc::new(recursor), memory: Arc::new(Memory::new(KEYS_MAX)) };
        let validator = if settings.validates() { Some(validator(settings, &hops)?) } else { None };
        Ok(Self { hops, validator })
    }
}

/// Does the name stand in one of the trees of addresses (RFC 1035 section 3.5, RFC 3596 section 2.5)?
fn is_reverse(name: &Name) -> bool {
    let wire = name.as_wire();
    wire.ends_with(b"\x07in-addr\x04arpa\x00") || wire.ends_with(b"\x03ip6\x04arpa\x00")
}

fn validator(settings: &recurse::Settings, hops: &Hops) -> Result<DnssecDnsHandle<Hops>, StartError> {
    let anchors = match &settings.trust_anchors {
        None => TrustAnchors::default(),
        Some(texts) => texts.join("\n").parse().map_err(|error| StartError::TrustAnchors(format!("{error}")))?,
    };
    if anchors.is_empty() {
        return Err(StartError::TrustAnchors("no key of the root".to_owned()));
    }
    Ok(DnssecDnsHandle::with_trust_anchor(hops.clone(), Arc::new(anchors))
        .nsec3_iteration_limits(Some(NSEC3_ITERATIONS.0), Some(NSEC3_ITERATIONS.1))
        .validation_cache_size(VALIDATIONS_MAX))
}

/// Have the records been through the validator?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Checked {
    Yes,
    No,
}

impl Step {
    fn judge(name: &Name, message: Message, checked: Checked) -> Result<Self, Failure> {
        let rcode = message.metadata.response_code;
        let (mut answers, authorities) = (message.answers, message.authorities);
        let mut next = None;
        if let Some(index) = answers.iter().position(|record| record.record_type() == DNAME && !is_at(record, name)) {
            // The alias that a DNAME brings is never signed: make it ourselves (RFC 6672 section 5.3.1).
            answers.retain(|record| covered_type(record).unwrap_or_else(|| record.record_type()) == DNAME);
            let Some(dname) = answers.get(index.min(answers.len().saturating_sub(1))) else { return Err(Failure::Unusable) };
            let Some(target) = redirect(name, dname) else { return Self::too_long(answers, checked) };
            let mut alias = Record::from_rdata(their_name(name)?, dname.ttl, RData::CNAME(CNAME(their_name(&target)?)));
            alias.proof = dname.proof;
            answers.push(alias);
            next = Some(target);
        } else if let Some(RData::CNAME(target)) = answers.iter().map(|record| &record.data).find(|data| matches!(data, RData::CNAME(_))) {
            let asked_for = message.queries.first().map(Query::query_type);
            next = our_name(target).filter(|_| !matches!(asked_for, Some(RecordType::CNAME | RecordType::ANY)));
        }
        let secure = checked == Checked::Yes && is_secure(&answers, &authorities)?;
        Ok(Self { answers, authorities, rcode, secure, next })
    }

    /// YXDOMAIN: what the DNAME leads to does not fit into a name (RFC 6672 section 2.2).
    fn too_long(answers: Vec<Record>, checked: Checked) -> Result<Self, Failure> {
        let secure = checked == Checked::Yes && is_secure(&answers, &[])?;
        Ok(Self { answers, authorities: Vec::new(), rcode: ResponseCode::YXDomain, secure, next: None })
    }
}

/// Is everything proven that counts: the answers, or where there are none the denial with its proofs?
fn is_secure(answers: &[Record], authorities: &[Record]) -> Result<bool, Failure> {
    let data = |record: &&Record| record.record_type() != RecordType::RRSIG;
    let all = || answers.iter().chain(authorities).filter(data);
    if all().any(|record| matches!(record.proof, Proof::Bogus | Proof::Indeterminate)) {
        return Err(blame(answers.iter().chain(authorities)));
    }
    let proof = |record: &Record| matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3);
    let counted = if answers.is_empty() { authorities } else { answers };
    let enough = if answers.is_empty() { authorities.iter().any(proof) } else { answers.iter().any(|record| data(&record)) };
    Ok(enough && counted.iter().filter(data).all(|record| record.proof.is_secure()))
}

/// Put the steps together into one message.
pub(super) fn encode(question: &Question, steps: Vec<Step>) -> Result<Fetched, Failure> {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.metadata.recursion_available = true;
    message.metadata.authentic_data = steps.iter().all(|step| step.secure);
    message.add_query(Query::query(their_name(&question.name)?, RecordType::from(question.qtype)));
    for step in steps {
        message.metadata.response_code = step.rcode;
        message.answers.extend(step.answers);
        message.authorities.extend(step.authorities);
    }
    let message = message.maybe_strip_dnssec_records(question.dnssec_ok);
    let wire = message.to_vec().map_err(|_| Failure::Unusable)?;
    Ok(Fetched { wire, ede: None })
}

/// The recursor's outcomes as messages, for the validator and for us.
#[derive(Clone)]
struct Hops {
    recursor: Arc<Recursor<Transport>>,
    memory: Arc<Memory<Query, Message>>,
}

impl DnsHandle for Hops {
    type Response = DnsResponseStream;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> DnsResponseStream {
        let hops = self.clone();
        DnsResponseStream::from(Box::pin(async move {
            let query = request.queries.first().cloned().ok_or(NetError::Message("a request without a question"))?;
            Ok(DnsResponse::from_message(hops.remember(query).await?)?)
        }))
    }
}

impl Hops {
    /// Ask the recursor, but for what chains of trust are made of ask the memory first.
    async fn remember(&self, query: Query) -> Result<Message, NetError> {
        recurse::charge_step().await.map_err(|_| NetError::Message("the question's steps are used up"))?;
        if !matches!(query.query_type(), RecordType::DNSKEY | RecordType::DS | RecordType::NS) {
            return self.resolve(query).await;
        }
        if let Some((mut message, age_s)) = self.memory.recall(&query) {
            for record in message.answers.iter_mut().chain(&mut message.authorities) {
                record.decrement_ttl(age_s);
            }
            return Ok(message);
        }
        let message = self.resolve(query.clone()).await?;
        if let Some(ttl_s) = message.all_sections().map(|record| record.ttl).min() {
            self.memory.keep(query, message.clone(), KEYS_TTL_MAX.min(Duration::from_secs(ttl_s.into())));
        }
        Ok(message)
    }

    /// Whether a zone at or above `name` has no key that its parent names; what the validator just asked is still in memory.
    fn lack_key(&self, name: &Name) -> bool {
        let Ok(name) = their_name(name) else { return false };
        let zones = (1..=name.iter().count()).map(|labels| name.trim_to(labels));
        zones.into_iter().any(|zone| {
            let recall = |rtype| self.memory.recall(&Query::query(zone.clone(), rtype)).map(|(message, _)| message.answers);
            let (signers, keys) = (recall(RecordType::DS), recall(RecordType::DNSKEY));
            signers.zip(keys).is_some_and(|(signers, keys)| blame::is_key_missing(&zone, &signers, &keys))
        })
    }

    async fn resolve(&self, query: Query) -> Result<Message, NetError> {
        match self.recursor.resolve(query.clone(), clock::monotonic(), true).await {
            Ok(message) => Ok(arrange(query, message.metadata.response_code, message.answers, message.authorities)),
            Err(RecursorError::Negative(denial)) if denial.is_no_records_found() => {
                let rcode = if denial.is_nx_domain() { ResponseCode::NXDomain } else { ResponseCode::NoError };
                let mut authorities = denial.authorities.map(|records| records.to_vec()).unwrap_or_default();
                if let Some(soa) = denial.soa.filter(|_| !authorities.iter().any(|record| record.record_type() == RecordType::SOA)) {
                    authorities.push(soa.into_record_of_rdata());
                }
                Ok(arrange(query, rcode, Vec::new(), authorities))
            }
            Err(RecursorError::Net(error)) => Err(error),
            Err(RecursorError::Timeout) => Err(NetError::Timeout),
            Err(error) => Err(error.into()),
        }
    }
}

/// Keep what answers the question and what proves it: name servers and addresses on the side are neither wanted nor worth validating.
fn arrange(query: Query, rcode: ResponseCode, mut answers: Vec<Record>, mut authorities: Vec<Record>) -> Message {
    let (name, qtype) = (query.name().clone(), query.query_type());
    let kind = |record: &Record| covered_type(record).unwrap_or_else(|| record.record_type());
    if answers.is_empty() && authorities.iter().any(|record| record.record_type() == RecordType::CNAME && record.name == name) {
        (answers, authorities) = authorities.into_iter().partition(|record| matches!(kind(record), RecordType::CNAME | DNAME));
    }
    let is_alias = |record: &Record| matches!(kind(record), RecordType::CNAME | DNAME);
    answers.retain(|record| {
        let wanted = kind(record) == qtype || record.record_type() == qtype || qtype == RecordType::ANY;
        record.name == name && wanted || is_alias(record)
    });
    let denied = answers.is_empty();
    // Beside an answer only the proof that a wildcard made it is of use (RFC 4035 section 5.3.4); some servers send more than that, which
    // the validator would hold against the answer.
    let needs_proof = denied || answers.iter().any(is_expanded);
    authorities.retain(|record| match kind(record) {
        RecordType::NSEC | RecordType::NSEC3 => needs_proof,
        RecordType::SOA => denied,
        _ => false,
    });
    let mut message = Message::response(0, OpCode::Query);
    message.metadata.response_code = rcode;
    message.add_query(query);
    message.answers = answers;
    message.authorities = authorities;
    message
}

/// The type that a signature covers.
fn covered_type(record: &Record) -> Option<RecordType> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature.input().type_covered),
        _ => None,
    }
}

/// Is this the signature of a record that a wildcard made: with fewer labels than its owner (RFC 4034 section 3.1.3)?
fn is_expanded(record: &Record) -> bool {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => signature.input().num_labels < record.name.num_labels(),
        _ => false,
    }
}

/// Where a DNAME leads `name`; `None` when that does not fit into a name.
fn redirect(name: &Name, dname: &Record) -> Option<Name> {
    let RData::Unknown { rdata, .. } = &dname.data else { return None };
    let owner = our_name(&dname.name)?;
    let kept = name.as_wire().len().checked_sub(owner.as_wire().len())?;
    let mut wire = name.as_wire().get(..kept)?.to_vec();
    wire.extend_from_slice(&rdata.anything);
    if wire.len() > NAME_OCTETS_MAX { None } else { Name::from_wire(&wire).ok() }
}

fn is_at(record: &Record, name: &Name) -> bool {
    our_name(&record.name).as_ref() == Some(name)
}

fn their_name(name: &Name) -> Result<HickoryName, Failure> {
    HickoryName::read(&mut BinDecoder::new(name.as_wire())).map_err(|_| Failure::Unusable)
}

fn our_name(name: &HickoryName) -> Option<Name> {
    let mut wire = Vec::with_capacity(NAME_OCTETS_MAX);
    for label in name.iter() {
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    Name::from_wire(&wire).ok()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use hickory_proto::dnssec::crypto::Ed25519SigningKey;
    use hickory_proto::dnssec::rdata::{DNSKEY, DS};
    use hickory_proto::dnssec::{Algorithm, DigestType, DnssecSigner, SigningKey};
    use hickory_proto::serialize::txt::Parser;
    use hickory_server::Server;
    use hickory_server::dnssec::NxProofKind;
    use hickory_server::store::in_memory::InMemoryZoneHandler;
    use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
    use tokio::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::resolve::{Mode, Resolver, Settings};

    const SOA: &str = "@ 300 IN SOA ns.test. root.test. 1 3600 600 86400 60\n";

    /// A small internet on 127.8.N.x, all at one port; each test has its own N.
    struct Internet {
        net: u8,
        port: u16,
        root_key: String,
        servers: Vec<Server<Catalog>>,
    }

    struct Signer {
        key: Box<dyn Fn() -> Ed25519SigningKey>,
        dnskey: DNSKEY,
    }

    fn signer() -> Signer {
        let pkcs8 = Ed25519SigningKey::generate_pkcs8().unwrap();
        let key = Box::new(move || Ed25519SigningKey::from_pkcs8(&pkcs8).unwrap());
        let dnskey = DNSKEY::from_key(&key().to_public_key().unwrap());
        Signer { key, dnskey }
    }

    fn ds(zone: &str, signer: &Signer) -> Record {
        let zone = HickoryName::from_ascii(zone).unwrap();
        let digest = signer.dnskey.to_digest(&zone, DigestType::SHA256).unwrap().as_ref().to_vec();
        let tag = signer.dnskey.calculate_key_tag().unwrap();
        Record::from_rdata(zone, 300, RData::DNSSEC(DNSSECRData::DS(DS::new(tag, Algorithm::ED25519, DigestType::SHA256, digest))))
    }

    fn zone(origin: &str, text: &str, extra: Vec<Record>, signer: Option<&Signer>, denial: NxProofKind) -> InMemoryZoneHandler {
        let name = HickoryName::from_ascii(origin).unwrap();
        let (_, records) = Parser::new(format!("{SOA}{text}"), None, Some(name.clone())).parse().unwrap();
        let mut zone = InMemoryZoneHandler::new(name.clone(), records, ZoneType::Primary, AxfrPolicy::Deny, Some(denial)).unwrap();
        for record in extra {
            zone.upsert_mut(record, 1);
        }
        if let Some(signer) = signer {
            let signer = DnssecSigner::new(signer.dnskey.clone(), Box::new((signer.key)()), name, Duration::from_secs(86_400));
            zone.add_zone_signing_key_mut(signer).unwrap();
            zone.secure_zone_mut().unwrap();
        }
        zone
    }

    impl Internet {
        async fn build(net: u8) -> Self {
            let mut internet = Self { net, port: 0, root_key: String::new(), servers: Vec::new() };
            let first = UdpSocket::bind((format!("127.8.{net}.200"), 0)).await.unwrap();
            internet.port = first.local_addr().unwrap().port();
            let [root, test, good, bogus, wrong] = std::array::from_fn(|_| signer());
            internet.root_key = format!(". 300 IN DNSKEY {}", root.dnskey);
            // All servers are named in the root: hickory's server gives no glue from below a zone cut.
            let hosts: String = (2..=9).map(|last| format!("n{last} 300 A 127.8.{net}.{last}\n")).collect();
            let text = format!("@ 300 NS n2.\ntest 300 NS n2.\nexample 300 NS n3.\nip6.arpa 300 NS n6.\n{hosts}");
            internet.serve(1, vec![(".", zone(".", &text, vec![ds("test.", &test)], Some(&root), NxProofKind::Nsec))]).await;
            let text = "@ 300 NS n2.\ngood 300 NS n4.\nbogus 300 NS n5.\nbare 300 NS n5.\n*.wild 300 A 192.0.2.9\n";
            let delegations = vec![ds("good.test.", &good), ds("bogus.test.", &wrong), ds("bare.test.", &wrong)];
            let nsec3 = NxProofKind::Nsec3 { algorithm: Default::default(), salt: [].into(), iterations: 0, opt_out: false };
            internet.serve(2, vec![("test.", zone("test.", text, delegations, Some(&test), nsec3))]).await;
            let text = "@ 300 NS n3.\nplain 300 NS n6.\nlame 300 NS n7.\nlame 300 NS n6.\ndeaf 300 NS n8.\ndeaf 300 NS n6.\n\
                dname 300 NS n9.\nmute 300 NS n8.\nevil 300 NS n9.\nside 300 NS n9.\nside 300 NS n6.\n";
            internet.serve(3, vec![("example.", zone("example.", text, vec![], None, NxProofKind::Nsec))]).await;
            let text = "@ 300 NS n4.\nwww 300 A 192.0.2.1\nalias 300 CNAME www\nfar 300 CNAME www.plain.example.\n\
                gone 300 CNAME no.good.test.\n*.wild 300 A 192.0.2.2\ncwild 300 CNAME a.wild\nloop 300 CNAME pool\n\
                pool 300 CNAME loop\nmail 300 MX 10 www\n"
                .to_owned()
                + &"1.".repeat(32)
                + "deep 300 PTR www\n";
            internet.serve(4, vec![("good.test.", zone("good.test.", &text, vec![], Some(&good), NxProofKind::Nsec))]).await;
            let text = "@ 300 NS n5.\nwww 300 A 192.0.2.3\n";
            let signed = ("bogus.test.", zone("bogus.test.", text, vec![], Some(&bogus), NxProofKind::Nsec));
            let unsigned = ("bare.test.", zone("bare.test.", text, vec![], None, NxProofKind::Nsec));
            internet.serve(5, vec![signed, unsigned]).await;
            let plain = |origin, text: &str| (origin, zone(origin, text, vec![], None, NxProofKind::Nsec));
            let zones = vec![
                plain("plain.example.", "@ 300 NS n6.\nwww 300 A 192.0.2.4\n"),
                plain("lame.example.", "@ 300 NS n7.\n@ 300 NS n6.\n*.n 300 A 192.0.2.5\n"),
                plain("side.example.", "@ 300 NS n9.\n@ 300 NS n6.\n*.n 300 A 192.0.2.7\n"),
                plain("ip6.arpa.", "@ 300 NS n6.\n1.0 300 PTR www.good.test.\n"),
                plain("deaf.example.", "@ 300 NS n8.\n@ 300 NS n6.\n*.n 300 A 192.0.2.6\n"),
            ];
            internet.serve(6, zones).await;
            // Refuses everything: it has no zone. The server at 8 keeps silent.
            internet.serve(7, vec![]).await;
            internet.serve_dname(9).await;
            internet
        }

        fn at(&self, last: u8) -> SocketAddr {
            format!("127.8.{}.{last}:{}", self.net, self.port).parse().unwrap()
        }

        async fn serve(&mut self, last: u8, zones: Vec<(&str, InMemoryZoneHandler)>) {
            let mut catalog = Catalog::new();
            for (origin, zone) in zones {
                catalog.upsert(HickoryName::from_ascii(origin).unwrap().into(), vec![Arc::new(zone)]);
            }
            let mut server = Server::new(catalog);
            server.register_socket(UdpSocket::bind(self.at(last)).await.unwrap());
            server.register_listener(TcpListener::bind(self.at(last)).await.unwrap(), Duration::from_secs(5), 4096);
            self.servers.push(server);
            if last == 7 {
                let silent = UdpSocket::bind(self.at(8)).await.unwrap();
                tokio::spawn(async move { silent.recv_from(&mut [0; 1]).await.map(|_| std::future::pending::<()>()).unwrap().await });
            }
        }

        /// `old.dname.example` is a DNAME to `plain.example`; about `side.example` nothing is known but who serves `example`;
        /// below `evil.example` everything is delegated to a hundred servers that have to be looked for below `evil.example`.
        async fn serve_dname(&self, last: u8) {
            let socket = UdpSocket::bind(self.at(last)).await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 1500];
                loop {
                    let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                    let asked = Message::from_vec(&buffer[..length]).unwrap();
                    let query = asked.queries[0].clone();
                    let mut reply = Message::response(asked.metadata.id, OpCode::Query);
                    reply.metadata.authoritative = true;
                    if HickoryName::from_ascii("side.example.").unwrap().zone_of(query.name()) {
                        reply.metadata.authoritative = false;
                        let servers = RData::NS(hickory_proto::rr::rdata::NS(HickoryName::from_ascii("n3.").unwrap()));
                        reply.authorities.push(Record::from_rdata(HickoryName::from_ascii("example.").unwrap(), 300, servers));
                    }
                    if HickoryName::from_ascii("evil.example.").unwrap().zone_of(query.name()) {
                        reply.metadata.authoritative = false;
                        for server in 0..100 {
                            let server =
                                HickoryName::from_ascii(format!("n{server}.h{}.evil.example.", u16::from_be_bytes([buffer[0], buffer[1]])))
                                    .unwrap();
                            let server = RData::NS(hickory_proto::rr::rdata::NS(server));
                            reply.authorities.push(Record::from_rdata(query.name().clone(), 300, server));
                        }
                    }
                    let old = HickoryName::from_ascii("old.dname.example.").unwrap();
                    if old.zone_of(query.name()) && old != *query.name() {
                        let data = hickory_proto::rr::rdata::NULL::with(b"\x05plain\x07example\x00".to_vec());
                        reply.add_answer(Record::from_rdata(old, 300, RData::Unknown { code: DNAME, rdata: data }));
                        let target = HickoryName::from_ascii("www.wrong.example.").unwrap();
                        reply.add_answer(Record::from_rdata(query.name().clone(), 300, RData::CNAME(CNAME(target))));
                    }
                    reply.add_query(query);
                    socket.send_to(&reply.to_vec().unwrap(), from).await.unwrap();
                }
            });
        }

        fn resolver(&self, validate: bool) -> Resolver {
            let settings = recurse::Settings {
                root_hints: Some(format!(". 300 NS ns.root.test.\nns.root.test. 300 A 127.8.{}.1", self.net)),
                trust_anchors: Some(vec![self.root_key.clone()]),
                validate,
                ipv6: false,
                loopback: true,
                port: self.port,
                ..recurse::Settings::default()
            };
            Resolver::start(Settings { mode: Mode::Recurse(settings), patience: Duration::from_secs(4), waiting_max: 100 }).unwrap()
        }
    }

    /// What a reply says: RCODE, AD, answers (type and data), authority types.
    #[derive(Debug, PartialEq, Eq)]
    struct Told(String, bool, Vec<String>, Vec<String>);

    async fn ask(resolver: &Resolver, name: &str, rtype: RecordType, flags: &str) -> Result<Told, Failure> {
        let question = Question {
            name: Name::parse(name).unwrap(),
            qtype: rtype.into(),
            dnssec_ok: flags.contains("do"),
            checking_disabled: flags.contains("cd"),
        };
        let fetched = resolver.fetch(&question).await?;
        assert_eq!(fetched.wire[..3], [0, 0, 0x80]);
        assert!(fetched.wire[12..].starts_with(question.name.as_wire()), "the question stands at octet 12, in full");
        let message = Message::from_vec(&fetched.wire).unwrap();
        assert!(message.additionals.is_empty() && message.edns.is_none() && message.metadata.recursion_available);
        let data = |record: &Record| match record.record_type() {
            rtype @ (RecordType::RRSIG | DNAME) => rtype.to_string(),
            rtype => format!("{rtype} {}", record.data),
        };
        let mut authorities: Vec<_> = message.authorities.iter().map(|record| record.record_type().to_string()).collect();
        authorities.sort();
        authorities.dedup();
        let (rcode, ad) = (format!("{:?}", message.metadata.response_code), message.metadata.authentic_data);
        Ok(Told(rcode, ad, message.answers.iter().map(data).collect(), authorities))
    }

    fn told(rcode: &str, secure: bool, answers: &[&str], authorities: &[&str]) -> Result<Told, Failure> {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Ok(Told(rcode.to_owned(), secure, own(answers), own(authorities)))
    }

    #[tokio::test]
    async fn signed_and_unsigned_names_are_told_apart() {
        let internet = Internet::build(1).await;
        let resolver = internet.resolver(true);
        let a = RecordType::A;
        // As many labels as an IPv6 address has in ip6.arpa.
        let deep = "1.".repeat(32) + "deep.good.test";
        for (name, rtype, flags, want) in [
            ("www.good.test", a, "", told("NoError", true, &["A 192.0.2.1"], &[])),
            ("www.good.test", a, "do", told("NoError", true, &["A 192.0.2.1", "RRSIG"], &[])),
            ("www.good.test", RecordType::AAAA, "", told("NoError", true, &[], &["SOA"])),
            ("www.good.test", RecordType::AAAA, "do", told("NoError", true, &[], &["NSEC", "RRSIG", "SOA"])),
            ("www.good.test", RecordType::SOA, "", told("NoError", true, &[], &["SOA"])),
            ("mail.good.test", RecordType::MX, "", told("NoError", true, &["MX 10 www.good.test."], &[])),
            ("no.good.test", a, "", told("NXDomain", true, &[], &["SOA"])),
            ("no.test", a, "do", told("NXDomain", true, &[], &["NSEC3", "RRSIG", "SOA"])),
            ("alias.good.test", a, "", told("NoError", true, &["CNAME www.good.test.", "A 192.0.2.1"], &[])),
            ("alias.good.test", RecordType::CNAME, "", told("NoError", true, &["CNAME www.good.test."], &[])),
            ("alias.good.test", RecordType::AAAA, "", told("NoError", true, &["CNAME www.good.test."], &["SOA"])),
            ("gone.good.test", a, "", told("NXDomain", true, &["CNAME no.good.test."], &["SOA"])),
            ("far.good.test", a, "", told("NoError", false, &["CNAME www.plain.example.", "A 192.0.2.4"], &[])),
            ("x.wild.good.test", a, "", told("NoError", true, &["A 192.0.2.2"], &[])),
            ("x.y.wild.good.test", a, "do", told("NoError", true, &["A 192.0.2.2", "RRSIG"], &["NSEC", "RRSIG"])),
            ("x.wild.test", a, "", told("NoError", true, &["A 192.0.2.9"], &[])),
            ("cwild.good.test", a, "", told("NoError", true, &["CNAME a.wild.good.test.", "A 192.0.2.2"], &[])),
            ("loop.good.test", a, "", Err(Failure::TooMuchWork)),
            ("www.bogus.test", a, "", Err(Failure::KeyMissing)),
            ("www.bogus.test", a, "cd", told("NoError", false, &["A 192.0.2.3"], &[])),
            ("www.bogus.test", a, "do cd", told("NoError", false, &["A 192.0.2.3", "RRSIG"], &[])),
            ("www.bare.test", a, "", Err(Failure::Unsigned)),
            ("no.bare.test", a, "", Err(Failure::Unsigned)),
            (&deep, RecordType::PTR, "", told("NoError", true, &["PTR www.good.test."], &[])),
            ("www.plain.example", a, "", told("NoError", false, &["A 192.0.2.4"], &[])),
            ("www.plain.example", RecordType::AAAA, "do", told("NoError", false, &[], &["SOA"])),
            ("no.plain.example", a, "", told("NXDomain", false, &[], &["SOA"])),
            ("good.test", RecordType::DS, "", told("NoError", true, &[], &[])),
            ("plain.example", RecordType::NS, "", told("NoError", false, &["NS n6."], &[])),
        ] {
            for round in ["cold", "warm"] {
                let mut got = ask(&resolver, name, rtype, flags).await;
                if let (RecordType::DS, Ok(told)) = (rtype, &mut got) {
                    told.2.clear();
                }
                assert_eq!(got, want, "{name} {rtype} {flags} {round}");
            }
        }
        resolver.forget().unwrap();
        assert_eq!(ask(&resolver, "www.good.test", a, "").await, told("NoError", true, &["A 192.0.2.1"], &[]));
        let unchecked = internet.resolver(false);
        assert_eq!(ask(&unchecked, "www.bogus.test", a, "").await, told("NoError", false, &["A 192.0.2.3"], &[]));
    }

    #[tokio::test]
    async fn one_bad_server_of_two_costs_no_answer() {
        let internet = Internet::build(2).await;
        let resolver = internet.resolver(true);
        for (zone, data) in [("lame", "A 192.0.2.5"), ("deaf", "A 192.0.2.6"), ("side", "A 192.0.2.7")] {
            for number in 0..20 {
                let got = ask(&resolver, &format!("h{number}.n.{zone}.example"), RecordType::A, "").await;
                assert_eq!(got, told("NoError", false, &[data], &[]), "{zone} {number}");
            }
        }
        assert!(resolver.totals().failures > 0);
    }

    #[tokio::test]
    async fn silence_ends_within_patience() {
        let internet = Internet::build(3).await;
        let start = Instant::now();
        let got = ask(&internet.resolver(true), "www.mute.example", RecordType::A, "").await;
        assert_eq!(got, Err(Failure::Unreachable));
        assert!(start.elapsed() < Duration::from_millis(4500));
    }

    #[tokio::test]
    async fn a_dname_leads_where_it_says_whatever_alias_comes_with_it() {
        let internet = Internet::build(4).await;
        let resolver = internet.resolver(true);
        let want = told("NoError", false, &["DNAME", "CNAME www.plain.example.", "A 192.0.2.4"], &[]);
        assert_eq!(ask(&resolver, "www.old.dname.example", RecordType::A, "").await, want);
    }

    #[tokio::test]
    async fn a_reverse_name_that_does_not_exist_costs_few_questions() {
        let internet = Internet::build(5).await;
        let resolver = internet.resolver(true);
        let name = "f.".repeat(30) + "1.1.ip6.arpa";
        let asked = || resolver.totals().answers;
        assert_eq!(ask(&resolver, &name, RecordType::PTR, "").await, told("NXDomain", false, &[], &["SOA"]));
        let cold = asked();
        let name = "f.".repeat(30) + "2.1.ip6.arpa";
        assert_eq!(ask(&resolver, &name, RecordType::PTR, "").await, told("NXDomain", false, &[], &["SOA"]));
        assert!(cold < 15 && asked() - cold < 3, "{cold} {}", asked());
        let exists = told("NoError", false, &["PTR www.good.test."], &[]);
        assert_eq!(ask(&resolver, "1.0.ip6.arpa", RecordType::PTR, "").await, exists);
    }

    #[tokio::test]
    async fn no_question_costs_more_than_its_budget() {
        let internet = Internet::build(6).await;
        let resolver = internet.resolver(true);
        let mut before = 0;
        for number in 0..5 {
            let start = Instant::now();
            let got = ask(&resolver, &format!("a.b.c.d{number}.evil.example"), RecordType::A, "").await;
            let totals = resolver.totals();
            assert_eq!(got, Err(Failure::TooMuchWork));
            assert!(totals.answers + totals.failures - before <= 50 + 2 * 6, "{number} {totals:?}");
            assert!(start.elapsed() < Duration::from_secs(1), "{number} {:?}", start.elapsed());
            before = totals.answers + totals.failures;
        }
    }

    #[tokio::test]
    async fn what_was_learnt_is_not_asked_again() {
        let internet = Internet::build(7).await;
        let resolver = internet.resolver(true);
        let mut before = 0;
        for (name, rtype, cost) in [
            ("www.good.test", RecordType::A, 15),
            ("www.good.test", RecordType::MX, 1),
            ("mail.good.test", RecordType::MX, 2),
            ("alias.good.test", RecordType::A, 3),
            ("no.good.test", RecordType::A, 2),
            ("www.plain.example", RecordType::A, 12),
            ("www.plain.example", RecordType::AAAA, 1),
            ("www.plain.example", RecordType::A, 1),
        ] {
            ask(&resolver, name, rtype, "").await.unwrap();
            let asked = resolver.totals().answers;
            println!("{name} {rtype} {}", asked - before);
            assert!(asked - before <= cost, "{name} {rtype} {}", asked - before);
            before = asked;
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let settings =
            recurse::Settings { trust_anchors: Some(vec!["example. 300 IN DS 1 2 3 00".to_owned()]), ..recurse::Settings::default() };
        let start = |settings: &recurse::Settings| recurse::Recursion::start(settings.clone()).err();
        assert!(matches!(start(&settings), Some(StartError::TrustAnchors(_))));
        assert!(start(&recurse::Settings { trust_anchors: None, ..settings.clone() }).is_none());
        assert!(start(&recurse::Settings { validate: false, ..settings }).is_none());
    }
}
