//! DNS messages as octets: reading a question in place and writing a reply into a buffer, without
//! allocation.

mod option_walk;
mod options;
mod question;
mod reply;
mod walk;

pub use option_walk::OptionWalk;
pub use options::{
    COOKIE, COOKIE_OCTETS_CLIENT, DoorOptions, KEEPALIVE, PADDING, add_option, door_options, pad,
    push_option,
};
pub use question::{Edns, Fault, Question, QuestionBytes, read};
pub use reply::{Flags, Reply, bare_reply, reply_code};
pub use walk::{Message, Section, WalkFault, WireRecord};

/// The port of DNS over UDP and TCP (RFC 1035, section 4.2).
pub const DNS_PORT: u16 = 53;

/// The octets of a message header (RFC 1035 section 4.1.1).
pub const HEADER_OCTETS: usize = 12;
/// The most octets we send or accept over UDP (RFC 9715).
pub const UDP_OCTETS_MAX: usize = 1232;
/// The octets every client takes over UDP (RFC 1035 section 2.3.4).
pub const UDP_OCTETS_PLAIN: usize = 512;

/// Record type numbers that the code speaks of.
pub mod rtype {
    /// A, an IPv4 address.
    pub const A: u16 = 1;
    /// NS, a name server.
    pub const NS: u16 = 2;
    /// CNAME, an alias.
    pub const CNAME: u16 = 5;
    /// SOA, start of a zone of authority.
    pub const SOA: u16 = 6;
    /// PTR, the name of an address.
    pub const PTR: u16 = 12;
    /// TXT, text.
    pub const TXT: u16 = 16;
    /// AAAA, an IPv6 address.
    pub const AAAA: u16 = 28;
    /// DNAME, an alias for everything below (RFC 6672).
    pub const DNAME: u16 = 39;
    /// DS, which belongs to the zone above (RFC 4034 section 5).
    pub const DS: u16 = 43;
    /// OPT, the EDNS record (RFC 6891).
    pub const OPT: u16 = 41;
    /// SVCB (RFC 9460).
    pub const SVCB: u16 = 64;
    /// HTTPS (RFC 9460).
    pub const HTTPS: u16 = 65;
    /// TKEY, TSIG and the transfer types IXFR, AXFR, MAILB, MAILA: from 249 to 254.
    pub const TRANSFERS: std::ops::RangeInclusive<u16> = 249..=254;
    /// ANY (RFC 8482).
    pub const ANY: u16 = 255;
    /// RESINFO (RFC 9606).
    pub const RESINFO: u16 = 261;
}

/// Class numbers.
pub mod class {
    /// IN, the internet.
    pub const IN: u16 = 1;
    /// CH, used for `version.bind`.
    pub const CH: u16 = 3;
}

/// Response codes (RFC 1035 section 4.1.1, RFC 6891 section 9).
pub mod rcode {
    /// No error.
    pub const NOERROR: u16 = 0;
    /// The question could not be read.
    pub const FORMERR: u16 = 1;
    /// No answer could be had.
    pub const SERVFAIL: u16 = 2;
    /// The name does not exist.
    pub const NXDOMAIN: u16 = 3;
    /// This kind of question is not implemented.
    pub const NOTIMP: u16 = 4;
    /// Not for this client, or not by policy.
    pub const REFUSED: u16 = 5;
    /// An EDNS version we do not speak.
    pub const BADVERS: u16 = 16;
}

/// Extended error codes: RFC 8914 section 4, and what IANA has registered since. Those of
/// validation and of servers out of reach belong to [`Failure`](crate::resolve::Failure).
pub mod ede {
    /// Stale Answer.
    pub const STALE: u16 = 3;
    /// Forged Answer.
    pub const FORGED: u16 = 4;
    /// Cached Error.
    pub const CACHED_ERROR: u16 = 13;
    /// Blocked: the provider's own policy.
    pub const BLOCKED: u16 = 15;
    /// Censored: a law or an order.
    pub const CENSORED: u16 = 16;
    /// Filtered: asked for by the subscriber.
    pub const FILTERED: u16 = 17;
    /// Prohibited: the client may not ask.
    pub const PROHIBITED: u16 = 18;
    /// Stale NXDOMAIN Answer.
    pub const STALE_NXDOMAIN: u16 = 19;
    /// Not Authoritative: RD was not set, and nothing is kept for the name.
    pub const NOT_AUTHORITATIVE: u16 = 20;
    /// Network Error.
    pub const NETWORK: u16 = 23;
    /// Rate Limited: the client's network asks more often than it may.
    pub const RATE_LIMITED: u16 = 31;
    /// Negative Trust Anchor: the operator has said that nothing is checked there (RFC 7646).
    pub const NEGATIVE_ANCHOR: u16 = 33;
    /// Blocked by Upstream Server (draft-ietf-dnsop-structured-dns-error).
    pub const BLOCKED_UPSTREAM: u16 = 35;
}
