//! A published report held against the logs of its resolvers: both verifiers make each figure anew,
//! and refuse whatever was edited.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use wardline::report::{ByList, PublishedDocument};

use crate::audit::{RESOLVERS, arguments, month, verify};
use crate::kit::program::Program;

/// The report that the program makes of both resolvers' states, by day or by month.
fn published(by: &str, out: &Path) -> String {
    let states = month().folder.path().join("states");
    let states = RESOLVERS.map(|resolver| states.join(resolver).display().to_string());
    let command = [
        &["report", "--by", by, "--format", "json"][..],
        &states.each_ref().map(String::as_str)[..],
    ];
    let (code, text, error) = Program::new().prepare().run(&command.concat());
    assert_eq!(code, 0, "{error}");
    fs::write(out, &text).expect("a report");
    text
}

/// A report, where it lies, and what verifies it.
struct Edited {
    folder: TempDir,
    arguments: Vec<String>,
    text: String,
    report: Value,
}

impl Edited {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("report.json");
        let mut arguments = arguments(&month().folder.path().join("logs/one"));
        arguments.extend(["--report".to_owned(), file.display().to_string()]);
        let text = published("day", &file);
        let report = serde_json::from_str(&text).expect("JSON");
        Self {
            folder,
            arguments,
            text,
            report,
        }
    }

    /// What both verifiers find in this text.
    fn found(&self, text: &str) -> Vec<String> {
        fs::write(self.folder.path().join("report.json"), text).expect("a report");
        verify(&self.arguments).1
    }

    /// The text with another figure; the values of a report keep their order in its text alone.
    fn with(&self, pointer: &str, value: &Value) -> String {
        let old = self.report.pointer(pointer).expect("a figure").to_string();
        let key = pointer.rsplit('/').next().expect("a key");
        let part = match pointer {
            days if days.starts_with("/months/0/days") => "\"days\"",
            sums if sums.starts_with("/sums") => "\"sums\"",
            _ => "\"months\"",
        };
        let (before, after) = self.text.split_at(self.text.find(part).expect("a part"));
        let place = format!("\"{key}\": {old}");
        assert!(after.contains(&place), "{place}");
        let edited = format!("\"{key}\": {value}");
        format!("{before}{}", after.replacen(&place, &edited, 1))
    }
}

#[test]
fn a_report_as_it_was_made_is_in_order() {
    let edited = Edited::new();
    let none = Vec::<String>::new();
    assert_eq!(edited.found(&edited.text), none);
    assert!(edited.text.contains("\"hidden\""), "{}", edited.text);
    let by_month = published("month", &edited.folder.path().join("report.json"));
    assert_eq!(edited.found(&by_month), none);
}

#[test]
fn each_figure_is_made_anew() {
    let edited = Edited::new();
    let hidden = json!("hidden");
    for (pointer, value, place) in [
        ("/months/0/blocked/law", json!(7), "2026-03 list law"),
        ("/months/0/blocked/law", hidden.clone(), "2026-03 list law"),
        ("/months/0/blocked/law", Value::Null, "2026-03 list law"),
        ("/months/0/blocked/policy", json!(1), "2026-03 list policy"),
        ("/months/0/blocked_by_all", json!(1), "2026-03 all"),
        ("/months/0/blocked_by_all", hidden.clone(), "2026-03 all"),
        (
            "/months/0/questions_in_millions",
            json!(9),
            "2026-03 questions",
        ),
        (
            "/months/0/days/0/blocked/law",
            hidden.clone(),
            "2026-03-01 list law",
        ),
        (
            "/months/0/days/0/blocked/law",
            json!(3),
            "2026-03-01 list law",
        ),
        (
            "/months/0/days/0/blocked_by_all",
            Value::Null,
            "2026-03-01 all",
        ),
        (
            "/months/0/days/0/blocked/policy",
            json!(84),
            "2026-03-01 list policy",
        ),
        ("/sums/blocked/law", json!(4), "sums list law"),
        ("/sums/blocked/policy", hidden.clone(), "sums list policy"),
        ("/sums/blocked_by_all", hidden, "sums all"),
        ("/months/0/blocked/law", json!("7"), "form"),
        ("/months/0/blocked/law", json!(7.5), "form"),
        ("/months/0/blocked/law", json!(-7), "form"),
        ("/months/0/blocked/law", json!([7]), "form"),
        ("/months/0/blocked/law", json!("secret"), "form"),
    ] {
        assert_eq!(
            edited.found(&edited.with(pointer, &value)),
            [format!("report report {place}")],
            "{pointer} is {value}"
        );
    }
}

/// What is done to a report, and the place at which both verifiers refuse it.
type Edit = (&'static str, fn(&mut PublishedDocument));

/// What follows from leaves beside counts.
const EDITS: &[Edit] = &[
    ("resolvers", |report| report.resolvers = 1),
    ("resolvers", |report| report.resolvers += 1),
    ("2026-03 in-force law", |report| {
        report.months[0].in_force.0[0].1.seconds += 1;
    }),
    ("2026-03 in-force law", |report| {
        report.months[0].in_force.0[0].1.due_seconds -= 1;
    }),
    ("2026-03 in-force policy", |report| {
        report.months[0].in_force.0.truncate(1);
    }),
    ("2026-03 not-in-force law", |report| {
        report.months[0].not_in_force.0[0].1.count -= 1;
    }),
    ("2026-03 not-in-force law", |report| {
        report.months[0].not_in_force.0[0].1.seconds -= 1;
    }),
    ("2026-03 not-in-force law", |report| {
        report.months[0].not_in_force.0.clear();
    }),
    ("2026-03 gaps", |report| report.months[0].gaps.0.clear()),
    ("2026-03 gaps", |report| report.months[0].gaps.0.reverse()),
    ("2026-03 gaps", |report| {
        report.months[0].gaps.0[0].0 = "stopped for a while".to_owned();
    }),
    ("2026-03 gaps", |report| {
        report.months[0].gaps.0[0].1.seconds -= 1;
    }),
    ("2026-03 gaps", |report| {
        report.months[0].gaps.0[1].1.count -= 1;
    }),
    ("2026-03 done law", |report| {
        report.months[0].done.0[0].1.0[0].1 += 1;
    }),
    ("2026-03 done law", |report| {
        report.months[0].done.0[0].1.0.pop();
    }),
    ("2026-03 done policy", |report| {
        report.months[0].done.0.pop();
    }),
    ("2026-03 done law", |report| {
        // All versions took 40 seconds.
        let done = &mut report.months[0].done.0[0].1.0;
        done.push(("versions".to_owned(), 4));
        done.push(("within_deadline".to_owned(), 4));
        done.push(("deadline_seconds".to_owned(), 39));
    }),
    ("versions law", |report| {
        report.lists[0].versions.pop();
    }),
    ("versions law", |report| {
        report.lists[0].versions[0].serial += 7;
    }),
    ("versions law", |report| {
        report.lists[0].versions[0].seconds -= 1;
    }),
    ("versions law", |report| {
        report.lists[0].versions[1].issued = "2026-03-02T00:00:00Z".to_owned();
    }),
    ("versions law", |report| {
        report.lists[0].versions[1].live = "2026-03-02T00:00:00Z".to_owned();
    }),
    ("head provider.example/one", |report| {
        report.log_heads.remove(0);
    }),
    ("head provider.example/two", |report| {
        report.log_heads[1].size = "7".to_owned();
    }),
    ("head provider.example/two", |report| {
        report.log_heads[1].size.insert(0, '0');
    }),
    ("head provider.example/one", |report| {
        report.log_heads[0].root = report.log_heads[1].root.clone();
    }),
    ("head provider.example/one", |report| {
        report.log_heads[0].signed_at = "2026-03-31T23:59:59Z".to_owned();
    }),
    ("form", |report| report.log_heads.reverse()),
    ("form", |report| report.months[0].in_force.0.reverse()),
    ("form", |report| report.months[0].done.0.reverse()),
];

#[test]
fn all_that_follows_from_leaves_is_made_anew() {
    let edited = Edited::new();
    for (number, (place, edit)) in EDITS.iter().enumerate() {
        let mut report = PublishedDocument::parse(edited.text.as_bytes()).expect("a report");
        edit(&mut report);
        let text = report.to_json();
        assert_ne!(text, edited.text, "edit {number}, {place}");
        let findings = edited.found(&text);
        assert_eq!(
            findings,
            [format!("report report {place}")],
            "edit {number}"
        );
    }
}

/// Deadlines are the operator's word; who kept them follows from the leaves.
#[test]
fn a_deadline_is_held_against_the_issues() {
    let edited = Edited::new();
    let with = |within: u64, deadline: u64| {
        let mut report = PublishedDocument::parse(edited.text.as_bytes()).expect("a report");
        let issues = report.lists[0].versions.len() as u64;
        let ByList(done) = &mut report.months[0].done;
        for (key, count) in [
            ("versions", issues),
            ("within_deadline", within),
            ("deadline_seconds", deadline),
        ] {
            done[0].1.0.push((key.to_owned(), count));
        }
        edited.found(&report.to_json())
    };
    assert_eq!(edited.report["lists"][0]["versions"][0]["seconds"], 40);
    let all = edited.report["lists"][0]["versions"]
        .as_array()
        .expect("versions")
        .len() as u64;
    assert_eq!(with(all, 40), Vec::<String>::new());
    assert_eq!(with(0, 39), Vec::<String>::new());
    assert_eq!(with(all, 39), ["report report 2026-03 done law"]);
    assert_eq!(with(all - 1, 40), ["report report 2026-03 done law"]);
}

#[test]
fn what_is_left_out_or_written_otherwise_is_refused() {
    let edited = Edited::new();
    let (text, report) = (&edited.text, &edited.report);
    let law = format!("\"law\": {}", report["months"][0]["blocked"]["law"]);
    let [month, by] = ["\"month\": \"2026-03\"", "\"by\": \"day\""];
    for (from, to, place) in [
        (law.as_str(), format!("{law},\n        {law}"), "form"),
        (law.as_str(), "\"other\": 7".to_owned(), "2026-03 list law"),
        (month, "\"month\": \"2026-04\"".to_owned(), "months"),
        (
            "\"until\": \"2026-04\"",
            "\"until\": \"2026-05\"".to_owned(),
            "months",
        ),
        (
            "\"from\": \"2026-03\"",
            "\"from\": null".to_owned(),
            "months",
        ),
        (by, "\"by\": \"month\"".to_owned(), "months"),
        (by, "\"by\": \"week\"".to_owned(), "months"),
        (
            "\"day\": \"2026-03-07\"",
            "\"day\": \"2026-03-08\"".to_owned(),
            "months",
        ),
        (
            "\"id\": \"policy\"",
            "\"id\": \"other\"".to_owned(),
            "lists",
        ),
        ("\"version\": 1", "\"version\": 2".to_owned(), "form"),
        ("\"resolvers\": 2", "\"resolvers\": 2.0".to_owned(), "form"),
        ("  \"by\"", " \"by\"".to_owned(), "form"),
        (
            "\"report\": \"wardline-report\"",
            "\"report\": \"wardline\\u002dreport\"".to_owned(),
            "form",
        ),
    ] {
        let other = text.replacen(from, &to, 1);
        assert_ne!(other, *text, "{from}");
        let findings = edited.found(&other);
        let expected = format!("report report {place}");
        assert!(findings.contains(&expected), "{from}: {findings:?}");
    }
}

#[test]
fn a_report_that_says_nothing_is_refused() {
    let edited = Edited::new();
    let (text, report) = (&edited.text, &edited.report);
    // Sorted keys are another order than a report has.
    let sorted = serde_json::to_string_pretty(&report).expect("JSON") + "\n";
    assert_eq!(edited.found(&sorted), ["report report form"]);
    let months = text.find("\"months\": [").expect("months");
    let end = text.find("\n  ],\n  \"not_over\"").expect("an end");
    let emptied = format!("{}\"months\": []{}", &text[..months], &text[end + 4..]);
    assert_eq!(
        edited.found(&emptied),
        ["report report months"],
        "nothing is said"
    );
    assert_eq!(edited.found("[]\n"), ["report report form"]);
    assert_eq!(edited.found("no report"), ["report report form"]);
}
