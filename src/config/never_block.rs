//! `[lists]`: what holds for all lists, and the names that none of them may block.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::files::FileContent;
use super::review::{Review, unwritten};
use crate::name::Name;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListsSection {
    pub(super) rejects_percent_max: Spanned<f64>,
    quiet_ms: Spanned<u64>,
    never_block: Vec<Spanned<PathBuf>>,
    never_block_names: Vec<Spanned<String>>,
}

impl Default for ListsSection {
    fn default() -> Self {
        Self {
            rejects_percent_max: unwritten(5.0),
            quiet_ms: unwritten(100),
            never_block: Vec::new(),
            never_block_names: Vec::new(),
        }
    }
}

impl ListsSection {
    pub(super) fn check_quiet(&self, review: &mut Review<'_>) -> Duration {
        review.milliseconds("quiet_ms", &self.quiet_ms, 10..=10_000)
    }
}

/// The operator's own names that no list may block, beside those that the program carries.
#[derive(Clone, Debug, Default)]
pub struct NeverBlock {
    /// Files of them, in our own list format.
    pub files: Vec<PathBuf>,
    /// Single names: the stop page's host, the resolver's own.
    pub names: Vec<Name>,
}

impl ListsSection {
    pub(super) fn check_never_block(&self, review: &mut Review<'_>) -> NeverBlock {
        let files = self
            .never_block
            .iter()
            .map(|file| review.file(file, FileContent::NeverBlock))
            .collect();
        let mut names = Vec::new();
        for value in &self.never_block_names {
            match Name::parse(value.get_ref()) {
                Ok(name) => names.push(name),
                Err(fault) => review.say(
                    value,
                    format!("never_block_names: not a domain name: {fault}"),
                ),
            }
        }
        NeverBlock { files, names }
    }
}
