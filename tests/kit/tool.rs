//! The programs from Debian that some tests ask: a test without its program says so and is left
//! out, unless `CI` promises them all.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

/// A program, and the Debian package that has it.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    package: &'static str,
    is_there: fn(&Self) -> bool,
}

pub(crate) const AGE: Tool = Tool {
    name: "age",
    package: "age",
    is_there: is_on_path,
};
pub(crate) const DIG: Tool = Tool {
    name: "dig",
    package: "dnsutils",
    is_there: is_on_path,
};
pub(crate) const FAKETIME: Tool = Tool {
    name: "libfaketime",
    package: "faketime",
    is_there: |_| faketime_library().is_some(),
};
pub(crate) const KDIG: Tool = Tool {
    name: "kdig",
    package: "knot-dnsutils",
    is_there: is_on_path,
};
pub(crate) const KNOTD: Tool = Tool {
    name: "knotd",
    package: "knot",
    is_there: is_on_path,
};
pub(crate) const PYTHON: Tool = Tool {
    name: "python3",
    package: "python3-cryptography",
    is_there: has_cryptography,
};
pub(crate) const STRACE: Tool = Tool {
    name: "strace",
    package: "strace",
    is_there: can_trace,
};

/// The tools whose absence was told.
static SAID: Mutex<Vec<&str>> = Mutex::new(Vec::new());

/// Is the tool missing? Then the test has nothing to show, and says so past the capture of its
/// output.
pub(crate) fn is_missing(tool: &Tool) -> bool {
    if (tool.is_there)(tool) {
        return false;
    }
    let Tool { name, package, .. } = tool;
    assert!(
        env::var_os("CI").is_none(),
        "{name} is missing: install Debian's {package}"
    );
    let mut said = SAID.lock().unwrap();
    if !said.contains(name) {
        said.push(name);
        let _ = writeln!(
            io::stderr(),
            "left out: what needs {name}, which is not installed (Debian's {package})"
        );
    }
    true
}

/// Where Debian keeps libfaketime: in the folder of the machine's architecture.
pub(crate) fn faketime_library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists())
}

fn is_on_path(tool: &Tool) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(tool.name).is_file()))
}

/// Some machines let nobody trace.
fn can_trace(tool: &Tool) -> bool {
    Command::new(tool.name)
        .args(["-o", "/dev/null", "true"])
        .output()
        .is_ok_and(|output| output.status.success())
}

fn has_cryptography(tool: &Tool) -> bool {
    Command::new(tool.name)
        .args(["-c", "import cryptography"])
        .output()
        .is_ok_and(|output| output.status.success())
}
