//! What servers said, in the form that the iterator gives and the validator takes: sets of records,
//! replies, zone cuts.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, Record, RecordType};

use super::budget::Budget;
use super::failure::Failure;
use super::question::UpstreamBlock;

/// Records of one name and type as one server said them (RFC 2181 section 5).
#[derive(Clone, Debug)]
pub(super) struct RrSet {
    /// The owner, lower-case.
    pub(super) name: Name,
    /// Never RRSIG: those stand in `signatures`, unless a set of signatures alone was asked for.
    pub(super) rtype: RecordType,
    /// Seconds; the least of the set's, and not more than 2³¹ − 1 (RFC 2181 section 8).
    pub(super) ttl_s: u32,
    /// The records, at least one, each once, in the server's order; their own TTLs are as the
    /// server said.
    pub(super) records: Vec<Record>,
    /// The RRSIG records that cover them.
    pub(super) signatures: Vec<Record>,
}

/// One scrubbed reply, or what is kept of it: only what belongs to the zone of the servers that
/// said it.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// NOERROR, NXDOMAIN or YXDOMAIN.
    pub(super) rcode: ResponseCode,
    /// What answers the question: its name and type, or an alias on the way there (CNAME at the
    /// name, DNAME above it). A CNAME made from a DNAME follows it without signatures, and is made
    /// by us. Empty for a denial. For ANY, all sets of the name.
    pub(super) answer: Vec<RrSet>,
    /// SOA, NSEC and NSEC3 with their signatures; nothing else.
    pub(super) authority: Vec<RrSet>,
    /// NS of the zone where a denial brought them along: of no use to anybody, never to be
    /// validated, and dropped from secure answers.
    pub(super) servers: Vec<RrSet>,
    /// The zone whose servers said it, as far as delegations tell.
    pub(super) zone: Name,
    /// Who said it, for [`Ask::ask`]'s `avoid`; `None` for what was put together from several.
    pub(super) from: Option<IpAddr>,
    /// Seconds since the zone's servers said it, as far as that is known: how long it has been kept
    /// in memory, or the age of the root's copy.
    pub(super) age_s: u32,
    /// AA was set.
    pub(super) authoritative: bool,
    /// A CNAME came along that is not the one which the DNAME makes. It is not in the answer; where
    /// the DNAME is secure, it is an attack (RFC 6672 section 5.3.1).
    pub(super) contradicts: bool,
    /// It came from an upstream that says that it keeps the answer back.
    pub(super) blocked: Option<Arc<UpstreamBlock>>,
}

/// Whom what comes from the root's copy is from; for [`Ask::ask`]'s `avoid`, where the root's own
/// servers are to be asked.
pub(super) const FROM_COPY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What a parent said of a zone cut, from its referral or by asking.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// The zone below the cut.
    pub(super) child: Name,
    /// The zone whose servers spoke.
    pub(super) parent: Name,
    /// The DS records of the child, if there are any.
    pub(super) ds: Option<RrSet>,
    /// SOA, NSEC and NSEC3 with their signatures, where there is no DS.
    pub(super) denial: Vec<RrSet>,
    /// Who said it.
    pub(super) from: Option<IpAddr>,
}

/// How the validator asks for more: the iterator's side of the contract. Nothing that comes from
/// here has been validated.
pub(super) trait Ask: Send + Sync {
    /// The authorities' answer to name and type, from memory or by asking.
    ///
    /// `avoid` names servers whose answer was bogus: they are not believed again for this question,
    /// and nothing that they said is taken from memory. Aliases are not followed. A DS question
    /// goes to the parent's servers.
    fn ask(
        &self,
        name: &Name,
        rtype: RecordType,
        avoid: &[IpAddr],
        budget: &Budget,
    ) -> impl Future<Output = Result<Arc<Said>, Failure>> + Send;

    /// The zone cut at `zone` as its parent's servers said it.
    ///
    /// Kept from the referral where there was one; the parent is asked for DS only where nothing is
    /// known, its referral had neither DS nor a denial, or the server is one to avoid.
    fn cut(
        &self,
        zone: &Name,
        avoid: &[IpAddr],
        budget: &Budget,
    ) -> impl Future<Output = Result<Arc<Cut>, Failure>> + Send;

    /// The closest zone apex at or above `name` that is known from delegations so far; the root if
    /// none is.
    fn apex(&self, name: &Name) -> Name;
}
