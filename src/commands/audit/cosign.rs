//! `wardline audit cosign`: a regulator or another provider vouches for a log, and remembers what
//! it vouched for.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::files::publish_file;
use super::super::output::{self, Style};
use super::keys::read_keys;
use crate::audit::{Folder, Seen, cosign};
use crate::clock;
use crate::seal::SigningKey;

/// Which logs, with which key.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// The folder of an exported log, or a folder of such folders; their checkpoints get the
    /// signature.
    folder: PathBuf,
    /// The file with the private key to sign with.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The file that remembers what was cosigned; made at the first time. Keep it: it is what a
    /// forked log is recognised by.
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// The public key of a log's author, or a file of such keys; needed once for each log.
    #[arg(long, value_name = "KEY")]
    author: Vec<String>,
}

#[derive(Serialize)]
struct Cosigned {
    key: String,
    logs: Vec<String>,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let usage = |path: &Path, error: &dyn std::fmt::Display| {
        CommandFailure::Usage(format!("{}: {error}", path.display()))
    };
    let text = fs::read_to_string(&args.key)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| usage(&args.key, &error))?;
    let key = SigningKey::parse(&text).map_err(|error| usage(&args.key, &error))?;
    let folders = Folder::find(&args.folder).map_err(CommandFailure::Usage)?;
    let failed = |error: io::Error| {
        CommandFailure::Failed(format!(
            "{}: {error}; nothing was cosigned",
            args.state.display()
        ))
    };
    // Two at once could each vouch for another story.
    let lock = File::create(args.state.with_extension("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut seen = read_state(&args.state)?;
    let mut authors = seen.authors();
    authors.extend(read_keys(&args.author)?);
    let mut logs = Vec::new();
    for folder in folders {
        let at = u64::try_from(clock::wall_s()).unwrap_or_default();
        let note = cosign(&folder, &key, &authors, &mut seen, at)
            .map_err(|error| CommandFailure::Failed(format!("not cosigned: {error}")))?;
        // Remembered before anybody can see the signature.
        let state =
            serde_json::to_vec(&seen).map_err(|error| CommandFailure::Failed(error.to_string()))?;
        publish_file(&args.state, &state).map_err(failed)?;
        let checkpoint = folder.path().join("checkpoint");
        let written = publish_file(&checkpoint, note.to_string().as_bytes());
        written.map_err(|error| {
            CommandFailure::Failed(format!(
                "{}: {error}; it lacks the cosignature",
                checkpoint.display()
            ))
        })?;
        logs.push(note.text().lines().next().unwrap_or_default().to_owned());
    }
    let key = key.public_cosigner().to_string();
    match style {
        Style::Json => output::print_json(&Cosigned { key, logs }),
        Style::Text => output::print(&format!("cosigned {}\nkey: {key}\n", logs.join(", "))),
    }
}

fn read_state(path: &Path) -> Result<Seen, CommandFailure> {
    match fs::read(path) {
        Ok(octets) => serde_json::from_slice(&octets).map_err(|error| {
            CommandFailure::Usage(format!(
                "{}: is not what cosigning remembers ({error}); find the right file",
                path.display()
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Seen::default()),
        Err(error) => Err(CommandFailure::Usage(format!(
            "{}: {error}",
            path.display()
        ))),
    }
}
