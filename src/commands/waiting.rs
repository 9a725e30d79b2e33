//! A start that waits for lists with `required = true`: nothing is answered, but the operator can
//! ask what is missing, and let it pass.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tracing::{info, warn};

use super::budget::MemoryBudget;
use super::service::notify;
use crate::clock::monotonic;
use crate::config::Config;
use crate::control::{ControlServer, NothingResolved, ServerParts, Socket};
use crate::count::Board;
use crate::list::ListIndex;
use crate::policy::{Clients, ListRules};
use crate::store::Health;
use crate::update::{NotInForce, Updater};
use crate::witness::Witnesses;

/// For how long the service manager is to wait on at a time.
const EXTEND: Duration = Duration::from_secs(60);
/// How often a start looks whether all lists have come.
const LOOK: Duration = Duration::from_millis(20);

/// The control socket of a start that may have to wait.
pub(super) enum WaitingControl {
    /// Nothing has to be waited for.
    Unused(Socket),
    Serving(ControlServer),
}

impl WaitingControl {
    /// Serve the socket already where lists are waited for.
    pub(super) fn open(
        socket: Socket,
        config: &Config,
        updater: &Arc<Updater>,
        rules: &[ListRules],
        started: Instant,
    ) -> io::Result<Self> {
        if updater.missing(NotInForce::Required).is_empty() {
            return Ok(Self::Unused(socket));
        }
        let count = rules.len() as ListIndex;
        let parts = ServerParts {
            updater: Arc::clone(updater),
            clients: Arc::new(Clients::new(&config.allow, config.groups(), count)),
            rules: rules.to_vec(),
            board: Arc::new(Board::new(rules.len())),
            health: Health::default(),
            witnesses: Witnesses::default(),
            doors: Vec::new(),
            resolution: Box::new(NothingResolved),
            octets_without_lists: MemoryBudget::new(config).without_lists(),
            started,
        };
        ControlServer::start(socket, parts).map(Self::Serving)
    }

    /// From now on questions are answered.
    pub(super) fn serve(self, parts: ServerParts) -> io::Result<ControlServer> {
        match self {
            Self::Unused(socket) => ControlServer::start(socket, parts),
            Self::Serving(server) => {
                server.replace(parts);
                Ok(server)
            }
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartWait {
    /// All lists are in force.
    Come,
    /// The program is to stop.
    Stopped,
}

/// Nothing is answered before every list with `required = true` is in force, or `told` says stop.
pub(super) async fn wait_for_lists(updater: &Updater, told: impl Future<Output = ()>) -> StartWait {
    tokio::pin!(told);
    let mut said: Option<Instant> = None;
    loop {
        let missing = updater.missing(NotInForce::Required).join(", ");
        if missing.is_empty() {
            if said.is_some() {
                info!("all lists with `required = true` are in force");
            }
            return StartWait::Come;
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
