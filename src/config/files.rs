//! The files and folders that a configuration names: whether they are there, and whether they hold
//! what they are for.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::certificate;
use super::include::{encoding_fault, is_latin_1};
use super::text::Problem;
use crate::clock::wall_s;
use crate::http::read_authorities;
use crate::list::guard::Protected;
use crate::resolve::recurse;
use crate::serve::cookies::Cookies;
use crate::update::Identities;
use crate::update::push;
use crate::update::transfer::SharedKey;

/// Who cannot do without a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileUse {
    /// Nothing can be answered without it.
    Start,
    /// A list, or those who push lists, cannot do without it; everybody else is answered.
    List,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub(super) enum FileContent {
    /// Our certificate chain; its key is beside it.
    Certificate {
        /// The key.
        key: PathBuf,
        /// The name that clients hold it against.
        name: Option<String>,
    },
    /// A certificate's key, which is read with the certificate.
    Key,
    /// The certificates of authorities.
    Authorities,
    /// The root servers' names and addresses.
    RootHints,
    /// A copy of the root zone.
    RootCopy,
    /// Trust anchors.
    TrustAnchors,
    /// The secrets of cookies.
    CookieSecrets,
    /// Names that no list may block.
    NeverBlock,
    /// The tokens of those who push; certificate and key are told apart from them.
    Tokens,
    /// A list's age keys.
    Identities(Identities),
    /// The secret that a zone is transferred with.
    Secret(SharedKey),
}

/// A file that the configuration names, with the place where it does.
#[derive(Clone, Debug)]
pub(super) struct NamedFile {
    pub(super) path: PathBuf,
    pub(super) used: FileUse,
    pub(super) content: FileContent,
    pub(super) place: String,
    pub(super) line: Option<usize>,
}

impl NamedFile {
    /// Can it be read now?
    pub(super) fn open(&self) -> Result<(), Problem> {
        let cannot = |error: std::io::Error| {
            self.problem(format!(
                "{} cannot be read ({error}): correct the path, or the file's owner and mode",
                self.path.display()
            ))
        };
        match &self.content {
            FileContent::Identities(identities) => identities.read().map(drop),
            FileContent::Secret(key) => key.read().map(drop),
            _ => return File::open(&self.path).map(drop).map_err(cannot),
        }
        .map_err(|message| self.problem(message))
    }

    /// All that is wrong with it now.
    pub(super) fn check(&self) -> Vec<Problem> {
        if let Err(problem) = self.open() {
            return vec![problem];
        }
        let faults = match &self.content {
            FileContent::Certificate { key, name } => {
                // A key that cannot be opened is told by itself.
                match File::open(key) {
                    Ok(_) => certificate::faults(&self.path, key, name.as_deref(), wall_s()),
                    Err(_) => Vec::new(),
                }
            }
            FileContent::Authorities => self.authorities_fault().into_iter().collect(),
            FileContent::RootHints | FileContent::RootCopy | FileContent::TrustAnchors => {
                self.resolver_fault().into_iter().collect()
            }
            FileContent::CookieSecrets => Cookies::read(&self.path).err().into_iter().collect(),
            FileContent::NeverBlock => self.never_block_faults(),
            FileContent::Tokens => push::check_tokens(&self.path)
                .err()
                .map(|fault| fault.to_string())
                .into_iter()
                .collect(),
            FileContent::Key | FileContent::Identities(_) | FileContent::Secret(_) => Vec::new(),
        };
        faults
            .into_iter()
            .map(|fault| self.problem(fault))
            .collect()
    }

    fn problem(&self, message: String) -> Problem {
        Problem {
            place: self.place.clone(),
            line: self.line,
            message,
        }
    }

    fn authorities_fault(&self) -> Option<String> {
        let why = match read_authorities(&self.path) {
            Ok(found) if !found.is_empty() => return None,
            Ok(_) => "it holds none".to_owned(),
            Err(error) => error.to_string(),
        };
        let place = self.path.display();
        Some(format!(
            "{place}: no certificate can be read ({why}): name a PEM file of authorities"
        ))
    }

    fn resolver_fault(&self) -> Option<String> {
        let settings = match &self.content {
            FileContent::RootCopy => recurse::Settings {
                root_copy: Some(self.path.clone()),
                ..recurse::Settings::default()
            },
            content => {
                let text = match self.read_text() {
                    Ok(text) => text,
                    Err(message) => return Some(message),
                };
                if matches!(content, FileContent::RootHints) {
                    recurse::Settings {
                        root_hints: Some(text),
                        ..recurse::Settings::default()
                    }
                } else {
                    recurse::Settings {
                        trust_anchors: Some(vec![text]),
                        ..recurse::Settings::default()
                    }
                }
            }
        };
        let place = self.path.display().to_string();
        let fault = settings.check().err()?.to_string();
        Some(if fault.starts_with(&place) {
            fault
        } else {
            format!("{place}: {fault}")
        })
    }

    fn never_block_faults(&self) -> Vec<String> {
        let place = self.path.display();
        let read = File::open(&self.path);
        let read =
            read.and_then(|text| Protected::shipped().read_never_block(BufReader::new(text)));
        match read {
            Ok(parsed) => {
                let rejects = parsed.rejects_shown.iter();
                let faults =
                    rejects.map(|reject| format!("{place}:{}: {}", reject.line, reject.reason));
                faults.collect()
            }
            Err(error) => vec![format!(
                "{place}: the names that are never blocked cannot be read: {error}"
            )],
        }
    }

    fn read_text(&self) -> Result<String, String> {
        let place = self.path.display();
        let octets = std::fs::read(&self.path)
            .map_err(|error| format!("{place}: cannot be read: {error}"))?;
        String::from_utf8(octets)
            .map_err(|error| format!("{place}: {}", encoding_fault(is_latin_1(error.as_bytes()))))
    }
}

/// What will keep this user from writing to the state folder.
pub(super) fn state_fault(state: &Path) -> Option<String> {
    let place = state.ancestors().find(|place| {
        let place = if place.as_os_str().is_empty() {
            Path::new(".")
        } else {
            place
        };
        place.symlink_metadata().is_ok()
    })?;
    let here = if place.as_os_str().is_empty() {
        Path::new(".")
    } else {
        place
    };
    let why = if here.is_dir() {
        access(here, Access::WRITE_OK | Access::EXEC_OK)
            .err()?
            .to_string()
    } else {
        "it is not a folder".to_owned()
    };
    let shown = state.display();
    Some(if here == state {
        format!(
            "state: {shown} cannot be written to by this user ({why}): correct its owner and mode, \
             or name another folder"
        )
    } else {
        format!(
            "state: {shown} cannot be made in {} by this user ({why}): make it, with the owner \
             that the resolver runs as, or name another folder",
            here.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_that_cannot_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let told = |state: &Path| state_fault(state).unwrap_or_default();
        assert_eq!(told(folder.path()), "");
        assert_eq!(told(&folder.path().join("a/b")), "");
        assert_eq!(told(Path::new("not-made-yet")), "");
        assert!(
            told(&file).contains("file cannot be written to by this user (it is not a folder)")
        );
        let below = told(&file.join("state"));
        assert!(
            below.contains("state cannot be made in") && below.contains("not a folder"),
            "{below}"
        );
    }
}
