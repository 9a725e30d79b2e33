//! What two looks at the running program say of the time between them.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::clock::UnixSeconds;
use crate::control::{LatencyBucket, Status};

/// One look.
pub(super) struct StatusLook {
    pub(super) at: Instant,
    pub(super) wall: UnixSeconds,
    pub(super) status: Status,
}

/// The time between two looks; after the first one, or a restart in between, all time since the
/// start.
pub(super) struct BetweenLooks<'l> {
    before: Option<&'l Status>,
    now: &'l Status,
    span_s: f64,
}

impl<'l> BetweenLooks<'l> {
    pub(super) fn new(before: Option<&'l StatusLook>, now: &'l StatusLook) -> Self {
        let before = before.filter(|before| before.status.pid == now.status.pid);
        let span_s = match before {
            Some(before) => now.at.duration_since(before.at).as_secs_f64(),
            None => now.status.uptime_s as f64,
        };
        Self {
            before: before.map(|before| &before.status),
            now: &now.status,
            span_s: span_s.max(0.001),
        }
    }

    /// Is it all time since the start?
    pub(super) const fn is_from_start(&self) -> bool {
        self.before.is_none()
    }

    /// How much a figure has grown.
    fn grown(&self, figure: impl Fn(&Status) -> u64) -> u64 {
        figure(self.now).saturating_sub(self.before.map_or(0, figure))
    }

    /// How much a figure grows, a second.
    pub(super) fn rate(&self, figure: impl Fn(&Status) -> u64) -> f64 {
        self.grown(figure) as f64 / self.span_s
    }

    /// Questions by door or by how they ended, a second each, in the order of their words.
    pub(super) fn rates<'s>(
        &self,
        of: impl Fn(&Status) -> &BTreeMap<String, u64>,
        words: impl IntoIterator<Item = &'s str>,
    ) -> Vec<(&'s str, f64)> {
        let words = words.into_iter();
        let rate = |word: &'s str| {
            let count = |status: &Status| of(status).get(word).copied().unwrap_or_default();
            (word, self.rate(count))
        };
        words.map(rate).collect()
    }

    /// The part of the answers that came from the cache; none where none was given.
    pub(super) fn hits(&self) -> Option<f64> {
        let hits = self.grown(|status| status.cache.hits);
        let all = hits + self.grown(|status| status.cache.misses);
        (all > 0).then(|| hits as f64 / all as f64)
    }

    /// The times that these parts of the replies did not exceed; none where none was given.
    pub(super) fn latencies(&self, parts: &[f64]) -> Option<Vec<Latency>> {
        let earlier = self.before.map(|before| &before.questions.latency);
        let buckets = self.now.questions.latency.iter().enumerate();
        let buckets: Vec<LatencyBucket> = buckets
            .map(|(index, bucket)| {
                let before = earlier.and_then(|earlier| earlier.get(index));
                let before = before.map_or(0, |before| before.replies);
                LatencyBucket {
                    replies: bucket.replies.saturating_sub(before),
                    ..*bucket
                }
            })
            .collect();
        let all: u64 = buckets.iter().map(|bucket| bucket.replies).sum();
        (all > 0).then(|| {
            parts
                .iter()
                .map(|part| percentile(&buckets, all, *part))
                .collect()
        })
    }
}

/// A time as a histogram knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Latency {
    /// At most so many microseconds.
    AtMost(u64),
    /// More than these.
    MoreThan(u64),
}

fn percentile(buckets: &[LatencyBucket], all: u64, part: f64) -> Latency {
    let wanted = (all as f64 * part).ceil() as u64;
    let (mut sum, mut largest) = (0, 0);
    for bucket in buckets {
        sum += bucket.replies;
        let Some(us_max) = bucket.us_max else {
            break;
        };
        largest = us_max;
        if sum >= wanted {
            return Latency::AtMost(us_max);
        }
    }
    Latency::MoreThan(largest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    fn look(pid: u32, replies: [u64; 3], udp: u64) -> StatusLook {
        let mut status = Status {
            pid,
            uptime_s: 10,
            ..Status::default()
        };
        let bounds = [Some(10), Some(500), None];
        let latency = bounds.into_iter().zip(replies);
        status.questions.latency = latency
            .map(|(us_max, replies)| LatencyBucket { us_max, replies })
            .collect();
        status.questions.doors = [("udp".to_owned(), udp)].into();
        (status.cache.hits, status.cache.misses) = (replies[0], replies[1]);
        StatusLook {
            at: monotonic(),
            wall: 0,
            status,
        }
    }

    #[test]
    fn figures_are_of_the_time_between_two_looks() {
        let first = look(1, [90, 10, 0], 100);
        let mut second = look(1, [90, 18, 2], 150);
        second.at = first.at + std::time::Duration::from_secs(2);
        let between = BetweenLooks::new(Some(&first), &second);
        let doors = between.rates(|status| &status.questions.doors, ["udp", "tcp"]);
        assert_eq!(doors, [("udp", 25.0), ("tcp", 0.0)]);
        assert_eq!(between.hits(), Some(0.0));
        let told = between.latencies(&[0.5, 0.8, 0.99]).unwrap();
        let expected = [
            Latency::AtMost(500),
            Latency::AtMost(500),
            Latency::MoreThan(500),
        ];
        assert_eq!(told, expected);
        assert!(!between.is_from_start());
    }

    #[test]
    fn the_first_look_and_one_after_a_restart_are_of_all_time() {
        let (first, other) = (look(1, [90, 10, 0], 100), look(2, [0, 0, 0], 0));
        let between = BetweenLooks::new(None, &first);
        let doors = between.rates(|status| &status.questions.doors, ["udp"]);
        assert_eq!(
            (doors, between.is_from_start()),
            (vec![("udp", 10.0)], true)
        );
        assert_eq!(between.hits(), Some(0.9));
        assert_eq!(between.latencies(&[0.5]).unwrap(), [Latency::AtMost(10)]);
        let between = BetweenLooks::new(Some(&first), &other);
        assert_eq!((between.hits(), between.latencies(&[0.5])), (None, None));
        assert!(between.is_from_start());
    }
}
