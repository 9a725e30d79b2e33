//! Databases that cannot be read, or that a newer version wrote, are set aside. Counting goes on in
//! a new file and a new log that says so; so it does where the file was deleted.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use super::StoreError;
use super::arrival::StateArrival;
use super::schema::counts_file;
use super::whole::{beside, free_name, make_private_folder, sync_folder_of};
use crate::clock::wall_s;

impl StoreError {
    /// Will the file of the counts never be of use again?
    pub(super) fn is_final(&self) -> bool {
        self.unusable().is_some()
    }

    /// Why the file of the counts is of no use any more, if it is not.
    pub(super) fn unusable(&self) -> Option<(&'static str, StateArrival)> {
        let source = match self {
            Self::Newer { .. } => return Some(("newer", StateArrival::Newer)),
            Self::Gone { .. } => return Some(("damaged", StateArrival::Damaged)),
            Self::Sqlite { source, .. } => source,
            _ => return None,
        };
        let code = source.sqlite_error_code();
        matches!(
            code,
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
        )
        .then_some(("damaged", StateArrival::Damaged))
    }
}

/// Where `error` says that the counts are damaged, gone, or of a newer form, set their files aside
/// for whoever can still read them, and note it for the log that begins anew.
///
/// # Errors
/// The same error where it says something else, or where the files cannot be moved.
pub fn set_unusable_aside(folder: &Path, error: StoreError) -> Result<(), StoreError> {
    let Some((word, arrival)) = error.unusable() else {
        return Err(error);
    };
    // First of all: a log that begins anew must not be taken for the one before.
    let noted = make_private_folder(folder).and_then(|()| arrival.write(folder));
    let aside = noted.and_then(|()| set_aside(&counts_file(folder), word));
    let Ok(aside) = aside else {
        return Err(error);
    };
    tracing::error!("{error}. Counting goes on in a new file and a new log{aside}");
    Ok(())
}

/// Sets the files of a database aside, with this word in their name; says where, if there were any.
pub(super) fn set_aside(file: &Path, word: &str) -> io::Result<String> {
    let aside = free_name(&beside(file, &format!(".{word}")), wall_s());
    let mut said = String::new();
    for end in ["-shm", "-wal", ""] {
        match fs::rename(beside(file, end), beside(&aside, end)) {
            Ok(()) => said = format!("; what was there is set aside as {}", aside.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    sync_folder_of(file)?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::store::schema::open_to_write;
    use crate::store::{Reader, copy_database};

    /// A path is octets, which need not be text.
    #[test]
    fn folders_whose_names_are_no_text_are_copied_and_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join(OsStr::from_bytes(b"state-\xff"));
        make_private_folder(&state).unwrap();
        drop(open_to_write(&state).unwrap());
        let copy = state.join(OsStr::from_bytes(b"copy-\xfe"));
        fs::write(&copy, "").unwrap();
        copy_database(&counts_file(&state), &copy, &mut |_| {}).unwrap();
        assert!(fs::metadata(&copy).unwrap().len() > 0);
        fs::write(counts_file(&state), "garbage".repeat(999)).unwrap();
        let error = Reader::open(&state).unwrap_err();
        set_unusable_aside(&state, error).unwrap();
        let names = fs::read_dir(&state).unwrap().flatten();
        let names: Vec<_> = names.map(|entry| entry.file_name()).collect();
        let begin = &b"counts.sqlite.damaged-"[..];
        let is_aside = names.iter().any(|name| name.as_bytes().starts_with(begin));
        assert!(is_aside, "{names:?}");
        assert!(!counts_file(&state).exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
