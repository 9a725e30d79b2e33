//! `[transfer]` and `[list.transfer]`: which zones are transferred, from where, and under which
//! key.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::files::FileContent;
use super::review::{Review, unwritten};
use crate::list::parse::Format;
use crate::name::Name;
use crate::update::transfer::{Caps, SharedKey, TsigAlgorithm};

const PORT: u16 = 53;

/// A zone that a list comes from.
#[derive(Clone, Debug)]
pub struct TransferredZone {
    /// The zone's name.
    pub zone: Name,
    /// Where to ask, in this order.
    pub primaries: Vec<SocketAddr>,
    /// The key, if the primaries want one.
    pub key: Option<SharedKey>,
    /// How much a transfer may bring.
    pub caps: Caps,
    /// How long a transfer may take.
    pub time_max: Duration,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TransferSection {
    notify: Vec<Spanned<String>>,
}

impl TransferSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> Vec<SocketAddr> {
        self.notify
            .iter()
            .filter_map(|value| review.socket("notify", value, 0))
            .collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListTransferSection {
    zone: Spanned<String>,
    primaries: Spanned<Vec<Spanned<String>>>,
    key: Option<Spanned<String>>,
    #[serde(default = "sha256")]
    algorithm: AlgorithmWord,
    secret_file: Option<Spanned<PathBuf>>,
    #[serde(default = "size_mib_max")]
    size_mib_max: Spanned<u64>,
    #[serde(default = "records_max")]
    records_max: Spanned<u64>,
    #[serde(default = "time_s_max")]
    time_s_max: Spanned<u64>,
}

const fn sha256() -> AlgorithmWord {
    AlgorithmWord::Sha256
}

fn size_mib_max() -> Spanned<u64> {
    unwritten(256)
}

fn records_max() -> Spanned<u64> {
    unwritten(5_000_000)
}

fn time_s_max() -> Spanned<u64> {
    unwritten(300)
}

#[derive(Clone, Copy, Deserialize)]
enum AlgorithmWord {
    #[serde(rename = "hmac-sha256")]
    Sha256,
    #[serde(rename = "hmac-sha384")]
    Sha384,
    #[serde(rename = "hmac-sha512")]
    Sha512,
}

impl ListTransferSection {
    /// The zone of a list that is written in this format and has no other source.
    pub(super) fn check(
        &self,
        format: Format,
        file: Option<&Spanned<PathBuf>>,
        review: &mut Review<'_>,
    ) -> Option<TransferredZone> {
        if format != Format::Rpz {
            review.say(
                &self.zone,
                "zone: only response policy zones are transferred: set format = \
                                    \"rpz\" for this list",
            );
        }
        if let Some(file) = file {
            review.say(
                file,
                "file: this list is transferred as a zone: leave one of the two out",
            );
        }
        let zone = check_name("zone", &self.zone, review);
        if self.primaries.get_ref().is_empty() {
            review.say(
                &self.primaries,
                "primaries: name the servers that the zone is transferred from",
            );
        }
        let mut primaries: Vec<SocketAddr> = Vec::new();
        for value in self.primaries.get_ref() {
            match primary(value, review) {
                Some(address) if primaries.contains(&address) => {
                    review.say(value, format!("primaries: {address} is named twice"))
                }
                Some(address) => primaries.push(address),
                None => {}
            }
        }
        Some(TransferredZone {
            key: self.check_key(review),
            primaries,
            caps: Caps {
                octets: review.number("size_mib_max", &self.size_mib_max, 1..=65_536) << 20,
                records: review.number("records_max", &self.records_max, 1..=1_000_000_000),
            },
            time_max: Duration::from_secs(review.number(
                "time_s_max",
                &self.time_s_max,
                1..=86_400,
            )),
            zone: zone?,
        })
    }

    fn check_key(&self, review: &mut Review<'_>) -> Option<SharedKey> {
        let (name, file) = match (&self.key, &self.secret_file) {
            (Some(name), Some(file)) => (name, file),
            (None, None) => return None,
            (Some(name), None) => {
                review.say_missing(
                    name,
                    "key: needs its secret: name the file that has it as `secret_file`",
                );
                return None;
            }
            (None, Some(file)) => {
                review.say_missing(
                    file,
                    "secret_file: needs the key's name: set `key` as the primary calls it",
                );
                return None;
            }
        };
        let algorithm = match self.algorithm {
            AlgorithmWord::Sha256 => TsigAlgorithm::Sha256,
            AlgorithmWord::Sha384 => TsigAlgorithm::Sha384,
            AlgorithmWord::Sha512 => TsigAlgorithm::Sha512,
        };
        let secret_file = review.path(file.get_ref());
        let name = check_name("key", name, review)?;
        let key = SharedKey::in_file(name, algorithm, secret_file);
        review.list_file(file, FileContent::Secret(key.clone()));
        Some(key)
    }
}

fn check_name(key: &str, value: &Spanned<String>, review: &mut Review<'_>) -> Option<Name> {
    let name = Name::parse(value.get_ref())
        .ok()
        .filter(|name| *name != Name::root());
    if name.is_none() {
        review.say(
            value,
            format!("{key}: {:?} is no domain name", value.get_ref()),
        );
    }
    name
}

/// A primary's address; without a port it is 53.
fn primary(value: &Spanned<String>, review: &mut Review<'_>) -> Option<SocketAddr> {
    let bare = value
        .get_ref()
        .parse::<IpAddr>()
        .map(|address| SocketAddr::new(address, PORT));
    let address = bare.ok().or_else(|| review.socket("primaries", value, 1))?;
    if address.ip().is_unspecified() || address.ip().is_multicast() {
        review.say(
            value,
            format!("primaries: {} is no server's address", address.ip()),
        );
        return None;
    }
    Some(address)
}
