//! A provider's program with two lists: `one`, to which something happens, and `other`, to which
//! nothing does.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use toml::Table;
use wardline::control::{ControlReply, Request, ask};

use super::kind::Kind;
use super::source::{Issue, Source};
use super::told::Told;
use super::{OTHER, PATIENCE};
use crate::kit::ask::{Client, Question};
use crate::kit::papers::copy_folder;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::small_disk::SmallDisk;
use crate::kit::wall_clock::WallClock;
use crate::kit::{is_blocked, until};

/// The longest that a stop may take.
const STOP_MAX: Duration = Duration::from_secs(5);

/// A program and the owner of its list. The disk goes before what lies on it.
pub(super) struct Scene {
    pub(super) disk: Option<SmallDisk>,
    pub(super) running: Running,
    pub(super) source: Source,
    /// The newest that was published.
    pub(super) issue: u64,
    clock: Option<WallClock>,
}

/// How a scene is set up.
pub(super) struct Setting {
    kind: Kind,
    list: String,
    clock: Option<WallClock>,
    has_small_disk: bool,
}

/// A loopback address that no other program has: nobody takes its ports while it is down.
fn home() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 100 + (process::id() % 100) as u8, high, low)
}

impl Setting {
    pub(super) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            list: String::new(),
            clock: None,
            has_small_disk: false,
        }
    }

    /// With more of the configuration of the list `one`.
    pub(super) fn list(self, more: &str) -> Self {
        Self {
            list: more.to_owned(),
            ..self
        }
    }

    /// By a clock of its own, so many seconds ahead.
    pub(super) fn clock(self, ahead_s: i64) -> Self {
        let mut clock = WallClock::new();
        clock.set(ahead_s);
        Self {
            clock: Some(clock),
            ..self
        }
    }

    /// With its state on a disk that can be filled.
    pub(super) fn small_disk(self) -> Self {
        Self {
            has_small_disk: true,
            ..self
        }
    }

    /// With both lists in force, and the first issue of `one` proven.
    pub(super) fn start(self) -> Scene {
        let mut scene = self.prepare();
        // A secondary that finds no zone asks again after ten seconds.
        scene.publish();
        scene.running.restart();
        scene.source.lay_out();
        scene.wait_for(1);
        scene.stands("the beginning", &Told::of(1));
        scene
    }

    /// Not started, and with nothing published.
    pub(super) fn prepare(self) -> Scene {
        let home = home();
        let push = UdpSocket::bind((home, 0)).expect("a port");
        let push = push.local_addr().expect("an address");
        let source = Source::new(self.kind, push);
        self.prepare_for(source, home)
    }

    fn prepare_for(self, mut source: Source, home: Ipv4Addr) -> Scene {
        let mut program = Program::new()
            .metrics()
            .toml("[lists]\nnever_block_names = [\"stop.example\"]\n")
            .toml("[count]\nflush_s = 1\n[cache]\nsize_mib = 4\n")
            .toml(&source.program())
            .toml(&source.config("one", &self.list))
            .list("other", OTHER);
        if let Some(clock) = &self.clock {
            program = program.clock(clock);
            source.ahead_s = clock.ahead_s();
        }
        let running = program.prepare().at(home);
        let state = running.folder().join("state");
        let disk = self.has_small_disk.then(|| SmallDisk::mount(&state));
        Scene {
            disk,
            running,
            source,
            issue: 0,
            clock: self.clock,
        }
    }
}

impl Scene {
    pub(super) fn kind(&self) -> Kind {
        self.source.kind
    }

    /// The next issue, as the owner would make it.
    pub(super) fn next(&mut self) -> Issue {
        self.issue += 1;
        Issue::new(self.issue)
    }

    /// Publish the next issue.
    pub(super) fn publish(&mut self) {
        let issue = self.next();
        self.source.publish(&issue);
    }

    pub(super) fn blocks(&self, name: &str) -> bool {
        is_blocked(&self.running, name)
    }

    /// Is a customer blocked by this issue? The program may be dead.
    pub(super) fn is_in_force(&self, issue: u64) -> bool {
        let question = Question::new(&super::source::name_of(issue), "A");
        let client = Client::udp(self.running.address()).patience(Duration::from_secs(1));
        let reply = client.try_ask(&question);
        reply.is_some_and(|reply| reply.is_stopped())
    }

    /// Until customers are blocked by this issue, and a zone's copy has it too.
    pub(super) fn wait_for(&self, issue: u64) {
        self.wait_until_live(issue);
        if self.kind() == Kind::Transfer {
            let place = self.state().join("transfer/one.zone");
            let head = format!("@ SOA . . {issue} ");
            self.until("the zone's copy", || {
                fs::read_to_string(&place)
                    .ok()?
                    .contains(&head)
                    .then_some(())
            });
        }
    }

    /// Until customers are blocked by this issue.
    pub(super) fn wait_until_live(&self, issue: u64) {
        let name = super::source::name_of(issue);
        self.until(&name, || self.blocks(&name).then_some(()));
    }

    /// As the kit's, and says what the program said where it takes too long.
    pub(super) fn until<T>(&self, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        until(what, 2 * PATIENCE, || {
            let found = attempt();
            let (kind, said) = (self.kind(), || self.running.stderr());
            let is_in_time = found.is_some() || begun.elapsed() < PATIENCE;
            assert!(
                is_in_time,
                "{kind:?}: {what}: not within {PATIENCE:?}\n{}",
                said()
            );
            found
        })
    }

    /// How the list `one` stands.
    pub(super) fn status(&self) -> Value {
        self.status_of("one")
    }

    /// How a list stands, asked over the control socket as `wardline status` does.
    pub(super) fn status_of(&self, list: &str) -> Value {
        let reply = ask(&self.running.control_socket(), &Request::Status, || {}).expect("a status");
        let ControlReply::Status(status) = reply else {
            panic!("no status: {reply:?}");
        };
        let mut lists = status.lists.iter();
        let found = lists.find(|status| status.state.id == list);
        serde_json::to_value(found.expect("the list")).expect("JSON")
    }

    pub(super) fn refusal(&self) -> String {
        let refusal = &self.status()["last_refusal"];
        refusal["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Until the list is refused with these words.
    pub(super) fn wait_for_refusal(&self, words: &str) {
        self.until(words, || self.refusal().contains(words).then_some(()));
    }

    /// Stop it in the orderly way, which takes at most five seconds.
    pub(super) fn end(&mut self) {
        let begun = Instant::now();
        self.running.kill(libc::SIGTERM);
        let code = self.running.wait_exit();
        assert_eq!(code, 0, "{:?}: {}", self.kind(), self.running.stderr());
        assert!(
            begun.elapsed() < STOP_MAX,
            "{:?}: {:?}",
            self.kind(),
            begun.elapsed()
        );
    }

    pub(super) fn kill(&mut self) {
        self.running.kill(libc::SIGKILL);
        self.running.wait_exit();
    }

    pub(super) fn restart(&mut self) {
        self.end();
        self.running.restart();
    }

    /// Stop it one way and the other, each time followed by a start.
    pub(super) fn restart_both_ways(&mut self, event: &str, told: &Told) {
        for (signal, word) in [(libc::SIGTERM, "restart"), (libc::SIGKILL, "kill -9")] {
            self.running.kill(signal);
            self.running.wait_exit();
            self.running.restart();
            self.stands(&format!("{event}, then {word}"), told);
        }
    }

    /// Give an operator's command, which must do what it is asked for.
    pub(super) fn command(&self, words: &[&str]) {
        let (code, _, said) = self.running.run(words);
        assert_eq!(code, 0, "{:?}: {words:?}: {said}", self.kind());
    }

    /// Change the configuration, which the next start reads.
    pub(super) fn configure(&self, change: impl FnOnce(&mut Table)) {
        let file = self.running.config_file();
        let before = fs::read_to_string(&file).expect("the configuration");
        let mut config: Table = before.parse().expect("TOML");
        change(&mut config);
        let after = toml::to_string(&config).expect("TOML");
        assert_ne!(before, after);
        fs::write(&file, after).expect("the configuration");
    }

    /// Change the configuration of the list `one`.
    pub(super) fn configure_list(&self, change: impl FnOnce(&mut Table)) {
        self.configure(|config| change(list_in(config, "one")));
    }

    /// The folder of what was decided about the list.
    pub(super) fn kept(&self) -> PathBuf {
        super::kept(&self.running, "one")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.running.folder().join("state")
    }

    /// Set the clocks of the program and of the list's owner.
    pub(super) fn set_clock(&mut self, ahead_s: i64) {
        self.set_program_clock(ahead_s);
        self.source.ahead_s = ahead_s;
    }

    /// Set the program's clock alone.
    pub(super) fn set_program_clock(&mut self, ahead_s: i64) {
        self.clock
            .as_mut()
            .expect("a clock of its own")
            .set(ahead_s);
    }

    /// The same state and the same source on another machine, where it is not started yet.
    pub(super) fn elsewhere(self) -> Self {
        let (state, issue) = (self.state(), self.issue);
        let mut other = Setting::new(self.kind()).prepare_for(self.source, home());
        copy_folder(&state, &other.state());
        other.issue = issue;
        other
    }

    /// The last look: the program stops in order, and its log verifies.
    pub(super) fn close(mut self, event: &str) {
        self.end();
        let at = format!("{:?}, {event}", self.kind());
        let said = self.running.stderr();
        assert!(!said.contains("panicked"), "{at}: {said}");
        let folder = TempDir::new().expect("a folder");
        let log = folder.path().display().to_string();
        self.command(&["audit", "export", &log]);
        let key = self.running.run(&["audit", "key"]).1;
        let (code, found, said) = self
            .running
            .run(&["audit", "verify", &log, "--key", key.trim()]);
        assert_eq!(code, 0, "{at}: {found}{said}");
    }
}

/// The part of a configuration that is about a list.
pub(super) fn list_in<'a>(config: &'a mut Table, id: &str) -> &'a mut Table {
    let lists = config["list"].as_array_mut().expect("lists");
    let lists = lists.iter_mut().filter_map(|list| list.as_table_mut());
    let mut found = lists.filter(|list| list["id"].as_str() == Some(id));
    found.next().expect("the list")
}
