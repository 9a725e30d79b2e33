//! What some tests need besides a Rust toolchain and a C compiler. Without it a test says what is
//! missing and is left out, unless `CI` promises that everything is there: then it fails.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::panic::Location;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use tempfile::TempDir;

/// A program, and the Debian package that has it.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    package: &'static str,
    /// What else is to be done, as the end of a sentence.
    besides: &'static str,
    is_there: fn(&Self) -> bool,
}

/// A program that only has to be on PATH.
const fn program(name: &'static str, package: &'static str) -> Tool {
    Tool {
        name,
        package,
        besides: "",
        is_there: is_on_path,
    }
}

pub(crate) const AGE: Tool = program("age", "age");
/// The system's certificate authorities, which this program gathers.
pub(crate) const AUTHORITIES: Tool = Tool {
    is_there: |_| fs::read("/etc/ssl/certs/ca-certificates.crt").is_ok_and(|file| !file.is_empty()),
    ..program("update-ca-certificates", "ca-certificates")
};
pub(crate) const DIG: Tool = program("dig", "dnsutils");
pub(crate) const DNSMASQ: Tool = program("dnsmasq", "dnsmasq-base");
pub(crate) const FAKETIME: Tool = Tool {
    is_there: |_| faketime_library().is_some(),
    ..program("faketime", "faketime")
};
pub(crate) const KDIG: Tool = program("kdig", "knot-dnsutils");
pub(crate) const KNOTD: Tool = program("knotd", "knot");
pub(crate) const MOUNT: Tool = Tool {
    besides: ", and be root, who may mount (CAP_SYS_ADMIN)",
    is_there: can_mount,
    ..program("mount", "mount")
};
pub(crate) const PROMETHEUS: Tool = program("prometheus", "prometheus");
pub(crate) const PYTHON: Tool = Tool {
    besides: ", for the python3 that is first on PATH",
    is_there: has_cryptography,
    ..program("python3", "python3-cryptography")
};
pub(crate) const STRACE: Tool = Tool {
    besides: ", and be allowed to trace (CAP_SYS_PTRACE)",
    is_there: can_trace,
    ..program("strace", "strace")
};
pub(crate) const STUBBY: Tool = program("stubby", "stubby");
pub(crate) const TMUX: Tool = program("tmux", "tmux");

/// The resolvers that long runs ask beside ours.
pub(crate) const KRESD: Tool = program("kresd", "knot-resolver");
pub(crate) const NAMED: Tool = program("named", "bind9");
pub(crate) const RECURSOR: Tool = program("pdns_recursor", "pdns-recursor");
pub(crate) const UNBOUND: Tool = program("unbound", "unbound");

/// Is the tool missing? Then the test has nothing to show: it says so past the capture of its
/// output, or fails where `CI` is set.
#[track_caller]
pub(crate) fn is_missing(tool: &Tool) -> bool {
    let (name, caller) = (tool.name, Location::caller());
    // Known for all tests together: to ask Python takes long.
    static FOUND: Mutex<BTreeMap<&str, Presence>> = Mutex::new(BTreeMap::new());
    let presence = *FOUND.lock().unwrap().entry(name).or_insert_with(|| {
        if (tool.is_there)(tool) {
            Presence::Present
        } else {
            Presence::Missing
        }
    });
    let lack = lack(tool, thread::current().name(), caller);
    match decide(env::var_os("CI").as_deref(), presence) {
        Decision::Run => false,
        Decision::LeaveOut => {
            say_once(lack);
            true
        }
        Decision::Fail => panic!("{lack}"),
    }
}

#[derive(Clone, Copy, Debug)]
enum Presence {
    Present,
    Missing,
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Run,
    LeaveOut,
    Fail,
}

/// What becomes of a test, by the value of `CI`, where empty and `false` mean that it is not set.
fn decide(ci: Option<&OsStr>, presence: Presence) -> Decision {
    let is_promised = ci.is_some_and(|ci| !ci.is_empty() && ci != "false");
    match presence {
        Presence::Present => Decision::Run,
        Presence::Missing if is_promised => Decision::Fail,
        Presence::Missing => Decision::LeaveOut,
    }
}

/// The thread of a test has the test's name, unless all of them share the main one.
fn lack(tool: &Tool, thread: Option<&str>, caller: &Location<'_>) -> String {
    let Tool {
        name,
        package,
        besides,
        ..
    } = tool;
    let (test, file, line) = (
        thread.filter(|name| *name != "main").unwrap_or("a test"),
        caller.file(),
        caller.line(),
    );
    format!(
        "{test} ({file}:{line}) needs {name}, which is missing: install Debian's \
         {package}{besides}"
    )
}

fn say_once(lack: String) {
    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut said = SAID.lock().unwrap();
    if !said.contains(&lack) {
        let _ = writeln!(io::stderr(), "left out: {lack}");
        said.push(lack);
    }
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

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Some machines let nobody trace.
fn can_trace(tool: &Tool) -> bool {
    succeeds(Command::new(tool.name).args(["-o", "/dev/null", "true"]))
}

fn has_cryptography(tool: &Tool) -> bool {
    succeeds(Command::new(tool.name).args(["-c", "import cryptography"]))
}

/// Nobody but root may, and in a container not even root.
fn can_mount(tool: &Tool) -> bool {
    let folder = TempDir::new().expect("a folder");
    let may = succeeds(
        Command::new(tool.name)
            .args(["-t", "tmpfs", "tmpfs"])
            .arg(folder.path()),
    );
    may && succeeds(Command::new("umount").arg(folder.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_fails_only_where_ci_promises_it() {
        use Decision::{Fail, LeaveOut, Run};
        for (ci, missing) in [
            (None, LeaveOut),
            (Some(""), LeaveOut),
            (Some("false"), LeaveOut),
            (Some("true"), Fail),
            (Some("1"), Fail),
        ] {
            let ci = ci.map(OsStr::new);
            assert_eq!(decide(ci, Presence::Missing), missing, "{ci:?}");
            assert_eq!(decide(ci, Presence::Present), Run, "{ci:?}");
        }
    }

    /// The tests run once more where PATH leads to nothing.
    #[test]
    fn a_test_without_its_tool_says_so_and_fails_in_ci() {
        let nothing = TempDir::new().expect("a folder");
        let run = |ci: &str| {
            Command::new(env::current_exe().expect("the tests"))
                .args(["--test-threads=2", "--exact"])
                .arg("field_tools::dig_sees_what_it_should")
                .env("PATH", nothing.path())
                .env("CI", ci)
                .output()
                .expect("the tests")
        };
        let said = "field_tools::dig_sees_what_it_should (tests/field_tools.rs:";
        let remedy = ") needs dig, which is missing: install Debian's dnsutils\n";
        for (ci, is_success) in [("", true), ("true", false)] {
            let output = run(ci);
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            assert!(
                text.contains(said) && text.contains(remedy),
                "CI={ci}: {text}"
            );
            assert_eq!(output.status.success(), is_success, "CI={ci}: {text}");
        }
    }

    /// A tool that a script forgets would fail only on the machine that lacks it.
    #[test]
    fn scripts_install_every_tool() {
        let all = [
            AGE,
            AUTHORITIES,
            DIG,
            DNSMASQ,
            FAKETIME,
            KDIG,
            KNOTD,
            MOUNT,
            PROMETHEUS,
            PYTHON,
            STRACE,
            STUBBY,
            TMUX,
            UNBOUND,
        ];
        for (script, tools) in [
            (".ci/run", &all[..]),
            (".ci/long", &all[..]),
            (".ci/long", &[KRESD, NAMED, RECURSOR]),
        ] {
            let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
            let text: String = [script, ".ci/steps"]
                .map(|file| fs::read_to_string(root.join(file)).expect("a script"))
                .concat();
            let words: Vec<&str> = text.split([' ', '\n', '"', '(', ')']).collect();
            for tool in tools {
                let entry = format!("{}:{}", tool.package, tool.name);
                assert!(
                    words.iter().any(|word| word.starts_with(&entry)),
                    "{script} does not install {entry}"
                );
            }
        }
    }
}
