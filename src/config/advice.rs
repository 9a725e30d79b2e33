//! What is wrong with a configuration though it can be started with: who can reach what, names that
//! nobody chose, and keys that do nothing.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use toml::Table;

use super::as_written::AsWritten;
use super::text::Problem;
use super::{Config, OwnZoneTarget, REFERENCE, ResolveMode};
use crate::list::parse::Format;
use crate::update::ListOrigin;

/// Networks that are wider than these are nobody's customers: no registry gives out as much.
const V4_BITS_MIN: u8 = 8;
const V6_BITS_MIN: u8 = 19;

/// What should be mended.
#[derive(Debug, Default)]
pub struct Advice {
    /// Before the resolver is used by others than this machine.
    pub problems: Vec<Problem>,
    /// At the operator's leisure.
    pub warnings: Vec<Problem>,
}

/// Look at a configuration that has no mistakes.
pub fn advise(config: &Config) -> Advice {
    let reference: Table = toml::from_str(REFERENCE).unwrap_or_default();
    let mut advice = Advice::default();
    advice.judge_names(config);
    let warnings = warn_of_clients(config).into_iter();
    let warnings = warnings
        .chain(warn_of_metrics(config))
        .chain(warn_of_idle_keys(config, &reference))
        .chain(advice.warnings);
    advice.warnings = config.sorted(warnings);
    advice
}

fn doors(config: &Config) -> impl Iterator<Item = SocketAddr> {
    let listen = &config.listen;
    let doors = listen.udp.iter().chain(&listen.tcp).chain(&listen.tls);
    doors.copied()
}

/// Can somebody from the internet reach this address, as far as the address says?
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        address if address.is_unspecified() => true,
        IpAddr::V4(v4) => {
            // Carrier-grade NAT (RFC 6598).
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || is_shared)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

fn is_too_wide(network: &IpNet) -> bool {
    let bits_min = match network {
        IpNet::V4(_) => V4_BITS_MIN,
        IpNet::V6(_) => V6_BITS_MIN,
    };
    // 0.0.0.0/0 begins with an address of no network.
    let is_public = is_public(network.network()) || network.prefix_len() == 0;
    is_public && network.prefix_len() < bits_min
}

/// Everybody may ask, and can.
fn warn_of_clients(config: &Config) -> Vec<Problem> {
    let Some(door) = doors(config).find(|door| is_public(door.ip())) else {
        return Vec::new();
    };
    let wide = config.allow.iter().zip(0..);
    let wide = wide.filter(|(network, _)| is_too_wide(network));
    wide.map(|(network, at)| {
        let message = format!(
            "allow: {network} lets others than customers ask, who can reach the door {door}: name \
             the customers' networks, as what answers everybody is used for attacks (RFC 5358)"
        );
        config
            .written
            .problem(&format!("clients.allow.{at}"), message)
    })
    .collect()
}

/// Pushing needs TLS and a token; nothing keeps anybody from the metrics.
fn warn_of_metrics(config: &Config) -> Option<Problem> {
    let address = config.metrics.filter(|address| is_public(address.ip()))?;
    let message = format!(
        "listen: whoever reaches {address} can read the metrics, and on the way everybody: choose \
         an address of this machine or of a network for management, or close the port to others"
    );
    Some(config.written.problem("metrics.listen", message))
}

impl Advice {
    /// The audit log has the provider's name for ever, so that an example's is a mistake once
    /// customers are served.
    fn judge_names(&mut self, config: &Config) {
        if !is_example(&config.audit.provider) {
            return;
        }
        let message = format!(
            "provider: {:?} is an example, and the audit log is named by it for ever: set \
             `provider` and `resolver` in [audit] before the first start with customers",
            config.audit.provider
        );
        let problem = config.written.problem("audit.provider", message);
        if doors(config).all(|door| door.ip().is_loopback()) {
            self.warnings.push(problem);
        } else {
            self.problems.push(problem);
        }
    }
}

/// A name that is reserved for documents (RFC 2606).
fn is_example(provider: &str) -> bool {
    let name = provider.trim_end_matches('.').to_ascii_lowercase();
    ["example", "example.com", "example.net", "example.org"]
        .iter()
        .any(|reserved| name == *reserved || name.ends_with(&format!(".{reserved}")))
}

/// Keys that are written, with another value than the default, and change nothing.
fn warn_of_idle_keys(config: &Config, reference: &Table) -> Vec<Problem> {
    let mut idle = idle_resolve_keys(config);
    idle.extend(idle_validation_keys(config));
    idle.extend(idle_other_keys(config));
    let mut warnings = Vec::new();
    for (is_idle, keys, why) in idle {
        let written = keys
            .iter()
            .filter(|key| is_idle && config.written.has(key, reference));
        warnings.extend(written.map(|key| warning(&config.written, key, why)));
    }
    let lists = config.lists.iter().zip(0..);
    for ((_, list), at) in lists {
        let pushes = list
            .sources
            .iter()
            .any(|source| matches!(source, ListOrigin::Push));
        let is_csv = matches!(list.format, Format::Csv(_));
        for (is_idle, key, why) in [
            (
                pushes && config.push.is_none(),
                "push",
                "[push] has no `listen`",
            ),
            (!is_csv, "column", "`format` is not \"csv\""),
            (
                list.papers.keys.is_empty(),
                "signatures",
                "the list has no `keys`",
            ),
        ] {
            let key = format!("list.{at}.{key}");
            if is_idle && config.written.has(&key, &Table::new()) {
                warnings.push(warning(&config.written, &key, why));
            }
        }
    }
    warnings
}

fn warning(written: &AsWritten, path: &str, why: &str) -> Problem {
    let key = path.rsplit('.').next().unwrap_or(path);
    let message = format!("{key}: does nothing, since {why}: take it out, or change that");
    written.problem(path, message)
}

/// Whether some keys do nothing, which ones, and why.
type Idle = (bool, &'static [&'static str], &'static str);

fn idle_resolve_keys(config: &Config) -> Vec<Idle> {
    let resolve = &config.resolve;
    let recurses = resolve.mode == ResolveMode::Recurse;
    let is_stub = |target: &OwnZoneTarget| matches!(target, OwnZoneTarget::Stub(_));
    let has_stub = resolve.zones.iter().any(|zone| is_stub(&zone.target));
    let has_forward_zone = resolve.zones.iter().any(|zone| !is_stub(&zone.target));
    vec![
        (
            recurses,
            &["resolve.forward.upstreams", "resolve.forward.validate"],
            "`mode` is \"recurse\"",
        ),
        (
            recurses && !has_forward_zone,
            &[
                "resolve.forward.ca",
                "resolve.forward.timeout_ms",
                "resolve.forward.attempts",
                "resolve.forward.trust_ad",
            ],
            "`mode` is \"recurse\" and no zone has `forward`",
        ),
        (
            !recurses,
            &[
                "resolve.recurse.root_hints",
                "resolve.recurse.root_copy",
                "resolve.recurse.prime",
            ],
            "`mode` is \"forward\"",
        ),
        (
            !recurses && !has_stub,
            &[
                "resolve.recurse.minimise",
                "resolve.recurse.ipv4",
                "resolve.recurse.ipv6",
                "resolve.recurse.loopback",
                "resolve.recurse.private",
                "resolve.recurse.port",
                "resolve.recurse.harden_glue",
                "resolve.recurse.plain_spelling",
            ],
            "`mode` is \"forward\" and no zone has `stub`",
        ),
    ]
}

fn idle_validation_keys(config: &Config) -> Vec<Idle> {
    let resolve = &config.resolve;
    let recurses = resolve.mode == ResolveMode::Recurse;
    let validates = resolve.recurse.validate && (recurses || resolve.forward.validate);
    vec![
        (
            !recurses && !resolve.forward.validate,
            &["resolve.recurse.validate"],
            "`mode` is \"forward\": `validate` in [resolve.forward] decides",
        ),
        (
            !validates,
            &[
                "resolve.recurse.trust_anchors",
                "resolve.recurse.negative_anchors",
                "resolve.recurse.sha1",
                "resolve.recurse.update_trust_anchors",
                "resolve.recurse.signal_trust_anchors",
            ],
            "signatures are not checked",
        ),
        (
            !resolve.special_use,
            &["resolve.special_use_except"],
            "`special_use` is false",
        ),
        (
            !resolve.rebinding_protection,
            &["resolve.private_names"],
            "`rebinding_protection` is false",
        ),
    ]
}

fn idle_other_keys(config: &Config) -> Vec<Idle> {
    let mut sources = config.lists.iter().flat_map(|(_, list)| &list.sources);
    let is_pushed = sources.any(|source| matches!(source, ListOrigin::Push));
    let limits = &config.limits;
    let has_rate = limits.of_client.udp_replies_per_s.is_some()
        || limits
            .networks
            .iter()
            .any(|network| network.limits.udp_replies_per_s.is_some());
    vec![
        (
            config.listen.tls.is_empty(),
            &["tls.certificate", "tls.key", "tls.name"],
            "[listen] has no address for `tls`",
        ),
        (
            !limits.cookies,
            &["limits.cookie_secrets"],
            "`cookies` is false",
        ),
        (!has_rate, &["limits.slip"], "`udp_replies_per_s` is 0"),
        (
            config.cache.stale_s_max == 0,
            &["cache.stale_after_ms"],
            "`stale_s_max` is 0",
        ),
        (
            config.local.nowhere.is_empty(),
            &["local.nowhere_except"],
            "`nowhere` is empty",
        ),
        (
            config.push.is_none(),
            &[
                "push.certificate",
                "push.key",
                "push.tokens",
                "push.mib_max",
            ],
            "[push] has no `listen`",
        ),
        (
            config.push.is_some() && !is_pushed,
            &["push.listen"],
            "no list has `push = true`",
        ),
        (
            config.zones.is_empty(),
            &["transfer.notify"],
            "no list has [list.transfer]",
        ),
    ]
}
