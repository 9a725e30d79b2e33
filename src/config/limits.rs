//! `[limits]`: how much one client, and all together, may ask of us.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::clients::network;
use super::files::FileContent;
use super::review::{Review, is_written, unwritten};
use crate::serve::client_limits::{ClientLimits, NetworkLimits};
use crate::wire::UDP_OCTETS_MAX;

/// The highest UDP reply rate; more is as good as none.
const REPLIES_MAX: u32 = 10_000_000;
/// The highest number of connections.
const CONNECTIONS_MAX: usize = 1_000_000;
/// The highest number of questions that may wait.
const WAITING_MAX: usize = 10_000_000;
/// More entries than any provider has; keeps their number within its type.
const NETWORKS_MAX: usize = 10_000;

/// What the doors withstand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest UDP reply with an answer that has just come from outside, in octets; kept ones
    /// stay within 1,232.
    pub udp_octets: usize,
    /// Of the replies over the limit each so-many-th goes out truncated; 0 for none.
    pub slip: u32,
    /// Give cookies to clients that ask for them.
    pub cookies: bool,
    /// The file of the secrets they are made with; drawn at each start without it.
    pub cookie_secrets: Option<PathBuf>,
    /// Connections over TCP and TLS in all.
    pub connections: usize,
    /// How long a connection may ask nothing.
    pub idle: Duration,
    /// Questions that may wait for an answer from outside.
    pub waiting: usize,
    /// Of all this, what one client may have.
    pub of_client: ClientLimits,
    /// And what it may have in some networks.
    pub networks: Vec<NetworkLimits>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsSection {
    udp_octets: Spanned<usize>,
    udp_replies_per_s: Spanned<u32>,
    slip: Spanned<u32>,
    cookies: bool,
    cookie_secrets: Option<Spanned<PathBuf>>,
    connections: Spanned<usize>,
    connections_per_address: Spanned<usize>,
    idle_s: Spanned<u64>,
    waiting: Spanned<usize>,
    waiting_per_client: Spanned<usize>,
    network: Vec<NetworkSection>,
}

/// `[[limits.network]]`; what is left out is as everywhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkSection {
    networks: Spanned<Vec<Spanned<String>>>,
    exempt: Option<Spanned<bool>>,
    udp_replies_per_s: Option<Spanned<u32>>,
    connections_per_address: Option<Spanned<usize>>,
    waiting_per_client: Option<Spanned<usize>>,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            udp_octets: unwritten(UDP_OCTETS_MAX),
            udp_replies_per_s: unwritten(1000),
            slip: unwritten(2),
            cookies: true,
            cookie_secrets: None,
            connections: unwritten(2000),
            connections_per_address: unwritten(50),
            idle_s: unwritten(10),
            waiting: unwritten(10_000),
            waiting_per_client: unwritten(2000),
            network: Vec::new(),
        }
    }
}

impl LimitsSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> Limits {
        let connections = review.number("connections", &self.connections, 1..=CONNECTIONS_MAX);
        let of_client = self.check_client(review);
        Limits {
            udp_octets: review.number("udp_octets", &self.udp_octets, UDP_OCTETS_MAX..=4096),
            slip: review.number("slip", &self.slip, 0..=1000),
            cookies: self.cookies,
            cookie_secrets: self
                .cookie_secrets
                .as_ref()
                .map(|file| review.file(file, FileContent::CookieSecrets)),
            connections,
            idle: Duration::from_secs(review.number("idle_s", &self.idle_s, 1..=3600)),
            waiting: review.number("waiting", &self.waiting, 1..=WAITING_MAX),
            networks: self.check_networks(of_client, review),
            of_client,
        }
    }

    fn check_client(&self, review: &mut Review<'_>) -> ClientLimits {
        let connections = if is_written(&self.connections_per_address) {
            self.connections_of_client(&self.connections_per_address, review)
        } else {
            let usual = *self.connections_per_address.get_ref();
            usual.min(*self.connections.get_ref())
        };
        ClientLimits {
            udp_replies_per_s: replies(&self.udp_replies_per_s, review),
            connections: Some(connections),
            waiting: Some(waiting(&self.waiting_per_client, review)),
        }
    }

    fn connections_of_client(&self, value: &Spanned<usize>, review: &mut Review<'_>) -> usize {
        let number = review.number("connections_per_address", value, 1..=CONNECTIONS_MAX);
        if number > *self.connections.get_ref() {
            review.say(
                value,
                "connections_per_address is more than `connections` allows in all: lower it",
            );
        }
        number
    }

    fn check_networks(&self, usual: ClientLimits, review: &mut Review<'_>) -> Vec<NetworkLimits> {
        if let Some(section) = self.network.get(NETWORKS_MAX) {
            review.say(
                &section.networks,
                format!("at most {NETWORKS_MAX} [[limits.network]]: join some of them"),
            );
        }
        let mut taken = Vec::new();
        let checked = self.network.iter().map(|section| NetworkLimits {
            networks: section.check_prefixes(&mut taken, review),
            limits: self.check_network(section, usual, review),
        });
        checked.collect()
    }

    fn check_network(
        &self,
        section: &NetworkSection,
        usual: ClientLimits,
        review: &mut Review<'_>,
    ) -> ClientLimits {
        let mut limits = usual;
        let mut changes = false;
        if let Some(value) = &section.udp_replies_per_s {
            limits.udp_replies_per_s = replies(value, review);
            changes = true;
        }
        if let Some(value) = &section.connections_per_address {
            limits.connections = Some(self.connections_of_client(value, review));
            changes = true;
        }
        if let Some(value) = &section.waiting_per_client {
            limits.waiting = Some(waiting(value, review));
            changes = true;
        }
        match &section.exempt {
            Some(exempt) if *exempt.get_ref() && changes => review.say(
                exempt,
                "exempt = true: there are limits beside it: leave out one or the other",
            ),
            Some(exempt) if *exempt.get_ref() => limits = ClientLimits::EXEMPT,
            None if !changes => review.say_missing(
                &section.networks,
                "this [[limits.network]] changes nothing: write exempt = true, or \
                 udp_replies_per_s, connections_per_address or waiting_per_client",
            ),
            Some(_) | None => {}
        }
        limits
    }
}

impl NetworkSection {
    fn check_prefixes(&self, taken: &mut Vec<IpNet>, review: &mut Review<'_>) -> Vec<IpNet> {
        if self.networks.get_ref().is_empty() {
            review.say(&self.networks, "networks is empty: name the networks");
        }
        let mut prefixes: Vec<IpNet> = Vec::new();
        for value in self.networks.get_ref() {
            let Some(prefix) = network("networks", value, review) else {
                continue;
            };
            let overlaps = |other: &&IpNet| other.contains(&prefix) || prefix.contains(*other);
            if let Some(other) = prefixes.iter().find(overlaps) {
                review.say(
                    value,
                    format!("networks: {prefix} and {other} overlap: keep the wider one"),
                );
            } else if taken.contains(&prefix) {
                review.say(
                    value,
                    format!("networks: {prefix} is in another [[limits.network]]: take one out"),
                );
            }
            prefixes.push(prefix);
        }
        taken.extend(&prefixes);
        prefixes
    }
}

fn replies(value: &Spanned<u32>, review: &mut Review<'_>) -> Option<NonZeroU32> {
    NonZeroU32::new(review.number("udp_replies_per_s", value, 0..=REPLIES_MAX))
}

fn waiting(value: &Spanned<usize>, review: &mut Review<'_>) -> usize {
    review.number("waiting_per_client", value, 1..=WAITING_MAX)
}
