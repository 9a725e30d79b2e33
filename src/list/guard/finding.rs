//! What the guard finds, in words.

use std::fmt;

use super::super::serial::{LEAP_MAX, Leap, judge_leap};
use super::code::Code;
use crate::clock::UnixSeconds;

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinePlace {
    /// Its line, from 1.
    pub line: u64,
    /// Its number, where it has one.
    pub number: Option<u32>,
}

/// Something that holds a list back until it is mended or overridden.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardFinding {
    /// What it is about.
    pub code: Code,
    /// How many entries it concerns, or questions; for the per-cent codes too. How far a serial
    /// leaps.
    pub count: u64,
    /// What was found and what is allowed, in per cent, for the per-cent codes.
    pub percent: Option<(f64, f64)>,
    /// How many are allowed.
    pub allowed: u64,
    /// The first of the entries, for the codes that are about single entries.
    pub first: Vec<LinePlace>,
}

impl GuardFinding {
    /// Does it hold nothing back, because it concerns no more entries than may pass?
    pub fn passes(&self) -> bool {
        Code::PASSABLE.contains(&self.code) && self.count <= self.allowed
    }
}

impl GuardFinding {
    /// What is found where the step from the highest serial so far to that of a signed issue is a
    /// mistake, as it seems.
    pub fn of_leap(highest: Option<u64>, serial: u64, now: UnixSeconds) -> Option<Self> {
        let Leap::Suspicious { by } = judge_leap(highest, serial, now) else {
            return None;
        };
        Some(Self {
            code: Code::Serial,
            count: by,
            percent: None,
            allowed: LEAP_MAX,
            first: Vec::new(),
        })
    }
}

impl fmt::Display for GuardFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count;
        let (entries, are) = if count == 1 {
            ("entry", "is")
        } else {
            ("entries", "are")
        };
        let covers = if count == 1 { "covers" } else { "cover" };
        write!(f, "{}: ", self.code.as_str())?;
        match self.code {
            Code::Root => write!(f, "{count} {entries} {are} the root")?,
            Code::Tld => write!(f, "{count} {entries} {are} a top-level domain")?,
            Code::PublicSuffix => write!(f, "{count} {entries} {covers} a public suffix")?,
            Code::NeverBlock => write!(
                f,
                "{count} {entries} {covers} a name that must never be blocked"
            )?,
            Code::BelowNeverBlock => write!(
                f,
                "{count} {entries} {are} below a name under which nothing may be blocked"
            )?,
            Code::Empty => f.write_str("the list has no entry")?,
            Code::Added | Code::AddedPercent => write!(f, "{count} {entries} would be added")?,
            Code::Removed | Code::RemovedPercent => {
                write!(f, "{count} {entries} would be removed")?
            }
            Code::Shadow => write!(
                f,
                "{count} questions would be blocked that are not blocked now"
            )?,
            Code::Serial => write!(f, "the serial leaps by {count}, and reads as no time")?,
        }
        let whole = if self.code == Code::Shadow {
            "all questions"
        } else {
            "the list"
        };
        match self.percent {
            Some((percent, percent_max)) => write!(
                f,
                ", {percent:.1} % of {whole}; allowed are {percent_max:.1} %"
            )?,
            None if self.code == Code::Empty => {}
            None if self.first.is_empty() || self.allowed > 0 => {
                write!(f, "; allowed are {}", self.allowed)?
            }
            None => {}
        }
        self.write_places(f)?;
        if self.passes() {
            return f.write_str("; `pass` in [list.guard] lets them pass");
        }
        write!(
            f,
            "; mend the list, or accept it as it is by overriding {}",
            self.code.as_str()
        )
    }
}

impl GuardFinding {
    fn write_places(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, place) in self.first.iter().enumerate() {
            f.write_str(if at == 0 { " (" } else { ", " })?;
            write!(f, "line {}", place.line)?;
            place
                .number
                .map_or(Ok(()), |number| write!(f, " entry {number}"))?;
        }
        if !self.first.is_empty() {
            let hidden = self.count - self.first.len() as u64;
            if hidden > 0 {
                write!(f, " and {hidden} more")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}
