//! `[list.folder]`, `[list.pull]`, `[list.guard]`, `[list.stage]` and `[push]`: where lists come
//! from, and how a change is judged.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::review::{Review, unwritten};
use crate::list::guard::GuardLimits;
use crate::update::{PullSettings, Stage, push};

const EVERY_S_MAX: u64 = 86_400;
const URL_OCTETS_MAX: usize = 2000;
const MIB: usize = 1 << 20;
/// A list that is in order must not be held back for longer than this.
const SHADOW_S_MAX: u64 = 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FolderSection {
    pub(super) path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PullSection {
    urls: Vec<Spanned<String>>,
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    #[serde(default)]
    bootstrap: Vec<Spanned<String>>,
    #[serde(default = "system_roots")]
    ca: Spanned<PathBuf>,
    #[serde(default = "five_minutes")]
    every_s: Spanned<u64>,
}

fn system_roots() -> Spanned<PathBuf> {
    unwritten(PathBuf::from("/etc/ssl/certs/ca-certificates.crt"))
}

fn five_minutes() -> Spanned<u64> {
    unwritten(300)
}

impl PullSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> Vec<PullSettings> {
        let addresses: Vec<SocketAddr> = self
            .addresses
            .iter()
            .filter_map(|value| review.socket("addresses", value, 1))
            .collect();
        let bootstrap: Vec<SocketAddr> = self
            .bootstrap
            .iter()
            .filter_map(|value| review.socket("bootstrap", value, 1))
            .collect();
        let every = Duration::from_secs(review.number("every_s", &self.every_s, 1..=EVERY_S_MAX));
        let ca = review.file(&self.ca);
        for value in &self.urls {
            let url = value.get_ref();
            let host = url
                .strip_prefix("https://")
                .and_then(|rest| rest.split(['/', ':']).next())
                .unwrap_or_default();
            let is_plain = url.len() <= URL_OCTETS_MAX
                && url.bytes().all(|octet| octet.is_ascii_graphic())
                && !url.contains(['?', '#', '@']);
            if host.is_empty() || !is_plain || !url.ends_with(".manifest") {
                review.say(
                    value,
                    "urls: write the manifest's address as https://HOST/…/ID.manifest",
                );
            }
            if addresses.is_empty() && bootstrap.is_empty() {
                review.say(
                    value,
                    "urls: say where the host is, in `addresses` or by resolvers to ask in \
                     `bootstrap`: it is never asked of ourselves",
                );
            }
        }
        let of = |url: &Spanned<String>| PullSettings {
            url: url.get_ref().clone(),
            addresses: addresses.clone(),
            bootstrap: bootstrap.clone(),
            ca: ca.clone(),
            every,
        };
        self.urls.iter().map(of).collect()
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct GuardSection {
    added_max: Spanned<u64>,
    removed_max: Spanned<u64>,
    added_percent_max: Spanned<f64>,
    removed_percent_max: Spanned<f64>,
    small_change: Spanned<u64>,
}

impl Default for GuardSection {
    fn default() -> Self {
        let limits = GuardLimits::default();
        Self {
            added_max: unwritten(limits.added_max),
            removed_max: unwritten(limits.removed_max),
            added_percent_max: unwritten(limits.added_percent_max),
            removed_percent_max: unwritten(limits.removed_percent_max),
            small_change: unwritten(limits.small_change),
        }
    }
}

impl GuardSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> GuardLimits {
        const PERCENT_MAX: f64 = 1_000_000.0;
        const ENTRIES_MAX: u64 = 1_000_000_000;
        GuardLimits {
            added_max: review.number("added_max", &self.added_max, 0..=ENTRIES_MAX),
            removed_max: review.number("removed_max", &self.removed_max, 0..=ENTRIES_MAX),
            added_percent_max: review.number(
                "added_percent_max",
                &self.added_percent_max,
                0.0..=PERCENT_MAX,
            ),
            removed_percent_max: review.number(
                "removed_percent_max",
                &self.removed_percent_max,
                0.0..=100.0,
            ),
            small_change: review.number("small_change", &self.small_change, 0..=ENTRIES_MAX),
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StageSection {
    shadow_s: Spanned<u64>,
    questions_max: Spanned<u64>,
    percent_max: Spanned<f64>,
}

impl Default for StageSection {
    fn default() -> Self {
        let Stage {
            time,
            questions_max,
            percent_max,
        } = Stage::default();
        let (shadow_s, questions_max) = (unwritten(time.as_secs()), unwritten(questions_max));
        Self {
            shadow_s,
            questions_max,
            percent_max: unwritten(percent_max),
        }
    }
}

impl StageSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> Stage {
        Stage {
            time: Duration::from_secs(review.number("shadow_s", &self.shadow_s, 0..=SHADOW_S_MAX)),
            questions_max: review.number("questions_max", &self.questions_max, 1..=u64::MAX / 2),
            percent_max: review.number("percent_max", &self.percent_max, 0.0..=100.0),
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PushSection {
    listen: Option<Spanned<String>>,
    certificate: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
    tokens: Option<Spanned<PathBuf>>,
    mib_max: Spanned<usize>,
}

impl Default for PushSection {
    fn default() -> Self {
        Self {
            listen: None,
            certificate: None,
            key: None,
            tokens: None,
            mib_max: unwritten(256),
        }
    }
}

impl PushSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> Option<push::Settings> {
        let mib_max = review.number("mib_max", &self.mib_max, 1..=4096);
        let value = self.listen.as_ref()?;
        let listen = review.socket("listen", value, 0);
        let (Some(certificate), Some(key), Some(tokens)) =
            (&self.certificate, &self.key, &self.tokens)
        else {
            review.say(
                value,
                "listen: pushing needs `certificate`, `key` and `tokens` too",
            );
            return None;
        };
        let [certificate, key, tokens] = [certificate, key, tokens].map(|file| review.file(file));
        Some(push::Settings {
            listen: listen?,
            certificate,
            key,
            tokens,
            octets_max: mib_max * MIB,
        })
    }
}
