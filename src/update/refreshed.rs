//! A small file that is read again whenever it has changed, so that a key may come, or be replaced,
//! while the program runs.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use zeroize::Zeroizing;

use super::refusal::place_of;
use super::text::Stamp;

/// The longest such file, in octets.
const OCTETS_MAX: u64 = 1 << 20;

/// What a file's octets mean, or what is wrong with them.
type Meaning<T> = dyn Fn(&[u8]) -> Result<T, String> + Send + Sync;

/// A file, and what it meant when it was last read.
pub(super) struct RefreshedFile<T> {
    path: PathBuf,
    read: Box<Meaning<T>>,
    last: ArcSwapOption<(Stamp, Arc<T>)>,
}

impl<T> RefreshedFile<T> {
    /// The file at `path`, which need not be there yet.
    pub(super) fn new(
        path: PathBuf,
        read: impl Fn(&[u8]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            path,
            read: Box::new(read),
            last: ArcSwapOption::empty(),
        }
    }

    /// What it means now.
    ///
    /// # Errors
    /// What is wrong with it, and what to do, behind its name.
    pub(super) fn value(&self) -> Result<Arc<T>, String> {
        let refuse = |reason: String| format!("{}: {reason}", place_of(&self.path));
        let stamp = self.stamp();
        let last = self.last.load_full();
        if let (Some(stamp), Some(last)) = (stamp, last)
            && stamp == last.0
        {
            return Ok(Arc::clone(&last.1));
        }
        if stamp.is_some_and(|stamp| stamp.octets() > OCTETS_MAX) {
            return Err(refuse("is far too long: name another file".to_owned()));
        }
        let octets = std::fs::read(&self.path).map(Zeroizing::new);
        let octets = octets.map_err(|error| {
            refuse(format!(
                "cannot be read ({error}): put it there, or check its owner and mode"
            ))
        })?;
        let value = Arc::new((self.read)(&octets).map_err(refuse)?);
        if let Some(stamp) = stamp {
            self.last.store(Some(Arc::new((stamp, Arc::clone(&value)))));
        }
        Ok(value)
    }

    /// What it looks like; nothing where it is not there.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        Stamp::of(&self.path).ok()
    }
}

impl<T> fmt::Debug for RefreshedFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&place_of(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_changed_is_read_again_and_what_is_gone_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let text = |octets: &[u8]| match octets {
            b"" => Err("is empty: write a word".to_owned()),
            octets => Ok(String::from_utf8_lossy(octets).into_owned()),
        };
        let file = RefreshedFile::new(path.clone(), text);
        let said = file.value().unwrap_err();
        assert!(said.contains("secret: cannot be read"), "{said}");
        fs::write(&path, "one").unwrap();
        assert_eq!(*file.value().unwrap(), "one");
        fs::write(folder.path().join("new"), "two").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(*file.value().unwrap(), "two");
        fs::write(&path, "").unwrap();
        assert!(
            file.value()
                .unwrap_err()
                .ends_with("secret: is empty: write a word")
        );
        fs::remove_file(&path).unwrap();
        assert!(file.value().is_err(), "what was taken away is not used on");
    }
}
