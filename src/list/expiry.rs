//! How soon a list wants renewal: said 30 days, 7 days and one day before it expires, and from then
//! on.

use std::fmt;

use crate::clock::UnixSeconds;

const DAY_S: i64 = 86_400;

/// How near the end is; a later stage is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExpiryStage {
    /// 30 days or less are left.
    Month,
    /// 7 days or less.
    Week,
    /// One day or less.
    Day,
    /// Nothing is left.
    Expired,
}

impl ExpiryStage {
    /// The stages from the first to the last.
    pub const ALL: [Self; 4] = [Self::Month, Self::Week, Self::Day, Self::Expired];

    /// The days that are left when it begins.
    pub const fn days(self) -> i64 {
        match self {
            Self::Month => 30,
            Self::Week => 7,
            Self::Day => 1,
            Self::Expired => 0,
        }
    }
}

/// What is to be said of a list that expires soon, or has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryWarning {
    /// How near the end is.
    pub stage: ExpiryStage,
    /// Days until then, a day that has begun counted whole; since then below 0 or 0, whole days
    /// alone.
    pub days_left: i64,
}

/// What is to be said at `now` of a list that expires at `expires`; nothing while more than 30 days
/// are left.
pub fn warning(expires: UnixSeconds, now: UnixSeconds) -> Option<ExpiryWarning> {
    let left_s = expires.saturating_sub(now);
    let stage = ExpiryStage::ALL
        .into_iter()
        .rfind(|stage| left_s <= stage.days() * DAY_S)?;
    let days_left = left_s / DAY_S + i64::from(left_s > 0 && left_s % DAY_S > 0);
    Some(ExpiryWarning { stage, days_left })
}

/// The same for who knows when the list was issued: a stage that has begun with the issue itself
/// says nothing, such as the one of 7 days for a list that is issued every day.
pub fn warning_of_issue(
    issued: UnixSeconds,
    expires: UnixSeconds,
    now: UnixSeconds,
) -> Option<ExpiryWarning> {
    let term_s = expires.saturating_sub(issued);
    warning(expires, now).filter(|warning| warning.stage.days() * DAY_S < term_s)
}

/// As the end of a sentence: `expires in 7 days`.
impl fmt::Display for ExpiryWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.stage, self.days_left.abs()) {
            (ExpiryStage::Expired, 0) => f.write_str("expired less than a day ago"),
            (ExpiryStage::Expired, 1) => f.write_str("expired a day ago"),
            (ExpiryStage::Expired, days) => write!(f, "expired {days} days ago"),
            (ExpiryStage::Day, _) => f.write_str("expires within a day"),
            (_, days) => write!(f, "expires in {days} days"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_in_stages() {
        let at = |left_s: i64| warning(1_000_000_000, 1_000_000_000 - left_s);
        let cases = [
            (30 * DAY_S + 1, None, ""),
            (30 * DAY_S, Some(ExpiryStage::Month), "expires in 30 days"),
            (7 * DAY_S + 1, Some(ExpiryStage::Month), "expires in 8 days"),
            (7 * DAY_S, Some(ExpiryStage::Week), "expires in 7 days"),
            (DAY_S + 1, Some(ExpiryStage::Week), "expires in 2 days"),
            (DAY_S, Some(ExpiryStage::Day), "expires within a day"),
            (1, Some(ExpiryStage::Day), "expires within a day"),
            (0, Some(ExpiryStage::Expired), "expired less than a day ago"),
            (-DAY_S, Some(ExpiryStage::Expired), "expired a day ago"),
            (
                -3 * DAY_S + 1,
                Some(ExpiryStage::Expired),
                "expired 2 days ago",
            ),
        ];
        for (left_s, stage, words) in cases {
            let found = at(left_s);
            assert_eq!(found.map(|found| found.stage), stage, "{left_s}");
            let said = found.map(|found| found.to_string()).unwrap_or_default();
            assert_eq!(said, words, "{left_s}");
        }
        assert!(ExpiryStage::ALL.is_sorted());
        assert_eq!(at(DAY_S / 2).map(|found| found.days_left), Some(1));
        assert_eq!(at(-DAY_S / 2).map(|found| found.days_left), Some(0));
        assert_eq!(
            warning(i64::MIN, i64::MAX).map(|found| found.stage),
            Some(ExpiryStage::Expired)
        );
    }

    #[test]
    fn a_short_term_is_not_warned_of_from_its_beginning() {
        let of_week = |now| warning_of_issue(0, 7 * DAY_S, now).map(|found| found.stage);
        assert_eq!(of_week(0), None);
        assert_eq!(of_week(6 * DAY_S), Some(ExpiryStage::Day));
        assert_eq!(of_week(7 * DAY_S), Some(ExpiryStage::Expired));
        let of_quarter = |now| warning_of_issue(0, 90 * DAY_S, now).map(|found| found.stage);
        assert_eq!(of_quarter(59 * DAY_S), None);
        assert_eq!(of_quarter(60 * DAY_S), Some(ExpiryStage::Month));
    }
}
