//! What is said of a name that is held against the lists: by which list and entry it is blocked,
//! and for whom.

use serde::{Deserialize, Serialize};

/// Would a name be blocked, and for whom?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The name asked for, in A-labels.
    pub name: String,
    /// Group by group, everybody's first.
    pub groups: Vec<GroupAnswer>,
}

/// What a name is for one group of clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupAnswer {
    /// The group's name.
    pub group: String,
    /// What is decided.
    #[serde(flatten)]
    pub verdict: GroupVerdict,
}

/// What is decided for one group of clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum GroupVerdict {
    /// No list applies to the group.
    Exempt,
    /// On none of the group's lists.
    Pass,
    /// Listed.
    Block {
        /// By the list with this id.
        list: String,
        /// Which is theirs.
        authority: String,
        /// On this ground.
        legal_basis: String,
        /// "stop-page" or "nxdomain".
        action: String,
        /// The entry: the name asked for or a parent of it.
        entry: String,
        /// The entry's labels.
        labels: usize,
        /// Which of the two it is.
        place: EntryPlace,
        /// Lists that have the name too and come later in the configuration: they decide nothing.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<OtherList>,
    },
}

/// A list that has a name which an earlier list decides about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherList {
    /// Its id.
    pub list: String,
    /// "stop-page" or "nxdomain".
    pub action: String,
}

/// Where an entry stands to the name asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryPlace {
    /// The entry is the name.
    Itself,
    /// The entry is a parent of the name.
    Parent,
}
