//! Which kept answers a change of the configuration makes wrong: what was learnt on another way, or
//! by other rules, is forgotten, and nothing else.

use tracing::info;

use crate::answer::local;
use crate::cache::{Cache, Flush, FlushKind};
use crate::name::Name;
use crate::resolve::{self, Route};

/// With more names than this all is forgotten: each takes a walk through the whole cache.
const NAMES_MAX: usize = 16;

/// What is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Forgotten {
    Nothing,
    /// These names and all below them.
    Below(Vec<Name>),
    All,
}

impl Forgotten {
    /// What is wrong after a change of the way outside.
    pub(super) fn of_ways(before: &resolve::Settings, after: &resolve::Settings) -> Self {
        let mut names = Vec::new();
        add_routes(&before.zones, &after.zones, &mut names);
        let [old, new] = [before, after].map(|settings| &settings.recurse);
        add_differing(&old.negative_anchors, &new.negative_anchors, &mut names);
        add_differing(&old.own_names, &new.own_names, &mut names);
        if with_names_and_transport_of(before, after) == *after {
            Self::below(names)
        } else {
            Self::All
        }
    }

    /// What is wrong after a change of the names that are answered here.
    pub(super) fn of_local(before: &local::Settings, after: &local::Settings) -> Self {
        let mut names = Vec::new();
        let [old, new] = [before, after].map(|settings| &settings.addresses);
        let differing = differing(old, new);
        names.extend(differing.map(|(name, _)| name.clone()));
        add_differing(&before.nowhere, &after.nowhere, &mut names);
        add_differing(&before.nowhere_except, &after.nowhere_except, &mut names);
        add_differing(&before.tcp_only, &after.tcp_only, &mut names);
        Self::below(names)
    }

    fn below(mut names: Vec<Name>) -> Self {
        names.sort_unstable();
        names.dedup();
        match names.len() {
            0 => Self::Nothing,
            1..=NAMES_MAX => Self::Below(names),
            _ => Self::All,
        }
    }

    /// Forget it.
    pub(super) fn flush(&self, cache: &Cache) {
        let mut count = 0;
        match self {
            Self::Nothing => {}
            Self::All => count += cache.flush(Flush::All, FlushKind::Any),
            Self::Below(names) => {
                for name in names {
                    count += cache.flush(Flush::Below(name), FlushKind::Any);
                }
            }
        }
        if count > 0 {
            info!("{count} kept answers were forgotten: they came by other ways or rules");
        }
    }
}

/// `before` with what changes no answer, or those of some names alone, as in `after`.
fn with_names_and_transport_of(
    before: &resolve::Settings,
    after: &resolve::Settings,
) -> resolve::Settings {
    let mut same = before.clone();
    same.zones.clone_from(&after.zones);
    same.patience = after.patience;
    let (recurse, next) = (&mut same.recurse, &after.recurse);
    recurse.negative_anchors.clone_from(&next.negative_anchors);
    recurse.own_names.clone_from(&next.own_names);
    recurse.plain_spelling.clone_from(&next.plain_spelling);
    recurse.outgoing.clone_from(&next.outgoing);
    recurse.root_hints.clone_from(&next.root_hints);
    recurse.root_copy.clone_from(&next.root_copy);
    recurse.signal_anchors = next.signal_anchors;
    recurse.kept_anchors.clone_from(&next.kept_anchors);
    recurse.minimise = next.minimise;
    recurse.ipv4 = next.ipv4;
    recurse.ipv6 = next.ipv6;
    recurse.edns_octets = next.edns_octets;
    recurse.prime = next.prime;
    if let (Some(forward), Some(next)) = (&mut same.forward, &after.forward) {
        forward.timeout = next.timeout;
        forward.attempts = next.attempts;
        forward.edns_octets = next.edns_octets;
        forward.outgoing.clone_from(&next.outgoing);
    }
    same
}

/// The zones that go another way.
fn add_routes(before: &[Route], after: &[Route], names: &mut Vec<Name>) {
    let one_way = |from: &[Route], to: &[Route], names: &mut Vec<Name>| {
        let differs = from.iter().filter(|route| !to.contains(route));
        names.extend(differs.map(|route| route.name.clone()));
    };
    one_way(before, after, names);
    one_way(after, before, names);
}

fn add_differing(before: &[Name], after: &[Name], names: &mut Vec<Name>) {
    names.extend(differing(before, after).cloned());
}

/// What stands in one of both alone.
fn differing<'a, T: PartialEq>(
    before: &'a [T],
    after: &'a [T],
) -> impl Iterator<Item = &'a T> + use<'a, T> {
    let gone = before.iter().filter(|one| !after.contains(one));
    gone.chain(after.iter().filter(|one| !before.contains(one)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::{Target, forward, recurse};

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn settings() -> resolve::Settings {
        resolve::Settings {
            recurse: recurse::Settings::default(),
            forward: None,
            zones: Vec::new(),
            private_names: None,
            patience: std::time::Duration::from_secs(4),
            dns64: None,
            renumbering: Vec::new(),
        }
    }

    /// What a change of the way outside makes wrong.
    fn after(change: impl FnOnce(&mut resolve::Settings)) -> Forgotten {
        let mut next = settings();
        change(&mut next);
        Forgotten::of_ways(&settings(), &next)
    }

    #[test]
    fn what_goes_another_way_is_forgotten_and_nothing_else() {
        let stub = Route {
            name: name("corp.example"),
            target: Target::Stub(Vec::new()),
        };
        let below = |text| Forgotten::Below(vec![name(text)]);
        assert_eq!(after(|_| {}), Forgotten::Nothing);
        assert_eq!(after(|next| next.zones.push(stub)), below("corp.example"));
        let anchors = |next: &mut resolve::Settings| {
            next.recurse.negative_anchors.push(name("broken.example"));
        };
        assert_eq!(after(anchors), below("broken.example"));
        assert_eq!(
            after(|next| next.recurse.minimise ^= true),
            Forgotten::Nothing
        );
        assert_eq!(after(|next| next.recurse.validate ^= true), Forgotten::All);
        let forwards = |next: &mut resolve::Settings| {
            next.forward = Some(forward::Settings::default());
        };
        assert_eq!(after(forwards), Forgotten::All);
        let many = |next: &mut resolve::Settings| {
            let names = (0..=NAMES_MAX).map(|n| name(&format!("n{n}.example")));
            next.recurse.own_names.extend(names);
        };
        assert_eq!(after(many), Forgotten::All);
    }

    #[test]
    fn a_name_that_is_answered_here_is_forgotten_before_and_after() {
        let address = |last: u8| (name("a.example"), [192, 0, 2, last].into());
        let with = |addresses| local::Settings {
            addresses,
            ..local::Settings::default()
        };
        let (one, two) = (with(vec![address(1)]), with(vec![address(2)]));
        let below = Forgotten::Below(vec![name("a.example")]);
        assert_eq!(Forgotten::of_local(&one, &two), below);
        assert_eq!(Forgotten::of_local(&one, &one), Forgotten::Nothing);
        assert_eq!(
            Forgotten::of_local(&one, &local::Settings::default()),
            below
        );
    }
}
