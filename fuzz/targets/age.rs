//! Encrypted entries: any octets, and an encrypted text of which the fuzzer changes some; only the
//! untouched one opens.
#![cfg_attr(fuzzing, no_main)]

use std::sync::LazyLock;

use wardline::seal::age::{Identity, Recipient, decrypt, encrypt};

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity::generate().expect("randomness"));
static SEALED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let recipient = IDENTITY.recipient().expect("a key");
    encrypt(&[b'x'; 70_000], &[recipient]).expect("a sealed text")
});

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    run(input);
});

/// Four octets say which octet to change, the fifth by what; the rest are the other octets.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let Some((&[a, b, c, d, change], octets)) = input.split_first_chunk::<5>() else {
        return "too short";
    };
    let identities = std::slice::from_ref(&*IDENTITY);
    assert!(decrypt(octets, identities).is_err(), "nobody guesses a key");
    let mut sealed = SEALED.clone();
    let at = u32::from_le_bytes([a, b, c, d]) as usize % sealed.len();
    sealed[at] ^= change;
    let is_open = decrypt(&sealed, identities).is_ok();
    assert_eq!(is_open, change == 0, "octet {at} changed by {change}");
    let mut spliced = SEALED[..at].to_vec();
    spliced.extend_from_slice(octets);
    assert!(decrypt(&spliced, identities).is_err() || spliced == *SEALED);
    let text = str::from_utf8(octets).unwrap_or_default();
    if Recipient::parse(text).is_ok() {
        "recipient"
    } else if Identity::parse_file(text).is_ok() {
        "identity"
    } else if is_open {
        "opened"
    } else {
        "refused"
    }
}
