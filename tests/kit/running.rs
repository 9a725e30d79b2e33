//! The real program as it runs: signals, other commands, what it said and what it left behind.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use toml::{Table, Value};

use super::ask::Client;
use super::program::list_file;

const BINARY: &str = env!("CARGO_BIN_EXE_wardline");
const PATIENCE: Duration = Duration::from_secs(20);
const PORT_PATIENCE: Duration = Duration::from_secs(3);
/// As many descriptors as a program of a test can need.
const DESCRIPTORS: u64 = 1000;

/// A program that runs, or ran.
pub(crate) struct Running {
    folder: TempDir,
    config: Table,
    environment: Vec<(&'static str, String)>,
    home: Ipv4Addr,
    address: SocketAddr,
    tls_address: SocketAddr,
    metrics_address: SocketAddr,
    child: Option<(Child, Receiver<String>)>,
    stdout: Output,
    stderr: Output,
}

type Output = Arc<Mutex<String>>;

impl Running {
    /// With everything on disk that a start needs.
    pub(super) fn prepare(
        folder: TempDir,
        config: Table,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut running = Self {
            folder,
            config,
            environment,
            home: Ipv4Addr::LOCALHOST,
            address: nowhere,
            tls_address: nowhere,
            metrics_address: nowhere,
            child: None,
            stdout: Output::default(),
            stderr: Output::default(),
        };
        running.choose_ports();
        running
    }

    /// Listens on another loopback address: there nobody else takes its port while it starts anew.
    pub(crate) fn at(mut self, home: Ipv4Addr) -> Self {
        self.home = home;
        self.choose_ports();
        self
    }

    /// Where it listens for UDP and TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for TLS, if it was told to.
    pub(crate) fn tls_address(&self) -> SocketAddr {
        self.tls_address
    }

    /// Where its metrics are, if it was told to show them.
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.metrics_address
    }

    /// A client at each door it has.
    pub(crate) fn doors(&self) -> Vec<Client> {
        let mut doors = vec![Client::udp(self.address), Client::tcp(self.address)];
        if self.config.contains_key("tls") {
            doors.push(Client::tls(self.tls_address));
        }
        doors
    }

    /// Its folder: configuration, `lists/`, `state/`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder().join("wardline.toml")
    }

    pub(crate) fn list_file(&self, id: &str) -> PathBuf {
        list_file(self.folder(), id)
    }

    /// Replaces a list file with one rename, as careful editors do.
    pub(crate) fn replace_list(&self, id: &str, entries: &str) {
        let file = self.list_file(id);
        let beside = file.with_extension("new");
        fs::write(&beside, entries).expect("a list file");
        fs::rename(beside, file).expect("a list file");
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running program").0.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        // A program that has ended, and was not waited for, is a zombie.
        status.is_ok_and(|status| !status.contains(") Z "))
    }

    /// Its memory in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("VmRSS");
        line.trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number")
    }

    /// The processor time that all its threads took so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("its threads");
        let of_thread = |folder: PathBuf| {
            // A thread may end while we look.
            let text = fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
            text.split(' ')
                .next()
                .and_then(|ns| ns.parse().ok())
                .unwrap_or(0)
        };
        Duration::from_nanos(threads.flatten().map(|entry| of_thread(entry.path())).sum())
    }

    /// Sends a signal: `libc::SIGTERM`, `SIGHUP`, `SIGKILL` …
    #[allow(unsafe_code, reason = "std sends no signal but SIGKILL")]
    pub(crate) fn kill(&self, signal: i32) {
        // SAFETY: kill(2) takes two integers, and the child is not reaped before we wait for it.
        let sent = unsafe { libc::kill(self.pid().cast_signed(), signal) };
        assert_eq!(sent, 0, "signal {signal}");
    }

    /// Lets its files grow no further than this; `None` lifts the limit.
    pub(crate) fn limit_files(&self, octets: Option<u64>) {
        self.limit(libc::RLIMIT_FSIZE, octets);
    }

    /// Lets it open no file and no socket any more, or as many as it likes; those that it has stay.
    pub(crate) fn limit_descriptors(&self, count: Option<u64>) {
        self.limit(libc::RLIMIT_NOFILE, count.or(Some(DESCRIPTORS)));
    }

    #[allow(unsafe_code, reason = "std sets no limits")]
    fn limit(&self, what: libc::__rlimit_resource_t, most: Option<u64>) {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        let pid = self.pid().cast_signed();
        // SAFETY: prlimit(2) writes one `rlimit`, which lives until it returns, and reads none.
        let read = unsafe { libc::prlimit(pid, what, std::ptr::null(), &raw mut limit) };
        assert_eq!(read, 0, "{}", std::io::Error::last_os_error());
        limit.rlim_cur = most.unwrap_or(libc::RLIM_INFINITY);
        // SAFETY: prlimit(2) reads one `rlimit`, which lives until it returns, and writes to none.
        let set = unsafe { libc::prlimit(pid, what, &raw const limit, std::ptr::null_mut()) };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }

    /// Its metrics page.
    pub(crate) fn metrics_page(&self) -> String {
        self.fetch("/metrics")
    }

    /// What its metrics door says about this path: the status and the body.
    pub(crate) fn ask_metrics_door(&self, path: &str) -> (u16, String) {
        let reply = self.fetch(path);
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    fn fetch(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.metrics_address()).expect("the metrics");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("a page");
        page
    }

    /// A figure of its metrics page, once it is there.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        self.metrics_page()
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Waits for its end; gives the exit code, or 128 and the signal's number as shells do.
    pub(crate) fn wait_exit(&mut self) -> i32 {
        let (mut child, lines) = self.child.take().expect("a running program");
        let deadline = Instant::now() + PATIENCE;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = child.kill();
                    panic!("the program did not end:\n{}", self.said());
                }
            }
        }
        let status = child.wait().expect("an exit status");
        status
            .code()
            .unwrap_or_else(|| 128 + status.signal().expect("a signal"))
    }

    /// Starts it again on the same ports with the same folder, after ending it with SIGTERM if it
    /// still runs.
    pub(crate) fn restart(&mut self) {
        if self.child.is_some() {
            self.kill(libc::SIGTERM);
            self.wait_exit();
        }
        // Somebody's outgoing socket may have taken a port meanwhile; those are short-lived.
        let deadline = Instant::now() + PORT_PATIENCE;
        while let Err(said) = self.launch() {
            assert!(
                said.contains("in use") && Instant::now() < deadline,
                "the program did not get ready again:\n{said}"
            );
        }
    }

    /// Runs another command of the program on the same configuration; gives exit code, stdout and
    /// stderr.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let (stdout, stderr) = (Output::default(), Output::default());
        let (sender, lines) = channel();
        collect(
            child.stdout.take().expect("a pipe"),
            &stdout,
            sender.clone(),
        );
        collect(child.stderr.take().expect("a pipe"), &stderr, sender);
        let deadline = Instant::now() + PATIENCE;
        while lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .is_ok()
        {}
        if Instant::now() >= deadline {
            let _ = child.kill();
            panic!("{arguments:?} did not end");
        }
        let code = child.wait().expect("an exit status").code().unwrap_or(-1);
        (code, read(&stdout), read(&stderr))
    }

    /// What another command prints as JSON; it must not fail.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let (code, stdout, stderr) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {stderr}");
        serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}\n{stdout}"))
    }

    /// The exact counts as JSON.
    pub(crate) fn report(&self) -> serde_json::Value {
        self.json(&["report", "--exact", "--format", "json"])
    }

    /// Its control socket.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.folder().join("state/control.sock")
    }

    /// All it wrote to stdout, restarts included.
    pub(crate) fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// All it wrote to stderr, restarts included.
    pub(crate) fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Everything it left behind by name, for a search: both outputs and each file of the state
    /// folder, but for the lists themselves, which are kept there as they came.
    pub(crate) fn traces(&self) -> Vec<(String, Vec<u8>)> {
        let mut traces = vec![
            ("stdout".to_owned(), self.stdout().into_bytes()),
            ("stderr".to_owned(), self.stderr().into_bytes()),
        ];
        let mut folders = vec![self.folder().join("state")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type().expect("a file type") {
                    kind if kind.is_dir() => folders.push(entry.path()),
                    kind if kind.is_file() && !is_list(&entry.path()) => traces.push((
                        entry.path().display().to_string(),
                        fs::read(entry.path()).expect("a file"),
                    )),
                    _ => {}
                }
            }
        }
        traces
    }

    fn said(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .arg("--config")
            .arg(self.config_file())
            .current_dir(self.folder())
            .stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(super) fn choose_ports(&mut self) {
        let ([address, tls, metrics], _held) = free_addresses(self.home);
        (self.address, self.tls_address, self.metrics_address) = (address, tls, metrics);
        let mut listen = table_of([("udp", address), ("tcp", address)]);
        if self.config.contains_key("tls") {
            listen.extend(table_of([("tls", tls)]));
        }
        let section = self
            .config
            .entry("listen")
            .or_insert_with(|| Value::Table(Table::new()));
        section.as_table_mut().expect("a table").extend(listen);
        if let Some(section) = self.config.get_mut("metrics") {
            section
                .as_table_mut()
                .expect("a table")
                .insert("listen".to_owned(), metrics.to_string().into());
        }
        fs::write(
            self.config_file(),
            toml::to_string(&self.config).expect("TOML"),
        )
        .expect("a configuration file");
    }

    /// Starts the process and waits for its ready line; gives all that it said when none comes.
    pub(super) fn launch(&mut self) -> Result<(), String> {
        let mut child = self
            .command(&["serve"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let (sender, lines) = channel();
        collect(
            child.stdout.take().expect("a pipe"),
            &self.stdout,
            sender.clone(),
        );
        collect(child.stderr.take().expect("a pipe"), &self.stderr, sender);
        let deadline = Instant::now() + PATIENCE;
        let ready = loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with("ready") => break true,
                Ok(_) => {}
                Err(_) => break false,
            }
        };
        if ready {
            self.child = Some((child, lines));
            return Ok(());
        }
        let _ = child.kill();
        let status = child.wait();
        Err(format!("{status:?}\n{}", self.said()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Copies a pipe into a text, line by line; who waits for lines sees each, and the end.
fn collect(pipe: impl Read + Send + 'static, output: &Output, lines: Sender<String>) {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = vec![];
        while pipe.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            output.lock().expect("an output").push_str(&text);
            let _ = lines.send(text);
            line.clear();
        }
    });
}

fn read(output: &Output) -> String {
    output.lock().expect("an output").clone()
}

fn table_of<const N: usize>(doors: [(&str, SocketAddr); N]) -> Table {
    doors
        .map(|(door, at)| (door.to_owned(), Value::Array(vec![at.to_string().into()])))
        .into_iter()
        .collect()
}

/// Addresses that are free for UDP and TCP, and the sockets that prove it.
fn free_addresses(home: Ipv4Addr) -> ([SocketAddr; 3], Vec<(UdpSocket, TcpListener)>) {
    let mut held = vec![];
    while held.len() < 3 {
        let udp = UdpSocket::bind((home, 0)).expect("a UDP socket");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("an address")) {
            held.push((udp, tcp));
        }
    }
    let at = |i: usize| held[i].0.local_addr().expect("an address");
    ([at(0), at(1), at(2)], held)
}

/// Is it a list's own text, kept as a generation?
fn is_list(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("entries"))
}
