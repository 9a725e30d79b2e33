//! The last days of entries: which entries are over, and when the next one is.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::line::Parsed;
use crate::clock::UnixSeconds;

/// How a list is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The time to read it for: entries whose last day is over by then are passed over and counted
    /// in [`Parsed::expired`]. Without it every entry is handed out.
    pub now: Option<UnixSeconds>,
}

/// Keeps account of the last days of the entries of one list.
pub(super) struct Expiries {
    /// Entries whose last day is before this one are over.
    today: Option<Date>,
    /// The earliest last day of the entries that were handed out.
    next: Option<Date>,
    expired: u64,
}

impl Expiries {
    pub(super) fn new(options: ReadOptions) -> Self {
        Self {
            today: options.now.and_then(day_of),
            next: None,
            expired: 0,
        }
    }

    /// May an entry with this last day be handed out? It is taken account of.
    #[inline]
    pub(super) fn admit(&mut self, last: Option<Date>) -> bool {
        last.is_none_or(|last| self.admit_dated(last))
    }

    fn admit_dated(&mut self, last: Date) -> bool {
        if self.today.is_some_and(|today| last < today) {
            self.expired += 1;
            return false;
        }
        if self.next.is_none_or(|next| last < next) {
            self.next = Some(last);
        }
        true
    }

    /// Write down what the whole list came to.
    pub(super) fn finish(self, parsed: &mut Parsed) {
        parsed.expired = self.expired;
        parsed.next_expiry = self.next.and_then(end_of);
    }
}

/// The day in UTC.
fn day_of(at: UnixSeconds) -> Option<Date> {
    let at = jiff::Timestamp::from_second(at).ok()?;
    Some(at.to_zoned(TimeZone::UTC).date())
}

/// The first moment behind a day in UTC.
fn end_of(day: Date) -> Option<UnixSeconds> {
    let next = day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(next.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::super::{Format, read_entries_with, read_with};
    use super::*;

    const TEXT: &[u8] = b"a.test expires=2026-03-01\nb.test expires=2026-04-01 number=2\n\
        c.test\nd.test expires=2026-03-02\nhttps://x/ expires=2020-01-01\n";
    /// 2026-03-01T00:00:00Z
    const MARCH: UnixSeconds = 1_772_323_200;
    const DAY_S: i64 = 86_400;

    /// Entries, those that are over, and the next end, which both readings agree on.
    fn found(now: Option<UnixSeconds>) -> (u64, u64, Option<UnixSeconds>) {
        let options = ReadOptions { now };
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let plain = read_with(TEXT, Format::Plain, options, |wire, _| {
            one.push(wire.to_vec())
        });
        let plain = plain.unwrap();
        let whole = read_entries_with(TEXT, options, |entry| other.push(entry.wire.to_vec()));
        assert_eq!((plain.rejects, &plain, &one), (1, &whole.unwrap(), &other));
        assert_eq!(one.len() as u64, plain.entries);
        (plain.entries, plain.expired, plain.next_expiry)
    }

    #[test]
    fn entries_are_over_behind_their_last_day() {
        let ends = [1, 2, 31].map(|days| Some(MARCH + days * DAY_S));
        let cases = [
            (None, (4, 0, ends[0])),
            (Some(MARCH - 1), (4, 0, ends[0])),
            (Some(MARCH + DAY_S - 1), (4, 0, ends[0])),
            (Some(MARCH + DAY_S), (3, 1, ends[1])),
            (Some(MARCH + 2 * DAY_S), (2, 2, Some(MARCH + 32 * DAY_S))),
            (Some(MARCH + 32 * DAY_S), (1, 3, None)),
        ];
        for (now, expected) in cases {
            assert_eq!(found(now), expected, "{now:?}");
        }
        // The moment that is told is the first at which the next reading finds one entry less.
        assert_eq!(found(ends[0]).0, 3);
        assert_eq!(found(ends[0].map(|end| end - 1)).0, 4);
    }

    #[test]
    fn the_last_day_of_all_never_ends() {
        let text = b"a.test expires=9999-12-31\n".as_slice();
        let parsed = read_with(text, Format::Plain, ReadOptions::default(), |_, _| ()).unwrap();
        assert_eq!((parsed.entries, parsed.next_expiry), (1, None));
    }
}
