//! Answers `lookup`: what became of a question of the operator's own, put into words.

use super::answer::ServerParts;
use super::lookup_reply::{HeldName, KeptStatus, LookupReply, LookupRequest};
use super::protocol::ControlReply;
use super::verdict::GroupVerdict;
use crate::count::Event;
use crate::name::{Name, SuffixHashes};
use crate::policy::{Group, Standing};
use crate::query::{LookedUp, Lookup};
use crate::resolve::{Knowledge, present, type_name};

impl ServerParts {
    /// Answer the operator's question.
    pub(super) fn look_up(&self, name: &Name, asked: &LookupRequest) -> ControlReply {
        let standing = self.standing(asked);
        let lookup = Lookup {
            name: name.clone(),
            qtype: asked.qtype,
            dnssec_ok: asked.dnssec_ok,
            checking_disabled: asked.checking_disabled,
            standing,
            knowing: if asked.fresh {
                Knowledge::Nothing
            } else {
                Knowledge::Everything
            },
        };
        match self.resolution.look_up(&lookup) {
            Ok(looked_up) => ControlReply::Lookup(Box::new(self.tell(&lookup, looked_up))),
            Err(message) => ControlReply::Failed { message },
        }
    }

    /// As whom is asked; without a client, as one in no group.
    fn standing(&self, asked: &LookupRequest) -> Standing {
        let clients = &self.facts.load().clients;
        let everybody = || clients.groups().next().map(|(group, _)| group);
        match asked.client {
            Some(address) => clients.classify(address),
            None => everybody().map_or(Standing::Refused, Standing::Allowed),
        }
    }

    fn tell(&self, lookup: &Lookup, looked_up: LookedUp) -> LookupReply {
        let facts = self.facts.load();
        let group = match lookup.standing {
            Standing::Allowed(group) => Some(group),
            Standing::Refused => None,
        };
        let label = |group: Group| {
            let mut groups = facts.clients.groups();
            let label = groups.find(|(other, _)| *other == group);
            label.map(|(_, label)| label.to_owned())
        };
        let listed = looked_up
            .blocked
            .and_then(|(list, _)| facts.rules.get(&list));
        LookupReply {
            name: lookup.name.absolute(),
            qtype: type_name(lookup.qtype),
            group: group.and_then(label),
            fresh: lookup.knowing == Knowledge::Nothing,
            kept: looked_up.kept.map(|kept| KeptStatus {
                left_s: kept.left_s,
                is_failure: kept.is_failure,
                is_used: kept.is_used,
            }),
            names: group.map_or_else(Vec::new, |group| self.hold(group, &looked_up)),
            ended: looked_up.ended.map_or("unanswered", Event::name).to_owned(),
            list: listed.map(|rules| rules.id.clone()),
            response: present(&looked_up.reply),
            packets: looked_up.trace.packets,
            steps_left_out: looked_up.trace.left_out,
            steps: looked_up.trace.steps,
        }
    }

    /// Hold the names against the lists of a group, up to the first that is listed.
    fn hold(&self, group: Group, looked_up: &LookedUp) -> Vec<HeldName> {
        let (facts, snapshot) = (self.facts.load(), &looked_up.snapshot);
        let lists = facts.clients.lists(group).iter();
        let lists = lists.filter_map(|list| Some(facts.rules.get(list)?.id.clone()));
        let lists: Vec<String> = lists.collect();
        let (mut held, mut hashes) = (Vec::new(), SuffixHashes::new());
        for name in &looked_up.names {
            hashes.fill(snapshot.key(), name.as_wire());
            let verdict = facts.verdict(snapshot, group, name, &hashes);
            let is_listed = matches!(verdict, GroupVerdict::Block { .. });
            held.push(HeldName {
                name: name.absolute(),
                lists: lists.clone(),
                verdict,
            });
            if is_listed {
                break;
            }
        }
        held
    }
}
