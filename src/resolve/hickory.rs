//! hickory's recursor and validator behind one step of a question; the only place of this module that knows hickory.
//!
//! Layers, from below: [`transport`] asks servers, `Recursor` walks from the root down, [`Hops`] gives its outcomes a common form,
//! `DnssecDnsHandle` validates them, [`Engine::step`] judges. hickory logs names at level warn and above under the targets
//! `hickory_resolver`, `hickory_net` and `hickory_proto`: all three must be switched off in the program's log.

mod transport;

use std::net::IpAddr;
use std::sync::Arc;

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
use hickory_resolver::recursor::{DnssecPolicy, Recursor, RecursorError, RecursorOptions};

use self::transport::Transport;
use super::{Failure, Fetched, Question, StartError, Tally, recurse};
use crate::clock;
use crate::name::{NAME_OCTETS_MAX, Name};

/// Zones and servers remembered; hickory's own default of 1,024 is too few for a provider.
const ZONES_MAX: usize = 16_384;
/// Answers remembered: keys, DS records and probes for zone cuts are asked again and again, everything else is cached above us.
const ANSWERS_MAX: u64 = 16_384;
/// Validated sets remembered.
const VALIDATIONS_MAX: usize = 32_768;
/// Depth of labels and name server names; 24 fails IPv6 reverse names, which have 34 labels.
const DEPTH_MAX: u8 = 200;
/// NSEC3 iterations: above the first insecure, above the second bogus (RFC 9276 section 3.2).
const NSEC3_ITERATIONS: (u16, u16) = (50, 150);
/// The type hickory has no name for (RFC 6672).
const DNAME: RecordType = RecordType::Unknown(39);

/// Finds and validates what one name says.
pub(super) struct Engine {
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
        let mut options = RecursorOptions {
            ns_cache_size: ZONES_MAX,
            response_cache_size: ANSWERS_MAX,
            recursion_limit: DEPTH_MAX,
            ns_recursion_limit: DEPTH_MAX,
            ..RecursorOptions::default()
        };
        if settings.loopback {
            options.deny_server.clear();
        }
        if !settings.ipv6 {
            options.deny_server.push(ipnet::IpNet::V6(ipnet::Ipv6Net::default()));
        }
        let transport = Transport::new(settings.port, Arc::clone(tally));
        // Validation is done one level up, so that questions with CD share everything but the judgement.
        let recursor = Recursor::new(roots, DnssecPolicy::ValidationDisabled, None, options, transport)
            .map_err(|error| StartError::Recursor(error.to_string()))?;
        let hops = Hops { recursor: Arc::new(recursor) };
        let validator = if settings.validate { Some(validator(settings, &hops)?) } else { None };
        Ok(Self { hops, validator })
    }

    /// Ask for `name` with the question's type and flags, follow no alias.
    pub(super) async fn step(&self, name: &Name, question: &Question) -> Result<Step, Failure> {
        let query = Query::query(their_name(name)?, RecordType::from(question.qtype));
        let mut options = DnsRequestOptions::default();
        options.edns_set_dnssec_ok = true;
        let validator = self.validator.as_ref().filter(|_| !question.checking_disabled);
        let (response, checked) = match validator {
            Some(validator) => (validator.lookup(query, options).first_answer().await, Checked::Yes),
            None => (self.hops.lookup(query, options).first_answer().await, Checked::No),
        };
        match response {
            Ok(response) => Step::judge(name, response.into_message(), checked),
            // Denied with a proof that cannot hold but need not, as with too many NSEC3 iterations.
            Err(NetError::Dns(DnsError::Nsec { response, proof: Proof::Insecure, .. })) => {
                Step::judge(name, response.into_message(), Checked::No)
            }
            Err(NetError::Dns(DnsError::Nsec { response, .. })) => Err(blame(response.all_sections())),
            Err(NetError::Dns(DnsError::DnssecBogus)) => Err(Failure::Bogus),
            Err(NetError::Timeout) => Err(Failure::Unreachable),
            Err(_) => Err(Failure::Unusable),
        }
    }
}

fn validator(settings: &recurse::Settings, hops: &Hops) -> Result<DnssecDnsHandle<Hops>, StartError> {
    let anchors = match &settings.trust_anchors {
        None => TrustAnchors::default(),
        Some(text) => text.parse().map_err(|error| StartError::TrustAnchors(format!("{error}")))?,
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

/// Why signatures do not hold, as far as they tell: missing, out of date, or plainly wrong.
fn blame<'a>(records: impl Iterator<Item = &'a Record>) -> Failure {
    let now = hickory_proto::rr::SerialNumber::new(clock::wall_s() as u32);
    let (mut signatures, mut expired) = (0, 0);
    for record in records {
        if let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &record.data {
            signatures += 1;
            expired += usize::from(signature.input().sig_expiration < now);
        }
    }
    match (signatures, expired) {
        (0, _) => Failure::Unsigned,
        (all, old) if all == old => Failure::Expired,
        _ => Failure::Bogus,
    }
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
}

impl DnsHandle for Hops {
    type Response = DnsResponseStream;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> DnsResponseStream {
        let recursor = Arc::clone(&self.recursor);
        DnsResponseStream::from(Box::pin(async move {
            let query = request.queries.first().cloned().ok_or(NetError::Message("a request without a question"))?;
            let message = match recursor.resolve(query.clone(), clock::monotonic(), true).await {
                Ok(message) => arrange(query, message.metadata.response_code, message.answers, message.authorities),
                Err(RecursorError::Negative(denial)) if denial.is_no_records_found() => {
                    let rcode = if denial.is_nx_domain() { ResponseCode::NXDomain } else { ResponseCode::NoError };
                    let mut authorities = denial.authorities.map(|records| records.to_vec()).unwrap_or_default();
                    if let Some(soa) = denial.soa.filter(|_| !authorities.iter().any(|record| record.record_type() == RecordType::SOA)) {
                        authorities.push(soa.into_record_of_rdata());
                    }
                    arrange(query, rcode, Vec::new(), authorities)
                }
                Err(RecursorError::Net(error)) => return Err(error),
                Err(RecursorError::Timeout) => return Err(NetError::Timeout),
                Err(error) => return Err(error.into()),
            };
            Ok(DnsResponse::from_message(message)?)
        }))
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
    authorities.retain(|record| match kind(record) {
        RecordType::NSEC | RecordType::NSEC3 => true,
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
