//! `[clients]` and `[[group]]`: who may ask, and who is treated differently.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::lists::CheckedList;
use super::review::{Review, unwritten};
use crate::list::ListIndex;
use crate::policy::GroupSettings;

/// The name that `wardline why` gives to all clients who are in no group.
const EVERYBODY: &str = "everybody";
/// More groups than any provider has; keeps their number within its type.
const GROUPS_MAX: usize = 10_000;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ClientsSection {
    allow: Spanned<Vec<Spanned<String>>>,
}

impl Default for ClientsSection {
    fn default() -> Self {
        Self {
            allow: unwritten(
                ["127.0.0.0/8", "::1/128"]
                    .map(|net| unwritten(net.to_owned()))
                    .into(),
            ),
        }
    }
}

impl ClientsSection {
    pub(super) fn check(&self, review: &mut Review<'_>) -> Vec<IpNet> {
        if self.allow.get_ref().is_empty() {
            review.say(
                &self.allow,
                "allow is empty, so nobody may ask: name your customers' networks",
            );
        }
        self.allow
            .get_ref()
            .iter()
            .filter_map(|value| network("allow", value, review))
            .collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupSection {
    name: Spanned<String>,
    prefixes: Spanned<Vec<Spanned<String>>>,
    lists: Spanned<Vec<Spanned<String>>>,
}

/// Check all groups against the allowed networks and the lists.
pub(super) fn check_groups(
    groups: &[GroupSection],
    allow: &[IpNet],
    lists: &[CheckedList],
    review: &mut Review<'_>,
) -> Vec<GroupSettings> {
    if let Some(group) = groups.get(GROUPS_MAX) {
        review.say(
            &group.name,
            format!("at most {GROUPS_MAX} groups: join some of them"),
        );
    }
    let allow = IpNet::aggregate(&allow.to_vec());
    let everybody = (
        EVERYBODY.to_owned(),
        "by all who are in no group".to_owned(),
    );
    let (mut names, mut taken) = (vec![everybody], Vec::new());
    let checked = groups.iter().map(|group| {
        let name = review.id("name", &group.name);
        if let Some((_, place)) = names.iter().find(|(other, _)| *other == name) {
            review.say(
                &group.name,
                format!("the group name {name:?} is taken {place}: choose another"),
            );
        }
        names.push((name.clone(), format!("at {}", review.place_of(&group.name))));
        GroupSettings {
            name,
            prefixes: group.check_prefixes(&allow, &mut taken, review),
            lists: group.check_lists(lists, review),
        }
    });
    checked.collect()
}

impl GroupSection {
    fn check_prefixes(
        &self,
        allow: &[IpNet],
        taken: &mut Vec<IpNet>,
        review: &mut Review<'_>,
    ) -> Vec<IpNet> {
        if self.prefixes.get_ref().is_empty() {
            review.say(
                &self.prefixes,
                "prefixes is empty, so nobody is in this group: name its networks",
            );
        }
        let mut prefixes = Vec::new();
        for value in self.prefixes.get_ref() {
            let Some(prefix) = network("prefixes", value, review) else {
                continue;
            };
            if !allow.iter().any(|net| net.contains(&prefix)) {
                review.say(
                    value,
                    format!(
                        "prefixes: {prefix} is not within [clients] allow, so \
                                           its clients are refused: allow it there"
                    ),
                );
            }
            if taken.contains(&prefix) {
                review.say(value, format!("prefixes: {prefix} is in a group already"));
            }
            taken.push(prefix);
            prefixes.push(prefix);
        }
        prefixes
    }

    fn check_lists(&self, lists: &[CheckedList], review: &mut Review<'_>) -> Vec<ListIndex> {
        let mut indexes = Vec::new();
        for value in self.lists.get_ref() {
            let id = value.get_ref();
            match lists.iter().find(|list| list.rules.id == *id) {
                Some(list) if indexes.contains(&list.source.index) => {
                    review.say(value, format!("lists: {id:?} is named twice"))
                }
                Some(list) => indexes.push(list.source.index),
                None => review.say(
                    value,
                    format!("lists: there is no list {id:?}: name the `id` of a [[list]]"),
                ),
            }
        }
        indexes.sort_unstable();
        indexes
    }
}

pub(super) fn network(
    key: &str,
    value: &Spanned<String>,
    review: &mut Review<'_>,
) -> Option<IpNet> {
    let text = value.get_ref();
    let Ok(net) = text.parse::<IpNet>() else {
        let advice = text.parse::<IpAddr>().map_or_else(
            |_| "write 192.0.2.0/24 or 2001:db8::/32".to_owned(),
            |address| format!("write {}", IpNet::from(address)),
        );
        review.say(value, format!("{key}: {text:?} is no network: {advice}"));
        return None;
    };
    if net != net.trunc() {
        review.say(
            value,
            format!(
                "{key}: {net} has bits set behind its prefix: write {}",
                net.trunc()
            ),
        );
        return None;
    }
    // Whoever comes from a mapped address counts as IPv4, so that such a prefix has nobody in it.
    if let IpNet::V6(mapped) = net
        && let (Some(address), Some(prefix_len)) = (
            mapped.network().to_ipv4_mapped(),
            mapped.prefix_len().checked_sub(96),
        )
    {
        review.say(
            value,
            format!("{key}: {net} is IPv4, mapped into IPv6: write {address}/{prefix_len}"),
        );
        return None;
    }
    Some(net)
}
