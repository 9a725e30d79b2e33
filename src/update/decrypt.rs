//! Entries and removals that came encrypted are decrypted in memory, and nowhere else.

use zeroize::Zeroizing;

use super::identities::Identities;
use super::listed::ListSource;
use super::refusal::Cause;
use super::text::Text;
use crate::list::manifest::{Manifest, Secrecy};
use crate::seal::age::openers;
use crate::seal::{Note, age};

/// The entries in the clear.
pub(super) fn clear(
    text: Text,
    manifest: Option<&Manifest>,
    source: &ListSource,
) -> Result<Text, Cause> {
    if manifest.map_or(Secrecy::Open, |manifest| manifest.secrecy) == Secrecy::Open {
        return Ok(text);
    }
    let clear = match &text {
        Text::Memory(octets) => decrypt(octets, &source.identities)?,
        Text::File(path) => {
            let octets = Zeroizing::new(std::fs::read(path).map_err(Cause::from_io)?);
            decrypt(&octets, &source.identities)?
        }
        Text::Embedded(_) => return Ok(text),
    };
    Ok(Text::Memory(clear.into()))
}

/// The public parts of the list's age keys that do not open its entries, where there are several:
/// they are not needed for this issue.
pub(super) fn unused(text: &Text, manifest: Option<&Manifest>, source: &ListSource) -> Vec<String> {
    if manifest.is_none_or(|manifest| manifest.secrecy == Secrecy::Open) {
        return Vec::new();
    }
    let identities = source.identities.read();
    let Some(identities) = identities.ok().filter(|identities| identities.len() > 1) else {
        return Vec::new();
    };
    let read: Zeroizing<Vec<u8>>;
    let octets: &[u8] = match text {
        Text::Memory(octets) => octets,
        Text::File(path) => {
            read = Zeroizing::new(std::fs::read(path).unwrap_or_default());
            &read
        }
        Text::Embedded(_) => return Vec::new(),
    };
    let Ok(openers) = openers(octets, &identities) else {
        return Vec::new();
    };
    let unused = identities.iter().zip(openers).filter(|(_, opens)| !opens);
    unused
        .filter_map(|(identity, _)| Some(identity.recipient().ok()?.to_string()))
        .collect()
}

/// A signed note in the clear, whether it came so or encrypted.
pub(super) fn open_note(octets: &[u8], identities: &Identities) -> Result<Note, Cause> {
    if !age::is_armored(octets) {
        return Note::parse(octets).map_err(Cause::Note);
    }
    let sealed = age::unarmor(octets)
        .ok_or_else(|| Cause::Secret("its armour is not whole: fetch it again".to_owned()))?;
    Note::parse(&decrypt(&sealed, identities)?).map_err(Cause::Note)
}

fn decrypt(octets: &[u8], identities: &Identities) -> Result<Zeroizing<Vec<u8>>, Cause> {
    let identities = identities.open()?;
    age::decrypt(octets, &identities).map_err(|fault| Cause::Secret(fault.to_string()))
}
