//! Answers an operator's request from the parts of the running program.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::changes::AnswerKind;
use super::facts::{Configuration, Facts, ReloadTurn};
use super::protocol::{
    CacheStatus, ControlReply, Flushed, LatencyBucket, ListStatus, MemoryStatus, Questions,
    Reloaded, Request, Status,
};
use super::request_rate::RequestRates;
use super::resolution::Resolution;
use super::standings::{AnchorsReply, ServersReply, UpstreamsReply};
use super::underway::{Underway, Work};
use super::verdict::{GroupAnswer, Why};
use crate::cache::{Flush, FlushKind};
use crate::clock::monotonic;
use crate::count::{Board, Door, Event, LATENCY_BOUNDS_US, Tally};
use crate::list::ListIndex;
use crate::list::guard::Code;
use crate::measure::{LiveReadiness, Readiness};
use crate::name::{Name, SuffixHashes};
use crate::process;
use crate::store::Health;
use crate::update::{ListOutcome, Origin, Updater, Way, Which};

/// The parts of the running program that an operator can ask about.
pub struct ServerParts {
    /// Keeps the lists.
    pub updater: Arc<Updater>,
    /// What the configuration says.
    pub facts: Arc<ArcSwap<Facts>>,
    /// Reads it again.
    pub configuration: Box<dyn Configuration>,
    /// Knows the counts.
    pub board: Arc<Board>,
    /// Knows whether they are written to disk.
    pub health: Health,
    /// Whether clients can be sent here.
    pub readiness: LiveReadiness,
    /// Cache and resolver.
    pub resolution: Box<dyn Resolution>,
    /// Knows what takes its time.
    pub underway: Underway,
    /// When the program started.
    pub started: Instant,
    /// How often may be asked about names.
    pub rates: RequestRates,
}

impl ServerParts {
    /// Fulfil one request; a reload takes its time.
    pub(super) fn answer(&self, request: &Request) -> ControlReply {
        let _work = self.begin(request);
        match request {
            Request::Status => ControlReply::Status(Box::new(self.status())),
            Request::Reload {
                list: None,
                dry_run,
            } => self.reload_all(*dry_run),
            Request::Reload {
                list: Some(list), ..
            } => self.reload(list),
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
                let facts = self.facts.load();
                let all = facts
                    .rules
                    .keys()
                    .flat_map(|index| self.updater.receipts(*index));
                ControlReply::Receipts {
                    receipts: all.collect(),
                }
            }
            Request::Upstreams => ControlReply::Upstreams(UpstreamsReply {
                upstreams: self.resolution.upstreams(),
            }),
            Request::Anchors => ControlReply::Anchors(AnchorsReply {
                anchors: self.resolution.trust_anchors(),
                negative: self.facts.load().negative_anchors.clone(),
            }),
            Request::Questions => ControlReply::Questions(self.resolution.questions()),
            Request::Flush { name, below, kind } => {
                self.flush_named(name.as_deref(), *below, *kind)
            }
            Request::Why { .. } | Request::Lookup(_) | Request::Servers { .. } => {
                self.answer_about_name(request)
            }
            Request::Change { change } => match self.configuration.change(change) {
                Ok(temporary) => ControlReply::Temporary { temporary },
                Err(message) => failed(message),
            },
        }
    }

    /// Lets others see what a request does that takes its time. A reload of everything tells of
    /// itself.
    fn begin(&self, request: &Request) -> Option<Work> {
        let what = match request {
            Request::Reload {
                list: Some(list), ..
            } => format!("list {list} is read again"),
            Request::Override { list, .. } => format!("an override of list {list}"),
            Request::Rollback { list, .. } => format!("a rollback of list {list}"),
            Request::Remove { .. } => "a removal".to_owned(),
            _ => return None,
        };
        Some(self.underway.begin(what))
    }

    /// Fulfil a request about a name, of which there may be few in a second.
    fn answer_about_name(&self, request: &Request) -> ControlReply {
        let rates = &self.rates;
        match request {
            Request::Lookup(asked) => rates.lookup.within("lookup", || {
                with_name(&asked.name, |name| self.look_up(name, asked))
            }),
            Request::Servers { zone } => rates.servers.within("servers", || {
                with_name(zone, |zone| {
                    ControlReply::Servers(ServersReply {
                        asked: zone.absolute(),
                        known: self.resolution.zone_standing(zone),
                    })
                })
            }),
            Request::Why { name } => rates.why.within("why", || {
                with_name(name, |name| ControlReply::Why(self.why(name)))
            }),
            _ => failed("not a request about a name".to_owned()),
        }
    }

    fn status(&self) -> Status {
        let tally = self.board.sum();
        let facts = self.facts.load();
        let blocked = |place: ListIndex| {
            let counts = tally.lists.get(usize::from(place));
            counts.map_or(0, |counts| counts.iter().sum())
        };
        let states = self.updater.states();
        let budget =
            facts.octets_without_lists + states.iter().map(|state| 2 * state.octets).sum::<u64>();
        let lists = states.into_iter().filter_map(|state| {
            let place = self.updater.index_of(&state.id)?;
            Some(ListStatus {
                authority: facts.rules.get(&place)?.authority.clone(),
                blocked: blocked(place),
                state,
            })
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: monotonic().duration_since(self.started).as_secs(),
            generation: self.updater.live().load().generation(),
            doors: facts.doors.clone(),
            waiting: facts.waiting.clone(),
            temporary: facts.temporary.clone(),
            readiness: Readiness::clone(&self.readiness.load()),
            is_leaving: facts.is_leaving,
            certificate_until: facts.certificate_until,
            underway: self.underway.show(),
            lists: lists.collect(),
            questions: questions(&tally),
            memory: MemoryStatus {
                resident: process::resident_octets(),
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
            witnesses: facts.witnesses.standings(),
        }
    }

    /// The configuration and all lists, as it says.
    fn reload_all(&self, dry_run: bool) -> ControlReply {
        let _work = self.underway.begin_reload();
        let turn = if dry_run {
            ReloadTurn::DryRun
        } else {
            ReloadTurn::Real
        };
        match self.configuration.reload(turn) {
            Err(message) => failed(message),
            Ok(configuration) => ControlReply::Reload(Reloaded {
                lists: match turn {
                    ReloadTurn::Real => self.updater.reload(Which::All),
                    ReloadTurn::DryRun => Vec::new(),
                },
                configuration: Some(configuration),
            }),
        }
    }

    fn reload(&self, list: &str) -> ControlReply {
        self.on_list(list, |index| {
            ControlReply::Reload(Reloaded {
                lists: self.updater.reload(Which::One(index)),
                configuration: None,
            })
        })
    }

    fn on_list(&self, id: &str, answer: impl FnOnce(ListIndex) -> ControlReply) -> ControlReply {
        match self.updater.index_of(id) {
            Some(index) => answer(index),
            None => {
                let facts = self.facts.load();
                let known: Vec<&str> = facts
                    .rules
                    .values()
                    .map(|rules| rules.id.as_str())
                    .collect();
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
        ControlReply::Reload(Reloaded {
            lists,
            configuration: None,
        })
    }

    fn flush_named(
        &self,
        name: Option<&str>,
        below: bool,
        kind: Option<AnswerKind>,
    ) -> ControlReply {
        let kind = match kind {
            None => FlushKind::Any,
            Some(AnswerKind::Bogus) => FlushKind::Bogus,
            Some(AnswerKind::Negative) => FlushKind::Negative,
            Some(AnswerKind::Type { number }) => FlushKind::Type(number),
        };
        let flush = |what: Flush<'_>| {
            let removed = self.resolution.flush(what, kind);
            ControlReply::Flush(Flushed { removed })
        };
        match name {
            None => flush(Flush::All),
            Some(name) if below => with_name(name, |name| flush(Flush::Below(name))),
            Some(name) => with_name(name, |name| flush(Flush::Name(name))),
        }
    }

    fn why(&self, name: &Name) -> Why {
        let snapshot = self.updater.live().load();
        let mut hashes = SuffixHashes::new();
        hashes.fill(snapshot.key(), name.as_wire());
        let facts = self.facts.load();
        let groups = facts.clients.groups().map(|(group, label)| GroupAnswer {
            group: label.to_owned(),
            verdict: facts.verdict(&snapshot, group, name, &hashes),
        });
        Why {
            name: name.to_string(),
            groups: groups.collect(),
        }
    }
}

fn questions(tally: &Tally) -> Questions {
    let ended = Event::ALL.into_iter();
    let doors = Door::ALL.into_iter().zip(tally.doors);
    let bounds = LATENCY_BOUNDS_US.into_iter().map(Some).chain([None]);
    let latency = bounds.zip(tally.latency);
    Questions {
        total: tally.questions(),
        ended: ended
            .map(|event| (event.name().to_owned(), tally.event(event)))
            .collect(),
        doors: doors
            .map(|(door, questions)| (door.name().to_owned(), questions))
            .collect(),
        latency: latency
            .map(|(us_max, replies)| LatencyBucket { us_max, replies })
            .collect(),
    }
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
        configuration: None,
    })
}

fn failed(message: String) -> ControlReply {
    ControlReply::Failed { message }
}
