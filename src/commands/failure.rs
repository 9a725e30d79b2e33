//! Why a command did not do what it was asked; the exit code follows from it.

use std::path::Path;

use crate::config::{Config, Problem};

/// A command that did not do what it was asked; the message goes to standard error.
#[derive(Debug)]
pub(super) enum CommandFailure {
    /// It was tried and failed: exit code 1.
    Failed(String),
    /// The arguments or the configuration are wrong: exit code 2.
    Usage(String),
    /// The program that should be asked is not running: exit code 3.
    NotRunning(String),
}

impl CommandFailure {
    /// What is said of it.
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Failed(message) | Self::Usage(message) | Self::NotRunning(message) => message,
        }
    }
}

/// The configuration, or all that is wrong with it.
pub(super) fn load(path: Option<&Path>) -> Result<Config, CommandFailure> {
    Config::load(path).map_err(|problems| CommandFailure::Usage(lines(&problems)))
}

/// It was tried and failed, for this reason.
// `map_err` hands over what it has.
#[allow(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err asks for"
)]
pub(super) fn failed(error: impl std::fmt::Display) -> CommandFailure {
    CommandFailure::Failed(error.to_string())
}

pub(super) fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
