//! The metrics page against its documentation, the alert rules, the dashboard, and a real
//! Prometheus that scrapes the real program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use wardline::seal::SigningKey;

use crate::kit::ask::{Question, ask};
use crate::kit::internet::Internet;
use crate::kit::papers::{manifest, place, sign};
use crate::kit::program::Program;
use crate::kit::prometheus::{Prometheus, promtool};
use crate::kit::running::Running;
use crate::kit::tool;
use crate::kit::until;
use crate::kit::witness::WitnessProgram;

const PATIENCE: Duration = Duration::from_secs(60);
const LISTED: &str = "listed.wild.test";

/// A program that has all that there is a metric for, and what it stands on.
struct Scene {
    running: Running,
    _internet: Internet,
    _witness: WitnessProgram,
    _lists: TempDir,
}

impl Scene {
    fn start() -> Self {
        let (internet, lists) = (Internet::start(), TempDir::new().unwrap());
        let [log, curator] = ["provider.example/resolver-1", "curator.example"]
            .map(|name| SigningKey::generate(name).unwrap());
        let witness = WitnessProgram::start("witness.example", &[log.public()], &[]);
        let entries = "signed.wild.test\n";
        let issue = manifest("signed", 1, entries);
        place(lists.path(), &issue.entries_file(), entries);
        let note = sign(&curator, &issue.to_text());
        place(lists.path(), "signed.manifest", note.to_string());
        let folder = format!(
            "folder = {{ path = {:?} }}\napply_within_s = 3600",
            lists.path()
        );
        let mut running = Program::new()
            .recurse(&internet)
            .tls()
            .metrics()
            .list("law", &format!("{LISTED}\n"))
            .signed_list(&curator, &folder)
            .toml(&format!(
                "[resolve]\nrebinding_protection = true\n[[resolve.zone]]\nname = \"corp.test\"\n\
                 forward = [\"{}\"]\n[resolve.recurse]\nroot_copy = \"root.zone\"\n[count]\n\
                 flush_s = 1\n[[audit.witness]]\nurl = \"http://{}\"\nkey = \"{}\"\n",
                internet.forwarder(),
                witness.address(),
                witness.key()
            ))
            .prepare();
        fs::write(running.folder().join("root.zone"), internet.root_zone()).unwrap();
        let state = running.folder().join("state");
        fs::create_dir(&state).unwrap();
        fs::write(state.join("audit.key"), log.to_text().as_str()).unwrap();
        running.restart();
        running.replace_list("law", "");
        assert_eq!(
            running.run(&["reload", "law"]).0,
            1,
            "an empty list is refused"
        );
        Self {
            running,
            _internet: internet,
            _witness: witness,
            _lists: lists,
        }
    }

    /// Asks something of each kind by each door.
    fn ask(&self) {
        for door in self.running.doors() {
            for (name, kind) in [
                (LISTED, "A"),
                (LISTED, "HTTPS"),
                ("one.wild.test", "A"),
                ("one.wild.test", "AAAA"),
                ("www.good.test", "A"),
                ("www.plain.test", "A"),
                ("www.bogus.test", "A"),
                ("no.such.tld", "PTR"),
            ] {
                door.ask(&Question::new(name, kind));
            }
        }
    }
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The body of a metrics page.
fn body(page: &str) -> &str {
    page.split_once("\r\n\r\n").expect("a head").1
}

/// The families of a page: type, labels and help of each.
fn families(page: &str) -> BTreeMap<String, (String, BTreeSet<String>, String)> {
    let mut families: BTreeMap<String, (String, BTreeSet<String>, String)> = BTreeMap::new();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            families.entry(name.to_owned()).or_default().2 = help.to_owned();
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        {
            families.entry(name.to_owned()).or_default().0 = kind.to_owned();
        } else if let Some((name, labels)) = line.split_once('{') {
            let ends = ["_bucket", "_sum", "_count"];
            let base = ends.iter().find_map(|end| name.strip_suffix(end));
            let family = base
                .filter(|base| families.contains_key(*base))
                .unwrap_or(name);
            // No value of the scene has a comma in it.
            let labels = labels.split('}').next().unwrap().split(',');
            let labels = labels.map(|label| label.split('=').next().unwrap().to_owned());
            families.get_mut(family).expect(line).1.extend(labels);
        }
    }
    families
}

/// The tables of docs/metrics.md: `name`, type, `labels`, meaning.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>, String)> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, help] = cells[..] else {
            panic!("{line}")
        };
        let words = labels
            .split([',', ' ', '`'])
            .filter(|word| !word.is_empty());
        let labels = words.map(str::to_owned).collect();
        let name = name.trim_matches('`').to_owned();
        (name, (kind.to_owned(), labels, help.to_owned()))
    };
    rows.map(row).collect()
}

#[test]
fn each_metric_is_documented_as_it_is() {
    let scene = Scene::start();
    scene.ask();
    let (told, found) = (documented(), |scene: &Scene| {
        families(body(&scene.running.metrics_page()))
    });
    // A witness's age comes with its first cosignature, and other samples with the first writing.
    until("the page as it is documented", PATIENCE, || {
        (found(&scene) == told).then_some(())
    });
    let page = scene.running.metrics_page();
    for sample in [
        "wardline_question_types_total{type=\"HTTPS\"} 3",
        "wardline_replies_total{rcode=\"SERVFAIL\"} 3",
        "wardline_dnssec_results_total{result=\"bogus\"} 1",
        "wardline_refusals_total{reason=\"waiting_all\"} 0",
        "wardline_connections_limit 2000",
        "wardline_list_deadlines_missed_total{list=\"signed\"} 0",
        "wardline_tls_certificate_expiry_timestamp_seconds 4948952055",
        "wardline_root_copy_in_use 1",
        "wardline_trust_anchor_fault{zone=\".\"} 0",
        "wardline_config_last_reload_successful 1",
        "wardline_config_keys_waiting 0",
    ] {
        assert!(
            page.lines().any(|line| line == sample),
            "{sample} in {page}"
        );
    }
    for word in ["127.0.0.1:0", "wild.test", "plain.test", "bogus.test"] {
        assert!(!page.contains(word), "{word} in {page}");
    }
    let config = fs::read_to_string(scene.running.config_file()).unwrap();
    fs::write(
        scene.running.config_file(),
        format!("{config}\n[nonsense]\n"),
    )
    .unwrap();
    assert_eq!(scene.running.run(&["reload"]).0, 1);
    let refused = "wardline_config_last_reload_successful";
    until("a configuration that was refused", PATIENCE, || {
        scene.running.metric(refused).filter(|value| *value == 0.0)
    });
    let later = config.replace("[audit]", "[audit]\nprovider = \"another.example\"");
    let later = if later == config {
        format!("{config}\n[audit]\nprovider = \"another.example\"\n")
    } else {
        later
    };
    fs::write(scene.running.config_file(), later).unwrap();
    scene.running.run(&["reload"]);
    let waiting = "wardline_config_keys_waiting";
    until("a key that waits", PATIENCE, || {
        scene.running.metric(waiting).filter(|value| *value == 1.0)
    });
}

/// What stands behind this word at the beginning of the lines of a text.
fn values<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let lines = text.lines().map(str::trim_start);
    lines
        .filter_map(|line| line.strip_prefix(key))
        .map(str::trim)
        .collect()
}

#[test]
fn each_alert_has_its_section_and_its_test() {
    let rules = read("config/prometheus/wardline.rules.yml");
    let tests = read("config/prometheus/wardline.rules.test.yml");
    let runbook = read("docs/runbook.md");
    let alerts = values(&rules, "- alert: ");
    let sections = values(&runbook, "## ");
    assert!(alerts.len() >= 25, "{alerts:?}");
    assert_eq!(alerts, sections, "one section each, in one order");
    let runbooks = values(&rules, "runbook: ");
    assert_eq!(runbooks.len(), alerts.len());
    for (alert, link) in alerts.iter().zip(runbooks) {
        let anchor = format!("docs/runbook.md#{}", alert.to_lowercase());
        assert_eq!(link, anchor);
        let fires = format!("- labels: '{{alertname=\"{alert}\"}}'");
        assert_eq!(
            tests.matches(&fires).count(),
            1,
            "{alert} fires in one test"
        );
    }
    let links = runbook.split("](#").skip(1);
    for link in links.map(|rest| rest.split(')').next().unwrap()) {
        let is_there = sections
            .iter()
            .any(|section| section.to_lowercase() == link);
        assert!(is_there, "{link}");
    }
    for page in runbook.split("](").skip(1) {
        let page = page.split([')', '#']).next().unwrap();
        assert!(
            page.is_empty() || project("docs").join(page).exists(),
            "{page}"
        );
    }
}

/// The names of metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let is_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let words = text.split(|letter| !is_name(letter));
    words
        .filter(|word| word.starts_with("wardline_") || word.starts_with("process_"))
        .collect()
}

/// The queries of the dashboard.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("config/grafana/wardline.json")).unwrap();
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let queries = targets.map(|target| target["expr"].as_str().expect("a query"));
    queries
        .map(|query| query.replace("$instance", ".*"))
        .collect()
}

/// Without Prometheus too: rules and dashboard ask for nothing that the page does not have.
#[test]
fn rules_and_dashboard_ask_for_what_there_is() {
    let told = documented();
    let rules = read("config/prometheus/wardline.rules.yml");
    let expressions: Vec<&str> = rules
        .lines()
        .filter(|line| !line.trim_start().starts_with("- name:"))
        .collect();
    for text in [expressions.join("\n"), queries().join("\n")] {
        let names = metrics_in(&text);
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end));
            let is_told =
                told.contains_key(name) || base.is_some_and(|base| told.contains_key(base));
            assert!(is_told, "{name}");
        }
    }
}

#[test]
fn prometheus_takes_page_rules_and_dashboard() {
    if tool::is_missing(&tool::PROMETHEUS) {
        return;
    }
    let folder = project("config/prometheus");
    let checked = promtool(&["check", "rules", "wardline.rules.yml"], &folder, "");
    assert!(checked.contains("SUCCESS"), "{checked}");
    promtool(&["test", "rules", "wardline.rules.test.yml"], &folder, "");
    let scene = Scene::start();
    scene.ask();
    let page = scene.running.metrics_page();
    let said = promtool(&["check", "metrics"], &folder, body(&page));
    assert_eq!(said, "", "names and types by the conventions");
    let rules = folder.join("wardline.rules.yml");
    let prometheus = Prometheus::start(scene.running.metrics_address(), &rules);
    for query in queries() {
        until(&query, PATIENCE, || {
            // Rates want something that happens.
            ask(scene.running.address(), "www.good.test", "A");
            let found = prometheus.query(&query);
            let is_figure = |sample: &Value| sample["value"][1] != "NaN";
            found.iter().any(is_figure).then_some(())
        });
        scene.ask();
    }
    until("the rules", PATIENCE, || {
        let rules = prometheus.rules();
        assert!(rules.len() >= 25, "{rules:?}");
        rules
            .iter()
            .all(|rule| rule["health"] == "ok")
            .then_some(())
    });
    let firing = prometheus.query("count by (alertname) (ALERTS{alertstate=\"firing\"})");
    let names: Vec<_> = firing
        .iter()
        .map(|alert| &alert["metric"]["alertname"])
        .collect();
    let expected = ["WardlineListExpires"].map(Value::from);
    assert_eq!(
        names,
        expected.iter().collect::<Vec<_>>(),
        "a day is left of the list"
    );
}
