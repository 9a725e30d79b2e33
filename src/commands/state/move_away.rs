//! `wardline state move`: ends the audit log here, for it to go on at another machine.

use std::path::Path;

use super::super::failure::{CommandFailure, failed};
use super::super::output::{self, Style};
use super::backup::{WrittenBackup, describe_log};
use super::progress::watch;
use crate::backup::{BackupJob, BackupKeys, BackupMove, write_backup};
use crate::clock::wall_s;
use crate::config::Config;
use crate::engine::open_store;
use crate::store::{Promises, move_away, read_log_key};

pub(super) fn run(config: &Config, to: &Path, style: Style) -> Result<(), CommandFailure> {
    let job = |moved| BackupJob {
        state: &config.state,
        key: &config.audit.key,
        to,
        keys: BackupKeys::With,
        moved,
    };
    // The log ends last of all that can be refused.
    job(None).check_place().map_err(failed)?;
    if read_log_key(&config.audit.key).map_err(failed)?.is_none() {
        return Err(CommandFailure::Failed(format!(
            "{}: is not there, and without the key nobody can go on with the log: put it back, or \
             use `wardline state backup`",
            config.audit.key.display()
        )));
    }
    let mut said = None;
    let moved = move_away(&config.state, || {
        let promises = Promises::open(&config.promised);
        let store = open_store(config, &promises, wall_s())?;
        said = store.restored().map(str::to_owned);
        Ok(store)
    });
    let moved = moved.map_err(failed)?;
    if let Some(said) = said {
        output::complain(&said);
    }
    let job = job(Some(BackupMove {
        token: moved.token,
        promised: &config.promised,
    }));
    let manifest = write_backup(&job, &mut watch("copied")).map_err(|error| {
        CommandFailure::Failed(format!(
            "{error}. The log has ended here all the same: run `wardline state move` again, with \
             another place if need be"
        ))
    })?;
    moved.finish(&config.state).map_err(failed)?;
    match style {
        Style::Json => output::print_json(&WrittenBackup::new(to, &manifest)),
        Style::Text => output::print(&format!(
            "{}\nIt ends here. Take {to} to the other machine, run `wardline state restore {to}` \
             there, and start it: the log goes on there.\nDo not start this one again: it would \
             begin another log. {to} has all private keys, and holds for one machine: delete it, \
             and {}, once the other one runs.\n",
            describe_log(manifest.log.as_ref()),
            config.state.display(),
            to = to.display(),
        )),
    }
}
