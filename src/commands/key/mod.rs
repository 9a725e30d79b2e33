//! `wardline key …`: makes the keys that lists are signed with, and those that secret lists are
//! encrypted to; replaces and revokes the former without touching a resolver.

mod chain;
mod link;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use zeroize::Zeroizing;

use super::failure::CommandFailure;
use super::files::{read_text, write_new};
use super::output::{Style, print, print_json};
use crate::seal::SigningKey;
use crate::seal::age::Identity;

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make a key in a file that only its owner can read, and print the public key that others
    /// need.
    New {
        /// Whose key it is, such as a host name: agency-1.example. Signatures carry it.
        name: String,
        /// The file to write; it must not be there yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// A key to encrypt secret lists to (age, X25519), rather than one to sign with.
        #[arg(long)]
        age: bool,
    },
    /// Print the public key of a key's file.
    Show {
        /// The file.
        file: PathBuf,
    },
    /// Name the keys that sign a list from now on; the quorum before and the new one sign it.
    Rotate(link::RotateArgs),
    /// Take a key off a list: no issue that needs its signature comes into force any more, from a
    /// serial on.
    Revoke(link::RevokeArgs),
    /// Add signatures to the change of keys that waits for them.
    Cosign(link::CosignArgs),
    /// Show a list's chain of keys, and the change that waits for signatures.
    Chain(chain::Args),
}

/// What `--json` prints.
#[derive(Serialize)]
struct ShownKey {
    /// `signing` or `age`.
    kind: &'static str,
    public: String,
    file: String,
}

pub(super) fn run(keys: &Keys, style: Style) -> Result<(), CommandFailure> {
    match keys {
        Keys::New {
            name,
            out,
            age: true,
        } => {
            let identity =
                Identity::generate().map_err(|error| CommandFailure::Failed(error.to_string()))?;
            let public = identity
                .recipient()
                .map_err(|error| CommandFailure::Failed(error.to_string()))?
                .to_string();
            let text = Zeroizing::new(format!(
                "# {name}\n# public key: {public}\n{}\n",
                identity.to_text().as_str()
            ));
            if !crate::seal::is_key_name(name) {
                return Err(CommandFailure::Usage(
                    crate::seal::KeyError::Name.to_string(),
                ));
            }
            write_new(out, text.as_bytes())?;
            show("age", public, out, style)
        }
        Keys::New {
            name,
            out,
            age: false,
        } => {
            let key = SigningKey::generate(name)
                .map_err(|error| CommandFailure::Usage(error.to_string()))?;
            let text = key.to_text();
            let text = Zeroizing::new([text.as_bytes(), b"\n"].concat());
            write_new(out, &text)?;
            show("signing", key.public().to_string(), out, style)
        }
        Keys::Rotate(args) => link::rotate(args, style),
        Keys::Revoke(args) => link::revoke(args, style),
        Keys::Cosign(args) => link::cosign(args, style),
        Keys::Chain(args) => chain::run(args, style),
        Keys::Show { file } => {
            let text = Zeroizing::new(read_text(file)?);
            match (SigningKey::parse(&text), Identity::parse_file(&text)) {
                (Ok(key), _) => show("signing", key.public().to_string(), file, style),
                (Err(_), Ok(identities)) => {
                    let recipients = identities.iter().map(|identity| {
                        identity.recipient().map(|recipient| recipient.to_string())
                    });
                    let recipients: Vec<String> = recipients
                        .collect::<Result<_, _>>()
                        .map_err(|error| CommandFailure::Failed(error.to_string()))?;
                    show("age", recipients.join("\n"), file, style)
                }
                (Err(error), Err(_)) => Err(CommandFailure::Failed(format!(
                    "{}: {error}",
                    file.display()
                ))),
            }
        }
    }
}

fn show(
    kind: &'static str,
    public: String,
    file: &Path,
    style: Style,
) -> Result<(), CommandFailure> {
    match style {
        Style::Text => print(&(public + "\n")),
        Style::Json => print_json(&ShownKey {
            kind,
            public,
            file: file.display().to_string(),
        }),
    }
}
