//! Reads the times that a report is asked for, and writes the times in it; all of them are UTC.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::month::{Month, Months};
use crate::clock::UnixSeconds;
use crate::count::Stretch;

/// Why a span cannot be reported on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Not a time that we read.
    #[error(
        "{option} {text:?} is not a time: write a day (2026-03-01), an hour (2026-03-01T14) or a \
         time in UTC (2026-03-01T14:00:00Z)"
    )]
    Unreadable {
        /// The option's name.
        option: &'static str,
        /// What was given.
        text: String,
    },
    /// Not the start of an hour.
    #[error(
        "{option} {text:?} is within an hour: counts are kept by the hour, so give a full one, \
         such as {hour}"
    )]
    WithinHour {
        /// The option's name.
        option: &'static str,
        /// What was given.
        text: String,
        /// The hour that it falls in.
        hour: String,
    },
    /// Not a month.
    #[error(
        "{option} {text:?} is not a month: figures are published by whole months, so write one \
         (2026-03); --exact takes days and hours"
    )]
    NoMonth {
        /// The option's name.
        option: &'static str,
        /// What was given.
        text: String,
    },
    /// The end is not after the start.
    #[error(
        "--to must lie after --from: the report goes from the start of --from up to, and without, \
         the start of --to"
    )]
    Empty,
}

/// The span from the start of the day, hour or time `from` up to, and without, that of `to`; an
/// option left out leaves that end open.
pub fn parse_span(from: Option<&str>, to: Option<&str>) -> Result<Stretch, SpanError> {
    let from = from.map(|text| parse_hour("--from", text)).transpose()?;
    let until = to.map(|text| parse_hour("--to", text)).transpose()?;
    if from.zip(until).is_some_and(|(from, until)| until <= from) {
        return Err(SpanError::Empty);
    }
    Ok(Stretch { from, until })
}

/// The months from the start of `from` up to, and without, the start of `to`; an option left out
/// leaves that end open.
pub fn parse_months(from: Option<&str>, to: Option<&str>) -> Result<Months, SpanError> {
    let parse = |option, text: &str| {
        Month::parse(text).ok_or_else(|| SpanError::NoMonth {
            option,
            text: text.into(),
        })
    };
    let from = from.map(|text| parse("--from", text)).transpose()?;
    let until = to.map(|text| parse("--to", text)).transpose()?;
    match from.zip(until).is_some_and(|(from, until)| until <= from) {
        true => Err(SpanError::Empty),
        false => Ok(Months { from, until }),
    }
}

fn parse_hour(option: &'static str, text: &str) -> Result<UnixSeconds, SpanError> {
    let seconds = parse_moment(text).ok_or_else(|| SpanError::Unreadable {
        option,
        text: text.into(),
    })?;
    let past_hour = seconds.rem_euclid(3600);
    if past_hour == 0 {
        return Ok(seconds);
    }
    let hour = utc(seconds - past_hour).chars().take(13).collect();
    Err(SpanError::WithinHour {
        option,
        text: text.into(),
        hour,
    })
}

/// A day and an hour are told from a time by their length, for jiff would read more than we
/// promise.
fn parse_moment(text: &str) -> Option<UnixSeconds> {
    let (day, hour) = match text.len() {
        10 => (text, 0),
        13 => {
            let (day, hour) = text.split_once('T')?;
            (
                day,
                hour.parse::<u8>()
                    .ok()
                    .filter(|_| hour.bytes().all(|byte| byte.is_ascii_digit()))?,
            )
        }
        _ => {
            let time: Timestamp = text.parse().ok()?;
            return (time.subsec_nanosecond() == 0).then_some(time.as_second());
        }
    };
    if day.len() != 10 {
        return None;
    }
    let date: Date = day.parse().ok()?;
    let hour = hour.try_into().ok().filter(|hour| *hour < 24)?;
    Some(
        date.at(hour, 0, 0, 0)
            .to_zoned(TimeZone::UTC)
            .ok()?
            .timestamp()
            .as_second(),
    )
}

/// RFC 3339, such as `2026-03-01T14:00:00Z`; a time beyond the year 9999 stays a number.
pub(super) fn utc(at: UnixSeconds) -> String {
    Timestamp::from_second(at).map_or_else(|_| at.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_hours_and_times_are_read() {
        let start = |text| parse_span(Some(text), None).unwrap().from.unwrap();
        assert_eq!(start("2026-01-01"), 1_767_225_600);
        assert_eq!(start("2026-01-01T05"), 1_767_225_600 + 5 * 3600);
        assert_eq!(start("2026-01-01T05:00:00Z"), 1_767_225_600 + 5 * 3600);
        assert_eq!(start("2026-01-01T06:00:00+01:00"), 1_767_225_600 + 5 * 3600);
        assert_eq!(start("1969-12-31T23"), -3600);
        assert_eq!(utc(start("2026-01-01T05")), "2026-01-01T05:00:00Z");
        assert_eq!(parse_span(None, None), Ok(Stretch::default()));
    }

    #[test]
    fn anything_else_is_refused_with_the_right_form() {
        let odd = [
            "",
            "today",
            "2026-13-01",
            "2026-01-01T24",
            "2026-01-01T+5",
            "2026-01-01 05",
            "01/02/2026",
            "2026-01-01T05:00",
            "20260101T0500",
            "2026-1-1T005",
            "äääää",
            "2026-01-0é",
        ];
        for text in odd {
            let refused = parse_span(None, Some(text)).unwrap_err();
            assert!(
                matches!(refused, SpanError::Unreadable { option: "--to", .. }),
                "{text}: {refused}"
            );
        }
        let refused = parse_span(Some("2026-01-01T05:30:00Z"), None)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("2026-01-01T05") && refused.contains("--from"),
            "{refused}"
        );
        assert_eq!(
            parse_span(Some("2026-01-02"), Some("2026-01-02")),
            Err(SpanError::Empty)
        );
        let refused = parse_months(None, Some("2026-01-15"))
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("--to") && refused.contains("2026-03") && refused.contains("--exact"),
            "{refused}"
        );
        assert_eq!(
            parse_months(Some("2026-02"), Some("2026-02-01")),
            Err(SpanError::Empty)
        );
        assert_eq!(
            parse_months(Some("2026-02"), None).unwrap().from,
            Month::parse("2026-02-01")
        );
    }
}
