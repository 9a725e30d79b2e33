//! Reads the keys that commands are given: private ones from files, public ones as they are
//! written.

use std::path::Path;

use zeroize::Zeroizing;

use super::failure::CommandFailure;
use super::files::read_text;
use crate::seal::{SigningKey, VerifyKey};

/// Read a private key that signs.
pub(super) fn read_signing(file: &Path) -> Result<SigningKey, CommandFailure> {
    let text = Zeroizing::new(read_text(file)?);
    SigningKey::parse(&text)
        .map_err(|error| CommandFailure::Failed(format!("{}: {error}", file.display())))
}

/// Read a public key given on the command line or in a list's settings.
pub(super) fn read_public(text: &str) -> Result<VerifyKey, CommandFailure> {
    VerifyKey::parse(text).map_err(|error| CommandFailure::Usage(format!("a public key: {error}")))
}
