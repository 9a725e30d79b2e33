//! Bad input on the real program: each bad line with its message, and lists that are meant to
//! exhaust us.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Deserialize;

use crate::kit::ask::ask;
use crate::kit::is_blocked;
use crate::kit::program::{Program, STOP};
use crate::kit::running::Running;

/// A list of one line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    text: String,
    #[serde(default)]
    octets: String,
    repeat: Option<usize>,
    reason: Option<String>,
}

impl Line {
    fn octets(&self) -> Vec<u8> {
        match self.octets.as_str() {
            "" => self.text.repeat(self.repeat.unwrap_or(1)).into_bytes(),
            octets => data_encoding::HEXUPPER
                .decode(octets.as_bytes())
                .expect("hexadecimal"),
        }
    }
}

#[test]
fn every_bad_line_is_rejected_with_its_message() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/lists/lines");
    let mut cases: Vec<(String, Line)> = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let id = path
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .replace('_', "-");
            cases.push((
                id,
                toml::from_str(&fs::read_to_string(&path).unwrap())
                    .unwrap_or_else(|e| panic!("{path:?}: {e}")),
            ));
        }
    }
    assert!(cases.len() >= 20);
    let program = cases
        .iter()
        .fold(Program::new(), |program, (id, _)| {
            program.list(id, "blocked.example\n")
        })
        .prepare();
    cases
        .iter()
        .for_each(|(id, line)| fs::write(program.list_file(id), line.octets()).unwrap());
    let (code, stdout, _) = program.run(&["check", "--json"]);
    assert_eq!(code, 1, "{stdout}");
    let said: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    for (id, line) in &cases {
        let list = said["lists"]
            .as_array()
            .unwrap()
            .iter()
            .find(|list| list["id"] == *id)
            .unwrap();
        let place = program.list_file(id).display().to_string();
        let refusal = line.reason.as_ref().map(|reason| {
            format!(
                "{place}: list {id}: 1 line is no entry (100.0 %, allowed are \
                                   5.0 %): correct {place}:1: {reason}"
            )
        });
        assert_eq!(list["refusal"].as_str(), refusal.as_deref(), "{id}: {list}");
        assert_eq!(list["entries"] != 0, line.reason.is_none(), "{id}: {list}");
    }
}

fn peak_kib(running: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Write a list of `count` times the same piece beside the list's file, and put it in its place.
fn replace(running: &Running, piece: &[u8], count: usize) {
    let beside = running.list_file("bomb").with_extension("new");
    let mut file = BufWriter::new(File::create(&beside).unwrap());
    (0..count).for_each(|_| file.write_all(piece).unwrap());
    file.into_inner().unwrap();
    fs::rename(beside, running.list_file("bomb")).unwrap();
}

#[test]
fn list_bombs_are_refused_in_little_memory() {
    let steady: String = (0..100_000)
        .map(|number| format!("n{number}.blocked.example\n"))
        .collect();
    let running = Program::new().list_without_budget("bomb", &steady).start();
    let resident = running.resident_kib();
    let million = vec![b'x'; 1 << 20];
    let bombs: [(&str, &[u8], usize, &str); 3] = [
        (
            "an endless line",
            &million,
            64,
            "1 line is no entry (100.0 %",
        ),
        (
            "a hundred million lines",
            &[b'\n'; 100_000],
            1000,
            "has more than 50,000,000 lines",
        ),
        (
            "one name a million times",
            &b"other.example\n".repeat(1000),
            1000,
            "",
        ),
    ];
    for (what, piece, count, words) in bombs {
        replace(&running, piece, count);
        let (code, _, stderr) = running.run(&["reload"]);
        assert_eq!(
            (code, stderr.contains(words)),
            (i32::from(!words.is_empty()), true),
            "{what}: {stderr}"
        );
        let peak = peak_kib(&running);
        println!("{what}: {resident} KiB in steady state, {peak} KiB at the most");
        assert!(peak <= 2 * resident, "{what}: {peak} KiB");
        let blocked = if words.is_empty() {
            "other.example"
        } else {
            "n99999.blocked.example"
        };
        assert!(is_blocked(&running, blocked), "{what}");
    }
}

/// As many entries as the operator answers for pass, at the start and at a change, and not one
/// more.
#[test]
fn public_suffixes_pass_up_to_their_number() {
    let wide = "blocked.example\na.kawasaki.jp\nxn--55qx5d.cn\n";
    let pass = "guard.pass = [\"guard.public-suffix\"]\nguard.pass_entries = 2\n";
    let hosts = format!("{pass}format = \"hosts\"\n");
    let running = Program::new()
        .list_with("plain", wide, pass)
        .list_with("hosts", "0.0.0.0 xn--55qx5d.cn\n", &hosts)
        .start();
    let is_blocked = |name: &str| {
        let answers = ask(running.address(), name, "A").answers();
        answers == [format!("{} A {}", name.to_lowercase(), STOP[0])]
    };
    assert!(is_blocked("www.a.kawasaki.jp."));
    let (code, text, problems) = running.run(&["check"]);
    assert_eq!(code, 0, "{text}{problems}");
    for passed in [
        "plain.txt: guard.public-suffix: 2 entries cover a public suffix; allowed are 2 (line 2, \
         line 3); `pass` in [list.guard] lets them pass\n",
        "hosts.txt: guard.public-suffix: 1 entry covers a public suffix; allowed are 2 (line 1); \
         `pass` in [list.guard] lets them pass\n",
    ] {
        assert!(text.contains(passed), "{text}");
    }
    running.replace_list("plain", &format!("{wide}b.kawasaki.jp\n"));
    let (code, text, _) = running.run(&["reload", "plain"]);
    assert_eq!(code, 1, "{text}");
    assert!(!is_blocked("www.b.kawasaki.jp.") && is_blocked("www.a.kawasaki.jp."));
    let (code, _, problems) = running.run(&["check"]);
    assert!(
        code == 1
            && problems
                .contains("3 entries cover a public suffix; allowed are 2 (line 2, line 3, ")
            && problems.contains("overriding guard.public-suffix"),
        "{problems}"
    );
    running.replace_list("plain", "blocked.example\ngoogle.com\n");
    let (code, _, problems) = running.run(&["check"]);
    assert!(
        code == 1 && problems.contains("guard.never-block"),
        "{problems}"
    );
}
