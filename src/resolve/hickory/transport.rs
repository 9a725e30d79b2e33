//! How hickory's recursor reaches authorities: our own exchange instead of its sockets, so that ports, time-outs and the judgement of bad
//! servers are ours.
//!
//! hickory gives up a question when one server of several answers REFUSED; here every such answer becomes an I/O error, after which it asks
//! the next server. Aliases are handed over as a negative answer that carries them, so that hickory does not follow them by itself.

use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::xfer::{DnsHandle, DnsResponseStream};
use hickory_net::{DnsError, NetError, NoRecords};
use hickory_proto::op::{DnsRequest, DnsResponse, Message, Query, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use hickory_resolver::config::{ConnectionConfig, ProtocolConfig};
use hickory_resolver::{ConnectionProvider, PoolContext};

use super::memory::Memory;
use super::{DNAME, covered_type, our_name};
use crate::resolve::Tally;
use crate::resolve::exchange::{Edns, Fault, Local, Outgoing, Spelling, UDP_PAYLOAD_OCTETS, ask, ask_tcp};
use crate::resolve::recurse::{charge, note_silence, refund};
use crate::resolve::reply::Reply;

/// How long one server may take: below a quarter of a client's usual patience, so that a dead first server costs no answer.
const WAIT: Duration = Duration::from_millis(800);
/// Names remembered that are no zone cuts.
const PROBES_MAX: usize = 32_768;
/// The longest they are.
const PROBES_TTL_MAX: Duration = Duration::from_secs(300);

/// Makes the ways to the servers.
#[derive(Clone)]
pub(super) struct Transport {
    runtime: TokioRuntimeProvider,
    port: u16,
    tally: Arc<Tally>,
    probes: Arc<Memory<Query, NoRecords>>,
}

impl Transport {
    /// All servers are asked at `port`.
    pub(super) fn new(port: u16, tally: Arc<Tally>) -> Self {
        Self { runtime: TokioRuntimeProvider::new(), port, tally, probes: Arc::new(Memory::new(PROBES_MAX)) }
    }
}

impl ConnectionProvider for Transport {
    type Conn = Link;
    type FutureConn = Ready<Result<Link, NetError>>;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(&self, ip: IpAddr, config: &ConnectionConfig, _: &PoolContext) -> Result<Self::FutureConn, NetError> {
        let only_tcp = matches!(config.protocol, ProtocolConfig::Tcp);
        let (server, tally, probes) = (SocketAddr::new(ip, self.port), Arc::clone(&self.tally), Arc::clone(&self.probes));
        Ok(ready(Ok(Link { server, only_tcp, tally, probes })))
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.runtime
    }
}

/// The way to one server; holds no socket.
#[derive(Clone)]
pub(super) struct Link {
    server: SocketAddr,
    only_tcp: bool,
    tally: Arc<Tally>,
    probes: Arc<Memory<Query, NoRecords>>,
}

impl DnsHandle for Link {
    type Response = DnsResponseStream;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> DnsResponseStream {
        let link = self.clone();
        DnsResponseStream::from(Box::pin(async move { link.exchange(&request).await }))
    }
}

impl Link {
    async fn exchange(&self, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        let query = request.queries.first().ok_or(NetError::Message("a request without a question"))?;
        let is_probe = query.query_type() == RecordType::NS;
        if let Some((denial, _)) = self.probes.recall(query).filter(|_| is_probe) {
            return Err(denial.into());
        }
        charge().map_err(|_| NetError::Message("the question's budget is used up"))?;
        match self.ask(query, request).await {
            Ok(octets) => {
                let response = read(octets, query)?;
                self.tally.note_answer();
                let handed = hand_over(response, query);
                if let Err(NetError::Dns(DnsError::NoRecordsFound(denial))) = &handed
                    && let Some(ttl_s) = denial.negative_ttl.filter(|_| is_probe && denial.ns.is_none())
                {
                    self.probes.keep(query.clone(), denial.clone(), PROBES_TTL_MAX.min(Duration::from_secs(ttl_s.into())));
                }
                handed
            }
            Err(error) => {
                self.tally.note_failure();
                if matches!(error, NetError::Timeout) {
                    note_silence();
                }
                Err(error)
            }
        }
    }

    /// The octets of a reply that is well-formed and an answer, a denial or a referral.
    async fn ask(&self, query: &Query, request: &DnsRequest) -> Result<Vec<u8>, NetError> {
        let mut outgoing = Outgoing {
            name: our_name(query.name()).ok_or(NetError::Message("a name that is none"))?,
            qtype: query.query_type().into(),
            recursion_desired: false,
            checking_disabled: false,
            edns: if request.edns.is_some() { Edns::WantSignatures(UDP_PAYLOAD_OCTETS) } else { Edns::Leave },
            spelling: Spelling::Drawn,
            local: Local::default(),
        };
        loop {
            let heard = if self.only_tcp { ask_tcp(self.server, &outgoing, WAIT).await } else { ask(self.server, &outgoing, WAIT).await };
            let octets = heard.map_err(|fault| match fault {
                Fault::Silent => NetError::Timeout,
                Fault::Broken => useless("the server cannot be reached"),
                Fault::Unsent => {
                    refund();
                    useless("there is no way to the server")
                }
            })?;
            let reply = Reply::read(&octets).map_err(|_| useless("the reply breaks the format"))?;
            match reply.rcode {
                0 | 3 => return Ok(octets),
                // FORMERR or BADVERS from a server that does not know EDNS (RFC 6891 section 7).
                1 | 16 if outgoing.edns != Edns::Leave => outgoing.edns = Edns::Leave,
                _ => return Err(useless("the server will not answer")),
            }
        }
    }
}

/// The kind of error after which hickory asks the next server.
fn useless(why: &'static str) -> NetError {
    NetError::from(io::Error::other(why))
}

fn read(octets: Vec<u8>, query: &Query) -> Result<DnsResponse, NetError> {
    let response = DnsResponse::from_buffer(octets).map_err(|_| useless("the reply cannot be read"))?;
    if is_lame(&response, query) { Err(useless("the server does not know the zone")) } else { Ok(response) }
}

/// Neither answer nor denial nor a way on: an empty message without authority, or a referral to elsewhere than to the name itself. hickory
/// asks for the servers of each label in turn, so that no other referral is a way on. Networks that catch all DNS and have no way out
/// say NXDOMAIN in this manner.
fn is_lame(response: &Message, query: &Query) -> bool {
    let elsewhere = |record: &Record| record.record_type() == RecordType::NS && record.name != *query.name();
    let denies = response.authorities.iter().any(|record| record.record_type() == RecordType::SOA);
    matches!(response.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
        && !response.metadata.authoritative
        && response.answers.is_empty()
        && !denies
        && (response.authorities.is_empty() || response.authorities.iter().any(elsewhere))
}

/// Answers as they are. Denials as the error hickory makes of them, but here already: later it would count them against the server's
/// speed. Aliases as a denial too, with the alias among its authority records.
fn hand_over(response: DnsResponse, query: &Query) -> Result<DnsResponse, NetError> {
    let qtype = query.query_type();
    let at_name = |record: &Record| record.record_type() == RecordType::CNAME && record.name == *query.name();
    let alias = response.answers.iter().find(|record| at_name(record));
    let Some(alias) = alias.filter(|_| !matches!(qtype, RecordType::CNAME | RecordType::ANY)) else {
        return DnsError::from_response(response).map_err(NetError::from);
    };
    let mut denial = NoRecords::new(query.clone(), ResponseCode::NoError);
    denial.negative_ttl = Some(alias.ttl);
    denial.authorities =
        Some(response.answers.iter().chain(&response.authorities).filter(|record| tells_alias(record, query)).cloned().collect());
    Err(denial.into())
}

/// The alias itself, the DNAME it comes from, their signatures, and the proof that a wildcard made it.
fn tells_alias(record: &Record, query: &Query) -> bool {
    match covered_type(record).unwrap_or_else(|| record.record_type()) {
        RecordType::CNAME => record.name == *query.name(),
        RecordType::NSEC | RecordType::NSEC3 => true,
        DNAME => record.name.zone_of(query.name()) && record.name != *query.name(),
        _ => false,
    }
}
