//! What people complained about, month by month, from a small file that the operator keeps: counts
//! alone, for the published report.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::month::Month;

/// The first line of the file.
const HEADER: &str = "month,by,received,upheld";

/// How many complaints of one kind a month had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComplaintCount {
    /// How many came.
    pub received: u64,
    /// How many of them were found to be right.
    pub upheld: u64,
}

/// The complaints of a month; none of a kind that the file says nothing about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MonthComplaints {
    /// By owners of what was blocked.
    pub owner: Option<ComplaintCount>,
    /// By visitors who were shown the stop page.
    pub visitor: Option<ComplaintCount>,
    /// Against what was decided about a complaint.
    pub appeal: Option<ComplaintCount>,
}

impl MonthComplaints {
    /// Each kind with its word in the file.
    pub const fn kinds(&self) -> [(&'static str, Option<ComplaintCount>); 3] {
        [
            ("owner", self.owner),
            ("visitor", self.visitor),
            ("appeal", self.appeal),
        ]
    }

    const fn place(&mut self, word: &str) -> Option<&mut Option<ComplaintCount>> {
        match word.as_bytes() {
            b"owner" => Some(&mut self.owner),
            b"visitor" => Some(&mut self.visitor),
            b"appeal" => Some(&mut self.appeal),
            _ => None,
        }
    }
}

/// The complaints and appeals that an operator received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaints(BTreeMap<Month, MonthComplaints>);

impl Complaints {
    /// Reads the operator's file: the line `month,by,received,upheld`, then one line for each month
    /// and kind, like `2026-01,owner,3,1`.
    ///
    /// # Errors
    /// When a line is anything else: `LINE: ` and what may stand there.
    pub fn parse(text: &str) -> Result<Self, String> {
        // A spreadsheet program writes a byte order mark and ends lines its own way.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().zip(1_u64..);
        if lines.next().is_none_or(|(line, _)| line != HEADER) {
            return Err(format!("1: must be `{HEADER}`"));
        }
        let mut months = BTreeMap::new();
        for (line, number) in lines {
            read_line(line, &mut months).map_err(|fault| format!("{number}: {fault}"))?;
        }
        Ok(Self(months))
    }

    /// Those of a month; nothing of a month that the file does not name.
    pub fn of(&self, month: Month) -> MonthComplaints {
        self.0.get(&month).copied().unwrap_or_default()
    }
}

/// Takes one line; its text is never repeated, since it may be anything.
fn read_line(
    line: &str,
    months: &mut BTreeMap<Month, MonthComplaints>,
) -> Result<(), &'static str> {
    let fields: Vec<&str> = line.split(',').collect();
    let [month, word, received, upheld] = fields[..] else {
        return Err("must have four fields, like `2026-01,owner,3,1`");
    };
    let month = Some(month).filter(|month| month.len() == 7);
    let month = month
        .and_then(Month::parse)
        .ok_or("the first field must be a month, like 2026-01")?;
    let (Some(received), Some(upheld)) = (whole(received), whole(upheld)) else {
        return Err("`received` and `upheld` must be whole numbers, of at most nine digits");
    };
    if upheld > received {
        return Err("no more can be upheld than were received");
    }
    let complaints = match months.entry(month) {
        Entry::Vacant(entry) => entry.insert(MonthComplaints::default()),
        Entry::Occupied(entry) => entry.into_mut(),
    };
    let place = complaints
        .place(word)
        .ok_or("the second field must be owner, visitor or appeal")?;
    if place.is_some() {
        return Err("this month and kind stand in a line before: keep one of them");
    }
    *place = Some(ComplaintCount { received, upheld });
    Ok(())
}

fn whole(text: &str) -> Option<u64> {
    let is_whole = (1..=9).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    is_whole.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_by_month_and_kind() {
        let file = "month,by,received,upheld\n2026-01,owner,3,1\n2026-01,appeal,0,0\n\
                    2025-12,visitor,120,0\n";
        let complaints = Complaints::parse(file).unwrap();
        let month = |text| complaints.of(Month::parse(text).unwrap());
        let count = |received, upheld| Some(ComplaintCount { received, upheld });
        let january = MonthComplaints {
            owner: count(3, 1),
            visitor: None,
            appeal: count(0, 0),
        };
        assert_eq!(month("2026-01"), january);
        assert_eq!(month("2025-12").visitor, count(120, 0));
        assert_eq!(month("2025-11"), MonthComplaints::default());
        let spreadsheet = format!("\u{feff}{}", file.replace('\n', "\r\n"));
        assert_eq!(Complaints::parse(&spreadsheet), Ok(complaints));
    }

    #[test]
    fn every_other_line_is_refused_by_its_number() {
        for (lines, fault) in [
            ("2026-1,owner,3,1", "2: the first field must be a month"),
            ("2026-01-01,owner,3,1", "2: the first field must be a month"),
            ("2026-01,police,3,1", "2: the second field must be owner"),
            ("2026-01,owner,3", "2: must have four fields"),
            ("2026-01,owner,3,1,Mr Example", "2: must have four fields"),
            ("", "2: must have four fields"),
            ("2026-01,owner,-3,1", "2: `received` and `upheld` must be"),
            (
                "2026-01,owner,1000000000,1",
                "2: `received` and `upheld` must be",
            ),
            ("2026-01,owner,1,2", "2: no more can be upheld"),
            (
                "2026-01,owner,1,0\n2026-01,owner,1,0",
                "3: this month and kind stand",
            ),
        ] {
            let refused = Complaints::parse(&format!("{HEADER}\n{lines}\n")).unwrap_err();
            assert!(refused.starts_with(fault), "{lines}: {refused}");
        }
        let headless = Complaints::parse("2026-01,owner,3,1\n").unwrap_err();
        assert!(headless.starts_with("1: must be `month,"), "{headless}");
        assert!(Complaints::parse("").is_err());
    }
}
