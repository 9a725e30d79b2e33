//! The keys of one trust point and how each stands (RFC 5011): what a zone's key set says of them,
//! and how long that has held.

use hickory_proto::dnssec::rdata::DNSKEY;
use hickory_proto::rr::Name;
use serde::{Deserialize, Serialize};

use super::anchor::{Anchor, is_same_key};
use crate::clock::{ClockReading, UnixSeconds};

const DAY_S: i64 = 86_400;
/// How long a new key must be seen before it is believed (section 2.4.1), and how long a revoked
/// one is kept before it counts as removed (section 2.4.2).
const HOLD_DOWN_S: i64 = 30 * DAY_S;
/// Keys of one zone that are followed; RFC 5011 section 2.4.3 asks for five at least.
const KEYS_MAX: usize = 32;
/// The bounds of the time between two questions (section 2.3).
const QUERY_S: [i64; 2] = [3600, 15 * DAY_S];
/// The same after a question that failed.
const RETRY_S: [i64; 2] = [3600, DAY_S];

/// How a key stands (RFC 5011 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// The operator vouches for it, and the zone has not shown it yet.
    Start,
    /// It is new, and believed once it has been seen for long enough.
    AddPend,
    /// It is believed.
    Valid,
    /// It is believed, though the zone does not show it any more.
    Missing,
    /// Its owner has revoked it: it is never believed again.
    Revoked,
    /// It was revoked long ago.
    Removed,
}

impl KeyState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Start,
        Self::AddPend,
        Self::Valid,
        Self::Missing,
        Self::Revoked,
        Self::Removed,
    ];

    /// The word in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::AddPend => "add_pend",
            Self::Valid => "valid",
            Self::Missing => "missing",
            Self::Revoked => "revoked",
            Self::Removed => "removed",
        }
    }
}

/// One key of a trust point.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TrackedKey {
    /// As it was before it was revoked.
    pub(super) key: DNSKEY,
    pub(super) state: KeyState,
    /// Since when it stands so, by the wall clock.
    pub(super) since: UnixSeconds,
    /// Seconds of its hold-down that have gone by.
    pub(super) held_s: i64,
    /// The seconds that it takes.
    pub(super) hold_down_s: i64,
}

/// A zone whose keys are followed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TrustPoint {
    pub(super) zone: Name,
    pub(super) keys: Vec<TrackedKey>,
    /// When the zone's keys were last seen with a signature that holds, by the wall clock; 0 for
    /// never.
    pub(super) observed_at: UnixSeconds,
    /// The same in this run.
    observed: Option<ClockReading>,
    asked: Option<ClockReading>,
    query_s: i64,
    retry_s: i64,
    /// Why its keys could not be had when they were last asked for.
    pub(super) fault: Option<String>,
}

impl TrustPoint {
    pub(super) const fn new(zone: Name) -> Self {
        Self::kept(zone, Vec::new(), 0)
    }

    /// As it was when its keys were last seen.
    pub(super) const fn kept(zone: Name, keys: Vec<TrackedKey>, observed_at: UnixSeconds) -> Self {
        Self {
            zone,
            keys,
            observed_at,
            observed: None,
            asked: None,
            query_s: QUERY_S[0],
            retry_s: RETRY_S[0],
            fault: None,
        }
    }

    /// Take in the keys that the zone has shown at `now`, which an anchor that is in force has
    /// signed and which may be kept for `ttl_s` (sections 2.4 and 4). `may_be_new` says which may
    /// become anchors by themselves. What is older than the last sight says nothing. Returns
    /// whether other keys are believed now.
    pub(super) fn observe(
        &mut self,
        configured: &Anchor,
        shown: &[DNSKEY],
        may_be_new: impl Fn(&DNSKEY) -> bool,
        ttl_s: u32,
        now: ClockReading,
    ) -> bool {
        let is_old = |last: ClockReading| now.monotonic < last.monotonic;
        if self.observed.is_some_and(is_old) {
            self.note_seen(ttl_s);
            return false;
        }
        let elapsed_s = self.elapsed_s(now);
        let is_shown =
            |tracked: &TrackedKey| shown.iter().any(|key| is_same_key(key, &tracked.key));
        // A pending key that one set lacks begins anew (KeyRem).
        self.keys
            .retain(|tracked| tracked.state != KeyState::AddPend || is_shown(tracked));
        let mut has_changed = false;
        for tracked in &mut self.keys {
            let is_vouched = configured.vouches_for(&self.zone, &tracked.key);
            has_changed |= tracked.age(elapsed_s, is_shown(tracked), is_vouched, now.wall);
        }
        for key in shown {
            if self.find(key).is_some() || self.keys.len() >= KEYS_MAX {
                continue;
            }
            let state = if configured.vouches_for(&self.zone, key) {
                KeyState::Valid
            } else if may_be_new(key) {
                KeyState::AddPend
            } else {
                continue;
            };
            self.keys.push(TrackedKey {
                key: key.clone(),
                state,
                since: now.wall,
                held_s: 0,
                hold_down_s: HOLD_DOWN_S.max(ttl_s.into()),
            });
        }
        self.note_seen(ttl_s);
        (self.observed_at, self.observed) = (now.wall, Some(now));
        has_changed
    }

    /// The zone's keys, which may be kept for `ttl_s`, were had, be it from memory.
    pub(super) fn note_seen(&mut self, ttl_s: u32) {
        let bounded = |[least, most]: [i64; 2], share_s: i64| share_s.clamp(least, most);
        self.query_s = bounded(QUERY_S, i64::from(ttl_s) / 2);
        self.retry_s = bounded(RETRY_S, i64::from(ttl_s) / 10);
        self.fault = None;
    }

    /// The zone was asked for its keys for their own sake, whatever became of it.
    pub(super) const fn note_asked(&mut self, now: ClockReading) {
        self.asked = Some(now);
    }

    /// The owner of `key` has revoked it, signed by itself (section 2.1): at once and for good.
    pub(super) fn revoke(&mut self, key: &DNSKEY, now: ClockReading) {
        let revoked = TrackedKey {
            key: key.clone(),
            state: KeyState::Revoked,
            since: now.wall,
            // What has gone by since the keys were last seen is added when they are next.
            held_s: -self.elapsed_s(now),
            hold_down_s: HOLD_DOWN_S,
        };
        match self
            .keys
            .iter_mut()
            .find(|tracked| is_same_key(&tracked.key, key))
        {
            Some(tracked) => *tracked = revoked,
            None => self.keys.push(revoked),
        }
    }

    /// The zone's keys were asked for in vain.
    pub(super) fn note_failure(&mut self, fault: String) {
        self.fault = Some(fault);
    }

    /// The wall clock was set: what was seen before is dated by the new one. What was never seen
    /// stays so, and what an earlier run saw was not dated by the clock that was set: it may only
    /// become younger.
    pub(super) fn note_clock_step(&mut self, by_s: i64) {
        let by_s = match self.observed {
            Some(_) => by_s,
            None => by_s.max(0),
        };
        if self.observed_at > 0 {
            self.observed_at = self.observed_at.saturating_add(by_s).max(1);
        }
    }

    /// Is it time to ask for the zone's keys (section 2.3)? What the wall clock says counts too,
    /// for asking early does no harm.
    pub(super) fn is_due(&self, now: ClockReading) -> bool {
        let wait_s = if self.fault.is_some() {
            self.retry_s
        } else {
            self.query_s
        };
        self.asked.is_none_or(|asked| {
            asked.elapsed_s(now) >= wait_s || !(0..wait_s).contains(&(now.wall - asked.wall))
        })
    }

    /// How the zone's key stands, if it is followed.
    pub(super) fn find(&self, key: &DNSKEY) -> Option<&TrackedKey> {
        self.keys
            .iter()
            .find(|tracked| is_same_key(&tracked.key, key))
    }

    /// Does it stand otherwise than `before`, so that it must be kept anew? That the keys were seen
    /// again is worth a word an hour.
    pub(super) fn is_news(&self, before: &Self) -> bool {
        let states = |point: &Self| point.keys.iter().map(|key| key.state).collect::<Vec<_>>();
        self.observed_at / QUERY_S[0] != before.observed_at / QUERY_S[0]
            || states(self) != states(before)
    }

    /// How much of a hold-down has gone by since the keys were last seen.
    ///
    /// In one run it is the monotonic clock that says so: no step of the wall clock makes a new key
    /// older. Between two runs there is the wall clock alone; one that is ahead by more than the
    /// signatures hold is of no use, since the keys are not believed then.
    fn elapsed_s(&self, now: ClockReading) -> i64 {
        let stopped_s = (now.wall - self.observed_at).max(0);
        self.observed
            .map_or(stopped_s, |observed| observed.elapsed_s(now))
    }
}

impl TrackedKey {
    /// Is it believed?
    pub(super) const fn is_believed(&self) -> bool {
        matches!(self.state, KeyState::Valid | KeyState::Missing)
    }

    /// Go on by so many seconds (section 4.1). Is another key believed for it?
    fn age(&mut self, by_s: i64, is_shown: bool, is_vouched: bool, now: UnixSeconds) -> bool {
        let was_believed = self.is_believed();
        if matches!(self.state, KeyState::AddPend | KeyState::Revoked) {
            self.held_s = self.held_s.saturating_add(by_s);
        }
        let is_over = self.held_s >= self.hold_down_s;
        let next = match self.state {
            KeyState::AddPend if is_over || is_vouched => KeyState::Valid,
            KeyState::Valid if !is_shown => KeyState::Missing,
            KeyState::Missing if is_shown => KeyState::Valid,
            KeyState::Revoked if is_over => KeyState::Removed,
            stays => stays,
        };
        if next != self.state {
            (self.state, self.since) = (next, now);
        }
        was_believed != self.is_believed()
    }
}
