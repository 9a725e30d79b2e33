//! Where the targets keep their files: in memory, where the system has such a place.

use std::path::{Path, PathBuf};

/// The folder of this process; whoever uses it makes it.
pub(crate) fn of_process() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() {
        memory.to_path_buf()
    } else {
        std::env::temp_dir()
    };
    base.join(format!("wardline-fuzz-{}", std::process::id()))
}
