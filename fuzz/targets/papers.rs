//! Everything signed and every key: a note that is read says one thing only, and what is written of
//! it reads the same.
#![cfg_attr(fuzzing, no_main)]

use wardline::list::key_chain::{KeyChain, parse_chain, write_chain};
use wardline::list::key_link::KeyLink;
use wardline::list::manifest::Manifest;
use wardline::list::receipt::Receipt;
use wardline::list::removal::{CarriedRemoval, Removal, parse_several};
use wardline::seal::{Note, SigningKey, VerifyKey};

/// The key that signed the example list.
const KEY: &str = include_str!("../../blocklists/signed-example/demo-agency-1.example.pub");

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    run(octets);
});

pub(crate) fn run(octets: &[u8]) -> &'static str {
    let key = VerifyKey::parse(KEY).ok();
    // Several notes, one behind the other, are also one note with a long text.
    if let Some(notes) = read_chain(octets) {
        return follow(&notes, key.as_slice());
    }
    if let Ok(all) = parse_several(octets) {
        let written: String = all.iter().map(CarriedRemoval::to_text).collect();
        assert_eq!(parse_several(written.as_bytes()).as_ref(), Ok(&all));
        if all.len() > 1 {
            return "removals";
        }
    }
    if let Ok(note) = Note::parse(octets) {
        assert_eq!(
            Note::parse(note.to_string().as_bytes())
                .expect("a note")
                .text(),
            note.text()
        );
        let signers = note.signers(key.as_slice());
        let is_signed = signers.is_ok_and(|signers| !signers.is_empty());
        let paper = read(note.text()).unwrap_or("note");
        return if is_signed { "signed" } else { paper };
    }
    let text = str::from_utf8(octets).unwrap_or_default();
    if let Some(paper) = read(text) {
        return paper;
    }
    if VerifyKey::parse(text).is_ok() {
        "key"
    } else if SigningKey::parse(text).is_ok() {
        "secret key"
    } else {
        "refused"
    }
}

fn read_chain(octets: &[u8]) -> Option<Vec<Note>> {
    let notes = parse_chain(octets).ok()?;
    assert_eq!(write_chain(&notes).as_bytes(), octets);
    let are_links = notes.iter().all(|note| KeyLink::parse(note.text()).is_ok());
    are_links.then_some(notes)
}

/// A chain that starts from the one key; what follows from it is asked of each note.
fn follow(notes: &[Note], keys: &[VerifyKey]) -> &'static str {
    let Ok(chain) = KeyChain::follow("example", keys, 1, notes) else {
        return "chain";
    };
    assert_eq!(chain.number(), notes.len() as u64);
    for note in notes {
        assert!(!(chain.vouches(note, 1) && chain.needs_revoked(note, 1)));
    }
    "followed"
}

/// A note's text always ends with a line feed, so what has none is nothing that anybody signed.
fn read(text: &str) -> Option<&'static str> {
    if !text.ends_with('\n') {
        return None;
    }
    if let Ok(manifest) = Manifest::parse(text) {
        assert_eq!(manifest.to_text(), text);
        return Some("manifest");
    }
    if let Ok(removal) = Removal::parse(text) {
        assert_eq!(removal.to_text(), text);
        return Some("removal");
    }
    if let Ok(link) = KeyLink::parse(text) {
        assert_eq!(link.to_text(), text);
        return Some("link");
    }
    if let Ok(receipt) = Receipt::parse(text) {
        assert_eq!(receipt.to_text(), text);
        return Some("receipt");
    }
    None
}
