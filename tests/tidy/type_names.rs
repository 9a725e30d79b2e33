//! Type names: one name, one type. The share of types that have their name alone only grows.

use std::collections::BTreeMap;

use super::Finding;
use super::scan::{Source, without_tests};

/// Names that say the same in every module that has them.
const ALIKE: [&str; 3] = ["Args", "Error", "Settings"];
/// Types that may share their name with another one; lower it to what is reached.
const SHARED_MAX: usize = 2;

pub(super) fn check(sources: &[&Source]) -> Vec<Finding> {
    check_against(sources, SHARED_MAX)
}

fn check_against(sources: &[&Source], shared_max: usize) -> Vec<Finding> {
    let mut types = BTreeMap::<&str, Vec<String>>::new();
    for source in sources {
        for (name, line) in types_of(source) {
            let place = format!("{}:{line}", source.path);
            types.entry(name).or_default().push(place);
        }
    }
    let shared = types.into_iter().filter(|(_, places)| places.len() > 1);
    let shared: Vec<(&str, Vec<String>)> = shared.collect();
    let count = shared.iter().map(|(_, places)| places.len()).sum::<usize>();
    if count == shared_max {
        return Vec::new();
    }
    let remedy = if count > shared_max {
        "give each the name of what it is in its own room"
    } else {
        "lower SHARED_MAX in tests/tidy/type_names.rs to that"
    };
    let names = shared
        .iter()
        .map(|(name, places)| format!("{name} ({})", places.join(", ")));
    let names = names.collect::<Vec<_>>().join("; ");
    vec![format!(
        "{count} types share a name, {shared_max} may: {names}; {remedy}"
    )]
}

/// The types that a file defines outside its tests, with their lines.
fn types_of(source: &Source) -> Vec<(&str, usize)> {
    if source.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let tokens = without_tests(&source.tokens());
    let defines = |word: &str| matches!(word, "struct" | "enum" | "trait" | "union");
    tokens
        .windows(2)
        .filter(|pair| defines(pair[0].text) && !ALIKE.contains(&pair[1].text))
        .map(|pair| (pair[1].text, pair[1].line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)], shared_max: usize) -> Vec<Finding> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(path, text))
            .collect();
        check_against(&sources.iter().collect::<Vec<_>>(), shared_max)
    }

    #[test]
    fn a_name_that_stands_twice_is_counted() {
        let files = [
            (
                "src/a.rs",
                "struct One;\nstruct Settings;\n// struct Two;\n",
            ),
            ("src/b.rs", "pub enum Two {}\npub struct Settings;\n"),
            (
                "src/c.rs",
                "trait One {}\n#[cfg(test)]\nmod tests { struct Two; }\n",
            ),
            ("src/c/tests.rs", "struct Two;\n"),
        ];
        assert_eq!(findings(&files, 2), Vec::<Finding>::new());
        let more = findings(&files, 1);
        assert!(
            more.len() == 1 && more[0].contains("One (src/a.rs:1, src/c.rs:1)"),
            "{more:?}"
        );
        assert!(findings(&files, 3)[0].contains("lower SHARED_MAX"));
    }
}
