//! A wall clock for one program, set by the test through libfaketime (Debian package `faketime`);
//! the monotonic clock stays real.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::tool;

/// A clock that runs at the usual pace, ahead of the machine's or behind it.
pub(crate) struct WallClock {
    folder: TempDir,
    ahead_s: i64,
}

impl WallClock {
    /// Right at first.
    pub(crate) fn new() -> Self {
        let clock = Self {
            folder: TempDir::new().expect("a folder"),
            ahead_s: 0,
        };
        clock.write();
        clock
    }

    /// Sets it forward; the program sees that at once.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.set(self.ahead_s + by.as_secs() as i64);
    }

    /// Sets it so many seconds ahead of the machine's, or behind.
    pub(crate) fn set(&mut self, ahead_s: i64) {
        self.ahead_s = ahead_s;
        self.write();
    }

    /// By how much it is ahead of the machine's, in seconds.
    pub(crate) const fn ahead_s(&self) -> i64 {
        self.ahead_s
    }

    /// What makes a program live by it.
    pub(super) fn environment(&self) -> [(&'static str, String); 4] {
        [
            (
                "LD_PRELOAD",
                tool::faketime_library()
                    .expect("a test with a clock asks for FAKETIME first")
                    .display()
                    .to_string(),
            ),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ahead")
    }

    /// By a rename, so that nobody reads half of it.
    fn write(&self) {
        let beside = self.folder.path().join("next");
        fs::write(&beside, format!("{:+}\n", self.ahead_s)).expect("a file");
        fs::rename(beside, self.file()).expect("a file");
    }
}
