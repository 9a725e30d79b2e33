//! The files of the audit log's keys.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use super::StoreError;
use super::schema::open_private;
use super::whole::{beside, sync_folder_of};
use crate::seal::SigningKey;

/// The longest key file that is read, in octets.
const KEY_FILE_OCTETS_MAX: u64 = 4096;

/// Is `origin` the first log of the resolver `name`, or one that followed it?
pub fn is_log_of(origin: &str, name: &str) -> bool {
    let rest = origin.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Reads the private key in `path`; where there is no file, makes a key under `name` and keeps it
/// there for the owner alone. A key of a log that follows another one has the time of its beginning
/// behind that name, as in `provider/resolver/20260301T140000Z`.
///
/// # Errors
/// When the file cannot be read or made, is no key, or holds one under another name.
pub fn read_or_make_key(path: &Path, name: &str) -> Result<SigningKey, StoreError> {
    let Some(key) = read_log_key(path)? else {
        return make_key(path, name);
    };
    if is_log_of(key.name(), name) {
        Ok(key)
    } else {
        Err(StoreError::Key {
            path: path.into(),
            reason: format!(
                "it is the key of {}, and the configuration names {name}",
                key.name()
            ),
        })
    }
}

/// The private key of a log in a file; nothing where there is no file.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read_log_key(path: &Path) -> Result<Option<SigningKey>, StoreError> {
    let unreadable = |source| StoreError::Open {
        path: path.into(),
        source,
    };
    let mut text = zeroize::Zeroizing::new(String::new());
    match File::open(path) {
        Ok(file) => file
            .take(KEY_FILE_OCTETS_MAX)
            .read_to_string(&mut text)
            .map_err(unreadable)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(source)),
    };
    let key = SigningKey::parse(&text).map_err(|error| StoreError::Key {
        path: path.into(),
        reason: error.to_string(),
    })?;
    Ok(Some(key))
}

pub(super) fn make_key(path: &Path, name: &str) -> Result<SigningKey, StoreError> {
    let key = SigningKey::generate(name).map_err(|error| StoreError::Key {
        path: path.into(),
        reason: error.to_string(),
    })?;
    write_private(path, format!("{}\n", *key.to_text()).as_bytes())?;
    Ok(key)
}

/// Written beside and renamed, so that no half a key is ever found.
pub(super) fn write_private(path: &Path, octets: &[u8]) -> Result<(), StoreError> {
    let failed = |source| StoreError::Open {
        path: path.into(),
        source,
    };
    let written = beside(path, ".new");
    let mut file = open_private(&written)?;
    file.set_len(0)
        .and_then(|()| file.write_all(octets))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&written, path))
        .and_then(|()| sync_folder_of(path))
        .map_err(failed)
}
