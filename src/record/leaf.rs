//! One leaf of the audit log: a closed hour of one list, or an event; canonical JSON that holds no
//! address and no listed name.
//!
//! The text of a leaf is what its author signs, so there is one text for one meaning: keys sorted,
//! no white space, whole numbers below 2^53 (the subset of RFC 8785 that we need).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event_kind::EventKind;
use super::form::{HOUR_LEAF_VERSION, LEAF_OCTETS_MAX, LEAF_VERSION, NUMBER_MAX};
use super::leaf_fault::LeafFault;
use super::moment::Moment;
use super::parts::{Blocked, Carried, Ended, LeafGap, LeafSpan};
use super::statement::Statement;
use crate::clock::UnixSeconds;

const HOUR_S: u64 = 3600;

/// What a leaf is found to say.
#[derive(Clone, Debug, PartialEq)]
pub enum Leaf<'a> {
    /// A closed hour of one list.
    Hour(HourLeaf<'a>),
    /// Something that happened.
    Event(EventLeaf<'a>),
}

/// A closed hour of one list. The figures without a list are those of the whole resolver, the same
/// in all leaves of an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HourLeaf<'a> {
    /// Questions that the list blocked, by kind.
    pub blocked: Blocked,
    /// The run that counted last in the hour: 16 hexadecimal digits.
    pub boot: &'a str,
    /// Questions on their way at the ends of the hour.
    pub carried: Carried,
    /// SHA-256 of the configuration file, in hexadecimal.
    pub configuration: &'a str,
    /// Questions of the resolver by how they ended.
    pub ended: Ended,
    /// Seconds since the end of the last hour that has leaves which are not on record.
    pub gap_s: u64,
    /// When they were, and why; the first may reach back over hours that have no leaves.
    pub gaps: Vec<LeafGap<'a>>,
    /// The hour's first second.
    pub hour: Moment,
    /// Seconds of the hour in which the resolver ran with the list in force; in the form 1 those
    /// in which the list was not are among them.
    pub in_force_s: u64,
    /// Always [`HOUR_KIND`].
    pub kind: &'a str,
    /// The list's id.
    pub list: &'a str,
    /// SHA-256 of the manifest that the list last came into force with, in hexadecimal; none for a
    /// list without one.
    pub manifest: Option<&'a str>,
    /// When the resolver ran and answered without the list's entries, as the list was not in
    /// force; none in the form 1, which does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_in_force: Option<Vec<LeafSpan>>,
    /// Whose resolver it is.
    pub provider: &'a str,
    /// Questions that came to the resolver.
    pub questions: u64,
    /// Which of the provider's resolvers.
    pub resolver: &'a str,
    /// The leaf's place in the log, from 0.
    pub seq: u64,
    /// The serial that the list last came into force with; none for a list without a manifest.
    pub serial: Option<u64>,
    /// The program and its version.
    pub software: &'a str,
    /// [`HOUR_LEAF_VERSION`], or [`LEAF_VERSION`] in an hour of which nobody knows when its lists
    /// were not in force.
    pub v: u64,
}

/// Something that happened to the resolver or to a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLeaf<'a> {
    /// When.
    pub at: Moment,
    /// Particulars, by kind.
    pub body: Map<String, Value>,
    /// The run that it happened to: 16 hexadecimal digits.
    pub boot: &'a str,
    /// What.
    pub kind: &'a str,
    /// The list that it happened to, if to one.
    pub list: Option<&'a str>,
    /// SHA-256 of the list's manifest, in hexadecimal.
    pub manifest: Option<&'a str>,
    /// Whose resolver it is.
    pub provider: &'a str,
    /// Which of the provider's resolvers.
    pub resolver: &'a str,
    /// The leaf's place in the log, from 0.
    pub seq: u64,
    /// The list's serial.
    pub serial: Option<u64>,
    /// [`LEAF_VERSION`].
    pub v: u64,
}

/// The kind of a leaf that is a closed hour; every other kind is an event.
pub const HOUR_KIND: &str = "hour";

impl<'a> Leaf<'a> {
    /// Reads a leaf; refuses every text but the canonical one.
    ///
    /// # Errors
    /// When the octets are not exactly the text of the leaf that they describe.
    pub fn parse(octets: &'a [u8]) -> Result<Self, LeafFault> {
        let text = str::from_utf8(octets).map_err(|_| LeafFault::Form)?;
        // Nearly all leaves are hours, and those are read without a copy.
        let leaf = match serde_json::from_str(text) {
            Ok(hour) => Self::Hour(hour),
            Err(_) => Self::Event(serde_json::from_str(text).map_err(|_| LeafFault::Form)?),
        };
        if !leaf.is_in_form() {
            return Err(LeafFault::Form);
        }
        if leaf.text() == octets {
            Ok(leaf)
        } else {
            Err(LeafFault::Canonical)
        }
    }

    /// The text that is signed.
    ///
    /// # Errors
    /// When a reader would refuse it, or when it is an event that does not say what one of its kind
    /// must.
    pub fn write(&self) -> Result<Vec<u8>, LeafFault> {
        let text = self.text();
        if text.len() > LEAF_OCTETS_MAX {
            return Err(LeafFault::Long);
        }
        match (Leaf::parse(&text)?, self) {
            (Leaf::Event(read), Self::Event(leaf)) if read.said().is_some() && read == *leaf => {
                Ok(text)
            }
            (Leaf::Hour(read), Self::Hour(leaf)) if read == *leaf => Ok(text),
            _ => Err(LeafFault::Form),
        }
    }

    /// The canonical text.
    fn text(&self) -> Vec<u8> {
        let written = match self {
            Self::Hour(leaf) => serde_json::to_vec(leaf),
            Self::Event(leaf) => serde_json::to_vec(leaf),
        };
        // Writing to memory cannot fail, and all keys are texts.
        written.unwrap_or_default()
    }

    /// The moment up to which the log tells with this leaf: an hour's end, an event's own time.
    pub const fn time(&self) -> UnixSeconds {
        match self {
            Self::Hour(leaf) => leaf.hour.0 + HOUR_S as UnixSeconds,
            Self::Event(leaf) => leaf.at.0,
        }
    }

    /// Its place in the log.
    pub const fn seq(&self) -> u64 {
        match self {
            Self::Hour(leaf) => leaf.seq,
            Self::Event(leaf) => leaf.seq,
        }
    }

    fn is_in_form(&self) -> bool {
        self.has_plain_words() && self.has_right_parts()
    }

    /// Whether its words can be printed as they are. One with an escape is not even read, since
    /// words are read without a copy.
    fn has_plain_words(&self) -> bool {
        let is_plain = |word: &str| !word.contains(char::is_control);
        match self {
            Self::Hour(leaf) => {
                let words = [leaf.boot, leaf.software, leaf.configuration, leaf.list];
                let author = [leaf.provider, leaf.resolver];
                let kinds = leaf.gaps.iter().map(|gap| gap.kind);
                let all = words.into_iter().chain(author).chain(kinds);
                all.chain(leaf.manifest).all(is_plain)
            }
            Self::Event(leaf) => {
                let words = [leaf.boot, leaf.kind, leaf.provider, leaf.resolver];
                let of_list = leaf.list.into_iter().chain(leaf.manifest);
                words.into_iter().chain(of_list).all(is_plain)
            }
        }
    }

    fn has_right_parts(&self) -> bool {
        match self {
            Self::Hour(leaf) => {
                let gaps = leaf.gaps.iter().flat_map(|gap| [gap.from, gap.until]);
                let spans = leaf.absences();
                let in_time = gaps
                    .chain(spans.flat_map(|span| [span.from, span.until]))
                    .chain([leaf.hour])
                    .all(Moment::is_in_time);
                let whole = leaf.hour.0 % HOUR_S as i64 == 0;
                let version = match leaf.not_in_force {
                    Some(_) => HOUR_LEAF_VERSION,
                    None => LEAF_VERSION,
                };
                leaf.kind == HOUR_KIND
                    && leaf.v == version
                    && in_time
                    && whole
                    && leaf.has_small_numbers()
            }
            Self::Event(leaf) => {
                let small = leaf.seq <= NUMBER_MAX && leaf.serial.unwrap_or_default() <= NUMBER_MAX;
                let plain = leaf.body.values().all(is_plain);
                leaf.kind != HOUR_KIND
                    && leaf.v == LEAF_VERSION
                    && leaf.at.is_in_time()
                    && small
                    && plain
            }
        }
    }
}

impl EventLeaf<'_> {
    /// What it says; nothing where it is of a kind that is not known here, or does not say what one
    /// of its kind says today.
    pub fn said(&self) -> Option<Statement> {
        Statement::read(
            EventKind::parse(self.kind)?,
            self.list.is_some(),
            &self.body,
        )
    }
}

/// Whether the body of an event may hold this: no fractions, no huge numbers, nothing nested but a
/// list of texts.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number.as_u64().is_some_and(|number| number <= NUMBER_MAX),
        Value::Array(values) => values.iter().all(Value::is_string),
        Value::Object(_) => false,
    }
}

impl HourLeaf<'_> {
    fn has_small_numbers(&self) -> bool {
        let blocked = [
            self.blocked.address,
            self.blocked.https,
            self.blocked.other,
            self.blocked.via_cname,
        ];
        let carried = [self.carried.into, self.carried.lost, self.carried.out];
        let others = [
            self.questions,
            self.seq,
            self.serial.unwrap_or_default(),
            self.gap_s,
            self.in_force_s,
        ];
        blocked
            .into_iter()
            .chain(carried)
            .chain(others)
            .chain(self.ended.all())
            .all(|number| number <= NUMBER_MAX)
    }

    /// What does not add up in this leaf by itself; nothing where all does.
    pub fn imbalance(&self) -> Option<String> {
        let Carried { into, lost, out } = self.carried;
        let (came, went) = (into + self.questions, self.ended.sum() + lost + out);
        if came != went {
            return Some(format!(
                "{came} questions came in or were carried in, but {went} ended, were lost or \
                 carried out"
            ));
        }
        if self.blocked.sum() > self.ended.blocked {
            return Some(format!(
                "the list blocked {}, the resolver only {}",
                self.blocked.sum(),
                self.ended.blocked
            ));
        }
        None
    }

    /// What is wrong with its seconds; nothing where gaps and time in force fit together.
    pub fn misplaced_time(&self) -> Option<String> {
        let (hour, end) = (self.hour.0, self.hour.0 + HOUR_S as UnixSeconds);
        let gaps: Vec<_> = self.gaps.iter().map(|gap| (gap.from, gap.until)).collect();
        let spans = self.absences();
        let spans: Vec<_> = spans.map(|span| (span.from, span.until)).collect();
        let mut both = [gaps.as_slice(), &spans].concat();
        both.sort_unstable();
        let disorder = disorder(&gaps, UnixSeconds::MIN, end)
            .or_else(|| disorder(&spans, hour, end))
            .or_else(|| disorder(&both, UnixSeconds::MIN, end));
        if disorder.is_some() {
            return disorder;
        }
        let gap_s: u64 = gaps
            .iter()
            .map(|(from, until)| until.0.abs_diff(from.0))
            .sum();
        if gap_s != self.gap_s {
            return Some(format!(
                "its gaps have {gap_s} seconds, and it says {}",
                self.gap_s
            ));
        }
        (self.told_s() > HOUR_S).then(|| {
            format!(
                "the list was in force for {} seconds and not in force for {}, and {} are not on \
                 record: more than the hour has",
                self.in_force_s,
                self.not_in_force_s(),
                self.unrecorded_s()
            )
        })
    }

    /// When the list was not in force, as far as the leaf says.
    pub fn absences(&self) -> impl Iterator<Item = &LeafSpan> {
        self.not_in_force.iter().flatten()
    }

    /// Seconds in which the list was not in force, as far as the leaf says.
    pub fn not_in_force_s(&self) -> u64 {
        let spans = self.absences();
        spans
            .map(|span| (span.until.0 - span.from.0).max(0).unsigned_abs())
            .sum()
    }

    /// Seconds of the hour that are in gaps.
    fn unrecorded_s(&self) -> u64 {
        let within = |gap: &LeafGap<'_>| gap.until.0 - gap.from.0.max(self.hour.0);
        let gaps = self.gaps.iter();
        gaps.map(|gap| within(gap).max(0).unsigned_abs()).sum()
    }

    /// Seconds of the hour of which the leaf says something.
    fn told_s(&self) -> u64 {
        self.in_force_s
            .saturating_add(self.unrecorded_s() + self.not_in_force_s())
    }
}

/// What is wrong with stretches of time that must be one after the other from `start` up to `end`.
fn disorder(spans: &[(Moment, Moment)], start: UnixSeconds, end: UnixSeconds) -> Option<String> {
    let mut reached = start;
    for (from, until) in spans {
        if from.0 < reached || until <= from || until.0 > end {
            return Some(format!(
                "its gap, or its time without the list, from {from} to {until} is not one after \
                 the other within its time"
            ));
        }
        reached = until.0;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hour() -> HourLeaf<'static> {
        HourLeaf {
            blocked: Blocked {
                address: 3,
                https: 1,
                other: 0,
                via_cname: 0,
            },
            boot: "00112233445566ff",
            carried: Carried {
                into: 1,
                lost: 0,
                out: 2,
            },
            configuration: "ab",
            ended: [4, 5, 0, 0, 0, 0, 0, 0].into(),
            gap_s: 90,
            gaps: vec![LeafGap {
                from: Moment(1_767_225_600),
                kind: "crash",
                until: Moment(1_767_225_690),
            }],
            hour: Moment(1_767_225_600),
            in_force_s: 3510,
            kind: HOUR_KIND,
            list: "example",
            manifest: None,
            not_in_force: Some(Vec::new()),
            provider: "provider.example",
            questions: 10,
            resolver: "one",
            seq: 7,
            serial: Some(12),
            software: "wardline 0.1.0",
            v: HOUR_LEAF_VERSION,
        }
    }

    /// An event of a kind that a later version may have.
    fn event() -> EventLeaf<'static> {
        let body = serde_json::json!({"b": ["x", "ü\"\u{1}"], "a": null, "c": 1, "d": true});
        EventLeaf {
            at: Moment(1_767_225_601),
            body: body.as_object().unwrap().clone(),
            boot: "00112233445566ff",
            kind: "later",
            list: Some("example"),
            manifest: Some("cd"),
            provider: "provider.example",
            resolver: "one",
            seq: 8,
            serial: Some(3),
            v: LEAF_VERSION,
        }
    }

    /// An hour in which the list was not in force in these seconds.
    fn without_list(spans: &[(i64, i64)]) -> HourLeaf<'static> {
        let start = 1_767_225_600;
        let span = |&(from, until)| LeafSpan {
            from: Moment(start + from),
            until: Moment(start + until),
        };
        HourLeaf {
            not_in_force: Some(spans.iter().map(span).collect()),
            ..hour()
        }
    }

    /// An hour as it was told before it was told when a list was not in force.
    fn silent_hour() -> HourLeaf<'static> {
        HourLeaf {
            not_in_force: None,
            v: LEAF_VERSION,
            ..hour()
        }
    }

    #[test]
    fn leaves_are_canonical_and_come_back() {
        let absent = without_list(&[(90, 100), (200, 3600)]);
        for leaf in [hour(), absent, silent_hour()]
            .map(Leaf::Hour)
            .into_iter()
            .chain([Leaf::Event(event())])
        {
            let text = leaf.text();
            let sorted: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(
                text,
                serde_json::to_vec(&sorted).unwrap(),
                "keys are sorted"
            );
            assert_eq!(Leaf::parse(&text), Ok(leaf));
        }
        let text = String::from_utf8(Leaf::Event(event()).text()).unwrap();
        assert!(text.contains(r#""at":"2026-01-01T00:00:01Z","body":{"a":null,"b":["x","ü\"\u0001"],"c":1,"d":true}"#), "{text}");
        assert_eq!(
            (Leaf::Hour(hour()).time(), Leaf::Hour(hour()).seq()),
            (1_767_225_600 + 3600, 7)
        );
    }

    #[test]
    fn another_text_for_the_same_leaf_is_refused() {
        let text = String::from_utf8(Leaf::Event(event()).text()).unwrap();
        let canonical =
            |from: &str, to: &str| Leaf::parse(text.replacen(from, to, 1).as_bytes()).map(|_| ());
        assert_eq!(canonical("\"at\":", "\"at\": "), Err(LeafFault::Canonical));
        assert_eq!(canonical("ü", "\\u00fc"), Err(LeafFault::Canonical));
        assert_eq!(
            canonical("\\u0001", "\\u0001\\u0008"),
            Err(LeafFault::Canonical)
        );
        assert_eq!(
            canonical("00:01Z", "00:01+00:00"),
            Err(LeafFault::Canonical)
        );
        assert_eq!(canonical("00:01Z", "00:01.5Z"), Err(LeafFault::Canonical));
        assert_eq!(
            canonical("\"c\":1", "\"c\":1,\"c\":1"),
            Err(LeafFault::Canonical)
        );
        for to in ["-0", "-1", "1.0", "9007199254740992", "{}", "[1]"] {
            assert_eq!(
                canonical("\"c\":1", &format!("\"c\":{to}")),
                Err(LeafFault::Form),
                "{to}"
            );
        }
        for (from, to) in [
            ("\"v\":1", "\"v\":2"),
            ("\"v\":1", "\"w\":1"),
            ("2026-", "1969-"),
            ("2026-", "3000-"),
        ] {
            assert_eq!(canonical(from, to), Err(LeafFault::Form), "{to}");
        }
        assert_eq!(canonical("\"later\"", "\"hour\""), Err(LeafFault::Form));
        let text = String::from_utf8(Leaf::Hour(hour()).write().unwrap()).unwrap();
        for (from, to) in [
            ("00:00:00Z\",\"in", "00:00:01Z\",\"in"),
            ("\"questions\":10", "\"questions\":9007199254740992"),
            ("\"gap_s\":90,", ""),
            ("\"v\":2", "\"v\":1"),
            ("\"v\":2", "\"v\":3"),
            ("\"not_in_force\":[],", ""),
            ("\"not_in_force\":[],", "\"not_in_force\":null,"),
            (
                "\"not_in_force\":[],",
                "\"not_in_force\":[{\"from\":\"1969-01-01T00:00:00Z\",\
                 \"until\":\"2026-01-01T00:00:01Z\"}],",
            ),
        ] {
            assert_eq!(
                Leaf::parse(text.replacen(from, to, 1).as_bytes()),
                Err(LeafFault::Form),
                "{to}"
            );
        }
    }

    #[test]
    fn what_does_not_add_up_is_told() {
        assert_eq!(hour().imbalance(), None);
        assert!(
            HourLeaf {
                questions: 11,
                ..hour()
            }
            .imbalance()
            .unwrap()
            .contains("12 questions came in")
        );
        assert!(
            HourLeaf {
                blocked: [5, 0, 0, 0].into(),
                ..hour()
            }
            .imbalance()
            .unwrap()
            .contains("the list blocked 5")
        );
    }

    #[test]
    fn gaps_and_time_in_force_must_fit_together() {
        let start = 1_767_225_600;
        let with = |gaps: &[(i64, i64)], gap_s, in_force_s| {
            let gap = |&(from, until)| LeafGap {
                from: Moment(start + from),
                kind: "crash",
                until: Moment(start + until),
            };
            HourLeaf {
                gaps: gaps.iter().map(gap).collect(),
                gap_s,
                in_force_s,
                ..hour()
            }
            .misplaced_time()
        };
        assert_eq!(hour().misplaced_time(), None);
        assert_eq!(with(&[], 0, 3600), None);
        assert_eq!(
            with(&[(-9000, 20), (20, 40), (3500, 3600)], 9140, 3460),
            None,
            "the first may reach back"
        );
        assert!(with(&[(0, 90)], 91, 3510).unwrap().contains("90 seconds"));
        assert!(
            with(&[(0, 90)], 90, 3511)
                .unwrap()
                .contains("in force for 3511 seconds")
        );
        for gaps in [
            [(0, 90), (80, 100)],
            [(50, 60), (0, 10)],
            [(0, 10), (3590, 3601)],
            [(0, 10), (30, 20)],
        ] {
            assert!(
                with(&gaps, 20, 0).unwrap().contains("one after the other"),
                "{gaps:?}"
            );
        }
    }

    #[test]
    fn a_second_is_in_a_gap_or_the_list_is_in_force_or_the_leaf_says_that_it_is_not() {
        let with = |spans: &[(i64, i64)], in_force_s| HourLeaf {
            in_force_s,
            ..without_list(spans)
        };
        for whole in [
            with(&[(90, 100), (200, 3600)], 100),
            with(&[(90, 3600)], 0),
            with(&[], 3510),
        ] {
            assert_eq!(whole.misplaced_time(), None);
        }
        let more = with(&[(90, 100)], 3501).misplaced_time();
        assert!(more.unwrap().contains("not in force for 10, and 90"));
        for spans in [
            [(-1, 0), (100, 110)],
            [(100, 110), (105, 110)],
            [(200, 210), (100, 110)],
            [(100, 100), (100, 120)],
            [(100, 110), (3590, 3601)],
            [(89, 100), (200, 201)],
        ] {
            let message = with(&spans, 0).misplaced_time().unwrap();
            assert!(message.contains("one after the other"), "{spans:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_break_the_reader(octets in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), octet in any::<u8>()) {
            let _ = Leaf::parse(&octets);
            let mut text = Leaf::Hour(hour()).write().unwrap();
            let at = at.index(text.len());
            text[at] = octet;
            if let Ok(leaf) = Leaf::parse(&text) {
                prop_assert_eq!(leaf.text(), text);
            }
        }
    }
}
