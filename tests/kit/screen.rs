//! A terminal of a given size, as tmux has it: what is typed, and what stands on it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::until;

const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal with a shell in it; it goes when dropped.
pub(crate) struct Screen {
    folder: TempDir,
}

impl Screen {
    pub(crate) fn open(columns: usize, rows: usize) -> Self {
        let screen = Self {
            folder: TempDir::new().expect("a folder"),
        };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let size = ["-x", &columns, "-y", &rows];
        let shell = ["env", "PS1=prompt> ", "TERM=screen", "sh"];
        screen.tmux(&[&["new-session", "-d"], &size[..], &shell].concat());
        screen.wait_for("prompt>");
        screen
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("tmux")
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.socket());
        // Without the status line, which would take a row, and without anybody's own settings.
        let output = command
            .args(["-f", "/dev/null"])
            .args(arguments)
            .env_remove("TMUX")
            .output()
            .expect("tmux");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a line, or a key by its name in tmux, such as `C-c`.
    pub(crate) fn enter(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    pub(crate) fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    pub(crate) fn resize(&self, columns: usize, rows: usize) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// What stands on it now, row by row.
    pub(crate) fn rows(&self) -> Vec<String> {
        let shown = self.tmux(&["capture-pane", "-p"]);
        shown.lines().map(str::to_owned).collect()
    }

    /// The same with the control sequences of colours.
    pub(crate) fn coloured(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// A property of it, in tmux's words, such as `cursor_flag`.
    pub(crate) fn property(&self, name: &str) -> String {
        let format = format!("#{{{name}}}");
        let told = self.tmux(&["display-message", "-p", &format]);
        told.trim().to_owned()
    }

    /// Waits until these words stand on it.
    pub(crate) fn wait_for(&self, words: &str) -> Vec<String> {
        until(words, PATIENCE, || {
            let rows = self.rows();
            rows.iter().any(|row| row.contains(words)).then_some(rows)
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        let command = command.arg("-S").arg(self.socket());
        let _ = command.arg("kill-server").env_remove("TMUX").output();
    }
}
