//! What is measured of the running resolver, once a second.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock;
use crate::control::Facts;
use crate::count::Board;
use crate::measure::{ListReading, Publisher, Reading, UpstreamReading, WitnessReading};
use crate::serve::Current;
use crate::store::Health;
use crate::update::{ListAlarm, ListAlarmKind, Updater};
use crate::witness::WitnessStanding;

/// How often the metrics page is made anew.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Where the metrics come from.
pub(super) struct ReadingSource {
    pub(super) board: Arc<Board>,
    pub(super) current: Arc<Current>,
    pub(super) updater: Arc<Updater>,
    pub(super) health: Health,
    pub(super) facts: Arc<ArcSwap<Facts>>,
    pub(super) started: clock::UnixSeconds,
}

pub(super) async fn publish(publisher: Publisher, source: ReadingSource) {
    let mut ticks = tokio::time::interval(PUBLISH_EVERY);
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
    pub(super) fn read(&self) -> Reading {
        let answering = Arc::clone(&self.current.load().answering);
        let resolver = answering.resolver();
        let fill = answering.cache().fill();
        let renewals = answering.renewals();
        let flushing = self.health.read();
        let now = clock::wall_s();
        let lists = self.updater.states().into_iter().map(|state| ListReading {
            place: self
                .updater
                .index_of(&state.id)
                .map_or(usize::MAX, usize::from),
            id: state.id,
            entries: state.entries,
            rejects: state.rejects,
            serial: state.serial,
            live_since: (state.live_since > 0).then_some(state.live_since),
            age_s: u64::try_from(now - state.live_since)
                .ok()
                .filter(|_| state.live_since > 0),
            expires: state.expires,
            alarms: raised(&state.alarms),
            last_refusal: state.last_refusal.map(|refusal| refusal.at),
        });
        let upstreams = resolver.upstreams().into_iter();
        Reading {
            tally: self.board.sum(),
            lists: lists.collect(),
            cache_entries: fill.entries as u64,
            cache_bytes: fill.octets,
            stale: renewals.stale,
            renewed: renewals.renewed,
            rebindings: resolver.totals().rebindings,
            root_copy_until: resolver.root_copy().map(|copy| copy.until),
            upstreams: upstreams
                .map(|upstream| UpstreamReading {
                    address: upstream.server.to_string(),
                    zone: upstream.zone.map(|zone| zone.to_string()),
                    is_up: upstream.down_since.is_none(),
                    asked: upstream.answers + upstream.failures,
                    failures: upstream.failures,
                })
                .collect(),
            started: self.started,
            last_flush: flushing.last_flush,
            flush_failures: flushing.failures,
            is_log_restored: flushing.restored.is_some(),
            witnesses: self
                .facts
                .load()
                .witnesses
                .standings()
                .into_iter()
                .map(witness)
                .collect(),
        }
    }
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
