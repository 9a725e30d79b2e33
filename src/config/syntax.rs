//! Reads the text of one file as TOML, past its mistakes as far as it goes.

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

use super::mend;
use super::text::{ConfigFile, ConfigText, Problem};

/// More mistakes of one file than these are not told at once.
const PROBLEMS_MAX: usize = 100;

/// A file that was read, with what is wrong with it.
pub(super) struct ParsedFile<'a> {
    /// Its tree, whose places count from the file's beginning; none where a bracket is not closed,
    /// so that what stands behind it cannot be told apart.
    pub(super) root: Option<DeTable<'a>>,
    pub(super) problems: Vec<Problem>,
    /// The keys whose values are not in the tree, since nobody can read them, and where they are
    /// among all files' octets.
    pub(super) taken_out: Vec<(String, Range<usize>)>,
}

/// Read one of the files.
pub(super) fn parse<'a>(file: &'a ConfigFile, texts: &ConfigText) -> ParsedFile<'a> {
    let (root, mut errors) = DeTable::parse_recoverable(&file.text);
    let mut root = root.into_inner();
    let start = |error: &Error| error.span().map_or(0, |span| span.start);
    errors.sort_by_key(start);
    let mut parsed = ParsedFile {
        root: None,
        problems: Vec::new(),
        taken_out: Vec::new(),
    };
    let (mut is_cut, mut told) = (false, Vec::new());
    for error in &errors {
        let at = start(error);
        let whole = parsed
            .taken_out
            .iter()
            .any(|(_, span)| (span.start..=span.end).contains(&(at + file.start)));
        let line = file.line_of(at + file.start);
        if whole || told.contains(&line) || told.len() == PROBLEMS_MAX {
            continue;
        }
        told.push(line);
        let mut say_from = at;
        let mut message = describe(error, Some(at + file.start), texts);
        if let Some(path) = value_at(&root, at) {
            let span = span_of(&root, &path).unwrap_or(at..at);
            let is_long = file.line_of(span.start + file.start) < line;
            if is_long
                && file
                    .text
                    .get(span.end..)
                    .is_none_or(|rest| rest.trim().is_empty())
            {
                is_cut = true;
                say_from = span.start;
                message = "is not closed: write the bracket or the quotation marks that end it"
                    .to_owned();
                if let Some(key) = texts.key_at(say_from + file.start) {
                    message = format!("{key}: {message}");
                }
            }
            let key = mend::take_out(&mut root, &path).unwrap_or_default();
            parsed
                .taken_out
                .push((key, span.start + file.start..span.end + file.start));
        } else if file
            .text
            .lines()
            .nth(line - 1)
            .is_some_and(|line| line.trim_start().starts_with('['))
        {
            is_cut |= error.message() != "duplicate key";
        }
        parsed
            .problems
            .push(texts.problem(Some(say_from + file.start), message));
    }
    parsed.root = (!is_cut).then_some(root);
    parsed
}

/// The way to the value, which is no section, that an octet stands in.
fn value_at(root: &DeTable<'_>, at: usize) -> Option<Vec<mend::Step>> {
    mend::find(root, &|key, value| {
        let span = value.span();
        let is_value = key.is_some() && !matches!(value.get_ref(), DeValue::Table(_));
        let is_section = matches!(value.get_ref(), DeValue::Array(values)
            if values.first().is_some_and(|first| first.span() == span));
        is_value && !is_section && (span.start..=span.end).contains(&at)
    })
}

fn span_of(root: &DeTable<'_>, path: &[mend::Step]) -> Option<Range<usize>> {
    let (last, before) = path.split_last()?;
    let mend::Step::Key(key) = last else {
        return None;
    };
    let table = if before.is_empty() {
        root
    } else {
        mend::at(root, before)?.as_table()?
    };
    table.get(key.as_str()).map(toml::Spanned::span)
}

/// What is wrong with the text, in the operator's words.
pub(super) fn describe(error: &Error, at: Option<usize>, texts: &ConfigText) -> String {
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
