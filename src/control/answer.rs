//! Answers an operator's request from the parts of the running program.

use std::sync::Arc;
use std::time::Instant;

use super::words::{
    CacheStatus, Flushed, GroupAnswer, GroupVerdict, ListStatus, Place, Questions, Reloaded, Reply, Request, Status, UpstreamStatus, Why,
};
use crate::clock::monotonic;
use crate::count::{Board, Event};
use crate::name::{Name, SuffixHashes};
use crate::policy::{Action, Clients, Group, ListRules, Snapshot, Verdict};
use crate::update::{Updater, Which};

/// The parts of the running program that an operator can ask about.
pub struct Parts {
    /// Keeps the lists.
    pub updater: Arc<Updater>,
    /// Knows the groups.
    pub clients: Arc<Clients>,
    /// The lists' rules in the order of the configuration.
    pub rules: Vec<ListRules>,
    /// Knows the counts.
    pub board: Arc<Board>,
    /// The doors that are open, like "udp 127.0.0.1:5300".
    pub doors: Vec<String>,
    /// Cache and resolver.
    pub resolution: Box<dyn Resolution>,
    /// When the program started.
    pub started: Instant,
}

/// What the control socket asks of the cache and the resolver.
pub trait Resolution: Send + Sync {
    /// How the cache stands.
    fn cache(&self) -> CacheStatus;
    /// Forget the answers for `name` and everything below it, or all; returns how many.
    fn flush(&self, name: Option<&Name>) -> u64;
    /// How the upstream resolvers stand.
    fn upstreams(&self) -> Vec<UpstreamStatus>;
}

impl Parts {
    /// Fulfil one request; a reload takes its time.
    pub(super) fn answer(&self, request: &Request) -> Reply {
        match request {
            Request::Status => Reply::Status(Box::new(self.status())),
            Request::Reload { list } => self.reload(list.as_deref()),
            Request::Why { name } => with_name(name, |name| Reply::Why(self.why(name))),
            Request::Flush { name: None } => self.flush(None),
            Request::Flush { name: Some(name) } => with_name(name, |name| self.flush(Some(name))),
        }
    }

    fn status(&self) -> Status {
        let tally = self.board.sum();
        let blocked = tally.lists.iter().map(|counts| counts.iter().sum());
        let lists = self.updater.states().into_iter().zip(&self.rules).zip(blocked);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: monotonic().duration_since(self.started).as_secs(),
            generation: self.updater.live().load().generation(),
            doors: self.doors.clone(),
            lists: lists.map(|((state, rules), blocked)| ListStatus { state, authority: rules.authority.clone(), blocked }).collect(),
            questions: Questions {
                total: tally.questions(),
                ended: Event::ALL.into_iter().map(|event| (event.name().to_owned(), tally.event(event))).collect(),
            },
            cache: self.resolution.cache(),
            upstreams: self.resolution.upstreams(),
        }
    }

    fn reload(&self, list: Option<&str>) -> Reply {
        let which = match list {
            None => Which::All,
            Some(id) => match self.updater.index_of(id) {
                Some(index) => Which::One(index),
                None => {
                    let known: Vec<&str> = self.rules.iter().map(|rules| rules.id.as_str()).collect();
                    return failed(format!("there is no list {id:?}: the lists are {}", known.join(", ")));
                }
            },
        };
        Reply::Reload(Reloaded { lists: self.updater.reload(which) })
    }

    fn flush(&self, name: Option<&Name>) -> Reply {
        Reply::Flush(Flushed { removed: self.resolution.flush(name) })
    }

    fn why(&self, name: &Name) -> Why {
        let snapshot = self.updater.live().load();
        let mut hashes = SuffixHashes::new();
        hashes.fill(snapshot.key(), name.as_wire());
        let groups = self
            .clients
            .groups()
            .map(|(group, label)| GroupAnswer { group: label.to_owned(), verdict: self.verdict(&snapshot, group, name, &hashes) });
        Why { name: name.to_string(), groups: groups.collect() }
    }

    fn verdict(&self, snapshot: &Snapshot, group: Group, name: &Name, hashes: &SuffixHashes) -> GroupVerdict {
        let lists = self.clients.lists(group);
        if lists.is_empty() {
            return GroupVerdict::Exempt;
        }
        let Verdict::Block { list, found } = snapshot.decide(lists, hashes) else { return GroupVerdict::Pass };
        let Some(rules) = self.rules.get(usize::from(list)) else { return GroupVerdict::Pass };
        GroupVerdict::Block {
            list: rules.id.clone(),
            authority: rules.authority.clone(),
            legal_basis: rules.legal_basis.clone(),
            action: match rules.action {
                Action::StopPage { .. } => "stop-page",
                Action::NxDomain => "nxdomain",
            }
            .to_owned(),
            entry: suffix(name, found.labels),
            labels: found.labels,
            place: if found.is_parent { Place::Parent } else { Place::Itself },
        }
    }
}

fn with_name(text: &str, answer: impl FnOnce(&Name) -> Reply) -> Reply {
    match Name::parse(text) {
        Ok(name) => answer(&name),
        Err(fault) => failed(format!("not a domain name: {fault}: write it like www.example.com")),
    }
}

fn failed(message: String) -> Reply {
    Reply::Failed { message }
}

/// The last `labels` labels of a name.
fn suffix(name: &Name, labels: usize) -> String {
    let above = name.label_count().saturating_sub(labels);
    let start = name.labels().take(above).map(|label| label.len() + 1).sum::<usize>();
    let wire = name.as_wire().get(start..).unwrap_or_default();
    Name::from_wire(wire).map_or_else(|_| String::new(), |suffix| suffix.to_string())
}
