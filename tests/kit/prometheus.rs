//! Debian's Prometheus, which scrapes a program on loopback.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::daemon::{Daemon, free_address};
use super::tool::PROMETHEUS;
use super::until;

const PATIENCE: Duration = Duration::from_secs(60);

/// One that runs.
pub(crate) struct Prometheus {
    _daemon: Daemon,
    address: SocketAddr,
}

impl Prometheus {
    /// Scrapes this program each second, and holds what it gets against the rules in a file.
    pub(crate) fn start(target: SocketAddr, rules: &Path) -> Self {
        let (folder, address) = (TempDir::new().expect("a folder"), free_address());
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{rules:?}]\n\
             scrape_configs:\n  - job_name: wardline\n    static_configs: [{{ targets: \
             [\"{target}\"] }}]\n"
        );
        fs::write(folder.path().join("prometheus.yml"), config).expect("a configuration");
        let listen = format!("--web.listen-address={address}");
        let arguments = [
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            &listen,
        ];
        let prometheus = Self {
            _daemon: Daemon::start(&PROMETHEUS, folder, arguments),
            address,
        };
        until("Prometheus", PATIENCE, || {
            prometheus.get("/-/ready").map(drop)
        });
        prometheus
    }

    /// The samples that a query gives now.
    pub(crate) fn query(&self, query: &str) -> Vec<Value> {
        let escaped: String = query.bytes().map(|octet| format!("%{octet:02x}")).collect();
        let answer = self.api(&format!("query?query={escaped}"));
        let answer = answer.unwrap_or_else(|| panic!("refused: {query}"));
        let found = answer["result"].as_array();
        found.unwrap_or_else(|| panic!("{answer}")).clone()
    }

    /// All rules, with their health.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let answer = self.api("rules").expect("the rules");
        let groups = answer["groups"].as_array().expect("groups");
        let rules = groups.iter().flat_map(|group| group["rules"].as_array());
        rules.flatten().cloned().collect()
    }

    fn api(&self, path: &str) -> Option<Value> {
        let body = self.get(&format!("/api/v1/{path}"))?;
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        Some(answer["data"].clone())
    }

    /// What is at this path, where it is given.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        let (head, body) = reply.split_once("\r\n\r\n")?;
        head.split(' ').nth(1).filter(|code| *code == "200")?;
        Some(body.to_owned())
    }
}

/// What promtool says of its arguments; it must not refuse them.
pub(crate) fn promtool(arguments: &[&str], folder: &Path, input: &str) -> String {
    let file = TempDir::new().expect("a folder");
    let file = file.path().join("input");
    fs::write(&file, input).expect("an input");
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(folder);
    command.stdin(fs::File::open(file).expect("an input"));
    let output = command.output().expect("promtool");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}
