//! Cache and resolver, as the control socket sees them.

use std::sync::Arc;

use tracing::warn;

use crate::cache::{Flush, FlushKind};
use crate::clock::wall_s;
use crate::control::{CacheStatus, Resolution, RootCopyStatus, UpstreamStatus};
use crate::query::Answering;
use crate::resolve::{AnchorStatus, RootStanding};
use crate::serve::Current;

/// Those that are in force at the time.
pub(super) struct LiveResolution(pub(super) Arc<Current>);

impl LiveResolution {
    fn answering(&self) -> Arc<Answering> {
        Arc::clone(&self.0.load().answering)
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

    fn upstreams(&self) -> Vec<UpstreamStatus> {
        let upstreams = self.answering().resolver().upstreams().into_iter();
        let status = upstreams.map(|upstream| UpstreamStatus {
            address: upstream.server.to_string(),
            zone: upstream.zone.map(|zone| zone.to_string()),
            is_up: upstream.down_since.is_none(),
            asked: upstream.answers + upstream.failures,
            failed: upstream.failures,
        });
        status.collect()
    }
}
