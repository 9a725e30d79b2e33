//! Changes in a tree of TOML that let it be read past a mistake.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

/// One step from a table or an array to what it holds.
#[derive(Clone)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Which value is looked for: its key, where it has one, and itself.
type Wanted<'w> = dyn FnMut(Option<&Spanned<DeString<'_>>>, &Spanned<DeValue<'_>>) -> bool + 'w;

/// The way to the first value that is wanted; a value comes before what it holds.
pub(super) fn find(root: &DeTable<'_>, wanted: &mut Wanted<'_>) -> Option<Vec<Step>> {
    root.iter().find_map(|(key, value)| {
        let step = Step::Key(key.get_ref().to_string());
        if wanted(Some(key), value) {
            return Some(vec![step]);
        }
        let mut path = find_in(value.get_ref(), wanted)?;
        path.insert(0, step);
        Some(path)
    })
}

fn find_in(value: &DeValue<'_>, wanted: &mut Wanted<'_>) -> Option<Vec<Step>> {
    match value {
        DeValue::Table(table) => find(table, wanted),
        DeValue::Array(values) => values.iter().zip(0..).find_map(|(value, index)| {
            if wanted(None, value) {
                return Some(vec![Step::Index(index)]);
            }
            let mut path = find_in(value.get_ref(), wanted)?;
            path.insert(0, Step::Index(index));
            Some(path)
        }),
        _ => None,
    }
}

/// The value at the end of the way.
pub(super) fn at<'t, 'a>(root: &'t DeTable<'a>, path: &[Step]) -> Option<&'t DeValue<'a>> {
    let mut table = Some(root);
    let mut found: Option<&DeValue<'a>> = None;
    for step in path {
        let next = match step {
            Step::Key(key) => table?.get(key.as_str())?,
            Step::Index(index) => found?.as_array()?.get(*index)?,
        };
        found = Some(next.get_ref());
        table = next.get_ref().as_table();
    }
    found
}

fn at_mut<'t, 'a>(root: &'t mut DeTable<'a>, path: &[Step]) -> Option<&'t mut DeValue<'a>> {
    let (Step::Key(key), rest) = path.split_first()? else {
        return None;
    };
    let mut found = root.get_mut(key.as_str())?.get_mut();
    for step in rest {
        found = match (step, found) {
            (Step::Key(key), DeValue::Table(table)) => table.get_mut(key.as_str())?.get_mut(),
            (Step::Index(index), DeValue::Array(values)) => values.get_mut(*index)?.get_mut(),
            _ => return None,
        };
    }
    Some(found)
}

/// Put another value at the end of the way; its place stays.
pub(super) fn replace<'a>(root: &mut DeTable<'a>, path: &[Step], value: DeValue<'a>) {
    if let Some(old) = at_mut(root, path) {
        *old = value;
    }
}

/// Take the value at the end of the way out, and name its key where it has one.
pub(super) fn take_out(root: &mut DeTable<'_>, path: &[Step]) -> Option<String> {
    let (last, before) = path.split_last()?;
    match (last, at_mut(root, before)) {
        (Step::Key(key), None) if before.is_empty() => drop(root.remove(key.as_str())),
        (Step::Key(key), Some(DeValue::Table(table))) => drop(table.remove(key.as_str())),
        (Step::Index(index), Some(DeValue::Array(values))) => {
            let old = std::mem::replace(values, DeArray::new());
            let rest = old.into_iter().zip(0..).filter(|(_, at)| at != index);
            *values = rest.map(|(value, _)| value).collect();
        }
        _ => {}
    }
    match last {
        Step::Key(key) => Some(key.clone()),
        Step::Index(_) => None,
    }
}

/// Give the table at the end of the way a key that it must have, with a value of the right kind
/// that stands nowhere in the text.
pub(super) fn stand_in(root: &mut DeTable<'_>, path: &[Step], field: &str) {
    let text = |text: &'static str| DeValue::String(Cow::Borrowed(text));
    let one = |value| DeValue::Array([Spanned::new(0..0, value)].into_iter().collect());
    let value = match field {
        "basis" => text("law"),
        "urls" => one(text("https://www.example/x.manifest")),
        "primaries" => one(text("192.0.2.1")),
        "prefixes" | "networks" | "lists" => DeValue::Array(DeArray::new()),
        _ => text("x"),
    };
    if let Some(DeValue::Table(table)) = at_mut(root, path) {
        let key = Spanned::new(0..0, Cow::Owned(field.to_owned()));
        table.insert(key, Spanned::new(0..0, value));
    }
}

/// What somebody may have meant by a value of the wrong kind; `text` is how it is written.
pub(super) fn candidates<'a>(
    value: &DeValue<'a>,
    span: &Range<usize>,
    text: Option<&'a str>,
) -> Vec<DeValue<'a>> {
    let mut candidates = Vec::new();
    match value {
        DeValue::String(Cow::Borrowed(written)) => {
            candidates.extend(DeValue::parse(written).ok().map(Spanned::into_inner));
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            candidates.extend(text.map(|text| DeValue::String(Cow::Borrowed(text))));
        }
        DeValue::Array(values) => {
            candidates.extend(values.first().map(|first| first.get_ref().clone()));
            return candidates;
        }
        DeValue::String(_) | DeValue::Table(_) => {}
    }
    let alone = |value: DeValue<'a>| {
        DeValue::Array([Spanned::new(span.clone(), value)].into_iter().collect())
    };
    let arrays: Vec<_> = candidates
        .iter()
        .cloned()
        .chain([value.clone()])
        .map(alone)
        .collect();
    candidates.extend(arrays);
    candidates
}
