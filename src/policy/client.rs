//! Turns a client's address into what may be known of it: allowed or not, and which group. Here the
//! address ends.

use std::net::IpAddr;

use ipnet::IpNet;

use super::prefixes::Prefixes;
use crate::list::ListIndex;

/// The clients' group, an index; nothing about the client can be learned from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group(u16);

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Ask, with the lists of its group.
    Allowed(Group),
    /// Not ask.
    Refused,
}

/// A group of clients as configured.
#[derive(Clone, Debug)]
pub struct GroupSettings {
    /// For `wardline why`.
    pub name: String,
    /// Whose addresses belong to it.
    pub prefixes: Vec<IpNet>,
    /// The lists that apply, in the order of the configuration; none exempts the group.
    pub lists: Vec<ListIndex>,
}

/// Who may ask and who belongs to which group; fixed: another one takes its place.
#[derive(Debug)]
pub struct Clients {
    allowed: Prefixes<()>,
    grouped: Prefixes<Group>,
    groups: Vec<(String, Box<[ListIndex]>)>,
}

/// The name of the group that everybody belongs to who is in no other.
const EVERYBODY: &str = "everybody";

impl Clients {
    /// Allow the clients in `allow`; `lists`, in this order, apply to those in none of `groups`.
    pub fn new(allow: &[IpNet], groups: &[GroupSettings], lists: &[ListIndex]) -> Self {
        let mut clients = Self {
            allowed: Prefixes::default(),
            grouped: Prefixes::default(),
            groups: vec![(EVERYBODY.to_owned(), lists.into())],
        };
        for prefix in allow {
            clients.allowed.insert(*prefix, ());
        }
        for settings in groups {
            let group = Group(clients.groups.len() as u16);
            clients
                .groups
                .push((settings.name.clone(), settings.lists.as_slice().into()));
            for prefix in &settings.prefixes {
                clients.grouped.insert(*prefix, group);
            }
        }
        clients
    }

    /// What the client at `address` may do; the longest prefix decides its group.
    pub fn classify(&self, address: IpAddr) -> Standing {
        if self.allowed.find(address).is_none() {
            return Standing::Refused;
        }
        Standing::Allowed(self.grouped.find(address).unwrap_or(Group(0)))
    }

    /// The lists that apply to a group, in the order in which they are asked.
    pub fn lists(&self, group: Group) -> &[ListIndex] {
        self.groups
            .get(usize::from(group.0))
            .map(|(_, lists)| &**lists)
            .unwrap_or_default()
    }

    /// All groups with their names, everybody's first.
    pub fn groups(&self) -> impl Iterator<Item = (Group, &str)> {
        self.groups
            .iter()
            .enumerate()
            .map(|(index, (name, _))| (Group(index as u16), name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let nets = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| text.parse().unwrap())
                .collect::<Vec<IpNet>>()
        };
        let group = |name: &str, prefixes: &[&str], lists: &[ListIndex]| GroupSettings {
            name: name.to_owned(),
            prefixes: nets(prefixes),
            lists: lists.to_vec(),
        };
        let groups = [
            group("schools", &["10.1.0.0/16", "2001:db8:1::/48"], &[1]),
            group("investigators", &["10.1.2.3/32"], &[]),
        ];
        let clients = Clients::new(
            &nets(&["10.0.0.0/8", "10.1.2.0/24", "2001:db8::/32"]),
            &groups,
            &[0, 1],
        );
        let lists = |address: &str| match clients.classify(address.parse().unwrap()) {
            Standing::Allowed(group) => Some(clients.lists(group).to_vec()),
            Standing::Refused => None,
        };
        assert_eq!(lists("10.9.9.9"), Some(vec![0, 1]));
        assert_eq!(lists("10.1.2.9"), Some(vec![1]));
        assert_eq!(lists("::ffff:10.1.2.3"), Some(vec![]));
        assert_eq!(lists("2001:db8:1::5"), Some(vec![1]));
        assert_eq!(lists("2001:db8:2::5"), Some(vec![0, 1]));
        assert_eq!(lists("192.0.2.1"), None);
        assert_eq!(lists("2001:db9::1"), None);
        assert_eq!(
            clients.groups().map(|(_, name)| name).collect::<Vec<_>>(),
            ["everybody", "schools", "investigators"]
        );
    }
}
