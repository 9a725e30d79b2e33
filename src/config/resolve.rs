//! `[resolve]`, `[resolve.recurse]`, `[resolve.forward]` and `[cache]`: where real answers come from and how long they are kept.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::listen::Listen;
use super::review::{Review, unwritten};

/// The port of DNS.
const DNS_PORT: u16 = 53;
/// The longest TTL that is believed (RFC 8767 section 4: seven days).
const TTL_S_MAX: u32 = 604_800;

/// How names are resolved that are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    /// Which of the two ways.
    pub mode: Mode,
    /// The longest that a client waits for an answer from outside.
    pub patience: Duration,
    /// Answer the special-use names by ourselves (RFC 6761, RFC 6303).
    pub special_use: bool,
    /// The first way.
    pub recurse: Recurse,
    /// The other way.
    pub forward: Forward,
}

/// The two ways to resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
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
    /// DNSKEY or DS records as a zone file; the built-in root anchor without it.
    pub trust_anchors: Option<PathBuf>,
    /// Check signatures.
    pub validate: bool,
    /// Ask over IPv6 too.
    pub ipv6: bool,
    /// Authorities may stand on loopback addresses.
    pub loopback: bool,
    /// The authorities' port.
    pub port: u16,
}

/// How other resolvers are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Their addresses in the order in which they are tried; never empty where the mode is [`Mode::Forward`].
    pub upstreams: Vec<SocketAddr>,
    /// How long to wait for one of them.
    pub timeout: Duration,
    /// How often to try in all.
    pub attempts: u32,
    /// Believe their word (the AD bit) that they checked signatures.
    pub trust_ad: bool,
}

/// What the cache keeps and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Memory for answers, in octets.
    pub octets_max: u64,
    /// The longest an answer is kept, in seconds.
    pub ttl_s_max: u32,
    /// The longest a negative answer is kept, in seconds.
    pub negative_ttl_s_max: u32,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ResolveSection {
    mode: Spanned<Mode>,
    patience_ms: Spanned<u64>,
    special_use: bool,
    recurse: RecurseSection,
    forward: ForwardSection,
}

impl Default for ResolveSection {
    fn default() -> Self {
        Self {
            mode: unwritten(Mode::Recurse),
            patience_ms: unwritten(4000),
            special_use: true,
            recurse: RecurseSection::default(),
            forward: ForwardSection::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RecurseSection {
    root_hints: Option<Spanned<PathBuf>>,
    trust_anchors: Option<Spanned<PathBuf>>,
    validate: bool,
    ipv6: bool,
    loopback: bool,
    port: Spanned<u16>,
}

impl Default for RecurseSection {
    fn default() -> Self {
        Self { root_hints: None, trust_anchors: None, validate: true, ipv6: true, loopback: false, port: unwritten(DNS_PORT) }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ForwardSection {
    upstreams: Vec<Spanned<String>>,
    timeout_ms: Spanned<u64>,
    attempts: Spanned<u32>,
    trust_ad: bool,
}

impl Default for ForwardSection {
    fn default() -> Self {
        Self { upstreams: Vec::new(), timeout_ms: unwritten(1000), attempts: unwritten(3), trust_ad: false }
    }
}

impl ResolveSection {
    pub(super) fn check(&self, listen: &Listen, review: &mut Review<'_>) -> Resolve {
        let recurse = Recurse {
            root_hints: self.recurse.root_hints.as_ref().map(|file| review.file(file)),
            trust_anchors: self.recurse.trust_anchors.as_ref().map(|file| review.file(file)),
            validate: self.recurse.validate,
            ipv6: self.recurse.ipv6,
            loopback: self.recurse.loopback,
            port: review.number("port", &self.recurse.port, 1..=u16::MAX),
        };
        let mode = *self.mode.get_ref();
        if mode == Mode::Forward && self.forward.upstreams.is_empty() {
            review.say(&self.mode, "mode \"forward\" needs resolvers: name them in [resolve.forward] upstreams");
        }
        Resolve {
            mode,
            patience: review.milliseconds("patience_ms", &self.patience_ms, 100..=60_000),
            special_use: self.special_use,
            recurse,
            forward: self.forward.check(listen, review),
        }
    }
}

impl ForwardSection {
    fn check(&self, listen: &Listen, review: &mut Review<'_>) -> Forward {
        let mut upstreams = Vec::new();
        for value in &self.upstreams {
            let Some(address) = upstream(value, review) else { continue };
            if upstreams.contains(&address) {
                review.say(value, format!("upstreams: {address} is named twice"));
            } else if listen.udp.iter().chain(&listen.tcp).any(|door| leads_to(address, *door)) {
                review.say(value, format!("upstreams: {address} is our own door: name another resolver"));
            }
            upstreams.push(address);
        }
        Forward {
            upstreams,
            timeout: review.milliseconds("timeout_ms", &self.timeout_ms, 10..=30_000),
            attempts: review.number("attempts", &self.attempts, 1..=10),
            trust_ad: self.trust_ad,
        }
    }
}

/// An upstream's address; its port may be left out.
fn upstream(value: &Spanned<String>, review: &mut Review<'_>) -> Option<SocketAddr> {
    let address = match value.get_ref().parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, DNS_PORT),
        Err(_) => review.socket("upstreams", value, 1)?,
    };
    if address.ip().is_unspecified() || address.ip().is_multicast() {
        review.say(value, format!("upstreams: {} is no resolver's address", address.ip()));
        return None;
    }
    Some(address)
}

/// Would a question sent to `address` come in by this door?
fn leads_to(address: SocketAddr, door: SocketAddr) -> bool {
    let is_any = door.ip().is_unspecified() && address.ip().is_loopback();
    door.port() == address.port() && (door.ip() == address.ip() || is_any)
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CacheSection {
    size_mib: Spanned<u64>,
    ttl_s_max: Spanned<u32>,
    negative_ttl_s_max: Spanned<u32>,
}

impl Default for CacheSection {
    fn default() -> Self {
        Self { size_mib: unwritten(256), ttl_s_max: unwritten(86_400), negative_ttl_s_max: unwritten(3600) }
    }
}

impl CacheSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> Cache {
        Cache {
            octets_max: review.number("size_mib", &self.size_mib, 1..=1_048_576) * 1024 * 1024,
            ttl_s_max: review.number("ttl_s_max", &self.ttl_s_max, 1..=TTL_S_MAX),
            negative_ttl_s_max: review.number("negative_ttl_s_max", &self.negative_ttl_s_max, 1..=TTL_S_MAX),
        }
    }
}
