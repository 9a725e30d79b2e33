//! One leaf of the audit log: a closed hour of one list, or an event; canonical JSON that holds no
//! address and no listed name.
//!
//! The text of a leaf is what its author signs, so there is one text for one meaning: keys sorted,
//! no white space, whole numbers below 2^53 (the subset of RFC 8785 that we need).

use super::event::EventLeaf;
use super::form::LEAF_OCTETS_MAX;
use super::hour::HourLeaf;
use super::leaf_fault::LeafFault;
use crate::clock::UnixSeconds;

const HOUR_S: UnixSeconds = 3600;

/// What a leaf is found to say.
#[derive(Clone, Debug, PartialEq)]
pub enum Leaf<'a> {
    /// A closed hour of one list.
    Hour(HourLeaf<'a>),
    /// Something that happened.
    Event(EventLeaf<'a>),
}

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
            Self::Hour(leaf) => leaf.hour.0 + HOUR_S,
            Self::Event(leaf) => leaf.at.0,
        }
    }

    /// When what it tells begins: an hour's first second, an event's time.
    pub const fn start(&self) -> UnixSeconds {
        match self {
            Self::Hour(leaf) => leaf.hour.0,
            Self::Event(leaf) => leaf.at.0,
        }
    }

    /// The list that it is of; none where it is of the program.
    pub const fn list(&self) -> Option<&'a str> {
        match self {
            Self::Hour(leaf) => Some(leaf.list),
            Self::Event(leaf) => leaf.list,
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
        match self {
            Self::Hour(leaf) => leaf.is_in_form(),
            Self::Event(leaf) => leaf.is_in_form(),
        }
    }

    /// Is it of the form that all leaves of a log have, or none: with a salt?
    pub const fn is_salted(&self) -> bool {
        match self {
            Self::Hour(leaf) => leaf.salt.is_some(),
            Self::Event(leaf) => leaf.salt.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::record::{
        Blocked, Carried, HOUR_KIND, HOUR_LEAF_VERSION, LEAF_VERSION, LeafGap, LeafSpan, Moment,
        SALTED_LEAF_VERSION, Statement,
    };

    const SALT: &str = "000102030405060708090a0b0c0d0eff";

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
            salt: None,
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
            salt: None,
            seq: 8,
            serial: Some(3),
            touches: None,
            v: LEAF_VERSION,
        }
    }

    /// The same in the form of today, of a kind that touches these.
    fn salted_event(touches: &[&'static str]) -> EventLeaf<'static> {
        EventLeaf {
            salt: Some(SALT),
            touches: Some(touches.to_vec()),
            v: SALTED_LEAF_VERSION,
            ..event()
        }
    }

    fn salted_hour() -> HourLeaf<'static> {
        HourLeaf {
            salt: Some(SALT),
            v: SALTED_LEAF_VERSION,
            ..hour()
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
        let events = [
            event(),
            salted_event(&[]),
            salted_event(&["counts", "later"]),
        ];
        for leaf in [hour(), absent, silent_hour(), salted_hour()]
            .map(Leaf::Hour)
            .into_iter()
            .chain(events.map(Leaf::Event))
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
    fn a_salted_leaf_has_all_that_its_form_has() {
        let is_read = |leaf: Leaf<'_>| Leaf::parse(&leaf.text()).is_ok();
        for salt in ["", "00", &SALT.replace('f', "F"), &SALT.replace('f', "g")] {
            let salt = Some(salt);
            let (hour, event) = (salted_hour(), salted_event(&[]));
            assert!(!is_read(Leaf::Hour(HourLeaf { salt, ..hour })), "{salt:?}");
            assert!(!is_read(Leaf::Event(EventLeaf { salt, ..event })));
        }
        for v in [1, 2, 4] {
            assert!(!is_read(Leaf::Hour(HourLeaf { v, ..salted_hour() })));
            let event = salted_event(&[]);
            assert!(!is_read(Leaf::Event(EventLeaf { v, ..event })));
        }
        let (not_in_force, touches) = (None, None);
        let hour = salted_hour();
        assert!(!is_read(Leaf::Hour(HourLeaf {
            not_in_force,
            ..hour
        })));
        let event = salted_event(&[]);
        assert!(!is_read(Leaf::Event(EventLeaf { touches, ..event })));
        for touches in [["in-force", "counts"], ["counts", "counts"]] {
            assert!(!is_read(Leaf::Event(salted_event(&touches))), "not sorted");
        }
    }

    #[test]
    fn who_does_not_know_a_kind_knows_whether_to_judge() {
        assert!(!event().is_beyond_judgement(), "older forms do not say");
        assert!(!salted_event(&[]).is_beyond_judgement());
        assert!(salted_event(&["counts"]).is_beyond_judgement());
        assert!(salted_event(&["later"]).is_beyond_judgement());
    }

    #[test]
    fn a_known_kind_says_what_it_says_and_touches_what_it_touches() {
        let stop = |touches: &[&'static str]| EventLeaf {
            body: Statement::Stop.body(),
            kind: "stop",
            list: None,
            ..salted_event(touches)
        };
        let read = |leaf: EventLeaf<'_>| Leaf::parse(&Leaf::Event(leaf).text()).map(drop);
        assert_eq!(read(stop(&["counts"])), Ok(()));
        for touches in [&[][..], &["in-force"], &["counts", "in-force"]] {
            assert_eq!(read(stop(touches)), Err(LeafFault::Form), "{touches:?}");
        }
        let more = EventLeaf {
            body: event().body,
            ..stop(&["counts"])
        };
        assert_eq!(read(more), Err(LeafFault::Form));
        let of_list = EventLeaf {
            list: Some("law"),
            ..stop(&["counts"])
        };
        assert_eq!(read(of_list), Err(LeafFault::Form));
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
