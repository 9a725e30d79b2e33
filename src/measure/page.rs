//! Writes a reading in the Prometheus text format, version 0.0.4.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use arc_swap::ArcSwap;
use metrics::{Label, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::reading::{ListReading, Reading, UpstreamReading, WitnessReading};
use crate::clock::UnixSeconds;
use crate::count::{Door, Event, Kind, LATENCY_BOUNDS_US, Tally};

/// The page on show.
pub(super) type Shown = Arc<ArcSwap<String>>;

/// Counters and gauges of the `metrics` crate, in a recorder of our own and not the process's.
///
/// The histogram is written by hand from the tally: the exporter would want a sample for each reply
/// (measured: 35 ns each), and could only be told an estimate of each, where the tally has exact
/// buckets and an exact sum.
pub(super) struct MetricsPage {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl fmt::Debug for MetricsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}

impl MetricsPage {
    pub(super) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, describe);
        Self {
            handle: recorder.handle(),
            recorder,
        }
    }

    pub(super) fn render(&self, reading: &Reading) -> String {
        metrics::with_local_recorder(&self.recorder, || {
            set_counts(&reading.tally);
            for list in &reading.lists {
                let blocked = reading
                    .tally
                    .lists
                    .get(list.place)
                    .copied()
                    .unwrap_or_default();
                for (kind, count) in Kind::ALL.into_iter().zip(blocked) {
                    let (list, kind) = (list.id.clone(), kind.name());
                    counter!("wardline_blocked_total", "list" => list, "kind" => kind)
                        .absolute(count);
                }
                set_list(list);
            }
            for upstream in &reading.upstreams {
                set_upstream(upstream);
            }
            reading.witnesses.iter().for_each(set_witness);
            set_process(reading);
        });
        let mut page = self.handle.render();
        // Writing to a String cannot fail.
        let _ = write_histogram(&mut page, &reading.tally);
        page
    }
}

fn set_counts(tally: &Tally) {
    for (door, count) in Door::ALL.into_iter().zip(tally.doors) {
        counter!("wardline_questions_total", "door" => door.name()).absolute(count);
    }
    for event in Event::ALL {
        counter!("wardline_events_total", "event" => event.name()).absolute(tally.event(event));
    }
    counter!("wardline_cache_hits_total").absolute(tally.event(Event::Hit));
    counter!("wardline_cache_misses_total").absolute(tally.event(Event::Miss));
}

/// What is not known of a list is left out.
fn set_list(list: &ListReading) {
    let label = || list.id.clone();
    gauge!("wardline_list_entries", "list" => label()).set(float(list.entries));
    gauge!("wardline_list_rejects", "list" => label()).set(float(list.rejects));
    if let Some(serial) = list.serial {
        gauge!("wardline_list_serial", "list" => label()).set(float(serial));
    }
    let in_force = if list.live_since.is_some() { 1.0 } else { 0.0 };
    gauge!("wardline_list_in_force", "list" => label()).set(in_force);
    if let Some(at) = list.expires {
        gauge!("wardline_list_expiry_timestamp_seconds", "list" => label()).set(time(at));
    }
    for (kind, is_raised) in &list.alarms {
        let raised = if *is_raised { 1.0 } else { 0.0 };
        gauge!("wardline_list_alarm", "list" => label(), "kind" => *kind).set(raised);
    }
    if let Some(since) = list.live_since {
        gauge!("wardline_list_live_timestamp_seconds", "list" => label()).set(time(since));
    }
    if let Some(age_s) = list.age_s {
        gauge!("wardline_list_age_seconds", "list" => label()).set(float(age_s));
    }
    if let Some(at) = list.last_refusal {
        gauge!("wardline_list_last_refusal_timestamp_seconds", "list" => label()).set(time(at));
    }
}

/// A resolver of one zone has a label more: it may be asked about others too.
fn set_upstream(upstream: &UpstreamReading) {
    let mut labels = vec![Label::new("upstream", upstream.address.clone())];
    labels.extend(upstream.zone.clone().map(|zone| Label::new("zone", zone)));
    counter!("wardline_upstream_questions_total", labels.clone()).absolute(upstream.asked);
    counter!("wardline_upstream_failures_total", labels.clone()).absolute(upstream.failures);
    gauge!("wardline_upstream_up", labels).set(if upstream.is_up { 1.0 } else { 0.0 });
}

/// What it has not cosigned yet has no age.
fn set_witness(witness: &WitnessReading) {
    let label = || witness.name.clone();
    if let Some(age_s) = witness.age_s {
        gauge!("wardline_witness_cosignature_age_seconds", "witness" => label()).set(float(age_s));
    }
    let leaves = witness.leaves.unwrap_or_default();
    gauge!("wardline_witness_cosigned_leaves", "witness" => label()).set(float(leaves));
    let refused = if witness.is_refused { 1.0 } else { 0.0 };
    gauge!("wardline_witness_refused", "witness" => label()).set(refused);
}

fn set_process(reading: &Reading) {
    gauge!("wardline_cache_entries").set(float(reading.cache_entries));
    gauge!("wardline_cache_bytes").set(float(reading.cache_bytes));
    counter!("wardline_cache_stale_total").absolute(reading.stale);
    counter!("wardline_cache_renewals_total").absolute(reading.renewed);
    if let Some(rebindings) = reading.rebindings {
        counter!("wardline_rebindings_refused_total").absolute(rebindings);
    }
    if let Some(until) = reading.root_copy_until {
        gauge!("wardline_root_copy_expiry_timestamp_seconds").set(time(until));
    }
    gauge!("wardline_start_time_seconds").set(time(reading.started));
    gauge!("wardline_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    counter!("wardline_counts_flush_failures_total").absolute(reading.flush_failures);
    let restored = if reading.is_log_restored { 1.0 } else { 0.0 };
    gauge!("wardline_log_restored").set(restored);
    if let Some(at) = reading.last_flush {
        gauge!("wardline_counts_last_flush_timestamp_seconds").set(time(at));
    }
}

fn describe() {
    for (name, meaning) in COUNTERS {
        describe_counter!(name, meaning);
    }
    for (name, meaning) in GAUGES {
        describe_gauge!(name, meaning);
    }
}

const COUNTERS: [(&str, &str); 11] = [
    (
        "wardline_questions_total",
        "Questions that came in, by door.",
    ),
    (
        "wardline_blocked_total",
        "Questions blocked, by list and by what was asked for.",
    ),
    (
        "wardline_events_total",
        "Questions by how they ended; each ends in one way.",
    ),
    (
        "wardline_cache_hits_total",
        "Questions answered from the cache.",
    ),
    (
        "wardline_cache_misses_total",
        "Questions answered by asking other servers.",
    ),
    (
        "wardline_cache_stale_total",
        "Questions answered with what had run out, since nobody could be reached.",
    ),
    (
        "wardline_cache_renewals_total",
        "Answers renewed ahead of time.",
    ),
    (
        "wardline_rebindings_refused_total",
        "Answers refused because they lead into private networks.",
    ),
    (
        "wardline_upstream_questions_total",
        "Questions put to an upstream resolver.",
    ),
    (
        "wardline_upstream_failures_total",
        "Questions that an upstream resolver did not answer, or not usefully.",
    ),
    (
        "wardline_counts_flush_failures_total",
        "Times that the regulator's counts could not be written to disk.",
    ),
];

const GAUGES: [(&str, &str); 20] = [
    (
        "wardline_witness_cosignature_age_seconds",
        "How old a witness's last cosignature under the audit log is.",
    ),
    (
        "wardline_witness_cosigned_leaves",
        "Leaves of the audit log that a witness has cosigned.",
    ),
    (
        "wardline_witness_refused",
        "1 while a witness refuses to cosign or its cosignature does not hold, 0 otherwise.",
    ),
    (
        "wardline_list_expiry_timestamp_seconds",
        "When the issue in force expires.",
    ),
    (
        "wardline_list_alarm",
        "1 while somebody must see to the list for a reason of this kind, 0 otherwise.",
    ),
    (
        "wardline_list_in_force",
        "1 while the list is in force, 0 while none of its names is blocked.",
    ),
    (
        "wardline_root_copy_expiry_timestamp_seconds",
        "When the copy of the root zone runs out.",
    ),
    (
        "wardline_upstream_up",
        "1 while an upstream resolver is asked, 0 while it is passed over.",
    ),
    ("wardline_list_entries", "Entries of the live list."),
    (
        "wardline_list_rejects",
        "Lines of the live list that could not be read.",
    ),
    ("wardline_list_serial", "Serial of the live list."),
    (
        "wardline_list_live_timestamp_seconds",
        "When the live list took effect.",
    ),
    ("wardline_list_age_seconds", "How old the live list is."),
    (
        "wardline_list_last_refusal_timestamp_seconds",
        "When a newer list was last refused; absent if none was.",
    ),
    ("wardline_cache_entries", "Answers in the cache."),
    (
        "wardline_cache_bytes",
        "Memory that the answers in the cache take.",
    ),
    (
        "wardline_log_restored",
        "1 while the audit log follows one that ended in this run, as its state was restored, \
         copied, emptied, moved or damaged, 0 otherwise.",
    ),
    ("wardline_start_time_seconds", "When the resolver started."),
    (
        "wardline_build_info",
        "Always 1; the label tells the version.",
    ),
    (
        "wardline_counts_last_flush_timestamp_seconds",
        "When the regulator's counts were last written to disk.",
    ),
];

/// Buckets add up from below, as Prometheus wants them.
fn write_histogram(page: &mut String, tally: &Tally) -> fmt::Result {
    const NAME: &str = "wardline_reply_seconds";
    writeln!(
        page,
        "# HELP {NAME} Time from a question's arrival to its reply.\n# TYPE {NAME} histogram"
    )?;
    let bounds = LATENCY_BOUNDS_US
        .iter()
        .map(|us| seconds(*us))
        .chain(["+Inf".into()]);
    let mut count = 0;
    for (bound, replies) in bounds.zip(tally.latency) {
        count += replies;
        writeln!(page, "{NAME}_bucket{{le=\"{bound}\"}} {count}")?;
    }
    writeln!(
        page,
        "{NAME}_sum {}\n{NAME}_count {count}",
        seconds(tally.latency_us)
    )
}

/// Microseconds as a decimal number of seconds, without rounding: `0.00025`, `5`.
fn seconds(us: u64) -> String {
    let decimal = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    decimal.trim_end_matches('0').trim_end_matches('.').into()
}

/// Exact up to 2^53.
#[allow(
    clippy::cast_precision_loss,
    reason = "Prometheus has no other numbers"
)]
const fn float(count: u64) -> f64 {
    count as f64
}

#[allow(
    clippy::cast_precision_loss,
    reason = "Prometheus has no other numbers"
)]
const fn time(at: UnixSeconds) -> f64 {
    at as f64
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::count::Board;

    /// The samples by name and labels; refuses what the text format does not allow.
    fn parse(page: &str) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
        let (mut samples, mut types, mut helps) =
            (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for line in page.lines().filter(|line| !line.is_empty()) {
            if let Some(help) = line.strip_prefix("# HELP ") {
                assert!(
                    helps.insert(help.split_once(' ').unwrap().0.to_owned()),
                    "{line}"
                );
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(
                    types.insert(name.to_owned(), kind.to_owned()).is_none(),
                    "{line}"
                );
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let name = sample.split('{').next().unwrap();
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end))
                    .filter(|base| types.contains_key(*base));
                let family = family.unwrap_or(name);
                assert!(
                    types.contains_key(family) && helps.contains(family),
                    "{line}"
                );
                assert!(
                    types[family] != "counter" || name.ends_with("_total"),
                    "{line}"
                );
                assert!(
                    samples
                        .insert(sample.to_owned(), value.parse().unwrap())
                        .is_none(),
                    "{line}"
                );
            }
        }
        (samples, types)
    }

    fn reading(board: &Board) -> Reading {
        Reading {
            tally: board.sum(),
            lists: vec![
                ListReading {
                    id: "one".into(),
                    entries: 7,
                    serial: Some(12),
                    live_since: Some(1_767_225_600),
                    expires: Some(1_767_225_700),
                    alarms: vec![("expiry", true), ("difference", false)],
                    ..ListReading::default()
                },
                ListReading {
                    place: 1,
                    id: "two".into(),
                    rejects: 2,
                    age_s: Some(60),
                    last_refusal: Some(1_767_225_601),
                    ..ListReading::default()
                },
            ],
            upstreams: vec![
                UpstreamReading {
                    address: "192.0.2.53:53".into(),
                    is_up: true,
                    asked: 9,
                    failures: 4,
                    ..UpstreamReading::default()
                },
                UpstreamReading {
                    address: "192.0.2.53:53".into(),
                    zone: Some("corp.example".into()),
                    ..UpstreamReading::default()
                },
            ],
            last_flush: Some(1_767_225_605),
            ..Reading::default()
        }
    }

    #[test]
    fn each_figure_is_shown_once_with_its_type() {
        let board = Board::new(2);
        let cells = board.cells();
        let page = MetricsPage::new();
        parse(&page.render(&reading(&board)));
        cells.note_question(Door::Udp);
        cells.note_blocked(1, Kind::ViaCname);
        cells.note_event(Event::Miss);
        let (samples, types) = parse(&page.render(&reading(&board)));
        let expect = [
            ("wardline_questions_total{door=\"udp\"}", 1.0),
            ("wardline_questions_total{door=\"tls\"}", 0.0),
            (
                "wardline_blocked_total{list=\"two\",kind=\"via_cname\"}",
                1.0,
            ),
            ("wardline_blocked_total{list=\"one\",kind=\"address\"}", 0.0),
            ("wardline_events_total{event=\"blocked\"}", 1.0),
            ("wardline_cache_misses_total", 1.0),
            (
                "wardline_upstream_failures_total{upstream=\"192.0.2.53:53\"}",
                4.0,
            ),
            (
                "wardline_upstream_questions_total{upstream=\"192.0.2.53:53\",zone=\"corp.example\"}",
                0.0,
            ),
            ("wardline_upstream_up{upstream=\"192.0.2.53:53\"}", 1.0),
            ("wardline_list_serial{list=\"one\"}", 12.0),
            (
                "wardline_list_last_refusal_timestamp_seconds{list=\"two\"}",
                1_767_225_601.0,
            ),
            (
                "wardline_counts_last_flush_timestamp_seconds",
                1_767_225_605.0,
            ),
        ];
        for (sample, value) in expect {
            assert_eq!(samples.get(sample), Some(&value), "{sample} in {samples:?}");
        }
        assert!(!samples.contains_key("wardline_list_serial{list=\"two\"}"));
        assert_eq!(types["wardline_reply_seconds"], "histogram");
        assert_eq!(
            (
                types["wardline_questions_total"].as_str(),
                types["wardline_list_entries"].as_str()
            ),
            ("counter", "gauge")
        );
        assert_eq!(
            samples.len(),
            parse(&page.render(&reading(&board))).0.len(),
            "no sample comes with time"
        );
    }

    #[test]
    fn the_histogram_is_exact() {
        let board = Board::new(0);
        let cells = board.cells();
        for (us, count) in [(10, 5), (11, 2), (700_000, 1), (9_000_001, 3)] {
            cells.note_latency(us, count);
        }
        let (samples, _) = parse(&MetricsPage::new().render(&Reading {
            tally: board.sum(),
            ..Reading::default()
        }));
        let buckets = ["0.00001", "0.000025", "0.5", "1", "5", "+Inf"]
            .map(|le| samples[&format!("wardline_reply_seconds_bucket{{le=\"{le}\"}}")]);
        assert_eq!(buckets, [5.0, 7.0, 7.0, 8.0, 8.0, 11.0]);
        assert_eq!(samples["wardline_reply_seconds_count"], 11.0);
        assert_eq!(samples["wardline_reply_seconds_sum"], 27.700_075);
    }
}
