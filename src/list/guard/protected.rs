//! The names that no list may block: public suffixes and names of public importance, in one tree
//! that is asked once an entry.

use std::collections::HashMap;
use std::io::{self, BufRead};

use super::Code;
use crate::list::Scope;
use crate::list::parse::{self, Format, Parsed};
use crate::name::{LABELS_MAX, Name};

/// The public suffix list's rules without their comments, both sections.
const SUFFIXES: &str = include_str!("../../../blocklists/public-suffixes.txt");
/// The names that we ship for protection.
const NEVER_BLOCK: &str = include_str!("../../../blocklists/never-block.txt");

/// A public suffix.
const SUFFIX: u8 = 1;
/// Every name one label below is a public suffix.
const WILDCARD: u8 = 2;
/// No public suffix, although a wildcard says so.
const EXCEPTION: u8 = 4;
/// A public suffix lies below.
const ABOVE_SUFFIX: u8 = 8;
/// Must not be blocked.
const NEVER: u8 = 16;
/// Nothing below may be blocked either.
const NEVER_BELOW: u8 = 32;
/// A name that must not be blocked lies below.
const ABOVE_NEVER: u8 = 64;

/// Names that must not be blocked, by their wire form. With a name all its parents are in it, so
/// that a search from the root can stop at the first name that is missing: for most entries at the
/// second label.
pub struct Protected {
    nodes: HashMap<Box<[u8]>, u8>,
}

impl Protected {
    /// The public suffixes and the names that we ship.
    pub fn shipped() -> Self {
        let mut protected = Self::of_suffixes(SUFFIXES);
        // Reading from memory cannot fail, and a test holds every line of the file to be an entry.
        let _ = protected.read_never_block(NEVER_BLOCK.as_bytes());
        protected
    }

    /// The rules of a public suffix list (publicsuffix.org) in its own format; a rule that is no
    /// name is passed over.
    pub fn of_suffixes(rules: &str) -> Self {
        let mut protected = Self {
            nodes: HashMap::new(),
        };
        for rule in rules
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|rule| !rule.starts_with("//"))
        {
            let (flag, name) = match (rule.strip_prefix("*."), rule.strip_prefix('!')) {
                (Some(name), _) => (WILDCARD, name),
                (None, Some(name)) => (EXCEPTION, name),
                (None, None) => (SUFFIX, rule),
            };
            if let Ok(name) = Name::parse(name) {
                protected.add(
                    &name,
                    flag,
                    if flag == EXCEPTION { 0 } else { ABOVE_SUFFIX },
                );
            }
        }
        protected
    }

    /// Add names in our own format: a name protects itself and everything below it, with `=` in
    /// front itself alone.
    pub fn read_never_block(&mut self, text: impl BufRead) -> io::Result<Parsed> {
        parse::read(text, Format::Plain, |wire, scope| {
            if let Ok(name) = Name::from_wire(wire) {
                self.protect(&name, scope);
            }
        })
    }

    /// Add one name: such as the stop page's host, or those that lists are fetched from.
    pub fn protect(&mut self, name: &Name, scope: Scope) {
        let flags = if scope == Scope::Below {
            NEVER | NEVER_BELOW
        } else {
            NEVER
        };
        self.add(name, flags, ABOVE_NEVER);
    }

    /// What an entry would block too much.
    pub(super) fn judge(&self, wire: &[u8], scope: Scope) -> impl Iterator<Item = Code> + use<> {
        let (starts, labels) = label_starts(wire);
        let (mut whole, mut parent, mut is_below_never) = (0, 0, false);
        for depth in 1..=labels {
            let node = starts
                .get(labels - depth)
                .and_then(|start| wire.get(usize::from(*start)..));
            let Some(&flags) = node.and_then(|node| self.nodes.get(node)) else {
                break;
            };
            match labels - depth {
                0 => whole = flags,
                left => {
                    is_below_never |= flags & NEVER_BELOW != 0;
                    parent = if left == 1 { flags } else { 0 };
                }
            }
        }
        let is_wide = scope == Scope::Below;
        let is_suffix = whole & SUFFIX != 0 || parent & WILDCARD != 0;
        let found = [
            (labels == 0, Code::Root),
            (labels == 1, Code::Tld),
            (
                labels > 1
                    && is_wide
                    && (is_suffix && whole & EXCEPTION == 0
                        || whole & (WILDCARD | ABOVE_SUFFIX) != 0),
                Code::PublicSuffix,
            ),
            (
                whole & NEVER != 0 || is_wide && whole & ABOVE_NEVER != 0,
                Code::NeverBlock,
            ),
            (is_below_never && whole & NEVER == 0, Code::BelowNeverBlock),
        ];
        found
            .into_iter()
            .filter_map(|(is_found, code)| is_found.then_some(code))
    }

    fn add(&mut self, name: &Name, flags: u8, above: u8) {
        let (starts, labels) = label_starts(name.as_wire());
        for (at, start) in starts.iter().take(labels).enumerate() {
            let node = name
                .as_wire()
                .get(usize::from(*start)..)
                .unwrap_or_default();
            *self.nodes.entry(node.into()).or_insert(0) |= if at == 0 { flags } else { above };
        }
    }
}

/// Where each label starts, from the left, and how many there are.
fn label_starts(wire: &[u8]) -> ([u8; LABELS_MAX], usize) {
    let mut starts = [0; LABELS_MAX];
    let (mut at, mut count) = (0_usize, 0);
    while let Some(&len) = wire.get(at).filter(|len| **len > 0) {
        let Some(start) = starts.get_mut(count) else {
            break;
        };
        *start = u8::try_from(at).unwrap_or(u8::MAX);
        at += 1 + usize::from(len);
        count += 1;
    }
    (starts, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(protected: &Protected, name: &str) -> Vec<Code> {
        protected
            .judge(Name::parse(name).unwrap().as_wire(), Scope::Below)
            .collect()
    }

    #[test]
    fn what_we_ship_is_in_order() {
        let mut protected = Protected::of_suffixes(SUFFIXES);
        let parsed = protected.read_never_block(NEVER_BLOCK.as_bytes()).unwrap();
        assert_eq!(
            (parsed.rejects_shown.as_slice(), parsed.entries > 100),
            (&[][..], true)
        );
        for rule in SUFFIXES
            .lines()
            .filter(|line| !line.starts_with("//") && !line.is_empty())
        {
            assert!(
                Name::parse(rule.trim_start_matches(['*', '.', '!'])).is_ok(),
                "{rule}"
            );
        }
    }

    #[test]
    fn the_incidents_would_have_been_held() {
        let protected = Protected::shipped();
        for name in [
            "co.uk",
            "github.io",
            "xn--55qx5d.cn",
            "kawasaki.jp",
            "a.kawasaki.jp",
        ] {
            assert!(
                codes(&protected, name).contains(&Code::PublicSuffix),
                "{name}"
            );
        }
        assert_eq!(
            codes(&protected, "co.uk"),
            [Code::PublicSuffix, Code::NeverBlock],
            "a search engine lies below"
        );
        for name in ["google.com", "interpol.int", "wikipedia.org"] {
            assert!(
                codes(&protected, name).contains(&Code::NeverBlock),
                "{name}"
            );
        }
        assert_eq!(
            codes(&protected, "www.interpol.int"),
            [Code::BelowNeverBlock]
        );
        for name in [
            "blocked.example",
            "city.kawasaki.jp",
            "blocked.co.uk",
            "a.github.io",
        ] {
            assert_eq!(codes(&protected, name), [], "{name}");
        }
    }
}
