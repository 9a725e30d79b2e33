//! Notices that nobody outside answers, or that nothing of what is heard can be believed: a
//! resolver that cannot resolve says so at once, and then each minute.

use std::time::{Duration, Instant};

/// So many tries in vain are no chance, where none brought an answer.
const FAILURES: u64 = 3;
/// For so long at least.
const FOR: Duration = Duration::from_secs(2);
/// So many answers that cannot be believed are no chance, where none could be.
const BOGUS: u64 = 10;
/// How often it is said again.
const AGAIN: Duration = Duration::from_secs(60);

/// What was heard from outside since the way outside was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HeardOutside {
    /// Replies of servers that could be used.
    pub(super) replies: u64,
    /// Tries without one.
    pub(super) failures: u64,
    /// Answers that are given to clients.
    pub(super) answers: u64,
    /// Those that cannot be validated.
    pub(super) bogus: u64,
}

/// Why nothing can be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody answers.
    Silence,
    /// All that is heard is bogus.
    Unbelievable,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Reach {
    last: HeardOutside,
    /// Tries in vain since the last reply, and when the first of them was seen.
    failures: u64,
    bogus: u64,
    since: Option<Instant>,
    trouble: Option<Trouble>,
    told: Option<Instant>,
}

/// What is to be said after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReachNews {
    /// There is trouble, now or still.
    Trouble(Trouble),
    /// It is over.
    Over,
}

impl Reach {
    /// What is wrong.
    pub(super) const fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Look at what was heard by now. Another way outside begins to count anew.
    pub(super) fn look(&mut self, heard: HeardOutside, now: Instant) -> Option<ReachNews> {
        let since = |count: u64, last: u64| if count < last { count } else { count - last };
        let replies = since(heard.replies, self.last.replies);
        let answers = since(heard.answers, self.last.answers);
        self.failures += since(heard.failures, self.last.failures);
        self.bogus += since(heard.bogus, self.last.bogus);
        self.last = heard;
        if replies > 0 {
            self.failures = 0;
        }
        if answers > 0 {
            self.bogus = 0;
        }
        let is_failing = self.failures > 0 || self.bogus > 0;
        self.since = is_failing.then_some(self.since.unwrap_or(now));
        let lasts = self
            .since
            .is_some_and(|since| now.saturating_duration_since(since) >= FOR);
        let found = match self.trouble {
            Some(Trouble::Silence) if self.failures > 0 || replies == 0 => Some(Trouble::Silence),
            Some(Trouble::Unbelievable) if answers == 0 => Some(Trouble::Unbelievable),
            _ if lasts && self.failures >= FAILURES => Some(Trouble::Silence),
            _ if lasts && self.bogus >= BOGUS => Some(Trouble::Unbelievable),
            _ => None,
        };
        let was = std::mem::replace(&mut self.trouble, found);
        match found {
            Some(trouble) if was != found || self.is_due(now) => {
                self.told = Some(now);
                Some(ReachNews::Trouble(trouble))
            }
            None if was.is_some() => Some(ReachNews::Over),
            _ => None,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.told
            .is_none_or(|told| now.saturating_duration_since(told) >= AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    const fn heard(replies: u64, failures: u64, answers: u64, bogus: u64) -> HeardOutside {
        HeardOutside {
            replies,
            failures,
            answers,
            bogus,
        }
    }

    #[test]
    fn silence_is_told_once_and_then_each_minute_until_somebody_answers() {
        let (mut reach, start) = (Reach::default(), monotonic());
        let at = |s: u64| start + Duration::from_secs(s);
        assert_eq!(reach.look(heard(5, 1, 3, 0), at(0)), None);
        assert_eq!(reach.look(heard(5, 2, 3, 0), at(1)), None);
        assert_eq!(reach.look(heard(5, 4, 3, 0), at(2)), None, "too soon");
        let trouble = Some(ReachNews::Trouble(Trouble::Silence));
        assert_eq!(reach.look(heard(5, 5, 3, 0), at(3)), trouble);
        // Nobody asks any more: it is not over for that.
        for s in 4..63 {
            assert_eq!(reach.look(heard(5, 5, 3, 0), at(s)), None, "{s}");
        }
        assert_eq!(reach.look(heard(5, 5, 3, 0), at(63)), trouble);
        assert_eq!(reach.look(heard(6, 9, 3, 0), at(64)), Some(ReachNews::Over));
        assert_eq!(reach.trouble(), None);
    }

    #[test]
    fn single_servers_that_are_silent_are_no_trouble() {
        let (mut reach, start) = (Reach::default(), monotonic());
        for s in 0..600 {
            let news = reach.look(heard(s, 9 * s, s, 5 * s), start + Duration::from_secs(s));
            assert_eq!(news, None, "{s}");
        }
    }

    #[test]
    fn answers_that_cannot_be_believed_are_told() {
        let (mut reach, start) = (Reach::default(), monotonic());
        let at = |s: u64| start + Duration::from_secs(s);
        let looks = (0..4).map(|s| reach.look(heard(9 * s, 0, 7, 4 * s), at(s)));
        let news: Vec<_> = looks.collect();
        let trouble = Some(ReachNews::Trouble(Trouble::Unbelievable));
        assert_eq!(news, [None, None, None, trouble]);
        assert_eq!(
            reach.look(heard(99, 0, 8, 12), at(5)),
            Some(ReachNews::Over)
        );
    }

    #[test]
    fn another_way_outside_begins_anew() {
        let (mut reach, start) = (Reach::default(), monotonic());
        assert_eq!(reach.look(heard(1000, 900, 100, 0), start), None);
        for s in 1..9 {
            let news = reach.look(heard(s, 0, 0, 0), start + Duration::from_secs(s));
            assert_eq!(news, None);
        }
    }
}
