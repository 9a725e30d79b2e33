//! What every test stands on: a small internet, the real program, and a client that asks.
#![allow(
    dead_code,
    reason = "the kit is wider than what the tests of one day use"
)]

use std::time::{Duration, Instant};

use ask::ask;
use running::Running;

pub(crate) mod ask;
mod daemon;
pub(crate) mod dice;
pub(crate) mod evidence;
pub(crate) mod forwarders;
pub(crate) mod in_process;
pub(crate) mod internet;
pub(crate) mod listener;
pub(crate) mod load;
pub(crate) mod logged;
pub(crate) mod papers;
pub(crate) mod peers;
pub(crate) mod primary;
pub(crate) mod program;
pub(crate) mod prometheus;
pub(crate) mod running;
pub(crate) mod screen;
pub(crate) mod small_disk;
pub(crate) mod tool;
pub(crate) mod wall_clock;
pub(crate) mod weather;
pub(crate) mod web;
pub(crate) mod witness;

const PAUSE: Duration = Duration::from_millis(5);
/// How long a change may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until there is something, or gives up loudly: the only place where a test
/// waits.
pub(crate) fn until<T>(
    what: &str,
    patience: Duration,
    mut attempt: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Whether a customer who asks for the name is shown the stop page.
pub(crate) fn is_blocked(running: &Running, name: &str) -> bool {
    ask(running.address(), name, "A").is_stopped()
}

/// Waits until a name is blocked, or is not.
pub(crate) fn wait_for(running: &Running, name: &str, wanted: bool) {
    until(&format!("{name}: blocked {wanted}"), PATIENCE, || {
        (is_blocked(running, name) == wanted).then_some(())
    });
}
