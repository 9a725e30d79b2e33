//! What an operator changes until the next start: negative anchors, local names, the level of the
//! log, and whether clients are to come.

use std::net::IpAddr;

use super::ask::{Asking, check_name};
use super::cli::Turned;
use super::failure::CommandFailure;
use crate::control::{ControlReply, Request, TemporaryChange};

/// Have this changed, and say all that is.
pub(super) fn change(asking: &Asking, change: TemporaryChange) -> Result<(), CommandFailure> {
    let text = |reply: &ControlReply| match reply {
        ControlReply::Temporary { temporary } if temporary.is_empty() => {
            Some("nothing is changed any more\n".to_owned())
        }
        ControlReply::Temporary { temporary } => Some(format!(
            "changed until the next start:\n  {}\n",
            temporary.join("\n  ")
        )),
        _ => None,
    };
    asking.ask(&Request::Change { change }, text).map(drop)
}

/// `wardline negative-anchor add|remove NAME`.
pub(super) fn negative_anchor(
    asking: &Asking,
    turn: Turned,
    name: &str,
) -> Result<(), CommandFailure> {
    check_name(name)?;
    let name = name.to_owned();
    let wanted = match turn {
        Turned::Add => TemporaryChange::AddNegativeAnchor { name },
        Turned::Remove => TemporaryChange::RemoveNegativeAnchor { name },
    };
    change(asking, wanted)
}

/// `wardline local add NAME ADDRESS`, `wardline local remove NAME`.
pub(super) fn local(
    asking: &Asking,
    turn: Turned,
    name: &str,
    address: Option<IpAddr>,
) -> Result<(), CommandFailure> {
    check_name(name)?;
    let name = name.to_owned();
    let usage = |words: &str| CommandFailure::Usage(words.to_owned());
    let wanted = match (turn, address) {
        (Turned::Add, Some(address)) => TemporaryChange::AddLocal { name, address },
        (Turned::Remove, None) => TemporaryChange::RemoveLocal { name },
        (Turned::Add, None) => return Err(usage("name its address: local add NAME ADDRESS")),
        (Turned::Remove, Some(_)) => {
            return Err(usage("all its addresses are removed: local remove NAME"));
        }
    };
    change(asking, wanted)
}
