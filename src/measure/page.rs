//! Writes a reading as the metrics page: each family with its help, and the samples that are known.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::exposition::{Exposition, FamilyKind};
use super::list_families::write_lists;
use super::reading::{PlacesReading, Reading};
use crate::count::{DnssecResult, Door, Event, LATENCY_BOUNDS_US, QuestionType, Refusal};
use crate::count::{ReplyCode, Tally};
use crate::resolve::KeyState;

use FamilyKind::{Counter, Gauge, Histogram};

/// The page on show.
pub(super) type Shown = Arc<ArcSwap<String>>;

/// The whole page. What is not known has no sample, and what is gone has none any more.
pub(super) fn render(reading: &Reading) -> String {
    let mut page = Exposition::default();
    write_questions(&mut page, &reading.tally);
    write_latency(&mut page, &reading.tally);
    write_refusals(&mut page, reading);
    write_cache(&mut page, reading);
    write_resolving(&mut page, reading);
    write_anchors(&mut page, reading);
    write_upstreams(&mut page, reading);
    write_lists(&mut page, reading);
    write_record(&mut page, reading);
    write_configuration(&mut page, reading);
    write_process(&mut page, reading);
    page.finish()
}

fn write_questions(page: &mut Exposition, tally: &Tally) {
    let mut family = page.family(
        "wardline_questions_total",
        Counter,
        "Questions that came in, by door.",
    );
    for (door, count) in Door::ALL.into_iter().zip(tally.doors) {
        family.add(&[("door", door.name())], count);
    }
    let mut family = page.family(
        "wardline_question_types_total",
        Counter,
        "Questions that could be read, by the type that they ask for.",
    );
    for (of, count) in QuestionType::ALL.into_iter().zip(tally.types) {
        family.add(&[("type", of.name())], count);
    }
    let mut family = page.family(
        "wardline_replies_total",
        Counter,
        "Replies that were made, by response code.",
    );
    for (code, count) in ReplyCode::ALL.into_iter().zip(tally.replies) {
        family.add(&[("rcode", code.name())], count);
    }
    let mut family = page.family(
        "wardline_events_total",
        Counter,
        "Questions by how they ended; each ends in one way.",
    );
    for event in Event::ALL {
        family.add(&[("event", event.name())], tally.event(event));
    }
}

/// Buckets add up from below, as Prometheus wants them.
fn write_latency(page: &mut Exposition, tally: &Tally) {
    let mut family = page.family(
        "wardline_reply_seconds",
        Histogram,
        "Time from a question's arrival to its reply.",
    );
    let bounds = LATENCY_BOUNDS_US.iter().map(|us| seconds(*us));
    let mut count = 0;
    for (bound, replies) in bounds.chain(["+Inf".into()]).zip(tally.latency) {
        count += replies;
        family.add_part("_bucket", &[("le", &bound)], count);
    }
    family.add_part("_sum", &[], seconds(tally.latency_us));
    family.add_part("_count", &[], count);
}

fn write_refusals(page: &mut Exposition, reading: &Reading) {
    let mut family = page.family(
        "wardline_refusals_total",
        Counter,
        "Questions, replies and connections that were turned away, by reason.",
    );
    for (why, count) in Refusal::ALL.into_iter().zip(reading.tally.refusals) {
        family.add(&[("reason", why.name())], count);
    }
    let mut family = page.family(
        "wardline_kernel_drops_total",
        Counter,
        "Datagrams that the kernel dropped in front of a UDP door, by the door's own address.",
    );
    for (address, count) in &reading.kernel_drops {
        family.add(&[("door", "udp"), ("address", address)], count);
    }
    let PlacesReading { taken, max } = reading.connections;
    page.gauge("wardline_connections", "Connections that are open.", taken);
    page.gauge(
        "wardline_connections_limit",
        "Connections that may be open.",
        max,
    );
    let PlacesReading { taken, max } = reading.waiting;
    page.gauge(
        "wardline_waiting_questions",
        "Questions that wait for an answer from outside.",
        taken,
    );
    page.gauge(
        "wardline_waiting_questions_limit",
        "Questions that may wait for an answer from outside.",
        max,
    );
    page.gauge_if(
        "wardline_tls_certificate_expiry_timestamp_seconds",
        "When the first certificate of the TLS doors' chain expires.",
        reading.certificate_until,
    );
}

fn write_cache(page: &mut Exposition, reading: &Reading) {
    page.counter(
        "wardline_cache_hits_total",
        "Questions answered from the cache.",
        reading.tally.event(Event::Hit),
    );
    page.counter(
        "wardline_cache_misses_total",
        "Questions answered by asking other servers.",
        reading.tally.event(Event::Miss),
    );
    page.counter(
        "wardline_cache_stale_total",
        "Questions answered with what had run out, since nobody could be reached.",
        reading.stale,
    );
    page.counter(
        "wardline_cache_renewals_total",
        "Answers renewed ahead of time.",
        reading.renewed,
    );
    page.gauge(
        "wardline_cache_entries",
        "Answers in the cache.",
        reading.cache_entries,
    );
    page.gauge(
        "wardline_cache_bytes",
        "Memory that the answers in the cache take.",
        reading.cache_bytes,
    );
    let mut family = page.family(
        "wardline_memory_bytes",
        Gauge,
        "Memory in use, by what for; what the process has in all is \
         process_resident_memory_bytes.",
    );
    for (purpose, bytes) in [
        ("cache", reading.cache_bytes),
        ("lists", reading.lists_bytes),
        ("resolver", reading.resolver_bytes),
    ] {
        family.add(&[("purpose", purpose)], bytes);
    }
    page.gauge(
        "wardline_memory_budget_bytes",
        "The most memory that the program may take, all bounds together.",
        reading.memory_budget_bytes,
    );
}

fn write_resolving(page: &mut Exposition, reading: &Reading) {
    let mut family = page.family(
        "wardline_dnssec_results_total",
        Counter,
        "Answers from outside, by what checking their signatures came to.",
    );
    for (result, count) in DnssecResult::ALL.into_iter().zip(reading.tally.dnssec) {
        family.add(&[("result", result.name())], count);
    }
    let mut family = page.family(
        "wardline_rebindings_refused_total",
        Counter,
        "Answers refused because they lead into private networks.",
    );
    if let Some(rebindings) = reading.rebindings {
        family.add(&[], rebindings);
    }
    let copy = reading.root_copy;
    page.gauge_if(
        "wardline_root_copy_expiry_timestamp_seconds",
        "When the copy of the root zone runs out.",
        copy.map(|copy| copy.until),
    );
    page.gauge_if(
        "wardline_root_copy_serial",
        "Serial of the copy of the root zone.",
        copy.map(|copy| copy.serial),
    );
    page.gauge_if(
        "wardline_root_copy_in_use",
        "1 while the copy of the root zone holds, 0 while the root's servers are asked instead.",
        copy.map(|copy| u8::from(copy.holds)),
    );
}

/// Each anchor has a sample for each state, of which one is 1.
fn write_anchors(page: &mut Exposition, reading: &Reading) {
    let mut family = page.family(
        "wardline_trust_anchor_state",
        Gauge,
        "1 for the state that a trust anchor is in (RFC 5011 section 4.1), 0 for the others.",
    );
    for anchor in &reading.anchors {
        let key_tag = anchor.key_tag.to_string();
        let states = KeyState::ALL.map(KeyState::word);
        for state in states.into_iter().chain(["configured"]) {
            let labels = [
                ("zone", anchor.zone.as_str()),
                ("key_tag", &key_tag),
                ("state", state),
            ];
            let present = anchor.state.unwrap_or("configured");
            family.add(&labels, u8::from(state == present));
        }
    }
    let mut family = page.family(
        "wardline_trust_anchor_fault",
        Gauge,
        "1 while the keys of a zone with a trust anchor cannot be had or do not fit it, 0 \
         otherwise.",
    );
    let mut zones: Vec<_> = reading.anchors.iter().collect();
    zones.dedup_by(|one, other| one.zone == other.zone);
    for anchor in zones {
        family.add(&[("zone", &anchor.zone)], u8::from(anchor.has_fault));
    }
}

/// A resolver of one zone has a label more: it may be asked about others too.
fn write_upstreams(page: &mut Exposition, reading: &Reading) {
    let upstreams = || {
        reading.upstreams.iter().map(|upstream| {
            let mut labels = vec![("upstream", upstream.address.as_str())];
            labels.extend(upstream.zone.as_deref().map(|zone| ("zone", zone)));
            (labels, upstream)
        })
    };
    let mut family = page.family(
        "wardline_upstream_questions_total",
        Counter,
        "Questions put to an upstream resolver.",
    );
    upstreams().for_each(|(labels, upstream)| family.add(&labels, upstream.asked));
    let mut family = page.family(
        "wardline_upstream_failures_total",
        Counter,
        "Questions that an upstream resolver did not answer, or not usefully.",
    );
    upstreams().for_each(|(labels, upstream)| family.add(&labels, upstream.failures));
    let mut family = page.family(
        "wardline_upstream_up",
        Gauge,
        "1 while an upstream resolver is asked, 0 while it is passed over.",
    );
    upstreams().for_each(|(labels, upstream)| family.add(&labels, u8::from(upstream.is_up)));
}

fn write_record(page: &mut Exposition, reading: &Reading) {
    page.counter(
        "wardline_counts_flush_failures_total",
        "Times that the regulator's counts could not be written to disk.",
        reading.flush_failures,
    );
    page.gauge_if(
        "wardline_counts_last_flush_timestamp_seconds",
        "When the regulator's counts were last written to disk.",
        reading.last_flush,
    );
    page.gauge(
        "wardline_log_restored",
        "1 while the audit log follows one that ended in this run, as its state was restored, \
         copied, emptied, moved or damaged, 0 otherwise.",
        u8::from(reading.is_log_restored),
    );
    let mut family = page.family(
        "wardline_witness_cosignature_age_seconds",
        Gauge,
        "How old a witness's last cosignature under the audit log is.",
    );
    for witness in &reading.witnesses {
        if let Some(age_s) = witness.age_s {
            family.add(&[("witness", &witness.name)], age_s);
        }
    }
    let mut family = page.family(
        "wardline_witness_cosigned_leaves",
        Gauge,
        "Leaves of the audit log that a witness has cosigned.",
    );
    for witness in &reading.witnesses {
        let leaves = witness.leaves.unwrap_or_default();
        family.add(&[("witness", &witness.name)], leaves);
    }
    let mut family = page.family(
        "wardline_witness_refused",
        Gauge,
        "1 while a witness refuses to cosign or its cosignature does not hold, 0 otherwise.",
    );
    for witness in &reading.witnesses {
        let refused = u8::from(witness.is_refused);
        family.add(&[("witness", &witness.name)], refused);
    }
}

fn write_configuration(page: &mut Exposition, reading: &Reading) {
    let configuration = reading.configuration;
    page.gauge(
        "wardline_config_last_reload_successful",
        "1 where the configuration was put in force when it was last to be read, 0 where it was \
         refused.",
        u8::from(configuration.is_good),
    );
    page.gauge(
        "wardline_config_last_reload_success_timestamp_seconds",
        "When the configuration was last read and put in force.",
        configuration.read,
    );
    page.gauge(
        "wardline_config_keys_waiting",
        "Keys of the configuration that wait for a restart.",
        configuration.keys_waiting,
    );
    page.family(
        "wardline_build_info",
        Gauge,
        "Always 1; the label tells the version.",
    )
    .add(&[("version", env!("CARGO_PKG_VERSION"))], 1);
}

/// By the names that Prometheus' own client libraries use, but for what is ours alone.
fn write_process(page: &mut Exposition, reading: &Reading) {
    let mut family = page.family(
        "wardline_thread_cpu_seconds_total",
        FamilyKind::Seconds,
        "CPU time in user and kernel mode, by kind of thread.",
    );
    for (kind, cpu_s) in &reading.threads {
        family.add(&[("kind", kind)], cpu_s);
    }
    page.counter(
        "process_cpu_seconds_total",
        "CPU time in user and kernel mode.",
        reading.threads.iter().map(|(_, cpu_s)| cpu_s).sum::<f64>(),
    );
    page.gauge(
        "process_resident_memory_bytes",
        "Memory that the process has of the machine's.",
        reading.process.resident_bytes,
    );
    page.gauge(
        "process_open_fds",
        "Files and sockets that are open.",
        reading.process.open_fds,
    );
    page.gauge(
        "process_max_fds",
        "Files and sockets that may be open.",
        reading.process.max_fds,
    );
    for name in ["wardline_start_time_seconds", "process_start_time_seconds"] {
        page.gauge(name, "When the resolver started.", reading.started);
    }
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
    use crate::count::{Board, Kind};
    use crate::measure::reading::{ListReading, UpstreamReading};

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
        parse(&render(&reading(&board)));
        cells.note_question(Door::Udp);
        cells.note_blocked(1, Kind::ViaCname);
        cells.note_event(Event::Miss);
        let (samples, types) = parse(&render(&reading(&board)));
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
            parse(&render(&reading(&board))).0.len(),
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
        let (samples, _) = parse(&render(&Reading {
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
