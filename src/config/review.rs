//! Goes through a configuration text and collects everything that is wrong with it, each with its
//! line.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use crate::name::Name;
use crate::update::Identities;
use crate::update::transfer::SharedKey;

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

/// What a file that the configuration names is for.
#[derive(Clone, Debug)]
pub(super) enum FileUse {
    /// Nothing can be answered without it.
    Start,
    /// A list, or those who push lists, cannot do without it; everybody else is answered.
    List,
    /// It holds a list's age keys.
    Identities(Identities),
    /// It holds the secret that a zone is transferred with.
    Secret(SharedKey),
}

/// A file that the configuration names, with the place where it does.
#[derive(Clone, Debug)]
pub(super) struct NamedFile {
    pub(super) path: PathBuf,
    pub(super) used: FileUse,
    place: String,
    line: usize,
}

impl NamedFile {
    /// Can it be read now?
    pub(super) fn check(&self) -> Result<(), Problem> {
        let cannot = |error: std::io::Error| {
            format!(
                "{} cannot be read ({error}): correct the path, or the file's owner and mode",
                self.path.display()
            )
        };
        let checked = match &self.used {
            FileUse::Identities(identities) => identities.read().map(drop),
            FileUse::Secret(key) => key.read().map(drop),
            FileUse::Start | FileUse::List => {
                std::fs::File::open(&self.path).map(drop).map_err(cannot)
            }
        };
        checked.map_err(|message| Problem {
            place: self.place.clone(),
            line: Some(self.line),
            message,
        })
    }
}

/// A configuration under examination.
pub(super) struct Review<'a> {
    text: &'a str,
    place: String,
    folder: PathBuf,
    pub(super) problems: Vec<Problem>,
    pub(super) files: Vec<NamedFile>,
}

impl<'a> Review<'a> {
    /// Examine `text`, which messages call `place` and whose relative paths start at `folder`.
    pub(super) fn new(text: &'a str, place: &str, folder: &Path) -> Self {
        Self {
            text,
            place: place.to_owned(),
            folder: folder.to_path_buf(),
            problems: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Note that the text from the octet `start` on is wrong.
    pub(super) fn say_at(&mut self, start: Option<usize>, message: impl Into<String>) {
        let line = start.map(|start| self.line_of(start));
        self.problems.push(Problem {
            place: self.place.clone(),
            line,
            message: message.into(),
        });
    }

    /// Note that a value is wrong.
    pub(super) fn say<T>(&mut self, value: &Spanned<T>, message: impl Into<String>) {
        self.say_at(Some(value.span().start), message);
    }

    /// Note that the text is no TOML, or has a key or a kind of value that we do not know.
    pub(super) fn say_unreadable(&mut self, error: &toml::de::Error) {
        let start = error.span().map(|span| span.start);
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
        let key = start
            .and_then(|start| self.key_at(start))
            .filter(|_| !message.contains(" field `"));
        self.say_at(
            start,
            key.map_or(message.clone(), |key| format!("{key}: {message}")),
        );
    }

    /// The key whose line the octet `start` stands in.
    fn key_at(&self, start: usize) -> Option<&str> {
        let line = self.text.lines().nth(self.line_of(start) - 1)?;
        let key = line.split_once('=')?.0.trim();
        let is_key =
            |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.');
        (!key.is_empty() && key.bytes().all(is_key)).then_some(key)
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

    /// A path, taken from the configuration's folder.
    pub(super) fn path(&self, value: &Path) -> PathBuf {
        self.folder.join(value)
    }

    /// A file that must be there when the program starts.
    pub(super) fn file(&mut self, value: &Spanned<PathBuf>) -> PathBuf {
        self.file_for(value, FileUse::Start)
    }

    /// A file that is there when it is used for this.
    pub(super) fn file_for(&mut self, value: &Spanned<PathBuf>, used: FileUse) -> PathBuf {
        let path = self.path(value.get_ref());
        self.files.push(NamedFile {
            path: path.clone(),
            used,
            place: self.place.clone(),
            line: self.line_of(value.span().start),
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

    fn line_of(&self, start: usize) -> usize {
        let before = self
            .text
            .as_bytes()
            .get(..start)
            .unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|octet| **octet == b'\n').count()
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
