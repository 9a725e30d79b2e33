//! The resolver's settings, filled from the configuration.

use std::net::SocketAddr;
use std::path::Path;

use super::start_error::StartError;
use crate::answer::special_use::{About, Designated, SpecialUse};
use crate::config::{self, Config, Listen, Resolve, ResolveMode};
use crate::name::Name;
use crate::policy::{Action, ListRules};
use crate::resolve::dns64::Prefix;
use crate::resolve::{self, forward, recurse};

pub(super) fn resolve_settings(config: &Config) -> Result<resolve::Settings, StartError> {
    let resolve = &config.resolve;
    let recurse = recurse_settings(config)?;
    let forward = (resolve.mode == ResolveMode::Forward)
        .then(|| forward_settings(config, &resolve.forward.upstreams));
    let zones = resolve.zones.iter().map(|zone| resolve::Route {
        name: zone.name.clone(),
        target: match &zone.target {
            config::OwnZoneTarget::Stub(servers) => resolve::Target::Stub(servers.clone()),
            config::OwnZoneTarget::Forward(servers) => {
                resolve::Target::Forward(Box::new(forward_settings(config, servers)))
            }
        },
    });
    Ok(resolve::Settings {
        recurse,
        forward,
        zones: zones.collect(),
        private_names: resolve
            .rebinding_protection
            .then(|| resolve.private_names.clone()),
        patience: resolve.patience,
        dns64: resolve.dns64,
        renumbering: resolve.renumbering.clone(),
    })
}

fn forward_settings(config: &Config, upstreams: &[forward::Server]) -> forward::Settings {
    let forward = &config.resolve.forward;
    forward::Settings {
        upstreams: upstreams.to_vec(),
        authorities: forward.ca.clone(),
        timeout: forward.timeout,
        attempts: forward.attempts as usize,
        edns_octets: config.resolve.recurse.edns_octets,
        outgoing: config.resolve.recurse.outgoing.clone(),
        trust_ad: forward.trust_ad,
    }
}

/// Zones for which somebody is named are resolved, whatever their names.
pub(super) fn special_use(resolve: &Resolve, listen: &Listen) -> SpecialUse {
    let zones = resolve.zones.iter().map(|zone| zone.name.clone());
    let except = resolve
        .special_use_except
        .iter()
        .cloned()
        .chain(zones)
        .collect();
    let special_use = if resolve.special_use {
        SpecialUse::ours_except(except)
    } else {
        SpecialUse::resolved()
    };
    let designated = listen
        .tls_name
        .clone()
        .zip(listen.tls.first())
        .map(|(name, door)| Designated {
            name,
            port: door.port(),
            addresses: listen
                .tls
                .iter()
                .map(SocketAddr::ip)
                .filter(|address| !address.is_unspecified())
                .collect(),
        });
    special_use.telling(About {
        minimises: resolve.mode == ResolveMode::Recurse && resolve.recurse.minimise,
        designated,
    })
}

fn recurse_settings(config: &Config) -> Result<recurse::Settings, StartError> {
    let recurse = &config.resolve.recurse;
    let unchecked = config
        .resolve
        .zones
        .iter()
        .filter(|zone| !zone.validate)
        .map(|zone| &zone.name);
    let anchors = recurse.trust_anchors.as_ref().map(|files| {
        files
            .iter()
            .map(|file| read_text(file))
            .collect::<Result<Vec<_>, _>>()
    });
    Ok(recurse::Settings {
        root_hints: recurse.root_hints.as_deref().map(read_text).transpose()?,
        root_copy: recurse.root_copy.clone(),
        trust_anchors: anchors.transpose()?,
        kept_anchors: None,
        signal_anchors: recurse.signal_trust_anchors,
        negative_anchors: recurse
            .negative_anchors
            .iter()
            .chain(unchecked)
            .cloned()
            .collect(),
        own_names: own_names(config),
        validate: recurse.validate
            && (config.resolve.mode == ResolveMode::Recurse || config.resolve.forward.validate),
        sha1: recurse.sha1,
        minimise: recurse.minimise,
        ipv4: recurse.ipv4,
        ipv6: recurse.ipv6,
        loopback: recurse.loopback,
        private: recurse.private,
        harden_glue: recurse.harden_glue,
        plain_spelling: recurse.plain_spelling.clone(),
        port: recurse.port,
        edns_octets: recurse.edns_octets,
        outgoing: recurse.outgoing.clone(),
        ttl_s_max: config.cache.ttl_s_max,
        prime: recurse.prime,
    })
}

/// The rules of a list with addresses for clients that have IPv6 alone, made of the IPv4 ones where
/// the list has no others and there is a translator (RFC 6147).
pub(super) fn with_made_addresses(rules: &ListRules, dns64: Option<&Prefix>) -> ListRules {
    let mut rules = rules.clone();
    if let (Action::StopPage { v4, v6 }, Some(prefix)) = (&mut rules.action, dns64)
        && v6.is_empty()
    {
        v6.extend(v4.iter().map(|address| prefix.embed(*address)));
    }
    rules
}

/// What the operator has answered here, or resolved although it is special.
fn own_names(config: &Config) -> Vec<Name> {
    let local = &config.local;
    let addresses = local.addresses.iter().map(|(name, _)| name);
    addresses
        .chain(&local.nowhere_except)
        .chain(&config.resolve.special_use_except)
        .cloned()
        .collect()
}

fn read_text(path: &Path) -> Result<String, StartError> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()).into())
}
