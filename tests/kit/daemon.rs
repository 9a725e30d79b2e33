//! Debian's daemons, each with a folder of its own.

use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::ask::{Client, Question, Response};
use super::tool::Tool;
use super::until;

const PATIENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(500);

/// One that runs; it ends when dropped.
pub(super) struct Daemon {
    child: Child,
    _folder: TempDir,
}

impl Daemon {
    /// Starts it in its folder, where its log is.
    pub(super) fn start(
        tool: &Tool,
        folder: TempDir,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Self {
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(tool.name)
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the program");
        Self {
            child,
            _folder: folder,
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a resolver answers as one that is ready.
pub(super) fn wait_for(at: SocketAddr, name: &str, is_ready: impl Fn(&Response) -> bool) {
    let client = Client::udp(at).patience(SOON);
    until(&format!("{at} answers"), PATIENCE, || {
        let response = client.try_ask(&Question::new(name, "SOA"))?;
        is_ready(&response).then_some(())
    });
}

/// On 127.0.0.1, since BIND listens only on addresses that an interface has.
pub(super) fn free_address() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
        let address = udp.local_addr().expect("an address");
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A trust anchor as BIND's configuration has it.
pub(super) fn bind_anchor(anchor: &str) -> String {
    let fields: Vec<&str> = anchor.split_whitespace().collect();
    let [.., flags, protocol, algorithm, key] = fields.as_slice() else {
        panic!("no key in {anchor}")
    };
    format!(r#"trust-anchors {{ "." static-key {flags} {protocol} {algorithm} "{key}"; }};"#)
}
