//! The secret shared with a zone's primaries, in a file of its own.

use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::tsig::{TsigAlgorithm, TsigKey};
use crate::name::Name;
use crate::update::refreshed::RefreshedFile;

/// A secret shorter than this is guessed rather than known (RFC 8945 section 8 asks for as much as
/// the hash has).
const SECRET_OCTETS_MIN: usize = 16;
/// The longest secret file, in octets.
const FILE_OCTETS_MAX: usize = 4096;

/// A key whose secret is in a file: one line of Base64, which may come or be replaced while the
/// program runs.
#[derive(Clone, Debug)]
pub struct SharedKey(Arc<RefreshedFile<TsigKey>>);

impl SharedKey {
    /// The key of this name with the secret in the file, which need not be there yet.
    pub fn in_file(name: Name, algorithm: TsigAlgorithm, file: PathBuf) -> Self {
        let read = move |octets: &[u8]| {
            if octets.len() > FILE_OCTETS_MAX {
                return Err(
                    "is no file with a secret: write the secret in Base64 into it, and nothing \
                     else"
                        .to_owned(),
                );
            }
            let secret = BASE64.decode(octets.trim_ascii()).map(Zeroizing::new);
            let secret = secret.map_err(|_| {
                "is not Base64: write the secret in Base64 into it, and nothing else".to_owned()
            })?;
            if secret.len() < SECRET_OCTETS_MIN {
                return Err(format!(
                    "has a secret of less than {SECRET_OCTETS_MIN} octets: make a longer one, at \
                     both ends"
                ));
            }
            Ok(TsigKey::new(name.clone(), algorithm, secret))
        };
        Self(Arc::new(RefreshedFile::new(file, read)))
    }

    /// This key, which is in no file.
    pub fn of(key: TsigKey) -> Self {
        let read = move |_: &[u8]| Ok(key.clone());
        Self(Arc::new(RefreshedFile::new("/dev/null".into(), read)))
    }

    /// The key as it is now.
    ///
    /// # Errors
    /// What is wrong with the file, behind its name.
    pub fn read(&self) -> Result<Arc<TsigKey>, String> {
        self.0
            .value()
            .map_err(|reason| format!("secret_file: {reason}"))
    }
}
