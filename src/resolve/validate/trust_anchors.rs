//! Which anchors are in force: those of the operator, and what the zones' own keys have made of
//! them since (RFC 5011).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use hickory_proto::dnssec::PublicKey;
use hickory_proto::dnssec::rdata::DNSKEY;
use hickory_proto::rr::Name;
use serde::{Deserialize, Serialize};

use super::anchor::{Anchor, Anchors};
use super::kept_anchors::KeptAnchors;
use super::trust_point::{KeyState, TrackedKey, TrustPoint};
use crate::clock::{ClockReading, UnixSeconds};
use crate::resolve::failure::Failure;

/// Tags that fit into the label of a signal (RFC 8145 section 5.1).
const SIGNALLED_MAX: usize = 12;

/// One anchor, for whoever wants to see how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorStatus {
    /// The zone that it is of.
    pub zone: String,
    /// The key's tag and algorithm.
    pub key_tag: u16,
    /// By its number.
    pub algorithm: u8,
    /// How it stands; none where the anchors are not kept up to date by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<KeyState>,
    /// Since when, by the wall clock; 0 where that is not known.
    pub since: UnixSeconds,
    /// The seconds until it is believed, or until it counts as removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_s: Option<i64>,
    /// Why the zone's keys could not be had when they were last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// All anchors, shared by all validators.
pub(in crate::resolve) struct TrustAnchors {
    configured: Anchors,
    in_force: ArcSwap<Anchors>,
    /// Do they follow the zones' keys?
    are_followed: bool,
    /// The zones with anchors.
    points: Mutex<Vec<TrustPoint>>,
    /// What is kept of zones that have none now, since they may have again.
    others: Vec<(TrustPoint, Anchor)>,
    /// Goes up with all that is to be kept.
    version: AtomicU64,
    /// Both clocks when they were last looked at.
    looked: Mutex<ClockReading>,
}

impl TrustAnchors {
    /// The operator's anchors, as they stay.
    pub(in crate::resolve) fn fixed(configured: Anchors) -> Self {
        let points = configured.positive();
        let points = points.map(|(zone, _)| TrustPoint::new(zone.clone()));
        Self {
            in_force: ArcSwap::from_pointee(configured.clone()),
            are_followed: false,
            points: Mutex::new(points.collect()),
            others: Vec::new(),
            configured,
            version: AtomicU64::new(0),
            looked: Mutex::new(ClockReading::now()),
        }
    }

    /// The operator's anchors, and what was `kept` of what became of them.
    ///
    /// The operator's hand goes first: an anchor that he has added since counts at once, and one
    /// that he has taken out does not count any more. What the zone has added stays, and what it
    /// has revoked too.
    pub(in crate::resolve) fn followed(configured: Anchors, kept: &KeptAnchors) -> Self {
        let anchors = Self::fixed(configured);
        let mut points = Vec::new();
        for (zone, anchor) in anchors.configured.positive() {
            points.push(kept.point(zone, anchor));
        }
        for point in &points {
            anchors.put_in_force(point);
        }
        Self {
            are_followed: true,
            others: kept.others(&points),
            points: Mutex::new(points),
            ..anchors
        }
    }

    /// Without a positive anchor nothing is ever checked.
    pub(in crate::resolve) fn is_empty(&self) -> bool {
        self.configured.is_empty()
    }

    /// The anchors that count now.
    pub(super) fn in_force(&self) -> Arc<Anchors> {
        self.in_force.load_full()
    }

    /// What an anchor's zone has shown at `said_at`, signed by one of the anchors `by`. It counts
    /// for nothing, and false is returned, where those are not in force any more.
    pub(super) fn observe(
        &self,
        zone: &Name,
        by: &Arc<Anchors>,
        shown: &[DNSKEY],
        may_be_new: impl Fn(&DNSKEY) -> bool,
        ttl_s: u32,
        said_at: ClockReading,
    ) -> bool {
        let mut are_in_force = true;
        if self.are_followed {
            self.change(zone, |point, configured| {
                are_in_force = Arc::ptr_eq(by, &self.in_force());
                are_in_force && point.observe(configured, shown, may_be_new, ttl_s, said_at)
            });
        } else {
            self.note_had(zone, ttl_s);
        }
        are_in_force
    }

    /// A zone's keys, which may be kept for `ttl_s`, were had, and nothing else is to be learnt
    /// from them.
    pub(super) fn note_had(&self, zone: &Name, ttl_s: u32) {
        if let Some(point) = self.lock().iter_mut().find(|point| point.zone == *zone) {
            point.note_seen(ttl_s);
        }
    }

    /// A key of the zone was revoked, signed by itself.
    pub(super) fn revoke(&self, zone: &Name, key: &DNSKEY, now: ClockReading) {
        self.change(zone, |point, _| {
            point.revoke(key, now);
            true
        });
    }

    /// Is the key believed, or has the operator named it, and nobody revoked it?
    pub(super) fn may_be_revoked(&self, zone: &Name, key: &DNSKEY) -> bool {
        let points = self.lock();
        let mut followed = points.iter().filter(|_| self.are_followed);
        followed.any(|point| {
            let vouches = |anchor: &Anchor| anchor.vouches_for(zone, key);
            point.zone == *zone
                && point.find(key).map_or_else(
                    || self.configured.at(zone).is_some_and(vouches),
                    |tracked| !matches!(tracked.state, KeyState::Revoked | KeyState::Removed),
                )
        })
    }

    /// The zones whose keys are to be asked for now.
    pub(in crate::resolve) fn due(&self) -> Vec<Name> {
        let (now, in_force) = (ClockReading::now(), self.in_force());
        let points = self.lock();
        let due = points
            .iter()
            .filter(|point| point.is_due(now) && in_force.at(&point.zone).is_some());
        due.map(|point| point.zone.clone()).collect()
    }

    /// A zone was asked for its keys for the anchor's sake.
    pub(in crate::resolve) fn note_asked(&self, zone: &Name) {
        if let Some(point) = self.lock().iter_mut().find(|point| point.zone == *zone) {
            point.note_asked(ClockReading::now());
        }
    }

    /// A zone's keys were asked for in vain.
    pub(in crate::resolve) fn note_failure(&self, zone: &Name, failure: Failure) {
        let is_unmatched = failure == Failure::KeyMissing;
        let fault = if is_unmatched {
            "no anchor fits the zone's keys, if it shows any: all below it fails; name its new \
             key in trust_anchors (docs/root-key.md)"
                .to_owned()
        } else {
            format!("the zone's keys could not be had ({failure})")
        };
        let mut points = self.lock();
        let Some(point) = points.iter_mut().find(|point| point.zone == *zone) else {
            return;
        };
        if point.fault.as_ref() != Some(&fault) {
            if is_unmatched {
                tracing::error!(%zone, "trust anchor: {fault}");
            } else {
                tracing::warn!(%zone, "trust anchor: {fault}");
            }
        }
        point.note_failure(fault);
    }

    /// The name that tells the zone's servers which anchors are in force (RFC 8145 section 5.1).
    pub(in crate::resolve) fn signal(&self, zone: &Name) -> Option<Name> {
        let in_force = self.in_force();
        let mut tags = in_force.at(zone)?.tags();
        tags.sort_unstable();
        tags.dedup();
        if tags.is_empty() {
            return None;
        }
        let tags = tags.iter().take(SIGNALLED_MAX);
        let label = tags.fold("_ta".to_owned(), |label, tag| format!("{label}-{tag:04x}"));
        zone.prepend_label(label.as_bytes()).ok()
    }

    /// Goes up whenever there is something new to keep. Ask for it often: a step of the clock is
    /// seen here.
    pub(in crate::resolve) fn version(&self) -> u64 {
        self.note_clock(ClockReading::now());
        self.version.load(Relaxed)
    }

    /// Where the wall clock was set, what was seen before is dated by the new one, so that the next
    /// run does not take the step for time that has gone by.
    fn note_clock(&self, now: ClockReading) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let step_s = std::mem::replace(&mut *looked, now).step_s(now);
        drop(looked);
        if let Some(by_s) = step_s.filter(|_| self.are_followed) {
            for point in &mut *self.lock() {
                point.note_clock_step(by_s);
            }
            self.version.fetch_add(1, Relaxed);
        }
    }

    /// What is to be kept over a restart.
    pub(in crate::resolve) fn text(&self) -> String {
        let points = self.lock();
        let all = points.iter().filter_map(|point| {
            let configured = self.configured.at(&point.zone)?;
            Some((point, configured))
        });
        let others = self.others.iter().map(|(point, before)| (point, before));
        KeptAnchors::text(all.chain(others))
    }

    /// How all anchors stand.
    pub(in crate::resolve) fn status(&self) -> Vec<AnchorStatus> {
        let points = self.lock();
        let mut all = Vec::new();
        for (zone, configured) in self.configured.positive() {
            let point = points.iter().find(|point| point.zone == *zone);
            let tracked = point.map_or(&[][..], |point| &point.keys);
            let fault = point.and_then(|point| point.fault.clone());
            let shown = |key_tag, algorithm, state, since, left_s| AnchorStatus {
                zone: zone.to_string(),
                key_tag,
                algorithm,
                state,
                since,
                left_s,
                fault: fault.clone(),
            };
            for TrackedKey {
                key,
                state,
                since,
                held_s,
                hold_down_s,
            } in tracked
            {
                let is_held = matches!(state, KeyState::AddPend | KeyState::Revoked);
                let left_s = is_held.then(|| (hold_down_s - held_s).max(0));
                let (tag, algorithm) = (key.calculate_key_tag(), key.public_key().algorithm());
                let state = Some(*state);
                all.push(shown(
                    tag.unwrap_or_default(),
                    algorithm.into(),
                    state,
                    *since,
                    left_s,
                ));
            }
            let is_tracked = |anchor: &Anchor| {
                tracked
                    .iter()
                    .any(|tracked| anchor.vouches_for(zone, &tracked.key))
            };
            let state = self.are_followed.then_some(KeyState::Start);
            for single in configured.singly().filter(|single| !is_tracked(single)) {
                for (tag, algorithm) in single.tagged() {
                    all.push(shown(tag, algorithm, state, 0, None));
                }
            }
        }
        all.sort_by(|a, b| (&a.zone, a.key_tag).cmp(&(&b.zone, b.key_tag)));
        all
    }

    fn change(&self, zone: &Name, change: impl FnOnce(&mut TrustPoint, &Anchor) -> bool) {
        let mut points = self.lock();
        let (Some(point), Some(configured)) = (
            points.iter_mut().find(|point| point.zone == *zone),
            self.configured.at(zone),
        ) else {
            return;
        };
        let before = point.clone();
        let has_changed = change(point, configured);
        tell(point, &before);
        if has_changed {
            self.put_in_force(point);
        }
        if has_changed || point.is_news(&before) {
            self.version.fetch_add(1, Relaxed);
        }
    }

    /// Let what is believed of a zone's keys count: those that the zone has shown for long enough,
    /// and those of the operator's that nobody has revoked.
    fn put_in_force(&self, point: &TrustPoint) {
        let Some(mut anchor) = self.configured.at(&point.zone).cloned() else {
            return;
        };
        for tracked in &point.keys {
            if tracked.is_believed() {
                anchor.add(&point.zone, &tracked.key);
            } else if tracked.state != KeyState::AddPend {
                anchor.remove(&point.zone, &tracked.key);
            }
        }
        if anchor.digests.is_empty() && anchor.keys.is_empty() {
            tracing::error!(
                zone = %point.zone,
                "trust anchor: all keys are revoked; name the zone's new key in trust_anchors \
                 (docs/root-key.md)"
            );
        }
        self.in_force
            .rcu(|anchors| anchors.with(&point.zone, anchor.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<TrustPoint>> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tell the operator's log of keys that stand otherwise than before.
fn tell(point: &TrustPoint, before: &TrustPoint) {
    let zone = &point.zone;
    for TrackedKey { key, state, .. } in &point.keys {
        if before
            .find(key)
            .is_some_and(|before| before.state == *state)
        {
            continue;
        }
        let key_tag = key.calculate_key_tag().unwrap_or_default();
        if *state == KeyState::Revoked {
            tracing::warn!(%zone, key_tag, "trust anchor: the key was revoked by its owner");
        } else {
            tracing::info!(%zone, key_tag, ?state, "trust anchor: the key stands otherwise now");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::anchor::AnchorStanding;
    use super::super::tests::Signer;
    use super::*;
    use crate::clock::monotonic;

    const DAY_S: i64 = 86_400;
    const TTL_S: u32 = 172_800;
    const START: UnixSeconds = 1_790_000_000;

    /// A zone's keys, and a resolver that follows them through its runs.
    struct Following {
        zone: Name,
        texts: Vec<String>,
        anchors: TrustAnchors,
        begun: std::time::Instant,
        /// By how much the wall clock is ahead of what has gone by.
        ahead_s: i64,
    }

    fn anchor_text(signer: &Signer) -> String {
        format!(". DNSKEY {}", signer.dnskey)
    }

    fn configured(texts: &[String]) -> Anchors {
        Anchors::read(texts, &[]).unwrap()
    }

    impl Following {
        fn of(signers: &[&Signer]) -> Self {
            let texts: Vec<_> = signers.iter().map(|signer| anchor_text(signer)).collect();
            let anchors = TrustAnchors::followed(configured(&texts), &KeptAnchors::default());
            Self {
                zone: Name::root(),
                anchors,
                texts,
                begun: monotonic(),
                ahead_s: 0,
            }
        }

        fn at(&self, day: i64) -> ClockReading {
            let gone_by = Duration::from_secs((day * DAY_S) as u64);
            ClockReading {
                wall: START + self.ahead_s + day * DAY_S,
                monotonic: self.begun + gone_by,
            }
        }

        fn shows(&self, day: i64, signers: &[&Signer]) {
            let keys: Vec<_> = signers.iter().map(|signer| signer.dnskey.clone()).collect();
            let (by, now) = (self.anchors.in_force(), self.at(day));
            let observed = self
                .anchors
                .observe(&self.zone, &by, &keys, |_| true, TTL_S, now);
            assert!(observed);
        }

        fn revokes(&self, day: i64, signer: &Signer) {
            self.anchors
                .revoke(&self.zone, &signer.dnskey, self.at(day));
        }

        fn restart(&mut self) {
            let kept = KeptAnchors::read(&self.anchors.text()).unwrap();
            self.anchors = TrustAnchors::followed(configured(&self.texts), &kept);
        }

        fn restart_with(&mut self, signers: &[&Signer]) {
            self.texts = signers.iter().map(|signer| anchor_text(signer)).collect();
            self.restart();
        }

        fn believes(&self, signer: &Signer) -> bool {
            let in_force = self.anchors.in_force();
            let anchor = in_force.at(&self.zone);
            anchor.is_some_and(|anchor| anchor.vouches_for(&self.zone, &signer.dnskey))
        }

        fn state(&self, signer: &Signer) -> Option<KeyState> {
            let tag = signer.dnskey.calculate_key_tag().unwrap();
            let all = self.anchors.status();
            all.iter().find(|one| one.key_tag == tag)?.state
        }
    }

    /// KSK-2017 gives way to KSK-2024 by the calendar of RFC 5011, with a restart each day.
    #[test]
    fn a_roll_over_is_followed_from_the_first_sight_to_the_end() {
        let (old, new) = (Signer::new("."), Signer::new("."));
        let mut following = Following::of(&[&old]);
        assert_eq!(following.state(&old), Some(KeyState::Start));
        following.shows(0, &[&old]);
        assert_eq!(following.state(&old), Some(KeyState::Valid));
        for day in 1..=30 {
            following.shows(day, &[&old, &new]);
            assert_eq!(following.state(&new), Some(KeyState::AddPend), "{day}");
            assert!(!following.believes(&new), "{day}");
            following.restart();
        }
        following.shows(31, &[&old, &new]);
        assert_eq!(following.state(&new), Some(KeyState::Valid));
        assert!(following.believes(&new) && following.believes(&old));
        following.restart();
        assert!(following.believes(&new), "over a restart");
        following.revokes(60, &old);
        following.shows(60, &[&new]);
        assert_eq!(following.state(&old), Some(KeyState::Revoked));
        assert!(!following.believes(&old) && following.believes(&new));
        following.restart();
        assert!(!following.believes(&old), "though the operator named it");
        following.shows(89, &[&new]);
        assert_eq!(following.state(&old), Some(KeyState::Revoked));
        following.shows(90, &[&new]);
        assert_eq!(following.state(&old), Some(KeyState::Removed));
        following.shows(91, &[&old, &new]);
        assert!(
            !following.believes(&old),
            "once revoked it never comes back"
        );
    }

    #[test]
    fn a_new_key_that_one_set_lacks_begins_anew() {
        let (old, new) = (Signer::new("."), Signer::new("."));
        let following = Following::of(&[&old]);
        following.shows(0, &[&old, &new]);
        following.shows(29, &[&old]);
        assert_eq!(following.state(&new), None);
        following.shows(30, &[&old, &new]);
        following.shows(31, &[&old, &new]);
        assert_eq!(following.state(&new), Some(KeyState::AddPend));
        following.shows(60, &[&old, &new]);
        assert_eq!(following.state(&new), Some(KeyState::Valid));
        following.shows(61, &[&new]);
        assert_eq!(following.state(&old), Some(KeyState::Missing));
        assert!(following.believes(&old), "missing is not revoked");
        following.shows(62, &[&old, &new]);
        assert_eq!(following.state(&old), Some(KeyState::Valid));
    }

    /// A set from memory was seen when it was fetched: it ends no hold-down, and what is older than
    /// the last sight says nothing new.
    #[test]
    fn what_was_kept_is_seen_no_later_than_it_was_said() {
        let (old, new) = (Signer::new("."), Signer::new("."));
        let following = Following::of(&[&old]);
        let shows_kept = |day, signers: &[&Signer], for_days: i64| {
            let keys: Vec<_> = signers.iter().map(|signer| signer.dnskey.clone()).collect();
            let by = following.anchors.in_force();
            let said_at = following.at(day).before((for_days * DAY_S) as u32);
            let zone = &following.zone;
            let anchors = &following.anchors;
            assert!(anchors.observe(zone, &by, &keys, |_| true, TTL_S, said_at));
        };
        following.shows(0, &[&old, &new]);
        shows_kept(30, &[&old, &new], 1);
        assert_eq!(following.state(&new), Some(KeyState::AddPend));
        shows_kept(30, &[&old], 2);
        assert_eq!(following.state(&new), Some(KeyState::AddPend));
        following.shows(30, &[&old, &new]);
        assert_eq!(following.state(&new), Some(KeyState::Valid));
    }

    #[test]
    fn no_step_of_the_clock_makes_a_new_key_older() {
        let (old, new) = (Signer::new("."), Signer::new("."));
        let mut following = Following::of(&[&old]);
        following.shows(0, &[&old, &new]);
        following.ahead_s = 400 * DAY_S;
        following.shows(1, &[&old, &new]);
        assert_eq!(following.state(&new), Some(KeyState::AddPend));
        // A clock that goes back between two runs takes nothing away, and gives nothing.
        following.ahead_s = -400 * DAY_S;
        following.restart();
        following.shows(2, &[&old, &new]);
        let left = |following: &Following| {
            let all = following.anchors.status();
            all.iter().find_map(|one| one.left_s).unwrap()
        };
        assert_eq!(left(&following), 29 * DAY_S);
        following.ahead_s = 0;
        following.shows(3, &[&old, &new]);
        assert_eq!(left(&following), 28 * DAY_S);
    }

    #[test]
    fn the_next_run_does_not_take_a_step_of_the_clock_for_time() {
        let (old, new) = (Signer::new("."), Signer::new("."));
        let mut following = Following::of(&[&old]);
        *following.anchors.looked.lock().unwrap() = following.at(0);
        following.shows(0, &[&old, &new]);
        following.ahead_s = 40 * DAY_S;
        following.anchors.note_clock(following.at(1));
        following.restart();
        following.shows(2, &[&old, &new]);
        assert_eq!(following.state(&new), Some(KeyState::AddPend));
        following.restart();
        following.shows(30, &[&old, &new]);
        assert_eq!(following.state(&new), Some(KeyState::Valid));
    }

    #[test]
    fn a_clock_that_is_set_right_makes_nothing_older_that_an_earlier_run_saw() {
        let (old, new) = (Signer::new("."), Signer::new("."));
        let mut following = Following::of(&[&old]);
        following.shows(0, &[&old, &new]);
        following.restart();
        following.ahead_s = 40 * DAY_S;
        *following.anchors.looked.lock().unwrap() = following.at(1);
        following.ahead_s = 0;
        following.anchors.note_clock(following.at(1));
        following.shows(2, &[&old, &new]);
        assert_eq!(following.state(&new), Some(KeyState::AddPend));
    }

    #[test]
    fn what_was_learnt_of_a_zone_outlives_its_anchors_absence() {
        let (root, island) = (Signer::new("."), Signer::new("xn--p1ai."));
        let zone = Name::from_ascii("xn--p1ai.").unwrap();
        let both = [
            anchor_text(&root),
            format!("xn--p1ai. DNSKEY {}", island.dnskey),
        ];
        let run = |texts: &[String], kept: &str| {
            let kept = match kept {
                "" => KeptAnchors::default(),
                kept => KeptAnchors::read(kept).unwrap(),
            };
            TrustAnchors::followed(configured(texts), &kept)
        };
        let first = run(&both, "");
        first.revoke(&zone, &island.dnskey, ClockReading::now());
        assert_eq!(first.signal(&zone), None, "there is none in force");
        let without = run(&both[..1], &first.text());
        let keys = [root.dnskey];
        let (by, now) = (without.in_force(), ClockReading::now());
        assert!(without.observe(&Name::root(), &by, &keys, |_| true, TTL_S, now));
        let again = run(&both, &without.text());
        let all = again.status();
        let state = all.iter().find(|one| one.zone != ".").unwrap().state;
        assert_eq!(state, Some(KeyState::Revoked), "{all:?}");
    }

    #[test]
    fn a_key_that_is_pending_begins_anew_after_its_zones_absence() {
        let (root, old, new) = (Signer::new("."), Signer::new("."), Signer::new("."));
        let mut following = Following::of(&[&old]);
        following.shows(0, &[&old, &new]);
        let all = std::mem::take(&mut following.texts);
        following.texts = vec![format!("island. DNSKEY {}", root.dnskey)];
        following.restart();
        following.texts = all;
        following.restart();
        assert_eq!(following.state(&new), None);
        following.shows(60, &[&old, &new]);
        assert_eq!(following.state(&new), Some(KeyState::AddPend));
        assert_eq!(following.state(&old), Some(KeyState::Valid));
    }

    #[test]
    fn what_a_key_has_signed_that_was_revoked_meanwhile_adds_no_key() {
        let [old, other, new] = [(); 3].map(|()| Signer::new("."));
        let following = Following::of(&[&old, &other]);
        let by = following.anchors.in_force();
        following.revokes(0, &old);
        let (keys, now) = ([old.dnskey, new.dnskey.clone()], following.at(0));
        let zone = Name::root();
        let observe = |by| {
            let anchors = &following.anchors;
            anchors.observe(&zone, by, &keys, |_| true, TTL_S, now)
        };
        assert!(!observe(&by));
        assert_eq!(following.state(&new), None);
        assert!(observe(&following.anchors.in_force()));
        assert_eq!(following.state(&new), Some(KeyState::AddPend));
    }

    #[test]
    fn a_resolver_that_was_off_for_sixty_days_goes_on_where_the_zone_lets_it() {
        let (old, new) = (Signer::new("."), Signer::new("."));
        let mut following = Following::of(&[&old]);
        following.shows(0, &[&old, &new]);
        following.restart();
        assert!(!following.believes(&new), "nothing was seen since");
        following.shows(60, &[&old, &new]);
        assert!(following.believes(&new));
    }

    #[test]
    fn the_operators_hand_goes_first_and_what_was_learnt_stays() {
        let [first, second, learnt] = [(); 3].map(|()| Signer::new("."));
        let mut following = Following::of(&[&first, &second]);
        following.shows(0, &[&first, &second, &learnt]);
        following.shows(30, &[&first, &second, &learnt]);
        assert!(following.believes(&learnt));
        following.restart_with(&[&second]);
        assert!(!following.believes(&first), "it was taken out");
        assert!(following.believes(&second) && following.believes(&learnt));
        let added = Signer::new(".");
        following.shows(31, &[&second, &added]);
        assert!(!following.believes(&added), "it is pending");
        following.restart_with(&[&second, &added]);
        assert!(following.believes(&added), "it was added by hand");
        following.shows(32, &[&second, &added]);
        assert_eq!(following.state(&added), Some(KeyState::Valid));
        following.revokes(33, &added);
        following.restart();
        assert!(!following.believes(&added), "revoked for good");
    }

    #[test]
    fn a_zone_whose_keys_are_all_revoked_fails_or_is_left_to_the_zone_above() {
        let (root, island) = (Signer::new("."), Signer::new("island."));
        let island_text = format!("island. DNSKEY {}", island.dnskey);
        let mut texts = vec![anchor_text(&root), island_text];
        let name = Name::from_ascii("www.island.").unwrap();
        let followed = |texts: &[String]| {
            let anchors = TrustAnchors::followed(configured(texts), &KeptAnchors::default());
            let zone = Name::from_ascii("island.").unwrap();
            anchors.revoke(&zone, &island.dnskey, ClockReading::now());
            anchors.in_force()
        };
        let below_root = followed(&texts);
        let standing = below_root.standing(&name);
        assert!(matches!(standing, AnchorStanding::Below(zone, _) if zone.is_root()));
        texts.remove(0);
        let alone = followed(&texts);
        let standing = alone.standing(&name);
        assert!(matches!(standing, AnchorStanding::Below(_, anchor) if anchor.tags().is_empty()));
    }

    #[test]
    fn a_damaged_file_is_no_file() {
        let (old, new) = (Signer::new("."), Signer::new("."));
        let following = Following::of(&[&old]);
        following.shows(0, &[&old, &new]);
        let text = following.anchors.text();
        assert!(KeptAnchors::read(&text).is_ok());
        assert!(KeptAnchors::read("").is_err());
        for at in 0..text.len() - 1 {
            assert!(KeptAnchors::read(&text[..at]).is_err(), "cut at {at}");
            let mut damaged = text.clone().into_bytes();
            damaged[at] ^= 1;
            let damaged = String::from_utf8(damaged).unwrap();
            assert!(KeptAnchors::read(&damaged).is_err(), "damaged at {at}");
        }
    }

    #[test]
    fn the_zone_is_asked_as_often_as_its_ttl_says() {
        let old = Signer::new(".");
        let following = Following::of(&[&old]);
        let point = |day| {
            let mut point = TrustPoint::new(Name::root());
            let anchor = following.anchors.configured.at(&Name::root()).unwrap();
            point.observe(anchor, &[], |_| true, TTL_S, following.at(day));
            assert!(point.is_due(following.at(day)), "seen, and not asked for");
            point.note_asked(following.at(day));
            point
        };
        assert!(TrustPoint::new(Name::root()).is_due(following.at(0)));
        let mut asked = point(10);
        assert!(!asked.is_due(following.at(10)) && asked.is_due(following.at(11)));
        assert!(asked.is_due(following.at(9)), "the clock was set back");
        asked.note_failure("unreachable".to_owned());
        asked.note_asked(following.at(11));
        let later = |s: i64| ClockReading {
            wall: following.at(11).wall + s,
            monotonic: following.at(11).monotonic + Duration::from_secs(s as u64),
        };
        let retry_s = i64::from(TTL_S) / 10;
        assert!(!asked.is_due(later(retry_s - 1)) && asked.is_due(later(retry_s)));
    }

    #[test]
    fn the_anchors_in_force_are_signalled() {
        let anchors = TrustAnchors::fixed(configured(&Anchors::root()));
        let signal = anchors.signal(&Name::root()).unwrap();
        assert_eq!(signal.to_string(), "_ta-4f66-9728.");
    }
}
