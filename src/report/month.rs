//! Calendar months in UTC: the units in which figures are published.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use crate::clock::UnixSeconds;

/// The months that a report is asked for; an open end means all there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Months {
    /// The first one.
    pub from: Option<Month>,
    /// The first one after it.
    pub until: Option<Month>,
}

/// Seconds of a day; UTC as we count it has no leap seconds.
pub const DAY_S: i64 = 86_400;

/// One month of the years 1 to 9998.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month that this moment falls in; a moment beyond the calendar falls in 1970's first.
    pub fn of(at: UnixSeconds) -> Self {
        let day = Timestamp::from_second(at)
            .map_or(date(1970, 1, 1), |at| at.to_zoned(TimeZone::UTC).date());
        Self(day.first_of_month())
    }

    /// Reads `2026-03`, or the month's first day, `2026-03-01`.
    pub fn parse(text: &str) -> Option<Self> {
        let is_date = |byte: (usize, u8)| {
            if matches!(byte.0, 4 | 7) {
                byte.1 == b'-'
            } else {
                byte.1.is_ascii_digit()
            }
        };
        let whole = match text.len() {
            7 => format!("{text}-01"),
            10 => text.to_owned(),
            _ => return None,
        };
        let day: Date = whole
            .bytes()
            .enumerate()
            .all(is_date)
            .then(|| whole.parse().ok())??;
        (day.day() == 1 && (1..9999).contains(&day.year())).then_some(Self(day))
    }

    /// Its first second.
    pub fn start(self) -> UnixSeconds {
        self.0
            .to_zoned(TimeZone::UTC)
            .map_or(0, |start| start.timestamp().as_second())
    }

    /// The month after it.
    pub fn next(self) -> Self {
        Self(self.0.last_of_month().tomorrow().unwrap_or(self.0))
    }

    /// The first second after it.
    pub fn end(self) -> UnixSeconds {
        self.next().start()
    }

    /// How many days it has.
    pub fn day_count(self) -> usize {
        self.0.days_in_month().unsigned_abs().into()
    }

    /// The name of one of its days, `2026-03-01`; the first one is 0.
    pub fn day_name(self, day: usize) -> String {
        format!("{self}-{:02}", day + 1)
    }

    /// For people: `March 2026`.
    pub(crate) fn title(self) -> String {
        self.0.strftime("%B %Y").to_string()
    }

    /// For the axis of a chart: `Mar`.
    pub(crate) fn short(self) -> String {
        self.0.strftime("%b").to_string()
    }
}

/// `2026-03`
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_and_follow_each_other() {
        let february = Month::parse("2028-02").unwrap();
        assert_eq!(
            (february.day_count(), february.title(), february.to_string()),
            (29, "February 2028".into(), "2028-02".into())
        );
        assert_eq!(february.end() - february.start(), 29 * DAY_S);
        assert_eq!(february.next().day_name(30), "2028-03-31");
        assert_eq!(
            Month::parse("2026-12-01").unwrap().next(),
            Month::parse("2027-01").unwrap()
        );
        assert_eq!(Month::of(february.end() - 1), february);
        assert_eq!(Month::of(february.end()), february.next());
        assert_eq!(Month::parse("1970-01").unwrap().start(), 0);
        for odd in [
            "2026",
            "2026-13",
            "2026-3",
            "2026-03-02",
            "2026/03",
            "+026-03",
            "äääää",
            "9999-12",
        ] {
            assert_eq!(Month::parse(odd), None, "{odd}");
        }
    }
}
