//! The published report: its four forms against golden files, and attacks on what it hides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

use proptest::prelude::*;
use serde_json::Value;
use wardline::count::{Gap, GapKind, ListGap, Papers, StepKind};
use wardline::report::{
    Complaints, K, Month, Months, Period, Published, PublishedDocument, ReportFormat, render,
};

use crate::kit::logged::{MadeUpIssue, MadeUpRecord, published};

const HOUR_S: i64 = 3600;
const DAY_S: i64 = 86_400;

/// A row of made-up numbers, always the same one.
struct Chance(u64);

impl Chance {
    /// SplitMix64, by Sebastiano Vigna: public domain.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// Midnight of a day of the year 2025.
fn day(month: &str, day: i64) -> i64 {
    month_of(month).start() + (day - 1) * DAY_S
}

fn month_of(text: &str) -> Month {
    let at = format!("{text}-01T00:00:00Z")
        .parse::<jiff::Timestamp>()
        .expect("a month")
        .as_second();
    Month::of(at)
}

/// A list of the made-up provider: who made it, since when, and how many questions it blocks in an
/// hour of the day's middle.
struct MadeUp {
    id: &'static str,
    authority: &'static str,
    legal_basis: &'static str,
    since: i64,
    until: i64,
    hourly: u64,
}

fn made_up_lists() -> [MadeUp; 4] {
    let (year, forever) = (day("2025-01", 1), day("2026-02", 1));
    [
        MadeUp {
            id: "child-protection",
            authority: "Example National Police, Cybercrime Division",
            legal_basis: "Example Telecommunications Act, section 88",
            since: year,
            until: forever,
            hourly: 55,
        },
        MadeUp {
            id: "court-orders",
            authority: "Example Court Registry",
            legal_basis: "Orders of the Example High Court",
            since: year,
            until: forever,
            hourly: 4,
        },
        MadeUp {
            id: "gambling",
            authority: "Example Gambling Authority",
            legal_basis: "Example Gambling Act, section 12",
            since: day("2025-11", 11) + 9 * HOUR_S + 1260,
            until: forever,
            hourly: 900,
        },
        MadeUp {
            id: "market-conduct",
            authority: "Example Financial Conduct Office",
            legal_basis: "Example Investors Act, section 4a",
            since: year,
            until: day("2025-12", 15),
            hourly: 1,
        },
    ]
}

/// One resolver of the made-up provider over the last quarter of 2025.
fn made_up_resolver(number: u64) -> MadeUpRecord {
    let mut chance = Chance(number);
    let lists = made_up_lists();
    let (from, until) = (day("2025-10", 1), day("2026-01", 2));
    let gaps = made_up_gaps(number);
    let (mut hours, mut cells) = (Vec::new(), Vec::new());
    for hour in (from..until).step_by(HOUR_S as usize) {
        if gaps
            .iter()
            .any(|gap| gap.from <= hour && gap.until >= hour + HOUR_S)
        {
            continue;
        }
        let busy = busy(hour);
        hours.push((hour, busy * (24_000 + chance.below(4000))));
        for (list, made_up) in lists.iter().enumerate() {
            if made_up.since < hour + HOUR_S && made_up.until > hour {
                let blocked = made_up_blocks(made_up, hour, &mut chance);
                cells.push((hour, list, blocked));
            }
        }
    }
    MadeUpRecord {
        resolver: format!("resolver-{number}"),
        from,
        complete_until: until,
        written_until: until,
        lists: lists.iter().map(list_record).collect(),
        hours,
        cells,
        gaps,
        list_gaps: made_up_list_gaps(number),
        issues: made_up_issues(number),
        steps: made_up_steps(),
    }
}

/// All were stopped for a moment in November; the first crashed in December, too.
fn made_up_gaps(number: u64) -> Vec<Gap> {
    let stopped = Gap {
        from: day("2025-11", 18) + 2 * HOUR_S,
        until: day("2025-11", 18) + 2 * HOUR_S + 95,
        kind: GapKind::Stopped,
    };
    let crashed = Gap {
        from: day("2025-12", 6) + 13 * HOUR_S + 611,
        until: day("2025-12", 6) + 15 * HOUR_S + 40,
        kind: GapKind::Crash,
    };
    if number == 1 {
        vec![stopped, crashed]
    } else {
        vec![stopped]
    }
}

/// On the second resolver a list came only after its first start of December, and over the month's
/// end.
fn made_up_list_gaps(number: u64) -> Vec<ListGap> {
    let gap = ListGap {
        list: "court-orders".into(),
        from: day("2025-12", 1) - 2 * HOUR_S,
        until: day("2025-12", 1) + 75,
    };
    if number == 2 { vec![gap] } else { Vec::new() }
}

fn hour_of_day(hour: i64) -> i64 {
    (hour / HOUR_S) % 24
}

/// People are awake in the evening, and at home on the weekend.
fn busy(hour: i64) -> u64 {
    let awake = [
        2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 8, 8, 8, 8, 8, 9, 10, 12, 13, 13, 11, 8, 4,
    ][hour_of_day(hour) as usize];
    let is_weekend = matches!((hour / DAY_S + 4) % 7, 0 | 6);
    awake * if is_weekend { 5 } else { 4 }
}

fn made_up_blocks(list: &MadeUp, hour: i64, chance: &mut Chance) -> u64 {
    let most = list.hourly * busy(hour);
    let blocked = most * (70 + chance.below(60)) / 3200 + chance.below(most % 32 + 1) / 16;
    // The smallest list has a day with next to nothing now and then.
    if list.hourly == 1 && (hour / DAY_S) % 23 == 0 {
        hour_of_day(hour) as u64 / 22
    } else {
        blocked
    }
}

fn list_record(list: &MadeUp) -> (String, Papers) {
    let papers = Papers {
        since: list.since,
        authority: list.authority.into(),
        legal_basis: list.legal_basis.into(),
    };
    (list.id.into(), papers)
}

/// The police publish every weekday, the others now and then; the second resolver hears of it a
/// little later.
fn made_up_issues(number: u64) -> Vec<MadeUpIssue> {
    let mut chance = Chance(77);
    let mut versions = Vec::new();
    for (list, every, usual_s) in [
        ("child-protection", 1, 3),
        ("court-orders", 9, 5),
        ("gambling", 4, 40),
        ("market-conduct", 21, 900),
    ] {
        let span = made_up_lists()
            .into_iter()
            .find(|made_up| made_up.id == list)
            .expect("a list");
        let first = (span.since / DAY_S).max(day("2025-10", 1) / DAY_S);
        let days = (first..(span.until / DAY_S).min(day("2026-01", 1) / DAY_S))
            .filter(|day| !matches!((day + 4) % 7, 0 | 6));
        for (serial, day) in days.step_by(every).enumerate() {
            let issued = (day * DAY_S + 9 * HOUR_S).max(span.since) + chance.below(28_000) as i64;
            let slow = if chance.below(23) == 0 { 60 } else { 1 };
            let took = (usual_s + chance.below(usual_s * 2)) * slow + number;
            versions.push(MadeUpIssue {
                list: list.into(),
                serial: 2_025_000 + serial as u64,
                issued,
                live: issued + took as i64,
                receipt: Some(issued + took as i64 + 1)
                    .filter(|_| number == 1 || list != "market-conduct"),
            });
        }
    }
    versions
}

/// A refusal that the operator let pass, and an entry taken off at once.
fn made_up_steps() -> Vec<(i64, String, StepKind)> {
    let noon = day("2025-11", 20) + 12 * HOUR_S;
    let steps = [
        (noon, "gambling", StepKind::Refused),
        (noon + 600, "gambling", StepKind::Override),
        (noon + 9000, "child-protection", StepKind::Removal),
    ];
    let steps = steps.map(|(at, list, kind)| (at, list.to_owned(), kind));
    steps.into()
}

fn quarter(period: Period) -> Published {
    let deadlines = [("child-protection", 300), ("gambling", 1800)];
    let deadlines = deadlines.map(|(list, seconds)| (list.to_owned(), seconds));
    let complaints = "month,by,received,upheld\n2025-10,owner,2,1\n2025-10,visitor,14,0\n\
                      2025-11,owner,1,0\n2025-11,appeal,1,1\n";
    published(
        &[made_up_resolver(1), made_up_resolver(2)],
        Months {
            from: Some(month_of("2025-10")),
            until: None,
        },
        period,
    )
    .with_deadlines(&deadlines.into())
    .with_complaints(Some(Complaints::parse(complaints).expect("an account")))
}

const FORMS: [(ReportFormat, &str); 4] = [
    (ReportFormat::Text, "txt"),
    (ReportFormat::Csv, "csv"),
    (ReportFormat::Json, "json"),
    (ReportFormat::Html, "html"),
];

/// With WARDLINE_REWRITE=1 in the environment the files are written anew: read what git shows as
/// changed before you keep it.
#[test]
fn every_form_is_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/report");
    for (period, name) in [(Period::Day, "by-day"), (Period::Month, "by-month")] {
        for (format, ending) in FORMS {
            let file = folder.join(format!("{name}.{ending}"));
            let made = render(&quarter(period), format).replace(
                concat!("wardline ", env!("CARGO_PKG_VERSION")),
                "wardline VERSION",
            );
            if env::var_os("WARDLINE_REWRITE").is_some() {
                fs::write(&file, &made).expect("a golden file");
            }
            let golden = fs::read_to_string(&file).unwrap_or_default();
            let differs = golden
                .lines()
                .zip(made.lines())
                .position(|(golden, made)| golden != made);
            assert!(
                golden == made,
                "{name}.{ending} differs from line {differs:?}; WARDLINE_REWRITE=1 cargo test \
                 --test main report writes it anew"
            );
        }
    }
}

/// Over three years every other month has its name below a chart, so that each stands whole.
#[test]
fn names_of_months_have_room_below_a_chart() {
    let months = Months {
        from: Some(month_of("2023-01")),
        until: None,
    };
    let report = published(&[made_up_resolver(1)], months, Period::Month);
    assert_eq!(report.months.len(), 36);
    let page = render(&report, ReportFormat::Html);
    let axis = page
        .lines()
        .find(|line| line.starts_with("<div class=\"months\""));
    let axis = axis.expect("an axis");
    assert_eq!(axis.matches("<span style").count(), 36);
    assert_eq!(axis.matches("\"></span>").count(), 18);
}

/// In a resolver's first hour the log tells nothing yet; its month is one that is not over.
#[test]
fn the_month_of_a_first_hour_is_not_over() {
    let first = MadeUpRecord {
        written_until: day("2025-10", 3) + 600,
        complete_until: day("2025-10", 3),
        ..MadeUpRecord::default()
    };
    let open = |from: Option<&str>| {
        let months = Months {
            from: from.map(month_of),
            until: None,
        };
        published(std::slice::from_ref(&first), months, Period::Month).open
    };
    assert_eq!(open(None), [month_of("2025-10")]);
    assert_eq!(open(Some("2025-10")), [month_of("2025-10")]);
    assert_eq!(open(Some("2025-11")), []);
    let nothing = MadeUpRecord::default();
    let nothing = published(&[nothing], Months::default(), Period::Month);
    assert_eq!((nothing.open, nothing.months), (Vec::new(), Vec::new()));
}

/// A deadline stands where verifiers look for nothing, in the form that they read.
#[test]
fn a_deadline_leaves_the_form_as_it_is() {
    let json = render(&quarter(Period::Day), ReportFormat::Json);
    let read = PublishedDocument::parse(json.as_bytes()).expect("the form of a report");
    let done = read.months[0].done.get("child-protection").expect("a list");
    let figure = |key| done.get(key).copied();
    assert_eq!(figure("deadline_seconds"), Some(300));
    assert!(figure("within_deadline") <= figure("versions"));
    let without = read.months[0].done.get("court-orders").expect("a list");
    assert_eq!(without.get("deadline_seconds"), None);
}

/// A receipt that is signed after the month in which its issue came into force is not told of that
/// month: the month would say something else in a later report.
#[test]
fn receipts_and_deadlines_are_told_issue_by_issue() {
    let live = month_of("2025-11").end() - 100;
    let issue = |serial, took, receipt: Option<i64>| MadeUpIssue {
        list: "child-protection".into(),
        serial,
        issued: live - took,
        live,
        receipt: receipt.map(|after| live + after),
    };
    let mut resolver = made_up_resolver(1);
    resolver.issues = vec![
        issue(1, 60, Some(99)),
        issue(2, 61, Some(100)),
        issue(3, 3600, None),
    ];
    let again = MadeUpIssue {
        live: live + 50,
        ..resolver.issues[2].clone()
    };
    resolver.issues.push(again);
    let months = Months {
        from: Some(month_of("2025-11")),
        until: Some(month_of("2026-01")),
    };
    let deadlines = [("child-protection".to_owned(), 60)].into();
    let report = published(&[resolver], months, Period::Month).with_deadlines(&deadlines);
    let list = &report.lists[0];
    let told = list.applied.iter();
    let told: Vec<_> = told
        .map(|issue| {
            (
                issue.serial,
                issue.seconds(),
                issue.receipts,
                issue.resolvers,
            )
        })
        .collect();
    assert_eq!(told, [(1, 60, 1, 1), (2, 61, 0, 1), (3, 3600, 0, 1)]);
    assert_eq!(list.in_time(&list.applied), Some(1));
    let text = render(&report, ReportFormat::Text);
    assert!(
        text.contains("Issues of child-protection: 1 of 3 within 1 min (33.33 %)"),
        "{text}"
    );
    let csv = render(&report, ReportFormat::Csv);
    assert!(csv.contains("within_deadline,2025-11,child-protection,1,shown,of 3 versions"));
}

/// Figures as a reader of the published documents has them: each day and month of each list, or
/// nothing where it is hidden.
#[derive(Default)]
struct Readings {
    /// By list, and by day or month.
    figures: BTreeMap<(String, String), Option<u64>>,
    /// Sums that are printed, with the hidden or shown figures that they are made of.
    sums: BTreeSet<(u64, Vec<(String, String)>)>,
}

impl Readings {
    /// Reads one document; whatever another one said of the same figure, this one must say too.
    fn read(&mut self, report: &Published) {
        let document: Value =
            serde_json::from_str(&render(report, ReportFormat::Json)).expect("JSON");
        let months = document["months"].as_array().expect("months");
        let mut over_months: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for month in months {
            let name = month["month"].as_str().expect("a month");
            self.read_row(name, month);
            for (list, figure) in month["blocked"].as_object().expect("figures") {
                over_months
                    .entry(list.clone())
                    .or_default()
                    .push((list.clone(), name.to_owned()));
                let days: Vec<_> = month["days"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|day| day["day"].as_str().expect("a day"))
                    .collect();
                if let (Some(sum), false) = (figure.as_u64(), days.is_empty()) {
                    self.sums.insert((
                        sum,
                        days.iter()
                            .map(|day| (list.clone(), (*day).to_owned()))
                            .collect(),
                    ));
                }
            }
            for day in month["days"].as_array().into_iter().flatten() {
                self.read_row(day["day"].as_str().expect("a day"), day);
            }
        }
        for (list, parts) in over_months {
            self.sums.extend(
                document["sums"]["blocked"][list]
                    .as_u64()
                    .map(|sum| (sum, parts)),
            );
        }
    }

    fn read_row(&mut self, period: &str, row: &Value) {
        let lists = row["blocked"].as_object().expect("figures");
        for (list, figure) in lists.iter().filter(|(_, figure)| !figure.is_null()) {
            let figure = figure.as_u64();
            let before = self
                .figures
                .insert((list.clone(), period.to_owned()), figure);
            assert!(
                before.is_none_or(|before| before == figure),
                "{list} {period} is told in two ways"
            );
            assert!(
                figure.is_none_or(|figure| figure >= K),
                "{list} {period} is told"
            );
        }
        let parts = lists
            .keys()
            .map(|list| (list.clone(), period.to_owned()))
            .collect();
        self.sums
            .extend(row["blocked_by_all"].as_u64().map(|sum| (sum, parts)));
    }

    /// The least and the most that each hidden figure can be, by all sums at once: bounds are drawn
    /// in until none moves.
    fn bounds(&self) -> BTreeMap<&(String, String), (i128, i128)> {
        let hidden = self.figures.iter().filter(|(_, figure)| figure.is_none());
        let mut bounds: BTreeMap<_, _> = hidden
            .map(|(place, _)| (place, (0, i128::from(u64::MAX))))
            .collect();
        let known = |part: &(String, String)| {
            self.figures
                .get(part)
                .copied()
                .flatten()
                .unwrap_or_default()
        };
        loop {
            let before = bounds.clone();
            for (sum, parts) in &self.sums {
                let rest = i128::from(*sum)
                    - parts
                        .iter()
                        .map(|part| i128::from(known(part)))
                        .sum::<i128>();
                let open: Vec<_> = parts
                    .iter()
                    .filter_map(|part| Some((part, *bounds.get(part)?)))
                    .collect();
                let (lows, highs) = open.iter().fold((0, 0), |(lows, highs), (_, (low, high))| {
                    (lows + low, highs + high)
                });
                for (part, (low, high)) in open {
                    bounds.insert(
                        part,
                        (
                            low.max(rest - (highs - high)),
                            high.min(rest - (lows - low)),
                        ),
                    );
                }
            }
            if bounds == before {
                return bounds;
            }
        }
    }
}

/// A resolver with these figures for each list and day from 2026-01-01 on, all counted in one hour
/// of the day.
fn resolver_with(days: &[Vec<Option<u64>>]) -> MadeUpRecord {
    let first = day("2026-01", 1);
    let day_count = days.iter().map(Vec::len).max().unwrap_or_default() as i64;
    let at = |place: usize| first + place as i64 * DAY_S;
    let mut cells = Vec::new();
    for (list, days) in days.iter().enumerate() {
        let figures = days
            .iter()
            .enumerate()
            .filter_map(|(place, blocked)| Some((place, (*blocked)?)));
        cells.extend(figures.map(|(place, blocked)| (at(place), list, blocked)));
    }
    cells.sort_unstable();
    let papers = Papers {
        since: first,
        authority: "Example Authority".into(),
        legal_basis: "Example Act".into(),
    };
    let list = |place: usize| (format!("list-{place}"), papers.clone());
    let end = first + day_count * DAY_S;
    MadeUpRecord {
        resolver: "one".into(),
        from: first,
        complete_until: end,
        written_until: end,
        lists: (0..days.len()).map(list).collect(),
        hours: (0..day_count)
            .map(|place| (first + place * DAY_S, 5_000_000))
            .collect(),
        cells,
        ..MadeUpRecord::default()
    }
}

/// A day's figure: often next to nothing, sometimes much, now and then not in force.
fn a_day() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        1 => Just(None),
        4 => (0..3_u64).prop_map(Some),
        4 => (0..2 * K).prop_map(Some),
        3 => (K..400).prop_map(Some),
        1 => (1000..100_000_u64).prop_map(Some),
    ]
}

/// A list's quarter: quiet, busy, or anything.
fn a_quarter() -> impl Strategy<Value = Vec<Option<u64>>> {
    let busy = prop_oneof![40 => (K..400).prop_map(Some), 1 => a_day()];
    let quiet = prop_oneof![30 => Just(Some(0)), 1 => (0..K).prop_map(Some), 10 => Just(None)];
    prop_oneof![
        prop::collection::vec(a_day(), 90),
        prop::collection::vec(busy, 90),
        prop::collection::vec(quiet, 90)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    /// By day and by month, for all spans of the quarter's months, all published together: every
    /// hidden figure could still be 0, and could still be K or more, so that nobody can even tell
    /// which of the hidden figures are the small ones.
    #[test]
    fn all_reports_together_leave_every_hidden_figure_open(
        days in prop::collection::vec(a_quarter(), 1..4),
    ) {
        let record = [resolver_with(&days)];
        let months = ["2026-01", "2026-02", "2026-03", "2026-04"].map(month_of);
        let mut readings = Readings::default();
        for period in [Period::Day, Period::Month] {
            for from in 0..3 {
                for until in from + 1..4 {
                    let span = Months { from: Some(months[from]), until: Some(months[until]) };
                    readings.read(&published(&record, span, period));
                }
            }
        }
        for (place, (least, most)) in readings.bounds() {
            prop_assert!(
                least == 0 && most >= i128::from(K),
                "{place:?} is from {least} to {most}"
            );
        }
    }
}

#[test]
fn the_attack_finds_what_is_hidden_badly() {
    let place = |period: &str| ("list".to_owned(), period.to_owned());
    let readings = Readings {
        figures: BTreeMap::from([
            (place("a"), Some(40)),
            (place("b"), None),
            (place("c"), None),
            (place("d"), None),
        ]),
        sums: BTreeSet::from([
            (43, vec![place("a"), place("b")]),
            (60, vec![place("b"), place("c"), place("d")]),
        ]),
    };
    let bounds = readings.bounds();
    assert_eq!(
        bounds[&place("b")],
        (3, 3),
        "a lone hidden figure is computed"
    );
    assert_eq!(bounds[&place("c")].1, 57, "and what it gives away is used");
}
