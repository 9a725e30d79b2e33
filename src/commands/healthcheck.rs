//! `wardline healthcheck`: one word and an exit code, for service managers, containers and anycast.

use super::ask::Asking;
use super::failure::CommandFailure;
use super::output::{Style, print, print_json};
use crate::control::{ControlReply, Request};

/// Print how it stands; fails where clients are to go elsewhere.
pub(super) fn run(asking: &Asking) -> Result<(), CommandFailure> {
    let ControlReply::Status(status) = asking.fetch(&Request::Status)? else {
        return Err(CommandFailure::Failed(
            "the reply cannot be read: are program and command of one version?".to_owned(),
        ));
    };
    let readiness = status.readiness;
    match asking.style() {
        Style::Json => print_json(&readiness)?,
        Style::Text => print(&readiness.text())?,
    }
    if readiness.state.takes_clients() {
        return Ok(());
    }
    let word = readiness.state.word();
    Err(CommandFailure::Failed(format!(
        "{word}: clients are to go elsewhere"
    )))
}
