//! What a curator should look at before signing: entries that are due, double, covered, expired,
//! easily mistaken, or cover too much.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;

use super::Scope;
use super::guard::LinePlace;
use super::records::EntryRecord;
use crate::name::Name;

/// The category of the entry that harms nobody, which resolvers ask their own doors for.
pub const TEST_CATEGORY: &str = "test";

/// What a remark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// The same name and reach stands there twice.
    Duplicate,
    /// An entry has no number, or that of another entry.
    Number,
    /// The last day on which it may be listed is over.
    Expired,
    /// More than one test entry.
    Test,
    /// A removal that has not run out took it back.
    Removed,
    /// It was verified too long ago, or never.
    Due,
    /// It starts with `www.` and covers neither the name without it nor others beside it.
    Www,
    /// Another entry covers it already.
    Covered,
    /// An internationalised name that looks like another one.
    Homograph,
}

impl Concern {
    /// The word by which it is spoken of and overridden.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "lint.duplicate",
            Self::Number => "lint.number",
            Self::Expired => "lint.expired",
            Self::Test => "lint.test",
            Self::Removed => "lint.removed",
            Self::Due => "lint.due",
            Self::Www => "lint.www",
            Self::Covered => "lint.covered",
            Self::Homograph => "lint.homograph",
        }
    }

    /// Does it keep a list from being signed, or is it only worth a look?
    pub const fn is_error(self) -> bool {
        matches!(
            self,
            Self::Duplicate | Self::Number | Self::Expired | Self::Test | Self::Removed
        )
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "the same entry stands above: remove one of them",
            Self::Number => "no number of its own: `wardline list import` and `add` give one",
            Self::Expired => "its last day is over: remove it, or verify it and set a new one",
            Self::Test => "a second test entry: one is enough",
            Self::Removed => {
                "an emergency removal took it back, and this issue would block it again: remove it"
            }
            Self::Due => {
                "due for verification: somebody must look whether the material is still \
                          there"
            }
            Self::Www => {
                "starts with www.: it covers neither the name without www. nor others \
                          beside it"
            }
            Self::Covered => "covered by another entry already",
            Self::Homograph => {
                "an internationalised name that looks like another one: check that \
                                it is the one that is meant"
            }
        })
    }
}

/// One thing to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// What it is about.
    pub concern: Concern,
    /// The entry's line, from 1.
    pub line: u64,
    /// The entry's number, where it has one.
    pub number: Option<u32>,
}

impl Remark {
    /// Where the entry stands.
    pub const fn place(&self) -> LinePlace {
        LinePlace {
            line: self.line,
            number: self.number,
        }
    }
}

/// Look at all entries, each with its line. An entry is due when it was last verified more than
/// `verify_days` before `today`; the test entry is never.
pub fn lint(records: &[(u64, EntryRecord)], today: Date, verify_days: u32) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let (mut seen, mut numbers, mut tests) = (BTreeSet::new(), BTreeSet::new(), 0);
    let wide: BTreeMap<&[u8], ()> = records
        .iter()
        .filter(|(_, record)| record.scope == Scope::Below)
        .map(|(_, record)| (record.name.as_wire(), ()))
        .collect();
    for (line, record) in records {
        let mut say = |concern| {
            remarks.push(Remark {
                concern,
                line: *line,
                number: record.number,
            })
        };
        let is_test = record.category.as_deref() == Some(TEST_CATEGORY);
        tests += u32::from(is_test);
        if !seen.insert((&record.name, record.scope)) {
            say(Concern::Duplicate);
        }
        if !record.number.is_some_and(|number| numbers.insert(number)) {
            say(Concern::Number);
        }
        if record.expires.is_some_and(|last| last < today) {
            say(Concern::Expired);
        }
        if is_test && tests > 1 {
            say(Concern::Test);
        }
        if !is_test && is_due(record, today, verify_days) {
            say(Concern::Due);
        }
        if record.name.label_count() > 2 && record.name.labels().next() == Some(b"www") {
            say(Concern::Www);
        }
        if is_covered(record, &wide) {
            say(Concern::Covered);
        }
        if record.name.labels().any(is_homograph) {
            say(Concern::Homograph);
        }
    }
    remarks.sort();
    remarks
}

/// The entries that stand there although removals took them back.
pub fn find_removed(records: &[(u64, EntryRecord)], taken_back: &[(Name, Scope)]) -> Vec<Remark> {
    let taken_back: BTreeSet<(&Name, Scope)> = taken_back
        .iter()
        .map(|(name, scope)| (name, *scope))
        .collect();
    let found = records
        .iter()
        .filter(|(_, record)| taken_back.contains(&(&record.name, record.scope)));
    found
        .map(|(line, record)| Remark {
            concern: Concern::Removed,
            line: *line,
            number: record.number,
        })
        .collect()
}

fn is_due(record: &EntryRecord, today: Date, verify_days: u32) -> bool {
    let days = |verified: Date| {
        today
            .since(verified)
            .map_or(i32::MAX, |span| span.get_days())
    };
    record
        .verified
        .is_none_or(|verified| days(verified) > i32::try_from(verify_days).unwrap_or(i32::MAX))
}

/// Is a parent of the name an entry that reaches below, or the name itself where the entry is
/// exact?
fn is_covered(record: &EntryRecord, wide: &BTreeMap<&[u8], ()>) -> bool {
    let mut rest = record.name.as_wire();
    let mut is_parent = record.scope == Scope::Exact;
    loop {
        if is_parent && wide.contains_key(rest) {
            return true;
        }
        is_parent = true;
        match rest.split_first() {
            Some((&len, tail)) if len > 0 => {
                rest = tail.get(usize::from(len)..).unwrap_or_default()
            }
            _ => return false,
        }
    }
}

/// Does a label mix scripts, or is it written in letters of which each looks like a Latin one?
fn is_homograph(label: &[u8]) -> bool {
    let text = str::from_utf8(label).unwrap_or_default();
    if !text.starts_with("xn--") {
        return false;
    }
    let (shown, _) = idna::domain_to_unicode(text);
    let letters = || shown.chars().filter(|c| c.is_alphabetic());
    let count = |is_of: fn(char) -> bool| letters().filter(|c| is_of(*c)).count();
    let scripts = [
        count(is_latin),
        count(|c| matches!(c, '\u{370}'..='\u{3ff}')),
        count(|c| matches!(c, '\u{400}'..='\u{52f}')),
    ];
    let is_mixed = scripts.iter().filter(|count| **count > 0).count() > 1;
    let is_disguised = letters().all(|c| LOOKALIKES.contains(c) || c.is_ascii());
    is_mixed || is_disguised
}

fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '\u{c0}'..='\u{24f}')
}

/// Small letters of other scripts that are drawn like Latin ones (Unicode Technical Standard 39,
/// confusables).
const LOOKALIKES: &str = "асеорхуіјѕһԁԛԝӏοαινρυκϲոսհցօ\u{131}\u{251}";

/// The test entry's number: that of the first entry of the category `test`.
pub fn test_entry(records: &[(u64, EntryRecord)]) -> Option<u32> {
    records
        .iter()
        .find(|(_, record)| record.category.as_deref() == Some(TEST_CATEGORY))
        .and_then(|(_, record)| record.number)
}

/// The names of the entries by their line, for those who may see them.
pub fn name_at(records: &[(u64, EntryRecord)], line: u64) -> Option<&Name> {
    records
        .iter()
        .find(|(at, _)| *at == line)
        .map(|(_, record)| &record.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::records::read;

    fn remarks(text: &str) -> Vec<String> {
        let (records, parsed) = read(text.as_bytes()).unwrap();
        assert_eq!(parsed.rejects, 0, "{text}");
        let said = lint(&records, Date::constant(2026, 6, 1), 92);
        said.iter()
            .map(|remark| format!("{}:{}", remark.line, remark.concern.as_str()))
            .collect()
    }

    #[test]
    fn each_concern_is_found() {
        let good = "a.test number=1 verified=2026-05-01\n";
        let cases: [(&str, &[&str]); 14] = [
            ("", &[]),
            (
                "a.test number=2 verified=2026-05-01\n",
                &["2:lint.duplicate"],
            ),
            (
                "=a.test number=2 verified=2026-05-01\n",
                &["2:lint.covered"],
            ),
            (
                "b.a.test number=2 verified=2026-05-01\n",
                &["2:lint.covered"],
            ),
            ("ba.test number=1 verified=2026-05-01\n", &["2:lint.number"]),
            ("b.test verified=2026-05-01\n", &["2:lint.number"]),
            ("b.test number=2 verified=2026-03-01\n", &[]),
            ("b.test number=2 verified=2026-02-28\n", &["2:lint.due"]),
            ("b.test number=2\n", &["2:lint.due"]),
            (
                "b.test number=2 category=test\n=c.test number=3 category=test\n",
                &["3:lint.test"],
            ),
            (
                "b.test number=2 verified=2026-05-01 expires=2026-06-01\n",
                &[],
            ),
            (
                "b.test number=2 verified=2026-05-01 expires=2026-05-31\n",
                &["2:lint.expired"],
            ),
            (
                "www.b.test number=2 verified=2026-05-01\nwww.test number=3 verified=2026-05-01\n",
                &["2:lint.www"],
            ),
            // Cyrillic letters alone that look Latin, a mixture, and two honest names.
            (
                "\u{430}\u{440}\u{440}\u{435}.test number=2 verified=2026-05-01\np\u{430}ge.test number=3 verified=2026-05-01\n\
                 b\u{fc}cher.test number=4 \
                 verified=2026-05-01\n\u{43c}\u{43e}\u{441}\u{43a}\u{432}\u{430}.test number=5 \
                 verified=2026-05-01\n",
                &["2:lint.homograph", "3:lint.homograph"],
            ),
        ];
        for (more, expected) in cases {
            assert_eq!(remarks(&(good.to_owned() + more)), expected, "{more}");
        }
    }

    #[test]
    fn entries_that_were_taken_back_are_found() {
        let text = "a.test number=1\n=a.test number=2\nb.test number=3\n";
        let (records, _) = read(text.as_bytes()).unwrap();
        let taken_back = [
            ("a.test", Scope::Exact),
            ("b.test", Scope::Below),
            ("c.test", Scope::Below),
        ]
        .map(|(name, scope)| (Name::parse(name).unwrap(), scope));
        let found = find_removed(&records, &taken_back);
        let lines: Vec<u64> = found.iter().map(|remark| remark.line).collect();
        assert_eq!(lines, [2, 3]);
        assert!(found.iter().all(|remark| remark.concern.is_error()));
    }

    #[test]
    fn errors_come_first() {
        let text = "www.a.test number=1\nb.test\n";
        let said = remarks(text);
        assert_eq!(
            said,
            ["2:lint.number", "1:lint.due", "2:lint.due", "1:lint.www"]
        );
        let (records, _) = read(b"a.test number=7 category=test\n".as_slice()).unwrap();
        assert_eq!(
            (test_entry(&records), name_at(&records, 1).is_some()),
            (Some(7), true)
        );
    }
}
