//! Goes through a configuration text and collects everything that is wrong with it, each with its
//! line.

use std::fmt;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::doubts::Doubts;
use super::files::{FileContent, FileUse, NamedFile};
use super::text::{ConfigText, Problem};
use crate::name::Name;

/// A configuration under examination.
pub(super) struct Review<'a> {
    texts: &'a ConfigText,
    folder: PathBuf,
    doubts: Doubts,
    pub(super) problems: Vec<Problem>,
    pub(super) files: Vec<NamedFile>,
}

impl<'a> Review<'a> {
    /// Examine these texts, whose relative paths start at `folder`; `problems` are told already,
    /// and what follows from them is in `doubts`.
    pub(super) fn new(
        texts: &'a ConfigText,
        folder: &Path,
        problems: Vec<Problem>,
        doubts: Doubts,
    ) -> Self {
        Self {
            texts,
            folder: folder.to_path_buf(),
            doubts,
            problems,
            files: Vec::new(),
        }
    }

    /// Note that the configuration as a whole is wrong.
    pub(super) fn say_of_all(&mut self, message: impl Into<String>) {
        self.say_of(None, message);
    }

    /// Note a mistake, unless it may follow from another one.
    fn say_of(&mut self, span: Option<Range<usize>>, message: impl Into<String>) {
        if !span.as_ref().is_some_and(|span| self.doubts.concern(span)) {
            let start = span.map(|span| span.start);
            self.problems.push(self.texts.problem(start, message));
        }
    }

    /// Where a value is written, as messages say it.
    pub(super) fn place_of<T>(&self, value: &Spanned<T>) -> String {
        self.texts.place_of(value.span().start)
    }

    /// Note that a value is wrong.
    pub(super) fn say<T>(&mut self, value: &Spanned<T>, message: impl Into<String>) {
        self.say_of(Some(value.span()), message);
    }

    /// Note that something is missing beside a value, unless it may be what cannot be read there.
    pub(super) fn say_missing<T>(&mut self, value: &Spanned<T>, message: impl Into<String>) {
        if !self.doubts.concern_section_of(value.span().start) {
            self.say(value, message);
        }
    }

    /// A number that must lie in a range.
    pub(super) fn number<N: Copy + PartialOrd + fmt::Display>(
        &mut self,
        key: &str,
        value: &Spanned<N>,
        allowed: RangeInclusive<N>,
    ) -> N {
        let number = *value.get_ref();
        if !allowed.contains(&number) {
            self.say(
                value,
                format!(
                    "{key} = {number}: choose a value from {} to {}",
                    allowed.start(),
                    allowed.end()
                ),
            );
        }
        number
    }

    /// A span of time in milliseconds that must lie in a range.
    pub(super) fn milliseconds(
        &mut self,
        key: &str,
        value: &Spanned<u64>,
        allowed: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_millis(self.number(key, value, allowed))
    }

    /// An address with its port; 0 is a port where `port_min` is.
    pub(super) fn socket(
        &mut self,
        key: &str,
        value: &Spanned<String>,
        port_min: u16,
    ) -> Option<SocketAddr> {
        let text = value.get_ref();
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() >= port_min => Some(address),
            Ok(_) => {
                self.say(
                    value,
                    format!("{key}: {text}: name a port from {port_min} on"),
                );
                None
            }
            Err(_) => {
                self.say(
                    value,
                    format!(
                        "{key}: {text:?} is no address with a port: write \
                                         192.0.2.1:53 or [2001:db8::1]:53"
                    ),
                );
                None
            }
        }
    }

    /// Names, with or without the dot at the end.
    pub(super) fn names(&mut self, key: &str, values: &[Spanned<String>]) -> Vec<Name> {
        let mut names = Vec::new();
        for value in values {
            match Name::parse(value.get_ref()) {
                Ok(name) => names.push(name),
                Err(error) => self.say(
                    value,
                    format!(
                        "{key}: {:?} is no name ({error}): write it like \"lab.example\"",
                        value.get_ref()
                    ),
                ),
            }
        }
        names
    }

    /// A path, taken from the main file's folder.
    pub(super) fn path(&self, value: &Path) -> PathBuf {
        self.folder.join(value)
    }

    /// A file that must be there when the program starts.
    pub(super) fn file(&mut self, value: &Spanned<PathBuf>, content: FileContent) -> PathBuf {
        self.note_file(value, FileUse::Start, content)
    }

    /// A file that a list cannot do without, or those who push lists.
    pub(super) fn list_file(&mut self, value: &Spanned<PathBuf>, content: FileContent) -> PathBuf {
        self.note_file(value, FileUse::List, content)
    }

    fn note_file(
        &mut self,
        value: &Spanned<PathBuf>,
        used: FileUse,
        content: FileContent,
    ) -> PathBuf {
        let path = self.path(value.get_ref());
        let (place, line) = self.texts.locate(value.span().start);
        self.files.push(NamedFile {
            path: path.clone(),
            used,
            content,
            place,
            line,
        });
        path
    }

    /// A text that is shown to people and sent to clients.
    pub(super) fn words(&mut self, key: &str, value: &Spanned<String>) -> String {
        let text = value.get_ref().trim();
        if text.is_empty() || text.len() > WORDS_OCTETS_MAX || text.contains(char::is_control) {
            self.say(
                value,
                format!(
                    "{key}: write 1 to {WORDS_OCTETS_MAX} octets of text without control characters"
                ),
            );
        }
        text.to_owned()
    }

    /// A word that names a list or a group.
    pub(super) fn id(&mut self, key: &str, value: &Spanned<String>) -> String {
        let text = value.get_ref();
        let is_id = !text.starts_with('-')
            && text
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        if !is_id || text.is_empty() || text.len() > ID_OCTETS_MAX {
            self.say(
                value,
                format!(
                    "{key} = {text:?}: write 1 to {ID_OCTETS_MAX} letters, digits \
                                     and hyphens, no hyphen in front"
                ),
            );
        }
        text.clone()
    }

    /// A word that names a provider or one of its resolvers in a log's origin, such as a domain
    /// name of theirs.
    pub(super) fn domain_like(&mut self, key: &str, value: &Spanned<String>) -> String {
        let text = value.get_ref();
        let is_name = text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_'));
        if !is_name || text.is_empty() || text.len() > ID_OCTETS_MAX {
            self.say(
                value,
                format!(
                    "{key} = {text:?}: write 1 to {ID_OCTETS_MAX} letters, digits, \
                                     dots, hyphens and underscores"
                ),
            );
        }
        text.clone()
    }
}

const ID_OCTETS_MAX: usize = 63;
const WORDS_OCTETS_MAX: usize = 200;

/// A default: a value that stands nowhere in the text.
pub(super) fn unwritten<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// Does a value stand in the text?
pub(super) fn is_written<T>(value: &Spanned<T>) -> bool {
    !value.span().is_empty()
}
