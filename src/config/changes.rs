//! What differs between two configurations, key by key, in words for the operator.
//!
//! What was written is compared, as a tree of tables and values, so that no key is forgotten. A key
//! that is left out counts as written with its default where the reference says one.

use std::collections::BTreeSet;
use std::fmt;

use toml::{Table, Value};

/// One key that is written otherwise in the next configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The key with its sections: `limits.waiting`, `list.pilot.stop`, and in quotation marks what
    /// has other signs than a bare key, as in `resolve.zone."corp.example".stub`.
    pub key: String,
    /// What became of it.
    pub change: ValueChange,
}

/// What became of a key; each text is TOML on one line, cut to about 60 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueChange {
    /// It was not there; the text is empty where it is a whole list, group or the like.
    Added(String),
    /// It is not there any more; the text as above.
    Removed(String),
    /// It has another value.
    Changed {
        /// The value until now.
        before: String,
        /// The value from now on.
        after: String,
    },
    /// The lists that are in both stand in another order, which decides who blocks: their ids.
    Reordered {
        /// The order until now.
        before: String,
        /// The order from now on.
        after: String,
    },
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.change {
            ValueChange::Added(value) if value.is_empty() => write!(f, "{key}: added"),
            ValueChange::Added(value) => write!(f, "{key}: added {value}"),
            ValueChange::Removed(value) if value.is_empty() => write!(f, "{key}: removed"),
            ValueChange::Removed(value) => write!(f, "{key}: removed {value}"),
            ValueChange::Changed { before, after } => write!(f, "{key}: {before} -> {after}"),
            ValueChange::Reordered { before, after } => {
                write!(f, "{key}: order {before} -> {after}")
            }
        }
    }
}

/// Sections that repeat, `[[list]]`, and the key that tells one from the other.
pub(super) const REPEATED: [(&str, &str); 5] = [
    (LISTS, "id"),
    ("group", "name"),
    ("resolve.zone", "name"),
    ("limits.network", "networks"),
    ("audit.witness", "key"),
];
/// The repeated section whose order decides something.
const LISTS: &str = "list";
/// Keys of the reference's own list that say an example and no default.
pub(super) const EXAMPLES: [&str; 7] = [
    "id",
    "file",
    "unsigned",
    "authority",
    "basis",
    "legal_basis",
    "stop",
];
/// The longest text of a value, in characters.
const VALUE_CHARS_MAX: usize = 60;
/// How much of what two long values have in common is shown in front of what differs.
const COMMON_CHARS: usize = 12;

/// All keys whose values differ, sorted as the sections are. `reference` has the defaults.
pub(super) fn changes_between(before: &Table, after: &Table, reference: &Table) -> Vec<KeyChange> {
    let mut changes = Changes(Vec::new());
    changes.compare_tables("", before, after, Some(reference));
    changes.0
}

struct Changes(Vec<KeyChange>);

impl Changes {
    /// Compare what two tables have below `section`, which is empty at the top.
    fn compare_tables(
        &mut self,
        section: &str,
        before: &Table,
        after: &Table,
        defaults: Option<&Table>,
    ) {
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let path = joined(section, key);
            let default = defaults.and_then(|defaults| defaults.get(key));
            let [before, after] = [before, after].map(|table| table.get(key));
            let repeated = REPEATED.iter().find(|(section, _)| *section == path);
            let none = Table::new();
            match (tables(before), tables(after), repeated) {
                (Some(before), Some(after), Some((_, id))) => {
                    let default = tables(default).and_then(|elements| elements.first().copied());
                    self.compare_repeated(&path, id, &before, &after, default);
                }
                _ => match (table(before, &none), table(after, &none)) {
                    (Some(before), Some(after)) => {
                        let defaults = default.and_then(Value::as_table);
                        self.compare_tables(&path, before, after, defaults);
                    }
                    _ => self.compare_values(path, before.or(default), after.or(default)),
                },
            }
        }
    }

    /// Compare sections that repeat; `default` is the reference's own one.
    fn compare_repeated(
        &mut self,
        section: &str,
        id: &str,
        before: &[&Table],
        after: &[&Table],
        default: Option<&Table>,
    ) {
        let [before, after] = [before, after].map(|elements| named(id, elements));
        let find = |elements: &[(String, &Table)], name: &str| {
            let mut found = elements.iter().filter(|(other, _)| other == name);
            found.next().map(|(_, element)| (*element).clone())
        };
        let defaults = default.map(without_examples);
        for (name, element) in &before {
            let key = joined(section, name);
            match find(&after, name) {
                Some(next) => self.compare_tables(&key, element, &next, defaults.as_ref()),
                None => self.push(key, ValueChange::Removed(String::new())),
            }
        }
        for (name, _) in &after {
            if find(&before, name).is_none() {
                self.push(joined(section, name), ValueChange::Added(String::new()));
            }
        }
        if section == LISTS {
            self.compare_order(&before, &after);
        }
    }

    /// Note that the lists that are in both stand in another order.
    fn compare_order(&mut self, before: &[(String, &Table)], after: &[(String, &Table)]) {
        let common = |these: &[(String, &Table)], others: &[(String, &Table)]| {
            let names = these.iter().map(|(name, _)| name);
            let common = names.filter(|name| others.iter().any(|(other, _)| other == *name));
            common.cloned().collect::<Vec<_>>().join(", ")
        };
        let (before, after) = (common(before, after), common(after, before));
        if before != after {
            let (before, after) = cut(&before, &after);
            self.push(LISTS.to_owned(), ValueChange::Reordered { before, after });
        }
    }

    fn compare_values(&mut self, key: String, before: Option<&Value>, after: Option<&Value>) {
        let change = match (before, after) {
            (Some(before), Some(after)) if is_same(before, after) => return,
            (Some(before), Some(after)) => {
                let (before, after) = cut(&line(before), &line(after));
                ValueChange::Changed { before, after }
            }
            (Some(before), None) => ValueChange::Removed(cut(&line(before), "").0),
            (None, Some(after)) => ValueChange::Added(cut(&line(after), "").0),
            (None, None) => return,
        };
        self.push(key, change);
    }

    fn push(&mut self, key: String, change: ValueChange) {
        self.0.push(KeyChange { key, change });
    }
}

/// The value as a table, where nothing is an empty one.
fn table<'a>(value: Option<&'a Value>, none: &'a Table) -> Option<&'a Table> {
    value.map_or(Some(none), Value::as_table)
}

/// The value as tables alone, where nothing is none of them.
fn tables(value: Option<&Value>) -> Option<Vec<&Table>> {
    let Some(value) = value else {
        return Some(Vec::new());
    };
    value.as_array()?.iter().map(Value::as_table).collect()
}

/// Repeated sections with their names; of several with one name each later one has its number
/// behind it.
fn named<'a>(id: &str, elements: &[&'a Table]) -> Vec<(String, &'a Table)> {
    let mut named: Vec<(String, &Table)> = Vec::new();
    for element in elements {
        let name = match element.get(id) {
            // A verifying key's name stands in front of its hash.
            Some(Value::String(key)) if id == "key" => {
                key.split('+').next().unwrap_or(key).to_owned()
            }
            Some(Value::String(name)) => name.clone(),
            Some(Value::Array(values)) => {
                let words = values.iter().filter_map(Value::as_str);
                words.collect::<Vec<_>>().join(" ")
            }
            _ => String::new(),
        };
        let numbered = (2..).map(|number| format!("{name} #{number}"));
        let free = std::iter::once(name.clone())
            .chain(numbered)
            .find(|name| !named.iter().any(|(other, _)| other == name));
        named.push((free.unwrap_or(name), element));
    }
    named
}

fn without_examples(list: &Table) -> Table {
    let mut defaults = list.clone();
    defaults.retain(|key, _| !EXAMPLES.contains(&key));
    defaults
}

/// The key in its section, in quotation marks where TOML wants them.
fn joined(section: &str, key: &str) -> String {
    let is_bare = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-');
    let key = if !key.is_empty() && key.bytes().all(is_bare) {
        key.to_owned()
    } else {
        line(&Value::from(key))
    };
    if section.is_empty() {
        key
    } else {
        format!("{section}.{key}")
    }
}

/// Equal for whoever reads them: `5` may be written where `5.0` is meant.
fn is_same(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Integer(whole), Value::Float(number))
        | (Value::Float(number), Value::Integer(whole)) => *whole as f64 == *number,
        _ => before == after,
    }
}

/// A value as TOML, on one line.
fn line(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Array(values) => {
            let values = values.iter().map(line);
            format!("[{}]", values.collect::<Vec<_>>().join(", "))
        }
        Value::Table(table) => {
            let pairs = table.iter();
            let pairs = pairs.map(|(key, value)| format!("{} = {}", joined("", key), line(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        _ => value.to_string(),
    }
}

/// Two texts, cut so that what differs can be seen of both.
fn cut(before: &str, after: &str) -> (String, String) {
    let fits = |text: &str| text.chars().count() <= VALUE_CHARS_MAX;
    let differ = before
        .chars()
        .zip(after.chars())
        .take_while(|(one, other)| one == other)
        .count();
    let from = if fits(before) && fits(after) {
        0
    } else {
        differ.saturating_sub(COMMON_CHARS)
    };
    let shown = |text: &str| {
        let rest = text.chars().count() - from;
        let middle = text.chars().skip(from).take(VALUE_CHARS_MAX);
        let front = if from > 0 { "…" } else { "" };
        let end = if rest > VALUE_CHARS_MAX { "…" } else { "" };
        format!("{front}{}{end}", middle.collect::<String>())
    };
    (shown(before), shown(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: &str = "a = 1\n[limits]\nwaiting = 10000\npercent = 5.0\n[[list]]\nid = \
                            \"example\"\nfile = \"f\"\nunsigned = \"allow\"\nttl_s = 60\n";

    fn changes(before: &str, after: &str) -> Vec<String> {
        let read = |text: &str| -> Table { toml::from_str(text).unwrap() };
        changes_between(&read(before), &read(after), &read(DEFAULTS))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn each_change_is_one_line() {
        let cases = include_str!("../../tests/cases/config/changes.txt");
        let mut told = 0;
        for case in cases.split("====\n").skip(1) {
            let mut parts = case.split("--\n");
            let [before, after, expected] = [(); 3].map(|()| parts.next().unwrap());
            let expected: Vec<&str> = expected.lines().collect();
            assert_eq!(changes(before, after), expected, "{case}");
            told += expected.len();
        }
        assert!(told > 20, "{told}");
    }

    #[test]
    fn long_values_are_cut_where_they_differ() {
        let array = |last: u32| {
            let numbers = (0..100).chain([last]);
            format!(
                "a = [{}]",
                numbers
                    .map(|n| n.to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        };
        assert_eq!(
            changes(&array(100), &array(101)),
            ["a: …, 98, 99, 100] -> …, 98, 99, 101]"]
        );
        let ends = changes("b = 1", &array(1).replace('a', "b"));
        assert_eq!(
            ends,
            ["b: 1 -> [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1…"]
        );
        let text = format!("b = \"{}\"", "ä".repeat(61));
        let [added] = &changes("", &text)[..] else {
            panic!("not one change")
        };
        assert_eq!(*added, format!("b: added \"{}…", "ä".repeat(59)));
    }
}
