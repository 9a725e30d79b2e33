//! The steps that a resolution is told in: whom it asked, what was said, what was believed and why.
//! These shapes are what `wardline lookup --json` prints.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;

/// One step, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// Microseconds since the resolution began.
    pub at_us: u64,
    /// What was done or found.
    #[serde(flatten)]
    pub event: TraceEvent,
}

/// What a step did or found. Names are absolute, in A-labels; types are mnemonics or TYPE65535.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum TraceEvent {
    /// Name and type are looked for: those of the question, or an alias's target.
    Question {
        /// The name.
        name: String,
        /// The type.
        #[serde(rename = "type")]
        rtype: String,
    },
    /// Servers said it a while ago, and it is taken as said again.
    Kept {
        /// The name.
        name: String,
        /// The type.
        #[serde(rename = "type")]
        rtype: String,
        /// Whose servers said it.
        zone: String,
        /// Seconds since they did.
        age_s: u32,
        /// Seconds for which it holds; none where that is not known.
        left_s: Option<u32>,
        /// How many sets of records answer; none for a denial.
        sets: usize,
    },
    /// The walk to a name begins at the closest zone that is known.
    Start {
        /// The name.
        name: String,
        /// The type.
        #[serde(rename = "type")]
        rtype: String,
        /// The zone.
        zone: String,
        /// Seconds for which its delegation holds; none for the root and for the operator's zones.
        left_s: Option<i64>,
    },
    /// A zone's servers are asked; those whose addresses are known so far.
    Zone {
        /// The zone.
        zone: String,
        /// Its servers.
        servers: Vec<ServerStanding>,
        /// Names of servers whose addresses can be looked for.
        names: Vec<String>,
    },
    /// A server was asked.
    Exchange(ExchangeStep),
    /// The copy of the root zone on this machine answered.
    RootCopy {
        /// The name.
        name: String,
        /// The type.
        #[serde(rename = "type")]
        rtype: String,
        /// What it said.
        outcome: ExchangeOutcome,
    },
    /// The address of a server is looked for.
    Address {
        /// The server's name.
        server: String,
    },
    /// Something is tried in another way.
    Retry {
        /// Why, and how.
        why: String,
    },
    /// The answer leads on to another name.
    Alias {
        /// The alias.
        name: String,
        /// Where it leads.
        target: String,
    },
    /// A set's signature was checked.
    Signature {
        /// The set's owner.
        name: String,
        /// The set's type.
        #[serde(rename = "type")]
        rtype: String,
        /// The zone whose keys it was checked against.
        zone: String,
        /// The tag of the key by which it holds; none where it does not.
        key_tag: Option<u16>,
        /// That key's algorithm, by its number.
        algorithm: Option<u8>,
        /// Why it does not hold.
        fault: Option<String>,
    },
    /// What became known of a zone's keys.
    Keys {
        /// The zone.
        zone: String,
        /// How that is known.
        by: KeysKnownBy,
        /// The tags of its keys; none where it is insecure.
        key_tags: Vec<u16>,
        /// Why it is insecure, if it is.
        insecure: Option<String>,
    },
    /// What the zone above says of a delegation.
    Delegation {
        /// The zone below.
        child: String,
        /// The key tags of its DS records; none where there is none.
        ds_tags: Vec<u16>,
        /// What that means: `signed`, `insecure: …`, `no zone cut`.
        meaning: String,
    },
    /// A proof seen before answers: nobody is asked.
    Proof {
        /// The name.
        name: String,
        /// The type.
        #[serde(rename = "type")]
        rtype: String,
    },
    /// The validator's last word on name and type.
    Verdict {
        /// The name.
        name: String,
        /// The type.
        #[serde(rename = "type")]
        rtype: String,
        /// `secure`, `insecure: …`, `bogus: …`, `unchecked`.
        verdict: String,
        /// The extended error that goes with it (RFC 8914 section 4), if any.
        ede: Option<u16>,
    },
    /// There is no answer.
    Failure {
        /// Why.
        why: String,
        /// The extended error that tells the client.
        ede: u16,
    },
}

/// One question to one server, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeStep {
    /// The zone that it was asked about as one of its servers; none for a resolver.
    pub zone: Option<String>,
    /// The name that was asked for, which may be a part of the one looked for (RFC 9156).
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// The server's address.
    pub server: String,
    /// With EDNS?
    pub edns: bool,
    /// Packets sent over UDP.
    pub udp: u32,
    /// Questions sent over TCP.
    pub tcp: u32,
    /// Questions sent over TLS.
    pub tls: u32,
    /// Why TCP was taken, if it was.
    pub tcp_why: Option<TcpReason>,
    /// Microseconds until there was a reply, or none any more.
    pub took_us: u64,
    /// The reply, if there was one.
    pub reply: Option<ReplySeen>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: ExchangeOutcome,
}

/// A reply's header, and what its OPT record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplySeen {
    /// The response code's number, extended where there is EDNS.
    pub rcode: u16,
    /// `aa`, `tc`, `ra`, `ad`: those that are set.
    pub flags: Vec<String>,
    /// Records in the answer, authority and additional sections.
    pub counts: [u16; 3],
    /// Octets.
    pub octets: usize,
    /// The UDP size that the server offers; none without EDNS.
    pub edns_octets: Option<u16>,
    /// Its extended errors.
    pub ede: Vec<u16>,
}

/// Why a question went over TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TcpReason {
    /// The reply over UDP was cut short (TC).
    Truncated,
    /// The name came back in another spelling.
    Respelled,
    /// Something came that almost matched, as from somebody who guesses.
    NearMiss,
    /// UDP does not seem to get through: both at once.
    SilentUdp,
}

/// What came of asking a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum ExchangeOutcome {
    /// Records that answer.
    Answer {
        /// The server has them from others (RA without AA).
        second_hand: bool,
    },
    /// An alias on the way to the answer.
    Alias,
    /// The name has no such records.
    NoData,
    /// There is no such name.
    NoSuchName,
    /// The way to the servers of a zone below.
    Referral {
        /// That zone.
        child: String,
        /// How many servers it has.
        servers: usize,
        /// DS records came along; nothing where neither they nor a denial did.
        is_signed: Option<bool>,
    },
    /// The zone's own NS records.
    Apex {
        /// The zone.
        child: String,
    },
    /// It cannot be read.
    Malformed,
    /// It says that it does not read EDNS, or the question.
    NoEdns,
    /// SERVFAIL, REFUSED and the like.
    Refuses,
    /// It does not know the zone, or refers elsewhere than down.
    Lame,
    /// Nothing that matches was heard in time.
    Silent,
    /// The network or the server's host said no.
    Broken,
    /// Nothing could be sent to that address.
    Unsent,
    /// The time or the budget of the whole question was over first.
    GivenUp,
}

/// How a zone's keys became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeysKnownBy {
    /// From before.
    Kept,
    /// They were held against a trust anchor.
    Anchor,
    /// They were held against the DS records of the zone above.
    Parent,
}

/// A zone as its delegation is known, and its servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneStanding {
    /// The zone.
    pub zone: String,
    /// Seconds for which its delegation holds; none for the root and for the operator's zones.
    pub left_s: Option<i64>,
    /// Has it DS records? Nothing where that is not known.
    pub is_signed: Option<bool>,
    /// Its servers at the addresses that are known.
    pub servers: Vec<ServerStanding>,
    /// Names of servers of which no address is known.
    pub without_address: Vec<String>,
}

/// How a server stands, whatever it was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStanding {
    /// Its name, where it was asked about by one.
    pub name: Option<String>,
    /// Its address and port.
    pub address: SocketAddr,
    /// Smoothed round trip in microseconds; none where none was measured.
    pub round_trip_us: Option<u32>,
    /// How often in a row it kept silent.
    pub silences: u32,
    /// Seconds since the first of these silences.
    pub silent_for_s: Option<u64>,
    /// It is left alone for so many seconds more.
    pub left_alone_for_s: Option<u64>,
    /// Since when it is lame for the zone, by the wall clock.
    pub lame_since: Option<UnixSeconds>,
    /// Seconds since TCP alone gets through to it.
    pub tcp_alone_for_s: Option<u64>,
    /// Seconds since it is asked without EDNS.
    pub no_edns_for_s: Option<u64>,
    /// It is asked in lower case: it changes or drops capital letters.
    pub is_respelling: bool,
    /// Questions under way to it.
    pub under_way: u32,
}
