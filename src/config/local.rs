//! `[local]`: names that are answered here.

use std::net::IpAddr;

use serde::Deserialize;
use toml::Spanned;

use super::review::Review;
use crate::answer::local::Settings;
use crate::name::Name;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LocalSection {
    addresses: Vec<Spanned<String>>,
    nowhere: Vec<Spanned<String>>,
    nowhere_except: Vec<Spanned<String>>,
    tcp_only: Vec<Spanned<String>>,
}

impl LocalSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> Settings {
        let mut addresses = Vec::new();
        for value in &self.addresses {
            match line(value.get_ref()) {
                Some((address, names)) => {
                    addresses.extend(names.into_iter().map(|name| (name, address)))
                }
                None => review.say(
                    value,
                    "addresses: write an address and the names that have it: \
                                           \"192.0.2.10 portal.example\"",
                ),
            }
        }
        Settings {
            addresses,
            nowhere: review.names("nowhere", &self.nowhere),
            nowhere_except: review.names("nowhere_except", &self.nowhere_except),
            tcp_only: review.names("tcp_only", &self.tcp_only),
        }
    }
}

/// An address and at least one name, as in a hosts file.
fn line(text: &str) -> Option<(IpAddr, Vec<Name>)> {
    let mut words = text.split_whitespace();
    let address = words.next()?.parse().ok()?;
    let names: Vec<Name> = words.map(Name::parse).collect::<Result<_, _>>().ok()?;
    (!names.is_empty()).then_some((address, names))
}
