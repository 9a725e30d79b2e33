//! `[[audit.witness]]`: who cosigns the audit log's checkpoints.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::files::FileContent;
use super::review::{Review, unwritten};
use crate::seal::{Algorithm, VerifyKey};
use crate::witness::Settings;

const URL_OCTETS_MAX: usize = 2000;
/// A checkpoint has room for so many cosignatures, and more.
const WITNESSES_MAX: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WitnessSection {
    url: Spanned<String>,
    key: Spanned<String>,
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    #[serde(default = "system_authorities")]
    ca: Spanned<PathBuf>,
}

fn system_authorities() -> Spanned<PathBuf> {
    unwritten(PathBuf::from("/etc/ssl/certs/ca-certificates.crt"))
}

pub(super) fn check_witnesses(
    sections: &[WitnessSection],
    review: &mut Review<'_>,
) -> Vec<Settings> {
    let mut known = BTreeSet::new();
    let mut witnesses = Vec::new();
    for (at, section) in sections.iter().enumerate() {
        if at == WITNESSES_MAX {
            review.say(
                &section.url,
                format!("audit.witness: at most {WITNESSES_MAX} witnesses are asked"),
            );
            break;
        }
        let Some(settings) = section.check(review) else {
            continue;
        };
        if !known.insert(settings.key.octets().to_vec()) {
            review.say(&section.key, "key: this witness is named twice");
        }
        witnesses.push(settings);
    }
    witnesses
}

impl WitnessSection {
    fn check(&self, review: &mut Review<'_>) -> Option<Settings> {
        let addresses: Vec<SocketAddr> = self
            .addresses
            .iter()
            .filter_map(|value| review.socket("addresses", value, 1))
            .collect();
        let url = self.check_url(addresses.is_empty() && self.addresses.is_empty(), review);
        let ca = url
            .is_some_and(|url| url.starts_with("https://"))
            .then(|| review.list_file(&self.ca, FileContent::Authorities));
        let key = match VerifyKey::parse(self.key.get_ref()) {
            Ok(key) if key.algorithm() == Algorithm::Cosignature => key,
            Ok(_) => {
                review.say(
                    &self.key,
                    "key: this key signs notes and does not cosign: write the key that `wardline \
                     audit witness serve` prints at its start",
                );
                return None;
            }
            Err(error) => {
                review.say(&self.key, format!("key: {error}"));
                return None;
            }
        };
        Some(Settings {
            url: url?.to_owned(),
            key,
            addresses,
            ca,
        })
    }

    fn check_url(&self, needs_address: bool, review: &mut Review<'_>) -> Option<&str> {
        let url = self.url.get_ref();
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        let authority = rest.and_then(|rest| rest.split('/').next());
        let authority = authority.unwrap_or_default();
        let is_plain = url.len() <= URL_OCTETS_MAX
            && url.bytes().all(|octet| octet.is_ascii_graphic())
            && !url.contains(['?', '#', '@']);
        if authority.is_empty() || !is_plain {
            review.say(
                &self.url,
                "url: write where the witness is, as https://HOST or https://HOST/PATH",
            );
            return None;
        }
        let is_address = authority.parse::<SocketAddr>().is_ok()
            || authority.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if needs_address && !is_address {
            review.say_missing(
                &self.url,
                "url: say where the host is in `addresses`: it is never asked of ourselves",
            );
            return None;
        }
        Some(url)
    }
}
