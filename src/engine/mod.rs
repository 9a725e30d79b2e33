//! Puts the running resolver together from its configuration, exchanges its parts when that
//! changes, and takes it apart again, all without losing a question.

mod anchors;
mod answering;
mod budget;
mod certificate;
mod counting;
mod doors;
mod exchange;
mod flushed;
mod list_changes;
mod looking;
mod opening;
mod plan;
mod proofs;
mod pulse;
mod reach;
mod readings;
mod reload;
mod resolution;
mod resolver;
mod restart_keys;
mod running;
mod service;
mod start_error;
mod starting;
mod temporary;
mod transfers;
mod waiting;

pub use budget::number;
pub use counting::open_store;
pub use opening::OpenedEngine;
pub use running::{Operator, RunningEngine};
pub use service::notify;
pub use start_error::StartError;
pub use waiting::StartWait;

use crate::config::Config;
use crate::resolve::Resolver;
use crate::serve::tls::TlsIdentity;
use resolver::resolve_settings;

/// What would stop a start although the files that the configuration names can be opened: what
/// stands in them.
pub fn check(config: &Config) -> Vec<String> {
    let identity = config.listen.identity.as_ref().map_or(Ok(()), |files| {
        TlsIdentity::load(&files.certificate, &files.key).map(drop)
    });
    let resolver = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::from)
        .and_then(|runtime| {
            let _guard = runtime.enter();
            Ok(Resolver::start(resolve_settings(config)?).map(drop)?)
        });
    let refusals = [
        identity.err().map(|fault| fault.to_string()),
        resolver.err().map(|error| error.to_string()),
    ];
    refusals.into_iter().flatten().collect()
}
