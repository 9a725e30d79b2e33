//! Entries and removals that came encrypted are decrypted in memory, and nowhere else.

use zeroize::Zeroizing;

use super::listed::{Identities, ListSource};
use super::refusal::Cause;
use super::text::Text;
use crate::list::manifest::{Manifest, Secrecy};
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
    if identities.0.is_empty() {
        return Err(Cause::Secret(
            "name the file of this resolver's age key as `identity` in the configuration"
                .to_owned(),
        ));
    }
    age::decrypt(octets, &identities.0).map_err(|fault| Cause::Secret(fault.to_string()))
}
