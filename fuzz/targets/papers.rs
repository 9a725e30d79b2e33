//! Everything signed and every key: a note that is read says one thing only, and what is written of
//! it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wardline::list::manifest::Manifest;
use wardline::list::receipt::Receipt;
use wardline::list::removal::Removal;
use wardline::seal::{Note, SigningKey, VerifyKey};

const KEY: &str = "example.test+55c884e5+AYGSS0bdCJoXRu5nlBYWBGU9xvz2Xx1Xh4o0rJ7Y1w0p";

fuzz_target!(|octets: &[u8]| {
    let key = VerifyKey::parse(KEY).ok();
    if let Ok(note) = Note::parse(octets) {
        assert_eq!(
            Note::parse(note.to_string().as_bytes())
                .expect("a note")
                .text(),
            note.text()
        );
        let _ = note.signers(key.as_slice());
        read(note.text());
    }
    if let Ok(text) = str::from_utf8(octets) {
        read(text);
        let _ = VerifyKey::parse(text);
        let _ = SigningKey::parse(text);
    }
});

/// A note's text always ends with a line feed, so what has none is nothing that anybody signed.
fn read(text: &str) {
    if !text.ends_with('\n') {
        return;
    }
    if let Ok(manifest) = Manifest::parse(text) {
        assert_eq!(manifest.to_text(), text);
    }
    if let Ok(removal) = Removal::parse(text) {
        assert_eq!(removal.to_text(), text);
    }
    if let Ok(receipt) = Receipt::parse(text) {
        assert_eq!(receipt.to_text(), text);
    }
}
