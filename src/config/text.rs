//! The texts of a configuration, the main file's and those it includes, in one row: an octet's
//! place in the row names its file and its line.

use std::fmt::{self, Write as _};
use std::ops::Range;

use data_encoding::HEXLOWER;

use super::legible::Legible;
use crate::seal::sha256;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub place: String,
    /// The line, from 1; none where the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.message),
            None => write!(f, "{}: {}", self.place, self.message),
        }
    }
}

/// One of the files.
pub(super) struct ConfigFile {
    /// What messages call it.
    pub(super) place: String,
    /// Its name, from the main file's folder on.
    name: String,
    pub(super) text: String,
    line_ends: Vec<usize>,
    /// The text as far as a parser reads it.
    pub(super) legible: Legible,
    /// Where it begins in the row.
    pub(super) start: usize,
}

impl ConfigFile {
    fn new(text: String, place: String, name: String, start: usize) -> Self {
        let ends = text.bytes().zip(0..).filter(|(octet, _)| *octet == b'\n');
        Self {
            place,
            name,
            line_ends: ends.map(|(_, at)| at).collect(),
            legible: Legible::new(&text),
            text,
            start,
        }
    }

    /// The line, from 1, that an octet of this file stands in.
    fn line_of(&self, at: usize) -> usize {
        let at = at.saturating_sub(self.start);
        1 + self.line_ends.partition_point(|end| *end < at)
    }
}

/// All files, the main one first. One octet stands between two of them, for what is missing at the
/// end of the first.
pub(super) struct ConfigText {
    main: ConfigFile,
    included: Vec<ConfigFile>,
}

impl ConfigText {
    /// The main file alone; `name` has no folder.
    pub(super) fn new(text: String, place: &str, name: &str) -> Self {
        Self {
            main: ConfigFile::new(text, place.to_owned(), name.to_owned(), 0),
            included: Vec::new(),
        }
    }

    /// Put another file behind the others.
    pub(super) fn include(&mut self, text: String, place: String, name: String) {
        let last = self.included.last().unwrap_or(&self.main);
        let start = last.start + last.text.len() + 1;
        self.included
            .push(ConfigFile::new(text, place, name, start));
    }

    pub(super) const fn main(&self) -> &ConfigFile {
        &self.main
    }

    pub(super) fn included(&self) -> &[ConfigFile] {
        &self.included
    }

    /// All octets of all files.
    pub(super) fn octets(&self) -> usize {
        let files = std::iter::once(&self.main).chain(&self.included);
        files.map(|file| file.text.len()).sum()
    }

    fn file_of(&self, at: usize) -> &ConfigFile {
        let behind = self.included.iter().rev();
        behind
            .filter(|file| file.start <= at)
            .chain([&self.main])
            .next()
            .unwrap_or(&self.main)
    }

    /// The text between two octets of one file.
    pub(super) fn slice(&self, span: Range<usize>) -> Option<&str> {
        let file = self.file_of(span.start);
        let span = span.start.checked_sub(file.start)?..span.end.checked_sub(file.start)?;
        file.text.get(span)
    }

    /// What is wrong at this octet, or with the main file as a whole.
    pub(super) fn problem(&self, at: Option<usize>, message: impl Into<String>) -> Problem {
        let (place, line) = match at {
            Some(at) => self.locate(at),
            None => (self.main.place.clone(), None),
        };
        Problem {
            place,
            line,
            message: message.into(),
        }
    }

    /// The file and the line of an octet.
    pub(super) fn locate(&self, at: usize) -> (String, Option<usize>) {
        let file = self.file_of(at);
        (file.place.clone(), Some(file.line_of(at)))
    }

    /// The place of an octet as messages write it, `FILE:LINE`.
    pub(super) fn place_of(&self, at: usize) -> String {
        let file = self.file_of(at);
        format!("{}:{}", file.place, file.line_of(at))
    }

    /// The line that this octet stands in, without spaces around it.
    pub(super) fn line_at(&self, at: usize) -> Option<&str> {
        let file = self.file_of(at);
        file.text.lines().nth(file.line_of(at) - 1).map(str::trim)
    }

    /// The key in whose line this octet stands.
    pub(super) fn key_at(&self, at: usize) -> Option<&str> {
        let key = self.line_at(at)?.split_once('=')?.0.trim();
        let is_key =
            |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.');
        (!key.is_empty() && key.bytes().all(is_key)).then_some(key)
    }

    /// Sort problems as the files stand, and by line within each.
    pub(super) fn sort(&self, problems: &mut [Problem]) {
        let file = |problem: &Problem| {
            let places = self.included.iter().map(|file| &file.place);
            places.zip(1..).find(|(place, _)| **place == problem.place)
        };
        problems.sort_by_key(|problem| (file(problem).map_or(0, |(_, at)| at), problem.line));
    }

    /// SHA-256 in hexadecimal: of the main file where nothing is included; or else of what
    /// `sha256sum` prints for all files in their order, so that another name is a change too.
    pub(super) fn digest(&self) -> String {
        let digest = |text: &str| HEXLOWER.encode(&sha256(text.as_bytes()));
        if self.included.is_empty() {
            return digest(&self.main.text);
        }
        let mut sums = String::new();
        for file in std::iter::once(&self.main).chain(&self.included) {
            // Writing to a text cannot fail.
            let _ = writeln!(sums, "{}  {}", digest(&file.text), file.name);
        }
        digest(&sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> ConfigText {
        let mut text = ConfigText::new("a\nb".to_owned(), "m.toml", "m.toml");
        text.include("c\nd\n".to_owned(), "d/x.toml".to_owned(), "x".to_owned());
        text.include(String::new(), "d/y.toml".to_owned(), "y".to_owned());
        text
    }

    #[test]
    fn each_octet_has_its_file_and_line() {
        let text = texts();
        let places: Vec<String> = (0..10).map(|at| text.place_of(at)).collect();
        let [m1, m2] = ["m.toml:1", "m.toml:2"];
        let [x1, x2, x3] = ["d/x.toml:1", "d/x.toml:2", "d/x.toml:3"];
        assert_eq!(
            places,
            [m1, m1, m2, m2, x1, x1, x2, x2, x3, "d/y.toml:1"],
            "what is missing at the end of a file stands in that file"
        );
        assert_eq!(text.octets(), 7);
    }

    #[test]
    fn problems_are_sorted_by_file_and_line() {
        let text = texts();
        let mut problems = [9, 6, 4, 2].map(|at| text.problem(Some(at), ""));
        text.sort(&mut problems);
        let places = problems.map(|problem| problem.place);
        assert_eq!(places, ["m.toml", "d/x.toml", "d/x.toml", "d/y.toml"]);
    }

    /// `printf 'a\nb' >m.toml; printf 'c\nd\n' >x; : >y; sha256sum m.toml x y | sha256sum`
    #[test]
    fn the_digest_is_that_of_all_names_and_texts() {
        assert_eq!(
            texts().digest(),
            "ccee8053d91df8084b412d14a4f6ee074f42d6f0f9616aae1455944d176cf9dd"
        );
        let alone = ConfigText::new("a\nb".to_owned(), "m.toml", "m.toml");
        let renamed = ConfigText::new("a\nb".to_owned(), "n.toml", "n.toml");
        assert_eq!(alone.digest(), HEXLOWER.encode(&sha256(b"a\nb")));
        assert_eq!(alone.digest(), renamed.digest());
    }
}
