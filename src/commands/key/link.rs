//! `wardline key rotate`, `key revoke` and `key cosign`: change the keys that sign a list, by a
//! link that waits on the desk until the quorum before and the new one have signed it.

use std::path::{Path, PathBuf};

use super::super::failure::CommandFailure;
use super::super::files::{unwritable, write_file};
use super::super::key_file::{read_public, read_signing};
use super::super::list::desk::Desk;
use super::super::output::Style;
use super::chain::{NEXT, read_next, show_link};
use crate::clock::wall_s;
use crate::list::key_chain::{LinkSigners, write_chain};
use crate::list::key_link::{KeyLink, LINK_NUMBER_MAX, Revocation};
use crate::seal::{Note, SigningKey, VerifyKey};

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct RotateArgs {
    /// The list's folder.
    folder: PathBuf,
    /// The public key of somebody who signs from now on, kept or new; once for each.
    #[arg(long = "key", value_name = "PUBLIC", required = true)]
    keys: Vec<String>,
    /// How many of them must sign an issue.
    #[arg(long)]
    signatures: usize,
    /// A private key to sign the change with; once for each. `wardline key cosign` adds those of
    /// others.
    #[arg(long = "sign", value_name = "FILE", required = true)]
    signers: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct RevokeArgs {
    /// The list's folder.
    folder: PathBuf,
    /// The public key, or its name where no other key of the list has it; several one after the
    /// other.
    #[arg(required = true, value_name = "KEY")]
    gone: Vec<String>,
    /// The first serial that it may have signed in other hands; that of the next issue where it is
    /// lost and not stolen.
    #[arg(long, value_name = "SERIAL")]
    from_serial: u64,
    /// The public key of somebody who signs in its place; once for each.
    #[arg(long = "key", value_name = "PUBLIC")]
    keys: Vec<String>,
    /// How many must sign an issue from now on; without it as many as now.
    #[arg(long)]
    signatures: Option<usize>,
    /// A private key to sign the change with, never the revoked one; once for each. `wardline key
    /// cosign` adds those of others.
    #[arg(long = "sign", value_name = "FILE", required = true)]
    signers: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct CosignArgs {
    /// The list's folder.
    folder: PathBuf,
    /// A private key to sign the change with; once for each.
    #[arg(long = "sign", value_name = "FILE", required = true)]
    signers: Vec<PathBuf>,
}

pub(super) fn rotate(args: &RotateArgs, style: Style) -> Result<(), CommandFailure> {
    let desk = Desk::open(&args.folder)?;
    let keys = read_all(&args.keys)?;
    start_link(
        &desk,
        LinkTerms {
            keys,
            signatures: args.signatures,
            revoked: Vec::new(),
        },
        &args.signers,
        style,
    )
}

pub(super) fn revoke(args: &RevokeArgs, style: Style) -> Result<(), CommandFailure> {
    let desk = Desk::open(&args.folder)?;
    if !(1..=LINK_NUMBER_MAX).contains(&args.from_serial) {
        return Err(CommandFailure::Usage(format!(
            "--from-serial: a serial from 1 to {LINK_NUMBER_MAX}"
        )));
    }
    let mut revoked = Vec::new();
    for text in &args.gone {
        revoked.push(Revocation {
            key: find_key(&desk, text)?,
            from_serial: args.from_serial,
        });
    }
    let today = desk.chain().today();
    let mut keys = today.keys;
    keys.retain(|key| !is_among(&revoked, key));
    keys.extend(read_all(&args.keys)?);
    start_link(
        &desk,
        LinkTerms {
            keys,
            signatures: args.signatures.unwrap_or(today.threshold),
            revoked,
        },
        &args.signers,
        style,
    )
}

pub(super) fn cosign(args: &CosignArgs, style: Style) -> Result<(), CommandFailure> {
    let desk = Desk::open(&args.folder)?;
    let Some(note) = read_next(&desk)? else {
        return Err(CommandFailure::Failed(format!(
            "{}: no change of keys waits for signatures: `wardline key rotate` or `key revoke` \
             starts one",
            desk.path(NEXT).display()
        )));
    };
    sign_link(&desk, note, &args.signers, style)
}

/// What a link is to change.
struct LinkTerms {
    keys: Vec<VerifyKey>,
    signatures: usize,
    revoked: Vec<Revocation>,
}

fn start_link(
    desk: &Desk,
    change: LinkTerms,
    signers: &[PathBuf],
    style: Style,
) -> Result<(), CommandFailure> {
    if read_next(desk)?.is_some() {
        return Err(CommandFailure::Failed(format!(
            "{}: a change of keys waits for signatures already: `wardline key cosign` adds one; \
             delete the file to give that change up",
            desk.path(NEXT).display()
        )));
    }
    let chain = desk.chain();
    let mut link = KeyLink {
        list: chain.list().to_owned(),
        number: chain.number() + 1,
        origin: chain.origin(),
        issued: wall_s(),
        threshold: change.signatures,
        keys: change.keys,
        revoked: change.revoked,
    };
    link.sort();
    check_change(desk, &link)?;
    let text = link.to_text();
    KeyLink::parse(&text)
        .map_err(|fault| CommandFailure::Usage(format!("no link can be made: {fault}")))?;
    let note = Note::new(&text).map_err(|error| CommandFailure::Failed(error.to_string()))?;
    sign_link(desk, note, signers, style)
}

/// Refuse what no signature could make good.
fn check_change(desk: &Desk, link: &KeyLink) -> Result<(), CommandFailure> {
    if !(1..=link.keys.len()).contains(&link.threshold) {
        return Err(CommandFailure::Usage(format!(
            "--signatures {}: choose a value from 1 to {}, the number of keys that are left: \
             --key names more of them",
            link.threshold,
            link.keys.len()
        )));
    }
    let today = desk.chain().today();
    let kept = today
        .keys
        .iter()
        .filter(|key| !is_among(&link.revoked, key));
    let left = kept.count();
    if left < today.threshold {
        return Err(CommandFailure::Failed(format!(
            "{left} of the keys would be left to sign this, and {} must: replace the key first \
             (`wardline key rotate`), then revoke it; where its holder cannot sign that, change \
             `keys` in the resolvers' configurations (docs/keys.md)",
            today.threshold
        )));
    }
    let mut before = today.keys;
    before.sort_by_cached_key(ToString::to_string);
    if link.revoked.is_empty() && before == link.keys && today.threshold == link.threshold {
        return Err(CommandFailure::Failed(
            "these keys sign the list already: nothing would change".to_owned(),
        ));
    }
    Ok(())
}

/// Add signatures; a link that has all of them joins the chain.
fn sign_link(
    desk: &Desk,
    mut note: Note,
    files: &[PathBuf],
    style: Style,
) -> Result<(), CommandFailure> {
    let chain = desk.chain();
    let place = desk.path(NEXT);
    let refuse = |what: String| CommandFailure::Failed(format!("{}: {what}", place.display()));
    let (link, before) = chain
        .signers(&note)
        .map_err(|fault| refuse(fault.to_string()))?;
    for file in files {
        let key = read_signing(file)?;
        check_signer(desk, &link, &before, &key, file)?;
        note.sign(&key).map_err(|error| refuse(error.to_string()))?;
    }
    let (link, signers) = chain
        .signers(&note)
        .map_err(|fault| refuse(fault.to_string()))?;
    if signers.check(link.number).is_err() {
        write_file(&place, note.to_string().as_bytes())?;
        return show_link(&place.display().to_string(), &link, &signers, style);
    }
    chain
        .admit(&note)
        .map_err(|fault| refuse(fault.to_string()))?;
    let mut notes = desk.chain_notes()?;
    notes.push(note);
    let whole = desk.chain_place();
    write_file(&whole, write_chain(&notes).as_bytes())?;
    // Where this is interrupted, the waiting link is known from the chain and passed over.
    if place.exists() {
        std::fs::remove_file(&place).map_err(|error| unwritable(&place, &error))?;
    }
    show_link(&whole.display().to_string(), &link, &signers, style)
}

/// Refuse a key whose signature would mean nothing, or stands there already.
fn check_signer(
    desk: &Desk,
    link: &KeyLink,
    before: &LinkSigners,
    key: &SigningKey,
    file: &Path,
) -> Result<(), CommandFailure> {
    let public = key.public();
    let refuse = |what: &str| {
        Err(CommandFailure::Failed(format!(
            "{}: the key {} {what}",
            file.display(),
            key.name()
        )))
    };
    if is_among(&link.revoked, &public) {
        return refuse("is the one to revoke: the others sign that");
    }
    if !link.keys.contains(&public) && !desk.chain().today().keys.contains(&public) {
        return refuse("neither signs the list now nor from this change on: it would mean nothing");
    }
    if before.old.contains(&public) || before.new.contains(&public) {
        return refuse("has signed this change already");
    }
    Ok(())
}

/// Is it one of them, under whatever name?
fn is_among(revoked: &[Revocation], key: &VerifyKey) -> bool {
    revoked
        .iter()
        .any(|revocation| revocation.key.octets() == key.octets())
}

fn read_all(texts: &[String]) -> Result<Vec<VerifyKey>, CommandFailure> {
    texts.iter().map(|text| read_public(text)).collect()
}

/// A key by its text, or by its name among all that ever signed the list.
fn find_key(desk: &Desk, text: &str) -> Result<VerifyKey, CommandFailure> {
    if text.contains('+') {
        return read_public(text);
    }
    let chain = desk.chain();
    let linked = chain.links().flat_map(|link| &link.keys);
    let mut found: Vec<&VerifyKey> = Vec::new();
    for key in chain.configured().keys.iter().chain(linked) {
        if key.name() == text && !found.contains(&key) {
            found.push(key);
        }
    }
    match found[..] {
        [key] => Ok(key.clone()),
        [] => Err(CommandFailure::Failed(format!(
            "no key called {text} ever signed the list: give the public key itself"
        ))),
        _ => Err(CommandFailure::Failed(format!(
            "{} keys called {text} sign or signed the list: give the public key itself",
            found.len()
        ))),
    }
}
