//! Asks the running program over its control socket.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{ControlReply, Request};

/// The longest reply that is taken, in octets.
const REPLY_OCTETS_MAX: u64 = 16 * 1024 * 1024;
/// How long a reload or a lookup may take; everything else is quick.
const RELOAD_PATIENCE: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(10);
/// What is quick is there by then.
const QUICK: Duration = Duration::from_secs(1);

/// Why there is no reply.
#[derive(Debug)]
pub enum AskFault {
    /// Nobody listens at this socket.
    NotRunning(PathBuf),
    /// Somebody listens, and says nothing.
    Silent(PathBuf, Duration),
    /// The connection could not be used.
    Io(PathBuf, io::Error),
    /// What came back cannot be read.
    BadReply(PathBuf),
}

impl fmt::Display for AskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(path) => {
                write!(
                    f,
                    "{}: not running: start `wardline serve`, or name its configuration (--config \
                     FILE) or socket (--socket PATH)",
                    path.display()
                )
            }
            Self::Silent(path, patience) => write!(
                f,
                "{}: the program holds its socket and has said nothing for {} s: it is stopped \
                 (SIGSTOP), or the machine has no time for it; its log and `systemctl status` say \
                 more",
                path.display(),
                patience.as_secs()
            ),
            Self::Io(path, error) => write!(
                f,
                "{}: cannot be asked ({error}): the socket's owner may",
                path.display()
            ),
            Self::BadReply(path) => write!(
                f,
                "{}: the reply cannot be read: are program and command of one version?",
                path.display()
            ),
        }
    }
}

impl std::error::Error for AskFault {}

/// Send one request and wait for its reply. `slow` is called where a reply that should be quick has
/// not come after a second.
pub fn ask(
    socket: &Path,
    request: &Request,
    slow: impl FnOnce(),
) -> Result<ControlReply, AskFault> {
    let patience = patience(request);
    let fault = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            AskFault::NotRunning(socket.to_path_buf())
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            AskFault::Silent(socket.to_path_buf(), patience)
        }
        _ => AskFault::Io(socket.to_path_buf(), error),
    };
    let mut stream = UnixStream::connect(socket).map_err(fault)?;
    let first = if patience == PATIENCE {
        QUICK
    } else {
        patience
    };
    stream.set_read_timeout(Some(first)).map_err(fault)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(fault)?;
    let mut line = serde_json::to_vec(request).map_err(|error| fault(error.into()))?;
    line.push(b'\n');
    // A program that is busy answers without reading and closes: its reply is read all the same.
    let sent = stream.write_all(&line);
    let mut reply = Vec::new();
    let mut reader = BufReader::new((&stream).take(REPLY_OCTETS_MAX));
    let mut read = reader.read_until(b'\n', &mut reply);
    let is_slow = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
    if first < patience && read.as_ref().is_err_and(is_slow) {
        slow();
        let rest = patience.saturating_sub(first);
        stream.set_read_timeout(Some(rest)).map_err(fault)?;
        read = reader.read_until(b'\n', &mut reply);
    }
    if reply.is_empty() {
        sent.and(read).map_err(fault)?;
    }
    serde_json::from_slice(&reply).map_err(|_| AskFault::BadReply(socket.to_path_buf()))
}

const fn patience(request: &Request) -> Duration {
    match request {
        Request::Reload { .. }
        | Request::Override { .. }
        | Request::Rollback { .. }
        | Request::Change { .. }
        | Request::Lookup(_) => RELOAD_PATIENCE,
        _ => PATIENCE,
    }
}
