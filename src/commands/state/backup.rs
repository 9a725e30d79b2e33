//! `wardline state backup`: a copy of the state folder.

use std::path::Path;

use serde::Serialize;

use super::super::failure::{CommandFailure, failed};
use super::super::output::{self, Style, count, number};
use super::progress::watch;
use crate::backup::{BackupJob, BackupKeys, BackupManifest, write_backup};
use crate::config::Config;
use crate::store::LogPromise;

/// What was written, as `--json` prints it.
#[derive(Serialize)]
pub(super) struct WrittenBackup<'a> {
    to: &'a Path,
    made: String,
    log: Option<&'a LogPromise>,
    files: usize,
    octets: u64,
    has_keys: bool,
}

impl<'a> WrittenBackup<'a> {
    pub(super) fn new(to: &'a Path, manifest: &'a BackupManifest) -> Self {
        Self {
            to,
            made: manifest.made.to_string(),
            log: manifest.log.as_ref(),
            files: manifest.files.len(),
            octets: manifest.octets(),
            has_keys: manifest.has_keys,
        }
    }
}

pub(super) fn run(
    config: &Config,
    to: &Path,
    without_keys: bool,
    style: Style,
) -> Result<(), CommandFailure> {
    let job = BackupJob {
        state: &config.state,
        key: &config.audit.key,
        to,
        keys: if without_keys {
            BackupKeys::Without
        } else {
            BackupKeys::With
        },
        moved: None,
    };
    let manifest = write_backup(&job, &mut watch("copied")).map_err(failed)?;
    match style {
        Style::Json => output::print_json(&WrittenBackup::new(to, &manifest)),
        Style::Text => output::print(&describe(to, &manifest)),
    }
}

fn describe(to: &Path, manifest: &BackupManifest) -> String {
    let log = describe_log(manifest.log.as_ref());
    let keys = if manifest.has_keys {
        "With the private keys of the log and of the receipts, and the texts of the lists: keep it \
         as you keep them."
    } else {
        "Without private keys, and with the texts of the lists: what is restored makes new keys."
    };
    format!(
        "{}: {}, {} octets, made {}\n{log}\n{keys}\n",
        to.display(),
        count(manifest.files.len() as u64, "file"),
        number(manifest.octets()),
        manifest.made
    )
}

/// The audit log in a backup.
pub(super) fn describe_log(log: Option<&LogPromise>) -> String {
    log.map_or_else(
        || "No audit log: no resolver has run with this state folder yet.".to_owned(),
        |LogPromise {
             origin, size, root, ..
         }| {
            let leaves = output::leaves(*size);
            format!("Audit log {origin}: {leaves} signed (root {root})")
        },
    )
}
