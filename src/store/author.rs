//! Who signs a state folder's audit log: the provider's resolver, with a key made at the first
//! start.

use std::path::{Path, PathBuf};

use crate::clock::UnixSeconds;
use crate::record::{LogKeyNote, Moment};
use crate::seal::{Note, SigningKey, VerifyKey};

use super::StoreError;
use super::key_file::{make_key, read_log_key, read_or_make_key, write_private};
use super::whole::{beside, give_to_owner, sync_folder_of};

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
    /// The key was made just now, and has signed nothing.
    is_made: bool,
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
            is_made: false,
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
    pub(super) fn prepare_next(
        &self,
        taken: &[String],
        at: UnixSeconds,
    ) -> Result<NextKey, StoreError> {
        prepare_next_key(self.file.as_deref(), self.key.name(), &self.key, taken, at)
    }

    /// The author who signs with the key in `path` (see [`read_or_make_key`]).
    ///
    /// # Errors
    /// When the file cannot be read or made, is no key, or holds one under another name.
    pub fn open(path: &Path, name: &str, configuration: &str) -> Result<Self, StoreError> {
        // Where the log's own key is lost, the one that is to follow is the only one.
        let is_there = path.exists();
        let next = beside(path, NEXT);
        let place = if is_there || !next.exists() {
            path
        } else {
            &next
        };
        let author = Self::new(read_or_make_key(place, name)?, configuration);
        Ok(Self {
            file: Some(path.into()),
            is_made: !is_there && place == path,
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
        let name = free_name(&own, at, ended);
        let key = match &self.file {
            Some(path) => {
                if !self.is_made {
                    set_aside(path, time_of(&name))?;
                }
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

/// Makes the key of a log that follows the log `follows`, whose key is, or was, in the file `path`,
/// and has `signer` say so. The next start takes it. No log is called as one of those in `taken`.
///
/// # Errors
/// When one was prepared already, or it cannot be written.
pub fn prepare_next_key(
    path: Option<&Path>,
    follows: &str,
    signer: &SigningKey,
    taken: &[String],
    at: UnixSeconds,
) -> Result<NextKey, StoreError> {
    let unusable = |reason: String| StoreError::Key {
        path: path.map(|path| beside(path, NEXT)).unwrap_or_default(),
        reason,
    };
    let name = free_name(follows, at, taken);
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
            .and_then(|()| sync_folder_of(&aside))
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

    /// The key of `author` becomes the log's own. Where that cannot be, it signs from where it
    /// lies, and each start tries again.
    pub(super) fn settle_or_say(&self, author: &Author) {
        if let Err(error) = self.settle(author) {
            tracing::error!(
                "the key of the audit log stays in {}, and must not be deleted there: {error}; \
                 give the folder to whoever the program runs as, and restart it",
                self.file().display()
            );
        }
    }

    /// The key of `author` becomes the log's own; the one before is set aside.
    fn settle(&self, author: &Author) -> Result<(), StoreError> {
        let Some(path) = &self.0 else {
            return Ok(());
        };
        let failed = |source| StoreError::Open {
            path: path.clone(),
            source,
        };
        if path.exists() {
            set_aside(path, time_of(author.key.name()))?;
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

/// The name of the log that takes the place of `origin` at `at`, or as soon after that as no other
/// log has it.
fn free_name(origin: &str, at: UnixSeconds, taken: &[String]) -> String {
    let is_free = |name: &String| name != origin && !taken.contains(name);
    let names = (at..).map(|at| name_at(origin, at));
    names.into_iter().find(is_free).unwrap_or_default()
}

/// The time in the name of a log that follows another one.
fn time_of(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// Keeps a key that signs no more under another name in the same folder.
fn set_aside(path: &Path, since: &str) -> Result<(), StoreError> {
    let aside = beside(path, &format!(".until-{since}"));
    // A start before this one came so far.
    let is_same = |there: Vec<u8>| std::fs::read(path).is_ok_and(|own| own == there);
    if std::fs::read(&aside).is_ok_and(is_same) {
        return Ok(());
    }
    let failed = |source| StoreError::Open {
        path: aside.clone(),
        source,
    };
    match std::fs::hard_link(path, &aside) {
        Ok(()) => sync_folder_of(&aside).map_err(failed),
        // Not every file system knows links.
        Err(_) => {
            let key = std::fs::read(path).map(zeroize::Zeroizing::new);
            write_private(&aside, &key.map_err(failed)?)
        }
    }
}

/// The name of a log and of its key: `provider/resolver`.
pub fn origin(provider: &str, resolver: &str) -> String {
    format!("{provider}/{resolver}")
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
        Author::open(&path, &name, "00").unwrap();
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
