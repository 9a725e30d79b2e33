//! What a log's author may write with the true key, class by class and in several places: both
//! verifiers refuse each, and name the same place.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;
use wardline::count::{HourCounts, ListIdentity};
use wardline::seal::SigningKey;
use wardline::store::{Author, ClockStep, LogReader, OutOfForce, Store, Taking, read_or_make_key};

use crate::audit::{forge, leaves_of, verify};
use crate::kit::evidence::live;

const HOUR: i64 = 3600;
/// 2026-03-01T00:00:00Z.
const MARCH: i64 = 1_772_323_200;
const ORIGIN: &str = "provider.example/one";

/// A day of one resolver, and its author.
struct Day {
    leaves: Vec<Value>,
    key: SigningKey,
}

fn day() -> &'static Day {
    static DAY: OnceLock<Day> = OnceLock::new();
    DAY.get_or_init(|| {
        let folder = TempDir::new().expect("a folder");
        let key = || read_or_make_key(&folder.path().join("audit.key"), ORIGIN).expect("a key");
        run_for_a_day(folder.path(), key);
        let leaves = leaves_of(&LogReader::open(folder.path()).expect("a log"));
        let leaves = leaves
            .iter()
            .map(|leaf| serde_json::from_str(leaf).expect("JSON"));
        let leaves = leaves.collect();
        Day { leaves, key: key() }
    })
}

/// The leaves of that day.
pub(crate) fn day_leaves() -> Vec<Value> {
    day().leaves.clone()
}

/// The same day as a resolver of an older version told it.
fn older_day() -> Vec<Value> {
    let older = |leaf: &Value| {
        let mut leaf = leaf.clone();
        let object = leaf.as_object_mut().expect("an object");
        object.remove("salt");
        let is_event = object.remove("touches").is_some();
        object.insert("v".to_owned(), json!(if is_event { 1 } else { 2 }));
        leaf
    };
    day().leaves.iter().map(older).collect()
}

/// A crash in hour 5, a clock set forward in hour 9, an end in hour 14 and a start without the
/// first list, which comes back in hour 15; a new version in hour 20.
fn run_for_a_day(state: &Path, key: impl Fn() -> SigningKey) {
    let lists = ["law", "policy"].map(|id| ListIdentity {
        id: id.into(),
        authority: "A".into(),
        legal_basis: "B".into(),
    });
    let open = |at| Store::open(state, &lists, Author::new(key(), "ab"), at).expect("a store");
    let version = |serial: u64| Some((serial, format!("{serial:064x}")));
    let both = |at| vec![live("law", at, version(1)), live("policy", at, None)];
    let mut store = open(MARCH + 600);
    let mut events = both(MARCH + 600);
    for n in 0..24 {
        let hour = MARCH + n * HOUR;
        let blocked = 5 + n as u64;
        let counts = HourCounts {
            hour,
            lists: vec![[blocked, 1, 0, 2], [3, 1, 1, 1]],
            questions: blocked + 9 + 900 + u64::from(n == 3),
            events: [blocked + 9, 500, 300, 96, 1, 1, 1, 1],
            ..HourCounts::default()
        };
        if n == 20 {
            events.push(live("law", hour + 60, version(2)));
        }
        if n == 15 {
            events.push(live("law", hour + 99, version(1)));
        }
        let out = OutOfForce {
            list: 0,
            from: hour - 100,
            until: hour + 100,
        };
        let step = ClockStep {
            from: hour + 1000,
            until: hour + 1090,
            by_s: 90,
        };
        let taking = Taking {
            hours: &[counts],
            events: &events,
            out_of_force: if n == 15 { &[out] } else { &[] },
            steps: if n == 9 { &[step] } else { &[] },
        };
        let end = if n == 14 { 3500 } else { HOUR - 1 };
        store.write(&taking, hour + end).expect("a writing");
        events.clear();
        if n == 5 {
            drop(store);
            store = open(hour + HOUR + 40);
            events = both(hour + HOUR + 40);
        }
        if n == 14 {
            store.end(hour + 3500).expect("an end");
            store = open(hour + 3500);
            events.push(live("policy", hour + 3500, None));
        }
        if n == 17 {
            store.end(hour + HOUR + 5).expect("an end");
            store = open(hour + HOUR + 25);
            events = both(hour + HOUR + 25);
        }
    }
    store.end(MARCH + 24 * HOUR).expect("an end");
}

/// A changed log.
struct Forged(Vec<Value>);

impl Forged {
    /// The place of the leaf of `list` in hour `n`.
    fn hour(&self, n: i64, list: &str) -> usize {
        let hour = jiff::Timestamp::from_second(MARCH + n * HOUR)
            .expect("a time")
            .to_string();
        let is_it = |leaf: &Value| leaf["hour"] == hour.as_str() && leaf["list"] == list;
        self.0.iter().position(is_it).expect("a leaf")
    }

    /// The place of the `n`th event of a kind.
    fn event(&self, kind: &str, n: usize) -> usize {
        let of_kind = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, leaf)| leaf["kind"] == kind);
        of_kind.map(|(at, _)| at).nth(n).expect("an event")
    }

    fn add(&mut self, at: usize, pointer: &str, by: i64) {
        let field = self.0[at].pointer_mut(pointer).expect("a field");
        let sum = field.as_i64().expect("a number") + by;
        assert!(sum >= 0, "{pointer}");
        *field = json!(sum);
    }

    fn set(&mut self, at: usize, pointer: &str, value: Value) {
        *self.0[at].pointer_mut(pointer).expect("a field") = value;
    }

    fn move_time(&mut self, at: usize, pointer: &str, by: i64) {
        let field = self.0[at].pointer_mut(pointer).expect("a field");
        let time: jiff::Timestamp = field.as_str().expect("a time").parse().expect("a time");
        let moved = jiff::Timestamp::from_second(time.as_second() + by).expect("a time");
        *field = json!(moved.to_string());
    }

    fn remove_key(&mut self, at: usize, pointer: &str, key: &str) {
        let object = self.0[at].pointer_mut(pointer).expect("an object");
        object
            .as_object_mut()
            .expect("an object")
            .remove(key)
            .expect("a key");
    }
}

/// What is done to a log; gives the code that a verifier must find.
type Forgery = Box<dyn Fn(&mut Forged) -> &'static str>;

/// The hours that forgeries are tried in: a usual one, one after a crash, one with a jump of the
/// clock, and one in which a list came in force.
const HOURS: [i64; 4] = [3, 6, 9, 15];

/// Each figure of an hour, one more or one less: class, and cases.
fn figures() -> Vec<(String, Forgery)> {
    let sums = [
        "/blocked/address",
        "/blocked/https",
        "/blocked/other",
        "/blocked/via_cname",
        "/ended/blocked",
        "/ended/failed",
        "/ended/fault",
        "/ended/hit",
        "/ended/limited",
        "/ended/miss",
        "/ended/own",
        "/ended/refused",
        "/carried/in",
        "/carried/lost",
        "/carried/out",
        "/questions",
    ];
    let seconds = ["/in_force_s", "/gap_s"];
    let mut all: Vec<(String, Forgery)> = Vec::new();
    for n in [3, 15] {
        for field in sums {
            let change = move |log: &mut Forged| {
                let at = log.hour(n, "law");
                log.add(at, field, 1);
                "sum"
            };
            all.push((format!("{field} is one more"), Box::new(change)));
        }
        for (field, by) in seconds
            .into_iter()
            .flat_map(|field| [(field, 1), (field, -1)])
        {
            let change = move |log: &mut Forged| {
                let at = log.hour(if field == "/gap_s" { 9 } else { n }, "law");
                log.add(at, field, by);
                "gap"
            };
            all.push((format!("{field} by {by}"), Box::new(change)));
        }
    }
    all
}

/// A field of an hour, or of an event, that says something else.
fn words() -> Vec<(String, Forgery)> {
    let of_hours: [(&str, &'static str, Value); 16] = [
        ("/boot", "run", json!("0000000000000000")),
        ("/software", "run", json!("wardline 9.9.9")),
        ("/configuration", "run", json!("cd")),
        ("/list", "version", json!("later")),
        ("/serial", "version", json!(77)),
        ("/serial", "version", Value::Null),
        ("/manifest", "version", json!("ab")),
        ("/manifest", "version", Value::Null),
        ("/provider", "author", json!("other.example")),
        ("/resolver", "author", json!("two")),
        ("/v", "leaf", json!(1)),
        ("/v", "leaf", json!(4)),
        ("/kind", "leaf", json!("hours")),
        ("/in_force_s", "leaf", json!(1_u64 << 53)),
        ("/questions", "leaf", json!(-1)),
        ("/blocked/other", "leaf", json!("0")),
    ];
    let mut all: Vec<(String, Forgery)> = Vec::new();
    for n in HOURS {
        for (field, code, value) in of_hours.clone() {
            let what = format!("{field} of an hour is {value}");
            let change = move |log: &mut Forged| {
                let at = log.hour(n, "law");
                log.set(at, field, value.clone());
                code
            };
            all.push((what, Box::new(change)));
        }
    }
    all
}

/// A field of an event that says something else.
fn words_of_events() -> Vec<(String, Forgery)> {
    let mut all: Vec<(String, Forgery)> = Vec::new();
    let of_events: [(&str, &str, &'static str, Value); 17] = [
        ("start", "/boot", "run", json!("0000000000000000")),
        ("start", "/body/software", "run", json!("wardline 9.9.9")),
        ("start", "/body/configuration", "run", json!("cd")),
        ("start", "/body/lists", "gap", json!(["law"])),
        (
            "start",
            "/body/lists",
            "list",
            json!(["law", "more", "policy"]),
        ),
        ("start", "/body/lists", "run", json!(["policy", "law"])),
        (
            "start",
            "/body/lists",
            "run",
            json!(["law", "law", "policy"]),
        ),
        ("start", "/body/previous", "run", json!("0000000000000000")),
        ("start", "/body/behind_s", "run", json!("0")),
        ("start", "/kind", "run", json!("stop")),
        ("start", "/kind", "run", json!("begin")),
        ("stop", "/kind", "gap", json!("crash")),
        ("stop", "/kind", "run", json!("halt")),
        ("stop", "/boot", "run", json!("0000000000000000")),
        ("live", "/serial", "version", json!(77)),
        ("live", "/manifest", "version", json!("ab")),
        ("live", "/kind", "gap", json!("lives")),
    ];
    for (kind, field, code, value) in of_events {
        for n in [1, 2] {
            let (what, value) = (format!("{field} of a {kind} is {value}"), value.clone());
            let change = move |log: &mut Forged| {
                // Behind the first end the next run begins within the second.
                let nth = match kind {
                    "live" => 2 * n - 2,
                    "stop" => 1,
                    _ => n,
                };
                let at = log.event(kind, nth);
                log.set(at, field, value.clone());
                code
            };
            all.push((what, Box::new(change)));
        }
    }
    all
}

/// When something was, moved by a second or more.
fn times() -> Vec<(String, Forgery)> {
    let mut all: Vec<(String, Forgery)> = Vec::new();
    let moved: [(&str, usize, &str, i64, &'static str); 14] = [
        ("start", 0, "/at", 1, "gap"),
        ("start", 1, "/at", 1, "gap"),
        ("start", 1, "/at", -1, "gap"),
        ("start", 3, "/at", -1, "gap"),
        ("crash", 0, "/at", -54 * 60, "gap"),
        ("crash", 0, "/at", -1, "gap"),
        ("clock", 0, "/at", -1, "gap"),
        ("clock", 0, "/at", 1, "gap"),
        ("clock", 0, "/body/until", 1, "gap"),
        ("clock", 0, "/body/until", -1, "gap"),
        ("clock", 0, "/body/until", 30 * 24 * HOUR, "gap"),
        ("stop", 1, "/at", -1, "gap"),
        ("stop", 1, "/at", 1, "gap"),
        ("live", 4, "/at", 600, "gap"),
    ];
    for (kind, n, field, by, code) in moved {
        let change = move |log: &mut Forged| {
            let at = log.event(kind, n);
            log.move_time(at, field, by);
            code
        };
        all.push((format!("{field} of {kind} {n} by {by}"), Box::new(change)));
    }
    let of_gaps: [(i64, &str, i64); 8] = [
        (0, "/gaps/0/until", -1),
        (6, "/gaps/0/until", 1),
        (6, "/gaps/0/from", 1),
        (9, "/gaps/0/from", -1),
        (9, "/gaps/0/until", 1),
        (9, "/gaps/0/until", -90),
        (18, "/gaps/0/until", -1),
        (18, "/gaps/0/from", 1),
    ];
    for (n, field, by) in of_gaps {
        let change = move |log: &mut Forged| {
            for list in ["law", "policy"] {
                let at = log.hour(n, list);
                log.move_time(at, field, by);
                let longer = if field.ends_with("from") { -by } else { by };
                log.add(at, "/gap_s", longer);
                log.add(at, "/in_force_s", -longer);
            }
            "gap"
        };
        all.push((format!("{field} of hour {n} by {by}"), Box::new(change)));
    }
    all
}

/// Gaps and times without a list that are other ones, or none.
fn stretches() -> Vec<(String, Forgery)> {
    let mut all: Vec<(String, Forgery)> = Vec::new();
    for n in [0, 6, 9, 18] {
        for kind in [
            "crash",
            "stopped",
            "unrecorded",
            "unwritten",
            "maintenance",
            "",
        ] {
            let change = move |log: &mut Forged| {
                for list in ["law", "policy"] {
                    let at = log.hour(n, list);
                    let gap = log.0[at]["gaps"][0]["kind"].take();
                    log.set(
                        at,
                        "/gaps/0/kind",
                        json!(if gap == kind { "other" } else { kind }),
                    );
                }
                "gap"
            };
            all.push((format!("a gap is called {kind:?}"), Box::new(change)));
        }
        let leave_out = move |log: &mut Forged| {
            for list in ["law", "policy"] {
                let at = log.hour(n, list);
                let gap_s = log.0[at]["gap_s"].as_i64().expect("a number");
                log.set(at, "/gaps", json!([]));
                log.set(at, "/gap_s", json!(0));
                log.add(at, "/in_force_s", gap_s);
            }
            "gap"
        };
        all.push(("a gap is left out".to_owned(), Box::new(leave_out)));
        let twice = move |log: &mut Forged| {
            let at = log.hour(n, "law");
            let gap = log.0[at]["gaps"][0].clone();
            log.0[at]["gaps"].as_array_mut().expect("gaps").push(gap);
            "gap"
        };
        all.push(("a gap stands twice".to_owned(), Box::new(twice)));
    }
    all
}

/// Times without a list that cannot be, and times in force that are none.
fn absences() -> Vec<(String, Forgery)> {
    let mut all: Vec<(String, Forgery)> = Vec::new();
    for n in [3, 15, 16] {
        let hour = move |s: i64| {
            json!(
                jiff::Timestamp::from_second(MARCH + n * HOUR + s)
                    .expect("a time")
                    .to_string()
            )
        };
        let empty = move |log: &mut Forged| {
            for list in ["law", "policy"] {
                let at = log.hour(n, list);
                let none = json!({ "from": hour(500), "kind": "crash", "until": hour(500) });
                log.0[at]["gaps"].as_array_mut().expect("gaps").push(none);
            }
            "gap"
        };
        all.push(("a gap without a second".to_owned(), Box::new(empty)));
        let out = move |from: i64, until: i64| {
            move |log: &mut Forged| {
                let at = log.hour(n, "policy");
                let span = json!({ "from": hour(from), "until": hour(until) });
                log.0[at]["not_in_force"]
                    .as_array_mut()
                    .expect("times")
                    .push(span);
                log.add(at, "/in_force_s", from - until);
                "gap"
            }
        };
        all.push((
            "a list went out of force".to_owned(),
            Box::new(out(3000, 3400)),
        ));
        all.push((
            "a list was never in force and blocked".to_owned(),
            Box::new(out(0, 3600)),
        ));
        all.push((
            "a time without a list has no second".to_owned(),
            Box::new(out(7, 7)),
        ));
        let never = move |log: &mut Forged| {
            for list in ["law", "policy"] {
                let at = log.hour(n, list);
                log.set(at, "/in_force_s", json!(0));
            }
            "gap"
        };
        all.push((
            "nothing was in force, and all blocked".to_owned(),
            Box::new(never),
        ));
    }
    all
}

/// Leaves that are gone, are there twice, or stand elsewhere.
fn places() -> Vec<(String, Forgery)> {
    let mut all: Vec<(String, Forgery)> = Vec::new();
    let gone: [(&str, usize, &'static str); 10] = [
        ("start", 0, "run"),
        ("start", 1, "run"),
        ("start", 2, "run"),
        ("crash", 0, "gap"),
        ("stop", 0, "run"),
        ("stop", 1, "gap"),
        ("clock", 0, "gap"),
        ("live", 0, "gap"),
        ("live", 1, "gap"),
        ("live", 8, "version"),
    ];
    for (kind, n, code) in gone {
        let change = move |log: &mut Forged| {
            let at = log.event(kind, n);
            log.0.remove(at);
            code
        };
        all.push((format!("{kind} {n} is gone"), Box::new(change)));
    }
    for (kind, code) in [("start", "run"), ("crash", "run"), ("stop", "run")] {
        let change = move |log: &mut Forged| {
            let at = log.event(kind, 0);
            let again = log.0[at].clone();
            log.0.insert(at, again);
            code
        };
        all.push((format!("a {kind} stands twice"), Box::new(change)));
    }
    for n in HOURS {
        let gone = move |log: &mut Forged| {
            let at = log.hour(n, "policy");
            log.0.remove(at);
            "list"
        };
        all.push(("an hour lacks a list".to_owned(), Box::new(gone)));
        let whole = move |log: &mut Forged| {
            let at = log.hour(n, "law");
            log.0.drain(at..at + 2);
            "hour"
        };
        all.push(("an hour is gone".to_owned(), Box::new(whole)));
        let twice = move |log: &mut Forged| {
            let at = log.hour(n, "law");
            let hour = log.0[at..at + 2].to_vec();
            log.0.splice(at + 2..at + 2, hour);
            "list"
        };
        all.push(("an hour stands twice".to_owned(), Box::new(twice)));
        let swapped = move |log: &mut Forged| {
            let at = log.hour(n, "law");
            log.0.swap(at, at + 1);
            "list"
        };
        all.push(("lists change places".to_owned(), Box::new(swapped)));
    }
    all
}

/// Keys too few, too many, and values of other types.
fn forms() -> Vec<(String, Forgery)> {
    let mut all: Vec<(String, Forgery)> = Vec::new();
    let keys: Vec<String> = {
        let log = Forged(day().leaves.clone());
        let at = log.hour(3, "law");
        log.0[at]
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    // The older form has no salt.
    for key in keys.into_iter().filter(|key| key != "seq" && key != "salt") {
        let name = key.clone();
        let gone = move |log: &mut Forged| {
            let at = log.hour(6, "policy");
            log.remove_key(at, "", &name);
            "leaf"
        };
        all.push((format!("an hour without {key}"), Box::new(gone)));
        let other = move |log: &mut Forged| {
            let at = log.hour(3, "law");
            log.0[at][&key] = json!([[7]]);
            "leaf"
        };
        all.push(("a value of another type".to_owned(), Box::new(other)));
    }
    for key in ["behind_s", "configuration", "lists", "previous", "software"] {
        let gone = move |log: &mut Forged| {
            let at = log.event("start", 1);
            log.remove_key(at, "/body", key);
            "run"
        };
        all.push((format!("a start without {key}"), Box::new(gone)));
    }
    for (key, value) in [
        ("until", json!("yesterday")),
        ("forward_s", json!(null)),
        ("more", json!(1)),
    ] {
        let change = move |log: &mut Forged| {
            let at = log.event("clock", 0);
            log.0[at]["body"][key] = value.clone();
            "clock"
        };
        all.push((format!("a clock with another {key}"), Box::new(change)));
    }
    for list in ["law", "policy"] {
        let huge = move |log: &mut Forged| {
            for n in [3, 4] {
                let at = log.hour(n, list);
                log.set(at, "/blocked/other", json!((1_u64 << 53) - 1));
            }
            "sum"
        };
        all.push(("sums beyond 2^53 - 1".to_owned(), Box::new(huge)));
    }
    all
}

/// What a clock that was set does not excuse, and an older run does not hide.
fn excuses() -> Vec<(String, Forgery)> {
    let older_boot = |log: &mut Forged| {
        let boot = log.0[0]["boot"].clone();
        for list in ["law", "policy"] {
            let at = log.hour(9, list);
            log.set(at, "/boot", boot.clone());
        }
        "run"
    };
    let until_clock = |log: &mut Forged| {
        let at = log.hour(9, "policy");
        let hour = log.0[at]["hour"].clone();
        let gap = log.0[at]["gaps"][0]["from"].clone();
        log.set(at, "/not_in_force", json!([{ "from": hour, "until": gap }]));
        log.add(at, "/in_force_s", -1000);
        "gap"
    };
    let set_back = |log: &mut Forged| {
        let at = log.event("clock", 0);
        let until = log.0[at]["body"]["until"].clone();
        log.set(at, "/body", json!({ "back_s": 90, "until": until }));
        "clock"
    };
    let into_the_past = |log: &mut Forged| {
        let at = log.event("clock", 0);
        log.move_time(at, "/body/until", -500);
        "clock"
    };
    let of_a_list = |log: &mut Forged| {
        let at = log.event("clock", 0);
        log.set(at, "/list", json!("law"));
        "clock"
    };
    let no_such_day = |log: &mut Forged| {
        let at = log.event("clock", 0);
        log.set(at, "/body/until", json!("2026-02-30T00:00:00Z"));
        "clock"
    };
    let meanwhile = |log: &mut Forged| {
        let (at, mut live) = (
            log.event("clock", 0) + 1,
            log.0[log.event("live", 0)].clone(),
        );
        live["at"] = log.0[at - 1]["at"].clone();
        live["boot"] = log.0[at - 1]["boot"].clone();
        log.0.insert(at, live);
        log.move_time(at, "/at", 50);
        "clock"
    };
    let escaped = |log: &mut Forged| {
        let at = log.event("start", 1);
        log.set(at, "/kind", json!("start\n"));
        "leaf"
    };
    let cases: [(&str, Forgery); 8] = [
        ("an hour names an older run", Box::new(older_boot)),
        (
            "a list was out until the clock was set",
            Box::new(until_clock),
        ),
        ("a clock set back leaves a gap", Box::new(set_back)),
        ("a clock set forward goes back", Box::new(into_the_past)),
        ("a clock of a list", Box::new(of_a_list)),
        ("a day that is none", Box::new(no_such_day)),
        ("something happened in a gap", Box::new(meanwhile)),
        ("a word that needs an escape", Box::new(escaped)),
    ];
    cases
        .map(|(class, forgery)| (class.to_owned(), forgery))
        .into()
}

/// What a leaf of today's form has around what it says, and which log was closed for this one.
fn envelopes() -> Vec<(String, Forgery)> {
    let mut all: Vec<(String, Forgery)> = Vec::new();
    for kind in ["start", "live", "stop", "hour"] {
        for salt in ["", "00", "000102030405060708090A0B0C0D0E0F"] {
            let change = move |log: &mut Forged| {
                log.set(log.event(kind, 1), "/salt", json!(salt));
                "leaf"
            };
            all.push((
                format!("the salt of a {kind} is {salt:?}"),
                Box::new(change),
            ));
        }
        for key in ["salt", "touches", "not_in_force"] {
            if (key == "touches") == (kind == "hour") && key != "salt" {
                continue;
            }
            let change = move |log: &mut Forged| {
                log.remove_key(log.event(kind, 1), "", key);
                "leaf"
            };
            if key != "not_in_force" || kind == "hour" {
                all.push((format!("a {kind} without {key}"), Box::new(change)));
            }
        }
        let older = move |log: &mut Forged| {
            let at = log.event(kind, 1);
            log.remove_key(at, "", "salt");
            if kind != "hour" {
                log.remove_key(at, "", "touches");
            }
            log.set(at, "/v", json!(if kind == "hour" { 2 } else { 1 }));
            "leaf"
        };
        all.push((format!("a {kind} of the older form"), Box::new(older)));
    }
    for (kind, touches) in [
        ("start", json!(["counts"])),
        ("stop", json!([])),
        ("live", json!(["in-force", "counts"])),
        ("clock", json!(["counts", "counts"])),
        ("crash", json!("counts")),
    ] {
        let class = format!("a {kind} touches {touches}");
        let change = move |log: &mut Forged| {
            log.set(log.event(kind, 0), "/touches", touches.clone());
            "leaf"
        };
        all.push((class, Box::new(change)));
    }
    all.extend(followers());
    all
}

/// That this log goes on in the place of another one, where it cannot say so.
fn followers() -> Vec<(String, Forgery)> {
    let follow = |log: &mut Forged, at: usize, origin: &str, until: i64| {
        let until = jiff::Timestamp::from_second(MARCH + until).expect("a time");
        let mut leaf = log.0[0].clone();
        leaf["kind"] = json!("follows");
        leaf["touches"] = json!(["counts"]);
        leaf["body"] = json!({ "origin": origin, "root": "00", "size": 7,
                               "until": until.to_string(), "why": "key" });
        leaf["at"] = log.0[at - 1]["at"].clone();
        log.0.insert(at, leaf);
    };
    let cases: [(&str, Forgery); 5] = [
        (
            "a later leaf follows",
            Box::new(move |log| {
                follow(log, 2, "provider.example/other", 0);
                "follows"
            }),
        ),
        (
            "a log follows itself",
            Box::new(move |log| {
                follow(log, 1, ORIGIN, 0);
                "follows"
            }),
        ),
        (
            "a log tells from within an hour on",
            Box::new(move |log| {
                follow(log, 1, "provider.example/other", -60);
                "follows"
            }),
        ),
        (
            "a log tells from later on than it does",
            Box::new(move |log| {
                follow(log, 1, "provider.example/other", HOUR);
                "follows"
            }),
        ),
        (
            "a log does not tell from where the other one ends",
            Box::new(move |log| {
                follow(log, 1, "provider.example/other", -HOUR);
                "hour"
            }),
        ),
    ];
    let named = cases.map(|(class, forgery)| (class.to_owned(), forgery));
    let mut all: Vec<(String, Forgery)> = named.into();
    all.extend(moves());
    all
}

/// That the log was moved, where nobody arrived or nobody left.
fn moves() -> Vec<(String, Forgery)> {
    const TOKEN: [u8; 32] = [7; 32];
    let token = "07".repeat(32);
    let leave = |log: &mut Forged| {
        let at = log.event("stop", 0);
        let to = data_encoding::HEXLOWER.encode(&wardline::seal::sha256(&TOKEN));
        log.set(at, "/kind", json!("moved"));
        log.set(at, "/body", json!({ "to": to }));
        at
    };
    let arrive = |log: &mut Forged, after: usize, token: &str| {
        let starts = log.0.iter().skip(after);
        let at = starts.take_while(|leaf| leaf["kind"] != "start").count() + after;
        log.0[at]["body"]["arrived"] = json!(token);
    };
    let right = token.clone();
    let cases: [(&str, Forgery); 4] = [
        (
            "a start goes on where the log was not moved to",
            Box::new(move |log| {
                leave(log);
                "moved"
            }),
        ),
        (
            "a start shows something else than the move asks for",
            Box::new(move |log| {
                let at = leave(log);
                arrive(log, at, &"08".repeat(32));
                "moved"
            }),
        ),
        (
            "a start shows it in other words",
            Box::new(move |log| {
                let at = leave(log);
                arrive(log, at, &format!("{right} "));
                "moved"
            }),
        ),
        (
            "a start arrives that nobody sent",
            Box::new(move |log| {
                arrive(log, 0, &token);
                "moved"
            }),
        ),
    ];
    let named = cases.map(|(class, forgery)| (class.to_owned(), forgery));
    named.into()
}

#[test]
fn an_honest_day_is_in_order() {
    let folder = TempDir::new().expect("a folder");
    let log = folder.path().join("one");
    let leaves: Vec<String> = day().leaves.iter().map(Value::to_string).collect();
    forge(&leaves, &day().key, &log);
    let key = day().key.public().to_string();
    let (code, findings, outcome) = verify(&[log.display().to_string(), "--key".into(), key]);
    assert_eq!((code, findings), (0, vec![]), "{outcome:#}");
    let events = &outcome["logs"][0]["events"];
    assert_eq!(events["start"], 4, "{events}");
    assert_eq!((&events["crash"], &events["clock"]), (&json!(1), &json!(1)));
}

/// What somebody may add later, who says what it bears on.
#[test]
fn a_kind_that_is_not_known_is_judged_by_what_it_touches() {
    for (touches, exit) in [
        (json!([]), 0),
        (json!(["counts"]), 2),
        (json!(["in-force"]), 2),
        (json!(["prices"]), 2),
    ] {
        let folder = TempDir::new().expect("a folder");
        let log = folder.path().join("one");
        let mut leaves = day().leaves.clone();
        let mut later = leaves[0].clone();
        later["kind"] = json!("later");
        later["touches"] = touches.clone();
        later["body"] = json!({ "how-many": 3 });
        leaves.insert(1, later);
        let leaves: Vec<String> = leaves.iter().map(Value::to_string).collect();
        forge(&leaves, &day().key, &log);
        let key = day().key.public().to_string();
        let (code, findings, outcome) = verify(&[log.display().to_string(), "--key".into(), key]);
        assert_eq!((code, findings), (exit, vec![]), "{touches}: {outcome:#}");
        let verdict = match exit {
            0 => "in order",
            _ => "cannot be judged",
        };
        assert_eq!(outcome["verdict"], verdict, "{touches}");
        let unjudged = &outcome["logs"][0]["unjudged"];
        let expected = json!([{ "leaf": 1, "kind": "later", "touches": touches }]);
        let expected = if exit == 0 { json!([]) } else { expected };
        assert_eq!(*unjudged, expected);
    }
}

impl Forged {
    /// In hour 20 another issue came into force: this one.
    fn reissue(&mut self, serial: u64, manifest: &str) {
        let live = self.event("live", 8);
        let is_law = |leaf: &Value| leaf["list"] == "law";
        for leaf in self.0[live..].iter_mut().filter(|leaf| is_law(leaf)) {
            leaf["serial"] = json!(serial);
            leaf["manifest"] = json!(manifest);
        }
    }

    /// In the hour `n` questions that were answered are said to be lost.
    fn lose(&mut self, n: i64) {
        for list in ["law", "policy"] {
            let at = self.hour(n, list);
            self.add(at, "/ended/hit", -5);
            self.add(at, "/carried/lost", 5);
        }
    }
}

/// Versions that nothing explains.
fn versions() -> Vec<(String, Forgery)> {
    let mut all: Vec<(String, Forgery)> = Vec::new();
    let first = format!("{:064x}", 1);
    for (serial, manifest) in [(0, "ab"), (1, "ab"), (1, "")] {
        let change = move |log: &mut Forged| {
            log.reissue(serial, manifest);
            "version"
        };
        let class = format!("serial {serial} comes behind serial 1");
        all.push((class, Box::new(change)));
    }
    let rolled_back = move |log: &mut Forged| {
        log.reissue(1, "cd");
        let live = log.event("live", 8);
        let mut event = log.0[live].clone();
        event["kind"] = json!("rollback");
        event["body"] = json!({ "manifest": "cd", "serial": 1, "to": 1 });
        log.0.insert(live, event);
        "version"
    };
    all.push((
        "a rollback to another manifest of the serial".to_owned(),
        Box::new(rolled_back),
    ));
    let restart = move |log: &mut Forged| {
        let live = log.event("live", 6);
        for leaf in log.0[live..].iter_mut() {
            if leaf["list"] == "law" && leaf["serial"] == 1 {
                leaf["serial"] = json!(0);
                leaf["manifest"] = json!(first.clone());
            }
        }
        "version"
    };
    all.push((
        "a serial goes back with a restart".to_owned(),
        Box::new(restart),
    ));
    all
}

/// Losses that nothing explains, and a list that is live and said to be out of force.
fn unexplained() -> Vec<(String, Forgery)> {
    let mut all: Vec<(String, Forgery)> = Vec::new();
    for n in [3, 9, 16, 20] {
        let change = move |log: &mut Forged| {
            log.lose(n);
            "carried"
        };
        all.push((
            "questions are lost, and no run ended".to_owned(),
            Box::new(change),
        ));
    }
    for clock in [None, Some(-1), Some(1)] {
        let change = move |log: &mut Forged| {
            let (hour, at) = (MARCH + 15 * HOUR, log.hour(15, "law"));
            let time = |s: i64| {
                let at = jiff::Timestamp::from_second(s).expect("a time");
                json!(at.to_string())
            };
            let out = json!([{ "from": time(hour), "until": time(hour + HOUR) }]);
            log.set(at, "/not_in_force", out);
            log.set(at, "/in_force_s", json!(0));
            // Only a clock that is set at the hour's end, in that run, would explain it.
            if let Some(by) = clock {
                let mut event = log.0[log.event("clock", 0)].clone();
                let moment = hour + HOUR + by;
                event["at"] = time(moment);
                event["boot"] = log.0[at]["boot"].clone();
                event["body"] = json!({ "back_s": 5, "until": time(moment) });
                let place = if by < 0 { at } else { at + 2 };
                log.0.insert(place, event);
            }
            "gap"
        };
        let class = "a list is told live and then out of force up to the hour's end".to_owned();
        all.push((class, Box::new(change)));
    }
    all
}

/// A clock that is set at the hour's end is told behind the hour.
#[test]
fn a_clock_at_the_hours_end_explains_the_time_before() {
    let mut log = Forged(day().leaves.clone());
    let (hour, at) = (MARCH + 15 * HOUR, log.hour(15, "law"));
    log.set(
        at,
        "/not_in_force",
        json!([{ "from": "2026-03-01T15:00:00Z", "until": "2026-03-01T16:00:00Z" }]),
    );
    log.set(at, "/in_force_s", json!(0));
    let mut event = log.0[log.event("clock", 0)].clone();
    let end = jiff::Timestamp::from_second(hour + HOUR).expect("a time");
    event["at"] = json!(end.to_string());
    event["boot"] = log.0[at]["boot"].clone();
    event["body"] = json!({ "back_s": 5, "until": end.to_string() });
    log.0.insert(at + 2, event);
    let folder = TempDir::new().expect("a folder");
    let to = folder.path().join("one");
    let leaves: Vec<String> = log.0.iter().map(Value::to_string).collect();
    forge(&leaves, &day().key, &to);
    let key = day().key.public().to_string();
    let (code, findings, _) = verify(&[to.display().to_string(), "--key".into(), key]);
    assert_eq!((code, findings), (0, vec![]));
}

/// All forgeries that both forms know.
fn all_forgeries() -> Vec<(String, Forgery)> {
    let parts = [
        figures(),
        words(),
        words_of_events(),
        times(),
        stretches(),
        absences(),
        places(),
        forms(),
        excuses(),
        unexplained(),
        versions(),
    ];
    parts.into_iter().flatten().collect()
}

/// Both verifiers refuse each of these, with a code that may be the expected one.
fn are_refused(
    leaves: &[Value],
    all: &[(String, Forgery)],
    is_expected: impl Fn(&str, &str) -> bool,
) {
    let folder = TempDir::new().expect("a folder");
    let key = day().key.public().to_string();
    let mut accepted = Vec::new();
    for (at, (class, forgery)) in all.iter().enumerate() {
        let mut forged = Forged(leaves.to_vec());
        let expected = forgery(&mut forged);
        let leaves: Vec<String> = forged.0.iter().map(Value::to_string).collect();
        let log = folder.path().join(at.to_string());
        forge(&leaves, &day().key, &log);
        let (code, findings, _) = verify(&[log.display().to_string(), "--key".into(), key.clone()]);
        let mut codes = findings.iter().filter_map(|found| found.split(' ').next());
        if code != 1 || !codes.any(|code| is_expected(code, expected)) {
            accepted.push(format!("{class}: {expected} is not among {findings:?}"));
        }
        std::fs::remove_dir_all(&log).expect("a folder");
    }
    assert!(accepted.is_empty(), "{}", accepted.join("\n"));
}

#[test]
fn whatever_the_author_forges_both_verifiers_refuse_it_alike() {
    let mut all = all_forgeries();
    all.extend(envelopes());
    let mut classes: Vec<&str> = all.iter().map(|(class, _)| class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    println!("{} forgeries in {} classes", all.len(), classes.len());
    assert!(
        all.len() >= 200 && classes.len() >= 100,
        "{} in {}",
        all.len(),
        classes.len()
    );
    // What does not say what one of its kind says is no leaf.
    are_refused(&day().leaves, &all, |code, expected| {
        code == expected || code == "leaf"
    });
}

#[test]
fn whatever_the_author_of_an_older_log_forges_is_refused_too() {
    are_refused(&older_day(), &all_forgeries(), |code, expected| {
        code == expected
    });
}
