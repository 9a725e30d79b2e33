//! `wardline list verify PATH`: may an issue be believed, is it in its time, and are the entries
//! beside it those that were signed?

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::files::{read, read_text};
use super::super::key_file::read_public;
use super::super::output::{Style, print, print_json, time};
use super::desk::{Desk, Issue, count_entries};
use crate::clock::wall_s;
use crate::list::Hash;
use crate::list::expiry::warning_of_issue;
use crate::list::manifest::{Manifest, Secrecy};
use crate::list::parse::read_entries;
use crate::seal::VerifyKey;
use crate::seal::age::{Identity, decrypt};

/// How far the clocks of a signer and a reader may be apart.
const CLOCKS_APART_S: i64 = 300;

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// A list's folder, or a manifest with its entries beside it.
    path: PathBuf,
    /// The public key of somebody who may sign; once for each. Without it those of the folder's
    /// list.toml.
    #[arg(long = "key", value_name = "PUBLIC")]
    keys: Vec<String>,
    /// How many of them must have signed; without it as list.toml says, or all.
    #[arg(long)]
    signatures: Option<usize>,
    /// The age key that opens a secret list.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct VerifiedIssue {
    list: String,
    serial: u64,
    signers: Vec<String>,
    entries: u64,
    issued: String,
    expires: String,
    manifest: String,
    sha256: String,
    /// False where a secret list could not be opened without an identity.
    entries_checked: bool,
    /// That it expires soon, where it does.
    expiry: Option<String>,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let (place, keys, needed) = trust(args)?;
    let issue = Issue::read(&place)?;
    let refuse = |what: String| {
        Err(CommandFailure::Failed(format!(
            "{}: {what}",
            place.display()
        )))
    };
    let signers = match issue.note.signers(&keys) {
        Ok(signers) => signers,
        Err(error) => return refuse(error.to_string()),
    };
    if signers.len() < needed {
        let who: Vec<&str> = signers.iter().map(|signer| signer.name()).collect();
        let who = if who.is_empty() {
            "nobody we know".to_owned()
        } else {
            who.join(", ")
        };
        return refuse(format!(
            "signed by {} of {needed} keys ({who}): it needs more signatures",
            signers.len()
        ));
    }
    let manifest = &issue.manifest;
    if manifest.expires <= wall_s() {
        return refuse(format!(
            "expired on {}: sign it again",
            time(manifest.expires)
        ));
    }
    if manifest.issued > wall_s() + CLOCKS_APART_S {
        return refuse(format!(
            "issued in the future, on {}: one of the clocks is wrong",
            time(manifest.issued)
        ));
    }
    let entries_checked = check_entries(&place, manifest, args.identity.as_deref())?;
    let signers = signers.iter().map(|signer| signer.name().to_owned());
    tell(manifest, signers.collect(), entries_checked, style)
}

fn tell(
    manifest: &Manifest,
    signers: Vec<String>,
    entries_checked: bool,
    style: Style,
) -> Result<(), CommandFailure> {
    let expiry = warning_of_issue(manifest.issued, manifest.expires, wall_s());
    if style == Style::Json {
        return print_json(&VerifiedIssue {
            list: manifest.list.clone(),
            serial: manifest.serial,
            signers,
            entries: manifest.entries,
            issued: time(manifest.issued),
            expires: time(manifest.expires),
            manifest: manifest.hash().to_string(),
            sha256: manifest.sha256.to_string(),
            entries_checked,
            expiry: expiry.map(|warning| warning.to_string()),
        });
    }
    let entries = count_entries(usize::try_from(manifest.entries).unwrap_or(usize::MAX));
    let checked = if entries_checked {
        "as signed"
    } else {
        "encrypted; --identity opens them to be checked"
    };
    let expiry = expiry
        .map(|warning| format!("{} {warning}: sign it again soon\n", manifest.list))
        .unwrap_or_default();
    print(&format!(
        "{} serial {}: signed by {}; {entries}, {checked}; issued {}, expires {}\n{expiry}",
        manifest.list,
        manifest.serial,
        signers.join(", "),
        time(manifest.issued),
        time(manifest.expires),
    ))
}

/// Which manifest, whose signatures, and how many of them.
fn trust(args: &Args) -> Result<(PathBuf, Vec<VerifyKey>, usize), CommandFailure> {
    let given = args
        .keys
        .iter()
        .map(|key| read_public(key))
        .collect::<Result<Vec<_>, _>>()?;
    let (place, keys, needed) = if args.path.is_dir() {
        let desk = Desk::open(&args.path)?;
        let place = desk.handed_out(&Manifest::file(&desk.settings.id));
        let needed = desk.signatures;
        (
            place,
            if given.is_empty() { desk.keys } else { given },
            needed,
        )
    } else if given.is_empty() {
        return Err(CommandFailure::Usage(
            "say with --key whose signatures are to be believed".to_owned(),
        ));
    } else {
        let all = given.len();
        (args.path.clone(), given, all)
    };
    let needed = args.signatures.unwrap_or(needed);
    if !(1..=keys.len()).contains(&needed) {
        return Err(CommandFailure::Usage(format!(
            "--signatures: 1 to {}, the number of keys",
            keys.len()
        )));
    }
    Ok((place, keys, needed))
}

/// Are the entries beside the manifest those that were signed? False where they are secret and we
/// have no key.
fn check_entries(
    manifest_place: &Path,
    manifest: &Manifest,
    identity: Option<&Path>,
) -> Result<bool, CommandFailure> {
    let place = manifest_place.with_file_name(manifest.entries_file());
    let refuse = |what: String| {
        Err(CommandFailure::Failed(format!(
            "{}: {what}",
            place.display()
        )))
    };
    let mut octets = zeroize::Zeroizing::new(read(&place)?);
    if manifest.secrecy == Secrecy::Age {
        let Some(identity) = identity else {
            return Ok(false);
        };
        let text = zeroize::Zeroizing::new(read_text(identity)?);
        let opened =
            Identity::parse_file(&text).and_then(|identities| decrypt(&octets, &identities));
        octets = match opened {
            Ok(opened) => opened,
            Err(error) => return refuse(error.to_string()),
        };
    }
    if Hash::of(&octets) != manifest.sha256 {
        return refuse("not the entries that were signed: their SHA-256 is another".to_owned());
    }
    let parsed = read_entries(octets.as_slice(), |_| ()).unwrap_or_default();
    if parsed.entries != manifest.entries || parsed.rejects > 0 {
        let (found, said, rejects) = (parsed.entries, manifest.entries, parsed.rejects);
        return refuse(format!(
            "{found} entries and {rejects} lines that are none, but the manifest says {said} \
             entries"
        ));
    }
    Ok(true)
}
