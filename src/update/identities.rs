//! A list's age keys, which may come or be replaced while the program runs.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::refreshed::RefreshedFile;
use super::refusal::Cause;
use super::text::Stamp;
use crate::seal::age::Identity;

/// The age keys that a list's entries and removals may be encrypted to; they never leave it in a
/// message.
#[derive(Clone, Debug, Default)]
pub struct Identities(Option<Arc<IdentityFile>>);

#[derive(Debug)]
struct IdentityFile {
    file: RefreshedFile<Vec<Identity>>,
    /// All keys that were ever read. What a removal took off the list does not come back because
    /// the key that opens the removal was replaced.
    all: ArcSwap<Vec<Identity>>,
}

impl Identities {
    /// Those in this file, which need not be there yet.
    pub fn in_file(path: PathBuf) -> Self {
        let read = |octets: &[u8]| {
            let keys = str::from_utf8(octets).map_err(|_| "is no text".to_owned());
            let keys =
                keys.and_then(|text| Identity::parse_file(text).map_err(|fault| fault.to_string()));
            keys.map_err(|reason| format!("{reason}: write the file with age-keygen"))
        };
        Self(Some(Arc::new(IdentityFile {
            file: RefreshedFile::new(path, read),
            all: ArcSwap::default(),
        })))
    }

    /// The keys as they are now.
    ///
    /// # Errors
    /// What is wrong with the file, or that none is configured.
    pub fn read(&self) -> Result<Arc<Vec<Identity>>, String> {
        let Some(identities) = &self.0 else {
            return Err(
                "name the file of this resolver's age key as `identity` in the configuration"
                    .to_owned(),
            );
        };
        let keys = identities.file.value();
        keys.map_err(|reason| format!("identity: {reason}"))
    }

    /// The keys as they are now, and those before, for what is encrypted to one of them.
    pub(super) fn open(&self) -> Result<Arc<Vec<Identity>>, Cause> {
        let read = self.read();
        let Some(identities) = &self.0 else {
            return read.map_err(Cause::Secret);
        };
        let before = identities.all.load_full();
        let keys = match read {
            Err(reason) if before.is_empty() => return Err(Cause::Secret(reason)),
            Err(_) => return Ok(before),
            Ok(keys) => keys,
        };
        let new = keys.iter().filter(|key| !before.contains(key));
        let all: Vec<Identity> = before.iter().chain(new).cloned().collect();
        if all.len() > before.len() {
            identities.all.store(Arc::new(all));
        }
        Ok(identities.all.load_full())
    }

    /// What the file looks like; nothing where there is none.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.0.as_ref()?.file.stamp()
    }

    /// Is a file configured?
    pub(super) const fn is_configured(&self) -> bool {
        self.0.is_some()
    }
}
