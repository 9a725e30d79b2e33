//! What an operator changes until the next start: laid over the configuration each time that it is
//! put in force, and forgotten with the program.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::clock::monotonic;
use crate::config::{Config, LogLevel};
use crate::control::{NegativeAnchorOrigin, NegativeAnchorStatus, TemporaryChange};
use crate::name::Name;

/// More than anybody types.
const CHANGES_MAX: usize = 1000;
/// A level is set to find something, not for good.
const LOG_FOR_MAX: Duration = Duration::from_secs(24 * 3600);

/// What is changed until the next start.
#[derive(Clone, Debug, Default)]
pub(super) struct Temporary {
    negative_anchors: BTreeSet<Name>,
    local: Vec<(Name, IpAddr)>,
    log: Option<(LogLevel, Instant)>,
    /// Clients are to go elsewhere.
    pub(super) is_leaving: bool,
}

impl Temporary {
    /// With one change more. An error says why there cannot be, and what to do; `config` is the
    /// configuration as its file has it.
    pub(super) fn with(&self, change: &TemporaryChange, config: &Config) -> Result<Self, String> {
        let mut next = self.clone();
        match change {
            TemporaryChange::AddNegativeAnchor { name } => {
                next.negative_anchors.insert(read_name(name)?);
            }
            TemporaryChange::RemoveNegativeAnchor { name } => {
                let name = read_name(name)?;
                let is_written = config.resolve.recurse.negative_anchors.contains(&name);
                if !next.negative_anchors.remove(&name) {
                    return Err(not_there("negative anchor", is_written));
                }
            }
            TemporaryChange::AddLocal { name, address } => {
                let added = (read_name(name)?, *address);
                if !next.local.contains(&added) {
                    next.local.push(added);
                }
            }
            TemporaryChange::RemoveLocal { name } => {
                let name = read_name(name)?;
                let written = &config.local.addresses;
                let is_written = written.iter().any(|(local, _)| *local == name);
                let before = next.local.len();
                next.local.retain(|(local, _)| *local != name);
                if next.local.len() == before {
                    return Err(not_there("local name", is_written));
                }
            }
            TemporaryChange::Log { level, for_s } => {
                let until = monotonic() + Duration::from_secs(*for_s).min(LOG_FOR_MAX);
                next.log = Some((read_level(level)?, until));
            }
            TemporaryChange::Drain => next.is_leaving = true,
            TemporaryChange::Resume => next.is_leaving = false,
        }
        if next.negative_anchors.len() + next.local.len() > CHANGES_MAX {
            return Err(format!(
                "{CHANGES_MAX} names are changed already: write them into the configuration"
            ));
        }
        Ok(next)
    }

    /// Without what is over by now; nothing where nothing is.
    pub(super) fn without_what_is_over(&self) -> Option<Self> {
        let (_, until) = self.log?;
        (monotonic() >= until).then(|| Self {
            log: None,
            ..self.clone()
        })
    }

    /// What is in force of this configuration together with the changes.
    pub(super) fn lay_over(&self, mut config: Config) -> Config {
        let anchors = &mut config.resolve.recurse.negative_anchors;
        let added = self.negative_anchors.iter();
        let added = added.filter(|name| !anchors.contains(name)).cloned();
        let added: Vec<Name> = added.collect();
        anchors.extend(added);
        config.local.addresses.extend(self.local.iter().cloned());
        if let Some((level, _)) = self.log {
            config.log = level;
        }
        config
    }

    /// All names below which nothing is checked, of the configuration's file and these.
    pub(super) fn all_negative_anchors(&self, file: &Config) -> Vec<NegativeAnchorStatus> {
        let written = &file.resolve.recurse.negative_anchors;
        let unchecked = file.resolve.zones.iter().filter(|zone| !zone.validate);
        let added = self.negative_anchors.iter();
        let status = |origin| {
            move |name: &Name| NegativeAnchorStatus {
                name: name.to_string(),
                origin,
            }
        };
        let written_ones = written
            .iter()
            .map(status(NegativeAnchorOrigin::Configuration));
        let zones = unchecked.map(|zone| &zone.name);
        let added = added.filter(|name| !written.contains(name));
        written_ones
            .chain(zones.map(status(NegativeAnchorOrigin::Zone)))
            .chain(added.map(status(NegativeAnchorOrigin::Temporary)))
            .collect()
    }

    /// In words, for the operator.
    pub(super) fn words(&self) -> Vec<String> {
        let anchors = self.negative_anchors.iter();
        let mut words: Vec<String> = anchors
            .map(|name| format!("negative anchor {name}"))
            .collect();
        let local = self.local.iter();
        words.extend(local.map(|(name, address)| format!("local name {name} {address}")));
        if let Some((level, until)) = self.log {
            let left = until.saturating_duration_since(monotonic()).as_secs();
            words.push(format!("log level {} for {left} s more", level.word()));
        }
        if self.is_leaving {
            words.push("leaving: clients are to go elsewhere".to_owned());
        }
        words
    }
}

fn not_there(what: &str, is_written: bool) -> String {
    if is_written {
        format!("this {what} stands in the configuration: take it out there, and `wardline reload`")
    } else {
        format!("there is no such {what}")
    }
}

fn read_name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|fault| format!("{text:?} is not a domain name: {fault}"))
}

fn read_level(word: &str) -> Result<LogLevel, String> {
    let known = LogLevel::ALL.into_iter().find(|level| level.word() == word);
    known.ok_or_else(|| {
        let words = LogLevel::ALL.map(LogLevel::word).join(", ");
        format!("{word:?} is no level of the log: these are {words}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::load(None).unwrap()
    }

    fn add_anchor(name: &str) -> TemporaryChange {
        TemporaryChange::AddNegativeAnchor {
            name: name.to_owned(),
        }
    }

    #[test]
    fn changes_lie_over_the_configuration_and_are_taken_back() {
        let (none, config) = (Temporary::default(), config());
        let one = none.with(&add_anchor("broken.example"), &config).unwrap();
        let local = TemporaryChange::AddLocal {
            name: "host.corp".to_owned(),
            address: [10, 0, 0, 7].into(),
        };
        let two = one.with(&local, &config).unwrap();
        let laid = two.lay_over(config.clone());
        assert_eq!(laid.resolve.recurse.negative_anchors.len(), 1);
        assert_eq!(laid.local.addresses.len(), 1);
        let words = [
            "negative anchor broken.example.",
            "local name host.corp. 10.0.0.7",
        ];
        let negative = two.all_negative_anchors(&laid);
        assert_eq!(negative.len(), 1, "what the file says is told once");
        assert_eq!(negative[0].origin, NegativeAnchorOrigin::Configuration);
        let negative = two.all_negative_anchors(&config);
        assert_eq!(negative[0].origin, NegativeAnchorOrigin::Temporary);
        assert_eq!(two.words().len(), words.len(), "{:?}", two.words());
        let back = TemporaryChange::RemoveNegativeAnchor {
            name: "Broken.Example.".to_owned(),
        };
        let three = two.with(&back, &config).unwrap();
        assert_eq!(three.words().len(), 1);
        assert!(three.with(&back, &config).unwrap_err().contains("no such"));
        // What the file says is taken back in the file.
        let error = none.with(&back, &laid).unwrap_err();
        assert!(error.contains("stands in the configuration"), "{error}");
    }

    #[test]
    fn what_cannot_be_is_told() {
        let (none, config) = (Temporary::default(), config());
        let level = |level: &str| TemporaryChange::Log {
            level: level.to_owned(),
            for_s: 0,
        };
        let error = none.with(&level("loud"), &config).unwrap_err();
        assert!(error.contains("error, warn, info, debug"), "{error}");
        let over = none.with(&level("debug"), &config).unwrap();
        assert!(over.without_what_is_over().unwrap().words().is_empty());
        assert!(none.without_what_is_over().is_none());
        assert!(none.with(&add_anchor("a..b"), &config).is_err());
        let mut many = none;
        for n in 0..CHANGES_MAX {
            many.negative_anchors
                .insert(Name::parse(&format!("n{n}.test")).unwrap());
        }
        let error = many.with(&add_anchor("one.more"), &config).unwrap_err();
        assert!(error.contains("into the configuration"), "{error}");
    }
}
