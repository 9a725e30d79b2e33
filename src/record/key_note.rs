//! A log's old key, or its recovery key, names the key of the log that follows.

use std::fmt;

use crate::seal::{Algorithm, Note, VerifyKey};

const FIRST_LINE: &str = "wardline-log-key/v1";
/// The last part of the name of a key that may name another key when the log's own is lost.
const RECOVERY: &str = "recovery";

/// The word on which key follows: the text of a signed note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKeyNote {
    /// The log that ends.
    pub follows: String,
    /// The key of the log that goes on, which is named after that log.
    pub key: VerifyKey,
}

impl LogKeyNote {
    /// Reads the text of a note; nothing where it says something else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return None;
        }
        let follows = lines.next()?.strip_prefix("follows ")?.to_owned();
        let key = VerifyKey::parse(lines.next()?.strip_prefix("key ")?).ok()?;
        let is_of_log = key.algorithm() == Algorithm::Ed25519 && key.name() != follows;
        let base = base_of(&follows)?;
        let is_same_resolver = base_of(key.name()) == Some(base);
        (lines.next().is_none() && is_of_log && is_same_resolver).then_some(Self { follows, key })
    }

    /// The key among `keys` that signed `note` and may: that of the log that ends, or the recovery
    /// key of its resolver.
    pub fn signer<'k>(&self, note: &Note, keys: &'k [VerifyKey]) -> Option<&'k VerifyKey> {
        let recovery = recovery_name(&self.follows);
        let may = |key: &VerifyKey| {
            key.algorithm() == Algorithm::Ed25519
                && (key.name() == self.follows || key.name() == recovery)
        };
        note.signers(keys).ok()?.into_iter().find(|key| may(key))
    }
}

/// The text of the note.
impl fmt::Display for LogKeyNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { follows, key } = self;
        write!(f, "{FIRST_LINE}\nfollows {follows}\nkey {key}\n")
    }
}

/// `PROVIDER/RESOLVER` of a log's name.
fn base_of(name: &str) -> Option<(&str, &str)> {
    let mut parts = name.splitn(3, '/');
    Some((parts.next()?, parts.next()?))
}

/// The name of a resolver's recovery key, from the name of any of its logs.
pub fn recovery_name(origin: &str) -> String {
    let (provider, resolver) = base_of(origin).unwrap_or((origin, ""));
    format!("{provider}/{resolver}/{RECOVERY}")
}

/// What these notes say, in their order, as far as keys that are known by then signed them; each
/// makes another key known.
pub fn believed_key_notes(notes: &[Note], known: &[VerifyKey]) -> Vec<LogKeyNote> {
    let (mut keys, mut believed) = (known.to_vec(), Vec::new());
    for note in notes {
        let said = LogKeyNote::parse(note.text());
        // Nobody names a key anew that has its name already, or makes a recovery key of it.
        let is_new = |said: &LogKeyNote| {
            let has_other = |key: &VerifyKey| key.name() == said.key.name() && *key != said.key;
            said.key.name() != recovery_name(&said.follows) && !keys.iter().any(has_other)
        };
        let may = |said: &LogKeyNote| is_new(said) && said.signer(note, &keys).is_some();
        let Some(said) = said.filter(may) else {
            continue;
        };
        keys.push(said.key.clone());
        believed.push(said);
    }
    believed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SigningKey;

    fn key(name: &str) -> SigningKey {
        SigningKey::generate(name).unwrap()
    }

    fn note(follows: &str, next: &SigningKey, by: &SigningKey) -> Note {
        let said = LogKeyNote {
            follows: follows.to_owned(),
            key: next.public(),
        };
        let mut note = Note::new(&said.to_string()).unwrap();
        note.sign(by).unwrap();
        note
    }

    fn followed(notes: &[Note], known: &[VerifyKey]) -> Vec<VerifyKey> {
        let believed = believed_key_notes(notes, known).into_iter();
        believed.map(|said| said.key).collect()
    }

    #[test]
    fn keys_follow_from_one_another() {
        let names = ["p.example/one", "p.example/one/a", "p.example/one/b"];
        let [first, second, third] = names.map(key);
        let recovery = key("p.example/one/recovery");
        let chain = [
            note(names[0], &second, &first),
            note(names[1], &third, &second),
        ];
        let known = [first.public()];
        assert_eq!(followed(&chain, &known), [second.public(), third.public()]);
        assert_eq!(
            followed(&chain[1..], &known),
            [],
            "its beginning is missing"
        );
        assert_eq!(followed(&chain, &[second.public()]), [third.public()]);
        let lost = [chain[0].clone(), note(names[1], &third, &recovery)];
        assert_eq!(followed(&lost, &known), [second.public()]);
        let known = [first.public(), recovery.public()];
        assert_eq!(followed(&lost, &known), [second.public(), third.public()]);
    }

    #[test]
    fn no_key_of_another_resolver_follows() {
        let names = ["p.example/one", "p.example/two/a", "p.example/one/a"];
        let [first, other, second] = names.map(key);
        let known = [first.public(), other.public()];
        let follow = |note: Note| followed(&[note], &known);
        assert_eq!(follow(note(names[0], &other, &first)), []);
        assert_eq!(follow(note(names[0], &second, &other)), []);
        assert_eq!(follow(note(names[0], &first, &first)), []);
        let (anew, recovery) = (key(names[0]), key("p.example/one/recovery"));
        let known = [first.public(), second.public()];
        for next in [&anew, &recovery] {
            assert_eq!(followed(&[note(names[2], next, &second)], &known), []);
        }
        let mut more = note(names[0], &second, &first).to_string();
        more.insert_str(more.find("follows").unwrap(), "more\n");
        assert_eq!(follow(Note::parse(more.as_bytes()).unwrap()), []);
    }
}
