//! What a backup says of itself.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::list::Hash;
use crate::record::Moment;
use crate::store::LogPromise;

/// The file of the manifest.
pub(super) const MANIFEST: &str = "manifest.json";
/// The form that this version writes.
pub(super) const FORM: u64 = 1;
/// The longest manifest that is read, in octets.
pub(super) const MANIFEST_OCTETS_MAX: u64 = 64 << 20;

/// What is in the state folder.
pub(super) const STATE: &str = "state";
/// The audit log's key, and those beside it.
pub(super) const KEYS: &str = "keys";
/// What was promised; only where a resolver moves.
pub(super) const PROMISED: &str = "promised";
/// The log's key within [`KEYS`], however the configuration calls it.
pub(super) const LOG_KEY: &str = "audit.key";

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupManifest {
    /// The form of the backup.
    pub v: u64,
    /// When it was made.
    pub made: Moment,
    /// The program and its version.
    pub software: String,
    /// The audit log, as far as it was signed; none where no resolver had run yet.
    pub log: Option<LogPromise>,
    /// Are the private keys of the log and of the receipts in it?
    pub has_keys: bool,
    /// Where the log moves with it: what shows that it was moved to here.
    pub moved: Option<Hash>,
    /// All its files.
    pub files: Vec<BackupFile>,
}

/// A file in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupFile {
    /// Its path in the backup.
    pub path: String,
    /// How long it is.
    pub octets: u64,
    /// SHA-256 of it.
    pub sha256: Hash,
}

impl BackupManifest {
    /// How long all files are together.
    pub fn octets(&self) -> u64 {
        self.files.iter().map(|file| file.octets).sum()
    }

    /// Reads a manifest; says what is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Form {
            v: u64,
        }
        let unreadable = |error| format!("is no manifest of a backup ({error})");
        let Form { v } = serde_json::from_slice(text).map_err(unreadable)?;
        if v != FORM {
            return Err(format!(
                "has form {v}, and this wardline knows form {FORM}: use the wardline that wrote it"
            ));
        }
        let manifest: Self = serde_json::from_slice(text).map_err(unreadable)?;
        match manifest.files.iter().find(|file| !is_plain(&file.path)) {
            Some(file) => Err(format!(
                "names the file {:?}, which no backup has",
                file.path
            )),
            None => Ok(manifest),
        }
    }
}

/// Does a path lead to a file below one of the backup's folders, and nowhere else?
fn is_plain(path: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(path).components().collect();
    let [Component::Normal(top), _, ..] = parts.as_slice() else {
        return false;
    };
    let is_normal = |part: &Component<'_>| matches!(part, Component::Normal(_));
    let is_known = [STATE, KEYS, PROMISED].iter().any(|known| top == known);
    is_known && parts.iter().all(is_normal) && !path.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_nowhere_else() {
        for path in ["state/a", "state/lists/x/1.entries", "keys/audit.key"] {
            assert!(is_plain(path), "{path}");
        }
        let wrong = [
            "",
            "a",
            "state",
            "/state/a",
            "state/../a",
            "other/a",
            "../state/a",
            "state/\0",
        ];
        for path in wrong {
            assert!(!is_plain(path), "{path}");
        }
    }

    #[test]
    fn another_form_is_said() {
        let said = BackupManifest::parse(b"{\"v\":2,\"new\":1}").unwrap_err();
        assert!(said.contains("form 2") && said.contains("form 1"), "{said}");
        assert!(
            BackupManifest::parse(b"{")
                .unwrap_err()
                .contains("no manifest")
        );
    }
}
