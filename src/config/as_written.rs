//! What stands in a configuration, as it was written: which keys, with which values, and where.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::text::{ConfigText, Problem};

/// A file and a line of it, counted from 1.
pub(super) type Place = (String, Option<usize>);

/// The whole tree, and the places of its keys.
#[derive(Clone, Debug, Default)]
pub(super) struct AsWritten {
    pub(super) table: Table,
    /// By the way to the key: `cache.size_mib`, `list.0.stop`, `clients.allow.2`.
    places: BTreeMap<String, Place>,
    main: String,
}

impl AsWritten {
    /// Take a tree's keys and where they stand; `table` is the tree without that.
    pub(super) fn new(table: Table, root: &DeTable<'_>, texts: &ConfigText) -> Self {
        let mut places = BTreeMap::new();
        let mut note =
            |path: &str, at: usize| drop(places.insert(path.to_owned(), texts.locate(at)));
        note_places(root, "", &mut note);
        Self {
            table,
            places,
            main: texts.main().place.clone(),
        }
    }

    /// Is the key written, with another value than `reference` has?
    pub(super) fn has(&self, path: &str, reference: &Table) -> bool {
        let own = find(&self.table, path);
        own.is_some() && own != find(reference, path)
    }

    /// Something about a key, with its place; or with the file alone, where it is not written.
    pub(super) fn problem(&self, path: &str, message: String) -> Problem {
        let place = self.places.get(path).cloned();
        let (place, line) = place.unwrap_or_else(|| (self.main.clone(), None));
        Problem {
            place,
            line,
            message,
        }
    }
}

/// Sections of which there may be so many that nobody needs the places of all their keys.
const LONG: [&str; 3] = ["group", "resolve.zone", "limits.network"];

fn note_places(table: &DeTable<'_>, section: &str, note: &mut impl FnMut(&str, usize)) {
    for (key, value) in table {
        let path = joined(section, key.get_ref());
        note(&path, key.span().start);
        note_value(value.get_ref(), &path, note);
    }
}

fn note_value(value: &DeValue<'_>, path: &str, note: &mut impl FnMut(&str, usize)) {
    match value {
        DeValue::Table(table) => note_places(table, path, note),
        DeValue::Array(values) if !LONG.contains(&path) => {
            for (value, index) in values.iter().zip(0..) {
                let path = format!("{path}.{index}");
                note(&path, value.span().start);
                note_value(value.get_ref(), &path, note);
            }
        }
        _ => {}
    }
}

fn joined(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

fn find<'t>(table: &'t Table, path: &str) -> Option<&'t Value> {
    let mut steps = path.split('.');
    let mut found = table.get(steps.next()?)?;
    for step in steps {
        found = match step.parse::<usize>() {
            Ok(index) => found.get(index)?,
            Err(_) => found.get(step)?,
        };
    }
    Some(found)
}
