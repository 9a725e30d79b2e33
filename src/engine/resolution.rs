//! Cache and resolver, as the control socket sees them.

use std::sync::{Arc, mpsc};

use tokio::runtime::Handle;
use tracing::warn;

use crate::cache::{Flush, FlushKind};
use crate::clock::wall_s;
use crate::control::{CacheStatus, QuestionsReply, Resolution, RootCopyStatus, UpstreamStatus};
use crate::name::Name;
use crate::query::{Answering, LookedUp, Lookup};
use crate::resolve::{AnchorStatus, RootStanding, ZoneStanding};
use crate::serve::Current;

/// Those that are in force at the time.
pub(super) struct LiveResolution {
    pub(super) current: Arc<Current>,
    pub(super) runtime: Handle,
}

impl LiveResolution {
    fn answering(&self) -> Arc<Answering> {
        Arc::clone(&self.current.load().answering)
    }
}

impl Resolution for LiveResolution {
    fn cache(&self) -> CacheStatus {
        let fill = self.answering().cache().fill();
        let renewals = self.answering().renewals();
        CacheStatus {
            answers: fill.entries as u64,
            octets: fill.octets,
            octets_max: fill.octets_max,
            stale: renewals.stale,
            renewed: renewals.renewed,
            ..CacheStatus::default()
        }
    }

    fn flush(&self, what: Flush<'_>, kind: FlushKind) -> u64 {
        let below = match what {
            Flush::All => None,
            Flush::Name(name) | Flush::Below(name) => Some(name),
        };
        if let Err(error) = self.answering().resolver().forget(below) {
            warn!("the resolver keeps what it learnt ({error})");
        }
        self.answering().cache().flush(what, kind) as u64
    }

    fn root_copy(&self) -> Option<RootCopyStatus> {
        let RootStanding { serial, until } = self.answering().resolver().root_copy()?;
        Some(RootCopyStatus {
            serial,
            until,
            holds: wall_s() < until,
        })
    }

    fn trust_anchors(&self) -> Vec<AnchorStatus> {
        self.answering().resolver().anchors()
    }

    fn rebindings(&self) -> Option<u64> {
        self.answering().resolver().totals().rebindings
    }

    fn zone_standing(&self, name: &Name) -> Option<ZoneStanding> {
        self.answering().resolver().zone_standing(name)
    }

    fn questions(&self) -> QuestionsReply {
        let answering = self.answering();
        let (asked, outside) = (answering.under_way(), answering.resolver().under_way());
        QuestionsReply {
            under_way: asked.questions as u64,
            waiting: asked.waiting as u64,
            oldest_ms: asked.oldest.map(|oldest| oldest.as_millis() as u64),
            by_top_level: outside.by_top,
            others: outside.others,
            in_fullest_zone: outside.in_fullest_zone,
            in_zone_max: outside.in_zone_max,
        }
    }

    fn look_up(&self, lookup: &Lookup) -> Result<LookedUp, String> {
        let (answering, lookup) = (self.answering(), lookup.clone());
        let (sender, looked_up) = mpsc::channel();
        // On a task, which a stop ends.
        self.runtime.spawn(async move {
            // Who asked waits for nothing else.
            let _ = sender.send(answering.look_up(&lookup).await);
        });
        let stopped = |_| Err("the program stops, or the lookup failed within".to_owned());
        looked_up.recv().unwrap_or_else(stopped)
    }

    fn upstreams(&self) -> Vec<UpstreamStatus> {
        let upstreams = self.answering().resolver().upstreams().into_iter();
        let status = upstreams.map(|upstream| UpstreamStatus {
            address: upstream.server.to_string(),
            zone: upstream.zone.map(|zone| zone.to_string()),
            is_up: upstream.down_since.is_none(),
            asked: upstream.answers + upstream.failures,
            failed: upstream.failures,
            down_since: upstream.down_since,
            failures_in_a_row: upstream.failures_in_a_row,
            usual_us: upstream.usual_us,
            needs_tcp: upstream.needs_tcp,
            under_way: upstream.under_way,
        });
        status.collect()
    }
}
