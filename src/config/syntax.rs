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
    let (root, mut errors) = DeTable::parse_recoverable(&file.legible.text);
    let mut parsed = ParsedFile {
        root: None,
        problems: Vec::new(),
        taken_out: Vec::new(),
    };
    for line in &file.legible.without_value {
        let span = line.start + file.start..line.end + file.start;
        let message = "a key without a value: write KEY = VALUE, or # in front of a comment";
        parsed
            .problems
            .push(texts.problem(Some(span.start), message));
        let key = texts.slice(span.clone()).unwrap_or_default();
        let key = key.split_whitespace().next().unwrap_or_default();
        parsed.taken_out.push((key.to_owned(), span));
    }
    errors.sort_by_key(start_of);
    let mut root = root.into_inner();
    let is_whole = errors.iter().all(|error| {
        let goes_on = parsed.problems.len() < PROBLEMS_MAX;
        goes_on && parsed.take(error, &errors, &mut root, file, texts)
    });
    parsed.root = is_whole.then_some(root);
    parsed
}

fn start_of(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// That a bracket or a text over several lines has no end.
fn says_unclosed(error: &Error) -> bool {
    let message = error.message();
    message.starts_with("unclosed") || message.contains("multi-line")
}

impl ParsedFile<'_> {
    /// Note a mistake, and take out of the tree what cannot be read. Can the rest be told apart?
    fn take(
        &mut self,
        error: &Error,
        errors: &[Error],
        root: &mut DeTable<'_>,
        file: &ConfigFile,
        texts: &ConfigText,
    ) -> bool {
        let at = start_of(error) + file.start;
        let of_line = texts.problem(Some(at), describe(error, Some(at), texts));
        let is_told = |span: &Range<usize>| (span.start..=span.end).contains(&at);
        if self.taken_out.iter().any(|(_, span)| is_told(span))
            || self.problems.iter().any(|told| told.line == of_line.line)
        {
            return true;
        }
        let Some((path, span)) = value_at(root, at - file.start) else {
            self.problems.push(of_line);
            // What stands below a heading that cannot be read belongs to nobody knows what.
            let is_heading = texts.line_at(at).is_some_and(|line| line.starts_with('['));
            return !is_heading || error.message() == "duplicate key";
        };
        let span = span.start + file.start..span.end + file.start;
        let rest = file.text.get(span.end - file.start..);
        let first = texts.problem(Some(span.start), "");
        let is_open = first.line < of_line.line
            && rest.is_none_or(|rest| rest.trim().is_empty())
            && errors.iter().any(says_unclosed);
        let key = mend::take_out(root, &path).unwrap_or_default();
        self.problems.push(if is_open {
            let message = format!(
                "{key}: is not closed: write the bracket or the quotation marks that end it"
            );
            Problem { message, ..first }
        } else {
            of_line
        });
        self.taken_out.push((key, span));
        !is_open
    }
}

/// The way to the value that an octet stands in, and the whole of that; sections are none.
fn value_at(root: &DeTable<'_>, at: usize) -> Option<(Vec<mend::Step>, Range<usize>)> {
    let mut found = 0..0;
    let path = mend::find(root, &mut |key, value| {
        let span = value.span();
        let is_value = key.is_some() && !matches!(value.get_ref(), DeValue::Table(_));
        let is_section = matches!(value.get_ref(), DeValue::Array(values)
            if values.first().is_some_and(|first| first.span() == span));
        found = span.clone();
        is_value && !is_section && (span.start..=span.end).contains(&at)
    })?;
    Some((path, found))
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
