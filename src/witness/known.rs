//! The logs that a witness cosigns, by the keys of their authors.

use std::collections::BTreeMap;

use crate::seal::{Algorithm, VerifyKey};

/// Keys by origin; a log whose key was replaced has several.
#[derive(Clone, Debug, Default)]
pub struct KnownLogs(BTreeMap<String, Vec<VerifyKey>>);

/// A key that no log can be known by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KnownLogsFault {
    /// It cosigns.
    #[error("{0} is a witness's key: give the key that `wardline audit key` prints of the log")]
    Cosigner(String),
    /// There is none.
    #[error("no log is known: give the key of each log with --log")]
    None,
}

impl KnownLogs {
    /// The logs whose authors have these keys: an author's key has the log's origin as its name.
    ///
    /// # Errors
    /// When there is none, or one of them is a witness's.
    pub fn new(keys: Vec<VerifyKey>) -> Result<Self, KnownLogsFault> {
        let mut logs = BTreeMap::<String, Vec<VerifyKey>>::new();
        for key in keys {
            if key.algorithm() != Algorithm::Ed25519 {
                return Err(KnownLogsFault::Cosigner(key.name().to_owned()));
            }
            logs.entry(key.name().to_owned()).or_default().push(key);
        }
        if logs.is_empty() {
            return Err(KnownLogsFault::None);
        }
        Ok(Self(logs))
    }

    /// The keys of a log; none where it is not known.
    pub(super) fn keys(&self, origin: &str) -> Option<&[VerifyKey]> {
        self.0.get(origin).map(Vec::as_slice)
    }

    /// Their origins, in order.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
