//! Starts the real program with a folder, a configuration and ports of its own, and never leaves it
//! running.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use toml::{Table, Value};
use wardline::seal::SigningKey;

use super::internet::Internet;
use super::running::Running;
use super::wall_clock::WallClock;

const START_ATTEMPTS: usize = 5;

/// The stop addresses of every list that is not told otherwise.
pub(crate) const STOP: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

/// A program to be started: without lists, and with an upstream where nothing listens, until told
/// otherwise.
pub(crate) struct Program {
    folder: TempDir,
    config: Table,
    environment: Vec<(&'static str, String)>,
}

impl Program {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::create_dir(folder.path().join("lists")).expect("a folder");
        let config = table(
            "state = \"state\"\n[resolve]\nmode = \"forward\"\n[resolve.forward]\nupstreams = \
             [\"127.0.0.1:9\"]\n",
        );
        Self {
            folder,
            config,
            environment: vec![],
        }
    }

    /// A plain list by law with a stop page.
    pub(crate) fn list(self, id: &str, entries: &str) -> Self {
        self.list_with(id, entries, "")
    }

    /// A list that may change as much as it likes from one text to the next.
    pub(crate) fn list_without_budget(self, id: &str, entries: &str) -> Self {
        let budget = "guard = { added_max = 1000000, removed_max = 1000000, \
                      added_percent_max = 1000000.0, removed_percent_max = 100.0 }\n";
        self.list_with(id, entries, budget)
    }

    /// A list with some of its keys set otherwise, as TOML lines: `action = "nxdomain"`.
    pub(crate) fn list_with(mut self, id: &str, entries: &str, keys: &str) -> Self {
        fs::write(list_file(self.folder.path(), id), entries).expect("a list file");
        let mut list = table(&format!(
            r#"
id = "{id}"
file = "lists/{id}.txt"
unsigned = "allow"
format = "plain"
authority = "Authority of {id}"
basis = "law"
legal_basis = "Example Act, section 1"
action = "stop-page"
stop = {STOP:?}
ttl_s = 60
"#
        ));
        list.extend(table(keys));
        merge(
            &mut self.config,
            Table::from_iter([("list".to_owned(), Value::Array(vec![Value::Table(list)]))]),
        );
        self
    }

    /// The list `signed`, which this key signs alone, from these sources.
    pub(crate) fn signed_list(self, key: &SigningKey, sources: &str) -> Self {
        self.toml(&format!(
            "[[list]]\nid = \"signed\"\nauthority = \"Example Authority\"\nbasis = \"law\"\n\
             legal_basis = \"Example Act\"\nstop = {STOP:?}\nkeys = [{:?}]\nsignatures = 1\n\
             {sources}\n",
            key.public().to_string()
        ))
    }

    /// The same, from a folder.
    pub(crate) fn signed_folder(self, key: &SigningKey, folder: &Path) -> Self {
        self.signed_list(key, &format!("folder = {{ path = {folder:?} }}"))
    }

    /// Resolves by itself, from the root of this internet down; `test.`, a special-use name, is
    /// resolved like any other.
    pub(crate) fn recurse(self, internet: &Internet) -> Self {
        fs::write(self.folder.path().join("root.hints"), internet.root_hints())
            .expect("root hints");
        fs::write(self.folder.path().join("root.key"), internet.trust_anchor())
            .expect("a trust anchor");
        let port = internet.port();
        self.toml(&format!(
            r#"
[resolve]
mode = "recurse"
special_use = false
[resolve.recurse]
root_hints = "root.hints"
trust_anchors = ["root.key"]
ipv6 = false
loopback = true
port = {port}
"#
        ))
    }

    /// Asks one upstream resolver.
    pub(crate) fn forward(self, upstream: SocketAddr) -> Self {
        self.forward_to(&[upstream])
    }

    /// Asks these upstream resolvers, in this order, about `test.` too.
    pub(crate) fn forward_to(self, upstreams: &[SocketAddr]) -> Self {
        self.forward_to_servers(
            &upstreams
                .iter()
                .map(SocketAddr::to_string)
                .collect::<Vec<_>>(),
        )
    }

    /// Asks one upstream resolver over TLS, whose certificate must have this name; believes the
    /// demonstration certificate.
    pub(crate) fn forward_secure(self, upstream: SocketAddr, name: &str) -> Self {
        fs::write(
            self.folder.path().join("ca.pem"),
            include_str!("../cases/tls/cert.pem"),
        )
        .expect("a certificate");
        self.forward_to_servers(&[format!("{upstream}#{name}")])
            .toml("[resolve.forward]\nca = \"ca.pem\"\n")
    }

    fn forward_to_servers(mut self, upstreams: &[String]) -> Self {
        let resolve = self.config["resolve"].as_table_mut().expect("a table");
        resolve["forward"]
            .as_table_mut()
            .expect("a table")
            .remove("upstreams");
        self.toml(&format!(
            "[resolve]\nmode = \"forward\"\nspecial_use = \
                            false\n[resolve.forward]\nupstreams = {upstreams:?}\n"
        ))
    }

    /// Asks one upstream resolver and believes only what this internet's root vouches for.
    pub(crate) fn forward_checked(self, upstream: SocketAddr, internet: &Internet) -> Self {
        fs::write(self.folder.path().join("root.key"), internet.trust_anchor())
            .expect("a trust anchor");
        self.forward(upstream).toml(
            "[resolve.recurse]\ntrust_anchors = \
                                     [\"root.key\"]\n[resolve.forward]\nvalidate = true\n",
        )
    }

    /// Opens the TLS door with the demonstration certificate.
    pub(crate) fn tls(self) -> Self {
        fs::write(
            self.folder.path().join("cert.pem"),
            include_str!("../cases/tls/cert.pem"),
        )
        .expect("a certificate");
        fs::write(
            self.folder.path().join("key.pem"),
            include_str!("../cases/tls/key.pem"),
        )
        .expect("a key");
        self.toml("[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n")
    }

    /// Shows its metrics on a port of its own.
    pub(crate) fn metrics(self) -> Self {
        self.toml("[metrics]\n")
    }

    /// More configuration: tables are merged, arrays joined, everything else replaced. The
    /// addresses in `[listen]` are chosen here.
    pub(crate) fn toml(mut self, lines: &str) -> Self {
        merge(&mut self.config, table(lines));
        self
    }

    /// Lives by this wall clock instead of the machine's.
    pub(crate) fn clock(mut self, clock: &WallClock) -> Self {
        self.environment.extend(clock.environment());
        self
    }

    /// Starts it and waits until it says that it is ready; tries other ports when these are taken.
    pub(crate) fn start(self) -> Running {
        let mut running = self.prepare();
        for _ in 0..START_ATTEMPTS {
            match running.launch() {
                Ok(()) => return running,
                Err(said) if said.contains("in use") => running.choose_ports(),
                Err(said) => panic!("the program did not get ready:\n{said}"),
            }
        }
        panic!("no free ports after {START_ATTEMPTS} attempts");
    }

    /// Everything but the start: for programs that are expected to refuse, and for commands that
    /// need no server.
    pub(crate) fn prepare(self) -> Running {
        Running::prepare(self.folder, self.config, self.environment)
    }
}

/// Where the entries of a list are.
pub(super) fn list_file(folder: &Path, id: &str) -> PathBuf {
    folder.join("lists").join(format!("{id}.txt"))
}

fn table(lines: &str) -> Table {
    lines.parse().unwrap_or_else(|e| panic!("{e}\n{lines}"))
}

fn merge(into: &mut Table, more: Table) {
    for (key, value) in more {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (Some(Value::Array(old)), Value::Array(new)) => old.extend(new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
