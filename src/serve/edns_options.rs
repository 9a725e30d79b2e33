//! What a stream's door adds to a reply by itself: a server cookie, how long the connection may be
//! idle, padding.

use std::net::IpAddr;
use std::time::Duration;

use super::cookies::{Cookies, WholeCookie};
use crate::clock;
use crate::count::Door;
use crate::wire::{COOKIE, KEEPALIVE, door_options, pad, push_option};

/// Replies over TLS are padded to multiples of so many octets (RFC 8467 section 4.1).
const PADDED_TO: usize = 468;

/// What is to be added to the reply to one question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Addenda {
    cookie: Option<WholeCookie>,
    /// In tenths of a second (RFC 7828 section 3.1).
    idle: Option<u16>,
    is_padded: bool,
}

impl Addenda {
    /// Those that a question asks for; mostly none.
    pub(super) fn read(
        packet: &[u8],
        door: Door,
        client: IpAddr,
        cookies: Option<&Cookies>,
        idle: impl FnOnce() -> Duration,
    ) -> Self {
        let Some(options) = door_options(packet) else {
            return Self::default();
        };
        let made = options
            .cookie
            .zip(cookies)
            .and_then(|(cookie, cookies)| cookies.answer(cookie, client, clock::wall_u32_s()));
        Self {
            cookie: made.map(|(_, cookie)| cookie),
            idle: options
                .keepalive
                .then(|| u16::try_from(idle().as_millis() / 100).unwrap_or(u16::MAX)),
            // Padding says nothing to those who can read along anyhow (RFC 7830 section 6).
            is_padded: options.padding && door == Door::Tls,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Add them to a reply; none to one without an OPT record.
    pub(super) fn add_to(&self, reply: &mut Vec<u8>) {
        let len_max = usize::from(u16::MAX);
        if let Some(cookie) = &self.cookie {
            push_option(reply, len_max, COOKIE, cookie);
        }
        if let Some(idle) = self.idle {
            push_option(reply, len_max, KEEPALIVE, &idle.to_be_bytes());
        }
        if self.is_padded {
            pad(reply, PADDED_TO);
        }
    }
}
