//! A list as its curator holds it: entries with their names, sorted, and the one text that they
//! make.

use std::fmt;
use std::io::{self, BufRead};

use jiff::civil::Date;

use super::Scope;
use super::parse::{self, ListEntry, Parsed};
use crate::name::Name;

/// One entry with everything the curator knows of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryRecord {
    /// The name.
    pub name: Name,
    /// How far it reaches.
    pub scope: Scope,
    /// Its random number; none until it has one.
    pub number: Option<u32>,
    /// When it was last verified.
    pub verified: Option<Date>,
    /// Until when it may be listed.
    pub expires: Option<Date>,
    /// The curator's word for its kind.
    pub category: Option<Box<str>>,
}

impl EntryRecord {
    /// An entry without details.
    pub const fn new(name: Name, scope: Scope) -> Self {
        Self {
            name,
            scope,
            number: None,
            verified: None,
            expires: None,
            category: None,
        }
    }

    /// What it is known by to everybody who must not see its name.
    pub fn label(&self) -> String {
        self.number.map_or_else(
            || "an entry without a number".to_owned(),
            |number| format!("entry {number}"),
        )
    }

    fn from_entry(entry: &ListEntry<'_>) -> Option<Self> {
        let details = entry.details;
        Some(Self {
            name: Name::from_wire(entry.wire).ok()?,
            scope: entry.scope,
            number: details.number,
            verified: details.verified,
            expires: details.expires,
            category: details.category.map(Box::from),
        })
    }
}

/// The entry's line without its end: what the parser of our own format reads.
impl fmt::Display for EntryRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scope.mark(), self.name)?;
        self.number
            .map_or(Ok(()), |number| write!(f, " number={number}"))?;
        self.verified
            .map_or(Ok(()), |day| write!(f, " verified={day}"))?;
        self.expires
            .map_or(Ok(()), |day| write!(f, " expires={day}"))?;
        self.category
            .as_ref()
            .map_or(Ok(()), |category| write!(f, " category={category}"))
    }
}

/// `Debug` shows the number alone, as [`Name`]'s shows no name.
impl fmt::Debug for EntryRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({:?})", self.number)
    }
}

/// Read entries in our own format, in the order of the text, each with its line.
pub fn read(text: impl BufRead) -> io::Result<(Vec<(u64, EntryRecord)>, Parsed)> {
    let mut records = Vec::new();
    let parsed = parse::read_entries(text, |entry| {
        records.extend(EntryRecord::from_entry(entry).map(|record| (entry.line, record)))
    })?;
    Ok((records, parsed))
}

/// The one text of these entries: sorted by name, one a line, without comments.
pub fn write(records: &[EntryRecord]) -> String {
    let mut lines: Vec<(String, &EntryRecord)> = records
        .iter()
        .map(|record| (record.name.to_string(), record))
        .collect();
    lines.sort();
    lines.iter().fold(String::new(), |mut text, (_, record)| {
        text.push_str(&format!("{record}\n"));
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_have_one_text() {
        let text = b"b.test  category=x number=2\nA.test number=1 verified=2026-03-01 \
                     expires=2026-04-01 # c\n=a.b.test\n";
        let (records, parsed) = read(text.as_slice()).unwrap();
        assert_eq!((records.len(), parsed.rejects, records[1].0), (3, 0, 2));
        let records: Vec<EntryRecord> = records.into_iter().map(|(_, record)| record).collect();
        let written = write(&records);
        assert_eq!(
            written,
            "=a.b.test\na.test number=1 verified=2026-03-01 expires=2026-04-01\nb.test number=2 \
             category=x\n"
        );
        assert_eq!(format!("{:?}", records[1]), "Record(Some(1))");
    }

    proptest! {
        #[test]
        fn written_entries_are_read_again(
            labels in proptest::collection::vec("[a-z0-9]{1,10}", 2..6), number in 1_u32.., is_exact: bool, day in 1_i8..28,
        ) {
            let mut record = EntryRecord::new(Name::parse(&format!("{}.test", labels.join("."))).unwrap(), Scope::Below);
            record.number = Some(number);
            record.scope = if is_exact { Scope::Exact } else { Scope::Below };
            record.verified = Some(Date::constant(2026, 2, day));
            let (read, _) = read(write(std::slice::from_ref(&record)).as_bytes()).unwrap();
            prop_assert_eq!(&read[0].1.to_string(), &record.to_string());
            prop_assert!(read[0].1 == record);
        }
    }
}
