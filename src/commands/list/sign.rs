//! `wardline list sign DIR --key FILE`: issues the list under a new serial, or adds a signature to
//! the issue that lies there.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::files::{read, unwritable, write_file};
use super::super::key_file::read_signing;
use super::super::output::{Style, count, print, print_json};
use super::desk::{Desk, Issue, WHOLE_BEFORE, count_entries};
use super::encrypt::seal_entries;
use super::lint::Lint;
use super::removals::{self, settlement_at};
use crate::clock::wall_s;
use crate::list::Hash;
use crate::list::guard::GuardFinding;
use crate::list::lint::test_entry;
use crate::list::manifest::{Manifest, Secrecy, Settlement};
use crate::list::records;
use crate::list::serial::SERIAL_MAX;
use crate::seal::{Note, SigningKey};

const DAY_S: i64 = 86_400;
/// How far the clocks of two signers may be apart.
const CLOCKS_APART_S: i64 = 300;

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// The list's folder.
    folder: PathBuf,
    /// The private key to sign with.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Sign although the lint or the guard found this (lint.expired, guard.tld …); once for each.
    #[arg(long = "override", value_name = "CODE")]
    overrides: Vec<String>,
    /// Issue the list again with new dates, although nothing else changed.
    #[arg(long)]
    renew: bool,
    /// Issue it under this serial instead of the next one, above that of the last issue.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=SERIAL_MAX))]
    serial: Option<u64>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct SignedIssue {
    list: String,
    serial: u64,
    entries: u64,
    /// What the removals are known by that end with it.
    settles: Vec<String>,
    signers: Vec<String>,
    signatures_needed: usize,
    overridden: Vec<String>,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let desk = Desk::open(&args.folder)?;
    let key = read_signing(&args.key)?;
    desk.check_signer(&key)?;
    let issue = desk.issue()?;
    let entries = desk.entries()?.0;
    let listed: Vec<_> = entries.iter().map(|(_, record)| record.clone()).collect();
    let text = records::write(&listed);
    let last = issue.as_ref().map(|issue| &issue.manifest);
    let removals = removals::known(&desk)?;
    let fresh = Manifest {
        test_entry: test_entry(&entries),
        ..manifest_of(&desk, args, last, &text, listed.len() as u64)
    };
    // A second signature is on the same text; whatever else the second signer finds on the desk
    // makes a new issue.
    let standing = issue.as_ref().filter(|issue| {
        let then = Manifest {
            settles: settlement_at(&removals, issue.manifest.issued),
            ..fresh.clone()
        };
        !args.renew
            && args
                .serial
                .is_none_or(|serial| serial == issue.manifest.serial)
            && is_same(&issue.manifest, &then)
            && is_timely(&issue.manifest, &then)
    });
    if let Some(issue) = standing.filter(|issue| has_signed(&desk, issue, &key)) {
        let message = format!(
            "nothing has changed since serial {} and {} has signed it; --renew issues it again",
            issue.manifest.serial,
            key.name()
        );
        return Err(CommandFailure::Failed(message));
    }
    let mut lint = Lint::of(&desk)?;
    let signed = standing.map_or(&fresh, |issue| &issue.manifest);
    check_serial(
        &desk,
        last.filter(|_| standing.is_none()),
        signed,
        &mut lint,
    )?;
    hold_errors(&lint, &args.overrides)?;
    let issue = match standing {
        Some(issue) => Issue {
            note: countersign(&desk, issue, &key)?,
            manifest: issue.manifest.clone(),
        },
        None => {
            let settles = settlement_at(&removals, fresh.issued);
            let fresh = Manifest { settles, ..fresh };
            start_issue(&desk, issue.as_ref(), fresh, &text, &key)?
        }
    };
    let place = desk.handed_out(&Manifest::file(&desk.settings.id));
    write_file(&place, issue.note.to_string().as_bytes())?;
    tell(&desk, &issue, &args.overrides, style)
}

/// The manifest of a new issue as far as the desk's settings, the last issue and the text say it.
fn manifest_of(
    desk: &Desk,
    args: &Args,
    last: Option<&Manifest>,
    text: &str,
    entries: u64,
) -> Manifest {
    let now = wall_s();
    let next = last.map_or(1, |last| SERIAL_MAX.min(last.serial.saturating_add(1)));
    Manifest {
        list: desk.settings.id.clone(),
        authority: desk.settings.authority.clone(),
        basis: desk.basis,
        legal_basis: desk.settings.legal_basis.clone(),
        action: desk.action,
        serial: args.serial.unwrap_or(next),
        issued: now,
        expires: now + i64::from(desk.settings.valid_days) * DAY_S,
        previous: None,
        entries,
        sha256: Hash::of(text.as_bytes()),
        test_entry: None,
        secrecy: desk.secrecy(),
        settles: Settlement::Named(Vec::new()),
    }
}

fn has_signed(desk: &Desk, issue: &Issue, key: &SigningKey) -> bool {
    issue
        .note
        .signers(&desk.keys)
        .is_ok_and(|signers| signers.contains(&&key.public()))
}

/// Serials rise, and not by leaps that every resolver would hold back. `last` is the issue that a
/// new one follows.
fn check_serial(
    desk: &Desk,
    last: Option<&Manifest>,
    signed: &Manifest,
    lint: &mut Lint,
) -> Result<(), CommandFailure> {
    if let Some(last) = last.filter(|last| signed.serial <= last.serial) {
        let message = match last.serial {
            SERIAL_MAX => "there is no serial above that of the last issue".to_owned(),
            last => format!("--serial: it must be above {last}, that of the last issue"),
        };
        return Err(CommandFailure::Usage(message));
    }
    let highest = desk.whole_issue()?.map(|issue| issue.manifest.serial);
    if let Some(finding) = GuardFinding::of_leap(highest, signed.serial, wall_s()) {
        lint.add(finding);
    }
    Ok(())
}

/// Is it the same list but for its serial and dates?
fn is_same(issued: &Manifest, fresh: &Manifest) -> bool {
    let Manifest {
        serial,
        issued: at,
        expires,
        previous,
        ..
    } = *issued;
    *issued
        == Manifest {
            serial,
            issued: at,
            expires,
            previous,
            ..fresh.clone()
        }
}

/// Does it hold now, and not for longer than the desk's settings say? The first signer alone wrote
/// these dates.
const fn is_timely(issued: &Manifest, fresh: &Manifest) -> bool {
    issued.issued <= fresh.issued + CLOCKS_APART_S
        && fresh.issued < issued.expires
        && issued.expires <= fresh.expires + CLOCKS_APART_S
}

fn hold_errors(lint: &Lint, overrides: &[String]) -> Result<(), CommandFailure> {
    let errors = lint.errors();
    if let Some(needless) = overrides
        .iter()
        .find(|code| !errors.contains(&code.as_str()))
    {
        return Err(CommandFailure::Usage(format!(
            "--override {needless}: the lint finds no such thing"
        )));
    }
    // A line that is no entry is never issued, whatever is overridden.
    let open: Vec<&str> = errors
        .into_iter()
        .filter(|code| *code == "lint.reject" || !overrides.iter().any(|known| known == code))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let mut message = lint.explain(&open);
    message.push(format!(
        "not signed: mend the list, or sign it all the same with --override {}",
        open.join(" --override ")
    ));
    Err(CommandFailure::Failed(message.join("\n")))
}

fn countersign(desk: &Desk, issue: &Issue, key: &SigningKey) -> Result<Note, CommandFailure> {
    // A signature that does not hold must not be joined by one that does.
    issue.note.signers(&desk.keys).map_err(|error| {
        CommandFailure::Failed(format!("the issue is not to be believed: {error}"))
    })?;
    let mut note = issue.note.clone();
    note.sign(key)
        .map_err(|error| CommandFailure::Failed(error.to_string()))?;
    Ok(note)
}

/// Write the entries of a new issue and its manifest with one signature.
fn start_issue(
    desk: &Desk,
    last: Option<&Issue>,
    fresh: Manifest,
    text: &str,
    key: &SigningKey,
) -> Result<Issue, CommandFailure> {
    // Only an issue that had all its signatures can be in force somewhere; one that was given up
    // hands on what it came after.
    let whole = last.filter(|last| desk.is_whole(last));
    let previous = whole
        .map(|whole| whole.manifest.hash())
        .or_else(|| last.and_then(|last| last.manifest.previous));
    let manifest = Manifest { previous, ..fresh };
    Manifest::parse(&manifest.to_text())
        .map_err(|fault| CommandFailure::Failed(format!("no manifest can be made: {fault}")))?;
    let mut note = Note::new(&manifest.to_text())
        .map_err(|error| CommandFailure::Failed(error.to_string()))?;
    note.sign(key)
        .map_err(|error| CommandFailure::Failed(error.to_string()))?;
    let octets = match manifest.secrecy {
        Secrecy::Open => text.as_bytes().to_vec(),
        Secrecy::Age => seal_entries(desk, text)?,
    };
    write_file(&desk.handed_out(&manifest.entries_file()), &octets)?;
    if whole.is_some() {
        write_file(&desk.path("before.txt"), &read(&desk.path("issued.txt"))?)?;
        let place = desk.handed_out(&Manifest::file(&manifest.list));
        write_file(&desk.path(WHOLE_BEFORE), &read(&place)?)?;
    }
    write_file(&desk.path("issued.txt"), text.as_bytes())?;
    if let Some(old) = last.map(|last| desk.handed_out(&last.manifest.entries_file()))
        && old != desk.handed_out(&manifest.entries_file())
        && old.exists()
    {
        fs::remove_file(&old).map_err(|error| unwritable(&old, &error))?;
    }
    Ok(Issue { note, manifest })
}

fn tell(
    desk: &Desk,
    issue: &Issue,
    overrides: &[String],
    style: Style,
) -> Result<(), CommandFailure> {
    let signers = issue
        .note
        .signers(&desk.keys)
        .map_err(|error| CommandFailure::Failed(error.to_string()))?;
    let signers: Vec<String> = signers
        .iter()
        .map(|signer| signer.name().to_owned())
        .collect();
    let (manifest, needed) = (&issue.manifest, desk.signatures);
    let settled = manifest.settles.named();
    if style == Style::Json {
        return print_json(&SignedIssue {
            list: manifest.list.clone(),
            serial: manifest.serial,
            entries: manifest.entries,
            settles: settled.iter().map(ToString::to_string).collect(),
            signers,
            signatures_needed: needed,
            overridden: overrides.to_vec(),
        });
    }
    let state = match needed.saturating_sub(signers.len()) {
        0 => "ready to push".to_owned(),
        1 => "1 more signature is needed".to_owned(),
        more => format!("{more} more signatures are needed"),
    };
    let entries = count_entries(usize::try_from(manifest.entries).unwrap_or(usize::MAX));
    let settles = match settled.len() as u64 {
        0 => String::new(),
        removals => format!(", {} settled", count(removals, "removal")),
    };
    print(&format!(
        "{} serial {}: {entries}{settles}, signed by {}; {state}\n",
        manifest.list,
        manifest.serial,
        signers.join(", ")
    ))
}
