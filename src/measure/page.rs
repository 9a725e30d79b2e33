//! Writes a reading in the Prometheus text format, version 0.0.4.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::clock::UnixSeconds;
use crate::count::{Door, Event, Kind, LATENCY_BOUNDS_US, Tally};

use super::{ListReading, Reading};

/// The page on show.
pub(super) type Shown = Arc<ArcSwap<String>>;

/// The whole page. What is not known is left out.
pub(super) fn render(reading: &Reading) -> String {
    let mut page = String::with_capacity(PAGE_OCTETS_USUAL);
    // Writing to a String cannot fail.
    let _ = write_counts(&mut page, reading);
    let _ = write_lists(&mut page, &reading.lists);
    let _ = write_process(&mut page, reading);
    let _ = write_histogram(&mut page, &reading.tally);
    page
}

const PAGE_OCTETS_USUAL: usize = 8192;

/// What a family of samples is: `counter` or `gauge`, its name, and what it tells.
type Family = (&'static str, &'static str, &'static str);

/// Write a family with all its samples, each with its labels; nothing where there is none.
fn write_family(page: &mut String, family: Family, samples: impl IntoIterator<Item = (String, u64)>) -> fmt::Result {
    let (kind, name, help) = family;
    for (place, (labels, value)) in samples.into_iter().enumerate() {
        if place == 0 {
            writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        }
        writeln!(page, "{name}{labels} {value}")?;
    }
    Ok(())
}

/// A family of one sample without labels.
fn write_one(page: &mut String, family: Family, value: Option<u64>) -> fmt::Result {
    write_family(page, family, value.map(|value| (String::new(), value)))
}

fn labels(named: &[(&str, &str)]) -> String {
    let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> = named.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn write_counts(page: &mut String, reading: &Reading) -> fmt::Result {
    let tally = &reading.tally;
    let doors = Door::ALL.into_iter().zip(tally.doors).map(|(door, count)| (labels(&[("door", door.name())]), count));
    write_family(page, ("counter", "wardline_questions_total", "Questions that came in, by door."), doors)?;
    let blocked = reading.lists.iter().enumerate().flat_map(|(place, list)| {
        let counts = tally.lists.get(place).copied().unwrap_or_default();
        Kind::ALL.into_iter().zip(counts).map(|(kind, count)| (labels(&[("list", &list.id), ("kind", kind.name())]), count))
    });
    write_family(page, ("counter", "wardline_blocked_total", "Questions blocked, by list and by what was asked for."), blocked)?;
    let events = Event::ALL.into_iter().map(|event| (labels(&[("event", event.name())]), tally.event(event)));
    write_family(page, ("counter", "wardline_events_total", "Questions by how they ended; each ends in one way."), events)?;
    let hits = ("counter", "wardline_cache_hits_total", "Questions answered from the cache.");
    write_one(page, hits, Some(tally.event(Event::Hit)))?;
    let misses = ("counter", "wardline_cache_misses_total", "Questions answered by asking other servers.");
    write_one(page, misses, Some(tally.event(Event::Miss)))?;
    let failures = reading.upstreams.iter().map(|upstream| (labels(&[("upstream", &upstream.address)]), upstream.failures));
    let help = "Questions that an upstream resolver did not answer, or not usefully.";
    write_family(page, ("counter", "wardline_upstream_failures_total", help), failures)
}

fn write_lists(page: &mut String, lists: &[ListReading]) -> fmt::Result {
    let mut gauge = |name, help, value: &dyn Fn(&ListReading) -> Option<u64>| {
        let samples = lists.iter().filter_map(|list| Some((labels(&[("list", &list.id)]), value(list)?)));
        write_family(page, ("gauge", name, help), samples)
    };
    gauge("wardline_list_entries", "Entries of the live list.", &|list| Some(list.entries))?;
    gauge("wardline_list_rejects", "Lines of the live list that could not be read.", &|list| Some(list.rejects))?;
    gauge("wardline_list_serial", "Serial of the live list.", &|list| list.serial)?;
    gauge("wardline_list_live_timestamp_seconds", "When the live list took effect.", &|list| list.live_since.map(time))?;
    gauge("wardline_list_age_seconds", "How old the live list is.", &|list| list.age_s)?;
    let help = "When a newer list was last refused; absent if none was.";
    gauge("wardline_list_last_refusal_timestamp_seconds", help, &|list| list.last_refusal.map(time))
}

fn write_process(page: &mut String, reading: &Reading) -> fmt::Result {
    write_one(page, ("gauge", "wardline_cache_entries", "Answers in the cache."), Some(reading.cache_entries))?;
    write_one(page, ("gauge", "wardline_cache_bytes", "Memory that the answers in the cache take."), Some(reading.cache_bytes))?;
    write_one(page, ("gauge", "wardline_start_time_seconds", "When the resolver started."), Some(time(reading.started)))?;
    let version = (labels(&[("version", env!("CARGO_PKG_VERSION"))]), 1);
    write_family(page, ("gauge", "wardline_build_info", "Always 1; the label tells the version."), [version])?;
    let help = "When the regulator's counts were last written to disk.";
    write_one(page, ("gauge", "wardline_counts_last_flush_timestamp_seconds", help), reading.last_flush.map(time))?;
    let help = "Times that the regulator's counts could not be written to disk.";
    write_one(page, ("counter", "wardline_counts_flush_failures_total", help), Some(reading.flush_failures))
}

/// A moment before 1970 reads as 1970.
fn time(at: UnixSeconds) -> u64 {
    u64::try_from(at).unwrap_or_default()
}

/// Buckets add up from below, as Prometheus wants them.
fn write_histogram(page: &mut String, tally: &Tally) -> fmt::Result {
    const NAME: &str = "wardline_reply_seconds";
    writeln!(page, "# HELP {NAME} Time from a question's arrival to its reply.\n# TYPE {NAME} histogram")?;
    let bounds = LATENCY_BOUNDS_US.iter().map(|us| seconds(*us)).chain(["+Inf".into()]);
    let mut count = 0;
    for (bound, replies) in bounds.zip(tally.latency) {
        count += replies;
        writeln!(page, "{NAME}_bucket{{le=\"{bound}\"}} {count}")?;
    }
    writeln!(page, "{NAME}_sum {}\n{NAME}_count {count}", seconds(tally.latency_us))
}

/// Microseconds as a decimal number of seconds, without rounding: `0.00025`, `5`.
fn seconds(us: u64) -> String {
    let decimal = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    decimal.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::count::Board;
    use crate::measure::UpstreamReading;

    /// The samples by name and labels; refuses what the text format does not allow.
    fn parse(page: &str) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
        let (mut samples, mut types, mut helps) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for line in page.lines().filter(|line| !line.is_empty()) {
            if let Some(help) = line.strip_prefix("# HELP ") {
                assert!(helps.insert(help.split_once(' ').unwrap().0.to_owned()), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let name = sample.split('{').next().unwrap();
                let family =
                    ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).filter(|base| types.contains_key(*base));
                let family = family.unwrap_or(name);
                assert!(types.contains_key(family) && helps.contains(family), "{line}");
                assert!(types[family] != "counter" || name.ends_with("_total"), "{line}");
                assert!(samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "{line}");
            }
        }
        (samples, types)
    }

    fn reading(board: &Board) -> Reading {
        Reading {
            tally: board.sum(),
            lists: vec![
                ListReading { id: "one".into(), entries: 7, serial: Some(12), live_since: Some(1_767_225_600), ..ListReading::default() },
                ListReading { id: "two".into(), rejects: 2, age_s: Some(60), last_refusal: Some(1_767_225_601), ..ListReading::default() },
            ],
            upstreams: vec![UpstreamReading { address: "192.0.2.53:53".into(), failures: 4 }],
            last_flush: Some(1_767_225_605),
            ..Reading::default()
        }
    }

    #[test]
    fn each_figure_is_shown_once_with_its_type() {
        let board = Board::new(2);
        let cells = board.cells();
        parse(&render(&reading(&board)));
        cells.note_question(Door::Udp);
        cells.note_blocked(1, Kind::ViaCname);
        cells.note_event(Event::Miss);
        let (samples, types) = parse(&render(&reading(&board)));
        let expect = [
            ("wardline_questions_total{door=\"udp\"}", 1.0),
            ("wardline_questions_total{door=\"tls\"}", 0.0),
            ("wardline_blocked_total{list=\"two\",kind=\"via_cname\"}", 1.0),
            ("wardline_blocked_total{list=\"one\",kind=\"address\"}", 0.0),
            ("wardline_events_total{event=\"blocked\"}", 1.0),
            ("wardline_cache_misses_total", 1.0),
            ("wardline_upstream_failures_total{upstream=\"192.0.2.53:53\"}", 4.0),
            ("wardline_list_serial{list=\"one\"}", 12.0),
            ("wardline_list_last_refusal_timestamp_seconds{list=\"two\"}", 1_767_225_601.0),
            ("wardline_counts_last_flush_timestamp_seconds", 1_767_225_605.0),
        ];
        for (sample, value) in expect {
            assert_eq!(samples.get(sample), Some(&value), "{sample} in {samples:?}");
        }
        assert!(!samples.contains_key("wardline_list_serial{list=\"two\"}"));
        assert_eq!(types["wardline_reply_seconds"], "histogram");
        assert_eq!((types["wardline_questions_total"].as_str(), types["wardline_list_entries"].as_str()), ("counter", "gauge"));
        assert_eq!(samples.len(), parse(&render(&reading(&board))).0.len(), "no sample comes with time");
    }

    #[test]
    fn the_histogram_is_exact() {
        let board = Board::new(0);
        let cells = board.cells();
        for (us, count) in [(10, 5), (11, 2), (700_000, 1), (9_000_001, 3)] {
            cells.note_latency(us, count);
        }
        let (samples, _) = parse(&render(&Reading { tally: board.sum(), ..Reading::default() }));
        let buckets =
            ["0.00001", "0.000025", "0.5", "1", "5", "+Inf"].map(|le| samples[&format!("wardline_reply_seconds_bucket{{le=\"{le}\"}}")]);
        assert_eq!(buckets, [5.0, 7.0, 7.0, 8.0, 8.0, 11.0]);
        assert_eq!(samples["wardline_reply_seconds_count"], 11.0);
        assert_eq!(samples["wardline_reply_seconds_sum"], 27.700_075);
    }
}
