//! A year of a large provider's records, made by the real code, and how long the regulator's
//! commands take for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;
use wardline::count::{HourCounts, ListIdentity};
use wardline::store::{Author, Store, Taking, read_or_make_key};

use crate::kit::evidence;
use crate::kit::program::Program;

const RESOLVERS: usize = 50;
const LISTS: [&str; 5] = ["abuse", "court", "gambling", "market", "own"];
const DAYS: i64 = 365;
const HOUR_S: i64 = 3600;
const DAY_S: i64 = 86_400;
/// 2025-01-01T00:00:00Z.
const START: i64 = 1_735_689_600;

/// Counts that differ from hour to hour, always the same ones.
fn counts(hour: i64, resolver: usize) -> HourCounts {
    let number = (hour / HOUR_S).unsigned_abs() * 31 + resolver as u64 * 7;
    let lists: Vec<_> = (0..LISTS.len() as u64)
        .map(|list| {
            [
                (number * (list + 3)) % 97,
                number % 5,
                0,
                (number + list) % 3,
            ]
        })
        .collect();
    let blocked = lists.iter().flatten().sum();
    let events = [blocked, 800_000 + number % 1000, 150_000, 40, 0, 3, 1, 9];
    HourCounts {
        hour,
        lists,
        questions: events.iter().sum(),
        events,
        ..HourCounts::default()
    }
}

/// A day at a time, and a new version of each list in each week.
fn run_for_a_year(state: &Path, resolver: usize) {
    fs::create_dir_all(state).expect("a folder");
    let lists = LISTS.map(|id| ListIdentity {
        id: id.into(),
        authority: "Example Authority".into(),
        legal_basis: "Example Act".into(),
    });
    let origin = format!("provider.example/r{resolver:02}");
    let key = read_or_make_key(&state.join("audit.key"), &origin).expect("a key");
    let mut store = Store::open(state, &lists, Author::new(key, "ab"), START).expect("a store");
    for day in 0..DAYS {
        let start = START + day * DAY_S;
        let hours: Vec<_> = (0..24)
            .map(|hour| counts(start + hour * HOUR_S, resolver))
            .collect();
        let version = || Some((day.unsigned_abs(), format!("{day:064x}")));
        let live = |list: &str| evidence::live(list, start, version());
        let events: Vec<_> = LISTS
            .into_iter()
            .filter(|_| day % 7 == 0)
            .map(live)
            .collect();
        store
            .write(
                &Taking {
                    hours: &hours,
                    events: &events,
                    ..Taking::default()
                },
                start + DAY_S,
            )
            .expect("a writing");
    }
    store.end(START + DAYS * DAY_S + 1).expect("an end");
}

/// The states and the exported logs of all resolvers; in the folder that WARDLINE_YEAR names they
/// are kept, and found again.
fn make_a_year(folder: &Path) -> Vec<PathBuf> {
    let states: Vec<PathBuf> = (0..RESOLVERS)
        .map(|resolver| folder.join(format!("states/r{resolver:02}")))
        .collect();
    if !folder.join("keys").exists() {
        thread::scope(|scope| {
            for half in states.chunks(RESOLVERS / 2) {
                scope.spawn(|| half.iter().for_each(|state| make_one(folder, state)));
            }
        });
        let keys = states.iter().map(|state| {
            let name = state
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            fs::read_to_string(folder.join("logs").join(name).join("key")).expect("a key")
        });
        fs::write(folder.join("keys"), keys.collect::<String>()).expect("keys");
    }
    states
}

fn make_one(folder: &Path, state: &Path) {
    let name = state
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    run_for_a_year(state, name[1..].parse().expect("a number"));
    let config = format!(
        "state = {state:?}\n[audit]\nprovider = \"provider.example\"\nresolver = {name:?}\n"
    );
    let log = folder.join("logs").join(&name).display().to_string();
    let (code, _, stderr) = Program::new()
        .toml(&config)
        .prepare()
        .run(&["audit", "export", &log]);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
#[ignore = "long run: makes 2.2 million leaves"]
fn a_year_of_fifty_resolvers_is_checked_and_reported() {
    let temporary = TempDir::new().expect("a folder");
    let folder = std::env::var_os("WARDLINE_YEAR")
        .map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let begun = Instant::now();
    let states = make_a_year(&folder);
    println!("made in {:.1?}", begun.elapsed());
    let program = Program::new().prepare();
    let text = |path: &Path| path.display().to_string();
    let report_file = folder.join("report.json");
    let month = [[
        "report", "--from", "2025-01", "--to", "2026-01", "--by", "day", "--format", "json",
    ]
    .map(str::to_owned)
    .to_vec()];
    let arguments: Vec<String> = month
        .into_iter()
        .flatten()
        .chain(states.iter().map(|state| text(state)))
        .collect();
    let begun = Instant::now();
    let (code, report, stderr) =
        program.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    println!("reported in {:.1?}", begun.elapsed());
    assert_eq!(code, 0, "{stderr}");
    fs::write(&report_file, report).expect("a report");
    let (logs, keys, file) = (
        text(&folder.join("logs")),
        text(&folder.join("keys")),
        text(&report_file),
    );
    let begun = Instant::now();
    let outcome: Value = program.json(&[
        "audit",
        "verify",
        &logs,
        "--key",
        &keys,
        "--report",
        &file,
        "--until",
        "2026-01-01",
        "--json",
    ]);
    println!("verified in {:.1?}", begun.elapsed());
    let leaves: u64 = outcome["logs"]
        .as_array()
        .expect("logs")
        .iter()
        .filter_map(|log| log["size"].as_u64())
        .sum();
    println!("{leaves} leaves");
    assert_eq!(outcome["verdict"], "in order");
    assert!(leaves > (RESOLVERS * LISTS.len()) as u64 * DAYS.unsigned_abs() * 24);
}
