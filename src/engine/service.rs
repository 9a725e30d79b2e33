//! What the service manager is told (sd_notify).

use sd_notify::NotifyState;
use tracing::warn;

/// Tell systemd, where it listens.
pub fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("the service manager cannot be told ({error})");
    }
}
