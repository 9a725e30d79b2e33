//! `wardline lookup NAME [TYPE]`: resolves now, as a client would get it, and shows every step: the
//! cache, each server asked, what was validated, the lists, the reply.

use super::ask::{Asking, check_name};
use super::cli::LookupArgs;
use super::failure::CommandFailure;
use super::lookup_steps::describe_step;
use super::output::count;
use super::why::describe_verdict;
use crate::control::{
    ControlReply, GroupVerdict, HeldName, KeptStatus, LookupReply, LookupRequest, Request,
};
use crate::resolve::{PresentedError, PresentedReply, type_number};

pub(super) fn run(asking: &Asking, wanted: &LookupArgs) -> Result<(), CommandFailure> {
    let text = |reply: &ControlReply| match reply {
        ControlReply::Lookup(reply) => Some(describe(reply)),
        _ => None,
    };
    check_name(&wanted.name)?;
    let rtype = &wanted.rtype;
    let qtype = type_number(rtype).ok_or_else(|| {
        CommandFailure::Usage(format!("{rtype:?} is no record type: write AAAA or TYPE28"))
    })?;
    let request = Request::Lookup(LookupRequest {
        name: wanted.name.clone(),
        qtype,
        client: wanted.client,
        fresh: wanted.fresh,
        dnssec_ok: wanted.dnssec,
        checking_disabled: wanted.cd,
    });
    asking.ask(&request, text).map(drop)
}

fn describe(reply: &LookupReply) -> String {
    let whom = reply.group.as_ref().map_or_else(
        || "a client that may not ask".to_owned(),
        |group| format!("a client of group {group}"),
    );
    let mut lines = vec![format!("{} {} for {whom}", reply.name, reply.qtype)];
    lines.push(String::new());
    lines.push("Cache:".to_owned());
    lines.push(format!("  {}", describe_kept(reply)));
    if !reply.steps.is_empty() || reply.packets > 0 {
        lines.push(String::new());
        lines.push(format!(
            "Outside ({} sent):",
            count(reply.packets.into(), "packet")
        ));
        lines.extend(reply.steps.iter().map(describe_step));
        if reply.steps_left_out > 0 {
            lines.push(format!("  ... and {} steps more", reply.steps_left_out));
        }
    }
    if !reply.names.is_empty() {
        lines.push(String::new());
        lines.push("Lists:".to_owned());
        lines.extend(reply.names.iter().map(describe_held));
    }
    lines.push(String::new());
    lines.push(format!("Decided: {}", describe_end(reply)));
    lines.push(String::new());
    lines.extend(describe_reply(reply.response.as_ref()));
    lines.join("\n") + "\n"
}

fn describe_kept(reply: &LookupReply) -> String {
    let Some(KeptStatus {
        left_s,
        is_failure,
        is_used,
    }) = reply.kept
    else {
        return "nothing is kept for the question".to_owned();
    };
    let what = if is_failure { "a failure" } else { "an answer" };
    let life = if left_s > 0 {
        format!("{left_s} s left")
    } else {
        format!("it ran out {} s ago", -left_s)
    };
    let used = match (is_used, reply.fresh) {
        (true, _) => "it is the answer",
        (false, true) => "it is not used (--fresh)",
        (false, false) => "it is not used",
    };
    format!("{what} is kept, {life}: {used}")
}

fn describe_held(held: &HeldName) -> String {
    let against = if held.lists.is_empty() {
        String::new()
    } else {
        format!(" (held against {})", held.lists.join(", "))
    };
    format!(
        "  {}{against}: {}",
        held.name,
        describe_verdict(&held.verdict)
    )
}

fn describe_end(reply: &LookupReply) -> String {
    let blocked_by = reply.names.iter().find_map(|held| match &held.verdict {
        GroupVerdict::Block { list, action, .. } => Some((list, action)),
        _ => None,
    });
    match (reply.ended.as_str(), blocked_by) {
        ("blocked", Some((list, action))) => format!("blocked by list {list} ({action})"),
        ("blocked", None) => "blocked".to_owned(),
        ("hit", _) => "passed; answered from the cache".to_owned(),
        ("miss", _) => "passed; answered from outside".to_owned(),
        ("failed", _) => "passed; there is no answer".to_owned(),
        ("own", _) => "answered here, without asking anybody".to_owned(),
        ("refused", _) => "refused: this client may not ask".to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn describe_reply(reply: Option<&PresentedReply>) -> Vec<String> {
    let Some(reply) = reply else {
        return vec!["Reply: none".to_owned()];
    };
    let flags = if reply.flags.is_empty() {
        String::new()
    } else {
        format!(", flags {}", reply.flags.join(" "))
    };
    let mut lines = vec![format!("Reply: {}{flags}", reply.rcode)];
    lines.extend(reply.ede.iter().map(|PresentedError { code, text }| {
        let text = if text.is_empty() {
            String::new()
        } else {
            format!(": {text}")
        };
        format!("  extended error {code}{text}")
    }));
    for (title, records) in [("Answer", &reply.answer), ("Authority", &reply.authority)] {
        if !records.is_empty() {
            lines.push(format!("  {title}:"));
            lines.extend(records.iter().map(|record| format!("    {record}")));
        }
    }
    lines
}
