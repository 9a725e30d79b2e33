//! The commands as an operator meets them: what they print, where, and how they end.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::ask::{Client, Question, ask};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::until;

const PATIENCE: Duration = Duration::from_secs(5);

fn program(internet: &Internet) -> Program {
    Program::new()
        .forward(internet.forwarder())
        .list("law", "blocked.example\n=exact.example\n")
        .list_with(
            "own",
            "own.example\n",
            "basis = \"provider\"\naction = \"stop-page\"\n",
        )
        .toml(
            "[resolve]\nspecial_use = false\n[count]\nflush_s = 1\n\
             [[group]]\nname = \"police\"\nprefixes = [\"127.0.9.0/24\"]\nlists = []\n\
             [[group]]\nname = \"school\"\nprefixes = [\"127.0.8.0/24\"]\nlists = [\"own\"]\n",
        )
}

/// The program without the kit's `--config`, in a folder.
fn run_bare(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_wardline"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program");
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("text");
    (
        output.status.code().expect("a code"),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// What is written behind a configuration, each paragraph with one mistake: `#!` stands behind the
/// line that is told, before words of the problem.
const MISTAKES: &str = r#"
[nothing] #! unknown field `nothing`
no_such = 1

[cache]
no_such = 1 #! unknown field `no_such`

[cache]
size_mib = 0 #! size_mib = 0: choose a value

[cache]
size_mib = -1 #! size_mib: invalid value: integer `-1`, expected a whole number

[count]
flush_s = "x" #! flush_s: invalid type: string "x", expected a whole number

[cache #!

[tls]
certificate = "none.pem" #! none.pem cannot be read
key = "none.key"
"#;

#[test]
fn check_tells_every_mistake_with_its_line() {
    let running = Program::new().list("l", "blocked.example\n").prepare();
    let file = running.config_file();
    let place = file.display().to_string();
    let (code, stdout, stderr) = running.run(&["check"]);
    assert_eq!((code, without_warnings(&stderr).as_str()), (0, ""));
    assert!(
        stdout.starts_with(&format!("{place}: in order\n")) && stdout.contains("\nl           1 "),
        "{stdout}"
    );

    let good = fs::read_to_string(&file).expect("a configuration");
    for paragraph in MISTAKES.trim().split("\n\n") {
        let (before, marked) = paragraph.split_once("#!").expect("a mark");
        let (words, after) = marked.split_once('\n').unwrap_or((marked, ""));
        let text = format!("{good}\n{before}\n{after}\n");
        fs::write(&file, &text).expect("a configuration");
        let line = good.lines().count() + 1 + before.lines().count();
        assert_problem(&running, line, words.trim());
    }
    let text =
        good + "\n[cache]\nsize_mib = 0\n[count]\nflush_s = 0\n[lists]\nnever_block = [\"no\"]\n";
    fs::write(&file, text).expect("a configuration");
    let told = running.run(&["check"]).2;
    assert_eq!(told.lines().count(), 3, "all mistakes at once: {told}");
}

fn without_warnings(stderr: &str) -> String {
    let lines = stderr.split_inclusive('\n');
    lines
        .filter(|line| !line.starts_with("warning: "))
        .collect()
}

/// Nothing hides anything else: not what is written in the configuration's files, nor those their
/// content, nor that the lists.
#[test]
fn check_tells_of_all_files_and_warns_in_one_run() {
    let running = Program::new()
        .list("l", "b/\n")
        .toml(
            "[tls]\ncertificate = \"none.pem\"\nkey = \"lists/l.txt\"\n[limits]\n\
             cookie_secrets = \"lists/l.txt\"\nslip = 3\nudp_replies_per_s = 0\n[lists]\n\
             never_block = [\"lists/l.txt\"]\n",
        )
        .prepare();
    let (code, stdout, stderr) = running.run(&["check"]);
    let file = running.config_file().display().to_string();
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(code, 2, "{stderr}");
    for (begins, words) in [
        (
            format!("warning: {file}: "),
            "provider: \"provider.example\" is an example",
        ),
        (format!("warning: {file}:"), "slip: does nothing"),
        (format!("wardline: {file}:"), "none.pem cannot be read"),
        (
            format!("wardline: {file}:"),
            "l.txt: has a line that is none",
        ),
        (format!("wardline: {file}:"), "l.txt:1: a path"),
    ] {
        let told = lines
            .iter()
            .filter(|line| line.starts_with(&begins) && line.contains(words));
        assert_eq!(told.count(), 1, "{words}: {stderr}");
    }
    assert_eq!(lines.len(), 5, "{stderr}");
    assert!(stdout.contains("not in order"), "{stdout}");
    let json = running.run(&["check", "--json"]).1;
    let found: Value = serde_json::from_str(&json).expect("JSON");
    let warnings = found["warnings"].as_array().expect("warnings");
    assert_eq!(warnings.len(), 2, "{found}");
    assert!(
        warnings
            .iter()
            .all(|warning| warning["file"] == file.as_str())
            && warnings[0]["line"].is_null()
            && warnings[1]["line"].is_number(),
        "{found}"
    );
    assert_eq!(
        found["problems"].as_array().map(Vec::len),
        Some(3),
        "{found}"
    );
}

/// An example's name is no mistake for whoever tries the program out, and one for customers.
#[test]
fn an_example_s_name_is_a_mistake_once_others_can_ask() {
    let running = Program::new().prepare();
    let (code, _, stderr) = running.run(&["check"]);
    assert!(code == 0 && stderr.contains("warning: "), "{code} {stderr}");
    let file = running.config_file();
    let text = fs::read_to_string(&file).expect("a configuration");
    fs::write(&file, text.replace("127.0.0.1:", "10.0.0.1:")).expect("a configuration");
    let (code, _, stderr) = running.run(&["check"]);
    assert!(
        code == 2 && stderr.contains("provider: \"provider.example\" is an example"),
        "{code} {stderr}"
    );
}

/// In this line, with these words; `check --json` and the start say the same.
fn assert_problem(running: &Running, line: usize, words: &str) {
    let place = running.config_file().display().to_string();
    let (code, stdout, stderr) = running.run(&["check"]);
    let stderr = without_warnings(&stderr);
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.starts_with(&format!("wardline: {place}:{line}: ")) && stderr.contains(words),
        "{words}: {stderr}"
    );
    assert_eq!(
        stdout.lines().next(),
        Some(format!("{place}: not in order").as_str())
    );
    assert_eq!(
        running.run(&["serve"]),
        (2, String::new(), stderr),
        "the start says the same"
    );
    let (code, stdout, _) = running.run(&["check", "--json"]);
    let found: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(
        (code, &found["is_in_order"], &found["problems"][0]["line"]),
        (2, &false.into(), &line.into()),
        "{found}"
    );
}

#[test]
fn check_reads_what_the_files_hold() {
    const FILE: &str = "lists/l.txt";
    for (keys, words) in [
        (
            format!("[tls]\ncertificate = {FILE:?}\nkey = {FILE:?}\n"),
            "cannot read the certificate",
        ),
        (
            format!("[resolve]\nmode = \"recurse\"\n[resolve.recurse]\nroot_hints = {FILE:?}\n"),
            "root hints, line 1",
        ),
        (
            format!(
                "[resolve]\nmode = \"recurse\"\n[resolve.recurse]\ntrust_anchors = [{FILE:?}]\n"
            ),
            "trust anchors",
        ),
        (
            format!("[lists]\nnever_block = [{FILE:?}]\n"),
            "l.txt:1: a path",
        ),
    ] {
        let lines = "a.example/\n".to_owned() + &"blocked.example\n".repeat(50);
        let (code, _, stderr) = Program::new()
            .list("l", &lines)
            .toml(&keys)
            .prepare()
            .run(&["check"]);
        assert!(
            code == 2 && stderr.contains(words),
            "{keys}: {code} {stderr}"
        );
    }
    let (code, stdout, _) = Program::new().prepare().run(&["check"]);
    assert!(
        code == 0 && stdout.contains("nothing is blocked"),
        "{stdout}"
    );
}

#[test]
fn check_reads_the_lists() {
    let lines = "good.example\nhttps://a.example/\nb.example\n192.0.2.1\n".to_owned()
        + &"c.example\n".repeat(50);
    let running = Program::new().list("l", &lines).prepare();
    let place = running.list_file("l").display().to_string();
    let (code, stdout, stderr) = running.run(&["check"]);
    assert_eq!(
        (code, without_warnings(&stderr).as_str()),
        (0, ""),
        "two lines of 54 are within 5 %"
    );
    let wanted = [
        format!("{place}:2: a URL"),
        format!("{place}:4: an IP address"),
        "          3          49        2     54  ".to_owned(),
    ];
    wanted
        .iter()
        .for_each(|wanted| assert!(stdout.contains(wanted), "{wanted:?} in {stdout}"));
    let found = running.json(&["check", "--json"]);
    assert_eq!(
        found["lists"][0]["first_rejects"][1],
        json!({"line": 4, "reason": "an IP address: only names can be listed"})
    );
    let figures = ["lines", "entries", "duplicates", "rejects"]
        .map(|key| found["lists"][0][key].as_u64().expect("a number"));
    assert_eq!(figures, [54, 3, 49, 2]);
    for (text, words) in [
        (Some("a.example\nb/\n"), ":2: a path"),
        (Some(""), "has no entry"),
        (None, "the file is not there"),
    ] {
        match text {
            Some(text) => fs::write(running.list_file("l"), text).expect("a list"),
            None => fs::remove_file(running.list_file("l")).expect("a list"),
        }
        let (code, stdout, stderr) = running.run(&["check"]);
        let stderr = without_warnings(&stderr);
        assert_eq!(code, 1, "{stderr}");
        assert!(
            stderr.starts_with(&format!("wardline: {place}")) && stderr.contains(words),
            "{stderr}"
        );
        assert!(stdout.contains("not in order"), "{stdout}");
    }
}

#[test]
fn who_is_not_running_cannot_be_asked() {
    let running = Program::new().prepare();
    for arguments in [
        &["status"][..],
        &["reload"],
        &["why", "a.example"],
        &["flush"],
        &["status", "--json"],
    ] {
        let (code, stdout, stderr) = running.run(arguments);
        assert_eq!((code, stdout.as_str()), (3, ""), "{arguments:?}");
        assert!(
            stderr.contains("control.sock: not running: start `wardline serve`"),
            "{stderr}"
        );
    }
    let (code, _, stderr) = running.run(&["report"]);
    assert!(
        code == 1 && stderr.contains("no resolver has run with this state folder yet"),
        "{stderr}"
    );
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &[][..],
        &["sevre"],
        &["why"],
        &["why", "a..b"],
        &["flush", "a..b"],
        &["serve", "--no-such"],
        &["report", "--format", "pdf"],
        &["report", "--from", "yesterday"],
        &["report", "--from", "2026-01-02"],
        &["report", "--from", "2026-02", "--to", "2026-01"],
        &["report", "--exact", "--by", "day"],
        &["report", "--exact", "--format", "html"],
        &["report", "--exact", "here", "there"],
        &[
            "report",
            "--exact",
            "--from",
            "2026-01-02",
            "--to",
            "2026-01-01",
        ],
        &["completions", "cobol"],
        &["check", "--config", "missing.toml"],
        &["serve", "--config", "missing.toml"],
        &["status", "--config", "missing.toml"],
    ] {
        let (code, stdout, stderr) = run_bare(folder.path(), arguments);
        let is_silent = stdout.is_empty() || stdout == "missing.toml: not in order\n";
        assert!(
            code == 2 && is_silent && !stderr.is_empty(),
            "{arguments:?}: {code} {stdout} {stderr}"
        );
    }
    let (code, stdout, _) = run_bare(folder.path(), &["--version"]);
    assert_eq!(
        (code, stdout),
        (
            0,
            concat!("wardline ", env!("CARGO_PKG_VERSION"), "\n").to_owned()
        )
    );
    assert_eq!(
        run_bare(folder.path(), &["check"]).0,
        0,
        "the built-in configuration is in order"
    );
    assert_eq!(
        fs::read_dir(folder.path()).expect("a folder").count(),
        0,
        "and nothing is left behind"
    );
}

#[test]
fn manual_pages_and_completions_come_out() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = run_bare(folder.path(), &["completions", shell]);
        assert!(
            code == 0 && script.contains("wardline") && script.contains("report"),
            "{shell}"
        );
    }
    let (code, page, _) = run_bare(folder.path(), &["man"]);
    assert!(code == 0 && page.contains(".TH wardline 1"), "{page}");
    assert_eq!(run_bare(folder.path(), &["man", "pages"]).0, 0);
    let pages = fs::read_dir(folder.path().join("pages"))
        .expect("pages")
        .count();
    assert!(pages >= 10, "a page for each command, not {pages}");
}

#[test]
fn why_tells_list_entry_and_group() {
    let internet = Internet::start();
    let running = program(&internet).start();
    let verdicts = |name: &str| {
        let why = running.json(&["why", name, "--json"]);
        let groups = why["groups"].as_array().expect("groups").clone();
        let of = |group: &Value| {
            (
                group["group"].as_str().expect("a group").to_owned(),
                group.clone(),
            )
        };
        groups.iter().map(of).collect::<BTreeMap<_, _>>()
    };
    let below = verdicts("deep.blocked.example.");
    let wanted = json!({
        "group": "everybody",
        "verdict": "block",
        "list": "law",
        "authority": "Authority of law",
        "legal_basis": "Example Act, section 1",
        "action": "stop-page",
        "entry": "blocked.example",
        "labels": 2,
        "place": "parent",
    });
    assert_eq!(below["everybody"], wanted);
    assert_eq!(
        (&below["police"]["verdict"], &below["school"]["verdict"]),
        (&"exempt".into(), &"pass".into())
    );
    assert_eq!(verdicts("BLOCKED.example")["everybody"]["place"], "itself");
    assert_eq!(verdicts("exact.example")["everybody"]["place"], "itself");
    assert_eq!(
        verdicts("www.exact.example")["everybody"]["verdict"],
        "pass"
    );
    assert_eq!(verdicts("www.own.example")["school"]["list"], "own");
    let (code, text, _) = running.run(&["why", "own.example"]);
    assert!(
        code == 0
            && text.contains("school     blocked (stop-page) by list own of Authority of own"),
        "{text}"
    );
    assert_eq!(running.run(&["why", "a..b"]).0, 2);
    // What it says is what is answered.
    for (client, name, blocked) in [
        ([127, 0, 9, 1], "blocked.example", false),
        ([127, 0, 8, 1], "blocked.example", false),
        ([127, 0, 7, 1], "blocked.example", true),
    ] {
        let response = Client::udp(running.address())
            .source(client)
            .ask(&Question::new(name, "A"));
        assert_eq!(
            response.answers() == ["blocked.example. A 192.0.2.1"],
            blocked,
            "{client:?}"
        );
    }
}

#[test]
fn flush_forgets_a_name_and_with_below_what_is_below() {
    let internet = Internet::start();
    let running = program(&internet).start();
    let names = ["www.good.test", "mail.good.test", "www.plain.test"];
    names
        .iter()
        .for_each(|name| drop(ask(running.address(), name, "A")));
    assert_eq!(running.json(&["status", "--json"])["cache"]["answers"], 3);
    assert_eq!(
        running.run(&["flush", "good.test"]).1,
        "0 answers forgotten\n"
    );
    assert_eq!(
        running.json(&["flush", "--below", "GOOD.test.", "--json"]),
        json!({"reply": "flush", "removed": 2})
    );
    names
        .iter()
        .for_each(|name| drop(ask(running.address(), name, "A")));
    assert_eq!(
        names.map(|name| internet.forwarded(&format!("{name}."), "A")),
        [2, 2, 1]
    );
    assert_eq!(
        running.run(&["flush", "www.good.test"]).1,
        "1 answer forgotten\n"
    );
    drop(ask(running.address(), "www.good.test", "A"));
    let cache = running.json(&["status", "--json"])["cache"].clone();
    assert_eq!(
        [&cache["hits"], &cache["misses"], &cache["stale"]],
        [1, 6, 0]
    );
    assert_eq!(running.run(&["flush", "--below"]).0, 2);
    assert_eq!(
        running.run(&["flush"]),
        (0, "3 answers forgotten\n".to_owned(), String::new())
    );
    assert_eq!(
        running.run(&["flush", "nothing.example"]).1,
        "0 answers forgotten\n"
    );
    assert_eq!(running.run(&["flush", "a..b"]).0, 2);
}

/// What is asked, by how it ends: blocked address, https, other, via alias; hit, miss, own.
fn ask_known_figures(running: &Running) {
    for (name, kind, times) in [
        ("blocked.example", "A", 3),
        ("www.blocked.example", "AAAA", 2),
        ("blocked.example", "HTTPS", 4),
        ("blocked.example", "MX", 1),
        ("tolisted.plain.test", "A", 2),
        ("own.example", "A", 5),
        ("www.good.test", "A", 6),
    ] {
        (0..times)
            .for_each(|_| drop(Client::udp(running.address()).ask(&Question::new(name, kind))));
    }
    Client::udp(running.address()).ask(&Question::new("version.bind", "TXT").class(3));
    Client::tcp(running.address()).ask(&Question::new("blocked.example", "TXT"));
}

#[test]
fn the_exact_report_says_what_was_asked_in_every_format() {
    let internet = Internet::start();
    let running = program(&internet).start();
    ask_known_figures(&running);
    let report = until("a flush", PATIENCE, || {
        Some(running.report()).filter(|report| report["sums"]["questions"] == 25)
    });
    let law = json!({"address": 5, "https": 4, "other": 2, "via_cname": 2, "sum": 13});
    assert_eq!(report["sums"]["blocked"]["law"], law);
    assert_eq!(report["sums"]["blocked"]["own"]["sum"], 5);
    let ended = json!({
        "blocked": 18, "hit": 5, "miss": 1, "own": 1,
        "refused": 0, "limited": 0, "fault": 0, "failed": 0,
    });
    assert_eq!(report["sums"]["ended"], ended);
    assert_eq!(
        report["lists"][0]["papers"][0]["authority"],
        "Authority of law"
    );

    let (_, text, _) = running.run(&["report", "--exact"]);
    assert!(
        text.contains("Questions blocked by the list law")
            && text.lines().any(|line| line.ends_with("  13")),
        "{text}"
    );
    let (_, csv, _) = running.run(&["report", "--exact", "--format", "csv"]);
    let sums = csv
        .lines()
        .filter(|line| line.starts_with("sum_blocked,") && line.contains(",law,"));
    let sums: Vec<&str> = sums
        .map(|line| line.split(',').nth(7).expect("a count"))
        .collect();
    assert_eq!(sums, ["5", "4", "2", "2"], "{csv}");
    assert_eq!(
        running.json(&["report", "--exact", "--json"])["sums"],
        report["sums"]
    );

    let hour = &report["hours"][0]["from"].as_str().expect("a time")[..13];
    let since = running.json(&["report", "--exact", "--format", "json", "--from", hour]);
    assert_eq!(since["sums"]["questions"], 25);
    let before = running.json(&[
        "report",
        "--exact",
        "--format",
        "json",
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-02T05",
    ]);
    assert_eq!(
        (&before["sums"]["questions"], &before["gaps"][0]["kind"]),
        (&0.into(), &"unrecorded".into())
    );
    assert_eq!(
        running
            .run(&["report", "--exact", "--from", "2026-01-01T00:30:00Z"])
            .0,
        2
    );
}

/// The samples of a page in the Prometheus text format, by name and labels; each must have its type
/// and its help before it.
fn read_exposition(page: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeMap::new());
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let [word, family, text] = comment.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            assert!(
                !text.is_empty()
                    && families
                        .insert((word.to_owned(), family.to_owned()), text.to_owned())
                        .is_none(),
                "{line}"
            );
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let name = sample.split('{').next().expect("a name");
        let suffix = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        let family = suffix
            .filter(|family| families.contains_key(&("TYPE".to_owned(), (*family).to_owned())))
            .unwrap_or(name);
        for word in ["TYPE", "HELP"] {
            assert!(
                families.contains_key(&(word.to_owned(), family.to_owned())),
                "{word} of {line}"
            );
        }
        assert!(
            name.bytes()
                .all(|octet| octet.is_ascii_lowercase() || octet == b'_')
                && (name.starts_with("wardline_") || name.starts_with("process_")),
            "{line}"
        );
        assert!(
            samples
                .insert(sample.to_owned(), value.parse().expect(line))
                .is_none(),
            "twice: {line}"
        );
    }
    samples
}

#[test]
fn the_metrics_agree_with_what_was_asked() {
    let internet = Internet::start();
    let running = program(&internet).metrics().start();
    // Who says nothing keeps Prometheus from nothing.
    let _silent: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(running.metrics_address()).expect("the metrics"))
        .collect();
    let fetch = || {
        let mut stream = TcpStream::connect(running.metrics_address()).expect("the metrics");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            .expect("a request");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("a reply");
        let (head, page) = reply.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        read_exposition(page)
    };
    let names = fetch().into_keys().collect::<Vec<_>>();
    assert!(!names.is_empty(), "a page from the first moment");
    ask_known_figures(&running);
    running.replace_list("own", "");
    assert_eq!(running.run(&["reload", "own"]).0, 1);
    let refused_at = "wardline_list_last_refusal_timestamp_seconds{list=\"own\"}";
    let is_complete = |samples: &BTreeMap<String, f64>| {
        samples["wardline_reply_seconds_count"] >= 25.0 && samples.contains_key(refused_at)
    };
    let samples = until("the next page", PATIENCE, || {
        Some(fetch()).filter(is_complete)
    });
    for (sample, value) in [
        ("wardline_questions_total{door=\"udp\"}", 24.0),
        ("wardline_questions_total{door=\"tcp\"}", 1.0),
        ("wardline_blocked_total{list=\"law\",kind=\"address\"}", 5.0),
        ("wardline_blocked_total{list=\"law\",kind=\"https\"}", 4.0),
        (
            "wardline_blocked_total{list=\"law\",kind=\"via_cname\"}",
            2.0,
        ),
        ("wardline_blocked_total{list=\"own\",kind=\"address\"}", 5.0),
        ("wardline_events_total{event=\"blocked\"}", 18.0),
        ("wardline_cache_hits_total", 5.0),
        ("wardline_cache_misses_total", 1.0),
        ("wardline_list_entries{list=\"law\"}", 2.0),
        ("wardline_reply_seconds_count", 25.0),
        ("wardline_reply_seconds_bucket{le=\"+Inf\"}", 25.0),
    ] {
        assert_eq!(
            samples.get(sample),
            Some(&value),
            "{sample} in {samples:#?}"
        );
    }
    let new: Vec<_> = samples
        .keys()
        .filter(|sample| !names.contains(sample))
        .collect();
    assert!(
        new.iter()
            .all(|sample| sample.contains("refusal") || sample.contains("last_flush")),
        "cardinality grows: {new:?}"
    );
}

#[test]
fn the_output_is_one_line_and_the_log_goes_to_the_other_side() {
    let internet = Internet::start();
    let mut running = program(&internet)
        .tls()
        .metrics()
        .toml("[log]\nlevel = \"debug\"\n")
        .start();
    ask_known_figures(&running);
    running.kill(libc::SIGHUP);
    let status = running.run(&["status"]).1;
    for words in [
        "program    wardline ",
        "questions  25: blocked 18, ",
        "LIST ",
        "law   Authority of law ",
    ] {
        assert!(status.contains(words), "{words:?} in {status}");
    }
    running.kill(libc::SIGTERM);
    assert_eq!(running.wait_exit(), 0);
    let stdout = running.stdout();
    assert!(
        stdout.lines().count() == 1 && stdout.starts_with("ready: udp 127.0.0.1:"),
        "{stdout}"
    );
    for words in [
        ", tcp 127.0.0.1:",
        ", tls 127.0.0.1:",
        ", metrics 127.0.0.1:",
        "; list law 2 entries, list own 1 entry; pid ",
    ] {
        assert!(stdout.contains(words), "{words:?} in {stdout}");
    }
    assert!(
        running.stderr().contains("list is in force") && running.stderr().contains("stopped"),
        "{}",
        running.stderr()
    );
    assert!(
        !running.folder().join("state/control.sock").exists(),
        "the control socket is taken away"
    );
}
