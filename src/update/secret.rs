//! Entries that came encrypted are decrypted in memory, and nowhere else.

use super::refusal::Cause;
use super::source::{ListSource, Text};
use crate::list::manifest::{Manifest, Secrecy};
use crate::seal::age;

/// The entries in the clear.
pub(super) fn clear(text: Text, manifest: Option<&Manifest>, source: &ListSource) -> Result<Text, Cause> {
    if manifest.map_or(Secrecy::Open, |manifest| manifest.secrecy) == Secrecy::Open {
        return Ok(text);
    }
    let Text::Memory(octets) = &text else { return Ok(text) };
    if source.identities.0.is_empty() {
        return Err(Cause::Secret("name the file of this resolver's age key as `identity` in the configuration".to_owned()));
    }
    let clear = age::decrypt(octets, &source.identities.0).map_err(|fault| Cause::Secret(fault.to_string()))?;
    Ok(Text::Memory(clear.into()))
}
