//! One tree of all files of a configuration: what the included ones hold is put into the main
//! file's tables, and every value keeps the place where it was written.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::text::{ConfigFile, ConfigText, Problem};

/// The tree, in which what cannot be read is no more.
pub(super) struct Tree<'a> {
    texts: &'a ConfigText,
    root: DeTable<'a>,
}

impl<'a> Tree<'a> {
    /// Read all files.
    pub(super) fn parse(texts: &'a ConfigText, problems: &mut Vec<Problem>) -> Option<Self> {
        let root = parse_file(texts.main(), texts, problems);
        let included: Vec<_> = texts
            .included()
            .iter()
            .filter_map(|file| Some((file, parse_file(file, texts, problems)?)))
            .collect();
        let mut tree = Self { texts, root: root? };
        for (file, table) in included {
            tree.include(shift_table(table, file.start), problems);
        }
        Some(tree)
    }

    /// What the tree says, as values of our own.
    pub(super) fn read<T: DeserializeOwned>(&self, problems: &mut Vec<Problem>) -> Option<T> {
        self.try_to_read()
            .map_err(|error| {
                let at = error.span().map(|span| span.start);
                problems.push(self.texts.problem(at, describe(&error, at, self.texts)));
            })
            .ok()
    }

    /// The tree without its places.
    pub(super) fn written(&self) -> toml::Table {
        self.try_to_read().unwrap_or_default()
    }

    fn try_to_read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(Deserializer::from(Spanned::new(0..0, self.root.clone())))
    }

    fn include(&mut self, table: DeTable<'a>, problems: &mut Vec<Problem>) {
        for (key, value) in table {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.into_inner()) {
                ("list" | "group", DeValue::Array(elements)) => {
                    append(self.texts, &mut self.root, key, elements, problems);
                }
                ("resolve", DeValue::Table(resolve)) => self.include_zones(&key, resolve, problems),
                (word, _) => problems.push(self.texts.problem(Some(at), foreign(word, self.texts))),
            }
        }
    }

    fn include_zones(
        &mut self,
        section: &DeKey<'a>,
        resolve: DeTable<'a>,
        problems: &mut Vec<Problem>,
    ) {
        for (key, value) in resolve {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.into_inner()) {
                ("zone", DeValue::Array(elements)) => {
                    let table = DeValue::Table(DeTable::new());
                    let own = self.root.entry(section.clone());
                    let own = own.or_insert(Spanned::new(section.span(), table));
                    match own.get_mut() {
                        DeValue::Table(own) => append(self.texts, own, key, elements, problems),
                        // It is told when the tree is read.
                        _ => return,
                    }
                }
                (word, _) => {
                    let word = format!("resolve.{word}");
                    problems.push(self.texts.problem(Some(at), foreign(&word, self.texts)));
                }
            }
        }
    }
}

type DeKey<'a> = Spanned<toml::de::DeString<'a>>;

/// That an included file holds what it may not.
fn foreign(key: &str, texts: &ConfigText) -> String {
    let main = &texts.main().place;
    if key == "include" {
        return format!("include: an included file includes no others: name them in {main}");
    }
    format!(
        "{key}: an included file holds [[list]], [[group]] and [[resolve.zone]] alone: move this \
         to {main}"
    )
}

/// Put elements behind those that a table has under the key.
fn append<'a>(
    texts: &ConfigText,
    table: &mut DeTable<'a>,
    key: DeKey<'a>,
    elements: DeArray<'a>,
    problems: &mut Vec<Problem>,
) {
    let word = key.get_ref().clone();
    let span = key.span();
    let own = table.entry(key);
    let own = own.or_insert(Spanned::new(span, DeValue::Array(DeArray::new())));
    let start = own.span().start;
    match own.get_mut() {
        DeValue::Array(own) => elements.into_iter().for_each(|element| own.push(element)),
        other => {
            let message = format!("{word}: write each as [[{word}]], as the included files do");
            problems.push(texts.problem(Some(start), message));
            *other = DeValue::Array(elements);
        }
    }
}

fn parse_file<'a>(
    file: &'a ConfigFile,
    texts: &ConfigText,
    problems: &mut Vec<Problem>,
) -> Option<DeTable<'a>> {
    match DeTable::parse(&file.text) {
        Ok(table) => Some(table.into_inner()),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start) + file.start;
            problems.push(texts.problem(Some(at), describe(&error, Some(at), texts)));
            None
        }
    }
}

/// What is wrong with the text, in the operator's words.
fn describe(error: &Error, at: Option<usize>, texts: &ConfigText) -> String {
    let mut message = error
        .message()
        .trim()
        .replace('\n', ", ")
        .replace(" as i128", "");
    // The words of the language that we are written in are not the operator's.
    for number in ["u64", "u32", "u16", "usize"] {
        message = message.replace(
            &format!("expected {number}"),
            "expected a whole number from 0 on",
        );
    }
    let key = at.and_then(|at| texts.key_at(at));
    match key.filter(|_| !message.contains(" field `")) {
        Some(key) => format!("{key}: {message}"),
        None => message,
    }
}

/// The table with all its places so much further on.
fn shift_table(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    if by == 0 {
        return table;
    }
    let shifted = table.into_iter().map(|(key, value)| {
        let span = moved(&key.span(), by);
        (Spanned::new(span, key.into_inner()), shift(value, by))
    });
    shifted.collect()
}

fn shift(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = moved(&value.span(), by);
    let value = match value.into_inner() {
        DeValue::Array(values) => {
            DeValue::Array(values.into_iter().map(|value| shift(value, by)).collect())
        }
        DeValue::Table(table) => DeValue::Table(shift_table(table, by)),
        other => other,
    };
    Spanned::new(span, value)
}

const fn moved(span: &std::ops::Range<usize>, by: usize) -> std::ops::Range<usize> {
    span.start + by..span.end + by
}
