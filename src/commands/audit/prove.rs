//! `wardline audit prove` and `wardline audit proven`: single leaves of a log, each with the proof
//! that it is in there, for those who may see no others.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::failure::{CommandFailure, failed};
use super::super::files::{publish_file, unwritable};
use super::super::output::{self, Style};
use super::keys::read_keys;
use crate::audit::read_regular;
use crate::config::Config;
use crate::record::LEAF_OCTETS_MAX;
use crate::seal::tree::inclusion_proof;
use crate::seal::{Algorithm, EntryProof, Note, PROOF_OCTETS_MAX};
use crate::store::LogReader;

/// Which leaves.
#[derive(Debug, clap::Args)]
pub(in super::super) struct ProveArgs {
    /// The leaves' places in the log, from 0.
    #[arg(required = true, value_name = "LEAF")]
    leaves: Vec<u64>,
    /// The folder to write to: for each leaf `leaf-N.json` and `leaf-N.tlog-proof`.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// A log that ended here.
    #[arg(long, value_name = "ORIGIN")]
    ended: Option<String>,
}

/// What is checked.
#[derive(Debug, clap::Args)]
pub(in super::super) struct ProvenArgs {
    /// A leaf, `leaf-N.json`; its proof, `leaf-N.tlog-proof`, lies beside it.
    file: PathBuf,
    /// The public key of the log's author, or a file of keys.
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
}

#[derive(Serialize)]
struct Proven {
    log: String,
    leaf: u64,
    size: u64,
    says: serde_json::Value,
}

const PROOF: &str = "tlog-proof";

pub(super) fn prove(config: &Config, args: &ProveArgs) -> Result<(), CommandFailure> {
    let reader = LogReader::open_named(&config.state, args.ended.as_deref()).map_err(failed)?;
    let last = reader.last_checkpoint().map_err(failed)?;
    let last = last.ok_or_else(|| failed("the log has no checkpoint yet"))?;
    let note = Note::parse(last.note.as_bytes()).map_err(failed)?;
    let hashes = reader.leaf_hashes(0, last.size).map_err(failed)?;
    std::fs::create_dir_all(&args.to)
        .map_err(|error| failed(format!("{}: {error}", args.to.display())))?;
    for &leaf in &args.leaves {
        let found = usize::try_from(leaf).ok();
        let proof = found.and_then(|index| inclusion_proof(&hashes, index));
        let octets = reader.leaf(leaf).map_err(failed)?;
        let Some((hashes, octets)) = proof.zip(octets) else {
            return Err(failed(format!(
                "leaf {leaf}: the log has signed for {} leaves, from 0 on; take one of them, or \
                 wait for the next hour",
                last.size
            )));
        };
        let note = note.clone();
        let proof = EntryProof {
            index: leaf,
            hashes,
            note,
        };
        let name = args.to.join(format!("leaf-{leaf}.json"));
        write(&name, &octets)?;
        write(&name.with_extension(PROOF), proof.to_string().as_bytes())?;
        output::print(&format!("{}\n", name.display()))?;
    }
    Ok(())
}

fn write(path: &Path, octets: &[u8]) -> Result<(), CommandFailure> {
    publish_file(path, octets).map_err(|error| unwritable(path, &error))
}

pub(super) fn proven(args: &ProvenArgs, style: Style) -> Result<(), CommandFailure> {
    let keys = read_keys(&args.key)?;
    let read = |path: &Path, octets_max| {
        read_regular(path, octets_max)
            .map_err(|error| CommandFailure::Usage(format!("{}: {error}", path.display())))
    };
    let entry = read(&args.file, LEAF_OCTETS_MAX)?;
    let place = args.file.with_extension(PROOF);
    let refused = |reason: &str| failed(format!("{}: NOT proven: {reason}", args.file.display()));
    let proof = EntryProof::parse(&read(&place, PROOF_OCTETS_MAX)?)
        .ok_or_else(|| refused("the file beside it is no proof"))?;
    let checkpoint = proof.checkpoint_of(&entry).ok_or_else(|| {
        refused("it is not what the proof was made for, or not in the tree of the checkpoint")
    })?;
    let signers = proof
        .note
        .signers(&keys)
        .map_err(|error| refused(&error.to_string()))?;
    let is_author = |key: &&crate::seal::VerifyKey| {
        key.algorithm() == Algorithm::Ed25519 && key.name() == checkpoint.origin
    };
    if !signers.iter().any(is_author) {
        return Err(refused(
            "no key that was given is that of the log's author, or signed it",
        ));
    }
    let says = serde_json::from_slice(&entry).map_err(|_| refused("it is no leaf"))?;
    let outcome = Proven {
        log: checkpoint.origin,
        leaf: proof.index,
        size: checkpoint.size,
        says,
    };
    match style {
        Style::Json => output::print_json(&outcome),
        Style::Text => output::print(&format!(
            "leaf {} of {} of the log {}, as its author has signed:\n{}\n",
            outcome.leaf,
            outcome.size,
            outcome.log,
            serde_json::to_string_pretty(&outcome.says).unwrap_or_default()
        )),
    }
}
