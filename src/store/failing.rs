//! Where a test has the disk fail, or looks at what lies on it, between two steps of a writing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

type DiskStep = Box<dyn FnMut() -> io::Result<()> + Send>;

/// What is done before each step, by the folder below which it is.
static WATCHED: Mutex<Vec<(PathBuf, DiskStep)>> = Mutex::new(Vec::new());

fn watched() -> MutexGuard<'static, Vec<(PathBuf, DiskStep)>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has `step` called before each step of a writing below a folder; where it fails, so does the
/// writing.
pub(crate) fn watch(below: &Path, step: impl FnMut() -> io::Result<()> + Send + 'static) {
    unwatch(below);
    watched().push((below.to_path_buf(), Box::new(step)));
}

pub(crate) fn unwatch(below: &Path) {
    watched().retain(|(folder, _)| folder != below);
}

/// A step of a writing in this folder is about to be done.
pub(crate) fn reach(folder: &Path) -> io::Result<()> {
    let mut watched = watched();
    let mut steps = watched
        .iter_mut()
        .filter(|(below, _)| folder.starts_with(below));
    steps.try_for_each(|(_, step)| step())
}

/// As [`reach`], after a step that cannot fail any more.
pub(crate) fn look(folder: &Path) {
    let _ = reach(folder);
}
