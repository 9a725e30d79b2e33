//! `wardline why NAME`: would it be blocked, by which list and entry, and for which group of
//! clients?

use super::ask::{Asking, check_name};
use super::failure::CommandFailure;
use crate::control::{ControlReply, EntryPlace, GroupVerdict, OtherList, Request, Why};

pub(super) fn run(asking: &Asking, name: &str) -> Result<(), CommandFailure> {
    let text = |reply: &ControlReply| match reply {
        ControlReply::Why(why) => Some(describe(why)),
        _ => None,
    };
    check_name(name)?;
    asking
        .ask(
            &Request::Why {
                name: name.to_owned(),
            },
            text,
        )
        .map(drop)
}

fn describe(why: &Why) -> String {
    let width = why
        .groups
        .iter()
        .map(|group| group.group.chars().count())
        .max()
        .unwrap_or(0);
    let groups = why.groups.iter().map(|group| {
        format!(
            "  {:<width$}  {}\n",
            group.group,
            describe_verdict(&group.verdict)
        )
    });
    format!("{}\n{}", why.name, groups.collect::<String>())
}

pub(super) fn describe_verdict(verdict: &GroupVerdict) -> String {
    match verdict {
        GroupVerdict::Exempt => "passes: no list applies to this group".to_owned(),
        GroupVerdict::Pass => "passes: not on the lists of this group".to_owned(),
        GroupVerdict::Block {
            list,
            authority,
            legal_basis,
            action,
            entry,
            place,
            others,
            ..
        } => {
            let entry = match place {
                EntryPlace::Itself => "the name itself is an entry".to_owned(),
                EntryPlace::Parent => format!("below the entry {entry}"),
            };
            let others = others.iter().fold(String::new(), |text, other| {
                let OtherList { list, action } = other;
                text + &format!("; list {list} ({action}) has it too and comes later")
            });
            format!(
                "blocked ({action}) by list {list} of {authority}, {legal_basis}: {entry}{others}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::GroupAnswer;

    #[test]
    fn each_group_has_its_line() {
        let block = |others| GroupVerdict::Block {
            list: "a".to_owned(),
            authority: "Authority".to_owned(),
            legal_basis: "Act, section 1".to_owned(),
            action: "stop-page".to_owned(),
            entry: "blocked.example".to_owned(),
            labels: 2,
            place: EntryPlace::Parent,
            others,
        };
        let other = OtherList {
            list: "b".to_owned(),
            action: "nxdomain".to_owned(),
        };
        let group = |group: &str, verdict| GroupAnswer {
            group: group.to_owned(),
            verdict,
        };
        let why = Why {
            name: "a.blocked.example".to_owned(),
            groups: vec![
                group("everybody", block(vec![])),
                group("police", GroupVerdict::Exempt),
                group("schools", block(vec![other])),
            ],
        };
        let expected = "\
a.blocked.example
  everybody  blocked (stop-page) by list a of Authority, Act, section 1: below the entry blocked.example
  police     passes: no list applies to this group
  schools    blocked (stop-page) by list a of Authority, Act, section 1: below the entry blocked.example; list b (nxdomain) has it too and comes later
";
        assert_eq!(describe(&why), expected);
    }
}
