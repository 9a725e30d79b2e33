//! `[resolve]`, `[resolve.recurse]` and `[cache]`: where real answers come from and how long they
//! are kept.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::files::FileContent;
use super::forward::{Forward, ForwardSection, OwnZone, ZoneSection, check_zones};
use super::listen::Listen;
use super::review::{Review, unwritten};
use crate::name::Name;
use crate::resolve::Renumbering;
use crate::resolve::dns64::Prefix;
use crate::wire::DNS_PORT;

/// The largest UDP reply asked for: it needs no fragments (RFC 9715).
const EDNS_OCTETS: u16 = 1232;

/// No server may be told less (RFC 6891 section 6.2.3), and more is never sent.
const EDNS_OCTETS_MIN: u16 = 512;
const EDNS_OCTETS_MAX: u16 = 4096;

/// How names are resolved that are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    /// Which of the two ways.
    pub mode: ResolveMode,
    /// The longest that a client waits for an answer from outside.
    pub patience: Duration,
    /// Answer the special-use names by ourselves (RFC 6761, RFC 6303).
    pub special_use: bool,
    /// Names that are resolved all the same, with all below them.
    pub special_use_except: Vec<Name>,
    /// Make IPv6 addresses of IPv4 ones with this prefix.
    pub dns64: Option<Prefix>,
    /// Networks whose addresses are given as those of others.
    pub renumbering: Vec<Renumbering>,
    /// Refuse answers that give names of the internet addresses of private networks.
    pub rebinding_protection: bool,
    /// Names that may have such addresses, with all below them.
    pub private_names: Vec<Name>,
    /// Zones that are resolved in another way.
    pub zones: Vec<OwnZone>,
    /// The first way.
    pub recurse: Recurse,
    /// The other way.
    pub forward: Forward,
}

impl Resolve {
    /// Are signatures checked, by us or by those whom we ask?
    pub fn checks_signatures(&self) -> bool {
        let anchored = self
            .recurse
            .trust_anchors
            .as_ref()
            .is_none_or(|files| !files.is_empty());
        match self.mode {
            ResolveMode::Recurse => self.recurse.validate && anchored,
            ResolveMode::Forward => self.forward.trust_ad || self.forward.validate && anchored,
        }
    }
}

/// The two ways to resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResolveMode {
    /// Ask the authorities, from the root down.
    Recurse,
    /// Ask other resolvers.
    Forward,
}

/// How authorities are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurse {
    /// Root hints as a zone file; the built-in ones without it.
    pub root_hints: Option<PathBuf>,
    /// A copy of the root zone as a zone file.
    pub root_copy: Option<PathBuf>,
    /// Files of trust anchors; the built-in root anchors without it, no anchor and so no validation
    /// where it is empty.
    pub trust_anchors: Option<Vec<PathBuf>>,
    /// Follow the zones' own keys from there on (RFC 5011).
    pub update_trust_anchors: bool,
    /// Tell the zones' servers which anchors are in force (RFC 8145).
    pub signal_trust_anchors: bool,
    /// Zones whose signatures are not checked.
    pub negative_anchors: Vec<Name>,
    /// Check signatures.
    pub validate: bool,
    /// Believe SHA-1.
    pub sha1: bool,
    /// Tell servers no more of a name than they need.
    pub minimise: bool,
    /// Ask over IPv4.
    pub ipv4: bool,
    /// Ask over IPv6.
    pub ipv6: bool,
    /// Authorities may stand on loopback addresses.
    pub loopback: bool,
    /// Authorities may stand on private and documentation addresses.
    pub private: bool,
    /// Zones whose servers are asked without a drawn spelling.
    pub plain_spelling: Vec<Name>,
    /// Believe addresses in referrals only within the zone that refers.
    pub harden_glue: bool,
    /// The authorities' port.
    pub port: u16,
    /// The largest UDP reply asked for, in octets.
    pub edns_octets: u16,
    /// The addresses that questions go out from.
    pub outgoing: Vec<IpAddr>,
    /// Ask the roots for themselves first.
    pub prime: bool,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ResolveSection {
    mode: Spanned<ResolveMode>,
    patience_ms: Spanned<u64>,
    special_use: bool,
    special_use_except: Vec<Spanned<String>>,
    dns64: Option<Spanned<String>>,
    renumber: Vec<Spanned<String>>,
    rebinding_protection: bool,
    private_names: Vec<Spanned<String>>,
    zone: Vec<ZoneSection>,
    recurse: RecurseSection,
    forward: ForwardSection,
}

impl Default for ResolveSection {
    fn default() -> Self {
        Self {
            mode: unwritten(ResolveMode::Recurse),
            patience_ms: unwritten(4500),
            special_use: true,
            special_use_except: Vec::new(),
            dns64: None,
            renumber: Vec::new(),
            rebinding_protection: false,
            private_names: Vec::new(),
            zone: Vec::new(),
            recurse: RecurseSection::default(),
            forward: ForwardSection::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RecurseSection {
    root_hints: Option<Spanned<PathBuf>>,
    root_copy: Option<Spanned<PathBuf>>,
    trust_anchors: Option<Vec<Spanned<PathBuf>>>,
    update_trust_anchors: bool,
    signal_trust_anchors: bool,
    negative_anchors: Vec<Spanned<String>>,
    validate: bool,
    sha1: bool,
    minimise: bool,
    ipv4: bool,
    ipv6: Spanned<bool>,
    loopback: bool,
    private: bool,
    harden_glue: bool,
    plain_spelling: Vec<Spanned<String>>,
    port: Spanned<u16>,
    edns_octets: Spanned<u16>,
    outgoing: Vec<Spanned<String>>,
    prime: bool,
}

impl Default for RecurseSection {
    fn default() -> Self {
        Self {
            root_hints: None,
            root_copy: None,
            trust_anchors: None,
            update_trust_anchors: true,
            signal_trust_anchors: true,
            negative_anchors: Vec::new(),
            validate: true,
            sha1: false,
            minimise: true,
            ipv4: true,
            ipv6: unwritten(true),
            loopback: false,
            private: false,
            harden_glue: true,
            plain_spelling: Vec::new(),
            port: unwritten(DNS_PORT),
            edns_octets: unwritten(EDNS_OCTETS),
            outgoing: Vec::new(),
            prime: true,
        }
    }
}

impl ResolveSection {
    pub(super) fn check(&self, listen: &Listen, review: &mut Review<'_>) -> Resolve {
        let mode = *self.mode.get_ref();
        if mode == ResolveMode::Forward && self.forward.has_nobody() {
            review.say_missing(
                &self.mode,
                "mode \"forward\" needs resolvers: name them in [resolve.forward] upstreams",
            );
        }
        Resolve {
            mode,
            patience: review.milliseconds("patience_ms", &self.patience_ms, 100..=60_000),
            special_use: self.special_use,
            special_use_except: review.names("special_use_except", &self.special_use_except),
            dns64: self.dns64.as_ref().and_then(|value| prefix(value, review)),
            renumbering: self
                .renumber
                .iter()
                .filter_map(|value| renumbering(value, review))
                .collect(),
            rebinding_protection: self.rebinding_protection,
            private_names: review.names("private_names", &self.private_names),
            zones: check_zones(&self.zone, listen, review),
            recurse: self.recurse.check(review),
            forward: self.forward.check(
                self.zone.iter().any(ZoneSection::is_secure),
                listen,
                review,
            ),
        }
    }
}

/// A network and an address of the one in whose place it stands.
fn renumbering(value: &Spanned<String>, review: &mut Review<'_>) -> Option<Renumbering> {
    let both = value
        .get_ref()
        .split_once(' ')
        .and_then(|(from, to)| Renumbering::new(from.parse().ok()?, to.trim().parse().ok()?));
    if both.is_none() {
        review.say(
            value,
            "renumber: write a network and an address of the other, both IPv4 or \
                           both IPv6: \"198.51.100.0/24 10.0.0.0\"",
        );
    }
    both
}

/// A translator's prefix.
fn prefix(value: &Spanned<String>, review: &mut Review<'_>) -> Option<Prefix> {
    let prefix = value.get_ref().parse().ok().and_then(Prefix::new);
    if prefix.is_none() {
        review.say(
            value,
            format!(
                "dns64: {:?} is no prefix of 32, 40, 48, 56, 64 or 96 bits: write \"64:ff9b::/96\"",
                value.get_ref()
            ),
        );
    }
    prefix
}

impl RecurseSection {
    fn check(&self, review: &mut Review<'_>) -> Recurse {
        if !self.ipv4 && !self.ipv6.get_ref() {
            review.say(
                &self.ipv6,
                "neither ipv4 nor ipv6: authorities can be asked over one of them at least",
            );
        }
        Recurse {
            root_hints: self
                .root_hints
                .as_ref()
                .map(|file| review.file(file, FileContent::RootHints)),
            root_copy: self
                .root_copy
                .as_ref()
                .map(|file| review.file(file, FileContent::RootCopy)),
            trust_anchors: self.trust_anchors.as_ref().map(|files| {
                files
                    .iter()
                    .map(|file| review.file(file, FileContent::TrustAnchors))
                    .collect()
            }),
            update_trust_anchors: self.update_trust_anchors,
            signal_trust_anchors: self.signal_trust_anchors,
            negative_anchors: review.names("negative_anchors", &self.negative_anchors),
            validate: self.validate,
            sha1: self.sha1,
            minimise: self.minimise,
            ipv4: self.ipv4,
            ipv6: *self.ipv6.get_ref(),
            loopback: self.loopback,
            private: self.private,
            harden_glue: self.harden_glue,
            plain_spelling: review.names("plain_spelling", &self.plain_spelling),
            port: review.number("port", &self.port, 1..=u16::MAX),
            edns_octets: review.number(
                "edns_octets",
                &self.edns_octets,
                EDNS_OCTETS_MIN..=EDNS_OCTETS_MAX,
            ),
            outgoing: self.outgoing(review),
            prime: self.prime,
        }
    }

    /// One address of each family at the most, and none that cannot be a source.
    fn outgoing(&self, review: &mut Review<'_>) -> Vec<IpAddr> {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for value in &self.outgoing {
            match value.get_ref().parse::<IpAddr>() {
                Ok(address) if address.is_unspecified() || address.is_multicast() => {
                    review.say(
                        value,
                        format!(
                            "outgoing: nothing can be sent from {address}: name \
                                               an address of this machine"
                        ),
                    );
                }
                Ok(address)
                    if addresses
                        .iter()
                        .any(|other| other.is_ipv4() == address.is_ipv4()) =>
                {
                    review.say(
                        value,
                        "outgoing: name one IPv4 and one IPv6 address at the most",
                    );
                }
                Ok(address) => addresses.push(address),
                Err(_) => review.say(
                    value,
                    format!(
                        "outgoing: {:?} is no IP address: write 192.0.2.1 or 2001:db8::1",
                        value.get_ref()
                    ),
                ),
            }
        }
        addresses
    }
}
