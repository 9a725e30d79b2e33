//! The serials of a list's issues: how large one may be, and which leap from one to the next looks
//! like a mistake.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize as _, Deserializer, de};

use crate::clock::{HOUR_S, UnixSeconds};

/// The largest serial: the largest number that every reader of JSON keeps exactly (RFC 8785
/// section 3.2.2.3).
pub const SERIAL_MAX: u64 = (1 << 53) - 1;
/// The widest leap from one serial to the next that needs no reason.
pub const LEAP_MAX: u64 = 1_000_000;

/// How far a Unix time may be ahead of our clock, as an issue's own date may.
const AHEAD_S_MAX: i64 = 300;
/// How far a civil time may be ahead of UTC: 14 hours in the easternmost zone.
const ZONE_AHEAD_S_MAX: i64 = 14 * HOUR_S + AHEAD_S_MAX;

/// What a step from the highest serial so far to another one looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leap {
    /// The first issue, or no more than [`LEAP_MAX`] above the highest; also one that is not above
    /// it, which others refuse.
    Usual,
    /// Farther, to a serial that reads as a time which has come.
    Dated,
    /// Farther, and nothing says why: accepted by mistake it would use up the serials below it.
    Suspicious {
        /// How far.
        by: u64,
    },
}

/// Judge the step from the highest serial that was ever accepted to that of another issue.
///
/// Serials may be made of the time: `YYYYMMDD`, `YYYYMMDDnn`, `YYYYMMDDhhmm` or `YYYYMMDDhhmmss`,
/// in any zone, or seconds or milliseconds since 1970. Such a leap is in order where the time is
/// not ahead of our clock.
pub fn judge_leap(highest: Option<u64>, serial: u64, now: UnixSeconds) -> Leap {
    let by = highest.map_or(0, |highest| serial.saturating_sub(highest));
    if by <= LEAP_MAX {
        Leap::Usual
    } else if is_past_time(serial, now) {
        Leap::Dated
    } else {
        Leap::Suspicious { by }
    }
}

fn is_past_time(serial: u64, now: UnixSeconds) -> bool {
    let Ok(number) = i64::try_from(serial) else {
        return false;
    };
    let within = |at: UnixSeconds, ahead_s: i64| at <= now.saturating_add(ahead_s);
    let unix = match serial.checked_ilog10() {
        // From 2001 to 2286 seconds have ten digits and milliseconds thirteen.
        Some(9) => Some(number),
        Some(12) => Some(number / 1000),
        _ => None,
    };
    unix.is_some_and(|at| within(at, AHEAD_S_MAX))
        || read_civil(number).is_some_and(|at| within(at, ZONE_AHEAD_S_MAX))
}

/// The civil time that a serial's digits spell, taken as UTC.
fn read_civil(number: i64) -> Option<UnixSeconds> {
    let (day, time) = match number.checked_ilog10()? + 1 {
        8 => (number, 0),
        10 => (number / 100, 0),
        12 => (number / 10_000, number % 10_000 * 100),
        14 => (number / 1_000_000, number % 1_000_000),
        _ => return None,
    };
    let date = Date::new(
        i16::try_from(day / 10_000).ok()?,
        (day / 100 % 100) as i8,
        (day % 100) as i8,
    );
    let time = Time::new(
        (time / 10_000) as i8,
        (time / 100 % 100) as i8,
        (time % 100) as i8,
        0,
    );
    let moment = date.ok()?.to_datetime(time.ok()?);
    let at = moment.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(at.as_second()).filter(|at| *at >= 0)
}

/// Read the serial of an optional field of JSON; one above [`SERIAL_MAX`] is refused.
///
/// # Errors
/// When it is no number, or too large.
pub fn deserialize<'de, D: Deserializer<'de>>(field: D) -> Result<Option<u64>, D::Error> {
    let serial = Option::<u64>::deserialize(field)?;
    if serial.is_some_and(|serial| serial > SERIAL_MAX) {
        return Err(de::Error::custom("a serial above 2^53 - 1"));
    }
    Ok(serial)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-03-01T14:00:00Z
    const NOW: UnixSeconds = 1_772_373_600;

    #[test]
    fn a_leap_needs_a_time_that_has_come() {
        let wide = Leap::Suspicious { by: 0 };
        let cases = [
            (None, SERIAL_MAX, Leap::Usual, "the first issue"),
            (Some(7), 8, Leap::Usual, "the next"),
            (Some(7), 7 + LEAP_MAX, Leap::Usual, "the widest"),
            (Some(7), 8 + LEAP_MAX, wide, "one more"),
            (Some(7), 6, Leap::Usual, "backwards"),
            (Some(SERIAL_MAX), 1, Leap::Usual, "far backwards"),
            (Some(7), SERIAL_MAX, wide, "the largest"),
            (Some(7), u64::MAX, wide, "larger than any"),
            (Some(7), 20_260_301, Leap::Dated, "a day"),
            (Some(7), 20_260_302, Leap::Dated, "today in the east"),
            (Some(7), 20_260_303, wide, "a day to come"),
            (Some(7), 20_260_230, wide, "no day"),
            (Some(7), 19_691_231, wide, "before 1970"),
            (Some(7), 2_026_030_199, Leap::Dated, "a day and a count"),
            (Some(7), 2_027_010_100, wide, "that of a day to come"),
            (Some(7), 202_603_011_400, Leap::Dated, "minutes"),
            (Some(7), 202_603_012_460, wide, "no minute"),
            (Some(7), 20_260_301_140_000, Leap::Dated, "seconds"),
            (Some(7), 20_260_401_140_000, wide, "seconds to come"),
            (Some(7), 1_772_373_600, Leap::Dated, "a Unix time"),
            (Some(7), 1_772_373_901, wide, "a Unix time to come"),
            (Some(7), 1_772_373_600_000, Leap::Dated, "milliseconds"),
            (Some(7), 1_782_373_600_000, wide, "milliseconds to come"),
            (Some(7), 1_772_373_600_000_000, wide, "microseconds"),
            (
                Some(20_260_301),
                2_026_030_101,
                Leap::Dated,
                "another form of date",
            ),
        ];
        for (highest, serial, expected, what) in cases {
            let found = match judge_leap(highest, serial, NOW) {
                Leap::Suspicious { by } => {
                    assert_eq!(Some(serial - by), highest, "{what}");
                    wide
                }
                leap => leap,
            };
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn a_serial_in_json_is_bounded() {
        #[derive(serde::Deserialize)]
        struct Told {
            #[serde(default, deserialize_with = "deserialize")]
            serial: Option<u64>,
        }
        let read = |text: &str| serde_json::from_str::<Told>(text).map(|told| told.serial);
        assert_eq!(read("{}").unwrap(), None);
        assert_eq!(read("{\"serial\":null}").unwrap(), None);
        assert_eq!(
            read("{\"serial\":9007199254740991}").unwrap(),
            Some(SERIAL_MAX)
        );
        for text in ["9007199254740992", "-1", "1.5", "\"1\"", "1e30"] {
            assert!(read(&format!("{{\"serial\":{text}}}")).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_leap_is_judged(highest: Option<u64>, serial: u64, now: i64) {
            let _ = judge_leap(highest, serial, now);
        }
    }
}
