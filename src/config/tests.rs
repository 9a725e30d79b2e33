//! The reference is complete and true, every sample loads, and every mistake is told with its line.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::*;
use crate::policy::Action;

const LIST: &str = r#"[[list]]
id = "a"
file = "a.txt"
authority = "A"
basis = "law"
legal_basis = "Act"
unsigned = "allow"
"#;
const STOP: &str = "stop = [\"192.0.2.1\"]\n";

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    parse_in(text, Path::new("/etc/wardline"))
}

fn parse_in(text: &str, folder: &Path) -> Result<Config, Vec<Problem>> {
    let texts = ConfigText::new(text.to_owned(), "test.toml", "test.toml");
    match Config::parse(texts, folder, Vec::new()) {
        (Some(config), problems) if problems.is_empty() => Ok(config),
        (_, problems) => Err(problems),
    }
}

/// The problems of a text as "line: message".
fn problems(text: &str) -> Vec<String> {
    let problems = parse(text).err().unwrap_or_default();
    problems
        .iter()
        .map(|problem| format!("{}: {}", problem.line.unwrap_or(0), problem.message))
        .collect()
}

/// The cases of a file, behind ====, each of so many parts with -- between them.
fn cases<const PARTS: usize>(file: &str) -> Vec<[&str; PARTS]> {
    let cases = file.split("====\n").skip(1).map(|case| {
        let parts: Vec<&str> = case.split("--\n").collect();
        parts.try_into().expect(case)
    });
    let cases: Vec<_> = cases.collect();
    assert!(!cases.is_empty());
    cases
}

/// What is told begins line by line as `expected` says.
fn assert_told(told: &[String], expected: &str, case: &str) {
    let is_told = |(told, expected): (&String, &str)| told.starts_with(expected);
    assert!(
        told.len() == expected.lines().count() && told.iter().zip(expected.lines()).all(is_told),
        "{case}\n{told:#?}\n{expected}"
    );
}

/// Each case is told exactly one problem: in this line, with these words.
fn assert_problem(text: &str, line: usize, words: &str) {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{text}\n{problems:#?}");
    assert!(
        problems[0].starts_with(&format!("{line}: ")) && problems[0].contains(words),
        "{text}\n{problems:#?}"
    );
}

/// The paragraphs of a file of mistakes, without its opening comment.
fn paragraphs(file: &str) -> impl Iterator<Item = &str> {
    let paragraphs = file.trim_end().split("\n\n");
    paragraphs.filter(|paragraph| !paragraph.starts_with("# "))
}

/// A line of such a paragraph: its text and, behind `#!`, the words of the problem that it has.
#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    words: Option<&'a str>,
}

fn line(line: &str) -> Line<'_> {
    let (text, words) = match line.split_once("#! ") {
        Some((text, words)) => (text.trim_end(), Some(words)),
        None => (line, None),
    };
    Line { text, words }
}

/// The text with the lines of a paragraph in place of its own with the same key, or behind them; a
/// key without a value is left out.
fn changed<'a>(text: &'a str, paragraph: &'a str) -> Vec<Line<'a>> {
    let key = |line: &Line<'a>| line.text.split(" =").next();
    let mut lines: Vec<_> = text.lines().map(line).collect();
    for new in paragraph.lines().map(line) {
        match lines.iter().position(|old| key(old) == key(&new)) {
            Some(at) if new.text.ends_with('=') => drop(lines.remove(at)),
            Some(at) => lines[at] = new,
            None => lines.push(new),
        }
    }
    lines
}

fn assert_marked(lines: &[Line<'_>]) {
    let text: String = lines.iter().flat_map(|line| [line.text, "\n"]).collect();
    let mut marks = lines
        .iter()
        .zip(1..)
        .filter(|(line, _)| line.words.is_some());
    let (Some((marked, number)), None) = (marks.next(), marks.next()) else {
        panic!("not one marked line:\n{text}");
    };
    assert_problem(&text, number, marked.words.unwrap());
}

/// The reference with every key that has no default written out.
fn uncommented() -> String {
    let is_key = |line: &str| {
        let word = line.split_once(" = ").map_or("", |(word, _)| word);
        let is_heading = line.starts_with('[') && line.ends_with(']');
        is_heading
            || (!word.is_empty()
                && word.bytes().all(|octet| {
                    octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_'
                }))
    };
    let lines = REFERENCE.lines().map(|line| match line.strip_prefix("# ") {
        Some(key) if is_key(key) => key,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_says_the_defaults() {
    let mut reference = parse(REFERENCE).unwrap();
    let list = reference.lists.pop().unwrap();
    assert!(reference.lists.is_empty());
    let nothing = parse("").unwrap();
    assert_ne!(reference.digest, nothing.digest);
    assert_eq!(
        changes(&nothing, &reference),
        ["list.example: added"],
        "keys that are left out have their defaults"
    );
    reference.digest.clone_from(&nothing.digest);
    reference.written.clone_from(&nothing.written);
    assert_eq!(format!("{reference:?}"), format!("{nothing:?}"));
    let keys = r#"[[list]]
file = "../blocklists/example.txt"
unsigned = "allow"
id = "example"
authority = "Example Authority"
basis = "law"
legal_basis = "Example Act, section 1"
stop = ["192.0.2.1", "2001:db8::1"]
"#;
    let without_defaults: toml::Table = toml::from_str(keys).unwrap();
    let examples = without_defaults["list"][0].as_table().unwrap();
    assert!(
        changes::EXAMPLES
            .iter()
            .all(|key| examples.contains_key(*key))
    );
    assert_eq!(examples.len(), changes::EXAMPLES.len());
    let with_defaults = parse(keys).unwrap().lists.pop().unwrap();
    assert_eq!(format!("{list:?}"), format!("{with_defaults:?}"));
}

fn changes(before: &Config, after: &Config) -> Vec<String> {
    let changes = before.changes_to(after);
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_changed_configuration_is_told_key_by_key() {
    let before = parse(&format!("{LIST}{STOP}")).unwrap();
    let after = format!("[limits]\nwaiting = 3000\n{LIST}{STOP}required = true\n");
    let after = parse(&after).unwrap();
    assert_eq!(
        changes(&before, &after),
        [
            "limits.waiting: 10000 -> 3000",
            "list.a.required: false -> true"
        ]
    );
    assert_eq!(
        changes(&after, &before),
        [
            "limits.waiting: 3000 -> 10000",
            "list.a.required: true -> false"
        ]
    );
    assert_eq!(changes(&after, &after), [""; 0]);
}

/// A folder with these files, where a name with a slash at the end is a folder.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name.ends_with('/') {
            std::fs::create_dir_all(path).unwrap();
        } else {
            std::fs::write(path, text).unwrap();
        }
    }
    folder
}

fn list(id: &str) -> String {
    LIST.replace("\"a\"", &format!("{id:?}")) + STOP
}

fn ids(config: &Config) -> Vec<&str> {
    let lists = config.lists().iter();
    lists.map(|(rules, _)| rules.id.as_str()).collect()
}

#[test]
fn included_files_stand_behind_the_main_one_in_the_order_of_their_names() {
    let zone = "[[resolve.zone]]\nname = \"corp.example\"\nstub = [\"192.0.2.1\"]\n";
    let group = "[[group]]\nname = \"g\"\nprefixes = [\"127.0.0.1/32\"]\nlists = [\"a\"]\n";
    let folder = folder(&[
        ("conf.d/20.toml", &(list("c") + zone + group)),
        ("conf.d/10.toml", &list("b")),
        ("conf.d/.11.toml", "junk"),
        ("conf.d/12.toml~", "junk"),
        ("conf.d/13.txt", "junk"),
        (
            "single.toml",
            &format!(
                "list = [{{ {} }}]",
                list("d").replace('\n', ", ")[10..].trim_end_matches(", ")
            ),
        ),
        ("none/", ""),
    ]);
    let main = "include = [\"conf.d/*.toml\", \"none/*\", \"single.toml\", \"conf.d/1*\"]\n";
    // The last pattern alone would take in 13.txt.
    let alone = parse_in(&(main.to_owned() + &list("a")), folder.path());
    assert!(alone.unwrap_err()[0].place.ends_with("conf.d/13.txt"));
    let main = main.replace("conf.d/1*", "conf.d/1*.toml");
    let config = parse_in(&(main + &list("a")), folder.path()).unwrap();
    assert_eq!(ids(&config), ["a", "b", "c", "d"]);
    assert_eq!(config.groups()[0].lists, [0]);
    assert_eq!(config.resolve.zones.len(), 1);
    let Some(Text::File(file)) = &config.lists()[3].1.text else {
        panic!("no file");
    };
    assert_eq!(
        *file,
        folder.path().join("a.txt"),
        "from the main file's folder on"
    );
}

#[test]
fn the_digest_and_the_changes_speak_of_included_files() {
    let folder = folder(&[("a.toml", &list("a")), ("b.toml", "")]);
    let main = "include = [\"*.toml\"]\n";
    let read = || parse_in(main, folder.path()).unwrap();
    let before = read();
    let rename = |from: &str, to: &str| {
        std::fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
    };
    rename("a.toml", "c.toml");
    let renamed = read();
    assert_ne!(renamed.digest, before.digest);
    assert_eq!(changes(&before, &renamed), [""; 0]);
    std::fs::write(folder.path().join("b.toml"), list("b")).unwrap();
    let added = read();
    assert_ne!(added.digest, renamed.digest);
    assert_eq!(changes(&renamed, &added), ["list.b: added"]);
    rename("b.toml", "d.toml");
    assert_eq!(changes(&added, &read()), ["list: order b, a -> a, b"]);
    std::fs::remove_file(folder.path().join("d.toml")).unwrap();
    rename("c.toml", "a.toml");
    std::fs::write(folder.path().join("b.toml"), "").unwrap();
    assert_eq!(read().digest, before.digest);
}

/// Each mistake is told with the file and the line that it stands in.
#[test]
fn each_mistake_in_an_included_file_has_its_place() {
    for [main, included, expected] in cases(include_str!(
        "../../tests/cases/config/included_mistakes.txt"
    )) {
        let folder = folder(&[("conf.d/x.toml", included)]);
        let main = format!("include = [\"conf.d/*\"]\n{main}");
        let problems = parse_in(&main, folder.path()).unwrap_err();
        let place = folder.path().display().to_string() + "/";
        let told = problems
            .iter()
            .map(|problem| problem.to_string().replace(&place, ""));
        assert_told(&told.collect::<Vec<_>>(), expected, included);
    }
}

#[test]
fn a_pattern_that_cannot_be_followed_is_told() {
    let folder = folder(&[("conf.d/x/", ""), ("big", ""), ("many/", "")]);
    let big = std::fs::File::create(folder.path().join("big")).unwrap();
    big.set_len(16 * 1024 * 1024).unwrap();
    for number in 0..1001 {
        std::fs::write(folder.path().join(format!("many/{number}")), "").unwrap();
    }
    for (pattern, words) in [
        ("none.toml", "none.toml cannot be read"),
        ("none.d/*.toml", "none.d/ cannot be read"),
        ("conf.d/*", "conf.d/x is not a file"),
        ("conf.*/x", "write a file, or a folder"),
        ("conf.d/", "write a file, or a folder"),
        ("", "write a file, or a folder"),
        ("big", "more than 16 MiB"),
        ("many/*", "more than 1000 files"),
    ] {
        let main = format!("\ninclude = [{pattern:?}]\n");
        let problems = parse_in(&main, folder.path()).unwrap_err();
        let [problem] = &problems[..] else {
            panic!("{pattern}: {problems:#?}");
        };
        assert!(
            problem.line == Some(2) && problem.message.contains(words),
            "{pattern}: {problem}"
        );
    }
}

/// A repeated section that `changes` did not know would be told as one value.
#[test]
fn every_repeated_section_is_told_by_its_name() {
    let headings = REFERENCE.lines().filter_map(|line| {
        let line = line.strip_prefix("# ").unwrap_or(line);
        line.strip_prefix("[[")?.strip_suffix("]]")
    });
    let headings: BTreeSet<&str> = headings.collect();
    let known = changes::REPEATED.map(|(section, _)| section);
    assert_eq!(headings, BTreeSet::from(known));
}

#[test]
fn the_reference_has_every_key_of_every_section() {
    let text = uncommented();
    let table: toml::Table = toml::from_str(&text).unwrap();
    let mut sections = BTreeSet::from([String::new()]);
    let keys_of = |section: &str| -> Vec<String> {
        let unknown = match section {
            "" => format!("no-such-key = 1\n{text}"),
            "list" | "group" | "limits.network" | "resolve.zone" | "audit.witness" => text
                .replacen(
                    &format!("[[{section}]]\n"),
                    &format!("[[{section}]]\nno-such-key = 1\n"),
                    1,
                ),
            _ => text.replacen(
                &format!("\n[{section}]\n"),
                &format!("\n[{section}]\nno-such-key = 1\n"),
                1,
            ),
        };
        let error = toml::from_str::<Document>(&unknown)
            .err()
            .unwrap()
            .message()
            .to_owned();
        let (unknown, known) = error.split_once(", expected ").unwrap();
        assert_eq!(unknown, "unknown field `no-such-key`", "{section}");
        known
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    while let Some(section) = sections.pop_first() {
        let places = section.split('.').filter(|part| !part.is_empty()).fold(
            vec![toml::Value::Table(table.clone())],
            |places, part| {
                let inside = places.iter().filter_map(|place| place.get(part));
                inside
                    .flat_map(|value| {
                        value
                            .as_array()
                            .cloned()
                            .unwrap_or_else(|| vec![value.clone()])
                    })
                    .collect()
            },
        );
        assert!(!places.is_empty(), "[{section}] is missing");
        for key in keys_of(&section) {
            // A key may stand in any of several lists: no list has all of them.
            let value = places
                .iter()
                .find_map(|place| place.get(&key))
                .unwrap_or_else(|| panic!("[{section}] {key} is missing"));
            let is_section = value.is_table()
                || value
                    .as_array()
                    .is_some_and(|array| array.first().is_some_and(toml::Value::is_table));
            if is_section {
                sections.insert(if section.is_empty() {
                    key
                } else {
                    format!("{section}.{key}")
                });
            }
        }
    }
}

#[test]
fn the_commented_keys_can_be_used() {
    // The second list stands without its keys, which nobody can write for the operator.
    let problems = problems(&uncommented());
    assert!(
        problems.len() == 1
            && problems
                .iter()
                .any(|problem| problem.contains("needs `keys`")),
        "{problems:#?}"
    );
    let key = crate::seal::SigningKey::generate("example.test")
        .unwrap()
        .public()
        .to_string();
    let text = uncommented().replace(
        "keys = []\nsignatures = 2",
        &format!("keys = [\"{key}\"]\nsignatures = 1"),
    );
    let config = parse(&text).unwrap();
    assert_eq!(
        (config.lists.len(), config.lists[1].1.sources.len()),
        (3, 2)
    );
    assert_eq!(config.push.unwrap().octets_max, 256 << 20);
    assert_eq!(
        config.listen.identity.unwrap().key,
        Path::new("/etc/wardline/key.pem")
    );
    assert_eq!(
        config.resolve.recurse.root_hints.unwrap(),
        Path::new("/etc/wardline/root.hints")
    );
    assert_eq!(config.metrics.unwrap().port(), 9153);
    assert_eq!(config.control, Path::new("/etc/wardline/control.sock"));
    assert_eq!(config.groups.len(), 1);
    assert_eq!(config.audit.witnesses[0].key.name(), "witness.example");
}

#[test]
fn each_mistake_in_a_witness_has_its_line_and_its_remedy() {
    let witness = crate::seal::SigningKey::generate("witness.test").unwrap();
    let [cosigner, author] = [witness.public_cosigner(), witness.public()];
    let section = |url: &str, key: &str, rest: &str| {
        format!("[[audit.witness]]\nurl = {url:?}\nkey = {key:?}\n{rest}")
    };
    let (good, key) = ("http://127.0.0.1:8780", cosigner.to_string());
    let config = parse(&section(good, &key, "")).unwrap();
    assert_eq!(config.audit.witnesses[0].url, good);
    assert_eq!(config.audit.witnesses[0].ca, None);
    for (url, key, rest, line, words) in [
        ("ftp://127.0.0.1", key.as_str(), "", 2, "https://HOST"),
        ("https://", &key, "", 2, "https://HOST"),
        ("https://a.test/?a", &key, "", 2, "https://HOST"),
        ("https://witness.test", &key, "", 2, "`addresses`"),
        (good, "witness", "", 3, "key: "),
        (good, &author.to_string(), "", 3, "audit witness serve"),
        (good, &key, "addresses = [\"a\"]\n", 4, "no address"),
    ] {
        assert_problem(&section(url, key, rest), line, words);
    }
    let twice = section(good, &key, "") + &section("http://[::1]:80", &key, "");
    assert_problem(&twice, 6, "named twice");
}

#[test]
fn local_names_and_translators_are_read() {
    let config = parse(
        "[resolve]\ndns64 = \"64:ff9b::/96\"\n[local]\naddresses = [\"192.0.2.10 \
                        a.example b.example\"]\n",
    )
    .unwrap();
    assert!(config.resolve.dns64.is_some() && config.local.addresses.len() == 2);
    for wrong in [
        "portal.example",
        "192.0.2.10",
        "192.0.2.10 a..example",
        "192.0.2.300 a.example",
    ] {
        assert_problem(
            &format!("[local]\naddresses = [\"{wrong}\"]\n"),
            2,
            "addresses: write an address",
        );
    }
    for wrong in ["64:ff9b::/95", "192.0.2.0/24", "64:ff9b::"] {
        assert_problem(&format!("[resolve]\ndns64 = \"{wrong}\"\n"), 2, "dns64: ");
        assert_problem(
            &format!("[resolve]\nrenumber = [\"{wrong}\"]\n"),
            2,
            "renumber: ",
        );
    }
}

#[test]
fn every_sample_configuration_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let samples = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let samples: Vec<_> = samples
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    assert!(!samples.is_empty());
    for sample in samples {
        let config = Config::load(Some(&sample)).unwrap();
        assert!(config.state.starts_with(sample.parent().unwrap()) || config.state.is_absolute());
    }
}

#[test]
fn servers_are_written_with_port_and_name_or_without() {
    let text = "[resolve.forward]\nca = \"ca.pem\"\nupstreams = [\"192.0.2.1\", \
                \"[2001:db8::1]:5353\", \"2001:db8::2#dns.example.\", \
                \"192.0.2.3:8853#dns.example\"]";
    let folder = TempDir::new().unwrap();
    let config = parse_in(text, folder.path()).unwrap();
    let shown: Vec<_> = config
        .resolve
        .forward
        .upstreams
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        shown,
        [
            "192.0.2.1:53",
            "[2001:db8::1]:5353",
            "[2001:db8::2]:853#dns.example",
            "192.0.2.3:8853#dns.example"
        ]
    );
    let missing = config.check_files();
    assert!(
        missing.len() == 1 && missing[0].line == Some(2) && missing[0].message.contains("ca.pem"),
        "{missing:?}"
    );
}

/// Restoring the state folder must not restore what was promised.
#[test]
fn what_was_promised_lies_outside_the_state_folder() {
    let promised = |text: &str| parse(text).unwrap().promised;
    for (text, place) in [
        ("", "/etc/wardline/wardline-state.promised"),
        ("state = \"/var/lib/w/\"\n", "/var/lib/w.promised"),
        ("state = \"/var/lib/w/../w/.\"\n", "/var/lib/w.promised"),
        ("state = \".\"\n", "/etc/wardline.promised"),
        ("promised = \"../p\"\n", "/etc/wardline/../p"),
    ] {
        assert_eq!(promised(text), Path::new(place), "{text}");
    }
    let here = parse_in("state = \".\"\n", Path::new("")).unwrap();
    let folder = std::env::current_dir().unwrap();
    assert!(
        here.promised.is_absolute() && !here.promised.starts_with(&folder),
        "{}",
        here.promised.display()
    );
    assert_problem(
        "state = \"s\"\npromised = \"s/p\"\n",
        2,
        "lies in the state folder",
    );
}

/// What a list needs may come later; `check` tells of it all the same.
#[test]
fn only_what_all_need_must_be_there_at_the_start() {
    let push = "[push]\nlisten = \"127.0.0.1:1\"\ncertificate = \"no.pem\"\nkey = \"no.key\"\n\
                tokens = \"no.tokens\"\n";
    let list = LIST.to_owned() + "identity = \"no.age\"\n" + STOP;
    let folder = TempDir::new().unwrap();
    let config = parse_in(&(push.to_owned() + &list), folder.path()).unwrap();
    let told = config.check_files().len();
    assert_eq!((told, config.check_start_files()), (4, vec![]));
    let door = "[tls]\ncertificate = \"no.pem\"\nkey = \"no.key\"\n[listen]\n\
                tls = [\"127.0.0.1:853\"]\n";
    assert_eq!(parse(door).unwrap().check_start_files().len(), 2);
}

#[test]
fn the_built_in_configuration_needs_no_file() {
    let config = Config::load(None).unwrap();
    assert_eq!(config.promised, Path::new("wardline-state.promised"));
    assert_eq!(config.state, Path::new("wardline-state"));
    assert_eq!(config.control, Path::new("wardline-state/control.sock"));
    let Some(Text::Embedded(text)) = config.lists()[0].1.text else {
        panic!("no embedded list");
    };
    assert!(text.contains("\nblocked.example\n"));
    assert_eq!(config.check_files(), []);
}

#[test]
fn unknown_keys_and_words_are_refused() {
    assert_problem(
        "[listen]\nudb = []\n",
        2,
        "unknown field `udb`, expected one of `udp`",
    );
    assert_problem("[lisssten]\n", 1, "unknown field `lisssten`");
    assert_problem(
        "[resolve]\nmode = \"guess\"\n",
        2,
        "unknown variant `guess`, expected `recurse` or `forward`",
    );
    assert_problem("[log]\nlevel = \"trace\"\n", 2, "unknown variant `trace`");
    assert_problem("\n[cache]\nsize_mib = \"big\"\n", 3, "invalid type");
    let list = LIST.replace("authority = \"A\"\n", "") + STOP;
    assert_problem(&list, 1, "missing field `authority`");
    assert_problem("state = \n", 1, "");
}

#[test]
fn each_mistake_has_its_line_and_its_remedy() {
    let mistakes = include_str!("../../tests/cases/config/mistakes.txt");
    for mistake in paragraphs(mistakes) {
        assert_marked(&mistake.lines().map(line).collect::<Vec<_>>());
    }
    assert_problem("[listen]\nudp = []\ntcp = []", 0, "no address at all");
}

#[test]
fn each_mistake_in_a_list_has_its_line_and_its_remedy() {
    let good = format!("{LIST}{STOP}");
    let mistakes = include_str!("../../tests/cases/config/list_mistakes.txt");
    for mistake in paragraphs(mistakes) {
        assert_marked(&changed(&good, mistake));
    }
    assert_problem(&format!("{good}{good}"), 10, "the list id \"a\" is taken");
}

#[test]
fn what_passes_the_guard_has_its_number_of_entries() {
    let limits = |guard: &str| {
        let config = parse(&format!("{LIST}{STOP}{guard}")).unwrap();
        let limits = config.lists()[0].1.limits;
        (limits.tld_max, limits.public_suffix_max)
    };
    assert_eq!(limits(""), (0, 0));
    assert_eq!(
        limits("[list.guard]\npass = [\"guard.public-suffix\"]\npass_entries = 25\n"),
        (0, 25)
    );
    assert_eq!(
        limits("guard = { pass = [\"guard.tld\", \"guard.public-suffix\"], pass_entries = 2 }\n"),
        (2, 2)
    );
}

/// A list in order that comes by zone transfer.
fn transferred_list() -> String {
    LIST.replace("file = \"a.txt\"\n", "format = \"rpz\"\n")
        + STOP
        + "[list.transfer]\nzone = \"rpz.example\"\nprimaries = [\"192.0.2.53\"]\n"
}

#[test]
fn each_mistake_in_a_transfer_has_its_line_and_its_remedy() {
    let good = transferred_list();
    assert_eq!(problems(&good), Vec::<String>::new());
    let mistakes = include_str!("../../tests/cases/config/transfer_mistakes.txt");
    for mistake in paragraphs(mistakes) {
        assert_marked(&changed(&good, mistake));
    }
    let both = good.replace("format = ", "file = \"a.txt\"\nformat = ");
    assert_problem(&both, 3, "leave one of the two out");
}

#[test]
fn a_transfers_key_is_read_from_its_file() {
    let folder = TempDir::new().unwrap();
    let text = transferred_list() + "key = \"k\"\nsecret_file = \"secret\"\n";
    let config = parse_in(&text, folder.path()).unwrap();
    let key = || config.zones()[0].1.key.as_ref().unwrap().read();
    assert_eq!(config.check_files().len(), 1);
    for (secret, words) in [
        ("c2hvcnQ=", "less than 16 octets"),
        ("no base 64!", "is not Base64"),
        (&"A".repeat(5000), "no file with a secret"),
    ] {
        std::fs::write(folder.path().join("secret"), secret).unwrap();
        let told = key().unwrap_err();
        assert!(told.contains(words) && !told.contains(secret), "{told}");
    }
    std::fs::write(folder.path().join("secret"), "MDEyMzQ1Njc4OWFiY2RlZg==\n").unwrap();
    assert_eq!(format!("{:?}", key().unwrap()), "Key(k, Sha256)");
}

#[test]
fn each_mistake_in_a_group_has_its_line_and_its_remedy() {
    let other = LIST.replace("\"a\"", "\"b\"");
    let lists = format!("{LIST}{STOP}{other}{STOP}");
    let group = |name: &str, prefixes: &str, of: &str| {
        format!("[[group]]\nname = \"{name}\"\nprefixes = [{prefixes}]\nlists = [{of}]\n")
    };
    for (groups, line, words) in [
        (group("everybody", "\"127.0.0.1/32\"", ""), 18, "is taken"),
        (group("g", "", ""), 19, "nobody is in this group"),
        (
            group("g", "\"192.0.2.0/24\"", ""),
            19,
            "not within [clients] allow",
        ),
        (group("g", "\"127.0.0.0/7\"", ""), 19, "write 126.0.0.0/7"),
        (
            group("g", "\"127.0.0.1/32\", \"127.0.0.1/32\"", ""),
            19,
            "in a group already",
        ),
        (
            group("g", "\"127.0.0.1/32\"", "\"c\""),
            20,
            "there is no list \"c\"",
        ),
        (
            group("g", "\"127.0.0.1/32\"", "\"a\", \"a\""),
            20,
            "named twice",
        ),
    ] {
        assert_problem(&format!("{lists}{groups}"), line, words);
    }
    let config = parse(&format!(
        "{lists}{}",
        group("g", "\"127.0.0.1/32\"", "\"b\", \"a\"")
    ))
    .unwrap();
    assert_eq!(
        config.groups()[0].lists,
        [0, 1],
        "in the order of the configuration"
    );
}

#[test]
fn fewer_connections_in_all_lower_the_default_for_one_address() {
    assert_eq!(
        parse("[limits]\nconnections = 10")
            .unwrap()
            .limits
            .of_client
            .connections,
        Some(10)
    );
}

#[test]
fn one_client_may_be_under_lists_of_several_actions() {
    let gone = LIST.replace("\"a\"", "\"b\"") + "action = \"nxdomain\"\n";
    let third = LIST.replace("\"a\"", "\"c\"") + STOP;
    let group = "[[group]]\nname = \"g\"\nprefixes = [\"127.0.0.1/32\"]\nlists = [\"c\", \
                 \"b\"]\n";
    let config = parse(&format!("{LIST}{STOP}{gone}{third}{group}")).unwrap();
    assert_eq!(
        config.groups()[0].lists,
        [1, 2],
        "asked in the order of the configuration, not of the group"
    );
    let gone = config
        .lists()
        .iter()
        .map(|(rules, _)| rules.action == Action::NxDomain);
    assert_eq!(gone.collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn allowed_networks_are_joined_before_groups_are_held_against_them() {
    let text = "[clients]\nallow = [\"10.0.0.0/9\", \"10.128.0.0/9\"]\n[[group]]\nname = \
                \"g\"\nprefixes = [\"10.0.0.0/8\"]\nlists = []\n";
    assert_eq!(problems(text), Vec::<String>::new());
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_their_lines() {
    let text = "[count]\nflush_s = 0\n[listen]\nudp = [\"a\", \"b\"]\n[cache]\nsize_mib = 0\n";
    let lines: Vec<_> = parse(text)
        .unwrap_err()
        .iter()
        .map(|problem| problem.line.unwrap())
        .collect();
    assert_eq!(lines, [2, 4, 4, 6]);
}

/// What is wrong with one part hides nothing that is wrong with another, and nothing is told that
/// only follows from a mistake.
#[test]
fn every_mistake_of_a_file_is_told_in_one_run() {
    let every = include_str!("../../tests/cases/config/every_mistake.txt");
    for [text, expected] in cases(every) {
        assert_told(&problems(text), expected, text);
    }
}

#[test]
fn no_more_than_a_hundred_mistakes_are_told_at_once() {
    let text = |lines: usize| {
        let lines = (0..lines).map(|number| format!("no_{number} = 1\n"));
        problems(&("[cache]\n".to_owned() + &lines.collect::<String>()))
    };
    assert_eq!(text(99).len(), 99);
    let many = text(150);
    assert_eq!(many.len(), 101);
    assert!(
        many[0].starts_with("0: more than 100 mistakes"),
        "{many:#?}"
    );
    let junk: String = (0..150).map(|_| "x\n").collect();
    assert_eq!(problems(&junk).len(), 100);
}

/// A configuration in order, with what the operator should see to all the same.
#[test]
fn each_piece_of_advice_has_its_line() {
    let advice = include_str!("../../tests/cases/config/advice.txt");
    for [text, expected] in cases(advice) {
        let config = parse(text).expect(text);
        let Advice { problems, warnings } = advise(&config);
        let line = |kind: &str, problem: &Problem| {
            format!("{kind} {}: {}", problem.line.unwrap_or(0), problem.message)
        };
        let problems = problems.iter().map(|problem| line("problem", problem));
        let warnings = warnings.iter().map(|warning| line("warning", warning));
        assert_told(
            &problems.chain(warnings).collect::<Vec<_>>(),
            expected,
            text,
        );
    }
    let warnings = advise(&parse(REFERENCE).unwrap()).warnings;
    assert_eq!(warnings.len(), 1, "only the example's name: {warnings:#?}");
    let sample = include_str!("../../config/isp.toml");
    let Advice { problems, warnings } = advise(&parse(sample).unwrap());
    assert_eq!(
        (problems.len(), warnings.len()),
        (1, 0),
        "{problems:#?} {warnings:#?}"
    );
}

#[test]
fn each_file_that_holds_something_else_is_told_with_its_key() {
    let folder = folder(&[
        ("junk", "junk \u{1}\n"),
        ("names", "a.example\nb/\nc/\n"),
        ("latin", ""),
        ("cert.pem", include_str!("../../tests/cases/tls/cert.pem")),
        ("key.pem", include_str!("../../tests/cases/tls/key.pem")),
        (
            "other.pem",
            include_str!("../../tests/cases/tls/other-key.pem"),
        ),
        ("empty", ""),
    ]);
    std::fs::write(folder.path().join("latin"), b". NS a.example. ; \xe9\n").unwrap();
    let files = include_str!("../../tests/cases/config/files.txt");
    for [text, expected] in cases(files) {
        let problems = parse_in(text, folder.path()).unwrap().check_files();
        let is_told = |(problem, expected): (&Problem, &str)| {
            let (line, words) = expected.split_once(": ").unwrap();
            problem.line == line.parse().ok() && problem.message.contains(words)
        };
        let expected = expected.lines();
        assert!(
            problems.len() == expected.clone().count()
                && problems.iter().zip(expected).all(is_told),
            "{text}\n{problems:#?}"
        );
    }
}

#[test]
fn a_text_in_latin_1_is_read_on() {
    let folder = folder(&[("x.toml", "")]);
    let path = folder.path().join("w.toml");
    let load = |text: &[u8]| {
        std::fs::write(&path, text).unwrap();
        let problems = Config::load(Some(&path)).unwrap_err();
        problems
            .iter()
            .map(|problem| (problem.line.unwrap_or(0), problem.message.clone()))
            .collect::<Vec<_>>()
    };
    let told = load(&[b"# \xc3\xa4\n", &b"# \xe4\n[cache]\nsize_mib = 0\n"[..]].concat());
    assert!(
        told.len() == 2 && told[0].0 == 2 && told[0].1.contains("WINDOWS-1252") && told[1].0 == 4,
        "{told:?}"
    );
    let told = load(b"\xff\xfea\0");
    assert!(
        told.len() == 1 && told[0].1.contains("is not a text in UTF-8"),
        "{told:?}"
    );
    std::fs::write(folder.path().join("x.toml"), b"\n# \x80\n").unwrap();
    let told = load(b"include = [\"x.toml\"]\n");
    assert!(told.len() == 1 && told[0].0 == 2, "{told:?}");
    std::fs::write(folder.path().join("x.toml"), b"\n# \0\xff\n").unwrap();
    let told = load(b"\ninclude = [\"x.toml\"]\n");
    assert!(
        told.len() == 1 && told[0].0 == 2 && told[0].1.contains("not a text"),
        "{told:?}"
    );
}

#[test]
fn missing_files_are_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("wardline.toml");
    assert!(
        Config::load(Some(&path)).unwrap_err()[0]
            .to_string()
            .contains("wardline.toml: cannot be read")
    );
    assert!(
        Config::load(Some(folder.path())).unwrap_err()[0]
            .message
            .contains("is not a configuration file")
    );
    std::fs::write(&path, "\n[resolve.recurse]\nroot_hints = \"root.hints\"\n").unwrap();
    let problems = Config::load(Some(&path)).unwrap().check_files();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].to_string().contains("wardline.toml:3: ")
            && problems[0].message.contains("root.hints cannot be read")
    );
}
