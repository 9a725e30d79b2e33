//! `wardline key chain PATH`: which keys sign a list, link by link, and the change that waits for
//! signatures.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::files::read;
use super::super::key_file::read_public;
use super::super::list::desk::Desk;
use super::super::output::{Style, count, print, print_json, time};
use crate::list::key_chain::{KeyChain, LinkSigners, parse_chain};
use crate::list::key_link::{KeyLink, Revocation};
use crate::seal::{Note, VerifyKey};

/// On the desk: the link that waits for signatures.
pub(super) const NEXT: &str = "next.keys";

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// A list's folder, or a chain's file, ID.keys.
    path: PathBuf,
    /// For a file: a public key of the list as the configuration has it; once for each.
    #[arg(long = "key", value_name = "PUBLIC")]
    keys: Vec<String>,
    /// For a file: how many signatures the configuration asks for; without it all.
    #[arg(long)]
    signatures: Option<usize>,
}

/// What `--json` prints of a chain.
#[derive(Serialize)]
struct ShownChain {
    list: String,
    anchor: String,
    /// How many must sign today.
    signatures: usize,
    /// Who signs today.
    keys: Vec<String>,
    revoked: Vec<ShownRevocation>,
    links: Vec<ShownLink>,
    waiting: Option<ShownChange>,
}

/// One link.
#[derive(Serialize)]
struct ShownLink {
    number: u64,
    hash: String,
    issued: String,
    signatures: usize,
    keys: Vec<String>,
    revoked: Vec<ShownRevocation>,
}

#[derive(Serialize)]
struct ShownRevocation {
    key: String,
    from_serial: u64,
}

/// What `--json` prints of a change of keys.
#[derive(Serialize)]
struct ShownChange {
    list: String,
    file: String,
    /// Has it all its signatures?
    is_complete: bool,
    old_signers: Vec<String>,
    old_signatures_needed: usize,
    new_signers: Vec<String>,
    new_signatures_needed: usize,
    link: ShownLink,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    if args.path.is_dir() {
        let desk = Desk::open(&args.path)?;
        let place = desk.path(NEXT).display().to_string();
        let waiting = match read_next(&desk)? {
            Some(note) => Some(desk.chain().signers(&note).map_err(|fault| {
                CommandFailure::Failed(format!("{place}: {fault}: delete it to start again"))
            })?),
            None => None,
        };
        return show(desk.chain(), waiting.as_ref(), &place, style);
    }
    show(&follow_file(args)?, None, "", style)
}

/// Follow a file from the keys on the command line, as a resolver does from its configuration.
fn follow_file(args: &Args) -> Result<KeyChain, CommandFailure> {
    let keys: Vec<VerifyKey> = args
        .keys
        .iter()
        .map(|text| read_public(text))
        .collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(CommandFailure::Usage(
            "say with --key which keys the list has in the configuration".to_owned(),
        ));
    }
    let needed = args.signatures.unwrap_or(keys.len());
    if !(1..=keys.len()).contains(&needed) {
        return Err(CommandFailure::Usage(format!(
            "--signatures: 1 to {}, the number of keys",
            keys.len()
        )));
    }
    let refuse = |what: String| CommandFailure::Failed(format!("{}: {what}", args.path.display()));
    let notes = parse_chain(&read(&args.path)?).map_err(|fault| refuse(fault.to_string()))?;
    let first = notes.first().map(|note| KeyLink::parse(note.text()));
    let list = match first {
        Some(Ok(link)) => link.list,
        Some(Err(fault)) => return Err(refuse(format!("link 1: {fault}"))),
        None => String::new(),
    };
    KeyChain::follow(&list, &keys, needed, &notes).map_err(|fault| refuse(fault.to_string()))
}

/// The link that waits for signatures on the desk; one that has joined the chain is none.
pub(super) fn read_next(desk: &Desk) -> Result<Option<Note>, CommandFailure> {
    let place = desk.path(NEXT);
    if !place.exists() {
        return Ok(None);
    }
    let note = Note::parse(&read(&place)?)
        .map_err(|error| CommandFailure::Failed(format!("{}: {error}", place.display())))?;
    let joined = desk
        .chain()
        .links()
        .any(|link| link.to_text() == note.text());
    Ok((!joined).then_some(note))
}

fn show(
    chain: &KeyChain,
    waiting: Option<&(KeyLink, LinkSigners)>,
    place: &str,
    style: Style,
) -> Result<(), CommandFailure> {
    let today = chain.today();
    if style == Style::Json {
        return print_json(&ShownChain {
            list: chain.list().to_owned(),
            anchor: chain.anchor().to_string(),
            signatures: today.threshold,
            keys: texts(&today.keys),
            revoked: chain.revoked().iter().map(ShownRevocation::of).collect(),
            links: chain.links().map(ShownLink::of).collect(),
            waiting: waiting.map(|(link, signers)| ShownChange::of(place, link, signers)),
        });
    }
    let mut text = String::new();
    for link in chain.links() {
        text.push_str(&format!("link {}, {}\n", link.number, time(link.issued)));
        text.push_str(&describe(link));
    }
    if let Some((link, signers)) = waiting {
        text.push_str(&describe_change(place, link, signers));
    }
    let since = match chain.number() {
        0 => "as configured".to_owned(),
        link => format!("since link {link}"),
    };
    text.push_str(&format!(
        "{}: {since}, {} of {} must sign:\n",
        chain.list(),
        today.threshold,
        count(today.keys.len() as u64, "key")
    ));
    for key in &today.keys {
        text.push_str(&format!("  {key}\n"));
    }
    print(&text)
}

/// Tell what a change says, who has signed it, and what to do next.
pub(super) fn show_link(
    place: &str,
    link: &KeyLink,
    signers: &LinkSigners,
    style: Style,
) -> Result<(), CommandFailure> {
    match style {
        Style::Json => print_json(&ShownChange::of(place, link, signers)),
        Style::Text => print(&describe_change(place, link, signers)),
    }
}

fn describe_change(place: &str, link: &KeyLink, signers: &LinkSigners) -> String {
    let state = if signers.check(link.number).is_ok() {
        format!("complete, in {place}: hand it to the resolvers, then issue the list again")
    } else {
        let folder = Path::new(place).parent().unwrap_or(Path::new("."));
        format!(
            "waits in {place}: `wardline key cosign {} --sign FILE` adds a signature",
            folder.display()
        )
    };
    format!(
        "{} link {}: {state}\n{}  signatures of the keys before: {} of {}{}\n  signatures of the \
         keys from now on: {} of {}{}\n",
        link.list,
        link.number,
        describe(link),
        signers.old.len(),
        signers.old_needed,
        who(&signers.old),
        signers.new.len(),
        signers.new_needed,
        who(&signers.new),
    )
}

/// What a link says, a line for each statement.
fn describe(link: &KeyLink) -> String {
    let mut text = format!(
        "  {} of {} must sign: {}\n",
        link.threshold,
        count(link.keys.len() as u64, "key"),
        names(&link.keys)
    );
    for Revocation { key, from_serial } in &link.revoked {
        text.push_str(&format!(
            "  revoked: {} from serial {from_serial} on\n",
            names(std::slice::from_ref(key))
        ));
    }
    text
}

fn who(signers: &[VerifyKey]) -> String {
    if signers.is_empty() {
        String::new()
    } else {
        format!(" ({})", names(signers))
    }
}

/// Each key's name, with its id, for two keys of one holder have the same name.
fn names(keys: &[VerifyKey]) -> String {
    let names: Vec<String> = keys
        .iter()
        .map(|key| format!("{}+{:08x}", key.name(), key.id()))
        .collect();
    names.join(", ")
}

fn texts(keys: &[VerifyKey]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

impl ShownRevocation {
    fn of(revocation: &Revocation) -> Self {
        Self {
            key: revocation.key.to_string(),
            from_serial: revocation.from_serial,
        }
    }
}

impl ShownLink {
    fn of(link: &KeyLink) -> Self {
        Self {
            number: link.number,
            hash: link.hash().to_string(),
            issued: time(link.issued),
            signatures: link.threshold,
            keys: texts(&link.keys),
            revoked: link.revoked.iter().map(ShownRevocation::of).collect(),
        }
    }
}

impl ShownChange {
    fn of(place: &str, link: &KeyLink, signers: &LinkSigners) -> Self {
        Self {
            list: link.list.clone(),
            file: place.to_owned(),
            is_complete: signers.check(link.number).is_ok(),
            old_signers: texts(&signers.old),
            old_signatures_needed: signers.old_needed,
            new_signers: texts(&signers.new),
            new_signatures_needed: signers.new_needed,
            link: ShownLink::of(link),
        }
    }
}
