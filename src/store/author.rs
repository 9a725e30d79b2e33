//! Who signs a state folder's audit log: the provider's resolver, with a key made at the first
//! start.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::clock::UnixSeconds;
use crate::record::{LogKeyNote, Moment};
use crate::seal::{Note, SigningKey, VerifyKey};

use super::StoreError;
use super::schema::open_private;
use super::whole::give_to_owner;

/// The longest key file that is read, in octets.
const KEY_FILE_OCTETS_MAX: u64 = 4096;

/// The author of an audit log, as its leaves name it.
#[derive(Debug)]
pub struct Author {
    pub(super) provider: String,
    pub(super) resolver: String,
    pub(super) configuration: String,
    pub(super) key: SigningKey,
    /// The key that may name another one where the log's own is lost.
    pub(super) recovery: Option<VerifyKey>,
    /// Where the key is kept; none where somebody else keeps it.
    file: Option<PathBuf>,
}

/// The key of a log that is to follow, where it lies beside the log's own.
#[derive(Debug)]
pub struct NextKey {
    /// The key.
    pub key: SigningKey,
    /// Who says that it follows.
    pub note: Note,
    pub(super) place: NextPlace,
}

/// Where such a key lies: beside this file, the log's own; none where there is no file.
#[derive(Debug)]
pub(super) struct NextPlace(Option<PathBuf>);

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
            recovery: None,
            file: None,
        }
    }

    /// This author with another key, of a log that follows.
    pub(super) fn with_key(&self, key: SigningKey) -> Self {
        Self {
            recovery: self.recovery.clone(),
            file: self.file.clone(),
            ..Self::new(key, &self.configuration)
        }
    }

    /// The same author, whose log another key may continue when its own is lost.
    #[must_use]
    pub fn with_recovery(self, recovery: Option<VerifyKey>) -> Self {
        Self { recovery, ..self }
    }

    /// The key that was prepared beside the log's own, if any.
    ///
    /// # Errors
    /// When it, or the note on it, is none.
    pub(super) fn next_key(&self) -> Result<Option<NextKey>, StoreError> {
        let Some(path) = &self.file else {
            return Ok(None);
        };
        let place = beside(path, NEXT);
        let Some(key) = read_log_key(&place)? else {
            return Ok(None);
        };
        let note_place = beside(path, NEXT_NOTE);
        let octets = std::fs::read(&note_place).map_err(|source| StoreError::Open {
            path: note_place.clone(),
            source,
        })?;
        let note = Note::parse(&octets).map_err(|error| StoreError::Key {
            path: note_place,
            reason: error.to_string(),
        })?;
        let place = NextPlace(Some(path.clone()));
        Ok(Some(NextKey { key, note, place }))
    }

    /// As [`prepare_next_key`], by the word of the log's own key.
    pub(super) fn prepare_next(&self, at: UnixSeconds) -> Result<NextKey, StoreError> {
        prepare_next_key(self.file.as_deref(), self.key.name(), &self.key, at)
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
        let mut name = name_at(&own, at);
        for later in 1.. {
            if name != own && !is_ended(&name) {
                break;
            }
            name = name_at(&own, at.saturating_add(later));
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
        Ok(self.with_key(key))
    }
}

/// Behind the name of the log's key: the key that was prepared, and the word on it.
const NEXT: &str = ".next";
const NEXT_NOTE: &str = ".next.note";

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Makes the key of a log that follows the log `follows`, whose key is, or was, in the file `path`,
/// and has `signer` say so. The next start takes it.
///
/// # Errors
/// When one was prepared already, or it cannot be written.
pub fn prepare_next_key(
    path: Option<&Path>,
    follows: &str,
    signer: &SigningKey,
    at: UnixSeconds,
) -> Result<NextKey, StoreError> {
    let unusable = |reason: String| StoreError::Key {
        path: path.map(|path| beside(path, NEXT)).unwrap_or_default(),
        reason,
    };
    let name = name_at(follows, at);
    if name == follows {
        return Err(unusable("another key was made in this second".to_owned()));
    }
    let key = SigningKey::generate(&name).map_err(|error| unusable(error.to_string()))?;
    let said = LogKeyNote {
        follows: follows.to_owned(),
        key: key.public(),
    };
    let mut note = Note::new(&said.to_string()).map_err(|error| unusable(error.to_string()))?;
    note.sign(signer)
        .map_err(|error| unusable(error.to_string()))?;
    if let Some(path) = path {
        let place = beside(path, NEXT);
        if place.exists() {
            return Err(unusable(
                "a key was prepared already, and the next start takes it; delete it first to \
                 prepare another one"
                    .to_owned(),
            ));
        }
        // The note first: a key without one is of no use.
        write_private(&beside(path, NEXT_NOTE), note.to_string().as_bytes())?;
        write_private(&place, format!("{}\n", *key.to_text()).as_bytes())?;
        for place in [beside(path, NEXT_NOTE), place] {
            give_to_owner(path, &place).map_err(|source| StoreError::Open {
                path: place.clone(),
                source,
            })?;
        }
    }
    let place = NextPlace(path.map(Path::to_owned));
    Ok(NextKey { key, note, place })
}

impl NextPlace {
    /// Sets a key aside that follows no log that is here.
    pub(super) fn refuse(&self) -> Result<(), StoreError> {
        let Some(path) = &self.0 else {
            return Ok(());
        };
        let (place, aside) = (beside(path, NEXT), beside(path, ".next.refused"));
        tracing::error!(
            "{}: was prepared for another log than the one that is here, and is set aside as {}",
            place.display(),
            aside.display()
        );
        let note = beside(path, NEXT_NOTE);
        std::fs::rename(&place, &aside)
            .and_then(|()| std::fs::remove_file(note))
            .map_err(|source| StoreError::Open {
                path: place,
                source,
            })
    }

    /// The file of the key that is to follow.
    pub(super) fn file(&self) -> PathBuf {
        let own = self.0.as_deref();
        own.map(|path| beside(path, NEXT)).unwrap_or_default()
    }

    /// The key of `author` becomes the log's own; the one before is set aside.
    pub(super) fn settle(&self, author: &Author) -> Result<(), StoreError> {
        let Some(path) = &self.0 else {
            return Ok(());
        };
        let failed = |source| StoreError::Open {
            path: path.clone(),
            source,
        };
        if path.exists() {
            let aside = author.key.name().rsplit('/').next().unwrap_or_default();
            set_aside(path, aside)?;
        }
        std::fs::rename(beside(path, NEXT), path)
            .and_then(|()| sync_folder_of(path))
            .map_err(failed)?;
        // The log has the note by now.
        let _ = std::fs::remove_file(beside(path, NEXT_NOTE));
        Ok(())
    }
}

/// The name of the log that takes the place of `origin` at `at`: as in
/// `provider/resolver/20260301T140000Z`.
fn name_at(origin: &str, at: UnixSeconds) -> String {
    let base: Vec<&str> = origin.splitn(3, '/').take(2).collect();
    let time = Moment(at).to_string().replace(['-', ':'], "");
    format!("{}/{time}", base.join("/"))
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
    let Some(key) = read_log_key(path)? else {
        return make_key(path, name);
    };
    let follows = |rest: &str| rest.starts_with('/');
    if key
        .name()
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || follows(rest))
    {
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

fn make_key(path: &Path, name: &str) -> Result<SigningKey, StoreError> {
    let key = SigningKey::generate(name).map_err(|error| StoreError::Key {
        path: path.into(),
        reason: error.to_string(),
    })?;
    write_private(path, format!("{}\n", *key.to_text()).as_bytes())?;
    Ok(key)
}

/// Written beside and renamed, so that no half a key is ever found.
fn write_private(path: &Path, octets: &[u8]) -> Result<(), StoreError> {
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

fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = path.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
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
