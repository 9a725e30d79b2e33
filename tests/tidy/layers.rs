//! The layers: src/lib.rs lists them, lowest first, and a module uses only what stands in a layer
//! before its own.

use super::scan::{Source, Token};
use super::{Finding, finding};

/// A module of the crate's root and the number of its layer.
pub(super) type Layers = Vec<(String, u32)>;

/// The one module that ties the others together: it may use its neighbours in the last layer.
const SPINE_OF_THE_PROGRAM: &str = "commands";

/// The modules that read the configuration.
const READERS: [&str; 2] = ["engine", SPINE_OF_THE_PROGRAM];

/// Read the groups from the comment lines (`// 1 words`) and the modules below them.
pub(super) fn read(root: &Source) -> (Layers, Vec<Finding>) {
    let (mut layers, mut findings, mut layer) = (Layers::new(), Vec::new(), 0);
    for (at, line) in root.text.lines().enumerate() {
        let heading = line
            .strip_prefix("// ")
            .and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
        let module = line
            .trim_start_matches("pub ")
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(';'));
        if let Some(number) = heading {
            if number != layer + 1 {
                findings.push(finding(
                    root,
                    at + 1,
                    "the layers are not numbered 1, 2, 3 …",
                    "put the headings in order",
                ));
            }
            layer = number;
        }
        if let Some(module) = module {
            if layer == 0 {
                findings.push(finding(
                    root,
                    at + 1,
                    &format!("`{module}` stands in no layer"),
                    "put it below a heading like `// 1 words`",
                ));
            }
            layers.push((module.to_owned(), layer));
        }
    }
    (layers, findings)
}

/// Every path to the crate's root in `source` leads down.
pub(super) fn check(source: &Source, layers: &Layers) -> Vec<Finding> {
    let tokens = source.tokens();
    match source.modules()[..] {
        ["lib"] => Vec::new(),
        ["main"] => check_main(source, &tokens),
        [own, ..] => check_module(source, &tokens, own, layers),
        [] => Vec::new(),
    }
}

fn check_module(source: &Source, tokens: &[Token<'_>], own: &str, layers: &Layers) -> Vec<Finding> {
    let Some(own_layer) = layer_of(layers, own) else {
        return vec![finding(
            source,
            1,
            &format!("`{own}` is not in src/lib.rs"),
            "name it there in its layer",
        )];
    };
    let mut findings = climbs_to_the_root(source, tokens);
    for used in uses_of_the_root(tokens) {
        let remedy = match layer_of(layers, used.text) {
            _ if used.text == own => continue,
            None => "name a module of src/lib.rs after `crate::`",
            Some(_) if used.text == "config" && !READERS.contains(&own) => {
                "give the module its own `Settings`, which config fills (only engine and commands \
                 read config)"
            }
            Some(_) if own == SPINE_OF_THE_PROGRAM => continue,
            Some(layer) if layer < own_layer => continue,
            Some(_) => "move what both need into a lower layer, or pass it in from above",
        };
        findings.push(finding(
            source,
            used.line,
            &format!("`{own}` uses `crate::{}`", used.text),
            remedy,
        ));
    }
    findings
}

fn layer_of(layers: &Layers, module: &str) -> Option<u32> {
    layers
        .iter()
        .find(|(name, _)| name == module)
        .map(|&(_, layer)| layer)
}

/// The first word after each `crate::`, those inside braces included.
fn uses_of_the_root<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut uses = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = |n: usize| tokens.get(at + n).map_or("", |token| token.text);
        match (token.text, next(1), next(2)) {
            ("crate", "::", "{") => uses.extend(heads_in_braces(&tokens[at + 2..])),
            ("crate", "::", _) => uses.extend(tokens.get(at + 2).copied()),
            ("crate", "as", _) => uses.push(*token),
            _ => {}
        }
    }
    uses
}

/// The first word of each path between the brace that `tokens` starts with and its partner.
fn heads_in_braces<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let (mut heads, mut depth) = (Vec::new(), 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        let starts = matches!(token.text, "{" | ",") && depth == 1;
        heads.extend(
            tokens
                .get(at + 1)
                .copied()
                .filter(|next| starts && next.text != "}"),
        );
        if depth == 0 {
            break;
        }
    }
    heads
}

/// `super::` as often as it takes to reach the crate's root hides a use of another module.
fn climbs_to_the_root(source: &Source, tokens: &[Token<'_>]) -> Vec<Finding> {
    let (mut findings, mut braces, mut climbed) = (Vec::new(), Vec::new(), 0);
    for (at, token) in tokens.iter().enumerate() {
        let before = |n: usize| at.checked_sub(n).map_or("", |at| tokens[at].text);
        match token.text {
            "{" => braces.push(before(2) == "mod"),
            "}" => drop(braces.pop()),
            "super" => {
                climbed = if before(1) == "::" { climbed + 1 } else { 1 };
                let depth =
                    source.modules().len() + braces.iter().filter(|&&is_module| is_module).count();
                if climbed >= depth {
                    findings.push(finding(
                        source,
                        token.line,
                        "`super` reaches the crate's root",
                        "write `crate::` and the module",
                    ));
                }
            }
            _ => {}
        }
    }
    findings
}

/// The program is thin: it has no modules and names nothing but the standard library and the crate.
fn check_main(source: &Source, tokens: &[Token<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut imported: Vec<&str> = Vec::new();
    let mut in_use = false;
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |at| tokens[at].text);
        let after = tokens.get(at + 1).map_or("", |token| token.text);
        in_use = (in_use || token.text == "use") && token.text != ";";
        let heads_a_path = after == "::"
            && before != "::"
            && token.text.starts_with(|c: char| c.is_ascii_lowercase());
        let is_ours = matches!(token.text, "std" | "wardline") || imported.contains(&token.text);
        if in_use {
            imported.push(token.text);
        }
        if token.text == "mod" || (heads_a_path && !is_ours && (!in_use || before == "use")) {
            findings.push(finding(
                source,
                token.line,
                &format!("src/main.rs names `{}`", token.text),
                "move the work into a module of wardline",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "// 1 words\npub mod name;\npub mod clock;\n\n// 2 shapes\npub mod \
                        list;\n\n// 3 edge\npub mod control;\npub mod config;\npub mod \
                        commands;\n";

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        let (layers, faults) = read(&Source::new("src/lib.rs", ROOT));
        assert_eq!(faults, Vec::<Finding>::new());
        check(&Source::new(path, text), &layers)
    }

    #[test]
    fn uses_that_lead_down_are_allowed() {
        let quiet = Vec::<Finding>::new();
        assert_eq!(
            findings(
                "src/list/mod.rs",
                "use crate::name::Name;\nuse crate::list::a::{B, c::D};\n"
            ),
            quiet
        );
        assert_eq!(
            findings(
                "src/commands/serve.rs",
                "use crate::{config::File, control, name::Name};\n"
            ),
            quiet
        );
        assert_eq!(
            findings(
                "src/list/plain.rs",
                "// crate::config\nconst A: &str = \"crate::config\";\nuse super::a;\n"
            ),
            quiet
        );
        assert_eq!(
            findings(
                "src/name.rs",
                "pub(crate) fn a() {}\nmod tests {\n    use super::*;\n}\n"
            ),
            quiet
        );
    }

    #[test]
    fn uses_upward_and_sideways_are_refused() {
        for (path, text) in [
            ("src/name.rs", "//!\nuse crate::list::a;\n"),
            ("src/name.rs", "//!\nuse crate::clock::a;\n"),
            (
                "src/name.rs",
                "//!\nuse crate::{name::{a, b}, list::{a}};\n",
            ),
            ("src/name.rs", "//!\nfn a() { crate::list::a() }\n"),
            (
                "src/name.rs",
                "//!\n#[cfg(test)] mod tests { use crate::list::a; }\n",
            ),
            ("src/name.rs", "//!\nuse super::list;\n"),
            ("src/list/plain.rs", "//!\nuse super::super::config;\n"),
            (
                "src/list/plain.rs",
                "//!\nmod tests { use super::super::super::config; }\n",
            ),
            ("src/name.rs", "//!\nuse crate::*;\n"),
            ("src/name.rs", "//!\nuse crate as me;\n"),
            ("src/name.rs", "//!\nuse crate::nowhere;\n"),
        ] {
            let found = findings(path, text);
            assert!(
                found.len() == 1 && found[0].starts_with(&format!("{path}:2: ")),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn config_is_for_commands_alone() {
        assert!(findings("src/control/mod.rs", "use crate::config::A;\n")[0].contains("Settings"));
        assert!(findings("src/list/mod.rs", "use crate::config::A;\n")[0].contains("Settings"));
        assert_eq!(
            findings("src/config/mod.rs", "use crate::control::A;\n").len(),
            1
        );
        assert_eq!(
            findings("src/control/mod.rs", "use crate::commands::A;\n").len(),
            1
        );
    }

    #[test]
    fn a_module_needs_a_layer() {
        assert_eq!(findings("src/stray.rs", "//!\n").len(), 1);
        assert_eq!(
            read(&Source::new(
                "src/lib.rs",
                "pub mod name;\n// 1 words\n// 3 shapes\n"
            ))
            .1
            .len(),
            2
        );
    }

    #[test]
    fn main_stays_thin() {
        let thin = "use std::process::ExitCode;\nuse wardline::{commands::run, name};\nfn main() \
                    -> ExitCode { name::a(); wardline::b() }\n";
        assert_eq!(findings("src/main.rs", thin), Vec::<Finding>::new());
        for fat in [
            "mod a;",
            "use clap::Parser;",
            "fn main() { clap::a() }",
            "use crate::a;",
        ] {
            assert_eq!(findings("src/main.rs", fat).len(), 1, "{fat}");
        }
    }
}
