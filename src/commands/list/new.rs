//! `wardline list new DIR`: a folder with a list's settings and no entry yet.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::files::{unwritable, write_new};
use super::super::output::{Style, print, print_json};
use super::desk::{Desk, Settings};

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// The folder to make.
    folder: PathBuf,
    /// What the list is called everywhere: letters, digits and hyphens.
    #[arg(long)]
    id: String,
    /// Who answers for the list; clients may be shown it.
    #[arg(long)]
    authority: String,
    /// The law or rule in words.
    #[arg(long)]
    legal_basis: String,
    /// On what kind of ground: law, provider or subscriber.
    #[arg(long, default_value = "law")]
    basis: String,
    /// What a blocked client gets: stop-page or nxdomain.
    #[arg(long, default_value = "stop-page")]
    action: String,
    /// The public key of somebody who may sign; once for each.
    #[arg(long = "key", value_name = "PUBLIC", required = true)]
    keys: Vec<String>,
    /// How many of them must sign an issue.
    #[arg(long, default_value_t = 2)]
    signatures: usize,
    /// An issue expires after so many days.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    valid_days: u32,
    /// An entry is due for verification after so many days: three months.
    #[arg(long, value_name = "DAYS", default_value_t = 92)]
    verify_days: u32,
    /// The entries leave this folder encrypted only (age).
    #[arg(long)]
    encrypted: bool,
    /// The public key that a resolver signs its receipts with; once for each.
    #[arg(long = "receipt-key", value_name = "PUBLIC")]
    receipt_keys: Vec<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Made {
    list: String,
    folder: String,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let settings = Settings {
        id: args.id.clone(),
        authority: args.authority.clone(),
        basis: args.basis.clone(),
        legal_basis: args.legal_basis.clone(),
        action: args.action.clone(),
        signatures: args.signatures,
        keys: args.keys.clone(),
        valid_days: args.valid_days,
        verify_days: args.verify_days,
        encrypted: args.encrypted,
        receipt_keys: args.receipt_keys.clone(),
    };
    let text = toml::to_string(&settings)
        .map_err(|error| CommandFailure::Failed(format!("no settings can be written: {error}")))?;
    let desk = Desk::check(&args.folder, settings)?;
    fs::create_dir_all(args.folder.join("issue"))
        .map_err(|error| unwritable(&args.folder, &error))?;
    write_new(&desk.path("list.toml"), text.as_bytes())?;
    write_new(&desk.path("entries.txt"), b"")?;
    let folder = args.folder.display().to_string();
    match style {
        Style::Text => print(&format!(
            "{}: a new list in {folder}, settings in list.toml, no entry yet\n",
            args.id
        )),
        Style::Json => print_json(&Made {
            list: args.id.clone(),
            folder,
        }),
    }
}
