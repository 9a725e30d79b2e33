//! `[count]`, `[audit]`, `[metrics]`, `[control]` and `[log]`: what the operator sees of the
//! running program.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::listen::Listen;
use super::review::{Review, unwritten};
use super::witness::{WitnessSection, check_witnesses};
use crate::record::recovery_name;
use crate::seal::{Algorithm, VerifyKey};
use crate::store::origin;
use crate::witness;

/// How much is logged; no level writes a client's address or a listed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// What somebody has to mend.
    Error,
    /// And what somebody should look at.
    Warn,
    /// And what happened.
    Info,
    /// And how.
    Debug,
}

impl LogLevel {
    /// All levels, from the quietest.
    pub const ALL: [Self; 4] = [Self::Error, Self::Warn, Self::Info, Self::Debug];

    /// The word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CountSection {
    flush_s: Spanned<u64>,
}

impl Default for CountSection {
    fn default() -> Self {
        Self {
            flush_s: unwritten(5),
        }
    }
}

impl CountSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> Duration {
        Duration::from_secs(review.number("flush_s", &self.flush_s, 1..=3600))
    }
}

/// Who signs the audit log.
#[derive(Clone, Debug)]
pub struct AuditLog {
    /// Whose resolver it is.
    pub provider: String,
    /// Which of the provider's resolvers.
    pub resolver: String,
    /// The file of the log's key.
    pub key: PathBuf,
    /// The public key that may name another key of the log, should its own be lost.
    pub recovery: Option<VerifyKey>,
    /// Who cosigns its checkpoints.
    pub witnesses: Vec<witness::Settings>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AuditSection {
    provider: Spanned<String>,
    resolver: Spanned<String>,
    key: Option<PathBuf>,
    recovery: Option<Spanned<String>>,
    witness: Vec<WitnessSection>,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            provider: unwritten("provider.example".to_owned()),
            resolver: unwritten("resolver-1".to_owned()),
            key: None,
            recovery: None,
            witness: Vec::new(),
        }
    }
}

impl AuditSection {
    pub(super) fn check(&self, state: &Path, review: &mut Review<'_>) -> AuditLog {
        let provider = review.domain_like("provider", &self.provider);
        let resolver = review.domain_like("resolver", &self.resolver);
        let recovery = self.recovery.as_ref();
        let recovery = recovery.and_then(|written| {
            let name = recovery_name(&origin(&provider, &resolver));
            let key = VerifyKey::parse(written.get_ref());
            match key.ok().filter(|key| key.name() == name) {
                Some(key) if key.algorithm() == Algorithm::Ed25519 => Some(key),
                _ => {
                    review.say(
                        written,
                        format!(
                            "recovery: is not a public key that signs, of the name {name}: make \
                             it with `wardline key new {name} --out FILE`, and keep the file off \
                             this machine"
                        ),
                    );
                    None
                }
            }
        });
        AuditLog {
            provider,
            resolver,
            recovery,
            key: self
                .key
                .as_ref()
                .map_or_else(|| state.join("audit.key"), |key| review.path(key)),
            witnesses: check_witnesses(&self.witness, review),
        }
    }
}

/// The folder of what was promised: beside the state folder unless named, and never in it.
pub(super) fn check_promised(
    written: Option<&Spanned<PathBuf>>,
    state: &Path,
    review: &mut Review<'_>,
) -> PathBuf {
    let Some(value) = written else {
        return beside(state);
    };
    let path = review.path(value.get_ref());
    if plain(&path).starts_with(plain(state)) {
        review.say(
            value,
            "promised: lies in the state folder, and would be restored with it: name a folder \
             outside, best on another disk",
        );
    }
    path
}

/// The state folder's name with `.promised` behind it.
fn beside(state: &Path) -> PathBuf {
    let mut place = plain(state);
    if place.file_name().is_none() {
        // The working folder, or one above it: it has a name from the root on.
        place = std::path::absolute(state).map_or(place, |whole| plain(&whole));
    }
    let mut name = place.into_os_string();
    name.push(".promised");
    PathBuf::from(name)
}

/// A path without the parts that go nowhere.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MetricsSection {
    listen: Option<Spanned<String>>,
}

impl MetricsSection {
    pub(super) fn check(&self, doors: &Listen, review: &mut Review<'_>) -> Option<SocketAddr> {
        let value = self.listen.as_ref()?;
        let address = review.socket("listen", value, 0)?;
        if address.port() != 0
            && doors
                .tcp
                .iter()
                .chain(&doors.tls)
                .any(|door| *door == address)
        {
            review.say(
                value,
                format!("listen: {address} is taken by a door of [listen] already"),
            );
        }
        Some(address)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ControlSection {
    socket: Option<PathBuf>,
}

impl ControlSection {
    pub(super) fn check(&self, state: &Path, review: &Review<'_>) -> PathBuf {
        self.socket
            .as_ref()
            .map_or_else(|| state.join("control.sock"), |socket| review.path(socket))
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogSection {
    pub(super) level: LogLevel,
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
        }
    }
}
