//! Encrypted entries: any octets, and an encrypted text of which the fuzzer changes some; only the
//! untouched one opens.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardline::seal::age::{Identity, Recipient, decrypt, encrypt};

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity::generate().expect("randomness"));
static SEALED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let recipient = IDENTITY.recipient().expect("a key");
    encrypt(&[b'x'; 70_000], &[recipient]).expect("a sealed text")
});

fuzz_target!(|input: (u32, u8, &[u8])| {
    let (at, change, octets) = input;
    let identities = std::slice::from_ref(&*IDENTITY);
    assert!(decrypt(octets, identities).is_err(), "nobody guesses a key");
    let mut sealed = SEALED.clone();
    let at = at as usize % sealed.len();
    sealed[at] ^= change;
    assert_eq!(
        decrypt(&sealed, identities).is_ok(),
        change == 0,
        "octet {at} changed by {change}"
    );
    let mut spliced = SEALED[..at].to_vec();
    spliced.extend_from_slice(octets);
    assert!(decrypt(&spliced, identities).is_err() || spliced == *SEALED);
    if let Ok(text) = str::from_utf8(octets) {
        let _ = Recipient::parse(text);
        let _ = Identity::parse_file(text);
    }
});
