//! A log that goes back, since its clock was ahead, and what its author may make of that with the
//! true key: both verifiers refuse it, and name the same place.

use serde_json::{Value, json};
use tempfile::TempDir;
use wardline::count::{HourCounts, ListIdentity};
use wardline::seal::SigningKey;
use wardline::store::{Author, ClockStep, LogReader, Store, Taking, read_or_make_key};

use crate::audit::{forge, leaves_of, verify};
use crate::kit::evidence::live;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// 2026-03-01T00:00:00Z.
const MARCH: i64 = 1_772_323_200;
const ORIGIN: &str = "provider.example/one";
/// What is blocked in each hour.
const BLOCKED: u64 = 5;

struct GoneBack {
    leaves: Vec<Value>,
    key: SigningKey,
}

/// Three hours, three days ahead for eight seconds, back, and two hours more.
fn gone_back() -> GoneBack {
    let folder = TempDir::new().expect("a folder");
    let key = || read_or_make_key(&folder.path().join("audit.key"), ORIGIN).expect("a key");
    let list = ListIdentity {
        id: "law".into(),
        authority: "A".into(),
        legal_basis: "B".into(),
    };
    let author = Author::new(key(), "ab");
    let mut store = Store::open(folder.path(), &[list], author, MARCH).expect("a store");
    let events = [live("law", MARCH, Some((1, format!("{:064x}", 1))))];
    let write = |store: &mut Store, hour: i64, at: i64, events: &[_], steps: &[ClockStep]| {
        let counts = HourCounts {
            hour,
            lists: vec![[BLOCKED, 0, 0, 0]],
            questions: BLOCKED + 100,
            events: [BLOCKED, 100, 0, 0, 0, 0, 0, 0],
            ..HourCounts::default()
        };
        let taking = Taking {
            hours: &[counts],
            events,
            steps,
            ..Taking::default()
        };
        store.write(&taking, at).expect("a writing");
    };
    for n in 0..3 {
        let events = if n == 0 { &events[..] } else { &[] };
        write(
            &mut store,
            MARCH + n * HOUR,
            MARCH + n * HOUR + 3000,
            events,
            &[],
        );
    }
    let step = |from, until| ClockStep {
        from,
        until,
        by_s: until - from,
    };
    let (right, ahead) = (MARCH + 2 * HOUR + 3100, MARCH + 2 * HOUR + 3100 + 3 * DAY);
    let forward = [step(right, ahead)];
    write(&mut store, ahead - ahead % HOUR, ahead + 8, &[], &forward);
    let back = ClockStep {
        by_s: -3 * DAY,
        ..step(ahead + 8, ahead + 8)
    };
    write(&mut store, ahead - ahead % HOUR, ahead + 8, &[], &[back]);
    let way = store.way_back(right + 8, right).expect("a store");
    store.go_back(&way.expect("a way back")).expect("a store");
    for n in 2..5 {
        write(
            &mut store,
            MARCH + n * HOUR,
            MARCH + n * HOUR + 3500,
            &[],
            &[],
        );
    }
    store.end(MARCH + 5 * HOUR).expect("an end");
    let leaves = leaves_of(&LogReader::open(folder.path()).expect("a log"));
    let leaves = leaves
        .iter()
        .map(|leaf| serde_json::from_str(leaf).expect("JSON"));
    GoneBack {
        leaves: leaves.collect(),
        key: key(),
    }
}

/// The place of the `clock` whose body has exactly these keys.
fn clock(leaves: &[Value], keys: &[&str]) -> usize {
    let is_it = |leaf: &Value| {
        let body = leaf["body"].as_object();
        leaf["kind"] == "clock" && body.is_some_and(|body| body.keys().eq(keys))
    };
    leaves.iter().position(is_it).expect("a clock")
}

fn way_back(leaves: &[Value]) -> usize {
    clock(leaves, &["since", "until"])
}

fn time(at: i64) -> Value {
    json!(
        jiff::Timestamp::from_second(at)
            .expect("a time")
            .to_string()
    )
}

/// The exit code of both verifiers, what they find, and what ours says, of a changed log.
fn judge(log: &GoneBack, leaves: &[Value]) -> (i32, Vec<String>, Value) {
    let folder = TempDir::new().expect("a folder");
    let leaves: Vec<String> = leaves.iter().map(Value::to_string).collect();
    forge(&leaves, &log.key, folder.path());
    let here = folder.path().display().to_string();
    verify(&[here, "--key".to_owned(), log.key.public().to_string()])
}

#[test]
fn a_log_that_went_back_is_in_order_and_counts_no_hour_twice() {
    let log = gone_back();
    let (code, findings, outcome) = judge(&log, &log.leaves);
    assert_eq!((code, findings), (0, vec![]), "{outcome:#}");
    // The hour of the step and the one ahead are withdrawn; the first of them is told again.
    assert_eq!(outcome["blocked"]["law"]["address"], 5 * BLOCKED);
    assert_eq!(outcome["questions"], 5 * (BLOCKED + 100));
    let withdrawn = &outcome["logs"][0]["withdrawn"];
    assert_eq!(withdrawn["hours"], 2, "{withdrawn:#}");
    assert_eq!(withdrawn["blocked"]["law"], 3 * BLOCKED);
    assert_eq!(outcome["logs"][0]["until"], time(MARCH + 5 * HOUR));
}

/// What is done to the leaves; where a finding must be, and its code.
type Forgery = (
    &'static str,
    Box<dyn Fn(&mut Vec<Value>) -> usize>,
    &'static str,
);

/// The clock came right, by the log.
const RIGHT: i64 = MARCH + 2 * HOUR + 3108;

/// The leaf by which the log goes back says something else.
fn other_words() -> Vec<Forgery> {
    let set = |pointer: &'static str, value: Value| {
        move |leaves: &mut Vec<Value>| {
            let at = way_back(leaves);
            *leaves[at].pointer_mut(pointer).expect("a field") = value.clone();
            at
        }
    };
    let since = |at: i64| set("/body/since", time(at));
    let to = |at: i64| set("/body/until", time(at));
    let too_late = to(RIGHT + HOUR);
    // What comes next was earlier.
    let after = move |leaves: &mut Vec<Value>| too_late(leaves) + 1;
    let at_once = set("/at", time(MARCH + 2 * HOUR + 3 * DAY + 3599));
    vec![
        (
            "an hour too much is withdrawn",
            Box::new(since(MARCH + HOUR)),
            "clock",
        ),
        (
            "an hour too few",
            Box::new(since(MARCH + 3 * HOUR)),
            "clock",
        ),
        ("from within an hour", Box::new(since(RIGHT)), "clock"),
        (
            "to before the step forward",
            Box::new(to(MARCH + HOUR + 9)),
            "clock",
        ),
        ("to after the hours since", Box::new(after), "time"),
        ("to a later time", Box::new(to(MARCH + 4 * DAY)), "clock"),
        ("not at an hour's end", Box::new(at_once), "time"),
        ("of a list", Box::new(set("/list", json!("law"))), "leaf"),
    ]
}

/// Other leaves stand around it.
fn other_leaves() -> Vec<Forgery> {
    let uncut = |leaves: &mut Vec<Value>| {
        let cut = clock(leaves, &["until"]);
        leaves.remove(cut);
        way_back(leaves)
    };
    let cut_and_on = |leaves: &mut Vec<Value>| {
        let at = way_back(leaves);
        leaves.truncate(at);
        let mut stop = leaves[clock(leaves, &["until"])].clone();
        stop["kind"] = json!("stop");
        stop["body"] = json!({});
        stop["at"] = time(MARCH + 3 * HOUR + 3 * DAY);
        leaves.push(stop);
        at
    };
    let cut_elsewhere = |leaves: &mut Vec<Value>| {
        let cut = clock(leaves, &["until"]);
        leaves[cut]["body"]["until"] = time(MARCH + 4 * HOUR + 3 * DAY);
        cut
    };
    let twice = |leaves: &mut Vec<Value>| {
        let at = way_back(leaves);
        leaves.insert(at, leaves[at].clone());
        at + 1
    };
    let told_before = |leaves: &mut Vec<Value>| {
        let at = way_back(leaves);
        let hour = leaves.iter().position(|leaf| leaf["kind"] == "hour");
        leaves.insert(at + 1, leaves[hour.expect("an hour")].clone());
        at + 1
    };
    vec![
        (
            "without an hour that is cut short",
            Box::new(uncut),
            "clock",
        ),
        (
            "an hour is cut short for nothing",
            Box::new(cut_and_on),
            "clock",
        ),
        (
            "an hour is cut to another end",
            Box::new(cut_elsewhere),
            "clock",
        ),
        ("twice", Box::new(twice), "clock"),
        (
            "an hour that stands is told again",
            Box::new(told_before),
            "hour",
        ),
    ]
}

/// The hour that is told again says something else.
fn another_hour() -> Vec<Forgery> {
    let again = |leaves: &[Value]| {
        let (at, hour) = (way_back(leaves), time(MARCH + 2 * HOUR));
        let is_again = |leaf: &Value| leaf["hour"] == hour;
        leaves.iter().skip(at).position(is_again).expect("an hour") + at
    };
    let in_force = move |leaves: &mut Vec<Value>| {
        let told = again(leaves);
        leaves[told]["in_force_s"] = json!(HOUR);
        leaves[told]["gaps"] = json!([]);
        leaves[told]["gap_s"] = json!(0);
        told
    };
    let carried = move |leaves: &mut Vec<Value>| {
        let told = again(leaves);
        let hits = leaves[told]["ended"]["hit"].as_i64().expect("a sum");
        leaves[told]["carried"]["in"] = json!(1);
        leaves[told]["ended"]["hit"] = json!(hits + 1);
        told
    };
    vec![
        (
            "time that was withdrawn is in force",
            Box::new(in_force),
            "gap",
        ),
        (
            "more is carried in than was on its way",
            Box::new(carried),
            "carried",
        ),
    ]
}

#[test]
fn whoever_goes_back_otherwise_is_refused() {
    let log = gone_back();
    let cases = [other_words(), other_leaves(), another_hour()];
    let mut missed = Vec::new();
    for (class, forgery, code) in cases.into_iter().flatten() {
        let mut leaves = log.leaves.clone();
        let at = forgery(&mut leaves);
        let (verdict, findings, outcome) = judge(&log, &leaves);
        assert_eq!(verdict, 1, "{class}: {outcome:#}");
        let expected = format!("{code} {ORIGIN} leaf {at}");
        if !findings.contains(&expected) {
            missed.push(format!("{class}: no {expected} in {findings:?}"));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
