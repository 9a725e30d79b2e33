//! What all commands share that ask the running program, and the two that need nothing more:
//! `reload` and `flush`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::failure::{Failure, load};
use super::output::{Style, count, print, print_json};
use crate::control::{AskFault, Reply, Request, ask};
use crate::name::Name;
use crate::update::{Change, Outcome};

/// Whom to ask, and how to print what they say.
pub(super) struct Asking {
    socket: PathBuf,
    style: Style,
}

impl Asking {
    /// Ask at `socket`, or at the configuration's.
    pub(super) fn new(
        config: Option<&Path>,
        socket: Option<&Path>,
        style: Style,
    ) -> Result<Self, Failure> {
        let socket = match socket {
            Some(socket) => socket.to_path_buf(),
            None => load(config)?.control,
        };
        Ok(Self { socket, style })
    }

    /// For whom the reply is printed.
    pub(super) const fn style(&self) -> Style {
        self.style
    }

    /// Ask, and give the reply back.
    pub(super) fn fetch(&self, request: &Request) -> Result<Reply, Failure> {
        let reply = ask(&self.socket, request).map_err(|fault| match fault {
            AskFault::NotRunning(_) => Failure::NotRunning(fault.to_string()),
            AskFault::Io(..) | AskFault::BadReply(_) => Failure::Failed(fault.to_string()),
        })?;
        match reply {
            Reply::Failed { message } => Err(Failure::Failed(message)),
            reply => Ok(reply),
        }
    }

    /// Ask, and print the reply: as JSON, or as `text` makes it.
    pub(super) fn ask(
        &self,
        request: &Request,
        text: impl FnOnce(&Reply) -> Option<String>,
    ) -> Result<Reply, Failure> {
        let reply = ask(&self.socket, request).map_err(|fault| match fault {
            AskFault::NotRunning(_) => Failure::NotRunning(fault.to_string()),
            AskFault::Io(..) | AskFault::BadReply(_) => Failure::Failed(fault.to_string()),
        })?;
        if let Reply::Failed { message } = &reply {
            if self.style == Style::Json {
                print_json(&reply)?;
            }
            return Err(Failure::Failed(message.clone()));
        }
        match self.style {
            Style::Json => print_json(&reply)?,
            Style::Text => match text(&reply) {
                Some(text) => print(&text)?,
                None => {
                    return Err(Failure::Failed(
                        AskFault::BadReply(self.socket.clone()).to_string(),
                    ));
                }
            },
        }
        Ok(reply)
    }
}

/// `wardline reload [LIST]`: fails where a list was refused.
pub(super) fn reload(
    asking: &Asking,
    list: Option<String>,
    codes: &[String],
    reason: Option<&str>,
) -> Result<(), Failure> {
    match (list, reason) {
        (list, None) if codes.is_empty() => changing(asking, &Request::Reload { list }),
        (Some(list), Some(reason)) if !codes.is_empty() => changing(
            asking,
            &Request::Override {
                list,
                codes: codes.to_vec(),
                reason: reason.to_owned(),
            },
        ),
        _ => Err(Failure::Usage(
            "name the list, --override with the codes, and --reason: all three".to_owned(),
        )),
    }
}

/// A request that changes lists: fails where one was refused.
pub(super) fn changing(asking: &Asking, request: &Request) -> Result<(), Failure> {
    let reply = asking.ask(request, |reply| match reply {
        Reply::Reload(reloaded) => Some(describe(&reloaded.lists)),
        _ => None,
    })?;
    let Reply::Reload(reloaded) = reply else {
        return Ok(());
    };
    let refusals = reloaded
        .lists
        .into_iter()
        .filter_map(|outcome| match outcome.change {
            Change::Refused { message } => Some(message + "; the old list stays in force"),
            Change::Swapped { .. }
            | Change::Staged { .. }
            | Change::Removed { .. }
            | Change::Asked
            | Change::Unchanged => None,
        });
    let refusals: Vec<String> = refusals.collect();
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(refusals.join("\n")))
    }
}

fn describe(outcomes: &[Outcome]) -> String {
    outcomes.iter().fold(String::new(), |mut text, outcome| {
        let change = match &outcome.change {
            Change::Swapped {
                entries,
                rejects: 0,
            } => format!("in force with {} entries", super::output::number(*entries)),
            Change::Swapped { entries, rejects } => {
                format!(
                    "in force with {} entries; {} passed over",
                    super::output::number(*entries),
                    count(*rejects, "line")
                )
            }
            Change::Removed { entries } => format!(
                "{} no longer blocked",
                if *entries == 1 {
                    "1 entry".to_owned()
                } else {
                    format!("{} entries", super::output::number(*entries))
                }
            ),
            Change::Staged { entries, left_s } => {
                format!(
                    "{} entries are tried out for {left_s} s more before they come in force",
                    super::output::number(*entries)
                )
            }
            Change::Asked => {
                "its sources are looked at again; `wardline lists` shows what comes of it"
                    .to_owned()
            }
            Change::Unchanged => "unchanged".to_owned(),
            Change::Refused { .. } => "refused".to_owned(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}: {change}", outcome.id);
        text
    })
}

/// A name that is none is wrong usage, whether the program runs or not.
pub(super) fn check_name(text: &str) -> Result<(), Failure> {
    Name::parse(text).map(drop).map_err(|fault| {
        Failure::Usage(format!(
            "not a domain name: {fault}: write it like www.example.com"
        ))
    })
}

/// `wardline flush [NAME] [--below]`.
pub(super) fn flush(asking: &Asking, name: Option<String>, below: bool) -> Result<(), Failure> {
    let text = |reply: &Reply| match reply {
        Reply::Flush(flushed) => Some(format!("{} forgotten\n", count(flushed.removed, "answer"))),
        _ => None,
    };
    name.as_deref().map_or(Ok(()), check_name)?;
    asking.ask(&Request::Flush { name, below }, text).map(drop)
}
