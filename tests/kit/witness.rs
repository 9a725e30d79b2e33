//! The real program as a witness, what a log brings it, and a liar that stands in front of it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;
use wardline::seal::{SigningKey, VerifyKey};

/// A witness that runs, or ran.
pub(crate) struct WitnessProgram {
    folder: TempDir,
    key: SigningKey,
    logs: Vec<VerifyKey>,
    options: Vec<String>,
    address: SocketAddr,
    child: Option<Child>,
}

impl WitnessProgram {
    /// Knows these logs, and has options beside.
    pub(crate) fn start(name: &str, logs: &[VerifyKey], options: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let key = SigningKey::generate(name).expect("a key");
        fs::write(folder.path().join("key"), key.to_text().as_str()).expect("a key file");
        let mut witness = Self {
            folder,
            key,
            logs: logs.to_vec(),
            options: options.iter().map(ToString::to_string).collect(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            child: None,
        };
        witness.launch();
        witness
    }

    /// The key that its cosignatures are checked with.
    pub(crate) fn key(&self) -> VerifyKey {
        self.key.public_cosigner()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state.sqlite")
    }

    /// From its next start on it knows this log too.
    pub(crate) fn know(&mut self, log: VerifyKey) {
        self.logs.push(log);
    }

    /// Ends it as a power cut would, and starts it on the same address and state.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.launch();
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wardline"));
        command
            .args(["audit", "witness", "serve", "--json", "--key"])
            .arg(self.folder.path().join("key"))
            .arg("--state")
            .arg(self.state())
            .args(["--listen", &self.address.to_string()])
            .args(&self.options)
            .stdin(Stdio::null());
        for log in &self.logs {
            command.args(["--log", &log.to_string()]);
        }
        command
    }

    /// What becomes of a second one with the same state.
    pub(crate) fn run_another(&self) -> Output {
        let mut command = self.command();
        command.args(["--connections", "3"]);
        command.output().expect("the program")
    }

    /// Starts it and reads where it listens.
    fn launch(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its ready line");
        self.child = Some(child);
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error}: {line}\n{}", self.said()));
        assert_eq!(ready["key"], self.key().to_string());
        let listen = ready["listen"].as_str().expect("an address");
        let listen = listen.strip_prefix("http://").expect("an address");
        self.address = listen.parse().expect("an address");
    }

    /// All that it wrote to its log.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The checkpoints that it keeps as contradictions: origin and size.
    pub(crate) fn contradictions(&self) -> Vec<(String, i64)> {
        let connection = rusqlite::Connection::open(self.state()).expect("its state");
        let mut select = connection
            .prepare("SELECT origin, size FROM contradiction ORDER BY origin, size")
            .expect("its table");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.expect("rows").collect::<Result<_, _>>().expect("rows")
    }
}

impl Drop for WitnessProgram {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A witness's section in a resolver's configuration.
pub(crate) fn section(address: SocketAddr, key: &VerifyKey) -> String {
    format!("[[audit.witness]]\nurl = \"http://{address}\"\nkey = \"{key}\"\n")
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: String,
}

/// Posts a submission.
pub(crate) fn post(address: SocketAddr, body: &str) -> Answered {
    let head = format!(
        "POST /add-checkpoint HTTP/1.1\r\nHost: witness\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    send(address, &(head + body))
}

/// Sends octets as they are.
pub(crate) fn send(address: SocketAddr, request: &str) -> Answered {
    let mut stream = TcpStream::connect(address).expect("a witness");
    stream.write_all(request.as_bytes()).expect("a request");
    answered(&mut stream)
}

/// What comes back until the other side ends.
pub(crate) fn answered(stream: &mut TcpStream) -> Answered {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    let kind = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Type: "))
        .expect("a type");
    Answered {
        status: status.parse().expect("a status"),
        kind: kind.to_owned(),
        body: body.to_owned(),
    }
}

/// How the liar lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Not at all.
    None,
    /// One bit of the cosignature is another one.
    AlteredByte,
    /// It says that it has cosigned so many leaves.
    Has(u64),
}

/// Stands between a resolver and a witness until the test's process ends.
pub(crate) struct Liar {
    address: SocketAddr,
    lie: Arc<Mutex<Lie>>,
}

impl Liar {
    pub(crate) fn before(witness: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let lie = Arc::new(Mutex::new(Lie::None));
        let told = Arc::clone(&lie);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let lie = *told.lock().expect("a lie");
                // A client that goes away is its own affair.
                let _ = pass_on(stream, witness, lie);
            }
        });
        Self { address, lie }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn lie(&self, lie: Lie) {
        *self.lie.lock().expect("a lie") = lie;
    }
}

fn pass_on(stream: TcpStream, witness: SocketAddr, lie: Lie) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    while stream.read_line(&mut line)? > 2 {
        let lower = std::mem::take(&mut line).to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let truth = post(witness, &String::from_utf8(body).expect("text"));
    let Answered { status, kind, body } = match lie {
        Lie::None => truth,
        Lie::AlteredByte => Answered {
            body: altered(&truth.body),
            ..truth
        },
        Lie::Has(size) => Answered {
            status: 409,
            kind: "text/x.tlog.size".to_owned(),
            body: format!("{size}\n"),
        },
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all((head + &body).as_bytes())
}

/// Another letter in the middle of the cosignature.
fn altered(body: &str) -> String {
    let place = body.trim_end().len() - 20;
    let letter = if body[place..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    format!("{}{letter}{}", &body[..place], &body[place + 1..])
}
