//! Answers an operator's request from the parts of the running program.

use std::sync::Arc;
use std::time::Instant;

use super::protocol::{
    CacheStatus, ControlReply, EntryPlace, Flushed, GroupAnswer, GroupVerdict, ListStatus,
    MemoryStatus, OtherList, Questions, Reloaded, Request, RootCopyStatus, Status, UpstreamStatus,
    Why,
};
use crate::cache::Flush;
use crate::clock::monotonic;
use crate::count::{Board, Event};
use crate::list::ListIndex;
use crate::list::guard::Code;
use crate::name::{Name, SuffixHashes};
use crate::policy::{Clients, Group, ListRules, Snapshot, Verdict};
use crate::resolve::AnchorStatus;
use crate::store::Health;
use crate::update::{ListOutcome, Origin, Updater, Way, Which};
use crate::witness::Witnesses;

/// The parts of the running program that an operator can ask about.
pub struct ServerParts {
    /// Keeps the lists.
    pub updater: Arc<Updater>,
    /// Knows the groups.
    pub clients: Arc<Clients>,
    /// The lists' rules in the order of the configuration.
    pub rules: Vec<ListRules>,
    /// Knows the counts.
    pub board: Arc<Board>,
    /// Knows whether they are written to disk.
    pub health: Health,
    /// Know how it stands with those who cosign the audit log.
    pub witnesses: Witnesses,
    /// The doors that are open, like "udp 127.0.0.1:5300".
    pub doors: Vec<String>,
    /// Cache and resolver.
    pub resolution: Box<dyn Resolution>,
    /// The most memory that everything but the lists may take, in octets.
    pub octets_without_lists: u64,
    /// When the program started.
    pub started: Instant,
}

/// A page of memory, on the machines that we run on.
const PAGE_OCTETS: u64 = 4096;

/// What the control socket asks of the cache and the resolver.
pub trait Resolution: Send + Sync {
    /// How the cache stands.
    fn cache(&self) -> CacheStatus;
    /// Forget answers; returns how many.
    fn flush(&self, what: Flush<'_>) -> u64;
    /// How many answers were refused because they lead into private networks, where that is asked
    /// for.
    fn rebindings(&self) -> Option<u64>;
    /// How the copy of the root zone stands, if there is one.
    fn root_copy(&self) -> Option<RootCopyStatus>;
    /// How the trust anchors stand.
    fn trust_anchors(&self) -> Vec<AnchorStatus>;
    /// How the upstream resolvers stand.
    fn upstreams(&self) -> Vec<UpstreamStatus>;
}

/// Nothing is answered yet, and nothing cached.
pub struct NothingResolved;

impl Resolution for NothingResolved {
    fn cache(&self) -> CacheStatus {
        CacheStatus::default()
    }

    fn flush(&self, _: Flush<'_>) -> u64 {
        0
    }

    fn rebindings(&self) -> Option<u64> {
        None
    }

    fn root_copy(&self) -> Option<RootCopyStatus> {
        None
    }

    fn trust_anchors(&self) -> Vec<AnchorStatus> {
        Vec::new()
    }

    fn upstreams(&self) -> Vec<UpstreamStatus> {
        Vec::new()
    }
}

impl ServerParts {
    /// Fulfil one request; a reload takes its time.
    pub(super) fn answer(&self, request: &Request) -> ControlReply {
        match request {
            Request::Status => ControlReply::Status(Box::new(self.status())),
            Request::Reload { list } => self.reload(list.as_deref()),
            Request::Override {
                list,
                codes,
                reason,
            } => self.on_list(list, |index| self.let_pass(index, codes, reason)),
            Request::Rollback {
                list,
                generation,
                reason,
            } => self.on_list(list, |index| {
                reloaded(self.updater.roll_back(index, *generation, reason))
            }),
            Request::Remove { note } => self.remove(note),
            Request::Generations { list } => {
                self.on_list(list, |index| ControlReply::Generations {
                    generations: self.updater.generations(index),
                })
            }
            Request::Receipts { list: Some(list) } => {
                self.on_list(list, |index| ControlReply::Receipts {
                    receipts: self.updater.receipts(index),
                })
            }
            Request::Receipts { list: None } => {
                let all = (0..self.rules.len())
                    .flat_map(|index| self.updater.receipts(index as ListIndex));
                ControlReply::Receipts {
                    receipts: all.collect(),
                }
            }
            Request::Why { name } => with_name(name, |name| ControlReply::Why(self.why(name))),
            Request::Flush { name: None, .. } => self.flush(Flush::All),
            Request::Flush {
                name: Some(name),
                below: false,
            } => with_name(name, |name| self.flush(Flush::Name(name))),
            Request::Flush {
                name: Some(name),
                below: true,
            } => with_name(name, |name| self.flush(Flush::Below(name))),
        }
    }

    fn status(&self) -> Status {
        let tally = self.board.sum();
        let blocked = tally.lists.iter().map(|counts| counts.iter().sum());
        let states = self.updater.states();
        let budget =
            self.octets_without_lists + states.iter().map(|state| 2 * state.octets).sum::<u64>();
        let lists = states.into_iter().zip(&self.rules).zip(blocked);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: monotonic().duration_since(self.started).as_secs(),
            generation: self.updater.live().load().generation(),
            doors: self.doors.clone(),
            lists: lists
                .map(|((state, rules), blocked)| ListStatus {
                    state,
                    authority: rules.authority.clone(),
                    blocked,
                })
                .collect(),
            questions: Questions {
                total: tally.questions(),
                ended: Event::ALL
                    .into_iter()
                    .map(|event| (event.name().to_owned(), tally.event(event)))
                    .collect(),
            },
            memory: MemoryStatus {
                resident: resident_octets(),
                budget,
            },
            cache: CacheStatus {
                hits: tally.event(Event::Hit),
                misses: tally.event(Event::Miss),
                ..self.resolution.cache()
            },
            counts: self.health.read(),
            root_copy: self.resolution.root_copy(),
            trust_anchors: self.resolution.trust_anchors(),
            rebindings: self.resolution.rebindings(),
            upstreams: self.resolution.upstreams(),
            witnesses: self.witnesses.standings(),
        }
    }

    fn reload(&self, list: Option<&str>) -> ControlReply {
        match list {
            None => ControlReply::Reload(Reloaded {
                lists: self.updater.reload(Which::All),
            }),
            Some(id) => self.on_list(id, |index| {
                ControlReply::Reload(Reloaded {
                    lists: self.updater.reload(Which::One(index)),
                })
            }),
        }
    }

    fn on_list(&self, id: &str, answer: impl FnOnce(ListIndex) -> ControlReply) -> ControlReply {
        match self.updater.index_of(id) {
            Some(index) => answer(index),
            None => {
                let known: Vec<&str> = self.rules.iter().map(|rules| rules.id.as_str()).collect();
                failed(format!(
                    "there is no list {id:?}: the lists are {}",
                    known.join(", ")
                ))
            }
        }
    }

    fn let_pass(&self, list: ListIndex, codes: &[String], reason: &str) -> ControlReply {
        let mut known = Vec::new();
        for word in codes {
            match Code::parse(word) {
                Some(code) => known.push(code),
                None => {
                    let words: Vec<&str> = Code::ALL.into_iter().map(Code::as_str).collect();
                    return failed(format!(
                        "{word:?} is no finding of the guard: these are {}",
                        words.join(", ")
                    ));
                }
            }
        }
        match self.updater.let_pass(list, &known, reason) {
            Ok(outcome) => reloaded(outcome),
            Err(message) => failed(message),
        }
    }

    fn remove(&self, text: &str) -> ControlReply {
        let removals = match self.updater.find_removals(text.as_bytes()) {
            Ok(removals) => removals,
            Err(reason) => return failed(format!("not a signed removal: {reason}")),
        };
        let mut lists = Vec::new();
        for (list, signed) in removals {
            let Some(index) = self.updater.index_of(&list) else {
                return self.on_list(&list, |_| failed(String::new()));
            };
            let origin = Origin {
                way: Way::Operator,
                place: "wardline remove".to_owned(),
            };
            lists.push(self.updater.take_removal(index, signed, &origin));
        }
        ControlReply::Reload(Reloaded { lists })
    }

    fn flush(&self, what: Flush<'_>) -> ControlReply {
        ControlReply::Flush(Flushed {
            removed: self.resolution.flush(what),
        })
    }

    fn why(&self, name: &Name) -> Why {
        let snapshot = self.updater.live().load();
        let mut hashes = SuffixHashes::new();
        hashes.fill(snapshot.key(), name.as_wire());
        let groups = self.clients.groups().map(|(group, label)| GroupAnswer {
            group: label.to_owned(),
            verdict: self.verdict(&snapshot, group, name, &hashes),
        });
        Why {
            name: name.to_string(),
            groups: groups.collect(),
        }
    }

    fn verdict(
        &self,
        snapshot: &Snapshot,
        group: Group,
        name: &Name,
        hashes: &SuffixHashes,
    ) -> GroupVerdict {
        let lists = self.clients.lists(group);
        if lists.is_empty() {
            return GroupVerdict::Exempt;
        }
        let Verdict::Block { list, found } = snapshot.decide(lists, hashes) else {
            return GroupVerdict::Pass;
        };
        let Some(rules) = self.rules.get(usize::from(list)) else {
            return GroupVerdict::Pass;
        };
        let behind = lists.iter().skip_while(|other| **other != list).skip(1);
        let others = behind.filter_map(|other| {
            let is_listed = snapshot.decide(&[*other], hashes) != Verdict::Pass;
            let rules = self.rules.get(usize::from(*other))?;
            is_listed.then(|| OtherList {
                list: rules.id.clone(),
                action: action_word(rules),
            })
        });
        GroupVerdict::Block {
            list: rules.id.clone(),
            authority: rules.authority.clone(),
            legal_basis: rules.legal_basis.clone(),
            action: action_word(rules),
            entry: suffix(name, found.labels),
            labels: found.labels,
            place: if found.is_parent {
                EntryPlace::Parent
            } else {
                EntryPlace::Itself
            },
            others: others.collect(),
        }
    }
}

fn action_word(rules: &ListRules) -> String {
    rules.action.in_manifest().as_str().to_owned()
}

/// What the program has of the machine's memory; 0 where the system does not tell.
fn resident_octets() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages
        .and_then(|pages| pages.split(' ').nth(1)?.parse::<u64>().ok())
        .map_or(0, |pages| pages * PAGE_OCTETS)
}

fn with_name(text: &str, answer: impl FnOnce(&Name) -> ControlReply) -> ControlReply {
    match Name::parse(text) {
        Ok(name) => answer(&name),
        Err(fault) => failed(format!(
            "not a domain name: {fault}: write it like www.example.com"
        )),
    }
}

fn reloaded(outcome: ListOutcome) -> ControlReply {
    ControlReply::Reload(Reloaded {
        lists: vec![outcome],
    })
}

fn failed(message: String) -> ControlReply {
    ControlReply::Failed { message }
}

/// The last `labels` labels of a name.
fn suffix(name: &Name, labels: usize) -> String {
    let above = name.label_count().saturating_sub(labels);
    let start = name
        .labels()
        .take(above)
        .map(|label| label.len() + 1)
        .sum::<usize>();
    let wire = name.as_wire().get(start..).unwrap_or_default();
    Name::from_wire(wire).map_or_else(|_| String::new(), |suffix| suffix.to_string())
}
