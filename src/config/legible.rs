//! A text without the lines at which a parser of TOML gives up, so that it reads the rest.

use std::ops::Range;

use toml::de::DeTable;

/// More such lines than these are not looked for.
const LINES_MAX: usize = 100;

/// A text in which some lines are blank that were not, and where they are.
pub(super) struct Legible {
    /// As long as the text that it was made of.
    pub(super) text: String,
    /// Lines with a key and no value.
    pub(super) without_value: Vec<Range<usize>>,
}

impl Legible {
    pub(super) fn new(text: &str) -> Self {
        let mut legible = Self {
            text: text.to_owned(),
            without_value: Vec::new(),
        };
        while legible.without_value.len() < LINES_MAX
            && let Some(line) = line_without_value(&legible.text)
        {
            let blank = " ".repeat(line.len());
            legible.text.replace_range(line.clone(), &blank);
            legible.without_value.push(line);
        }
        legible
    }
}

/// The next line with a key and no value.
fn line_without_value(text: &str) -> Option<Range<usize>> {
    let (_, errors) = DeTable::parse_recoverable(text);
    let mut errors = errors.iter();
    let error = errors.find(|error| error.message().starts_with("key with no value"))?;
    let at = error.span()?.start;
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let end = text
        .get(at..)?
        .find('\n')
        .map_or(text.len(), |end| at + end);
    text.get(start..end)
        .is_some_and(|line| !line.trim().is_empty())
        .then_some(start..end)
}
