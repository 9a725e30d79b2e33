//! Resolvers that are made up, and the leaves that their logs would have: what published reports
//! are made of.

use wardline::count::{Gap, ListGap, Papers, StepKind, ToldHours};
use wardline::record::{
    Blocked, Carried, EventLeaf, HOUR_KIND, HourLeaf, IssueLive, IssueReceipt, IssueRefused, Leaf,
    LeafGap, LeafSpan, LetPass, ListRemoval, Moment, RolledBack, RunStart, SALTED_LEAF_VERSION,
    Statement, Withdrawals,
};
use wardline::report::{LogHead, LoggedFigures, Months, Period, Published, choose_months, publish};

const HOUR_S: i64 = 3600;
const SALT: &str = "000102030405060708090a0b0c0d0eff";

/// An issue that comes into force.
#[derive(Clone)]
pub(crate) struct MadeUpIssue {
    pub(crate) list: String,
    pub(crate) serial: u64,
    pub(crate) issued: i64,
    pub(crate) live: i64,
    pub(crate) receipt: Option<i64>,
}

/// What one resolver has on record.
#[derive(Clone, Default)]
pub(crate) struct MadeUpRecord {
    pub(crate) resolver: String,
    /// When its first run begins.
    pub(crate) from: i64,
    pub(crate) complete_until: i64,
    pub(crate) written_until: i64,
    pub(crate) lists: Vec<(String, Papers)>,
    /// Hours and their questions, earliest first.
    pub(crate) hours: Vec<(i64, u64)>,
    /// Hours, places of lists, and what these blocked.
    pub(crate) cells: Vec<(i64, usize, u64)>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) list_gaps: Vec<ListGap>,
    pub(crate) issues: Vec<MadeUpIssue>,
    pub(crate) steps: Vec<(i64, String, StepKind)>,
}

/// The report of these resolvers.
pub(crate) fn published(records: &[MadeUpRecord], asked: Months, period: Period) -> Published {
    let told = records.iter().filter_map(MadeUpRecord::told);
    let told: Vec<ToldHours> = told.collect();
    let complete = records.iter().map(|record| record.complete_until).min();
    let written = records.iter().map(|record| record.written_until).max();
    let (complete, written) = (complete.unwrap_or_default(), written.unwrap_or_default());
    let (months, open) = choose_months(&told, complete, written, asked);
    let mut figures = LoggedFigures::new(&months);
    for record in records {
        figures.begin_log(
            &format!("example-provider/{}", record.resolver),
            Withdrawals::default(),
        );
        record.feed(&mut figures);
    }
    figures.finish();
    let heads = figures.heads().iter().map(|place| LogHead {
        origin: place.origin.clone(),
        size: place.size.to_string(),
        root: "q1v0Zc2m0cmZWYxZzVQhQ4oW1y0Yt2i5bYl3m9nRk01=".to_owned(),
        at: complete,
    });
    let heads = heads.collect();
    let papers = records.iter().flat_map(|record| record.lists.clone());
    let mut by_list = std::collections::BTreeMap::new();
    papers.for_each(|(list, papers)| {
        by_list.entry(list).or_insert(vec![papers]);
    });
    publish(figures, period)
        .with_papers(by_list)
        .with_heads(heads)
        .with_left_out(open, 0)
}

impl MadeUpRecord {
    fn told(&self) -> Option<ToldHours> {
        Some(ToldHours {
            from: self.from - self.from % HOUR_S,
            until: self.hours.last()?.0 + HOUR_S,
        })
    }

    /// Hands its log's leaves out.
    fn feed(&self, figures: &mut LoggedFigures) {
        let start = Statement::Start(RunStart {
            arrived: None,
            behind_s: 0,
            configuration: "ab".into(),
            lists: self.lists.iter().map(|(id, _)| id.clone()).collect(),
            previous: None,
            recovery: None,
            software: "wardline".into(),
        });
        take_event(figures, self.from, None, None, &start);
        let mut events = self.events();
        events.sort_by_key(|(at, ..)| *at);
        let mut events = events.into_iter().peekable();
        let mut told = self.from - self.from % HOUR_S;
        for (hour, questions) in &self.hours {
            let end = hour + HOUR_S;
            while let Some((at, list, serial, said)) = events.next_if(|(at, ..)| *at <= end) {
                take_event(figures, at, Some(&list), serial, &said);
            }
            for (_, list, blocked) in self.cells.iter().filter(|(of, ..)| of == hour) {
                self.take_hour(figures, (*hour, told), *questions, (*list, *blocked));
            }
            told = end;
        }
    }

    fn events(&self) -> Vec<(i64, String, Option<u64>, Statement)> {
        let mut events = vec![];
        for issue in &self.issues {
            let live = Statement::Live(IssueLive {
                entries: 7,
                generation: None,
                issued: Some(issue.issued),
                rejects: 0,
                sha256: "ab".into(),
            });
            events.push((issue.live, issue.list.clone(), Some(issue.serial), live));
            let receipt = Statement::Receipt(IssueReceipt {
                live_ms: 0,
                probed_ms: 0,
                received_ms: 0,
                verified_ms: 0,
            });
            let receipt = |at| (at, issue.list.clone(), Some(issue.serial), receipt);
            events.extend(issue.receipt.map(receipt));
        }
        for (at, list, step) in &self.steps {
            events.push((*at, list.clone(), None, said(*step)));
        }
        events
    }

    fn take_hour(
        &self,
        figures: &mut LoggedFigures,
        (hour, told): (i64, i64),
        questions: u64,
        (list, blocked): (usize, u64),
    ) {
        let (id, _) = &self.lists[list];
        let within = |gap: &Gap| {
            let (from, until) = (gap.from.max(told), gap.until.min(hour + HOUR_S));
            (from < until).then(|| LeafGap {
                from: Moment(from),
                kind: gap.kind.name(),
                until: Moment(until),
            })
        };
        let gaps: Vec<LeafGap<'_>> = self.gaps.iter().filter_map(within).collect();
        let out = self.list_gaps.iter().filter(|gap| gap.list == *id);
        let out = out.filter_map(|gap| {
            let (from, until) = (gap.from.max(hour), gap.until.min(hour + HOUR_S));
            let span = LeafSpan {
                from: Moment(from),
                until: Moment(until),
            };
            (from < until).then_some(span)
        });
        let out: Vec<LeafSpan> = out.collect();
        let missing = gaps.iter().map(|gap| gap.until.0 - gap.from.0.max(hour));
        let missing = missing.chain(out.iter().map(|span| span.until.0 - span.from.0));
        let missing_s: i64 = missing.map(|seconds| seconds.max(0)).sum();
        let leaf = HourLeaf {
            blocked: Blocked {
                address: blocked,
                https: 0,
                other: 0,
                via_cname: 0,
            },
            boot: "0000000000000001",
            carried: Carried::default(),
            configuration: "ab",
            ended: [0; 8].into(),
            gap_s: 0,
            gaps,
            hour: Moment(hour),
            in_force_s: (HOUR_S - missing_s).unsigned_abs(),
            kind: HOUR_KIND,
            list: id,
            manifest: None,
            not_in_force: Some(out),
            provider: "example-provider",
            questions,
            resolver: &self.resolver,
            salt: Some(SALT),
            seq: 0,
            serial: None,
            software: "wardline",
            v: SALTED_LEAF_VERSION,
        };
        figures.take(&Leaf::Hour(leaf));
    }
}

fn take_event(
    figures: &mut LoggedFigures,
    at: i64,
    list: Option<&str>,
    serial: Option<u64>,
    said: &Statement,
) {
    figures.take(&Leaf::Event(EventLeaf {
        at: Moment(at),
        body: said.body(),
        boot: "0000000000000001",
        kind: said.kind().word(),
        list,
        manifest: None,
        provider: "example-provider",
        resolver: "one",
        salt: Some(SALT),
        seq: 0,
        serial,
        touches: Some(vec![]),
        v: SALTED_LEAF_VERSION,
    }));
}

/// Something that is done about a list.
fn said(step: StepKind) -> Statement {
    match step {
        StepKind::Refused => Statement::Refused(IssueRefused::new("too many", &["growth"])),
        StepKind::Override => Statement::Override(LetPass {
            codes: vec!["growth".into()],
            known_by: "ab".into(),
        }),
        StepKind::Rollback => Statement::Rollback(RolledBack {
            manifest: None,
            serial: None,
            to: 1,
        }),
        StepKind::Removal => Statement::Removal(ListRemoval {
            entries: 1,
            from: 1,
            named: 1,
            removal: "ab".into(),
            until: 2,
        }),
        StepKind::Receipt => Statement::Receipt(IssueReceipt {
            live_ms: 0,
            probed_ms: 0,
            received_ms: 0,
            verified_ms: 0,
        }),
    }
}
