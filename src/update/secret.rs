//! Entries that came encrypted are decrypted in memory, and nowhere else.

use super::refusal::Cause;
use super::source::{ListSource, Text};
use crate::list::manifest::{Manifest, Secrecy};

/// The entries in the clear.
pub(super) fn clear(text: Text, manifest: Option<&Manifest>, _source: &ListSource) -> Result<Text, Cause> {
    match manifest.map_or(Secrecy::Open, |manifest| manifest.secrecy) {
        Secrecy::Open => Ok(text),
        Secrecy::Age => Err(Cause::Secret("this version cannot decrypt them".to_owned())),
    }
}
