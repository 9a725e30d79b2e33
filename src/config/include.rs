//! `include`: which other files belong to a configuration, and what they hold.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::text::{ConfigText, Problem};

/// The longest configuration that is read, all its files together, in octets.
const OCTETS_MAX: usize = 16 * 1024 * 1024;
/// More files than any provider has.
const FILES_MAX: usize = 1000;

/// The main file's text, or what keeps it from being read.
pub(super) fn read_main(path: &Path) -> Result<ReadText, String> {
    read_text(path, OCTETS_MAX).map_err(|fault| match fault {
        ReadFault::Cannot(error) => {
            format!("cannot be read ({error}): name a configuration with --config FILE")
        }
        ReadFault::NoFile | ReadFault::TooLong => format!(
            "is not a configuration file of at most {} MiB: name one with --config FILE",
            OCTETS_MAX >> 20
        ),
        ReadFault::NoText => encoding_fault(false).to_owned(),
    })
}

/// Put the files that the main one includes behind it; `folder` is where it lies.
pub(super) fn read_included(texts: &mut ConfigText, folder: &Path) -> Vec<Problem> {
    let patterns = patterns(&texts.main().text);
    let mut problems = Vec::new();
    let mut names: Vec<(usize, String)> = Vec::new();
    for pattern in &patterns {
        let at = pattern.span().start;
        match matching(folder, pattern.get_ref()) {
            Ok(found) => {
                for name in found {
                    // Whoever is named twice is read once.
                    if !names.iter().any(|(_, other)| *other == name) {
                        names.push((at, name));
                    }
                }
            }
            Err(message) => problems.push(texts.problem(Some(at), message)),
        }
    }
    if let Some((at, _)) = names.get(FILES_MAX) {
        let message = format!("include: more than {FILES_MAX} files: join some of them");
        problems.push(texts.problem(Some(*at), message));
        names.truncate(FILES_MAX);
    }
    for (at, name) in names {
        let path = folder.join(&name);
        let rest = OCTETS_MAX.saturating_sub(texts.octets());
        match read_text(&path, rest) {
            Ok(read) => {
                let place = path.display().to_string();
                problems.extend(read.problem(&place));
                texts.include(read.text, place, name);
            }
            Err(fault) => {
                let path = path.display();
                let message = match fault {
                    ReadFault::Cannot(error) => format!(
                        "include: {path} cannot be read ({error}): correct the path, or the \
                         file's owner and mode"
                    ),
                    ReadFault::NoText => format!("include: {path} {}", encoding_fault(false)),
                    ReadFault::NoFile => format!("include: {path} is not a file: take it out"),
                    ReadFault::TooLong => format!(
                        "include: with {path} the configuration has more than {} MiB: take \
                         something out",
                        OCTETS_MAX >> 20
                    ),
                };
                problems.push(texts.problem(Some(at), message));
            }
        }
    }
    problems
}

/// The patterns of `include`, as far as they are texts: whatever else is wrong with the file is
/// told when it is read as a whole.
fn patterns(text: &str) -> Vec<Spanned<String>> {
    let (tree, _) = DeTable::parse_recoverable(text);
    let include = tree.get_ref().get("include").map(Spanned::get_ref);
    let values = include.and_then(DeValue::as_array).into_iter().flatten();
    values
        .filter_map(|value| {
            let pattern = value.get_ref().as_str()?;
            Some(Spanned::new(value.span(), pattern.to_owned()))
        })
        .collect()
}

/// The files that a pattern names, from `folder` on, sorted. Without a star it is one file, there
/// or not.
fn matching(folder: &Path, pattern: &str) -> Result<Vec<String>, String> {
    let (place, last) = match pattern.rsplit_once('/') {
        Some((place, last)) => (format!("{place}/"), last),
        None => (String::new(), pattern),
    };
    if last.is_empty() || place.contains('*') {
        return Err(format!(
            "include: {pattern:?}: write a file, or a folder and a file name in which * stands \
             for any signs, as in \"conf.d/*.toml\""
        ));
    }
    if !last.contains('*') {
        return Ok(vec![pattern.to_owned()]);
    }
    let inside = folder.join(&place);
    let inside = if inside.as_os_str().is_empty() {
        Path::new(".")
    } else {
        inside.as_path()
    };
    let cannot = |error: std::io::Error| {
        format!(
            "include: the folder {} cannot be read ({error}): make it, or correct the path",
            inside.display()
        )
    };
    let mut names = Vec::new();
    for entry in inside.read_dir().map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        let name = name.to_string_lossy();
        // What editors and administrators put aside.
        if !name.starts_with('.') && !name.ends_with('~') && fits(last, &name) {
            names.push(format!("{place}{name}"));
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Does a name fit a pattern, in which a star stands for any signs?
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.split_once(part) {
            Some((_, behind)) => left = behind,
            None => return false,
        }
    }
    left.ends_with(last)
}

/// A text, and the line, from 1, from which on it is read as Latin-1.
pub(super) struct ReadText {
    pub(super) text: String,
    latin_1_from: Option<usize>,
}

impl ReadText {
    /// That the text is not in UTF-8, if so.
    pub(super) fn problem(&self, place: &str) -> Option<Problem> {
        self.latin_1_from.map(|line| Problem {
            place: place.to_owned(),
            line: Some(line),
            message: encoding_fault(true).to_owned(),
        })
    }
}

/// What is wrong with a text that is not UTF-8, and what to do.
pub(super) const fn encoding_fault(is_latin_1: bool) -> &'static str {
    if is_latin_1 {
        "is not UTF-8, and seems to be Latin-1: convert the file with `iconv -f WINDOWS-1252 -t \
         UTF-8`, which reads Latin-1 too"
    } else {
        "is not a text in UTF-8: convert the file, or name another one"
    }
}

/// Is it text, though not in UTF-8? Latin-1, and what Windows made of it, has no octets below a
/// space but those that end lines.
pub(super) fn is_latin_1(octets: &[u8]) -> bool {
    let is_text = |octet: &u8| matches!(octet, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
    octets.iter().all(is_text)
}

enum ReadFault {
    Cannot(std::io::Error),
    NoFile,
    TooLong,
    NoText,
}

/// A file's text of at most so many octets.
fn read_text(path: &Path, octets_max: usize) -> Result<ReadText, ReadFault> {
    // A pipe would keep whoever opens it waiting.
    if !path.metadata().map_err(ReadFault::Cannot)?.is_file() {
        return Err(ReadFault::NoFile);
    }
    let file = File::open(path).map_err(ReadFault::Cannot)?;
    let mut octets = Vec::new();
    file.take(octets_max as u64 + 1)
        .read_to_end(&mut octets)
        .map_err(ReadFault::Cannot)?;
    if octets.len() > octets_max {
        return Err(ReadFault::TooLong);
    }
    match String::from_utf8(octets) {
        Ok(text) => Ok(ReadText {
            text,
            latin_1_from: None,
        }),
        // Read on, so that whatever else is wrong is told too.
        Err(error) if is_latin_1(error.as_bytes()) => {
            let octets = error.as_bytes();
            let before = octets.iter().take(error.utf8_error().valid_up_to());
            Ok(ReadText {
                latin_1_from: Some(1 + before.filter(|octet| **octet == b'\n').count()),
                text: octets.iter().copied().map(char::from).collect(),
            })
        }
        Err(_) => Err(ReadFault::NoText),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_signs() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "a", true),
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", true),
            ("*.toml", "a.toml.old", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*ba", "aba", false),
            ("a*a", "a", false),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
