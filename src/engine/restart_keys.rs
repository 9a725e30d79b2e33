//! The keys that only a start can put in force: what they name is held open for as long as the
//! program runs.

use crate::config::{Config, KeyChange};

/// Sections and keys, and why.
const KEYS: [(&str, &str); 7] = [
    ("state", "the state folder is open"),
    ("promised", "it is held against the state folder at a start"),
    ("control", "the socket is what commands speak through"),
    ("listen.threads", "each thread has its socket"),
    ("audit.provider", "it names the audit log that is open"),
    ("audit.resolver", "it names the audit log that is open"),
    ("audit.key", "the audit log is open under it"),
];

/// Why this key needs a restart; nothing where it needs none.
fn reason(key: &str) -> Option<&'static str> {
    let is_meant = |known: &str| {
        let below = key.strip_prefix(known);
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let found = KEYS.iter().find(|(known, _)| is_meant(known));
    found.map(|(_, reason)| *reason)
}

/// Does it need a restart?
pub(super) fn is_one(change: &KeyChange) -> bool {
    reason(&change.key).is_some()
}

/// What changed and why that needs a restart.
pub(super) fn explain(change: &KeyChange) -> String {
    let reason = reason(&change.key).unwrap_or_default();
    format!("{change} (needs a restart: {reason})")
}

/// What can be in force of `next` while the program runs that was started with `started`.
pub(super) fn as_far_as_possible(mut next: Config, started: &Config) -> Config {
    next.state.clone_from(&started.state);
    next.promised.clone_from(&started.promised);
    next.control.clone_from(&started.control);
    next.listen.threads = started.listen.threads;
    next.audit.provider.clone_from(&started.audit.provider);
    next.audit.resolver.clone_from(&started.audit.resolver);
    next.audit.key.clone_from(&started.audit.key);
    next
}
