//! `[resolve.forward]` and `[[resolve.zone]]`: other resolvers, and zones that are resolved in a
//! way of their own.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::files::FileContent;
use super::listen::Listen;
use super::review::{Review, unwritten};
use crate::name::Name;
use crate::resolve::forward::Server;
use crate::wire::DNS_PORT;

/// The port of DNS over TLS (RFC 7858).
const TLS_PORT: u16 = 853;
/// A zone or a forwarder with more servers than this is a mistake.
const SERVERS_MAX: usize = 64;

/// How other resolvers are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// They themselves in the order in which they are tried; never empty where the mode is to
    /// forward.
    pub upstreams: Vec<Server>,
    /// Who vouches for the names of those that are asked over TLS, PEM.
    pub ca: PathBuf,
    /// How long to wait for one of them.
    pub timeout: Duration,
    /// How often to try in all.
    pub attempts: u32,
    /// Believe their word (the AD bit) that they checked signatures.
    pub trust_ad: bool,
    /// Check signatures ourselves.
    pub validate: bool,
}

/// A zone that is resolved in a way of its own, with all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnZone {
    /// Its name; never the root.
    pub name: Name,
    /// Whom to ask.
    pub target: OwnZoneTarget,
    /// Check its signatures where others' are checked.
    pub validate: bool,
}

/// Who is asked about a zone; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnZoneTarget {
    /// Its authoritative servers.
    Stub(Vec<SocketAddr>),
    /// Resolvers that recurse themselves.
    Forward(Vec<Server>),
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ForwardSection {
    upstreams: Vec<Spanned<String>>,
    ca: Spanned<PathBuf>,
    timeout_ms: Spanned<u64>,
    attempts: Spanned<u32>,
    trust_ad: bool,
    validate: bool,
}

impl Default for ForwardSection {
    fn default() -> Self {
        Self {
            upstreams: Vec::new(),
            ca: unwritten(PathBuf::from("/etc/ssl/certs/ca-certificates.crt")),
            timeout_ms: unwritten(1000),
            attempts: unwritten(3),
            trust_ad: false,
            validate: false,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZoneSection {
    name: Spanned<String>,
    stub: Option<Spanned<Vec<Spanned<String>>>>,
    forward: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default = "yes")]
    validate: bool,
}

const fn yes() -> bool {
    true
}

impl ForwardSection {
    pub(super) const fn has_nobody(&self) -> bool {
        self.upstreams.is_empty()
    }

    /// `has_secure_zone`: somebody else needs the authorities' file too.
    pub(super) fn check(
        &self,
        has_secure_zone: bool,
        listen: &Listen,
        review: &mut Review<'_>,
    ) -> Forward {
        let upstreams = servers("upstreams", &self.upstreams, listen, review);
        let is_secure = has_secure_zone || upstreams.iter().any(|server| server.name.is_some());
        Forward {
            upstreams,
            ca: if is_secure {
                review.file(&self.ca, FileContent::Authorities)
            } else {
                review.path(self.ca.get_ref())
            },
            timeout: review.milliseconds("timeout_ms", &self.timeout_ms, 10..=30_000),
            attempts: review.number("attempts", &self.attempts, 1..=10),
            trust_ad: self.trust_ad,
            validate: self.validate,
        }
    }
}

impl ZoneSection {
    /// Is anybody asked over TLS?
    pub(super) fn is_secure(&self) -> bool {
        self.forward
            .iter()
            .flat_map(|servers| servers.get_ref())
            .any(|server| server.get_ref().contains('#'))
    }

    fn check(&self, listen: &Listen, review: &mut Review<'_>) -> Option<OwnZone> {
        let name = match Name::parse(self.name.get_ref()) {
            Ok(name) if name == Name::root() => {
                review.say(
                    &self.name,
                    "name: the root is no zone of its own: choose `mode`, `root_hints` or \
                     [resolve.forward] for everything",
                );
                return None;
            }
            Ok(name) => name,
            Err(error) => {
                review.say(
                    &self.name,
                    format!(
                        "name: {:?} is no name ({error}): write it like \"corp.example\"",
                        self.name.get_ref()
                    ),
                );
                return None;
            }
        };
        let target = match (&self.stub, &self.forward) {
            (Some(stub), None) => {
                let servers = servers("stub", self.some(stub, review), listen, review);
                if let Some(index) = servers.iter().position(|server| server.name.is_some()) {
                    let value = stub.get_ref().get(index).unwrap_or(&self.name);
                    review.say(
                        value,
                        "stub: authoritative servers are asked over UDP and TCP: \
                                       leave the name behind # out",
                    );
                }
                OwnZoneTarget::Stub(servers.into_iter().map(|server| server.address).collect())
            }
            (None, Some(forward)) => OwnZoneTarget::Forward(servers(
                "forward",
                self.some(forward, review),
                listen,
                review,
            )),
            (Some(_), Some(forward)) => {
                review.say(
                    forward,
                    "forward: the zone has `stub` already: name authoritative \
                                     servers or resolvers, not both",
                );
                return None;
            }
            (None, None) => {
                review.say_missing(
                    &self.name,
                    "name: nobody is asked about this zone: name authoritative servers with `stub` \
                     or resolvers with `forward`",
                );
                return None;
            }
        };
        Some(OwnZone {
            name,
            target,
            validate: self.validate,
        })
    }

    fn some<'a>(
        &self,
        servers: &'a Spanned<Vec<Spanned<String>>>,
        review: &mut Review<'_>,
    ) -> &'a [Spanned<String>] {
        if servers.get_ref().is_empty() {
            review.say(
                servers,
                format!(
                    "nobody is asked about {}: name at least one server",
                    self.name.get_ref()
                ),
            );
        }
        servers.get_ref()
    }
}

/// All zones, none twice.
pub(super) fn check_zones(
    sections: &[ZoneSection],
    listen: &Listen,
    review: &mut Review<'_>,
) -> Vec<OwnZone> {
    let mut zones: Vec<OwnZone> = Vec::new();
    let mut places = Vec::new();
    for section in sections {
        let Some(zone) = section.check(listen, review) else {
            continue;
        };
        if let Some(at) = zones.iter().position(|other| other.name == zone.name) {
            review.say(
                &section.name,
                format!(
                    "name: the zone {} is there already, at {}: put all its servers in one place",
                    zone.name,
                    places.get(at).map_or("", String::as_str)
                ),
            );
        }
        places.push(review.place_of(&section.name));
        zones.push(zone);
    }
    zones
}

/// Servers by address; none twice, and never ourselves.
fn servers(
    key: &str,
    values: &[Spanned<String>],
    listen: &Listen,
    review: &mut Review<'_>,
) -> Vec<Server> {
    let mut servers: Vec<Server> = Vec::new();
    for value in values {
        let Some(server) = server(key, value, review) else {
            continue;
        };
        let mut doors = listen.udp.iter().chain(&listen.tcp).chain(&listen.tls);
        if servers.iter().any(|other| other.address == server.address) {
            review.say(value, format!("{key}: {} is named twice", server.address));
        } else if doors.any(|door| leads_to(server.address, *door)) {
            review.say(
                value,
                format!(
                    "{key}: {} is our own door: name another resolver",
                    server.address
                ),
            );
        } else if servers.len() == SERVERS_MAX {
            review.say(
                value,
                format!("{key}: more than {SERVERS_MAX} servers: leave some out"),
            );
        }
        servers.push(server);
    }
    servers
}

/// ADDRESS, ADDRESS:PORT, and with #NAME behind it where it is asked over TLS.
fn server(key: &str, value: &Spanned<String>, review: &mut Review<'_>) -> Option<Server> {
    let (place, name) = match value.get_ref().split_once('#') {
        Some((place, name)) => (place, Some(name)),
        None => (value.get_ref().as_str(), None),
    };
    let address = match place.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, if name.is_some() { TLS_PORT } else { DNS_PORT }),
        Err(_) => review.socket(key, &Spanned::new(value.span(), place.to_owned()), 1)?,
    };
    if address.ip().is_unspecified() || address.ip().is_multicast() {
        review.say(
            value,
            format!("{key}: {} is no resolver's address", address.ip()),
        );
        return None;
    }
    let Some(name) = name else {
        return Some(address.into());
    };
    let is_host = name
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_'));
    if !is_host || Name::parse(name).is_err() {
        review.say(
            value,
            format!(
                "{key}: {name:?} is no host's name: write the name in the \
                                   server's certificate behind #"
            ),
        );
        return None;
    }
    Some(Server {
        address,
        name: Some(name.trim_end_matches('.').to_owned()),
    })
}

/// Would a question sent to `address` come in by this door?
fn leads_to(address: SocketAddr, door: SocketAddr) -> bool {
    let is_any = door.ip().is_unspecified() && address.ip().is_loopback();
    door.port() == address.port() && (door.ip() == address.ip() || is_any)
}
