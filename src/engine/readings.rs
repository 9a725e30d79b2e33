//! What is measured of the running resolver, once a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::control::Facts;
use crate::count::Board;
use crate::measure::{
    AnchorReading, ConfigurationReading, ListReading, PlacesReading, ProcessReading, Publisher,
    Reading, RootCopyReading, ThreadTimes, UpstreamReading, WitnessReading,
};
use crate::process;
use crate::resolve::{KeyState, Resolver};
use crate::serve::Current;
use crate::serve::tcp::Streams;
use crate::serve::udp::UdpLosses;
use crate::store::Health;
use crate::update::{ListAlarm, ListAlarmKind, ListState, Updater};
use crate::witness::WitnessStanding;

/// How often the metrics page is made anew.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// What the kernel drops in front of the UDP doors that are open, by their addresses.
pub(super) type Losses = ArcSwap<Vec<(SocketAddr, UdpLosses)>>;

/// How the configuration was last read.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastReload {
    /// When it was last put in force.
    pub(super) at: clock::UnixSeconds,
    /// Was it put in force the last time?
    pub(super) is_good: bool,
}

impl Default for LastReload {
    /// At the start.
    fn default() -> Self {
        Self {
            at: clock::wall_s(),
            is_good: true,
        }
    }
}

/// Where the metrics come from.
pub(super) struct ReadingSource {
    pub(super) board: Arc<Board>,
    pub(super) current: Arc<Current>,
    pub(super) streams: Streams,
    pub(super) losses: Arc<Losses>,
    pub(super) updater: Arc<Updater>,
    pub(super) health: Health,
    pub(super) facts: Arc<ArcSwap<Facts>>,
    pub(super) last_reload: Arc<ArcSwap<LastReload>>,
    pub(super) started: clock::UnixSeconds,
    pub(super) threads: ThreadTimes,
}

pub(super) async fn publish(publisher: Publisher, mut source: ReadingSource) {
    let mut ticks = tokio::time::interval(PUBLISH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        publisher.publish(&source.read());
    }
}

/// Each kind of alarm, and whether it is raised.
fn raised(alarms: &[ListAlarm]) -> Vec<(&'static str, bool)> {
    let is_raised = |kind| alarms.iter().any(|alarm| alarm.kind == kind);
    let kinds = ListAlarmKind::ALL.into_iter();
    kinds.map(|kind| (kind.word(), is_raised(kind))).collect()
}

impl ReadingSource {
    /// What is to be seen now.
    pub(super) fn read(&mut self) -> Reading {
        let threads = self.threads.read();
        let answering = Arc::clone(&self.current.load().answering);
        let resolver = answering.resolver();
        let fill = answering.cache().fill();
        let renewals = answering.renewals();
        let flushing = self.health.read();
        let facts = self.facts.load();
        let (waiting, waiting_max) = answering.waiting();
        let states = self.updater.states();
        let lists_bytes: u64 = states.iter().map(|state| state.octets).sum();
        let witnesses = facts.witnesses.standings().into_iter();
        Reading {
            tally: self.board.sum(),
            lists: states.into_iter().map(|state| self.list(state)).collect(),
            cache_entries: fill.entries as u64,
            cache_bytes: fill.octets,
            stale: renewals.stale,
            renewed: renewals.renewed,
            rebindings: resolver.totals().rebindings,
            root_copy: root_copy(resolver),
            anchors: anchors(resolver),
            connections: places(self.streams.open(), self.streams.max()),
            waiting: places(waiting, waiting_max),
            kernel_drops: self.kernel_drops(),
            resolver_bytes: resolver.octets(),
            lists_bytes,
            memory_budget_bytes: facts.octets_without_lists + 2 * lists_bytes,
            process: process_reading(),
            threads,
            certificate_until: facts.certificate_until,
            configuration: self.configuration(&facts),
            upstreams: upstreams(resolver),
            started: self.started,
            last_flush: flushing.last_flush,
            flush_failures: flushing.failures,
            is_log_restored: flushing.restored.is_some(),
            witnesses: witnesses.map(witness).collect(),
        }
    }

    fn list(&self, state: ListState) -> ListReading {
        let live_since = (state.live_since > 0).then_some(state.live_since);
        let age_s = live_since.map(|since| clock::wall_s() - since);
        ListReading {
            place: self
                .updater
                .index_of(&state.id)
                .map_or(usize::MAX, usize::from),
            id: state.id,
            entries: state.entries,
            rejects: state.rejects,
            serial: state.serial,
            live_since,
            age_s: age_s.and_then(|age_s| u64::try_from(age_s).ok()),
            expires: state.expires,
            alarms: raised(&state.alarms),
            reached: state.reached,
            deadlines_missed: state.deadlines_missed,
            apply_within_s: state.apply_within_s,
            last_refusal: state.last_refusal.map(|refusal| refusal.at),
        }
    }

    fn kernel_drops(&self) -> Vec<(String, u64)> {
        let losses = self.losses.load();
        let doors = losses.iter();
        doors
            .map(|(address, losses)| (address.to_string(), losses.read()))
            .collect()
    }

    fn configuration(&self, facts: &Facts) -> ConfigurationReading {
        let LastReload { at, is_good } = **self.last_reload.load();
        ConfigurationReading {
            read: at,
            is_good,
            keys_waiting: facts.waiting.len() as u64,
        }
    }
}

const fn places(taken: usize, max: usize) -> PlacesReading {
    PlacesReading {
        taken: taken as u64,
        max: max as u64,
    }
}

fn process_reading() -> ProcessReading {
    ProcessReading {
        resident_bytes: process::resident_octets(),
        open_fds: process::open_files(),
        max_fds: process::open_files_max(),
    }
}

fn root_copy(resolver: &Resolver) -> Option<RootCopyReading> {
    resolver.root_copy().map(|copy| RootCopyReading {
        serial: copy.serial,
        until: copy.until,
        holds: clock::wall_s() < copy.until,
    })
}

fn anchors(resolver: &Resolver) -> Vec<AnchorReading> {
    let anchors = resolver.anchors().into_iter();
    anchors
        .map(|anchor| AnchorReading {
            zone: anchor.zone,
            key_tag: anchor.key_tag,
            state: anchor.state.map(KeyState::word),
            has_fault: anchor.fault.is_some(),
        })
        .collect()
}

fn upstreams(resolver: &Resolver) -> Vec<UpstreamReading> {
    let upstreams = resolver.upstreams().into_iter();
    upstreams
        .map(|upstream| UpstreamReading {
            address: upstream.server.to_string(),
            zone: upstream.zone.map(|zone| zone.to_string()),
            is_up: upstream.down_since.is_none(),
            asked: upstream.answers + upstream.failures,
            failures: upstream.failures,
        })
        .collect()
}

fn witness(standing: WitnessStanding) -> WitnessReading {
    let age_s = standing.at.map(|at| clock::wall_s().saturating_sub(at));
    WitnessReading {
        name: standing.name,
        leaves: standing.size,
        // A clock that is behind the witness's makes no age below zero.
        age_s: age_s.map(|age_s| u64::try_from(age_s).unwrap_or_default()),
        is_refused: standing.is_refused,
    }
}
