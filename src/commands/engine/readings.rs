//! What is measured of the running resolver, once a second.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::count::Board;
use crate::measure::{ListReading, Publisher, Reading, UpstreamReading, WitnessReading};
use crate::query::Answering;
use crate::store::Health;
use crate::update::{ListAlarm, ListAlarmKind, Updater};
use crate::witness::{WitnessStanding, Witnesses};

/// How often the metrics page is made anew.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Where the metrics come from.
pub(super) struct ReadingSource {
    pub(super) board: Arc<Board>,
    pub(super) answering: Arc<Answering>,
    pub(super) updater: Arc<Updater>,
    pub(super) health: Health,
    pub(super) witnesses: Witnesses,
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
        let fill = self.answering.cache().fill();
        let renewals = self.answering.renewals();
        let flushing = self.health.read();
        let now = clock::wall_s();
        let lists = self.updater.states().into_iter().map(|state| ListReading {
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
        let upstreams = self.answering.resolver().upstreams().into_iter();
        Reading {
            tally: self.board.sum(),
            lists: lists.collect(),
            cache_entries: fill.entries as u64,
            cache_bytes: fill.octets,
            stale: renewals.stale,
            renewed: renewals.renewed,
            rebindings: self.answering.resolver().totals().rebindings,
            root_copy_until: self.answering.resolver().root_copy().map(|copy| copy.until),
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
