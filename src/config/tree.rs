//! One tree of all files of a configuration: what the included ones hold is put into the main
//! file's tables, and every value keeps the place where it was written.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue, Deserializer, Error};

use super::as_written::AsWritten;
use super::doubts::Doubts;
use super::mend;
use super::syntax::{self, describe};
use super::text::{ConfigFile, ConfigText, Problem};

/// More mistakes than these are not told at once.
const PROBLEMS_MAX: usize = 100;

/// The tree, in which what cannot be read is no more.
pub(super) struct ConfigTree<'a> {
    texts: &'a ConfigText,
    root: DeTable<'a>,
    doubts: Doubts,
    /// Keys whose values could not be read.
    taken_out: Vec<String>,
}

impl<'a> ConfigTree<'a> {
    /// Read all files; none where so much of one cannot be read that nothing can be said of the
    /// rest.
    pub(super) fn parse(texts: &'a ConfigText, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut doubts = Doubts::default();
        let mut taken_out = Vec::new();
        let mut parse = |file: &'a ConfigFile| {
            let parsed = syntax::parse(file, texts);
            problems.extend(parsed.problems);
            doubts
                .values
                .extend(parsed.taken_out.iter().map(|(_, span)| span.clone()));
            taken_out.extend(parsed.taken_out.into_iter().map(|(key, _)| key));
            parsed.root.map(|root| shift_table(root, file.start))
        };
        let root = parse(texts.main());
        let included: Vec<_> = texts.included().iter().map(parse).collect();
        let mut tree = Self {
            texts,
            root: root?,
            doubts,
            taken_out,
        };
        for table in included.into_iter().collect::<Option<Vec<_>>>()? {
            tree.include(table, problems);
        }
        tree.doubts.find_sections(&tree.root, texts);
        Some(tree)
    }

    /// What the tree says, as values of our own. Each mistake is taken out of it, so that the rest
    /// can be read: what remains must be held in doubt.
    pub(super) fn read<T: DeserializeOwned>(&mut self, problems: &mut Vec<Problem>) -> Option<T> {
        let syntax = problems.len();
        for _ in 0..PROBLEMS_MAX {
            let error = match self.try_to_read::<T>() {
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            let Some(span) = error.span() else {
                problems.push(self.texts.problem(None, describe(&error, None, self.texts)));
                return None;
            };
            let missing = error.message().strip_prefix("missing field `");
            let missing = missing.and_then(|rest| rest.split('`').next());
            if !missing.is_some_and(|field| self.taken_out.iter().any(|key| key == field)) {
                let message = describe(&error, Some(span.start), self.texts);
                let problem = self.texts.problem(Some(span.start), message);
                let mut of_syntax = problems.iter().take(syntax);
                let is_same =
                    |told: &Problem| told.line == problem.line && told.place == problem.place;
                if !of_syntax.any(is_same) {
                    problems.push(problem);
                }
            }
            match missing {
                Some(field) => {
                    let path = mend::find(&self.root, &mut |_, value| {
                        let table = value.get_ref().as_table();
                        value.span() == span
                            && table.is_some_and(|table| !table.contains_key(field))
                    })?;
                    mend::stand_in(&mut self.root, &path, field);
                    self.doubts.have_stand_ins = true;
                }
                None => self.mend::<T>(&error, &span)?,
            }
        }
        let message = format!("more than {PROBLEMS_MAX} mistakes: mend these first");
        problems.push(self.texts.problem(None, message));
        None
    }

    /// Put something that can be read in the place of a mistake, or take it out.
    fn mend<T: DeserializeOwned>(&mut self, error: &Error, span: &Range<usize>) -> Option<()> {
        let path = mend::find(&self.root, &mut |key, value| {
            key.is_some_and(|key| key.span() == *span) || value.span() == *span
        })?;
        if error.message().starts_with("unknown field") {
            mend::take_out(&mut self.root, &path);
            // It may be another one, misspelt.
            self.doubts.doubt_section_of(span.start);
            return Some(());
        }
        self.doubts.values.push(span.clone());
        let text = self.texts.slice(span.clone());
        for candidate in mend::candidates(mend::at(&self.root, &path)?, span, text) {
            let whole = self.root.clone();
            mend::replace(&mut self.root, &path, candidate);
            match self.try_to_read::<T>() {
                Err(error) if error.span().is_none_or(|other| other == *span) => self.root = whole,
                _ => return Some(()),
            }
        }
        self.taken_out.extend(mend::take_out(&mut self.root, &path));
        self.doubts.doubt_section_of(span.start);
        Some(())
    }

    /// The tree as it was written.
    pub(super) fn written(&self) -> AsWritten {
        let table = self.try_to_read().unwrap_or_default();
        AsWritten::new(table, &self.root, self.texts)
    }

    /// What was put in or taken out.
    pub(super) fn into_doubts(self) -> Doubts {
        self.doubts
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

type DeKey<'a> = Spanned<DeString<'a>>;

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

const fn moved(span: &Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}
