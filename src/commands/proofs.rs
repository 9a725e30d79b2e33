//! The proofs that lists are applied: our own doors are asked as soon as there is a key that signs
//! receipts.

use std::net::SocketAddr;

use tracing::{error, info};

use crate::config::Config;
use crate::name::Name;
use crate::policy::{Action, ListRules};
use crate::seal::is_key_name;
use crate::update::{Prover, ReceiptKeyFault, Updater, receipt_key};

/// Names of the never-block file that are asked for to see that they are free: these stand for all.
const FREE: [&str; 2] = ["interpol.int", "iana.org"];

/// The proofs that lists are applied, which wait for the key that signs receipts.
pub(super) struct Proofs<'c> {
    config: &'c Config,
    actions: Vec<Action>,
    prover: Option<Prover>,
    has_begun: bool,
}

impl<'c> Proofs<'c> {
    pub(super) fn new(config: &'c Config, rules: &[ListRules]) -> Self {
        let actions: Vec<_> = rules.iter().map(|rules| rules.action.clone()).collect();
        let prover = prover(config, &actions)
            .inspect_err(|error| error!("no receipt is signed: {error}"))
            .ok();
        Self {
            config,
            actions,
            prover,
            has_begun: false,
        }
    }

    /// Have all lists proven from now on, once there is a key.
    pub(super) fn begin(&mut self, updater: &Updater, doors: &[String]) {
        if self.has_begun {
            return;
        }
        let prover = self.prover.take();
        let prover = prover.or_else(|| prover_again(self.config, &self.actions));
        if let Some(prover) = prover {
            let doors = udp_doors(doors);
            updater.open_prover(Prover { doors, ..prover });
            self.has_begun = true;
        }
    }
}

/// Who asks our doors, where there was no key for receipts before.
fn prover_again(config: &Config, actions: &[Action]) -> Option<Prover> {
    let prover = prover(config, actions).ok()?;
    info!("there is a key for receipts: they are signed from now on");
    Some(prover)
}

/// Who asks our doors, still without doors.
fn prover(config: &Config, actions: &[Action]) -> Result<Prover, ReceiptKeyFault> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if is_key_name(host.trim()) {
        host.trim()
    } else {
        "resolver"
    };
    let own = config.never_block.names.iter().cloned();
    Ok(Prover {
        doors: Vec::new(),
        actions: actions.to_vec(),
        free: FREE
            .iter()
            .filter_map(|name| Name::parse(name).ok())
            .chain(own)
            .take(FREE_MAX)
            .collect(),
        key: receipt_key(&config.state, host)?,
    })
}

const FREE_MAX: usize = 5;

/// The addresses in "udp 127.0.0.1:5300".
fn udp_doors(doors: &[String]) -> Vec<SocketAddr> {
    doors
        .iter()
        .filter_map(|door| door.strip_prefix("udp ")?.parse().ok())
        .collect()
}
