//! `wardline audit replace-key`: another key for this resolver's log, from the next start on.

use std::path::PathBuf;

use serde::Serialize;

use super::super::failure::{CommandFailure, failed};
use super::super::key_file::read_signing;
use super::super::output::{self, Style};
use crate::clock::wall_s;
use crate::config::Config;
use crate::record::recovery_name;
use crate::seal::{SigningKey, VerifyKey};
use crate::store::{LogReader, prepare_next_key, read_log_key};

/// Who says that the new key follows.
#[derive(Debug, clap::Args)]
pub(in super::super) struct ReplaceArgs {
    /// The private recovery key, where the log's own is lost; its public half is `recovery` in
    /// [audit].
    #[arg(long, value_name = "FILE")]
    recovery: Option<PathBuf>,
}

/// What was prepared.
#[derive(Serialize)]
struct Prepared<'a> {
    follows: &'a str,
    key: String,
}

pub(super) fn run(config: &Config, args: &ReplaceArgs, style: Style) -> Result<(), CommandFailure> {
    let reader = LogReader::open(&config.state).map_err(failed)?;
    let author = reader.author().map_err(failed)?.unwrap_or_default();
    let taken = reader.names().map_err(failed)?;
    let author = VerifyKey::parse(&author).map_err(failed)?;
    let signer = match &args.recovery {
        Some(file) => recovery_key(config, &author, read_signing(file)?)?,
        None => own_key(config, &author)?,
    };
    let path = Some(config.audit.key.as_path());
    let next = prepare_next_key(path, author.name(), &signer, &taken, wall_s());
    let key = next.map_err(failed)?.key.public().to_string();
    let follows = author.name();
    match style {
        Style::Json => output::print_json(&Prepared { follows, key }),
        Style::Text => output::print(&format!(
            "prepared: with the next start the log {follows} is closed, and goes on under the \
             key\n{key}\nWhoever checks it with the old key goes on; tell them the new one all \
             the same.\n"
        )),
    }
}

/// The log's own key.
fn own_key(config: &Config, author: &VerifyKey) -> Result<SigningKey, CommandFailure> {
    let path = &config.audit.key;
    let key = read_log_key(path).map_err(failed)?;
    key.filter(|key| key.public() == *author).ok_or_else(|| {
        CommandFailure::Failed(format!(
            "{}: is not the key {author} of the log: put that back, or have the recovery key say \
             which one follows (--recovery FILE)",
            path.display()
        ))
    })
}

fn recovery_key(
    config: &Config,
    author: &VerifyKey,
    key: SigningKey,
) -> Result<SigningKey, CommandFailure> {
    let (name, public) = (recovery_name(author.name()), key.public());
    if config.audit.recovery.as_ref() == Some(&public) && public.name() == name {
        Ok(key)
    } else {
        Err(CommandFailure::Failed(format!(
            "{public} is not the recovery key of {name}: `recovery` in [audit] names that"
        )))
    }
}
