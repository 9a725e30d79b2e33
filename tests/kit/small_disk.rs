//! A disk that a test can fill: a file system in memory, mounted where a program keeps its state.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use super::tool::MOUNT;

/// A file system of one mebibyte, for as long as it lives.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(crate) fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).expect("a folder");
        let mounted = Command::new(MOUNT.name)
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(at)
            .status()
            .expect("mount");
        assert!(mounted.success(), "{}", at.display());
        Self(at.into())
    }

    /// Leaves no octet free.
    pub(crate) fn fill(&self) {
        let full = fs::write(self.ballast(), vec![0; 1 << 20]).expect_err("no room");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }

    /// Has room again.
    pub(crate) fn clear(&self) {
        fs::remove_file(self.ballast()).expect("the ballast");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
