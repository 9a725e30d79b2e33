//! A start that waits for lists with `required = true`: nothing is answered, but the operator can
//! ask what is missing, and let it pass.

use std::future::Future;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tracing::{info, warn};

use super::service::notify;
use crate::clock::monotonic;
use crate::control::{Underway, Work};
use crate::update::{NotInForce, Updater};

/// For how long the service manager is to wait on at a time.
const EXTEND: Duration = Duration::from_secs(60);
/// How often a start looks whether all lists have come.
const LOOK: Duration = Duration::from_millis(20);

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartWait {
    /// All lists are in force.
    Come,
    /// The program is to stop.
    Stopped,
}

/// Nothing is answered before every list with `required = true` is in force, or `told` says stop.
pub(super) async fn wait_for_lists(
    updater: &Updater,
    underway: &Underway,
    told: impl Future<Output = ()>,
) -> StartWait {
    tokio::pin!(told);
    let mut said: Option<Instant> = None;
    let mut work: Option<(String, Work)> = None;
    loop {
        let missing = updater.missing(NotInForce::Required).join(", ");
        if missing.is_empty() {
            if said.is_some() {
                info!("all lists with `required = true` are in force");
            }
            return StartWait::Come;
        }
        if work.as_ref().is_none_or(|(lists, _)| *lists != missing) {
            let begun = underway.begin(format!(
                "no question is answered before these lists with `required = true` are in force: \
                 {missing}"
            ));
            work = Some((missing.clone(), begun));
        }
        if said.is_none_or(|said| said.elapsed() >= EXTEND / 4) {
            warn!(
                lists = %missing,
                "waiting for lists with `required = true`: no question is answered before"
            );
            said = Some(monotonic());
            // The service manager must not take the wait for a failed start.
            notify(&[
                NotifyState::ExtendTimeoutUsec(EXTEND.as_micros() as u32),
                NotifyState::Status(&format!("waiting for lists: {missing}")),
            ]);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut told => return StartWait::Stopped,
        }
    }
}
