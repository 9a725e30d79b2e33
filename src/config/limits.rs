//! `[limits]`: how much one client, and all together, may ask of us.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::review::{Review, is_written, unwritten};
use crate::wire::UDP_OCTETS_MAX;

/// What the doors withstand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest UDP reply with an answer that has just come from outside, in octets; kept ones
    /// stay within 1,232.
    pub udp_octets: usize,
    /// UDP replies a second to one client network; 0 for no limit.
    pub udp_replies_per_s: u32,
    /// Of the replies over the limit each so-many-th goes out truncated; 0 for none.
    pub slip: u32,
    /// Give cookies to clients that ask for them.
    pub cookies: bool,
    /// The file of the secrets they are made with; drawn at each start without it.
    pub cookie_secrets: Option<PathBuf>,
    /// Connections over TCP and TLS in all.
    pub connections: usize,
    /// Connections over TCP and TLS from one address.
    pub connections_per_address: usize,
    /// How long a connection may ask nothing.
    pub idle: Duration,
    /// Questions that may wait for an answer from outside.
    pub waiting: usize,
    /// Questions of one client that may wait, over UDP.
    pub waiting_per_client: usize,
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
        }
    }
}

impl LimitsSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> Limits {
        let mut limits = Limits {
            udp_octets: review.number("udp_octets", &self.udp_octets, UDP_OCTETS_MAX..=4096),
            udp_replies_per_s: review.number(
                "udp_replies_per_s",
                &self.udp_replies_per_s,
                0..=10_000_000,
            ),
            slip: review.number("slip", &self.slip, 0..=1000),
            cookies: self.cookies,
            cookie_secrets: self.cookie_secrets.as_ref().map(|file| review.file(file)),
            connections: review.number("connections", &self.connections, 1..=1_000_000),
            connections_per_address: review.number(
                "connections_per_address",
                &self.connections_per_address,
                1..=1_000_000,
            ),
            idle: Duration::from_secs(review.number("idle_s", &self.idle_s, 1..=3600)),
            waiting: review.number("waiting", &self.waiting, 1..=10_000_000),
            waiting_per_client: review.number(
                "waiting_per_client",
                &self.waiting_per_client,
                1..=10_000_000,
            ),
        };
        if limits.connections_per_address > limits.connections {
            limits.connections_per_address = limits.connections;
            if !is_written(&self.connections_per_address) {
                return limits;
            }
            review.say(
                &self.connections_per_address,
                "connections_per_address is more than `connections` allows in all: lower it",
            );
        }
        limits
    }
}
