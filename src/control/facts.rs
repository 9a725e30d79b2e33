//! What the configuration says that the operator can ask about, and the way to have it read again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::changes::TemporaryChange;
use super::protocol::ConfigReload;
use super::standings::NegativeAnchorStatus;
use super::verdict::{EntryPlace, GroupVerdict, OtherList};
use crate::clock::UnixSeconds;
use crate::list::ListIndex;
use crate::name::{Name, SuffixHashes};
use crate::policy::{Clients, Group, ListRules, Snapshot, Verdict};
use crate::witness::Witnesses;

/// What the configuration says; other facts take their place when it changes.
#[derive(Clone)]
pub struct Facts {
    /// Knows the groups.
    pub clients: Arc<Clients>,
    /// The lists' rules, by the lists' places.
    pub rules: BTreeMap<ListIndex, ListRules>,
    /// The doors that are open, like "udp 127.0.0.1:5300".
    pub doors: Vec<String>,
    /// The most memory that everything but the lists may take, in octets.
    pub octets_without_lists: u64,
    /// Know how it stands with those who cosign the audit log.
    pub witnesses: Witnesses,
    /// When the certificate of the TLS doors runs out, where there is one.
    pub certificate_until: Option<UnixSeconds>,
    /// Keys of the configuration that wait for the next start.
    pub waiting: Vec<String>,
    /// What an operator changed until the next start, in words.
    pub temporary: Vec<String>,
    /// Clients are to go elsewhere, before a stop.
    pub is_leaving: bool,
    /// Names below which no signatures are checked.
    pub negative_anchors: Vec<NegativeAnchorStatus>,
}

/// What the control socket asks of the configuration.
pub trait Configuration: Send + Sync {
    /// Read it again and put it in force; or say what that would change. An error says all that is
    /// wrong, and nothing is changed then.
    fn reload(&self, turn: ReloadTurn) -> Result<ConfigReload, String>;

    /// Change something until the next start; gives all that is changed so, in words. An error
    /// says why nothing was changed.
    fn change(&self, change: &TemporaryChange) -> Result<Vec<String>, String>;
}

/// Is a change of the configuration meant, or only looked at?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadTurn {
    /// Put it in force.
    Real,
    /// Say what would be changed.
    DryRun,
}

impl Facts {
    /// What is decided about a name for a group.
    pub(super) fn verdict(
        &self,
        snapshot: &Snapshot,
        group: Group,
        name: &Name,
        hashes: &SuffixHashes,
    ) -> GroupVerdict {
        let lists = self.clients.lists(group);
        if lists.is_empty() {
            return GroupVerdict::Exempt;
        }
        let Verdict::Block { list, found } = snapshot.decide(lists, hashes) else {
            return GroupVerdict::Pass;
        };
        let Some(rules) = self.rules.get(&list) else {
            return GroupVerdict::Pass;
        };
        let behind = lists.iter().skip_while(|other| **other != list).skip(1);
        let others = behind.filter_map(|other| {
            let is_listed = snapshot.decide(&[*other], hashes) != Verdict::Pass;
            let rules = self.rules.get(other)?;
            is_listed.then(|| OtherList {
                list: rules.id.clone(),
                action: action_word(rules),
            })
        });
        GroupVerdict::Block {
            list: rules.id.clone(),
            authority: rules.authority.clone(),
            legal_basis: rules.legal_basis.clone(),
            action: action_word(rules),
            entry: suffix(name, found.labels),
            labels: found.labels,
            place: if found.is_parent {
                EntryPlace::Parent
            } else {
                EntryPlace::Itself
            },
            others: others.collect(),
        }
    }
}

fn action_word(rules: &ListRules) -> String {
    rules.action.in_manifest().as_str().to_owned()
}

/// The last `labels` labels of a name.
fn suffix(name: &Name, labels: usize) -> String {
    let above = name.label_count().saturating_sub(labels);
    let start = name
        .labels()
        .take(above)
        .map(|label| label.len() + 1)
        .sum::<usize>();
    let wire = name.as_wire().get(start..).unwrap_or_default();
    Name::from_wire(wire).map_or_else(|_| String::new(), |suffix| suffix.to_string())
}
