//! Starts the zone transfers that the configuration asks for.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::start_error::StartError;
use crate::config::Config;
use crate::update::Updater;
use crate::update::transfer::{SecondaryZone, Settings, Transfers};

/// Where the zones' copies are, below the state folder.
const FOLDER: &str = "transfer";

/// Bring every transferred list in force, and follow its zone.
pub(super) fn start(
    config: &Config,
    updater: &Arc<Updater>,
    runtime: &Handle,
) -> Result<Transfers, StartError> {
    let zones = config.zones().iter().map(|(list, zone)| {
        let id = config
            .lists()
            .iter()
            .find(|(_, source)| source.index == *list)
            .map(|(rules, _)| rules.id.clone())
            .unwrap_or_default();
        let (primaries, caps, time_max) = (zone.primaries.clone(), zone.caps, zone.time_max);
        SecondaryZone {
            list: *list,
            id,
            zone: zone.zone.clone(),
            primaries,
            key: zone.key.clone(),
            caps,
            time_max,
        }
    });
    let settings = Settings {
        zones: zones.collect(),
        notify: config.notify.clone(),
        folder: config.state.join(FOLDER),
    };
    Ok(Transfers::start(settings, updater, runtime)?)
}
