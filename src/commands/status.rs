//! `wardline status`: how the running program stands, on one screen.

use super::ask::Asking;
use super::failure::CommandFailure;
use super::output::{TextColumn, count, number, table, time};
use crate::control::{ControlReply, Request, Status, UnderwayStatus, UpstreamStatus};
use crate::measure::Readiness;
use crate::resolve::{AnchorStatus, KeyState};
use crate::store::Flushing;
use crate::update::{ListState, TrialState};
use crate::witness::WitnessStanding;

/// Digits of a digest that are enough to tell two lists apart by eye.
const DIGEST_SHOWN: usize = 12;
const MIB: f64 = 1024.0 * 1024.0;

pub(super) fn run(asking: &Asking) -> Result<(), CommandFailure> {
    let text = |reply: &ControlReply| match reply {
        ControlReply::Status(status) => Some(describe(status)),
        _ => None,
    };
    asking.ask(&Request::Status, text).map(drop)
}

/// The word, and each reason.
fn describe_readiness(readiness: &Readiness) -> String {
    let word = readiness.state.word();
    if readiness.why.is_empty() {
        word.to_owned()
    } else {
        format!("{word}: {}", readiness.why.join("; "))
    }
}

fn describe(status: &Status) -> String {
    let mut rows = vec![
        (
            "program",
            format!(
                "wardline {}, pid {}, up {}",
                status.version,
                status.pid,
                span(status.uptime_s)
            ),
        ),
        ("health", describe_readiness(&status.readiness)),
        ("doors", status.doors.join(", ")),
        ("questions", describe_questions(status)),
        (
            "memory",
            format!(
                "{} of at most {} MiB",
                number(mib(status.memory.resident)),
                number(mib(status.memory.budget))
            ),
        ),
        ("cache", describe_cache(status)),
        ("counts", describe_counts(&status.counts)),
    ];
    rows.extend(describe_upkeep(status));
    rows.extend(status.upstreams.iter().map(describe_upstream));
    rows.extend(status.witnesses.iter().flat_map(describe_witness));
    let mut text: String = rows
        .into_iter()
        .map(|(label, words)| format!("{label:<9}  {words}\n"))
        .collect();
    text.push('\n');
    text.push_str(&describe_lists(status));
    text
}

/// What somebody must see to, wait for, or know the end of.
fn describe_upkeep(status: &Status) -> Vec<(&'static str, String)> {
    let alarms = [&status.counts.restored, &status.counts.clock];
    let alarms = alarms.into_iter().flatten();
    let mut rows: Vec<_> = alarms.map(|alarm| ("ALARM", alarm.clone())).collect();
    if let Some(copy) = &status.root_copy {
        let state = if copy.holds { "holds until" } else { "ran out" };
        rows.push((
            "root copy",
            format!("serial {}, {state} {}", copy.serial, time(copy.until)),
        ));
    }
    if let Some(until) = status.certificate_until {
        rows.push(("TLS", format!("certificate valid until {}", time(until))));
    }
    rows.extend(status.underway.iter().map(|work| {
        let UnderwayStatus { what, for_s } = work;
        ("AT WORK", format!("{what}, for {}", span(*for_s)))
    }));
    rows.extend(describe_changes(status));
    rows.extend(status.trust_anchors.iter().map(describe_anchor));
    rows.extend(anchor_alarms(&status.trust_anchors));
    if let Some(rebindings) = status.rebindings {
        rows.push((
            "rebinding",
            format!("{} refused", count(rebindings, "answer")),
        ));
    }
    rows
}

/// What is in force otherwise than the file says, and what is not yet.
fn describe_changes(status: &Status) -> Vec<(&'static str, String)> {
    let temporary = status.temporary.iter();
    let temporary = temporary.map(|words| ("changed", format!("until the next start: {words}")));
    let mut rows: Vec<_> = temporary.collect();
    if !status.waiting.is_empty() {
        let keys = status.waiting.join(", ");
        rows.push(("WAITS", format!("for a restart, to be in force: {keys}")));
    }
    rows
}

/// Where it is and how it does.
fn describe_upstream(upstream: &UpstreamStatus) -> (&'static str, String) {
    let state = if upstream.is_up { "up" } else { "passed over" };
    let zone = upstream.zone.as_ref();
    let zone = zone.map_or_else(String::new, |zone| format!(" for {zone}"));
    let words = format!(
        "{} {state}{zone}, asked {}, failed {}",
        upstream.address,
        number(upstream.asked),
        number(upstream.failed)
    );
    ("upstream", words)
}

/// A key by its tag, and how it stands.
pub(super) fn describe_anchor(anchor: &AnchorStatus) -> (&'static str, String) {
    let since = if anchor.since > 0 {
        format!(" since {}", time(anchor.since))
    } else {
        String::new()
    };
    let left = anchor.left_s.map(|left_s| left_s.try_into().unwrap_or(0));
    let left = left.map_or_else(String::new, |left_s| format!(", for {} more", span(left_s)));
    let state = match anchor.state {
        None => "as configured",
        Some(KeyState::Start) => "not seen yet",
        Some(KeyState::AddPend) => "not believed yet",
        Some(KeyState::Valid) => "valid",
        Some(KeyState::Missing) => "valid, missing in the zone",
        Some(KeyState::Revoked) => "revoked",
        Some(KeyState::Removed) => "removed",
    };
    let AnchorStatus { zone, key_tag, .. } = anchor;
    ("anchor", format!("{zone} {key_tag} {state}{since}{left}"))
}

/// Each zone whose keys cannot be had, once.
fn anchor_alarms(anchors: &[AnchorStatus]) -> Vec<(&'static str, String)> {
    let mut alarms: Vec<_> = anchors
        .iter()
        .filter_map(|AnchorStatus { zone, fault, .. }| {
            let fault = fault.as_ref()?;
            Some(("ALARM", format!("trust anchor {zone}: {fault}")))
        })
        .collect();
    alarms.dedup();
    alarms
}

/// What a witness has cosigned; an alarm behind it where it refuses.
fn describe_witness(witness: &WitnessStanding) -> Vec<(&'static str, String)> {
    let name = &witness.name;
    let cosigned = match (witness.size, witness.at) {
        (Some(size), Some(at)) => format!("cosigned {} leaves at {}", number(size), time(at)),
        _ => "has cosigned nothing yet".to_owned(),
    };
    match &witness.fault {
        Some(fault) if witness.is_refused => vec![
            ("witness", format!("{name} {cosigned}")),
            ("ALARM", format!("witness {name}: NOT COSIGNED: {fault}")),
        ],
        Some(fault) => vec![(
            "witness",
            format!("{name} {cosigned}; the last checkpoint waits: {fault}"),
        )],
        None => vec![("witness", format!("{name} {cosigned}"))],
    }
}

const fn mib(octets: u64) -> u64 {
    octets.div_ceil(1 << 20)
}

fn describe_questions(status: &Status) -> String {
    let ended = status
        .questions
        .ended
        .iter()
        .filter(|(_, count)| **count > 0);
    let ended: Vec<String> = ended
        .map(|(end, questions)| format!("{end} {}", number(*questions)))
        .collect();
    let total = number(status.questions.total);
    if ended.is_empty() {
        total
    } else {
        format!("{total}: {}", ended.join(", "))
    }
}

fn describe_cache(status: &Status) -> String {
    let cache = &status.cache;
    let asked = (cache.hits + cache.misses).max(1);
    format!(
        "{}, {:.1} of {:.0} MiB; {:.1} % hits, {} stale, {} renewed",
        count(cache.answers, "answer"),
        cache.octets as f64 / MIB,
        cache.octets_max as f64 / MIB,
        100.0 * cache.hits as f64 / asked as f64,
        number(cache.stale),
        number(cache.renewed)
    )
}

fn describe_counts(counts: &Flushing) -> String {
    let last = counts.last_flush.map_or_else(|| "not yet".to_owned(), time);
    match &counts.last_error {
        None => format!("written to disk {last}"),
        Some(error) => format!(
            "NOT WRITTEN since {last} ({}): {error}. Answering goes on, and the counts wait in \
             memory: a crash now would lose them",
            count(counts.failures, "failure")
        ),
    }
}

/// Since when a list is in force.
pub(super) fn since(state: &ListState) -> String {
    if state.live_since == 0 {
        return "NOT IN FORCE".to_owned();
    }
    time(state.live_since)
}

fn describe_lists(status: &Status) -> String {
    if status.lists.is_empty() {
        return "no list: nothing is blocked\n".to_owned();
    }
    let columns = [
        TextColumn::Left("LIST"),
        TextColumn::Left("AUTHORITY"),
        TextColumn::Right("ENTRIES"),
        TextColumn::Right("REJECTS"),
        TextColumn::Right("BLOCKED"),
        TextColumn::Left("IN FORCE SINCE"),
        TextColumn::Left("SHA-256"),
    ];
    let rows = status.lists.iter().map(|list| {
        let state = &list.state;
        vec![
            state.id.clone(),
            list.authority.clone(),
            number(state.entries),
            number(state.rejects),
            number(list.blocked),
            since(state),
            state.sha256.chars().take(DIGEST_SHOWN).collect(),
        ]
    });
    let mut text = table(&columns, &rows.collect::<Vec<_>>());
    for list in &status.lists {
        if let Some(trial) = &list.state.trial {
            let TrialState {
                entries,
                until,
                questions,
                hits,
                ..
            } = trial;
            let [entries, questions, hits] = [entries, questions, hits].map(|value| number(*value));
            let until = time(*until);
            text.push_str(&format!(
                "\n{} in shadow until {until}: {entries} entries would block {hits} of {questions} \
                 questions more\n",
                list.state.id
            ));
        }
        text.push_str(&describe_deadline(&list.state).unwrap_or_default());
        for told in &list.state.overrides {
            text.push_str(&format!(
                "\n{} in force by an override: {told}\n",
                list.state.id
            ));
        }
        for unused in &list.state.unused_identities {
            text.push_str(&format!(
                "\n{}: the issue in force is not encrypted to {unused}, one of its identities\n",
                list.state.id
            ));
        }
        for alarm in &list.state.alarms {
            text.push_str(&format!(
                "\nALARM: list {}: {}\n",
                list.state.id, alarm.message
            ));
        }
        if let Some(refusal) = &list.state.last_refusal {
            text.push_str(&format!(
                "\nrefused {}: {}\n",
                time(refusal.at),
                refusal.message
            ));
        }
    }
    text
}

/// The deadline of a list that has one, and how the issue in force stands to it.
fn describe_deadline(state: &ListState) -> Option<String> {
    let within_s = state.apply_within_s?;
    let (id, due) = (&state.id, number(within_s));
    let took = state.in_force_after_s.map_or_else(String::new, |after_s| {
        let verdict = if after_s > within_s {
            "TOO LATE"
        } else {
            "in time"
        };
        format!("; the one in force took {} s, {verdict}", number(after_s))
    });
    Some(format!(
        "\n{id}: each issue is due in force {due} s after it was issued{took}\n"
    ))
}

/// A span of time in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{CacheStatus, ListStatus, MemoryStatus, Questions, RootCopyStatus};
    use crate::measure::ReadinessState;
    use crate::update::{LastRefusal, ListState};

    const SCREEN: &str = "\
program    wardline 0.1.0, pid 7, up 1 h 1 min
health     degraded: list two: not in force
doors      udp 127.0.0.1:5300, tcp 127.0.0.1:5300
questions  1,005: blocked 5, hit 1,000
memory     40 of at most 513 MiB
cache      10 answers, 1.5 of 256 MiB; 99.5 % hits, 2 stale, 1 renewed
counts     written to disk 1970-01-01T00:00:10Z
root copy  serial 2026010100, holds until 1970-01-01T00:01:00Z
TLS        certificate valid until 1970-01-01T00:01:00Z
AT WORK    list example is read again, for 3 s
WAITS      for a restart, to be in force: listen.threads
anchor     . 20326 revoked since 1970-01-01T00:01:00Z, for 1 d 0 h more
anchor     . 38696 valid since 1970-01-01T00:01:00Z
anchor     . 50000 not seen yet
ALARM      trust anchor .: no anchor fits
rebinding  3 answers refused
upstream   192.0.2.53:53 passed over, asked 9, failed 9
witness    one.example cosigned 1,200 leaves at 1970-01-01T00:01:00Z
witness    two.example has cosigned nothing yet; the last checkpoint waits: refused
witness    three.example cosigned 7 leaves at 1970-01-01T00:00:01Z
ALARM      witness three.example: NOT COSIGNED: SPLIT VIEW

LIST     AUTHORITY  ENTRIES  REJECTS  BLOCKED  IN FORCE SINCE        SHA-256
example  Authority  120,000        3        5  1970-01-02T00:00:00Z  0123456789ab

refused 1970-01-01T00:01:00Z: l.txt: list example: has no entry
";

    fn anchors() -> Vec<AnchorStatus> {
        let anchor = |key_tag, state, since, left_s| AnchorStatus {
            zone: ".".to_owned(),
            key_tag,
            algorithm: 8,
            state: Some(state),
            since,
            left_s,
            fault: Some("no anchor fits".to_owned()),
        };
        vec![
            anchor(20326, KeyState::Revoked, 60, Some(86_400)),
            anchor(38696, KeyState::Valid, 60, None),
            anchor(50000, KeyState::Start, 0, None),
        ]
    }

    fn list() -> ListStatus {
        let state = ListState {
            id: "example".to_owned(),
            sha256: "0123456789abcdef".repeat(4),
            entries: 120_000,
            rejects: 3,
            octets: 2_560_000,
            live_since: 86_400,
            generation: 1,
            last_refusal: Some(LastRefusal {
                at: 60,
                message: "l.txt: list example: has no entry".to_owned(),
                manifest: None,
            }),
            ..ListState::default()
        };
        ListStatus {
            state,
            authority: "Authority".to_owned(),
            blocked: 5,
        }
    }

    fn questions() -> Questions {
        let ended = [("blocked", 5), ("hit", 1000), ("own", 0)];
        Questions {
            total: 1005,
            ended: ended.map(|(way, count)| (way.to_owned(), count)).into(),
            ..Questions::default()
        }
    }

    fn cache() -> CacheStatus {
        CacheStatus {
            answers: 10,
            octets: 1_572_864,
            octets_max: 268_435_456,
            hits: 995,
            misses: 5,
            stale: 2,
            renewed: 1,
        }
    }

    fn upstream() -> UpstreamStatus {
        UpstreamStatus {
            address: "192.0.2.53:53".to_owned(),
            zone: None,
            is_up: false,
            asked: 9,
            failed: 9,
            down_since: None,
            failures_in_a_row: 9,
            usual_us: 250_000,
            needs_tcp: false,
            under_way: 0,
        }
    }

    fn witnesses() -> Vec<WitnessStanding> {
        let witness = |name: &str, size, at, fault: Option<&str>| WitnessStanding {
            name: name.to_owned(),
            size,
            at,
            fault: fault.map(str::to_owned),
            is_refused: fault == Some("SPLIT VIEW"),
        };
        vec![
            witness("one.example", Some(1200), Some(60), None),
            witness("two.example", None, None, Some("refused")),
            witness("three.example", Some(7), Some(1), Some("SPLIT VIEW")),
        ]
    }

    #[test]
    fn the_status_fits_one_screen() {
        let status = Status {
            version: "0.1.0".to_owned(),
            pid: 7,
            uptime_s: 3661,
            generation: 1,
            doors: ["udp 127.0.0.1:5300", "tcp 127.0.0.1:5300"]
                .map(str::to_owned)
                .into(),
            waiting: vec!["listen.threads".to_owned()],
            certificate_until: Some(60),
            temporary: Vec::new(),
            is_leaving: false,
            readiness: Readiness {
                state: ReadinessState::Degraded,
                why: vec!["list two: not in force".to_owned()],
            },
            underway: vec![UnderwayStatus {
                what: "list example is read again".to_owned(),
                for_s: 3,
            }],
            lists: vec![list()],
            questions: questions(),
            memory: MemoryStatus {
                resident: 40 << 20,
                budget: 513 << 20,
            },
            cache: cache(),
            counts: Flushing {
                last_flush: Some(10),
                ..Flushing::default()
            },
            root_copy: Some(RootCopyStatus {
                serial: 2_026_010_100,
                until: 60,
                holds: true,
            }),
            trust_anchors: anchors(),
            rebindings: Some(3),
            upstreams: vec![upstream()],
            witnesses: witnesses(),
        };
        assert_eq!(describe(&status), SCREEN);
    }

    #[test]
    fn counts_that_are_not_written_are_told() {
        let full = Flushing {
            last_flush: Some(10),
            failures: 3,
            last_error: Some("the disk is full".to_owned()),
            ..Flushing::default()
        };
        let expected = "NOT WRITTEN since 1970-01-01T00:00:10Z (3 failures): the disk is full. \
                        Answering goes on";
        let told = describe_counts(&full);
        assert!(told.starts_with(expected), "{told}");
    }

    #[test]
    fn a_deadline_is_told_with_what_became_of_it() {
        let told = |within, after| {
            describe_deadline(&ListState {
                id: "a".to_owned(),
                apply_within_s: within,
                in_force_after_s: after,
                ..ListState::default()
            })
        };
        assert_eq!(told(None, Some(5)), None);
        let due = "\na: each issue is due in force 1,800 s after it was issued";
        assert_eq!(told(Some(1800), None), Some(format!("{due}\n")));
        for (after_s, words) in [(1800, "1,800 s, in time"), (1801, "1,801 s, TOO LATE")] {
            let expected = format!("{due}; the one in force took {words}\n");
            assert_eq!(told(Some(1800), Some(after_s)), Some(expected));
        }
    }

    #[test]
    fn a_span_has_its_two_largest_units() {
        assert_eq!([5, 65, 90_000].map(span), ["5 s", "1 min 5 s", "1 d 1 h"]);
    }
}
