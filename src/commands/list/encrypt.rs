//! `wardline list encrypt DIR`: encrypts a secret list's issue to its resolvers, again whenever one
//! is added.

use std::path::PathBuf;

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::files::{read_text, write_file};
use super::super::output::{Style, count, print, print_json};
use super::desk::Desk;
use crate::list::Hash;
use crate::list::manifest::Secrecy;
use crate::seal::age::{Recipient, encrypt};

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// The list's folder.
    folder: PathBuf,
    /// A resolver's age key to encrypt to from now on; once for each. They are kept in
    /// recipients.txt.
    #[arg(long = "recipient", value_name = "AGE1…")]
    recipients: Vec<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Encrypted {
    recipients: usize,
    file: Option<String>,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let desk = Desk::open(&args.folder)?;
    if desk.secrecy() == Secrecy::Open {
        return Err(CommandFailure::Usage(
            "the list is not secret: set `encrypted = true` in list.toml and sign it again"
                .to_owned(),
        ));
    }
    let mut all = desk.recipients()?;
    for text in &args.recipients {
        let recipient = Recipient::parse(text)
            .map_err(|error| CommandFailure::Usage(format!("--recipient: {error}")))?;
        if !all.contains(&recipient) {
            all.push(recipient);
        }
    }
    let lines: String = all
        .iter()
        .map(|recipient| format!("{recipient}\n"))
        .collect();
    write_file(&desk.path("recipients.txt"), lines.as_bytes())?;
    let mut file = None;
    if let Some(issue) = desk.issue()? {
        let text = read_text(&desk.path("issued.txt"))?;
        if Hash::of(text.as_bytes()) != issue.manifest.sha256 {
            return Err(CommandFailure::Failed(
                "issued.txt is not what was signed: sign the list again".to_owned(),
            ));
        }
        let place = desk.handed_out(&issue.manifest.entries_file());
        write_file(&place, &seal_entries(&desk, &text)?)?;
        file = Some(place.display().to_string());
    }
    match style {
        Style::Json => print_json(&Encrypted {
            recipients: all.len(),
            file,
        }),
        Style::Text => {
            let done = file.map_or_else(
                || "nothing is issued yet".to_owned(),
                |file| format!("{file} is encrypted to them"),
            );
            print(&format!(
                "{}; {done}\n",
                count(all.len() as u64, "recipient")
            ))
        }
    }
}

/// The entries as only the resolvers can read them.
pub(super) fn seal_entries(desk: &Desk, text: &str) -> Result<Vec<u8>, CommandFailure> {
    let recipients = desk.recipients()?;
    if recipients.is_empty() {
        return Err(CommandFailure::Failed(
            "the list is secret and has no recipient: `wardline list encrypt --recipient` adds one"
                .to_owned(),
        ));
    }
    encrypt(text.as_bytes(), &recipients).map_err(|error| CommandFailure::Failed(error.to_string()))
}
