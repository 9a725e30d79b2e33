//! What the control socket asks of the cache and the resolver, and what there is before anything is
//! answered.

use super::protocol::{CacheStatus, RootCopyStatus};
use super::standings::{QuestionsReply, UpstreamStatus};
use crate::cache::{Flush, FlushKind};
use crate::name::Name;
use crate::query::{LookedUp, Lookup};
use crate::resolve::{AnchorStatus, ZoneStanding};

/// What the control socket asks of the cache and the resolver.
pub trait Resolution: Send + Sync {
    /// How the cache stands.
    fn cache(&self) -> CacheStatus;
    /// Forget answers; returns how many.
    fn flush(&self, what: Flush<'_>, kind: FlushKind) -> u64;
    /// How many answers were refused because they lead into private networks, where that is asked
    /// for.
    fn rebindings(&self) -> Option<u64>;
    /// How the copy of the root zone stands, if there is one.
    fn root_copy(&self) -> Option<RootCopyStatus>;
    /// How the trust anchors stand.
    fn trust_anchors(&self) -> Vec<AnchorStatus>;
    /// How the upstream resolvers stand.
    fn upstreams(&self) -> Vec<UpstreamStatus>;
    /// The closest zone at or above a name that is known, and how its servers stand; nothing where
    /// resolvers are asked about it.
    fn zone_standing(&self, name: &Name) -> Option<ZoneStanding>;
    /// The questions that are under way.
    fn questions(&self) -> QuestionsReply;
    /// Answer a question like a client's; an error says why that cannot be.
    fn look_up(&self, lookup: &Lookup) -> Result<LookedUp, String>;
}

/// Why nobody can be asked.
const NOT_YET: &str = "the program waits for lists with `required = true` and answers nothing yet: \
                       `wardline lists` says which";

/// Nothing is answered yet, and nothing cached.
pub struct NothingResolved;

impl Resolution for NothingResolved {
    fn cache(&self) -> CacheStatus {
        CacheStatus::default()
    }

    fn flush(&self, _: Flush<'_>, _: FlushKind) -> u64 {
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

    fn zone_standing(&self, _: &Name) -> Option<ZoneStanding> {
        None
    }

    fn questions(&self) -> QuestionsReply {
        QuestionsReply::default()
    }

    fn look_up(&self, _: &Lookup) -> Result<LookedUp, String> {
        Err(NOT_YET.to_owned())
    }
}
