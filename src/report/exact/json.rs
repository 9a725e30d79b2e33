//! The exact figures as one JSON object for machines.
//!
//! Field names stay as long as `version` is 1; new ones may come. Times are RFC 3339 in UTC,
//! lengths are seconds, `until` is exclusive.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::captions::{LEFT_OUT, NOT_FOR_PUBLICATION};
use super::sums::Sums;
use crate::count::{Event, Kind, ListCounts, ListGap, Record};
use crate::report::meaning::{COUNT_MEANING, LIST_GAP_MEANING, WITHDRAWN_MEANING, gap_meaning};
use crate::report::span::utc;

#[derive(Serialize)]
struct ExactDocument<'a> {
    report: &'static str,
    version: u32,
    software: &'static str,
    made_at: String,
    from: String,
    until: String,
    written_until: String,
    publication: &'static str,
    meaning: &'static str,
    left_out: &'static str,
    lists: Vec<ExactList<'a>>,
    hours: Vec<ExactHour<'a>>,
    gaps: Vec<Missing>,
    list_gaps: Vec<MissingList<'a>>,
    /// Up to when these were not noted.
    list_gaps_unknown_until: Option<String>,
    /// What a clock that was ahead dated: in no hour, and in no sum.
    withdrawn: Vec<ExactWithdrawn<'a>>,
    sums: Total<'a>,
}

#[derive(Serialize)]
struct ExactList<'a> {
    id: &'a str,
    papers: Vec<ExactPapers<'a>>,
}

#[derive(Serialize)]
struct ExactPapers<'a> {
    since: String,
    authority: &'a str,
    legal_basis: &'a str,
}

#[derive(Serialize)]
struct ExactHour<'a> {
    from: String,
    until: String,
    #[serde(flatten)]
    counts: Total<'a>,
}

/// The counts of an hour or of the whole span.
#[derive(Serialize)]
struct Total<'a> {
    recorded_s: u64,
    questions: u64,
    /// By the name of the event.
    ended: ExactMap<'a, u64>,
    /// By the list's id: by the name of the kind, and `sum`.
    blocked: ExactMap<'a, ExactMap<'static, u64>>,
}

#[derive(Serialize)]
struct Missing {
    from: String,
    until: String,
    length_s: i64,
    kind: &'static str,
    meaning: &'static str,
}

/// A time in which a list was not in force.
#[derive(Serialize)]
struct MissingList<'a> {
    list: &'a str,
    from: String,
    until: String,
    length_s: u64,
    kind: &'static str,
    meaning: &'static str,
}

/// What was counted by a clock that was ahead.
#[derive(Serialize)]
struct ExactWithdrawn<'a> {
    since: String,
    until: String,
    back_to: String,
    hours: u64,
    questions: u64,
    blocked: ExactMap<'a, ExactMap<'static, u64>>,
    meaning: &'static str,
}

/// An object whose fields keep the order that they were given in.
struct ExactMap<'a, V>(Vec<(&'a str, V)>);

impl<V: Serialize> Serialize for ExactMap<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

pub(super) fn render(record: &Record) -> String {
    let document = ExactDocument {
        report: "wardline-counts",
        version: 1,
        software: concat!("wardline ", env!("CARGO_PKG_VERSION")),
        made_at: utc(record.read_at),
        from: utc(record.from),
        until: utc(record.until),
        written_until: utc(record.written_until),
        publication: NOT_FOR_PUBLICATION,
        meaning: COUNT_MEANING,
        left_out: LEFT_OUT,
        lists: lists(record),
        hours: hours(record),
        gaps: gaps(record),
        list_gaps: list_gaps(record),
        list_gaps_unknown_until: record.unnoted_until.map(utc),
        withdrawn: withdrawn(record),
        sums: sums(record),
    };
    // Strings and numbers only: nothing that JSON cannot hold.
    let mut json = serde_json::to_string_pretty(&document).unwrap_or_default();
    json.push('\n');
    json
}

fn lists(record: &Record) -> Vec<ExactList<'_>> {
    let lists = record.lists.iter().map(|list| {
        let papers = list.papers.iter().map(|papers| ExactPapers {
            since: utc(papers.since),
            authority: &papers.authority,
            legal_basis: &papers.legal_basis,
        });
        ExactList {
            id: &list.id,
            papers: papers.collect(),
        }
    });
    lists.collect()
}

fn hours(record: &Record) -> Vec<ExactHour<'_>> {
    let hours = record.hours.iter().map(|hour| {
        let blocked = record
            .lists
            .iter()
            .zip(&hour.lists)
            .filter_map(|(list, counts)| Some((list.id.as_str(), by_kind(counts.as_ref()?))));
        ExactHour {
            from: utc(hour.hour),
            until: utc(hour.hour + 3600),
            counts: Total {
                recorded_s: record.recorded_s(hour.hour),
                questions: hour.questions,
                ended: by_event(&hour.events),
                blocked: ExactMap(blocked.collect()),
            },
        }
    });
    hours.collect()
}

fn withdrawn(record: &Record) -> Vec<ExactWithdrawn<'_>> {
    let withdrawn = record.withdrawn.iter().map(|time| {
        let lists = time.lists.iter();
        let blocked = lists.map(|(id, counts)| (id.as_str(), by_kind(counts)));
        ExactWithdrawn {
            since: utc(time.since),
            until: utc(time.until),
            back_to: utc(time.back_to),
            hours: time.hours,
            questions: time.questions,
            blocked: ExactMap(blocked.collect()),
            meaning: WITHDRAWN_MEANING,
        }
    });
    withdrawn.collect()
}

fn gaps(record: &Record) -> Vec<Missing> {
    let gaps = record.gaps.iter().map(|gap| Missing {
        from: utc(gap.from),
        until: utc(gap.until),
        length_s: gap.until - gap.from,
        kind: gap.kind.name(),
        meaning: gap_meaning(gap.kind),
    });
    gaps.collect()
}

fn list_gaps(record: &Record) -> Vec<MissingList<'_>> {
    let gaps = record.list_gaps.iter().map(|gap| MissingList {
        list: &gap.list,
        from: utc(gap.from),
        until: utc(gap.until),
        length_s: gap.until.abs_diff(gap.from),
        kind: ListGap::KIND,
        meaning: LIST_GAP_MEANING,
    });
    gaps.collect()
}

fn sums(record: &Record) -> Total<'_> {
    let sums = Sums::of(record);
    let blocked = record
        .lists
        .iter()
        .zip(&sums.lists)
        .map(|(list, counts)| (list.id.as_str(), by_kind(counts)));
    Total {
        recorded_s: sums.recorded_s,
        questions: sums.questions,
        ended: by_event(&sums.events),
        blocked: ExactMap(blocked.collect()),
    }
}

fn by_event(events: &[u64]) -> ExactMap<'static, u64> {
    ExactMap(
        Event::ALL
            .into_iter()
            .map(Event::name)
            .zip(events.iter().copied())
            .collect(),
    )
}

fn by_kind(counts: &ListCounts) -> ExactMap<'static, u64> {
    let kinds = Kind::ALL
        .into_iter()
        .map(Kind::name)
        .zip(counts.iter().copied());
    ExactMap(kinds.chain([("sum", counts.iter().sum())]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::exact::sample;

    #[test]
    fn the_object_reads_back_with_its_stable_names() {
        let json: serde_json::Value = serde_json::from_str(&render(&sample::record())).unwrap();
        assert_eq!(
            (&json["report"], &json["version"]),
            (&"wardline-counts".into(), &1.into())
        );
        assert_eq!(
            (&json["from"], &json["until"]),
            (
                &"2026-01-01T00:00:00Z".into(),
                &"2026-01-01T05:00:00Z".into()
            )
        );
        assert_eq!(
            json["lists"][0]["papers"][1]["legal_basis"],
            "Example Act\u{202e}"
        );
        assert_eq!(
            json["hours"][0]["blocked"]["example"],
            serde_json::json!({"address": 100_000, "https": 20, "other": 3, "via_cname": 4, "sum": 100_027})
        );
        assert_eq!(
            json["hours"][0]["blocked"]["later"],
            serde_json::Value::Null
        );
        assert_eq!(
            (
                &json["hours"][1]["questions"],
                &json["hours"][1]["recorded_s"]
            ),
            (&0.into(), &1200.into())
        );
        assert_eq!(
            (&json["gaps"][0]["kind"], &json["gaps"][0]["length_s"]),
            (&"crash".into(), &6600.into())
        );
        let gap = &json["list_gaps"][0];
        assert_eq!(
            (&gap["list"], &gap["kind"], &gap["length_s"]),
            (&"later".into(), &"not-in-force".into(), &3061.into())
        );
        assert_eq!(json["list_gaps_unknown_until"], "2026-01-01T00:01:01Z");
        assert_eq!(json["sums"]["ended"]["blocked"], 100_037);
        assert_eq!(
            json["sums"]["blocked"]["example"]["sum"].as_u64().unwrap()
                + json["sums"]["blocked"]["later"]["sum"].as_u64().unwrap(),
            100_037
        );
    }
}
