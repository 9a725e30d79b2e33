//! What all commands share that ask the running program, and the two that need nothing more:
//! `reload` and `flush`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::cli::{FlushArgs, ReloadArgs};
use super::failure::{CommandFailure, load};
use super::output::{Style, complain, count, number, print, print_json, time};
use crate::config::Config;
use crate::control::{AnswerKind, AskFault, ConfigReload, ControlReply, Reloaded, Request, ask};
use crate::name::Name;
use crate::resolve::type_number;
use crate::update::ListChange;

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
    ) -> Result<Self, CommandFailure> {
        let socket = match socket {
            Some(socket) => socket.to_path_buf(),
            None => load(config)
                .map(|config| config.control)
                .or_else(|failure| {
                    // What runs may be asked although its configuration is being written: it says
                    // itself what is wrong with it.
                    config.and_then(Config::control_of).ok_or(failure)
                })?,
        };
        Ok(Self { socket, style })
    }

    /// For whom the reply is printed.
    pub(super) const fn style(&self) -> Style {
        self.style
    }

    /// Ask; who waits longer than a second is told for what.
    fn ask_socket(&self, request: &Request) -> Result<ControlReply, CommandFailure> {
        let slow = || {
            complain(&format!(
                "{}: the program holds its socket and has said nothing for a second: waiting",
                self.socket.display()
            ));
        };
        ask(&self.socket, request, slow).map_err(|fault| match fault {
            AskFault::NotRunning(_) => CommandFailure::NotRunning(fault.to_string()),
            AskFault::Silent(..) | AskFault::Io(..) | AskFault::BadReply(_) => {
                CommandFailure::Failed(fault.to_string())
            }
        })
    }

    /// Ask, and give the reply back.
    pub(super) fn fetch(&self, request: &Request) -> Result<ControlReply, CommandFailure> {
        match self.ask_socket(request)? {
            ControlReply::Failed { message } => Err(CommandFailure::Failed(message)),
            reply => Ok(reply),
        }
    }

    /// Ask, and print the reply: as JSON, or as `text` makes it.
    pub(super) fn ask(
        &self,
        request: &Request,
        text: impl FnOnce(&ControlReply) -> Option<String>,
    ) -> Result<ControlReply, CommandFailure> {
        let reply = self.ask_socket(request)?;
        if let ControlReply::Failed { message } = &reply {
            if self.style == Style::Json {
                print_json(&reply)?;
            }
            return Err(CommandFailure::Failed(message.clone()));
        }
        match self.style {
            Style::Json => print_json(&reply)?,
            Style::Text => match text(&reply) {
                Some(text) => print(&text)?,
                None => {
                    return Err(CommandFailure::Failed(
                        AskFault::BadReply(self.socket.clone()).to_string(),
                    ));
                }
            },
        }
        Ok(reply)
    }
}

/// `wardline reload [LIST]`: fails where the configuration or a list was refused.
pub(super) fn reload(asking: &Asking, wanted: &ReloadArgs) -> Result<(), CommandFailure> {
    let (list, codes) = (wanted.list.clone(), wanted.codes.clone());
    match (list, wanted.reason.clone()) {
        (list, None) if codes.is_empty() => {
            let dry_run = wanted.dry_run;
            changing(asking, &Request::Reload { list, dry_run })
        }
        (Some(list), Some(reason)) if !codes.is_empty() => changing(
            asking,
            &Request::Override {
                list,
                codes,
                reason,
            },
        ),
        _ => Err(CommandFailure::Usage(
            "name the list, --override with the codes, and --reason: all three".to_owned(),
        )),
    }
}

/// A request that changes lists: fails where one was refused.
pub(super) fn changing(asking: &Asking, request: &Request) -> Result<(), CommandFailure> {
    let reply = asking.ask(request, |reply| match reply {
        ControlReply::Reload(reloaded) => Some(describe(reloaded)),
        _ => None,
    })?;
    let ControlReply::Reload(reloaded) = reply else {
        return Ok(());
    };
    let refusals = reloaded
        .lists
        .into_iter()
        .filter_map(|outcome| match outcome.change {
            ListChange::Refused { message, .. } => Some(message + "; the old list stays in force"),
            ListChange::Swapped { .. }
            | ListChange::Staged { .. }
            | ListChange::Removed { .. }
            | ListChange::RemovalWaits { .. }
            | ListChange::Settled
            | ListChange::Keys { .. }
            | ListChange::Asked
            | ListChange::Unchanged => None,
        });
    let refusals: Vec<String> = refusals.collect();
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(CommandFailure::Failed(refusals.join("\n")))
    }
}

fn describe(reloaded: &Reloaded) -> String {
    let configuration = reloaded.configuration.as_ref();
    let configuration = configuration.map_or_else(String::new, describe_configuration);
    reloaded
        .lists
        .iter()
        .fold(configuration, |mut text, outcome| {
            let change = match &outcome.change {
                ListChange::Swapped {
                    entries,
                    rejects: 0,
                } => format!("in force with {} entries", number(*entries)),
                ListChange::Swapped { entries, rejects } => {
                    format!(
                        "in force with {} entries; {} passed over",
                        number(*entries),
                        count(*rejects, "line")
                    )
                }
                ListChange::Removed { entries } => format!(
                    "{} no longer blocked",
                    if *entries == 1 {
                        "1 entry".to_owned()
                    } else {
                        format!("{} entries", number(*entries))
                    }
                ),
                ListChange::RemovalWaits { from } => {
                    format!("still blocked: the removal holds from {} on", time(*from))
                }
                ListChange::Settled => {
                    "unchanged: the issue in force has taken the removal up already".to_owned()
                }
                ListChange::Keys { link } => format!("its keys have changed, with link {link}"),
                ListChange::Staged { entries, left_s } => {
                    format!(
                        "{} entries are tried out for {left_s} s more before they come in force",
                        number(*entries)
                    )
                }
                ListChange::Asked => {
                    "its sources are looked at again; `wardline lists` shows what comes of it"
                        .to_owned()
                }
                ListChange::Unchanged => "unchanged".to_owned(),
                ListChange::Refused { .. } => "refused".to_owned(),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}: {change}", outcome.id);
            text
        })
}

/// What became of the configuration, or would become of it.
fn describe_configuration(told: &ConfigReload) -> String {
    let mut text = String::new();
    for change in &told.changed {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{change}");
    }
    for waiting in &told.waiting {
        let _ = writeln!(text, "NOT IN FORCE: {waiting}");
    }
    let is_same = told.changed.is_empty() && told.waiting.is_empty();
    let outcome = match (is_same, told.dry_run, told.waiting.is_empty()) {
        (true, _, _) => "unchanged",
        (false, true, _) => "not changed: this was a dry run",
        (false, false, true) => "in force",
        (false, false, false) => "in force but for what waits for a restart",
    };
    let _ = writeln!(text, "configuration: {outcome}");
    text
}

/// A name that is none is wrong usage, whether the program runs or not.
pub(super) fn check_name(text: &str) -> Result<(), CommandFailure> {
    Name::parse(text).map(drop).map_err(|fault| {
        CommandFailure::Usage(format!(
            "not a domain name: {fault}: write it like www.example.com"
        ))
    })
}

/// `wardline flush [NAME] [--below] [--bogus | --negative | --type TYPE]`.
pub(super) fn flush(asking: &Asking, wanted: &FlushArgs) -> Result<(), CommandFailure> {
    let text = |reply: &ControlReply| match reply {
        ControlReply::Flush(flushed) => {
            Some(format!("{} forgotten\n", count(flushed.removed, "answer")))
        }
        _ => None,
    };
    wanted.name.as_deref().map_or(Ok(()), check_name)?;
    let request = Request::Flush {
        name: wanted.name.clone(),
        below: wanted.below,
        kind: kind(wanted)?,
    };
    asking.ask(&request, text).map(drop)
}

fn kind(wanted: &FlushArgs) -> Result<Option<AnswerKind>, CommandFailure> {
    if wanted.bogus {
        return Ok(Some(AnswerKind::Bogus));
    }
    if wanted.negative {
        return Ok(Some(AnswerKind::Negative));
    }
    let of_type = wanted.of_type.as_deref().map(|text| {
        type_number(text).ok_or_else(|| {
            CommandFailure::Usage(format!("{text:?} is no record type: write AAAA or TYPE28"))
        })
    });
    let number = of_type.transpose()?;
    Ok(number.map(|number| AnswerKind::Type { number }))
}
