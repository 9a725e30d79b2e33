//! How authorities are asked and what is believed, as the operator wants it: settings, root hints,
//! and the walker and the validator that come of them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::convert::their_name;
use super::exchange::LocalAddress;
use super::iterate::{self, RootCopy, Walker};
use super::routes::OwnRoutes;
use super::start_error::StartError;
use super::tally::ResolveTally;
use super::validate::{self, Anchors, KeptAnchors, TrustAnchors, Validator};
use crate::name::Name;

/// The root servers' addresses, for the first question.
const ROOT_HINTS: &str = include_str!("root.hints");

/// Questions under way in one zone: a quarter of all that may wait, as shipped.
const PER_ZONE_MAX: u32 = 2_500;

/// Memory for delegations, keys and what was said on the way to answers.
pub(super) const MEMORY_OCTETS_MAX: u64 = 64 << 20;

/// Memory for zones' keys and for proofs of absence.
pub(super) const PROOFS_OCTETS_MAX: u64 = 32 << 20;

/// What is learnt for a single question takes this share of what all may take.
pub(super) const ONE_QUESTION_SHARE: u64 = 16;

/// How authorities are asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Root hints as zone file text, one record a line; without it the built-in ones.
    pub root_hints: Option<String>,
    /// A copy of the root zone as a zone file, which is read again when it changes (RFC 8806).
    pub root_copy: Option<PathBuf>,
    /// Trust anchors as zone file texts, one text a file, of DS or DNSKEY records; without it the
    /// built-in root anchors (key tags 20326 and 38696). No text at all is no anchor at all:
    /// nothing is validated.
    pub trust_anchors: Option<Vec<String>>,
    /// Follow the zones' own keys from there on (RFC 5011), and what is known of that from before;
    /// without it the anchors stay as they are.
    pub kept_anchors: Option<KeptAnchors>,
    /// Tell the zones' servers which anchors are in force (RFC 8145).
    pub signal_anchors: bool,
    /// Zones whose signatures are not checked, with all below them (negative trust anchors, RFC
    /// 7646).
    pub negative_anchors: Vec<Name>,
    /// Names of the operator's own beside the zones and the anchors, with all below them: what
    /// other zones prove is not taken to speak of them.
    pub own_names: Vec<Name>,
    /// Check signatures (RFC 4035).
    pub validate: bool,
    /// Believe signatures and DS digests made with SHA-1 (algorithms 5 and 7, digest type 1), which
    /// RFC 9905 deprecates.
    pub sha1: bool,
    /// Tell each server no more of the name than it needs (RFC 9156).
    pub minimise: bool,
    /// Ask authorities over IPv4.
    pub ipv4: bool,
    /// Ask authorities over IPv6.
    pub ipv6: bool,
    /// Authorities may stand on loopback addresses.
    pub loopback: bool,
    /// Authorities may stand on private and documentation addresses (RFC 1918, RFC 4193, RFC 5737,
    /// RFC 3849).
    pub private: bool,
    /// Believe addresses that a referral brings along only for names within the zone that refers.
    pub harden_glue: bool,
    /// Zones whose servers are asked in lower case, with all below them: some answer nothing else
    /// (0x20).
    pub plain_spelling: Vec<Name>,
    /// The port of all authorities.
    pub port: u16,
    /// The largest UDP reply asked for, in octets (RFC 6891 section 6.2.5).
    pub edns_octets: u16,
    /// The addresses that questions go out from, at most one of each family; without one the system
    /// chooses.
    pub outgoing: Vec<IpAddr>,
    /// The longest that anything said is believed, in seconds.
    pub ttl_s_max: u32,
    /// Ask the roots for their own names and addresses first (RFC 8109).
    pub prime: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            root_hints: None,
            root_copy: None,
            trust_anchors: None,
            kept_anchors: None,
            signal_anchors: false,
            negative_anchors: Vec::new(),
            own_names: Vec::new(),
            validate: true,
            sha1: false,
            minimise: true,
            ipv4: true,
            ipv6: true,
            loopback: false,
            private: false,
            harden_glue: true,
            plain_spelling: Vec::new(),
            port: 53,
            edns_octets: 1232,
            outgoing: Vec::new(),
            ttl_s_max: 86_400,
            prime: true,
        }
    }
}

impl Settings {
    /// The root servers' addresses, of the families that are wanted.
    pub(super) fn roots(&self) -> Result<Vec<IpAddr>, StartError> {
        let mut roots = parse_hints(self.root_hints.as_deref().unwrap_or(ROOT_HINTS))?;
        roots.retain(|address| {
            if address.is_ipv4() {
                self.ipv4
            } else {
                self.ipv6
            }
        });
        if roots.is_empty() {
            return Err(StartError::NoRoot);
        }
        Ok(roots)
    }

    /// The copy of the root zone, if one is wanted.
    pub(super) fn open_root_copy(&self) -> Result<Option<Arc<RootCopy>>, StartError> {
        let open = |file: &PathBuf| {
            RootCopy::open(file)
                .map(Arc::new)
                .map_err(|fault| StartError::RootCopy(format!("{}: {fault}", file.display())))
        };
        self.root_copy.as_ref().map(open).transpose()
    }

    /// Check the texts and files that are named here, as a start would.
    ///
    /// # Errors
    /// The first that holds something else.
    pub fn check(&self) -> Result<(), StartError> {
        self.roots()?;
        self.open_root_copy()?;
        build_anchors(self).map(drop)
    }

    /// Are signatures checked at all?
    pub fn validates(&self) -> bool {
        self.validate
            && self
                .trust_anchors
                .as_ref()
                .is_none_or(|anchors| !anchors.is_empty())
    }
}

/// The iterator that the settings ask for.
pub(super) fn build_walker(
    settings: &Settings,
    roots: &[IpAddr],
    zones: &OwnRoutes,
    root_copy: Option<&Arc<RootCopy>>,
    tally: &Arc<ResolveTally>,
) -> Walker {
    let walking = iterate::Settings {
        roots: roots.to_vec(),
        root_copy: root_copy.cloned(),
        stubs: zones.stubs().to_vec(),
        port: settings.port,
        ipv4: settings.ipv4,
        ipv6: settings.ipv6,
        loopback: settings.loopback,
        private: settings.private,
        prime: settings.prime && !roots.is_empty(),
        minimise: settings.minimise,
        harden_glue: settings.harden_glue,
        plain_spelling: settings.plain_spelling.clone(),
        udp_octets: settings.edns_octets,
        local: LocalAddress::of(&settings.outgoing),
        ttl_s_max: settings.ttl_s_max,
        memory_octets_max: MEMORY_OCTETS_MAX,
        per_zone_max: PER_ZONE_MAX,
    };
    Walker::new(walking, Arc::clone(tally))
}

/// The anchors that the settings name; none where nothing is to be checked.
pub(super) fn build_anchors(settings: &Settings) -> Result<TrustAnchors, StartError> {
    if !settings.validates() {
        return Ok(TrustAnchors::fixed(Anchors::default()));
    }
    let texts = settings.trust_anchors.clone().unwrap_or_else(Anchors::root);
    let negative = settings
        .negative_anchors
        .iter()
        .map(their_name)
        .collect::<Result<Vec<_>, _>>();
    let negative = negative
        .map_err(|_| StartError::TrustAnchors("a negative anchor is not a name".to_owned()))?;
    let anchors = Anchors::read(&texts, &negative)?;
    Ok(match &settings.kept_anchors {
        Some(kept) => TrustAnchors::followed(anchors, kept),
        None => TrustAnchors::fixed(anchors),
    })
}

/// The validator that the settings ask for, if they ask for one.
pub(super) fn build_validator(
    settings: &Settings,
    anchors: &Arc<TrustAnchors>,
    zones: &OwnRoutes,
    memory_octets_max: u64,
) -> Result<Option<Validator>, StartError> {
    if anchors.is_empty() {
        return Ok(None);
    }
    let own_names = settings.own_names.iter().map(their_name);
    let own_names = own_names
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| StartError::NoZone("a name of the operator's own".to_owned()))?;
    Ok(Some(Validator::new(validate::Settings {
        anchors: Arc::clone(anchors),
        boundaries: zones.names().cloned().chain(own_names).collect(),
        sha1: settings.sha1,
        aggressive: true,
        memory_octets_max,
    })))
}

/// The addresses in a hints file (RFC 8109 section 2): A and AAAA records, one a line, names and
/// TTLs ignored.
fn parse_hints(text: &str) -> Result<Vec<IpAddr>, StartError> {
    let mut addresses = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fault = || StartError::RootHints { line: index + 1 };
        let fields: Vec<&str> = line
            .split(';')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        match fields.as_slice() {
            [] => {}
            [.., rtype, _] if rtype.eq_ignore_ascii_case("NS") => {}
            [.., rtype, address]
                if rtype.eq_ignore_ascii_case("A") || rtype.eq_ignore_ascii_case("AAAA") =>
            {
                let address: IpAddr = address.parse().map_err(|_| fault())?;
                if address.is_ipv4() != rtype.eq_ignore_ascii_case("A") {
                    return Err(fault());
                }
                addresses.push(address);
            }
            _ => return Err(fault()),
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod hints_tests {
    use super::*;

    #[test]
    fn the_built_in_hints_are_the_thirteen_letters() {
        let roots = parse_hints(ROOT_HINTS).unwrap();
        assert_eq!(roots.iter().filter(|address| address.is_ipv4()).count(), 13);
        assert_eq!(roots.iter().filter(|address| address.is_ipv6()).count(), 13);
    }

    #[test]
    fn bad_hints_are_refused_with_their_line() {
        for (text, line) in [
            ("\n. NS a.\na. A 2001:db8::1", 3),
            ("a. A 192.0.2.999", 1),
            ("a. TXT x", 1),
            ("$TTL 60", 1),
        ] {
            match parse_hints(text) {
                Err(StartError::RootHints { line: found }) => assert_eq!(found, line, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
