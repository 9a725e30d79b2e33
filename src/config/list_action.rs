//! What a blocked question gets, in a list's section: the action, the stop addresses and whom to
//! write to.

use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;
use toml::Spanned;

use super::review::{Review, is_written};
use crate::policy::{Action, FilteringDatabaseEntry};

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ActionWord {
    StopPage,
    #[serde(rename = "nxdomain")]
    NxDomain,
}

/// Somebody to complain to, as a client's program can show it
/// (draft-ietf-dnsop-structured-dns-error section 4).
pub(super) fn contact(value: &Spanned<String>, review: &mut Review<'_>) -> String {
    let text = value.get_ref();
    let is_uri = text
        .strip_prefix("tel:")
        .or_else(|| text.strip_prefix("mailto:"))
        .is_some_and(|rest| !rest.is_empty());
    if !is_uri || !is_told_as_it_is(text) {
        review.say(
            value,
            format!(
                "contact: {text:?}: write \"tel:+1-555-0100\" or \
                                   \"mailto:office@authority.example\""
            ),
        );
    }
    text.clone()
}

/// An entry of a public database of filtering incidents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilteringDatabaseKeys {
    db: Spanned<String>,
    id: Spanned<String>,
}

impl FilteringDatabaseKeys {
    pub(super) fn check(&self, review: &mut Review<'_>) -> FilteringDatabaseEntry {
        for (key, value) in [("db", &self.db), ("id", &self.id)] {
            let text = value.get_ref();
            if text.is_empty() || !is_told_as_it_is(text) {
                review.say(
                    value,
                    format!(
                        "filtering_databases: {key} = {text:?}: write the name that the database \
                         has for it, of up to {TOLD_OCTETS_MAX} letters, digits and signs"
                    ),
                );
            }
        }
        FilteringDatabaseEntry {
            db: self.db.get_ref().clone(),
            id: self.id.get_ref().clone(),
        }
    }
}

/// Does it fit into replies, and needs nothing to be escaped in them?
fn is_told_as_it_is(text: &str) -> bool {
    let is_plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\');
    text.len() <= TOLD_OCTETS_MAX && text.bytes().all(is_plain)
}

/// Longer ones do not fit into replies.
const TOLD_OCTETS_MAX: usize = 100;

/// An address that a browser can reach; 0.0.0.0 and :: would send it to its own machine.
fn stop_address(value: &Spanned<String>, review: &mut Review<'_>) -> Option<IpAddr> {
    let text = value.get_ref();
    let Ok(address) = text.parse::<IpAddr>() else {
        review.say(
            value,
            format!("stop: {text:?} is no IP address: write 192.0.2.1 or 2001:db8::1"),
        );
        return None;
    };
    let is_mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    if address.is_unspecified()
        || address.is_multicast()
        || address == Ipv4Addr::BROADCAST
        || is_mapped
    {
        review.say(
            value,
            format!("stop: {address} cannot be a stop page: name the address of a web server"),
        );
        return None;
    }
    Some(address)
}

/// What is written in a list's section about what a blocked question gets.
pub(super) struct ActionKeys<'a> {
    pub(super) id: &'a Spanned<String>,
    pub(super) action: &'a Spanned<ActionWord>,
    pub(super) stop: &'a [Spanned<String>],
}

impl ActionKeys<'_> {
    pub(super) fn check(&self, review: &mut Review<'_>) -> Action {
        if matches!(self.action.get_ref(), ActionWord::NxDomain) {
            if let Some(stop) = self.stop.first() {
                review.say(
                    stop,
                    "stop addresses have no use with action \"nxdomain\": leave them \
                                  out, or choose \"stop-page\"",
                );
            }
            return Action::NxDomain;
        }
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for value in self.stop {
            match stop_address(value, review) {
                Some(IpAddr::V4(address)) if !v4.contains(&address) => v4.push(address),
                Some(IpAddr::V6(address)) if !v6.contains(&address) => v6.push(address),
                Some(address) => review.say(value, format!("stop: {address} is named twice")),
                None => {}
            }
        }
        if self.stop.is_empty() {
            let message = "action \"stop-page\" needs the page's addresses in `stop`";
            if is_written(self.action) {
                review.say_missing(self.action, message);
            } else {
                review.say_missing(self.id, message);
            }
        }
        Action::StopPage { v4, v6 }
    }
}
