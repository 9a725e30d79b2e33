//! Who looks for lists: the watch on files, the sources, the transfers of zones, and the door that
//! lists are pushed to.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::start_error::StartError;
use super::transfers;
use crate::config::Config;
use crate::update::push::{Listener, PushDoor};
use crate::update::transfer::Transfers;
use crate::update::{Sources, Updater, Watch};

/// They end when this is dropped.
pub(super) struct Looking {
    /// Looked for last, so that nothing is offered to a list that is not there yet.
    _sources: Sources,
    transfers: Transfers,
    _watch: Watch,
}

impl Looking {
    /// Look for all lists that there are.
    pub(super) fn start(
        config: &Config,
        updater: &Arc<Updater>,
        runtime: &Handle,
    ) -> Result<Self, StartError> {
        Ok(Self {
            _sources: Sources::start(updater)?,
            transfers: transfers::start(config, updater, runtime)?,
            _watch: Watch::start(updater)?,
        })
    }

    /// Where primaries say that a zone changed.
    pub(super) fn notified(&self) -> &[SocketAddr] {
        self.transfers.addresses()
    }
}

/// The door that lists are pushed to, where there is to be one.
pub(super) fn open_push(
    config: &Config,
    updater: &Updater,
) -> Result<Option<PushDoor>, StartError> {
    let Some(settings) = &config.push else {
        return Ok(None);
    };
    let listener = Listener::open(settings)?;
    Ok(Some(PushDoor::serve(listener, updater)?))
}
