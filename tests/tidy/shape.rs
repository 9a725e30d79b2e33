//! The shape of a file: its opening sentence, its length, the length of its functions, and names
//! that say nothing.

use super::scan::{Source, Token, is_word};
use super::{Finding, finding};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 400;
const COLUMNS_MAX: usize = 100;
/// Names under which anything can gather.
const EMPTY_NAMES: [&str; 7] = [
    "utils", "common", "helpers", "manager", "handler", "types", "context",
];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let mut findings: Vec<Finding> = opening(source).into_iter().collect();
    findings.extend(file_length(source));
    findings.extend(function_lengths(source, &tokens));
    findings.extend(names(source, &tokens));
    findings
}

/// Lines that rustfmt leaves wide: comments, literals, macros. Test vectors may be as they are.
pub(super) fn columns(source: &Source) -> Vec<Finding> {
    let tests_from = source.tests_from().unwrap_or(usize::MAX);
    let lines = source.text.lines().enumerate();
    let wide = lines.filter(|(at, line)| at + 1 < tests_from && line.chars().count() > COLUMNS_MAX);
    let what = format!("more than {COLUMNS_MAX} columns");
    wide.map(|(at, _)| finding(source, at + 1, &what, "wrap it"))
        .collect()
}

/// A folder's own file is its `mod.rs`: no `foo.rs` stands beside `foo/`.
pub(super) fn folders(sources: &[&Source]) -> Vec<Finding> {
    let has = |folder: &str| sources.iter().any(|source| source.path.starts_with(folder));
    let beside = sources.iter().filter(|source| {
        let folder = source.path.trim_end_matches(".rs");
        folder != source.path && has(&format!("{folder}/"))
    });
    beside
        .map(|source| {
            finding(
                source,
                1,
                "a file beside its folder",
                "make it the folder's mod.rs",
            )
        })
        .collect()
}

fn opening(source: &Source) -> Option<Finding> {
    let opens = source.text.lines().next().is_some_and(|line| {
        line.strip_prefix("//!")
            .is_some_and(|rest| !rest.trim().is_empty())
    });
    (!opens).then(|| {
        finding(
            source,
            1,
            "no opening `//!` line",
            "say in one sentence what the file does and for whom",
        )
    })
}

fn file_length(source: &Source) -> Option<Finding> {
    let lines = source
        .tests_from()
        .map_or_else(|| source.text.lines().count(), |line| line - 1);
    let what = format!("{lines} lines before its tests, more than {FILE_LINES_MAX}");
    (lines > FILE_LINES_MAX).then(|| {
        finding(
            source,
            FILE_LINES_MAX + 1,
            &what,
            "split the file by what its parts are",
        )
    })
}

/// Lines with code between a function's braces; the lines of the braces do not count.
fn function_lengths(source: &Source, tokens: &[Token<'_>]) -> Vec<Finding> {
    let lines: Vec<&str> = source.code.lines().collect();
    let mut findings = Vec::new();
    for (at, token) in tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.text == "fn")
    {
        let Some((first, last)) = body(&tokens[at..]) else {
            continue;
        };
        let length = (first + 1..last)
            .filter(|line| !lines[line - 1].trim().is_empty())
            .count();
        if length > FUNCTION_LINES_MAX {
            let name = tokens.get(at + 1).map_or("", |token| token.text);
            let what =
                format!("`{name}` has {length} lines of code, more than {FUNCTION_LINES_MAX}");
            findings.push(finding(
                source,
                token.line,
                &what,
                "give its steps names of their own",
            ));
        }
    }
    findings
}

/// The lines of the braces around the body of the function that `tokens` starts with; `None` when
/// it has no body.
fn body(tokens: &[Token<'_>]) -> Option<(usize, usize)> {
    if !tokens.get(1)?.text.starts_with(is_word) {
        return None; // a function pointer's type
    }
    let mut nested = 0_i32;
    let open = tokens.iter().position(|token| {
        nested +=
            i32::from(matches!(token.text, "(" | "[")) - i32::from(matches!(token.text, ")" | "]"));
        nested == 0 && matches!(token.text, "{" | ";")
    })?;
    let mut depth = 0_i32;
    let close = tokens[open..].iter().position(|token| {
        depth += i32::from(token.text == "{") - i32::from(token.text == "}");
        depth == 0
    })?;
    (close > 0).then(|| (tokens[open].line, tokens[open + close].line))
}

fn names(source: &Source, tokens: &[Token<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(name) = source
        .modules()
        .into_iter()
        .find(|name| EMPTY_NAMES.contains(name))
    {
        findings.push(finding(
            source,
            1,
            &format!("a module called `{name}`"),
            "name it after the thing it is",
        ));
    }
    for pair in tokens.windows(2) {
        let name = pair[1].text;
        if pair[0].text == "mod" && EMPTY_NAMES.contains(&name) {
            findings.push(finding(
                source,
                pair[1].line,
                &format!("a module called `{name}`"),
                "name it after the thing it is",
            ));
        }
        if pair[0].text == "fn" && name.starts_with("get_") {
            findings.push(finding(
                source,
                pair[1].line,
                &format!("a function called `{name}`"),
                "leave out `get_` or say what it does",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        check(&Source::new(path, text))
    }

    fn function_of(lines: usize) -> String {
        format!(
            "//! A file.\nfn long(a: [u8; 2])\nwhere\n    u8: Copy,\n{{\n{}}}\n",
            "    call();\n    // why\n\n".repeat(lines)
        )
    }

    #[test]
    fn a_long_function_is_refused() {
        assert_eq!(
            findings("src/a.rs", &function_of(FUNCTION_LINES_MAX)),
            Vec::<Finding>::new()
        );
        let found = findings("src/a.rs", &function_of(FUNCTION_LINES_MAX + 1));
        assert!(
            found.len() == 1 && found[0].contains("a.rs:2: `long` has"),
            "{found:?}"
        );
    }

    #[test]
    fn a_function_without_a_body_has_no_length() {
        let text = format!(
            "//! A file.\ntrait A {{ fn a(b: [u8; 2]); }}\ntype F = fn(u8) -> u8;\n\
             mod c {{\n{}}}\n",
            "    const B: F = b;\n".repeat(FUNCTION_LINES_MAX + 20)
        );
        assert_eq!(findings("src/a.rs", &text), Vec::<Finding>::new());
    }

    #[test]
    fn a_long_file_is_refused_but_its_tests_do_not_count() {
        let text = format!(
            "//! A file.\n{}",
            "const A: u8 = 0;\n".repeat(FILE_LINES_MAX - 1)
        );
        let tests = format!(
            "#[cfg(test)]\nmod tests {{\n{}}}\n",
            "    const A: u8 = 0;\n".repeat(FILE_LINES_MAX)
        );
        assert_eq!(
            findings("src/a.rs", &format!("{text}{tests}")),
            Vec::<Finding>::new()
        );
        assert_eq!(
            findings("src/a.rs", &format!("{text}// more\n{tests}")).len(),
            1
        );
        assert_eq!(findings("src/a.rs", &format!("{text}// more\n")).len(), 1);
    }

    #[test]
    fn a_file_opens_with_a_sentence() {
        for text in [
            "",
            "fn a() {}\n",
            "//!\n",
            "\n//! Late.\n",
            "// Not a doc.\n",
        ] {
            assert_eq!(findings("src/a.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn wide_lines_are_refused_outside_tests() {
        let wide = format!("//! A file.\n// {}\n", "x".repeat(COLUMNS_MAX));
        assert_eq!(columns(&Source::new("src/a.rs", &wide)).len(), 1);
        let narrow = format!("//! {}\n", "ü".repeat(COLUMNS_MAX - 4));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{wide}}}\n");
        let text = narrow + &tests;
        assert_eq!(
            columns(&Source::new("src/a.rs", &text)),
            Vec::<Finding>::new()
        );
    }

    #[test]
    fn no_file_stands_beside_its_folder() {
        let sources = ["src/a.rs", "src/b/mod.rs", "src/b/c.rs", "src/ab.rs"];
        let sources = sources.map(|path| Source::new(path, ""));
        let [file, room, inner, other] = &sources;
        assert_eq!(folders(&[file, room, inner, other]), Vec::<Finding>::new());
        let beside = Source::new("src/b.rs", "");
        assert_eq!(folders(&[&beside, room, inner]).len(), 1);
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        let fine = "//! A file.\n";
        assert_eq!(findings("src/common_name.rs", fine), Vec::<Finding>::new());
        for name in EMPTY_NAMES {
            assert_eq!(findings(&format!("src/{name}.rs"), fine).len(), 1);
            assert_eq!(findings(&format!("src/{name}/mod.rs"), fine).len(), 1);
            assert_eq!(findings(&format!("src/list/{name}.rs"), fine).len(), 1);
            assert_eq!(
                findings("src/a.rs", &format!("//! A file.\nmod {name} {{}}\n")).len(),
                1
            );
        }
        assert_eq!(
            findings("src/a.rs", "//! A file.\nfn get_name() {}\n").len(),
            1
        );
        assert_eq!(
            findings(
                "src/a.rs",
                "//! A file.\nfn target() { map.get_mut(1); } // fn get_a\n"
            ),
            Vec::<Finding>::new()
        );
    }
}
