//! The common form of the papers around a list: a version line, then `key: value` lines in a fixed
//! order, each key at most once.

use std::fmt;
use std::str::Split;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::serial::SERIAL_MAX;
use crate::clock::UnixSeconds;
use crate::seal::sha256;

/// The most octets of a value in words: an authority, a legal basis, a reason.
pub const WORDS_OCTETS_MAX: usize = 200;
/// The most octets of a list's id.
pub const LIST_ID_OCTETS_MAX: usize = 63;

/// Why a text is not the paper it should be. Its message never repeats what stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct FormFault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: FormProblem,
}

/// What is wrong with a line of a paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormProblem {
    /// Another kind of paper, or another version of it.
    Version(&'static str),
    /// Another key stands here, or none.
    Expected(&'static str),
    /// A key that is unknown, in the wrong place, or there twice.
    Unexpected,
    /// Its last line has no end.
    Unended,
    /// A value that cannot be: the key, and what may stand there.
    Value(&'static str, &'static str),
}

impl fmt::Display for FormProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "the first line must be `{version}`"),
            Self::Expected(key) => {
                write!(f, "`{key}:` is expected here; the keys have a fixed order")
            }
            Self::Unexpected => {
                f.write_str("a key that is unknown, in the wrong place, or given twice")
            }
            Self::Unended => f.write_str("the last line must end with a line feed"),
            Self::Value(key, may) => write!(f, "`{key}` must be {may}"),
        }
    }
}

/// Takes the lines of a paper one after the other.
pub(super) struct FormReader<'a> {
    lines: Split<'a, char>,
    next: Option<&'a str>,
    line: usize,
    /// The text ends with a line feed.
    is_ended: bool,
}

impl<'a> FormReader<'a> {
    /// Start behind the version line. The text ends with a line feed, as that of a note does.
    pub(super) fn new(text: &'a str, version: &'static str) -> Result<Self, FormFault> {
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        if lines.next() != Some(version) {
            return Err(FormFault {
                line: 1,
                problem: FormProblem::Version(version),
            });
        }
        let next = lines.next();
        Ok(Self {
            lines,
            next,
            line: 2,
            is_ended: text.ends_with('\n'),
        })
    }

    /// The value of a key that must stand here, made into what `read` makes of it; `may` says what
    /// it accepts.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        may: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, FormFault> {
        self.optional(key, may, read)?.ok_or(FormFault {
            line: self.line,
            problem: FormProblem::Expected(key),
        })
    }

    /// The same for a key that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        may: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, FormFault> {
        let value = self
            .next
            .and_then(|line| line.strip_prefix(key))
            .and_then(|rest| rest.strip_prefix(": "));
        let Some(value) = value else { return Ok(None) };
        let read = read(value).ok_or(FormFault {
            line: self.line,
            problem: FormProblem::Value(key, may),
        })?;
        self.next = self.lines.next();
        self.line += 1;
        Ok(Some(read))
    }

    /// Nothing may be left.
    pub(super) const fn finish(self) -> Result<(), FormFault> {
        let (line, problem) = match (self.next.is_some(), self.is_ended) {
            (true, _) => (self.line, FormProblem::Unexpected),
            (false, false) => (self.line - 1, FormProblem::Unended),
            (false, true) => return Ok(()),
        };
        Err(FormFault { line, problem })
    }
}

pub(super) const MAY_ID: &str = "1 to 63 letters, digits and hyphens, no hyphen in front";
pub(super) const MAY_WORDS: &str =
    "1 to 200 octets of text without white space at its ends or control characters";
pub(super) const MAY_NUMBER: &str = "a whole number without sign or leading zeros";
pub(super) const MAY_SERIAL: &str = "a whole number from 1 to 9007199254740991";
pub(super) const MAY_TIME: &str = "a time in UTC such as 2026-03-01T14:00:00Z";
pub(super) const MAY_TIME_MS: &str =
    "a time in UTC with milliseconds such as 2026-03-01T14:00:00.000Z";
pub(super) const MAY_HASH: &str = "64 hexadecimal digits in lower case";

/// Can a list be called so? Letters, digits and hyphens, no hyphen in front.
pub fn is_list_id(text: &str) -> bool {
    let is_within = (1..=LIST_ID_OCTETS_MAX).contains(&text.len());
    is_within
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

/// Is it a text that people can be shown as it is? Characters that turn the direction of writing
/// would show another text.
pub fn is_words(text: &str) -> bool {
    let marks = |c: char| matches!(c, '\u{200e}' | '\u{200f}');
    let turns =
        |c: char| marks(c) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (1..=WORDS_OCTETS_MAX).contains(&text.len())
        && text.trim() == text
        && !text.contains(|c: char| c.is_control() || turns(c))
}

pub(super) fn id(text: &str) -> Option<String> {
    is_list_id(text).then(|| text.to_owned())
}

pub(super) fn words(text: &str) -> Option<String> {
    is_words(text).then(|| text.to_owned())
}

/// A number as `to_string` writes it.
pub(super) fn number<N: std::str::FromStr + ToString>(text: &str) -> Option<N> {
    text.parse::<N>()
        .ok()
        .filter(|number| number.to_string() == text)
}

/// The serial of an issue.
pub(super) fn serial(text: &str) -> Option<u64> {
    number(text).filter(|serial| (1..=SERIAL_MAX).contains(serial))
}

/// Seconds since 1970, written in one way only.
pub(super) fn time(text: &str) -> Option<UnixSeconds> {
    let at = text.parse::<Timestamp>().ok()?.as_second();
    (write_time(at) == text).then_some(at)
}

pub(crate) fn write_time(at: UnixSeconds) -> String {
    Timestamp::from_second(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// Milliseconds since 1970, written in one way only.
pub(super) fn time_ms(text: &str) -> Option<i64> {
    let at = text.parse::<Timestamp>().ok()?.as_millisecond();
    (write_time_ms(at) == text).then_some(at)
}

pub(super) fn write_time_ms(at: i64) -> String {
    Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| format!("{at:.3}"))
}

/// A SHA-256 as the papers speak of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of some octets.
    pub fn of(octets: &[u8]) -> Self {
        Self(sha256(octets))
    }

    /// Read 64 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        HEXLOWER
            .decode(text.as_bytes())
            .ok()?
            .try_into()
            .ok()
            .map(Self)
    }
}

/// As its hexadecimal digits.
impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("a hash in it is none"))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_one_spelling() {
        assert_eq!(number::<u64>("10"), Some(10));
        for text in ["", "+1", "01", "1 ", "-1", "1_000", "18446744073709551616"] {
            assert_eq!(number::<u64>(text), None, "{text}");
        }
        assert_eq!(time("2026-03-01T14:00:00Z"), Some(1_772_373_600));
        for text in [
            "2026-03-01T14:00:00+00:00",
            "2026-03-01T14:00Z",
            "2026-03-01 14:00:00Z",
            "2026-03-01T14:00:00.000Z",
            "2026-03-01",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
        assert_eq!(time_ms("2026-03-01T14:00:00.007Z"), Some(1_772_373_600_007));
        assert_eq!(time_ms("2026-03-01T14:00:00Z"), None);
        assert_eq!(time_ms("2026-03-01T14:00:00.0070Z"), None);
        let hash = Hash::of(b"");
        assert_eq!(
            hash.to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
        assert_eq!(Hash::parse(&hash.to_string().to_uppercase()), None);
    }

    #[test]
    fn words_show_what_they_are() {
        for good in ["Example Authority", "Loi n° 1, § 2", "\u{6771}\u{4eac}"] {
            assert!(is_words(good), "{good}");
        }
        for bad in [
            "",
            " a",
            "a ",
            "a\tb",
            "a\u{202e}b",
            "a\u{85}b",
            &"a".repeat(WORDS_OCTETS_MAX + 1),
        ] {
            assert!(!is_words(bad), "{bad:?}");
        }
        for (id, is_id) in [
            ("a", true),
            ("National-1", true),
            ("-a", false),
            ("", false),
            ("a/b", false),
            ("a.b", false),
            ("ä", false),
        ] {
            assert_eq!(is_list_id(id), is_id, "{id}");
        }
    }
}
