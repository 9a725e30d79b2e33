//! `wardline state restore`: a backup, or a log that moves, into the state folder.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::failure::{CommandFailure, failed};
use super::super::output::{self, Style, number};
use super::backup::describe_log;
use super::progress::watch;
use crate::backup::{Existing, RestoreJob, RestoredAs, RestoredBackup, restore};
use crate::config::Config;
use crate::store::{LogPromise, origin};

/// What was restored, as `--json` prints it.
#[derive(Serialize)]
struct RestoredOutcome<'a> {
    state: &'a Path,
    made: String,
    log: Option<&'a LogPromise>,
    /// How many leaves of the log are known to be signed; none where that is not known.
    promised: Option<u64>,
    /// `begins-anew` or `goes-on`.
    next_start: &'static str,
    replaced: Option<&'a PathBuf>,
}

pub(super) fn run(
    config: &Config,
    from: &Path,
    is_replaced: bool,
    style: Style,
) -> Result<(), CommandFailure> {
    let job = RestoreJob {
        from,
        state: &config.state,
        promised: &config.promised,
        key: &config.audit.key,
        name: &origin(&config.audit.provider, &config.audit.resolver),
        existing: if is_replaced {
            Existing::SetAside
        } else {
            Existing::Refuse
        },
    };
    let restored = restore(&job, &mut watch("restored")).map_err(failed)?;
    match style {
        Style::Json => output::print_json(&RestoredOutcome {
            state: &config.state,
            made: restored.manifest.made.to_string(),
            log: restored.manifest.log.as_ref(),
            promised: promised_of(&restored),
            next_start: match restored.means {
                RestoredAs::Backup => "begins-anew",
                RestoredAs::Move => "goes-on",
            },
            replaced: restored.replaced.as_ref(),
        }),
        Style::Text => output::print(&describe(config, from, &restored)),
    }
}

/// How many leaves are promised of the log that is in the backup.
fn promised_of(restored: &RestoredBackup) -> Option<u64> {
    let (promised, log) = (restored.promised.as_ref()?, restored.manifest.log.as_ref()?);
    (promised.origin == log.origin).then_some(promised.size)
}

fn describe(config: &Config, from: &Path, restored: &RestoredBackup) -> String {
    let RestoredBackup {
        manifest,
        means,
        replaced,
        ..
    } = restored;
    let mut text = format!(
        "{} of {} is in {}\n{}\n",
        from.display(),
        manifest.made,
        config.state.display(),
        describe_log(manifest.log.as_ref())
    );
    if let Some(replaced) = replaced {
        text.push_str(&format!(
            "What was there is in {}: delete it once you do not need it.\n",
            replaced.display()
        ));
    }
    if let Some(log) = &manifest.log {
        text.push_str(&match means {
            RestoredAs::Move => {
                "With the next start this log goes on here. Restore this archive nowhere else, \
                 and delete it.\n"
                    .to_owned()
            }
            RestoredAs::Backup => describe_loss(log, promised_of(restored)),
        });
    }
    text
}

fn describe_loss(log: &LogPromise, promised: Option<u64>) -> String {
    let loss = match promised {
        None => "how many leaves of it were signed since is not known".to_owned(),
        Some(promised) => match promised.saturating_sub(log.size) {
            0 => "all leaves of it that were signed are here".to_owned(),
            lost => format!(
                "{} leaves of it are known to be signed, and {} of these are not here",
                number(promised),
                number(lost)
            ),
        },
    };
    format!(
        "With the next start this log ends and another one begins, under a new key, that says so: \
         {loss}. Give the new key to whoever checks the log (docs/restore.md).\n"
    )
}
