//! Who signs a state folder's audit log: the provider's resolver, with a key made at the first
//! start.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::clock::UnixSeconds;
use crate::record::Moment;
use crate::seal::SigningKey;

use super::StoreError;
use super::schema::open_private;

/// The longest key file that is read, in octets.
const KEY_FILE_OCTETS_MAX: u64 = 4096;

/// The author of an audit log, as its leaves name it.
#[derive(Debug)]
pub struct Author {
    pub(super) provider: String,
    pub(super) resolver: String,
    pub(super) configuration: String,
    pub(super) key: SigningKey,
    /// Where the key is kept; none where somebody else keeps it.
    file: Option<PathBuf>,
}

impl Author {
    /// The author who signs with `key`, which is named after the provider and the resolver (see
    /// [`origin`]) and runs with the configuration whose SHA-256 in hexadecimal is `configuration`.
    pub fn new(key: SigningKey, configuration: &str) -> Self {
        let (provider, resolver) = key.name().split_once('/').unwrap_or((key.name(), ""));
        Self {
            provider: provider.to_owned(),
            resolver: resolver.to_owned(),
            configuration: configuration.to_owned(),
            key,
            file: None,
        }
    }

    /// The author who signs with the key in `path` (see [`read_or_make_key`]).
    ///
    /// # Errors
    /// When the file cannot be read or made, is no key, or holds one under another name.
    pub fn open(path: &Path, name: &str, configuration: &str) -> Result<Self, StoreError> {
        let author = Self::new(read_or_make_key(path, name)?, configuration);
        Ok(Self {
            file: Some(path.into()),
            ..author
        })
    }

    /// The author of the log that follows at `at` where none of those in `ended` may be signed for
    /// any more: with a new key, under the same name with that time behind it. The old key is set
    /// aside beside the new one.
    ///
    /// A key that was made for this and has signed nothing yet stays: what came after it failed.
    pub(super) fn succeed(self, ended: &[String], at: UnixSeconds) -> Result<Self, StoreError> {
        let own = self.key.name().to_owned();
        let is_ended = |name: &String| ended.contains(name);
        if own.splitn(3, '/').count() == 3 && !is_ended(&own) {
            return Ok(self);
        }
        let base: Vec<&str> = own.splitn(3, '/').take(2).collect();
        let name_at = |at| format!("{}/{}", base.join("/"), in_a_name(at));
        let mut name = name_at(at);
        for later in 1.. {
            if name != own && !is_ended(&name) {
                break;
            }
            name = name_at(at.saturating_add(later));
        }
        let key = match &self.file {
            Some(path) => {
                let aside = name.rsplit('/').next().unwrap_or_default();
                set_aside(path, aside)?;
                make_key(path, &name)?
            }
            None => SigningKey::generate(&name).map_err(|error| StoreError::Key {
                path: PathBuf::new(),
                reason: error.to_string(),
            })?,
        };
        Ok(Self {
            file: self.file,
            ..Self::new(key, &self.configuration)
        })
    }
}

/// A time as part of a name: `20260301T140000Z`.
fn in_a_name(at: UnixSeconds) -> String {
    Moment(at).to_string().replace(['-', ':'], "")
}

/// Keeps a key that signs no more under another name in the same folder.
fn set_aside(path: &Path, since: &str) -> Result<(), StoreError> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".until-{since}"));
    let aside = PathBuf::from(aside);
    if aside.exists() {
        return Ok(());
    }
    std::fs::hard_link(path, &aside)
        .or_else(|_| std::fs::copy(path, &aside).map(drop))
        .map_err(|source| StoreError::Open {
            path: aside,
            source,
        })
}

/// The name of a log and of its key: `provider/resolver`.
pub fn origin(provider: &str, resolver: &str) -> String {
    format!("{provider}/{resolver}")
}

/// Reads the private key in `path`; where there is no file, makes a key under `name` and keeps it
/// there for the owner alone. A key of a log that follows another one has the time of its beginning
/// behind that name, as in `provider/resolver/20260301T140000Z`.
///
/// # Errors
/// When the file cannot be read or made, is no key, or holds one under another name.
pub fn read_or_make_key(path: &Path, name: &str) -> Result<SigningKey, StoreError> {
    let unreadable = |source| StoreError::Open {
        path: path.into(),
        source,
    };
    let unusable = |reason: String| StoreError::Key {
        path: path.into(),
        reason,
    };
    let mut text = zeroize::Zeroizing::new(String::new());
    match File::open(path) {
        Ok(file) => file
            .take(KEY_FILE_OCTETS_MAX)
            .read_to_string(&mut text)
            .map_err(unreadable)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return make_key(path, name),
        Err(source) => return Err(unreadable(source)),
    };
    let key = SigningKey::parse(&text).map_err(|error| unusable(error.to_string()))?;
    let follows = |rest: &str| rest.starts_with('/');
    if key
        .name()
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || follows(rest))
    {
        Ok(key)
    } else {
        Err(unusable(format!(
            "it is the key of {}, and the configuration names {name}",
            key.name()
        )))
    }
}

/// Written beside and renamed, so that no half a key is ever found.
fn make_key(path: &Path, name: &str) -> Result<SigningKey, StoreError> {
    let failed = |source| StoreError::Open {
        path: path.into(),
        source,
    };
    let key = SigningKey::generate(name).map_err(|error| StoreError::Key {
        path: path.into(),
        reason: error.to_string(),
    })?;
    let beside = path.with_extension("new");
    let mut file = open_private(&beside)?;
    file.set_len(0)
        .and_then(|()| file.write_all(key.to_text().as_bytes()))
        .map_err(failed)?;
    file.write_all(b"\n")
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok(key)
}

/// The author of the logs that tests write.
#[cfg(test)]
pub(super) fn author_of_tests() -> Author {
    let key =
        "PRIVATE+KEY+provider.example/one+800e37a9+AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
    Author::new(SigningKey::parse(key).unwrap(), "00")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        let name = origin("provider.example", "one");
        let made = read_or_make_key(&path, &name).unwrap();
        assert_eq!(
            read_or_make_key(&path, &name).unwrap().public(),
            made.public()
        );
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        let refused = read_or_make_key(&path, "provider.example/two")
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("audit.key") && refused.contains("provider.example/one"),
            "{refused}"
        );
        std::fs::write(&path, "no key").unwrap();
        assert!(matches!(
            read_or_make_key(&path, &name),
            Err(StoreError::Key { .. })
        ));
    }

    /// The disk may refuse again and again what comes after the new key was made.
    #[test]
    fn a_new_key_that_signed_nothing_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        let name = origin("provider.example", "one");
        let succeed = |ended: &[String], at| {
            let author = Author::open(&path, &name, "00").unwrap();
            let next = author.succeed(ended, at).unwrap();
            next.key.public().to_string()
        };
        let ended = vec![name.clone()];
        let first = succeed(&ended, 1_772_373_600);
        assert!(first.starts_with("provider.example/one/20260301T140000Z+"));
        for later in 1..4 {
            assert_eq!(succeed(&ended, 1_772_373_600 + later), first);
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 2, "old and new");
        let signed = [
            name.clone(),
            "provider.example/one/20260301T140000Z".to_owned(),
        ];
        assert_ne!(succeed(&signed, 1_772_373_600), first);
    }
}
