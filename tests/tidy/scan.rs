//! Reading files for the rules: a text, its code without comments and strings, and the code's
//! tokens.

use std::fs;
use std::path::Path;

/// One file of the repository.
pub(super) struct Source {
    /// From the repository's root, with slashes: `src/count/cells.rs`.
    pub(super) path: String,
    /// The file as it is.
    pub(super) text: String,
    /// The same lines with comments left out and the insides of string and character literals
    /// turned into quotes.
    pub(super) code: String,
}

/// An identifier, a number, `::` or one sign.
#[derive(Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// Counted from 1.
    pub(super) line: usize,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") {
            strip(text)
        } else {
            String::new()
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
        }
    }

    pub(super) fn is_rust_under(&self, folder: &str) -> bool {
        self.path.starts_with(folder) && self.path.ends_with(".rs")
    }

    /// The path below `src/` as modules: `src/count/mod.rs` is `["count"]`, `src/lib.rs` is
    /// `["lib"]`.
    pub(super) fn modules(&self) -> Vec<&str> {
        let inner = self
            .path
            .strip_prefix("src/")
            .unwrap_or(&self.path)
            .trim_end_matches(".rs");
        inner
            .strip_suffix("/mod")
            .unwrap_or(inner)
            .split('/')
            .collect()
    }

    /// The line of `#[cfg(test)]` above the file's own module of tests; a file `tests.rs` is tests
    /// from its first line.
    pub(super) fn tests_from(&self) -> Option<usize> {
        if self.path.ends_with("/tests.rs") {
            return Some(1);
        }
        let lines: Vec<&str> = self.code.lines().map(str::trim).collect();
        let is_tests = |at: &usize| {
            let below = lines[at + 1..]
                .iter()
                .find(|line| !line.is_empty() && !line.starts_with("#["));
            lines[*at] == "#[cfg(test)]" && below.is_some_and(|line| line.starts_with("mod "))
        };
        (0..lines.len()).find(is_tests).map(|at| at + 1)
    }

    pub(super) fn tokens(&self) -> Vec<Token<'_>> {
        let mut tokens = Vec::new();
        for (at, line) in self.code.lines().enumerate() {
            let mut rest = line;
            while let Some(first) = rest.chars().next() {
                let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
                let length = match first {
                    _ if word > 0 => word,
                    ':' if rest.starts_with("::") => 2,
                    _ => first.len_utf8(),
                };
                let (text, after) = rest.split_at(length);
                if !first.is_whitespace() && first != '"' {
                    tokens.push(Token { text, line: at + 1 });
                }
                rest = after;
            }
        }
        tokens
    }
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Leave out each item under `#[cfg(test)]`.
pub(super) fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while let Some(token) = tokens.get(at) {
        let attribute: Vec<&str> = tokens[at..]
            .iter()
            .take(7)
            .map(|token| token.text)
            .collect();
        if attribute == ["#", "[", "cfg", "(", "test", ")", "]"] {
            at += 7 + item_length(&tokens[at + 7..]);
        } else {
            kept.push(*token);
            at += 1;
        }
    }
    kept
}

/// How many tokens an item has: to its `;` or its last brace.
fn item_length(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_i32;
    let end = tokens.iter().position(|token| {
        depth += i32::from(matches!(token.text, "(" | "[" | "{"))
            - i32::from(matches!(token.text, ")" | "]" | "}"));
        depth == 0 && matches!(token.text, ";" | "}")
    });
    end.map_or(tokens.len(), |end| end + 1)
}

/// Leave out comments and the insides of literals; every line keeps its number.
fn strip(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let (end, filler) = piece(&chars, at);
        match filler {
            None => code.push(chars[at]),
            Some(filler) => code.extend(
                chars[at..end]
                    .iter()
                    .map(|&c| if c == '\n' { c } else { filler }),
            ),
        }
        at = end;
    }
    code
}

/// Where the piece that starts at `at` ends, and what stands for its characters; `None` keeps the
/// one character.
fn piece(chars: &[char], at: usize) -> (usize, Option<char>) {
    let ahead = |n: usize| chars.get(at + n).copied().unwrap_or('\n');
    let in_word = at > 0 && is_word(chars[at - 1]);
    match chars[at] {
        '/' if ahead(1) == '/' => (seek(chars, at, |rest| rest[0] == '\n'), Some(' ')),
        '/' if ahead(1) == '*' => (block_comment_end(chars, at), Some(' ')),
        '"' => (quoted_end(chars, at, '"'), Some('"')),
        'r' if !in_word || matches!(chars[at - 1], 'b' | 'c') => {
            raw_string_end(chars, at).map_or((at + 1, None), |end| (end, Some('"')))
        }
        '\'' if ahead(1) == '\\' || ahead(2) == '\'' => (quoted_end(chars, at, '\''), Some('"')),
        _ => (at + 1, None),
    }
}

fn seek(chars: &[char], from: usize, found: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len())
        .find(|&at| found(&chars[at..]))
        .unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (at, depth) = (at + 2, depth + 1),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at
}

fn quoted_end(chars: &[char], from: usize, quote: char) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of `r"…"` or `r##"…"##`; `None` when this `r` starts no such thing.
fn raw_string_end(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from + 1..].iter().take_while(|&&c| c == '#').count();
    let open = from + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |rest: &[char]| {
        rest[0] == '"' && rest[1..].iter().take_while(|&&c| c == '#').count() >= hashes
    };
    Some((seek(chars, open + 1, closes) + 1 + hashes).min(chars.len()))
}

/// Every text file of the repository, leaving out what git ignores and build folders.
pub(super) fn read_tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let mut skipped: Vec<&str> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix('/'))
        .collect();
    skipped.push(".git");
    let mut sources = Vec::new();
    walk(root, root, &skipped, &mut sources);
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn walk(root: &Path, folder: &Path, skipped: &[&str], sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository is readable") {
        let entry = entry.expect("a folder of the repository is readable");
        let path = entry.path();
        let inner = path
            .strip_prefix(root)
            .expect("the walk stays below the root")
            .to_string_lossy()
            .into_owned();
        let kind = entry.file_type().expect("a file has a type");
        if skipped.contains(&inner.as_str()) || path.join("CACHEDIR.TAG").exists() {
            continue;
        }
        if kind.is_dir() {
            walk(root, &path, skipped, sources);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(&path)
        {
            sources.push(Source::new(&inner, &text));
        }
    }
}

#[test]
fn comments_and_literals_are_not_code() {
    let text = concat!(
        "let a = \"crate::x // \\\" y\"; // crate::b\n",
        "/* one /* two */ crate::c */ let l: &'a str = r#\"un\"safe\"#;\n",
        "let c = '\"'; let d = '\\''; let e = br\"x\"; done(\"two\n  crate::lines\");\n",
    );
    let source = Source::new("src/a.rs", text);
    let words: Vec<&str> = source
        .tokens()
        .into_iter()
        .map(|token| token.text)
        .filter(|text| text.starts_with(is_word))
        .collect();
    assert_eq!(
        words,
        [
            "let", "a", "let", "l", "a", "str", "let", "c", "let", "d", "let", "e", "b", "done"
        ]
    );
    assert_eq!(source.code.lines().count(), text.lines().count());
    assert_eq!(
        source
            .code
            .lines()
            .filter(|line| line.trim().is_empty())
            .count(),
        0,
        "lines of a long string count as code"
    );
}

#[test]
fn the_tests_of_a_file_are_found() {
    assert_eq!(
        Source::new("src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {}\n").tests_from(),
        Some(2)
    );
    assert_eq!(
        Source::new(
            "src/a.rs",
            "#[cfg(test)]\nfn a() {}\n// #[cfg(test)]\nmod b {}\n"
        )
        .tests_from(),
        None
    );
}
