//! `[list.folder]`, `[list.pull]`, `[list.guard]`, `[list.stage]` and `[push]`: where lists come
//! from, and how a change is judged.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::files::FileContent;
use super::review::{Review, unwritten};
use crate::list::guard::{Code, GuardLimits};
use crate::update::{PullSettings, Stage, push};

const EVERY_S_MAX: u64 = 86_400;
const ENTRIES_MAX: u64 = 1_000_000_000;
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
        let ca = review.list_file(&self.ca, FileContent::Authorities);
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
                review.say_missing(
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
    pass: Vec<Spanned<String>>,
    pass_entries: Spanned<u64>,
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
            pass: Vec::new(),
            pass_entries: unwritten(0),
        }
    }
}

impl GuardSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> GuardLimits {
        const PERCENT_MAX: f64 = 1_000_000.0;
        let passing = self.check_pass(review);
        let pass_max = |code| {
            if passing.contains(&code) {
                *self.pass_entries.get_ref()
            } else {
                0
            }
        };
        GuardLimits {
            tld_max: pass_max(Code::Tld),
            public_suffix_max: pass_max(Code::PublicSuffix),
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

    /// The findings that pass. Without a number of entries none does: it is what holds a later
    /// list back that has more of them.
    fn check_pass(&self, review: &mut Review<'_>) -> Vec<Code> {
        let mut codes = Vec::new();
        for value in &self.pass {
            let word = value.get_ref();
            match Code::parse(word) {
                Some(code) if codes.contains(&code) => {
                    review.say(value, format!("pass: {word} is named twice"));
                }
                Some(code) if Code::PASSABLE.contains(&code) => codes.push(code),
                Some(code) => review.say(value, format!("pass: {word} {}", why_not(code))),
                None => review.say(
                    value,
                    format!(
                        "pass: {word:?} is no finding of the guard: {} may pass",
                        Code::PASSABLE.map(Code::as_str).join(" and ")
                    ),
                ),
            }
        }
        let entries = review.number("pass_entries", &self.pass_entries, 0..=ENTRIES_MAX);
        match self.pass.first() {
            Some(first) if entries == 0 => review.say_missing(
                first,
                "pass: say in `pass_entries` how many entries each finding may concern",
            ),
            None if entries > 0 => review.say_missing(
                &self.pass_entries,
                "pass_entries has no use without `pass`: leave it out, or name what may pass",
            ),
            _ => {}
        }
        codes
    }
}

/// Why a finding cannot be let pass for good, and what to do instead.
const fn why_not(code: Code) -> &'static str {
    match code {
        Code::Added | Code::AddedPercent | Code::Removed | Code::RemovedPercent => {
            "has a limit of its own in [list.guard]: raise that"
        }
        Code::Shadow => "has a limit of its own in [list.stage]: raise that",
        _ => {
            "never passes for good: take the entries off the list, or accept one issue with \
             wardline reload --override"
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
            review.say_missing(
                value,
                "listen: pushing needs `certificate`, `key` and `tokens` too",
            );
            return None;
        };
        let key = review.list_file(key, FileContent::Key);
        let content = FileContent::Certificate {
            key: key.clone(),
            name: None,
        };
        let certificate = review.list_file(certificate, content);
        let tokens = review.list_file(tokens, FileContent::Tokens);
        Some(push::Settings {
            listen: listen?,
            certificate,
            key,
            tokens,
            octets_max: mib_max * MIB,
        })
    }
}
