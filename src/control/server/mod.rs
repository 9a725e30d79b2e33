//! Holds the control socket: for its owner alone, few connections at once, short requests, and no
//! patience with slow ones.

use std::fmt;
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::warn;

use super::answer::ServerParts;
use super::protocol::{ControlReply, Request, Status};
use super::underway::Underway;
use crate::clock::monotonic;

/// Connections at once; one more is told so and closed.
const CONNECTIONS_MAX: usize = 16;
/// The longest request, in octets: a removal with all the names it may have.
const REQUEST_OCTETS_MAX: usize = 512 * 1024;
/// How long a request may take to arrive, and a reply to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before accepting again where the system refuses (no file descriptors left).
const PAUSE: Duration = Duration::from_millis(100);

/// The socket, ours alone as long as this value lives.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Locked; a crash unlocks it, so that what a dead process left behind never stops a new one.
    _lock: File,
}

/// Why there is no control socket.
#[derive(Debug)]
pub enum BindRefusal {
    /// Another process holds it.
    AlreadyRunning(PathBuf),
    /// Something that is no socket stands in its place.
    Occupied(PathBuf),
    /// The system refused.
    Io(PathBuf, io::Error),
}

impl fmt::Display for BindRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRunning(path) => {
                write!(
                    f,
                    "{}: already running: stop the other one, or give this one its own `state` \
                     folder",
                    path.display()
                )
            }
            Self::Occupied(path) => write!(
                f,
                "{}: is not a socket: move it away, or choose another [control] socket",
                path.display()
            ),
            Self::Io(path, error) => {
                write!(
                    f,
                    "{}: cannot be made ({error}): check the folder, or choose another [control] \
                     socket",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for BindRefusal {}

impl Socket {
    /// Take the socket at `path`; one that a dead process left there is replaced.
    pub fn bind(path: &Path) -> Result<Self, BindRefusal> {
        let io = |error| BindRefusal::Io(path.to_path_buf(), error);
        let lock = File::options()
            .create(true)
            .append(true)
            .open(path.with_added_extension("lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BindRefusal::AlreadyRunning(path.to_path_buf()));
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        if is_something_else(path) {
            return Err(BindRefusal::Occupied(path.to_path_buf()));
        }
        // Made under another name, so that nobody can connect before the mode is set; the rename
        // replaces a dead socket.
        let unready = path.with_added_extension("new");
        let _ = fs::remove_file(&unready);
        let listener = UnixListener::bind(&unready).map_err(io)?;
        fs::set_permissions(&unready, Permissions::from_mode(0o600)).map_err(io)?;
        fs::rename(&unready, path).map_err(io)?;
        Ok(Self {
            listener,
            path: path.to_path_buf(),
            _lock: lock,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn is_something_else(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.symlink_metadata()
        .is_ok_and(|metadata| !metadata.file_type().is_socket())
}

/// What requests are answered from.
enum Served {
    /// Nothing is there yet but the socket.
    Starting(Starting),
    Parts(Box<ServerParts>),
}

/// A program that reads its lists, or what else a start takes.
struct Starting {
    underway: Underway,
    started: Instant,
}

impl Starting {
    fn answer(&self, request: &Request) -> ControlReply {
        match request {
            Request::Status => ControlReply::Status(Box::new(Status {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                uptime_s: monotonic().duration_since(self.started).as_secs(),
                underway: self.underway.show(),
                ..Status::default()
            })),
            _ => ControlReply::Failed {
                message: format!("the program starts{}: try again", told(&self.underway)),
            },
        }
    }
}

/// What is under way, for a message; nothing where nothing is.
fn told(underway: &Underway) -> String {
    let works = underway.show().into_iter();
    let works: Vec<_> = works
        .map(|work| format!("{}, for {} s", work.what, work.for_s))
        .collect();
    if works.is_empty() {
        String::new()
    } else {
        format!(" ({})", works.join("; "))
    }
}

/// Answers requests until it is dropped.
pub struct ControlServer {
    path: PathBuf,
    served: Arc<ArcSwap<Served>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ControlServer {
    /// Answer requests on threads of its own: of a program that has just been `started`, for now
    /// only what takes its time.
    pub fn start(socket: Socket, underway: Underway, started: Instant) -> io::Result<Self> {
        let (path, is_over) = (socket.path.clone(), Arc::new(AtomicBool::new(false)));
        let starting = Starting {
            underway: underway.clone(),
            started,
        };
        let served = Arc::new(ArcSwap::from_pointee(Served::Starting(starting)));
        let (shared, over) = (Arc::clone(&served), Arc::clone(&is_over));
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || accept(&socket, &shared, &underway, &over))?;
        Ok(Self {
            path,
            served,
            is_over,
            thread: Some(thread),
        })
    }

    /// Answer from these parts from now on.
    pub fn replace(&self, parts: ServerParts) {
        self.served.store(Arc::new(Served::Parts(Box::new(parts))));
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
        // A connection wakes the thread; where there can be none, it is left to end with the
        // process.
        if UnixStream::connect(&self.path).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn accept(socket: &Socket, served: &ArcSwap<Served>, underway: &Underway, is_over: &AtomicBool) {
    let seats = Arc::new(());
    loop {
        let accepted = socket.listener.accept();
        if is_over.load(Relaxed) {
            return;
        }
        let Ok((stream, _)) = accepted else {
            std::thread::sleep(PAUSE);
            continue;
        };
        if Arc::strong_count(&seats) > CONNECTIONS_MAX {
            let busy = ControlReply::Failed {
                message: format!(
                    "{CONNECTIONS_MAX} requests are under way already{}: try again",
                    told(underway)
                ),
            };
            let _ = stream
                .set_nonblocking(true)
                .and_then(|()| send(&stream, &busy));
            continue;
        }
        let (served, seat) = (served.load_full(), Arc::clone(&seats));
        let spawned = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || {
                let _seat = seat;
                // The other side is gone or too slow: there is nobody to tell.
                let _ = converse(&stream, &served);
            });
        if let Err(error) = spawned {
            warn!("no thread for a control request ({error})");
        }
    }
}

/// One request, one reply.
fn converse(stream: &UnixStream, served: &Served) -> io::Result<()> {
    let line = receive(stream)?;
    let reply = match serde_json::from_slice::<Request>(&line) {
        Ok(request) => match served {
            Served::Starting(starting) => starting.answer(&request),
            Served::Parts(parts) => parts.answer(&request),
        },
        Err(error) => ControlReply::Failed {
            message: format!("not a request: {error}: are program and command of one version?"),
        },
    };
    stream.set_write_timeout(Some(PATIENCE))?;
    send(stream, &reply)
}

/// The first line, however it is cut in pieces.
fn receive(mut stream: &UnixStream) -> io::Result<Vec<u8>> {
    let deadline = monotonic() + PATIENCE;
    let (mut line, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        let rest = deadline.saturating_duration_since(monotonic());
        if rest.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(rest))?;
        let count = stream.read(&mut piece)?;
        let piece = piece.get(..count).unwrap_or_default();
        if let Some(end) = memchr::memchr(b'\n', piece) {
            line.extend_from_slice(piece.get(..end).unwrap_or_default());
            return Ok(line);
        }
        if piece.is_empty() || line.len() + piece.len() > REQUEST_OCTETS_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        line.extend_from_slice(piece);
    }
}

fn send(mut stream: &UnixStream, reply: &ControlReply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    stream.write_all(&line)
}

#[cfg(test)]
mod tests;
