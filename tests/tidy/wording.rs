//! Words that no file of the repository holds. They are written in two halves here, so that this
//! file passes its own rules.

use super::scan::{Source, is_word};
use super::{Finding, finding};

/// Names for lists that say who is good and who is bad, or hide what happens.
const REFUSED_WORDS: [&str; 3] = [
    concat!("black", "list"),
    concat!("white", "list"),
    concat!("sink", "hole"),
];
/// Hosts of package registries: a mirror may stand in for them.
const REGISTRIES: [&str; 8] = [
    concat!("crates", ".io"),
    concat!("npm", "js."),
    concat!("py", "pi."),
    concat!("ruby", "gems.org"),
    concat!("docker", ".io"),
    concat!("ghcr", ".io"),
    concat!("quay", ".io"),
    concat!("proxy.go", "lang"),
];
/// Folders of somebody's machine.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/", "tmp/w"),
    concat!("/", "work"),
    concat!("/", "root"),
    concat!("/", "home"),
];
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
/// Written by cargo, which names the registry in it.
const LOCK: &str = "Cargo.lock";

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if source.path == LOCK {
        return findings;
    }
    for (at, line) in source.text.lines().enumerate() {
        let mut refuse =
            |what: String, remedy: &str| findings.push(finding(source, at + 1, &what, remedy));
        let lower = line.to_lowercase();
        for word in REFUSED_WORDS.iter().filter(|word| lower.contains(**word)) {
            refuse(
                format!("the word `{word}`"),
                "use the glossary's words: list, entry, block, exempt",
            );
        }
        for host in REGISTRIES.iter().filter(|host| lower.contains(**host)) {
            refuse(
                format!("the registry host `{host}`"),
                "name the package, not where it is fetched from",
            );
        }
        for path in MACHINE_PATHS.iter().filter(|path| names_folder(line, path)) {
            refuse(
                format!("a path below `{path}`"),
                "write it from the repository's root, or pass it in",
            );
        }
        for word in UNFINISHED
            .iter()
            .filter(|word| !source.path.ends_with(".md") && is_unnumbered(line, word))
        {
            refuse(
                format!("`{word}` without an issue number"),
                "write the number behind it, like `(#12)`, or do it now",
            );
        }
    }
    findings
}

/// `path` as a folder from the root: nothing of a longer path in front of it, and not merely the
/// start of a longer name.
fn names_folder(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let starts = !line[..at]
            .ends_with(|c: char| is_word(c) || matches!(c, '.' | '-' | '~' | '}' | '*' | ')'));
        let ends = line[at + path.len()..].starts_with('/');
        starts && ends
    })
}

fn is_unnumbered(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let after = &line[at + word.len()..];
        let whole = !line[..at].ends_with(is_word) && !after.starts_with(is_word);
        let numbered = after
            .trim_start_matches(['(', ' ', ':'])
            .strip_prefix('#')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        whole && !numbered
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn refused_words_are_found_in_code_and_documents() {
        for word in REFUSED_WORDS {
            assert_eq!(findings("src/a.rs", &format!("fn {word}_of() {{}}")), 1);
            assert_eq!(
                findings("README.md", &format!("A {}.", word.to_uppercase())),
                1
            );
        }
        assert_eq!(findings("README.md", "A blocklist is a list."), 0);
    }

    #[test]
    fn registry_hosts_are_found() {
        for host in REGISTRIES {
            assert_eq!(
                findings(".ci/run", &format!("curl https://static.{host}x")),
                1,
                "{host}"
            );
            assert_eq!(findings(LOCK, host), 0);
        }
    }

    #[test]
    fn machine_paths_are_found() {
        for path in MACHINE_PATHS {
            assert_eq!(
                findings("README.md", &format!("see {path}/notes")),
                1,
                "{path}"
            );
            assert_eq!(
                findings("src/a.rs", &format!("const A: &str = \"{path}/a\";")),
                1,
                "{path}"
            );
            assert_eq!(
                findings(
                    "README.md",
                    &format!("https://example.test{path}/a and ./our{path}/b and {path}y/c")
                ),
                0,
                "{path}"
            );
        }
    }

    #[test]
    fn unfinished_work_has_a_number() {
        for word in UNFINISHED {
            assert_eq!(findings("src/a.rs", &format!("// {word}: later")), 1);
            assert_eq!(
                findings(
                    "src/a.rs",
                    &format!("// {word} (#12): one\n// {word}(#3) and {word}: #4\n")
                ),
                0
            );
            assert_eq!(
                findings("src/a.rs", &format!("// {word} someday, see #4")),
                1
            );
            assert_eq!(
                findings("CONTRIBUTING.md", &format!("No {word} without a number.")),
                0
            );
        }
    }
}
