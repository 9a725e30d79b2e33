//! What is written is read, for each kind of statement; what a reader would refuse is not written.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const AT: i64 = 1_767_225_600;

/// One of each kind, made of these.
fn all(number: u64, text: &str, time: i64) -> Vec<Statement> {
    let mut all = of_the_program(number, text, time);
    all.extend(of_lists(number, text, time));
    all
}

/// One of each kind that happens to the program, and what is told of restored states.
fn of_the_program(number: u64, text: &str, time: i64) -> Vec<Statement> {
    let hash = format!("{number:064x}");
    let until = Moment(time);
    let maybe = number.is_multiple_of(2).then_some(number);
    vec![
        Statement::Start(RunStart {
            arrived: Some("ab".repeat(32)),
            behind_s: number,
            configuration: hash.clone(),
            lists: BTreeSet::from(["b".to_owned(), text.to_owned()]),
            previous: maybe.map(|_| text.to_owned()),
            recovery: maybe.map(|_| text.to_owned()),
            software: text.to_owned(),
        }),
        Statement::Stop,
        Statement::Crash,
        Statement::Clock(ClockLeaf {
            by_s: number as i64,
            until,
        }),
        Statement::Clock(ClockLeaf {
            by_s: -1 - number as i64 / 2,
            until,
        }),
        Statement::HourCutShort(Until { until }),
        Statement::Withdrawn(Withdrawal {
            since: Moment(time - time % 3600),
            until,
        }),
        Statement::Unwritten(Until { until }),
        Statement::Configured(ConfigurationChanged {
            changed: BTreeSet::from([text.to_owned(), "limits.waiting".to_owned()]),
            waiting: BTreeSet::new(),
        }),
        Statement::Moved(MovedLog {
            to: "ab".repeat(32),
        }),
        Statement::LogRestored(EndedLog {
            from: Some(Moment(1_767_222_000)),
            until: Some(Moment(1_767_225_600)),
            found: number,
            origin: text.to_owned(),
            root: hash.clone(),
            size: number,
            why: "shorter".to_owned(),
        }),
        Statement::LogFollows(ClosedLog {
            origin: text.to_owned(),
            root: hash,
            size: number,
            until,
            why: "key".to_owned(),
        }),
        Statement::ListRestored(FoundSerial { found: maybe }),
    ]
}

/// One of each kind that happens to lists.
fn of_lists(number: u64, text: &str, time: i64) -> Vec<Statement> {
    let (hash, words) = (format!("{number:064x}"), vec![text.to_owned()]);
    let until = Moment(time);
    let maybe = number.is_multiple_of(2).then_some(number);
    vec![
        Statement::Received(IssueReceived {
            at_ms: time,
            way: "push".to_owned(),
        }),
        Statement::Verified(IssueVerified { at_ms: time }),
        Statement::Refused(IssueRefused::new(text, &["guard.size"])),
        Statement::Override(LetPass {
            codes: words,
            known_by: hash.clone(),
        }),
        Statement::TrialBegun(TrialBegun {
            entries: number,
            known_by: hash.clone(),
            seconds: number,
        }),
        Statement::TrialOver(TrialOver {
            questions: number,
            would_be_blocked: number,
        }),
        Statement::Live(IssueLive {
            entries: number,
            generation: maybe,
            issued: maybe.map(|_| time),
            rejects: number,
            sha256: hash.clone(),
        }),
        Statement::Probed(ProbeResult {
            asked: number,
            right: number,
        }),
        Statement::Receipt(IssueReceipt {
            live_ms: time,
            probed_ms: time,
            received_ms: time,
            verified_ms: time,
        }),
        Statement::Rollback(RolledBack {
            manifest: maybe.map(|_| hash.clone()),
            serial: maybe,
            to: number,
        }),
        Statement::Removal(ListRemoval {
            entries: number,
            from: time,
            named: number,
            removal: hash.clone(),
            until: time,
        }),
        Statement::RemovalOver(RemovalOver {
            end: "settled".to_owned(),
            removal: hash.clone(),
            serial: maybe,
        }),
        Statement::Expired(IssueExpired {
            expires: maybe.map(|_| time),
            manifest: maybe.map(|_| hash.clone()),
            serial: maybe,
        }),
        Statement::EntryCounts(EntriesCommitted {
            commitment: hash,
            entries: number,
            hour: until,
        }),
    ]
}

fn leaf<'a>(said: &Statement, list: Option<&'a str>, serial: Option<u64>) -> Leaf<'a> {
    Leaf::Event(EventLeaf {
        at: Moment(AT),
        body: said.body(),
        boot: "00112233445566ff",
        kind: said.kind().word(),
        list,
        manifest: None,
        provider: "provider.example",
        resolver: "one",
        salt: Some("000102030405060708090a0b0c0d0eff"),
        seq: 8,
        serial,
        touches: Some(said.touches().iter().map(|touch| touch.word()).collect()),
        v: SALTED_LEAF_VERSION,
    })
}

fn of(said: &Statement) -> Leaf<'static> {
    leaf(said, said.is_of_list().then_some("law"), None)
}

#[test]
fn every_kind_is_there_and_has_its_word() {
    let told: BTreeSet<_> = all(4, "law", AT)
        .iter()
        .map(|said| said.kind().word())
        .collect();
    let known: BTreeSet<_> = EventKind::ALL.into_iter().map(EventKind::word).collect();
    assert_eq!(told, known);
    for kind in EventKind::ALL {
        assert_eq!(EventKind::parse(kind.word()), Some(kind));
    }
    assert_eq!(EventKind::parse("hour"), None);
}

#[test]
fn what_a_reader_would_refuse_is_not_written() {
    let good = of(&Statement::Stop);
    assert!(good.write().is_ok());
    let big = leaf(&Statement::Stop, None, Some(u64::MAX));
    assert_eq!(
        big.write(),
        Err(LeafFault::Form),
        "a serial beyond 2^53 - 1"
    );
    let stray = leaf(&Statement::Stop, Some("law"), None);
    assert_eq!(stray.write(), Err(LeafFault::Form), "a stop of a list");
    let live = all(4, "law", AT).remove(15);
    assert_eq!(leaf(&live, None, None).write(), Err(LeafFault::Form));
    for said in all(1 << 53, "law", AT) {
        let has_number = said
            .body()
            .values()
            .any(|value| *value == json!(1_u64 << 53));
        assert_eq!(of(&said).write().is_err(), has_number, "{said:?}");
    }
    for time in [-1, 32_503_680_000] {
        let said = Statement::Unwritten(Until {
            until: Moment(time),
        });
        assert_eq!(of(&said).write(), Err(LeafFault::Form), "{time}");
    }
    let many: Vec<String> = (0..7_000).map(|n| format!("{n:010}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = Statement::Refused(IssueRefused::new("long", &many));
    assert_eq!(of(&long).write(), Err(LeafFault::Long));
}

#[test]
fn a_long_message_is_cut_where_a_leaf_has_no_room() {
    let said = Statement::Refused(IssueRefused::new(&"ü\u{1}".repeat(40_000), &[]));
    let text = of(&said).write().unwrap();
    assert!(text.len() < LEAF_OCTETS_MAX);
    let message = said.body()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with('ü') && message.ends_with('…'));
}

#[test]
fn a_body_says_exactly_what_it_must() {
    for said in all(4, "law", AT) {
        let (kind, of_list, body) = (said.kind(), said.is_of_list(), said.body());
        let mut more = body.clone();
        more.insert("zzz".to_owned(), Value::Null);
        assert_eq!(Statement::read(kind, of_list, &more), None, "{said:?}");
        for key in body.keys() {
            let mut less = body.clone();
            less.remove(key);
            // Of a clock's bodies the shortest is one of them.
            let of_clock = kind == EventKind::Clock && key != "until";
            let of_ended = matches!(said, Statement::LogRestored(_))
                && ["from", "until"].contains(&key.as_str());
            let of_start = ["arrived", "recovery"].contains(&key.as_str());
            let may_be_left_out = of_clock || of_ended || of_start;
            let read = Statement::read(kind, of_list, &less);
            assert_eq!(read.is_some(), may_be_left_out, "{key}");
            let mut other = body.clone();
            other.insert(key.clone(), json!(["x", "x"]));
            let read = Statement::read(kind, of_list, &other);
            assert!(read.is_none() || key == "codes", "{key}: {read:?}");
        }
        if !matches!(kind, EventKind::Restored) {
            assert_eq!(Statement::read(kind, !of_list, &body), None, "{said:?}");
        }
    }
}

/// A row of the documentation's table of events: a kind, what it touches, the keys of its body.
type DocumentedRow = (String, Vec<String>, Vec<String>);

fn documented() -> BTreeSet<DocumentedRow> {
    let page = include_str!("../../docs/audit-format.md");
    let table = page
        .split("| kind | what happened | touches | `body` |")
        .nth(1)
        .unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let quoted = |text: &str| -> Vec<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('|').collect();
        let keys = columns[4].split(':').next().unwrap();
        (
            quoted(columns[1]).remove(0),
            quoted(columns[3]),
            quoted(keys),
        )
    };
    rows.map(row).collect()
}

#[test]
fn the_documentation_has_each_body_with_its_keys() {
    let told = all(4, "law", AT).into_iter().map(|said| {
        let keys = said.body().keys().cloned().collect();
        let touches = said.touches().iter().map(|touch| touch.word().to_owned());
        (said.kind().word().to_owned(), touches.collect(), keys)
    });
    assert_eq!(told.collect::<BTreeSet<DocumentedRow>>(), documented());
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        number in 0_u64..1 << 53,
        text in "[\\x00-\\u{10ffff}]{0,40}",
        time in 0_i64..32_503_680_000,
    ) {
        for said in all(number, &text, time) {
            let leaf = of(&said);
            let octets = leaf.write().unwrap();
            let Leaf::Event(read) = Leaf::parse(&octets).unwrap() else { panic!("an hour") };
            prop_assert_eq!(read.said(), Some(said));
            prop_assert_eq!(Leaf::Event(read), leaf);
        }
    }
}
