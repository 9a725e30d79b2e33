//! What a list's manifest asks for, held against what the configuration does for that list: the
//! authority must be able to see where a provider does otherwise.

use std::fmt;

use super::rules::{Action, Basis, ListRules};
use crate::list::manifest::{ListAction, Manifest, ManifestBasis};

/// One point in which the configuration does not do what the manifest asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Blocked clients are answered otherwise.
    Action {
        /// What the manifest asks for.
        asked: ListAction,
        /// What the configuration answers.
        answered: ListAction,
    },
    /// The list has another id.
    List {
        /// The manifest's.
        asked: String,
        /// The configuration's.
        configured: String,
    },
    /// Clients and reports are told of another authority.
    Authority {
        /// The manifest's.
        asked: String,
        /// The configuration's.
        configured: String,
    },
    /// The list rests on another kind of ground, which clients see in the extended error.
    Basis {
        /// The manifest's.
        asked: ManifestBasis,
        /// The configuration's.
        configured: ManifestBasis,
    },
}

/// Everything in which `rules` differ from what `manifest` asks for, the gravest first; nothing
/// where the configuration does as the authority asks.
///
/// The stop page's addresses and the words of the legal basis are the provider's own, and no
/// manifest prescribes them.
pub fn differences(manifest: &Manifest, rules: &ListRules) -> Vec<Difference> {
    let ListRules {
        id,
        authority,
        basis,
        action,
        ..
    } = rules;
    let found = [
        compare_actions(manifest.action, action),
        (manifest.list != *id).then(|| Difference::List {
            asked: manifest.list.clone(),
            configured: id.clone(),
        }),
        (manifest.authority != *authority).then(|| Difference::Authority {
            asked: manifest.authority.clone(),
            configured: authority.clone(),
        }),
        compare_bases(manifest.basis, *basis),
    ];
    found.into_iter().flatten().collect()
}

fn compare_actions(asked: ListAction, action: &Action) -> Option<Difference> {
    let answered = action.in_manifest();
    (asked != answered).then_some(Difference::Action { asked, answered })
}

fn compare_bases(asked: ManifestBasis, basis: Basis) -> Option<Difference> {
    let configured = basis.in_manifest();
    (asked != configured).then_some(Difference::Basis { asked, configured })
}

impl Difference {
    /// Would a receipt for this list be untrue? It says that the doors answered as the list asks,
    /// and which list that is; of authority and ground it says nothing.
    pub const fn contradicts_receipt(&self) -> bool {
        match self {
            Self::Action { .. } | Self::List { .. } => true,
            Self::Authority { .. } | Self::Basis { .. } => false,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action { asked, answered } => {
                let asked = match asked {
                    ListAction::StopPage => "a stop page",
                    ListAction::NxDomain => "NXDOMAIN",
                };
                let answers = match answered {
                    ListAction::StopPage => "with a stop page",
                    ListAction::NxDomain => "NXDOMAIN",
                };
                write!(
                    f,
                    "the manifest asks for {asked}, the configuration answers {answers}"
                )
            }
            Self::List { asked, configured } => write!(
                f,
                "the manifest is for list {asked:?}, the configuration calls it {configured:?}"
            ),
            Self::Authority { asked, configured } => write!(
                f,
                "the manifest names the authority {asked:?}, the configuration names {configured:?}"
            ),
            Self::Basis { asked, configured } => write!(
                f,
                "the manifest rests on {}, the configuration on {}",
                describe(*asked),
                describe(*configured)
            ),
        }
    }
}

const fn describe(basis: ManifestBasis) -> &'static str {
    match basis {
        ManifestBasis::Law => "a law or an order (\"law\")",
        ManifestBasis::Provider => "the provider's own policy (\"provider\")",
        ManifestBasis::Subscriber => "the subscriber's wish (\"subscriber\")",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Hash;
    use crate::list::manifest::{Secrecy, Settlement};

    fn manifest() -> Manifest {
        Manifest {
            list: "a".to_owned(),
            authority: "Example Authority".to_owned(),
            basis: ManifestBasis::Law,
            legal_basis: "Example Act".to_owned(),
            action: ListAction::StopPage,
            serial: 1,
            issued: 0,
            expires: 1,
            previous: None,
            entries: 1,
            sha256: Hash::of(b""),
            test_entry: None,
            secrecy: Secrecy::Open,
            settles: Settlement::ByDate,
        }
    }

    fn rules() -> ListRules {
        ListRules {
            id: "a".to_owned(),
            authority: "Example Authority".to_owned(),
            legal_basis: "Loi d'exemple".to_owned(),
            basis: Basis::Law,
            contact: Vec::new(),
            filtering_databases: Vec::new(),
            language: "fr".to_owned(),
            action: Action::StopPage {
                v4: vec![[192, 0, 2, 1].into()],
                v6: Vec::new(),
            },
            ttl_s: 60,
        }
    }

    fn told(manifest: &Manifest, rules: &ListRules) -> Vec<(String, bool)> {
        differences(manifest, rules)
            .iter()
            .map(|difference| (difference.to_string(), difference.contradicts_receipt()))
            .collect()
    }

    #[test]
    fn a_configuration_that_does_as_asked_differs_in_nothing() {
        assert_eq!(told(&manifest(), &rules()), []);
        let (mut manifest, mut rules) = (manifest(), rules());
        manifest.action = ListAction::NxDomain;
        rules.action = Action::NxDomain;
        for (asked, configured) in [
            (ManifestBasis::Provider, Basis::Provider),
            (ManifestBasis::Subscriber, Basis::Subscriber),
        ] {
            (manifest.basis, rules.basis) = (asked, configured);
            assert_eq!(told(&manifest, &rules), []);
        }
    }

    #[test]
    fn every_difference_is_told_in_words() {
        let (mut manifest, mut rules) = (manifest(), rules());
        rules.action = Action::NxDomain;
        let gone = "the manifest asks for a stop page, the configuration answers NXDOMAIN";
        assert_eq!(told(&manifest, &rules), [(gone.to_owned(), true)]);
        manifest.action = ListAction::NxDomain;
        rules.action = self::rules().action;
        rules.id = "A".to_owned();
        rules.authority = "Another Authority".to_owned();
        rules.basis = Basis::Provider;
        let expected = [
            (
                "the manifest asks for NXDOMAIN, the configuration answers with a stop page",
                true,
            ),
            (
                "the manifest is for list \"a\", the configuration calls it \"A\"",
                true,
            ),
            (
                "the manifest names the authority \"Example Authority\", the configuration names \
                 \"Another Authority\"",
                false,
            ),
            (
                "the manifest rests on a law or an order (\"law\"), the configuration on the \
                 provider's own policy (\"provider\")",
                false,
            ),
        ];
        assert_eq!(
            told(&manifest, &rules),
            expected.map(|(words, contradicts)| (words.to_owned(), contradicts))
        );
    }
}
