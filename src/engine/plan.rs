//! What a change of the configuration is about: which keys are otherwise, and which of them can be
//! in force while the program runs.

use tracing::{info, warn};

use super::restart_keys::is_one;
use super::running::EngineParts;
use crate::config::{Config, KeyChange};
use crate::record::{ConfigurationChanged, Statement};
use crate::store::JournalEvent;

/// What is otherwise in the next configuration.
pub(super) struct Plan {
    /// Can be in force while the program runs.
    pub(super) changed: Vec<KeyChange>,
    /// Waits for a restart.
    pub(super) waiting: Vec<KeyChange>,
}

impl Plan {
    pub(super) fn new(parts: &EngineParts, next: &Config) -> Self {
        let (mut changed, mut waiting) =
            (parts.file.changes_to(next), parts.started.changes_to(next));
        changed.retain(|change| !is_one(change));
        waiting.retain(is_one);
        Self { changed, waiting }
    }

    /// Was anything changed in one of these sections?
    pub(super) fn touches(&self, sections: &[&str]) -> bool {
        let is_in = |change: &KeyChange| {
            let mut sections = sections.iter();
            sections.any(|section| is_below(&change.key, section))
        };
        self.changed.iter().any(is_in)
    }

    /// Is this list set up otherwise, where it was there before?
    pub(super) fn touches_list(&self, id: &str) -> bool {
        self.touches(&[&format!("list.{id}"), &format!("list.\"{id}\""), "lists"])
    }
}

impl Plan {
    /// Say what was changed, and what waits.
    pub(super) fn log(&self) {
        let words = |changes: &[KeyChange]| {
            let words: Vec<String> = changes.iter().map(logged).collect();
            words.join("; ")
        };
        if !self.changed.is_empty() {
            info!("the configuration was changed: {}", words(&self.changed));
        }
        if !self.waiting.is_empty() {
            let waiting = words(&self.waiting);
            warn!("the configuration waits for a restart in part: {waiting}");
        }
    }

    /// For the journal and the audit log.
    pub(super) fn event(&self) -> JournalEvent {
        let keys = |changes: &[KeyChange]| changes.iter().map(published).collect();
        let changed = ConfigurationChanged::new(keys(&self.changed), keys(&self.waiting));
        JournalEvent::now(Statement::Configured(changed))
    }
}

/// Sections that hold clients' networks: what they say is for no log.
const OF_CLIENTS: [&str; 3] = ["clients", "group", "limits.network"];
/// Sections of the operator's own zones, whose names are for no log that others read.
const OF_ZONES: &str = "resolve.zone";

/// The section of this key where more would tell of clients.
fn section_of_clients(key: &str) -> Option<&'static str> {
    OF_CLIENTS
        .into_iter()
        .find(|section| is_below(key, section))
}

/// A change as the program's own log has it.
fn logged(change: &KeyChange) -> String {
    let section = section_of_clients(&change.key);
    section.map_or_else(
        || change.to_string(),
        |section| format!("{section}: changed"),
    )
}

/// A key as the audit log has it, which many read.
fn published(change: &KeyChange) -> String {
    let key = &change.key;
    let zones = is_below(key, OF_ZONES).then_some(OF_ZONES);
    section_of_clients(key).or(zones).unwrap_or(key).to_owned()
}

/// Is it this section or key, or stands it in it?
fn is_below(key: &str, section: &str) -> bool {
    let rest = key.strip_prefix(section);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ValueChange;

    fn change(key: &str) -> KeyChange {
        KeyChange {
            key: key.to_owned(),
            change: ValueChange::Changed {
                before: "[\"192.0.2.7/32\"]".to_owned(),
                after: "[]".to_owned(),
            },
        }
    }

    #[test]
    fn no_log_has_a_client_s_network() {
        for key in [
            "clients.allow",
            "group.investigators.prefixes",
            "limits.network.\"192.0.2.7/32\".waiting",
        ] {
            let change = change(key);
            let section = section_of_clients(key).unwrap();
            assert_eq!(logged(&change), format!("{section}: changed"));
            assert_eq!(published(&change), section);
        }
        assert_eq!(
            published(&change("resolve.zone.\"corp.example\".stub")),
            "resolve.zone"
        );
        assert_eq!(
            published(&change("limits.networks_max")),
            "limits.networks_max"
        );
        assert!(logged(&change("list.one.stop")).contains("->"));
    }
}
