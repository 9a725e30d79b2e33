//! What changed between two issues of a list: counts and entries, told by number wherever names are
//! not asked for.

use std::collections::BTreeMap;

use super::Scope;
use super::records::EntryRecord;
use crate::name::Name;

/// The difference between two sets of entries, each part in the order of the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff<'a> {
    /// In the new set alone.
    pub added: Vec<&'a EntryRecord>,
    /// In the old set alone.
    pub removed: Vec<&'a EntryRecord>,
    /// In both, with other details: the old one and the new one.
    pub changed: Vec<(&'a EntryRecord, &'a EntryRecord)>,
    /// In both and the same.
    pub unchanged: usize,
}

impl<'a> Diff<'a> {
    /// Compare two sets. An entry is its name and scope; of one that stands there twice the last
    /// counts.
    pub fn between(old: &'a [EntryRecord], new: &'a [EntryRecord]) -> Self {
        let (old, new) = (by_name(old), by_name(new));
        let mut diff = Self {
            added: Vec::new(),
            removed: Vec::new(),
            changed: Vec::new(),
            unchanged: 0,
        };
        for (key, record) in &new {
            match old.get(key) {
                None => diff.added.push(record),
                Some(before) if before == record => diff.unchanged += 1,
                Some(before) => diff.changed.push((before, record)),
            }
        }
        diff.removed = old
            .iter()
            .filter(|(key, _)| !new.contains_key(*key))
            .map(|(_, record)| *record)
            .collect();
        diff
    }

    /// Is there no difference?
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

fn by_name(records: &[EntryRecord]) -> BTreeMap<(String, Scope, &Name), &EntryRecord> {
    records
        .iter()
        .map(|record| {
            (
                (record.name.to_string(), record.scope, &record.name),
                record,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::records::read;

    fn records(text: &str) -> Vec<EntryRecord> {
        read(text.as_bytes())
            .unwrap()
            .0
            .into_iter()
            .map(|(_, record)| record)
            .collect()
    }

    fn numbers(records: &[&EntryRecord]) -> Vec<Option<u32>> {
        records.iter().map(|record| record.number).collect()
    }

    #[test]
    fn each_kind_of_change_is_told() {
        let old = records("a.test number=1\nb.test number=2\nc.test number=3\n");
        let new =
            records("=a.test number=4\nb.test number=2 category=x\nc.test number=3\nd.test\n");
        let diff = Diff::between(&old, &new);
        assert_eq!(numbers(&diff.added), [Some(4), None]);
        assert_eq!(numbers(&diff.removed), [Some(1)]);
        assert_eq!(
            diff.changed
                .iter()
                .map(|(old, new)| (old.number, new.number))
                .collect::<Vec<_>>(),
            [(Some(2), Some(2))]
        );
        assert_eq!((diff.unchanged, diff.is_empty()), (1, false));
        assert!(Diff::between(&old, &old).is_empty());
        assert!(
            !format!("{diff:?}").contains("test"),
            "no name in a debug text"
        );
    }
}
