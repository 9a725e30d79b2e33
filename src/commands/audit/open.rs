//! `wardline audit open` and `wardline audit opened`: which entries block how often, from the
//! resolver to the curator and to nobody else.

use std::path::{Path, PathBuf};

use serde::Serialize;
use zeroize::Zeroizing;

use super::super::failure::{CommandFailure, failed};
use super::super::files::{read, read_text};
use super::super::output::{self, Style, TextColumn, count, number, table};
use super::findings::describe_findings;
use super::keys::read_keys;
use crate::audit::{Commitments, Demands, Finding, Folder, Opened, Verified, verify};
use crate::config::Config;
use crate::count::Openings;
use crate::record::Moment;
use crate::report::parse_span;
use crate::seal::VerifyKey;
use crate::seal::age::{Identity, Recipient, armor, decrypt, encrypt, is_armored, unarmor};
use crate::store::LogReader;

/// Whose counts are opened, and to whom.
#[derive(Debug, clap::Args)]
pub(in super::super) struct OpenArgs {
    /// The list's id.
    list: String,
    /// The curator's age key to encrypt to; once for each.
    #[arg(long, value_name = "AGE1…", required = true)]
    to: Vec<String>,
    /// From this day or hour on (UTC); without it from the first that is kept.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Up to, and without, this day or hour; without it up to the last hour that is over.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// What is read, and what it is held against.
#[derive(Debug, clap::Args)]
pub(in super::super) struct OpenedArgs {
    /// The file that `wardline audit open` wrote.
    file: PathBuf,
    /// The folder of the exported log, or a folder of such folders.
    folder: PathBuf,
    /// The file of the age key that the counts are encrypted to.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// The public key of the log's author, or a file with one a line.
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
}

/// All that was found.
#[derive(Serialize)]
struct OpenedOutcome {
    verdict: &'static str,
    log: String,
    list: String,
    from: Option<String>,
    until: Option<String>,
    hours: u64,
    entries: Vec<EntryCount>,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct EntryCount {
    number: u32,
    blocked: u64,
}

/// Prints the openings of a list as text that only the recipients can read.
pub(super) fn open(config: &Config, args: &OpenArgs) -> Result<(), CommandFailure> {
    let recipient = |text: &String| {
        Recipient::parse(text).map_err(|error| CommandFailure::Usage(format!("--to: {error}")))
    };
    let recipients = args
        .to
        .iter()
        .map(recipient)
        .collect::<Result<Vec<_>, _>>()?;
    let span = parse_span(args.from.as_deref(), args.until.as_deref());
    let span =
        span.map_err(|error| CommandFailure::Usage(error.to_string().replace("--to", "--until")))?;
    let reader = LogReader::open(&config.state).map_err(failed)?;
    let key = reader.author().map_err(failed)?.unwrap_or_default();
    let origin = VerifyKey::parse(&key).map_err(failed)?.name().to_owned();
    let openings = reader.openings(&args.list, span).map_err(failed)?;
    if openings.is_empty() {
        return Err(CommandFailure::Failed(format!(
            "{}: no hour of that time is kept in which this list's entries were counted: {}",
            args.list,
            why_none(config, &args.list)
        )));
    }
    let openings = Openings {
        origin,
        list: args.list.clone(),
        openings,
    };
    let text = Zeroizing::new(openings.to_json().map_err(failed)?);
    output::print(&armor(&encrypt(&text, &recipients).map_err(failed)?))
}

/// Why there is nothing to open, and what to do.
fn why_none(config: &Config, list: &str) -> &'static str {
    let lists = config.lists().iter();
    let counted = lists.map(|(_, source)| (&source.id, source.entry_counts.is_some()));
    let counted = counted.into_iter().find(|(id, _)| *id == list);
    match counted {
        None => "the configuration has no list of this id: `wardline lists` shows them",
        Some((_, false)) => "set `entry_counts` in its [[list]]",
        Some((_, true)) => {
            "an hour's counts are opened once it is over and in the log; ask again after the full \
             hour, or for another time"
        }
    }
}

/// Checks the openings in a file against the log and prints what they come to.
pub(super) fn show(args: &OpenedArgs, style: Style) -> Result<(), CommandFailure> {
    let openings = decrypted(&args.file, &args.identity)?;
    let demands = Demands {
        keys: read_keys(&args.key)?,
        opens: true,
        ..Demands::default()
    };
    let folders = Folder::find(&args.folder).map_err(CommandFailure::Usage)?;
    let logs = folders.iter().map(|folder| verify(folder, &demands, None));
    let Some((commitments, found)) = committed(logs.collect(), &openings.origin) else {
        let message = format!(
            "{}: holds no log of {} that is signed with a key that was given",
            args.folder.display(),
            openings.origin
        );
        return Err(CommandFailure::Failed(message));
    };
    let Opened {
        counts,
        hours,
        from,
        until,
        findings,
    } = commitments.open(&openings);
    let findings: Vec<Finding> = found.into_iter().chain(findings).collect();
    let mut entries: Vec<EntryCount> = counts
        .into_iter()
        .map(|(number, blocked)| EntryCount { number, blocked })
        .collect();
    entries.sort_by_key(|entry| (std::cmp::Reverse(entry.blocked), entry.number));
    let outcome = OpenedOutcome {
        verdict: if findings.is_empty() {
            "in order"
        } else {
            "not in order"
        },
        log: openings.origin,
        list: openings.list,
        from: from.map(|from| Moment(from).to_string()),
        until: until.map(|until| Moment(until).to_string()),
        hours,
        entries,
        findings,
    };
    match style {
        Style::Json => output::print_json(&outcome)?,
        Style::Text => output::print(&outcome.describe())?,
    }
    match outcome.findings.len() {
        0 => Ok(()),
        findings => Err(CommandFailure::Failed(format!(
            "the counts are not in order: {}",
            count(findings as u64, "finding")
        ))),
    }
}

/// The commitments in the log of this name and in those that it follows, as far as they were
/// given, with what is wrong with these logs; nothing where the log was not given. One whose
/// signature does not hold has its folder in place of its name.
fn committed(mut logs: Vec<Verified>, origin: &str) -> Option<(Commitments, Vec<Finding>)> {
    let (mut commitments, mut findings) = (Commitments::default(), Vec::new());
    let mut next = Some(origin.to_owned());
    let mut is_found = false;
    while let Some(name) = next.take() {
        let Some(at) = logs.iter().position(|log| log.log.origin == name) else {
            break;
        };
        let found = logs.swap_remove(at);
        commitments.extend(&found.commitments);
        next = found.log.before().map(str::to_owned);
        findings.extend(found.log.findings);
        is_found = true;
    }
    is_found.then_some((commitments, findings))
}

fn decrypted(file: &Path, identity: &Path) -> Result<Openings, CommandFailure> {
    let told = |error: &dyn std::fmt::Display| {
        CommandFailure::Failed(format!("{}: {error}", file.display()))
    };
    let text = Zeroizing::new(read_text(identity)?);
    let identities = Identity::parse_file(&text)
        .map_err(|error| CommandFailure::Failed(format!("{}: {error}", identity.display())))?;
    let octets = read(file)?;
    let octets = if is_armored(&octets) {
        unarmor(&octets).ok_or_else(|| told(&"the encrypted file was changed or cut"))?
    } else {
        octets
    };
    let json = decrypt(&octets, &identities).map_err(|error| told(&error))?;
    Openings::parse(&json).map_err(|error| told(&error))
}

impl OpenedOutcome {
    fn describe(&self) -> String {
        let mut text = format!("{} of {}: ", self.list, self.log);
        match (&self.from, &self.until) {
            (Some(from), Some(until)) => text.push_str(&format!(
                "{} opened, from {from} to {until}\n\n",
                count(self.hours, "hour")
            )),
            _ => text.push_str("no hour opened\n\n"),
        }
        let rows = self
            .entries
            .iter()
            .map(|entry| vec![entry.number.to_string(), number(entry.blocked)]);
        text.push_str(&table(
            &[TextColumn::Right("ENTRY"), TextColumn::Right("BLOCKED")],
            &rows.collect::<Vec<_>>(),
        ));
        text.push('\n');
        text.push_str(&describe_findings(&self.findings));
        text.push_str(if self.findings.is_empty() {
            "The counts are those that the log committed to. A question is not a person and not a \
             visit.\n"
        } else {
            "The counts are NOT in order. The hours that are named above are in no sum.\n"
        });
        text
    }
}
