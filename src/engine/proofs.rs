//! The proofs that lists are applied: our own doors are asked as soon as there is a key that signs
//! receipts.

use std::net::SocketAddr;
use std::path::PathBuf;

use tracing::{error, info};

use crate::config::Config;
use crate::name::Name;
use crate::policy::Action;
use crate::seal::is_key_name;
use crate::update::{Prover, ReceiptKeyFault, Updater, receipt_key};

/// Names of the never-block file that are asked for to see that they are free: these stand for all.
const FREE: [&str; 2] = ["interpol.int", "iana.org"];
const FREE_MAX: usize = 5;

/// The proofs that lists are applied, which wait for the key that signs receipts.
pub(super) struct Proofs {
    state: PathBuf,
    free: Vec<Name>,
    actions: Vec<Action>,
    is_missed: bool,
    has_begun: bool,
}

impl Proofs {
    pub(super) fn new(config: &Config) -> Self {
        let own = config.never_block.names.iter().cloned();
        let shipped = FREE.iter().filter_map(|name| Name::parse(name).ok());
        Self {
            state: config.state.clone(),
            free: shipped.chain(own).take(FREE_MAX).collect(),
            actions: actions(config),
            is_missed: false,
            has_begun: false,
        }
    }

    /// Have all lists proven at these doors from now on, once there is a key.
    pub(super) fn begin(&mut self, updater: &Updater, doors: &[SocketAddr]) {
        if self.has_begun {
            return;
        }
        match self.prover(doors) {
            Ok(prover) => {
                if self.is_missed {
                    info!("there is a key for receipts: they are signed from now on");
                }
                updater.open_prover(prover);
                self.has_begun = true;
            }
            Err(error) if !self.is_missed => {
                error!("no receipt is signed: {error}");
                self.is_missed = true;
            }
            Err(_) => {}
        }
    }

    /// Who asks our doors.
    fn prover(&self, doors: &[SocketAddr]) -> Result<Prover, ReceiptKeyFault> {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if is_key_name(host.trim()) {
            host.trim()
        } else {
            "resolver"
        };
        Ok(Prover {
            doors: doors.to_vec(),
            actions: self.actions.clone(),
            free: self.free.clone(),
            key: receipt_key(&self.state, host)?,
        })
    }
}

/// What is done with each list, in its place.
fn actions(config: &Config) -> Vec<Action> {
    let mut actions = Vec::new();
    for (rules, list) in config.lists() {
        let place = usize::from(list.index);
        if actions.len() <= place {
            // Where no list is, nothing is proven.
            actions.resize(place + 1, Action::NxDomain);
        }
        if let Some(action) = actions.get_mut(place) {
            action.clone_from(&rules.action);
        }
    }
    actions
}
