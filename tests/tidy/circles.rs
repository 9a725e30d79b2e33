//! Circles: in each room, a folder of `src/`, its files and the rooms inside it import each other
//! in one direction only.
//!
//! A room's `mod.rs` counts as one of its files for what it says itself; what it only re-exports
//! belongs to the file that says it. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::scan::{Source, Token, is_word, without_tests};

/// A room, what stands in a circle there, and the issue that redraws it.
type Waiting<'a> = (&'a str, &'a [&'a str], u32);
/// Circles that wait for the issue that redraws their room; none is added.
const WAITING: [Waiting<'_>; 0] = [];

/// What a module is called from the crate's root: `["count", "cells"]`.
type Module<'a> = Vec<&'a str>;
/// In each room, who imports whom, and the line where.
type Rooms = BTreeMap<String, BTreeMap<String, BTreeMap<String, usize>>>;

pub(super) fn check(sources: &[&Source]) -> Vec<Finding> {
    check_against(sources, &WAITING)
}

fn check_against(sources: &[&Source], waiting: &[Waiting<'_>]) -> Vec<Finding> {
    let rooms = imports_by_room(sources);
    let mut findings = Vec::new();
    let mut met = BTreeSet::new();
    for (room, imports) in &rooms {
        for circle in circles(imports) {
            let waits = waiting.iter().position(|(waiting, members, _)| {
                waiting == room
                    && circle
                        .iter()
                        .all(|member| members.contains(&member.as_str()))
            });
            match waits {
                Some(at) => drop(met.insert((at, circle))),
                None => findings.push(format!(
                    "src/{room}: {} import each other in a circle; move what both need into a file \
                     below them",
                    name_edges(&circle, imports)
                )),
            }
        }
    }
    for (at, (room, members, issue)) in waiting.iter().enumerate() {
        let left: BTreeSet<&str> = met
            .iter()
            .filter(|(of, _)| *of == at)
            .flat_map(|(_, circle)| circle.iter().map(String::as_str))
            .collect();
        for member in members.iter().filter(|member| !left.contains(**member)) {
            findings.push(format!(
                "tests/tidy/circles.rs: `{member}` in src/{room} waits for #{issue} and is in no \
                 circle; take it out of WAITING"
            ));
        }
    }
    findings
}

/// Read all imports, and put each into the innermost room that holds both its ends.
fn imports_by_room(sources: &[&Source]) -> Rooms {
    let tree = Tree::read(sources);
    let mut rooms = Rooms::new();
    for (own, paths) in &tree.paths {
        for path in paths.iter().filter(|path| !path.is_export) {
            let Some(used) = tree.home_of(own, &path.words) else {
                continue;
            };
            let shared = own
                .iter()
                .zip(&used)
                .take_while(|(own, used)| own == used)
                .count();
            if shared == 0 || *own == used {
                continue; // between modules of the crate's root the layers decide
            }
            let member = |module: &Module<'_>| (*module.get(shared).unwrap_or(&"mod")).to_owned();
            let imports = rooms
                .entry(own[..shared].join("/"))
                .or_default()
                .entry(member(own))
                .or_default();
            imports.entry(member(&used)).or_insert(path.line);
        }
    }
    rooms
}

/// Each set of members that can be reached from each other.
fn circles(imports: &BTreeMap<String, BTreeMap<String, usize>>) -> BTreeSet<BTreeSet<String>> {
    let reach = |from: &str| {
        let (mut reached, mut next) = (BTreeSet::<String>::new(), vec![from.to_owned()]);
        while let Some(member) = next.pop() {
            let fresh = imports
                .get(&member)
                .into_iter()
                .flat_map(BTreeMap::keys)
                .filter(|used| reached.insert((*used).clone()));
            next.extend(fresh.cloned().collect::<Vec<_>>());
        }
        reached
    };
    let all: BTreeMap<&String, BTreeSet<String>> = imports
        .keys()
        .map(|member| (member, reach(member)))
        .collect();
    let circle_of = |member: &String| {
        all[member]
            .iter()
            .filter(|other| all.get(other).is_some_and(|back| back.contains(member)))
            .cloned()
            .collect()
    };
    all.iter()
        .filter(|(member, reached)| reached.contains(**member))
        .map(|(member, _)| circle_of(member))
        .collect()
}

/// The imports inside a circle, so that one can be chosen to go: `a (line 3) uses b, …`.
fn name_edges(
    circle: &BTreeSet<String>,
    imports: &BTreeMap<String, BTreeMap<String, usize>>,
) -> String {
    let uses = |member: &String| {
        let used: Vec<String> = imports[member]
            .iter()
            .filter(|(used, _)| circle.contains(*used))
            .map(|(used, line)| format!("{used} (line {line})"))
            .collect();
        format!("`{member}` → {}", used.join(", "))
    };
    circle.iter().map(uses).collect::<Vec<_>>().join("; ")
}

/// A path in a file's code.
struct Path<'a> {
    words: Vec<&'a str>,
    /// The name that it is used by: its last word, or the one after `as`.
    name: &'a str,
    line: usize,
    /// In a `pub use`: whoever imports it from here uses what stands behind it.
    is_export: bool,
}

/// All files as modules.
struct Tree<'a> {
    paths: BTreeMap<Module<'a>, Vec<Path<'a>>>,
    /// What a file says itself.
    items: BTreeMap<Module<'a>, BTreeSet<&'a str>>,
}

impl<'a> Tree<'a> {
    fn read(sources: &[&'a Source]) -> Self {
        let (mut paths, mut items) = (BTreeMap::new(), BTreeMap::new());
        for source in sources
            .iter()
            .filter(|source| !source.path.ends_with("/tests.rs"))
        {
            let module = source.modules();
            if module != ["lib"] && module != ["main"] {
                let tokens = without_tests(&source.tokens());
                items.insert(module.clone(), items_of(&tokens));
                paths.insert(module, paths_of(&tokens));
            }
        }
        Self { paths, items }
    }

    /// The file that says what `words` name in the file `own`; `None` outside the crate.
    fn home_of(&self, own: &Module<'a>, words: &[&'a str]) -> Option<Module<'a>> {
        let climbs = words.iter().take_while(|word| **word == "super").count();
        let (mut module, mut rest) = match words {
            ["crate", rest @ ..] => (Module::new(), rest),
            ["self", rest @ ..] => (own.clone(), rest),
            ["super", ..] => (
                own.get(..own.len().checked_sub(climbs)?)?.to_vec(),
                words.get(climbs..)?,
            ),
            [first, ..]
                if self
                    .paths
                    .contains_key(&[own.as_slice(), &[*first]].concat()) =>
            {
                (own.clone(), words)
            }
            _ => return None,
        };
        while let [word, after @ ..] = rest {
            let inner = [module.as_slice(), &[*word]].concat();
            if !self.paths.contains_key(&inner) {
                break;
            }
            (module, rest) = (inner, after);
        }
        let Some(name) = rest.first() else {
            return Some(module);
        };
        self.behind(&module, name)
            .or(Some(module))
            .filter(|module| !module.is_empty())
    }

    /// Where a name comes from that `module` re-exports.
    fn behind(&self, module: &Module<'a>, name: &'a str) -> Option<Module<'a>> {
        self.paths
            .get(module)?
            .iter()
            .filter(|path| path.is_export)
            .find_map(|path| {
                let (_, before) = path.words.split_last()?;
                match path.name {
                    "*" => self
                        .home_of(module, before)
                        .filter(|home| self.items[home].contains(name)),
                    used if used == name => self.home_of(module, &path.words),
                    _ => None,
                }
            })
    }
}

/// The names after `fn`, `struct` and their like.
fn items_of<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let says = |word: &str| {
        matches!(
            word,
            "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union"
        )
    };
    tokens
        .windows(2)
        .filter(|pair| says(pair[0].text))
        .map(|pair| pair[1].text)
        .collect()
}

fn paths_of<'a>(tokens: &[Token<'a>]) -> Vec<Path<'a>> {
    let (mut paths, mut at) = (Vec::new(), 0);
    while let Some(token) = tokens.get(at) {
        let follows = |n: usize| tokens.get(at + n).map_or("", |token| token.text);
        if token.text == "use" {
            let before = at.checked_sub(1).map_or("", |at| tokens[at].text);
            at += 1;
            at += read_use(&tokens[at..], matches!(before, "pub" | ")"), &mut paths);
        } else if token.text == "pub" && follows(1) == "(" {
            // Who may see something is no import.
            at += tokens[at..]
                .iter()
                .take_while(|token| token.text != ")")
                .count();
        } else if follows(1) == "::" && token.text.starts_with(is_word) {
            let is_joint = |n: &usize| follows(2 * n - 1) == "::";
            let joints = (1..).take_while(is_joint).count();
            let words: Vec<&str> = (0..=joints).map(|n| follows(2 * n)).collect();
            paths.push(Path {
                name: follows(2 * joints),
                words,
                line: token.line,
                is_export: false,
            });
            at += 2 * joints + 1;
        } else {
            at += 1;
        }
    }
    paths
}

/// Read the tree behind a `use`, a path for each of its branches; says how many tokens it has.
fn read_use<'a>(tokens: &[Token<'a>], is_export: bool, paths: &mut Vec<Path<'a>>) -> usize {
    let (mut words, mut alias, mut is_open) = (Vec::new(), None, false);
    // How many words stand before each open brace.
    let mut braces = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "::" | "as" => {}
            "{" => {
                braces.push(words.len());
                is_open = false;
            }
            "," | "}" | ";" => {
                if is_open {
                    words.pop_if(|last| *last == "self");
                    let name = alias.take().or(words.last().copied()).unwrap_or_default();
                    paths.push(Path {
                        name,
                        words: words.clone(),
                        line: token.line,
                        is_export,
                    });
                    is_open = false;
                }
                if token.text == "}" {
                    braces.pop();
                }
                words.truncate(braces.last().copied().unwrap_or_default());
                if token.text == ";" {
                    return at + 1;
                }
            }
            name if at > 0 && tokens[at - 1].text == "as" => alias = Some(name),
            word => {
                words.push(word);
                is_open = true;
            }
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)], waiting: &[Waiting<'_>]) -> Vec<Finding> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(path, text))
            .collect();
        check_against(&sources.iter().collect::<Vec<_>>(), waiting)
    }

    #[test]
    fn one_direction_is_allowed() {
        let files = [
            (
                "src/list/mod.rs",
                "mod parse;\npub mod table;\npub use table::{Table, Slot as Cell};\nuse \
                 parse::read;\n",
            ),
            (
                "src/list/table.rs",
                "use crate::name::Name;\npub struct Table;\npub struct Slot;\n#[cfg(test)]\nmod \
                 tests { use super::super::parse::read; }\n",
            ),
            (
                "src/list/parse.rs",
                "use super::Table;\nfn read(a: super::Cell) {}\n// use super::mod;\n",
            ),
        ];
        assert_eq!(findings(&files, &[]), Vec::<Finding>::new());
    }

    #[test]
    fn a_circle_is_refused_however_it_is_closed() {
        let a = ("src/list/a.rs", "pub struct A;\nuse super::b::B;\n");
        for (path, text) in [
            ("src/list/b.rs", "pub struct B;\nuse super::a::A;\n"),
            (
                "src/list/b.rs",
                "pub struct B;\nuse crate::{name::{C, d::E}, list::{self as us, a::{self, A as \
                 F}}};\n",
            ),
            ("src/list/b.rs", "pub struct B;\nfn b() -> super::a::A {}\n"),
            (
                "src/list/b/mod.rs",
                "pub mod c;\npub use c::B;\nuse super::A;\n",
            ),
            ("src/list/b/c.rs", "pub struct B;\nuse super::super::A;\n"),
        ] {
            let room = ("src/list/mod.rs", "mod a;\nmod b;\npub use a::*;\n");
            let facade = ("src/list/b/mod.rs", "pub mod c;\npub use c::B;\n");
            let files = if path == "src/list/b/c.rs" {
                vec![room, a, facade, (path, text)]
            } else {
                vec![room, a, (path, text)]
            };
            let found = findings(&files, &[]);
            assert!(
                found.len() == 1 && found[0].starts_with("src/list: `a` → b (line 2); `b` → a"),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn what_a_mod_file_says_itself_counts() {
        let files = [
            ("src/list/mod.rs", "mod a;\npub struct B;\nuse a::A;\n"),
            ("src/list/a.rs", "pub struct A;\nuse super::B;\n"),
        ];
        assert_eq!(findings(&files, &[]).len(), 1);
        assert_eq!(
            findings(&files, &[("list", &["a", "mod"], 13)]),
            Vec::<Finding>::new()
        );
        assert_eq!(findings(&files, &[("list", &["a"], 13)]).len(), 2);
        assert_eq!(
            findings(&files, &[("list", &["a", "mod", "c"], 13)]).len(),
            1
        );
    }
}
